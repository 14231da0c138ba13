import { join } from "node:path";
import { CliError, exitCodes } from "../exit-codes.ts";

/** Ports of every member, as in production: members differ by their loopback address. */
export const memberPorts = {
  client: 8_081,
  nameServer: 8_082,
  peer: 8_083,
  nameServerPeer: 8_084,
  http: 9_090,
} as const;

const nameServerCounts: readonly number[] = [1, 3, 5];
const brokersMax = 100;
/** Third byte of the addresses 127.0.x.y, of which a cluster takes one for itself. */
const networkMax = 254;
const nameServersFrom = 200;

export type ClusterPlan = {
  readonly brokers: number;
  readonly nameServers: number;
  /** Failure zones, in turn; none: every member is in the same unnamed one. */
  readonly zones: readonly string[];
  readonly data: string;
  /** 1 to 254: the cluster's addresses are 127.0.network.y. */
  readonly network: number;
};

/** One process of the cluster. */
export type Member = {
  readonly kind: "broker" | "nameserver";
  /** `broker-1`, `nameserver-3`. */
  readonly name: string;
  /** From 1, each kind by itself. */
  readonly number: number;
  readonly zone: string;
  readonly host: string;
  readonly folder: string;
};

/** @throws {CliError} `usage` that names what cannot be and what can */
export function checkPlan({ brokers, nameServers, network }: ClusterPlan): void {
  if (!nameServerCounts.includes(nameServers))
    throw new CliError(exitCodes.usage, `--nameservers ${nameServers}: a cluster has 1, 3 or 5 name servers`);
  if (!isWithin(brokers, 1, brokersMax))
    throw new CliError(exitCodes.usage, `--brokers ${brokers}: choose 1 to ${brokersMax}`);
  if (!isWithin(network, 1, networkMax))
    throw new CliError(exitCodes.usage, `--network ${network}: choose 1 to ${networkMax}`);
}

/** The cluster's processes, name servers first. */
export function membersOf(plan: ClusterPlan): readonly Member[] {
  return [...numbered("nameserver", plan.nameServers, plan), ...numbered("broker", plan.brokers, plan)];
}

function numbered(kind: Member["kind"], count: number, { data, network, zones }: ClusterPlan): Member[] {
  const first = kind === "broker" ? 0 : nameServersFrom;
  return Array.from({ length: count }, (_, at) => ({
    ...{ kind, name: `${kind}-${at + 1}`, number: at + 1 },
    zone: zones[at % zones.length] ?? "",
    host: `127.0.${network}.${first + at + 1}`,
    folder: join(data, `${kind}-${at + 1}`),
  }));
}

/** `host:port` of the name servers' client port, as brokers and tools are told. */
export function nameServerEndpoints(members: readonly Member[]): readonly string[] {
  return members.filter(({ kind }) => kind === "nameserver").map(({ host }) => `${host}:${memberPorts.nameServer}`);
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
