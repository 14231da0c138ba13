import type { ShardInfo } from "@saturnmq/wire";
import { isMoving } from "../shards.ts";
import { evenChain, type Step } from "./chain.ts";
import { type Member, type Plan, takesLeaders, type World } from "./world.ts";

/**
 * Leaders that are to hand over, at most as many at once as the budget allows: first those on brokers that are to lead nothing, and those that
 * the target drops; then as many as make the numbers even within one, the fewest that do. A broker that is down hands over nothing: its shards
 * elect.
 */
export function planTransfers(world: World): Plan["transfers"] {
  const draft = new LeaderDraft(world);
  for (const shard of world.shards) {
    if (draft.room < 1) break;
    if (!draft.mustMove(shard)) continue;
    const to = draft.hosts(shard)[0];
    if (to !== undefined) draft.move(shard, to);
  }
  while (draft.room > 0) {
    const chain = evenChain(draft.loads, (from) => draft.stepsFrom(from));
    if (chain === undefined) break;
    // A part of the shortest chain makes nothing worse, and the rest of it is found again.
    for (const { item, to } of chain.slice(0, draft.room)) {
      const shard = world.shards[item];
      if (shard !== undefined) draft.move(shard, to);
    }
  }
  return draft.transfers;
}

/** Who leads what once everything asked for is done. */
class LeaderDraft {
  readonly transfers: { readonly shard: number; readonly from: number; readonly to: number }[] = [];
  readonly #world: World;
  readonly #members: ReadonlyMap<number, Member>;
  readonly #leaders = new Map<number, number>();
  readonly #loads = new Map<number, number>();

  constructor(world: World) {
    this.#world = world;
    this.#members = new Map(world.members.map((member) => [member.id, member]));
    for (const member of world.members) if (takesLeaders(member)) this.#loads.set(member.id, 0);
    for (const { shard, leaderHint } of world.shards) {
      const leader = world.asked.get(shard) ?? leaderHint;
      if (this.#members.get(leader)?.condition !== "up") continue;
      this.#leaders.set(shard, leader);
      this.#count(leader, 1);
    }
  }

  /** Leaders led by those who may lead. */
  get loads(): ReadonlyMap<number, number> {
    return this.#loads;
  }

  get room(): number {
    return this.#world.settings.transferBudget - this.#world.asked.size - this.transfers.length;
  }

  mustMove(shard: ShardInfo): boolean {
    const leader = this.#leaders.get(shard.shard);
    if (leader === undefined || this.#isBusy(shard)) return false;
    return !this.#loads.has(leader) || !shard.target.voters.includes(leader);
  }

  /** Who could lead the shard instead of its leader: the least loaded first, in the zone that leads least. */
  hosts({ shard, voters, target }: ShardInfo): readonly number[] {
    const lagging = this.#world.lagging.get(shard);
    const fit = voters.filter(
      (id) =>
        this.#loads.has(id) &&
        id !== this.#leaders.get(shard) &&
        target.voters.includes(id) &&
        lagging?.has(id) !== true,
    );
    return fit.sort((a, b) => this.#load(a) - this.#load(b) || this.#zoneLoad(a) - this.#zoneLoad(b) || a - b);
  }

  /** What a broker could hand over, and to whom. Shards on the move stay with their leader. */
  stepsFrom(from: number): readonly Step[] {
    const led = this.#world.shards.filter(
      (shard) => this.#leaders.get(shard.shard) === from && !this.#isBusy(shard) && !isMoving(shard),
    );
    const steps = led.flatMap((shard) => this.hosts(shard).map((to) => ({ item: shard.shard, from, to })));
    return steps.sort((a, b) => this.#load(a.to) - this.#load(b.to) || this.#zoneLoad(a.to) - this.#zoneLoad(b.to));
  }

  move({ shard }: ShardInfo, to: number): void {
    const from = this.#leaders.get(shard) ?? 0;
    this.transfers.push({ shard, from, to });
    this.#leaders.set(shard, to);
    this.#count(from, -1);
    this.#count(to, 1);
  }

  /** It has been asked to hand over already. */
  #isBusy({ shard }: ShardInfo): boolean {
    return this.#world.asked.has(shard) || this.transfers.some((transfer) => transfer.shard === shard);
  }

  #load(id: number): number {
    return this.#loads.get(id) ?? 0;
  }

  #zoneLoad(id: number): number {
    const zone = this.#members.get(id)?.zone;
    let sum = 0;
    for (const [other, load] of this.#loads) if (this.#members.get(other)?.zone === zone) sum += load;
    return sum;
  }

  #count(id: number, by: number): void {
    if (this.#loads.has(id)) this.#loads.set(id, this.#load(id) + by);
  }
}
