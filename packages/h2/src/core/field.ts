/** What a header field means to a server (RFC 9113 8.2, 8.3; gRPC over HTTP/2). */
export const fieldKind = {
  regular: 0,
  method: 1,
  scheme: 2,
  path: 3,
  authority: 4,
  /** A pseudo-header that no request has. */
  unknownPseudo: 5,
  /** A field of HTTP/1 connections, which HTTP/2 forbids (8.2.2). */
  connectionSpecific: 6,
  te: 7,
  contentLength: 8,
  contentType: 9,
  grpcTimeout: 10,
  grpcEncoding: 11,
  /** A name that is no lower-case token. */
  badName: 12,
} as const;

/** Added to a kind when the value holds what 8.2.1 forbids. */
export const badValue = 128;

const kinds: ReadonlyMap<string, number> = new Map([
  [":method", fieldKind.method],
  [":scheme", fieldKind.scheme],
  [":path", fieldKind.path],
  [":authority", fieldKind.authority],
  ["connection", fieldKind.connectionSpecific],
  ["keep-alive", fieldKind.connectionSpecific],
  ["proxy-connection", fieldKind.connectionSpecific],
  ["transfer-encoding", fieldKind.connectionSpecific],
  ["upgrade", fieldKind.connectionSpecific],
  ["te", fieldKind.te],
  ["content-length", fieldKind.contentLength],
  ["content-type", fieldKind.contentType],
  ["grpc-timeout", fieldKind.grpcTimeout],
  ["grpc-encoding", fieldKind.grpcEncoding],
]);

/** RFC 9110 5.6.2 "token" without upper case. */
const nameOctets = octetSet("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz");
const colon = 0x3a;
const space = 0x20;
const tab = 0x09;

function octetSet(text: string): Uint8Array {
  const set = new Uint8Array(256);
  for (const octet of Buffer.from(text, "latin1")) set[octet] = 1;
  return set;
}

/** The kind of a field by its name. */
export function kindOfName(name: string): number {
  const known = kinds.get(name);
  if (known !== undefined) return known;
  if (name.charCodeAt(0) === colon) return fieldKind.unknownPseudo;
  if (name.length === 0) return fieldKind.badName;
  for (let at = 0; at < name.length; at += 1) if (nameOctets[name.charCodeAt(at)] !== 1) return fieldKind.badName;
  return fieldKind.regular;
}

/** Whether 8.2.1 allows a value: no NUL, CR or LF, and neither space nor tab at its ends. */
export function valueIsGood(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true;
  if (isBlank(bytes[start]) || isBlank(bytes[end - 1])) return false;
  for (let at = start; at < end; at += 1) {
    const octet = bytes[at] ?? 0;
    if (octet <= 13 && (octet === 0 || octet === 10 || octet === 13)) return false;
  }
  return true;
}

const isBlank = (octet: number | undefined): boolean => octet === space || octet === tab;

/** RFC 7541 4.1: what an entry costs beside its texts. */
export const fieldOverheadBytes = 32;

/** A field of a table: made once when it enters, shared by all that name it later. Octets are characters (latin-1). */
export class Field {
  readonly name: string;
  readonly value: string;
  /** `fieldKind`, and `badValue`. */
  readonly kind: number;
  /** RFC 7541 4.1. */
  readonly sizeBytes: number;

  constructor(name: string, value: string, kind: number = kindOfName(name)) {
    this.name = name;
    this.value = value;
    this.kind = kind;
    this.sizeBytes = name.length + value.length + fieldOverheadBytes;
  }
}
