/** Why a pod is deleted. */
export type PodEnd = "scaleIn" | "roll" | "hibernate" | "claimGone";

/** Why nothing is done now though something is left to do. */
export type Obstacle =
  | "clusterUnknown"
  | "noBrokerSet"
  | "claimLost"
  | "membersNotServing"
  | "notSafe"
  | "newPodNotReady"
  | "draining"
  | "leadersLeaving"
  | "podEnding"
  | "stillUp"
  | "onDelete"
  | "groupRefuses";

/** One step for the pods and claims of any set. Each is safe to repeat: what it finds done already is well. */
export type MemberAction =
  | { readonly kind: "createClaim" | "createPod" | "retireClaim"; readonly index: number }
  | { readonly kind: "deleteClaim"; readonly index: number; readonly uid: string }
  | { readonly kind: "expandClaim"; readonly index: number; readonly bytes: number }
  | { readonly kind: "deletePod"; readonly index: number; readonly uid: string; readonly why: PodEnd };

/** One step for a broker set. */
export type BrokerAction =
  | MemberAction
  | {
      readonly kind: "drain" | "cancelDrain" | "transferLeaders" | "forget";
      readonly index: number;
      readonly broker: number;
    };

/** One step for a name server group. */
export type NameServerAction = MemberAction | GroupAction;

/** A step that the group itself takes. */
export type GroupAction = {
  readonly kind: "addMember" | "removeMember";
  readonly index: number;
  readonly why: string;
};

export function isOfGroup(action: NameServerAction): action is GroupAction {
  return action.kind === "addMember" || action.kind === "removeMember";
}

const beginnings: Readonly<Record<(BrokerAction | NameServerAction)["kind"], string>> = {
  createClaim: "Making the claim of",
  createPod: "Making the pod of",
  deletePod: "Ending the pod of",
  expandClaim: "Growing the claim of",
  retireClaim: "Retiring the claim of",
  deleteClaim: "Deleting the claim of",
  drain: "Emptying",
  cancelDrain: "No longer emptying",
  transferLeaders: "Moving leaders away from",
  forget: "Removing from the cluster",
  addMember: "Giving a place to",
  removeMember: "Taking its place from",
};

/** What a step is called in a condition's message. */
export function sentenceOf({ kind, index }: BrokerAction | NameServerAction): string {
  return `${beginnings[kind]} member ${index}.`;
}

/** What comes next: a step, waiting for something that is named, or nothing at all. */
export type Next<Action> =
  | { readonly kind: "act"; readonly action: Action }
  | { readonly kind: "wait"; readonly for: Obstacle; readonly message: string }
  | { readonly kind: "settled" };

export const settled = { kind: "settled" } as const;

export function act<Action>(action: Action): Next<Action> {
  return { kind: "act", action };
}

export function waitFor(obstacle: Obstacle, message: string): Next<never> {
  return { kind: "wait", for: obstacle, message };
}
