import {
  type BrokerReport,
  type ClusterView,
  featureLevelKnown,
  type MetadataService,
  type ReplicaReport,
} from "@saturnmq/wire";

type Shard = { term: number; leader: number; voters: readonly number[]; revision: number };

/**
 * Brokers that hold nothing and do at once what the name server wants: shards walk to their targets, leaders hand over, and the shards of a
 * broker that stopped elect another. They heartbeat when they are told to.
 */
export class LoyalBrokers {
  readonly #running = new Map<number, { readonly metadata: MetadataService; readonly incarnation: number }>();
  readonly #shards = new Map<number, Shard>();

  /** Registers a new broker; answers its id. */
  async start(metadata: MetadataService, zone: string): Promise<number> {
    const process = `${zone}-${Math.random()}`;
    const address = `${process}:8081`;
    const about = { zone, process, address, peerAddress: address, featureLevel: featureLevelKnown };
    const { brokerId } = await metadata.register({ brokerId: 0, incarnation: 1, clusterId: undefined, ...about });
    this.#running.set(brokerId, { metadata, incarnation: 1 });
    return brokerId;
  }

  /** It sends nothing more; its shards elect another leader. */
  stop(id: number): void {
    this.#running.delete(id);
    for (const shard of this.#shards.values()) if (shard.leader === id) this.#elect(shard);
  }

  /** One heartbeat of each. */
  async beat(view: ClusterView | undefined): Promise<void> {
    this.#walk(view);
    for (const [id, { metadata, incarnation }] of this.#running) {
      const { transfers } = await metadata.heartbeat(id, incarnation, this.#reportOf(id));
      for (const { shard, to } of transfers) this.#handOver(id, shard, to);
    }
  }

  #walk(view: ClusterView | undefined): void {
    for (const { shard: number, target, voters, leaderHint, revision } of view?.shards ?? []) {
      const shard = this.#shards.get(number) ?? { term: 1, leader: leaderHint, voters, revision };
      this.#shards.set(number, shard);
      if (target.revision <= shard.revision) continue;
      shard.voters = target.voters;
      shard.revision = target.revision;
      if (!shard.voters.includes(shard.leader)) this.#elect(shard);
    }
  }

  #elect(shard: Shard): void {
    shard.leader = shard.voters.find((id) => this.#running.has(id)) ?? 0;
    shard.term += 1;
  }

  #handOver(from: number, number: number, to: number): void {
    const shard = this.#shards.get(number);
    if (shard?.leader !== from || !shard.voters.includes(to)) return;
    shard.leader = to;
    shard.term += 1;
  }

  #reportOf(id: number): BrokerReport {
    const replicas = [...this.#shards].flatMap(([shard, { term, leader, voters, revision }]): ReplicaReport[] => {
      if (!voters.includes(id)) return [];
      const leads = leader === id;
      const progress = leads ? voters.filter((other) => other !== id).map((broker) => ({ broker, match: 10 })) : [];
      const place = { lastIndex: 10, lastTerm: term, commitIndex: 10 };
      return [{ shard, term, leads, ...place, voters, outgoing: [], learners: [], revision, progress }];
    });
    return { freeBytes: 1, totalBytes: 2, replicas };
  }
}
