/** Rules for the names of topics and consumer groups (apache.rocketmq.v2 servers refuse the same names). */

/** Longest topic name, characters. */
export const topicNameMax = 127;
/** Longest consumer group name, characters. */
export const groupNameMax = 120;

const legalName = /^[%|a-zA-Z0-9_-]+$/;
const systemGroupPrefix = "CID_RMQ_SYS_";
// Names that RocketMQ servers keep for themselves, and the prefixes of topics that a server makes for a group.
const systemTopics: ReadonlySet<string> = new Set([
  "TBW102",
  "SCHEDULE_TOPIC_XXXX",
  "RMQ_SYS_TRANS_HALF_TOPIC",
  "RMQ_SYS_TRANS_OP_HALF_TOPIC",
  "RMQ_SYS_TRACE_TOPIC",
  "TRANS_CHECK_MAX_TIME_TOPIC",
  "SELF_TEST_TOPIC",
  "OFFSET_MOVED_EVENT",
]);
const deadLetterPrefix = "%DLQ%";
const systemTopicPrefixes = ["%RETRY%", deadLetterPrefix, "rmq_sys_", "RMQ_SYS_"];

/** The topic of a group's dead letters. It comes and goes with its group. */
export function deadLetterTopicOf(group: string): string {
  return `${deadLetterPrefix}${group}`;
}

/** Whether a topic is one of dead letters: clients read them and do not write to them. */
export function isDeadLetterTopic(name: string): boolean {
  return name.startsWith(deadLetterPrefix);
}

/** What is wrong with a topic's name and what is allowed; `undefined` when it is fine. */
export function topicNameProblem(name: string): string | undefined {
  const problem = nameProblem("topic name", name, topicNameMax);
  if (problem !== undefined) return problem;
  if (systemTopics.has(name)) return `topic name ${quote(name)} is kept for the system: choose another`;
  const prefix = systemTopicPrefixes.find((candidate) => name.startsWith(candidate));
  if (prefix === undefined) return undefined;
  return `topic name ${quote(name)} begins with ${prefix}, which is kept for the system: choose another`;
}

/** What is wrong with a consumer group's name and what is allowed; `undefined` when it is fine. */
export function groupNameProblem(name: string): string | undefined {
  const problem = nameProblem("consumer group name", name, groupNameMax);
  if (problem !== undefined) return problem;
  if (!name.startsWith(systemGroupPrefix)) return undefined;
  return `consumer group name ${quote(name)} begins with ${systemGroupPrefix}, which is kept for the system: choose another`;
}

function nameProblem(what: string, name: string, max: number): string | undefined {
  if (name.trim().length === 0) return `${what} is blank: give 1 to ${max} of the characters a-z A-Z 0-9 _ - % |`;
  if (name.length > max) return `${what} has ${name.length} characters: the limit is ${max}`;
  if (legalName.test(name)) return undefined;
  return `${what} ${quote(name)} has a character that is not allowed: use a-z A-Z 0-9 _ - % | only`;
}

/** The name in quotes, control characters escaped, so that a hostile one cannot garble a log or a terminal. */
function quote(name: string): string {
  return JSON.stringify(name);
}
