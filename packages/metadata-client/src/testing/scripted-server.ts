import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
} from "@grpc/grpc-js";
import { type ErrorCode, errorTable } from "@saturnmq/kit";
import {
  errorCodeTrailer,
  leaderTrailer,
  loadMetadataCodecs,
  type MetadataCall,
  type MetadataCalls,
  type WatchEvent,
} from "@saturnmq/wire";

const codecs = loadMetadataCodecs();

/** How a call ends that is not answered. `code` absent: a status without SaturnMQ's trailer, as proxies and dying servers send. */
export type Refusal = {
  readonly code?: ErrorCode;
  readonly grpc?: number;
  readonly leader?: string;
  readonly message?: string;
};

type Watching = ServerWritableStream<Buffer, Uint8Array>;

/** A name server that says what a test wants said, over a real socket. */
export class ScriptedServer {
  readonly #server = new Server();
  readonly #watching = new Set<Watching>();
  readonly calls: { readonly call: MetadataCall; readonly request: unknown }[] = [];
  /** Set: everything is refused so. "silence": nothing is answered. */
  refusal: Refusal | "silence" | undefined;
  /** Sent to each new watcher. */
  greeting: (from: MetadataCalls["Watch"]["request"]) => readonly WatchEvent[] = () => [];
  address = "";

  static async start(): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    scripted.#register();
    const port = await new Promise<number>((resolve, reject) => {
      scripted.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    scripted.address = `127.0.0.1:${port}`;
    return scripted;
  }

  #register(): void {
    const whole = (bytes: Buffer): Buffer => bytes;
    const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    this.#server.register(
      codecs.CreateTopic.path,
      (call: { request: Buffer }, callback: (error: object | null, reply?: Uint8Array) => void) => {
        const request = codecs.CreateTopic.decodeRequest(call.request);
        this.calls.push({ call: "CreateTopic", request });
        if (this.refusal === "silence") return;
        if (this.refusal !== undefined) return callback(statusOf(this.refusal));
        const { name, type, queues, retentionMs } = request;
        callback(null, codecs.CreateTopic.encodeReply({ id: 7, name, type, queues, retentionMs, createdAtMs: 1 }));
      },
      asIs,
      whole,
      "unary",
    );
    this.#server.register(
      codecs.Heartbeat.path,
      (call: ServerDuplexStream<Buffer, Uint8Array>) => this.#beats(call),
      asIs,
      whole,
      "bidi",
    );
    this.#server.register(codecs.Watch.path, (call: Watching) => this.#watch(call), asIs, whole, "serverStream");
  }

  #beats(call: ServerDuplexStream<Buffer, Uint8Array>): void {
    call.on("data", (bytes: Buffer) => {
      const request = codecs.Heartbeat.decodeRequest(bytes);
      this.calls.push({ call: "Heartbeat", request });
      if (this.refusal === "silence") return;
      if (this.refusal !== undefined) call.emit("error", statusOf(this.refusal));
      else call.write(codecs.Heartbeat.encodeReply({ sequence: request.sequence, transfers: [{ shard: 3, to: 2 }] }));
    });
    call.on("end", () => call.end());
  }

  #watch(call: Watching): void {
    const from = codecs.Watch.decodeRequest(call.request);
    this.calls.push({ call: "Watch", request: from });
    if (this.refusal === "silence") return;
    if (this.refusal !== undefined) {
      call.emit("error", statusOf(this.refusal));
      return;
    }
    this.#watching.add(call);
    call.on("cancelled", () => this.#watching.delete(call));
    for (const event of this.greeting(from)) call.write(codecs.Watch.encodeReply(event));
  }

  /** Tells all watchers. */
  tell(event: WatchEvent): void {
    for (const call of this.#watching) call.write(codecs.Watch.encodeReply(event));
  }

  /** Ends all watches, as a server does that stops to lead. */
  dropWatchers(refusal: Refusal): void {
    for (const call of this.#watching) call.emit("error", statusOf(refusal));
    this.#watching.clear();
  }

  /** Gone at once, connections too. */
  [Symbol.dispose](): void {
    this.#server.forceShutdown();
  }
}

function statusOf({ code, grpc, leader, message = "refused" }: Refusal): object {
  const metadata = new Metadata();
  if (code !== undefined) metadata.set(errorCodeTrailer, code);
  if (leader !== undefined) metadata.set(leaderTrailer, leader);
  return { code: code === undefined ? (grpc ?? status.UNKNOWN) : errorTable[code].grpc, details: message, metadata };
}
