import { type Clock, defined, type Logger, type Timers } from "@saturnmq/kit";
import { checkpointSnapshots, type LogStore } from "@saturnmq/store";
import type { ClusterView, ReplicaReport, ShardInfo } from "@saturnmq/wire";
import {
  type Driver,
  type Group,
  type GroupOptions,
  generationOf,
  RaftError,
  type SnapshotSink,
  type SnapshotSource,
} from "raft-ts";
import type { Brokers } from "../cluster/ports.ts";
import { decodeCheckpoint } from "../domain/checkpoint.ts";
import { decideHosting } from "../domain/hosting.ts";
import { ShardState } from "../domain/shard-state.ts";
import type { Checkpoints } from "./checkpoints.ts";
import { DeadLetters } from "./dead-letters.ts";
import { Filling } from "./filling.ts";
import { Fillings } from "./fillings.ts";
import type { ReadableShard } from "./readable-shard.ts";
import type { ShardHost } from "./shard-host.ts";
import { ShardReader } from "./shard-reader.ts";
import { ShardRuntime } from "./shard-runtime.ts";
import { ShardWalks } from "./shard-walks.ts";
import { successorOf } from "./successor.ts";
import { UnfilledLeads } from "./unfilled-leads.ts";

export type HostedShardsOptions = {
  readonly self: number;
  readonly store: LogStore;
  readonly driver: Driver;
  readonly brokers: Brokers;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly fatal: (error: unknown) => void;
  readonly checkpoints: Checkpoints;
  readonly host: Omit<ShardHost, "restored">;
  /** Payload bytes that a replica that is filled in asks for at a time. */
  readonly fillingBytes: number;
  /** By number, and in the order in which they take turns: filled and emptied here. */
  readonly shards: Map<number, ReadableShard>;
  readonly runtimes: ShardRuntime[];
};

/** The shards whose replicas this process has: opened, moved and given up as the name server's placement says. */
export class HostedShards {
  readonly #options: HostedShardsOptions;
  readonly #snapshots: SnapshotSource & SnapshotSink;
  readonly #groups = new Map<number, Group>();
  readonly #fillings: Fillings;
  readonly #walks: ShardWalks;
  readonly #unfilledLeads: UnfilledLeads;
  /** Shards whose lead is being handed over. */
  readonly #leaving = new Set<number>();
  /** Generations in which replicas here were written off, by shard: each is told of once. */
  readonly #writtenOff = new Map<number, number>();
  #view: ClusterView | undefined;
  #following: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: HostedShardsOptions) {
    const { self, store, timers, logger, fatal } = options;
    this.#options = options;
    this.#fillings = new Fillings({ changed: () => this.#tellFilling(), fatal });
    this.#snapshots = checkpointSnapshots(store);
    this.#walks = new ShardWalks({
      transfer: (shard, to) => this.#transfer(shard, to),
      ...{ self, timers, logger, fatal },
      groups: this.#groups,
      infoOf: (shard) => this.#view?.shards[shard],
    });
    this.#unfilledLeads = new UnfilledLeads({
      transfer: (shard, to) => this.#transfer(shard, to),
      isWhole: (broker, shard) => this.#walks.isWhole(broker, shard),
      unfilled: () => this.#fillings.shards,
      ...{ timers, logger, fatal, groups: this.#groups },
    });
  }

  /** The Raft groups that are open, by shard. */
  get groups(): ReadonlyMap<number, Group> {
    return this.#groups;
  }

  /** Goes along with a new placement; resolves when the replicas are opened and closed that it asks for. */
  follow(view: ClusterView): Promise<void> {
    this.#view = view;
    this.#following = this.#following.then(async () => {
      // What came meanwhile is newer: a replica must not be opened for a placement of the past.
      if (view !== this.#view || this.#closed) return;
      for (const info of view.shards) await this.#settle(info);
      this.#walks.wake();
    });
    return this.#following;
  }

  /** True when the cluster's shards are placed and all replicas here have a leader that serves, as far as known. */
  get settled(): boolean {
    if (this.#view === undefined || this.#view.shards.length === 0) return false;
    return [...this.#groups.values()].every((group) => (group.role === "leader" ? group.serving : group.leader !== 0));
  }

  reports(): readonly ReplicaReport[] {
    const { store } = this.#options;
    return [...this.#groups].map(([shard, group]) => {
      const { lastIndex, lastTerm } = store.view(shard);
      const { term, serving: leads, commitIndex } = group;
      const { incoming: voters, outgoing, learners, revision } = group.configuration.configuration;
      const progress = group.followers.map(({ replica, matchIndex }) => ({ broker: replica, match: matchIndex }));
      return { shard, term, leads, lastIndex, lastTerm, commitIndex, voters, outgoing, learners, revision, progress };
    });
  }

  /** Hands the lead of a shard over, if it is led here: the name server asks again while it is not done. */
  handOver(shard: number, to: number): void {
    if (this.#groups.get(shard)?.serving !== true || to === this.#options.self || this.#leaving.has(shard)) return;
    // It would give the lead back as soon as somebody else can take it.
    if (!this.#walks.isWhole(to, shard) && !this.#fillings.has(shard)) return;
    this.#transfer(shard, to).catch((err: unknown) => {
      if (err instanceof RaftError) this.#options.logger.info({ shard, to, err }, "a shard was not handed over");
      else this.#options.fatal(err);
    });
  }

  /** Hands over all that is led here, to whoever is furthest of those that have all entries, if any does: a broker that stops should not leave its shards without a leader. */
  async leaveLead(): Promise<void> {
    const led = [...this.#groups].filter(([, { serving }]) => serving);
    await Promise.allSettled(
      led.map(async ([shard, group]) => {
        const whole = successorOf(group, (replica) => this.#walks.isWhole(replica, shard));
        const next = whole ?? successorOf(group, () => true);
        if (next !== undefined) await this.#transfer(shard, next);
      }),
    );
  }

  /** What is on its way is finished first, so that no caller is left with an unknown outcome. @throws {RaftError} */
  async #transfer(shard: number, to: number): Promise<void> {
    const group = defined(this.#groups.get(shard), "an open group");
    const runtime = this.#options.shards.get(shard)?.runtime;
    this.#leaving.add(shard);
    try {
      await runtime?.retire();
      await group.transfer(to);
    } finally {
      this.#leaving.delete(shard);
      runtime?.resume();
    }
  }

  /** Another broker still lacks entries of these shards. */
  filling(broker: number, shards: ReadonlySet<number>): void {
    this.#walks.filling(broker, shards);
  }

  /** The link to another broker ended: how far it is is not known any more. */
  gone(broker: number): void {
    this.#walks.gone(broker);
  }

  /** Stops moving anything; resolves when nothing of it is under way. The groups stay open. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#walks.close();
    this.#unfilledLeads.close();
    this.#fillings.close();
    await this.#following;
  }

  async #settle(info: ShardInfo): Promise<void> {
    const { self, store } = this.#options;
    const { shard } = info;
    const view = store.view(shard);
    const configuration = view.configurationAt()?.configuration;
    const { term } = store.hardState(shard);
    const known = configuration !== undefined || view.lastIndex > 0 || term > 0;
    const held = { known, revision: configuration?.revision ?? 0, generation: generationOf(term) };
    const decision = decideHosting(self, info, held);
    switch (decision.kind) {
      case "ignore":
        return;
      case "drop":
        return this.#drop(shard);
      case "writtenOff":
        return this.#writeOff(info);
      case "force":
        return this.#force(info);
      case "found":
        if (!this.#groups.has(shard)) await this.#open(shard, { voters: decision.voters });
        return;
      case "open":
        if (!this.#groups.has(shard)) await this.#open(shard, {});
    }
  }

  /** Goes on alone, as an operator ordered: with another configuration, and in a generation of terms in which nobody else is. */
  async #force({ shard, forced: { revision, generation } }: ShardInfo): Promise<void> {
    const { self, logger } = this.#options;
    await this.#close(shard);
    await this.#open(shard, { forced: { voters: [self], revision, generation } });
    logger.warn({ shard, revision, generation }, "a shard goes on with this replica alone, as an operator ordered");
  }

  /** Closes a replica without which another was ordered to go on. What it holds may contradict that one: it stays closed. */
  async #writeOff({ shard, forced: { survivor, generation } }: ShardInfo): Promise<void> {
    await this.#close(shard);
    if (this.#writtenOff.get(shard) === generation) return;
    this.#writtenOff.set(shard, generation);
    this.#options.logger.error(
      { shard, survivor, generation },
      "this broker's replica was written off by an operator: it takes no part in the shard until the broker's data folder is emptied",
    );
  }

  async #open(shard: number, beginning: Pick<GroupOptions, "voters" | "forced">): Promise<void> {
    const { self, store, driver, checkpoints, host, shards, runtimes } = this.#options;
    const checkpoint = await store.readCheckpoint(shard);
    const state = checkpoint === undefined ? new ShardState() : decodeCheckpoint(checkpoint.bytes);
    const applied = { index: checkpoint?.index ?? 0, term: checkpoint?.term ?? 0 };
    const hostOfShard: ShardHost = {
      ...host,
      restored: (at) => {
        checkpoints.opened(shard, at);
        this.#fill(shard);
      },
    };
    const runtime = new ShardRuntime(shard, state, applied, hostOfShard);
    runtimes.push(runtime);
    const reader = new ShardReader(runtime, hostOfShard);
    shards.set(shard, { runtime, reader, deadLetters: new DeadLetters(runtime, hostOfShard, reader.messages) });
    checkpoints.opened(shard, applied);
    const group = driver.open({
      ...{ group: shard, self, machine: runtime, appliedIndex: applied.index, snapshots: this.#snapshots },
      ...beginning,
      ...(checkpoint?.configuration && {
        checkpoint: { term: applied.term, configuration: checkpoint.configuration },
      }),
    });
    runtime.attach(group);
    this.#groups.set(shard, group);
    this.#fill(shard);
  }

  /** Closes a replica that is open; its runtime as it then is. */
  async #close(shard: number): Promise<ShardRuntime | undefined> {
    const { checkpoints, shards, runtimes } = this.#options;
    const group = this.#groups.get(shard);
    const hosted = shards.get(shard);
    if (group === undefined || hosted === undefined) return undefined;
    const { runtime } = hosted;
    this.#fillings.end(shard);
    this.#groups.delete(shard);
    await group.close();
    shards.delete(shard);
    runtimes.splice(runtimes.indexOf(runtime), 1);
    checkpoints.closed(shard);
    return runtime;
  }

  /** Closes a replica that has moved away, and gives its entries up: what they held is on the others. */
  async #drop(shard: number): Promise<void> {
    const { store, checkpoints, logger } = this.#options;
    const runtime = await this.#close(shard);
    if (runtime === undefined) return;
    // Its state stays, so that the log may begin after it: a replica that comes back goes on from there.
    await checkpoints.take(runtime);
    checkpoints.closed(shard);
    store.setLogStart(shard, runtime.appliedTo.index + 1);
    logger.info(
      { shard, index: runtime.appliedTo.index },
      "a replica was given up: its shard has moved to other brokers",
    );
  }

  /** Fills in what a replica lacks of what its shard keeps. */
  #fill(shard: number): void {
    this.#fillings.end(shard);
    const { store, shards, clock, timers, logger, fillingBytes } = this.#options;
    const { runtime } = defined(shards.get(shard), "a hosted shard");
    const range = { from: runtime.state.logStart, to: store.view(shard).firstIndex - 1 };
    // When it was given up here, its log start was raised above all that it held.
    store.keepFrom(shard, range.from);
    if (store.missing(shard, range.from, range.to).length === 0) return this.#tellFilling();
    const filling = new Filling({
      ...{ shard, range, chunkBytes: fillingBytes, store, clock, timers, logger },
      ask: (number, { from, to }, bytes) => this.#ask({ shard: number, from, to, bytes }),
    });
    this.#fillings.begin(shard, filling);
  }

  #tellFilling(): void {
    this.#options.brokers.tellFilling(this.#fillings.shards);
    this.#unfilledLeads.wake();
  }

  /** Asks the leader first, then every other member: any of them may hold what the others have lost. */
  async #ask(asked: Parameters<Brokers["entries"]>[1]): ReturnType<Brokers["entries"]> {
    const { brokers, self } = this.#options;
    const group = this.#groups.get(asked.shard);
    if (group === undefined) return [];
    const { incoming, outgoing } = group.configuration.configuration;
    const members = new Set([group.leader, ...incoming, ...outgoing]);
    members.delete(0);
    members.delete(self);
    for (const member of members) {
      const entries = await brokers.entries(member, asked);
      if (entries[0]?.index === asked.from) return entries;
    }
    return [];
  }
}
