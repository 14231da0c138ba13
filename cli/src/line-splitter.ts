const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Cuts a stream of bytes into lines, whatever the pieces it comes in. A line ends with LF or CR LF, neither belongs to it; the last one may
 * have no end. Bytes are kept as they are: a line need not be text.
 */
export class LineSplitter {
  #parts: Uint8Array[] = [];

  /** The lines that `chunk` completes. */
  push(chunk: Uint8Array): Uint8Array[] {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      lines.push(this.#complete(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.#parts.push(chunk.subarray(start));
    return lines;
  }

  /** The last line, if it had no end. */
  end(): Uint8Array[] {
    return this.#parts.length === 0 ? [] : [this.#complete(new Uint8Array(0))];
  }

  #complete(last: Uint8Array): Uint8Array {
    const line = this.#parts.length === 0 ? last : Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line;
  }
}
