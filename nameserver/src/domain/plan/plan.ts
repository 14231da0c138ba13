import { planTransfers } from "./leaders.ts";
import { planTargets } from "./replicas.ts";
import type { Plan, World } from "./world.ts";

/**
 * What the controller wants changed now; nothing when the world is as it should be. It sets targets and asks for transfers, and each shard's
 * leader does the rest; asking again for what is under way changes nothing.
 */
export function plan(world: World): Plan {
  return { targets: planTargets(world), transfers: planTransfers(world) };
}
