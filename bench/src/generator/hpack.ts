import { assert, defined } from "@saturnmq/kit";
import { decodeHuffman } from "./huffman.ts";

/** A header field in the order it is sent. Names are lower case. */
export type Header = readonly [name: string, value: string];

/** RFC 7541, Appendix A, index 1 to 61. */
const staticTable: readonly Header[] = [
  ...([":authority:", ":method:GET", ":method:POST", ":path:/", ":path:/index.html", ":scheme:http"] as const),
  ...([":scheme:https", ":status:200", ":status:204", ":status:206", ":status:304", ":status:400"] as const),
  ...([":status:404", ":status:500", "accept-charset:", "accept-encoding:gzip, deflate"] as const),
  ...["accept-language", "accept-ranges", "accept", "access-control-allow-origin", "age", "allow", "authorization"],
  ...["cache-control", "content-disposition", "content-encoding", "content-language", "content-length"],
  ...[
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
  ],
  ...["if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified", "link"],
  ...["location", "max-forwards", "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh"],
  ...["retry-after", "server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent", "vary"],
  ...["via", "www-authenticate"],
].map(splitRow);

function splitRow(row: string): Header {
  const colon = row.indexOf(":", 1);
  return colon < 0 ? [row, ""] : [row.slice(0, colon), row.slice(colon + 1)];
}

/**
 * A request's header block twice: `first` fills the peer's dynamic table with every field, `later` names them all by index, as long-lived gRPC
 * clients do. Valid while nothing else is added to that connection's table.
 */
export type HeaderBlocks = { readonly first: Buffer; readonly later: Buffer };

/** Encodes `headers`; those named in `plain` are sent as literals each time and never enter the table. */
export function encodeHeaders(headers: readonly Header[], plain: ReadonlySet<string> = new Set()): HeaderBlocks {
  const indexed = headers.filter((header) => !plain.has(header[0]) && exactIndex(header) === 0).length;
  const first: Buffer[] = [];
  const later: Buffer[] = [];
  let added = 0;
  for (const header of headers) {
    const known = exactIndex(header);
    if (known > 0 || plain.has(header[0])) {
      const bytes = known > 0 ? integer(known, 7, 0x80) : literal(header, 4, 0x00);
      first.push(bytes);
      later.push(bytes);
      continue;
    }
    first.push(literal(header, 6, 0x40));
    later.push(integer(staticTable.length + indexed - added, 7, 0x80)); // The newest field has the lowest index.
    added += 1;
  }
  return { first: Buffer.concat(first), later: Buffer.concat(later) };
}

/** Bytes that `headers` take in a peer's dynamic table (RFC 7541 4.1). */
export function tableBytes(headers: readonly Header[]): number {
  return headers.reduce(
    (sum, header) => sum + (exactIndex(header) > 0 ? 0 : header[0].length + header[1].length + 32),
    0,
  );
}

function exactIndex([name, value]: Header): number {
  return staticTable.findIndex((row) => row[0] === name && row[1] === value) + 1;
}

function literal([name, value]: Header, prefixBits: number, pattern: number): Buffer {
  const nameIndex = staticTable.findIndex((row) => row[0] === name) + 1;
  const head = integer(nameIndex, prefixBits, pattern);
  return Buffer.concat(nameIndex > 0 ? [head, text(value)] : [head, text(name), text(value)]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length, 7, 0), bytes]);
}

function integer(value: number, prefixBits: number, pattern: number): Buffer {
  const limit = 2 ** prefixBits - 1;
  if (value < limit) return Buffer.from([pattern | value]);
  const bytes = [pattern | limit];
  let rest = value - limit;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

/**
 * The fields of a response block that uses no dynamic table: the generator announces a table of 0 bytes, so equal bytes mean equal fields.
 *
 * @throws {InvariantError} when the block is malformed or names a dynamic entry
 */
export function decodeHeaders(block: Uint8Array): Map<string, string> {
  const reader = new BlockReader(block);
  const fields = new Map<string, string>();
  while (!reader.done) {
    const byte = reader.peek();
    if (byte & 0x80) add(fields, row(reader.integer(7)));
    else if ((byte & 0xe0) === 0x20) assert(reader.integer(5) === 0, "the peer's dynamic table must stay empty");
    else add(fields, reader.literal(byte & 0x40 ? 6 : 4));
  }
  return fields;
}

function add(fields: Map<string, string>, [name, value]: Header): void {
  fields.set(name, value);
}

function row(index: number): Header {
  return defined(staticTable[index - 1], `header table entry ${index}`);
}

class BlockReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#position >= this.#bytes.length;
  }

  peek(): number {
    return defined(this.#bytes[this.#position], "header block byte");
  }

  integer(prefixBits: number): number {
    const limit = 2 ** prefixBits - 1;
    let value = this.#byte() & limit;
    if (value < limit) return value;
    for (let scale = 1; ; scale *= 128) {
      assert(scale <= 2 ** 28, "a header integer is too large");
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  literal(prefixBits: number): Header {
    const index = this.integer(prefixBits);
    const name = index > 0 ? row(index)[0] : this.#text();
    return [name, this.#text()];
  }

  #text(): string {
    const huffman = (this.peek() & 0x80) !== 0;
    const length = this.integer(7);
    const bytes = this.#bytes.subarray(this.#position, this.#position + length);
    assert(bytes.length === length, "a header text runs over its block");
    this.#position += length;
    return huffman ? decodeHuffman(bytes) : Buffer.from(bytes).toString("latin1");
  }

  #byte(): number {
    const byte = this.peek();
    this.#position += 1;
    return byte;
  }
}
