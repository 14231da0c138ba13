import type { RoleChanged } from "../core/effect.ts";
import { confirmedMs, type RaftState } from "../core/state.ts";
import type { ConfigurationAt, ReplicaId } from "../ports.ts";
import { RaftError } from "./errors.ts";

/** More reads than this do not wait for one round of heartbeats. */
const readsMax = 65_536;

type Settle<T> = { readonly resolve: (value: T) => void; readonly reject: (error: RaftError) => void };
type Change = Settle<ConfigurationAt> & { readonly at: ConfigurationAt };
/** `index` is what a read may see, taken at `sinceMs`; both unknown until an entry of the leader's term is committed. */
type Read = Settle<number> & { index: number | undefined; sinceMs: number };
type HandOver = Settle<undefined> & { readonly to: ReplicaId };

/** What callers of one group wait for. Every one is settled: by what it asked for, by the end of the leadership, or by the end of the group. */
export class Requests {
  #changes: Change[] = [];
  #reads: Read[] = [];
  #handOver: HandOver | undefined;

  /** Resolves when the configuration's entry is committed. */
  change(at: ConfigurationAt, settle: Settle<ConfigurationAt>): void {
    this.#changes.push({ ...settle, at });
  }

  read(settle: Settle<number>): void {
    if (this.#reads.length >= readsMax) settle.reject(new RaftError("REFUSED", `${readsMax} reads wait already`));
    else this.#reads.push({ ...settle, index: undefined, sinceMs: 0 });
  }

  handOver(to: ReplicaId, settle: Settle<undefined>): void {
    this.#handOver = { ...settle, to };
  }

  get reading(): boolean {
    return this.#reads.length > 0;
  }

  /** The commit index moved. */
  committed(state: RaftState): void {
    if (this.#changes.length === 0) return;
    for (const { at, resolve } of this.#changes) if (at.index <= state.commit) resolve(at);
    this.#changes = this.#changes.filter(({ at }) => at.index > state.commit);
  }

  /** Answers reads that are safe by now: the lease holds, or a majority answered a heartbeat that was sent after the read had come. */
  confirm(state: RaftState, leaseValid: boolean): void {
    const { role, commit, nowMs } = state;
    if (this.#reads.length === 0 || role.kind !== "leader" || commit < role.firstIndex) return;
    const confirmed = confirmedMs(state);
    for (const read of this.#reads) {
      if (read.index === undefined) {
        read.index = commit;
        read.sinceMs = nowMs;
      }
      if (leaseValid || confirmed >= read.sinceMs) read.resolve(read.index);
    }
    this.#reads = this.#reads.filter(({ sinceMs }) => !leaseValid && confirmed < sinceMs);
  }

  /** Leadership was to be handed over, and was not. */
  handOverFailed(reason: string): void {
    this.#handOver?.reject(new RaftError("UNKNOWN_OUTCOME", reason));
    this.#handOver = undefined;
  }

  roleChanged({ role, leader }: RoleChanged): void {
    if (role === "leader") return;
    const lost = new RaftError(
      "UNKNOWN_OUTCOME",
      "this replica leads no more: the change may be committed by its successor or not",
    );
    for (const { reject } of this.#changes.splice(0)) reject(lost);
    for (const { reject } of this.#reads.splice(0)) reject(new RaftError("NOT_LEADER", "this replica leads no more"));
    if (this.#handOver === undefined) return;
    if (role !== "follower") this.handOverFailed(`replica ${this.#handOver.to} did not take over in time`);
    else if (leader === this.#handOver.to) {
      this.#handOver.resolve(undefined);
      this.#handOver = undefined;
    } else if (leader !== 0) this.handOverFailed(`replica ${leader} leads instead`);
  }

  close(): void {
    const closed = new RaftError("CLOSED", "the group is closed");
    for (const { reject } of this.#changes.splice(0)) reject(closed);
    for (const { reject } of this.#reads.splice(0)) reject(closed);
    this.#handOver?.reject(closed);
    this.#handOver = undefined;
  }
}
