import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import type { ReplicaId } from "../ports.ts";
import { quorumValue, simple, type Voters, voteResult, votersOf } from "./quorum.ts";

const folder = process.env["RAFT_CASES"] ?? fileURLToPath(new URL("../../../../../shared/raft-cases", import.meta.url));
const quorumFolder = `${folder}/quorum`;

type Case = { readonly line: string; readonly expected: string };

/** The cases of one file: a command line, `----`, the expected output up to an empty line. */
function casesOf(text: string): readonly Case[] {
  const lines = text.split("\n");
  const cases: Case[] = [];
  lines.forEach((line, at) => {
    if (lines[at + 1] !== "----" || line === "") return;
    const end = lines.indexOf("", at + 2);
    // Above the last line is a picture of how the result came about.
    cases.push({ line, expected: lines.slice(at + 2, end < 0 ? undefined : end).at(-1) ?? "" });
  });
  return cases;
}

/** A list argument such as `cfg=(1, 2)`; `undefined` when it is absent. */
function listOf(line: string, name: string): readonly string[] | undefined {
  const found = new RegExp(`\\b${name}=\\(([^)]*)\\)`).exec(line)?.[1];
  return found?.split(",").map((item) => item.trim());
}

function configurationOf(line: string): Voters {
  return { incoming: (listOf(line, "cfg") ?? []).map(Number), outgoing: (listOf(line, "cfgj") ?? []).map(Number) };
}

/** Values are listed for the voters of both halves in the order in which they are first named. */
function valuesOf(line: string, name: string): ReadonlyMap<ReplicaId, string> {
  const values = listOf(line, name) ?? [];
  const voters = votersOf(configurationOf(line));
  return new Map(voters.map((voter, at) => [voter, values[at] ?? "_"]));
}

function answerOf(line: string): string {
  const configuration = configurationOf(line);
  if (line.startsWith("vote")) {
    const given = [...valuesOf(line, "votes")].filter(([, vote]) => vote !== "_");
    const votes = new Map(given.map(([voter, vote]) => [voter, vote === "y"]));
    return { won: "VoteWon", lost: "VoteLost", pending: "VotePending" }[voteResult(configuration, votes)];
  }
  const acknowledged = valuesOf(line, "idx");
  const committed = quorumValue(configuration, (voter) => {
    const index = acknowledged.get(voter) ?? "_";
    return index === "_" ? 0 : Number(index);
  });
  return committed === Infinity ? "∞" : String(committed);
}

describe("Replayed quorum cases", () => {
  const absent = !existsSync(quorumFolder);
  if (absent) {
    test.skip("skipped: there is no folder of cases (RAFT_CASES, default ../shared/raft-cases from the project's root)", () =>
      undefined);
    return;
  }
  const files = readdirSync(quorumFolder).filter((file) => file.endsWith(".txt"));
  test("are all there", () => {
    const count = files.reduce((sum, file) => sum + casesOf(readFileSync(`${quorumFolder}/${file}`, "utf8")).length, 0);
    expect(count).toBeGreaterThanOrEqual(127);
  });
  for (const file of files) {
    describe(file, () => {
      test.each(casesOf(readFileSync(`${quorumFolder}/${file}`, "utf8")))("$line", ({ line, expected }) => {
        // Where nobody votes the expected line has words before the result.
        const result = expected.includes("∞") ? "∞" : expected;
        expect(answerOf(line)).toBe(result);
      });
    });
  }
});

describe("Quorum values and votes (Raft paper §5.3, §6)", () => {
  test("of sizes of either parity need more than half", () => {
    const value = (voters: number, at: readonly number[]): number =>
      quorumValue(simple(Array.from({ length: voters }, (_, id) => id + 1)), (voter) => at[voter - 1] ?? 0);
    expect(value(1, [7])).toBe(7);
    expect(value(2, [9, 4])).toBe(4);
    expect(value(3, [9, 4, 0])).toBe(4);
    expect(value(4, [9, 8, 4, 0])).toBe(4);
    expect(value(5, [9, 8, 4, 0, 0])).toBe(4);
  });

  test("agree with counting who reached each value", () => {
    const voters = fc.uniqueArray(fc.integer({ min: 1, max: 7 }), { maxLength: 7 });
    fc.assert(
      fc.property(
        voters,
        voters,
        fc.array(fc.nat(20), { minLength: 8, maxLength: 8 }),
        (incoming, outgoing, values) => {
          const valueOf = (voter: number): number => values[voter] ?? 0;
          const reached = (half: readonly number[], value: number): boolean =>
            half.length === 0 || half.filter((voter) => valueOf(voter) >= value).length * 2 > half.length;
          const result = quorumValue({ incoming, outgoing }, valueOf);
          if (incoming.length + outgoing.length === 0) return result === Infinity;
          const holds = reached(incoming, result) && reached(outgoing, result);
          return holds && !(reached(incoming, result + 1) && reached(outgoing, result + 1));
        },
      ),
    );
  });

  test("an election is won exactly when a majority of both halves granted it", () => {
    const voters = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 });
    const ballot = fc.constantFrom(true, false, undefined);
    fc.assert(
      fc.property(voters, voters, fc.array(ballot, { minLength: 6, maxLength: 6 }), (incoming, outgoing, ballots) => {
        const votes = new Map(ballots.flatMap((vote, voter) => (vote === undefined ? [] : [[voter, vote] as const])));
        const count = (half: readonly number[], vote: boolean): number =>
          half.filter((voter) => votes.get(voter) === vote).length;
        const won = (half: readonly number[]): boolean => count(half, true) * 2 > half.length;
        const lost = (half: readonly number[]): boolean => (half.length - count(half, false)) * 2 <= half.length;
        const expected = lost(incoming) || lost(outgoing) ? "lost" : won(incoming) && won(outgoing) ? "won" : "pending";
        return voteResult({ incoming, outgoing }, votes) === expected;
      }),
    );
  });
});
