import type { SimulatedCluster } from "../world/cluster.ts";

/** A rule that must hold after every event. One a file. */
export interface Invariant {
  /** What it says and where that is written. */
  readonly name: string;
  /** @throws {Violation} */
  afterEvent(cluster: SimulatedCluster): void;
}

/** A rule does not hold. */
export class Violation extends Error {
  override readonly name = "Violation";
}
