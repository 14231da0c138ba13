import { type Invariant, Violation } from "./invariant.ts";

/** How often replicas are asked, milliseconds. */
const everyMs = 200;

/** What is known of a shard's configurations: by the index of their entries. */
type Known = { readonly texts: Map<number, string>; index: number; revision: number };

/**
 * Committed configurations are the same on all replicas, and the revision of the target that they carry never falls: a leader never acts on an older one
 * (design 9).
 */
export function configurationsGoOn(): Invariant {
  const name = "committed configurations agree, and walk to no older target (design 9)";
  const shards = new Map<number, Known>();
  let nextMs = 0;
  return {
    name,
    afterEvent: ({ brokers, queue }) => {
      if (queue.nowMs < nextMs) return;
      nextMs = queue.nowMs + everyMs;
      for (const { machine, broker } of brokers) {
        for (const { shard, commitIndex } of broker?.dataPlane.report().replicas ?? []) {
          const at = broker?.store.view(shard).configurationAt(commitIndex);
          if (at === undefined) continue;
          const known: Known = shards.get(shard) ?? { texts: new Map<number, string>(), index: 0, revision: 0 };
          shards.set(shard, known);
          const problem = noteConfiguration(
            known,
            at.index,
            at.configuration.revision,
            JSON.stringify(at.configuration),
          );
          if (problem !== undefined) throw new Violation(`${name}: shard ${shard} on ${machine.name} ${problem}`);
        }
      }
    },
  };
}

function noteConfiguration(known: Known, index: number, revision: number, text: string): string | undefined {
  const before = known.texts.get(index);
  known.texts.set(index, text);
  if (before !== undefined && before !== text) return `has ${text} at ${index}, another replica ${before}`;
  if (index < known.index) return undefined;
  if (index > known.index && revision < known.revision) return `goes from revision ${known.revision} to ${revision}`;
  known.index = index;
  known.revision = revision;
  return undefined;
}
