import type { AppliedEntry, GroupMachine, Payload, SnapshotHead } from "../ports.ts";
import { payloadOf, textOf } from "./recording-machine.ts";

/** What a machine tells the simulation. */
export type MachineEvents = {
  readonly applies: (entry: AppliedEntry) => void;
  /** A value that this machine proposed is applied here: its client is answered. */
  readonly acknowledges: (value: string) => void;
  /** The values that a snapshot holds; resolves when the machine may have them. */
  readonly restores: (head: SnapshotHead) => Promise<readonly string[]>;
};

/** The replicated state machine of simulations: a list of values. Overwrites its payloads as soon as it may, so that a reader that is late is found. */
export class SimulatedMachine implements GroupMachine {
  values: string[];
  readonly #events: MachineEvents;
  readonly #gathered = new Set<Uint8Array>();
  #staged: string[] = [];
  #leading = false;

  /** @param values what its checkpoint holds */
  constructor(events: MachineEvents, values: readonly string[]) {
    this.#events = events;
    this.values = [...values];
  }

  /** False when this replica does not serve: the client must go elsewhere. */
  propose(value: string): boolean {
    if (this.#leading) this.#staged.push(value);
    return this.#leading;
  }

  gather(maxBytes: number): Payload | undefined {
    const fitting: string[] = [];
    let bytes = 0;
    for (const value of this.#staged) {
      bytes += value.length + 1;
      if (bytes > maxBytes) break;
      fitting.push(value);
    }
    if (fitting.length === 0) return undefined;
    this.#staged = this.#staged.slice(fitting.length);
    const payload = payloadOf(fitting.join("\n"));
    this.#gathered.add(payload.bytes);
    return payload;
  }

  apply(entry: AppliedEntry): void {
    this.#events.applies(entry);
    const values = entry.payload.length === 0 ? [] : textOf(entry.payload).split("\n");
    this.values.push(...values);
    if (!this.#gathered.delete(entry.payload.bytes)) return;
    entry.payload.bytes.fill(0xff);
    for (const value of values) this.#events.acknowledges(value);
  }

  applied(): void {
    // Clients are answered entry by entry: nothing is parked here.
  }

  leading(): void {
    this.#leading = true;
  }

  following(): void {
    this.#leading = false;
    this.#staged = [];
  }

  async restore(head: SnapshotHead): Promise<void> {
    this.values = [...(await this.#events.restores(head))];
  }
}
