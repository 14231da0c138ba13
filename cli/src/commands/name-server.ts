import type { AdminMethods } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { Io } from "../io.ts";
import { type GlobalOptions, printResult, table } from "../output.ts";
import { untilThrough } from "./cluster-wait.ts";

type Description = AdminMethods["DescribeCluster"]["reply"];
type NameServer = Description["nameServers"][number];

export type NameServerChangeOptions = GlobalOptions & { readonly wait?: boolean };

export type NameServerAddOptions = NameServerChangeOptions & {
  readonly host: string;
  readonly grpcPort: number;
  readonly peerPort: number;
};

export async function nameServerList(io: Io, { endpoint, output }: GlobalOptions): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const { nameServers } = await admin.call("DescribeCluster", {});
  await printResult(io, output, { nameServers }, () => nameServerTable(nameServers));
}

export function nameServerTable(servers: readonly NameServer[]): string {
  return table(
    servers,
    [
      { title: "NAME SERVER", of: ({ id }: NameServer) => id },
      { title: "STATE", of: ({ leads, up }: NameServer) => (leads ? "leads" : up ? "up" : "down") },
      { title: "PART", of: ({ part }: NameServer) => (part === "" ? "-" : part) },
      { title: "LEVEL", of: ({ featureLevel }: NameServer) => (featureLevel === 0 ? "-" : featureLevel) },
      { title: "ADDRESS", of: ({ address }: NameServer) => (address === "" ? "-" : address) },
    ],
    "no name servers",
  );
}

/** Makes a place for a new member; with `wait` until its process has come and the group has taken it in. */
export async function nameServerAdd(io: Io, id: number, options: NameServerAddOptions): Promise<void> {
  const { endpoint, output, host, grpcPort, peerPort, wait = false } = options;
  using admin = await AdminClient.open(endpoint);
  await admin.call("AddNameServer", { requestId: newRequestId(), id, host, grpcPort, peerPort });
  const goesOn = `the place of name server ${id} stays`;
  if (wait) await untilThrough(io, admin, { left: (cluster) => lackOf(cluster, id), goesOn });
  const how = wait
    ? "is in the group: it votes once it has caught up and the voters are an odd number with it"
    : `has a place: start it with 'self' ${id}, an empty folder, and all members that the group is to have in 'members'`;
  await printResult(io, output, { nameServer: id, there: wait }, () => `name server ${id} ${how}`);
}

/** What a newcomer still lacks. @throws {CliError} when its place was taken away */
function lackOf({ nameServers }: Description, id: number): string | undefined {
  const server = nameServers.find((candidate) => candidate.id === id);
  if (server === undefined || server.part === "leaves")
    throw new CliError(exitCodes.failure, `name server ${id} is not a member any more: somebody removed it`);
  if (server.part === "awaited") return `name server ${id} is awaited: start it`;
  return server.up ? undefined : `name server ${id} is down`;
}

/** Takes a member out; with `wait` until the group has let it go. */
export async function nameServerRemove(
  io: Io,
  id: number,
  { endpoint, output, wait = false }: NameServerChangeOptions,
): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  await admin.call("RemoveNameServer", { requestId: newRequestId(), id });
  const left = ({ nameServers }: Description): string | undefined =>
    nameServers.some((server) => server.id === id) ? `name server ${id} still has a part in the group` : undefined;
  if (wait) await untilThrough(io, admin, { left, goesOn: `the removal of name server ${id} goes on` });
  const how = wait
    ? "is out of the group: its process has ended, or may be stopped"
    : "is being taken out of the group";
  await printResult(io, output, { nameServer: id, gone: wait }, () => `name server ${id} ${how}`);
}
