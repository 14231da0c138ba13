import { SaturnError } from "@saturnmq/kit";
import {
  type Introduction,
  loadMetadataCodecs,
  type MemberStatement,
  type MetadataCodec,
  metadataServiceName,
} from "@saturnmq/wire";
import type { ClusterService } from "../cluster-service.ts";
import type { HeartbeatStream } from "../heartbeat-streams.ts";
import type { Incoming, Method, Outgoing, Service } from "./service.ts";
import { unaryMethod } from "./unary-method.ts";

/** Heartbeats of one stream that may wait for their answer. */
const unansweredMax = 16;
const notLeading = "this name server does not lead at the moment: try again, or ask another one";

/**
 * `saturnmq.v1.Metadata`.
 *
 * @param signal ends all watches
 * @param introduce what this member says of itself to one that starts
 */
export function metadataService(
  cluster: ClusterService,
  signal: AbortSignal,
  introduce: (asker: Introduction) => MemberStatement,
): Service {
  const codecs = loadMetadataCodecs();
  const { Heartbeat, Watch } = codecs;
  const methods = new Map<string, Method>([
    ["Register", unaryMethod(codecs.Register, (request) => cluster.register(request))],
    ["Heartbeat", { kind: "bidirectional", open: (stream) => heartbeats(cluster, Heartbeat, stream) }],
    ["Watch", { kind: "serverStreaming", open: (from, stream) => watch(cluster, Watch, from, stream, signal) }],
    ["CreateTopic", unaryMethod(codecs.CreateTopic, (request) => cluster.createTopic(request))],
    ["DeleteTopic", unaryMethod(codecs.DeleteTopic, (request) => cluster.deleteTopic(request).then(() => ({})))],
    ["CreateGroup", unaryMethod(codecs.CreateGroup, (request) => cluster.createGroup(request))],
    ["Introduce", unaryMethod(codecs.Introduce, (asker) => Promise.resolve(introduce(asker)))],
    ["Join", unaryMethod(codecs.Join, (request) => cluster.join(request))],
    ["DeleteGroup", unaryMethod(codecs.DeleteGroup, (request) => cluster.deleteGroup(request).then(() => ({})))],
  ]);
  return { name: metadataServiceName, methods };
}

type Process = { readonly brokerId: number; readonly incarnation: number };

/** The heartbeats of one broker's process, answered in order. */
function heartbeats(cluster: ClusterService, codec: MetadataCodec<"Heartbeat">, stream: Outgoing): Incoming {
  let who: Process | undefined;
  let life: HeartbeatStream | undefined;
  let unanswered = 0;
  let over = false;
  stream.ended = () => {
    over = true;
    life?.closed();
  };
  const accepted = ({ brokerId, incarnation }: Process): void => {
    unanswered -= 1;
    if (over) return;
    life ??= cluster.heartbeatStream(brokerId, incarnation, () => stream.end(anotherStream()));
    life.heard();
  };
  return {
    message: (bytes) => {
      const { sequence, brokerId, incarnation, report } = codec.decodeRequest(bytes);
      who ??= { brokerId, incarnation };
      if (who.brokerId !== brokerId || who.incarnation !== incarnation)
        throw new SaturnError("BAD_REQUEST", "a heartbeat stream is of one broker's process");
      unanswered += 1;
      if (unanswered > unansweredMax)
        throw new SaturnError("TOO_MANY_REQUESTS", `${unansweredMax} heartbeats wait for their answers: wait for them`);
      cluster.heartbeat(brokerId, incarnation, report).then(
        (reply) => {
          accepted({ brokerId, incarnation });
          stream.write(codec.encodeReply({ sequence, ...reply }));
        },
        (error: unknown) => stream.end(error),
      );
    },
  };
}

function anotherStream(): SaturnError {
  return new SaturnError("HA_NOT_AVAILABLE", "another heartbeat stream was opened for this broker, or it was silent");
}

/** What changed since the caller's revision, then every change. A caller that reads slowly gets several changes as one. */
function watch(
  cluster: ClusterService,
  codec: MetadataCodec<"Watch">,
  request: Uint8Array,
  stream: Outgoing,
  signal: AbortSignal,
): void {
  const from = codec.decodeRequest(request);
  if (!cluster.serving) throw new SaturnError("HA_NOT_AVAILABLE", notLeading);
  let sent = from.clusterId === undefined ? 0 : from.revision;
  let writable = true;
  const over = new AbortController();
  const send = (): void => {
    const event = writable ? cluster.eventSince(sent) : undefined;
    if (event === undefined) return;
    sent = event.kind === "view" ? event.view.revision : event.delta.revision;
    writable = stream.write(codec.encodeReply(event));
  };
  stream.drained = () => {
    writable = true;
    send();
  };
  stream.ended = () => over.abort();
  const ends = AbortSignal.any([over.signal, signal]);
  cluster.watchRole((leads) => {
    if (!leads) stream.end(new SaturnError("HA_NOT_AVAILABLE", notLeading));
  }, ends);
  let checked = false;
  cluster.watch(({ clusterId, revision }) => {
    if (!checked) checkSeen(from, clusterId, revision);
    checked = true;
    send();
  }, ends);
}

type Seen = { readonly clusterId: string | undefined; readonly revision: number };

/** A caller that has seen more of this cluster than there is, or another one, must not be told what would undo it. */
function checkSeen(seen: Seen, clusterId: string, revision: number): void {
  if (seen.clusterId === undefined) return;
  if (seen.clusterId !== clusterId) {
    throw new SaturnError(
      "FORBIDDEN",
      `this name server is of cluster ${clusterId}, the caller's view of cluster ${seen.clusterId}`,
    );
  }
  if (seen.revision <= revision) return;
  throw new SaturnError(
    "FORBIDDEN",
    `the caller has seen revision ${seen.revision}, and this name server is at ${revision}: its data is an old copy`,
  );
}
