import { commitRule } from "./commit-rule.ts";
import { electionSafety } from "./election-safety.ts";
import { leaderCompleteness } from "./leader-completeness.ts";
import { leaseExclusivity } from "./lease-exclusivity.ts";
import { noSuspicion } from "./no-suspicion.ts";
import { Promises } from "./promises.ts";
import type { RaftRule } from "./raft-step.ts";

/** Those of one run. */
export function raftRules(): readonly RaftRule[] {
  const promises = new Promises();
  return [promises, commitRule(promises), electionSafety(), leaderCompleteness(), leaseExclusivity(), noSuspicion()];
}
