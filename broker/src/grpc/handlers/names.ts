import { groupNameProblem, isDeadLetterTopic, SaturnError, topicNameProblem } from "@saturnmq/kit";
import type { Call } from "../transport/service.ts";

/** A topic or group as a request names it. The namespace is accepted and echoed, and means nothing. */
export type Resource = { readonly resourceNamespace: string; readonly name: string };

const clientIdCharactersMax = 255;

/** Metadata by which a client is known: id and language. Others are not kept for calls that wait. */
export const clientHeaders: readonly string[] = ["x-mq-client-id", "x-mq-language"];

let lastLanguage = "";
let lastUpperCase = "";

/** A client's language in upper case, as `x-mq-language` names it; "" when it does not. Remembers the last: clients of one kind call most. */
export function languageOf(header: string | undefined): string {
  const language = header ?? "";
  if (language !== lastLanguage) {
    lastLanguage = language;
    lastUpperCase = language.toUpperCase();
  }
  return lastUpperCase;
}

/** @throws {SaturnError} `CLIENT_ID_REQUIRED` */
export function clientIdOf(call: Call): string {
  const { clientId } = call.client;
  const problem = clientIdProblem(clientId);
  if (problem !== undefined) throw new SaturnError("CLIENT_ID_REQUIRED", problem);
  return clientId;
}

/** Why this cannot be a client's id. */
export function clientIdProblem(clientId: string): string | undefined {
  if (clientId === "") return "the metadata x-mq-client-id is missing: give each client an id of its own";
  if (clientId.length <= clientIdCharactersMax) return undefined;
  return `x-mq-client-id is longer than ${clientIdCharactersMax} characters`;
}

/** A topic to read from; one of dead letters too. @throws {SaturnError} `ILLEGAL_TOPIC` */
export function topicNameOf(topic: Resource | undefined): string {
  const name = topic?.name ?? "";
  if (isDeadLetterTopic(name)) return name;
  const problem = topicNameProblem(name);
  if (problem !== undefined) throw new SaturnError("ILLEGAL_TOPIC", problem);
  return name;
}

/** @throws {SaturnError} `ILLEGAL_CONSUMER_GROUP` */
export function groupNameOf(group: Resource | undefined): string {
  const name = group?.name ?? "";
  const problem = groupNameProblem(name);
  if (problem !== undefined) throw new SaturnError("ILLEGAL_CONSUMER_GROUP", problem);
  return name;
}
