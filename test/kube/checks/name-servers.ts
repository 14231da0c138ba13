import { setTimeout as sleep } from "node:timers/promises";
import { check } from "../support/check.ts";
import type { CustomResources, Resource } from "../support/custom-resources.ts";
import type { Messages } from "../support/messages.ts";
import { eventually } from "../support/step.ts";

const settledSeconds = 240;
const nameServer = "saturnmq.io/role=nameserver";
/** Of claims that the policy keeps: their data never runs again. */
const retired = "saturnmq.io/retired";

/** A cluster of three brokers and three name servers whose group changes while messages are sent and topics are made; afterwards it has three again. */
export async function checkNameServers(resources: CustomResources, messages: Messages): Promise<void> {
  for (const replicas of [5, 3])
    await check(`the name servers become ${replicas} while messages are sent, and nobody else restarts`, () =>
      restartless(resources, () => during(messages, () => become(resources, replicas))),
    );
  await check("a name server whose claim is gone is replaced under a new id", () =>
    restartless(resources, () => during(messages, () => loseOne(resources))),
  );
}

async function become(resources: CustomResources, replicas: number): Promise<unknown> {
  await resources.change("NameServer", "main", { replicas });
  const { status } = await resources.settled("NameServer", replicas, settledSeconds);
  await expectMembers(resources, status?.memberIds ?? [], replicas);
  return { members: status?.memberIds };
}

async function loseOne(resources: CustomResources): Promise<unknown> {
  const [gone = 0] = (await resources.get("NameServer", "main")).status?.memberIds ?? [];
  for (const plural of ["persistentvolumeclaims", "pods"])
    await resources.client.call(
      "DELETE",
      `/api/v1/namespaces/${resources.namespace}/${plural}/main-nameserver-${gone}`,
    );
  const ids = await eventually(`member ${gone} is replaced`, settledSeconds, async () => {
    const { status } = await resources.settled("NameServer", 3, settledSeconds);
    const { memberIds = [] } = status ?? {};
    return memberIds.length === 3 && !memberIds.includes(gone) ? memberIds : undefined;
  });
  await expectMembers(resources, ids, 3);
  return { gone, members: ids };
}

/** Pods and claims are those of the members, and of nobody else. */
async function expectMembers(resources: CustomResources, ids: readonly number[], count: number): Promise<void> {
  const wanted = ids.map((id) => `main-nameserver-${id}`).join();
  if (ids.length !== count) throw new Error(`${count} members are wanted, there are ${wanted}`);
  for (const plural of ["pods", "persistentvolumeclaims"])
    await eventually(`the ${plural} are those of the members`, 30, async () => {
      const all = await resources.list(plural, `${nameServer},!${retired}`);
      const found = all.map(({ metadata }) => metadata.name);
      const names = found.sort((one, other) => one.localeCompare(other, "en", { numeric: true })).join();
      if (names !== wanted) throw new Error(`${names}, not ${wanted}`);
      return true;
    });
}

/** Sends messages and makes topics all along; each must be acknowledged. */
async function during<Result>(messages: Messages, work: () => Promise<Result>): Promise<Result> {
  const stopped = new AbortController();
  const using = (async () => {
    while (!stopped.signal.aborted) {
      await messages.send(20);
      await messages.saturnmq("topic", "create", `meanwhile-${Date.now()}`, "--queues", "1");
      await sleep(500);
    }
  })();
  // A failure of it counts at the end: without this it would end the program.
  using.catch(() => undefined);
  try {
    return await work();
  } finally {
    stopped.abort();
    await using;
  }
}

/** Members that stay, and brokers, keep their pods. */
async function restartless<Result>(resources: CustomResources, work: () => Promise<Result>): Promise<Result> {
  const before = await podsOf(resources);
  const result = await work();
  const after = new Map((await podsOf(resources)).map((pod) => [pod.metadata.name, pod.metadata.uid]));
  const renewed = before.filter(({ metadata }) => (after.get(metadata.name) ?? metadata.uid) !== metadata.uid);
  if (renewed.length > 0) throw new Error(`new pods of ${renewed.map(({ metadata }) => metadata.name).join()}`);
  return result;
}

async function podsOf(resources: CustomResources): Promise<readonly Resource[]> {
  return [...(await resources.pods()), ...(await resources.list("pods", nameServer))];
}
