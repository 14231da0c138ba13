import { randomInt, randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Logger, Random } from "@saturnmq/kit";
import { serveHttp } from "@saturnmq/kit/http";
import { systemClock, systemTimers } from "@saturnmq/kit/node";
import type { OperatorConfig } from "./config.ts";
import type { Control } from "./control/control.ts";
import { Controllers } from "./control/controllers.ts";
import { type ClusterAdmin, GrpcClusterAdmin } from "./grpc/cluster-admin.ts";
import { ApiClient } from "./kube/api-client.ts";
import type { Credentials } from "./kube/credentials.ts";
import { Election } from "./kube/election.ts";
import { EventRecorder } from "./kube/events.ts";
import { Objects } from "./kube/objects.ts";
import { nameServerEndpoints } from "./model/naming.ts";

export type OperatorDeps = {
  readonly credentials: Credentials;
  readonly logger: Logger;
  /** Called once when leadership is lost: the process must end at once. */
  readonly fatal: (error: unknown) => void;
};

/** An operator that serves its port and waits to lead, or leads. */
export type RunningOperator = {
  readonly httpPort: number;
  /** Resolves when it leads and knows everything. */
  readonly leading: Promise<void>;
  close(): Promise<void>;
};

const random: Random = { below: (bound) => randomInt(bound) };

/** Starts an operator. @throws {SaturnError} when its port cannot be opened */
export async function startOperator(
  config: OperatorConfig,
  { credentials, logger, fatal }: OperatorDeps,
): Promise<RunningOperator> {
  await using opened = new AsyncDisposableStack();
  const client = opened.use(new ApiClient(credentials));
  const clock = systemClock();
  const timers = systemTimers();
  const identity = config.identity === "" ? `${hostname()}-${randomUUID().slice(0, 8)}` : config.identity;
  const namespace = config.leaseNamespace === "" ? client.namespace : config.leaseNamespace;
  const election = new Election({
    ...{ client, namespace, name: config.leaseName, identity, clock, timers, logger },
    lost: () => fatal(new Error("another operator may lead by now")),
  });
  const admins = opened.use(new Admins());
  const control: Control = {
    ...{ objects: new Objects(client), events: new EventRecorder({ client, identity, clock, logger }) },
    ...{ clock, logger, image: config.image, leads: () => election.leads },
    admin: (...cluster) => admins.of(...cluster),
  };
  const { namespaces, workers } = config;
  const controllers = new Controllers({ client, control, namespaces, workers, clock, timers, random, logger });
  const gauges = (): Readonly<Record<string, number>> => ({
    ...controllers.gauges(),
    saturnmq_operator_leads: Number(election.leads),
  });
  const http = await serveHttp({
    host: config.host,
    port: config.httpPort,
    notReady: () => controllers.notReady(),
    metrics: () => Promise.resolve(prometheusText(gauges())),
    logger,
  });
  opened.defer(() => http.close());
  // Last in, first out: nothing is begun, then the lease is given back, and the port answers until then.
  opened.defer(() => election.close());
  opened.defer(() => controllers.close());
  const leading = lead(election, controllers, logger);
  const held = opened.move();
  return { httpPort: http.port, leading, close: () => held.disposeAsync() };
}

/** Present values by their Prometheus name, as Prometheus's text. */
function prometheusText(gauges: Readonly<Record<string, number>>): string {
  const lines = Object.entries(gauges).map(([name, value]) => `# TYPE ${name} gauge\n${name} ${value}\n`);
  return lines.join("");
}

async function lead(election: Election, controllers: Controllers, logger: Logger): Promise<void> {
  await election.win();
  if (!election.leads) return;
  logger.info({}, "this operator leads");
  await controllers.start();
}

/** Connections to the name servers of each cluster, made once for each set of members. */
class Admins implements Disposable {
  readonly #clients = new Map<string, GrpcClusterAdmin>();

  of(namespace: string, nameServer: string, ids: readonly number[]): ClusterAdmin {
    const endpoints = nameServerEndpoints(namespace, nameServer, ids);
    const key = endpoints.join();
    const client = this.#clients.get(key) ?? new GrpcClusterAdmin(endpoints);
    this.#clients.set(key, client);
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
  }
}
