import type { DiskFile } from "@saturnmq/kit";
import { blockBytes, viewOf } from "./bytes.ts";
import { type FrameFault, type FrameHead, frameFault, frameHeadBytes, readFrameHead } from "./frame.ts";

/** Bytes read at a time; more for a larger frame. */
const windowBytes = 1024 * 1024;

/** Reads one segment's frames in order through a window that moves along. What it gives is a view until the next call. */
export class FrameReader {
  readonly #file: DiskFile;
  readonly #segment: number;
  readonly #salt: number;
  readonly #size: number;
  readonly #small = new Uint8Array(frameHeadBytes);
  #bytes: Uint8Array;
  #view: DataView;
  #from = 0;
  #count = 0;

  /** @param size bytes to look at; behind the end of the file there are zeros */
  constructor(file: DiskFile, segment: number, salt: number, size: number) {
    this.#file = file;
    this.#segment = segment;
    this.#salt = salt;
    this.#size = size;
    this.#bytes = new Uint8Array(Math.min(windowBytes, size));
    this.#view = viewOf(this.#bytes);
  }

  /** The window. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Over `bytes`. */
  get view(): DataView {
    return this.#view;
  }

  /** Where the file's byte `offset` lies in `bytes`, after `head` or `fault` has loaded it. */
  at(offset: number): number {
    return offset - this.#from;
  }

  /** The head of the frame at `offset`, if a frame of this segment starts there. */
  async head(offset: number): Promise<FrameHead | undefined> {
    if (offset + frameHeadBytes > this.#size) return undefined;
    await this.#load(offset, frameHeadBytes);
    return this.#loadedHead(offset);
  }

  /** As `head`, but leaves the window where it is. */
  peekHead(offset: number): FrameHead | undefined {
    if (offset + frameHeadBytes > this.#size) return undefined;
    if (this.#holds(offset, frameHeadBytes)) return this.#loadedHead(offset);
    const count = this.#file.readSync(this.#small, 0, frameHeadBytes, offset);
    this.#small.fill(0, count);
    return readFrameHead(this.#small, viewOf(this.#small), 0, this.#segment, this.#salt);
  }

  /** Loads the whole frame and says what is wrong with it; `at` counts from the start of the file. */
  async fault(offset: number, head: FrameHead, withBodies: boolean): Promise<FrameFault | undefined> {
    if (offset + head.length > this.#size) return { at: offset, detail: "the frame is cut short" };
    await this.#load(offset, head.length);
    if (!this.#holds(offset, head.length)) return { at: offset, detail: "the frame is cut short" };
    const fault = frameFault(this.#bytes, this.#view, this.at(offset), this.#salt, head, withBodies);
    return fault && { ...fault, at: fault.at + this.#from };
  }

  /** Visits every readable frame head at a block boundary from `offset` on, whatever lies between. */
  async scanHeads(offset: number, visit: (offset: number, head: FrameHead) => void): Promise<void> {
    for (let at = offset; at + frameHeadBytes <= this.#size; at += blockBytes) {
      if (!this.#holds(at, frameHeadBytes)) await this.#load(at, frameHeadBytes);
      const head = this.#loadedHead(at);
      if (head !== undefined) visit(at, head);
    }
  }

  #loadedHead(offset: number): FrameHead | undefined {
    if (!this.#holds(offset, frameHeadBytes)) return undefined;
    return readFrameHead(this.#bytes, this.#view, this.at(offset), this.#segment, this.#salt);
  }

  #holds(offset: number, length: number): boolean {
    return offset >= this.#from && offset + length <= this.#from + this.#count;
  }

  async #load(offset: number, length: number): Promise<void> {
    if (this.#holds(offset, length)) return;
    if (length > this.#bytes.length) {
      this.#bytes = new Uint8Array(length);
      this.#view = viewOf(this.#bytes);
    }
    const wanted = Math.min(this.#bytes.length, this.#size - offset);
    this.#from = offset;
    this.#count = wanted;
    this.#bytes.fill(0, await this.#file.read(this.#bytes, 0, wanted, offset), wanted);
  }
}
