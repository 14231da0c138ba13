import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { ProtocolError } from "./protocol-error.ts";
import { PublishedState } from "./published-state.ts";
import { decodeDigest, decodeState, encodeDigest, encodeState, type StateEntry } from "./state-frame.ts";
import { StateReceiver } from "./state-receiver.ts";
import { StateSender } from "./state-sender.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const key = fc.constantFrom("a", "b", "c", "d", "zürich");

/** A sender and a receiver with a channel between them that may lose frames. */
class Pair {
  readonly published = new PublishedState(1_000_000);
  readonly sender: StateSender;
  readonly receiver: StateReceiver;
  readonly seen = new Map<string, string>();
  repeats = 0;

  constructor() {
    this.sender = new StateSender(this.published.sourceFor(2));
    this.receiver = new StateReceiver(1_000_000, (name, value) => {
      if (value === undefined) this.seen.delete(name);
      else this.seen.set(name, Buffer.from(value).toString());
    });
  }

  set(to: 2 | "all", name: string, value: string | undefined): void {
    this.published.set(to, name, value === undefined ? undefined : bytes(value));
    this.sender.touch(name);
  }

  /** Sends what there is to send. */
  flush(lost: boolean): void {
    for (let frame = this.sender.next(); frame !== undefined; frame = this.sender.next()) {
      if (!lost && this.receiver.take(decodeState(encodeState(frame)))) this.#repeat();
    }
  }

  probe(): void {
    if (this.receiver.differs(decodeDigest(encodeDigest(this.sender.digest)))) this.#repeat();
  }

  /** What the receiver should see. */
  wanted(): Map<string, string> {
    const source = this.published.sourceFor(2);
    return new Map([...source.keys()].map((name) => [name, Buffer.from(source.get(name)!).toString()]));
  }

  #repeat(): void {
    this.repeats += 1;
    this.sender.repeat();
  }
}

type Step =
  | { readonly kind: "set"; readonly to: 2 | "all"; readonly name: string; readonly value: string | undefined }
  | { readonly kind: "flush"; readonly lost: boolean }
  | { readonly kind: "probe" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("set" as const),
      to: fc.constantFrom(2 as const, "all" as const),
      name: key,
      value: fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("flush" as const), lost: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("probe" as const) }) },
);

function play(steps: readonly Step[]): Pair {
  const pair = new Pair();
  for (const one of steps) {
    if (one.kind === "set") pair.set(one.to, one.name, one.value);
    else if (one.kind === "flush") pair.flush(one.lost);
    else pair.probe();
  }
  pair.flush(false);
  return pair;
}

describe("Soft state", () => {
  test("is the same on both sides after a probe and what comes of it, whatever was lost before", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pair = play(steps);
        pair.probe();
        pair.flush(false);
        expect(pair.seen).toEqual(pair.wanted());
        expect(pair.receiver.differs(pair.sender.digest)).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test("planted: without the probe some loss goes unnoticed", () => {
    const found = fc.check(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const withoutProbes = play(steps.filter(({ kind }) => kind !== "probe"));
        expect(withoutProbes.seen).toEqual(withoutProbes.wanted());
      }),
      { numRuns: 2_000 },
    );
    expect(found.failed).toBe(true);
  });

  test("nothing is repeated while nothing is lost", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const pair = play(steps.map((one) => (one.kind === "flush" ? { ...one, lost: false } : one)));
        expect([pair.repeats, pair.seen]).toEqual([0, pair.wanted()]);
      }),
      { numRuns: 500 },
    );
  });

  test("a large table comes in pieces, changes during it too, and what it does not name is removed", () => {
    const pair = new Pair();
    for (let at = 0; at < 40; at += 1) pair.set("all", `k${at}`, String(at % 10).repeat(10_000));
    pair.flush(false);
    expect(pair.seen.size).toBe(40);
    pair.sender.repeat();
    pair.published.set("all", "k39", undefined); // Lost: it was never touched.
    let pieces = 0;
    for (let frame = pair.sender.next(); frame !== undefined; frame = pair.sender.next()) {
      pieces += 1;
      if (frame.first) pair.set("all", "k0", "changed meanwhile");
      expect(pair.receiver.take(frame)).toBe(false);
      pair.probe();
    }
    expect(pieces).toBeGreaterThan(5);
    expect([pair.seen, pair.repeats]).toEqual([pair.wanted(), 0]);
    expect(pair.seen.get("k0")).toBe("changed meanwhile");
  });

  test("a value that was read keeps nothing of its frame", () => {
    const frame = Buffer.from(encodeState({ first: true, last: true, version: 0, entries: [["k", bytes("abc")]] }));
    const entries = [...decodeState(frame).entries];
    frame.fill(0);
    expect(entries).toEqual([["k", bytes("abc")]]);
    expect(entries[0]![1]!.buffer.byteLength).toBe(3);
  });

  test("is forgotten with the link", () => {
    const pair = play([{ kind: "set", to: "all", name: "a", value: "1" }]);
    pair.receiver.clear();
    expect(pair.seen.size).toBe(0);
  });

  test("frames are read as they were written", () => {
    const value = fc.option(fc.uint8Array({ maxLength: 50 }), { nil: undefined });
    const entries: fc.Arbitrary<StateEntry[]> = fc.array(fc.tuple(fc.string({ maxLength: 20 }), value));
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), fc.maxSafeNat(), entries, (first, last, version, list) => {
        const back = decodeState(encodeState({ first, last, version, entries: list }));
        expect({ ...back, entries: [...back.entries] }).toEqual({ first, last, version, entries: list });
      }),
    );
  });

  test("no bytes do more than raise a ProtocolError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const decode of [decodeState, decodeDigest]) {
          try {
            const decoded = decode(noise);
            if ("entries" in decoded) expect([...decoded.entries].length).toBeLessThanOrEqual(noise.length / 3);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("is bounded where it is set and where it is received", () => {
    const published = new PublishedState(100 + 3 * 128);
    published.set("all", "shared", new Uint8Array(50));
    published.set(1, "own", new Uint8Array(30));
    expect(() => {
      published.set(1, "more", new Uint8Array(30));
    }).toThrow("soft state for one peer would be 507 bytes");
    expect(() => {
      published.set("all", "more", new Uint8Array(30));
    }).toThrow(RangeError);
    published.set(2, "own", new Uint8Array(30));
    published.set(1, "own", undefined);
    published.set(1, "own", new Uint8Array(40));
    expect(() => {
      published.set("all", "k".repeat(2_000), undefined);
    }).toThrow("at most 1024 bytes");
    const receiver = new StateReceiver(228, () => undefined);
    const entries: StateEntry[] = [["k", new Uint8Array(101)]];
    expect(() => receiver.take({ first: true, last: true, version: 0, entries })).toThrow(ProtocolError);
  });

  test("a table of very many small entries is refused before it costs much", () => {
    const entries = Array.from({ length: 200_000 }, (_, at): StateEntry => [String(at), new Uint8Array(0)]);
    let taken = 0;
    const receiver = new StateReceiver(1_000_000, () => (taken += 1));
    const frame = decodeState(encodeState({ first: true, last: true, version: 0, entries }));
    expect(() => receiver.take(frame)).toThrow(ProtocolError);
    expect(taken).toBeLessThan(10_000);
  });

  test("the publisher may reuse its buffer", () => {
    const published = new PublishedState(100 + 3 * 128);
    const value = bytes("abc");
    published.set("all", "k", value);
    value.fill(0);
    expect(Buffer.from(published.sourceFor(1).get("k")!).toString()).toBe("abc");
  });
});
