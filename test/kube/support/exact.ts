import { ClusterTools } from "@saturnmq/bench";
import type { CustomResources } from "./custom-resources.ts";

/** Pods, claims and brokers that the cluster knows are as many as wanted, by the same names. @throws {Error} with those that there are */
export async function expectExact(resources: CustomResources, wanted: number): Promise<string> {
  const tools = new ClusterTools(() => `main-broker-clients.${resources.namespace}.svc:8081`);
  const listed = (names: readonly string[]): string => names.toSorted().join();
  const pods = listed((await resources.pods()).map(({ metadata }) => metadata.name));
  const claims = listed((await resources.claims()).map(({ metadata }) => metadata.name));
  const brokers = listed((await tools.brokers()).map(({ address }) => address.split(".")[0] ?? ""));
  if (pods !== claims || pods !== brokers || pods.split(",").length !== wanted)
    throw new Error(`pods ${pods}; claims ${claims}; brokers ${brokers}`);
  return pods;
}
