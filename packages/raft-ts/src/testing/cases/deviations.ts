/** A way in which this package's core differs from a dialogue, and is right to. */
export type Deviation = {
  /** Names of the files that it is about. */
  readonly file: RegExp;
  /** Matches `<line> <command>: <what differs>`, with `[configuration in flight]` behind it where that is so. */
  readonly difference: RegExp;
  readonly reason: string;
};

const inFlight = String.raw`\[configuration in flight\]$`;

export const deviations: readonly Deviation[] = [
  {
    file: /^confchange_/,
    difference: new RegExp(`: node \\d+ (commit|configuration|entry \\d+): .*${inFlight}`),
    reason:
      "A configuration is in force here from the moment it is appended, there once it is applied: in between other majorities commit. Once it is applied all is the same.",
  },
  {
    file: /^confchange_/,
    difference: new RegExp(
      `: state: (\\d+): (State\\w+) \\((Non-)?Voter\\) (.*), ours \\1: \\2 \\((Non-)?Voter\\) \\4 ${inFlight}`,
    ),
    reason: "As above: who votes is shown as of what is applied, which is another entry for the moment.",
  },
  {
    file: /^confchange_/,
    difference: new RegExp(`: (missing|extra) \\d+>\\d+ (MsgApp|MsgAppResp|MsgSnap) .*${inFlight}`),
    reason:
      "As above: newcomers are sent entries, or a snapshot, as soon as they are in the log, so earlier and from an earlier index.",
  },
  {
    file: /^confchange_v1_remove_leader\.txt$/,
    difference:
      /: (missing \d+>\d+ MsgHeartbeat(Resp)? 1|state: 1: StateLeader .* ours 1: StateFollower \(Non-Voter\) Term:1 Lead:0)$/,
    reason:
      "A leader that is removed leads on there, which the dialogue itself calls an issue. Here it steps down (Raft thesis §4.2.2).",
  },
  {
    file: /^forget_leader_read_only_lease_based\.txt$/,
    difference:
      /^\d+ raft-state: state: 2: StateFollower \(Voter\) Term:1 Lead:1, ours 2: StateFollower \(Voter\) Term:1 Lead:0$/,
    reason:
      "With leases a leader cannot be forgotten there, since a vote would follow. Here it can: the vote is withheld for as long as a lease may hold.",
  },
  {
    file: /^replicate_pause\.txt$/,
    difference: /: (missing|extra) (1>3 MsgApp|3>1 MsgAppResp) 1 /,
    reason:
      "Second tier: how many appends may be unanswered is a setting there and 64 here, so that more is sent to a follower that lost some.",
  },
  {
    file: /^async_storage_writes/,
    difference: /: node \d+ commit: \d+, ours \d+$/,
    reason:
      "Third tier: a commit index alone is sent to a follower only when nothing else is on its way to it; else it travels with what comes next.",
  },
];
