import { expect, test } from "@jest/globals";
import { literals } from "../testing/frames.ts";
import { FieldList } from "./field-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { checkRequest, checkTrailers, emptyRows } from "./request-rules.ts";

type Fields = readonly (readonly [string, string])[];

function listOf(fields: Fields): FieldList {
  const list = new FieldList(10_000);
  const block = literals(fields);
  expect(new HpackDecoder().decode(block, 0, block.length, list)).toBe("ok");
  return list;
}

const whole: Fields = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a"],
];
const without = (name: string): Fields => whole.filter((field) => field[0] !== name);

test.each<{ what: string; fields: Fields; problem: string | undefined }>([
  { what: "a whole request", fields: [...whole, ["te", "Trailers"], ["content-length", "0"]], problem: undefined },
  {
    what: "the same length twice",
    fields: [...whole, ["content-length", "7"], ["content-length", "7"]],
    problem: undefined,
  },
  { what: "no method", fields: without(":method"), problem: "no :method" },
  { what: "no scheme", fields: without(":scheme"), problem: "no :scheme" },
  { what: "no path", fields: without(":path"), problem: "no :path" },
  { what: "an empty path", fields: [...without(":path"), [":path", ""]], problem: "no :path" },
  { what: "two paths", fields: [...whole, [":path", "/b"]], problem: "a pseudo-header comes twice" },
  {
    what: "a path at the end",
    fields: [...without(":path"), ["a", "b"], [":path", "/"]],
    problem: "a pseudo-header follows a regular field",
  },
  { what: "a response's pseudo-header", fields: [...whole, [":status", "200"]], problem: "an unknown pseudo-header" },
  { what: "upper case", fields: [...whole, ["X-A", "b"]], problem: "a malformed field name" },
  { what: "a line break in a value", fields: [...whole, ["x-a", "b\r\nc"]], problem: "the value of x-a is malformed" },
  {
    what: "a blank at the end of a path",
    fields: [...without(":path"), [":path", "/ "]],
    problem: "the value of :path is malformed",
  },
  {
    what: "a field of HTTP/1",
    fields: [...whole, ["connection", "close"]],
    problem: "the field connection belongs to HTTP/1",
  },
  { what: "te: gzip", fields: [...whole, ["te", "gzip"]], problem: "te is not trailers" },
  {
    what: "a length of nonsense",
    fields: [...whole, ["content-length", "-1"]],
    problem: "content-length is no number",
  },
  {
    what: "two lengths",
    fields: [...whole, ["content-length", "7"], ["content-length", "8"]],
    problem: "two different content-lengths",
  },
  {
    what: "CONNECT",
    fields: [
      [":method", "CONNECT"],
      [":authority", "a"],
    ],
    problem: undefined,
  },
  {
    what: "CONNECT with a path",
    fields: [
      [":method", "CONNECT"],
      [":authority", "a"],
      [":path", "/"],
    ],
    problem: "a CONNECT with the wrong fields",
  },
])("$what", ({ fields, problem }) => {
  expect(checkRequest(listOf(fields), emptyRows())).toBe(problem);
});

test.each<[string, Fields, boolean]>([
  ["plain fields", [["a", "b"]], true],
  ["a pseudo-header", [[":path", "/"]], false],
  ["a field of HTTP/1", [["upgrade", "h3"]], false],
  ["a bad name", [["A", "b"]], false],
  ["a bad value", [["a", "b\n"]], false],
])("trailers of %s", (_what, fields, good) => {
  expect(checkTrailers(listOf(fields)) === undefined).toBe(good);
});
