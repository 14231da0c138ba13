import { afterEach, describe, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { MemoryLogStore, RecordBatch, recordHeadBytes, walkRecords } from "@saturnmq/store";
import { type AppliedEntry, createDriver, type Driver, type Group, type GroupMachine, type Payload } from "raft-ts";
import { allLinked, introduce, memoryWorld, nameOf, TestNode, tcpWorld, type World } from "./testing/world.ts";

const voters = [1, 2, 3];

/** Replicates numbers, each with as many bytes of noise as it says. */
class Numbers implements GroupMachine {
  readonly values: number[] = [];
  staged: { readonly value: number; readonly bytes: number }[] = [];

  gather(maxBytes: number): Payload | undefined {
    if (this.staged.length === 0) return undefined;
    const batch = new RecordBatch();
    while (this.staged[0] !== undefined && batch.length + recordHeadBytes + 8 + this.staged[0].bytes <= maxBytes) {
      const { value, bytes } = this.staged.shift()!;
      const at = batch.add(1, 1, 8 + bytes);
      batch.view.setFloat64(at, value);
      batch.bytes.fill(value, at + 8, at + 8 + bytes);
    }
    return batch.payload();
  }

  apply({ payload }: AppliedEntry): void {
    const { bytes } = payload;
    walkRecords(payload, (at, length) => {
      const value = new DataView(bytes.buffer, bytes.byteOffset).getFloat64(at + recordHeadBytes);
      const noise = bytes.subarray(at + recordHeadBytes + 8, at + length);
      if (!noise.every((byte) => byte === (value & 255))) throw new Error(`the noise of ${value} was changed`);
      this.values.push(value);
    });
  }

  applied(): void {}
  leading(): void {}
  following(): void {
    this.staged = [];
  }
}

type Process = {
  readonly node: TestNode;
  readonly driver: Driver;
  readonly group: Group;
  readonly machine: Numbers;
};

async function startProcess(world: World, id: number): Promise<Process> {
  const node = await new TestNode(id).start(world);
  const driver = createDriver({
    log: new MemoryLogStore({ maxEntryBytes: 4 * 1_048_576 }),
    transport: node.links,
    clock: world.clock,
    timers: world.timers,
    turn: world.turn,
    random: world.random,
    logger: silentLogger,
    fatal: (error) => {
      throw error;
    },
  });
  node.onMessage = (from, message) => {
    driver.receive(from, message);
  };
  const machine = new Numbers();
  const group = driver.open({ group: 5, self: id, voters, machine, appliedIndex: 0 });
  return { node, driver, group, machine };
}

describe.each<{ readonly name: string; readonly makeWorld: () => World }>([
  { name: "TCP", makeWorld: tcpWorld },
  { name: "the network in memory", makeWorld: () => memoryWorld(3) },
])("Three raft-ts drivers over links on $name", ({ makeWorld }) => {
  const processes: Process[] = [];
  afterEach(async () => {
    for (const { driver, node } of processes.splice(0)) {
      await driver.close();
      await node.links[Symbol.asyncDispose]();
    }
  });

  test("elect, replicate large and small entries, and go on when the leader is gone", async () => {
    const world = makeWorld();
    for (const id of voters) processes.push(await startProcess(world, id));
    const nodes = processes.map(({ node }) => node);
    introduce(world, nodes);
    await world.until(() => allLinked(nodes) && processes.some(({ group }) => group.serving));
    const leader = processes.find(({ group }) => group.serving)!;
    const sizes = Array.from({ length: 60 }, (_, at) => (at % 20 === 0 ? 1_000_000 : at * 30));
    for (const [value, bytes] of sizes.entries()) {
      leader.machine.staged.push({ value, bytes });
      leader.group.wake();
      if (value % 7 === 0) await world.pass(2);
    }
    await world.until(() => processes.every(({ machine }) => machine.values.length === sizes.length));
    for (const { machine } of processes) expect(machine.values).toEqual(sizes.map((_, value) => value));
    await world.until(() => leader.group.leaseValid(world.clock.monoMs()));

    const killedMs = world.clock.monoMs();
    await leader.node.links[Symbol.asyncDispose]();
    const rest = processes.filter((process) => process !== leader);
    await world.until(() => rest.some(({ group }) => group.serving));
    // On real time the machine may be busy with something else.
    if ("net" in world) expect(world.clock.monoMs() - killedMs).toBeLessThan(2_000);
    const next = rest.find(({ group }) => group.serving)!;
    next.machine.staged.push({ value: 1_000, bytes: 10 });
    next.group.wake();
    await world.until(() => rest.every(({ machine }) => machine.values.at(-1) === 1_000));
    await world.until(() => leader.group.role !== "leader");
    for (const { node } of processes)
      expect(node.links.counters).toMatchObject({ linksBroken: 0, messagesDropped: 0, strangers: 0, refused: 0 });
  }, 20_000);
});

test("a leader that is cut off and comes back follows, and has what the others agreed on", async () => {
  const world = memoryWorld(5);
  const processes: Process[] = [];
  for (const id of voters) processes.push(await startProcess(world, id));
  introduce(
    world,
    processes.map(({ node }) => node),
  );
  await world.until(() => processes.some(({ group }) => group.serving));
  for (let round = 1; round <= 3; round += 1) {
    const leader = processes.find(({ group }) => group.serving)!;
    const rest = processes.filter((process) => process !== leader);
    const cut = (on: boolean): void => {
      for (const { node } of rest) world.net.setCut(nameOf(node.identity.id), nameOf(leader.node.identity.id), on);
    };
    cut(true);
    await world.until(() => rest.some(({ group }) => group.serving) && !leader.group.serving);
    const next = rest.find(({ group }) => group.serving)!;
    next.machine.staged.push({ value: round, bytes: 5 });
    next.group.wake();
    await world.until(() => rest.every(({ machine }) => machine.values.at(-1) === round));
    cut(false);
    await world.until(() => leader.machine.values.at(-1) === round);
  }
  for (const { machine } of processes) expect(machine.values).toEqual([1, 2, 3]);
  for (const { driver, node } of processes) {
    const closing = driver.close();
    await world.pass(5);
    await closing;
    await node.links[Symbol.asyncDispose]();
  }
});
