import type { Clock, Logger, Random, Timers } from "@saturnmq/kit";
import {
  type AdminCodec,
  type AdminCodecs,
  type AdminMethods,
  adminServiceName,
  type BrokerRegistration,
  type BrokerReport,
  type ClusterMethod,
  type ClusterView,
  type CreateGroup,
  type CreateTopic,
  type GroupInfo,
  type HeartbeatReply,
  loadAdminCodecs,
  loadMetadataCodecs,
  type MetadataCodecs,
  type MetadataService,
  type TopicInfo,
} from "@saturnmq/wire";
import { grpcRpc } from "./grpc-rpc.ts";
import { HeartbeatLink } from "./heartbeat-link.ts";
import { LeaderFinder } from "./leader-finder.ts";
import { type Rpc, readAnswer } from "./rpc.ts";
import type { ViewCache } from "./view-cache.ts";
import { followView } from "./view-follower.ts";

export type RemoteMetadataOptions = {
  /** `host:port` of name servers, one at least; whichever answers names the leader. */
  readonly endpoints: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  /** Draws the jitter of pauses between attempts. */
  readonly random: Random;
  readonly logger: Logger;
  /** Where the view is kept; absent: nowhere. */
  readonly cache?: ViewCache;
  /** How they are reached. Default: by gRPC. */
  readonly rpc?: Rpc;
  /** How long one name server may take for one attempt, milliseconds. Default: 1,500. */
  readonly attemptMs?: number;
  /** How long a call may take altogether, milliseconds. Default: 5,000; a heartbeat half of it. */
  readonly callMs?: number;
};

/** The name servers of a cluster, from outside. Every call has a deadline, and answers `HA_NOT_AVAILABLE` when none led until then. */
export interface RemoteMetadata extends MetadataService {
  /** The newest view that is known, from the cache at first; `undefined`: none. */
  readonly view: ClusterView | undefined;
  /** Ends everything; what waits is refused. Resolves when the cache is written. */
  close(): Promise<void>;
}

const attemptMsDefault = 1_500;
const callMsDefault = 5_000;
/** Telling a restart from a second process on a copy of the disk takes a lease. */
const registerAttemptMs = 5_000;
const registerMs = 12_000;

/** Connects to nobody yet: the first call does. */
export function openRemoteMetadata(options: RemoteMetadataOptions): RemoteMetadata {
  return new LeaderMetadata(options);
}

type ByName = { readonly requestId: string; readonly name: string };

/** A call with one request and one reply. */
type Unary<Request, Reply> = {
  readonly path: string;
  encodeRequest(request: Request): Uint8Array;
  decodeReply(bytes: Uint8Array): Reply;
};

class LeaderMetadata implements RemoteMetadata {
  readonly #options: RemoteMetadataOptions;
  readonly #finder: LeaderFinder;
  readonly #rpc: Rpc;
  readonly #codecs: MetadataCodecs = loadMetadataCodecs();
  readonly #adminCodecs: AdminCodecs = loadAdminCodecs();
  readonly #ending = new AbortController();
  readonly #watchers = new Set<(view: ClusterView) => void>();
  #following: Promise<void> | undefined;
  #view: ClusterView | undefined;
  #link: HeartbeatLink | undefined;

  constructor(options: RemoteMetadataOptions) {
    this.#options = options;
    this.#finder = new LeaderFinder(options);
    this.#rpc = options.rpc ?? grpcRpc(options.clock);
    this.#view = options.cache?.view;
    this.#finder.learned(this.#view?.nameServers ?? []);
  }

  get view(): ClusterView | undefined {
    return this.#view;
  }

  register(registration: BrokerRegistration): Promise<{ readonly brokerId: number; readonly clusterId: string }> {
    return this.#call(this.#codecs.Register, registration, registerAttemptMs, registerMs);
  }

  heartbeat(brokerId: number, incarnation: number, report: BrokerReport): Promise<HeartbeatReply> {
    const { attemptMs = attemptMsDefault, callMs = callMsDefault } = this.#options;
    const beat = (address: string, timeoutMs: number): Promise<HeartbeatReply> =>
      this.#linkTo(address).beat(brokerId, incarnation, report, timeoutMs);
    return this.#finder.ask(beat, attemptMs, callMs / 2, this.#ending.signal);
  }

  #linkTo(address: string): HeartbeatLink {
    const link = this.#link;
    if (link?.open === true && link.address === address) return link;
    link?.close("another name server leads");
    this.#link = new HeartbeatLink(address, this.#rpc, this.#codecs.Heartbeat, this.#options.timers);
    return this.#link;
  }

  watch(changed: (view: ClusterView) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#watchers.add(changed);
    signal.addEventListener("abort", () => this.#watchers.delete(changed), { once: true });
    this.#following ??= this.#follow();
    if (this.#view !== undefined) changed(this.#view);
  }

  #follow(): Promise<void> {
    const { logger, cache } = this.#options;
    const changed = (view: ClusterView): void => {
      this.#view = view;
      this.#finder.learned(view.nameServers);
      cache?.save(view);
      for (const watcher of [...this.#watchers]) watcher(view);
    };
    const about = { finder: this.#finder, rpc: this.#rpc, codec: this.#codecs.Watch };
    return followView({ ...about, logger, view: this.#view, changed }, this.#ending.signal);
  }

  createTopic(request: CreateTopic): Promise<TopicInfo> {
    return this.#call(this.#codecs.CreateTopic, request);
  }

  async deleteTopic(request: ByName): Promise<void> {
    await this.#call(this.#codecs.DeleteTopic, request);
  }

  createGroup(request: CreateGroup): Promise<GroupInfo> {
    return this.#call(this.#codecs.CreateGroup, request);
  }

  async deleteGroup(request: ByName): Promise<void> {
    await this.#call(this.#codecs.DeleteGroup, request);
  }

  administer<Method extends ClusterMethod>(
    method: Method,
    request: AdminMethods[Method]["request"],
  ): Promise<AdminMethods[Method]["reply"]> {
    const codec: AdminCodec<Method> = this.#adminCodecs[method];
    const call: Unary<typeof request, AdminMethods[Method]["reply"]> = {
      path: `/${adminServiceName}/${method}`,
      encodeRequest: (value) => codec.encodeRequest(value),
      decodeReply: (bytes) => codec.decodeReply(bytes),
    };
    return this.#call(call, request);
  }

  #call<Request, Reply>(
    call: Unary<Request, Reply>,
    request: Request,
    attemptMs = this.#options.attemptMs ?? attemptMsDefault,
    totalMs = this.#options.callMs ?? callMsDefault,
  ): Promise<Reply> {
    const attempt = async (address: string, timeoutMs: number): Promise<Reply> => {
      const reply = await this.#rpc.unary(address, call.path, call.encodeRequest(request), timeoutMs);
      return readAnswer(address, reply, (bytes) => call.decodeReply(bytes));
    };
    return this.#finder.ask(attempt, attemptMs, totalMs, this.#ending.signal);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#link?.close("this process is stopping");
    await this.#following;
    this.#rpc.close();
    await this.#options.cache?.settled();
  }
}
