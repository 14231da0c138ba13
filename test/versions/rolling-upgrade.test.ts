/**
 * A cluster of the version before is upgraded process by process, goes back where that is allowed, and serves all the while.
 *
 * Method: real processes of both programs on the same data folders. Each member's command is a link that is turned to the other program while the
 * member is down. Messages are sent at every step and read at the end: each acknowledged one must be there.
 */
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { cliPath, type Placed, ProcessCluster } from "@saturnmq/bench";
import { PreviousBuild, previousLevel } from "./previous-build.ts";

/** The frozen program asks members so slowly that on a busy machine three of it hardly form a group. */
const nameServerCount = process.env["SATURNMQ_NIGHTLY"] === "1" ? 3 : 1;
const stopsWithinMs = 15_000;
const servesWithinMs = 60_000;
/** On a busy machine a receive may bring nothing for a while. */
const readsWithinMs = 90_000;
const patienceMs = 420_000;

let opened: AsyncDisposableStack;
let previous: PreviousBuild;
let links: string;
let cluster: ProcessCluster;
let sent: number;

beforeEach(async () => {
  opened = new AsyncDisposableStack();
  previous = opened.use(await PreviousBuild.unpack());
  links = await mkdtemp(join(tmpdir(), "saturnmq-versions-"));
  opened.defer(() => rm(links, { recursive: true, force: true }));
  const names = [1, 2, 3].flatMap((number) => [`broker-${number}`, `nameserver-${number}`]);
  for (const name of names) await turn(name, previous.program);
  cluster = await ProcessCluster.start({
    ...{ brokers: 3, nameServers: nameServerCount, zones: ["a", "b", "c"], shards: 6, network: 92 },
    programOf: linkOf,
  });
  opened.use(cluster);
  sent = 0;
}, patienceMs);

afterEach(() => opened.disposeAsync(), servesWithinMs);

function linkOf(name: string): string {
  return join(links, `${name}.js`);
}

async function turn(name: string, program: string): Promise<void> {
  await rm(linkOf(name), { force: true });
  await symlink(program, linkOf(name));
}

/** Stops a member and starts another program on its data. */
async function restart({ name, member }: Placed, program: string): Promise<void> {
  await member.terminate(stopsWithinMs);
  await turn(name, program);
  member.start();
  await member.whenServing(servesWithinMs);
  await cluster.tools.untilLed();
}

/** Sends a few messages through whichever broker runs, and has them acknowledged. */
async function send(): Promise<void> {
  const texts = Array.from({ length: 20 }, () => `m${(sent += 1)}`);
  await cluster.tools.produce("orders", texts);
}

async function levels(): Promise<{ readonly featureLevel: number; readonly featureLevelReady: number }> {
  return JSON.parse(await cluster.tools.cli("cluster", "status", "--output", "json")) as Awaited<
    ReturnType<typeof levels>
  >;
}

function place(name: string): Placed {
  const found = [...cluster.brokers, ...cluster.nameServers].find((placed) => placed.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

test(
  "a cluster of the version before is upgraded while it serves, may go back until its level is raised, and keeps every message",
  async () => {
    await cluster.tools.cli("topic", "create", "orders", "--queues", "6");
    await send();
    expect(await levels()).toMatchObject({ featureLevel: previousLevel });

    for (const placed of [...cluster.nameServers, place("broker-1"), place("broker-2")]) {
      await restart(placed, cliPath);
      await send();
    }
    await expect(cluster.tools.cli("cluster", "upgrade", "--to", String(previousLevel + 1))).rejects.toThrow(
      `broker ${await cluster.tools.idAt(place("broker-3").host)} knows ${previousLevel}`,
    );

    for (const name of ["nameserver-1", "broker-1"]) {
      await restart(place(name), previous.program);
      await send();
    }
    for (const name of ["nameserver-1", "broker-1", "broker-3"]) await restart(place(name), cliPath);
    await send();
    expect(await levels()).toMatchObject({ featureLevel: previousLevel, featureLevelReady: previousLevel + 1 });

    await cluster.tools.cli("cluster", "upgrade");
    expect(await levels()).toMatchObject({ featureLevel: previousLevel + 1 });
    await send();
    await isRefused(place("broker-1"));
    if (nameServerCount > 1) await isLeftOut(place("nameserver-1"));
    await send();

    const read = new Set<string>();
    const readOn = async (): Promise<boolean> => {
      for (const text of await cluster.tools.consume("orders", "all")) read.add(text);
      return read.size >= sent;
    };
    await cluster.tools.until("every message is read", readOn, readsWithinMs);
    expect([...read].toSorted()).toEqual(Array.from({ length: sent }, (_, at) => `m${at + 1}`).toSorted());
  },
  patienceMs,
);

/** A broker of before ends by itself, and says why; the new one goes on with its data. */
async function isRefused(placed: Placed): Promise<void> {
  const { name, member } = placed;
  await member.terminate(stopsWithinMs);
  await turn(name, previous.program);
  member.start();
  expect((await member.ended(servesWithinMs)).code).toBe(1);
  expect(member.output).toContain(
    `knows feature level ${previousLevel}, the cluster is at ${previousLevel + 1}: start a newer version`,
  );
  await goesOn(placed);
}

/** A name server of before is linked with by nobody. It does not know yet that it should end then. */
async function isLeftOut(placed: Placed): Promise<void> {
  const { name, member } = placed;
  await member.terminate(stopsWithinMs);
  await turn(name, previous.program);
  member.start();
  await cluster.tools.until("the old name server hears that it is refused", async () =>
    member.output.includes("featureLevel"),
  );
  expect(await member.serves()).toBe(false);
  await member.terminate(stopsWithinMs);
  await goesOn(placed);
}

async function goesOn({ name, member }: Placed): Promise<void> {
  await turn(name, cliPath);
  member.start();
  await member.whenServing(servesWithinMs);
  await cluster.tools.untilLed();
}
