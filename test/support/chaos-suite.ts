import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, test } from "@jest/globals";
import { saveReport } from "./check/report.ts";
import { Namespace, type Program, whyNoNamespace } from "./network/namespace.ts";

/** The long forms, which hold the product to its times and keep their results, run alone. */
export const nightly = process.env["SATURNMQ_NIGHTLY"] === "1";
/** Another in each run; whatever fails names it. */
export const seed = Number(process.env["CHAOS_SEED"] ?? Date.now() % 1_000_000);

const results = fileURLToPath(new URL("../chaos/results/", import.meta.url));

/** The command that runs a suite of `test/chaos` again with the same seed. */
export function repeatOf(suite: string): string {
  return `CHAOS_SEED=${seed} make chaos ARGS=chaos/${suite}`;
}

/** In the long form, keeps what a run gave, with the date and the machine. */
export async function keepResult(result: Parameters<typeof saveReport>[1]): Promise<void> {
  if (nightly) await saveReport(results, result);
}

type Suite = {
  /** What its tests show. */
  readonly name: string;
  /** The program that its tests call, run in a network namespace of its own. */
  readonly program: URL;
  /** For all that a test may wait for, milliseconds. */
  readonly patienceMs: number;
  /** Why it cannot run here, beside having no namespace; `undefined` when it can. */
  readonly missing?: string | undefined;
};

/** Tests of a program in a namespace; skipped with the reason where there can be none. */
export function chaosSuite<P extends Program>(
  { name, program, patienceMs, missing = whyNoNamespace() }: Suite,
  define: (namespace: Pick<Namespace<P>, "call">) => void,
): void {
  const title = `${name} (CHAOS_SEED=${seed})`;
  if (missing !== undefined) {
    test.skip(`${title} (skipped: ${missing})`, () => undefined);
    return;
  }
  describe(title, () => {
    let namespace: Namespace<P> | undefined;
    beforeAll(async () => {
      namespace = await Namespace.open<P>(fileURLToPath(program));
    }, patienceMs);
    afterAll(() => namespace?.[Symbol.asyncDispose]());
    define({
      call: (fault, input) =>
        namespace === undefined ? Promise.reject(new Error("the namespace is not open")) : namespace.call(fault, input),
    });
  });
}
