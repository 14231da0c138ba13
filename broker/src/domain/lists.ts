import { grown } from "./columns.ts";

const none = -1;

/** Doubly linked lists of small integers (row numbers), each in at most one list. 12 bytes an item, 8 a list. */
export class Lists {
  #next = new Int32Array(16).fill(none);
  #previous = new Int32Array(16).fill(none);
  /** The list an item is in. */
  #owner = new Int32Array(16).fill(none);
  #head = new Int32Array(16).fill(none);
  #tail = new Int32Array(16).fill(none);

  /** The list an item is in, -1 when in none. */
  ownerOf(item: number): number {
    return this.#owner[item] ?? none;
  }

  /** First item of a list, -1 when empty. */
  first(list: number): number {
    return this.#head[list] ?? none;
  }

  /** The items of a list, first to last; the list must not change meanwhile. */
  *items(list: number): Generator<number> {
    for (let item = this.first(list); item >= 0; item = this.#next[item] ?? none) yield item;
  }

  /** Adds an item that is in no list at a list's end. */
  push(list: number, item: number): void {
    this.#reserve(list, item);
    const last = this.#tail[list] ?? none;
    this.#owner[item] = list;
    this.#previous[item] = last;
    this.#next[item] = none;
    if (last === none) this.#head[list] = item;
    else this.#next[last] = item;
    this.#tail[list] = item;
  }

  /** Takes an item out of its list; nothing when it is in none. */
  remove(item: number): void {
    const list = this.ownerOf(item);
    if (list === none) return;
    const before = this.#previous[item] ?? none;
    const after = this.#next[item] ?? none;
    if (before === none) this.#head[list] = after;
    else this.#next[before] = after;
    if (after === none) this.#tail[list] = before;
    else this.#previous[after] = before;
    this.#owner[item] = none;
  }

  /** Takes the first item out of a list; -1 when empty. */
  shift(list: number): number {
    const item = this.first(list);
    if (item !== none) this.remove(item);
    return item;
  }

  #reserve(list: number, item: number): void {
    if (item >= this.#next.length) {
      const from = this.#next.length;
      const capacity = Math.max(from * 2, item + 1);
      this.#next = grown(this.#next, capacity).fill(none, from);
      this.#previous = grown(this.#previous, capacity).fill(none, from);
      this.#owner = grown(this.#owner, capacity).fill(none, from);
    }
    if (list >= this.#head.length) {
      const from = this.#head.length;
      const capacity = Math.max(from * 2, list + 1);
      this.#head = grown(this.#head, capacity).fill(none, from);
      this.#tail = grown(this.#tail, capacity).fill(none, from);
    }
  }
}
