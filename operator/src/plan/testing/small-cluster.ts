import { assert, assertNever, defined, type Random } from "@saturnmq/kit";
import type { BrokerAction } from "../action.ts";
import type { BrokerWorld, KnownBroker, Member } from "../broker-world.ts";

type SimPod = { uid: string; ready: boolean; terminating: boolean; revision: number; broken: boolean };
type SimClaim = {
  uid: string;
  terminating: boolean;
  retired: boolean;
  lost: boolean;
  bytes: number;
  brokerId: number | undefined;
};
type SimBroker = { id: number; index: number; up: boolean; draining: boolean; leadersAway: boolean; removed: boolean };
type SimShard = { voters: number[]; leader: number | undefined };

/** What a user asks of the set; tests change it between steps. */
export type Wish = { replicas: number; revision: number; claimBytes: number; paused: boolean };

/**
 * A broker set on a cluster in memory that obeys actions as Kubernetes and the name servers would, refuses what they refuse, and checks at each
 * action what must never happen. Its world moves in small steps that the caller's chance picks.
 */
export class SmallCluster {
  readonly wish: Wish = { replicas: 3, revision: 1, claimBytes: 10, paused: false };
  /** Revisions whose pods never get ready. */
  readonly badRevisions = new Set<number>();
  nameServersAnswer = true;
  /** What happened, for a failure's message. */
  readonly story: string[] = [];
  readonly #pods = new Map<number, SimPod>();
  readonly #claims = new Map<number, SimClaim>();
  readonly #brokers = new Map<number, SimBroker>();
  readonly #shards: SimShard[] = [];
  readonly #replicationFactor: number;
  readonly #reclaim: "Delete" | "Retain";
  readonly #shardCount: number;
  #uids = 0;

  constructor(options: { replicationFactor: number; reclaim: "Delete" | "Retain"; shards: number }) {
    this.#replicationFactor = options.replicationFactor;
    this.#reclaim = options.reclaim;
    this.#shardCount = options.shards;
  }

  /** What the operator would find now. */
  observe(): BrokerWorld {
    const indexes = new Set([...this.#pods.keys(), ...this.#claims.keys()]);
    if (this.nameServersAnswer) for (const broker of this.#known()) indexes.add(broker.index);
    const { replicas, paused, claimBytes } = this.wish;
    return {
      ...{ replicas, paused, claimBytes, replicationFactor: this.#replicationFactor, reclaim: this.#reclaim },
      ...{ rollsByItself: true, clusterKnown: this.nameServersAnswer },
      members: [...indexes].sort((one, other) => one - other).map((index) => this.#member(index)),
    };
  }

  #member(index: number): Member {
    const pod = this.#pods.get(index);
    const claim = this.#claims.get(index);
    const broker = this.nameServersAnswer ? this.#known().find((known) => known.index === index) : undefined;
    return {
      index,
      ...(pod && {
        pod: {
          uid: pod.uid,
          ready: pod.ready,
          terminating: pod.terminating,
          updated: pod.revision === this.wish.revision,
          zone: `zone-${index % 3}`,
        },
      }),
      ...(claim && {
        claim: {
          uid: claim.uid,
          terminating: claim.terminating,
          retired: claim.retired,
          lost: claim.lost,
          requestedBytes: claim.bytes,
        },
      }),
      ...(broker && { broker: this.#view(broker) }),
    };
  }

  #view({ id, up, draining, leadersAway }: SimBroker): KnownBroker {
    const leads = this.#shards.filter(({ leader }) => leader === id).length;
    return {
      id,
      up,
      draining,
      leadersAway,
      replicas: this.#replicasOf(id),
      leads,
      restartSafe: this.#endangeredBy(id).length === 0,
    };
  }

  #known(): SimBroker[] {
    return [...this.#brokers.values()].filter(({ removed }) => !removed);
  }

  #replicasOf(id: number): number {
    return this.#shards.filter(({ voters }) => voters.includes(id)).length;
  }

  #isUp(id: number): boolean {
    return this.#brokers.get(id)?.up === true;
  }

  /** Shards that commit now and could not without this broker. */
  #endangeredBy(id: number): SimShard[] {
    const commits = (shard: SimShard, without: number): boolean =>
      shard.voters.filter((voter) => voter !== without && this.#isUp(voter)).length * 2 > shard.voters.length;
    return this.#shards.filter((shard) => commits(shard, -1) && !commits(shard, id));
  }

  /** Carries a step out. @throws when it is one that must never be made */
  perform(action: BrokerAction): void {
    this.story.push(JSON.stringify(action));
    const { index } = action;
    switch (action.kind) {
      case "createClaim":
        assert(!this.#claims.has(index) && !this.#pods.has(index), "a name that is in use is given again");
        assert(!this.#known().some((broker) => broker.index === index), "a known broker's name is given to new data");
        this.#claims.set(index, {
          uid: this.#uid(),
          terminating: false,
          retired: false,
          lost: false,
          bytes: this.wish.claimBytes,
          brokerId: undefined,
        });
        return;
      case "createPod":
        assert(!this.#pods.has(index) && this.#claims.get(index)?.retired === false, "a pod on a claim that has left");
        this.#pods.set(index, {
          uid: this.#uid(),
          ready: false,
          terminating: false,
          revision: this.wish.revision,
          broken: false,
        });
        return;
      case "retireClaim": {
        const claim = defined(this.#claims.get(index), "claim");
        assert(!this.#pods.has(index), "a claim is retired under its pod");
        assert(
          claim.brokerId === undefined || this.#replicasOf(claim.brokerId) === 0,
          "a claim is retired that holds replicas",
        );
        claim.retired = true;
        return;
      }
      case "expandClaim":
        assert(action.bytes > defined(this.#claims.get(index), "claim").bytes, "a claim shrinks");
        defined(this.#claims.get(index), "claim").bytes = action.bytes;
        return;
      case "deleteClaim": {
        const claim = defined(this.#claims.get(index), "claim");
        const broker = this.#brokers.get(claim.brokerId ?? -1);
        assert(claim.retired && (broker === undefined || broker.removed), "data of a broker of the cluster is deleted");
        claim.terminating = true;
        return;
      }
      case "deletePod":
        this.#deletePod(index, action.uid, action.why);
        return;
      case "drain":
        this.#drain(action.broker);
        return;
      case "cancelDrain":
        defined(this.#brokers.get(action.broker), "broker").draining = false;
        return;
      case "transferLeaders":
        defined(this.#brokers.get(action.broker), "broker").leadersAway = true;
        return;
      case "forget": {
        const broker = defined(this.#brokers.get(action.broker), "broker");
        assert(!broker.up && this.#replicasOf(broker.id) === 0, "a broker is forgotten that is up or holds replicas");
        broker.removed = true;
        return;
      }
      default:
        assertNever(action);
    }
  }

  #deletePod(index: number, uid: string, why: string): void {
    const pod = defined(this.#pods.get(index), "pod");
    assert(pod.uid === uid && !pod.terminating, "another pod was meant");
    const broker = this.#brokers.get(this.#claims.get(index)?.brokerId ?? -1);
    if (why !== "hibernate" && broker?.up === true && this.#replicasOf(broker.id) > 0) {
      assert(this.#endangeredBy(broker.id).length === 0, "a shard loses its majority by a restart");
      assert(
        this.#shards.every(({ leader }) => leader !== broker.id),
        "a leader is stopped that did not hand over",
      );
      assert(
        this.#disturbed().every((other) => other === index),
        "two members are disturbed at once",
      );
    }
    pod.terminating = true;
    pod.ready = false;
  }

  #drain(id: number): void {
    const broker = defined(this.#brokers.get(id), "broker");
    const left = this.#known().filter((other) => other.id !== id && other.up && !other.draining);
    assert(left.length >= this.#replicationFactor, "the name server would refuse to drain");
    assert(
      this.#disturbed().every((other) => other === broker.index),
      "two members are disturbed at once",
    );
    broker.draining = true;
  }

  /** Members that the operator took from service. */
  #disturbed(): number[] {
    const ending = [...this.#pods].filter(([, { terminating }]) => terminating).map(([index]) => index);
    return [
      ...ending,
      ...this.#known()
        .filter(({ draining, up }) => draining && up)
        .map(({ index }) => index),
    ];
  }

  #uid(): string {
    this.#uids += 1;
    return `uid-${this.#uids}`;
  }

  /** One small thing that happens by itself; false when nothing is left to happen. */
  live(random: Random): boolean {
    const possible = [...this.#podSteps(), ...this.#claimSteps(), ...this.#controllerSteps()];
    if (possible.length === 0) return false;
    const [what, happen] = defined(possible[random.below(possible.length)], "step");
    this.story.push(what);
    happen();
    return true;
  }

  #podSteps(): [string, () => void][] {
    return [...this.#pods].flatMap(([index, pod]): [string, () => void][] => {
      if (pod.terminating) return [[`pod ${index} is gone`, () => this.#podGone(index)]];
      if (pod.ready || pod.broken || this.badRevisions.has(pod.revision) || !this.#claims.has(index)) return [];
      if (this.#claims.get(index)?.lost === true || !this.nameServersAnswer) return [];
      return [[`pod ${index} is ready`, () => this.#podReady(index, pod)]];
    });
  }

  #podGone(index: number): void {
    this.#pods.delete(index);
    const broker = this.#brokers.get(this.#claims.get(index)?.brokerId ?? -1);
    if (broker !== undefined) broker.up = false;
  }

  #podReady(index: number, pod: SimPod): void {
    const claim = defined(this.#claims.get(index), "claim");
    claim.brokerId ??= this.#register(index);
    const broker = defined(this.#brokers.get(claim.brokerId), "broker");
    assert(!broker.removed, "a forgotten broker's data runs again");
    broker.up = true;
    broker.leadersAway = false;
    pod.ready = true;
  }

  #register(index: number): number {
    const id = this.#brokers.size + 1;
    this.#brokers.set(id, { id, index, up: true, draining: false, leadersAway: false, removed: false });
    return id;
  }

  #claimSteps(): [string, () => void][] {
    return [...this.#claims]
      .filter(([index, { terminating }]) => terminating && !this.#pods.has(index))
      .map(([index]) => [`claim ${index} is gone`, () => this.#claims.delete(index)]);
  }

  #controllerSteps(): [string, () => void][] {
    if (!this.nameServersAnswer) return [];
    const able = this.#known().filter(({ up, draining }) => up && !draining);
    if (this.#shards.length === 0) {
      return able.length < this.#replicationFactor ? [] : [["shards are placed", () => this.#place(able)]];
    }
    return [...this.#welcomes(), ...this.#shardSteps(able)];
  }

  /** A broker that was to lead nothing until its restart, and did not restart, may lead again after a while. */
  #welcomes(): [string, () => void][] {
    return this.#known()
      .filter(({ up, leadersAway }) => up && leadersAway)
      .map((broker) => [
        `broker ${broker.id} may lead again`,
        () => {
          broker.leadersAway = false;
        },
      ]);
  }

  #shardSteps(able: readonly SimBroker[]): [string, () => void][] {
    return this.#shards.flatMap((shard, number): [string, () => void][] => {
      const leader = this.#brokers.get(shard.leader ?? -1);
      const heirs = able.filter(({ id, leadersAway }) => shard.voters.includes(id) && !leadersAway);
      const commits = shard.voters.filter((voter) => this.#isUp(voter)).length * 2 > shard.voters.length;
      const steps: [string, () => void][] = [];
      if ((leader?.up !== true || leader.draining || leader.leadersAway) && commits && heirs[0] !== undefined) {
        const [heir] = heirs;
        steps.push([
          `shard ${number} is led by ${heir.id}`,
          () => {
            shard.leader = heir.id;
          },
        ]);
      }
      const leaving = shard.voters.find((voter) => this.#brokers.get(voter)?.draining);
      const spare = able.find(({ id }) => !shard.voters.includes(id));
      if (leaving !== undefined && leaving !== shard.leader && spare !== undefined && commits)
        steps.push([
          `shard ${number} moves from ${leaving} to ${spare.id}`,
          () => {
            shard.voters = [...shard.voters.filter((voter) => voter !== leaving), spare.id];
          },
        ]);
      return steps;
    });
  }

  #place(able: readonly SimBroker[]): void {
    for (let number = 0; number < this.#shardCount; number += 1) {
      const voters = able.map((_, offset) => defined(able[(number + offset) % able.length], "broker").id);
      this.#shards.push({ voters: voters.slice(0, this.#replicationFactor), leader: voters[0] });
    }
  }

  /** A broker's process dies and comes back, as a kubelet restarts it. */
  crash(index: number): void {
    const pod = this.#pods.get(index);
    if (pod === undefined || pod.terminating) return;
    this.story.push(`pod ${index} crashes`);
    pod.ready = false;
    const broker = this.#brokers.get(this.#claims.get(index)?.brokerId ?? -1);
    if (broker !== undefined) broker.up = false;
  }

  /** A pod is deleted by somebody else, as by an eviction. */
  evict(index: number): void {
    const pod = this.#pods.get(index);
    if (pod === undefined) return;
    this.story.push(`pod ${index} is evicted`);
    pod.terminating = true;
    pod.ready = false;
  }

  /** The volume is lost with everything on it. */
  loseClaim(index: number): void {
    const claim = this.#claims.get(index);
    if (claim === undefined) return;
    this.story.push(`claim ${index} is lost`);
    this.crash(index);
    claim.lost = true;
  }

  /** A user deletes the claim; it goes when its pod goes. */
  deleteClaim(index: number): void {
    const claim = this.#claims.get(index);
    if (claim === undefined) return;
    this.story.push(`a user deletes claim ${index}`);
    claim.terminating = true;
  }

  /** Every shard has a majority that is up. */
  get commits(): boolean {
    return this.#shards.every(({ voters }) => voters.filter((voter) => this.#isUp(voter)).length * 2 > voters.length);
  }

  get placed(): boolean {
    return this.#shards.length > 0;
  }

  get indexes(): number[] {
    return [...new Set([...this.#pods.keys(), ...this.#claims.keys()])];
  }

  /** Brokers that the cluster knows and that are not of a member. */
  get ghosts(): number[] {
    return this.#known()
      .filter(({ id }) => ![...this.#claims.values()].some(({ brokerId, retired }) => brokerId === id && !retired))
      .map(({ id }) => id);
  }
}
