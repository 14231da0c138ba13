import { expect, test } from "@jest/globals";
import { binaryValue, metadataEntry } from "./metadata.ts";
import { percentEncode } from "./percent.ts";
import { parseTimeout } from "./timeout.ts";

test.each([
  ["1H", 3_600_000],
  ["2M", 120_000],
  ["3S", 3_000],
  ["40m", 40],
  ["500u", 0.5],
  ["99999999n", 99.999999],
  ["0S", 0],
  ["123456789S", undefined],
  ["", undefined],
  ["S", undefined],
  ["-1S", undefined],
  ["1s", undefined],
  ["1.5S", undefined],
])("grpc-timeout %j is %p ms", (text, ms) => {
  const parsed = parseTimeout(text);
  if (ms === undefined) expect(parsed).toBeUndefined();
  else expect(parsed).toBeCloseTo(ms, 9);
});

test.each([
  ["plain text", "plain text"],
  ["100%", "100%25"],
  ["two\nlines\t", "two%0Alines%09"],
  ["é and 😀", "%C3%A9 and %F0%9F%98%80"],
  [" at its ends ", "%20at its ends%20"],
  ["", ""],
])("grpc-message %j travels as %j", (text, encoded) => {
  expect(percentEncode(text)).toBe(encoded);
  expect(decodeURIComponent(encoded)).toBe(text);
});

test("a long message is cut between two characters", () => {
  const encoded = percentEncode("€".repeat(1_000));
  expect(decodeURIComponent(encoded)).toBe("€".repeat(682));
});

test.each([
  ["AQID", "010203"],
  ["AQ", "01"],
  ["AQ==", "01"],
  ["", ""],
  ["AQID,BAUG", "010203"],
  ["A", undefined],
  ["not base64!", undefined],
])("the binary value %j is %p", (value, bytes) => {
  expect(binaryValue(value)?.toString("hex")).toBe(bytes);
});

test.each([
  ["x-a", "value", ["x-a", "value"]],
  ["x-a", " blank ends ", ["x-a", "blank ends"]],
  ["x-a-bin", Buffer.from([1, 2, 3]), ["x-a-bin", "AQID"]],
])("metadata %s travels", (name, value, entry) => {
  expect(metadataEntry(name, value)).toEqual(entry);
});

test.each([
  ["X-A", "upper case"],
  ["grpc-status", "ours"],
  [":path", "a pseudo-header"],
  ["connection", "of HTTP/1"],
  ["x-a", "two\nlines"],
  ["x-a-bin", "not bytes"],
])("metadata %s: %j is a bug of ours", (name, value) => {
  expect(() => metadataEntry(name, value)).toThrow();
});
