import { hostname } from "node:os";
import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import type { RunningHttp } from "@saturnmq/kit/http";
import type { LogStore } from "@saturnmq/store";
import type { MetadataService } from "@saturnmq/wire";
import { adminService } from "./admin/admin-service.ts";
import { spreadClients } from "./client-spread.ts";
import { type BrokerConfig, requestBytesMax } from "./config.ts";
import type { DataPlane } from "./data-plane-api.ts";
import { messagingService } from "./grpc/handlers/messaging-service.ts";
import { metricsSink } from "./grpc/handlers/metrics-sink.ts";
import type { Sessions } from "./grpc/handlers/sessions.ts";
import { Stopping } from "./grpc/handlers/stopping.ts";
import type { KeyPair } from "./grpc/transport/certificate.ts";
import { serve } from "./grpc/transport/serve.ts";
import type { Service, Transport } from "./grpc/transport/service.ts";
import { RpcBook } from "./http/rpc-book.ts";
import type { ConnectionCounts } from "./peer/connection-counts.ts";

export type ServingWorld = {
  readonly config: BrokerConfig;
  readonly metadata: MetadataService;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly sessions: Sessions;
  /** Of the other brokers; alone there are none. */
  readonly counts: ConnectionCounts | undefined;
};

const wildcardHosts: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** The two ports of a broker over its data plane. */
export class Serving {
  readonly #world: ServingWorld;
  readonly #store: LogStore;
  readonly #dataPlane: DataPlane;
  readonly #signal: AbortSignal;
  readonly #rpcs = new RpcBook();
  readonly #sessions: Sessions;
  readonly #stopping = new Stopping();
  #transport: Transport | undefined;
  #http: RunningHttp | undefined;
  #closing: Promise<void> | undefined;

  /** @param signal ends the watching of metadata */
  constructor(world: ServingWorld, store: LogStore, dataPlane: DataPlane, signal: AbortSignal) {
    this.#world = world;
    this.#store = store;
    this.#dataPlane = dataPlane;
    this.#signal = signal;
    this.#sessions = world.sessions;
  }

  get grpcPort(): number {
    return this.#transport?.port ?? this.#world.config.grpcPort;
  }

  get httpPort(): number {
    return this.#http?.port ?? this.#world.config.httpPort;
  }

  /** @throws {SaturnError} when the port cannot be opened */
  async openGrpc(tls: KeyPair): Promise<void> {
    const { config, clock, timers, random, logger } = this.#world;
    const { connections } = config;
    this.#transport = await serve(config.transport, this.#services(), {
      ...{ host: config.host, port: config.grpcPort, tls, clock, timers, random, log: logger },
      receiveBytesMax: requestBytesMax(config),
      concurrentStreamsMax: connections.streamsMax,
      connectionsMax: connections.max,
      addressConnectionsMax: Math.ceil((connections.max * connections.addressPercentMax) / 100),
      connectionMemoryMib: connections.memoryMib,
      idleMs: connections.idleMs,
      ageMs: connections.ageMs,
      firstBytesTimeoutMs: connections.firstBytesTimeoutMs,
      observe: (path, tookMs, grpcStatus) => {
        this.#rpcs.record(path.slice(1), grpcStatus, tookMs);
      },
    });
    const self = this.#store.identity.replicaId;
    spreadClients({ ...this.#world, self, transport: this.#transport }, this.#signal);
  }

  /** What TLS connections that come from now on get. */
  setCertificate(pair: KeyPair): void {
    this.#transport?.setCertificate(pair);
  }

  /** Loaded only now: clients come first, this takes its time. @throws {SaturnError} when the port cannot be opened */
  async openHttp(): Promise<void> {
    const [{ serveHttp }, { openMetrics }] = await Promise.all([
      import("@saturnmq/kit/http"),
      import("./http/metrics.ts"),
    ]);
    const { logger, config } = this.#world;
    const registry = openMetrics({
      rpcs: this.#rpcs,
      counters: () => this.#counters(),
      gauges: () => this.#gauges(),
    });
    this.#http = await serveHttp({
      host: config.host,
      port: config.httpPort,
      notReady: () => this.#notReady(),
      metrics: () => registry.metrics(),
      logger,
    });
  }

  /** Answers waiting receives, ends telemetry, lets calls in flight finish for `deadlineMs`, closes both ports. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    this.#stopping.begin();
    await this.#transport?.close(deadlineMs);
    await this.#http?.close();
  }

  #services(): readonly Service[] {
    const { config, clock, timers, logger, metadata } = this.#world;
    const host = wildcardHosts.has(config.host) ? hostname() : config.host;
    const messaging = messagingService({
      messaging: this.#dataPlane,
      sessions: this.#sessions,
      limits: config.limits,
      ...{ clock, timers, log: logger, stopping: this.#stopping },
      ownPort: () => this.grpcPort,
      storeHost: () => `${host}:${this.grpcPort}`,
      observe: (rpc, code, tookMs) => {
        this.#rpcs.record(rpc, code, tookMs);
      },
    });
    return [messaging.service, adminService({ messaging: this.#dataPlane, metadata }, this.#signal), metricsSink];
  }

  #notReady(): readonly string[] {
    if (this.#closing !== undefined) return ["the broker is stopping"];
    if (this.#dataPlane.ready) return [];
    const waiting = this.#dataPlane.counters().shards.filter(({ serving }) => !serving);
    return waiting.length === 0
      ? ["no shard is placed on this broker yet"]
      : waiting.map(({ shard }) => `shard ${shard} is not served yet`);
  }

  #counters(): Readonly<Record<string, number>> {
    const counters = this.#dataPlane.counters();
    const { sentMessages, sentBytes, refusedSends, receives } = counters;
    const { deliveredMessages, redeliveredMessages, ackedMessages, parkedMessages, deadLetteredMessages } = counters;
    const { writes: logWrites, writtenBytes: logWrittenBytes } = this.#store.usage();
    return {
      ...{ logWrites, logWrittenBytes },
      ...{ sentMessages, sentBytes, refusedSends, receives },
      ...{ deliveredMessages, redeliveredMessages, ackedMessages, parkedMessages, deadLetteredMessages },
    };
  }

  #gauges(): Readonly<Record<string, number>> {
    const { waitingReceives, heldCalls, inFlightMessages, unreadMessages, stagedBytes, shards } =
      this.#dataPlane.counters();
    const { logBytes, freeBytes, reserveBytes, full } = this.#store.usage();
    return {
      ...{ waitingReceives, heldCalls, inFlightMessages, unreadMessages, stagedBytes },
      ...{ logBytes, diskFreeBytes: freeBytes, diskReserveBytes: reserveBytes, diskFull: full ? 1 : 0 },
      connections: this.#transport?.connections ?? 0,
      clients: this.#sessions.count,
      shards: shards.length,
      shardsServed: shards.filter(({ serving }) => serving).length,
    };
  }
}
