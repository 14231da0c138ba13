import { describe, expect, test } from "@jest/globals";
import { ManualTime } from "@saturnmq/kit/testing";
import { HeartbeatStreams } from "./heartbeat-streams.ts";

const leaseMs = 3_000;

/** Broker 1 has an open stream as incarnation 1, and is registered as incarnation 2. */
function setUp() {
  const time = new ManualTime();
  const streams = new HeartbeatStreams(time);
  let ends = 0;
  const stream = streams.opened(1, 1, () => {
    ends += 1;
  });
  let outcome: "waits" | "admitted" | "refused" = "waits";
  streams.proveGone(1, 2, leaseMs).then(
    () => {
      outcome = "admitted";
    },
    () => {
      outcome = "refused";
    },
  );
  const seen = async () => {
    await new Promise(setImmediate);
    return { outcome, ends };
  };
  return { time, streams, stream, seen };
}

describe("whoever registers while an older incarnation's stream is open", () => {
  test("is refused when the other goes on to send", async () => {
    const { stream, seen } = setUp();
    stream.heard();
    expect((await seen()).outcome).toBe("waits");
    stream.heard();
    expect(await seen()).toEqual({ outcome: "refused", ends: 0 });
  });

  test("is admitted when all that comes is what the other sent before it ended", async () => {
    const { time, stream, seen } = setUp();
    time.advance(leaseMs - 1);
    stream.heard();
    time.advance(leaseMs - 1);
    expect((await seen()).outcome).toBe("waits");
    time.advance(1);
    expect(await seen()).toEqual({ outcome: "admitted", ends: 1 });
  });

  test("is admitted at once when the stream is closed", async () => {
    const { stream, seen } = setUp();
    stream.heard();
    stream.closed();
    expect(await seen()).toEqual({ outcome: "admitted", ends: 0 });
  });

  test("does not wait for a stream of its own incarnation", async () => {
    const { streams } = setUp();
    await streams.proveGone(1, 1, leaseMs);
    await streams.proveGone(2, 1, leaseMs);
  });
});
