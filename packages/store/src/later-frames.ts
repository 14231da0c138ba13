import type { GroupId } from "raft-ts";
import { blockBytes } from "./bytes.ts";
import { groupFlag, readGroupList } from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import type { Segment } from "./segment.ts";

/** A frame whose head is readable: which segment of the list it is in, and where. */
export type NextFrame = { readonly row: number; readonly at: number; readonly sequence: number };

type Head = NextFrame & { readonly epoch: number; readonly durable: number; readonly hardStates: readonly GroupId[] };

/** What readable frames behind a damaged place know. The files are read once, from the first such place on. */
export class LaterFrames {
  readonly #segments: readonly Segment[];
  /** In the order of the log. */
  #heads: readonly Head[] | undefined;

  constructor(segments: readonly Segment[]) {
    this.#segments = segments;
  }

  /**
   * Frames at `at` of segment `row` or behind, of this epoch or later: the highest sequence that one of them records as durable, the first
   * above `expected`, and whose term and vote one of them holds.
   */
  async behind(
    row: number,
    at: number,
    expected: number,
    epoch: number,
  ): Promise<{ durable: number; next: NextFrame | undefined; hardStates: ReadonlySet<GroupId> }> {
    this.#heads ??= await this.#read(row, at);
    const heads = this.#heads.filter(
      (head) => head.epoch >= epoch && (head.row > row || (head.row === row && head.at >= at)),
    );
    const later = heads.filter(({ sequence }) => sequence > expected);
    return {
      durable: heads.reduce((most, head) => Math.max(most, head.durable), 0),
      next: later[0],
      hardStates: new Set(later.flatMap(({ hardStates }) => hardStates)),
    };
  }

  async #read(row: number, at: number): Promise<readonly Head[]> {
    const heads: Head[] = [];
    for (const [nth, segment] of this.#segments.slice(row).entries()) {
      await segment.reading(async (file) => {
        const reader = new FrameReader(file, segment.sequence, segment.salt, segment.size);
        await reader.scanHeads(nth === 0 ? at : blockBytes, (offset, head) => {
          const { sequence, epoch, durable } = head;
          const list = readGroupList(reader.bytes, reader.view, reader.at(offset), segment.salt, head) ?? [];
          const hardStates = [...list]
            .filter(([, flags]) => (flags & (groupFlag.hardState | groupFlag.state)) !== 0)
            .map(([group]) => group);
          heads.push({ row: row + nth, at: offset, sequence, epoch, durable, hardStates });
        });
      });
    }
    return heads;
  }
}
