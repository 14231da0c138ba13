import { SaturnError } from "@saturnmq/kit";
import type { MessageType, TopicInfo } from "@saturnmq/wire";

/** Numbers of `MessageType` on the wire. */
const numbers = { NORMAL: 1, FIFO: 2, DELAY: 3, TRANSACTION: 4, LITE: 5, PRIORITY: 6 } as const;
export type MessageTypeName = keyof typeof numbers;
const names = new Map<number, MessageTypeName>(
  Object.entries(numbers).map(([name, number]) => [number, name as MessageTypeName]),
);
const mixed: readonly MessageTypeName[] = ["NORMAL", "FIFO", "DELAY", "TRANSACTION"];
/** Types whose messages this version can store and deliver. */
const built: ReadonlySet<string> = new Set(["NORMAL", "FIFO"]);

/** The numbers a route tells: clients refuse other messages themselves. */
export function acceptedTypeNumbers(type: MessageType): readonly number[] {
  const accepted = type === "MIXED" ? mixed : [type];
  return accepted.map((name) => numbers[name]);
}

/** The name of a number on the wire; `undefined` for 0 (the client did not say) and numbers that nobody knows. */
export function messageTypeName(number: number): MessageTypeName | undefined {
  return names.get(number);
}

/**
 * Checks that a topic takes messages of a type, and that this version can store them.
 *
 * @throws {SaturnError} `MESSAGE_PROPERTY_CONFLICT_WITH_TYPE` in the reference server's words, or `UNIMPLEMENTED`
 */
export function checkMessageType(topic: TopicInfo, actual: MessageTypeName): void {
  const accepted = topic.type === "MIXED" ? (mixed as readonly string[]).includes(actual) : topic.type === actual;
  if (!accepted)
    throw new SaturnError(
      "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE",
      `TopicMessageType validate failed, the expected type is ${topic.type}, but actual type is ${actual}`,
    );
  if (!built.has(actual))
    throw new SaturnError(
      "UNIMPLEMENTED",
      `messages of type ${actual} are not supported by this version: send NORMAL or FIFO ones`,
    );
}

/** The number of a type on the wire. */
export function messageTypeNumber(name: MessageTypeName): number {
  return numbers[name];
}
