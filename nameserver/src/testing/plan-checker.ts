import type { ShardInfo } from "@saturnmq/wire";
import {
  keepsReplicas,
  type Member,
  type Plan,
  takesLeaders,
  takesReplicas,
  type World,
} from "../domain/plan/world.ts";
import { unevenness } from "../domain/plan/zones.ts";
import { isMoving } from "../domain/shards.ts";

/** What a plan breaks of what must always hold; empty for a good one. */
export function planFaults(world: World, plan: Plan): readonly string[] {
  return [...targetFaults(world, plan), ...budgetFaults(world, plan), ...transferFaults(world, plan)];
}

function targetFaults(world: World, { targets }: Plan): readonly string[] {
  return targets.flatMap(({ shard: number, voters }) => {
    const shard = shardOf(world, number);
    const before = shard.target.voters;
    const arriving = voters.filter((id) => !before.includes(id));
    const leaving = before.filter((id) => !voters.includes(id));
    const faults: string[] = [];
    if (new Set(voters).size !== voters.length) faults.push(`shard ${number} has two replicas on one broker`);
    if (voters.length > world.replicationFactor) faults.push(`shard ${number} has too many voters`);
    if (voters.length < before.length) faults.push(`shard ${number} loses a voter without another`);
    for (const id of arriving)
      if (!fits(world, id, takesReplicas)) faults.push(`shard ${number} moves to broker ${id}, which takes none`);
    const needless = leaving.filter((id) => fits(world, id, keepsReplicas));
    if (needless.length > 0 && !isWorthIt(world, before, voters))
      faults.push(`shard ${number} moves from ${needless.join(",")} for nothing`);
    if (isSpreadWorse(world, before, voters)) faults.push(`shard ${number} lies on fewer zones than it could`);
    return faults;
  });
}

/** A voluntary move must make zones or loads more even. */
function isWorthIt(world: World, before: readonly number[], after: readonly number[]): boolean {
  const zones = zonesOf(world);
  if (world.members.some(({ condition }) => condition === "down")) return false;
  return unevenness(after, zones) <= unevenness(before, zones);
}

/** Of all ways to replace what leaves by brokers that take replicas, none spreads what stays and arrives better. */
function isSpreadWorse(world: World, before: readonly number[], after: readonly number[]): boolean {
  const zones = zonesOf(world);
  const staying = before.filter((id) => after.includes(id) && fits(world, id, keepsReplicas));
  const arriving = after.filter((id) => !before.includes(id));
  const takers = world.members
    .filter(takesReplicas)
    .map(({ id }) => id)
    .filter((id) => !before.includes(id));
  const best = Math.min(...subsets(takers, arriving.length).map((some) => unevenness([...staying, ...some], zones)));
  return unevenness([...staying, ...arriving], zones) > best;
}

function budgetFaults(world: World, { targets }: Plan): readonly string[] {
  const wanted = new Map(targets.map(({ shard, voters }) => [shard, voters]));
  const cost = world.shards.reduce((sum, shard) => {
    const voters = wanted.get(shard.shard) ?? shard.target.voters;
    if (!wanted.has(shard.shard) && !isMoving(shard)) return sum;
    return sum + Math.max(1, voters.filter((id) => !shard.voters.includes(id)).length);
  }, 0);
  const { moveBudget } = world.settings;
  return targets.length > 0 && cost > moveBudget ? [`${cost} replicas under way, the budget is ${moveBudget}`] : [];
}

function transferFaults(world: World, { transfers }: Plan): readonly string[] {
  const faults = transfers.flatMap(({ shard: number, from, to }) => {
    const shard = shardOf(world, number);
    const fine =
      shard.leaderHint === from &&
      to !== from &&
      shard.voters.includes(to) &&
      shard.target.voters.includes(to) &&
      fits(world, from, ({ condition }) => condition === "up") &&
      fits(world, to, takesLeaders) &&
      world.lagging.get(number)?.has(to) !== true &&
      !world.asked.has(number);
    return fine ? [] : [`shard ${number} must not be handed from ${from} to ${to}`];
  });
  if (new Set(transfers.map(({ shard }) => shard)).size < transfers.length) faults.push("a shard is handed over twice");
  const { transferBudget } = world.settings;
  if (transfers.length > 0 && transfers.length + world.asked.size > transferBudget)
    faults.push(`${transfers.length} hand-overs`);
  return faults;
}

/** What is wrong with a world in which nothing is planned any more. */
export function restFaults(world: World): readonly string[] {
  const faults = world.shards.flatMap((shard) => [...leftFaults(world, shard), ...spreadFaults(world, shard)]);
  return [...faults, ...leaderFaults(world)];
}

/** Nothing stays on a broker that is to lose it while another one could take it. */
function leftFaults(world: World, { shard, target }: ShardInfo): readonly string[] {
  const free = world.members.filter((member) => takesReplicas(member) && !target.voters.includes(member.id));
  const left = target.voters.filter((id) => !fits(world, id, keepsReplicas));
  if (free.length === 0) return [];
  if (target.voters.length < world.replicationFactor) return [`shard ${shard} misses a voter`];
  return left.length === 0 ? [] : [`shard ${shard} stays on ${left.join(",")}`];
}

/** No other set of brokers spreads the shard better. While a broker is expected back nothing is moved for zones. */
function spreadFaults(world: World, { shard, target }: ShardInfo): readonly string[] {
  const fit = world.members.filter(keepsReplicas).map(({ id }) => id);
  if (world.members.some(({ condition }) => condition === "down")) return [];
  if (fit.length < world.replicationFactor || !target.voters.every((id) => fit.includes(id))) return [];
  const zones = zonesOf(world);
  const best = Math.min(...subsets(fit, world.replicationFactor).map((some) => unevenness(some, zones)));
  return unevenness(target.voters, zones) > best ? [`shard ${shard} could lie on more zones`] : [];
}

/** Leaders are as even over the brokers that may lead as any choice of voters makes them. */
function leaderFaults(world: World): readonly string[] {
  const fit = world.members.filter(takesLeaders).map(({ id }) => id);
  const led = world.shards.filter(({ leaderHint }) => fits(world, leaderHint, ({ condition }) => condition === "up"));
  const faults: string[] = [];
  const choices = led.map((shard) => {
    const hosts = shard.target.voters.filter(
      (id) => fit.includes(id) && shard.voters.includes(id) && world.lagging.get(shard.shard)?.has(id) !== true,
    );
    if (hosts.length === 0 || hosts.includes(shard.leaderHint)) return [...new Set([...hosts, shard.leaderHint])];
    // A leader that lags behind nobody, but may not lead.
    if (!fit.includes(shard.leaderHint)) faults.push(`shard ${shard.shard} is still led by ${shard.leaderHint}`);
    return [...hosts, shard.leaderHint];
  });
  const actual = squares(
    led.map(({ leaderHint }) => leaderHint),
    fit,
  );
  if (choices.length <= 6 && actual > leastSquares(choices, fit)) faults.push("leaders could be more even");
  return faults;
}

function leastSquares(
  choices: readonly (readonly number[])[],
  fit: readonly number[],
  chosen: readonly number[] = [],
): number {
  const [first, ...rest] = choices;
  if (first === undefined) return squares(chosen, fit);
  return Math.min(...first.map((id) => leastSquares(rest, fit, [...chosen, id])));
}

function squares(leaders: readonly number[], fit: readonly number[]): number {
  return fit.reduce((sum, id) => sum + leaders.filter((leader) => leader === id).length ** 2, 0);
}

/** How far apart the most and the least are. */
export function gap(counts: readonly number[]): number {
  return Math.max(...counts) - Math.min(...counts);
}

function shardOf({ shards }: World, number: number): ShardInfo {
  const shard = shards[number];
  if (shard === undefined) throw new Error(`no shard ${number}`);
  return shard;
}

function fits({ members }: World, id: number, test: (member: Member) => boolean): boolean {
  return members.some((member) => member.id === id && test(member));
}

function zonesOf({ members }: World): ReadonlyMap<number, string> {
  return new Map(members.map(({ id, zone }) => [id, zone]));
}

/** All choices of `count` of the items. */
export function subsets<Item>(items: readonly Item[], count: number): readonly (readonly Item[])[] {
  if (count === 0) return [[]];
  return items.flatMap((item, at) => subsets(items.slice(at + 1), count - 1).map((rest) => [item, ...rest]));
}
