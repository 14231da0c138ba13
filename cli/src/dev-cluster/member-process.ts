import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export type MemberProcessOptions = {
  readonly name: string;
  /** Program and its arguments. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Each line that it writes, to whichever stream. */
  readonly line: (text: string) => void;
  /** It ended by itself, or somebody killed it. `again`: milliseconds until it is started anew, `undefined` for never. */
  readonly ended: (how: string, againMs: number | undefined) => void;
  /** Milliseconds until a process that ended is started again; `undefined`: it is not. */
  readonly restartAfterMs: number | undefined;
  /** Resolves to true once it serves. Asked every `readyPollMs`. */
  readonly serves: (signal: AbortSignal) => Promise<boolean>;
};

const readyPollMs = 50;
const readyTimeoutMs = 1_000;

/** One process of a cluster: started, started again when it ends, stopped with the cluster. */
export class MemberProcess {
  readonly #options: MemberProcessOptions;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #restart: NodeJS.Timeout | undefined;
  readonly #stopping = new AbortController();

  constructor(options: MemberProcessOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** `undefined` while none runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const { command, env, line } = this.#options;
    const [program, ...args] = command;
    // The channel is for its end: however this process goes, its members hear of it and stop.
    const child = spawn(program, args, { env: { ...env }, stdio: ["ignore", "pipe", "pipe", "ipc"] });
    this.#child = child;
    child.channel?.unref();
    for (const stream of [child.stdout, child.stderr])
      if (stream !== null) createInterface({ input: stream }).on("line", line);
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        if (this.#child === child) this.#ended(how);
        resolve();
      };
      child.once("error", (error) => ended(error.message));
      child.once("exit", (code, signal) => ended(signal ?? `exit code ${String(code)}`));
    });
  }

  /** Resolves when it serves; `false` if `signal` aborts before. */
  async ready(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted && !this.#stopping.signal.aborted) {
      const late = AbortSignal.any([signal, AbortSignal.timeout(readyTimeoutMs)]);
      if (this.#child !== undefined && (await this.#options.serves(late).catch(() => false))) return true;
      await new Promise((resolve) => setTimeout(resolve, readyPollMs));
    }
    return false;
  }

  /** Tells it to stop; kills it when it has not within `deadlineMs`. Resolves when it is gone: true if it went by itself. */
  async stop(deadlineMs: number): Promise<boolean> {
    this.#stopping.abort();
    clearTimeout(this.#restart);
    const child = this.#child;
    if (child === undefined) return true;
    child.kill("SIGTERM");
    // One that somebody stopped with SIGSTOP would never see it.
    child.kill("SIGCONT");
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, deadlineMs);
    await this.#exited;
    clearTimeout(timer);
    return !late;
  }

  #ended(how: string): void {
    this.#child = undefined;
    if (this.#stopping.signal.aborted) return;
    const { restartAfterMs, ended } = this.#options;
    ended(how, restartAfterMs);
    if (restartAfterMs === undefined) return;
    this.#restart = setTimeout(() => this.start(), restartAfterMs);
  }
}
