import { assert } from "@saturnmq/kit";
import { tagHash } from "./tag-hash.ts";

/**
 * What a consumer wants of a topic. `kind` says the language of `expression`: tags, sorted and joined by `||`, or `*` for everything. Two
 * filters that want the same by the same words are equal field by field.
 */
export type Filter = { readonly kind: "tag"; readonly expression: string };

/** A filter made ready to be asked, many times. */
export type FilterTest = {
  /** True when it wants every message. */
  readonly wantsAll: boolean;
  /** By what the queue index knows: false means that no message with this hash is wanted. */
  mayWant(tagHash: number): boolean;
  /** By the message itself. @param tag empty for none */
  wants(message: { readonly tag: string }): boolean;
};

/** Numbers of the languages in records and checkpoints. Never change or reuse one. */
export const filterLanguages = { tag: 1 } as const satisfies Record<Filter["kind"], number>;

/** The language of a number; `undefined` for one that this program does not know. */
export function filterLanguageOf(number: number): Filter["kind"] | undefined {
  return number === filterLanguages.tag ? "tag" : undefined;
}

/** Wants every message. */
export const everything: Filter = { kind: "tag", expression: "*" };

const separator = "||";
const utf8 = new TextEncoder();

/** Wants the messages with one of these tags. @param tags at least one; none is empty or has a `|` in it */
export function tagFilter(tags: Iterable<string>): Filter {
  const sorted = [...new Set(tags)].sort();
  assert(sorted.length > 0, "a tag filter names at least one tag");
  return { kind: "tag", expression: sorted.join(separator) };
}

/** A name for a filter: equal filters have the same. */
export function filterKey({ kind, expression }: Filter): string {
  return `${kind} ${expression}`;
}

export function filterTest({ expression }: Filter): FilterTest {
  if (expression === everything.expression) return { wantsAll: true, mayWant: () => true, wants: () => true };
  const tags = new Set(expression.split(separator));
  const hashes = new Set(Array.from(tags, (tag) => tagHash(utf8.encode(tag))));
  return { wantsAll: false, mayWant: (hash) => hashes.has(hash), wants: ({ tag }) => tags.has(tag) };
}
