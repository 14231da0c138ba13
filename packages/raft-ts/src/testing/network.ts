import type { SeededRandom } from "@saturnmq/kit";
import type { EventQueue } from "@saturnmq/kit/testing";
import type { PeerMessage } from "../driver/messages.ts";
import type { Payload, ReplicaId } from "../ports.ts";

/** How links behave. Fractions are of 1. */
export type LinkWeather = {
  readonly delayMinMs: number;
  readonly delayMaxMs: number;
  readonly loss: number;
  readonly duplication: number;
  /** This share of messages takes up to a second. */
  readonly straggling: number;
  /** Messages of one link arrive in the order they were sent, as on one connection. */
  readonly ordered: boolean;
};

export const fairWeather: LinkWeather = {
  delayMinMs: 0.1,
  delayMaxMs: 2,
  loss: 0,
  duplication: 0,
  straggling: 0,
  ordered: true,
};

/** `incarnation`: which life of its sender a message is of. */
export type Deliver = (to: ReplicaId, from: ReplicaId, message: PeerMessage, incarnation: number) => void;

/** One-way links between replicas that delay, lose, repeat and reorder, and can be cut one by one. */
export class Network {
  weather: LinkWeather = fairWeather;
  readonly #queue: EventQueue;
  readonly #random: SeededRandom;
  readonly #deliver: Deliver;
  readonly #cut = new Set<string>();
  /** By receiver, what each message to it takes longer. */
  readonly #lateMs = new Map<ReplicaId, number>();
  readonly #lastArrivalMs = new Map<string, number>();
  /** By link, the latest life of the sender that was heard: links drop what earlier ones left. */
  readonly #heard = new Map<string, number>();

  constructor(queue: EventQueue, random: SeededRandom, deliver: Deliver) {
    this.#queue = queue;
    this.#random = random;
    this.#deliver = deliver;
  }

  /** Nothing that `from` sends reaches `to` from now on; what is under way is lost too. */
  cut(from: ReplicaId, to: ReplicaId): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** Whatever is sent to `to` from now on takes so much longer. */
  delayTo(to: ReplicaId, lateMs: number): void {
    this.#lateMs.set(to, lateMs);
  }

  /** Every link works again. */
  heal(): void {
    this.#cut.clear();
    this.#lateMs.clear();
  }

  send(from: ReplicaId, to: ReplicaId, message: PeerMessage, incarnation: number): void {
    const copy = encoded(message);
    const copies = this.#random.fraction() < this.weather.duplication ? 2 : 1;
    for (let one = 0; one < copies; one += 1) {
      if (this.#random.fraction() >= this.weather.loss)
        this.#queue.after(this.#delay(from, to), () => this.#arrive(from, to, copy, incarnation));
    }
  }

  #arrive(from: ReplicaId, to: ReplicaId, message: PeerMessage, incarnation: number): void {
    const link = `${from}>${to}`;
    if (this.#cut.has(link) || incarnation < (this.#heard.get(link) ?? 0)) return;
    this.#heard.set(link, incarnation);
    this.#deliver(to, from, message, incarnation);
  }

  #delay(from: ReplicaId, to: ReplicaId): number {
    const { delayMinMs, delayMaxMs, straggling, ordered } = this.weather;
    const late = this.#random.fraction() < straggling ? 1_000 * this.#random.fraction() : 0;
    const delayMs =
      delayMinMs + (delayMaxMs - delayMinMs) * this.#random.fraction() + late + (this.#lateMs.get(to) ?? 0);
    if (!ordered) return delayMs;
    const link = `${from}>${to}`;
    const arrivalMs = Math.max(this.#queue.nowMs + delayMs, (this.#lastArrivalMs.get(link) ?? 0) + 0.001);
    this.#lastArrivalMs.set(link, arrivalMs);
    return arrivalMs - this.#queue.nowMs;
  }
}

/** What a transport does before it returns: the sender may overwrite payloads afterwards. */
function encoded(message: PeerMessage): PeerMessage {
  if (message.kind !== "group") return message;
  return { ...message, payloads: message.payloads.map((payload) => payload && copyOf(payload)) };
}

function copyOf({ bytes, start, length, crc }: Payload): Payload {
  return { bytes: bytes.slice(start, start + length), start: 0, length, crc };
}
