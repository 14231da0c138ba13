import { type Filter, type FilterTest, filterKey, filterTest } from "./filter.ts";

/** Most filters that one group may have on one topic at a time; each has a number below this. */
export const filtersMax = 16;

/** A filter that a group has on a topic. */
export type RecordedFilter = {
  readonly group: number;
  readonly topic: number;
  /** Among the group's filters on the topic; used again once it is removed. */
  readonly number: number;
  readonly filter: Filter;
  readonly test: FilterTest;
};

const none: readonly RecordedFilter[] = [];

/** The filters of all groups of a shard. Rows are never changed, so copies share them. */
export class FilterTable {
  /** By group and topic, each in the order of their numbers. */
  #byPlace = new Map<string, readonly RecordedFilter[]>();

  get count(): number {
    let count = 0;
    for (const filters of this.#byPlace.values()) count += filters.length;
    return count;
  }

  /** A group's filters on a topic. */
  of(group: number, topic: number): readonly RecordedFilter[] {
    return this.#byPlace.get(placeOf(group, topic)) ?? none;
  }

  find(group: number, topic: number, filter: Filter): RecordedFilter | undefined {
    const key = filterKey(filter);
    return this.of(group, topic).find((recorded) => filterKey(recorded.filter) === key);
  }

  /** All of them. */
  *all(): Generator<RecordedFilter> {
    for (const filters of this.#byPlace.values()) yield* filters;
  }

  /** Adds a filter under a number that is free. */
  add(group: number, topic: number, number: number, filter: Filter): void {
    const added = { group, topic, number, filter, test: filterTest(filter) };
    const filters = [...this.of(group, topic), added].sort((a, b) => a.number - b.number);
    this.#byPlace.set(placeOf(group, topic), filters);
  }

  /** Removes a filter; false when there is none of this number. */
  remove(group: number, topic: number, number: number): boolean {
    const filters = this.of(group, topic);
    const left = filters.filter((recorded) => recorded.number !== number);
    if (left.length === 0) this.#byPlace.delete(placeOf(group, topic));
    else this.#byPlace.set(placeOf(group, topic), left);
    return left.length < filters.length;
  }

  /** Removes the filters of a topic, or of a group, that is deleted. */
  removeWhere(gone: (recorded: RecordedFilter) => boolean): void {
    for (const [place, [first]] of this.#byPlace) {
      if (first !== undefined && gone(first)) this.#byPlace.delete(place);
    }
  }

  copy(): FilterTable {
    const twin = new FilterTable();
    twin.#byPlace = new Map(this.#byPlace);
    return twin;
  }
}

function placeOf(group: number, topic: number): string {
  return `${group}/${topic}`;
}
