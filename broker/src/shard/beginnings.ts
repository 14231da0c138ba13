import { SaturnError } from "@saturnmq/kit";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { Filter } from "../domain/filter.ts";
import { filterKey } from "../domain/filter.ts";
import type { RecordedFilter } from "../domain/filter-table.ts";
import { decideFilterAdd } from "../domain/filters.ts";
import { decideStart } from "../domain/leases.ts";
import { groupStart, groupStartMs } from "./group-start.ts";
import type { ShardHost } from "./shard-host.ts";
import type { Led, ShardRuntime } from "./shard-runtime.ts";
import type { StoredMessages } from "./stored-messages.ts";

/** What a group's first receives wait for in one shard: where it begins on each queue, and the filters that it reads with. */
export class Beginnings {
  readonly #shard: ShardRuntime;
  readonly #host: ShardHost;
  readonly #messages: StoredMessages;
  /** What is on its way, by group and topic; for one leadership. */
  #waiting = new Map<string, Set<string>>();
  #waitingFor: Led | undefined;

  constructor(shard: ShardRuntime, host: ShardHost, messages: StoredMessages) {
    this.#shard = shard;
    this.#host = host;
    this.#messages = messages;
  }

  /** Whether something of the group on the topic is about to begin. */
  isWaiting(topic: TopicInfo, group: GroupInfo): boolean {
    return this.#waitingFor === this.#shard.led && (this.#waiting.get(`${group.id}/${topic.id}`)?.size ?? 0) > 0;
  }

  /** The cursor of a group on a queue; -1 while it has none: then one is begun if the queue holds anything. */
  cursor(led: Led, topic: TopicInfo, group: GroupInfo, queue: number): number {
    const { state } = led;
    const row = state.queues.find(topic.id, queue);
    if (row < 0) return -1;
    const cursor = state.cursors.find(group.id, row);
    if (cursor >= 0 && (state.cursors.epoch[cursor] ?? 0) >= groupStart(group, topic.id).cursorEpoch) {
      // A delete that is decided but not applied may have freed the row for another cursor.
      return led.overlay.decided.cursorOf(group.id, topic.id, queue) === cursor ? cursor : -1;
    }
    void this.#begin(led, topic, group, `queue ${queue}`, () => this.#start(led, topic, group, queue));
    return -1;
  }

  /**
   * A group's filter as it is recorded; `undefined` while it is not: then it is added.
   *
   * @throws {SaturnError} `ILLEGAL_FILTER_EXPRESSION` when the group has too many on the topic
   */
  filter(led: Led, topic: TopicInfo, group: GroupInfo, filter: Filter): RecordedFilter | undefined {
    const { overlay, state } = led;
    const decided = overlay.decided.filters.find(group.id, topic.id, filter);
    if (decided !== undefined) {
      // Others may finish what they do not want until the record is applied everywhere that may lead.
      const committed = state.filters.find(group.id, topic.id, filter)?.number === decided.number;
      return committed ? decided : undefined;
    }
    const place = { group: group.id, topic: topic.id };
    const record = decideFilterAdd(overlay, place, filter, this.#shard.now());
    if (record === undefined) return undefined;
    this.#shard.stage(led, record);
    void this.#begin(led, topic, group, filterKey(filter), () => Promise.resolve());
    return undefined;
  }

  /** Where a group begins on a queue that holds messages. */
  async startOffset({ state }: Led, topic: TopicInfo, group: GroupInfo, queue: number): Promise<number> {
    const row = state.queues.find(topic.id, queue);
    const [min, next] = [state.queues.min[row] ?? 0, state.queues.next[row] ?? 0];
    const startMs = groupStartMs(group, topic);
    if (startMs === -Infinity) return min;
    if (startMs > state.lastStoredAtMs) return next;
    return this.#messages.firstStoredSince(topic.id, queue, min, next, startMs);
  }

  async #start(led: Led, topic: TopicInfo, group: GroupInfo, queue: number): Promise<void> {
    const offset = await this.startOffset(led, topic, group, queue);
    if (led !== this.#shard.led) return;
    const place = { group: group.id, topic: topic.id, queue, epoch: groupStart(group, topic.id).cursorEpoch };
    const record = decideStart(led.overlay, place, offset, this.#shard.now());
    if (record !== undefined) this.#shard.stage(led, record);
  }

  /** Does something once at a time, and tells those who wait when what it staged is applied. */
  async #begin(led: Led, topic: TopicInfo, group: GroupInfo, what: string, stage: () => Promise<void>): Promise<void> {
    if (this.#waitingFor !== led) {
      this.#waitingFor = led;
      this.#waiting = new Map();
    }
    const key = `${group.id}/${topic.id}`;
    const waiting = this.#waiting.get(key) ?? new Set();
    if (waiting.has(what)) return;
    this.#waiting.set(key, waiting.add(what));
    try {
      await stage();
      await this.#shard.settled();
    } catch (err) {
      if (err instanceof SaturnError) return;
      this.#host.logger.error(
        { shard: this.#shard.shard, topic: topic.name, group: group.name, what, err },
        "a group could not begin",
      );
    } finally {
      waiting.delete(what);
      if (waiting.size === 0) {
        this.#waiting.delete(key);
        this.#host.ready(topic.id, group.id);
      }
    }
  }
}
