import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where the replayable cases lie, which are another project's and not part of this one. */
const folder =
  process.env["RAFT_CASES"] ?? fileURLToPath(new URL("../../../../../../shared/raft-cases", import.meta.url));

/** Why a suite of cases does not run. */
export const casesAbsent =
  "skipped: there is no folder of cases (RAFT_CASES, default ../shared/raft-cases from the project's root)";

/** A command of the `datadriven` form: a line with arguments, an optional body, `----`, and what it must print. */
export type Command = {
  /** Number of the line it begins at, from 1 on. */
  readonly line: number;
  readonly name: string;
  /** Words without a key, in order. */
  readonly words: readonly string[];
  /** `key=value`, `key=(a,b)`; a list has one value an item. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly body: readonly string[];
  readonly expected: readonly string[];
};

/** The files of one kind of case, with their text; `undefined` when there is no such folder. */
export function caseFiles(kind: string): ReadonlyMap<string, string> | undefined {
  if (!existsSync(`${folder}/${kind}`)) return undefined;
  const names = readdirSync(`${folder}/${kind}`).filter((name) => name.endsWith(".txt"));
  return new Map(names.sort().map((name) => [name, readFileSync(`${folder}/${kind}/${name}`, "utf8")]));
}

/** Splits a file into its commands. Expected output ends at an empty line, or, where it has empty lines itself, at a second `----`. */
export function parseCases(text: string): readonly Command[] {
  const lines = text.split("\n");
  const commands: Command[] = [];
  let at = 0;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at += 1;
      continue;
    }
    const separator = lines.indexOf("----", at);
    if (separator < 0) throw new Error(`line ${at + 1}: a command without "----"`);
    const [head = "", ...body] = lines.slice(at, separator);
    const doubled = lines[separator + 1] === "----";
    const from = doubled ? separator + 2 : separator + 1;
    const end = doubled ? lines.indexOf("----", from) : lines.indexOf("", from);
    const to = end < 0 ? lines.length : end;
    commands.push({ line: at + 1, ...parseHead(head), body, expected: lines.slice(from, to) });
    at = doubled ? to + 2 : to;
  }
  return commands;
}

function isBlank(line: string | undefined): boolean {
  return line === undefined || line.trim() === "" || line.startsWith("#");
}

function parseHead(head: string): Pick<Command, "name" | "words" | "options"> {
  const parts = [...head.matchAll(/([^\s=]+)(?:=(\([^)]*\)|\S*))?/g)];
  const words: string[] = [];
  const options = new Map<string, readonly string[]>();
  for (const [, key = "", value] of parts) {
    if (value === undefined) words.push(key);
    else options.set(key, itemsOf(value));
  }
  return { name: words[0] ?? "", words: words.slice(1), options };
}

function itemsOf(value: string): readonly string[] {
  const inner = value.startsWith("(") ? value.slice(1, -1) : value;
  return inner.split(",").map((item) => item.trim());
}
