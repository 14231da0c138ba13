import { describe, expect, test } from "@jest/globals";
import { brokerSpec } from "../api/broker.ts";
import { nameServerSpec } from "../api/name-server.ts";
import { brokerChildren, brokerPod, brokerPods } from "./broker-set.ts";
import { claimOf } from "./children.ts";
import type { Manifest } from "./manifest.ts";
import { nameServerChildren, nameServerPod, nameServerPods } from "./name-server-group.ts";
import { indexOfAddress, memberHost, memberName, nameServerEndpoints } from "./naming.ts";
import { podRevision } from "./pod.ts";
import { numberOfQuantity } from "./quantity.ts";
import { revisionOf } from "./revision.ts";

const brokers = { kind: "Broker", name: "main", namespace: "mq", uid: "u1" } as const;
const group = { kind: "NameServer", name: "main", namespace: "mq", uid: "u2" } as const;
const image = "saturnmq:1";

function brokerSet(further: object = {}) {
  const spec = brokerSpec.parse({ nameServerRef: { name: "main" }, ...further });
  const set = { owner: brokers, spec, image };
  return { set, plan: brokerPods(set) };
}

function nameServers(further: object = {}) {
  const spec = nameServerSpec.parse(further);
  const set = { owner: group, spec, image };
  return { set, plan: nameServerPods(set, { shards: 24, replicationFactor: 3 }) };
}

type PodSpec = {
  readonly automountServiceAccountToken: boolean;
  readonly securityContext: Record<string, unknown>;
  readonly containers: readonly {
    readonly env: readonly { name: string; value?: string }[];
    readonly securityContext: Record<string, unknown>;
  }[];
  readonly volumes: readonly Record<string, unknown>[];
};
const podSpecOf = (pod: Manifest): PodSpec => pod["spec"] as PodSpec;

describe.each([
  { kind: "broker", pod: brokerPod(brokerSet().plan, 2, nameServerEndpoints("mq", "main", [1, 2, 6])) },
  { kind: "name server", pod: nameServerPod(nameServers().plan, 2, [1, 2, 6]) },
])("the pod of a $kind", ({ pod }) => {
  const spec = podSpecOf(pod);
  const [container] = spec.containers;

  test("is what the restricted profile of Pod Security Standards asks for", () => {
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } });
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    });
    const kinds = spec.volumes.flatMap((volume) => Object.keys(volume).filter((key) => key !== "name"));
    expect(kinds.every((kind) => ["persistentVolumeClaim", "configMap", "emptyDir", "secret"].includes(kind))).toBe(
      true,
    );
  });

  test("has no token for the API server", () => {
    expect(spec.automountServiceAccountToken).toBe(false);
  });

  test("is collected with its owner", () => {
    expect(pod.metadata.ownerReferences).toMatchObject([{ controller: true, blockOwnerDeletion: true }]);
  });
});

describe("revisions", () => {
  const revision = (further: object): string => podRevision(brokerSet(further).plan);

  test("nothing that leaves pods as they are changes the revision", () => {
    for (const further of [
      { replicas: 6 },
      { paused: true },
      { storage: { size: "40Gi" } },
      { service: { type: "NodePort" } },
      { podTemplate: {} },
    ])
      expect(revision(further)).toBe(revision({}));
  });

  test.each([
    { image: "saturnmq:2" },
    { configuration: { limits: { receiveBatchMax: 16 } } },
    { resources: { requests: { cpu: "1" } } },
    { tlsSecretRef: { name: "tls" } },
    { podTemplate: { nodeSelector: { disk: "fast" } } },
    { podTemplate: { labels: { team: "orders" } } },
    { podTemplate: { annotations: { restartedAt: "2026-12-01" } } },
    { zones: { whenUnsatisfiable: "DoNotSchedule" } },
  ])("%j is another revision", (further) => {
    expect(revision(further)).not.toBe(revision({}));
  });

  test("does not depend on the order of keys, and does on everything else", () => {
    expect(revisionOf({ a: 1, b: [1, 2] })).toBe(revisionOf({ b: [1, 2], a: 1 }));
    const values = [{}, { a: 1 }, { a: "1" }, { a: [1] }, [1, 2], [2, 1], { a: { b: 1 } }, { "a.b": 1 }];
    expect(new Set(values.map(revisionOf)).size).toBe(values.length);
  });
});

describe("names", () => {
  test("a member is found by the address that it registers under, and only there", () => {
    for (const index of [0, 7, 12]) expect(indexOfAddress(brokers, `${memberHost(brokers, index)}:8081`)).toBe(index);
    const other = { ...brokers, name: "main-broker" };
    expect(indexOfAddress(other, `${memberHost(brokers, 1)}:8081`)).toBeUndefined();
    expect(indexOfAddress(brokers, `${memberHost(other, 1)}:8081`)).toBeUndefined();
    expect(indexOfAddress(brokers, `${memberHost({ ...brokers, namespace: "other" }, 1)}:8081`)).toBeUndefined();
    expect(indexOfAddress(brokers, "10.0.0.1:8081")).toBeUndefined();
  });

  test("the longest names are still DNS labels", () => {
    const owner = { ...brokers, name: "a".repeat(40) };
    expect(memberName(owner, 999).length).toBeLessThanOrEqual(63);
  });

  test("no two children of one kind have the same name, also of a set and a group of one name", () => {
    const { set, plan } = brokerSet();
    const { set: servers, plan: serverPlan } = nameServers();
    const all = [...brokerChildren(set, plan), ...nameServerChildren(servers, serverPlan, 3)].map(
      ({ kind, metadata }) => `${kind} ${metadata.name}`,
    );
    expect(new Set(all).size).toBe(all.length);
  });
});

describe("children", () => {
  const kindsOf = (manifests: readonly Manifest[]): string[] => manifests.map(({ kind }) => kind);

  test("a lone broker has no budget: it could never be moved", () => {
    const { set, plan } = brokerSet({ replicas: 1, replicationFactor: 1 });
    expect(kindsOf(brokerChildren(set, plan))).not.toContain("PodDisruptionBudget");
    expect(kindsOf(brokerChildren(brokerSet().set, plan))).toContain("PodDisruptionBudget");
  });

  test("members' names are told before they are ready", () => {
    const headless = brokerChildren(brokerSet().set, brokerSet().plan).find(
      ({ kind, metadata }) => kind === "Service" && metadata.name === "main-broker",
    );
    expect(headless?.["spec"]).toMatchObject({ clusterIP: "None", publishNotReadyAddresses: true });
  });

  test("a claim goes with its owner only where the policy says so", () => {
    const claim = (reclaim: "Delete" | "Retain") =>
      claimOf(brokers, 0, { size: "1Gi", className: "", reclaim }).metadata.ownerReferences;
    expect(claim("Retain")).toBeUndefined();
    expect(claim("Delete")).toHaveLength(1);
  });

  test("brokers and name servers know the name servers by names that stay", () => {
    const endpoints = nameServerEndpoints("mq", "main", [1, 2, 6]);
    expect(endpoints).toEqual([1, 2, 6].map((id) => `main-nameserver-${id}.main-nameserver.mq.svc:8082`));
    const told = (pod: Manifest, name: string): unknown =>
      JSON.parse(podSpecOf(pod).containers[0]?.env.find((variable) => variable.name === name)?.value ?? "");
    expect(told(brokerPod(brokerSet().plan, 0, endpoints), "SATURNMQ_NAME_SERVERS")).toEqual(endpoints);
    const members = told(nameServerPod(nameServers().plan, 6, [1, 2, 6]), "SATURNMQ_MEMBERS");
    expect(members).toMatchObject([{ id: 1 }, { id: 2 }, { id: 6, host: "main-nameserver-6.main-nameserver.mq.svc" }]);
    expect(JSON.parse(nameServers().plan.config)).toMatchObject({ shards: 24 });
  });

  test("another list of name servers is no reason to restart anybody", () => {
    const revision = (pod: Manifest): unknown => pod.metadata.annotations?.["saturnmq.io/revision"];
    const servers = nameServers().plan;
    expect(revision(nameServerPod(servers, 1, [1, 2, 3]))).toBe(revision(nameServerPod(servers, 4, [1, 2, 4])));
    const brokers = brokerSet().plan;
    expect(revision(brokerPod(brokers, 1, ["a:1"]))).toBe(revision(brokerPod(brokers, 1, ["b:1"])));
  });
});

test.each([
  ["1Gi", 1_073_741_824],
  ["500m", 0.5],
  ["1.5k", 1_500],
  ["7", 7],
  ["", undefined],
  ["1Xi", undefined],
  ["-1", undefined],
])("quantity %s is %p", (text, value) => {
  expect(numberOfQuantity(text)).toBe(value);
});
