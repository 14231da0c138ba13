import { describe, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { ManualTime, settle } from "../testing/manual-time.ts";
import { newcomer } from "../testing/newcomer.ts";
import { type AskEntries, Filling } from "./filling.ts";
import { Fillings } from "./fillings.ts";

const shard = 3;
const last = 20;
const everything: AskEntries = async (_, { from, to }) =>
  Array.from({ length: to - from + 1 }, (_entry, at) => ({
    ...{ index: from + at, term: 1, kind: "data" as const, writtenMs: 1 },
    payload: { bytes: new Uint8Array(0), start: 0, length: 0, crc: 0 },
  }));

async function shardThatIsFilled() {
  const store = await newcomer(shard, last);
  const time = new ManualTime();
  const broken: unknown[] = [];
  const told: (readonly number[])[] = [];
  const fillings: Fillings = new Fillings({
    changed: () => told.push(fillings.shards),
    fatal: (error) => broken.push(error),
  });
  const begin = (ask: AskEntries): void =>
    fillings.begin(
      shard,
      new Filling({
        ...{ shard, range: { from: 1, to: last }, store, clock: time, timers: time, logger: silentLogger, ask },
        chunkBytes: 1_024,
      }),
    );
  return { store, time, broken, told, fillings, begin };
}

describe("Replicas that are being filled in", () => {
  test("get another snapshot: what is begun for it waits until what was begun before has let go", async () => {
    const { store, time, broken, told, fillings, begin } = await shardThatIsFilled();
    const answers: (() => void)[] = [];
    begin(async () => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return [];
    });
    await settle();
    expect(answers).toHaveLength(1);
    begin(everything);
    await time.pass(1_000);
    expect(store.missing(shard, 1, last)).toEqual([{ from: 1, to: last }]);
    expect(fillings.has(shard)).toBe(true);
    answers[0]?.();
    await time.pass(1_000);
    expect(broken).toEqual([]);
    expect(store.missing(shard, 1, last)).toEqual([]);
    expect(fillings.has(shard)).toBe(false);
    expect(told).toEqual([[shard], [shard], []]);
  });

  test("that are closed before their turn never begin", async () => {
    const { time, broken, fillings, begin } = await shardThatIsFilled();
    let asked = 0;
    const never: AskEntries = () => {
      asked += 1;
      return Promise.resolve([]);
    };
    begin(never);
    fillings.end(shard);
    await time.pass(1_000);
    expect(asked).toBe(0);
    expect(fillings.shards).toEqual([]);
    expect(broken).toEqual([]);
  });
});
