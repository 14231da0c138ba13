import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cp, mkdir, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { assert, defined } from "@saturnmq/kit";

export type MemberOptions = {
  /** `broker-1`, `nameserver-3`: also the name of its network endpoint. */
  readonly name: string;
  /** Failure zone, "" when there is none. */
  readonly zone: string;
  /** Its data folder. */
  readonly folder: string;
  /** Program and arguments; the program must be the process itself, not a shell around it. */
  readonly command: readonly [program: string, ...args: string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it serves, asked again and again; a rejection means no. */
  readonly serves: (signal: AbortSignal) => Promise<boolean>;
};

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

type Running = { readonly child: ChildProcess; readonly exited: Promise<Exit>; suspended: boolean };

const outputKept = 20_000;
const pollMs = 20;
const probeTimeoutMs = 1_000;

/** One process of a cluster under test, and its data folder: started, killed, suspended, robbed of its disk. Never starts again by itself. */
export class Member implements AsyncDisposable {
  readonly #options: MemberOptions;
  #running: Running | undefined;
  #output = "";

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get zone(): string {
    return this.#options.zone;
  }

  /** `undefined` while it is down. */
  get pid(): number | undefined {
    return this.#running?.child.pid;
  }

  /** What its processes wrote, the last part of it. */
  get output(): string {
    return this.#output;
  }

  /** Starts it; it need not serve yet. */
  start(): void {
    assert(this.#running === undefined, `${this.name} runs already`);
    const { command, env } = this.#options;
    const [program, ...args] = command;
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-outputKept);
      });
    }
    const exited = new Promise<Exit>((resolve) => {
      const ended = (exit: Exit): void => {
        if (this.#running?.child === child) this.#running = undefined;
        resolve(exit);
      };
      child.once("exit", (code, signal) => ended({ code, signal }));
      child.once("error", (error) => {
        this.#output += `${error.message}\n`;
        ended({ code: null, signal: null });
      });
    });
    this.#running = { child, exited, suspended: false };
  }

  /** Asked once, now. */
  async serves(): Promise<boolean> {
    if (this.#running === undefined || this.#running.suspended) return false;
    return this.#options.serves(AbortSignal.timeout(probeTimeoutMs)).catch(() => false);
  }

  /** @throws {Error} with its output when it ends, or does not serve within that time */
  async whenServing(withinMs: number): Promise<void> {
    const until = performance.now() + withinMs;
    while (!(await this.serves())) {
      const problem = this.#running === undefined ? "is down" : "does not serve";
      if (this.#running === undefined || performance.now() > until)
        throw new Error(`${this.name} ${problem} (waited ${withinMs} ms at most)\n${this.#output}`);
      await sleep(pollMs);
    }
  }

  /** SIGKILL: it is sent before this returns, so also at a moment that lasts no longer than this turn. Resolves when the process is gone. */
  kill(): Promise<Exit> {
    const { child, exited } = this.#alive();
    child.kill("SIGKILL");
    return exited;
  }

  /** SIGTERM. @throws {Error} when it still runs after that time; it is killed then */
  terminate(withinMs: number): Promise<Exit> {
    this.#alive().child.kill("SIGTERM");
    return this.ended(withinMs);
  }

  /** How it ends. @throws {Error} when it still runs after that time; it is killed then */
  async ended(withinMs: number): Promise<Exit> {
    const { exited } = this.#alive();
    const late = new AbortController();
    const inTime = await Promise.race([exited, sleep(withinMs, undefined, { signal: late.signal })]);
    late.abort();
    if (inTime !== undefined) return inTime;
    await this.kill();
    throw new Error(`${this.name} still ran ${withinMs} ms after it was to end\n${this.#output}`);
  }

  /** SIGSTOP: it does nothing from now on, and its connections stay. Resolves when the kernel has stopped every thread. */
  async suspend(): Promise<void> {
    const running = this.#alive();
    running.suspended = true;
    running.child.kill("SIGSTOP");
    while (this.#running === running && stateOf(defined(running.child.pid, "pid")) !== "T") await sleep(1);
  }

  /** SIGCONT: it goes on as if no time had passed. */
  resume(): void {
    const running = this.#alive();
    running.child.kill("SIGCONT");
    running.suspended = false;
  }

  /** Takes its disk away: the folder is empty at the next start. Only while it is down. */
  async wipe(): Promise<void> {
    this.#mustBeDown("wiped");
    await rm(this.#options.folder, { recursive: true, force: true });
    await mkdir(this.#options.folder, { recursive: true });
  }

  /** Copies its disk as it is: what a backup, or a second process with the same identity, would have. Only while it is down or suspended. */
  async copyDisk(to: string): Promise<void> {
    assert(
      this.#running === undefined || this.#running.suspended,
      `${this.name} is writing to the disk that is copied`,
    );
    await cp(this.#options.folder, to, { recursive: true, errorOnExist: true, force: false });
  }

  /** Gives it the disk that lies in another folder, a copy or another member's. Only while it is down. */
  async replaceDisk(from: string): Promise<void> {
    await this.wipe();
    await cp(from, this.#options.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running !== undefined) await this.kill();
  }

  #alive(): Running {
    return defined(this.#running, `a process of ${this.name}`);
  }

  #mustBeDown(what: string): void {
    assert(this.#running === undefined, `${this.name} runs: its disk cannot be ${what}`);
  }
}

/** State of a process in one letter (proc_pid_stat(5)). */
function stateOf(pid: number): string | undefined {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2)[0];
}
