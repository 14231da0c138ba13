import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a program inside a namespace offers: its exported functions. Inputs and outputs are structured clones. */
export type Program = Readonly<Record<string, (input: never) => Promise<unknown>>>;
type InputOf<P extends Program, Name extends keyof P> = Parameters<P[Name]>[0];
type OutputOf<P extends Program, Name extends keyof P> = Awaited<ReturnType<P[Name]>>;

export type CallMessage = { readonly id: number; readonly name: string; readonly input: unknown };
export type ReplyMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "output"; readonly id: number; readonly output: unknown }
  | { readonly kind: "failure"; readonly id: number; readonly reason: string };

const agentPath = fileURLToPath(new URL("./namespace-agent.ts", import.meta.url));
/**
 * User, network, mount and process namespaces. The user is mapped to root in them, so none is needed outside. `--kill-child`: the first process
 * inside dies with this `unshare`, and with it, the kernel sees to that, every other process of the namespace.
 */
const unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--kill-child"];
const errorsKept = 20_000;
const closeWithinMs = 5_000;

/** Why no namespace can be made here; `undefined` when one can. */
export function whyNoNamespace(): string | undefined {
  const [program, ...args] = [...unshare, "--mount-proc", "ip", "link", "set", "lo", "up"];
  try {
    execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"], timeout: 10_000 });
    return undefined;
  } catch (error) {
    const said = (error as { stderr?: Buffer }).stderr?.toString().trim().split("\n").at(-1);
    return `no user and network namespace for this user: ${said || (error as Error).message}`;
  }
}

/**
 * A program of ours and all that it starts, in namespaces of their own: a loopback network that nothing else is on, with every address 127.0.x.y; mounts
 * and process ids of their own. Nothing of it outlives this object, or this process, however that ends.
 */
export class Namespace<P extends Program> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<string>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #ready = Promise.withResolvers<undefined>();
  #calls = 0;
  #errors = "";

  private constructor(program: string) {
    const [command, ...args] = [...unshare, "--mount-proc", process.execPath, agentPath, program];
    this.#child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
      // Ctrl-C reaches a whole group of processes; what is inside ends when we say so, or when we are gone.
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#errors = (this.#errors + text).slice(-errorsKept);
      });
    }
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(signal ?? `exit code ${String(code)}`));
    });
    this.#child.on("message", (reply: ReplyMessage) => this.#answered(reply));
    void this.#exited.then((how) => this.#ended(how));
  }

  /** Starts the program, the path of a module, inside. @throws {Error} with what it wrote when it does not come up */
  static async open<P extends Program>(program: string): Promise<Namespace<P>> {
    const namespace = new Namespace<P>(program);
    await namespace.#ready.promise;
    return namespace;
  }

  /** Of the `unshare` outside. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Calls a function of the program. @throws {Error} what the function threw, or that the program is gone */
  async call<Name extends keyof P & string>(name: Name, input: InputOf<P, Name>): Promise<OutputOf<P, Name>> {
    this.#calls += 1;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(this.#calls, waiting);
    const message: CallMessage = { id: this.#calls, name, input };
    this.#child.send(message, (error) => {
      if (error) waiting.reject(error);
    });
    return (await waiting.promise) as OutputOf<P, Name>;
  }

  /** Ends every process inside, and waits until they are gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), closeWithinMs);
    await this.#exited;
    clearTimeout(timer);
  }

  #answered(reply: ReplyMessage): void {
    if (reply.kind === "ready") return this.#ready.resolve(undefined);
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.kind === "output") waiting?.resolve(reply.output);
    else waiting?.reject(new Error(reply.reason));
  }

  #ended(how: string): void {
    const error = new Error(`the program in the namespace ended: ${how}\n${this.#errors}`);
    this.#ready.reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
