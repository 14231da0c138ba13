import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defined } from "@saturnmq/kit";
import { freePort } from "./free-port.ts";
import type { Address } from "./generator/rpc-client.ts";
import type { ServerProcesses } from "./measure.ts";
import { cliPath, runCli } from "./process/cli.ts";

/** Output kept of a server for a failure's message, characters of each stream. */
const outputKept = 20_000;
const host = "127.0.0.1";

export type DevOptions = {
  /** Path of the program. Default: the one of these sources. */
  readonly program?: string;
  /** Kept at the end when given; else a new temporary folder, removed at the end. */
  readonly dataFolder?: string;
  /** Default: free ones. */
  readonly grpcPort?: number;
  readonly httpPort?: number;
  /** How long it may take to serve, milliseconds. */
  readonly readyWithinMs?: number;
  /** Command that runs the server as its last arguments, for another view of the machine; must `exec` it. */
  readonly wrapper?: readonly string[];
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
};

/** How a process ended. */
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly tookMs: number };

/**
 * A `saturnmq dev` process of our own. Disposing kills it and removes its data folder unless the caller named one.
 */
export class DevServer implements AsyncDisposable {
  readonly host = host;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly dataFolder: string;
  /** From exec to the `ready` line, milliseconds. */
  readyAfterMs = Number.NaN;
  readonly #removeFolder: boolean;
  readonly #child: ChildProcess;
  readonly #exited: Promise<Exit>;
  #stdout = "";
  #stderr = "";

  private constructor(options: DevOptions, ports: readonly [grpc: number, http: number], dataFolder: string) {
    [this.grpcPort, this.httpPort] = ports;
    this.dataFolder = dataFolder;
    this.#removeFolder = options.dataFolder === undefined;
    const startedAt = performance.now();
    const command = [
      process.execPath,
      options.program ?? cliPath,
      "dev",
      "--data",
      dataFolder,
      ...this.#portArguments(),
    ];
    const [program = "", ...rest] = [...(options.wrapper ?? []), ...command];
    this.#child = spawn(program, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#stdout = (this.#stdout + text).slice(-outputKept);
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-outputKept);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.on("exit", (code, signal) => {
        resolve({ code, signal, tookMs: performance.now() - startedAt });
      });
    });
  }

  /**
   * Starts one and waits for its `ready` line.
   *
   * @throws {Error} with the process's output when it ends first or takes longer than `readyWithinMs`
   */
  static async start(options: DevOptions = {}): Promise<DevServer> {
    const server = await DevServer.launch(options);
    await server.whenReady(options.readyWithinMs ?? 20_000);
    return server;
  }

  /** Starts one without waiting: for measuring the start itself. */
  static async launch(options: DevOptions = {}): Promise<DevServer> {
    const grpcPort = options.grpcPort ?? (await freePort());
    const httpPort = options.httpPort ?? (await freePort());
    const folder = options.dataFolder ?? (await mkdtemp(join(tmpdir(), "saturnmq-dev-")));
    return new DevServer(options, [grpcPort, httpPort], folder);
  }

  #portArguments(): readonly string[] {
    return ["--grpc-port", String(this.grpcPort), "--http-port", String(this.httpPort)];
  }

  /** Waits for the `ready` line. @throws {Error} as `start` */
  async whenReady(withinMs: number): Promise<void> {
    const startedAt = performance.now();
    const ready = Promise.withResolvers<undefined>();
    const look = (): void => {
      if (/^.*\bready\b.*$/m.test(this.#stdout)) ready.resolve(undefined);
    };
    this.#child.stdout?.on("data", look);
    look();
    const late = setTimeout(() => {
      ready.reject(new Error(`saturnmq dev is not ready after ${withinMs} ms\n${this.output}`));
    }, withinMs);
    void this.#exited.then(({ code, signal }) => {
      ready.reject(new Error(`saturnmq dev ended before it was ready: code ${code}, signal ${signal}\n${this.output}`));
    });
    try {
      await ready.promise;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    } finally {
      clearTimeout(late);
    }
    this.readyAfterMs = performance.now() - startedAt;
  }

  get pid(): number {
    return defined(this.#child.pid, "pid of saturnmq dev");
  }

  /** What is measured of it. */
  get processes(): ServerProcesses {
    return { pids: [this.pid], folder: this.dataFolder };
  }

  get address(): Address {
    return { host, port: this.grpcPort };
  }

  get endpoint(): string {
    return `${host}:${this.grpcPort}`;
  }

  /** What it wrote, the last part of it. */
  get output(): string {
    return `--- stdout\n${this.#stdout}\n--- stderr\n${this.#stderr}`;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Ends it as a crash does (SIGKILL), and waits until it is gone. */
  async crash(): Promise<Exit> {
    return this.#end("SIGKILL", 10_000);
  }

  /**
   * Asks it to end (SIGTERM) and waits.
   *
   * @throws {Error} when it still runs after `withinMs`; it is killed then
   */
  async terminate(withinMs = 10_000): Promise<Exit> {
    return this.#end("SIGTERM", withinMs);
  }

  async #end(signal: NodeJS.Signals, withinMs: number): Promise<Exit> {
    const startedAt = performance.now();
    this.#child.kill(signal);
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => {
      resolve(undefined);
    }, withinMs);
    const exit = await Promise.race([this.#exited, late]);
    clearTimeout(timer);
    if (exit === undefined) {
      this.#child.kill("SIGKILL");
      throw new Error(`saturnmq dev still runs ${withinMs} ms after ${signal}\n${this.output}`);
    }
    return { ...exit, tookMs: performance.now() - startedAt };
  }

  /** Runs `saturnmq ARGUMENTS --endpoint HERE` and gives its standard output. @throws {Error} with its output when it fails */
  async cli(...commandLine: readonly string[]): Promise<string> {
    return runCli(...commandLine, "--endpoint", this.endpoint);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.crash();
    if (this.#removeFolder) await rm(this.dataFolder, { recursive: true, force: true });
  }
}
