import { MemoryLogStore } from "@saturnmq/store";

const configuration = {
  index: 0,
  configuration: { incoming: [1, 2], outgoing: [], learners: [], learnersNext: [], autoLeave: false, revision: 1 },
};

/** The log of a replica that began with a checkpoint at entry `last` of a shard and has nothing before it. */
export async function newcomer(shard: number, last: number): Promise<MemoryLogStore> {
  const store = new MemoryLogStore();
  await store.writeCheckpoint(shard, last, 1, [new Uint8Array(8)], configuration);
  store.restartAt(shard, last, 1, configuration);
  await store.commit();
  return store;
}
