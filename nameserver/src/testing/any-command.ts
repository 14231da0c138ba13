import { emptyReport } from "@saturnmq/wire";
import fc from "fast-check";
import {
  decideCancelDrain,
  decideDrain,
  decideForget,
  decideTransferLeaders,
  decideWelcome,
} from "../domain/broker-verbs.ts";
import { decideDown, decideHeartbeat, decideRegister } from "../domain/brokers.ts";
import { decideRaiseFeatureLevel } from "../domain/feature-level.ts";
import { decideResetGroup } from "../domain/group-reset.ts";
import { decideCreateGroup, decideDeleteGroup } from "../domain/groups.ts";
import { decideAddNameServer, decideJoin, decideRemoveNameServer } from "../domain/name-servers.ts";
import type { Decision, MetadataRecord } from "../domain/records.ts";
import { decideUpdateSettings } from "../domain/settings.ts";
import type { MetadataState } from "../domain/state.ts";
import { decideCreateTopic, decideDeleteTopic } from "../domain/topics.ts";
import { groupRequest, newcomer, nobodyElse, testNowMs, topicRequest } from "./cluster-state.ts";

/** Decides something over a state, under a request id. */
export type Command = (state: MetadataState, requestId: string) => Decision<unknown>;

const name = fc.constantFrom("a", "b", "c");
const id = fc.integer({ min: 0, max: 4 });

/** Any command of any kind; many are refused. */
export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  name.map(
    (topic): Command =>
      (state, requestId) =>
        decideCreateTopic(state, topicRequest({ requestId, name: topic }), testNowMs),
  ),
  name.map(
    (topic): Command =>
      (state, requestId) =>
        decideDeleteTopic(state, { requestId, name: topic }),
  ),
  name.map(
    (group): Command =>
      (state, requestId) =>
        decideCreateGroup(state, groupRequest({ requestId, name: group }), testNowMs),
  ),
  name.map(
    (group): Command =>
      (state, requestId) =>
        decideDeleteGroup(state, { requestId, name: group }),
  ),
  name.map(
    (group): Command =>
      (state, requestId) =>
        decideResetGroup(
          state,
          { requestId, name: group, topic: state.topics.has("b") ? "b" : "", earliest: true },
          testNowMs,
        ),
  ),
  fc.tuple(id, fc.constantFrom("a", "b")).map(
    ([brokerId, zone]): Command =>
      (state, requestId) => {
        const incarnation = (state.brokers.get(brokerId)?.incarnation ?? 0) + 1;
        const about = { brokerId, incarnation, zone, process: requestId, address: requestId };
        return decideRegister(state, { ...newcomer, ...about });
      },
  ),
  fc.tuple(id, id).map(
    ([broker, other]): Command =>
      (state) => {
        const incarnation = state.brokers.get(broker)?.incarnation ?? 0;
        const shard = state.shards[0];
        const term = (shard?.term ?? 0) + 1;
        const about = { shard: 0, term, leads: true, lastIndex: 1, lastTerm: term, commitIndex: 1, progress: [] };
        const members = { voters: [broker], outgoing: [], learners: other === broker || other === 0 ? [] : [other] };
        const replicas = shard === undefined ? [] : [{ ...about, ...members, revision: shard.target.revision }];
        return decideHeartbeat(state, broker, incarnation, { ...emptyReport, replicas });
      },
  ),
  id.map(
    (broker): Command =>
      (state) =>
        decideDown(state, new Map([[broker, state.brokers.get(broker)?.incarnation ?? 0]])),
  ),
  id.map(
    (broker): Command =>
      (state, requestId) =>
        decideDrain(state, { requestId, broker }),
  ),
  id.map(
    (broker): Command =>
      (state, requestId) =>
        decideCancelDrain(state, { requestId, broker }),
  ),
  id.map(
    (broker): Command =>
      (state, requestId) =>
        decideTransferLeaders(state, { requestId, broker }),
  ),
  id.map(
    (broker): Command =>
      (state) =>
        decideWelcome(state, [broker]),
  ),
  id.map(
    (broker): Command =>
      (state, requestId) =>
        decideForget(state, { requestId, broker }),
  ),
  fc.tuple(id, id).map(
    ([shard, broker]): Command =>
      (state) => {
        const records: MetadataRecord[] =
          state.shards[shard] === undefined || !state.brokers.has(broker)
            ? []
            : [{ kind: "targetsSet", targets: [{ shard, voters: [broker] }] }];
        return { records, reply: undefined };
      },
  ),
  fc.integer({ min: 1, max: 9 }).map(
    (moveBudget): Command =>
      (state, requestId) =>
        decideUpdateSettings(state, { requestId, moveBudget }),
  ),
  fc.tuple(fc.constantFrom("add", "join", "remove"), id).map(
    ([what, member]): Command =>
      (state, requestId) => {
        const newest = state.nameServers?.highestId ?? 1;
        if (what === "join") return decideJoin(state, { member: newest, process: requestId }, nobodyElse.configured);
        if (what === "remove") return decideRemoveNameServer(state, { requestId, id: member }, nobodyElse);
        const address = { id: newest + 1, host: `h${newest + 1}`, peerPort: 1, grpcPort: 2 };
        return decideAddNameServer(state, { requestId, ...address }, nobodyElse);
      },
  ),
  fc.constant<Command>((state, requestId) =>
    decideRaiseFeatureLevel(state, { requestId, level: state.featureLevel }, []),
  ),
);
