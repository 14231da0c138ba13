import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { Configuration } from "../ports.ts";
import { type Command, caseFiles, casesAbsent, parseCases } from "../testing/cases/datadriven.ts";
import { configurationProblem } from "./configuration-codec.ts";
import { dropLeavers, trackMembers } from "./configure.ts";
import {
  type Changed,
  type ConfigurationChange,
  changed,
  isJoint,
  type MemberChange,
  membersOf,
  noMembers,
} from "./membership.ts";
import { simple } from "./quorum.ts";
import type { Draft, Leader } from "./state.ts";

const kinds = { v: "addVoter", l: "addLearner", r: "remove" } as const;

/** `v1 l2 r3`: "u" tells something else about a member, and changes nothing here. */
function changesOf(body: readonly string[]): readonly MemberChange[] {
  const words = body.join(" ").split(" ");
  return words.flatMap((word) => {
    const kind = kinds[word.charAt(0) as keyof typeof kinds] as MemberChange["kind"] | undefined;
    return kind === undefined ? [] : [{ kind, replica: Number(word.slice(1)) }];
  });
}

/** How the cases' own library words what we refuse, and what ours says. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/^config is already joint$/, "the configuration is joint already"],
  [/^can't make a zero-voter config joint$/, "a configuration without voters cannot become joint"],
  [/^can't leave a non-joint config$/, "there is no joint configuration to leave"],
  [/^can't apply simple config change in joint config$/, "a joint configuration must be left before the next change"],
  [/^more than one voter changed without entering joint config$/, "more than one voter changes at once"],
  [/^removed all voters$/, "it has no voter"],
];

/** A configuration and what its leader knows of each member, as the cases write it. */
class Walker {
  configuration: Configuration = noMembers;
  readonly #progress: Leader["progress"] = new Map();
  #commands = 0;

  run({ name, body, options }: Command): string {
    this.#commands += 1;
    const kind = ({ simple: "simple", "enter-joint": "joint", "leave-joint": "leave" } as const)[name];
    if (kind === undefined) throw new Error(`unknown command ${name}`);
    const autoLeave = options.get("autoleave")?.[0] === "true";
    const change: ConfigurationChange = { kind, changes: changesOf(body), autoLeave, revision: 0 };
    const next = changed(this.configuration, change);
    if ("problem" in next) return next.problem;
    this.configuration = next.configuration;
    return [configurationText(this.configuration), ...this.#followers()].join("\n");
  }

  /** A leader outside of it has a progress of every member. */
  #followers(): readonly string[] {
    const { configuration } = this;
    const state = { self: 0, configuration, lastIndex: this.#commands - 1, nowMs: 0 } as Draft["state"];
    trackMembers({ state } as Draft, { progress: this.#progress } as Leader);
    dropLeavers(
      { state: { ...state, configurationIndex: 0, commit: 0 } } as Draft,
      { progress: this.#progress } as Leader,
    );
    const rows = [...this.#progress].sort(([a], [b]) => a - b);
    return rows.map(([id, { mode, match, next }]) => {
      const learner = configuration.learners.includes(id) ? " learner" : "";
      return `${id}: State${mode === "probe" ? "Probe" : mode} match=${match} next=${next}${learner}`;
    });
  }
}

function configurationText({ incoming, outgoing, learners, learnersNext, autoLeave }: Configuration): string {
  const list = (ids: readonly number[]): string => `(${[...ids].sort((a, b) => a - b).join(" ")})`;
  const parts = [`voters=${list(incoming)}${outgoing.length > 0 ? `&&${list(outgoing)}` : ""}`];
  if (learners.length > 0) parts.push(`learners=${list(learners)}`);
  if (learnersNext.length > 0) parts.push(`learners_next=${list(learnersNext)}`);
  if (autoLeave) parts.push("autoleave");
  return parts.join(" ");
}

describe("Replayed configuration changes", () => {
  const files = caseFiles("confchange");
  if (files === undefined) {
    test.skip(casesAbsent, () => undefined);
    return;
  }
  test.each([...files])("%s", (_file, text) => {
    const walker = new Walker();
    for (const command of parseCases(text)) {
      const expected = command.expected.join("\n");
      const refusal = refusals.find(([theirs]) => theirs.test(expected));
      const before = walker.configuration;
      const found = walker.run(command);
      if (refusal === undefined) expect(`line ${command.line}: ${found}`).toBe(`line ${command.line}: ${expected}`);
      else {
        expect(`line ${command.line}: ${found}`).toContain(refusal[1]);
        expect(walker.configuration).toBe(before);
      }
    }
  });
});

const joint: Configuration = {
  ...simple([1, 2, 4]),
  outgoing: [1, 2, 3],
  learnersNext: [3],
  learners: [9],
  revision: 5,
};

describe("A change (Raft paper §6; thesis §4.1 to §4.3)", () => {
  test.each<{ rule: string; from: Configuration; change: Partial<ConfigurationChange>; to: object | string }>([
    {
      rule: "adds one voter simply",
      from: simple([1, 2]),
      change: { changes: [{ kind: "addVoter", replica: 3 }] },
      to: { incoming: [1, 2, 3] },
    },
    {
      rule: "takes a joint configuration to exchange voters",
      from: simple([1, 2, 3]),
      change: {
        changes: [
          { kind: "addVoter", replica: 4 },
          { kind: "remove", replica: 1 },
        ],
      },
      to: "takes a joint configuration",
    },
    {
      rule: "keeps a demoted voter in the outgoing half until that is left",
      from: simple([1, 2, 3]),
      change: { kind: "joint", changes: [{ kind: "addLearner", replica: 3 }] },
      to: { incoming: [1, 2], outgoing: [1, 2, 3], learners: [], learnersNext: [3], autoLeave: false },
    },
    {
      rule: "leaves for the incoming half, demoted voters as learners",
      from: joint,
      change: { kind: "leave", revision: 5 },
      to: { incoming: [1, 2, 4], outgoing: [], learners: [9, 3], learnersNext: [], autoLeave: false },
    },
    {
      rule: "of nobody changes only the revision",
      from: simple([1], 3),
      change: { changes: [], revision: 7 },
      to: { incoming: [1], revision: 7 },
    },
    { rule: "of an older placement is refused", from: simple([1], 3), change: { revision: 2 }, to: "of revision 2" },
    { rule: "of no revision is refused", from: simple([1]), change: { revision: Number.NaN }, to: "an integer" },
    {
      rule: "to replicas that cannot be is refused",
      from: simple([1]),
      change: { changes: [{ kind: "addLearner", replica: -4 }] },
      to: "replica ids are 1 to",
    },
  ])("$rule", ({ from, change, to }) => {
    const next: Changed = changed(from, { kind: "simple", changes: [], revision: from.revision, ...change });
    if (typeof to === "string") expect(next).toEqual({ problem: expect.stringContaining(to) });
    else expect(next).toEqual({ configuration: expect.objectContaining(to) });
  });

  test("never leads to a configuration that no group can have, nor to one whose majorities miss the old ones", () => {
    const change = fc.record({
      kind: fc.constantFrom("addVoter" as const, "addLearner" as const, "remove" as const),
      replica: fc.nat(5),
    });
    const command = fc.record({
      kind: fc.constantFrom("simple" as const, "joint" as const, "leave" as const),
      changes: fc.array(change, { maxLength: 4 }),
      autoLeave: fc.boolean(),
      revision: fc.constant(0),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
        let at = simple([1, 2, 3]);
        for (const one of commands) {
          const next = changed(at, one);
          if ("problem" in next) continue;
          expect(configurationProblem(next.configuration)).toBeUndefined();
          expect(overlap(at, next.configuration)).toBe(true);
          at = next.configuration;
        }
      }),
    );
  });
});

/** Whether every set of replicas that decides in one configuration meets every one that decides in the other. */
function overlap(a: Configuration, b: Configuration): boolean {
  const all = [...new Set([...membersOf(a), ...membersOf(b)])];
  const decides = ({ incoming, outgoing }: Configuration, set: number): boolean =>
    [incoming, outgoing].every((half) => {
      const present = half.filter((id) => (set >> all.indexOf(id)) % 2 === 1).length;
      return half.length === 0 || present * 2 > half.length;
    });
  const sets = Array.from({ length: 2 ** all.length }, (_, set) => set);
  const [ofA, ofB] = [a, b].map((one) => sets.filter((set) => decides(one, set)));
  return (ofA ?? []).every((one) => (ofB ?? []).every((other) => (one & other) !== 0));
}

test("Only a configuration with an outgoing half is joint", () => {
  expect([isJoint(joint), isJoint(simple([1]))]).toEqual([true, false]);
});
