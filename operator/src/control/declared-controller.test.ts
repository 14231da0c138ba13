import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { SaturnError, silentLogger } from "@saturnmq/kit";
import { ManualTime } from "@saturnmq/kit/testing";
import type { AdminMethod, AdminMethods, AdminTopic } from "@saturnmq/wire";
import type { ClusterAdmin } from "../grpc/cluster-admin.ts";
import { ApiClient } from "../kube/api-client.ts";
import { EventRecorder } from "../kube/events.ts";
import { Objects } from "../kube/objects.ts";
import { FakeApiServer } from "../kube/testing/fake-api-server.ts";
import type { Control, CustomResource } from "./control.ts";
import { topics } from "./declared.ts";
import { reconcileDeclared } from "./declared-controller.ts";

// Goal: what a declaration costs, and that what was asked for a little ago never makes it untrue. Method: calls are counted over real HTTP, and in a
// cluster that keeps topics in memory.

/** Topics of a cluster, and what it was asked for. */
class Cluster implements ClusterAdmin {
  readonly topics = new Map<string, AdminTopic>();
  readonly calls: string[] = [];

  call<Method extends AdminMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]> {
    this.calls.push(method);
    return Promise.resolve(this.#answer(method, request as Partial<AdminTopic>) as AdminMethods[Method]["reply"]);
  }

  #answer(method: AdminMethod, { name = "", queues = 8 }: Partial<AdminTopic>): unknown {
    if (method === "ListTopics") return { topics: [...this.topics.values()] };
    if (method === "DeleteTopic") return this.topics.delete(name) ? {} : refuse("TOPIC_NOT_FOUND");
    if (method !== "CreateTopic") return refuse("UNIMPLEMENTED");
    if (this.topics.has(name)) return refuse("ALREADY_EXISTS");
    this.topics.set(name, { id: this.topics.size + 1, name, type: "NORMAL", queues, createdAtMs: 0 });
    return this.topics.get(name);
  }

  count(method: AdminMethod): number {
    return this.calls.filter((call) => call === method).length;
  }
}

function refuse(code: "TOPIC_NOT_FOUND" | "UNIMPLEMENTED" | "ALREADY_EXISTS"): never {
  throw new SaturnError(code, code);
}

let server: FakeApiServer;
let client: ApiClient;
let cluster: Cluster;
let control: Control;
let time: ManualTime;

beforeEach(async () => {
  server = new FakeApiServer();
  client = new ApiClient({ server: await server.start(), namespace: "test" });
  cluster = new Cluster();
  time = new ManualTime();
  const about = { clock: time, logger: silentLogger };
  control = {
    ...{ ...about, objects: new Objects(client), events: new EventRecorder({ client, identity: "one", ...about }) },
    ...{ image: "", admin: () => cluster, leads: () => true },
  };
});

afterEach(async () => {
  client[Symbol.dispose]();
  await server.close();
});

function topic(name: string, metadata: Partial<CustomResource["metadata"]> = {}, status: Status = {}): CustomResource {
  const of = { name, namespace: "test", uid: `uid-${name}`, resourceVersion: "1", creationTimestamp: "2026-01-01" };
  const spec = { brokerRef: { name: "main" }, queues: 4, deletionPolicy: "Delete" };
  return { metadata: { ...of, finalizers: ["saturnmq.io/declared"], ...metadata }, spec, status };
}

const sets: Readonly<Record<string, CustomResource>> = {
  Broker: { ...topic("main"), spec: { nameServerRef: { name: "main" }, replicas: 3 } },
  NameServer: { ...topic("main"), spec: {} },
};

const look = (resource: CustomResource): Promise<number | undefined> =>
  reconcileDeclared(control, topics, { resource, rivals: [], watched: (kind) => sets[kind] });

type Status = NonNullable<CustomResource["status"]>;

/** The status that was written last of an object. */
const statusOf = (name: string): Status => server.get(name)?.["status"] as Status;
const said = (name: string): unknown => statusOf(name).conditions?.[0];

const names = Array.from({ length: 200 }, (_, place) => `topic-${place}`);

test("new topics cost a creation, a status and an event each, and one list together", async () => {
  await Promise.all(names.map((name) => look(topic(name))));
  expect(cluster.topics.size).toBe(names.length);
  expect(cluster.calls).toHaveLength(names.length + 1);
  expect(server.calls.filter((call) => call.startsWith("PATCH"))).toHaveLength(names.length);
  expect(server.calls).toHaveLength(2 * names.length);
  expect(said("topic-7")).toMatchObject({ status: "True", reason: "Exists" });
});

test("topics at rest cost no call of the API server, and one list every five seconds", async () => {
  await Promise.all(names.map((name) => look(topic(name))));
  const atRest = names.map((name) => topic(name, {}, statusOf(name)));
  server.calls.length = 0;
  cluster.calls.length = 0;
  for (const [place, resource] of atRest.entries()) {
    if (place % 20 === 0) time.advance(1_000);
    await look(resource);
  }
  expect(server.calls).toEqual([]);
  expect(cluster.calls).toEqual(["ListTopics", "ListTopics"]);
});

test("a topic that somebody made since all were listed is adopted", async () => {
  await look(topic("first"));
  await cluster.call("CreateTopic", { requestId: "", name: "theirs", type: "NORMAL", queues: 3 });
  await look(topic("theirs"));
  expect(said("theirs")).toMatchObject({ reason: "Drifted", message: "queues is 3 in the cluster, 4 here" });
  expect(cluster.count("ListTopics")).toBe(2);
});

test("a topic that somebody removed is made again as soon as a new list shows it", async () => {
  await look(topic("orders"));
  cluster.topics.clear();
  time.advance(5_000);
  await look(topic("orders"));
  expect([...cluster.topics.keys()]).toEqual(["orders"]);
});

test("what this operator removed is not taken to be there still, even by a list that was on its way", async () => {
  await look(topic("orders"));
  time.advance(5_000);
  const answer = Promise.withResolvers<undefined>();
  const call = cluster.call.bind(cluster);
  cluster.call = async (method, request) => {
    const reply = await call(method, request);
    if (method === "ListTopics") await answer.promise;
    return reply;
  };
  const looking = look(topic("other"));
  await look(topic("orders", { deletionTimestamp: "2026-01-02" }));
  expect(cluster.topics.has("orders")).toBe(false);
  answer.resolve(undefined);
  await looking;
  await look(topic("orders"));
  expect(cluster.topics.has("orders")).toBe(true);
});

test("a list that failed is not kept, and says that the cluster is waited for", async () => {
  const call = cluster.call.bind(cluster);
  cluster.call = () => Promise.reject(new SaturnError("HA_NOT_AVAILABLE", "nobody leads"));
  await look(topic("orders"));
  expect(said("orders")).toMatchObject({ status: "False", reason: "WaitingForBroker", message: "nobody leads" });
  cluster.call = call;
  await look(topic("orders"));
  expect(said("orders")).toMatchObject({ status: "True", reason: "Exists" });
});
