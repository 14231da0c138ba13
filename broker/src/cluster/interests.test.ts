import { expect, test } from "@jest/globals";
import type { GroupInfo, TopicInfo } from "@saturnmq/wire";
import { everything } from "../domain/filter.ts";
import type { LedShards } from "../led-shards.ts";
import { Interests } from "./interests.ts";
import type { Interest } from "./ports.ts";

const topic: TopicInfo = { id: 1, name: "t", type: "NORMAL", queues: 4, retentionMs: undefined, createdAtMs: 0 };
const group = (id: number): GroupInfo => {
  const facts = { order: false, start: { kind: "default" }, maxAttempts: 3, cursorEpoch: 0, createdAtMs: 0 } as const;
  return { id, name: `g${id}`, ...facts };
};

function setUp() {
  const ready = new Set<number>();
  const groups = new Set([7, 8]);
  const told: string[] = [];
  const interests = new Interests({
    shards: { hasReady: (_topic: TopicInfo, { id }: GroupInfo) => ready.has(id) } as unknown as LedShards,
    topicById: (id) => (id === topic.id ? topic : undefined),
    groupById: (id) => (groups.has(id) ? group(id) : undefined),
    tell: (broker, interest) => told.push(`${broker}: ${interest.group}`),
  });
  return { ready, groups, told, interests };
}

const interest = (of: number): Interest => ({ topic: topic.id, group: of, filter: everything });

test("an interest is told at once when something is ready, else as soon as it is, and once each time it is armed", () => {
  const { ready, told, interests } = setUp();
  interests.arm(2, interest(7));
  interests.ready(1, 7);
  expect(told).toEqual([]);
  ready.add(7);
  interests.ready(1, undefined);
  interests.ready(1, 7);
  expect(told).toEqual(["2: 7"]);
  interests.arm(2, interest(7));
  expect(told).toEqual(["2: 7", "2: 7"]);
});

test("all who wait for the same are told, and nobody who waits for something else", () => {
  const { ready, told, interests } = setUp();
  interests.arm(2, interest(7));
  interests.arm(3, interest(7));
  interests.arm(2, interest(8));
  ready.add(7);
  interests.ready(1, 8);
  expect(told).toEqual([]);
  interests.ready(1, 7);
  expect(told).toEqual(["2: 7", "3: 7"]);
});

test("whoever is gone is not told", () => {
  const { ready, told, interests } = setUp();
  interests.arm(2, interest(7));
  interests.arm(3, interest(7));
  interests.gone(2);
  ready.add(7);
  interests.allReady();
  expect(told).toEqual(["3: 7"]);
});

test("a group that is not known yet keeps its interest until it is, a deleted one loses it", () => {
  const { ready, groups, told, interests } = setUp();
  ready.add(9);
  interests.arm(2, interest(9));
  expect(told).toEqual([]);
  groups.add(9);
  interests.allReady();
  expect(told).toEqual(["2: 9"]);
  interests.arm(2, interest(7));
  interests.drop((_topic, id) => id === 7);
  ready.add(7);
  interests.allReady();
  expect(told).toEqual(["2: 9"]);
});
