import { ClosedStreams } from "./closed-streams.ts";
import type { FieldList } from "./field-list.ts";
import { frameProblem, headersPrefixBytes } from "./frame-rules.ts";
import { FrameSplitter, type FrameTaker } from "./frame-splitter.ts";
import { HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { Leaving } from "./leaving.ts";
import { Lifetime } from "./lifetime.ts";
import { farewellMs, type Limits, price } from "./limits.ts";
import type { Output } from "./output.ts";
import { putUint32 } from "./output.ts";
import {
  errorCode,
  flag,
  frameHeadBytes,
  frameType,
  preface,
  setting,
  streamIdMax,
  windowAtStart,
  windowMax,
} from "./protocol.ts";
import { checkRequest, checkTrailers, type RequestRows } from "./request-rules.ts";
import { Sender, type SenderUser } from "./sender.ts";
import { settingProblem } from "./settings.ts";
import type { Stream, StreamPool } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import { Tariff } from "./tariff.ts";

/** What a connection tells of its streams. Each call may send on the stream, end it, or end others. */
export interface ConnectionUser<User> {
  /** A request's header fields; `stream.remoteEnded` tells whether more of it comes. The list and its rows are good during the call only. */
  request(connection: Connection<User>, stream: Stream<User>, list: FieldList, rows: RequestRows): void;
  /** The request's list was over its limit, and nothing is known of it. */
  oversized(connection: Connection<User>, stream: Stream<User>): void;
  /** Body bytes `[start, end)`, none or more; with `stream.remoteEnded` the last. */
  data(stream: Stream<User>, bytes: Buffer, start: number, end: number): void;
  /** The stream is gone before our answer was: the peer's wish, its mistake, or the connection's end. */
  lost(stream: Stream<User>, code: number): void;
  /** What waited to be sent on the stream is on its way. */
  drained(stream: Stream<User>): void;
  /** Whether there is room for one more request. */
  admits(): boolean;
  /** The connection takes no new streams and will end soon: a call without end should come to one. */
  leaving(stream: Stream<User>): void;
  /** The connection ends now: answer at once. */
  overdue(stream: Stream<User>): void;
}

/**
 * `preface`: the peer has not spoken yet. `failed`: GOAWAY is written, the peer gets a moment to read it. `done`: all streams came to their end
 * after a GOAWAY; close it. `cut`: destroy it, there is nothing to be said.
 */
export type ConnectionState = "preface" | "open" | "failed" | "done" | "cut";

/** What the connections of one server share. */
export type ConnectionRoom<User> = {
  readonly limits: Limits;
  readonly streams: StreamPool<User>;
  readonly user: ConnectionUser<User>;
  /** Decoded fields of the block at hand. */
  readonly list: FieldList;
  /** Where the fields of the request at hand lie in the list. */
  readonly rows: RequestRows;
};

const smallContinuationBytes = 1_024;
const leavingPing = 0x6c656176;
const keepalivePing = 0x616c6976;
const nothing = Buffer.alloc(0);

/**
 * The server's end of one HTTP/2 connection (RFC 9113), without a socket or a clock: bytes come in by `receive`, time by its arguments, frames go
 * out to `output`, requests to the user. Whatever the bytes, it answers them or ends with GOAWAY; it never throws.
 */
export class Connection<User> implements FrameTaker, SenderUser<User> {
  state: ConnectionState = "preface";
  /** Why it failed or was cut, for the log. */
  reason = "";
  /** It failed for what it cost us, not by a mistake. */
  abusive = false;
  /** The other end, for the user. */
  peer = "";
  /** Bytes of unfinished requests: the user's account. */
  heldBytes = 0;
  readonly sender: Sender<User>;
  /** The shell does not read for now, so the peer's silence means nothing. */
  deaf = false;
  /** Something may have been written since the shell last looked, and it knows. */
  dirty = false;
  /** Tells the shell so. */
  onDirty: () => void = () => undefined;
  readonly #room: ConnectionRoom<User>;
  readonly #table = new StreamTable<User>();
  readonly #closed = new ClosedStreams();
  readonly #decoder = new HpackDecoder();
  readonly #splitter = new FrameSplitter(this);
  readonly #block: HeaderBlock;
  readonly #lifetime: Lifetime;
  readonly #leaving: Leaving;
  readonly #tariff: Tariff;
  #nowMs: number;
  #lastId = 0;
  #receivedBytes = 0;
  #settingsSeen = false;
  /** The HEADERS at hand makes its stream depend on itself. */
  #selfDependent = false;
  #endedMs = Number.POSITIVE_INFINITY;

  /** @param ageEndMs when to tell the peer to go away */
  constructor(room: ConnectionRoom<User>, output: Output, nowMs: number, ageEndMs: number) {
    this.#room = room;
    this.#nowMs = nowMs;
    this.#block = new HeaderBlock(room.limits.headerBlockBytesMax);
    this.#lifetime = new Lifetime(room.limits, nowMs, ageEndMs);
    this.#leaving = new Leaving(room.limits.leaveMs);
    this.#tariff = new Tariff(nowMs);
    this.sender = new Sender(output, room.limits, this);
    this.#greet();
  }

  /** Open streams. */
  get streams(): number {
    return this.#table.count;
  }

  /** It takes no new streams. */
  get leaving(): boolean {
    return this.#leaving.begun;
  }

  /** Monotonic milliseconds of the event at hand, or of the last one. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Takes what was read. `bytes` is not written to again by anybody. */
  receive(bytes: Buffer, nowMs: number): void {
    if (!this.#isLive()) return;
    this.#nowMs = nowMs;
    this.#lifetime.heard(nowMs);
    this.#splitter.split(bytes);
    this.#tariff.wrote(this.sender.frames);
  }

  /** Time has passed: looks at everything that has a bound. To be called a few times a second. */
  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    if (nowMs - this.#endedMs >= farewellMs) this.cut(this.reason);
    if (!this.#isLive()) return;
    this.#follow();
    if (this.#isLive()) this.#leaveFurther();
  }

  /** The socket gave `bytes` of the output to the system. */
  written(bytes: number, nowMs: number): void {
    this.#nowMs = nowMs;
    this.#lifetime.progressed(nowMs);
    this.sender.writingBytes -= bytes;
    if (this.#isLive()) this.sender.pump();
  }

  /** Asks the peer to go: takes what is under way, then no more; ends after `graceMs` what does not end by itself. */
  leave(nowMs: number, graceMs: number): void {
    if (this.leaving || !this.#isLive()) return;
    this.#nowMs = nowMs;
    this.#leaving.begin(nowMs, graceMs);
    this.#goAway(streamIdMax, errorCode.none, "");
    // Streams that were opened before the peer reads this arrive before its answer (RFC 9113, 6.8).
    this.sender.small(frameType.ping, 0, 0, 8, leavingPing, 0);
  }

  /** Has the peer asked to go at that time, if not before. */
  leaveAt(atMs: number): void {
    this.#lifetime.endBy(atMs);
  }

  /** Ends the connection for good; streams are lost. */
  cut(reason: string): void {
    if (this.state === "cut") return;
    if (this.state !== "failed") this.reason = reason;
    this.state = "cut";
    this.#loseAll(errorCode.cancel);
  }

  /** Ends a stream without an answer. */
  reset(stream: Stream<User>, code: number): void {
    this.sender.small(frameType.reset, 0, stream.id, 4, code);
    this.#release(stream, true);
  }

  /** Ends a stream because of something its peer did, which the peer may not do often. */
  resetForPeer(stream: Stream<User>, code: number): void {
    this.#streamError(stream.id, code);
  }

  /** Has the peer pay for a call that was refused because it asks for too much. */
  charge(cost: number): void {
    if (this.#isLive()) this.#spendReset(cost);
  }

  /** To be called after sending outside of a call from here. */
  touch(): void {
    if (this.dirty) return;
    this.dirty = true;
    this.onDirty();
  }

  /** The streams that are open now. */
  all(): Stream<User>[] {
    return this.#table.all();
  }

  #isLive(): boolean {
    return this.state === "open" || this.state === "preface";
  }

  #greet(): void {
    const { limits } = this.#room;
    const pairs = [
      [setting.concurrentStreamsMax, limits.concurrentStreamsMax],
      [setting.initialWindow, limits.streamWindowBytes],
      [setting.headerListBytesMax, limits.headerListBytesMax],
    ] as const;
    const payload = Buffer.alloc(6 * pairs.length);
    for (const [n, [id, value]] of pairs.entries()) {
      payload[6 * n + 1] = id;
      putUint32(payload, 6 * n + 2, value);
    }
    this.sender.frame(frameType.settings, 0, 0, payload);
    // The bound of what we hold is that of messages and streams; the connection's window never stands in their way.
    this.sender.small(frameType.windowUpdate, 0, 0, 4, windowMax - windowAtStart);
  }

  // What the splitter and the sender tell.

  take(bytes: Buffer, at: number, end: number): boolean {
    if (this.state === "preface") this.#preface(bytes, at, end);
    else this.#checkedFrame(bytes, at, end);
    return this.#isLive();
  }

  tooLarge(): void {
    this.#fail(errorCode.frameSize, "a frame is larger than SETTINGS_MAX_FRAME_SIZE");
  }

  /** Our half of the stream is over. */
  sent(stream: Stream<User>): void {
    this.#tariff.answered();
    if (stream.remoteEnded) this.#release(stream, false);
    // The answer does not need the rest of the request (RFC 9113, 8.1).
    else this.reset(stream, errorCode.none);
  }

  drained(stream: Stream<User>): void {
    this.#room.user.drained(stream);
  }

  overflowed(): void {
    this.abusive = true;
    this.cut("the peer does not take what it asked for");
  }

  #preface(bytes: Buffer, at: number, end: number): void {
    if (bytes.compare(preface, 0, preface.length, at, end) === 0) this.state = "open";
    else this.#fail(errorCode.protocol, "the connection preface is not that of HTTP/2");
  }

  #checkedFrame(bytes: Buffer, at: number, end: number): void {
    const type = bytes[at + 3] ?? 0;
    const id = readUint31(bytes, at + 5);
    if (!this.#settingsSeen && type !== frameType.settings) {
      this.#fail(errorCode.protocol, "the first frame is not SETTINGS");
    } else if (this.#block.stream !== 0 && (type !== frameType.continuation || id !== this.#block.stream)) {
      this.#fail(errorCode.protocol, "a header block is interrupted by another frame");
    } else {
      const flags = bytes[at + 4] ?? 0;
      const problem = frameProblem(type, flags, id, bytes, at + frameHeadBytes, end);
      if (problem === undefined) this.#frame(type, flags, id, bytes, at + frameHeadBytes, end);
      else this.#fail(problem.code, problem.reason);
    }
  }

  #frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case frameType.data:
        this.#data(flags, id, bytes, start, end);
        return;
      case frameType.headers:
        this.#headers(flags, id, bytes, start, end);
        return;
      case frameType.priority:
        this.#priority(id, bytes, start, end);
        return;
      case frameType.reset:
        this.#resetByPeer(id, readUint32(bytes, start));
        return;
      case frameType.settings:
        this.#settings(flags, bytes, start, end);
        return;
      case frameType.ping:
        this.#ping(flags, bytes, start);
        return;
      case frameType.goAway:
        this.#spendControl(price.settings);
        return;
      case frameType.windowUpdate:
        this.#windowUpdate(id, readUint31(bytes, start));
        return;
      case frameType.continuation:
        this.#continuation(flags, bytes, start, end);
        return;
      default:
        this.#spendControl(price.unknownFrame);
    }
  }

  // DATA.

  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    if (this.#isIdle(id)) {
      this.#fail(errorCode.protocol, "DATA on a stream that is not open");
      return;
    }
    const length = end - start;
    this.#receivedBytes += length;
    if (this.#receivedBytes > windowMax / 2) this.#grantConnection();
    const from = flags & flag.padded ? start + 1 : start;
    const to = flags & flag.padded ? end - (bytes[start] ?? 0) : end;
    const ends = (flags & flag.endStream) !== 0;
    if (from === to && !ends && !this.#spendControl(price.emptyData)) return;
    const stream = this.#table.get(id);
    if (stream === undefined) this.#dataOnClosed(id);
    else if (stream.remoteEnded) this.#streamError(id, errorCode.streamClosed);
    else this.#streamData(stream, bytes, from, to, length, ends);
  }

  #streamData(stream: Stream<User>, bytes: Buffer, from: number, to: number, length: number, ends: boolean): void {
    stream.receivedBytes += length;
    if (stream.receivedBytes > this.#room.limits.streamWindowBytes) {
      this.#streamError(stream.id, errorCode.flowControl);
      return;
    }
    if (stream.contentLeft >= 0) {
      stream.contentLeft -= to - from;
      if (stream.contentLeft < 0 || (ends && stream.contentLeft > 0)) {
        this.#streamError(stream.id, errorCode.protocol);
        return;
      }
    }
    stream.remoteEnded = ends;
    const { generation } = stream;
    this.#room.user.data(stream, bytes, from, to);
    if (ends || stream.generation !== generation) return;
    if (stream.receivedBytes > this.#room.limits.streamWindowBytes / 2) {
      this.sender.small(frameType.windowUpdate, 0, stream.id, 4, stream.receivedBytes);
      stream.receivedBytes = 0;
    }
  }

  #dataOnClosed(id: number): void {
    if (id > this.#leaving.lastStream || this.#closed.kindOf(id) === "reset") return;
    this.#streamError(id, errorCode.streamClosed);
  }

  #grantConnection(): void {
    this.sender.small(frameType.windowUpdate, 0, 0, 4, this.#receivedBytes);
    this.#receivedBytes = 0;
  }

  // Header blocks.

  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number): void {
    const padding = flags & flag.padded ? (bytes[start] ?? 0) : 0;
    const from = start + headersPrefixBytes(flags);
    const priorityAt = flags & flag.padded ? start + 1 : start;
    this.#selfDependent = (flags & flag.priority) !== 0 && readUint31(bytes, priorityAt) === id;
    if (flags & flag.endHeaders) this.#wholeBlock(flags, id, bytes, from, end - padding);
    else {
      this.#block.begin(id, flags, this.#nowMs);
      this.#appendBlock(bytes, from, end - padding);
    }
  }

  #appendBlock(bytes: Buffer, from: number, to: number): boolean {
    const problem = this.#block.append(bytes, from, to);
    if (problem !== undefined) this.#fail(errorCode.enhanceYourCalm, problem);
    return problem === undefined;
  }

  #continuation(flags: number, bytes: Buffer, start: number, end: number): void {
    const { stream, flags: firstFlags } = this.#block;
    if (stream === 0) {
      this.#fail(errorCode.protocol, "CONTINUATION without a header block");
      return;
    }
    const last = (flags & flag.endHeaders) !== 0;
    if (!last && end - start < smallContinuationBytes && !this.#spendControl(price.smallContinuation)) return;
    if (!this.#appendBlock(bytes, start, end) || !last) return;
    const block = this.#block.end();
    this.#wholeBlock(firstFlags, stream, block, 0, block.length);
  }

  #wholeBlock(flags: number, id: number, bytes: Buffer, from: number, to: number): void {
    const { list } = this.#room;
    const outcome = this.#decoder.decode(bytes, from, to, list);
    if (outcome === "broken") this.#fail(errorCode.compression, "a header block is not HPACK");
    else if (outcome === "bomb") this.#fail(errorCode.enhanceYourCalm, "a header list is far too large");
    else if (id <= this.#lastId) this.#laterHeaders(flags, id, list);
    else this.#openStream(flags, id, list);
  }

  #openStream(flags: number, id: number, list: FieldList): void {
    // A stream that the peer opened before it read our GOAWAY: it will be asked of another connection.
    if (id > this.#leaving.lastStream) return;
    this.#lastId = id;
    if (this.#selfDependent) {
      this.#streamError(id, errorCode.protocol);
      return;
    }
    const { limits, streams, user } = this.#room;
    const room = this.#table.count < limits.concurrentStreamsMax && this.sender.queuedBytes <= limits.queuedMarkBytes;
    const stream = room && user.admits() ? streams.take(id, this.sender.streamWindow) : undefined;
    if (stream === undefined) {
      this.#streamError(id, errorCode.refusedStream);
      return;
    }
    this.#table.add(stream);
    stream.remoteEnded = (flags & flag.endStream) !== 0;
    this.#tariff.opened();
    if (list.full) {
      if (this.#spendReset(price.oversizedList)) user.oversized(this, stream);
      return;
    }
    this.#request(stream, list);
  }

  #request(stream: Stream<User>, list: FieldList): void {
    const problem = checkRequest(list, this.#room.rows);
    const length = this.#room.rows.contentLength;
    if (problem !== undefined || (stream.remoteEnded && length > 0)) {
      this.#streamError(stream.id, errorCode.protocol);
      return;
    }
    stream.contentLeft = length;
    this.#room.user.request(this, stream, list, this.#room.rows);
  }

  /** HEADERS on a stream that is or was open: the trailers of a request. */
  #laterHeaders(flags: number, id: number, list: FieldList): void {
    const stream = this.#table.get(id);
    if (stream === undefined) {
      const kind = this.#closed.kindOf(id);
      if (kind === "ended") this.#fail(errorCode.streamClosed, "HEADERS on a closed stream");
      else if (kind === "unknown") this.#fail(errorCode.protocol, "a stream id lower than one before");
      return;
    }
    if (stream.remoteEnded) {
      this.#streamError(id, errorCode.streamClosed);
      return;
    }
    const ends = (flags & flag.endStream) !== 0;
    const bad = !ends || this.#selfDependent || stream.contentLeft > 0 || checkTrailers(list) !== undefined;
    if (bad) {
      this.#streamError(id, errorCode.protocol);
      return;
    }
    stream.remoteEnded = true;
    this.#room.user.data(stream, nothing, 0, 0);
  }

  // The other frames.

  #priority(id: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 5) this.#streamError(id, errorCode.frameSize);
    else if (readUint31(bytes, start) === id) this.#streamError(id, errorCode.protocol);
    else this.#spendControl(price.priority);
  }

  #resetByPeer(id: number, code: number): void {
    if (this.#isIdle(id)) {
      this.#fail(errorCode.protocol, "RST_STREAM on a stream that is not open");
      return;
    }
    const stream = this.#table.get(id);
    if (stream === undefined) {
      this.#spendControl(price.windowUpdate);
      return;
    }
    if (this.#spendReset(price.reset)) this.#lose(stream, code);
  }

  #settings(flags: number, bytes: Buffer, start: number, end: number): void {
    if (flags & flag.ack) {
      this.#lifetime.sawSettingsAck();
      this.#spendControl(price.unknownFrame);
      return;
    }
    this.#settingsSeen = true;
    this.#lifetime.sawSettings();
    if (!this.#spendControl(price.settings)) return;
    for (let at = start; at < end && this.#isLive(); at += 6) {
      this.#setting(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0), readUint32(bytes, at + 2));
    }
    if (!this.#isLive()) return;
    this.sender.small(frameType.settings, flag.ack, 0, 0);
    this.sender.pump();
  }

  #setting(id: number, value: number): void {
    const problem = settingProblem(id, value);
    if (problem !== undefined) {
      this.#fail(problem.code, problem.reason);
      return;
    }
    if (id === setting.headerTableBytes) this.sender.encoder.setTableBytes(value);
    if (id === setting.initialWindow) this.#setStreamWindow(value);
  }

  #setStreamWindow(bytes: number): void {
    const growth = bytes - this.sender.streamWindow;
    this.sender.streamWindow = bytes;
    if (growth === 0) return;
    for (const stream of this.#table.all()) {
      stream.sendWindow += growth;
      if (stream.sendWindow <= windowMax) continue;
      this.#fail(errorCode.flowControl, "SETTINGS_INITIAL_WINDOW_SIZE overflows a window");
      return;
    }
  }

  #ping(flags: number, bytes: Buffer, start: number): void {
    const first = readUint32(bytes, start);
    if (flags & flag.ack) {
      if (first === leavingPing && this.leaving) this.#takeNoMore();
      else this.#spendControl(price.unknownFrame);
      return;
    }
    // The text is what gRPC clients know as the reason to ping less.
    if (!this.#tariff.ping(this.#nowMs)) this.#fail(errorCode.enhanceYourCalm, "too_many_pings");
    else this.sender.small(frameType.ping, flag.ack, 0, 8, first, readUint32(bytes, start + 4));
  }

  #windowUpdate(id: number, bytesMore: number): void {
    if (id !== 0 && this.#isIdle(id)) {
      this.#fail(errorCode.protocol, "WINDOW_UPDATE on a stream that is not open");
      return;
    }
    if (!this.#spendControl(price.windowUpdate)) return;
    if (id === 0) this.#grantedConnection(bytesMore);
    else this.#grantedStream(id, bytesMore);
  }

  #grantedConnection(bytes: number): void {
    if (bytes === 0) this.#fail(errorCode.protocol, "a WINDOW_UPDATE of nothing");
    else if (!this.sender.grant(bytes)) this.#fail(errorCode.flowControl, "a WINDOW_UPDATE overflows the window");
    else this.sender.pump();
  }

  #grantedStream(id: number, bytes: number): void {
    const stream = this.#table.get(id);
    if (stream === undefined) return;
    stream.sendWindow += bytes;
    if (bytes === 0) this.#streamError(id, errorCode.protocol);
    else if (stream.sendWindow > windowMax) this.#streamError(id, errorCode.flowControl);
    else if (stream.waiting) this.sender.pump();
  }

  // Ends.

  /** Never opened: a stream above all that were, or one that only a server could open. */
  #isIdle(id: number): boolean {
    return id === 0 || id % 2 === 0 || (id > this.#lastId && id <= this.#leaving.lastStream);
  }

  #release(stream: Stream<User>, resetByUs: boolean): void {
    if (this.#forget(stream, resetByUs)) this.#room.streams.give(stream);
  }

  /** Ends a stream whose user is not done with it. */
  #lose(stream: Stream<User>, code: number, resetByUs = false): void {
    if (!this.#forget(stream, resetByUs)) return;
    this.#room.user.lost(stream, code);
    this.#room.streams.give(stream);
  }

  /** False: it was forgotten before, by what the user did when it was told of another one's end. */
  #forget(stream: Stream<User>, resetByUs: boolean): boolean {
    if (this.#table.get(stream.id) !== stream) return false;
    this.sender.dropQueue(stream);
    this.#closed.add(stream.id, resetByUs);
    this.#table.remove(stream.id);
    if (this.#table.count === 0) this.#lifetime.idle(this.#nowMs);
    return true;
  }

  #loseAll(code: number): void {
    for (const stream of this.#table.all()) this.#lose(stream, code);
  }

  #streamError(id: number, code: number): void {
    if (!this.#spendReset(price.reset)) return;
    this.sender.small(frameType.reset, 0, id, 4, code);
    const stream = this.#table.get(id);
    if (stream === undefined) this.#closed.add(id, true);
    else this.#lose(stream, code, true);
  }

  #spendControl(cost: number): boolean {
    if (this.#tariff.control(cost, this.#nowMs)) return true;
    this.#fail(errorCode.enhanceYourCalm, "too many frames that ask for nothing");
    return false;
  }

  #spendReset(cost: number): boolean {
    if (this.#tariff.reset(cost, this.#nowMs)) return true;
    this.#fail(errorCode.enhanceYourCalm, "too many streams end without an answer");
    return false;
  }

  #fail(code: number, reason: string): void {
    if (!this.#isLive()) return;
    this.state = "failed";
    this.reason = reason;
    this.abusive = code === errorCode.enhanceYourCalm;
    this.#endedMs = this.#nowMs;
    this.#loseAll(code);
    this.#goAway(this.#lastId, code, reason);
  }

  #goAway(lastId: number, code: number, reason: string): void {
    const payload = Buffer.alloc(8 + reason.length);
    putUint32(payload, 0, lastId);
    putUint32(payload, 4, code);
    payload.write(reason, 8, "latin1");
    this.sender.frame(frameType.goAway, 0, 0, payload);
  }

  // Time.

  #follow(): void {
    const { stream, sinceMs } = this.#block;
    const verdict = this.#lifetime.verdict(this.#nowMs, {
      streams: this.#table.count,
      blockSinceMs: stream === 0 ? Number.POSITIVE_INFINITY : sinceMs,
      waits: this.sender.queuedBytes + this.sender.writingBytes > 0,
      sentBytes: this.sender.dataBytes,
      deaf: this.deaf,
    });
    if (verdict.kind === "cut") this.cut(verdict.reason);
    else if (verdict.kind === "fail") this.#fail(verdict.code, verdict.reason);
    else if (verdict.kind === "leave") this.leave(this.#nowMs, this.#room.limits.leaveMs);
    else if (verdict.kind === "ping") this.sender.small(frameType.ping, 0, 0, 8, keepalivePing, 0);
  }

  #leaveFurther(): void {
    switch (this.#leaving.step(this.#nowMs, this.#table.count)) {
      case "wait":
        return;
      case "takeNoMore":
        this.#takeNoMore();
        return;
      case "overdue":
        for (const stream of this.#table.all()) this.#room.user.overdue(stream);
        return;
      case "done":
        // What the peer has still to read is no less part of the answers.
        if (this.sender.unsentBytes > 0) return;
        this.state = "done";
        this.#endedMs = this.#nowMs;
        return;
      case "cut":
        this.cut("streams did not end after GOAWAY");
    }
  }

  /** The second GOAWAY: the peer has read the first. */
  #takeNoMore(): void {
    if (this.#leaving.final) return;
    this.#leaving.takeNoMore(this.#nowMs, this.#lastId);
    this.#goAway(this.#lastId, errorCode.none, "");
    for (const stream of this.#table.all()) this.#room.user.leaving(stream);
  }
}

function readUint32(bytes: Buffer, at: number): number {
  return readUint31(bytes, at) + ((bytes[at] ?? 0) & 128 ? 2 ** 31 : 0);
}

function readUint31(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] ?? 0) & 127) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  );
}
