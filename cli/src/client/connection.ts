import { Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { errorCodeTrailer } from "@saturnmq/wire";
import { CliError, type ExitCode, exitCodes } from "../exit-codes.ts";

/** A call as generated definitions and our own codecs describe it. */
export type CallDefinition<Request, Reply> = {
  readonly path: string;
  readonly requestSerialize: (request: Request) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Reply;
};

export type CallOptions = {
  /** Milliseconds until the call is given up. */
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Cancels the call. */
  readonly signal?: AbortSignal;
};

/** One plaintext connection to a broker. Failures of its calls are `CliError`s that name the endpoint where it matters. */
export class Connection implements Disposable {
  readonly #client: Client;
  readonly #endpoint: string;

  constructor(endpoint: string) {
    this.#endpoint = endpoint;
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // A proxy for the web is not for brokers.
      "grpc.enable_http_proxy": 0,
      "grpc.max_reconnect_backoff_ms": 1_000,
    });
  }

  /** @throws {CliError} */
  unary<Request, Reply>(
    definition: CallDefinition<Request, Reply>,
    request: Request,
    options: CallOptions,
  ): Promise<Reply> {
    const { path, requestSerialize, responseDeserialize } = definition;
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(options.headers),
        { deadline: Date.now() + options.timeoutMs },
        (error, reply) => {
          options.signal?.removeEventListener("abort", cancel);
          if (error) reject(this.#failure(error));
          else if (reply === undefined) reject(new CliError(exitCodes.failure, `${path} answered nothing`));
          else resolve(reply);
        },
      );
      const cancel = (): void => {
        call.cancel();
      };
      options.signal?.addEventListener("abort", cancel);
    });
  }

  /** All replies of a server-streaming call, in order. @throws {CliError} */
  collect<Request, Reply>(
    definition: CallDefinition<Request, Reply>,
    request: Request,
    options: CallOptions,
  ): Promise<Reply[]> {
    const { path, requestSerialize, responseDeserialize } = definition;
    return new Promise((resolve, reject) => {
      const replies: Reply[] = [];
      const call = this.#client.makeServerStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        metadataOf(options.headers),
        { deadline: Date.now() + options.timeoutMs },
      );
      const cancel = (): void => {
        call.cancel();
      };
      options.signal?.addEventListener("abort", cancel);
      call.on("data", (reply: Reply) => replies.push(reply));
      call.on("error", (error: ServiceError) => {
        options.signal?.removeEventListener("abort", cancel);
        reject(this.#failure(error));
      });
      call.on("end", () => {
        options.signal?.removeEventListener("abort", cancel);
        resolve(replies);
      });
    });
  }

  #failure(error: ServiceError): CliError {
    return callFailure(error, this.#endpoint);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

function metadataOf(headers: Readonly<Record<string, string>> = {}): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

const exitCodeOfStatus: ReadonlyMap<number, ExitCode> = new Map<number, ExitCode>([
  [status.INVALID_ARGUMENT, exitCodes.usage],
  [status.NOT_FOUND, exitCodes.notFound],
  [status.OUT_OF_RANGE, exitCodes.notFound],
  [status.ALREADY_EXISTS, exitCodes.exists],
  [status.RESOURCE_EXHAUSTED, exitCodes.refusedForNow],
  [status.UNIMPLEMENTED, exitCodes.notOffered],
  [status.FAILED_PRECONDITION, exitCodes.notAsThingsStand],
  [status.UNAVAILABLE, exitCodes.unreachable],
  [status.DEADLINE_EXCEEDED, exitCodes.unreachable],
  [status.CANCELLED, exitCodes.interrupted],
]);

/** What a failed call means to the user. A server's own words are passed on; a lost or missing connection gets ours. */
function callFailure(error: ServiceError, endpoint: string): CliError {
  const exitCode = exitCodeOfStatus.get(error.code) ?? exitCodes.failure;
  return new CliError(exitCode, describe(error, endpoint), { cause: error });
}

function describe(error: ServiceError, endpoint: string): string {
  // Only a SaturnMQ server says why in the trailer; without it, the words are grpc-js's about the connection.
  const isServersWord = error.metadata.get(errorCodeTrailer).length > 0;
  if (isServersWord) return error.details;
  return wordsOfStatus(endpoint).get(error.code) ?? error.details;
}

function wordsOfStatus(endpoint: string): ReadonlyMap<number, string> {
  return new Map([
    [
      status.UNAVAILABLE,
      `no SaturnMQ answers at ${endpoint}: start one with 'make run' or name another with --endpoint`,
    ],
    [status.DEADLINE_EXCEEDED, `SaturnMQ at ${endpoint} did not answer in time: look at its log, or try again`],
    [status.UNIMPLEMENTED, `the server at ${endpoint} does not know this call: is it a SaturnMQ of this version?`],
    [status.CANCELLED, "interrupted"],
  ]);
}
