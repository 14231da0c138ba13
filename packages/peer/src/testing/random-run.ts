import { defined } from "@saturnmq/kit";
import type { ReplicaId } from "raft-ts";
import { PeerCallError } from "../ports.ts";
import { CallHistory } from "./call-history.ts";
import { LinkHistory } from "./link-history.ts";
import { allLinked, introduce, type MemoryWorld, memoryWorld, nameOf, numbered, TestNode } from "./world.ts";

/** A fault of the links that a run pretends to have: its checkers must find it. */
export type PlantedFault = "losesMessage" | "repeatsMessage" | "handlesRefusedCall" | "handlesTwice";

const ids: readonly ReplicaId[] = [1, 2, 3];
const rounds = 60;
/** Every so-manieth event is spoilt by a planted fault. */
const plantedEvery = 29;

/** One life of a process. */
type Life = { readonly node: TestNode; readonly history: LinkHistory; readonly sent: Map<ReplicaId, number> };

/** Three processes that send, call and publish while links between them are cut, reset and slowed, and processes die and come back. */
export class RandomRun {
  readonly calls = new CallHistory();
  messages = 0;
  readonly #world: MemoryWorld;
  readonly #planted: PlantedFault | undefined;
  readonly #lives = new Map<ReplicaId, Life>();
  readonly #allLives: Life[] = [];
  readonly #ports = new Map<ReplicaId, number>();
  /** What each process publishes now. */
  readonly #published = new Map<ReplicaId, Map<string, string>>();

  constructor(seed: number, planted?: PlantedFault) {
    this.#world = memoryWorld(seed);
    this.#planted = planted;
  }

  /** Faults, then a time without any in which all must agree. @throws when they do not in time */
  async run(): Promise<void> {
    for (const id of ids) await this.#boot(id, 1);
    introduce(this.#world, this.#nodes());
    for (let round = 0; round < rounds; round += 1) {
      for (let times = this.#below(30); times > 0; times -= 1) this.#send();
      for (let times = this.#below(4); times > 0; times -= 1) this.#call();
      if (this.#below(2) === 0) this.#publish();
      await this.#fault();
      await this.#world.pass(1 + this.#below(60));
    }
    this.#heal();
    await this.#world.until(() => allLinked(this.#nodes()), 8_000);
    await this.#world.until(() => this.#agree() && this.calls.open === 0, 3_000);
  }

  async close(): Promise<void> {
    for (const { node } of this.#lives.values()) await node.links[Symbol.asyncDispose]();
  }

  problems(): readonly string[] {
    const broken = this.#allLives.filter(({ node }) => node.links.counters.linksBroken > 0).length;
    return [
      ...this.#allLives.flatMap(({ history }) => history.problems()),
      ...this.calls.problems(),
      ...(broken > 0 ? [`${broken} lives had a link broken by bytes that no correct peer sends`] : []),
    ];
  }

  /** Everything that was received, to compare two runs. */
  trace(): string {
    return this.#allLives.map(({ history }) => history.toString()).join("\n");
  }

  async #boot(id: ReplicaId, incarnation: number): Promise<void> {
    const node = new TestNode(id, { incarnation });
    const history = new LinkHistory();
    node.onChange = (peer, change) => {
      if (change.up) history.linkUp(peer);
    };
    node.onMessage = (from, message) => {
      this.messages += 1;
      const spoilt = this.messages % plantedEvery === 0;
      if (message.kind !== "pairHeartbeatReply" || (spoilt && this.#planted === "losesMessage")) return;
      history.received(from, message.sequence);
      if (spoilt && this.#planted === "repeatsMessage") history.received(from, message.sequence);
    };
    node.handle = async (_from, request) => this.#handle(Buffer.from(request).toString());
    await node.start(this.#world, {}, this.#ports.get(id) ?? 0);
    this.#ports.set(id, node.links.port);
    const life = { node, history, sent: new Map() };
    this.#lives.set(id, life);
    this.#allLives.push(life);
    this.#published.set(id, new Map());
  }

  #handle(id: string): Uint8Array {
    const refuses = this.#below(5) === 0;
    if (!refuses || this.#planted === "handlesRefusedCall") this.calls.handled(id);
    if (refuses) throw new PeerCallError("refused", "the handler does not want it");
    if (this.#planted === "handlesTwice") this.calls.handled(id);
    return Buffer.from(id);
  }

  #send(): void {
    const [from, to] = this.#pair();
    const { node, sent } = this.#life(from);
    if (!node.links.connected(to)) return;
    const number = (sent.get(to) ?? node.identity.incarnation * 1_000_000) + 1;
    sent.set(to, number);
    node.links.send(to, numbered(number));
  }

  #call(): void {
    const [from, to] = this.#pair();
    const id = this.calls.next();
    const controller = new AbortController();
    const options = { timeoutMs: 1 + this.#below(2_000), signal: controller.signal };
    this.#life(from)
      .node.links.call(to, Buffer.from(id), options)
      .then(
        (answer) => {
          this.calls.answered(id, Buffer.from(answer).toString());
        },
        (error: unknown) => {
          this.calls.failed(id, error);
        },
      );
    if (this.#below(5) === 0)
      this.#world.timers.after(this.#below(5), () => {
        controller.abort();
      });
  }

  #publish(): void {
    const [id] = this.#pair();
    const key = `key-${String(this.#below(5))}`;
    const value = this.#below(3) === 0 ? undefined : String(this.#below(1_000));
    this.#life(id).node.links.publish("all", key, value === undefined ? undefined : Buffer.from(value));
    const published = defined(this.#published.get(id), "the model");
    if (value === undefined) published.delete(key);
    else published.set(key, value);
  }

  async #fault(): Promise<void> {
    const { net } = this.#world;
    const [a, b] = this.#pair();
    switch (this.#below(7)) {
      case 0:
        net.setWeather(nameOf(a), nameOf(b), { cut: true });
        break;
      case 1:
        net.reset(nameOf(a), nameOf(b));
        break;
      case 2:
        net.setWeather(nameOf(a), nameOf(b), {
          latencyMaxMs: 1 + this.#below(300),
          bytesPerMs: 10 + this.#below(1_000),
        });
        break;
      case 3:
        if (this.#below(3) === 0) await this.#kill(a);
        break;
      case 4:
        await this.#world.pass(this.#below(2_000));
        break;
      default:
        net.setCut(nameOf(a), nameOf(b), false);
    }
  }

  /** The process dies without a word and comes back at once, on the same port. */
  async #kill(id: ReplicaId): Promise<void> {
    const { node } = this.#life(id);
    this.#world.net.vanish(nameOf(id));
    await node.links[Symbol.asyncDispose]();
    await this.#boot(id, node.identity.incarnation + 1);
    introduce(this.#world, this.#nodes());
  }

  #heal(): void {
    const fair = { cut: false, latencyMaxMs: 1, bytesPerMs: 1_000_000 };
    for (const a of ids) for (const b of ids) this.#world.net.setWeather(nameOf(a), nameOf(b), fair);
  }

  /** Everybody sees what everybody publishes. */
  #agree(): boolean {
    return ids.every((from) =>
      ids.every((id) => {
        if (from === id) return true;
        const wanted = defined(this.#published.get(from), "the model");
        const seen = this.#life(id).node.states.get(from) ?? new Map<string, string>();
        return seen.size === wanted.size && [...wanted].every(([key, value]) => seen.get(key) === value);
      }),
    );
  }

  #life(id: ReplicaId): Life {
    return defined(this.#lives.get(id), "the process");
  }

  #nodes(): readonly TestNode[] {
    return ids.map((id) => this.#life(id).node);
  }

  #pair(): readonly [ReplicaId, ReplicaId] {
    const from = this.#below(3);
    return [defined(ids[from], "an id"), defined(ids[(from + 1 + this.#below(2)) % 3], "another id")];
  }

  #below(bound: number): number {
    return this.#world.random.below(bound);
  }
}
