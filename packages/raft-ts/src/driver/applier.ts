import { assert, defined } from "@saturnmq/kit";
import type { GroupId, GroupMachine, LogView, RaftLog, SnapshotHead, StoredEntry } from "../ports.ts";
import { configurationPayload, emptyPayload, type HeldPayloads } from "./held-payloads.ts";

export type ApplierOptions = {
  readonly group: GroupId;
  readonly machine: GroupMachine;
  readonly log: RaftLog;
  readonly held: HeldPayloads;
  readonly appliedIndex: number;
  /** Something that went on in the background is done: entries may be ready. */
  readonly goOn: () => void;
  readonly guard: (callback: () => void) => void;
  readonly fail: (error: unknown) => void;
  /** False once nothing must be applied any more. */
  readonly alive: () => boolean;
};

/** Brings committed entries to one group's machine: each once, in order, from memory where they are held, else from the log. */
export class Applier {
  readonly #options: ApplierOptions;
  readonly #view: LogView;
  #applied: number;
  /** A replay, or the machine at a snapshot: nothing else is applied meanwhile. */
  #background: Promise<void> | undefined;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.#view = options.log.view(options.group);
    this.#applied = options.appliedIndex;
  }

  get applied(): number {
    return this.#applied;
  }

  /** Resolves when nothing goes on in the background. */
  async idle(): Promise<void> {
    while (this.#background !== undefined) await this.#background;
  }

  /** Applies what it can up to `target`. False: it goes on in the background, and `goOn` is called. */
  run(target: number): boolean {
    if (this.#background !== undefined) return false;
    const before = this.#applied;
    while (this.#applied < target) {
      const entry = this.#held(this.#applied + 1);
      if (entry === undefined) {
        this.#inBackground(() => this.#replay(target));
        return false;
      }
      this.#apply(entry);
      this.#options.held.release(entry.index);
    }
    if (this.#applied > before) this.#tell();
    return true;
  }

  /** The machine takes up a snapshot. `idle` before. */
  restore(head: SnapshotHead): void {
    const { machine, log, group, held } = this.#options;
    assert(this.#background === undefined, "a snapshot is taken up while entries are applied");
    this.#applied = head.index;
    held.releaseUpTo(head.index);
    this.#inBackground(async () => {
      await machine.restore?.(head);
      if (this.#options.alive()) log.applied(group, head.index);
    });
  }

  #held(index: number): StoredEntry | undefined {
    const { held, log, group } = this.#options;
    const payload = held.get(index);
    if (payload === undefined) return undefined;
    return {
      index,
      term: defined(this.#view.termAt(index), "the term of an entry that is applied"),
      kind: payload === configurationPayload ? "configuration" : "data",
      payload,
      position: defined(log.position(group, index), "the position of an entry that is applied"),
      summary: false,
    };
  }

  #apply(entry: StoredEntry): void {
    assert(entry.index === this.#applied + 1, "entries come to be applied out of order");
    this.#options.machine.apply(entry);
    this.#applied = entry.index;
  }

  #tell(): void {
    const { machine, log, group } = this.#options;
    machine.applied();
    log.applied(group, this.#applied);
  }

  #inBackground(work: () => Promise<void>): void {
    const { fail, guard, goOn, alive } = this.#options;
    const run = async (): Promise<void> => {
      try {
        await work();
      } catch (error) {
        fail(error);
        return;
      }
      this.#background = undefined;
      guard(() => {
        if (alive()) goOn();
      });
    };
    this.#background = run();
  }

  /** What the machine's checkpoint lacks after a start, and what was too much to be held, comes from the log. */
  async #replay(target: number): Promise<void> {
    const { log, group, alive, held, guard } = this.#options;
    await log.replay(group, this.#applied + 1, target, (entry) => {
      if (!alive()) return;
      this.#apply(entry.kind === "configuration" ? { ...entry, payload: emptyPayload } : entry);
      held.release(entry.index);
    });
    guard(() => {
      if (!alive()) return;
      assert(this.#applied === target, "a replay ended before its last entry");
      this.#tell();
    });
  }
}
