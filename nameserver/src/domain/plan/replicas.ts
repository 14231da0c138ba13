import type { ShardInfo } from "@saturnmq/wire";
import { ascending, isMoving } from "../shards.ts";
import { evenChain, type Step } from "./chain.ts";
import { keepsReplicas, type Member, type Plan, takesReplicas, type World } from "./world.ts";
import { swapped, unevenness, type ZoneOf } from "./zones.ts";

/**
 * Targets that differ from the present ones, at most as many replicas under way as the budget allows: first what dead and draining brokers hold
 * and what is missing, then zones, then load. Each step lowers the first of these that it changes, so that a world with loyal brokers comes to
 * rest. While a broker is expected back, nothing moves that need not.
 */
export function planTargets(world: World): Plan["targets"] {
  const draft = new Draft(world);
  repair(world, draft);
  if (!world.members.some(({ condition }) => condition === "down")) {
    spread(draft);
    balance(draft);
  }
  return draft.changes();
}

/** The targets as they are about to be, with what they cost. */
class Draft {
  readonly zoneOf: ZoneOf;
  readonly #members: ReadonlyMap<number, Member>;
  readonly #shards: readonly ShardInfo[];
  readonly #targets: (readonly number[])[];
  readonly #loads = new Map<number, number>();
  readonly #budget: number;

  constructor({ members, shards, settings }: World) {
    this.#members = new Map(members.map((member) => [member.id, member]));
    this.zoneOf = new Map(members.map(({ id, zone }) => [id, zone]));
    this.#shards = shards;
    this.#targets = shards.map(({ target }) => target.voters);
    this.#budget = settings.moveBudget;
    for (const { id } of members) this.#loads.set(id, 0);
    for (const voters of this.#targets) for (const id of voters) this.#count(id, 1);
  }

  get shards(): readonly ShardInfo[] {
    return this.#shards;
  }

  target({ shard }: ShardInfo): readonly number[] {
    return this.#targets[shard] ?? [];
  }

  load(id: number): number {
    return this.#loads.get(id) ?? 0;
  }

  keeps(id: number): boolean {
    const member = this.#members.get(id);
    return member !== undefined && keepsReplicas(member);
  }

  isDead(id: number): boolean {
    const member = this.#members.get(id);
    return member === undefined || member.condition === "dead";
  }

  /** Brokers that may take a replica, those with the least first. */
  takers(): readonly number[] {
    const ids = [...this.#members.values()].filter(takesReplicas).map(({ id }) => id);
    return ids.sort((a, b) => this.load(a) - this.load(b) || a - b);
  }

  /** On its way, or about to be. */
  isBusy(shard: ShardInfo): boolean {
    return isMoving(shard) || this.target(shard) !== shard.target.voters;
  }

  /** Takes the target if the budget allows what it costs. */
  set(shard: ShardInfo, voters: readonly number[]): boolean {
    const before = this.target(shard);
    this.#targets[shard.shard] = voters;
    if (this.cost() > this.#budget) {
      this.#targets[shard.shard] = before;
      return false;
    }
    for (const id of before) this.#count(id, -1);
    for (const id of voters) this.#count(id, 1);
    return true;
  }

  /** Room in the budget. */
  get room(): number {
    return this.#budget - this.cost();
  }

  /** Replicas under way. */
  cost(): number {
    return this.#shards.reduce((sum, shard) => sum + (this.isBusy(shard) ? arrivals(shard, this.target(shard)) : 0), 0);
  }

  changes(): Plan["targets"] {
    return this.#shards.flatMap((shard) => {
      const voters = this.target(shard);
      return voters === shard.target.voters ? [] : [{ shard: shard.shard, voters: ascending(voters) }];
    });
  }

  #count(id: number, by: number): void {
    this.#loads.set(id, this.load(id) + by);
  }
}

/** Replicas that a shard has to get for a target; a change that only drops costs as one. */
function arrivals({ voters }: ShardInfo, target: readonly number[]): number {
  return Math.max(1, target.filter((id) => !voters.includes(id)).length);
}

/** Replaces what is on dead, forgotten and draining brokers, and fills up what is missing; shards in most danger first. */
function repair({ replicationFactor }: World, draft: Draft): void {
  const lost = (shard: ShardInfo): number => draft.target(shard).filter((id) => draft.isDead(id)).length;
  const short = (shard: ShardInfo): number => replicationFactor - draft.target(shard).length;
  const danger = (shard: ShardInfo): number => lost(shard) + short(shard);
  for (const shard of [...draft.shards].sort((a, b) => danger(b) - danger(a) || a.shard - b.shard)) {
    const leaving = draft.target(shard).filter((id) => !draft.keeps(id));
    // The dead first: a draining broker still counts.
    leaving.sort((a, b) => Number(draft.isDead(b)) - Number(draft.isDead(a)) || a - b);
    for (let missing = short(shard); missing > 0; missing -= 1) if (!fill(draft, shard, draft.target(shard))) break;
    for (const id of leaving)
      if (
        !fill(
          draft,
          shard,
          draft.target(shard).filter((other) => other !== id),
        )
      )
        break;
  }
}

/** Adds the broker to `rest` that spreads it best, the least loaded of several. */
function fill(draft: Draft, shard: ShardInfo, rest: readonly number[]): boolean {
  const candidates = draft.takers().filter((id) => !draft.target(shard).includes(id));
  // Whoever leaves as well counts for nothing when zones are compared.
  const staying = rest.filter((id) => draft.keeps(id));
  const best = leastBy(candidates, (id) => unevenness([...staying, id], draft.zoneOf));
  return best !== undefined && draft.set(shard, [...rest, best]);
}

/** Moves single replicas to zones where the shard has fewer. */
function spread(draft: Draft): void {
  for (const shard of draft.shards) {
    if (draft.room < 1) return;
    if (draft.isBusy(shard)) continue;
    const voters = draft.target(shard);
    const swaps = voters.flatMap((from) =>
      draft
        .takers()
        .filter((to) => !voters.includes(to))
        .map((to) => ({ from, to })),
    );
    const result = (swap: { from: number; to: number }): number =>
      unevenness(swapped(voters, swap.from, swap.to), draft.zoneOf);
    const loadOf = (swap: { from: number; to: number }): number => draft.load(swap.to) - draft.load(swap.from);
    const least = swaps.sort((a, b) => result(a) - result(b) || loadOf(a) - loadOf(b))[0];
    if (least !== undefined && result(least) < unevenness(voters, draft.zoneOf))
      draft.set(shard, swapped(voters, least.from, least.to));
  }
}

/** Makes the numbers of replicas even, as far as zones allow. */
function balance(draft: Draft): void {
  for (;;) {
    const chain = evenChain(loadsOf(draft), (from) => swapsFrom(draft, from));
    if (chain === undefined || draft.room < 1) return;
    // A part of the shortest chain makes nothing worse, and the rest of it is found again.
    for (const { item, from, to } of chain.slice(0, draft.room)) {
      const shard = draft.shards[item];
      if (shard !== undefined) draft.set(shard, swapped(draft.target(shard), from, to));
    }
  }
}

function loadsOf(draft: Draft): ReadonlyMap<number, number> {
  return new Map(draft.takers().map((id) => [id, draft.load(id)]));
}

/** Swaps that leave the zones as even as they are, the least loaded taker first. */
function swapsFrom(draft: Draft, from: number): readonly Step[] {
  const free = draft.shards.filter((shard) => draft.target(shard).includes(from) && !draft.isBusy(shard));
  return draft.takers().flatMap((to) => {
    const shard = free.find((candidate) => {
      const voters = draft.target(candidate);
      if (voters.includes(to)) return false;
      return unevenness(swapped(voters, from, to), draft.zoneOf) <= unevenness(voters, draft.zoneOf);
    });
    return shard === undefined ? [] : [{ item: shard.shard, from, to }];
  });
}

/** The first of those with the least measure. */
function leastBy(ids: readonly number[], measure: (id: number) => number): number | undefined {
  let best: number | undefined;
  for (const id of ids) if (best === undefined || measure(id) < measure(best)) best = id;
  return best;
}
