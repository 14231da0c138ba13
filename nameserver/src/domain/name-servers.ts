import { hostAndPort, SaturnError } from "@saturnmq/kit";
import type { JoinRequest } from "@saturnmq/wire";
import { clusterOf } from "./brokers.ts";
import { checkLevel } from "./feature-level.ts";
import type { Decision } from "./records.ts";
import { finishedBefore } from "./repeated.ts";
import type { AddNameServer, RemoveNameServer } from "./requests.ts";
import type { MetadataState, NameServer, NameServerGroup, NameServerMember } from "./state.ts";

/** More make each change slower and nothing safer. One more may be there while another is replaced. */
const membersMax = 6;
const idMax = 2_147_483_647;
const portMax = 65_535;
const hostMax = 253;
const processMax = 64;
/** Removed members whose addresses are kept: a change waits for the one before, so the group has let all others go. */
const formerKept = 4;
const founder = "founder";

/** The group as its leader sees it. */
export type GroupNow = {
  /** Members that this one is configured with; none: nobody could reach it. */
  readonly configured: readonly NameServer[];
  /** Voters of Raft's configuration, both halves of a joint one. */
  readonly voters: readonly number[];
  /** Raft's configuration is what the last change asked for, and committed. */
  readonly settled: boolean;
  /** Members that the leader is linked with, and itself. */
  readonly up: ReadonlySet<number>;
};

/** Whom Raft's configuration is to hold. */
export type GroupTarget = {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  readonly revision: number;
};

/**
 * Who of those that came is to vote: an odd number, the oldest first. Of an even number the newest listens until another one comes or goes: as a voter it
 * would add one more that may fail, and none that may be missing. So one is replaced, or two are added, by a single change.
 */
export function targetOf({ members, revision }: Pick<NameServerGroup, "members" | "revision">): GroupTarget {
  const came = members.filter(({ process }) => process !== "").map(({ id }) => id);
  const votes = came.length - (came.length % 2 === 0 ? 1 : 0);
  return { voters: came.slice(0, votes), learners: came.slice(votes), revision };
}

/** The group as it was last changed, or as it was founded. */
export function groupOf({ nameServers }: MetadataState, configured: readonly NameServer[]): NameServerGroup {
  if (nameServers !== undefined) return nameServers;
  const members = configured.map((member) => ({ ...member, process: founder }));
  return { revision: 0, members, former: [], highestId: Math.max(0, ...configured.map(({ id }) => id)) };
}

/**
 * A place for a process that starts with an empty folder.
 *
 * @throws {SaturnError} `BAD_REQUEST`, `ALREADY_EXISTS`; `FAILED_PRECONDITION` while the change before is under way, or the group cannot grow
 */
export function decideAddNameServer(
  state: MetadataState,
  { requestId, id, host, peerPort, grpcPort }: AddNameServer,
  now: GroupNow,
): Decision<undefined> {
  const call = `addNameServer ${id}`;
  if (finishedBefore(state, requestId, call) !== undefined) return { records: [], reply: undefined };
  checkLevel(state, 2, "changing the members of the name server group");
  const group = groupOf(state, now.configured);
  if (group.members.length === 0)
    throw cannot("this name server is configured without members, so no other could reach it: name it in its own list");
  checkNewcomer({ id, host, peerPort, grpcPort }, group);
  checkSettled(now);
  if (group.members.length >= membersMax)
    throw cannot(`the group has ${group.members.length} members, and never more: remove one first`);
  const members = [...group.members, { id, host, peerPort, grpcPort, process: "" }];
  return changed(requestId, call, { ...group, members, highestId: id });
}

function checkNewcomer({ id, host, peerPort, grpcPort }: NameServer, { members, highestId }: NameServerGroup): void {
  if (members.some((member) => member.id === id))
    throw new SaturnError("ALREADY_EXISTS", `name server ${id} is a member already`);
  if (!Number.isInteger(id) || id < 1 || id > idMax) throw bad(`a member id is 1 to ${idMax}, not ${id}`);
  if (id <= highestId)
    throw bad(`ids are never given again, and ${highestId} is the highest so far: give it ${highestId + 1}`);
  if (host === "" || host.length > hostMax) throw bad(`a host has 1 to ${hostMax} characters`);
  for (const port of [peerPort, grpcPort])
    if (!Number.isInteger(port) || port < 1 || port > portMax) throw bad(`a port is 1 to ${portMax}, not ${port}`);
  const addresses = new Set(members.flatMap((member) => addressesOf(member)));
  const taken = addressesOf({ host, peerPort, grpcPort }).find((address) => addresses.has(address));
  if (taken !== undefined) throw bad(`${taken} is another member's: remove that one first`);
}

function addressesOf({ host, peerPort, grpcPort }: Omit<NameServer, "id">): readonly string[] {
  return [hostAndPort(host, peerPort), hostAndPort(host, grpcPort)];
}

/**
 * Grants a newcomer its place, once: the same id with an empty folder and another process has lost its votes with its data.
 *
 * @throws {SaturnError} `FORBIDDEN`
 */
export function decideJoin(
  state: MetadataState,
  { member, process }: JoinRequest,
  configured: readonly NameServer[],
): Decision<{ readonly clusterId: string }> {
  const reply = { clusterId: clusterOf(state).clusterId };
  if (process === "" || process.length > processMax) throw bad(`a process is named by 1 to ${processMax} characters`);
  const group = groupOf(state, configured);
  const place = group.members.find(({ id }) => id === member);
  if (place === undefined || (place.process !== "" && place.process !== process))
    throw new SaturnError("FORBIDDEN", refusalOf(member, group, place));
  if (place.process === process) return { records: [], reply };
  // Whoever came counts from when it came: an older place that is still empty must not make its owner a voter first.
  const members = [...group.members.filter(({ id }) => id !== member), { ...place, process }];
  const { records } = changed(process, `joinNameServer ${member}`, { ...group, members });
  return { records, reply };
}

function refusalOf(member: number, group: NameServerGroup, place: NameServerMember | undefined): string {
  const fresh = "add another one under a new id ('saturnmq nameserver add')";
  if (place !== undefined)
    return (
      `the folder of member ${member} is empty, but it has been in the group: its votes are lost with its data, so it must not come back under this ` +
      `id; restore the folder, or ${fresh} and remove this one`
    );
  if (member <= group.highestId) return `member ${member} was removed from the group, and its id is refused: ${fresh}`;
  return `the group knows no member ${member}: 'saturnmq nameserver add ${member}' makes a place for it`;
}

/**
 * Takes a member out. Those that stay must be able to go on without it.
 *
 * @throws {SaturnError} `NOT_FOUND`; `FAILED_PRECONDITION` for the last one, while the change before is under way, or without a majority of the others
 */
export function decideRemoveNameServer(
  state: MetadataState,
  { requestId, id }: RemoveNameServer,
  now: GroupNow,
): Decision<undefined> {
  const call = `removeNameServer ${id}`;
  if (finishedBefore(state, requestId, call) !== undefined) return { records: [], reply: undefined };
  checkLevel(state, 2, "changing the members of the name server group");
  const group = groupOf(state, now.configured);
  const leaver = group.members.find((member) => member.id === id);
  if (leaver === undefined) throw new SaturnError("NOT_FOUND", `name server ${id} is not a member of the group`);
  const members = group.members.filter((member) => member !== leaver);
  const { voters } = targetOf({ ...group, members });
  if (voters.length === 0) throw cannot("it is the only member that came: the group would be nobody");
  if (now.voters.includes(id)) checkSettled(now);
  const up = voters.filter((voter) => now.up.has(voter));
  if (2 * up.length <= voters.length)
    throw cannot(
      `of those that would vote without it, ${voters.join(", ")}, no majority is up (${up.join(", ") || "none"}): start them first`,
    );
  const { host, peerPort, grpcPort } = leaver;
  const former = [...group.former, { id, host, peerPort, grpcPort }].slice(-formerKept);
  return changed(requestId, call, { ...group, members, former });
}

function checkSettled({ settled, voters }: GroupNow): void {
  if (settled) return;
  throw cannot(`the change before is still under way (${voters.join(", ")} vote): see 'saturnmq nameserver list'`);
}

function changed(requestId: string, call: string, group: NameServerGroup): Decision<undefined> {
  const { members, former, highestId } = group;
  return { records: [{ kind: "nameServersChanged", requestId, call, members, former, highestId }], reply: undefined };
}

function bad(message: string): SaturnError {
  return new SaturnError("BAD_REQUEST", message);
}

function cannot(message: string): SaturnError {
  return new SaturnError("FAILED_PRECONDITION", message);
}
