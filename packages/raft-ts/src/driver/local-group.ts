import { assert, type Logger } from "@saturnmq/kit";
import type { Effect, RareEffect, RoleChanged, Send } from "../core/effect.ts";
import type { Input } from "../core/input.ts";
import { type ConfigurationChange, isJoint, isVoter } from "../core/membership.ts";
import type { Entry, Message } from "../core/messages.ts";
import { follows, initialState, leaderOf, leaseUntilMs, nextTickMs, type RaftState } from "../core/state.ts";
import type { step } from "../core/step.ts";
import type {
  ConfigurationAt,
  Damage,
  GroupId,
  GroupMachine,
  LogView,
  Payload,
  RaftLog,
  ReplicaId,
  SnapshotHead,
} from "../ports.ts";
import type { FollowerStatus, Group, GroupOptions, RoleName } from "./api.ts";
import type { AppendSource } from "./append-source.ts";
import { Applier } from "./applier.ts";
import type { CommitLoop, LoopMember, LoopSnapshot } from "./commit-loop.ts";
import { RaftError } from "./errors.ts";
import { configurationPayload, type HeldBudget, HeldPayloads } from "./held-payloads.ts";
import type { GroupMessage, SnapshotChunk, SnapshotPull } from "./messages.ts";
import { prepareLog } from "./prepare-log.ts";
import type { Replication } from "./replication.ts";
import { Requests } from "./requests.ts";
import { SnapshotReceiver } from "./snapshot-receiver.ts";
import { SnapshotSender } from "./snapshot-sender.ts";
import { Suspicions } from "./suspicions.ts";

/** What a group needs from the driver that runs it. */
export type GroupHost = {
  readonly log: RaftLog;
  readonly loop: CommitLoop;
  readonly logger: Logger;
  readonly replication: Replication;
  readonly budget: HeldBudget;
  readonly step: typeof step;
  readonly monoMs: () => number;
  /** Draws the random waits of the next tick. */
  readonly draw: () => { readonly electionJitterMs: number; readonly retryDelayMs: number };
  readonly guard: (callback: () => void) => void;
  readonly fail: (error: unknown) => void;
  /** False once the process is to end: nothing may be promised any more. */
  readonly alive: () => boolean;
  readonly snapshotChunkBytes: number;
  /** Resolves when `alive` turns false. */
  readonly failed: Promise<undefined>;
  /** The group's next tick may be due earlier than before. */
  readonly deadlineChanged: (group: LocalGroup) => void;
  /** A group is led here that others take part in: they must hear of it at once. */
  readonly beat: () => void;
  /** Runs `callback` in a turn of its own. */
  readonly soon: (callback: () => void) => void;
  readonly closed: (group: LocalGroup) => void;
};

const nothing: readonly (Payload | undefined)[] = [];

/** One replica: feeds the core, carries out its effects, applies what is committed and durable. */
export class LocalGroup implements Group, LoopMember {
  readonly id: GroupId;
  readonly self: ReplicaId;
  readonly #host: GroupHost;
  readonly #machine: GroupMachine;
  readonly #view: LogView;
  readonly #state: RaftState;
  readonly #held: HeldPayloads;
  readonly #source: AppendSource;
  readonly #applier: Applier;
  readonly #requests = new Requests();
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  readonly #suspicions: Suspicions;
  /** Number of the write that has, or will have, all that is staged. */
  #lastFrame = 0;
  /** This leader serves once the entry at this index is applied: the first of its term, or the last of before a failed hand-over. */
  #servesFrom = 0;
  #serving = false;
  /** `gather` was not asked because too much waits to be applied. */
  #full = false;
  /** Whom the machine was last told to follow. */
  #toldLeader: ReplicaId = 0;
  #leaseUntilMs = -Infinity;
  #nextTickMs: number;
  /** Why the core refused what it was asked in this step. */
  #refusal: string | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(options: GroupOptions, host: GroupHost) {
    const { group, self, appliedIndex, snapshots } = options;
    this.id = group;
    this.self = self;
    this.#host = host;
    this.#machine = options.machine;
    this.#view = host.log.view(group);
    const { configuration, staged } = prepareLog(options, host.log);
    if (staged) this.#lastFrame = host.loop.staged(this);
    this.#state = initialState({
      self,
      configuration,
      damage: host.log.damaged(group),
      hardState: host.log.hardState(group),
      log: this.#view,
      commit: appliedIndex,
      nowMs: host.monoMs(),
      ...host.draw(),
    });
    this.#nextTickMs = nextTickMs(this.#state);
    const { log, guard, fail, logger, monoMs } = host;
    this.#held = new HeldPayloads(host.budget);
    this.#source = this.#makeSource();
    this.#suspicions = new Suspicions(group, logger);
    this.#applier = new Applier({
      group,
      machine: this.#machine,
      log,
      held: this.#held,
      appliedIndex,
      goOn: () => {
        this.apply();
      },
      guard,
      fail,
      alive: () => !this.#closed && host.alive(),
    });
    const send = host.replication.send.bind(host.replication);
    const ready = (to: ReplicaId, reader: { readonly head: SnapshotHead } | undefined): void => {
      this.#step({ kind: "snapshotReady", nowMs: monoMs(), to, snapshot: reader?.head });
    };
    const { snapshotChunkBytes: chunkBytes } = host;
    this.#sender = new SnapshotSender({ group, source: snapshots, chunkBytes, send, ready, monoMs, guard, logger });
    const finished = (head: SnapshotHead): void => void this.#restored(head);
    this.#receiver = new SnapshotReceiver({ group, sink: snapshots, send, finished, guard, logger });
    if (this.#state.standing !== "whole")
      logger.error(
        { group, replica: self, damage: this.damage },
        "the group's log is damaged: this replica does not vote",
      );
  }

  get role(): RoleName {
    return this.#state.role.kind;
  }

  get term(): number {
    return this.#state.hardState.term;
  }

  /** The term that a message may reveal at once. */
  get durableTerm(): number {
    return this.#state.durableTerm;
  }

  get configuration(): ConfigurationAt {
    return { index: this.#state.configurationIndex, configuration: this.#state.configuration };
  }

  get damage(): Damage {
    return ({ whole: "no", fenced: "fetch", barred: "rejoin" } as const)[this.#state.standing];
  }

  get followers(): readonly FollowerStatus[] {
    const { role, configuration } = this.#state;
    if (role.kind !== "leader") return [];
    return [...role.progress].map(([replica, progress]) => {
      const { match: matchIndex, mode, heardMs: heardMonoMs, uncounted } = progress;
      return { replica, voter: isVoter(configuration, replica), matchIndex, mode, heardMonoMs, healing: uncounted };
    });
  }

  /** Who hears from this leader; nobody when it does not lead. */
  get peers(): Iterable<ReplicaId> {
    const { role } = this.#state;
    return role.kind === "leader" ? role.progress.keys() : [];
  }

  get leader(): ReplicaId {
    return leaderOf(this.#state);
  }

  get serving(): boolean {
    return this.#serving;
  }

  get commitIndex(): number {
    return this.#state.commit;
  }

  get appliedIndex(): number {
    return this.#applier.applied;
  }

  get leaseUntilMonoMs(): number {
    return this.#closed || !this.#host.alive() ? -Infinity : this.#leaseUntilMs;
  }

  get nextTickMs(): number {
    return this.#nextTickMs;
  }

  leaseValid(nowMonoMs: number): boolean {
    return nowMonoMs < this.leaseUntilMonoMs;
  }

  wake(): void {
    if (this.#serving && this.#closing === undefined && this.#host.alive()) this.#host.loop.wake(this);
  }

  changeConfiguration(change: ConfigurationChange): Promise<ConfigurationAt> {
    return this.#request((settle) => {
      this.#step({ kind: "reconfigure", nowMs: this.#host.monoMs(), change });
      if (!this.#wasRefused(settle)) this.#requests.change(this.configuration, settle);
      this.#requests.committed(this.#state);
    });
  }

  transfer(to: ReplicaId): Promise<void> {
    return this.#request((settle) => {
      this.#step({ kind: "transfer", nowMs: this.#host.monoMs(), to });
      if (!this.#wasRefused(settle)) this.#requests.handOver(to, settle);
    });
  }

  readIndex(): Promise<number> {
    return this.#request((settle) => {
      this.#requests.read(settle);
      this.#confirmReads(this.#host.monoMs());
      if (this.#requests.reading) this.#host.beat();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  tick(nowMs: number): void {
    this.#step({ kind: "tick", nowMs, ...this.#host.draw() });
  }

  /** The process of `leader` has begun anew: it leads nothing before it says so. */
  forget(leader: ReplicaId, nowMs: number): void {
    if (this.leader === leader && leader !== this.self) this.#step({ kind: "forgetLeader", nowMs });
  }

  receive(from: ReplicaId, message: Message, payloads: readonly (Payload | undefined)[], nowMs: number): void {
    if (message.kind === "appendRequest" && message.entries.length !== payloads.length) {
      this.#suspicions.note(from, "an append has not one payload for each entry");
      return;
    }
    if (message.kind === "appendAccepted") this.#host.replication.answered(this.id, from, message.matchIndex);
    if (message.kind === "appendRejected") this.#host.replication.answered(this.id, from, Infinity);
    this.#step({ kind: "received", nowMs, from, message }, payloads);
  }

  /** The connection to `peer` broke. */
  unreachable(peer: ReplicaId, nowMs: number): void {
    if (this.role === "leader") this.#step({ kind: "unreachable", nowMs, peer });
  }

  pullSnapshot(from: ReplicaId, pull: SnapshotPull): void {
    this.#sender.pull(from, pull);
  }

  takeChunk(from: ReplicaId, chunk: SnapshotChunk): void {
    this.#receiver.take(from, chunk);
  }

  follows(leader: ReplicaId, term: number): boolean {
    return follows(this.#state, leader, term);
  }

  /** What a heartbeat to `peer` says about this group; `undefined` when it is not led here or `peer` is no member. */
  heartbeatFor(peer: ReplicaId): { readonly term: number; readonly commit: number } | undefined {
    const { role, hardState, commit } = this.#state;
    const progress = role.kind === "leader" ? role.progress.get(peer) : undefined;
    return progress && { term: hardState.term, commit: Math.min(commit, progress.match) };
  }

  gather(maxBytes: number, nowMs: number): boolean {
    if (!this.#serving || this.#closing !== undefined) return false;
    this.#full = this.#held.isFull(0);
    if (this.#full) return false;
    const payload = this.#machine.gather(maxBytes);
    if (payload === undefined) return false;
    assert(payload.length <= maxBytes, "a machine gathered more than it was allowed");
    this.#step({ kind: "propose", nowMs, bytes: payload.length }, [payload]);
    return true;
  }

  snapshot(): LoopSnapshot {
    const { hardState, lastIndex: index, truncations } = this.#state;
    return {
      durable: (nowMs) => {
        if (this.#closed) return;
        this.#step({ kind: "persisted", nowMs, hardState, index, truncations });
        this.#host.loop.committed(this);
      },
    };
  }

  apply(): void {
    if (!this.#closed) this.#noticeTime(this.#host.monoMs());
    if (this.#closed || !this.#applier.run(Math.min(this.#state.commit, this.#state.durableIndex))) return;
    this.#tellConfigured();
    this.#startServing();
    if (this.#full) this.wake();
  }

  /** What is still to be done about a configuration that is applied only a leader knows. */
  #tellConfigured(): void {
    const { role, configuration, configurationIndex } = this.#state;
    const index = this.#applier.applied;
    if (role.kind !== "leader" || index < configurationIndex) return;
    if (isJoint(configuration) || !isVoter(configuration, this.self))
      this.#step({ kind: "applied", nowMs: this.#host.monoMs(), index });
  }

  #startServing(): void {
    const { role, hardState } = this.#state;
    if (this.#serving || role.kind !== "leader" || role.handOver !== undefined) return;
    if (this.#applier.applied < this.#servesFrom) return;
    this.#serving = true;
    this.#machine.leading(hardState.term);
    this.#host.loop.wake(this);
  }

  #step(input: Input, payloads: readonly (Payload | undefined)[] = nothing): void {
    if (this.#closed) return;
    if (input.kind !== "tick") this.#noticeTime(input.nowMs);
    const effects = this.#host.step(this.#state, input, this.#view);
    // Most steps change neither.
    if (input.kind !== "propose") this.#leaseUntilMs = leaseUntilMs(this.#state);
    for (const effect of effects) this.#perform(effect, payloads);
    if (this.#requests.reading) this.#confirmReads(input.nowMs);
    if (this.#sender.busy) this.#sender.endExcept((to) => this.#needsSnapshot(to));
    this.#nextTickMs = nextTickMs(this.#state);
    this.#host.deadlineChanged(this);
  }

  /**
   * A leader whose process slept may find answers of before in its sockets, and another may lead by now: it learns that it lost its quorum before it
   * takes anything else, and answers nobody.
   */
  #noticeTime(nowMs: number): void {
    if (this.#state.role.kind === "leader" && nowMs >= this.#nextTickMs) this.tick(nowMs);
  }

  #needsSnapshot(to: ReplicaId): boolean {
    const { role } = this.#state;
    return role.kind === "leader" && role.progress.get(to)?.mode === "snapshot";
  }

  #confirmReads(nowMs: number): void {
    this.#requests.confirm(this.#state, this.leaseValid(nowMs));
  }

  /** Asks for something in a turn of its own, since machines may ask from within their callbacks. */
  #request<T>(ask: (settle: { resolve: (value: T) => void; reject: (error: RaftError) => void }) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#host.soon(() => {
        if (this.#closing !== undefined) reject(new RaftError("CLOSED", "the group is closed"));
        else if (this.role !== "leader")
          reject(new RaftError("NOT_LEADER", `replica ${this.self} does not lead the group, ${this.leader} does`));
        else ask({ resolve, reject });
      });
    });
  }

  #wasRefused(settle: { readonly reject: (error: RaftError) => void }): boolean {
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal !== undefined) settle.reject(new RaftError("REFUSED", refusal));
    return refusal !== undefined;
  }

  #perform(effect: Effect, payloads: readonly (Payload | undefined)[]): void {
    switch (effect.kind) {
      case "append":
        this.#append(effect.entries, payloads);
        break;
      case "persistHardState":
        this.#host.log.saveHardState(this.id, effect.hardState);
        this.#lastFrame = this.#host.loop.staged(this);
        break;
      case "send":
        this.#send(effect);
        break;
      case "commit":
        if (this.role === "leader") this.#host.replication.noteCommit();
        this.#requests.committed(this.#state);
        this.#host.loop.committed(this);
        break;
      case "roleChanged":
        this.#changeRole(effect);
        break;
      case "suspect":
        this.#suspicions.note(effect.from, effect.reason);
        break;
      case "configured":
      case "refused":
      case "handingOver":
      case "handOverFailed":
      case "sendSnapshot":
      case "fetchSnapshot":
      case "restartLog":
      case "healed":
        this.#performRare(effect);
        break;
    }
  }

  #performRare(effect: RareEffect): void {
    const { log, logger, loop } = this.#host;
    switch (effect.kind) {
      case "configured":
        logger.info({ group: this.id, ...effect.at }, "Raft configuration changed");
        if (this.role === "leader") this.#host.beat();
        break;
      case "refused":
        this.#refusal = effect.reason;
        break;
      case "handingOver":
        logger.info({ group: this.id, to: effect.to }, "Raft leadership is handed over");
        this.#stopServing(0);
        break;
      case "handOverFailed":
        this.#requests.handOverFailed(`replica ${effect.to} did not catch up in time`);
        this.#servesFrom = this.#view.lastIndex;
        loop.committed(this);
        break;
      case "sendSnapshot":
        this.#sender.offer(effect.to, effect.nextIndex, this.#view.firstIndex);
        break;
      case "fetchSnapshot":
        this.#receiver.fetch(effect.from, effect.snapshot);
        break;
      case "restartLog":
        this.#restart(effect.snapshot);
        break;
      case "healed":
        logger.info({ group: this.id }, "the group's log is whole again");
        log.healed(this.id);
        this.#lastFrame = loop.staged(this);
        break;
    }
  }

  /** A snapshot is durable as the newest checkpoint. Its log follows, and the machine, unless the log has overtaken it meanwhile. */
  async #restored(snapshot: SnapshotHead): Promise<void> {
    await this.#applier.idle();
    this.#host.guard(() => {
      this.#step({ kind: "restored", nowMs: this.#host.monoMs(), snapshot });
    });
  }

  #restart(head: SnapshotHead): void {
    this.#host.log.restartAt(this.id, head.index, head.term, head.configuration);
    this.#lastFrame = this.#host.loop.staged(this);
    this.#held.discardFrom(this.#view.lastIndex + 1);
    this.#applier.restore(head);
  }

  #append(entries: readonly Entry[], payloads: readonly (Payload | undefined)[]): void {
    // Of a peer's append the core may take only the last entries; a new leader's first entry is empty.
    const skipped = Math.max(0, payloads.length - entries.length);
    entries.forEach(({ index, term, configuration }, at) => {
      const payload = configuration === undefined ? payloads[skipped + at] : undefined;
      this.#host.log.append(this.id, index, term, payload, configuration);
      this.#hold(index, configuration === undefined ? payload : configurationPayload);
    });
    this.#lastFrame = this.#host.loop.staged(this);
  }

  /** What a follower cannot hold is read from the log when it is to be applied. A leader does not come to that: it gathers no more before. */
  #hold(index: number, payload: Payload | undefined): void {
    const bytes = payload?.length ?? 0;
    const full = this.#held.isFull(bytes) || this.#host.budget.isFull(bytes);
    if (this.role !== "leader" && full) this.#held.discardFrom(index);
    else this.#held.append(index, payload);
  }

  #makeSource(): AppendSource {
    const { loop } = this.#host;
    return {
      group: this.id,
      held: this.#held,
      isWritten: (index) => index <= this.#state.durableIndex,
      written: () =>
        new Promise((resolve) => {
          loop.whenDurable(this.#lastFrame, resolve);
        }),
    };
  }

  #send({ to, message, waitsFor }: Send): void {
    const { replication, loop } = this.#host;
    assert(message.kind !== "heartbeat" && message.kind !== "heartbeatReply", "heartbeats are the driver's");
    if (message.kind === "appendRequest") return replication.sendAppend(this.#source, to, message);
    const addressed: GroupMessage = { kind: "group", group: this.id, message, payloads: nothing };
    if (waitsFor === "nothing") replication.send(to, addressed);
    else
      loop.whenDurable(this.#lastFrame, () => {
        replication.send(to, addressed);
      });
  }

  #changeRole(change: RoleChanged): void {
    const { role, term, leader } = change;
    this.#requests.roleChanged(change);
    this.#host.logger.info({ group: this.id, role, term, leader }, "Raft role changed");
    if (role === "leader") {
      this.#servesFrom = this.#view.lastIndex + 1;
      this.#host.beat();
      return;
    }
    this.#host.replication.forget(this.id);
    this.#stopServing(leader);
  }

  #stopServing(leader: ReplicaId): void {
    if (!this.#serving && this.#toldLeader === leader) return;
    this.#serving = false;
    this.#toldLeader = leader;
    this.#machine.following(leader);
  }

  async #close(): Promise<void> {
    const written = new Promise<void>((resolve) => {
      this.#host.loop.whenDurable(this.#lastFrame, resolve);
    });
    await Promise.race([written, this.#host.failed]);
    await Promise.race([this.#applier.idle(), this.#host.failed]);
    this.#closed = true;
    this.#requests.close();
    this.#receiver.end();
    this.#sender.endExcept(() => false);
    this.#held.discardFrom(0);
    this.#host.replication.forget(this.id);
    this.#serving = false;
    this.#host.closed(this);
    this.#machine.following(0);
  }
}
