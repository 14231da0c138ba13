// One offence against the server on a port, again and again, in a process of its own: `abuse-bench.ts` starts it. A connection that is cut is replaced
// at once; how often that was is told at the end.
import { once } from "node:events";
import { setPriority } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { defined } from "@saturnmq/kit";
import { offences } from "./offences.ts";
import { RawClient } from "./raw-client.ts";

/** Not that of the bystanders. */
const address = "127.0.0.2";
/** No address may open more: an offender that is refused at once would be a load of another kind. */
const connectionsPerSecondMax = 20;

const [port, what] = process.argv.slice(2);
const { round, settings, silent, deaf } = defined(
  offences.find((offence) => offence.what === what),
  "offence",
);
// It has a machine of its own elsewhere: here it must not take the processor from those that are measured.
setPriority(19);
let ends = false;
let cut = 0;

async function offend(): Promise<void> {
  const client = await RawClient.open(Number(port), silent === true ? "silent" : settings, address);
  client.keepNothing();
  if (deaf === true) client.socket.pause();
  for (let n = 0; !client.closed && !ends; n += 1) {
    await Promise.race([client.sent(round(n)), sleep(100)]);
    // What was closed is seen, and whoever only waits does not spin.
    await new Promise(setImmediate);
    if (round(n).length === 0) await Promise.race([client.untilClosed(), sleep(100)]);
  }
  if (client.closed) cut += 1;
  client.close();
}

async function offendOn(): Promise<void> {
  while (!ends) {
    const startedMs = performance.now();
    await offend();
    await sleep(Math.max(0, 1_000 / connectionsPerSecondMax - (performance.now() - startedMs)));
  }
}

const offending = offendOn();
await once(process, "message");
ends = true;
await offending;
process.send?.(cut);
process.disconnect();
