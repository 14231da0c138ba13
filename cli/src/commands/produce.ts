import { setTimeout as pause } from "node:timers/promises";
import { type MessageLabels, MessagingClient, type OutgoingMessage, refusedError } from "../client/messaging-client.ts";
import { CliError, exitCodes } from "../exit-codes.ts";
import type { Io } from "../io.ts";
import { LineSplitter } from "../line-splitter.ts";
import { type GlobalOptions, printResult } from "../output.ts";
import { batchesOf, type Line, LineFailure, ProduceRun } from "../produce-run.ts";

const retryForMs = 30_000;
const progressEveryMs = 200;

export type ProduceCommandOptions = GlobalOptions & {
  readonly tag?: string;
  readonly messageGroup?: string;
  readonly key?: readonly string[];
  readonly property?: Readonly<Record<string, string>>;
};

/** Sends each line of standard input as a message; an empty line is skipped and counted, for a message must have a body. */
export async function produce(io: Io, topic: string, options: ProduceCommandOptions): Promise<void> {
  using client = new MessagingClient(options.endpoint);
  await client.checkTopic(topic);
  const run = new ProduceRun<OutgoingMessage>({
    send: (messages) => client.send(messages),
    pause: (ms) => pause(ms),
    nowMs: () => performance.now(),
    retryForMs,
    // Calls that overtake each other would change the order that the group is for.
    ...(options.messageGroup === undefined ? {} : { calls: 1 }),
  });
  const labels: MessageLabels = {
    keys: options.key ?? [],
    properties: options.property ?? {},
    ...(options.tag === undefined ? {} : { tag: options.tag }),
    ...(options.messageGroup === undefined ? {} : { messageGroup: options.messageGroup }),
  };
  const reading = { lines: 0, skipped: 0 };
  const progress = showProgress(io, () => run.sent);
  let failure: unknown;
  try {
    for await (const lines of linesOf(io)) {
      await sendLines(lines, reading, run, (body) => client.message(topic, body, labels));
      if (run.failed) break;
    }
    await run.finish();
  } catch (error) {
    failure = error;
  }
  progress.end();
  await report(io, topic, run.sent, reading.skipped, options.output);
  if (failure !== undefined) throw told(failure);
  if (io.interrupted.aborted) throw new CliError(exitCodes.interrupted, "interrupted");
}

/** Lines of standard input, those that came together in one array, until its end or Ctrl-C. */
async function* linesOf(io: Io): AsyncGenerator<Uint8Array[]> {
  const splitter = new LineSplitter();
  const stop = (): void => {
    io.stdin.destroy();
  };
  io.interrupted.addEventListener("abort", stop);
  try {
    for await (const chunk of io.stdin as AsyncIterable<Uint8Array>) yield splitter.push(chunk);
  } catch (error) {
    if (!io.interrupted.aborted) throw error;
  } finally {
    io.interrupted.removeEventListener("abort", stop);
  }
  if (!io.interrupted.aborted) yield splitter.end();
}

async function sendLines(
  bodies: readonly Uint8Array[],
  reading: { lines: number; skipped: number },
  run: ProduceRun<OutgoingMessage>,
  messageOf: (body: Uint8Array) => OutgoingMessage,
): Promise<void> {
  const lines: Line<OutgoingMessage>[] = [];
  for (const body of bodies) {
    reading.lines += 1;
    if (body.length === 0) reading.skipped += 1;
    else lines.push({ number: reading.lines, message: messageOf(body) });
  }
  for (const batch of batchesOf(lines, ({ body }) => body?.length ?? 0)) await run.add(batch);
}

/** A line on the terminal's last row with the count so far; nothing where standard error is no terminal. */
function showProgress(io: Io, sent: () => number): { end(): void } {
  if (io.stderr.isTTY !== true) return { end: () => undefined };
  const startedMs = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - startedMs) / 1_000;
    io.stderr.write(`\r${sent()} sent, ${Math.round(sent() / seconds)} a second `);
  }, progressEveryMs);
  return {
    end: () => {
      clearInterval(timer);
      io.stderr.write("\r\u001b[K");
    },
  };
}

async function report(
  io: Io,
  topic: string,
  sent: number,
  skipped: number,
  output: GlobalOptions["output"],
): Promise<void> {
  const text = (): string => {
    const skips = skipped === 0 ? "" : `, skipped ${counted(skipped, "empty line")}`;
    return `sent ${counted(sent, "message")} to ${topic}${skips}`;
  };
  await printResult(io, output, { topic, sent, skipped }, text);
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function told(failure: unknown): unknown {
  if (!(failure instanceof LineFailure)) return failure;
  const why = failure.why instanceof CliError ? failure.why : refusedError(failure.why);
  return new CliError(why.exitCode, `stopped at line ${failure.line}: ${why.message}`, { cause: failure });
}
