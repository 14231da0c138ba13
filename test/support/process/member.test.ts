import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { freePort, Member } from "@saturnmq/bench";
import { Disturbances } from "./disturbances.ts";
import { planFaults } from "./fault-schedule.ts";
import { Outages } from "./outages.ts";

// Processes start slowly on a busy machine.
jest.setTimeout(60_000);

// The subject is a small server that answers one byte, and writes a line into its folder at each start.
const script = `
  const { appendFileSync } = require("node:fs");
  const [port, folder] = process.argv.slice(1);
  appendFileSync(folder + "/starts", process.pid + "\\n");
  console.log("up");
  require("node:net").createServer((socket) => socket.on("error", () => 0).end("x")).listen(Number(port), "127.0.0.1");
`;
const servesWithinMs = 20_000;
let base: string;
const members: Member[] = [];

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), "saturnmq-member-"));
});
afterEach(async () => {
  for (const member of members.splice(0)) await member[Symbol.asyncDispose]();
  await rm(base, { recursive: true });
});

async function create(name: string, zone = ""): Promise<Member> {
  const folder = join(base, name);
  await mkdir(folder);
  const port = await freePort();
  const member = new Member({
    ...{ name, zone, folder, command: [process.execPath, "-e", script, String(port), folder] },
    serves: (signal) => answers(port, signal),
  });
  members.push(member);
  return member;
}

function answers(port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("data", () => done(true)).once("error", () => done(false));
    signal.addEventListener("abort", () => done(false));
  });
}

async function serving(name: string, zone?: string): Promise<Member> {
  const member = await create(name, zone);
  member.start();
  await member.whenServing(servesWithinMs);
  return member;
}

const starts = async (name: string): Promise<string[]> =>
  (await readFile(join(base, name, "starts"), "utf8")).trim().split("\n");

describe("a member", () => {
  test("is killed, is down, and serves again when it is started", async () => {
    const one = await serving("one");
    expect(await one.serves()).toBe(true);
    const { pid } = one;
    expect(await one.kill()).toEqual({ code: null, signal: "SIGKILL" });
    expect([one.pid, await one.serves()]).toEqual([undefined, false]);
    one.start();
    await one.whenServing(servesWithinMs);
    expect(one.pid).not.toBe(pid);
    expect(await starts("one")).toHaveLength(2);
  });

  test("that is suspended does nothing, keeps its process, and goes on", async () => {
    const one = await serving("one");
    const { pid } = one;
    await one.suspend();
    expect(await readFile(`/proc/${pid}/stat`, "utf8")).toMatch(/\) T /);
    expect(await one.serves()).toBe(false);
    one.resume();
    await one.whenServing(servesWithinMs);
    expect(one.pid).toBe(pid);
  });

  test("that is suspended can be killed", async () => {
    const one = await serving("one");
    await one.suspend();
    expect(await one.kill()).toEqual({ code: null, signal: "SIGKILL" });
  });

  test("ends when it is told to", async () => {
    const one = await serving("one");
    expect(await one.terminate(10_000)).toEqual({ code: null, signal: "SIGTERM" });
  });

  test("loses its disk, or gets another one, only while it is down", async () => {
    const [one, other] = [await serving("one"), await serving("other")];
    await expect(one.wipe()).rejects.toThrow(/one runs/);
    await expect(one.copyDisk(join(base, "copy"))).rejects.toThrow(/is writing/);
    await Promise.all([one.kill(), other.kill()]);
    await writeFile(join(base, "other", "own"), "other's");
    await other.copyDisk(join(base, "copy"));
    await one.wipe();
    expect(await readdir(join(base, "one"))).toEqual([]);
    await one.replaceDisk(join(base, "copy"));
    expect(await readFile(join(base, "one", "own"), "utf8")).toBe("other's");
  });

  test("that does not start says what it wrote", async () => {
    const broken = new Member({
      ...{ name: "broken", zone: "", folder: base, serves: () => Promise.resolve(false) },
      command: [process.execPath, "-e", "console.error('no such luck'); process.exit(3)"],
    });
    broken.start();
    await expect(broken.whenServing(servesWithinMs)).rejects.toThrow(/broken is down.*no such luck/s);
    const absent = new Member({
      name: "absent",
      zone: "",
      folder: base,
      command: ["/no/such"],
      serves: () => Promise.resolve(false),
    });
    absent.start();
    await expect(absent.whenServing(servesWithinMs)).rejects.toThrow(/ENOENT/);
  });
});

describe("outages", () => {
  function outages(oneAtATime: boolean): { readonly taken: Outages; readonly disturbances: Disturbances } {
    const disturbances = new Disturbances();
    return { taken: new Outages({ members: () => members, disturbances, oneAtATime, servesWithinMs }), disturbances };
  }

  test("are noted from the kill until it serves again", async () => {
    await serving("one");
    const { taken, disturbances } = outages(false);
    await taken.kill("one");
    expect(disturbances.all).toMatchObject([{ what: "one killed", untilMs: Number.POSITIVE_INFINITY }]);
    await taken.restart("one");
    const [span] = disturbances.all;
    expect(span!.untilMs - span!.fromMs).toBeGreaterThan(1);
    expect(span!.untilMs).toBeLessThan(Number.POSITIVE_INFINITY);
  });

  test("one at a time: the second waits until the first serves again", async () => {
    await Promise.all([serving("one"), serving("two")]);
    const { taken, disturbances } = outages(true);
    await taken.kill("one");
    await expect(
      new Outages({
        members: () => members,
        disturbances: new Disturbances(),
        oneAtATime: true,
        servesWithinMs: 100,
      }).kill("two"),
    ).rejects.toThrow(/one is down/);
    await taken.restart("one");
    await taken.kill("two");
    await taken.restart("two");
    const [first, second] = disturbances.all;
    expect(second!.fromMs).toBeGreaterThanOrEqual(first!.untilMs);
    expect(taken.mostAtOnce).toBe(1);
  });

  test("without that rule two are down at once, and it is seen", async () => {
    await Promise.all([serving("one"), serving("two")]);
    const { taken } = outages(false);
    await taken.kill("one");
    await taken.kill("two");
    expect(taken.mostAtOnce).toBe(2);
  });

  test("a zone goes as a whole, and nobody else", async () => {
    await Promise.all([serving("one", "a"), serving("two", "b"), serving("three", "a")]);
    const { taken, disturbances } = outages(true);
    expect(await taken.killZone("a")).toEqual(expect.arrayContaining(["one", "three"]));
    expect(await Promise.all(members.map((member) => member.serves()))).toEqual(
      members.map(({ zone }) => zone === "b"),
    );
    expect(disturbances.all.map(({ what }) => what)).toEqual(
      expect.arrayContaining(["one killed with zone a", "three killed with zone a"]),
    );
  });

  test("a wiped member comes back with nothing", async () => {
    await serving("one");
    const { taken } = outages(false);
    await taken.wipe("one");
    expect(await starts("one")).toHaveLength(1);
  });

  test("a plan is followed: each fault hits whom it names, one after the other, and all serve at the end", async () => {
    await Promise.all([serving("one"), serving("two"), serving("three")]);
    const { taken, disturbances } = outages(true);
    const plan = planFaults({
      ...{ seed: 5, members: ["one", "two", "three"], kinds: ["kill", "suspend"] },
      ...{ everyMs: 60, lastsMs: 30, runMs: 400 },
    });
    await taken.follow(plan, new AbortController().signal);
    const past = { kill: "killed", suspend: "suspended" };
    expect(disturbances.all.map(({ what }) => what)).toEqual(plan.map(({ member, kind }) => `${member} ${past[kind]}`));
    expect(taken.mostAtOnce).toBe(1);
    expect(await Promise.all(members.map((member) => member.serves()))).toEqual([true, true, true]);
  });
});
