import { groupNameProblem, isDeadLetterTopic, SaturnError, topicNameProblem } from "@saturnmq/kit";
import type { Call } from "../transport/service.ts";

/** A topic or group as a request names it. The namespace is accepted and echoed, and means nothing. */
export type Resource = { readonly resourceNamespace: string; readonly name: string };

const clientIdCharactersMax = 255;

/** @throws {SaturnError} `CLIENT_ID_REQUIRED` */
export function clientIdOf(call: Call): string {
  const { clientId } = call.client;
  if (clientId === "")
    throw new SaturnError(
      "CLIENT_ID_REQUIRED",
      "the metadata x-mq-client-id is missing: give each client an id of its own",
    );
  if (clientId.length > clientIdCharactersMax)
    throw new SaturnError(
      "CLIENT_ID_REQUIRED",
      `x-mq-client-id is longer than ${String(clientIdCharactersMax)} characters`,
    );
  return clientId;
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
