import process from "node:process";

/** What came of a check, as a line of JSON. */
export type Check = {
  readonly name: string;
  readonly ok: boolean;
  readonly seconds: number;
  readonly failure?: string;
  /** Figures worth reading. */
  readonly detail?: unknown;
};

/** Runs one check and prints what came of it. @returns whether it holds; the run goes on with the next in any case */
export async function check(name: string, work: () => Promise<unknown>): Promise<boolean> {
  const startedMs = performance.now();
  let outcome: Pick<Check, "ok" | "failure" | "detail">;
  try {
    const detail = await work();
    outcome = detail === undefined ? { ok: true } : { ok: true, detail };
  } catch (error) {
    outcome = { ok: false, failure: String(error) };
  }
  const seconds = Number(((performance.now() - startedMs) / 1_000).toFixed(1));
  process.stdout.write(`${JSON.stringify({ name, seconds, ...outcome } satisfies Check)}\n`);
  return outcome.ok;
}
