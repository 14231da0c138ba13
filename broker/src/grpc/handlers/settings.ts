import type { GroupInfo } from "@saturnmq/wire";
import { type v2 } from "@saturnmq/wire";
import type { BrokerConfig } from "../../config.ts";
import type { Endpoints } from "./access-point.ts";

type Settings = v2.Settings;
type RetryPolicy = v2.RetryPolicy;
type Limits = BrokerConfig["limits"];

/** What the merge looks at besides the client's own settings. */
export type SettingsContext = {
  /** Upper case, `x-mq-language`. */
  readonly language: string;
  readonly limits: Limits;
  /** The consumer's group; `undefined` when it could not be asked for, and for producers. */
  readonly group: GroupInfo | undefined;
  /** The access point that the client uses. */
  readonly endpoints: Endpoints;
};

const clientType = { pushConsumer: 2 } as const;
const producerAttempts = 3;
const defaultConsumerAttempts = 17;
const liteSubscriptionQuota = 2_000;
const liteTopicBytesMax = 64;

const seconds = (count: number): v2.Duration => ({ seconds: count, nanos: 0 });
const milliseconds = (count: number): v2.Duration => ({
  seconds: Math.floor(count / 1_000),
  nanos: (count % 1_000) * 1_000_000,
});

/** Pauses after a failed delivery by attempt, seconds: those of the reference server. */
const redeliverySeconds = [1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200];
/** These consumers know only exponential pauses; Node leaves a list of pauses aside. */
const exponentialOnly: ReadonlySet<string> = new Set(["HTTP"]);

/**
 * The settings that a client gets back: its own, with the server's values merged in.
 *
 * A client that gets nothing for one of these fields refuses its first call, divides by it or waits for ever, each in its own way.
 */
export function mergeSettings(asked: Settings, context: SettingsContext): Settings {
  if (asked.publishing !== undefined) return mergePublishing(asked, asked.publishing, context);
  return mergeSubscription(asked, asked.subscription ?? { subscriptions: [] }, context);
}

function mergePublishing(asked: Settings, publishing: v2.Publishing, { limits }: SettingsContext): Settings {
  return {
    ...asked,
    backoffPolicy: {
      maxAttempts: producerAttempts,
      exponentialBackoff: { initial: milliseconds(10), max: seconds(1), multiplier: 2 },
    },
    publishing: { ...publishing, maxBodySize: limits.bodyBytesMax, validateMessageType: true },
    metric: { on: false },
  };
}

function mergeSubscription(asked: Settings, subscription: v2.Subscription, context: SettingsContext): Settings {
  const { group, limits } = context;
  return {
    ...asked,
    backoffPolicy: redeliveryPolicy(context.language, group?.maxAttempts ?? defaultConsumerAttempts),
    subscription: {
      ...subscription,
      fifo: group?.order ?? false,
      receiveBatchSize: limits.receiveBatchMax,
      longPollingTimeout: milliseconds(limits.pollDefaultMs),
      liteSubscriptionQuota,
      maxLiteTopicSize: liteTopicBytesMax,
    },
    metric: metricOf(asked, context),
  };
}

function redeliveryPolicy(language: string, maxAttempts: number): RetryPolicy {
  if (exponentialOnly.has(language))
    return { maxAttempts, exponentialBackoff: { initial: seconds(5), max: seconds(7_200), multiplier: 2 } };
  return { maxAttempts, customizedBackoff: { next: redeliverySeconds.map(seconds) } };
}

/** The Python push consumer uses its meters without looking whether there are any: it does not start with metrics switched off. */
function metricOf(asked: Settings, { language, endpoints }: SettingsContext): v2.Metric {
  const needed = language === "PYTHON" && asked.clientType === clientType.pushConsumer;
  return needed ? { on: true, endpoints } : { on: false };
}
