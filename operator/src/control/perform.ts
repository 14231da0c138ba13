import { assertNever } from "@saturnmq/kit";
import type { KindName } from "../kube/objects.ts";
import { type ClaimOptions, claimOf } from "../model/children.ts";
import type { Manifest, Owner } from "../model/manifest.ts";
import { memberName, retiredLabel } from "../model/naming.ts";
import type { BrokerAction, MemberAction } from "../plan/action.ts";
import type { Control } from "./control.ts";

export type Making = {
  readonly owner: Owner;
  readonly claims: ClaimOptions;
  readonly pod: (index: number) => Manifest;
};

/** Carries out a step on pods and claims. @throws {ApiError} */
export async function performOnMember(
  { objects }: Control,
  { owner, claims, pod }: Making,
  action: MemberAction,
): Promise<void> {
  const { namespace } = owner;
  const name = memberName(owner, action.index);
  switch (action.kind) {
    case "createClaim":
      return objects.create(claimOf(owner, action.index, claims));
    case "createPod":
      return objects.create(pod(action.index));
    case "deletePod":
      return objects.delete("Pod", namespace, name, action.uid);
    case "retireClaim":
      return objects.merge(claimKind, namespace, name, { metadata: { labels: { [retiredLabel]: "true" } } });
    case "deleteClaim":
      return objects.delete(claimKind, namespace, name, action.uid);
    case "expandClaim":
      return objects.merge(claimKind, namespace, name, { spec: { resources: { requests: { storage: claims.size } } } });
    default:
      return assertNever(action);
  }
}

const claimKind: KindName = "PersistentVolumeClaim";

/** Carries out a step of a broker set. A verb's request id names the step, so that one repeated after a crash is one. @throws {ApiError | SaturnError} */
export async function performOnBroker(
  control: Control,
  making: Making,
  action: BrokerAction,
  verb: (
    method: "DrainBroker" | "CancelDrain" | "TransferLeaders" | "ForgetBroker",
    broker: number,
  ) => Promise<unknown>,
): Promise<void> {
  switch (action.kind) {
    case "drain":
      await verb("DrainBroker", action.broker);
      return;
    case "cancelDrain":
      await verb("CancelDrain", action.broker);
      return;
    case "transferLeaders":
      await verb("TransferLeaders", action.broker);
      return;
    case "forget":
      await verb("ForgetBroker", action.broker);
      return;
    case "createClaim":
    case "createPod":
    case "deletePod":
    case "retireClaim":
    case "deleteClaim":
    case "expandClaim":
      return performOnMember(control, making, action);
    default:
      return assertNever(action);
  }
}
