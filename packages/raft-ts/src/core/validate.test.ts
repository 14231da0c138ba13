import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { LoneCore } from "../testing/lone-core.ts";
import type { Message } from "./messages.ts";

const sane = {
  kind: "appendRequest",
  term: 2,
  prevIndex: 1,
  prevTerm: 1,
  entries: [{ index: 2, term: 2 }],
  commit: 0,
} as const;

describe("Nonsense from a peer is refused, never obeyed", () => {
  test.each<{ readonly what: string; readonly from?: number; readonly message: Message }>([
    { what: "a message from itself", from: 1, message: sane },
    { what: "a message from a stranger", from: 9, message: sane },
    { what: "a fractional term", message: { ...sane, term: 2.5 } },
    { what: "a negative term", message: { kind: "appendAccepted", term: -1, matchIndex: 0 } },
    { what: "a term beyond all counting", message: { ...sane, term: 2 ** 53 } },
    { what: "a term so far ahead that few would be left", message: { ...sane, term: 2 ** 52 } },
    { what: "a term that is not a number", message: { ...sane, term: Number.NaN } },
    { what: "a leader of term 0", message: { kind: "heartbeat", term: 0, commit: 0 } },
    { what: "a candidate of term 0", message: { kind: "voteRequest", term: 0, lastIndex: 0, lastTerm: 0 } },
    {
      what: "a candidate whose log is of a later term",
      message: { kind: "voteRequest", term: 2, lastIndex: 1, lastTerm: 3 },
    },
    {
      what: "a candidate with entries of no term",
      message: { kind: "voteRequest", term: 2, lastIndex: 4, lastTerm: 0 },
    },
    {
      what: "a pre-vote for a far term",
      message: { kind: "preVoteRequest", term: 2, electionTerm: 9, lastIndex: 0, lastTerm: 0 },
    },
    { what: "entries with a gap", message: { ...sane, entries: [{ index: 3, term: 2 }] } },
    { what: "entries whose terms fall", message: { ...sane, prevTerm: 2, entries: [{ index: 2, term: 1 }] } },
    { what: "entries of a later term than the leader's", message: { ...sane, entries: [{ index: 2, term: 3 }] } },
    { what: "a place with an index and no term", message: { ...sane, prevTerm: 0 } },
    {
      what: "entries beyond the last index there is",
      message: { ...sane, prevIndex: Number.MAX_SAFE_INTEGER, entries: [{ index: 2 ** 53, term: 2 }] },
    },
    { what: "a negative acknowledgement", message: { kind: "appendAccepted", term: 2, matchIndex: -1 } },
    {
      what: "a hint after the place",
      message: { kind: "appendRejected", term: 2, prevIndex: 3, hintIndex: 4, hintTerm: 1 },
    },
  ])("$what", ({ from = 2, message }) => {
    const core = new LoneCore({ term: 1, log: [1] });
    const before = structuredClone(core.state);
    expect(core.receive(from, message)).toEqual([expect.objectContaining({ kind: "suspect", from })]);
    expect(core.state).toEqual({ ...before, nowMs: core.nowMs });
  });

  test("whatever numbers a message has, it raises nothing and replaces nothing that is committed", () => {
    const number = fc.oneof(fc.nat(6), fc.integer(), fc.double());
    const entries = fc.array(fc.record({ index: number, term: number }), { maxLength: 4 });
    const message: fc.Arbitrary<Message> = fc.oneof(
      fc.record({
        kind: fc.constant("preVoteRequest" as const),
        term: number,
        electionTerm: number,
        lastIndex: number,
        lastTerm: number,
      }),
      fc.record({ kind: fc.constant("voteRequest" as const), term: number, lastIndex: number, lastTerm: number }),
      fc.record({
        kind: fc.constantFrom("preVoteReply" as const, "voteReply" as const),
        term: number,
        electionTerm: number,
        granted: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant("appendRequest" as const),
        term: number,
        prevIndex: number,
        prevTerm: number,
        entries,
        commit: number,
      }),
      fc.record({ kind: fc.constant("appendAccepted" as const), term: number, matchIndex: number }),
      fc.record({
        kind: fc.constant("appendRejected" as const),
        term: number,
        prevIndex: number,
        hintIndex: number,
        hintTerm: number,
      }),
      fc.record({ kind: fc.constant("heartbeat" as const), term: number, commit: number }),
    );
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), message), { maxLength: 12 }),
        (leads, messages) => {
          const core = new LoneCore({ term: 2, log: [1, 2], commit: 1 });
          if (leads) core.elect();
          for (const [from, one] of messages) {
            const { commit, hardState } = core.state;
            core.receive(from, one);
            if (core.log[0] !== 1 || core.state.commit < commit || core.state.hardState.term < hardState.term)
              return false;
          }
          return core.state.commit <= core.log.length;
        },
      ),
      { numRuns: 500 },
    );
  });
});
