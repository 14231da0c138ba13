import type { Logger } from "@saturnmq/kit";
import { exitCodes } from "./exit-codes.ts";

/** Room between the end of the calls' time to finish and the end of the process, milliseconds. */
const closeSlackMs = 1_500;

/** Resolves when the process is told to stop. */
export function interruption(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  // Servers keep the process alive, but nothing of this promise would without them.
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Closes a server that gives its calls `shutdownMs`; ends the process when that takes much longer. */
export async function stopInTime(close: () => Promise<void>, shutdownMs: number, logger: Logger): Promise<void> {
  const late = setTimeout(() => die(logger, new Error("the server did not stop in time")), shutdownMs + closeSlackMs);
  late.unref();
  await close();
  clearTimeout(late);
}

/** What broke leaves nothing that could be relied on: the process ends here, and recovery at the next start sorts out the rest. */
export function die(logger: Logger, error: unknown): never {
  logger.fatal({ err: error }, "the process must end");
  process.exit(exitCodes.failure);
}
