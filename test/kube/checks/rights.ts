import type { KubeObject } from "@saturnmq/operator/kube";
import { callsOf, operatorNamespace } from "../support/audited.ts";
import { check } from "../support/check.ts";
import type { World } from "../support/world.ts";

type Role = KubeObject & {
  readonly rules: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
};

/** Asked for not by a call but by the admission of children that block their owner's deletion (OwnerReferencesPermissionEnforcement, on in this API server). */
const byAdmission = ["update saturnmq.io/nameservers/finalizers", "update saturnmq.io/brokers/finalizers"];

/** What the operator may do and what it did, by the audit log, are the same. @param namespace that it looks after */
export async function checkRights(world: World, namespace: string): Promise<void> {
  await check("no call of the operator was refused, and each rule of its roles was needed", async () => {
    const all = callsOf(world.audit);
    const refused = all.filter(({ code }) => code === 401 || code === 403);
    const done = new Set([...all.map(({ call }) => call), ...byAdmission]);
    const roles = [`${namespace}/roles/saturnmq`, `${operatorNamespace}/roles/saturnmq-election`];
    const allowed = await Promise.all(roles.map((role) => allowedBy(world, role)));
    const unused = allowed.flat().filter((call) => !done.has(call));
    if (refused.length > 0 || unused.length > 0 || all.length < 100)
      throw new Error(
        `${all.length} calls; refused: ${JSON.stringify(refused.slice(0, 5))}; not needed: ${unused.join(", ")}`,
      );
    return { calls: all.length, rights: allowed.flat().length };
  });
}

async function allowedBy({ client }: World, role: string): Promise<readonly string[]> {
  const { rules } = await client.call<Role>("GET", `/apis/rbac.authorization.k8s.io/v1/namespaces/${role}`);
  return rules.flatMap(({ apiGroups, resources, verbs }) =>
    apiGroups.flatMap((group) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`))),
  );
}
