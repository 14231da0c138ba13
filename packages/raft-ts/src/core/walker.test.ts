import { describe, expect, test } from "@jest/globals";
import type { Configuration, ReplicaId } from "../ports.ts";
import { changed, isJoint, leaveJoint } from "./membership.ts";
import { simple } from "./quorum.ts";
import { type ConfigurationTarget, nextChange } from "./walker.ts";

const ids = [1, 2, 3, 4];
/** Every set of these replicas. */
const subsets: readonly (readonly ReplicaId[])[] = Array.from({ length: 2 ** ids.length }, (_, bits) =>
  ids.filter((_id, at) => (bits >> at) % 2 === 1),
);

/** Every configuration that is not joint, of at most four replicas. */
const settled: readonly Configuration[] = subsets
  .filter((voters) => voters.length > 0)
  .flatMap((voters) =>
    subsets
      .filter((learners) => learners.every((id) => !voters.includes(id)))
      .map((learners) => ({ ...simple(voters), learners })),
  );

const targets: readonly ConfigurationTarget[] = settled.map(({ incoming, learners }) => ({
  voters: incoming,
  learners,
  revision: 1,
}));

/** Every joint configuration between two sets of voters, of at most three replicas. */
const joints: readonly Configuration[] = subsets
  .filter((incoming) => incoming.length > 0 && !incoming.includes(4))
  .flatMap((incoming) =>
    subsets
      .filter((outgoing) => outgoing.length > 0 && !outgoing.includes(4))
      .flatMap((outgoing) => [true, false].map((autoLeave) => ({ ...simple(incoming), outgoing, autoLeave }))),
  );

function isAt(end: Configuration | undefined, { voters, learners = [], revision }: ConfigurationTarget): boolean {
  if (end === undefined || isJoint(end) || end.learnersNext.length > 0 || end.autoLeave) return false;
  return same(end.incoming, voters) && same(end.learners, learners) && end.revision === revision;
}

function same(a: readonly number[], b: readonly number[]): boolean {
  return sorted(a).join() === sorted(b).join();
}

function sorted(list: readonly number[]): readonly number[] {
  return [...list].sort((a, b) => a - b);
}

/** Walks until there is nothing more to do; every learner gets ready when it is waited for. Answers each configuration on the way. */
function walk(from: Configuration, target: ConfigurationTarget): readonly Configuration[] {
  const way: Configuration[] = [from];
  const ready = new Set<ReplicaId>();
  for (let steps = 0; steps < 8; steps += 1) {
    const at = way.at(-1) ?? from;
    const next = nextChange(at, target, (id) => (ready.has(id) ? "ready" : "behind"));
    if (next.kind === "done") return way;
    if (next.kind === "outdated" || next.kind === "handOver") throw new Error(`a walk says ${next.kind}`);
    if (next.kind === "wait") {
      // Whoever is waited for is a learner; nobody is, while the leader leaves the joint configuration.
      const sound =
        next.for.length > 0 ? !isJoint(at) && next.for.every((id) => at.learners.includes(id)) : isJoint(at);
      if (!sound) throw new Error(`a walk waits in vain at ${JSON.stringify(at)}`);
      for (const id of next.for) ready.add(id);
      if (next.for.length > 0) continue;
    }
    const result = next.kind === "wait" ? leaveJoint(at, at.revision) : changed(at, next.change);
    if (!("configuration" in result)) throw new Error(`a step is refused: ${result.problem}`);
    way.push(result.configuration);
  }
  throw new Error("a walk does not end");
}

describe("A walk to a target", () => {
  test("ends there from every configuration of up to four replicas, and never asks for what is refused", () => {
    let walks = 0;
    for (const from of [...settled, ...joints]) {
      for (const target of targets) {
        if (!isAt(walk(from, target).at(-1), target))
          throw new Error(`a walk ends elsewhere: ${JSON.stringify([from, target])}`);
        walks += 1;
      }
    }
    // 65 settled configurations, two times 7 x 7 joint ones.
    expect(walks).toBe((65 + 98) * 65);
  });

  test("makes nobody a voter who was not a ready learner right before", () => {
    for (const from of settled) {
      for (const target of targets) {
        const way = walk(from, target);
        way.slice(1).forEach((now, at) => {
          const before = way[at] ?? from;
          const sudden = now.incoming.filter((id) => !before.incoming.includes(id) && !before.learners.includes(id));
          if (sudden.length > 0) throw new Error(`${sudden.join()} votes at once in ${JSON.stringify(now)}`);
        });
      }
    }
  });

  test("drops nobody before those who replace them are ready", () => {
    const step = nextChange(
      { ...simple([1, 2, 3]), learners: [4] },
      { voters: [2, 3, 4], revision: 1 },
      () => "behind",
    );
    expect(step).toEqual({ kind: "wait", for: [4] });
  });

  test("has a leader that is to be dropped hand over to one who stays and is ready", () => {
    const target = { voters: [2, 3], revision: 1 };
    const readiness = (ready: number) => (id: number) => (id === ready ? "ready" : "behind");
    expect(nextChange(simple([1, 2, 3]), target, readiness(3), 1)).toEqual({ kind: "handOver", to: 3 });
    expect(nextChange(simple([1, 2, 3]), target, readiness(1), 1)).toMatchObject({ kind: "change" });
    expect(nextChange(simple([1, 2, 3]), target, readiness(3), 2)).toMatchObject({ kind: "change" });
  });

  test("goes on from anywhere towards a target that changed meanwhile", () => {
    for (const first of targets) {
      for (const between of walk(simple([1, 2]), first)) {
        const end = walk(between, { voters: [2, 3], revision: 2 }).at(-1);
        expect(sorted(end?.incoming ?? [])).toEqual([2, 3]);
        expect(end).toMatchObject({ learners: [], revision: 2 });
      }
    }
  });

  test("to an older target is not begun, not even when nothing would change", () => {
    const ready = () => "ready" as const;
    expect(nextChange(simple([1, 2], 5), { voters: [1], revision: 4 }, ready)).toEqual({ kind: "outdated" });
    expect(nextChange(simple([1], 5), { voters: [1], revision: 5 }, ready)).toEqual({ kind: "done" });
    expect(nextChange(simple([1], 5), { voters: [1], revision: 6 }, ready)).toMatchObject({
      change: { changes: [], revision: 6 },
    });
  });

  test("leaves a joint configuration that nobody leaves by itself", () => {
    const at: Configuration = { ...simple([1, 2], 5), outgoing: [1] };
    expect(nextChange(at, { voters: [1, 2], revision: 6 }, () => "behind")).toEqual({
      kind: "change",
      change: { kind: "leave", changes: [], revision: 6 },
    });
  });
});
