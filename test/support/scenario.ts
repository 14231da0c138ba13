import { setTimeout as sleep } from "node:timers/promises";
import type { Address, Member } from "@saturnmq/bench";
import { defined } from "@saturnmq/kit";
import { type History, nameOf, type Reading, type Send } from "./check/history.ts";
import { type Report, reportOf } from "./check/report.ts";
import { Consumers } from "./load/consumers.ts";
import { OfficialClients } from "./load/official-clients.ts";
import { Producers } from "./load/producers.ts";
import { readTopic } from "./load/reading.ts";
import { Recorder } from "./load/recorder.ts";
import { SeededBodies } from "./load/seeded-bodies.ts";
import { Disturbances, type Span } from "./process/disturbances.ts";
import { Outages } from "./process/outages.ts";

export type ScenarioOptions = {
  readonly name: string;
  /** The command that repeats it. */
  readonly repeat: string;
  readonly seed: number;
  /** The members of now, running and serving: those that a scenario adds count, those that it takes out do not. */
  readonly members: () => readonly Member[];
  /** Where clients connect, each to the next one. */
  readonly endpoints: readonly Address[];
  /** A topic that is there, with nothing in it. */
  readonly topic: string;
  readonly producers: number;
  readonly consumers: number;
  /** The message group that a producer, and nobody else, sends to; needs a FIFO topic, and consumer groups that deliver in order. */
  readonly groupOf?: (producer: number) => string;
  /** How long our own producers wait after each answer, milliseconds; default 0. */
  readonly pauseMs?: number;
  readonly largestBodyBytes?: number;
  readonly invisibleMs?: number;
  readonly forgetPercent?: number;
  readonly oneAtATime?: boolean;
  /** Official Node clients beside our own, with a group of their own. They know one address, the first endpoint when none is given. */
  readonly official?: {
    readonly producers: number;
    readonly consumers: number;
    readonly address?: Address;
    /** How long a producer waits after each answer, milliseconds; default 0. */
    readonly pauseMs?: number;
  };
  /** Waits until no leader moves any more: while the topic is read, an answer without an outcome would be taken for a loss. */
  readonly settled?: () => Promise<void>;
  /** Reads what each replica holds, when all is well again: they must agree. */
  readonly readReplicas?: () => Promise<readonly Reading[]>;
};

/** Consumer groups of our own consumers and of the official ones. */
export const ownGroup = "during";
export const officialGroup = "official";

/** What a scenario's faults can use. */
export type World = {
  readonly outages: Outages;
  readonly disturbances: Disturbances;
  readonly recorder: Recorder;
};

export type ScenarioResult = {
  readonly report: Report;
  /** Acknowledged sends before the first disturbance, from beginning to end within one, and after the last one: the control of every fault. */
  readonly acknowledged: { readonly before: number; readonly during: number; readonly after: number };
  readonly history: History;
};

/** How often a scenario disturbs, how long each time, and what repeats it. */
export type FaultOptions = {
  readonly seed: number;
  readonly repeat: string;
  readonly lastsMs: number;
  readonly times: number;
};
export type FaultResult = Pick<ScenarioResult, "report" | "acknowledged"> & {
  /** Packets that the cuts took. */
  readonly taken: number;
};

/** Sends that must be in flight when a member is killed. */
const inFlightMin = 6;

/** Kills a member in the very turn in which several sends are in flight. */
export function killInMidSend({ recorder, outages }: World, name: string): Promise<void> {
  return new Promise((resolve) => {
    recorder.once(
      ({ inFlight }) => inFlight >= inFlightMin,
      () => {
        outages.killNow(name);
        resolve();
      },
    );
  });
}

const noOfficials: NonNullable<ScenarioOptions["official"]> = { producers: 0, consumers: 0 };
const servesWithinMs = 60_000;
const officialsSendWithinMs = 180_000;
const officialsPollMs = 700;
/** So many acknowledged sends are something to compare with. */
const calmSends = 60;
const calmWithinMs = 60_000;
/** Nothing new came to a group for so long: the official client waits up to two minutes before it connects again, when it has tried often. */
const stalledMs = 180_000;
/** Consumers that keep order take one message of a group after the other, and may be far behind. */
const drainWithinMs = 900_000;
const pollMs = 50;

/**
 * Load from many producers and one group of consumers while `disturb` does its worst; then all is well again, producers stop, the topic is read to its
 * end, consumers get what they have not got, and the history is checked.
 */
export async function runScenario(
  options: ScenarioOptions,
  disturb: (world: World) => Promise<void>,
): Promise<ScenarioResult> {
  const { seed, topic, members, endpoints, largestBodyBytes = 2_048, oneAtATime = false } = options;
  const recorder = new Recorder();
  const disturbances = new Disturbances();
  const outages = new Outages({ members, disturbances, oneAtATime, servesWithinMs });
  const bodies = new SeededBodies(seed, largestBodyBytes);
  const load = { topic, bodies, recorder };
  const { groupOf, pauseMs = 0, invisibleMs = 15_000, forgetPercent = 0, official = noOfficials } = options;
  const grouping = groupOf === undefined ? {} : { groupOf };
  const producers = new Producers({ ...load, ...grouping, count: options.producers, pauseMs });
  const consumers = new Consumers({ ...load, group: ownGroup, count: options.consumers, invisibleMs, forgetPercent });
  const first = defined(endpoints[0], "endpoint");
  const officials = new OfficialClients({
    ...{
      ...official,
      endpoint: addressOf(official.address ?? first),
      topic,
      group: officialGroup,
      firstProducer: options.producers,
    },
    ...{ invisibleMs, seed, largestBodyBytes, groupOf, recorder },
  });
  const drained = [...(options.consumers > 0 ? [ownGroup] : []), ...(official.consumers > 0 ? [officialGroup] : [])];
  const [sending, receiving] = [new AbortController(), new AbortController()];
  const producing = producers.run(endpoints, sending.signal);
  const consuming = consumers.run(endpoints, receiving.signal);
  const officially = officials.run(sending.signal, receiving.signal);
  try {
    await disturb({ outages, disturbances, recorder });
    await Promise.all(members().map((member) => member.whenServing(servesWithinMs)));
    await options.settled?.();
    sending.abort();
    await producing;
    const reading = await readTopic(first, { topic, group: "afterwards" }, bodies);
    await untilDelivered(reading, drained, recorder);
    receiving.abort();
    await Promise.all([consuming, officially]);
    const replicas = (await options.readReplicas?.()) ?? [];
    return resultOf(options, { recorder, disturbances, reading, drained, replicas });
  } finally {
    sending.abort();
    receiving.abort();
    await Promise.all([producing, consuming, officially]);
  }
}

/**
 * Lets the load go on undisturbed: for so long, and until enough sends were acknowledged to compare with, which on a busy machine takes longer.
 *
 * @throws {Error} when they are not
 */
export async function undisturbed({ recorder: { sends } }: World, forMs: number): Promise<void> {
  const until = performance.now() + calmWithinMs;
  const seen = sends.length;
  await sleep(forMs);
  while (sends.slice(seen).filter(({ outcome }) => outcome.kind === "ok").length < calmSends) {
    if (performance.now() > until)
      throw new Error(`less than ${calmSends} sends were acknowledged within ${calmWithinMs} ms`);
    await sleep(pollMs);
  }
}

/**
 * The official client takes its time to start, and to come back: waits until it has sent some.
 *
 * @param ownProducers how many producers of ours there are, whose numbers come first
 * @throws {Error} when it does not
 */
export async function untilOfficialsSend({ recorder: { sends } }: World, ownProducers: number): Promise<void> {
  const until = performance.now() + officialsSendWithinMs;
  for (let seen = sends.length; performance.now() < until; ) {
    await sleep(officialsPollMs);
    const isOfficials = ({ producer, outcome }: Send): boolean => producer >= ownProducers && outcome.kind === "ok";
    if (sends.slice(seen).filter(isOfficials).length >= 5) return;
    seen = sends.length;
  }
  throw new Error(`the official producers sent nothing within ${officialsSendWithinMs} ms`);
}

/** Waits until every group has got all that was read, or for long enough: what is missing then is for the checker to say. */
async function untilDelivered({ reads }: Reading, groups: readonly string[], recorder: Recorder): Promise<void> {
  const names = reads.flatMap(({ content }) => (content.kind === "message" ? [nameOf(content)] : []));
  const missing = new Set(groups.flatMap((group) => names.map((name) => `${group} ${name}`)));
  const until = performance.now() + drainWithinMs;
  let newestMs = performance.now();
  for (let seen = 0; missing.size > 0 && performance.now() < Math.min(until, newestMs + stalledMs); ) {
    const before = missing.size;
    for (const { consumerGroup, content } of recorder.deliveries.slice(seen))
      if (content.kind === "message") missing.delete(`${consumerGroup} ${nameOf(content)}`);
    seen = recorder.deliveries.length;
    if (missing.size < before) newestMs = performance.now();
    await sleep(pollMs);
  }
}

function resultOf(
  { name, repeat }: ScenarioOptions,
  run: {
    readonly recorder: Recorder;
    readonly disturbances: Disturbances;
    readonly reading: Reading;
    readonly drained: readonly string[];
    readonly replicas: readonly Reading[];
  },
): ScenarioResult {
  const { sends, deliveries, settlements, reasons } = run.recorder;
  const of = { sends, deliveries, settlements, readings: [run.reading], disturbances: run.disturbances.all };
  const history: History = { ...of, replicas: run.replicas, drained: run.drained, locked: [], expired: new Map() };
  return { report: reportOf({ name, repeat, history, reasons }), acknowledged: acknowledgedOf(history), history };
}

/** How many sends were both begun and acknowledged within one of the spans: answers that were on their way when it began are none of its. */
export function acknowledgedWithin({ sends }: History, spans: readonly Span[]): number {
  return sends.filter(
    ({ outcome, invokedMs, endedMs }) =>
      outcome.kind === "ok" && spans.some(({ fromMs, untilMs }) => invokedMs > fromMs && endedMs < untilMs),
  ).length;
}

function acknowledgedOf(history: History): ScenarioResult["acknowledged"] {
  const { sends, disturbances } = history;
  const firstMs = Math.min(...disturbances.map(({ fromMs }) => fromMs));
  const lastMs = Math.max(...disturbances.map(({ untilMs }) => untilMs));
  const ok = sends.filter(({ outcome }) => outcome.kind === "ok");
  return {
    before: ok.filter(({ endedMs }) => endedMs <= firstMs).length,
    during: acknowledgedWithin(history, disturbances),
    after: ok.filter(({ invokedMs }) => invokedMs >= lastMs).length,
  };
}

function addressOf({ host, port }: Address): string {
  return `${host}:${port}`;
}
