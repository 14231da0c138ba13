import { defined } from "@saturnmq/kit";
import type { Effect, Send } from "../core/effect.ts";
import type { Input } from "../core/input.ts";
import type { Message } from "../core/messages.ts";
import { simple } from "../core/quorum.ts";
import { initialState, type RaftState } from "../core/state.ts";
import { step } from "../core/step.ts";
import { raftTimes } from "../core/times.ts";
import type { LogView, ReplicaId } from "../ports.ts";

export type LoneCoreOptions = {
  readonly voters?: readonly ReplicaId[];
  readonly term?: number;
  readonly vote?: ReplicaId;
  /** Terms of the entries that are durable at the start, from index 1 on. */
  readonly log?: readonly number[];
  readonly commit?: number;
};

/** Milliseconds after its start at which a lone core acts first: past the quiet time, before it campaigns. */
const settledMs = raftTimes.startQuietMs;

/** Replica 1 by itself: a test gives it inputs and looks at the effects. Its log takes what it appends at once; nothing is durable unless said. */
export class LoneCore {
  readonly state: RaftState;
  nowMs = 0;
  readonly #terms: number[];
  readonly #view: LogView;

  constructor({ voters = [1, 2, 3], term = 1, vote = 0, log = [], commit = 0 }: LoneCoreOptions = {}) {
    const terms = [...log];
    this.#terms = terms;
    this.#view = {
      firstIndex: 1,
      get lastIndex() {
        return terms.length;
      },
      get lastTerm() {
        return terms.at(-1) ?? 0;
      },
      termAt: (index) => (index === 0 ? 0 : terms[index - 1]),
      bytesAt: (index) => (terms[index - 1] === undefined ? undefined : 0),
      configurationAt: () => undefined,
    };
    this.state = initialState({
      self: 1,
      configuration: { index: 0, configuration: simple(voters) },
      damage: "no",
      hardState: { term, vote },
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
    return this.#terms;
  }

  run(input: Input): readonly Effect[] {
    const effects = step(this.state, input, this.#view);
    for (const effect of effects) {
      if (effect.kind !== "append") continue;
      const [first] = effect.entries;
      this.#terms.splice(defined(first, "an appended entry").index - 1);
      this.#terms.push(...effect.entries.map((entry) => entry.term));
    }
    return effects;
  }

  receive(from: ReplicaId, message: Message): readonly Effect[] {
    return this.run({ kind: "received", nowMs: this.nowMs, from, message });
  }

  propose(): readonly Effect[] {
    return this.run({ kind: "propose", nowMs: this.nowMs, bytes: 10 });
  }

  tick(nowMs: number): readonly Effect[] {
    this.nowMs = nowMs;
    return this.run({ kind: "tick", nowMs, electionJitterMs: 100, retryDelayMs: 80 });
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
