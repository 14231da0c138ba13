import { deadLetterTopicOf, type Random, SaturnError, type Timers } from "@saturnmq/kit";
import type { ClusterView, GroupInfo, MetadataService, TopicInfo } from "@saturnmq/wire";
import type { DeadLetterNames } from "./shard/shard-host.ts";

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
  readonly #catchingUp = new Set<() => void>();

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
    for (const look of [...this.#catchingUp]) look();
  }

  /** Revision of the metadata that was watched last; 0 before any was. */
  get revision(): number {
    return this.#view?.revision ?? 0;
  }

  /**
   * Resolves when metadata of at least this revision was watched.
   *
   * @throws {SaturnError} `HA_NOT_AVAILABLE` if it was not within `waitMs`
   */
  caughtUp(revision: number, waitMs: number, timers: Timers): Promise<void> {
    if (this.revision >= revision) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        cancel();
        this.#catchingUp.delete(look);
        settle();
      };
      const look = (): void => {
        if (this.revision >= revision) end(resolve);
      };
      const cancel = timers.after(waitMs, () => {
        end(() => {
          const behind = `this broker has heard of revision ${this.revision} of the cluster's metadata, not yet of ${revision}`;
          reject(new SaturnError("HA_NOT_AVAILABLE", `${behind}: try again`));
        });
      });
      this.#catchingUp.add(look);
    });
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

  /** A group's topic of dead letters, and the name of the topic that they come from; `undefined` for a group without. */
  deadLettersOf(group: number, topic: number): DeadLetterNames | undefined {
    const name = this.groupById(group)?.name;
    const dead = name === undefined ? undefined : this.#view?.topics.get(deadLetterTopicOf(name));
    return dead && { id: dead.id, name: dead.name, origin: this.#topicNames.get(topic) ?? "" };
  }

  isTopicDeleted(id: number): boolean {
    return id <= this.#lastTopic && !this.#topicNames.has(id);
  }

  isGroupDeleted(id: number): boolean {
    return id <= this.#lastGroup && !this.#groups.has(id);
  }

  /** Why a topic, or a group, that a caller still knows is of no use any more. */
  gone(topic: TopicInfo, group?: GroupInfo): SaturnError | undefined {
    if (this.isTopicDeleted(topic.id)) return new SaturnError("TOPIC_NOT_FOUND", `topic ${topic.name} was deleted`);
    if (group === undefined || !this.isGroupDeleted(group.id)) return undefined;
    return new SaturnError("CONSUMER_GROUP_NOT_FOUND", `consumer group ${group.name} was deleted`);
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
