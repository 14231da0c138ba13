/** What a configured member of the name server group says of itself at its start. */
export type MemberState =
  | { readonly kind: "unreachable" }
  /** Its folder is empty. */
  | { readonly kind: "empty" }
  /** It has taken the cluster's id and waits for the others; it has never voted. */
  | { readonly kind: "prepared"; readonly clusterId: string }
  /** It has been in the group. */
  | { readonly kind: "formed"; readonly clusterId: string }
  /** It is configured with other members. */
  | { readonly kind: "otherMembers" };

/** This member's own state is one of three: it reaches itself and is configured as it is. */
export type OwnState = Extract<MemberState, { kind: "empty" | "prepared" | "formed" }>;

export type BootstrapDecision =
  /** Draw a cluster id, keep it, and ask again. */
  | { readonly kind: "found" }
  /** Keep this cluster id, and ask again. */
  | { readonly kind: "adopt"; readonly clusterId: string }
  /** Open the group with the configured members. */
  | { readonly kind: "open" }
  /** The group exists: ask it for the place that was made for this member. Without one, its data is lost. */
  | { readonly kind: "join"; readonly clusterId: string }
  | { readonly kind: "wait"; readonly reason: string }
  | { readonly kind: "refuse"; readonly reason: string };

/**
 * How a name server starts (design 9, "Bootstrap"). A group forms only when all configured members are there with empty folders: the one with
 * the lowest id draws the cluster id, the others adopt it, and none opens the group, or votes, before all have kept it. So an empty folder that
 * meets a group which has been opened has lost its data, and its votes with them.
 *
 * @param others the other configured members by id
 */
export function decideBootstrap(
  self: number,
  own: OwnState,
  others: ReadonlyMap<number, MemberState>,
): BootstrapDecision {
  const conflict = conflictOf(own, others);
  if (own.kind === "formed") return { kind: "open" };
  if (conflict !== undefined) return { kind: "refuse", reason: conflict };
  const formed = first(others, "formed");
  if (formed !== undefined) return own.kind === "empty" ? { kind: "join", clusterId: formed } : { kind: "open" };
  const awaited = [...others].filter(([, { kind }]) => kind === "unreachable" || kind === "otherMembers");
  if (awaited.length > 0) return { kind: "wait", reason: awaited.map(awaitedReason).join("; ") };
  return own.kind === "empty" ? prepare(self, others) : openWhenAllAre(others);
}

function prepare(self: number, others: ReadonlyMap<number, MemberState>): BootstrapDecision {
  const prepared = first(others, "prepared");
  if (prepared !== undefined) return { kind: "adopt", clusterId: prepared };
  const founder = Math.min(self, ...others.keys());
  if (self === founder) return { kind: "found" };
  return { kind: "wait", reason: `member ${founder} is to draw the cluster's id` };
}

function openWhenAllAre(others: ReadonlyMap<number, MemberState>): BootstrapDecision {
  const empty = [...others].filter(([, { kind }]) => kind === "empty").map(([id]) => id);
  if (empty.length === 0) return { kind: "open" };
  return { kind: "wait", reason: `member ${empty.join(", ")} has not taken the cluster's id yet` };
}

function first(others: ReadonlyMap<number, MemberState>, kind: "prepared" | "formed"): string | undefined {
  for (const state of others.values()) if (state.kind === kind) return state.clusterId;
  return undefined;
}

function awaitedReason([id, { kind }]: readonly [number, MemberState]): string {
  if (kind === "unreachable") return `member ${id} does not answer`;
  return `member ${id} is configured with other members: give all of them the same list`;
}

/** Two clusters among the members: nobody can tell which one is meant. */
function conflictOf(own: OwnState, others: ReadonlyMap<number, MemberState>): string | undefined {
  const owners = new Map<string, string>();
  if (own.kind !== "empty") owners.set(own.clusterId, "this one");
  for (const [id, state] of others)
    if ("clusterId" in state && !owners.has(state.clusterId)) owners.set(state.clusterId, `member ${id}`);
  if (owners.size < 2) return undefined;
  const list = [...owners].map(([clusterId, who]) => `${who} to cluster ${clusterId}`).join(", ");
  return `the members' folders are of different clusters (${list}): give each member its own folder, or an empty one`;
}
