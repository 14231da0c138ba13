/** A cluster that loses two of three brokers for good, disks and all, and goes on with the third. */
import { spawnSync } from "node:child_process";
import { afterEach, expect, jest, test } from "@jest/globals";
import { cliPath, clusterPorts, ProcessCluster } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";

// Nine processes come and go, on a machine that runs other tests too.
jest.setTimeout(240_000);

const shards = 2;
let cluster: ProcessCluster | undefined;

afterEach(async () => {
  await cluster?.[Symbol.asyncDispose]();
});

/** Runs a command that reads its input, or ends by itself, against the broker at `host`. @throws {Error} with its output when it fails */
function run(host: string, args: readonly string[], input = ""): string {
  const all = [cliPath, ...args, "--endpoint", `${host}:${clusterPorts.client}`];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { input, encoding: "utf8", timeout: 60_000 });
  if (status !== 0) throw new Error(`saturnmq ${args.join(" ")} ended with ${String(status)}: ${stderr}`);
  return stdout;
}

const lines = (text: string, count: number): string =>
  Array.from({ length: count }, (_, at) => `${text} ${at}\n`).join("");

test("`shard recover --unsafe` lets the survivor serve, and the others come back as new members", async () => {
  cluster = await ProcessCluster.start({ brokers: 3, nameServers: 1, zones: ["a", "b", "c"], shards });
  const { tools, brokers } = cluster;
  await tools.cli("topic", "create", "orders", "--queues", "4");
  const [first, ...lost] = brokers;
  const survivor = defined(first, "the survivor");
  run(survivor.host, ["produce", "orders"], lines("before", 40));
  for (const { member } of lost) {
    await member.kill();
    await member.wipe();
  }
  const own = await tools.idAt(survivor.host);
  await tools.until("the others are known to be down", async () => {
    return (await tools.brokers()).filter(({ state }) => state === "down").length === 2;
  });
  await expect(tools.cli("shard", "recover", "0")).rejects.toThrow(/unsafe/);
  for (let shard = 0; shard < shards; shard += 1) {
    expect(await tools.cli("shard", "recover", String(shard), "--unsafe")).toContain(`broker ${own} alone`);
  }
  await tools.until("the survivor leads what is left", async () => (await tools.ledBy(own)).length === shards);
  await tools.until("sends go on", async () => {
    run(survivor.host, ["produce", "orders"], lines("after", 1));
    return true;
  });
  for (const { member } of lost) member.start();
  await cluster.whenServing();
  await tools.until(
    "every shard has three replicas again, none of a broker that was written off",
    async () => {
      const up = new Set((await tools.brokers()).filter(({ state }) => state === "up").map(({ id }) => id));
      return (await tools.shards()).every(
        ({ voters, moving }) => !moving && voters.length === 3 && voters.every((id) => up.has(id)),
      );
    },
    120_000,
  );
  run(survivor.host, ["produce", "orders"], lines("later", 10));
  const got = run(survivor.host, ["consume", "orders", "--group", "readers", "--timeout", "5s"]);
  for (const line of lines("before", 40).trim().split("\n")) expect(got).toContain(line);
});
