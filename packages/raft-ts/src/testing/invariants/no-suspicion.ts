import { type Invariant, Violation } from "../world.ts";

const name = "No correct replica is suspected: whatever one sends, another finds sensible";

export function noSuspicion(): Invariant {
  return {
    name,
    observe(observation) {
      if (observation.kind !== "stepped") return;
      for (const effect of observation.effects) {
        if (effect.kind === "suspect")
          throw new Violation(
            name,
            `group ${observation.at.group}: ${observation.at.node} refuses ${effect.from}: ${effect.reason}`,
          );
      }
    },
  };
}
