import { decodeConfiguration } from "../../core/configuration-codec.ts";
import type { Configuration, ReplicaId } from "../../ports.ts";
import type { MemoryEntry } from "../memory-log.ts";
import type { Command } from "./datadriven.ts";
import { entryTermShown, type Letter, type Shown, termShown } from "./dialogue-node.ts";

/** What a dialogue says of a node; what it does not say is absent. */
export type NodeFacts = {
  role?: string;
  leader?: ReplicaId;
  term?: number;
  vote?: ReplicaId;
  commit?: number;
  configuration?: string;
  /** By index: `term kind content`. */
  readonly entries: Map<number, string>;
};

/** What a dialogue says in the output of one command. */
export type Said = {
  readonly nodes: Map<ReplicaId, NodeFacts>;
  /** Messages given to the network, by what of them is compared. */
  readonly messages: Set<string>;
  /** Rows of `raft-state` and of `status`. */
  readonly rows: string[];
};

const roleNames: Readonly<Record<Shown["role"], string>> = {
  follower: "StateFollower",
  preCandidate: "StatePreCandidate",
  candidate: "StateCandidate",
  leader: "StateLeader",
};

const messageForm =
  /^(\S+)->(\S+) (Msg\w+) Term:(\d+) Log:(\d+)\/(\d+)(?: Commit:\d+)?(?: Vote:\d+)?(?: Entries:\[(.*?)\]?)?(?: Rejected \(Hint: \d+\))?( Responses:\[)?$/;
const entryForm = /^(\d+)\/(\d+) (Entry\w+)(?: (.*))?$/;

/** Reads a command's expected output. */
export function said(command: Command): Said {
  return new Reader(command).read();
}

class Reader {
  readonly #said: Said = { nodes: new Map(), messages: new Set(), rows: [] };
  readonly #lines: readonly string[];
  #at = 0;
  #node: ReplicaId;
  #section = "";

  constructor({ name, words, expected }: Command) {
    this.#lines = expected.map((line) => line.trim());
    this.#node = Number(words[0] ?? 0);
    // What is delivered was said when it was sent.
    this.#section = name === "send-snapshot" ? "Messages:" : "";
  }

  read(): Said {
    for (; this.#at < this.#lines.length; this.#at += 1) this.#line(this.#lines[this.#at] ?? "");
    return this.#said;
  }

  #line(line: string): void {
    const header = /^> (\d+) (.+)$/.exec(line);
    if (header !== null) {
      this.#node = Number(header[1]);
      this.#section = header[2] ?? "";
      return;
    }
    if (/^(Entries|CommittedEntries|Messages|Responses|Processing):$/.test(line)) {
      this.#section = line;
      return;
    }
    if (/^\d+: State/.test(line)) {
      this.#said.rows.push(line);
      return;
    }
    if (!this.#state(line) && !this.#entry(line)) this.#message(line);
  }

  #state(line: string): boolean {
    const soft = /^Lead:(\d+) State:(\w+)$/.exec(line);
    const hard = /^HardState Term:(\d+)(?: Vote:(\d+))? Commit:(\d+)$/.exec(line);
    const switched = /^INFO (\d+) switched to configuration (.+)$/.exec(line);
    const snapshot = /^Snapshot Index:/.test(line);
    if (soft !== null) Object.assign(this.#facts(), { leader: Number(soft[1]), role: soft[2] });
    if (hard !== null) {
      const [, term, vote = 0, commit] = hard.map(Number);
      Object.assign(this.#facts(), { term, vote: vote || 0, commit });
    }
    if (switched !== null) this.#factsOf(Number(switched[1])).configuration = switched[2] ?? "";
    return soft !== null || hard !== null || switched !== null || snapshot;
  }

  #entry(line: string): boolean {
    const entry = entryForm.exec(line);
    if (entry === null) return false;
    if (this.#section === "Entries:" || this.#section === "") {
      const [, term, index, kind, content = ""] = entry;
      this.#facts().entries.set(Number(index), entryText(Number(term), kind ?? "", content));
    }
    return true;
  }

  #message(line: string): void {
    const match = messageForm.exec(line);
    if (match === null) return;
    const [, from = "", to = "", kind = "", term, logTerm, index, inline, responses] = match;
    const entries = inline === undefined ? [] : this.#entriesOf(inline);
    const snapshot = kind === "MsgSnap" ? /Index:(\d+)/.exec(this.#lines[this.#at + 1] ?? "")?.[1] : undefined;
    // What waits for a write is sent when the write has ended, and listed again there.
    if (responses !== undefined) while (this.#lines[this.#at] !== "]") this.#at += 1;
    const sends = this.#section === "Messages:" || this.#section === "Responses:";
    if (!sends || from === to || !/^\d+$/.test(from + to)) return;
    const facts = messageFacts({
      link: `${from}>${to}`,
      kind,
      term: Number(term),
      log: `${logTerm ?? ""}/${index ?? ""}`,
      index: Number(snapshot ?? index),
      entries,
      rejected: line.includes("Rejected"),
    });
    for (const fact of facts) this.#said.messages.add(fact);
  }

  /** Entries on the same line, or on lines of their own up to a bracket. */
  #entriesOf(inline: string): readonly string[] {
    if (inline !== "") return inline.split(/, (?=\d+\/\d+ Entry)/).map(placeOf);
    const places: string[] = [];
    while (this.#lines[this.#at + 1] !== "]" && this.#at + 1 < this.#lines.length) {
      this.#at += 1;
      places.push(placeOf(this.#lines[this.#at] ?? ""));
    }
    this.#at += 1;
    return places;
  }

  #facts(): NodeFacts {
    return this.#factsOf(this.#node);
  }

  #factsOf(id: ReplicaId): NodeFacts {
    const known = this.#said.nodes.get(id);
    if (known !== undefined) return known;
    const facts: NodeFacts = { entries: new Map() };
    this.#said.nodes.set(id, facts);
    return facts;
  }
}

/** Term and index of an entry: what of it a message is compared by. */
function placeOf(entry: string): string {
  return entry.split(" ")[0] ?? "";
}

type MessageParts = {
  readonly link: string;
  readonly kind: string;
  readonly term: number;
  readonly log: string;
  readonly index: number;
  readonly entries: readonly string[];
  readonly rejected: boolean;
};

/**
 * What of a message is compared. How many messages carry the same is not: so of an append its entries count, each by itself, and of acknowledgements
 * only how far they reach. A refusal of a vote is no fact, since the other library sends none to those whom it ignores.
 */
function messageFacts({ link, kind, term, log, index, entries, rejected }: MessageParts): readonly string[] {
  const head = `${link} ${kind} ${term}`;
  switch (kind) {
    case "MsgApp":
      return entries.map((place) => `${head} entry ${place}`);
    case "MsgAppResp":
      return rejected ? [`${head} rejects ${index}`] : [`${head} accepts ${index}`];
    case "MsgVote":
    case "MsgPreVote":
      return [`${head} log ${log}`];
    case "MsgVoteResp":
    case "MsgPreVoteResp":
      return rejected ? [] : [head];
    case "MsgSnap":
      return [`${head} index ${index}`];
    case "MsgHeartbeat":
    case "MsgHeartbeatResp":
    case "MsgTimeoutNow":
      return [head];
    default:
      return [];
  }
}

/** What of one of our messages is compared, in the dialogue's terms. */
export function factsOfLetter({ from, to, message }: Letter): readonly string[] {
  const parts = {
    link: `${from}>${to}`,
    term: termShown(message.term),
    log: "",
    index: 0,
    entries: [],
    rejected: false,
  };
  switch (message.kind) {
    case "appendRequest": {
      const entries = message.entries.map(({ term, index }) => `${entryTermShown(term)}/${index}`);
      return messageFacts({ ...parts, kind: "MsgApp", entries });
    }
    case "appendAccepted":
      return messageFacts({ ...parts, kind: "MsgAppResp", index: message.matchIndex });
    case "appendRejected":
      return messageFacts({ ...parts, kind: "MsgAppResp", index: message.prevIndex, rejected: true });
    case "voteRequest":
    case "preVoteRequest": {
      const kind = message.kind === "voteRequest" ? "MsgVote" : "MsgPreVote";
      const term = message.kind === "voteRequest" ? parts.term : termShown(message.electionTerm);
      const log = `${entryTermShown(message.lastTerm)}/${message.lastIndex}`;
      return messageFacts({ ...parts, kind, term, log });
    }
    case "voteReply":
      return messageFacts({ ...parts, kind: "MsgVoteResp", rejected: !message.granted });
    case "preVoteReply":
      return messageFacts({
        ...parts,
        kind: "MsgPreVoteResp",
        term: termShown(message.electionTerm),
        rejected: !message.granted,
      });
    case "heartbeat":
      return messageFacts({ ...parts, kind: "MsgHeartbeat" });
    case "heartbeatReply":
      // Who leads an earlier term is told so by an acknowledgement of nothing there.
      return messageFacts({ ...parts, kind: message.follows ? "MsgHeartbeatResp" : "MsgAppResp" });
    case "timeoutNow":
      return messageFacts({ ...parts, kind: "MsgTimeoutNow" });
    case "snapshotOffer":
      return messageFacts({ ...parts, kind: "MsgSnap", index: message.snapshot.index });
  }
}

export function roleText({ role }: Shown): string {
  return roleNames[role];
}

/** An entry as `NodeFacts.entries` has it. What changes a configuration is told by the configuration that comes of it. */
function entryText(term: number, kind: string, content: string): string {
  return kind.startsWith("EntryConfChange") ? `${term} configuration` : `${term} ${content}`;
}

export function textOfEntry({ term, kind, bytes }: MemoryEntry): string {
  if (kind === "configuration") {
    decodeConfiguration(bytes);
    return entryText(entryTermShown(term), "EntryConfChangeV2", "");
  }
  return entryText(entryTermShown(term), "EntryNormal", JSON.stringify(new TextDecoder().decode(bytes)));
}

/** A configuration as the dialogues write it. */
export function configurationText(configuration: Configuration): string {
  const { incoming, outgoing, learners, learnersNext, autoLeave } = configuration;
  const list = (ids: readonly ReplicaId[]): string => `(${[...ids].sort((a, b) => a - b).join(" ")})`;
  const parts = [`voters=${list(incoming)}${outgoing.length > 0 ? `&&${list(outgoing)}` : ""}`];
  if (learners.length > 0) parts.push(`learners=${list(learners)}`);
  if (learnersNext.length > 0) parts.push(`learners_next=${list(learnersNext)}`);
  if (autoLeave) parts.push("autoleave");
  return parts.join(" ");
}
