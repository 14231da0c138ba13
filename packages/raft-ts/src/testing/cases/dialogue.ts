import { defined } from "@saturnmq/kit";
import type { MemberChange } from "../../core/membership.ts";
import type { Message } from "../../core/messages.ts";
import { step } from "../../core/step.ts";
import type { ReplicaId } from "../../ports.ts";
import type { Command } from "./datadriven.ts";
import { DialogueNode, type Done, electionTicks, type Letter, type NodeSettings } from "./dialogue-node.ts";

type Post = Letter | Done;

/** How the dialogues name kinds of messages. */
const kindNames: Readonly<Record<Message["kind"], string>> = {
  preVoteRequest: "MsgPreVote",
  voteRequest: "MsgVote",
  preVoteReply: "MsgPreVoteResp",
  voteReply: "MsgVoteResp",
  appendRequest: "MsgApp",
  appendAccepted: "MsgAppResp",
  appendRejected: "MsgAppResp",
  heartbeat: "MsgHeartbeat",
  heartbeatReply: "MsgHeartbeatResp",
  timeoutNow: "MsgTimeoutNow",
  snapshotOffer: "MsgSnap",
};

/** What is said of a proposal that nobody takes. */
export const proposalDropped = "raft proposal dropped";

const changeKinds = { v: "addVoter", l: "addLearner", r: "remove" } as const;

/** The cluster of a dialogue: carries out its commands, message by message. */
export class Dialogue {
  readonly nodes: DialogueNode[] = [];
  /** What was given to the network since the last `takeSent`. */
  #sent: Letter[] = [];
  #posts: Post[] = [];
  readonly #core: typeof step;
  readonly #commands = this.#table();

  constructor(core: typeof step = step) {
    this.#core = core;
  }

  node(id: ReplicaId): DialogueNode {
    return defined(this.nodes[id - 1], `node ${id} of the dialogue`);
  }

  /** Some node has a configuration in its log that it has not applied. */
  get isChanging(): boolean {
    return this.nodes.some((node) => node.isChanging);
  }

  takeSent(): readonly Letter[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  /** Carries a command out; answers what it says itself, if anything, besides what nodes do. */
  run(command: Command): string | undefined {
    const carryOut = this.#commands.get(command.name);
    if (carryOut === undefined) throw new Error(`line ${command.line}: "${command.name}" is no command`);
    return carryOut(command);
  }

  #table(): ReadonlyMap<string, (command: Command) => string | undefined> {
    const onEach = (act: (node: DialogueNode) => void) =>
      silent(({ words }) => {
        for (const id of words) act(this.node(Number(id)));
      });
    const onFirst = (act: (node: DialogueNode, command: Command) => void) =>
      silent((command) => {
        act(this.node(numberAt(command, 0)), command);
      });
    // These only ask, or are about output.
    const nothing = silent(() => undefined);
    return new Map<string, (command: Command) => string | undefined>([
      [
        "add-nodes",
        silent((command) => {
          this.#addNodes(command);
        }),
      ],
      [
        "campaign",
        onFirst((node) => {
          node.campaign();
        }),
      ],
      [
        "compact",
        onFirst((node, command) => {
          node.compact(numberAt(command, 1));
        }),
      ],
      [
        "deliver-msgs",
        silent(({ words, options }) => {
          this.#deliver(words.map(Number), (options.get("drop") ?? []).map(Number), options.get("type")?.[0]);
        }),
      ],
      [
        "process-ready",
        onEach((node) => {
          this.#send(node.processReady());
        }),
      ],
      [
        "process-append-thread",
        onEach((node) => {
          this.#processAppend(node);
        }),
      ],
      [
        "process-apply-thread",
        onEach((node) => {
          this.#processApply(node);
        }),
      ],
      [
        "stabilize",
        silent(({ words }) => {
          this.#stabilize(words.map((id) => this.node(Number(id))));
        }),
      ],
      [
        "tick-election",
        onFirst((node) => {
          for (let tick = 0; tick < electionTicks; tick += 1) node.tick();
        }),
      ],
      [
        "tick-heartbeat",
        onFirst((node) => {
          node.tick();
        }),
      ],
      ["propose", ({ words }) => (this.node(Number(words[0])).propose(words[1] ?? "") ? undefined : proposalDropped)],
      ["propose-conf-change", (command) => this.#reconfigure(this.node(numberAt(command, 0)), command)],
      [
        "transfer-leadership",
        silent((command) => {
          this.node(numberOf(command, "from")).ask({ kind: "transfer", to: numberOf(command, "to") });
        }),
      ],
      [
        "forget-leader",
        onFirst((node) => {
          node.forgetLeader();
        }),
      ],
      [
        "set-randomized-election-timeout",
        onFirst((node, command) => {
          node.setElectionTimeout(numberOf(command, "timeout"));
        }),
      ],
      [
        "report-unreachable",
        onFirst((node, command) => {
          node.ask({ kind: "unreachable", peer: numberAt(command, 1) });
        }),
      ],
      [
        "send-snapshot",
        onFirst((node, command) => {
          this.#send([node.snapshotFor(numberAt(command, 1))]);
        }),
      ],
      ["raft-log", nothing],
      ["raft-state", nothing],
      ["status", nothing],
      ["log-level", nothing],
    ]);
  }

  #addNodes({ words, options }: Command): void {
    const list = (name: string): readonly number[] => (options.get(name) ?? []).filter(Boolean).map(Number);
    const flag = (name: string): boolean => options.get(name)?.[0] === "true";
    for (let count = Number(words[0]); count > 0; count -= 1) {
      const settings: NodeSettings = {
        id: this.nodes.length + 1,
        voters: list("voters"),
        learners: list("learners"),
        index: list("index")[0] ?? 0,
        preVote: flag("prevote"),
        checkQuorum: flag("checkquorum"),
        asyncWrites: flag("async-storage-writes"),
        applyBytes: list("max-committed-size-per-ready")[0] ?? Infinity,
      };
      this.nodes.push(new DialogueNode(settings, this.#core));
    }
  }

  #reconfigure(node: DialogueNode, { body, options }: Command): string | undefined {
    if (node.role !== "leader") return proposalDropped;
    const words = body.join(" ").split(" ").filter(Boolean);
    const changes = words.flatMap((word): MemberChange[] => {
      const kind = changeKinds[word.charAt(0) as keyof typeof changeKinds] as MemberChange["kind"] | undefined;
      return kind === undefined ? [] : [{ kind, replica: Number(word.slice(1)) }];
    });
    const transition = options.get("transition")?.[0] ?? "auto";
    const simple = options.get("v1")?.[0] === "true" || (transition === "auto" && words.length === 1);
    const kind = words.length === 0 ? "leave" : simple ? "simple" : "joint";
    const refusal = node.reconfigure({ kind, changes, autoLeave: transition !== "explicit", revision: 0 });
    // The other library puts an empty entry where it ignores a change.
    if (refusal !== undefined) node.propose("");
    return refusal;
  }

  #processAppend(node: DialogueNode): void {
    const work = node.appendWork.shift();
    if (work === undefined) return;
    this.#send(work.letters);
    this.#posts.push({ to: node.id, done: { kind: "persisted", nowMs: 0, ...work.snapshot } });
  }

  #processApply(node: DialogueNode): void {
    const index = node.applyWork.shift();
    if (index !== undefined) this.#posts.push({ to: node.id, done: { kind: "applied", index } });
  }

  #send(letters: readonly Letter[]): void {
    this.#sent.push(...letters);
    this.#posts.push(...letters);
  }

  #deliver(ids: readonly ReplicaId[], dropped: readonly ReplicaId[], type: string | undefined): void {
    for (const id of dropped)
      for (const post of this.#take(id, type)) if (!("done" in post)) this.node(post.from).lost(id);
    for (const id of ids) {
      for (const post of this.#take(id, type)) {
        if ("done" in post) this.node(id).takeDone(post.done);
        else this.node(id).receive(post);
      }
    }
  }

  /** Takes what is on its way to a node, maybe of one kind only. */
  #take(to: ReplicaId, type: string | undefined): readonly Post[] {
    const isMeant = (post: Post): boolean =>
      post.to === to && (type === undefined || (!("done" in post) && kindNames[post.message.kind] === type));
    const taken = this.#posts.filter((post) => isMeant(post));
    this.#posts = this.#posts.filter((post) => !isMeant(post));
    return taken;
  }

  /** Goes on until none of these nodes, or of all if none is named, has anything to do. */
  #stabilize(named: readonly DialogueNode[]): void {
    const nodes = named.length > 0 ? named : this.nodes;
    for (let round = 0; round < 1_000; round += 1) if (!this.#workOnce(nodes)) return;
    throw new Error("a dialogue does not come to rest");
  }

  /** One round of a dialogue: what is ready, then messages, then writes, then what is to be applied. False: there was nothing. */
  #workOnce(nodes: readonly DialogueNode[]): boolean {
    const ready = nodes.filter(({ hasReady }) => hasReady);
    for (const node of ready) this.#send(node.processReady());
    const addressed = nodes.filter(({ id }) => this.#posts.some(({ to }) => to === id));
    this.#deliver(
      addressed.map(({ id }) => id),
      [],
      undefined,
    );
    const writing = nodes.filter(({ appendWork }) => appendWork.length > 0);
    for (const node of writing) while (node.appendWork.length > 0) this.#processAppend(node);
    const applying = nodes.filter(({ applyWork }) => applyWork.length > 0);
    for (const node of applying) while (node.applyWork.length > 0) this.#processApply(node);
    return ready.length + addressed.length + writing.length + applying.length > 0;
  }
}

/** A command that says nothing itself. */
function silent(act: (command: Command) => void): (command: Command) => undefined {
  return (command) => {
    act(command);
    return undefined;
  };
}

function numberAt({ words, line }: Command, at: number): number {
  return Number(defined(words[at], `an argument in line ${line}`));
}

function numberOf({ options, line }: Command, name: string): number {
  return Number(defined(options.get(name)?.[0], `${name} in line ${line}`));
}
