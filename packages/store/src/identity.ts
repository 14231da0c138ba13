import { type Disk, DiskError, replaceFile } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { checkpointFolder, logFolder } from "./paths.ts";
import { CorruptionError, ForeignFolderError, type Identity } from "./ports.ts";

const format = 1;

/** Path of the file that says whose folder it is. */
function identityPath(folder: string): string {
  return `${folder}/identity`;
}

/**
 * The identity as lines that an operator can read:
 *
 * ```
 * saturnmq-data 1
 * cluster 3f0c…
 * replica 7
 * incarnation 42
 * crc 1b2c3d4e
 * ```
 */
function encodeIdentity(identity: Identity): Uint8Array {
  const { clusterId, replicaId, incarnation } = identity;
  const lines = `saturnmq-data ${format}\ncluster ${clusterId}\nreplica ${replicaId}\nincarnation ${incarnation}\n`;
  const bytes = new TextEncoder().encode(lines);
  const crc = crc32(bytes, 0, bytes.length).toString(16).padStart(8, "0");
  return new TextEncoder().encode(`${lines}crc ${crc}\n`);
}

/** @throws {CorruptionError} unless the bytes are exactly what `encodeIdentity` writes */
function decodeIdentity(bytes: Uint8Array, path: string): Identity {
  const text = new TextDecoder().decode(bytes);
  const match = /^saturnmq-data (\d+)\ncluster ([^\n]+)\nreplica (\d+)\nincarnation (\d+)\ncrc [0-9a-f]{8}\n$/.exec(
    text,
  );
  if (match === null) throw new CorruptionError(path, 0, "it is not an identity file");
  const [, version, clusterId = "", replicaId, incarnation] = match;
  const identity = { clusterId, replicaId: Number(replicaId), incarnation: Number(incarnation) };
  if (Number(version) === format && Buffer.compare(encodeIdentity(identity), bytes) === 0) return identity;
  if (Number(version) !== format && crcLineMatches(bytes))
    throw new CorruptionError(
      path,
      14,
      `the data has format ${version}; this program knows ${format}: start the newer one`,
    );
  throw new CorruptionError(path, text.indexOf("crc "), "the lines do not match their CRC");
}

/** The folder's identity, or `undefined` for a folder that has none. */
export async function readIdentity(disk: Disk, folder: string): Promise<Identity | undefined> {
  const path = identityPath(folder);
  try {
    return decodeIdentity(await disk.read(path), path);
  } catch (error) {
    if (error instanceof DiskError && error.code === "notFound") return undefined;
    throw error;
  }
}

async function writeIdentity(disk: Disk, folder: string, identity: Identity): Promise<void> {
  await replaceFile(disk, identityPath(folder), encodeIdentity(identity));
}

/**
 * Checks that the folder is ours, or takes a new one, and raises the incarnation on disk.
 *
 * @param clusterId,replicaId `undefined`: whatever the folder says; a new folder needs both
 * @throws {ForeignFolderError} when they are not the folder's
 * @throws {CorruptionError} when the folder holds a log but no readable identity
 */
export async function claimFolder(
  disk: Disk,
  folder: string,
  clusterId: string | undefined,
  replicaId: number | undefined,
): Promise<Identity> {
  const found = await readIdentity(disk, folder);
  const identity = found === undefined ? await newIdentity(disk, folder, clusterId, replicaId) : found;
  const foreign = clusterId !== undefined && clusterId !== identity.clusterId;
  if (foreign || (replicaId !== undefined && replicaId !== identity.replicaId))
    throw new ForeignFolderError(
      `${folder} holds the data of replica ${identity.replicaId} of cluster ${identity.clusterId}, not of replica ` +
        `${replicaId ?? "any"} of cluster ${clusterId ?? "any"}: start with that folder's own, or name another folder`,
    );
  const raised = { ...identity, incarnation: identity.incarnation + 1 };
  await writeIdentity(disk, folder, raised);
  return raised;
}

async function newIdentity(
  disk: Disk,
  folder: string,
  clusterId: string | undefined,
  replicaId: number | undefined,
): Promise<Identity> {
  for (const part of [logFolder(folder), checkpointFolder(folder)])
    if ((await disk.list(part)).some((name) => !name.endsWith(".tmp")))
      throw new CorruptionError(
        identityPath(folder),
        0,
        `the file is missing, but ${part} holds data: restore it, or name an empty folder`,
      );
  if (clusterId === undefined || replicaId === undefined)
    throw new ForeignFolderError(`${folder} holds no data yet: a cluster id and a replica id are needed to begin`);
  if (!/^[\x21-\x7e]{1,255}$/.test(clusterId))
    throw new RangeError("a cluster id is 1 to 255 printable ASCII characters without spaces");
  if (!Number.isInteger(replicaId) || replicaId < 1 || replicaId > 2 ** 31 - 1)
    throw new RangeError("a replica id is 1 to 2,147,483,647");
  await disk.makeFolder(logFolder(folder));
  await disk.makeFolder(checkpointFolder(folder));
  return { clusterId, replicaId, incarnation: 0 };
}

function crcLineMatches(bytes: Uint8Array): boolean {
  const length = bytes.length - 13;
  const crc = new TextDecoder().decode(bytes.subarray(length + 4, length + 12));
  return crc32(bytes, 0, length) === Number.parseInt(crc, 16);
}
