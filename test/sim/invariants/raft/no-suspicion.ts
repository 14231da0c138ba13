import { Violation } from "../invariant.ts";
import type { RaftRule } from "./raft-step.ts";

const name = "whatever a correct replica sends, another finds sensible";

export function noSuspicion(): RaftRule {
  return {
    stepped: ({ group, machine, effects }) => {
      for (const effect of effects)
        if (effect.kind === "suspect")
          throw new Violation(`${name}: ${group}: ${machine} refuses ${effect.from}: ${effect.reason}`);
    },
  };
}
