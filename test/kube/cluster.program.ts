// One cluster's life on a real API server, controllers and scheduler, with brokers, name servers and the operator as processes. Runs in namespaces of its own
// (user, network, mount), which cluster.test.ts makes; prints a line of JSON a check. Arguments: folder for everything, folder of binaries, hosts file.
import { mkdirSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { ApiClient, isApiError, type KubeObject, loadCredentials } from "@saturnmq/operator/kube";
import { invalidAtCreation, invalidChanges, validChanges } from "./invalid.ts";
import { ClusterNames } from "./support/cluster-names.ts";
import { openMachine } from "./support/machine.ts";
import { Nodes } from "./support/nodes.ts";
import { command, eventually, run, startOperator } from "./support/step.ts";
import { Volumes } from "./support/volumes.ts";

const [, , folder = "", binaries = "", hostsFile = ""] = process.argv;
const controlPlane = fileURLToPath(new URL("./control-plane/", import.meta.url));
const crds = fileURLToPath(new URL("../../crds/", import.meta.url));
const namespace = "mq";
const kubeconfig = `${folder}/control/pki/admin.conf`;
const environment = { KUBE_BIN: binaries, KUBE_STATE: `${folder}/control`, SERVICE_RANGE: "10.96.0.0/16" };

type Resource = KubeObject & {
  readonly status?: {
    readonly readyReplicas?: number;
    readonly selector?: string;
    readonly members?: readonly {
      readonly name: string;
      readonly brokerId?: number;
      readonly zone?: string;
      readonly state: string;
    }[];
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
};

const plurals: Readonly<Record<string, string>> = {
  NameServer: "nameservers",
  Broker: "brokers",
  Topic: "topics",
  ConsumerGroup: "consumergroups",
};
const pathOf = (kind: string, name?: string): string =>
  `/apis/saturnmq.io/v1alpha1/namespaces/${namespace}/${plurals[kind] ?? ""}${name === undefined ? "" : `/${name}`}`;

/** Runs one check and prints what came of it; the life goes on with the next. */
async function check(name: string, work: () => Promise<unknown>): Promise<boolean> {
  const startedMs = performance.now();
  let failure: string | undefined;
  let detail: unknown;
  try {
    detail = await work();
  } catch (error) {
    failure = String(error);
  }
  const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1));
  process.stdout.write(
    `${JSON.stringify({ name, ok: failure === undefined, seconds, ...(detail === undefined ? {} : { detail }), ...(failure === undefined ? {} : { failure }) })}\n`,
  );
  return failure === undefined;
}

function create(client: ApiClient, kind: string, name: string, spec: object): Promise<Resource> {
  const body = { apiVersion: "saturnmq.io/v1alpha1", kind, metadata: { name, namespace }, spec };
  return client.call("POST", pathOf(kind), { body, query: { fieldValidation: "Strict" } });
}

function change(client: ApiClient, kind: string, name: string, spec: object): Promise<Resource> {
  return client.call("PATCH", pathOf(kind, name), {
    body: { spec },
    contentType: "application/merge-patch+json",
    query: { fieldValidation: "Strict" },
  });
}

async function refused(work: Promise<unknown>, says: RegExp): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (!isApiError(error, "refused")) throw error;
    if (!says.test(error.message))
      throw new Error(`refused, but in other words than ${String(says)}: ${error.message}`, { cause: error });
    return error.message;
  }
  throw new Error("was taken");
}

async function checkDefinitions(client: ApiClient): Promise<void> {
  await check(
    `${invalidAtCreation.length} invalid manifests are refused, each with the field and the fix`,
    async () => {
      for (const [place, { what, kind, spec, name = `bad-${place}`, says }] of invalidAtCreation.entries())
        await refused(create(client, kind, name, spec), says).catch((error: unknown) => {
          throw new Error(`${what}: ${String(error)}`, { cause: error });
        });
    },
  );
  await check(`${invalidChanges.length} changes are refused`, async () => {
    for (const [place, { what, kind, from, to, says }] of invalidChanges.entries()) {
      await create(client, kind, `change-${place}`, from);
      await refused(change(client, kind, `change-${place}`, to), says).catch((error: unknown) => {
        throw new Error(`${what}: ${String(error)}`, { cause: error });
      });
      await client.call("DELETE", pathOf(kind, `change-${place}`));
    }
  });
  await check(`${validChanges.length} changes are taken`, async () => {
    for (const [place, { kind, from, to }] of validChanges.entries()) {
      await create(client, kind, `valid-${place}`, from);
      await change(client, kind, `valid-${place}`, to);
      await client.call("DELETE", pathOf(kind, `valid-${place}`));
    }
  });
}

function has({ status }: Resource, type: string, value: string, reason?: string): boolean {
  return (
    status?.conditions?.some(
      (condition) =>
        condition.type === type && condition.status === value && (reason === undefined || condition.reason === reason),
    ) ?? false
  );
}

/** Waits until a set is as wanted: ready, at rest, with as many members. */
function settled(client: ApiClient, kind: string, members: number, seconds: number): Promise<Resource> {
  return eventually(`${kind} main is ready with ${members} members`, seconds, async () => {
    const set = await client.call<
      Resource & {
        readonly metadata: { readonly generation: number };
        readonly status?: { readonly observedGeneration?: number };
      }
    >("GET", pathOf(kind, "main"));
    if (
      set.status?.observedGeneration === set.metadata.generation &&
      has(set, "Ready", "True") &&
      has(set, "Progressing", "False", "Settled") &&
      set.status.readyReplicas === members
    )
      return set;
    throw new Error(JSON.stringify(set.status ?? {}));
  });
}

async function pods(client: ApiClient): Promise<readonly Resource[]> {
  const { items } = await client.call<{ readonly items: readonly Resource[] }>(
    "GET",
    `/api/v1/namespaces/${namespace}/pods`,
    { query: { labelSelector: "saturnmq.io/role=broker" } },
  );
  return items;
}

const clients = `main-broker-clients.${namespace}.svc:8081`;
let sent = 0;

async function main(): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await using opened = new AsyncDisposableStack();
  opened.defer(async () => {
    await run(`${controlPlane}down.sh`, [], { env: environment });
  });
  const started = await check("the control plane starts", async () => {
    const { code, stderr } = await run(`${controlPlane}up.sh`, [], { env: environment, seconds: 420 });
    if (code !== 0) throw new Error(stderr);
  });
  if (!started) return;
  const client = opened.use(new ApiClient(loadCredentials({ KUBECONFIG: kubeconfig })));
  await check("the API server takes the definitions", async () => {
    const { code, stderr } = await run(`${binaries}/kubectl`, ["apply", "-f", crds], {
      env: { KUBECONFIG: kubeconfig },
    });
    if (code !== 0) throw new Error(stderr);
    await client.call("POST", "/api/v1/namespaces", {
      body: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
    });
    await eventually("definitions are served", 60, () => client.call("GET", pathOf("Topic")));
  });
  await checkDefinitions(client);
  const machine = openMachine(client, folder, hostsFile);
  const nodes = new Nodes(
    machine,
    ["a", "b", "c"].map((zone) => ({ name: `node-${zone}`, zone })),
  );
  const volumes = new Volumes(machine);
  const names = new ClusterNames(machine);
  opened.defer(() => names.close());
  opened.defer(() => volumes.close());
  opened.defer(() => nodes.close());
  await Promise.all([nodes.start(), volumes.start(), names.start()]);
  const operator = startOperator(kubeconfig, namespace, `${folder}/operator.log`);
  opened.defer(() => void operator.kill("SIGTERM"));
  await live(client);
}

async function live(client: ApiClient): Promise<void> {
  await check("a cluster of three name servers and three brokers gets ready, spread over three zones", async () => {
    await create(client, "NameServer", "main", { replicas: 3 });
    await create(client, "Broker", "main", {
      nameServerRef: { name: "main" },
      replicas: 3,
      shards: 6,
      storage: { size: "1Gi", reclaim: "Delete" },
      configuration: { store: { segmentBytes: 16_777_216 } },
    });
    await settled(client, "NameServer", 3, 180);
    const set = await settled(client, "Broker", 3, 180);
    if (!has(set, "ZoneSpread", "True")) throw new Error(JSON.stringify(set.status));
    return set.status?.members;
  });
  await checkDeclarations(client);
  await check("messages are sent through the Service address", () => send(200));
  await check("converged, nothing is written", async () => {
    const before = await versions(client);
    await sleep(15_000);
    const after = await versions(client);
    if (before !== after) throw new Error(`${before} became ${after}`);
  });
  await check("scale out to five, through the scale subresource", async () => {
    await client.call("PATCH", `${pathOf("Broker", "main")}/scale`, {
      body: { spec: { replicas: 5 } },
      contentType: "application/merge-patch+json",
    });
    await settled(client, "Broker", 5, 180);
    await send(100);
  });
  await check("scale in to three: nobody is left in the cluster that has no pod, and its claims are gone", async () => {
    await change(client, "Broker", "main", { replicas: 3 });
    await settled(client, "Broker", 3, 300);
    const { stdout } = await expectDone(command(clients, "--output", "json", "broker", "list"));
    const { items } = await client.call<{ readonly items: readonly KubeObject[] }>(
      "GET",
      `/api/v1/namespaces/${namespace}/persistentvolumeclaims`,
      { query: { labelSelector: "saturnmq.io/role=broker" } },
    );
    if (items.length !== 3) throw new Error(`${items.length} claims`);
    await send(100);
    return stdout.length;
  });
  await check("fewer than copies of a message: the set stops at three and says so", async () => {
    await change(client, "Broker", "main", { replicas: 1 });
    await eventually("it says so", 30, async () =>
      has(await client.call<Resource>("GET", pathOf("Broker", "main")), "Scaling", "False", "BelowReplicationFactor")
        ? true
        : undefined,
    );
    await change(client, "Broker", "main", { replicas: 3 });
  });
  await check("a changed setting rolls the brokers, one at a time", async () => {
    const before = new Set((await pods(client)).map(({ metadata }) => metadata.uid));
    const most = { stopped: 0, unready: 0 };
    const watching = new AbortController();
    const watched = watchDown(client, watching.signal, ({ stopped, unready }) => {
      most.stopped = Math.max(most.stopped, stopped);
      most.unready = Math.max(most.unready, unready);
    });
    await change(client, "Broker", "main", { configuration: { limits: { receiveBatchMax: 16 } } });
    await settled(client, "Broker", 3, 300);
    watching.abort();
    await watched;
    const kept = (await pods(client)).filter(({ metadata }) => before.has(metadata.uid));
    if (kept.length > 0 || most.stopped > 1)
      throw new Error(`${kept.length} pods were kept, ${most.stopped} were stopped at once`);
    await send(100);
    return { atOnce: most };
  });
  await check("every message that was acknowledged is there", async () => {
    const { stdout } = await expectDone(command(clients, "consume", "orders", "--group", "readers", "--timeout", "5s"));
    const got = new Set(
      stdout
        .split("\n")
        .filter((line) => line.includes("message "))
        .map((line) => /message \d+/.exec(line)?.[0]),
    );
    const missing = Array.from({ length: sent }, (_, place) => `message ${place}`).filter((text) => !got.has(text));
    if (missing.length > 0)
      throw new Error(`${missing.length} of ${sent} are missing: ${missing.slice(0, 5).join(", ")}`);
    return { messages: sent };
  });
  await check("hibernated, there are no pods and three claims; woken up, the messages are there", async () => {
    await change(client, "Broker", "main", { replicas: 0 });
    await eventually("no pods", 120, async () => ((await pods(client)).length === 0 ? true : undefined));
    await change(client, "Broker", "main", { replicas: 3 });
    await settled(client, "Broker", 3, 180);
    await send(10);
  });
  await check("a deleted set leaves no pod and, as its policy says, no claim", async () => {
    await client.call("DELETE", pathOf("Broker", "main"));
    await eventually("no pods", 120, async () => ((await pods(client)).length === 0 ? true : undefined));
    await eventually("no claims", 60, async () => {
      const { items } = await client.call<{ readonly items: readonly KubeObject[] }>(
        "GET",
        `/api/v1/namespaces/${namespace}/persistentvolumeclaims`,
        { query: { labelSelector: "saturnmq.io/role=broker" } },
      );
      return items.length === 0 ? true : undefined;
    });
  });
}

/** Waits until an object says of itself what it should. */
function says(client: ApiClient, kind: string, name: string, status: string, reason: string): Promise<Resource> {
  return eventually(`${kind} ${name} says ${reason}`, 60, async () => {
    const resource = await client.call<Resource>("GET", pathOf(kind, name));
    if (has(resource, "Ready", status, reason)) return resource;
    throw new Error(JSON.stringify(resource.status ?? {}));
  });
}

async function topicNames(): Promise<readonly string[]> {
  const { stdout } = await expectDone(command(clients, "--output", "json", "topic", "list"));
  return [...stdout.matchAll(/"name": ?"([^"]+)"/g)].map(([, name]) => name ?? "");
}

async function checkDeclarations(client: ApiClient): Promise<void> {
  const brokerRef = { name: "main" };
  await check("a Topic and a ConsumerGroup are made in the cluster", async () => {
    await create(client, "Topic", "orders", { brokerRef, queues: 4 });
    await create(client, "ConsumerGroup", "readers", { brokerRef, startPosition: "Earliest" });
    await says(client, "Topic", "orders", "True", "Exists");
    await says(client, "ConsumerGroup", "readers", "True", "Exists");
    if (!(await topicNames()).includes("orders")) throw new Error("the cluster does not know it");
  });
  await check("of two Topics for one name the older counts, and the younger says so", async () => {
    await sleep(1_100);
    await create(client, "Topic", "orders-again", { brokerRef, topicName: "orders", deletionPolicy: "Delete" });
    await says(client, "Topic", "orders-again", "False", "NameTaken");
    await client.call("DELETE", pathOf("Topic", "orders-again"));
    await eventually("it goes", 30, async () => ((await exists(client, "Topic", "orders-again")) ? undefined : true));
    if (!(await topicNames()).includes("orders")) throw new Error("the younger took the topic with it");
  });
  await check("a Topic whose Broker is missing waits, says so, and can be deleted", async () => {
    await create(client, "Topic", "lonely", { brokerRef: { name: "nobody" }, deletionPolicy: "Delete" });
    await says(client, "Topic", "lonely", "False", "WaitingForBroker");
    await client.call("DELETE", pathOf("Topic", "lonely"));
    await eventually("it goes", 30, async () => ((await exists(client, "Topic", "lonely")) ? undefined : true));
  });
  await check("a topic that exists is adopted, and what differs is said", async () => {
    await expectDone(command(clients, "topic", "create", "there-before", "--queues", "3"));
    await create(client, "Topic", "there-before", { brokerRef, queues: 5 });
    const { status } = await says(client, "Topic", "there-before", "False", "Drifted");
    return status?.conditions?.[0]?.message;
  });
  await check("deleted with the policy Delete, it is gone from the cluster; with Retain it stays", async () => {
    await create(client, "Topic", "short", { brokerRef, deletionPolicy: "Delete" });
    await says(client, "Topic", "short", "True", "Exists");
    await client.call("DELETE", pathOf("Topic", "short"));
    await client.call("DELETE", pathOf("Topic", "there-before"));
    await eventually("both go", 30, async () =>
      (await exists(client, "Topic", "short")) || (await exists(client, "Topic", "there-before")) ? undefined : true,
    );
    const names = await topicNames();
    if (names.includes("short") || !names.includes("there-before")) throw new Error(names.join(", "));
  });
  await check(`${topicsAtOnce} Topics at once`, async () => {
    const startedMs = Date.now();
    const path = pathOf("Topic");
    for (let place = 0; place < topicsAtOnce; place += 1)
      await create(client, "Topic", `many-${place}`, { brokerRef, queues: 1 });
    await eventually("all exist", 120, async () => {
      const { items } = await client.call<{ readonly items: readonly Resource[] }>("GET", path);
      const ready = items.filter((topic) => has(topic, "Ready", "True")).length;
      if (ready < topicsAtOnce + 1) throw new Error(`${ready} exist`);
      return true;
    });
    return { seconds: (Date.now() - startedMs) / 1_000 };
  });
}

const topicsAtOnce = 200;

async function exists(client: ApiClient, kind: string, name: string): Promise<boolean> {
  try {
    await client.call("GET", pathOf(kind, name));
    return true;
  } catch (error) {
    if (isApiError(error, "notFound")) return false;
    throw error;
  }
}

async function expectDone(work: ReturnType<typeof command>): ReturnType<typeof command> {
  const ran = await work;
  if (ran.code !== 0) throw new Error(`exit code ${ran.code}: ${ran.stderr.slice(-500)}`);
  return ran;
}

/** Sends messages through the Service address; each must be acknowledged. */
async function send(count: number): Promise<void> {
  const input = Array.from({ length: count }, (_, place) => `message ${sent + place}\n`).join("");
  await expectDone(
    run(
      process.execPath,
      [
        fileURLToPath(new URL("../../cli/bin/saturnmq.js", import.meta.url)),
        "--endpoint",
        clients,
        "produce",
        "orders",
      ],
      { input },
    ),
  );
  sent += count;
}

/** Versions of everything that the operator writes. */
async function versions(client: ApiClient): Promise<string> {
  const lists = await Promise.all(
    [
      pathOf("NameServer"),
      pathOf("Broker"),
      ...["pods", "persistentvolumeclaims", "services", "configmaps", "events"].map(
        (plural) => `/api/v1/namespaces/${namespace}/${plural}`,
      ),
    ].map((path) => client.call<{ readonly items: readonly KubeObject[] }>("GET", path)),
  );
  return lists
    .flatMap(({ items }) => items.map(({ metadata }) => `${metadata.name}@${metadata.resourceVersion}`))
    .join(" ");
}

type Down = { readonly stopped: number; readonly unready: number };

/** Tells how many of the three brokers have no pod that runs, and how many are not ready for whatever reason, again and again. */
async function watchDown(client: ApiClient, signal: AbortSignal, tell: (down: Down) => void): Promise<void> {
  while (!signal.aborted) {
    const running = (await pods(client)).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    const ready = running.filter((pod) => has(pod, "Ready", "True"));
    tell({ stopped: 3 - running.length, unready: 3 - ready.length });
    await sleep(100);
  }
}

await main();
process.exit(0);
