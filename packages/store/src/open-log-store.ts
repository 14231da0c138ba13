import type { DiskFile } from "@saturnmq/kit";
import { Arena } from "./arena.ts";
import { BadEntries } from "./bad-entries.ts";
import { BulkSegments } from "./bulk-segments.ts";
import { blockBytes, viewOf } from "./bytes.ts";
import { CheckpointStore } from "./checkpoint-store.ts";
import { FileLogStore, type StoreParts } from "./file-log-store.ts";
import { frameHeadBytes, readFrameHead, sealFrameHead } from "./frame.ts";
import type { DamagedGroup } from "./group-table.ts";
import { claimFolder } from "./identity.ts";
import { Janitor } from "./janitor.ts";
import { LogReader } from "./log-reader.ts";
import { LogWriter } from "./log-writer.ts";
import { MessageIndex } from "./message-index.ts";
import type { LogStoreOptions } from "./options.ts";
import { checkpointFolder, indexFolder, logFolder, sequenceOf } from "./paths.ts";
import { CorruptionError, type Identity, type LogStore } from "./ports.ts";
import { QueueRows } from "./queue-rows.ts";
import { type RecoveredLog, recoverLog } from "./recovery.ts";
import type { Segment } from "./segment.ts";
import { SegmentList } from "./segment-list.ts";
import { SegmentPool, zeroFill } from "./segment-pool.ts";
import { Stage, stageSpareBytes } from "./stage.ts";
import { encodeStateFrame, type GroupState } from "./state-frame.ts";

const mib = 1024 * 1024;

type Settings = LogStoreOptions & Required<Omit<LogStoreOptions, "clusterId" | "replicaId">>;

/**
 * Opens a data folder: locks it, checks whose it is, raises the incarnation on disk, recovers the log, and is then ready to append.
 *
 * @throws {DiskError} `locked` when another process has the folder
 * @throws {ForeignFolderError} when it belongs to another cluster or replica, or to nobody and none is named
 * Groups with other voters survive damage: the store opens without what they lost, and `damaged` names them.
 *
 * @throws {CorruptionError} naming file and offset, when something acknowledged is damaged that exists nowhere else
 */
export async function openLogStore(options: LogStoreOptions): Promise<LogStore> {
  const settings = withDefaults(options);
  const { disk, folder } = settings;
  await disk.makeFolder(folder);
  const lock = await disk.lockFolder(folder);
  try {
    const identity = await claimFolder(disk, folder, settings.clusterId, settings.replicaId);
    return await openLocked(settings, identity, lock);
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

async function openLocked(settings: Settings, identity: Identity, lock: AsyncDisposable): Promise<LogStore> {
  const { disk, folder, logger } = settings;
  const checkpoints = new CheckpointStore(disk, checkpointFolder(folder), logger);
  await checkpoints.open();
  await disk.makeFolder(indexFolder(folder));
  // A killed process may leave names that are there but not durable yet; what is built on them must not be lost with them.
  for (const part of [logFolder(folder), indexFolder(folder), checkpointFolder(folder)]) await disk.syncFolder(part);
  const found = await recoverLog({ disk, folder, identity, logger, checkpoints });
  await removeLeftovers(settings, found.segments);
  await checkpoints.removeDropped();
  const pool = new SegmentPool({ ...settings, identity });
  await pool.open();
  const bulk = new BulkSegments({ ...settings, identity });
  await bulk.open();
  const { lastSequence, file } = await beginWriting(settings, identity, found, pool, checkpoints);
  const parts = wire(settings, identity, lock, found, pool, bulk, checkpoints, file, lastSequence);
  // What was recovered counts as durable from now on, and the place of a torn frame is overwritten.
  await parts.writer.seal();
  await recordDamage(parts, found.damaged);
  return new FileLogStore(parts);
}

/** Writes down where damaged groups' logs end now: what goes on there must not be taken for what was there before. */
async function recordDamage(
  { stage, writer, groups, logger }: StoreParts,
  damaged: readonly DamagedGroup[],
): Promise<void> {
  if (damaged.length === 0) return;
  for (const { log, firstLost, logStart, restart } of damaged) {
    const { group, damage } = log;
    stage.addDamage(log, firstLost, groups.size);
    if (logStart !== undefined) stage.addLogStart(log, logStart, log.terms.at(logStart - 1) ?? 0, groups.size);
    if (restart !== undefined) {
      stage.addRestart(log, restart, groups.size);
      log.stagedGap = restart.keptTo;
    }
    logger.error(
      { group, damage, firstLost, restartedAt: restart?.index },
      "a group lost entries that peers must hold",
    );
  }
  await writer.commit();
}

/** Builds the rooms around the recovered log. */
function wire(
  settings: Settings,
  identity: Identity,
  lock: AsyncDisposable,
  found: RecoveredLog,
  pool: SegmentPool,
  bulk: BulkSegments,
  checkpoints: CheckpointStore,
  file: DiskFile,
  lastSequence: number,
): StoreParts {
  const { logger, cacheBytes, maxEntryBytes } = settings;
  const { groups } = found.table;
  const segments = new SegmentList(found.segments);
  const arena = new Arena(cacheBytes);
  const bad = new BadEntries();
  const stage = new Stage(arena, maxEntryBytes);
  const failed = (error: unknown): void => {
    logger.fatal({ err: error }, "the log store has failed: the process must end");
  };
  const janitor: Janitor = new Janitor({
    ...settings,
    segments,
    bulk,
    bad,
    pool,
    checkpoints,
    groups,
    changed: (segment) => {
      index.forget(segment);
    },
    failed: (error) => {
      writer.fail(error);
    },
  });
  const rebuild = (segment: Segment): ReturnType<Janitor["rebuild"]> => janitor.rebuild(segment);
  const index = new MessageIndex(segments, bulk, logger, rebuild);
  const writer: LogWriter = new LogWriter(
    {
      ...settings,
      arena,
      stage,
      segments,
      pool,
      syncWrites: !settings.unsafeNoSync,
      epoch: identity.incarnation,
      states: () => statesOf(groups, checkpoints),
      failed,
    },
    file,
    lastSequence,
    found.sealed,
  );
  const reader = new LogReader({ segments, bulk, bad, arena, logger, rebuild });
  pool.prepare(segments.active.sequence + 1);
  const rooms = { segments, bulk, bad, checkpoints, pool, stage, writer, reader, index, janitor };
  return { ...settings, ...rooms, identity, groups, lock };
}

/** Makes the recovered tail durable and the place behind it writable; a new log gets its first segment. */
async function beginWriting(
  settings: Settings,
  identity: Identity,
  found: RecoveredLog,
  pool: SegmentPool,
  checkpoints: CheckpointStore,
): Promise<{ lastSequence: number; file: DiskFile }> {
  const { disk, unsafeNoSync, clock } = settings;
  const syncWrites = !unsafeNoSync;
  if (found.prepared !== undefined) {
    await makeWhole(settings, found.prepared, blockBytes);
    pool.adopt(found.prepared);
  }
  for (const segment of found.segments)
    if (segment.badCopy !== undefined) await mendStateFrame(settings, segment, segment.badCopy);
  const active = found.segments.at(-1);
  if (active !== undefined) {
    await makeWhole(settings, active, active.end);
    return {
      lastSequence: found.lastSequence,
      file: await disk.open(active.path, { access: "readWrite", syncWrites }),
    };
  }
  const first = await pool.take(1);
  const states = statesOf(found.table.groups, checkpoints);
  const bytes = encodeStateFrame(states, first.salt, {
    segment: 1,
    sequence: 1,
    epoch: identity.incarnation,
    durable: 0,
    wallMs: clock.wallMs(),
  });
  const file = await disk.open(first.path, { access: "readWrite", syncWrites });
  await file.write(bytes, 0, bytes.length, blockBytes);
  first.end = blockBytes + bytes.length;
  first.lastSequence = 1;
  first.rows = new QueueRows(1);
  found.segments.push(first);
  return { lastSequence: 1, file };
}

/** A killed process may leave bytes that were read but are not durable yet, and a cut file is shorter than its header says. */
async function makeWhole({ disk }: Settings, segment: Segment, end: number): Promise<void> {
  const file = await disk.open(segment.path, { access: "readWrite" });
  try {
    const size = await file.size();
    if (size < segment.size)
      await zeroFill(file, Math.max(end, Math.floor(size / blockBytes) * blockBytes), segment.size);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A state frame is there twice so that one bad copy loses nothing: it is written anew from the other before that goes bad too. */
async function mendStateFrame(
  { disk, logger }: Settings,
  segment: Segment,
  { good, bad }: { good: number; bad: number },
): Promise<void> {
  const file = await disk.open(segment.path, { access: "readWrite" });
  try {
    const bytes = new Uint8Array(Math.abs(good - bad));
    await file.read(bytes, 0, bytes.length, good);
    const view = viewOf(bytes);
    const head = readFrameHead(bytes, view, 0, segment.sequence, segment.salt);
    if (head === undefined)
      throw new CorruptionError(segment.path, good, "the state frame cannot be read a second time");
    sealFrameHead(bytes, view, 0, segment.salt, { ...head, copy: 1 - head.copy });
    await file.write(bytes, 0, bytes.length, bad);
    await file.sync();
    logger.warn(
      { path: segment.path, offset: bad },
      "a copy of a state frame was corrupt and has been written anew from the other",
    );
  } finally {
    await file.close();
  }
}

function statesOf(groups: StoreParts["groups"], checkpoints: CheckpointStore): readonly GroupState[] {
  return [...groups.values()]
    .filter(({ exists }) => exists)
    .map((log) => log.placedState(checkpoints.of(log.group)[0]))
    .sort((a, b) => a.group - b.group);
}

/** Summaries that an earlier life left half written, or whose segment is freed. */
async function removeLeftovers({ disk, folder }: Settings, segments: readonly Segment[]): Promise<void> {
  const held = new Set(segments.map(({ sequence }) => sequence));
  for (const name of await disk.list(indexFolder(folder))) {
    const sequence = sequenceOf(name, "sum");
    if (name.endsWith(".tmp") || (sequence !== undefined && !held.has(sequence)))
      await disk.remove(`${indexFolder(folder)}/${name}`);
  }
}

function withDefaults(options: LogStoreOptions): Settings {
  const settings = {
    segmentBytes: 256 * mib,
    cacheBytes: 64 * mib,
    maxEntryBytes: 20 * mib,
    checkpointBytes: 4096 * mib,
    checkpointRecords: 4_000_000,
    reserveBytes: 64 * mib,
    sealAfterMs: 50,
    unsafeNoSync: false,
    ...options,
  } as const;
  const states = 2 * blockBytes;
  const largest = frameHeadBytes + settings.maxEntryBytes + stageSpareBytes;
  if (settings.segmentBytes % blockBytes !== 0 || settings.segmentBytes > 2 ** 32 - blockBytes)
    throw new RangeError(`segmentBytes must be a multiple of ${blockBytes} below 4 GiB, not ${settings.segmentBytes}`);
  if (settings.segmentBytes < largest + states + blockBytes)
    throw new RangeError(
      `segmentBytes must be larger than ${largest + states + blockBytes}, so that the largest entry fits`,
    );
  if (settings.cacheBytes < 3 * largest)
    throw new RangeError(`cacheBytes must be at least ${3 * largest}, three times the largest entry`);
  return settings;
}
