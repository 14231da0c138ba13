import { defined } from "@saturnmq/kit";
import type { Effect } from "../../core/effect.ts";
import type { Input } from "../../core/input.ts";
import { isVoter, noMembers } from "../../core/membership.ts";
import type { Message } from "../../core/messages.ts";
import { simple, votersOf } from "../../core/quorum.ts";
import { initialState, leaderOf, type RaftState } from "../../core/state.ts";
import type { step } from "../../core/step.ts";
import { raftTimes } from "../../core/times.ts";
import type { Configuration, ConfigurationAt, LogView, Payload, ReplicaId, SnapshotHead } from "../../ports.ts";
import { emptyImage, type Image, MemoryLog } from "../memory-log.ts";
import { payloadOf } from "../recording-machine.ts";

/** What the dialogues say of a node when they add it. */
export type NodeSettings = {
  readonly id: ReplicaId;
  readonly voters: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
  /** It begins with a snapshot at this index. */
  readonly index: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly asyncWrites: boolean;
  /** Bytes of entries that are applied at once, at least one entry. */
  readonly applyBytes: number;
};

/** A message on its way. `payloads` go with the entries of an append. */
export type Letter = {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly message: Message;
  readonly payloads: readonly (Payload | undefined)[];
};

/** The end of a write or of applying, on its way back to the core. */
export type Done = {
  readonly to: ReplicaId;
  readonly done: Input | { readonly kind: "applied"; readonly index: number };
};

/** A node's standing in the dialogue's terms. */
export type Shown = {
  readonly role: RaftState["role"]["kind"];
  readonly leader: ReplicaId;
  readonly term: number;
  readonly vote: ReplicaId;
  readonly commit: number;
};

type Outgoing = { readonly letter: Letter; readonly durable: boolean };
type Snapshot = { readonly hardState: RaftState["hardState"]; readonly index: number; readonly truncations: number };

const group = 1;
/** Ticks of the dialogues in an election timeout. */
export const electionTicks = 3;

/** A term as the dialogues count it. */
export function termShown(term: number): number {
  return Math.max(0, term - 1);
}

/** An entry's term as the dialogues count it: what a node begins with is of term 1 there and here. */
export function entryTermShown(term: number): number {
  return term === 1 ? 1 : termShown(term);
}

/**
 * One node of a dialogue: this package's core, stepped and persisted when the dialogue says so.
 *
 * Three things that are always on here are settings there, and hidden where the dialogue has them off: the round before an election is answered on the
 * spot (`preVote`), and whoever is asked for a vote forgets when it heard a leader (`checkQuorum`). Terms are one higher here, since a replica whose log
 * begins in term 1 is in term 1 at least; `termShown` and `entryTermShown` take that back.
 */
export class DialogueNode {
  readonly id: ReplicaId;
  readonly settings: NodeSettings;
  readonly state: RaftState;
  readonly log: MemoryLog;
  applied: number;
  /** Messages that make no sense to it: there must be none. */
  readonly suspicions: string[] = [];
  refusal: string | undefined;
  readonly appendWork: { readonly snapshot: Snapshot; readonly letters: readonly Letter[] }[] = [];
  readonly applyWork: number[] = [];
  readonly #core: typeof step;
  readonly #view: LogView;
  #nowMs = 0;
  #outbox: Outgoing[] = [];
  #staged = false;
  #changed = false;
  /** Up to here entries are applied or handed out to be. */
  #handedOut: number;
  #next: Input[] = [];
  readonly #lostTo = new Set<ReplicaId>();
  #shown: Shown;

  constructor(settings: NodeSettings, core: typeof step) {
    this.#core = core;
    const { id, index, voters, learners } = settings;
    this.id = id;
    this.settings = settings;
    const configuration: Configuration = { ...simple(voters), learners };
    const known = voters.length > 0 ? [{ index: 0, configuration }] : [];
    const image: Image = {
      ...emptyImage(),
      entries: Array.from({ length: index }, () => undefined),
      start: { index, term: index > 0 ? 1 : 0 },
      configurations: known,
      hardState: { term: 1, vote: 0 },
    };
    this.log = new MemoryLog((_what, done) => done(), new Map([[group, image]]));
    this.#view = this.log.view(group);
    this.applied = index;
    this.#handedOut = index;
    this.state = initialState({
      self: id,
      configuration: known[0],
      damage: "no",
      hardState: image.hardState,
      log: this.#view,
      commit: index,
      nowMs: 0,
      electionJitterMs: 0,
      retryDelayMs: raftTimes.retryMinMs,
    });
    this.state.quietUntilMs = -Infinity;
    this.#shown = this.current;
  }

  get role(): RaftState["role"]["kind"] {
    return this.state.role.kind;
  }

  get leader(): ReplicaId {
    return leaderOf(this.state);
  }

  /** The configuration as of what is applied: the dialogues' library puts it in force then. */
  get appliedConfiguration(): ConfigurationAt {
    return this.#view.configurationAt(this.applied) ?? { index: 0, configuration: noMembers };
  }

  get entries(): Image["entries"] {
    return this.log.durable(group).entries;
  }

  get liveEntries(): Image["entries"] {
    return this.log.live(group).entries;
  }

  get isVoter(): boolean {
    return isVoter(this.appliedConfiguration.configuration, this.id);
  }

  /** What it was when its last `process-ready` began: what the dialogues show of that. */
  get shown(): Shown {
    return this.#shown;
  }

  /** What it is now. */
  get current(): Shown {
    const { hardState, commit } = this.state;
    return { role: this.role, leader: this.leader, term: termShown(hardState.term), vote: hardState.vote, commit };
  }

  /** Whether `process-ready` has something to do. */
  get hasReady(): boolean {
    if (this.#outbox.length > 0 || this.#staged || this.#changed) return true;
    return this.state.commit !== this.#shown.commit || this.#applyTarget() > this.#handedOut;
  }

  run(input: Input, payloads: readonly (Payload | undefined)[] = []): void {
    for (const effect of this.#core(this.state, input, this.#view)) this.#perform(effect, payloads);
    for (let next = this.#next.shift(); next !== undefined; next = this.#next.shift()) this.run(next);
  }

  /** An election now, by the way that the dialogue has chosen. */
  campaign(): void {
    const before = this.#outbox.length;
    this.state.campaignAtMs = this.#nowMs;
    this.#tick();
    if (this.settings.preVote) return;
    this.#outbox = this.#outbox.filter(({ letter }, at) => at < before || letter.message.kind !== "preVoteRequest");
    const { term } = this.state.hardState;
    const message = { kind: "preVoteReply", term, electionTerm: term + 1, granted: true } as const;
    for (const from of votersOf(this.state.configuration)) {
      if (this.role === "preCandidate" && from !== this.id)
        this.run({ kind: "received", nowMs: this.#nowMs, from, message });
    }
  }

  /** One tick. A leader's is half as long: its dialogue looks at two timeouts where ours looks at one. */
  tick(): void {
    const leads = this.role === "leader";
    for (const peer of this.#lostTo) this.ask({ kind: "unreachable", peer });
    this.#lostTo.clear();
    this.#nowMs += raftTimes.leaderQuietMs / electionTicks / (leads ? 2 : 1);
    if (leads) this.#beat();
    if (!leads && this.#nowMs >= this.state.campaignAtMs) this.campaign();
    else if (this.settings.checkQuorum || !leads) this.#tick();
  }

  /** A message to `peer` was dropped. The transport says so, by the next tick. */
  lost(peer: ReplicaId): void {
    this.#lostTo.add(peer);
  }

  /** A configuration entry is in its log and not applied yet. */
  get isChanging(): boolean {
    return this.state.configurationIndex > this.applied;
  }

  /** The election timeout, in ticks. */
  setElectionTimeout(ticks: number): void {
    const jitterMs = ((ticks - electionTicks) * raftTimes.leaderQuietMs) / electionTicks;
    this.state.campaignAtMs += jitterMs - this.state.electionJitterMs;
    this.state.electionJitterMs = jitterMs;
  }

  propose(text: string): boolean {
    if (this.role !== "leader") return false;
    const payload = text === "" ? undefined : payloadOf(text);
    this.run({ kind: "propose", nowMs: this.#nowMs, bytes: payload?.length ?? 0 }, [payload]);
    return true;
  }

  forgetLeader(): void {
    this.run({ kind: "forgetLeader", nowMs: this.#nowMs });
    this.state.heardMs = -Infinity;
  }

  /** Runs an input that carries nothing but the time. */
  ask(
    input:
      | { readonly kind: "transfer"; readonly to: ReplicaId }
      | { readonly kind: "unreachable"; readonly peer: ReplicaId },
  ): void {
    this.run({ ...input, nowMs: this.#nowMs });
  }

  reconfigure(change: Extract<Input, { kind: "reconfigure" }>["change"]): string | undefined {
    this.refusal = undefined;
    this.run({ kind: "reconfigure", nowMs: this.#nowMs, change });
    return this.refusal;
  }

  receive({ from, message, payloads }: Letter): void {
    const { role } = this.state;
    if (!this.settings.checkQuorum) this.#forgetLoyalty(from, message);
    // Nor is a leader loyal to itself when it is only asked whether it would vote.
    const asked = message.kind === "preVoteRequest" && role.kind === "leader" && !this.settings.checkQuorum;
    if (asked) this.state.role = { kind: "follower", leader: 0 };
    this.run({ kind: "received", nowMs: this.#nowMs, from, message }, payloads);
    if (asked) this.state.role = role;
    if (message.kind === "heartbeat") this.#answerBeat(from, message.term);
  }

  takeDone(done: Done["done"]): void {
    if (done.kind === "applied") this.#noteApplied(done.index);
    else this.run({ ...done, nowMs: this.#nowMs });
  }

  /** Makes what is staged durable, gives out messages, applies. With asynchronous writes the first and last are only begun. Answers the messages. */
  processReady(): readonly Letter[] {
    const { hardState, lastIndex: index, truncations } = this.state;
    const snapshot: Snapshot = { hardState, index, truncations };
    const target = this.#applyTarget();
    this.#shown = this.current;
    const outbox = this.#outbox;
    const staged = this.#staged;
    this.#outbox = [];
    this.#staged = false;
    this.#changed = false;
    void this.log.commit();
    const now = this.settings.asyncWrites ? outbox.filter(({ durable }) => !durable) : outbox;
    const later = outbox.filter((outgoing) => !now.includes(outgoing));
    if (!this.settings.asyncWrites) this.takeDone({ kind: "persisted", nowMs: this.#nowMs, ...snapshot });
    this.#handOut(target);
    if (!this.settings.asyncWrites) return now.map(({ letter }) => letter);
    if (staged || later.length > 0) this.appendWork.push({ snapshot, letters: later.map(({ letter }) => letter) });
    return now.map(({ letter }) => letter);
  }

  compact(index: number): void {
    this.log.compact(group, Math.min(index, this.applied));
    void this.log.commit();
  }

  /** What it would send to a follower out of reach of its log. */
  newestSnapshot(): SnapshotHead {
    const index = this.applied;
    const term = defined(this.#view.termAt(index), "the term of an applied entry");
    return { index, term, configuration: this.appliedConfiguration, id: `at ${index}`, bytes: 0 };
  }

  /** Its newest snapshot for `to`, asked for or not. */
  snapshotFor(to: ReplicaId): Letter {
    const message = {
      kind: "snapshotOffer",
      term: this.state.hardState.term,
      snapshot: this.newestSnapshot(),
    } as const;
    return { from: this.id, to, message, payloads: [] };
  }

  #tick(): void {
    const { electionJitterMs, retryDelayMs } = this.state;
    this.run({ kind: "tick", nowMs: this.#nowMs, electionJitterMs, retryDelayMs });
  }

  /** Entries that are committed and durable, as many as are applied at once. */
  #applyTarget(): number {
    const { commit, durableIndex, lastIndex } = this.state;
    // Without asynchronous writes what this very write makes durable may be applied after it.
    const most = Math.min(commit, this.settings.asyncWrites ? durableIndex : lastIndex);
    let target = this.#handedOut;
    let bytes = 0;
    while (target < most) {
      bytes += this.#view.bytesAt(target + 1) ?? 0;
      if (target > this.#handedOut && bytes + 1 > this.settings.applyBytes) break;
      target += 1;
    }
    return target;
  }

  #handOut(target: number): void {
    if (target <= this.#handedOut) return;
    this.#handedOut = target;
    if (this.settings.asyncWrites) this.applyWork.push(target);
    else this.#noteApplied(target);
  }

  #noteApplied(index: number): void {
    this.applied = Math.max(this.applied, index);
    this.run({ kind: "applied", nowMs: this.#nowMs, index: this.applied });
  }

  #beat(): void {
    const { role, hardState, commit } = this.state;
    if (role.kind !== "leader") return;
    for (const [to, { match }] of role.progress)
      this.#post(to, { kind: "heartbeat", term: hardState.term, commit: Math.min(commit, match) }, false);
  }

  #answerBeat(to: ReplicaId, term: number): void {
    const { role, hardState } = this.state;
    const follows = role.kind === "follower" && role.leader === to && hardState.term === term;
    this.#post(to, { kind: "heartbeatReply", term: hardState.term, follows, sentMs: -1 }, true);
  }

  /** Nobody is loyal to a leader without `checkQuorum`; a leader that is asked for a vote of a later term steps down first. */
  #forgetLoyalty(from: ReplicaId, message: Message): void {
    const { role, hardState } = this.state;
    if (message.kind !== "voteRequest" && message.kind !== "preVoteRequest") return;
    this.state.heardMs = -Infinity;
    if (role.kind !== "leader") return;
    const later = { kind: "heartbeatReply", term: message.term, follows: false, sentMs: -1 } as const;
    if (message.kind === "voteRequest" && message.term > hardState.term)
      this.run({ kind: "received", nowMs: this.#nowMs, from, message: later });
  }

  #post(to: ReplicaId, message: Message, durable: boolean): void {
    const payloads = message.kind === "appendRequest" ? message.entries.map(({ index }) => this.#payload(index)) : [];
    this.#outbox.push({ letter: { from: this.id, to, message, payloads }, durable });
  }

  #payload(index: number): Payload | undefined {
    const entry = this.log.live(group).entries[index - 1];
    if (entry === undefined || entry.kind === "configuration") return undefined;
    return { bytes: entry.bytes, start: 0, length: entry.bytes.length, crc: entry.crc };
  }

  #perform(effect: Effect, payloads: readonly (Payload | undefined)[]): void {
    switch (effect.kind) {
      case "append": {
        const skipped = Math.max(0, payloads.length - effect.entries.length);
        for (const [at, { index, term, configuration }] of effect.entries.entries())
          this.log.append(group, index, term, configuration ? undefined : payloads[skipped + at], configuration);
        this.#staged = true;
        break;
      }
      case "persistHardState":
        this.log.saveHardState(group, effect.hardState);
        this.#staged = true;
        break;
      case "send":
        this.#post(effect.to, effect.message, effect.waitsFor === "durable");
        break;
      case "roleChanged":
        this.#changed = true;
        break;
      case "suspect":
        this.suspicions.push(`${this.id} suspects ${effect.from}: ${effect.reason}`);
        break;
      case "refused":
        this.refusal = effect.reason;
        break;
      case "sendSnapshot":
        this.#next.push({ kind: "snapshotReady", nowMs: this.#nowMs, to: effect.to, snapshot: this.newestSnapshot() });
        break;
      case "fetchSnapshot":
        this.#next.push({ kind: "restored", nowMs: this.#nowMs, snapshot: effect.snapshot });
        break;
      case "restartLog": {
        const { index, term, configuration } = effect.snapshot;
        this.log.restartAt(group, index, term, configuration);
        this.applied = index;
        this.#handedOut = index;
        this.#staged = true;
        break;
      }
      case "commit":
      case "configured":
      case "handingOver":
      case "handOverFailed":
      case "healed":
        break;
    }
  }
}
