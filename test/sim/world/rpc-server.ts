import {
  type Cancel,
  type Connection,
  type ConnectionHandler,
  type Net,
  SaturnError,
  type Timers,
} from "@saturnmq/kit";
import type { Incoming, Method, Outgoing, Serve, ServeOptions, Service } from "@saturnmq/nameserver/testing";
import { encodeEnd, FrameReader, frameKind, writeFrame } from "./rpc-frames.ts";

/** As the keepalive of the gRPC server: a caller that is silent for longer is gone. */
const silenceMs = 4_500;

/** Serves a name server's services over the simulated network. @param bug told of what a method threw that is no refusal */
export function simulatedServe(net: Net, timers: Timers, bug: (error: unknown) => void): Serve {
  return async (services, options) => {
    const methods = methodsOf(services);
    const open = new Set<ServedCall>();
    const listener = await net.listen({
      ...{ host: options.host, port: options.port },
      failed: bug,
      accept: (connection) => {
        const call: ServedCall = new ServedCall(connection, methods, timers, options, bug, () => open.delete(call));
        open.add(call);
        return call.handler;
      },
    });
    return {
      port: listener.port,
      close: async () => {
        for (const call of [...open]) call.fail(new SaturnError("HA_NOT_AVAILABLE", "this name server is stopping"));
        await listener.close();
      },
    };
  };
}

function methodsOf(services: readonly Service[]): ReadonlyMap<string, Method> {
  return new Map(
    services.flatMap(({ name, methods }) => [...methods].map(([method, how]) => [`/${name}/${method}`, how] as const)),
  );
}

/** One call, which is one connection. */
class ServedCall {
  readonly handler: ConnectionHandler;
  readonly #connection: Connection;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #timers: Timers;
  readonly #options: ServeOptions;
  readonly #bug: (error: unknown) => void;
  readonly #gone: () => void;
  #method: Method | undefined;
  #incoming: Incoming | undefined;
  #outgoing: Outgoing | undefined;
  #over = false;
  #cancelSilence: Cancel = () => undefined;

  constructor(
    connection: Connection,
    methods: ReadonlyMap<string, Method>,
    timers: Timers,
    options: ServeOptions,
    bug: (error: unknown) => void,
    gone: () => void,
  ) {
    this.#connection = connection;
    this.#methods = methods;
    this.#timers = timers;
    this.#options = options;
    this.#bug = bug;
    this.#gone = gone;
    const reader = new FrameReader((kind, payload) => this.#take(kind, payload));
    this.handler = {
      data: (chunk) => {
        this.#listenOn();
        reader.add(chunk);
      },
      drained: () => this.#outgoing?.drained(),
      closed: () => this.#ended(),
    };
    this.#listenOn();
  }

  /** Ends the call: with OK, or with what a `SaturnError` says. */
  fail(failure?: unknown): void {
    if (this.#over) return;
    const { leaderAddress } = this.#options;
    if (failure === undefined) writeFrame(this.#connection, frameKind.end, encodeEnd(undefined));
    else if (failure instanceof SaturnError) {
      const { code, message: details } = failure;
      const leader = code === "HA_NOT_AVAILABLE" ? leaderAddress() : undefined;
      writeFrame(this.#connection, frameKind.end, encodeEnd({ code, details, leader }));
    } else this.#bug(failure);
    this.#ended();
    this.#connection.end();
  }

  #listenOn(): void {
    this.#cancelSilence();
    this.#cancelSilence = this.#timers.after(silenceMs, () => {
      this.#connection.destroy();
    });
  }

  #take(kind: number, payload: Uint8Array): void {
    try {
      if (kind === frameKind.ping) writeFrame(this.#connection, frameKind.pong);
      else if (kind === frameKind.call) this.#call(new TextDecoder().decode(payload));
      else if (kind === frameKind.message) this.#message(payload);
      else if (kind === frameKind.finish && this.#method?.kind === "bidirectional") this.fail();
    } catch (error) {
      this.fail(error);
    }
  }

  #call(path: string): void {
    this.#method = this.#methods.get(path);
    if (this.#method === undefined) throw new SaturnError("UNIMPLEMENTED", `${path} is not served`);
    if (this.#method.kind === "bidirectional") this.#incoming = this.#method.open(this.#replies());
  }

  #message(payload: Uint8Array): void {
    if (this.#over) return;
    if (this.#method?.kind === "serverStreaming") this.#method.open(payload, this.#replies());
    else if (this.#method?.kind === "unary") {
      this.#method.handle(payload).then(
        (reply) => {
          if (!this.#over) writeFrame(this.#connection, frameKind.message, reply);
          this.fail();
        },
        (error: unknown) => this.fail(error),
      );
    } else this.#incoming?.message(payload);
  }

  #replies(): Outgoing {
    this.#outgoing = {
      write: (reply) => (this.#over ? true : writeFrame(this.#connection, frameKind.message, reply)),
      drained: () => undefined,
      ended: () => undefined,
      end: (failure) => this.fail(failure),
    };
    return this.#outgoing;
  }

  #ended(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelSilence();
    this.#gone();
    this.#outgoing?.ended();
  }
}
