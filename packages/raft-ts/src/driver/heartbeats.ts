import type { Cancel, Timers } from "@saturnmq/kit";
import { raftTimes } from "../core/times.ts";
import type { GroupId, ReplicaId } from "../ports.ts";
import { HeardGroups, ToldGroups } from "./led-groups.ts";
import type { LocalGroup } from "./local-group.ts";
import type { LedGroup, PairHeartbeat, PairHeartbeatReply, PeerMessage } from "./messages.ts";

/** Answers to older heartbeats than this many are not waited for: no lease could come of them. */
const outstandingMax = 32;

/** A regular heartbeat comes so long after the one before, milliseconds. */
const rhythmMs = { least: 0.9 * raftTimes.heartbeatMs, most: 1.5 * raftTimes.heartbeatMs };

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
  /** When its last heartbeat came. */
  heardMs: number;
  /** The answer to it, while it waits to go with a heartbeat of our own. */
  owed: PairHeartbeatReply | undefined;
};

/**
 * One heartbeat for all groups of a pair of processes (design: heartbeats per pair). Silent while nothing is led for anybody. A group in which nothing
 * happens costs no byte: only what changed is said. Where both processes lead, the answer to a heartbeat without news goes with the next one of our own:
 * a message each way in a heartbeat's time, which is most of what an idle process has to wake up for.
 */
export class Heartbeats {
  readonly #options: HeartbeatsOptions;
  readonly #peers = new Map<ReplicaId, Peer>();
  #cancel: Cancel | undefined;
  /** Who was told by the last beat, and will be by the next. */
  #beaten: ReadonlySet<ReplicaId> = new Set();
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
    const known = this.#peers.get(peer);
    if (known === undefined) return;
    known.told.forget();
    known.owed = undefined;
  }

  /** Passes a peer's heartbeat on to the groups it names; answers which of them do not follow the peer. */
  receive(from: ReplicaId, heartbeat: PairHeartbeat, nowMs: number): void {
    const peer = this.#peerOf(from);
    const { heard } = peer;
    const mayWait = this.#mayWait(from, peer, heartbeat, nowMs);
    peer.heardMs = nowMs;
    peer.owed = undefined;
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
    const reply = { kind: "pairHeartbeatReply", sequence, lost: false, refused } as const;
    if (mayWait && refused.length === 0) peer.owed = reply;
    else this.#options.send(from, reply);
  }

  /**
   * Whether the answer may come with our next heartbeat, 100 ms from now at most: a lease lasts for four, and two that were sent before it go on with it.
   * One that says something new, or comes out of turn, may be waited for: by a new leader, a read without a lease, or a leader that was held up.
   */
  #mayWait(from: ReplicaId, { heardMs, owed }: Peer, { base, led, ended }: PairHeartbeat, nowMs: number): boolean {
    const isNews = base === 0 || led.length + ended.length > 0;
    const sinceMs = nowMs - heardMs;
    const isRegular = sinceMs >= rhythmMs.least && sinceMs <= rhythmMs.most;
    return !isNews && isRegular && owed === undefined && this.#beaten.has(from);
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
    this.#beaten = peers;
    for (const [id, peer] of this.#peers) this.#answer(id, peer);
    if (peers.size === 0) return;
    for (const peer of peers) this.#beatTo(peer, nowMs);
    this.#cancel = this.#options.timers.after(raftTimes.heartbeatMs, () => {
      this.#options.guard(() => {
        this.#beat();
      });
    });
  }

  #answer(to: ReplicaId, peer: Peer): void {
    if (peer.owed !== undefined) this.#options.send(to, peer.owed);
    peer.owed = undefined;
  }

  #beatTo(to: ReplicaId, sentMs: number): void {
    const led: LedGroup[] = [];
    for (const group of this.#options.groups.values()) {
      const heartbeat = group.heartbeatFor(to);
      if (heartbeat !== undefined) led.push({ group: group.id, term: heartbeat.term, commit: heartbeat.commit });
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
      heardMs: -Infinity,
      owed: undefined,
    };
    this.#peers.set(id, peer);
    return peer;
  }
}
