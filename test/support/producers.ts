import { type Address, type CallResult, decodeSendReply, encodeSend, RpcClient } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import type { BodyMaker, SendOperation } from "./history.ts";

const okCode = 20_000;
const sendTimeoutMs = 3_000;
/** Every so many sends a producer sends one that must be refused: its tag holds the character that separates tags. */
const refusedEvery = 17;
const illegalTag = "no|tag";
/** What a server may answer without saying whether it stored the message: try again later, or an error of its own. */
const saysNothing = (code: number): boolean => code === 42_900 || code >= 50_000 || code === 0;

export type ProducersOptions = { readonly topic: string; readonly count: number; readonly bodies: BodyMaker };

/**
 * Producers that each send one message after the other, waiting for every answer, and remember what they were told. They live longer than the
 * servers they send to: `run` again after a restart and their sequences go on.
 */
export class Producers {
  readonly operations: SendOperation[] = [];
  /** Refusals and failures by reason: shown with a report, so that a run that only failed is not taken for a success. */
  readonly reasons = new Map<string, number>();
  readonly #options: ProducersOptions;
  readonly #sequences: number[];

  constructor(options: ProducersOptions) {
    this.#options = options;
    this.#sequences = Array<number>(options.count).fill(0);
  }

  get acknowledged(): number {
    return this.operations.filter(({ outcome }) => outcome.kind === "ok").length;
  }

  /** Sends until `signal` aborts or the connections are lost, then waits for the answers that are still out. Two producers a connection. */
  async run(address: Address, signal: AbortSignal): Promise<void> {
    const connections = Math.ceil(this.#options.count / 2);
    const clients = await Promise.all(Array.from({ length: connections }, () => RpcClient.open(address)));
    const loops = this.#sequences.map((_, producer) =>
      this.#loop(producer, defined(clients[producer >> 1], "client"), signal),
    );
    await Promise.all(loops);
    for (const client of clients) client.close();
  }

  async #loop(producer: number, client: RpcClient, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && client.usable) {
      const sequence = defined(this.#sequences[producer], "sequence");
      this.#sequences[producer] = sequence + 1;
      const result = await client.unary("SendMessage", this.#request(producer, sequence), sendTimeoutMs);
      this.operations.push({ producer, sequence, outcome: this.#outcome(result) });
    }
  }

  #request(producer: number, sequence: number): Buffer {
    const { topic, bodies } = this.#options;
    const messageId =
      `01${producer.toString(16).padStart(16, "0")}${sequence.toString(16).padStart(16, "0")}`.toUpperCase();
    const tag = sequence % refusedEvery === refusedEvery - 1 ? illegalTag : "chaos";
    return encodeSend([
      { topic, messageId, tag, body: bodies.make(producer, sequence), keys: [`${producer}-${sequence}`] },
    ]);
  }

  #outcome({ end, messages }: CallResult): SendOperation["outcome"] {
    if (end.kind === "notProcessed") return this.#note("fail", "not processed");
    if (end.kind === "unknown") return this.#note("info", end.reason);
    const reply = messages[0];
    if (end.code !== 0 || reply === undefined) return this.#note("info", `grpc ${end.code} ${end.message}`);
    const { code, message, entries } = decodeSendReply(reply);
    const entry = entries[0];
    if (code === okCode && entry?.code === okCode) return { kind: "ok", offset: entry.offset };
    return this.#note(saysNothing(code) ? "info" : "fail", `${code} ${message}`);
  }

  #note(kind: "fail" | "info", reason: string): SendOperation["outcome"] {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
    return { kind };
  }
}
