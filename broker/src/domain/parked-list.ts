import { copied, grown } from "./columns.ts";

/** Messages given up after the maximum of attempts and still kept, in the order in which that was decided. 12 bytes each. */
export class ParkedList {
  cursor = new Int32Array(16);
  offset = new Float64Array(16);
  count = 0;

  add(cursor: number, offset: number): void {
    if (this.count === this.cursor.length) {
      this.cursor = grown(this.cursor, this.count * 2);
      this.offset = grown(this.offset, this.count * 2);
    }
    this.cursor[this.count] = cursor;
    this.offset[this.count] = offset;
    this.count += 1;
  }

  /** Removes the messages of a cursor below an offset; how many there were. */
  remove(cursor: number, below: number): number {
    let kept = 0;
    for (let at = 0; at < this.count; at += 1) {
      const offset = this.offset[at] ?? 0;
      if (this.cursor[at] === cursor && offset < below) continue;
      this.cursor[kept] = this.cursor[at] ?? 0;
      this.offset[kept] = offset;
      kept += 1;
    }
    const removed = this.count - kept;
    this.count = kept;
    return removed;
  }

  /** Offsets of a cursor's parked messages. */
  of(cursor: number): number[] {
    const offsets: number[] = [];
    for (let at = 0; at < this.count; at += 1) if (this.cursor[at] === cursor) offsets.push(this.offset[at] ?? 0);
    return offsets;
  }

  copy(): ParkedList {
    const twin = new ParkedList();
    twin.cursor = copied(this.cursor);
    twin.offset = copied(this.offset);
    twin.count = this.count;
    return twin;
  }
}
