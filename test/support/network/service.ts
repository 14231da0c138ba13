import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Address } from "@saturnmq/bench";
import type { Random } from "@saturnmq/kit";

/**
 * What a Service is in Kubernetes: one address, and each new connection goes to a backend by chance, for as long as it lives. Who is up it learns from a
 * refused connection only.
 */
export class Service implements AsyncDisposable {
  readonly address: Address;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, address: Address) {
    this.#server = server;
    this.address = address;
  }

  /** @param backends asked anew for every connection */
  static async open(address: Address, backends: () => readonly Address[], random: Random): Promise<Service> {
    const server = createServer({ noDelay: true });
    const service = new Service(server, address);
    server.on("connection", (client) => {
      service.#keep(client);
      void service.#serve(client, shuffled(backends(), random));
    });
    server.listen(address.port, address.host);
    await once(server, "listening");
    return service;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #serve(client: Socket, backends: readonly Address[]): Promise<void> {
    for (const backend of backends) {
      const upstream = await dial(backend);
      if (upstream === undefined) continue;
      this.#keep(upstream);
      upstream.once("close", () => client.destroy());
      client.once("close", () => upstream.destroy());
      if (client.destroyed) upstream.destroy();
      client.pipe(upstream).pipe(client);
      return;
    }
    client.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // "close" follows, and ends the other side.
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }
}

function dial({ host, port }: Address): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true });
    socket.once("connect", () => resolve(socket)).once("error", () => resolve(undefined));
  });
}

function shuffled(addresses: readonly Address[], random: Random): readonly Address[] {
  const left = [...addresses];
  return addresses.flatMap(() => left.splice(random.below(left.length), 1));
}
