import { describe, expect, test } from "@jest/globals";
import { CoreHarness } from "../testing/core-harness.ts";
import {
  data,
  type Frame,
  frame,
  grpcRequest,
  headers,
  hello,
  ping,
  resetStream,
  settings,
  windowUpdate,
} from "../testing/frames.ts";
import { errorCode, flag, frameType, windowMax } from "./protocol.ts";

const names = Object.entries(frameType);
const nameOf = (type: number): string => names.find(([, each]) => each === type)?.[0] ?? String(type);

/** `data 1 #12 end`, `reset 1 8`, `goAway 1 last 5`, `windowUpdate 0 +9`, `settings ack`. */
function say({ type, flags, stream, payload }: Frame): string {
  const name = nameOf(type);
  if (type === frameType.data) return `data ${stream} #${payload.length}${flags & flag.endStream ? " end" : ""}`;
  if (type === frameType.headers) return `headers ${stream}${flags & flag.endStream ? " end" : ""}`;
  if (type === frameType.reset) return `reset ${stream} ${payload.readUInt32BE(0)}`;
  if (type === frameType.goAway) return `goAway ${payload.readUInt32BE(4)} last ${payload.readUInt32BE(0)}`;
  if (type === frameType.windowUpdate) return `windowUpdate ${stream} +${payload.readUInt32BE(0)}`;
  return `${name}${flags & flag.ack ? " ack" : ""}`;
}

const said = (harness: CoreHarness): string[] => harness.frames().map(say);
const open = (stream: number, ends = false): Buffer => headers(stream, grpcRequest("/a"), ends);
const stream = (harness: CoreHarness, id: number) => {
  const found = harness.open.get(id);
  if (found === undefined) throw new Error(`stream ${id} is not open`);
  return found;
};

describe("the beginning", () => {
  test("the server greets by itself, and acknowledges SETTINGS", () => {
    const harness = new CoreHarness();
    expect(said(harness)).toEqual(["settings", `windowUpdate 0 +${windowMax - 65_535}`]);
    harness.receive(hello());
    expect(said(harness)).toEqual(["settings ack"]);
  });

  test.each([
    { what: "another preface", bytes: Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), code: 1 },
    { what: "a frame before SETTINGS", bytes: Buffer.concat([hello().subarray(0, 24), ping()]), code: 1 },
  ])("$what ends it", ({ bytes, code }) => {
    const harness = new CoreHarness();
    harness.receive(bytes);
    expect(said(harness).at(-1)).toBe(`goAway ${code} last 0`);
    expect(harness.connection.state).toBe("failed");
    harness.tick(499);
    expect(harness.connection.state).toBe("failed");
    harness.tick(1);
    expect(harness.connection.state).toBe("cut");
  });
});

describe("frames that end the connection", () => {
  test.each([
    { what: "DATA on stream 0", bytes: data(0, Buffer.alloc(1)), code: errorCode.protocol },
    { what: "DATA on an idle stream", bytes: data(5, Buffer.alloc(1)), code: errorCode.protocol },
    { what: "HEADERS on an even stream", bytes: open(2), code: errorCode.protocol },
    { what: "a stream id that goes back", bytes: Buffer.concat([open(7), open(3)]), code: errorCode.protocol },
    { what: "padding as long as the frame", bytes: frame(0, 8, 1, [1]), code: errorCode.protocol, first: open(1) },
    { what: "padded DATA without a length", bytes: frame(0, 8, 1), code: errorCode.protocol, first: open(1) },
    { what: "HEADERS too short for its priority", bytes: frame(1, 0x24, 1, [0, 0]), code: errorCode.frameSize },
    { what: "CONTINUATION of nothing", bytes: frame(9, 4, 1, []), code: errorCode.protocol },
    {
      what: "a PING within a header block",
      bytes: Buffer.concat([frame(1, 0, 1, [0x82]), ping()]),
      code: errorCode.protocol,
    },
    { what: "RST_STREAM on an idle stream", bytes: resetStream(1, 0), code: errorCode.protocol },
    {
      what: "RST_STREAM of five bytes",
      bytes: frame(3, 0, 1, [0, 0, 0, 0, 0]),
      code: errorCode.frameSize,
      first: open(1),
    },
    { what: "SETTINGS on a stream", bytes: frame(4, 0, 1), code: errorCode.protocol },
    { what: "SETTINGS of five bytes", bytes: frame(4, 0, 0, [0, 0, 0, 0, 0]), code: errorCode.frameSize },
    { what: "an acknowledgement with content", bytes: frame(4, 1, 0, [0, 0, 0, 0, 0, 0]), code: errorCode.frameSize },
    { what: "ENABLE_PUSH 2", bytes: settings([[2, 2]]), code: errorCode.protocol },
    { what: "a window of 2^31", bytes: settings([[4, 2 ** 31]]), code: errorCode.flowControl },
    { what: "a frame size of 100", bytes: settings([[5, 100]]), code: errorCode.protocol },
    { what: "PUSH_PROMISE", bytes: frame(5, 4, 1, [0, 0, 0, 2]), code: errorCode.protocol },
    { what: "PING on a stream", bytes: frame(6, 0, 1, Buffer.alloc(8)), code: errorCode.protocol },
    { what: "PING of seven bytes", bytes: frame(6, 0, 0, Buffer.alloc(7)), code: errorCode.frameSize },
    { what: "GOAWAY on a stream", bytes: frame(7, 0, 1, Buffer.alloc(8)), code: errorCode.protocol },
    { what: "a WINDOW_UPDATE of nothing", bytes: windowUpdate(0, 0), code: errorCode.protocol },
    { what: "a connection window that overflows", bytes: windowUpdate(0, windowMax), code: errorCode.flowControl },
    { what: "WINDOW_UPDATE on an idle stream", bytes: windowUpdate(9, 1), code: errorCode.protocol },
    { what: "WINDOW_UPDATE of three bytes", bytes: frame(8, 0, 0, [0, 0, 1]), code: errorCode.frameSize },
    { what: "PRIORITY on stream 0", bytes: frame(2, 0, 0, [0, 0, 0, 1, 1]), code: errorCode.protocol },
    { what: "a header block that is no HPACK", bytes: frame(1, 4, 1, [0x80]), code: errorCode.compression },
    {
      what: "an initial window that overflows an open stream's",
      bytes: Buffer.concat([windowUpdate(1, windowMax - 65_535), settings([[4, 65_536]])]),
      code: errorCode.flowControl,
      first: open(1),
    },
  ])("$what", ({ bytes, code, first }) => {
    const harness = CoreHarness.open();
    if (first !== undefined) harness.receive(first);
    harness.receive(bytes);
    expect(said(harness).at(-1)).toMatch(new RegExp(`^goAway ${code} `));
    expect(harness.connection.streams).toBe(0);
    expect(harness.streams.open).toBe(0);
    harness.receive(open(99, true));
    expect(said(harness)).toEqual([]);
  });
});

describe("frames that end a stream", () => {
  const big = Buffer.alloc(16_384);
  test.each([
    { what: "DATA behind its end", frames: [open(1, true), data(1, big)], code: errorCode.streamClosed },
    { what: "HEADERS behind its end", frames: [open(1, true), open(1)], code: errorCode.streamClosed },
    { what: "trailers that do not end it", frames: [open(1), headers(1, [["a", "b"]])], code: errorCode.protocol },
    {
      what: "trailers with a pseudo-header",
      frames: [open(1), headers(1, [[":path", "/"]], true)],
      code: errorCode.protocol,
    },
    { what: "a WINDOW_UPDATE of nothing", frames: [open(1), windowUpdate(1, 0)], code: errorCode.protocol },
    { what: "a window that overflows", frames: [open(1), windowUpdate(1, windowMax)], code: errorCode.flowControl },
    { what: "PRIORITY on itself", frames: [open(1), frame(2, 0, 1, [0, 0, 0, 1, 1])], code: errorCode.protocol },
    { what: "PRIORITY of four bytes", frames: [open(1), frame(2, 0, 1, [0, 0, 0, 3])], code: errorCode.frameSize },
    {
      what: "less content than announced",
      frames: [headers(1, grpcRequest("/a", [["content-length", "9"]])), data(1, Buffer.alloc(8), true)],
      code: errorCode.protocol,
    },
    {
      what: "more content than announced",
      frames: [headers(1, grpcRequest("/a", [["content-length", "9"]])), data(1, Buffer.alloc(10))],
      code: errorCode.protocol,
    },
  ])("$what", ({ frames, code }) => {
    const harness = CoreHarness.open();
    harness.receive(...frames);
    expect(said(harness).at(-1)).toBe(`reset 1 ${code}`);
    expect(harness.events.at(-1)).toBe(`lost 1 ${code}`);
    expect(harness.connection.state).toBe("open");
  });

  test.each([
    { what: "one above the limit of streams", full: false, limit: 1 },
    { what: "one when there is no room", full: true, limit: 10 },
  ])("$what is refused, and may be tried again", ({ full, limit }) => {
    const harness = CoreHarness.open({ concurrentStreamsMax: limit });
    harness.receive(open(1));
    harness.full = full;
    harness.receive(open(3));
    expect(said(harness)).toEqual([`reset 3 ${errorCode.refusedStream}`]);
    harness.full = false;
    harness.receive(resetStream(1, 8), open(5));
    expect(harness.events.at(-1)).toBe("request 5 /a");
  });

  test("what crossed our RST_STREAM on its way is no mistake; HPACK goes on", () => {
    const harness = CoreHarness.open();
    harness.receive(open(1));
    harness.connection.reset(stream(harness, 1), errorCode.cancel);
    harness.frames();
    harness.receive(data(1, Buffer.alloc(10)), windowUpdate(1, 5), headers(1, [["a", "b"]], true), resetStream(1, 8));
    expect(said(harness)).toEqual([]);
    harness.receive(open(3));
    expect(harness.events.at(-1)).toBe("request 3 /a");
  });
});

describe("a user that does more when it learns of a loss", () => {
  test.each([
    { what: "ends the others", more: (harness: CoreHarness, id: number) => harness.answer(stream(harness, id), 1) },
    { what: "cuts the connection", more: (harness: CoreHarness) => harness.connection.cut("enough") },
  ])("$what, and nothing is ended twice", ({ more }) => {
    for (const end of [resetStream(1, 8), windowUpdate(1, 0), frame(5, 4, 1, [0, 0, 0, 2])]) {
      const harness = CoreHarness.open();
      harness.receive(open(1), open(3), open(5));
      harness.onLost = () => {
        for (const id of [3, 5])
          if (harness.open.get(id)?.open === true && harness.connection.state !== "cut") more(harness, id);
      };
      harness.receive(end);
      harness.connection.cut("the end");
      expect([harness.connection.streams, harness.streams.open]).toEqual([0, 0]);
      expect(harness.events.filter((event) => event.startsWith("lost 1 "))).toHaveLength(1);
    }
  });
});

describe("what the peer sends", () => {
  test("padding, priority and CONTINUATION are taken off; unknown frames and flags are ignored", () => {
    const harness = CoreHarness.open();
    const block = open(1).subarray(9);
    harness.receive(
      frame(1, 0x28, 1, [2, 0, 0, 0, 0, 7, ...block.subarray(0, 10), 0, 0]),
      frame(9, 0, 1, block.subarray(10, 20)),
      frame(9, 4, 1, block.subarray(20)),
      frame(0xfa, 0xff, 1, [1, 2, 3]),
      frame(0, 0x88, 1, [3, 9, 9, 0, 0, 0]),
      frame(2, 0, 1, [0, 0, 0, 9, 1]),
      headers(1, [["x-trailer", "1"]], true),
    );
    expect(harness.events).toEqual(["request 1 /a", "data 1 2", "data 1 0 end"]);
  });

  test("windows are topped up when half is used: a stream's while it is open, the connection's always", () => {
    const harness = CoreHarness.open({ streamWindowBytes: 40_000 });
    harness.receive(open(1), data(1, Buffer.alloc(16_384)));
    expect(said(harness)).toEqual([]);
    harness.receive(data(1, Buffer.alloc(16_384)));
    expect(said(harness)).toEqual(["windowUpdate 1 +32768"]);
    harness.receive(data(1, Buffer.alloc(16_384)), data(1, Buffer.alloc(16_384), true));
    expect(said(harness)).toEqual([]);
  });

  test("without the grant more DATA than the window ends the stream", () => {
    const harness = CoreHarness.open({ streamWindowBytes: 20_000 });
    harness.receive(open(1), data(1, Buffer.alloc(10_000)), data(1, Buffer.alloc(10_001)));
    expect(said(harness)).toEqual([`reset 1 ${errorCode.flowControl}`]);
  });

  test("PING is answered with its own content", () => {
    const harness = CoreHarness.open();
    harness.receive(ping("abcdefgh"));
    const [pong] = harness.frames();
    expect([pong?.type, pong?.flags, pong?.payload.toString()]).toEqual([frameType.ping, flag.ack, "abcdefgh"]);
  });
});

describe("what we send", () => {
  test("a reply that fits goes at once, in three frames", () => {
    const harness = CoreHarness.open();
    harness.answerBytes = 100;
    harness.receive(open(1, true));
    expect(said(harness)).toEqual(["headers 1", "data 1 #105", "headers 1 end"]);
    expect([harness.connection.streams, harness.streams.open]).toEqual([0, 0]);
  });

  test("a reply before the request has ended resets the rest of it", () => {
    const harness = CoreHarness.open();
    harness.receive(open(1));
    harness.answer(stream(harness, 1), 1);
    expect(said(harness)).toEqual(["headers 1", "data 1 #6", "headers 1 end", "reset 1 0"]);
  });

  test("streams that wait for the connection's window take turns, frame by frame", () => {
    const harness = CoreHarness.open({}, [[4, 1_000_000]]);
    harness.receive(open(1, true), open(3, true));
    harness.answer(stream(harness, 1), 70_000);
    harness.answer(stream(harness, 3), 40_000);
    expect(said(harness).filter((text) => text.startsWith("data"))).toEqual([
      "data 1 #16384",
      "data 1 #16384",
      "data 1 #16384",
      "data 1 #16383",
    ]);
    harness.receive(windowUpdate(0, 40_000));
    expect(said(harness)).toEqual(["data 1 #4470", "headers 1 end", "data 3 #16384", "data 3 #16384", "data 3 #2762"]);
    harness.receive(windowUpdate(0, 100_000));
    expect(said(harness)).toEqual(["data 3 #4475", "headers 3 end"]);
  });

  test("a changed initial window moves the windows of open streams, below zero too", () => {
    const harness = CoreHarness.open({}, [[4, 100]]);
    harness.receive(open(1, true));
    harness.answer(stream(harness, 1), 150);
    expect(said(harness)).toEqual(["headers 1", "data 1 #100"]);
    harness.receive(settings([[4, 20]]), windowUpdate(1, 80));
    expect(said(harness)).toEqual(["settings ack"]);
    harness.receive(settings([[4, 50]]));
    expect(said(harness)).toEqual(["settings ack", "data 1 #30"]);
    harness.receive(windowUpdate(1, 25));
    expect(said(harness)).toEqual(["data 1 #25", "headers 1 end"]);
  });

  test("a reset takes the queue with it", () => {
    const harness = CoreHarness.open({}, [[4, 10]]);
    harness.receive(open(1, true));
    harness.answer(stream(harness, 1), 1_000);
    expect(harness.connection.sender.queuedBytes).toBe(995);
    harness.receive(resetStream(1, 8));
    expect(harness.connection.sender.queuedBytes).toBe(0);
    harness.frames();
    harness.receive(windowUpdate(0, 1_000));
    expect(said(harness)).toEqual([]);
  });

  test("more than may wait cuts the connection", () => {
    const harness = CoreHarness.open({ unsentBytesMax: 10_000 }, [[4, 0]]);
    harness.receive(open(1, true));
    harness.answer(stream(harness, 1), 20_000);
    expect(harness.connection.state).toBe("cut");
    expect([harness.events.at(-1), harness.streams.open]).toEqual(["lost 1 8", 0]);
  });

  test("while much waits to be read no DATA is written; it goes on when the socket has taken it", () => {
    const harness = CoreHarness.open({ outputMarkBytes: 1_000 }, [[4, 100_000]]);
    harness.connection.sender.writingBytes = 2_000;
    harness.receive(open(1, true));
    harness.answer(stream(harness, 1), 500);
    expect(said(harness)).toEqual(["headers 1"]);
    harness.connection.written(2_000, 0);
    expect(said(harness)).toEqual(["data 1 #505", "headers 1 end"]);
  });
});

describe("what a peer may do how often", () => {
  /** Rounds until the connection fails, at most `max`. */
  function rounds(harness: CoreHarness, max: number, round: (n: number) => Buffer): number {
    for (let n = 0; n < max; n += 1) {
      harness.receive(round(n));
      harness.frames();
      if (harness.connection.state !== "open") return n;
    }
    return max;
  }
  const id = (n: number): number => 2 * n + 1;

  test.each([
    {
      what: "resets",
      round: (n: number) => Buffer.concat([open(id(n)), resetStream(id(n), 8)]),
      free: 1_000,
      later: 100,
    },
    {
      what: "mistakes",
      round: (n: number) => Buffer.concat([open(id(n)), windowUpdate(id(n), 0)]),
      free: 1_000,
      later: 100,
    },
    { what: "PINGs", round: () => ping(), free: 100, later: 1 },
    { what: "SETTINGS", round: () => settings(), free: 98, later: 10 },
    { what: "unknown frames", round: () => frame(0xee, 0, 0), free: 989, later: 100 },
    { what: "WINDOW_UPDATEs", round: () => windowUpdate(0, 1), free: 989, later: 100 },
  ])("$free $what at once, $later a second", ({ round, free, later }) => {
    expect(rounds(CoreHarness.open(), 2_000, round)).toBe(free);
    const patient = CoreHarness.open();
    expect(rounds(patient, free, round)).toBe(free);
    patient.nowMs += 1_000;
    expect(rounds(patient, 2_000, (n) => round(n + free))).toBe(later);
    expect(patient.connection.reason).not.toBe("");
  });

  test("calls that are answered pay for PINGs and window updates without end, and for half as many resets", () => {
    const harness = CoreHarness.open();
    harness.answerBytes = 10;
    const call = (n: number): Buffer => Buffer.concat([open(id(n), true), windowUpdate(0, 15), ping()]);
    expect(rounds(harness, 5_000, call)).toBe(5_000);
    const mixed = (n: number): Buffer =>
      Buffer.concat([
        open(id(3 * n + 20_000), true),
        open(id(3 * n + 20_001), true),
        open(id(3 * n + 20_002)),
        resetStream(id(3 * n + 20_002), 8),
        windowUpdate(0, 30),
      ]);
    expect(rounds(harness, 5_000, mixed)).toBe(5_000);
  });
});

describe("time", () => {
  const last = (harness: CoreHarness): string | undefined => said(harness).at(-1);

  test.each([
    { what: "no SETTINGS", limits: { handshakeMs: 50 }, given: [], reason: "no preface and SETTINGS in time" },
    {
      what: "no acknowledgement",
      limits: { settingsAckMs: 50 },
      given: [hello()],
      reason: "our SETTINGS were not acknowledged",
    },
    {
      what: "half a header block",
      limits: { handshakeMs: 50 },
      given: [hello(), frame(1, 0, 1, [0x82])],
      reason: "a header block takes too long",
    },
  ])("$what in time ends it", ({ limits, given, reason }) => {
    const harness = new CoreHarness(limits);
    harness.receive(...given);
    harness.tick(50);
    expect(harness.connection.state).toBe(given.length > 0 ? "open" : "preface");
    harness.tick(1);
    expect(["failed", "cut"]).toContain(harness.connection.state);
    expect(harness.connection.reason).toBe(reason);
  });

  test("a silent peer is asked, then cut; any byte counts as life; silence while we do not read does not count", () => {
    const harness = CoreHarness.open({ keepaliveMs: 100, keepaliveTimeoutMs: 50 });
    harness.tick(101);
    expect(last(harness)).toBe("ping");
    harness.receive(Buffer.from([0]));
    harness.tick(60);
    expect(harness.connection.state).toBe("open");
    harness.connection.deaf = true;
    harness.tick(1_000);
    expect(said(harness)).toEqual([]);
    harness.connection.deaf = false;
    harness.tick(101);
    expect(last(harness)).toBe("ping");
    harness.tick(51);
    expect(harness.connection.state).toBe("cut");
  });

  test("a peer that grants nothing is cut, one that grants little is not", () => {
    const harness = CoreHarness.open({ stallMs: 100 }, [[4, 1]]);
    harness.receive(open(1, true));
    harness.answer(stream(harness, 1), 1_000);
    for (let n = 0; n < 5; n += 1) {
      harness.tick(90);
      harness.receive(windowUpdate(1, 1));
    }
    harness.tick(90);
    expect(harness.connection.state).toBe("open");
    harness.tick(101);
    expect(harness.connection.reason).toBe("the peer takes nothing of what waits for it");
  });

  test("without streams for long it leaves; a stream keeps it", () => {
    const harness = CoreHarness.open({ idleMs: 100 });
    harness.receive(open(1));
    harness.tick(1_000);
    expect(harness.connection.leaving).toBe(false);
    harness.receive(resetStream(1, 8));
    harness.tick(101);
    expect(harness.connection.leaving).toBe(true);
  });

  test("GOAWAY comes twice; streams between them are taken, later ones ignored; it is done when all have ended", () => {
    const harness = CoreHarness.open();
    harness.receive(open(1));
    harness.connection.leave(0, 5_000);
    const [first, asked] = harness.frames();
    expect(say(first!)).toBe(`goAway 0 last ${2 ** 31 - 1}`);
    harness.receive(open(3, true), frame(frameType.ping, flag.ack, 0, asked?.payload ?? []));
    expect(said(harness)).toEqual(["goAway 0 last 3"]);
    expect(harness.events.slice(-2)).toEqual(["leaving 1", "leaving 3"]);
    harness.receive(open(5, true), data(5, Buffer.alloc(5)), resetStream(5, 8), windowUpdate(5, 1));
    expect(said(harness)).toEqual([]);
    harness.answer(stream(harness, 1), 1);
    harness.answer(stream(harness, 3), 1);
    harness.tick(1);
    expect(harness.connection.state).toBe("open"); // The answers are not read yet.
    harness.frames();
    harness.tick(1);
    expect(harness.connection.state).toBe("done");
    harness.tick(500);
    expect(harness.connection.state).toBe("cut");
  });

  test("a peer that ignores GOAWAY: the second comes by itself, streams are ended at the end of grace", () => {
    const harness = CoreHarness.open({ leaveMs: 100 });
    harness.receive(open(1));
    harness.connection.leave(0, 1_000);
    harness.tick(100);
    expect(last(harness)).toBe("goAway 0 last 1");
    harness.tick(899);
    expect(harness.events).not.toContain("overdue 1");
    harness.tick(1);
    expect(harness.events).toContain("overdue 1");
    harness.frames();
    harness.tick(1);
    expect(harness.connection.state).toBe("done");
  });
});
