import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { inspect, parseArgs } from "node:util";
import { plantMutant } from "./mutants/plant.ts";
import type { Report } from "./simulate.ts";

// Runs seeds of the simulation, on all processors, and says what came of them. `make sim` is this; CONTRIBUTING.md tells of its options.

const { values: given } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    /** Every which seed is run twice; 0: none. */
    twice: { type: "string", default: "100" },
    /** Runs the product with a fault in it. */
    mutant: { type: "string" },
    /** Nothing is synced, and the power goes everywhere at once: a control that must fail. */
    "sync-off": { type: "boolean", default: false },
    /** Only the power goes, everywhere at once. */
    "power-cuts": { type: "boolean", default: false },
    /** Ends at the first seed that fails. */
    once: { type: "boolean", default: false },
    log: { type: "boolean", default: false },
    /** Of a child: every so many seeds from `seed` on are its own. */
    stride: { type: "string" },
  },
});

/** What a child tells of one seed. */
type Outcome =
  | {
      readonly seed: number;
      readonly report: Omit<Report, "faults"> & { readonly faults: [string, number][] };
    }
  | { readonly seed: number; readonly failure: string };

const seed = Number(given.seed);
const count = Number(given.count);
const stride = given.stride === undefined ? undefined : Number(given.stride);

if (stride === undefined && count > 1) await runAll();
else await runOwn(stride ?? 1);

/** Runs this process's share, and tells whoever started it, or the terminal. */
async function runOwn(step: number): Promise<void> {
  if (given.mutant !== undefined) plantMutant(given.mutant);
  // Refusals are ordinary here, and what a seed that fails is repeated with shows where.
  if (count > 1) Error.stackTraceLimit = 0;
  // Only now, so that the mutant is planted before anything of the product is loaded.
  const { simulate } = await import("./simulate.ts");
  const powerOnly = given["power-cuts"] || given["sync-off"];
  const options = {
    swarm: { ...(given["sync-off"] && { syncOff: true }), ...(powerOnly && { faults: ["powerCutAll"] as const }) },
    ...(given.log && { log: logLine }),
  };
  const attempt = async (one: number): Promise<Outcome> => {
    try {
      const report = await simulate(one, options);
      return { seed: one, report: { ...report, faults: [...report.faults] } };
    } catch (error) {
      return { seed: one, failure: inspect(error) };
    }
  };
  for (let one = seed; one < seed + count; one += step) {
    let outcome = await attempt(one);
    const twice = Number(given.twice);
    if (twice > 0 && one % twice === 0 && "report" in outcome) {
      const again = await attempt(one);
      if (!("report" in again) || again.report.traceHash !== outcome.report.traceHash)
        outcome = { seed: one, failure: "it did not run the same way twice" };
    }
    if (process.send === undefined) tell(outcome);
    else process.send(outcome);
    if ("failure" in outcome) process.exitCode = 1;
    // What a failed run left behind must not keep the process.
    if ("failure" in outcome && given.once) process.exit();
  }
}

function logLine(program: string, level: string, message: string, fields: object): void {
  const told = JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value));
  console.log(`${level} ${program} ${message} ${told}`);
}

async function runAll(): Promise<void> {
  const began = performance.now();
  const outcomes: Outcome[] = [];
  const children = Math.min(count, availableParallelism());
  const ends = Array.from({ length: children }, (_, at) => {
    const options = process.argv
      .slice(2)
      .filter((option, place, all) => option !== "--seed" && all[place - 1] !== "--seed");
    const child = fork(import.meta.filename, [
      ...options,
      "--seed",
      `${seed + at}`,
      "--count",
      `${count - at}`,
      "--stride",
      `${children}`,
    ]);
    child.on("message", (outcome: Outcome) => {
      outcomes.push(outcome);
      if ("failure" in outcome) tell(outcome);
    });
    return new Promise<void>((resolve) => {
      child.on("exit", (code, signal) => {
        if (signal !== null || (code ?? 0) > 1) {
          console.log(`a process of the simulation ended: ${signal ?? code}`);
          process.exitCode = 1;
        }
        resolve();
      });
    });
  });
  await Promise.all(ends);
  summarize(outcomes, performance.now() - began);
}

function tell(outcome: Outcome): void {
  if ("failure" in outcome) {
    console.log(`seed ${outcome.seed} fails: ${outcome.failure}\n  to repeat it: make sim SEED=${outcome.seed}`);
    process.exitCode = 1;
    return;
  }
  const { sends, deliveries, simulatedMs, events, traceHash, faults } = outcome.report;
  const told = faults.map(([fault, times]) => `${times} x ${fault}`).join(", ");
  console.log(
    `seed ${outcome.seed}: ${Math.round(simulatedMs / 1_000)} s simulated, ${events} events, trace ${traceHash}`,
  );
  console.log(
    `  sends ${sends.ok} ok, ${sends.fail} refused, ${sends.info} unknown; ${deliveries} deliveries; ${told}`,
  );
}

function summarize(outcomes: readonly Outcome[], wallMs: number): void {
  const reports = outcomes.flatMap((outcome) => ("report" in outcome ? [outcome.report] : []));
  const failed = outcomes.length - reports.length;
  const total = (of: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((sum, report) => sum + of(report), 0);
  const faults = new Map<string, number>();
  for (const report of reports)
    for (const [fault, times] of report.faults) faults.set(fault, (faults.get(fault) ?? 0) + times);
  const minutes = (ms: number): string => (ms / 60_000).toFixed(1);
  console.log(
    `${reports.length} seeds hold, ${failed} fail; ${minutes(total(({ cpuMs }) => cpuMs))} CPU-minutes, ${minutes(wallMs)} minutes`,
  );
  console.log(
    `  ${minutes(total(({ simulatedMs }) => simulatedMs))} minutes simulated, ${total(({ events }) => events)} events`,
  );
  console.log(
    `  sends ${total(({ sends }) => sends.ok)} ok, ${total(({ sends }) => sends.fail)} refused, ${total(({ sends }) => sends.info)} unknown`,
  );
  console.log(
    `  ${[...faults]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([fault, times]) => `${times} x ${fault}`)
      .join(", ")}`,
  );
  if (failed > 0 || reports.length === 0) process.exitCode = 1;
}
