import { type Random, SaturnError } from "@saturnmq/kit";
import type { ClusterView, GroupInfo, MetadataService, TopicInfo } from "@saturnmq/wire";

/** Topics and groups by name and id, as last heard from the name server. Groups come into being at their first use. */
export class Directory {
  readonly #metadata: MetadataService;
  readonly #random: Random;
  #view: ClusterView | undefined;
  #topicNames = new Map<number, string>();
  readonly #groups = new Map<number, GroupInfo>();
  readonly #creating = new Map<string, Promise<GroupInfo>>();
  #keys: readonly DataView[] = [];
  /** Highest ids ever seen: a lower one that is not in the view was deleted, a higher one may be newer than the view. */
  #lastTopic = 0;
  #lastGroup = 0;

  constructor(metadata: MetadataService, random: Random) {
    this.#metadata = metadata;
    this.#random = random;
  }

  get view(): ClusterView | undefined {
    return this.#view;
  }

  /** Receipt handle keys, newest first. */
  get handleKeys(): readonly DataView[] {
    return this.#keys;
  }

  changed(view: ClusterView): void {
    this.#view = view;
    this.#keys = view.handleKeys.map((key) => new DataView(key.buffer, key.byteOffset, key.byteLength));
    this.#topicNames = new Map(Array.from(view.topics.values(), ({ id, name }) => [id, name]));
    this.#groups.clear();
    for (const group of view.groups.values()) this.#groups.set(group.id, group);
    this.#lastTopic = Math.max(this.#lastTopic, ...this.#topicNames.keys());
    this.#lastGroup = Math.max(this.#lastGroup, ...this.#groups.keys());
  }

  /** @throws {SaturnError} `TOPIC_NOT_FOUND`, or `HA_NOT_AVAILABLE` before the name server was heard */
  topic(name: string): TopicInfo {
    const topic = this.#heard().topics.get(name);
    if (topic !== undefined) return topic;
    throw new SaturnError(
      "TOPIC_NOT_FOUND",
      `topic ${name} does not exist: create it first (saturnmq topic create ${name})`,
    );
  }

  async group(name: string): Promise<GroupInfo> {
    return this.#heard().groups.get(name) ?? (await this.#create(name));
  }

  topicById(id: number): TopicInfo | undefined {
    const name = this.#topicNames.get(id);
    return name === undefined ? undefined : this.#view?.topics.get(name);
  }

  groupById(id: number): GroupInfo | undefined {
    return this.#groups.get(id);
  }

  isTopicDeleted(id: number): boolean {
    return id <= this.#lastTopic && !this.#topicNames.has(id);
  }

  isGroupDeleted(id: number): boolean {
    return id <= this.#lastGroup && !this.#groups.has(id);
  }

  #heard(): ClusterView {
    if (this.#view !== undefined) return this.#view;
    throw new SaturnError("HA_NOT_AVAILABLE", "the name server was not heard yet: try again");
  }

  #create(name: string): Promise<GroupInfo> {
    const creating = this.#creating.get(name);
    if (creating !== undefined) return creating;
    const requestId = Array.from({ length: 4 }, () =>
      this.#random
        .below(2 ** 32)
        .toString(16)
        .padStart(8, "0"),
    ).join("");
    const creation = this.#metadata
      .createGroup({ requestId, name, order: false, from: "default", maxAttempts: undefined, implicit: true })
      .then((group) => {
        // The view that holds it may come later; the highest id stays, so that it does not pass for deleted until then.
        this.#groups.set(group.id, group);
        return group;
      })
      .finally(() => this.#creating.delete(name));
    this.#creating.set(name, creation);
    return creation;
  }
}
