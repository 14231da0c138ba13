import type { BrokerReport, ReplicaReport } from "@saturnmq/wire";
import type { Member, World } from "./plan/world.ts";
import type { MetadataState } from "./state.ts";

/** More entries behind its leader than this, and a voter is no help when another one stops. */
const lagEntriesMax = 1_000;
/** How long a leader's report says something about now, in leases. */
const reportLeases = 2;
/** A hand-over that was asked for and is not done by then is given up, milliseconds. */
const transferPatienceMs = 10_000;
/** A broker that was to lead nothing until its restart, and has not restarted, leads again, milliseconds. */
const leadersAwayMs = 600_000;

type Heard = {
  readonly incarnation: number;
  leaseUntilMs: number;
  downSinceMs: number | undefined;
  awaySinceMs: number | undefined;
  report: BrokerReport | undefined;
  reportedMs: number;
};

type Asked = { readonly to: number; readonly from: number; readonly untilMs: number };

/**
 * What the leading name server knows of the brokers and does not replicate: leases, reports, hand-overs asked for. A new leader begins with a
 * full lease and the whole grace time for everyone. Times are monotonic milliseconds of this process.
 */
export class Presence {
  readonly #heard = new Map<number, Heard>();
  readonly #asked = new Map<number, Asked>();

  /** This process has begun to lead. */
  begin(state: MetadataState, nowMs: number): void {
    this.#heard.clear();
    this.#asked.clear();
    this.follow(state, nowMs);
  }

  /** This process stood still, and heard nobody meanwhile: that says nothing about brokers, so everyone gets a full lease. */
  stoodStill({ settings }: MetadataState, nowMs: number): void {
    for (const heard of this.#heard.values())
      heard.leaseUntilMs = Math.max(heard.leaseUntilMs, nowMs + settings.brokerLeaseMs);
  }

  /** Takes up what was decided since: brokers that came, went, or are another incarnation now. */
  follow(state: MetadataState, nowMs: number): void {
    for (const id of this.#heard.keys()) if (state.brokers.get(id)?.removed !== false) this.#heard.delete(id);
    for (const { id, incarnation, alive, leadersAway, removed } of state.brokers.values()) {
      if (removed) continue;
      const heard = this.#of(id, incarnation, nowMs + state.settings.brokerLeaseMs);
      heard.downSinceMs = alive ? undefined : (heard.downSinceMs ?? nowMs);
      heard.awaySinceMs = leadersAway ? (heard.awaySinceMs ?? nowMs) : undefined;
    }
    for (const [shard, { from, untilMs }] of this.#asked)
      if (untilMs <= nowMs || state.shards[shard]?.leaderHint !== from) this.#asked.delete(shard);
  }

  #of(id: number, incarnation: number, leaseUntilMs: number): Heard {
    const known = this.#heard.get(id);
    if (known?.incarnation === incarnation) return known;
    const never = { downSinceMs: undefined, awaySinceMs: undefined, report: undefined, reportedMs: 0 };
    const heard: Heard = { incarnation, leaseUntilMs, ...never };
    this.#heard.set(id, heard);
    return heard;
  }

  /** A heartbeat that was accepted. */
  heard(id: number, incarnation: number, report: BrokerReport, state: MetadataState, nowMs: number): void {
    const leaseUntilMs = nowMs + state.settings.brokerLeaseMs;
    const heard = this.#of(id, incarnation, leaseUntilMs);
    heard.leaseUntilMs = leaseUntilMs;
    heard.report = report;
    heard.reportedMs = nowMs;
  }

  /** Brokers that count as alive and whose lease has ended: id and incarnation. */
  expired(state: MetadataState, nowMs: number): ReadonlyMap<number, number> {
    const ended = [...this.#heard].filter(([id, { leaseUntilMs }]) => {
      return leaseUntilMs <= nowMs && state.brokers.get(id)?.alive === true;
    });
    return new Map(ended.map(([id, { incarnation }]) => [id, incarnation]));
  }

  /** Brokers that were to lead nothing for longer than a restart takes. */
  overdueAway(nowMs: number): readonly number[] {
    const overdue = [...this.#heard].filter(
      ([, { awaySinceMs }]) => awaySinceMs !== undefined && nowMs - awaySinceMs >= leadersAwayMs,
    );
    return overdue.map(([id]) => id);
  }

  /** The newest report of a broker; `undefined` while this process has heard none. */
  report(id: number): BrokerReport | undefined {
    return this.#heard.get(id)?.report;
  }

  /** Notes hand-overs that leaders are asked for with the answers to their heartbeats. */
  ask(
    transfers: readonly { readonly shard: number; readonly from: number; readonly to: number }[],
    nowMs: number,
  ): void {
    for (const { shard, from, to } of transfers)
      this.#asked.set(shard, { from, to, untilMs: nowMs + transferPatienceMs });
  }

  /** What a broker is asked to hand over. */
  askedOf(id: number): readonly { readonly shard: number; readonly to: number }[] {
    return [...this.#asked].filter(([, { from }]) => from === id).map(([shard, { to }]) => ({ shard, to }));
  }

  /** The world as the controller takes it. */
  world(state: MetadataState, nowMs: number): World {
    const brokers = [...state.brokers.values()].filter(({ removed, confirmed }) => !removed && confirmed);
    const members = brokers.map(({ id, zone, alive, draining, leadersAway }): Member => {
      const condition = alive ? "up" : this.#isDead(id, state, nowMs) ? "dead" : "down";
      return { id, zone, condition, draining, leadersAway };
    });
    return {
      replicationFactor: state.cluster?.replicationFactor ?? 0,
      ...{ settings: state.settings, members, shards: state.shards },
      lagging: new Map(state.shards.map(({ shard }) => [shard, this.#lagging(state, shard)])),
      asked: new Map([...this.#asked].map(([shard, { to }]) => [shard, to])),
    };
  }

  #isDead(id: number, { settings }: MetadataState, nowMs: number): boolean {
    const since = this.#heard.get(id)?.downSinceMs;
    return since !== undefined && nowMs - since >= settings.replacementGraceMs;
  }

  /** While the leader has not told how far they are, nobody knows, and nobody counts as fit to lead. */
  #lagging(state: MetadataState, shard: number): ReadonlySet<number> {
    if (this.#leaderReport(state, shard) === undefined) return new Set(state.shards[shard]?.voters);
    const lags = this.lags(state, shard);
    return new Set(lags.flatMap(({ broker, entries }) => (entries > lagEntriesMax ? [broker] : [])));
  }

  #leaderReport({ shards }: MetadataState, shard: number): ReplicaReport | undefined {
    const leader = shards[shard]?.leaderHint ?? 0;
    return this.report(leader)?.replicas.find((candidate) => candidate.shard === shard && candidate.leads);
  }

  /** How many entries each member is behind its leader; empty while the leader has not told. */
  lags(state: MetadataState, shard: number): readonly { readonly broker: number; readonly entries: number }[] {
    const replica = this.#leaderReport(state, shard);
    if (replica === undefined) return [];
    return replica.progress.map(({ broker, match }) => ({ broker, entries: Math.max(0, replica.lastIndex - match) }));
  }

  /**
   * Voters of a shard that the others can rely on: up, and as far as their leader. `undefined` while no leader has told of the shard within the
   * last leases, so that nobody knows.
   */
  reliable(state: MetadataState, shard: number, nowMs: number): ReadonlySet<number> | undefined {
    const row = state.shards[shard];
    const heard = this.#heard.get(row?.leaderHint ?? 0);
    const replica = this.#leaderReport(state, shard);
    if (row === undefined || heard === undefined || replica === undefined || replica.term !== row.term)
      return undefined;
    if (nowMs - heard.reportedMs > reportLeases * state.settings.brokerLeaseMs) return undefined;
    const lagging = this.#lagging(state, shard);
    const known = new Set([row.leaderHint, ...replica.progress.map(({ broker }) => broker)]);
    const voters = [...row.voters, ...row.outgoing];
    return new Set(voters.filter((id) => known.has(id) && !lagging.has(id) && state.brokers.get(id)?.alive === true));
  }
}
