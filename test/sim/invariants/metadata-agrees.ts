import { crc32 } from "@saturnmq/kit/node";
import { type Invariant, Violation } from "./invariant.ts";

/** State machine safety (Raft paper, Figure 3) of the metadata: at one revision all name servers, in all their lives, hold the same, byte for byte. */
export function metadataAgrees(): Invariant {
  const name = "name servers agree at each revision (Raft paper, Figure 3)";
  const known = new Map<number, number>();
  const looked = new Map<object, number>();
  return {
    name,
    afterEvent: ({ nameServers }) => {
      for (const { machine, member } of nameServers) {
        if (member === undefined) continue;
        const { metadata } = member.metadata;
        const { revision } = metadata.state;
        if (looked.get(member) === revision) continue;
        if (revision < (looked.get(member) ?? 0))
          throw new Violation(`${name}: ${machine.name} went back to ${revision}`);
        looked.set(member, revision);
        const bytes = metadata.checkpoint();
        const check = crc32(bytes, 0, bytes.length);
        const before = known.get(revision);
        if (before === undefined) known.set(revision, check);
        else if (before !== check) throw new Violation(`${name}: ${machine.name} differs at revision ${revision}`);
      }
    },
  };
}
