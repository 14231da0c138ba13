import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { WorkerEvent, WorkerOptions } from "./official-worker.ts";
import type { EndSend, Recorder } from "./recorder.ts";

const worker = fileURLToPath(new URL("./official-worker.ts", import.meta.url));
/** Before a worker that ended is started again, milliseconds. */
const pauseMs = 200;
const stopsWithinMs = 10_000;
const errorKept = 2_000;

export type OfficialClientsOptions = {
  /** `host:port` that the client is told; it finds the rest by itself. */
  readonly endpoint: string;
  readonly topic: string;
  readonly group: string;
  readonly producers: number;
  /** How long a producer waits after each answer, milliseconds; default 0. */
  readonly pauseMs?: number | undefined;
  /** Number of the first producer: other producers of the run have others. */
  readonly firstProducer: number;
  readonly consumers: number;
  readonly invisibleMs: number;
  readonly seed: number;
  readonly largestBodyBytes: number;
  /** The message group that a producer, and nobody else, sends to; needs a FIFO topic. */
  readonly groupOf?: ((producer: number) => string) | undefined;
  readonly recorder: Recorder;
};

/** Producers and consumers of the official Node client, unmodified, with its own retries. A process each; one that dies is started again, and counted. */
export class OfficialClients {
  readonly #options: OfficialClientsOptions;
  #crashes = 0;

  constructor(options: OfficialClientsOptions) {
    this.#options = options;
  }

  /** Processes of the client that ended by themselves. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Runs producers until `sending` aborts and consumers until `receiving` does. */
  async run(sending: AbortSignal, receiving: AbortSignal): Promise<void> {
    const { producers, firstProducer, consumers } = this.#options;
    await Promise.all([
      ...Array.from({ length: producers }, (_, nth) => this.#keepProducing(firstProducer + nth, sending)),
      ...Array.from({ length: consumers }, () => this.#keepConsuming(receiving)),
    ]);
  }

  async #keepProducing(producer: number, signal: AbortSignal): Promise<void> {
    const { groupOf, recorder, pauseMs = 0 } = this.#options;
    const group = groupOf === undefined ? {} : { messageGroup: groupOf(producer) };
    for (let firstSequence = 0; !signal.aborted; ) {
      let open: EndSend | undefined;
      await this.#work({ role: "producer", producer, firstSequence, pauseMs, ...group }, signal, (event) => {
        if (event.kind === "begin") {
          firstSequence = event.sequence + 1;
          open = recorder.begin({ producer, sequence: event.sequence, ...group }, event.ms);
        } else if (event.kind === "sent" || event.kind === "failed") {
          this.#ended(event, open);
          open = undefined;
        }
      });
      // It died in mid-send, and may have repeated it any number of times before.
      open?.({ kind: "info" }, { repeats: Number.POSITIVE_INFINITY });
    }
  }

  #ended(event: WorkerEvent & { readonly kind: "sent" | "failed" }, open: EndSend | undefined): void {
    const more = { endedMs: event.ms, repeats: event.repeats };
    if (event.kind === "sent") return open?.({ kind: "ok", offset: event.offset }, more);
    this.#options.recorder.because(`official send: ${event.why}`);
    open?.({ kind: "info" }, more);
  }

  async #keepConsuming(signal: AbortSignal): Promise<void> {
    const { group, invisibleMs, recorder } = this.#options;
    while (!signal.aborted) {
      const numbers = new Map<number, number>();
      await this.#work({ role: "consumer", group, invisibleMs }, signal, (event) => {
        if (event.kind === "received") {
          const receive = recorder.nextReceive();
          numbers.set(event.receive, receive);
          this.#received(event, receive);
        } else if (event.kind === "acked") {
          const place = { consumerGroup: group, receive: numbers.get(event.receive) ?? 0 };
          const when = { invokedMs: event.invokedMs, endedMs: event.ms };
          const outcome = event.why === undefined ? "ok" : "info";
          recorder.settled({ kind: "ack", ...place, position: event.position, ...when, outcome });
          if (event.why !== undefined) recorder.because(`official ack: ${event.why}`);
        }
      });
    }
  }

  #received(event: WorkerEvent & { readonly kind: "received" }, receive: number): void {
    const { group, invisibleMs, recorder } = this.#options;
    const { invokedMs, receivedMs } = event;
    for (const [position, message] of event.messages.entries()) {
      const of = { consumerGroup: group, queue: undefined, receive, position };
      recorder.delivered({ ...of, ...message, invokedMs, receivedMs, invisibleMs });
    }
  }

  /** Runs one process to its end. */
  async #work(
    role: { readonly role: string } & Readonly<Record<string, unknown>>,
    signal: AbortSignal,
    on: (event: WorkerEvent) => void,
  ): Promise<void> {
    const { endpoint, topic, seed, largestBodyBytes, recorder } = this.#options;
    const told = { endpoint, topic, seed, largestBodyBytes, ...role } as WorkerOptions;
    const child = spawn(process.execPath, [worker, JSON.stringify(told)], { stdio: ["ignore", "pipe", "pipe"] });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-errorKept);
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event = JSON.parse(line) as WorkerEvent;
      if (event.kind === "problem") recorder.because(`official ${event.why}`);
      else on(event);
    });
    const stop = (): void => this.#stop(child);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await once(child, "close");
    signal.removeEventListener("abort", stop);
    if (signal.aborted) return;
    this.#crashes += 1;
    recorder.because(`the official client's process ended: ${/^.*Error.*$/m.exec(errors)?.[0] ?? "without a word"}`);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }

  #stop(child: ChildProcess): void {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), stopsWithinMs);
    child.once("close", () => clearTimeout(late));
  }
}
