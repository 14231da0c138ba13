/** A question of a DNS message (RFC 1035, section 4.1.2). */
export type Question = { readonly name: string; readonly type: number };

export const recordTypeA = 1;
const headerBytes = 12;
const classInternet = 1;
const ttlSeconds = 5;
/** Response, authoritative, recursion available as whoever asked may have wanted it. */
const responseFlags = 0x8480;
const nameError = 3;
/** A pointer to the name of the question, which always begins after the header. */
const namePointer = 0xc000 + headerBytes;

/** The first question of a query; `undefined` for bytes that are none. */
export function questionOf(query: Buffer): Question | undefined {
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = query[at]; length !== undefined && length > 0; length = query[at]) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  if (query.length < at + 5 || query.readUInt16BE(4) !== 1) return undefined;
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1) };
}

/** The answer to a query. @param addresses IPv4; `undefined`: there is no such name */
export function answerTo(query: Buffer, { name }: Question, addresses: readonly string[] | undefined): Buffer {
  // Labels with their lengths, the empty label, type and class.
  const questionEnd = headerBytes + name.length + 2 + 4;
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(responseFlags | (addresses === undefined ? nameError : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses?.length ?? 0, 6);
  return Buffer.concat([header, query.subarray(headerBytes, questionEnd), ...(addresses ?? []).map(addressRecord)]);
}

function addressRecord(address: string): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(namePointer, 0);
  record.writeUInt16BE(recordTypeA, 2);
  record.writeUInt16BE(classInternet, 4);
  record.writeUInt32BE(ttlSeconds, 6);
  record.writeUInt16BE(4, 10);
  address.split(".").forEach((part, place) => record.writeUInt8(Number(part), 12 + place));
  return record;
}
