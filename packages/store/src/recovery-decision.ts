/**
 * What recovery does at the place where the next frame is expected, for one of the groups that the frame may have held. Inputs:
 *
 * - `frame`: `good` every check matches, it has the expected sequence, its epoch is not older than the frame's before;
 *   `old` a readable frame of an older epoch than the one before it: left behind by a life whose tail was cut; `bad` anything else.
 * - `durable`: the expected sequence is at or below the highest that any readable frame records as durable.
 * - `hardState`: the frame's shard list says that it holds the group's term or vote, or the list itself is unreadable.
 * - `hardStateKnown`: a later readable frame holds the group's term and vote, or only a state frame is lost, which repeats what is known.
 * - `voters`: whether the group's entries exist anywhere else, by its newest known configuration.
 */
export type RecoveryInput = {
  readonly frame: "good" | "old" | "bad";
  readonly durable: boolean;
  readonly hardState: boolean;
  readonly hardStateKnown: boolean;
  readonly voters: "one" | "more";
};

/**
 * - `accept`: read it, go on behind it.
 * - `cut`: the log ends before it; everything behind is dead and is overwritten by frames of this life's epoch.
 * - `refuse`: do not start; name file and offset. The only copy of something acknowledged is damaged.
 * - `fetch`: the group neither votes nor leads until its entries are fetched from peers; its log ends before the frame.
 * - `rejoin`: a vote may be lost too: give up the place and come back as a learner under a new replica id.
 */
export type RecoveryAction = "accept" | "cut" | "refuse" | "fetch" | "rejoin";

type Row = { readonly when: Partial<RecoveryInput>; readonly action: RecoveryAction; readonly why: string };

/** Exactly one row matches each input; a test tries them all. An input that a row does not name may have any value. */
export const recoveryTable: readonly Row[] = [
  { when: { frame: "good" }, action: "accept", why: "it is what was written" },
  { when: { frame: "bad", durable: false }, action: "cut", why: "a torn tail: nobody was told of it" },
  { when: { frame: "old", durable: false }, action: "cut", why: "the log ended here in this epoch" },
  {
    when: { frame: "bad", durable: true, voters: "one" },
    action: "refuse",
    why: "acknowledged bytes are damaged, no copy exists",
  },
  {
    when: { frame: "old", durable: true, voters: "one" },
    action: "refuse",
    why: "older bytes came back over acknowledged ones",
  },
  {
    when: { frame: "bad", durable: true, voters: "more", hardState: false },
    action: "fetch",
    why: "peers hold the entries",
  },
  {
    when: { frame: "old", durable: true, voters: "more", hardState: false },
    action: "fetch",
    why: "peers hold the entries",
  },
  {
    when: { frame: "bad", durable: true, voters: "more", hardState: true, hardStateKnown: true },
    action: "fetch",
    why: "the vote is known from elsewhere in the log",
  },
  {
    when: { frame: "old", durable: true, voters: "more", hardState: true, hardStateKnown: true },
    action: "fetch",
    why: "the vote is known from elsewhere in the log",
  },
  {
    when: { frame: "bad", durable: true, voters: "more", hardState: true, hardStateKnown: false },
    action: "rejoin",
    why: "a vote may be forgotten: voting again could elect two leaders",
  },
  {
    when: { frame: "old", durable: true, voters: "more", hardState: true, hardStateKnown: false },
    action: "rejoin",
    why: "a vote may be forgotten: voting again could elect two leaders",
  },
];

/** The one row for `input`. */
export function decideRecovery(input: RecoveryInput): Row {
  const row = recoveryTable.find(({ when }) => matches(when, input));
  if (row === undefined) throw new RangeError(`no row of the recovery table matches ${JSON.stringify(input)}`);
  return row;
}

/** True when each value that `when` names is the input's. */
export function matches(when: Partial<RecoveryInput>, input: RecoveryInput): boolean {
  return (Object.keys(when) as (keyof RecoveryInput)[]).every((key) => when[key] === input[key]);
}
