import { describe, expect, test } from "@jest/globals";
import { kinds, LoneCore, sends } from "../testing/lone-core.ts";
import { nextTickMs } from "./state.ts";

const preVote = (electionTerm: number, granted: boolean, term = electionTerm - 1) =>
  ({ kind: "preVoteReply", term, electionTerm, granted }) as const;
const vote = (term: number, granted: boolean) => ({ kind: "voteReply", term, electionTerm: term, granted }) as const;

function campaigning(voters: readonly number[] = [1, 2, 3]): LoneCore {
  const core = new LoneCore({ term: 1, log: [1], voters });
  core.tick(core.state.campaignAtMs);
  return core;
}

function standing(voters?: readonly number[]): LoneCore {
  const core = campaigning(voters);
  core.receive(2, preVote(2, true));
  return core;
}

describe("Elections (Raft paper §5.2)", () => {
  test("nothing happens before the election timeout", () => {
    const core = new LoneCore();
    expect(core.tick(core.state.campaignAtMs - 1)).toEqual([]);
    expect(core.state.role.kind).toBe("follower");
  });

  test("after the timeout it asks first, with its term unchanged (Raft thesis §9.6)", () => {
    const core = new LoneCore({ term: 1, log: [1] });
    const effects = core.tick(core.state.campaignAtMs);
    const message = { kind: "preVoteRequest", term: 1, electionTerm: 2, lastIndex: 1, lastTerm: 1 };
    expect(sends(effects)).toEqual([
      { to: 2, message },
      { to: 3, message },
    ]);
    expect(core.state.hardState).toEqual({ term: 1, vote: 0 });
  });

  test("a majority of pre-votes begins the election: term and own vote first, requests when they are durable", () => {
    const core = campaigning();
    const effects = core.receive(2, preVote(2, true));
    expect(kinds(effects)).toEqual(["persistHardState", "roleChanged", "send", "send"]);
    expect(effects[0]).toEqual({ kind: "persistHardState", hardState: { term: 2, vote: 1 } });
    expect(effects[2]).toMatchObject({
      waitsFor: "durable",
      message: { kind: "voteRequest", transfer: false, term: 2, lastIndex: 1, lastTerm: 1 },
    });
  });

  test("its own vote counts only when it is durable", () => {
    const core = standing();
    core.receive(2, vote(2, true));
    expect(core.state.role.kind).toBe("candidate");
    core.persist();
    expect(core.state.role.kind).toBe("leader");
  });

  test("a write that began before its vote does not make it durable", () => {
    const core = campaigning();
    const earlier = core.persisted();
    core.receive(2, preVote(2, true));
    core.receive(2, vote(2, true));
    core.run(earlier);
    expect(core.state.role.kind).toBe("candidate");
  });

  test.each([
    { voters: [1, 2], needed: 1 },
    { voters: [1, 2, 3], needed: 1 },
    { voters: [1, 2, 3, 4], needed: 2 },
    { voters: [1, 2, 3, 4, 5], needed: 2 },
  ])("of $voters.length voters $needed others must agree", ({ voters, needed }) => {
    const core = campaigning(voters);
    for (let other = 2; other < 2 + needed; other += 1) {
      expect(core.state.role.kind).toBe("preCandidate");
      core.receive(other, preVote(2, true));
    }
    core.persist();
    for (let other = 2; other < 2 + needed; other += 1) {
      expect(core.state.role.kind).toBe("candidate");
      core.receive(other, vote(2, true));
    }
    expect(core.state.role.kind).toBe("leader");
  });

  test("a sole voter takes the same steps, at its first tick", () => {
    const core = new LoneCore({ term: 3, vote: 1, voters: [1] });
    expect(core.state.campaignAtMs).toBe(0);
    expect(kinds(core.tick(600))).toEqual(["roleChanged", "persistHardState", "roleChanged"]);
    expect(kinds(core.persist())).toEqual(["roleChanged", "append"]);
    expect(core.persist()).toEqual([{ kind: "commit", index: 1 }]);
    expect(nextTickMs(core.state)).toBe(Infinity);
  });

  test("one voter's answer counts once", () => {
    const core = standing([1, 2, 3, 4, 5]);
    core.receive(3, preVote(2, true));
    core.persist();
    core.receive(2, vote(2, true));
    core.receive(2, vote(2, true));
    expect(core.state.role.kind).toBe("candidate");
  });

  test("answers to an earlier election are not counted", () => {
    const core = campaigning();
    core.receive(2, preVote(1, true, 0));
    expect(core.state.role.kind).toBe("preCandidate");
    core.receive(2, preVote(2, true));
    core.persist();
    core.receive(3, { kind: "voteReply", term: 2, electionTerm: 1, granted: true });
    core.receive(3, preVote(3, true, 2));
    expect(core.state.role.kind).toBe("candidate");
  });

  test("a refusal brings the next round forward to the short random wait", () => {
    const core = standing();
    core.receive(3, vote(2, false));
    expect(nextTickMs(core.state)).toBe(core.nowMs + 80);
    const effects = core.tick(core.nowMs + 80);
    core.persist();
    expect(core.state.role.kind === "candidate" || core.state.role.kind === "preCandidate").toBe(true);
    expect(sends(effects).every(({ message }) => message.kind === "preVoteRequest")).toBe(true);
  });

  test("without any answer the round lasts a whole timeout", () => {
    const core = standing();
    expect(nextTickMs(core.state)).toBe(core.nowMs + 700);
  });

  test("while its own vote is being written no new round outdates it", () => {
    const core = standing();
    core.tick(core.state.campaignAtMs);
    expect(core.state.hardState).toEqual({ term: 2, vote: 1 });
    core.persist();
    core.receive(2, vote(2, true));
    expect(core.state.role.kind).toBe("leader");
  });

  test("a leader of the same term, or anyone of a later one, ends a campaign", () => {
    const heard = standing();
    heard.receive(3, { kind: "heartbeat", term: 2, commit: 0 });
    expect(heard.state.role).toEqual({ kind: "follower", leader: 3 });
    const outdated = campaigning();
    const effects = outdated.receive(3, { kind: "preVoteReply", term: 7, electionTerm: 2, granted: false });
    expect(effects[0]).toEqual({ kind: "persistHardState", hardState: { term: 7, vote: 0 } });
    expect(outdated.state.role).toEqual({ kind: "follower", leader: 0 });
    expect(nextTickMs(outdated.state)).toBe(outdated.nowMs + 80);
  });
});
