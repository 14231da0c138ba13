import { randomUUID } from "node:crypto";
import { defined } from "@saturnmq/kit";
import { type AdminMethod, type AdminMethods, adminServiceName, loadAdminDefinition } from "@saturnmq/wire";
import { type CallDefinition, Connection } from "./connection.ts";

const timeoutMs = 15_000;

/** `saturnmq.v1.Admin` at one endpoint. */
export class AdminClient implements Disposable {
  readonly #connection: Connection;
  readonly #definitions: Readonly<Record<string, CallDefinition<never, never>>>;

  private constructor(connection: Connection, definitions: Readonly<Record<string, CallDefinition<never, never>>>) {
    this.#connection = connection;
    this.#definitions = definitions;
  }

  /** Does not wait for the connection: the first call tells whether anybody answers. */
  static async open(endpoint: string): Promise<AdminClient> {
    const definition = await loadAdminDefinition();
    const service = defined(definition[adminServiceName], adminServiceName);
    return new AdminClient(
      new Connection(endpoint),
      service as unknown as Readonly<Record<string, CallDefinition<never, never>>>,
    );
  }

  /**
   * @param signal cancels the call
   * @throws {CliError}
   */
  call<Method extends AdminMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
    signal?: AbortSignal,
  ): Promise<AdminMethods[Method]["reply"]> {
    type Definition = CallDefinition<AdminMethods[Method]["request"], AdminMethods[Method]["reply"]>;
    const definition = defined(this.#definitions[method], method) as unknown as Definition;
    return this.#connection.unary(definition, request, { timeoutMs, ...(signal && { signal }) });
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

/** An id for one change, so that a repeated call does not make it twice. */
export function newRequestId(): string {
  return randomUUID();
}
