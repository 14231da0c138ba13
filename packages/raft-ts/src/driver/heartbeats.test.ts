import { describe, expect, test } from "@jest/globals";
import { ManualTime } from "@saturnmq/kit/testing";
import { raftTimes } from "../core/times.ts";
import type { ReplicaId } from "../ports.ts";
import { Heartbeats } from "./heartbeats.ts";
import { hashOf } from "./led-groups.ts";
import type { LocalGroup } from "./local-group.ts";
import type { PairHeartbeat, PairHeartbeatReply, PeerMessage } from "./messages.ts";

const { heartbeatMs } = raftTimes;
const peer = 2;

/** A process that leads one group with a peer, and what it says. Of a group, heartbeats ask no more than this. */
function leading(leads = true) {
  const time = new ManualTime();
  const sent: (PeerMessage & { readonly atMs: number })[] = [];
  const follows = { 7: true };
  const group = (id: number, peers: readonly ReplicaId[]) =>
    ({
      id,
      peers,
      durableTerm: 4,
      receive: () => undefined,
      follows: () => follows[7],
      heartbeatFor: () => (peers.length > 0 ? { term: 3, commit: 5 } : undefined),
    }) as unknown as LocalGroup;
  const groups = new Map([
    [7, group(7, [])],
    [8, group(8, leads ? [peer] : [])],
  ]);
  const heartbeats = new Heartbeats({
    groups,
    timers: time,
    monoMs: () => time.monoMs(),
    firstSequence: 0,
    send: (_to, message) => sent.push({ ...message, atMs: time.monoMs() }),
    guard: (callback) => callback(),
  });
  heartbeats.start();
  time.advance(1);
  return { time, sent, heartbeats, follows };
}

type Leading = ReturnType<typeof leading>;

const led = [{ group: 7, term: 3, commit: 9 }];

/** The peer's heartbeats, from one that says all on. */
function heard({ heartbeats, time }: Leading) {
  let version = 0;
  return (news: Partial<Pick<PairHeartbeat, "base" | "led">> = {}): void => {
    const base = news.base ?? version;
    version += 1;
    const beat = { base, version, hash: hashOfLed, led: base === 0 ? led : (news.led ?? []), ended: [] };
    heartbeats.receive(peer, { kind: "pairHeartbeat", sequence: version, ...beat }, time.monoMs());
  };
}

const hashOfLed = hashOf(led);
const answers = ({ sent }: Leading): readonly (PairHeartbeatReply & { readonly atMs: number })[] =>
  sent.filter((message) => message.kind === "pairHeartbeatReply");

describe("The answer to a heartbeat", () => {
  test("goes at once with the first, and with one that says something new", () => {
    const process = leading();
    const hear = heard(process);
    hear();
    expect(answers(process)).toHaveLength(1);
    process.time.advance(heartbeatMs);
    hear({ led });
    expect(answers(process)).toHaveLength(2);
  });

  test("goes with the next heartbeat of our own when it is one like the one before", () => {
    const process = leading();
    const hear = heard(process);
    process.time.advance(30);
    hear();
    process.time.advance(heartbeatMs);
    process.sent.length = 0;
    hear();
    expect(process.sent).toEqual([]);
    process.time.advance(heartbeatMs - 31);
    expect(process.sent.map(({ kind }) => kind)).toEqual(["pairHeartbeatReply", "pairHeartbeat"]);
    expect(answers(process)).toMatchObject([{ sequence: 2, lost: false, refused: [] }]);
    process.time.advance(heartbeatMs);
    expect(answers(process)).toHaveLength(1);
  });

  test.each([
    ["sooner than its turn", heartbeatMs / 2],
    ["late", 2 * heartbeatMs],
  ])("goes at once when the heartbeat comes %s: somebody may wait for it", (_when, afterMs) => {
    const process = leading();
    const hear = heard(process);
    hear();
    process.time.advance(afterMs);
    hear();
    expect(answers(process)).toHaveLength(2);
  });

  test("goes at once when a group refuses", () => {
    const process = leading();
    const hear = heard(process);
    hear();
    process.follows[7] = false;
    process.time.advance(heartbeatMs);
    hear();
    expect(answers(process)[1]).toMatchObject({ refused: [{ group: 7, term: 4 }] });
  });

  test("goes at once where nothing is led for that peer", () => {
    const process = leading(false);
    const hear = heard(process);
    hear();
    process.time.advance(heartbeatMs);
    hear();
    expect(answers(process)).toHaveLength(2);
  });

  test("that waits is not sent over a new connection", () => {
    const process = leading();
    const hear = heard(process);
    hear();
    process.time.advance(heartbeatMs);
    hear();
    process.heartbeats.reconnected(peer);
    process.time.advance(heartbeatMs);
    expect(answers(process)).toHaveLength(1);
  });
});
