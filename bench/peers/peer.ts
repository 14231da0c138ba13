import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

/**
 * What an acknowledgement means. D0: in memory. D1: synced to the disk of one node. D2: in the memory of a quorum. D3: synced by each of a
 * quorum.
 */
export const durabilities = {
  D0: "D0, an acknowledged message is in memory",
  D1: "D1, an acknowledged message is synced to disk on one node",
} as const;

/** Where recipes keep what they installed, from run to run. */
export const cacheFolder = fileURLToPath(new URL("../../node_modules/.cache/saturnmq-peers/", import.meta.url));

/** A peer cannot be had on this machine; the message says why. */
export class NotAvailable extends Error {
  override readonly name = "NotAvailable";
}

/** Runs a command to its end. @returns its standard output @throws {NotAvailable} when it is not there, fails or takes too long */
export async function runTool(
  program: string,
  commandLine: readonly string[],
  { timeoutMs, cwd, env }: { readonly timeoutMs: number; readonly cwd?: string; readonly env?: NodeJS.ProcessEnv },
): Promise<string> {
  const child = spawn(program, commandLine, {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    ...(cwd === undefined ? {} : { cwd }),
    ...(env === undefined ? {} : { env }),
  });
  let [out, all] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    all += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    all += text;
  });
  const [code, signal] = (await once(child, "close").catch((error: unknown) => {
    throw new NotAvailable(`${program} cannot be run: ${error instanceof Error ? error.message : String(error)}`);
  })) as [number | null, string | null];
  if (code === 0) return out;
  throw new NotAvailable(
    `${program} ${commandLine.join(" ")} ended with ${code ?? signal ?? "nothing"}: ${all.slice(-400)}`,
  );
}

/** A process of a peer that runs until it is stopped; its output goes to a file. */
export class PeerProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #logPath: string;

  private constructor(child: ChildProcess, logPath: string) {
    this.#child = child;
    this.#logPath = logPath;
    this.#exited = once(child, "exit");
  }

  /** Starts one and waits until its output has `ready`. @throws {NotAvailable} when it ends first, or is not ready in time */
  static async start(
    program: string,
    commandLine: readonly string[],
    { logPath, ready, env }: { readonly logPath: string; readonly ready: RegExp; readonly env?: NodeJS.ProcessEnv },
  ): Promise<PeerProcess> {
    const child = spawn(program, commandLine, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const log = createWriteStream(logPath);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    const peer = new PeerProcess(child, logPath);
    try {
      await peer.#whenReady(ready);
    } catch (error) {
      await peer.stop();
      throw error;
    }
    return peer;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async #whenReady(ready: RegExp): Promise<void> {
    const withinMs = 90_000;
    const deadline = performance.now() + withinMs;
    for (;;) {
      const output = await readFile(this.#logPath, "utf8").catch(() => "");
      if (ready.test(output)) return;
      const isOver = this.#child.exitCode !== null || performance.now() > deadline;
      if (isOver) throw new NotAvailable(`${this.#child.spawnfile} is not ready: ${output.slice(-400)}`);
      await sleep(200);
    }
  }

  /** Ends it, and waits until it has. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    const patience = sleep(15_000).then(() => this.#child.kill("SIGKILL"));
    await Promise.race([this.#exited, patience]);
    await this.#exited;
  }
}
