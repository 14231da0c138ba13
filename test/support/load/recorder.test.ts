import { expect, test } from "@jest/globals";
import { Recorder } from "./recorder.ts";

test("a moment is met in the very turn in which it comes, once", () => {
  const recorder = new Recorder();
  const met: string[] = [];
  recorder.once(
    ({ inFlight }) => inFlight === 2,
    () => met.push("two in flight"),
  );
  recorder.once(
    ({ ok, inFlight }) => ok === 1 && inFlight === 1,
    () => met.push("one acknowledged in mid-send"),
  );
  const [first, second] = [0, 1].map((sequence) => recorder.begin({ producer: 1, sequence }));
  expect(met).toEqual(["two in flight"]);
  first?.({ kind: "ok", offset: 0 });
  expect(met).toEqual(["two in flight", "one acknowledged in mid-send"]);
  second?.({ kind: "info" });
  recorder.begin({ producer: 1, sequence: 2 });
  recorder.begin({ producer: 1, sequence: 3 });
  expect(met).toHaveLength(2);
  expect(recorder.counts).toMatchObject({ inFlight: 2, ok: 1, info: 1, fail: 0 });
});

test("a moment that is there already is met at once", () => {
  let met = 0;
  new Recorder().once(
    ({ inFlight }) => inFlight === 0,
    () => {
      met += 1;
    },
  );
  expect(met).toBe(1);
});
