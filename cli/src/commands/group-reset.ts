import type { AdminMethods, AdminQueueProgress, ResetPosition } from "@saturnmq/wire";
import { AdminClient, newRequestId } from "../client/admin-client.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { Io } from "../io.ts";
import { type GlobalOptions, printResult, table, time } from "../output.ts";
import type { Place } from "../parse.ts";

export type GroupResetOptions = GlobalOptions & { readonly to: Place; readonly dryRun?: boolean };

type Description = AdminMethods["DescribeGroup"]["reply"];

/** What a reset would do to one queue. */
type Change = {
  readonly topic: string;
  readonly queue: number;
  readonly floor: number;
  readonly newFloor: number;
  readonly nextOffset: number;
  readonly lag: number;
  readonly newLag: number;
};

/** Starts a group anew from a place, on all topics or on one; with `dryRun` only shows what would change. */
export async function groupReset(
  io: Io,
  name: string,
  topic: string | undefined,
  { endpoint, output, to, dryRun = false }: GroupResetOptions,
): Promise<void> {
  using admin = await AdminClient.open(endpoint);
  const position = positionOf(to);
  if (dryRun) {
    if (topic !== undefined) await admin.call("DescribeTopic", { name: topic });
    const before = await admin.call("DescribeGroup", { name });
    const after = await admin.call("DescribeGroup", { name, ...position });
    const queues = changesOf(before, after, topic);
    await printResult(io, output, { group: name, dryRun, queues }, () => changeText(name, to, topic, queues));
    return;
  }
  const group = await admin.call("ResetGroup", { requestId: newRequestId(), name, topic: topic ?? "", ...position });
  await printResult(io, output, group, () => {
    return `consumer group ${name} starts anew ${placeText(to)} of ${topicsText(topic)}; what it had acknowledged there counts no more`;
  });
}

function positionOf(to: Place): ResetPosition {
  switch (to.kind) {
    case "earliest":
      return { earliest: true };
    case "latest":
      return { latest: true };
    case "time":
      return { atMs: to.atMs };
  }
}

function placeText(to: Place): string {
  if (to.kind === "earliest") return "at the beginning";
  return to.kind === "latest" ? "at the end" : `with messages stored from ${time(to.atMs)} on`;
}

function topicsText(topic: string | undefined): string {
  return topic === undefined ? "all its topics" : `topic ${topic}`;
}

function changesOf(before: Description, after: Description, topic: string | undefined): readonly Change[] {
  const afterwards = new Map(
    after.topics.flatMap((one) => one.queues.map((queue) => [keyOf(one.topic, queue), queue])),
  );
  return before.topics
    .filter((one) => topic === undefined || one.topic === topic)
    .flatMap((one) =>
      one.queues.map((queue) => {
        const { floor, lag } = afterwards.get(keyOf(one.topic, queue)) ?? gone(one.topic, queue);
        const { nextOffset } = queue;
        return {
          topic: one.topic,
          queue: queue.queue,
          floor: queue.floor,
          newFloor: floor,
          nextOffset,
          lag: queue.lag,
          newLag: lag,
        };
      }),
    );
}

function keyOf(topic: string, { queue }: AdminQueueProgress): string {
  return `${topic}/${queue}`;
}

function gone(topic: string, { queue }: AdminQueueProgress): never {
  throw new CliError(exitCodes.refusedForNow, `queue ${queue} of topic ${topic} changed meanwhile: try again`);
}

function changeText(name: string, to: Place, topic: string | undefined, queues: readonly Change[]): string {
  const sum = (of: (change: Change) => number): number => queues.reduce((total, change) => total + of(change), 0);
  const head = `consumer group ${name} would start anew ${placeText(to)} of ${topicsText(topic)}: ${sum(({ newLag }) => newLag)} messages would wait for it instead of ${sum(({ lag }) => lag)}`;
  const rows = table(
    queues,
    [
      { title: "TOPIC", of: (change: Change) => change.topic },
      { title: "QUEUE", of: ({ queue }: Change) => queue },
      { title: "FLOOR", of: ({ floor }: Change) => floor },
      { title: "NEW FLOOR", of: ({ newFloor }: Change) => newFloor },
      { title: "NEXT", of: ({ nextOffset }: Change) => nextOffset },
      { title: "LAG", of: ({ lag }: Change) => lag },
      { title: "NEW LAG", of: ({ newLag }: Change) => newLag },
    ],
    "the group has not received from there yet: it would begin there",
  );
  return `${head}\n\n${rows}`;
}
