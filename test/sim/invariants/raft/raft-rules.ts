import { commitRule } from "./commit-rule.ts";
import { configurationsGoOn } from "./configurations-go-on.ts";
import { electionSafety } from "./election-safety.ts";
import { leaderCompleteness } from "./leader-completeness.ts";
import { leaseExclusivity } from "./lease-exclusivity.ts";
import { noSuspicion } from "./no-suspicion.ts";
import { Promises } from "./promises.ts";
import type { RaftRule } from "./raft-step.ts";

/** Those of one run. */
export function raftRules(): readonly RaftRule[] {
  const promises = new Promises();
  const ofLeaders = [commitRule(promises), electionSafety(), leaderCompleteness(), leaseExclusivity()];
  return [promises, ...ofLeaders, configurationsGoOn(), noSuspicion()];
}
