import type { Effect, Send } from "../core/effect.ts";
import type { Input } from "../core/input.ts";
import type { ConfigurationChange } from "../core/membership.ts";
import type { Entry, Message } from "../core/messages.ts";
import { simple } from "../core/quorum.ts";
import { initialState, type RaftState } from "../core/state.ts";
import { step } from "../core/step.ts";
import { raftTimes } from "../core/times.ts";
import type { Damage, LogView, ReplicaId } from "../ports.ts";
import { emptyImage, type Image, type MemoryEntry, MemoryLog } from "./memory-log.ts";

export type LoneCoreOptions = {
  readonly voters?: readonly ReplicaId[];
  readonly term?: number;
  readonly vote?: ReplicaId;
  /** Terms of the entries that are durable at the start, from index 1 on. */
  readonly log?: readonly number[];
  readonly commit?: number;
  readonly learners?: readonly ReplicaId[];
  readonly damage?: Damage;
  /** Payload bytes of each entry that is proposed. */
  readonly entryBytes?: number;
};

const group = 1;

/** Milliseconds after its start at which a lone core acts first: past the quiet time, before it campaigns. */
const settledMs = raftTimes.startQuietMs;

/** Replica 1 by itself: a test gives it inputs and looks at the effects. Its log takes what it appends at once; nothing is durable unless said. */
export class LoneCore {
  readonly state: RaftState;
  nowMs = 0;
  readonly store: MemoryLog;
  readonly #view: LogView;
  readonly #entryBytes: number;

  constructor(options: LoneCoreOptions = {}) {
    const { voters = [1, 2, 3], learners = [], term = 1, vote = 0, log = [], commit = 0, damage = "no" } = options;
    this.#entryBytes = options.entryBytes ?? 10;
    const configuration = { ...simple(voters), learners };
    const entries = log.map((of): MemoryEntry => ({ term: of, kind: "data", bytes: new Uint8Array(0), crc: 0 }));
    const configurations = voters.length > 0 ? [{ index: 0, configuration }] : [];
    const image: Image = { ...emptyImage(), entries, configurations, hardState: { term, vote }, damage };
    this.store = new MemoryLog((_what, done) => done(), new Map([[group, image]]), 16 * 1024 * 1024);
    this.#view = this.store.view(group);
    this.state = initialState({
      self: 1,
      configuration: configurations[0],
      damage,
      hardState: image.hardState,
      log: this.#view,
      commit,
      nowMs: 0,
      electionJitterMs: 100,
      retryDelayMs: 80,
    });
    this.nowMs = settledMs;
  }

  /** Terms of the entries, from index 1 on. */
  get log(): readonly number[] {
    return this.store.live(group).entries.map((entry) => entry?.term ?? 0);
  }

  /** Drops entries up to `index`, as retention does. */
  compact(index: number): void {
    this.store.compact(group, index);
  }

  run(input: Input): readonly Effect[] {
    const effects = step(this.state, input, this.#view);
    for (const effect of effects) {
      if (effect.kind === "append") for (const entry of effect.entries) this.#append(entry);
      if (effect.kind !== "restartLog") continue;
      const { index, term, configuration } = effect.snapshot;
      this.store.restartAt(group, index, term, configuration);
    }
    void this.store.commit();
    return effects;
  }

  #append({ index, term, configuration }: Entry): void {
    const bytes = new Uint8Array(this.#entryBytes);
    const payload = configuration === undefined ? { bytes, start: 0, length: bytes.length, crc: 0 } : undefined;
    this.store.append(group, index, term, payload, configuration);
  }

  receive(from: ReplicaId, message: Message): readonly Effect[] {
    return this.run({ kind: "received", nowMs: this.nowMs, from, message });
  }

  propose(): readonly Effect[] {
    return this.run({ kind: "propose", nowMs: this.nowMs, bytes: this.#entryBytes });
  }

  tick(nowMs: number): readonly Effect[] {
    this.nowMs = nowMs;
    return this.run({ kind: "tick", nowMs, electionJitterMs: 100, retryDelayMs: 80 });
  }

  reconfigure(change: Partial<ConfigurationChange>): readonly Effect[] {
    const { revision } = this.state.configuration;
    return this.run({
      kind: "reconfigure",
      nowMs: this.nowMs,
      change: { kind: "simple", changes: [], revision, ...change },
    });
  }

  applied(index = this.state.commit): readonly Effect[] {
    return this.run({ kind: "applied", nowMs: this.nowMs, index });
  }

  /** All that was asked for so far has become durable. */
  persist(): readonly Effect[] {
    return this.run(this.persisted());
  }

  /** The end of a write that begins now. */
  persisted(): Input {
    const { hardState, lastIndex: index, truncations } = this.state;
    return { kind: "persisted", nowMs: this.nowMs, hardState, index, truncations };
  }

  /** Makes it the leader of the next term by the votes of as many others as it needs, its first entry not durable yet. */
  elect(): readonly Effect[] {
    const { incoming } = this.state.configuration;
    const supporters = incoming.filter((voter) => voter !== 1).slice(0, Math.floor(incoming.length / 2));
    this.tick(Math.max(this.nowMs, this.state.campaignAtMs));
    for (const from of supporters) {
      const { term } = this.state.hardState;
      this.receive(from, { kind: "preVoteReply", term, electionTerm: term + 1, granted: true });
    }
    let effects = this.persist();
    for (const from of supporters) {
      const { term } = this.state.hardState;
      effects = this.receive(from, { kind: "voteReply", term, electionTerm: term, granted: true });
    }
    return effects;
  }
}

/** The messages among effects, with whom they go to. */
export function sends(effects: readonly Effect[]): readonly { readonly to: ReplicaId; readonly message: Message }[] {
  return effects.filter((effect): effect is Send => effect.kind === "send").map(({ to, message }) => ({ to, message }));
}

/** Kinds of effects, in order. */
export function kinds(effects: readonly Effect[]): readonly string[] {
  return effects.map((effect) => effect.kind);
}
