import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { check } from "../support/check.ts";
import { type CustomResources, has, type Resource } from "../support/custom-resources.ts";
import type { Messages } from "../support/messages.ts";
import { eventually } from "../support/step.ts";

const brokerRef = { name: "main" };
const isLong = process.env["SATURNMQ_NIGHTLY"] === "1";
const topicsAtOnce = isLong ? 1_000 : 200;
const topicsWithinSeconds = 60;
const callsAtOnce = 8;

/** Topics and groups of a cluster that is ready. Leaves the topic `orders` and the group `readers`. */
export async function checkDeclarations(resources: CustomResources, messages: Messages): Promise<void> {
  const topicNames = () => messages.topicNames();
  await check("a Topic and a ConsumerGroup are made in the cluster", async () => {
    await resources.create("Topic", "orders", { brokerRef, queues: 4 });
    await resources.create("ConsumerGroup", "readers", { brokerRef, startPosition: "Earliest" });
    await resources.says("Topic", "orders", "True", "Exists");
    await resources.says("ConsumerGroup", "readers", "True", "Exists");
    if (!(await topicNames()).includes("orders")) throw new Error("the cluster does not know it");
  });
  await check("of two Topics for one name the older counts, and the younger says so", async () => {
    await sleep(1_100);
    await resources.create("Topic", "orders-again", { brokerRef, topicName: "orders", deletionPolicy: "Delete" });
    await resources.says("Topic", "orders-again", "False", "NameTaken");
    await resources.remove("Topic", "orders-again");
    if (!(await topicNames()).includes("orders")) throw new Error("the younger took the topic with it");
  });
  await check("a Topic whose Broker is missing waits, says so, and can be deleted", async () => {
    await resources.create("Topic", "lonely", { brokerRef: { name: "nobody" }, deletionPolicy: "Delete" });
    await resources.says("Topic", "lonely", "False", "WaitingForBroker");
    await resources.remove("Topic", "lonely");
  });
  await check("a topic that exists is adopted, and what differs is said", async () => {
    await messages.saturnmq("topic", "create", "there-before", "--queues", "3");
    await resources.create("Topic", "there-before", { brokerRef, queues: 5 });
    const { status } = await resources.says("Topic", "there-before", "False", "Drifted");
    return status?.conditions?.[0]?.message;
  });
  await check("deleted with the policy Delete, it is gone from the cluster; with Retain it stays", async () => {
    await resources.create("Topic", "short", { brokerRef, deletionPolicy: "Delete" });
    await resources.says("Topic", "short", "True", "Exists");
    await Promise.all(["short", "there-before"].map((name) => resources.remove("Topic", name)));
    await resources.create("ConsumerGroup", "brief", { brokerRef, deletionPolicy: "Delete" });
    await resources.says("ConsumerGroup", "brief", "True", "Exists");
    await resources.remove("ConsumerGroup", "brief");
    if ((await messages.saturnmq("group", "list")).includes("brief")) throw new Error("the group is still there");
    const names = await topicNames();
    if (names.includes("short") || !names.includes("there-before")) throw new Error(names.join(", "));
  });
  await check(`${topicsAtOnce} Topics are made within ${topicsWithinSeconds} s`, () => manyTopics(resources));
}

/** Makes them and waits until the cluster has them. The waiting is seldom, as a list of a thousand is work for the API server itself. */
async function manyTopics(resources: CustomResources): Promise<unknown> {
  const startedMs = performance.now();
  const names = new Set(Array.from({ length: topicsAtOnce }, (_, place) => `many-${place}`));
  const left = [...names];
  const create = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop())
      await resources.create("Topic", name, { brokerRef, queues: 1 });
  };
  await Promise.all(Array.from({ length: callsAtOnce }, create));
  await eventually("all exist", 2 * topicsWithinSeconds, async () => {
    await sleep(1_000);
    const made = (await listOf(resources)).filter(({ metadata }) => names.has(metadata.name));
    const ready = made.filter((topic) => has(topic, "Ready", "True")).length;
    if (ready < topicsAtOnce) throw new Error(`${ready} exist`);
    return true;
  });
  const seconds = (performance.now() - startedMs) / 1_000;
  if (seconds > topicsWithinSeconds) throw new Error(`${topicsAtOnce} Topics took ${seconds} s`);
  return { seconds };
}

async function listOf(resources: CustomResources): Promise<readonly Resource[]> {
  const path = resources.pathOf("Topic");
  return (await resources.client.call<{ readonly items: readonly Resource[] }>("GET", path)).items;
}
