import { operatorNamespace } from "./audited.ts";
import type { World } from "./world.ts";

/** Installs the operator by its chart, to look after some namespaces. @param values further `--set` of helm */
export async function installOperator(
  world: World,
  namespaces: readonly string[],
  values: readonly string[] = [],
): Promise<void> {
  const sets = [`watchNamespaces={${namespaces.join(",")}}`, ...values].map((value) => `--set '${value}'`).join(" ");
  await world.shell(
    `helm install saturnmq helm/saturnmq --namespace ${operatorNamespace} --create-namespace --wait --timeout 120s ${sets}`,
  );
}
