import type { MetadataService } from "@saturnmq/wire";
import { immediateTurn } from "raft-ts";
import { ClusterService } from "./cluster-service.ts";
import { type FolderOptions, isNewFolder, openFolder } from "./data-folder.ts";
import { Presence } from "./domain/presence.ts";
import { defaultSettings } from "./domain/state.ts";
import { EmbeddedMetadata } from "./embedded-metadata.ts";
import { openMetadata } from "./open-metadata.ts";
import { thisMember } from "./peer/group-links.ts";

// Apart from the process of its own: that one's transport and metrics take as long to load as all that is needed here.

export { parseNameServerConfig } from "./config.ts";

export type NameServerOptions = FolderOptions & {
  /** Shards of a cluster that is made now, 1 to 65,535; an existing one keeps its number. */
  readonly shards: number;
  /** Bytes that cannot be guessed, for the cluster's keys. */
  readonly secret: (length: number) => Uint8Array;
  /** A new cluster id, unique in the world. Asked only when the folder is new. */
  readonly newClusterId: () => string;
  /** Called once with what broke; nothing is answered after it and the process must end. */
  readonly fatal: (error: unknown) => void;
};

/** A name server that serves. */
export type NameServer = {
  readonly metadata: MetadataService;
  readonly clusterId: string;
  /** Calls in flight are answered `HA_NOT_AVAILABLE`; resolves when the log is closed. */
  close(): Promise<void>;
};

/**
 * Opens the name server of a cluster with one broker, in the broker's process: its own Raft group of one voter on its own log. A new folder
 * becomes a new cluster.
 *
 * @throws {CorruptionError | DiskError | SaturnError} if the folder cannot be read or written, is not a name server's, or is in use
 */
export async function openNameServer(options: NameServerOptions): Promise<NameServer> {
  const clusterId = (await isNewFolder(options)) ? options.newClusterId() : undefined;
  const store = await openFolder(options, 1, clusterId);
  try {
    const about = {
      replicationFactor: 1,
      settings: defaultSettings,
      members: [1],
      newHandleKey: () => options.secret(32),
    };
    const opened = await openMetadata(store, { ...options, ...about, transport: undefined, turn: immediateTurn });
    const { clock, timers } = options;
    const { metadata } = opened;
    const membership = {
      nameServers: () => [{ id: 1, address: "", part: "votes", ...thisMember }],
      now: () => ({ configured: [], voters: [1], settled: true, up: new Set([1]) }),
    };
    const cluster = new ClusterService({ metadata, presence: new Presence(), clock, timers, membership });
    return {
      metadata: new EmbeddedMetadata(cluster),
      clusterId: store.identity.clusterId,
      close: async () => {
        await opened.close();
        await store[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}
