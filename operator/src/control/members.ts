import type { KubeObject } from "../kube/objects.ts";
import { indexLabel, retiredLabel, revisionAnnotation } from "../model/naming.ts";
import { numberOfQuantity } from "../model/quantity.ts";
import type { Claim, Pod } from "../plan/broker-world.ts";

/** A pod as far as it is looked at. */
export type LivePod = KubeObject & {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
};

/** A claim as far as it is looked at. */
export type LiveClaim = KubeObject & {
  readonly spec?: { readonly resources?: { readonly requests?: { readonly storage?: string } } };
  readonly status?: { readonly phase?: string };
};

/** Pods and claims of one set by member. Those without a member's label are not of the set's making, and are left alone. */
export function membersOf(
  pods: readonly LivePod[],
  claims: readonly LiveClaim[],
  { revision, topologyKey }: { readonly revision: string; readonly topologyKey: string },
): ReadonlyMap<number, { readonly pod?: Pod; readonly claim?: Claim }> {
  const members = new Map<number, { pod?: Pod; claim?: Claim }>();
  const at = (index: number): { pod?: Pod; claim?: Claim } => {
    const member = members.get(index) ?? {};
    members.set(index, member);
    return member;
  };
  for (const pod of pods) {
    const index = indexOf(pod);
    if (index !== undefined) at(index).pod = podView(pod, revision, topologyKey);
  }
  for (const claim of claims) {
    const index = indexOf(claim);
    if (index !== undefined) at(index).claim = claimView(claim);
  }
  return members;
}

function indexOf({ metadata: { labels } }: KubeObject): number | undefined {
  const text = labels?.[indexLabel];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

function podView({ metadata, status }: LivePod, revision: string, topologyKey: string): Pod {
  const zone = metadata.labels?.[topologyKey];
  // One that ended for good (evicted by its node, say) stands in the way of its successor: it is replaced like an outdated one.
  const over = status?.phase === "Failed" || status?.phase === "Succeeded";
  return {
    uid: metadata.uid,
    ready:
      !over && (status?.conditions?.some(({ type, status: value }) => type === "Ready" && value === "True") ?? false),
    terminating: metadata.deletionTimestamp !== undefined,
    updated: !over && metadata.annotations?.[revisionAnnotation] === revision,
    ...(zone === undefined || zone === "" ? {} : { zone }),
  };
}

function claimView({ metadata, spec, status }: LiveClaim): Claim {
  return {
    uid: metadata.uid,
    terminating: metadata.deletionTimestamp !== undefined,
    lost: status?.phase === "Lost",
    retired: metadata.labels?.[retiredLabel] === "true",
    requestedBytes: numberOfQuantity(spec?.resources?.requests?.storage ?? "") ?? 0,
  };
}
