import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { LoneCore } from "../testing/lone-core.ts";
import type { Message } from "./messages.ts";
import { simple } from "./quorum.ts";

const sane = {
  kind: "appendRequest",
  term: 2,
  prevIndex: 1,
  prevTerm: 1,
  entries: [{ index: 2, term: 2 }],
  commit: 0,
  uncounted: false,
} as const;

const snapshot = {
  index: 4,
  term: 2,
  configuration: { index: 3, configuration: simple([1, 2]) },
  id: "four",
  bytes: 10,
} as const;

describe("Nonsense from a peer is refused, never obeyed", () => {
  test.each<{ readonly what: string; readonly from?: number; readonly message: Message }>([
    { what: "a message from itself", from: 1, message: sane },
    { what: "a message from nobody", from: 0, message: sane },
    { what: "a message from beyond the last replica", from: 2 ** 31, message: sane },
    { what: "a fractional term", message: { ...sane, term: 2.5 } },
    { what: "a negative term", message: { kind: "appendAccepted", term: -1, matchIndex: 0, lost: false } },
    { what: "a term beyond all counting", message: { ...sane, term: 2 ** 53 } },
    { what: "a term so far ahead that few would be left", message: { ...sane, term: 2 ** 52 } },
    { what: "a term that is not a number", message: { ...sane, term: Number.NaN } },
    { what: "a leader of term 0", message: { kind: "heartbeat", term: 0, commit: 0 } },
    {
      what: "a candidate of term 0",
      message: { kind: "voteRequest", transfer: false, term: 0, lastIndex: 0, lastTerm: 0 },
    },
    {
      what: "a candidate whose log is of a later term",
      message: { kind: "voteRequest", transfer: false, term: 2, lastIndex: 1, lastTerm: 3 },
    },
    {
      what: "a candidate with entries of no term",
      message: { kind: "voteRequest", transfer: false, term: 2, lastIndex: 4, lastTerm: 0 },
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
    { what: "a negative acknowledgement", message: { kind: "appendAccepted", term: 2, matchIndex: -1, lost: false } },
    {
      what: "a hint after the place",
      message: { kind: "appendRejected", term: 2, prevIndex: 3, hintIndex: 4, hintTerm: 1, lost: false },
    },
    {
      what: "a configuration without voters",
      message: { ...sane, entries: [{ index: 2, term: 2, configuration: simple([]) }] },
    },
    { what: "a hand-over by a leader of term 0", message: { kind: "timeoutNow", term: 0 } },
    { what: "a snapshot of nothing", message: { kind: "snapshotOffer", term: 2, snapshot: { ...snapshot, index: 0 } } },
    {
      what: "a snapshot of a later term than the leader's",
      message: { kind: "snapshotOffer", term: 2, snapshot: { ...snapshot, term: 3 } },
    },
    {
      what: "a snapshot of less than no bytes",
      message: { kind: "snapshotOffer", term: 2, snapshot: { ...snapshot, bytes: -1 } },
    },
    {
      what: "a snapshot whose name never ends",
      message: { kind: "snapshotOffer", term: 2, snapshot: { ...snapshot, id: "n".repeat(65) } },
    },
    {
      what: "a snapshot with a configuration from after it",
      message: {
        kind: "snapshotOffer",
        term: 2,
        snapshot: { ...snapshot, configuration: { index: 5, configuration: simple([1]) } },
      },
    },
    {
      what: "a snapshot with a configuration that no group can have",
      message: {
        kind: "snapshotOffer",
        term: 2,
        snapshot: { ...snapshot, configuration: { index: 3, configuration: simple([1, 1]) } },
      },
    },
  ])("$what", ({ from = 2, message }) => {
    const core = new LoneCore({ term: 1, log: [1] });
    const before = structuredClone(core.state);
    expect(core.receive(from, message)).toEqual([expect.objectContaining({ kind: "suspect", from })]);
    expect(core.state).toEqual({ ...before, nowMs: core.nowMs });
  });

  test("whatever numbers a message has, it raises nothing and replaces nothing that is committed", () => {
    const number = fc.oneof(fc.nat(6), fc.integer(), fc.double());
    const members = fc.array(fc.nat(4), { maxLength: 3 });
    const configuration = fc.record({
      incoming: members,
      outgoing: members,
      learners: members,
      learnersNext: members,
      autoLeave: fc.boolean(),
      revision: number,
    });
    const entries = fc.array(
      fc.record({ index: number, term: number, configuration }, { requiredKeys: ["index", "term"] }),
      { maxLength: 4 },
    );
    const message: fc.Arbitrary<Message> = fc.oneof(
      fc.record({
        kind: fc.constant("preVoteRequest" as const),
        term: number,
        electionTerm: number,
        lastIndex: number,
        lastTerm: number,
      }),
      fc.record({
        kind: fc.constant("voteRequest" as const),
        term: number,
        transfer: fc.boolean(),
        lastIndex: number,
        lastTerm: number,
      }),
      fc.record({ kind: fc.constant("timeoutNow" as const), term: number }),
      fc.record({
        kind: fc.constant("snapshotOffer" as const),
        term: number,
        snapshot: fc.record({
          index: number,
          term: number,
          configuration: fc.record({ index: number, configuration }),
          id: fc.string(),
          bytes: number,
        }),
      }),
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
        uncounted: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant("appendAccepted" as const),
        term: number,
        matchIndex: number,
        lost: fc.boolean(),
      }),
      fc.record({
        kind: fc.constant("appendRejected" as const),
        term: number,
        prevIndex: number,
        hintIndex: number,
        hintTerm: number,
        lost: fc.boolean(),
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
