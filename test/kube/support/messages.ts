import process from "node:process";
import { fileURLToPath } from "node:url";
import { expectDone, run } from "./step.ts";

const program = fileURLToPath(new URL("../../../cli/bin/saturnmq.js", import.meta.url));
const topic = "orders";

/** Messages of one cluster, sent and received by this repository's command through the address of the brokers' Service. */
export class Messages {
  readonly #endpoint: string;
  #sent = 0;

  constructor(namespace: string) {
    this.#endpoint = `main-broker-clients.${namespace}.svc:8081`;
  }

  /** Runs the command at the cluster. @throws {Error} when it fails */
  async saturnmq(...args: readonly string[]): Promise<string> {
    return (await expectDone(run(process.execPath, [program, "--endpoint", this.#endpoint, ...args]))).stdout;
  }

  /** Sends so many further messages to `orders`; each must be acknowledged. */
  async send(count: number): Promise<void> {
    const input = Array.from({ length: count }, (_, place) => `${textOf(this.#sent + place)}\n`).join("");
    await expectDone(
      run(process.execPath, [program, "--endpoint", this.#endpoint, "produce", topic], { input, seconds: 120 }),
    );
    this.#sent += count;
  }

  /** Reads `orders` to its end. @returns how many were sent. @throws {Error} when one that was acknowledged is not there */
  async expectAll(group: string): Promise<number> {
    const missing = new Set(Array.from({ length: this.#sent }, (_, place) => textOf(place)));
    // On a busy machine it is silent for longer than 5 s now and then; and what an answer that came too late held comes again after its invisible time.
    for (const silence of ["5s", "40s"]) {
      const text = await this.saturnmq("consume", topic, "--group", group, "--timeout", silence);
      for (const message of text.match(/message \d+/g) ?? []) missing.delete(message);
      if (missing.size === 0) return this.#sent;
    }
    throw new Error(`${missing.size} of ${this.#sent} are missing: ${[...missing].slice(0, 5).join(", ")}`);
  }

  async topicNames(): Promise<readonly string[]> {
    const text = await this.saturnmq("--output", "json", "topic", "list");
    return [...text.matchAll(/"name": ?"([^"]+)"/g)].map(([, name]) => name ?? "");
  }
}

function textOf(place: number): string {
  return `message ${place}`;
}
