import { deadLetterTopicOf, defined, SaturnError } from "@saturnmq/kit";
import type {
  ClusterView,
  CreateGroup,
  CreateTopic,
  GroupInfo,
  HeartbeatReply,
  MetadataService,
  StartPosition,
  TopicInfo,
} from "@saturnmq/wire";
import { placedShard, testSettings } from "./cluster-view.ts";

/** A name server in a few lines: what it is told holds at once. */
export class FixedMetadata implements MetadataService {
  readonly #watchers = new Set<(view: ClusterView) => void>();
  readonly #topics = new Map<string, TopicInfo>();
  readonly #groups = new Map<string, GroupInfo>();
  readonly #shardCount: number;
  readonly #wallMs: () => number;
  #revision = 1;
  #lastId = 0;
  maxAttempts = 3;
  /** Whether groups get a topic of dead letters; without one their messages are parked. */
  deadLetters = false;

  readonly #voters: readonly number[];

  /** @param voters of every shard */
  constructor(shardCount: number, wallMs: () => number, voters: readonly number[] = [1]) {
    this.#shardCount = shardCount;
    this.#wallMs = wallMs;
    this.#voters = voters;
  }

  register(): Promise<{ brokerId: number; clusterId: string }> {
    return Promise.resolve({ brokerId: 1, clusterId: "test" });
  }

  heartbeat(): Promise<HeartbeatReply> {
    return Promise.resolve({ transfers: [] });
  }

  administer(): Promise<never> {
    return Promise.reject(new SaturnError("UNIMPLEMENTED", "a fixed name server decides nothing"));
  }

  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void {
    this.#watchers.add(changed);
    signal.addEventListener("abort", () => this.#watchers.delete(changed));
    changed(this.#view());
  }

  async createTopic({ name, type, queues, retentionMs }: Omit<CreateTopic, "requestId">): Promise<TopicInfo> {
    const topic = { id: (this.#lastId += 1), name, type, queues, retentionMs, createdAtMs: this.#wallMs() };
    this.#topics.set(name, topic);
    this.#changed();
    return topic;
  }

  async deleteTopic({ name }: { name: string }): Promise<void> {
    this.#topics.delete(name);
    this.#changed();
  }

  async createGroup({ name, order, from, maxAttempts }: CreateGroup): Promise<GroupInfo> {
    const createdAtMs = this.#wallMs();
    const start = from === "latest" ? ({ kind: "time", atMs: createdAtMs } as const) : ({ kind: from } as const);
    const attempts = maxAttempts ?? this.maxAttempts;
    const group = { id: (this.#lastId += 1), name, order, start, maxAttempts: attempts, cursorEpoch: 0, createdAtMs };
    this.#groups.set(name, group);
    if (this.deadLetters) {
      const about = { type: "NORMAL", queues: this.#shardCount, retentionMs: undefined } as const;
      await this.createTopic({ name: deadLetterTopicOf(name), ...about });
    }
    this.#changed();
    return group;
  }

  async deleteGroup({ name }: { name: string }): Promise<void> {
    this.#groups.delete(name);
    this.#changed();
  }

  /** Starts a group anew, on all topics or on one, as the name server does. */
  resetGroup(name: string, start: StartPosition, topic?: number): void {
    const { resets = [], ...group } = defined(this.#groups.get(name), `group ${name}`);
    const cursorEpoch = Math.max(group.cursorEpoch, ...resets.map((reset) => reset.cursorEpoch)) + 1;
    const others = resets.filter((reset) => reset.topic !== topic);
    const reset = topic === undefined ? { start, cursorEpoch } : { resets: [...others, { topic, start, cursorEpoch }] };
    this.#groups.set(name, { ...group, ...reset });
    this.#changed();
  }

  #view(): ClusterView {
    const shards = Array.from({ length: this.#shardCount }, (_, shard) => placedShard(shard, this.#voters));
    return {
      revision: this.#revision,
      clusterId: "test",
      shardCount: this.#shardCount,
      ...{ replicationFactor: 1, featureLevel: 1, settings: testSettings },
      topics: new Map(this.#topics),
      groups: new Map(this.#groups),
      shards,
      brokers: new Map(),
      handleKeys: [new Uint8Array(32).fill(7)],
      nameServers: [],
    };
  }

  #changed(): void {
    this.#revision += 1;
    for (const watcher of this.#watchers) watcher(this.#view());
  }
}
