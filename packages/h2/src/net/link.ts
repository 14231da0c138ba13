import type { Socket } from "node:net";
import type { Clock } from "@saturnmq/kit";
import { Connection } from "../core/connection.ts";
import { type Chunk, type ChunkPool, Output } from "../core/output.ts";
import type { Engine } from "../grpc/engine.ts";
import type { Exchange } from "../grpc/exchange.ts";

/** What the links of a server share. */
export type LinkRoom = {
  readonly engine: Engine;
  readonly chunks: ChunkPool;
  readonly clock: Clock;
  readonly outputMarkBytes: number;
  /** Something was written to a link's connection from outside: it is to be flushed soon. */
  readonly onDirty: (link: Link) => void;
  /** The link has begun to end: it takes leave, or has failed. */
  readonly onEnding: (link: Link) => void;
  /** The link is gone. */
  readonly onClosed: (link: Link) => void;
};

let turn = 0;

/** A socket and the connection on it: one write to the socket for all that one event, or one round of answers, had to say. */
export class Link {
  readonly connection: Connection<Exchange>;
  readonly peer: string;
  /** Without the port; empty when the peer had gone before it could be asked. */
  readonly address: string;
  /** Drawn by turns, so that the looks at many links can be spread over time. */
  readonly part = turn++;
  readonly #socket: Socket;
  readonly #room: LinkRoom;
  readonly #output: Output;
  #reading = true;
  #paused = false;
  #ended = false;
  /** We destroyed it, or it failed: `connection.reason` says why. */
  cutByUs = false;

  constructor(socket: Socket, room: LinkRoom, ageEndMs: number) {
    this.#socket = socket;
    this.#room = room;
    this.#output = new Output(room.chunks);
    this.address = socket.remoteAddress ?? "";
    this.peer = `${this.address}:${socket.remotePort ?? 0}`;
    this.connection = new Connection(room.engine.room, this.#output, room.clock.monoMs(), ageEndMs);
    this.connection.peer = this.peer;
    this.connection.onDirty = () => {
      room.onDirty(this);
    };
    socket.on("data", (bytes: Buffer) => {
      this.receive(bytes);
    });
    socket.once("close", () => {
      this.connection.cut("the socket is closed");
      this.#output.drop();
      room.onClosed(this);
    });
  }

  /** Takes bytes that were read. */
  receive(bytes: Buffer): void {
    this.connection.dirty = true;
    this.connection.receive(bytes, this.#room.clock.monoMs());
    this.flush();
  }

  /** Looks at the connection's bounds. */
  tick(nowMs: number): void {
    this.connection.dirty = true;
    this.connection.tick(nowMs);
    this.flush();
  }

  leave(nowMs: number, graceMs: number): void {
    this.connection.dirty = true;
    this.connection.leave(nowMs, graceMs);
    this.flush();
  }

  /** Hands everything that waits to the socket, and does what the connection's state asks for. */
  flush(): void {
    this.connection.dirty = false;
    const { state } = this.connection;
    if (state === "failed" || state === "cut") this.cutByUs = true;
    if (state === "cut") {
      this.destroy();
      return;
    }
    if (state === "failed" || this.connection.leaving) this.#room.onEnding(this);
    if (this.#output.length > 0) this.#write(this.#output.take());
    if (state === "failed" || state === "done") this.#end();
    this.#setPaused();
  }

  /** Whether the server wants to read at all. */
  setReading(reading: boolean): void {
    this.#reading = reading;
    this.#setPaused();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #write(chunks: readonly Chunk[]): void {
    const socket = this.#socket;
    if (!socket.writable) {
      for (const chunk of chunks) this.#room.chunks.give(chunk);
      return;
    }
    if (chunks.length > 1) socket.cork();
    for (const chunk of chunks) {
      const size = chunk.used;
      this.connection.sender.writingBytes += size;
      socket.write(chunk.bytes.subarray(0, size), (error) => {
        // A failed write may still be with the system: its bytes are not ours to use again.
        if (error === null || error === undefined) this.#written(chunk, size);
      });
    }
    if (chunks.length > 1) socket.uncork();
  }

  #written(chunk: Chunk, size: number): void {
    this.#room.chunks.give(chunk);
    this.connection.written(size, this.#room.clock.monoMs());
    if (this.#output.length > 0) this.connection.touch();
    if (this.#paused) this.#setPaused();
  }

  /** Says no more. The tick that finds the connection's time over destroys what the peer leaves open. */
  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end();
    if (this.connection.state === "done") this.#socket.destroySoon();
  }

  /** A peer that does not read its answers is not read either. */
  #setPaused(): void {
    const { sender } = this.connection;
    const full = this.#paused
      ? sender.unsentBytes > this.#room.outputMarkBytes / 2
      : sender.unsentBytes > this.#room.outputMarkBytes;
    const pause = !this.#reading || full;
    if (pause === this.#paused || this.#ended) return;
    this.#paused = pause;
    this.connection.deaf = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }
}
