import type { Cancel, Timers } from "@saturnmq/kit";
import { raftTimes } from "../core/times.ts";
import type { GroupId, ReplicaId } from "../ports.ts";
import { HeardGroups, ToldGroups } from "./led-groups.ts";
import type { LocalGroup } from "./local-group.ts";
import type { LedGroup, PairHeartbeat, PairHeartbeatReply, PeerMessage } from "./messages.ts";

/** Answers to older heartbeats than this many are not waited for: no lease could come of them. */
const outstandingMax = 32;

export type HeartbeatsOptions = {
  readonly groups: ReadonlyMap<GroupId, LocalGroup>;
  readonly timers: Timers;
  readonly monoMs: () => number;
  /** Where the count of heartbeats begins: elsewhere in every life, so that an answer to an earlier one means nothing to this. */
  readonly firstSequence: number;
  readonly send: (to: ReplicaId, message: PeerMessage) => void;
  readonly guard: (callback: () => void) => void;
};

type Sent = { readonly sentMs: number; readonly led: readonly LedGroup[] };
type Peer = {
  sequence: number;
  readonly sent: Map<number, Sent>;
  readonly told: ToldGroups;
  readonly heard: HeardGroups;
};

/**
 * One heartbeat for all groups of a pair of processes (design: heartbeats per pair). Silent while nothing is led for anybody. A group in which nothing
 * happens costs no byte: only what changed is said.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #peers = new Map<ReplicaId, Peer>();
  #cancel: Cancel | undefined;
  /** A beat is due in the next turn. */
  #soon = false;

  constructor(options: HeartbeatsOptions) {
    this.#options = options;
  }

  /** Something that is led here changed: tells the others at once, and from then on regularly. */
  start(): void {
    if (this.#soon) return;
    this.stop();
    this.#soon = true;
    this.#cancel = this.#options.timers.after(0, () => {
      this.#options.guard(() => {
        this.#beat();
      });
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#soon = false;
  }

  /** The connection to a peer is a new one: it is told everything again. */
  reconnected(peer: ReplicaId): void {
    this.#peers.get(peer)?.told.forget();
  }

  /** Passes a peer's heartbeat on to the groups it names; answers which of them do not follow the peer. */
  receive(from: ReplicaId, heartbeat: PairHeartbeat, nowMs: number): void {
    const { heard } = this.#peerOf(from);
    const refused: { group: GroupId; term: number }[] = [];
    const { sequence } = heartbeat;
    if (!heard.take(heartbeat)) {
      this.#options.send(from, { kind: "pairHeartbeatReply", sequence, lost: true, refused });
      return;
    }
    for (const { group: id, term, commit } of heard.groups) {
      const group = this.#options.groups.get(id);
      group?.receive(from, { kind: "heartbeat", term, commit }, [], nowMs);
      if (group?.follows(from, term) !== true) refused.push({ group: id, term: group?.durableTerm ?? 0 });
    }
    this.#options.send(from, { kind: "pairHeartbeatReply", sequence, lost: false, refused });
  }

  /** Passes an answer on to the groups that its heartbeat named. An answer to nothing is dropped: it may only be late. */
  receiveReply(from: ReplicaId, reply: PairHeartbeatReply, nowMs: number): void {
    const peer = this.#peers.get(from);
    const heartbeat = peer?.sent.get(reply.sequence);
    if (peer === undefined || heartbeat === undefined) return;
    peer.sent.delete(reply.sequence);
    if (reply.lost) {
      peer.told.forget();
      this.#beatTo(from, nowMs);
      return;
    }
    const refused = new Map(reply.refused.map(({ group, term }) => [group, term]));
    for (const { group: id, term } of heartbeat.led) {
      const theirs = refused.get(id);
      const follows = theirs === undefined;
      const message = { kind: "heartbeatReply", term: theirs ?? term, follows, sentMs: heartbeat.sentMs } as const;
      this.#options.groups.get(id)?.receive(from, message, [], nowMs);
    }
  }

  #beat(): void {
    this.#cancel = undefined;
    this.#soon = false;
    const nowMs = this.#options.monoMs();
    const peers = new Set<ReplicaId>();
    for (const group of this.#options.groups.values()) for (const peer of group.peers) peers.add(peer);
    if (peers.size === 0) return;
    for (const peer of peers) this.#beatTo(peer, nowMs);
    this.#cancel = this.#options.timers.after(raftTimes.heartbeatMs, () => {
      this.#options.guard(() => {
        this.#beat();
      });
    });
  }

  #beatTo(to: ReplicaId, sentMs: number): void {
    const led: LedGroup[] = [];
    for (const group of this.#options.groups.values()) {
      const heartbeat = group.heartbeatFor(to);
      if (heartbeat !== undefined) led.push({ group: group.id, ...heartbeat });
    }
    const peer = this.#peerOf(to);
    peer.sequence += 1;
    peer.sent.set(peer.sequence, { sentMs, led });
    peer.sent.delete(peer.sequence - outstandingMax);
    this.#options.send(to, { kind: "pairHeartbeat", sequence: peer.sequence, ...peer.told.tell(led) });
  }

  #peerOf(id: ReplicaId): Peer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const { firstSequence } = this.#options;
    const peer: Peer = {
      sequence: firstSequence,
      sent: new Map(),
      told: new ToldGroups(firstSequence),
      heard: new HeardGroups(),
    };
    this.#peers.set(id, peer);
    return peer;
  }
}
