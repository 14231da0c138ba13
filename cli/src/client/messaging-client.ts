import { randomBytes, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { errorTable } from "@saturnmq/kit";
import { grpcMethod, messagingService, v2 } from "@saturnmq/wire";
import { CliError, type ExitCode, exitCodes } from "../exit-codes.ts";
import { type CallDefinition, Connection } from "./connection.ts";

/** Default of unary calls, milliseconds. */
const callTimeoutMs = 15_000;
/** Beyond the long poll, so that a broker on its way ends the call itself. */
const pollSlackMs = 5_000;

/** What a line becomes besides its body. */
export type MessageLabels = {
  readonly tag?: string;
  /** Makes them FIFO messages, in order with all others of the group. */
  readonly messageGroup?: string;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
};

export type Receive = {
  readonly topic: string;
  readonly group: string;
  readonly tags: string;
  readonly batchSize: number;
  readonly invisibleMs: number;
  readonly waitMs: number;
};

/** `code` and `text` of an answer that is not OK; `retryable`: the same call may work later. */
export type Refusal = { readonly code: number; readonly text: string; readonly retryable: boolean };

/** What became of one message of a send: its offset, or why not. */
export type SendResult = { readonly offset: number } | { readonly refusal: Refusal };

const calls = {
  queryRoute: definition(messagingService.QueryRoute),
  sendMessage: definition(messagingService.SendMessage),
  receiveMessage: definition(messagingService.ReceiveMessage),
  ackMessage: definition(messagingService.AckMessage),
};

function definition<Request, Response>(
  method: Parameters<typeof grpcMethod<Request, Response>>[0],
): CallDefinition<Parameters<ReturnType<typeof grpcMethod<Request, Response>>["requestSerialize"]>[0], Response> {
  return grpcMethod(method);
}

/** `apache.rocketmq.v2` at one endpoint, as far as the command line needs it. */
export class MessagingClient implements Disposable {
  readonly #connection: Connection;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #ids = new MessageIds();

  constructor(endpoint: string) {
    this.#connection = new Connection(endpoint);
    this.#headers = {
      "x-mq-client-id": `${hostname()}@${process.pid}@cli@${randomUUID().slice(0, 8)}`,
      "x-mq-language": "HTTP",
      "x-mq-client-version": "5.0.0",
      "x-mq-protocol": "v2",
    };
  }

  /** @throws {CliError} unless the topic exists and the server answers */
  async checkTopic(topic: string): Promise<void> {
    const reply = await this.#connection.unary(
      calls.queryRoute,
      {
        topic: { name: topic },
        endpoints: { scheme: v2.AddressScheme.IPv4, addresses: [{ host: "127.0.0.1", port: 8_081 }] },
      },
      { timeoutMs: callTimeoutMs, headers: this.#headers },
    );
    const refusal = refusalOf(reply.status);
    if (refusal !== undefined) throw refusedError(refusal);
  }

  /** A message of `body`, with an id of its own that stays through every repetition. */
  message(topic: string, body: Uint8Array, { tag, messageGroup, keys, properties }: MessageLabels): OutgoingMessage {
    const nowMs = Date.now();
    return {
      topic: { name: topic },
      userProperties: new Map(Object.entries(properties)),
      systemProperties: {
        messageId: this.#ids.next(nowMs),
        messageType: messageGroup === undefined ? v2.MessageType.NORMAL : v2.MessageType.FIFO,
        messageGroup,
        bodyEncoding: v2.Encoding.IDENTITY,
        keys,
        tag,
        bornTimestamp: { seconds: Math.floor(nowMs / 1_000), nanos: (nowMs % 1_000) * 1_000_000 },
        bornHost: hostname(),
      },
      body,
    };
  }

  /** Sends messages of one topic; one result each, in order. @throws {CliError} when the call itself failed */
  async send(messages: readonly OutgoingMessage[]): Promise<readonly SendResult[]> {
    const { status, entries } = await this.#connection.unary(
      calls.sendMessage,
      { messages },
      { timeoutMs: callTimeoutMs, headers: this.#headers },
    );
    const refusal = refusalOf(status);
    return messages.map((_, at): SendResult => {
      const entry = entries[at];
      if (entry === undefined) return { refusal: refusal ?? unanswered };
      const own = refusalOf(entry.status);
      return own === undefined ? { offset: entry.offset } : { refusal: own };
    });
  }

  /** Messages that were ready or became so in time; none is no failure. @throws {CliError} */
  async receive(request: Receive, signal: AbortSignal): Promise<readonly v2.Message[]> {
    const replies = await this.#connection.collect(
      calls.receiveMessage,
      {
        group: { name: request.group },
        messageQueue: { topic: { name: request.topic }, id: 0, permission: v2.Permission.READ_WRITE },
        filterExpression: { type: v2.FilterType.TAG, expression: request.tags },
        batchSize: request.batchSize,
        invisibleDuration: durationOf(request.invisibleMs),
        longPollingTimeout: durationOf(request.waitMs),
      },
      { timeoutMs: request.waitMs + pollSlackMs, headers: this.#headers, signal },
    );
    const refusal = replies.map(({ status }) => refusalOf(status)).find((found) => found !== undefined);
    if (refusal !== undefined && refusal.code !== v2.Code.MESSAGE_NOT_FOUND) throw refusedError(refusal);
    return replies.flatMap(({ message }) => (message === undefined ? [] : [message]));
  }

  /** Finishes messages; what was refused is told per message, in order. @throws {CliError} when the call itself failed */
  async ack(topic: string, group: string, messages: readonly v2.Message[]): Promise<readonly (Refusal | undefined)[]> {
    const { status, entries } = await this.#connection.unary(
      calls.ackMessage,
      {
        topic: { name: topic },
        group: { name: group },
        entries: messages.map(({ systemProperties }) => ({
          messageId: systemProperties?.messageId,
          receiptHandle: systemProperties?.receiptHandle,
        })),
      },
      { timeoutMs: callTimeoutMs, headers: this.#headers },
    );
    const refusal = refusalOf(status);
    return messages.map((_, at) => {
      const entry = entries[at];
      return entry === undefined ? refusal : refusalOf(entry.status);
    });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

export type OutgoingMessage = Parameters<typeof calls.sendMessage.requestSerialize>[0]["messages"] extends
  | readonly (infer Message)[]
  | undefined
  ? Message
  : never;

/** Ids in RocketMQ's form: 01, six bytes that name this process, its number, seconds, counter; hexadecimal. */
class MessageIds {
  readonly #prefix = `01${randomBytes(6).toString("hex")}${(process.pid & 0xffff).toString(16).padStart(4, "0")}`;
  #count = 0;

  next(nowMs: number): string {
    const seconds = (Math.floor(nowMs / 1_000) >>> 0).toString(16).padStart(8, "0");
    const count = this.#count.toString(16).padStart(8, "0");
    this.#count = (this.#count + 1) >>> 0;
    return `${this.#prefix}${seconds}${count}`.toUpperCase();
  }
}

function durationOf(ms: number): { seconds: number; nanos: number } {
  return { seconds: Math.floor(ms / 1_000), nanos: (ms % 1_000) * 1_000_000 };
}

const retryableCodes: ReadonlySet<number> = new Set(
  Object.values(errorTable).flatMap(({ v2: code, retry }) => (retry === "later" ? [code] : [])),
);

const unanswered: Refusal = { code: 0, text: "the server answered without a result for it", retryable: false };

function refusalOf(status: v2.Status | undefined): Refusal | undefined {
  if (status === undefined || status.code === v2.Code.OK || status.code === v2.Code.MULTIPLE_RESULTS) return undefined;
  return { code: status.code, text: status.message, retryable: retryableCodes.has(status.code) };
}

/** The refusal as the user is told it. */
export function refusedError({ code, text, retryable }: Refusal): CliError {
  return new CliError(exitCodeOf(code, retryable), `${text} (code ${code})`);
}

function exitCodeOf(code: number, retryable: boolean): ExitCode {
  if (retryable) return exitCodes.refusedForNow;
  if (code >= 40_400 && code < 40_500) return exitCodes.notFound;
  if (code === v2.Code.NOT_IMPLEMENTED || code === v2.Code.UNSUPPORTED) return exitCodes.notOffered;
  return code >= 40_000 && code < 50_000 ? exitCodes.usage : exitCodes.failure;
}
