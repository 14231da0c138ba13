import { Lists } from "./lists.ts";

/** Nothing is known of who wants the item: everybody looks at it. */
const anyFilter = 0;

/** Items that only the filters of `mask` (a bit each, by number) may want. */
type Class = { readonly mask: number; readonly list: number };

/**
 * What can be handed out again, per cursor, in the order in which it became ready. An item is in the cursor's open list until somebody who
 * does not want it has looked at it; then it is kept for those who do.
 */
export class ReadyLists {
  readonly #lists = new Lists();
  /** Classes of a cursor that hold or held something. Empty for a group with one filter. */
  readonly #classes = new Map<number, Class[]>();
  #lastClassList = 0;
  readonly #freeLists: number[] = [];

  has(item: number): boolean {
    return this.#lists.ownerOf(item) >= 0;
  }

  /** Adds an item that is in no list. @param mask filters that may want it; `anyFilter`: not known */
  push(cursor: number, item: number, mask = anyFilter): void {
    this.#lists.push(mask === anyFilter ? openList(cursor) : this.#classList(cursor, mask), item);
  }

  remove(item: number): void {
    this.#lists.remove(item);
  }

  /** Whether there is an item that the filter of this number may want. */
  hasFor(cursor: number, filter: number): boolean {
    if (this.#lists.first(openList(cursor)) >= 0) return true;
    const classes = this.#classes.get(cursor);
    return classes?.some(({ mask, list }) => (mask & (1 << filter)) !== 0 && this.#lists.first(list) >= 0) ?? false;
  }

  /** Takes the first item that the filter may want; -1 for none. */
  shift(cursor: number, filter: number): number {
    // What others have passed on has waited longer.
    for (const { mask, list } of this.#classes.get(cursor) ?? []) {
      const item = (mask & (1 << filter)) === 0 ? -1 : this.#lists.shift(list);
      if (item >= 0) return item;
    }
    return this.#lists.shift(openList(cursor));
  }

  /** Forgets who wants what of a cursor: its group's filters changed. */
  reopen(cursor: number): void {
    const classes = this.#classes.get(cursor);
    if (classes === undefined) return;
    this.#classes.delete(cursor);
    for (const { list } of classes) {
      for (let item = this.#lists.shift(list); item >= 0; item = this.#lists.shift(list)) this.push(cursor, item);
      this.#freeLists.push(list);
    }
  }

  /** Cursors for which `reopen` may do something. */
  classified(): readonly number[] {
    return [...this.#classes.keys()];
  }

  #classList(cursor: number, mask: number): number {
    const classes = this.#classes.get(cursor) ?? [];
    this.#classes.set(cursor, classes);
    const found = classes.find((known) => known.mask === mask);
    if (found !== undefined) return found.list;
    const list = this.#freeLists.pop() ?? (this.#lastClassList += 2);
    classes.push({ mask, list });
    return list;
  }
}

/** Open lists have odd numbers, those of classes even ones. */
function openList(cursor: number): number {
  return 2 * cursor + 1;
}
