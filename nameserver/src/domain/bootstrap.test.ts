import { describe, expect, test } from "@jest/globals";
import { type BootstrapDecision, decideBootstrap, type MemberState, type OwnState } from "./bootstrap.ts";

const ownStates: readonly OwnState[] = [
  { kind: "empty" },
  { kind: "prepared", clusterId: "x" },
  { kind: "formed", clusterId: "x" },
];
const otherStates: readonly MemberState[] = [
  { kind: "unreachable" },
  { kind: "otherMembers" },
  { kind: "empty" },
  { kind: "prepared", clusterId: "x" },
  { kind: "prepared", clusterId: "y" },
  { kind: "formed", clusterId: "x" },
  { kind: "formed", clusterId: "y" },
];

type Case = { readonly self: number; readonly own: OwnState; readonly others: ReadonlyMap<number, MemberState> };

/** Every state of a group of `size`, seen from each of its members. */
function* casesOf(size: number): Generator<Case> {
  for (let self = 1; self <= size; self += 1) {
    const ids = Array.from({ length: size }, (_, at) => at + 1).filter((id) => id !== self);
    let all: ReadonlyMap<number, MemberState>[] = [new Map()];
    for (const id of ids) all = all.flatMap((some) => otherStates.map((state) => new Map(some).set(id, state)));
    for (const own of ownStates) for (const others of all) yield { self, own, others };
  }
}

/** Each row of the table that fits, first column first; exactly one must. */
const rows: readonly { readonly rule: string; readonly fits: (at: Facts) => boolean; readonly decision: string }[] = [
  { rule: "whoever was in the group goes on", fits: ({ own }) => own === "formed", decision: "open" },
  {
    rule: "two clusters are never mixed",
    fits: ({ own, clusters }) => own !== "formed" && clusters > 1,
    decision: "refuse",
  },
  {
    rule: "an empty folder that meets a formed group has lost its data",
    fits: ({ own, clusters, formed }) => own === "empty" && clusters === 1 && formed,
    decision: "join",
  },
  {
    rule: "a prepared one that meets a formed group is late",
    fits: ({ own, clusters, formed }) => own === "prepared" && clusters === 1 && formed,
    decision: "open",
  },
  {
    rule: "nothing forms while one is missing",
    fits: ({ own, clusters, formed, missing }) => own !== "formed" && clusters < 2 && !formed && missing,
    decision: "wait",
  },
  {
    rule: "the lowest of empty ones founds",
    fits: (at) => at.own === "empty" && at.clusters === 0 && !at.missing && at.lowest,
    decision: "found",
  },
  {
    rule: "the others wait for it",
    fits: (at) => at.own === "empty" && at.clusters === 0 && !at.missing && !at.lowest,
    decision: "wait",
  },
  {
    rule: "an empty one adopts the id of prepared ones",
    fits: (at) => at.own === "empty" && at.clusters === 1 && !at.formed && !at.missing,
    decision: "adopt",
  },
  {
    rule: "a prepared one waits for empty ones",
    fits: (at) => at.own === "prepared" && at.clusters === 1 && !at.formed && !at.missing && at.someEmpty,
    decision: "wait",
  },
  {
    rule: "the group opens when all are prepared",
    fits: (at) => at.own === "prepared" && at.clusters === 1 && !at.formed && !at.missing && !at.someEmpty,
    decision: "open",
  },
];

type Facts = {
  readonly own: OwnState["kind"];
  readonly clusters: number;
  readonly formed: boolean;
  readonly missing: boolean;
  readonly someEmpty: boolean;
  readonly lowest: boolean;
};

function factsOf({ self, own, others }: Case): Facts {
  const states = [...others.values()];
  const clusters = new Set([own, ...states].flatMap((state) => ("clusterId" in state ? [state.clusterId] : [])));
  return {
    own: own.kind,
    clusters: clusters.size,
    formed: states.some(({ kind }) => kind === "formed"),
    missing: states.some(({ kind }) => kind === "unreachable" || kind === "otherMembers"),
    someEmpty: states.some(({ kind }) => kind === "empty"),
    lowest: [...others.keys()].every((id) => id > self),
  };
}

describe("how a name server starts", () => {
  test.each([1, 3, 5])("in a group of %i: every state has exactly one row, and that is decided", (size) => {
    const met = new Set<string>();
    for (const state of casesOf(size)) {
      const fitting = rows.filter(({ fits }) => fits(factsOf(state)));
      if (fitting.length !== 1) throw new Error(`${fitting.length} rows for ${describeCase(state)}`);
      const [row] = fitting;
      const { kind } = decideBootstrap(state.self, state.own, state.others);
      if (row?.decision !== kind)
        throw new Error(`${kind} instead of ${row?.decision}: ${row?.rule}, ${describeCase(state)}`);
      met.add(row.rule);
    }
    if (size > 1) expect([...met].sort()).toEqual(rows.map(({ rule }) => rule).sort());
  });

  test.each([
    { others: [[2, { kind: "unreachable" }]], says: "member 2 does not answer" },
    { others: [[2, { kind: "otherMembers" }]], says: "same list" },
    {
      others: [
        [2, { kind: "prepared", clusterId: "y" }],
        [3, { kind: "formed", clusterId: "x" }],
      ],
      says: "member 2 to cluster y, member 3 to cluster x",
    },
  ] as const)("says what it waits for or refuses: $says", ({ others, says }) => {
    const decision = decideBootstrap(1, { kind: "empty" }, new Map<number, MemberState>(others));
    expect((decision as Extract<BootstrapDecision, { reason: string }>).reason).toContain(says);
  });

  test("whatever the order of crashes, one cluster id comes of it, and nobody votes before all have it", () => {
    for (let seed = 0; seed < 500; seed += 1) expect(formedBy(seed)).toBe(1);
  });
});

/** Members step in a drawn order; a crash keeps what was kept. Answers the number of cluster ids that were ever opened. */
function formedBy(seed: number): number {
  let draw = seed * 2_654_435_761;
  const below = (bound: number): number => {
    draw = (Math.imul(draw ^ (draw >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return draw % bound;
  };
  const states = new Map<number, OwnState>([1, 2, 3].map((id) => [id, { kind: "empty" }]));
  const opened = new Set<string>();
  for (let step = 0; step < 200; step += 1) {
    const self = 1 + below(3);
    const others = new Map<number, MemberState>([...states].filter(([id]) => id !== self));
    for (const id of others.keys()) if (below(4) === 0) others.set(id, { kind: "unreachable" });
    const own = states.get(self) ?? { kind: "empty" };
    const decision = decideBootstrap(self, own, others);
    if (decision.kind === "join" || decision.kind === "refuse") throw new Error(`${decision.kind} without a lost disk`);
    if (decision.kind === "found") states.set(self, { kind: "prepared", clusterId: `drawn-${seed}-${step}` });
    if (decision.kind === "adopt") states.set(self, { kind: "prepared", clusterId: decision.clusterId });
    if (decision.kind !== "open" || own.kind === "empty") continue;
    if ([...states.values()].some(({ kind }) => kind === "empty")) throw new Error("opened before all were prepared");
    opened.add(own.clusterId);
    states.set(self, { kind: "formed", clusterId: own.clusterId });
  }
  return opened.size;
}

function describeCase({ self, own, others }: Case): string {
  return JSON.stringify({ self, own, others: [...others] });
}
