/** A fault that the simulation must find: `from`, which `file` has once, reads `to`. */
export type Mutant = {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** A seed that finds it. Absent: none is known yet, `make mutants` looks for one. */
  readonly seed?: number;
};

const raft = "packages/raft-ts/src";
const store = "packages/store/src";
const shard = "broker/src/shard";

/** Those of the mutation bar (reliability.md) and of design 12 that a cluster can show. */
export const mutants: readonly Mutant[] = [
  {
    name: "acknowledges before the disk has it",
    file: `${store}/log-writer.ts`,
    from: "await this.#file.write(arena.bytes, start, padded, frame.offset);",
    to: "this.#file.write(arena.bytes.slice(), start, padded, frame.offset).catch(() => undefined);",
    seed: 2,
  },
  {
    name: "goes on after a write that failed",
    file: `${store}/log-writer.ts`,
    from: "this.fail(error);\n      throw error;\n    }\n    for (const change of frame.changes)",
    to: "void error;\n    }\n    for (const change of frame.changes)",
    seed: 10,
  },
  {
    name: "forgets a truncation",
    file: `${store}/file-log-store.ts`,
    from: "stage.addTruncation(log, index, this.#groups.size);",
    to: "",
    seed: 2,
  },
  {
    name: "does not make a checkpoint's name durable",
    file: `${store}/checkpoint-store.ts`,
    from: "await this.#disk.rename(temporary, path);\n    await this.#disk.syncFolder(this.#folder);",
    to: "await this.#disk.rename(temporary, path);",
    seed: 1,
  },
  {
    name: "forgets a vote with a freed segment",
    file: `${store}/group-log.ts`,
    from: "placed.hardTerm = this.hardState.term;\n    placed.vote = this.hardState.vote;",
    to: "placed.hardTerm = this.hardState.term;\n    placed.vote = 0;",
    seed: 1,
  },
  {
    name: "forgets a term with a freed segment",
    file: `${store}/group-log.ts`,
    from: "placed.hardTerm = this.hardState.term;\n    placed.vote = this.hardState.vote;",
    to: "placed.hardTerm = 0;\n    placed.vote = 0;",
    seed: 1,
  },
  {
    name: "votes twice in a term",
    file: `${raft}/core/voter.ts`,
    from: "(vote === 0 || vote === from) && !isBehind",
    to: "!isBehind",
    seed: 2,
  },
  {
    name: "votes for shorter logs",
    file: `${raft}/core/voter.ts`,
    from: "return candidate.lastIndex < state.lastIndex;",
    to: "return false;",
    seed: 4,
  },
  {
    name: "elects while a lease may hold",
    file: `${raft}/core/voter.ts`,
    from: "return state.nowMs < state.quietUntilMs || state.nowMs < state.heardMs + raftTimes.leaderQuietMs;",
    to: "return false;",
    seed: 63,
  },
  {
    name: "counts its own entries before they are durable",
    file: `${raft}/core/leader.ts`,
    from: "voter === self ? state.durableIndex :",
    to: "voter === self ? state.lastIndex :",
    seed: 1,
  },
  {
    name: "commits entries of older terms by counting",
    file: `${raft}/core/leader.ts`,
    from: " || termAt(draft, reached) !== state.hardState.term) return;",
    to: ") return;",
    seed: 2,
  },
  {
    name: "answers before what it says is durable",
    file: `${raft}/core/transitions.ts`,
    from: 'effects.push({ kind: "send", to, message, waitsFor: "durable" });',
    to: 'effects.push({ kind: "send", to, message, waitsFor: "nothing" });',
    seed: 1,
  },
  {
    name: "a lease never ends",
    file: `${raft}/core/state.ts`,
    from: "return confirmedMs(state) + raftTimes.leaseMs;",
    to: "return Infinity;",
    seed: 3,
  },
  {
    name: "skips the entry after a configuration",
    file: `${raft}/driver/applier.ts`,
    from: "this.#options.machine.apply(entry);",
    to: "if (this.#view.configurationAt(entry.index)?.index !== entry.index - 1 || entry.index === 1) this.#options.machine.apply(entry);",
    seed: 1,
  },
  {
    name: "a stale heartbeat keeps a dead leader alive",
    file: `${raft}/driver/led-groups.ts`,
    from: "if (base === 0) this.#table.clear();\n    else if (base !== this.#version) return false;",
    to: "if (false) return false;",
  },
  {
    name: "walks back to an old target",
    file: `${raft}/core/walker.ts`,
    from: 'if (revision < current.revision) return { kind: "outdated" };',
    to: "",
  },
  {
    name: "lets a replica vote that lacks old messages",
    file: `${shard}/shard-walks.ts`,
    from: "return this.#filling.get(broker)?.has(shard) === false;",
    to: "return true;",
    seed: 8,
  },
  {
    name: "answers a send before it is committed",
    file: `${shard}/sends.ts`,
    from: "await shard.settled();",
    to: "",
    seed: 2,
  },
  {
    name: "answers acknowledgements from the overlay",
    file: `${shard}/local-shards.ts`,
    from: "const settled = runtime.settled();",
    to: "const settled = undefined as Promise<void> | undefined;",
    seed: 6,
  },
  {
    name: "answers a renewed lease before it is committed",
    file: `${shard}/local-shards.ts`,
    from: "    } finally {\n      await this.#confirmed(shard.runtime);\n",
    to: "    } finally {\n",
  },
  {
    name: "delivers ordered messages before their lease is committed",
    file: `${shard}/ordered-reader.ts`,
    from: "await this.#shard.settled();",
    to: "",
    seed: 63,
  },
  {
    name: "measures leases by the wall clock",
    file: `${shard}/shard-runtime.ts`,
    from: "return this.#time.now(this.#host.clock.monoMs());",
    to: "return this.#host.clock.wallMs();",
    seed: 2,
  },
  {
    name: "keeps nothing of acknowledgements above the floor in checkpoints",
    file: "broker/src/domain/checkpoint.ts",
    from: "for (let offset = from; offset < from + count; offset += 1) bits.add(offset);",
    to: "",
    seed: 1,
  },
];
