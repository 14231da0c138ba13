import { Field } from "./field.ts";

const names =
  ":authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status " +
  "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow " +
  "authorization cache-control content-disposition content-encoding content-language content-length content-location " +
  "content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match " +
  "if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range " +
  "referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via " +
  "www-authenticate";

/** Values of the rows that have one, by index. */
const values: Readonly<Record<number, string>> = {
  2: "GET",
  3: "POST",
  4: "/",
  5: "/index.html",
  6: "http",
  7: "https",
  8: "200",
  9: "204",
  10: "206",
  11: "304",
  12: "400",
  13: "404",
  14: "500",
  16: "gzip, deflate",
};

/** RFC 7541, Appendix A. Index 0 is no field. */
export const staticTable: readonly (Field | undefined)[] = [
  undefined,
  ...names.split(" ").map((name, at) => new Field(name, values[at + 1] ?? "")),
];

/** The largest index of the static table. */
export const staticCount = staticTable.length - 1;
