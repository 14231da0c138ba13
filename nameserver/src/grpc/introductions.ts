import { SaturnError } from "@saturnmq/kit";
import { AttemptFailed, type Rpc, readAnswer } from "@saturnmq/metadata-client";
import {
  adminServiceName,
  type Introduction,
  type JoinReply,
  type JoinRequest,
  loadAdminCodecs,
  loadMetadataCodecs,
  type MemberStatement,
  metadataServiceName,
} from "@saturnmq/wire";
import type { MemberState } from "../domain/bootstrap.ts";
import type { Method, Service } from "./service.ts";
import { unaryMethod } from "./unary-method.ts";

const askMs = 1_000;

/**
 * What a member answers to others that start: its state, or that they are configured with other members. Lists count until the group is formed: later ones are
 * of whom it has then.
 */
export function statementFor(asker: Introduction, members: string, own: MemberState): MemberStatement {
  if (own.kind !== "formed" && asker.members !== members) return { state: "otherMembers", clusterId: "" };
  if (own.kind === "unreachable") return { state: "empty", clusterId: "" };
  return { state: own.kind, clusterId: "clusterId" in own ? own.clusterId : "" };
}

/** The services of a member that waits for the others: who it is, and for everything else that it is too early. */
export function formingServices(answer: (asker: Introduction) => MemberStatement): readonly Service[] {
  const { Introduce, ...later } = loadMetadataCodecs();
  const refused = new Map(Object.keys(later).map((name) => [name, tooEarly(name)]));
  const introduce = unaryMethod(Introduce, (asker) => Promise.resolve(answer(asker)));
  const admin = new Map(Object.keys(loadAdminCodecs()).map((name) => [name, tooEarly(name)]));
  return [
    { name: metadataServiceName, methods: refused.set("Introduce", introduce) },
    { name: adminServiceName, methods: admin },
  ];
}

function tooEarly(name: string): Method {
  const refusal = (): SaturnError =>
    new SaturnError("HA_NOT_AVAILABLE", "this name server waits for the other members of its group: try again");
  const open = (): never => {
    throw refusal();
  };
  if (name === "Watch") return { kind: "serverStreaming", open };
  if (name === "Heartbeat") return { kind: "bidirectional", open };
  return { kind: "unary", handle: () => Promise.reject(refusal()) };
}

/** Asks a member at `host:port`. One that does not answer, or not so that it can be understood, is unreachable. */
export async function askMember(rpc: Rpc, address: string, introduction: Introduction): Promise<MemberState> {
  const { Introduce } = loadMetadataCodecs();
  try {
    const reply = await rpc.unary(address, Introduce.path, Introduce.encodeRequest(introduction), askMs);
    const { state, clusterId } = readAnswer(address, reply, (bytes) => Introduce.decodeReply(bytes));
    return state === "prepared" || state === "formed" ? { kind: state, clusterId } : { kind: state };
  } catch (error) {
    if (error instanceof AttemptFailed) return { kind: "unreachable" };
    throw error;
  }
}

/**
 * Asks members at `host:port` for the place that was made for one that starts, until the one that leads grants it.
 *
 * @returns `undefined` when none that answers leads
 * @throws {SaturnError} what the leader refuses with
 */
export async function askToJoin(
  rpc: Rpc,
  addresses: readonly string[],
  request: JoinRequest,
): Promise<JoinReply | undefined> {
  const { Join } = loadMetadataCodecs();
  const left = [...addresses];
  const asked = new Set<string>();
  for (let address = left.shift(); address !== undefined; address = left.shift()) {
    if (asked.has(address)) continue;
    asked.add(address);
    try {
      const reply = await rpc.unary(address, Join.path, Join.encodeRequest(request), askMs);
      return readAnswer(address, reply, (bytes) => Join.decodeReply(bytes));
    } catch (error) {
      if (!(error instanceof AttemptFailed)) throw error;
      if (error.failure.kind === "refused") throw error.failure.error;
      if (error.failure.leader !== undefined) left.unshift(error.failure.leader);
    }
  }
  return undefined;
}
