import { expect, test } from "@jest/globals";
import { SeededRandom } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import { WorkQueue } from "./work-queue.ts";

type Job = { readonly key: string; readonly done: (againMs?: number) => void; readonly fail: (error: unknown) => void };

function open(workers = 2): { time: ManualTime; queue: WorkQueue; jobs: Job[]; failures: string[] } {
  const time = new ManualTime();
  const jobs: Job[] = [];
  const failures: string[] = [];
  const queue = new WorkQueue({
    ...{ timers: time, random: new SeededRandom(7), workers },
    work: (key) =>
      new Promise((resolve, reject) => jobs.push({ key, done: (againMs) => resolve(againMs), fail: reject })),
    failed: (key) => failures.push(key),
  });
  return { time, queue, jobs, failures };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a key is worked on once at a time; added meanwhile, it comes once more", async () => {
  const { queue, jobs } = open();
  queue.add("a");
  queue.add("a");
  queue.add("a");
  expect(jobs.map(({ key }) => key)).toEqual(["a"]);
  jobs[0]?.done();
  await turn();
  expect(jobs.map(({ key }) => key)).toEqual(["a", "a"]);
  jobs[1]?.done();
  await turn();
  expect(jobs).toHaveLength(2);
});

test("no more keys at once than workers, in the order they came", async () => {
  const { queue, jobs } = open(2);
  for (const key of ["a", "b", "c", "b"]) queue.add(key);
  expect(jobs.map(({ key }) => key)).toEqual(["a", "b"]);
  jobs[0]?.done();
  await turn();
  expect(jobs.map(({ key }) => key)).toEqual(["a", "b", "c"]);
});

test("a key that asks for it comes again, once, and earlier when it is added", async () => {
  const { queue, jobs, time } = open();
  queue.add("a");
  jobs[0]?.done(5_000);
  await turn();
  time.advance(4_999);
  expect(jobs).toHaveLength(1);
  queue.add("a");
  expect(jobs).toHaveLength(2);
  jobs[1]?.done();
  await turn();
  time.advance(60_000);
  expect(jobs).toHaveLength(2);
});

test("failures come again after growing pauses, and a success forgets them", async () => {
  const { queue, jobs, time, failures } = open();
  queue.add("a");
  const pauses: number[] = [];
  for (let failure = 0; failure < 14; failure += 1) {
    const begun = jobs.length;
    jobs.at(-1)?.fail(new Error("no"));
    await turn();
    let waited = 0;
    for (; jobs.length === begun; waited += 10) time.advance(10);
    pauses.push(waited);
  }
  expect(failures).toHaveLength(14);
  expect(pauses[0]).toBeLessThanOrEqual(110);
  expect(Math.min(...pauses.slice(-3))).toBeGreaterThanOrEqual(30_000);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(60_020);
  jobs.at(-1)?.done();
  await turn();
  queue.add("a");
  jobs.at(-1)?.fail(new Error("no"));
  await turn();
  time.advance(110);
  expect(jobs).toHaveLength(17);
});

test("a server that asks for a pause gets it", async () => {
  const { queue, jobs, time } = open();
  queue.add("a");
  jobs[0]?.fail(Object.assign(new Error("busy"), { retryAfterMs: 7_000 }));
  await turn();
  time.advance(6_900);
  expect(jobs).toHaveLength(1);
  time.advance(200);
  expect(jobs).toHaveLength(2);
});

test("close waits for what is in work and begins nothing", async () => {
  const { queue, jobs, time } = open(1);
  queue.add("a");
  queue.add("b");
  let closed = false;
  const closing = queue.close().then(() => {
    closed = true;
  });
  await turn();
  expect(closed).toBe(false);
  jobs[0]?.done(10);
  await closing;
  time.advance(1_000);
  expect(jobs).toHaveLength(1);
});
