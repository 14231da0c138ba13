import { SaturnError, type SeededRandom } from "@saturnmq/kit";
import type { Disturbance } from "../support/process/disturbances.ts";
import type { Heard } from "./load/workload.ts";
import type { Fault, Swarm } from "./swarm.ts";
import type { BrokerNode, SimulatedCluster } from "./world/cluster.ts";
import type { Machine } from "./world/machine.ts";

/** What a fault does to clients may show for so long after its end, milliseconds. */
const aftermathMs = 5_000;

/** A log that was in use for so long has on the disk that what was there before is durable, milliseconds and writes: from then on damage can be told from a torn tail. */
const provenMs = 3_000;
const provenWrites = 8;

/** Does one fault after the other, all chance drawn from the seed, until it is told to stop. */
export class Nemesis {
  readonly disturbances: Disturbance[] = [];
  readonly counts = new Map<Fault, number>();
  readonly #cluster: SimulatedCluster;
  readonly #swarm: Swarm;
  readonly #random: SeededRandom;
  readonly #atNext: (what: Heard, act: () => void) => void;
  /** Ids of brokers whose disks are gone, or cannot be trusted. */
  readonly #lost = new Set<number>();
  /** What is on these is not what was written. They are to be replaced. */
  readonly #damaged = new Set<Machine["disk"]>();
  #calm = false;
  #requests = 0;
  #shrinking = false;

  /** @param atNext runs something in the event in which a client next hears of what is named */
  constructor(
    cluster: SimulatedCluster,
    swarm: Swarm,
    random: SeededRandom,
    atNext: (what: Heard, act: () => void) => void,
  ) {
    this.#cluster = cluster;
    this.#atNext = atNext;
    this.#swarm = swarm;
    this.#random = random;
  }

  start(): void {
    this.#later(this.#random.below(this.#swarm.faultEveryMs), () => this.#strike());
  }

  /** No more faults. What is down stays down. */
  stop(): void {
    this.#calm = true;
    const nowMs = this.#cluster.queue.nowMs;
    for (const [at, one] of this.disturbances.entries())
      if (one.untilMs === Infinity) this.disturbances[at] = { ...one, untilMs: nowMs + aftermathMs };
  }

  /** Whether what was written to a machine's disk may read differently. */
  isDamaged(name: string): boolean {
    return this.#cluster.machines.some((machine) => machine.name === name && this.#damaged.has(machine.disk));
  }

  /** Networks, disks and clocks are well again. */
  heal(): void {
    this.#cluster.network.heal();
    this.#cluster.network.setLatency(1);
    for (const machine of this.#cluster.machines) {
      machine.healDisk();
      machine.process?.resume();
      if (this.#replaceDamaged(machine)) machine.boot();
    }
  }

  #strike(): void {
    const fault = this.#pick(this.#swarm.faults);
    if (this.#do(fault)) this.#count(fault);
    this.#later(100 + this.#random.below(this.#swarm.faultEveryMs), () => this.#strike());
  }

  #count(fault: Fault): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
  }

  /** False when it cannot be done at the moment. */
  #do(fault: Fault): boolean {
    const { network, machines, clients } = this.#cluster;
    const random = this.#random;
    const machine = this.#pick(machines);
    switch (fault) {
      case "kill":
        return this.#down(machine, () => machine.kill());
      case "powerCut":
        return this.#down(machine, () => machine.cutPower());
      case "powerCutAll":
        for (const one of machines) this.#down(one, () => one.cutPower());
        return true;
      case "killLeader":
        return this.#killLeader();
      case "suspend":
        return this.#suspend(machine);
      case "restartStorm":
        return this.#restartStorm(machine);
      case "stop":
        return this.#stop(machine);
      case "cutOneWay":
        network.cut(machine.name, this.#pick(machines).name);
        return this.#untilHealed(fault);
      case "isolate":
        this.#separate(new Set([machine.name]));
        return this.#untilHealed(fault);
      case "split":
        this.#separate(new Set(machines.filter(() => random.below(2) === 0).map(({ name }) => name)));
        return this.#untilHealed(fault);
      case "cutZone":
        this.#separate(this.#zone());
        return this.#untilHealed(fault);
      case "cutNameServers":
        this.#cutNameServers();
        return this.#untilHealed(fault);
      case "cutClients":
        for (const client of clients) {
          if (random.below(2) === 0) network.cut(client, machine.name);
          else network.cut(machine.name, client);
        }
        return this.#untilHealed(fault);
      case "reset":
        network.reset(machine.name, this.#pick(machines).name);
        return true;
      case "slowNetwork":
        return this.#slowNetwork(machine);
      case "slowDisk":
        return this.#slowDisk(machine);
      case "wallJump":
        machine.skew.wallMs += (random.below(2) === 0 ? 1 : -1) * random.below(7_200_000);
        return true;
      case "badWrite":
        machine.disk.fail({ on: random.below(2) === 0 ? "write" : "sync", short: random.below(2) === 0 });
        return this.#noted(fault, 3_000);
      case "fullDisk":
        return this.#fillDisk(machine);
      case "powerCutAtAck":
        return this.#cutPowerAtAck();
      case "bitFlip":
        return this.#flipBit();
      case "wipe":
        return this.#wipe();
      case "grow":
        return this.#grow();
      case "shrink":
        return this.#shrink();
      case "heal":
        network.heal();
        return true;
    }
  }

  /** Clients mostly go on to reach whoever is cut off from its like: what that answers must hold. */
  #separate(some: ReadonlySet<string>): void {
    const { network, clients } = this.#cluster;
    network.separate(some, this.#random.below(3) === 0 ? [] : clients);
  }

  /** Off from everybody, or from one broker alone: it then goes by what it last heard of placements while the others go on. */
  #cutNameServers(): void {
    const { network, nameServers, brokers } = this.#cluster;
    if (this.#random.below(2) === 0) return network.separate(new Set(nameServers.map(({ machine }) => machine.name)));
    const { name } = this.#pick(brokers).machine;
    for (const { machine } of nameServers) {
      network.cut(name, machine.name);
      network.cut(machine.name, name);
    }
  }

  /** Ends a program and starts it again, soon or late. */
  #down(machine: Machine, end: () => void, forMs = this.#downMs()): boolean {
    if (machine.process === undefined) return false;
    end();
    this.#noted("kill", forMs);
    this.#later(forMs, () => machine.boot());
    return true;
  }

  #downMs(): number {
    return this.#random.below(this.#random.below(2) === 0 ? 200 : 4_000);
  }

  #killLeader(): boolean {
    const leaders = this.#cluster.brokers.filter(
      ({ broker }) => (broker?.dataPlane.forwarding.shards.led.size ?? 0) > 0,
    );
    if (leaders.length === 0) return false;
    const { machine } = this.#pick(leaders);
    return this.#down(machine, () => (this.#random.below(2) === 0 ? machine.kill() : machine.cutPower()));
  }

  #suspend(machine: Machine): boolean {
    const { process } = machine;
    if (process === undefined || process.suspended) return false;
    process.suspend();
    const forMs = this.#random.below(this.#random.below(3) === 0 ? 12_000 : 2_500);
    this.#later(forMs, () => process.resume());
    return this.#noted("suspend", forMs);
  }

  #restartStorm(machine: Machine): boolean {
    for (let round = 0; round < 4; round += 1) {
      this.#later(round * 400 + this.#random.below(300), () => {
        this.#down(machine, () => machine.kill(), this.#random.below(60));
      });
    }
    return true;
  }

  #stop(machine: Machine): boolean {
    if (machine.process === undefined || machine.process.suspended) return false;
    void machine.stop().then(() => {
      if (!this.#calm) this.#later(this.#random.below(1_000), () => machine.boot());
    });
    return this.#noted("stop", 6_000);
  }

  #zone(): ReadonlySet<string> {
    const { brokers, nameServers } = this.#cluster;
    const zone = this.#random.below(this.#swarm.zones);
    const inZone = (_: unknown, at: number): boolean => at % this.#swarm.zones === zone;
    return new Set([...brokers.filter(inZone), ...nameServers.filter(inZone)].map(({ machine }) => machine.name));
  }

  /** All of it a little, or one link a lot: then the others go on, and whoever is behind it must not hold them up. */
  #slowNetwork(machine: Machine): boolean {
    const { network, machines } = this.#cluster;
    const random = this.#random;
    if (random.below(2) === 0) network.setLatency(5 + random.below(120));
    else network.slowLink(machine.name, this.#pick(machines).name, 100 + random.below(1_500), 1 + random.below(40));
    this.#later(500 + random.below(5_000), () => network.setLatency(1));
    return this.#noted("slowNetwork", 6_000);
  }

  #slowDisk(machine: Machine): boolean {
    machine.speed = { accessMs: 1 + this.#random.below(20), syncMs: 5 + this.#random.below(800) };
    const forMs = 500 + this.#random.below(5_000);
    this.#later(forMs, () => machine.healDisk());
    return this.#noted("slowDisk", forMs);
  }

  /** From no room at all to some: segments that exist are written on, others cannot be made. */
  #fillDisk(machine: Machine): boolean {
    machine.fillDisk(this.#random.below(2 ** 20));
    const forMs = 500 + this.#random.below(6_000);
    this.#later(forMs, () => machine.healDisk());
    return this.#noted("fullDisk", forMs);
  }

  #cutPowerAtAck(): boolean {
    this.#atNext(this.#pick(["stored", "acked", "renewed", "delivered"] as const), () => {
      if (this.#calm) return;
      for (const machine of this.#cluster.machines)
        if (this.#random.below(2) === 0) this.#down(machine, () => machine.cutPower());
    });
    return true;
  }

  #wipe(): boolean {
    const { machine } = this.#pick(this.#cluster.brokers);
    if (this.#mayLose(machine) === undefined) return false;
    return this.#down(machine, () => machine.wipe(), 500 + this.#random.below(3_000));
  }

  /** The bit turns over later, when it is known to be part of what is durable; its broker mostly reads it in its next life. */
  #flipBit(): boolean {
    const { machine } = this.#pick(this.#cluster.brokers);
    const { process, disk } = machine;
    const byte = machine.drawByte(this.#random);
    const id = byte && process && this.#mayLose(machine);
    if (byte === undefined || process === undefined || id === undefined) return false;
    const writes = disk.operations;
    this.#later(provenMs, () => {
      const isProven = machine.process === process && !process.suspended && disk.operations >= writes + provenWrites;
      if (!isProven || !machine.flipBit(byte, this.#random.below(8))) {
        this.#lost.delete(id);
        return;
      }
      this.#count("bitFlip");
      this.#damaged.add(disk);
      if (this.#random.below(3) > 0) this.#down(machine, () => machine.kill());
      this.#later(1_000 + this.#random.below(8_000), () => {
        if (this.#replaceDamaged(machine)) this.#later(this.#random.below(1_000), () => machine.boot());
      });
    });
    // Counted when it has happened.
    return false;
  }

  /** What an operator does with a disk that damages what is on it: its broker comes back as a new one. False when that was done already. */
  #replaceDamaged(machine: Machine): boolean {
    if (!this.#damaged.has(machine.disk)) return false;
    machine.wipe();
    return this.#noted("wipe", 3_000);
  }

  /**
   * Only where every shard's replicas are settled and none of them was lost before: what two disks of three held may be gone with them.
   *
   * @returns the id of the broker, whose disk counts as lost from now on
   */
  #mayLose(machine: Machine): number | undefined {
    const { view } = this.#cluster.admin;
    const id = this.#cluster.brokers.find((node) => node.machine === machine)?.broker?.store.identity.replicaId;
    if (view === undefined || view.shards.length === 0 || id === undefined) return undefined;
    const brokers = [...view.brokers.values()].filter(({ state }) => state === "up");
    if (this.#swarm.replicationFactor < 3 || brokers.length <= this.#swarm.replicationFactor) return undefined;
    const known = this.#newestState();
    if (known === undefined) return undefined;
    for (const shard of known) {
      const { voters, outgoing, learners, target } = shard;
      const settled = outgoing.length === 0 && learners.length === 0 && shard.revision >= target.revision;
      if (!settled || [...voters, ...target.voters].some((one) => this.#lost.has(one))) return undefined;
    }
    this.#lost.add(id);
    return id;
  }

  #newestState() {
    const leader = this.#cluster.nameServers.find(({ member }) => member?.metadata.metadata.serving === true);
    return leader?.member?.metadata.metadata.state.shards;
  }

  #grow(): boolean {
    const spare = this.#cluster.brokers.find(({ machine }) => !machine.wanted && machine.process === undefined);
    if (spare === undefined || this.#shrinking) return false;
    spare.machine.boot();
    return true;
  }

  #shrink(): boolean {
    if (this.#shrinking) return false;
    const node = this.#pick(this.#cluster.brokers);
    if (node.broker === undefined) return false;
    this.#shrinking = true;
    void this.#leave(node, node.broker.store.identity.replicaId).finally(() => {
      this.#shrinking = false;
    });
    return true;
  }

  /** Drains a broker, waits until it holds nothing, stops it, has it forgotten. Its machine is a spare then. */
  async #leave(node: BrokerNode, broker: number): Promise<void> {
    const { admin } = this.#cluster;
    try {
      await admin.administer("DrainBroker", { requestId: this.#request(), broker });
      const drained = await this.#comesToHoldNothing(broker);
      if (drained) await node.machine.stop();
      // When the faults end meanwhile, all that hold anything are started again, and this one is needed.
      if (!drained || node.machine.process !== undefined) {
        await admin.administer("CancelDrain", { requestId: this.#request(), broker });
        return;
      }
      await admin.administer("ForgetBroker", { requestId: this.#request(), broker });
      const { wanted } = node.machine;
      node.machine.wipe();
      if (wanted) node.machine.boot();
    } catch (error) {
      if (!(error instanceof SaturnError)) throw error;
      // Refused, or no name server leads: then it stays.
    }
    if (!this.#calm && !node.machine.wanted && node.machine.process === undefined && !this.#isForgotten(broker))
      node.machine.boot();
  }

  /** False when that takes too long, or the faults end before. */
  async #comesToHoldNothing(broker: number): Promise<boolean> {
    for (let round = 0; round <= 40 && !this.#calm; round += 1) {
      if (this.#holdsNothing(broker)) return true;
      await this.#pause(250);
    }
    return false;
  }

  #holdsNothing(broker: number): boolean {
    const shards = this.#newestState();
    return (
      shards !== undefined &&
      shards.every(({ voters, outgoing, learners, target }) =>
        [voters, outgoing, learners, target.voters].every((ids) => !ids.includes(broker)),
      )
    );
  }

  #isForgotten(broker: number): boolean {
    return this.#cluster.admin.view?.brokers.get(broker)?.state === "removed";
  }

  #request(): string {
    this.#requests += 1;
    return `nemesis-${this.#requests}`;
  }

  #untilHealed(what: Fault): boolean {
    return this.#noted(what, Infinity);
  }

  #noted(what: Fault, forMs: number): boolean {
    const fromMs = this.#cluster.queue.nowMs;
    this.disturbances.push({ what, fromMs, untilMs: fromMs + forMs + aftermathMs });
    return true;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#cluster.queue.after(ms, resolve);
    });
  }

  #later(ms: number, act: () => void): void {
    this.#cluster.queue.after(ms, () => {
      if (!this.#calm) act();
    });
  }

  #pick<Item>(items: readonly Item[]): Item {
    const item = items[this.#random.below(items.length)];
    if (item === undefined) throw new RangeError("there is nothing to choose from");
    return item;
  }
}
