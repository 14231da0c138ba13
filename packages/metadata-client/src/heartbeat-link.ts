import { type Client, type ClientDuplexStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Timers } from "@saturnmq/kit";
import type { BrokerReport, HeartbeatReply, MetadataCalls, MetadataCodec } from "@saturnmq/wire";
import { failureOf } from "./failure.ts";
import { AttemptFailed } from "./leader-finder.ts";

type Request = MetadataCalls["Heartbeat"]["request"];
type Answer = MetadataCalls["Heartbeat"]["reply"];
type Waiting = { readonly resolve: (reply: HeartbeatReply) => void; readonly reject: (error: Error) => void };

/** The heartbeat stream of this process to one name server. While it is open, no other process may be this broker. */
export class HeartbeatLink {
  readonly address: string;
  readonly #stream: ClientDuplexStream<Request, Answer>;
  readonly #timers: Timers;
  readonly #waiting = new Map<number, Waiting>();
  #sequence = 0;
  #failure: AttemptFailed | undefined;

  constructor(address: string, client: Client, codec: MetadataCodec<"Heartbeat">, timers: Timers) {
    this.address = address;
    this.#timers = timers;
    const encode = (request: Request): Buffer => Buffer.from(codec.encodeRequest(request));
    const decode = (bytes: Buffer): Answer => codec.decodeReply(bytes);
    this.#stream = client.makeBidiStreamRequest(codec.path, encode, decode, new Metadata(), {});
    this.#stream.on("data", (answer: Answer) => this.#answered(answer));
    this.#stream.on("error", (error: ServiceError) => this.#end(new AttemptFailed(failureOf(error, address))));
    this.#stream.on("end", () => this.#end(passing(address, "the name server ended the heartbeat stream")));
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
      this.#stream.write({ sequence, brokerId, incarnation, report });
    });
  }

  /** Ends the stream; whoever waits is told why. */
  close(reason: string): void {
    this.#end(passing(this.address, reason));
    this.#stream.cancel();
  }

  #answered({ sequence, transfers }: Answer): void {
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
