import { setTimeout as sleep } from "node:timers/promises";
import type { Member } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import { type Disturbances, nowMs, type Span } from "./disturbances.ts";
import type { PlannedFault } from "./fault-schedule.ts";

export type OutagesOptions = {
  /** Those of now. */
  readonly members: () => readonly Member[];
  readonly disturbances: Disturbances;
  /** A fault waits until every other member serves again. */
  readonly oneAtATime: boolean;
  /** How long a member may take to serve after its start, milliseconds. */
  readonly servesWithinMs: number;
};

/** Takes members of a cluster down and brings them back, and notes from when until when each was gone: until it serves again, not until it runs. */
export class Outages {
  readonly #options: OutagesOptions;
  /** By member: notes the end of its outage. */
  readonly #down = new Map<string, () => void>();
  /** Most members that were down at once. */
  #most = 0;

  constructor(options: OutagesOptions) {
    this.#options = options;
  }

  get mostAtOnce(): number {
    return this.#most;
  }

  /** SIGKILL. @throws {Error} when one at a time is asked for and another member does not come back */
  async kill(name: string): Promise<void> {
    await this.#othersServe(name);
    this.#begin(name, "killed");
    await this.#member(name).kill();
  }

  /** SIGKILL to every member of the zone, all in one turn. */
  async killZone(zone: string): Promise<readonly string[]> {
    const names = this.#options
      .members()
      .filter((member) => member.zone === zone && member.pid !== undefined)
      .map(({ name }) => name);
    for (const name of names) this.#begin(name, `killed with zone ${zone}`);
    await Promise.all(names.map((name) => this.#member(name).kill()));
    return names;
  }

  /** Kills at a moment that its caller has just met: at once, without waiting for others. */
  killNow(name: string): void {
    this.#begin(name, "killed");
    void this.#member(name).kill();
  }

  /** Starts one again and waits until it serves. @throws {Error} when it does not */
  async restart(name: string): Promise<void> {
    const member = this.#member(name);
    member.start();
    await member.whenServing(this.#options.servesWithinMs);
    this.#end(name);
  }

  /** Killed, its disk taken away, started: it must come back as somebody new. */
  async wipe(name: string): Promise<void> {
    await this.kill(name);
    await this.#member(name).wipe();
    await this.restart(name);
  }

  /** SIGSTOP for a while, then SIGCONT; waits until it serves. Gives the span in which it surely stood still. */
  async suspend(name: string, forMs: number): Promise<Span> {
    await this.#othersServe(name);
    this.#begin(name, "suspended");
    await this.#member(name).suspend();
    const fromMs = nowMs();
    await sleep(forMs);
    const untilMs = nowMs();
    this.#member(name).resume();
    await this.#member(name).whenServing(this.#options.servesWithinMs);
    this.#end(name);
    return { fromMs, untilMs };
  }

  /** Carries a plan out, late where it must wait. Ends when the plan does, or `signal` aborts, with every member serving. */
  async follow(plan: readonly PlannedFault[], signal: AbortSignal): Promise<void> {
    const startedAt = performance.now();
    for (const { atMs, member, kind, lastsMs } of plan) {
      await sleep(Math.max(0, startedAt + atMs - performance.now()), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      if (kind === "suspend") await this.suspend(member, lastsMs);
      else {
        await this.kill(member);
        await sleep(lastsMs);
        await this.restart(member);
      }
    }
  }

  #member(name: string): Member {
    return defined(
      this.#options.members().find((member) => member.name === name),
      name,
    );
  }

  #begin(name: string, how: string): void {
    this.#down.set(name, this.#options.disturbances.begin(`${name} ${how}`));
    this.#most = Math.max(this.#most, this.#down.size);
  }

  #end(name: string): void {
    this.#down.get(name)?.();
    this.#down.delete(name);
  }

  async #othersServe(name: string): Promise<void> {
    if (!this.#options.oneAtATime) return;
    const others = this.#options.members().filter((member) => member.name !== name);
    await Promise.all(others.map((member) => member.whenServing(this.#options.servesWithinMs)));
  }
}
