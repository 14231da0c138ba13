import type { Timers } from "@saturnmq/kit";
import type { BrokerReport, HeartbeatReply, MetadataCodec } from "@saturnmq/wire";
import { AttemptFailed, type Rpc, type RpcStream, readAnswer } from "./rpc.ts";

type Waiting = { readonly resolve: (reply: HeartbeatReply) => void; readonly reject: (error: Error) => void };

/** The heartbeat stream of this process to one name server. While it is open, no other process may be this broker. */
export class HeartbeatLink {
  readonly address: string;
  readonly #codec: MetadataCodec<"Heartbeat">;
  readonly #stream: RpcStream;
  readonly #timers: Timers;
  readonly #waiting = new Map<number, Waiting>();
  #sequence = 0;
  #failure: AttemptFailed | undefined;

  constructor(address: string, rpc: Rpc, codec: MetadataCodec<"Heartbeat">, timers: Timers) {
    this.address = address;
    this.#codec = codec;
    this.#timers = timers;
    this.#stream = rpc.stream(address, codec.path, {
      message: (bytes) => this.#answered(bytes),
      ended: (failure) => {
        const inOrder = passing(address, "the name server ended the heartbeat stream");
        this.#end(failure === undefined ? inOrder : new AttemptFailed(failure));
      },
    });
  }

  /** False: this one is of no use any more. */
  get open(): boolean {
    return this.#failure === undefined;
  }

  /** Sends a sign of life and waits for its answer. @throws {AttemptFailed} */
  beat(brokerId: number, incarnation: number, report: BrokerReport, timeoutMs: number): Promise<HeartbeatReply> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#sequence += 1;
    const sequence = this.#sequence;
    return new Promise((resolve, reject) => {
      const cancel = this.#timers.after(timeoutMs, () => {
        this.close(`no answer within ${timeoutMs} ms`);
      });
      const settled = <Value>(settle: (value: Value) => void): ((value: Value) => void) => {
        return (value) => {
          cancel();
          this.#waiting.delete(sequence);
          settle(value);
        };
      };
      this.#waiting.set(sequence, { resolve: settled(resolve), reject: settled(reject) });
      this.#stream.send(this.#codec.encodeRequest({ sequence, brokerId, incarnation, report }));
    });
  }

  /** Ends the stream; whoever waits is told why. */
  close(reason: string): void {
    this.#end(passing(this.address, reason));
    this.#stream.cancel();
  }

  #answered(bytes: Uint8Array): void {
    const { sequence, transfers } = readAnswer(this.address, bytes, (answer) => this.#codec.decodeReply(answer));
    this.#waiting.get(sequence)?.resolve({ transfers });
  }

  #end(failure: AttemptFailed): void {
    this.#failure ??= failure;
    for (const { reject } of [...this.#waiting.values()]) reject(this.#failure);
  }
}

function passing(address: string, reason: string): AttemptFailed {
  return new AttemptFailed({ kind: "passing", reason: `${address}: ${reason}`, leader: undefined });
}
