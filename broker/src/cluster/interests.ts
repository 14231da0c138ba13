import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import type { LedShards } from "../led-shards.ts";
import { type Interest, interestKey } from "./ports.ts";

export type InterestsOptions = {
  readonly shards: LedShards;
  readonly topicById: (id: number) => TopicInfo | undefined;
  readonly groupById: (id: number) => GroupInfo | undefined;
  readonly tell: (broker: number, interest: Interest) => void;
};

type Armed = { readonly interest: Interest; readonly brokers: Set<number> };

/**
 * What other brokers wait for. An interest is a level, not an event: it is told at once if something is ready when it is armed, else as soon as
 * something is, and is spent by that.
 */
export class Interests {
  readonly #options: InterestsOptions;
  /** By topic id, then by interest, then by broker. */
  readonly #armed = new Map<number, Map<string, Armed>>();

  constructor(options: InterestsOptions) {
    this.#options = options;
  }

  arm(broker: number, interest: Interest): void {
    let ofTopic = this.#armed.get(interest.topic);
    if (ofTopic === undefined) this.#armed.set(interest.topic, (ofTopic = new Map<string, Armed>()));
    const key = interestKey(interest);
    const armed = ofTopic.get(key);
    if (armed === undefined) ofTopic.set(key, { interest, brokers: new Set([broker]) });
    else armed.brokers.add(broker);
    this.ready(interest.topic, interest.group);
  }

  /** A topic, or one group of it, may have something ready here. */
  ready(topic: number, group: number | undefined): void {
    const ofTopic = this.#armed.get(topic);
    const info = ofTopic && this.#options.topicById(topic);
    if (ofTopic === undefined || info === undefined) return;
    for (const [key, { interest, brokers }] of ofTopic) {
      if (group !== undefined && interest.group !== group) continue;
      const groupInfo = this.#options.groupById(interest.group);
      // Not heard of here yet: a later view brings it, and everything is looked at again.
      if (groupInfo === undefined || !this.#options.shards.hasReady(info, groupInfo, interest.filter)) continue;
      ofTopic.delete(key);
      for (const broker of brokers) this.#options.tell(broker, interest);
    }
    if (ofTopic.size === 0) this.#armed.delete(topic);
  }

  /** Anything may have changed. */
  allReady(): void {
    for (const topic of [...this.#armed.keys()]) this.ready(topic, undefined);
  }

  /** A broker waits for nothing any more. */
  gone(broker: number): void {
    for (const [topic, ofTopic] of this.#armed) {
      for (const [key, { brokers }] of ofTopic) {
        brokers.delete(broker);
        if (brokers.size === 0) ofTopic.delete(key);
      }
      if (ofTopic.size === 0) this.#armed.delete(topic);
    }
  }

  /** Interests of topics and groups that were deleted are of no use to anybody. */
  drop(isGone: (topic: number, group: number) => boolean): void {
    for (const [topic, ofTopic] of this.#armed) {
      for (const [key, { interest }] of ofTopic) if (isGone(topic, interest.group)) ofTopic.delete(key);
      if (ofTopic.size === 0) this.#armed.delete(topic);
    }
  }
}
