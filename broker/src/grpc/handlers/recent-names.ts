const slots = 256;

/** Makes texts of names that come again and again: one that was seen lately is compared byte by byte, which is cheaper than making it anew. */
export class RecentNames {
  readonly #bytes = new Array<Uint8Array>(slots).fill(new Uint8Array(0));
  readonly #names = new Array<string>(slots).fill("");
  readonly #isLegal: (name: string) => boolean;

  /** @param isLegal asked when a name is made, not each time that it comes */
  constructor(isLegal: (name: string) => boolean = () => true) {
    this.#isLegal = isLegal;
  }

  /** The UTF-8 text at `bytes[start, start + length)`, "" when that is not legal. The same string object as the last time, if it was here since. */
  text(bytes: Buffer, start: number, length: number): string {
    const slot = this.#slotOf(bytes, start, length);
    const known = this.#bytes[slot];
    if (known?.length === length && isEqual(known, bytes, start)) return this.#names[slot] ?? "";
    const text = bytes.toString("utf8", start, start + length);
    const name = this.#isLegal(text) ? text : "";
    this.#bytes[slot] = Uint8Array.from(bytes.subarray(start, start + length));
    this.#names[slot] = name;
    return name;
  }

  #slotOf(bytes: Buffer, start: number, length: number): number {
    if (length === 0) return 0;
    // Names of one family differ in their last letters, or in length.
    const last = bytes[start + length - 1] ?? 0;
    const before = bytes[start + Math.max(0, length - 2)] ?? 0;
    return (last + 31 * before + 7 * length) % slots;
  }
}

function isEqual(known: Uint8Array, bytes: Buffer, start: number): boolean {
  for (let at = 0; at < known.length; at += 1) if (known[at] !== bytes[start + at]) return false;
  return true;
}
