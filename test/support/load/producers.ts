import { setTimeout as sleep } from "node:timers/promises";
import { type Address, type CallResult, decodeSendReply, encodeSend, type RpcClient } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import type { SendOutcome } from "../check/history.ts";
import { keepConnected } from "./connections.ts";
import type { Recorder } from "./recorder.ts";
import type { BodyMaker } from "./seeded-bodies.ts";

const okCode = 20_000;
/** Every so many sends a producer sends one that must be refused: its tag holds the character that separates tags. */
const refusedEvery = 17;
const illegalTag = "no|tag";
/** What a server may answer without saying whether it stored the message: try again later, or an error of its own. */
const saysNothing = (code: number): boolean => code === 42_900 || code >= 50_000 || code === 0;

export type ProducersOptions = {
  readonly topic: string;
  readonly count: number;
  readonly bodies: BodyMaker;
  readonly recorder: Recorder;
  /** Number of the first; default 0. */
  readonly firstProducer?: number;
  /** The message group that a producer, and nobody else, sends to; needs a FIFO topic. */
  readonly groupOf?: (producer: number) => string;
  /** How long a producer waits after each answer, milliseconds; default 0. */
  readonly pauseMs?: number;
  /** How long a send may take, milliseconds; default 3,000. */
  readonly timeoutMs?: number;
};

/**
 * Producers that each send one message after the other, waiting for every answer. Nothing is repeated: whoever gets no answer goes on with the next
 * message. They live longer than the servers they send to: `run` again, and their sequences go on.
 */
export class Producers {
  readonly #options: ProducersOptions;
  readonly #sequences: number[];

  constructor(options: ProducersOptions) {
    this.#options = options;
    this.#sequences = Array<number>(options.count).fill(0);
  }

  /** Sends until `signal` aborts, then waits for the answers that are still out. Two producers a connection, connections spread over the endpoints. */
  async run(endpoints: readonly Address[], signal: AbortSignal): Promise<void> {
    const connections = Math.ceil(this.#options.count / 2);
    await Promise.all(
      Array.from({ length: connections }, (_, nth) => {
        const producers = [2 * nth, 2 * nth + 1].filter((producer) => producer < this.#options.count);
        return keepConnected(endpoints, nth, signal, async (client) => {
          await Promise.all(producers.map((producer) => this.#loop(producer, client, signal)));
        });
      }),
    );
  }

  async #loop(at: number, client: RpcClient, signal: AbortSignal): Promise<void> {
    const { recorder, timeoutMs = 3_000, firstProducer = 0, groupOf, pauseMs = 0 } = this.#options;
    const producer = firstProducer + at;
    while (!signal.aborted && client.usable) {
      const sequence = defined(this.#sequences[at], "sequence");
      this.#sequences[at] = sequence + 1;
      const group = groupOf === undefined ? {} : { messageGroup: groupOf(producer) };
      const ended = recorder.begin({ producer, sequence, ...group });
      ended(this.#outcome(await client.unary("SendMessage", this.#request(producer, sequence, group), timeoutMs)));
      if (pauseMs > 0) await sleep(pauseMs);
    }
  }

  #request(producer: number, sequence: number, group: { readonly messageGroup?: string }): Buffer {
    const { topic, bodies } = this.#options;
    const messageId =
      `01${producer.toString(16).padStart(16, "0")}${sequence.toString(16).padStart(16, "0")}`.toUpperCase();
    const tag = sequence % refusedEvery === refusedEvery - 1 ? illegalTag : "chaos";
    const keys = [`${producer}-${sequence}`];
    return encodeSend([{ topic, messageId, tag, body: bodies.make(producer, sequence), keys, ...group }]);
  }

  #outcome({ end, messages }: CallResult): SendOutcome {
    if (end.kind === "notProcessed") return this.#note("fail", "not processed");
    if (end.kind === "unknown") return this.#note("info", end.reason);
    const reply = messages[0];
    if (end.code !== 0 || reply === undefined) return this.#note("info", `grpc ${end.code} ${end.message}`);
    const { code, message, entries } = decodeSendReply(reply);
    const entry = entries[0];
    if (code === okCode && entry?.code === okCode) return { kind: "ok", offset: entry.offset };
    return this.#note(saysNothing(code) ? "info" : "fail", `${code} ${message}`);
  }

  #note(kind: "fail" | "info", reason: string): SendOutcome {
    this.#options.recorder.because(reason);
    return { kind };
  }
}
