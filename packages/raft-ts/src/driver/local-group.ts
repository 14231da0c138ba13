import { assert, defined, type Logger } from "@saturnmq/kit";
import type { Effect, RoleChanged, Send } from "../core/effect.ts";
import type { Input } from "../core/input.ts";
import type { Entry, Message } from "../core/messages.ts";
import { simple } from "../core/quorum.ts";
import { follows, initialState, leaderOf, leaseUntilMs, nextTickMs, type RaftState } from "../core/state.ts";
import type { step } from "../core/step.ts";
import type { GroupId, GroupMachine, LogView, Payload, RaftLog, ReplicaId, StoredEntry } from "../ports.ts";
import type { Group, GroupOptions, RoleName } from "./api.ts";
import type { CommitLoop, LoopMember, LoopSnapshot } from "./commit-loop.ts";
import { HeldPayloads } from "./held-payloads.ts";
import type { GroupMessage } from "./messages.ts";
import type { Replication } from "./replication.ts";

/** What a group needs from the driver that runs it. */
export type GroupHost = {
  readonly log: RaftLog;
  readonly loop: CommitLoop;
  readonly logger: Logger;
  readonly replication: Replication;
  readonly step: typeof step;
  readonly monoMs: () => number;
  /** Draws the random waits of the next tick. */
  readonly draw: () => { readonly electionJitterMs: number; readonly retryDelayMs: number };
  readonly guard: (callback: () => void) => void;
  readonly fail: (error: unknown) => void;
  /** False once the process is to end: nothing may be promised any more. */
  readonly alive: () => boolean;
  /** Resolves when `alive` turns false. */
  readonly failed: Promise<undefined>;
  /** The group's next tick may be due earlier than before. */
  readonly deadlineChanged: (group: LocalGroup) => void;
  readonly becameLeader: (group: LocalGroup) => void;
  readonly closed: (group: LocalGroup) => void;
};

const nothing: readonly (Payload | undefined)[] = [];

/** One replica: feeds the core, carries out its effects, applies what is committed and durable. */
export class LocalGroup implements Group, LoopMember {
  readonly id: GroupId;
  readonly self: ReplicaId;
  readonly voters: readonly ReplicaId[];
  readonly #host: GroupHost;
  readonly #machine: GroupMachine;
  readonly #view: LogView;
  readonly #state: RaftState;
  readonly #held = new HeldPayloads();
  readonly #suspicions = new Set<string>();
  #applied: number;
  /** Number of the write that has, or will have, all that is staged. */
  #lastFrame = 0;
  /** First index of the term that this replica leads. */
  #firstOfTerm = 0;
  #serving = false;
  /** Whom the machine was last told to follow. */
  #toldLeader: ReplicaId = 0;
  #leaseUntilMs = -Infinity;
  #replay: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(options: GroupOptions, host: GroupHost) {
    this.id = options.group;
    this.self = options.self;
    this.voters = options.voters;
    this.#host = host;
    this.#machine = options.machine;
    this.#view = host.log.view(options.group);
    this.#applied = options.appliedIndex;
    this.#state = initialState({
      self: options.self,
      configuration: simple(options.voters),
      hardState: host.log.hardState(options.group),
      log: this.#view,
      commit: options.appliedIndex,
      nowMs: host.monoMs(),
      ...host.draw(),
    });
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
    return this.#applied;
  }

  get leaseUntilMonoMs(): number {
    return this.#closed || !this.#host.alive() ? -Infinity : this.#leaseUntilMs;
  }

  get nextTickMs(): number {
    return nextTickMs(this.#state);
  }

  leaseValid(nowMonoMs: number): boolean {
    return nowMonoMs < this.leaseUntilMonoMs;
  }

  wake(): void {
    if (this.#serving && this.#closing === undefined && this.#host.alive()) this.#host.loop.wake(this);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  tick(nowMs: number): void {
    this.#step({ kind: "tick", nowMs, ...this.#host.draw() }, nothing);
  }

  receive(from: ReplicaId, message: Message, payloads: readonly (Payload | undefined)[], nowMs: number): void {
    if (message.kind === "appendRequest" && message.entries.length !== payloads.length) {
      this.#suspect(from, "an append has not one payload for each entry");
      return;
    }
    this.#step({ kind: "received", nowMs, from, message }, payloads);
  }

  follows(leader: ReplicaId, term: number): boolean {
    return follows(this.#state, leader, term);
  }

  /** What a heartbeat to `peer` says about this group; `undefined` when it is not led here or `peer` is no voter. */
  heartbeatFor(peer: ReplicaId): { readonly term: number; readonly commit: number } | undefined {
    const { role, hardState, commit } = this.#state;
    const progress = role.kind === "leader" ? role.progress.get(peer) : undefined;
    return progress && { term: hardState.term, commit: Math.min(commit, progress.match) };
  }

  gather(maxBytes: number, nowMs: number): boolean {
    if (!this.#serving || this.#closing !== undefined) return false;
    const payload = this.#machine.gather(maxBytes);
    if (payload === undefined) return false;
    assert(payload.length <= maxBytes, "a machine gathered more than it was allowed");
    this.#step({ kind: "propose", nowMs }, [payload]);
    return true;
  }

  snapshot(): LoopSnapshot {
    const { hardState, lastIndex: index, truncations } = this.#state;
    return {
      durable: (nowMs) => {
        if (this.#closed) return;
        this.#step({ kind: "persisted", nowMs, hardState, index, truncations }, nothing);
        this.#host.loop.committed(this);
      },
    };
  }

  apply(): void {
    if (this.#replay !== undefined || this.#closed) return;
    const before = this.#applied;
    const target = Math.min(this.#state.commit, this.#state.durableIndex);
    while (this.#applied < target) {
      const index = this.#applied + 1;
      const payload = this.#held.get(index);
      if (payload === undefined) {
        this.#replay = this.#replayUpTo(target);
        return;
      }
      this.#applyEntry({
        index,
        term: defined(this.#view.termAt(index), "the term of an entry that is applied"),
        kind: "data",
        payload,
        position: defined(this.#host.log.position(this.id, index), "the position of an entry that is applied"),
        summary: false,
      });
      this.#held.release(index);
    }
    if (this.#applied > before) this.#tellApplied();
    this.#startServing();
  }

  #applyEntry(entry: StoredEntry): void {
    assert(entry.index === this.#applied + 1, "entries come to be applied out of order");
    this.#machine.apply(entry);
    this.#applied = entry.index;
  }

  #tellApplied(): void {
    this.#machine.applied();
    this.#host.log.applied(this.id, this.#applied);
  }

  /** After a start, what the machine's checkpoint lacks comes from the log. */
  async #replayUpTo(target: number): Promise<void> {
    try {
      await this.#host.log.replay(this.id, this.#applied + 1, target, (entry) => {
        if (!this.#closed && this.#host.alive()) this.#applyEntry(entry);
      });
      this.#replay = undefined;
      this.#host.guard(() => {
        if (this.#closed) return;
        assert(this.#applied === target, "a replay ended before its last entry");
        this.#tellApplied();
        this.apply();
      });
    } catch (error) {
      this.#host.fail(error);
    }
  }

  #startServing(): void {
    const { role, hardState } = this.#state;
    if (this.#serving || role.kind !== "leader" || this.#applied < this.#firstOfTerm) return;
    this.#serving = true;
    this.#machine.leading(hardState.term);
    this.#host.loop.wake(this);
  }

  #step(input: Input, payloads: readonly (Payload | undefined)[]): void {
    if (this.#closed) return;
    const effects = this.#host.step(this.#state, input, this.#view);
    // Most steps change neither.
    if (input.kind !== "propose") this.#leaseUntilMs = leaseUntilMs(this.#state);
    for (const effect of effects) this.#perform(effect, payloads);
    this.#host.deadlineChanged(this);
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
        this.#host.loop.committed(this);
        break;
      case "roleChanged":
        this.#changeRole(effect);
        break;
      case "suspect":
        this.#suspect(effect.from, effect.reason);
        break;
      case "outOfReach":
        this.#host.logger.error(
          { group: this.id, to: effect.to, index: effect.nextIndex, firstIndex: this.#view.firstIndex },
          "a follower needs entries that the log no longer holds",
        );
        break;
    }
  }

  #append(entries: readonly Entry[], payloads: readonly (Payload | undefined)[]): void {
    // Of a peer's append the core may take only the last entries; a new leader's first entry is empty.
    const skipped = Math.max(0, payloads.length - entries.length);
    entries.forEach(({ index, term }, at) => {
      const payload = payloads[skipped + at];
      this.#host.log.append(this.id, index, term, payload);
      this.#held.append(index, payload);
    });
    this.#lastFrame = this.#host.loop.staged(this);
  }

  #send({ to, message, waitsFor }: Send): void {
    const { replication, loop } = this.#host;
    assert(message.kind !== "heartbeat" && message.kind !== "heartbeatReply", "heartbeats are the driver's");
    if (message.kind === "appendRequest") return replication.sendAppend(this.id, to, message, this.#held);
    const addressed: GroupMessage = { kind: "group", group: this.id, message, payloads: nothing };
    if (waitsFor === "nothing") replication.send(to, addressed);
    else
      loop.whenDurable(this.#lastFrame, () => {
        replication.send(to, addressed);
      });
  }

  #changeRole({ role, term, leader }: RoleChanged): void {
    this.#host.logger.info({ group: this.id, role, term, leader }, "Raft role changed");
    if (role === "leader") {
      this.#firstOfTerm = this.#view.lastIndex + 1;
      this.#host.becameLeader(this);
      return;
    }
    if (!this.#serving && this.#toldLeader === leader) return;
    this.#serving = false;
    this.#toldLeader = leader;
    this.#machine.following(leader);
  }

  /** Once for each sender and reason, so that a mad peer cannot fill the disk with lines. */
  #suspect(from: ReplicaId, reason: string): void {
    const key = `${String(from)} ${reason}`;
    if (this.#suspicions.has(key) || this.#suspicions.size >= 1_000) return;
    this.#suspicions.add(key);
    this.#host.logger.warn({ group: this.id, from, reason }, "refused a message that makes no sense");
  }

  async #close(): Promise<void> {
    const written = new Promise<void>((resolve) => {
      this.#host.loop.whenDurable(this.#lastFrame, resolve);
    });
    await Promise.race([written, this.#host.failed]);
    await this.#replay;
    this.#closed = true;
    this.#serving = false;
    this.#host.closed(this);
    this.#machine.following(0);
  }
}
