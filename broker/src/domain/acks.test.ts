import { expect, test } from "@jest/globals";
import { type SaturnError, SeededRandom } from "@saturnmq/kit";
import { encodeCheckpoint } from "./checkpoint.ts";
import { decideAck, decideAcks, decideStart } from "./leases.ts";
import type { ReceiptHandle } from "./receipt-handle.ts";
import { ShardBench, topic } from "./testing/shard-bench.ts";

const group = 5;

/** Two queues of which a group holds some leases, others have run out, and some messages are finished. */
function setUp(random: SeededRandom): { bench: ShardBench; handles: ReceiptHandle[] } {
  const bench = new ShardBench();
  bench.send(0, 40);
  bench.send(1, 40);
  bench.commit();
  for (const queue of [0, 1])
    bench.stage(decideStart(bench.overlay, { group, topic, queue, epoch: 0 }, 0, bench.nowMs));
  bench.addFilter(group);
  bench.commit();
  const handles = [
    ...bench.receive(group, 0, 5, 1_000),
    ...bench.receive(group, 0, 25, 60_000),
    ...bench.receive(group, 1, 25, 60_000),
  ];
  bench.commit();
  bench.pass(2_000);
  for (const handle of handles)
    if (random.below(6) === 0 && handle.deadlineMs > bench.nowMs)
      bench.stage(decideAck(bench.state, bench.overlay, handle, bench.nowMs));
  if (random.below(2) === 0) bench.commit();
  return { bench, handles };
}

function oneByOne(bench: ShardBench, handles: readonly ReceiptHandle[]): (string | undefined)[] {
  return handles.map((handle) => {
    try {
      bench.stage(decideAck(bench.state, bench.overlay, handle, bench.nowMs));
      return undefined;
    } catch (error) {
      return (error as SaturnError).message;
    }
  });
}

test("handles that come together do what they do one by one, whatever they are, with fewer records", () => {
  let saved = 0;
  let refused = 0;
  for (let seed = 1; seed <= 200; seed += 1) {
    const single = setUp(new SeededRandom(seed));
    const together = setUp(new SeededRandom(seed));
    const random = new SeededRandom(seed + 1_000);
    // Runs of neighbours, now and then a jump, a handle again, or one of another queue.
    const places: number[] = [];
    for (let at = random.below(10); places.length < 60; at = random.below(8) === 0 ? random.below(55) : (at + 1) % 55)
      places.push(at);
    const pick = (from: readonly ReceiptHandle[]): ReceiptHandle[] => places.map((at) => from[at] as ReceiptHandle);
    const expected = oneByOne(single.bench, pick(single.handles));
    const { bench } = together;
    const { records, refusals } = decideAcks(bench.state, bench.overlay, pick(together.handles), bench.nowMs);
    expect({ seed, outcomes: places.map((_, at) => refusals[at]?.message) }).toEqual({ seed, outcomes: expected });
    for (const record of records) bench.write(record);
    for (const each of [single.bench, bench]) each.commit();
    const state = (of: ShardBench): Buffer => Buffer.concat(encodeCheckpoint(of.state));
    expect(state(bench).equals(state(single.bench))).toBe(true);
    expect(bench.overlay.scheduled).toBe(single.bench.overlay.scheduled);
    saved += records.reduce((sum, { count }) => sum + count - 1, 0);
    refused += expected.filter((outcome) => outcome !== undefined).length;
  }
  expect(saved).toBeGreaterThan(1_000);
  expect(refused).toBeGreaterThan(500);
});
