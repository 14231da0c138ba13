// The README's words about Kubernetes, on a real API server. Runs in namespaces of its own, which chart.test.ts makes; prints a line of JSON a check.
// Arguments: folder for everything, folder of binaries, hosts file.
import { readFileSync } from "node:fs";
import process from "node:process";
import { checkChart } from "./checks/chart.ts";
import { check } from "./support/check.ts";
import { World, worldOptions } from "./support/world.ts";

const readyWithinSeconds = 60;

/** The indented lines under the heading "On Kubernetes", by block. */
function blocks(): readonly string[] {
  const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
  const section = /^## On Kubernetes\n(.*?)^## /ms.exec(readme)?.[1] ?? "";
  return section.match(/(?:^ {4}.*\n)+/gm) ?? [];
}

async function main(): Promise<void> {
  await using world = await World.open(worldOptions());
  const [install = "", apply = "", client = ""] = blocks();
  await check("README: the operator is installed by helm", async () => {
    await world.shell(install);
  });
  await check(`README: a cluster over three zones is ready within ${readyWithinSeconds} s`, async () => {
    const startedMs = performance.now();
    await world.shell(apply);
    const seconds = (performance.now() - startedMs) / 1_000;
    if (seconds > readyWithinSeconds) throw new Error(`${seconds} s`);
    return { seconds: Number(seconds.toFixed(1)) };
  });
  await check("README: the official client sends and receives through the Service address", async () => {
    const { stdout } = await world.shell(client);
    return stdout.trim().split("\n");
  });
  await checkChart(world);
}

await main();
process.exit(0);
