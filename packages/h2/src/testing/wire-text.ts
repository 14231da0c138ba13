/** Protobuf messages of a few scalar fields, read and written by hand: what tests need of them without a codec. */

/** A field's number and value: a varint or bytes. */
export type WireField = readonly [field: number, value: number | Uint8Array];

/** Writes fields in the order given. */
export function writeFields(fields: readonly WireField[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [field, value] of fields) {
    if (typeof value === "number") parts.push(varint(field * 8), varint(value));
    else parts.push(varint(field * 8 + 2), varint(value.length), value);
  }
  return Buffer.concat(parts);
}

/** Reads varint and length-delimited fields; others end the reading. */
export function readFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const octet = bytes[at++] ?? 0;
      value += (octet & 127) * scale;
      if (octet < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = next();
    if (tag % 8 === 0) fields.push([Math.floor(tag / 8), next()]);
    else if (tag % 8 === 2) {
      const length = next();
      fields.push([Math.floor(tag / 8), bytes.subarray(at, at + length)]);
      at += length;
    } else return fields;
  }
  return fields;
}

export function numberOf(fields: readonly WireField[], field: number): number {
  const value = fields.find(([number]) => number === field)?.[1];
  return typeof value === "number" ? value : 0;
}

export function bytesOf(fields: readonly WireField[], field: number): Uint8Array {
  const value = fields.find(([number]) => number === field)?.[1];
  return value === undefined || typeof value === "number" ? new Uint8Array() : value;
}

function varint(value: number): Buffer {
  const octets: number[] = [];
  let left = value;
  for (; left > 127; left = Math.floor(left / 128)) octets.push((left % 128) + 128);
  octets.push(left);
  return Buffer.from(octets);
}
