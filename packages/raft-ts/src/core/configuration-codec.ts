import type { Configuration, ReplicaId } from "../ports.ts";

/** The form that `encodeConfiguration` writes. A reader refuses what it does not know. */
const version = 1;
/** version u8, flags u8, revision as two u32 (high, low), the lengths of the four lists as u16; then the lists, each id an u32. Little-endian. */
const headBytes = 18;
const autoLeaveFlag = 1;
/** The largest replica id. */
export const replicaMax = 2 ** 31 - 1;
/** More members than a group can sensibly have: a length beyond it is damage. */
const membersMax = 1_024;

/** The bytes of a configuration entry. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { autoLeave, revision } = configuration;
  const lists = listsOf(configuration);
  const bytes = new Uint8Array(headBytes + 4 * lists.reduce((sum, list) => sum + list.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint8(0, version);
  view.setUint8(1, autoLeave ? autoLeaveFlag : 0);
  view.setUint32(2, Math.floor(revision / 2 ** 32), true);
  view.setUint32(6, revision >>> 0, true);
  let at = headBytes;
  for (const [which, list] of lists.entries()) {
    view.setUint16(10 + 2 * which, list.length, true);
    for (const id of list) {
      view.setUint32(at, id, true);
      at += 4;
    }
  }
  return bytes;
}

/**
 * Reads what `encodeConfiguration` wrote.
 *
 * @throws {RangeError} if the bytes are of another version, cut, or not a configuration
 */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headBytes) throw new RangeError(`Cannot read a configuration of ${bytes.length} bytes: it is cut`);
  const found = view.getUint8(0);
  if (found !== version)
    throw new RangeError(`Cannot read a configuration of version ${found}: this program reads version ${version}`);
  const flags = view.getUint8(1);
  const revision = view.getUint32(2, true) * 2 ** 32 + view.getUint32(6, true);
  const lengths = [0, 1, 2, 3].map((which) => view.getUint16(10 + 2 * which, true));
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total > membersMax || bytes.length !== headBytes + 4 * total)
    throw new RangeError(`Cannot read a configuration: ${bytes.length} bytes do not hold ${total} members`);
  let at = headBytes;
  const [incoming = [], outgoing = [], learners = [], learnersNext = []] = lengths.map((length) =>
    Array.from({ length }, () => {
      at += 4;
      return view.getUint32(at - 4, true);
    }),
  );
  const configuration = { incoming, outgoing, learners, learnersNext, autoLeave: flags === autoLeaveFlag, revision };
  const problem = flags > autoLeaveFlag ? "it has unknown flags" : configurationProblem(configuration);
  if (problem !== undefined) throw new RangeError(`Cannot read a configuration: ${problem}`);
  return configuration;
}

/** Why this cannot be a group's configuration; `undefined` if it can. */
export function configurationProblem(configuration: Configuration): string | undefined {
  const { incoming, outgoing, learners, learnersNext, autoLeave, revision } = configuration;
  const lists = listsOf(configuration);
  if (!lists.every((list) => list.every((id) => Number.isSafeInteger(id) && id >= 1 && id <= replicaMax)))
    return `replica ids are 1 to ${replicaMax}`;
  if (!lists.every((list) => new Set(list).size === list.length)) return "a replica is listed twice";
  if (lists.reduce((sum, list) => sum + list.length, 0) > membersMax) return `it has more than ${membersMax} members`;
  if (!Number.isSafeInteger(revision) || revision < 0) return "its revision is not an integer from 0 to 2^53 - 1";
  if (incoming.length === 0) return "it has no voter";
  if (learners.some((id) => incoming.includes(id) || outgoing.includes(id))) return "a learner is a voter too";
  if (!learnersNext.every((id) => outgoing.includes(id) && !incoming.includes(id)))
    return "who is to become a learner is not a voter that leaves";
  return outgoing.length === 0 && autoLeave ? "it is to be left, but is not joint" : undefined;
}

function listsOf(configuration: Configuration): readonly (readonly ReplicaId[])[] {
  return [configuration.incoming, configuration.outgoing, configuration.learners, configuration.learnersNext];
}
