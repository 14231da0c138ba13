import { Client, credentials, type MethodDefinition, type ServiceError, status } from "@grpc/grpc-js";
import { defined, type ErrorCode, errorTable, SaturnError } from "@saturnmq/kit";
import {
  type AdminMethod,
  type AdminMethods,
  adminServiceName,
  errorCodeTrailer,
  loadAdminDefinition,
} from "@saturnmq/wire";

const callMs = 3_000;

/** Calls of `saturnmq.v1.Admin` on the name servers of one cluster. */
export interface ClusterAdmin {
  /** @throws {SaturnError} `HA_NOT_AVAILABLE` when no name server leads or answers; else what the leader refuses with */
  call<Method extends AdminMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]>;
}

/** Asks the members of a group in turn, whoever answered last first: only the leader answers, and the others say so at once. */
export class GrpcClusterAdmin implements ClusterAdmin, Disposable {
  readonly #clients: Client[];
  readonly #definition = loadAdminDefinition();

  /** @param endpoints host and port of each name server */
  constructor(endpoints: readonly string[]) {
    this.#clients = endpoints.map((endpoint) => {
      return new Client(endpoint, credentials.createInsecure(), {
        "grpc.max_receive_message_length": -1,
        "grpc.enable_http_proxy": 0,
        "grpc.max_reconnect_backoff_ms": 1_000,
        // Names of pods move to other addresses.
        "grpc.dns_min_time_between_resolutions_ms": 1_000,
      });
    });
  }

  async call<Method extends AdminMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]> {
    const service = defined((await this.#definition)[adminServiceName], adminServiceName);
    const definition = defined((service as Readonly<Record<string, unknown>>)[method], method);
    let last = new SaturnError("HA_NOT_AVAILABLE", "the group has no members");
    for (const client of [...this.#clients]) {
      try {
        const reply = await unary(client, definition as Definition<Method>, request);
        this.#first(client);
        return reply;
      } catch (error) {
        last = failureOf(error as ServiceError);
        if (last.code !== "HA_NOT_AVAILABLE") throw last;
      }
    }
    throw last;
  }

  #first(client: Client): void {
    this.#clients.splice(this.#clients.indexOf(client), 1);
    this.#clients.unshift(client);
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients) client.close();
  }
}

type Definition<Method extends AdminMethod> = MethodDefinition<
  AdminMethods[Method]["request"],
  AdminMethods[Method]["reply"]
>;

function unary<Method extends AdminMethod>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: Definition<Method>,
  request: AdminMethods[Method]["request"],
): Promise<AdminMethods[Method]["reply"]> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      { deadline: Date.now() + callMs },
      (error, reply) => {
        if (error) reject(error);
        else resolve(defined(reply, "reply"));
      },
    );
  });
}

function failureOf(error: ServiceError): SaturnError {
  const code = codeIn(error);
  if (code !== undefined) return new SaturnError(code, error.details);
  const away =
    error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED || error.code === status.CANCELLED;
  return new SaturnError(away ? "HA_NOT_AVAILABLE" : "INTERNAL_ERROR", error.details, { cause: error });
}

function codeIn(error: ServiceError): ErrorCode | undefined {
  // Failures of the client itself come without.
  const { metadata } = error as Partial<ServiceError>;
  const code = metadata?.get(errorCodeTrailer)[0]?.toString() ?? "";
  return Object.hasOwn(errorTable, code) ? (code as ErrorCode) : undefined;
}
