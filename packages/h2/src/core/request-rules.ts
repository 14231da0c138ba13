import { badValue, fieldKind } from "./field.ts";
import type { FieldList } from "./field-list.ts";

/** Where a request's own fields are in its list; -1: not there. Used again for each request. */
export type RequestRows = {
  method: number;
  scheme: number;
  path: number;
  authority: number;
  contentType: number;
  grpcTimeout: number;
  grpcEncoding: number;
  /** Value of `content-length`; -1: there is none. */
  contentLength: number;
};

export function emptyRows(): RequestRows {
  return {
    method: -1,
    scheme: -1,
    path: -1,
    authority: -1,
    contentType: -1,
    grpcTimeout: -1,
    grpcEncoding: -1,
    contentLength: -1,
  };
}

const decimal = /^\d{1,15}$/;

/** Checks a request's fields (RFC 9113 8.2, 8.3) and notes their rows. Answers what is wrong, which makes the request malformed. */
export function checkRequest(list: FieldList, rows: RequestRows): string | undefined {
  clearRows(rows);
  let regularSeen = false;
  for (let row = 0; row < list.count; row += 1) {
    const kind = list.kinds[row] ?? 0;
    if (kind >= fieldKind.method && kind <= fieldKind.authority) {
      if (regularSeen) return "a pseudo-header follows a regular field";
      if (!notePseudo(rows, kind, row)) return "a pseudo-header comes twice";
      continue;
    }
    regularSeen = true;
    if (kind === fieldKind.regular) continue;
    const problem = noteField(list, rows, kind, row);
    if (problem !== undefined) return problem;
  }
  return missing(list, rows);
}

function clearRows(rows: RequestRows): void {
  rows.method = -1;
  rows.scheme = -1;
  rows.path = -1;
  rows.authority = -1;
  rows.contentType = -1;
  rows.grpcTimeout = -1;
  rows.grpcEncoding = -1;
  rows.contentLength = -1;
}

/** Checks the fields that end a request: no pseudo-header, nothing that 8.2 forbids. */
export function checkTrailers(list: FieldList): string | undefined {
  for (let row = 0; row < list.count; row += 1) {
    const kind = list.kinds[row] ?? 0;
    if (kind >= fieldKind.method && kind <= fieldKind.unknownPseudo) return "trailers with a pseudo-header";
    if (kind >= fieldKind.badName || kind === fieldKind.connectionSpecific) return "trailers with a forbidden field";
  }
  return undefined;
}

function notePseudo(rows: RequestRows, kind: number, row: number): boolean {
  // Each by its name: a computed one costs as much as the rest of the check.
  switch (kind) {
    case fieldKind.method:
      if (rows.method >= 0) return false;
      rows.method = row;
      return true;
    case fieldKind.scheme:
      if (rows.scheme >= 0) return false;
      rows.scheme = row;
      return true;
    case fieldKind.path:
      if (rows.path >= 0) return false;
      rows.path = row;
      return true;
    default:
      if (rows.authority >= 0) return false;
      rows.authority = row;
      return true;
  }
}

function noteField(list: FieldList, rows: RequestRows, kind: number, row: number): string | undefined {
  switch (kind) {
    case fieldKind.contentType:
      rows.contentType = row;
      return undefined;
    case fieldKind.grpcTimeout:
      rows.grpcTimeout = row;
      return undefined;
    case fieldKind.grpcEncoding:
      rows.grpcEncoding = row;
      return undefined;
    case fieldKind.te:
      return isTrailers(list.value(row)) ? undefined : "te is not trailers";
    case fieldKind.contentLength:
      return noteLength(list.value(row), rows);
    case fieldKind.connectionSpecific:
      return `the field ${list.name(row)} belongs to HTTP/1`;
    case fieldKind.unknownPseudo:
      return "an unknown pseudo-header";
    default:
      return kind >= badValue ? `the value of ${list.name(row)} is malformed` : "a malformed field name";
  }
}

const isTrailers = (value: string): boolean => value === "trailers" || value.toLowerCase() === "trailers";

function noteLength(value: string, rows: RequestRows): string | undefined {
  if (!decimal.test(value)) return "content-length is no number";
  const length = Number(value);
  if (rows.contentLength >= 0 && rows.contentLength !== length) return "two different content-lengths";
  rows.contentLength = length;
  return undefined;
}

function missing(list: FieldList, rows: RequestRows): string | undefined {
  if (rows.method < 0) return "no :method";
  if (list.value(rows.method) === "CONNECT") {
    return rows.authority < 0 || rows.scheme >= 0 || rows.path >= 0 ? "a CONNECT with the wrong fields" : undefined;
  }
  if (rows.scheme < 0) return "no :scheme";
  if (rows.path < 0 || list.value(rows.path) === "") return "no :path";
  return undefined;
}
