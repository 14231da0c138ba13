import { Metadata, Server, ServerCredentials, type ServiceDefinition, status } from "@grpc/grpc-js";
import { errorTable, SaturnError } from "@saturnmq/kit";
import {
  type AdminMethod,
  type AdminMethods,
  errorCodeTrailer,
  grpcMethod,
  type Init,
  loadAdminDefinition,
  messagingService,
  type v2,
} from "@saturnmq/wire";

/** What a fake server answers; a method left out is unknown to it. */
export type Answers = {
  readonly admin?: {
    readonly [Method in AdminMethod]?: (request: AdminMethods[Method]["request"]) => AdminMethods[Method]["reply"];
  };
  readonly send?: (request: v2.SendMessageRequest) => Init<v2.SendMessageResponse>;
  readonly receive?: (request: v2.ReceiveMessageRequest) => readonly Init<v2.ReceiveMessageResponse>[];
  readonly ack?: (request: v2.AckMessageRequest) => Init<v2.AckMessageResponse>;
  readonly route?: (request: v2.QueryRouteRequest) => Init<v2.QueryRouteResponse>;
};

type Callback = (error: object | null, reply?: unknown) => void;

/** A gRPC server of both interfaces on a free port, whose answers a test writes down. */
export class FakeServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.endpoint = `127.0.0.1:${String(port)}`;
  }

  static async start(answers: Answers): Promise<FakeServer> {
    const server = new Server();
    const admin = (await loadAdminDefinition())["saturnmq.v1.Admin"] as unknown as ServiceDefinition;
    const adminHandlers = Object.entries(answers.admin ?? {}).map(([name, answer]) => {
      return [name, unary(answer as (request: unknown) => unknown)] as const;
    });
    server.addService(admin, Object.fromEntries(adminHandlers));
    const { QueryRoute, SendMessage, ReceiveMessage, AckMessage } = messagingService;
    const methods = {
      QueryRoute: grpcMethod<v2.QueryRouteRequest, v2.QueryRouteResponse>(QueryRoute),
      SendMessage: grpcMethod<v2.SendMessageRequest, v2.SendMessageResponse>(SendMessage),
      ReceiveMessage: grpcMethod<v2.ReceiveMessageRequest, v2.ReceiveMessageResponse>(ReceiveMessage),
      AckMessage: grpcMethod<v2.AckMessageRequest, v2.AckMessageResponse>(AckMessage),
    };
    server.addService(methods, {
      QueryRoute: unary((answers.route ?? (() => ({ status: ok }))) as (request: unknown) => unknown),
      SendMessage: unary((answers.send ?? unknownCall) as (request: unknown) => unknown),
      ReceiveMessage: streaming((answers.receive ?? unknownCall) as (request: unknown) => readonly unknown[]),
      AckMessage: unary((answers.ack ?? unknownCall) as (request: unknown) => unknown),
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        if (error) reject(error);
        else resolve(bound);
      });
    });
    return new FakeServer(server, port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

/** The status of an answer that went well. */
export const ok = { code: 20_000, message: "OK" };

function unknownCall(): never {
  throw new SaturnError("UNIMPLEMENTED", "not part of this test");
}

function unary(answer: (request: unknown) => unknown) {
  return ({ request }: { readonly request: unknown }, callback: Callback): void => {
    try {
      callback(null, answer(request));
    } catch (error) {
      callback(failureOf(error));
    }
  };
}

function streaming(answer: (request: unknown) => readonly unknown[]) {
  return (call: { readonly request: unknown; write(reply: unknown): void; end(): void }): void => {
    for (const reply of answer(call.request)) call.write(reply);
    call.end();
  };
}

function failureOf(error: unknown): object {
  if (!(error instanceof SaturnError)) return { code: status.INTERNAL, details: String(error) };
  const metadata = new Metadata();
  metadata.set(errorCodeTrailer, error.code);
  return { code: errorTable[error.code].grpc, details: error.message, metadata };
}
