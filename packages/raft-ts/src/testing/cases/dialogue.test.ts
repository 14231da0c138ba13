import { describe, expect, test } from "@jest/globals";
import { InvariantError } from "@saturnmq/kit";
import { step } from "../../core/step.ts";
import { mutants } from "../mutants.ts";
import { type Command, caseFiles, casesAbsent, parseCases } from "./datadriven.ts";
import { type Deviation, deviations } from "./deviations.ts";
import { Dialogue, proposalDropped } from "./dialogue.ts";
import type { DialogueNode } from "./dialogue-node.ts";
import { configurationText, factsOfLetter, type NodeFacts, roleText, said, textOfEntry } from "./facts.ts";

// Goal: this package's core plays the dialogues of another Raft library to the same roles, terms, votes, commit indexes, configurations, logs and messages.
// Method: after each command, what the dialogue says of each node so far is compared with the node, and what it says was sent with what was sent. How many
// messages carry the same may differ; everything else that differs is a row of `deviations`, and a row that nothing needs is an error too. Cores with a planted fault must differ.

/** Compares one dialogue, command by command. */
class Comparison {
  readonly differences: string[] = [];
  readonly #dialogue: Dialogue;
  /** By sender, receiver and term: how far acknowledgements have come, theirs and ours. */
  readonly #reached = { theirs: new Map<string, number>(), ours: new Map<string, number>() };
  /** What was said so far. Forgotten when output is off: then anything may have happened. */
  readonly #known = new Map<number, NodeFacts>();
  #silent = false;

  constructor(core: typeof step = step) {
    this.#dialogue = new Dialogue(core);
  }

  run(command: Command): void {
    const { name, options, words, line } = command;
    const wasChanging = this.#dialogue.isChanging;
    const answer = this.#dialogue.run(command);
    const { isChanging } = this.#dialogue;
    const sent = this.#dialogue.takeSent();
    if (name === "log-level") this.#silent = words[0] === "none";
    const noteWhile = (changing: boolean, what: string): void =>
      void this.differences.push(`${line} ${name}: ${what}${changing ? " [configuration in flight]" : ""}`);
    const note = (what: string): void => noteWhile(isChanging, what);
    const noteSent = (what: string): void => noteWhile(isChanging || wasChanging, what);
    for (const node of this.#dialogue.nodes) for (const suspicion of node.suspicions.splice(0)) note(suspicion);
    if (this.#silent || options.get("log-level")?.[0] === "none") {
      this.#known.clear();
      return;
    }
    const output = said(command);
    if (name === "raft-log") return this.#compareLog(command, output.nodes.get(Number(words[0])), note);
    for (const [id, facts] of output.nodes) this.#remember(id, facts);
    for (const row of output.rows) this.#compareRow(name, words, row, note);
    for (const node of this.#dialogue.nodes) this.#compareNode(node, note);
    this.#compareMessages(output.messages, new Set(sent.flatMap((letter) => factsOfLetter(letter))), noteSent);
    const dropped = command.expected.includes(proposalDropped);
    if (name.startsWith("propose") && dropped !== (answer === proposalDropped))
      note(`proposal ${dropped ? "not " : ""}dropped`);
  }

  #remember(id: number, facts: NodeFacts): void {
    const known = this.#known.get(id) ?? { entries: new Map<number, string>() };
    const first = Math.min(...facts.entries.keys());
    for (const index of known.entries.keys()) if (index >= first) known.entries.delete(index);
    for (const [index, entry] of facts.entries) known.entries.set(index, entry);
    this.#known.set(id, { ...known, ...facts, entries: known.entries });
  }

  #compareNode(node: DialogueNode, note: (what: string) => void): void {
    const known = this.#known.get(node.id);
    if (known === undefined) return;
    const { shown, appliedConfiguration } = node;
    const ours: Omit<NodeFacts, "entries"> = {
      ...shown,
      role: roleText(shown),
      configuration: configurationText(appliedConfiguration.configuration),
    };
    for (const [what, value] of Object.entries(ours))
      this.#compare(`node ${node.id} ${what}`, known[what as keyof typeof ours], value, note);
    for (const [index, entry] of known.entries) {
      const held = node.entries[index - 1];
      this.#compare(`node ${node.id} entry ${index}`, entry, held === undefined ? "none" : textOfEntry(held), note);
    }
  }

  /** What is not said is not compared. */
  #compare<T extends string | number>(
    what: string,
    theirs: T | undefined,
    ours: T | undefined,
    note: (what: string) => void,
  ): void {
    if (theirs !== undefined && theirs !== ours) note(`${what}: ${theirs}, ours ${ours ?? "none"}`);
  }

  #compareLog(command: Command, facts: NodeFacts | undefined, note: (what: string) => void): void {
    const node = this.#dialogue.node(Number(command.words[0]));
    const theirs = [...(facts?.entries ?? [])].map(([index, entry]) => `${index}: ${entry}`);
    const ours = node.entries.flatMap((entry, at) => (entry === undefined ? [] : [`${at + 1}: ${textOfEntry(entry)}`]));
    this.#compare(`node ${node.id} log`, theirs.join(", "), ours.join(", "), note);
  }

  #compareRow(name: string, words: readonly string[], row: string, note: (what: string) => void): void {
    const id = Number(row.split(":")[0]);
    if (name === "raft-state") {
      const { isVoter, current } = this.#dialogue.node(id);
      const { term, leader } = current;
      const ours = `${id}: ${roleText(current)} (${isVoter ? "Voter" : "Non-Voter"}) Term:${term} Lead:${leader}`;
      this.#compare("state", row, ours, note);
      return;
    }
    const { state } = this.#dialogue.node(Number(words[0]));
    const theirs = /State(\w+) match=(\d+)/.exec(row);
    const progress = state.role.kind === "leader" ? state.role.progress.get(id) : undefined;
    // A leader has no progress of itself.
    if (theirs === null || progress === undefined) return;
    const [, mode = "", match] = theirs;
    this.#compare(`status of ${id}`, `${mode.toLowerCase()} ${match}`, `${progress.mode} ${progress.match}`, note);
  }

  #compareMessages(theirs: ReadonlySet<string>, ours: ReadonlySet<string>, note: (what: string) => void): void {
    for (const message of theirs) noteReached(this.#reached.theirs, message);
    for (const message of ours) noteReached(this.#reached.ours, message);
    for (const message of theirs)
      if (!ours.has(message) && !isOutdone(message, this.#reached.ours)) note(`missing ${message}`);
    for (const message of ours)
      if (!theirs.has(message) && !isOutdone(message, this.#reached.theirs)) note(`extra ${message}`);
  }
}

function noteReached(reached: Map<string, number>, message: string): void {
  const [head = "", index] = message.split(" accepts ");
  if (index !== undefined) reached.set(head, Math.max(Number(index), reached.get(head) ?? 0));
}

/** An acknowledgement that says no more than another one did is a matter of how many are sent. */
function isOutdone(message: string, reached: ReadonlyMap<string, number>): boolean {
  const [head = "", index] = message.split(" accepts ");
  return index !== undefined && Number(index) <= (reached.get(head) ?? 0);
}

function compare(text: string, core?: typeof step): readonly string[] {
  const comparison = new Comparison(core);
  for (const command of parseCases(text)) comparison.run(command);
  return comparison.differences;
}

/** Differences that no deviation excuses. */
function unexcused(file: string, differences: readonly string[]): readonly string[] {
  const excuses = deviations.filter((deviation) => deviation.file.test(file));
  return differences.filter((one) => !excuses.some(({ difference }) => difference.test(one)));
}

describe("Replayed dialogues", () => {
  const files = caseFiles("interaction");
  if (files === undefined) {
    test.skip(casesAbsent, () => undefined);
    return;
  }
  const seen: string[] = [];
  test.each([...files])("%s", (file, text) => {
    const differences = compare(text);
    seen.push(...differences.map((difference) => `${file}\n${difference}`));
    expect(unexcused(file, differences)).toEqual([]);
  });

  test("need every deviation that is listed", () => {
    const isNeeded = ({ file, difference }: Deviation): boolean =>
      seen.some((one) => {
        const [name = "", what = ""] = one.split("\n");
        return file.test(name) && difference.test(what);
      });
    // Of files that are not in the folder nothing can be said.
    const present = deviations.filter(({ file }) => [...files.keys()].some((name) => file.test(name)));
    expect(present.filter((deviation) => !isNeeded(deviation))).toEqual([]);
  });

  const visible = [
    "grants votes to shorter logs",
    "lets learners vote",
    "uses a configuration only once it is committed",
  ];
  test.each(visible)("show when the core %s", (fault) => {
    const plant = mutants.find(({ name }) => name === fault)?.plant();
    const found = [...files].filter(([file, text]) => {
      try {
        return unexcused(file, compare(text, plant?.core)).length > 0;
      } catch (error) {
        if (error instanceof InvariantError) return true;
        throw error;
      }
    });
    expect(found.map(([file]) => file)).not.toEqual([]);
  });
});
