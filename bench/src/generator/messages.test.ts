import { expect, test } from "@jest/globals";
import { encodeAck } from "./messages.ts";
import { FieldCursor } from "./protobuf.ts";

/** Texts of the length-delimited fields of a message, by number. */
function texts(bytes: Buffer, start: number, end: number): [number, string][] {
  const found: [number, string][] = [];
  const at = new FieldCursor(bytes, start, end);
  while (at.next()) found.push([at.number, bytes.toString("utf8", at.start, at.end)]);
  return found;
}

test("an acknowledgement holds its names and every entry, whatever their lengths", () => {
  for (const length of [0, 1, 40, 125, 126, 127, 128, 300, 2_500]) {
    const entries = ["a", "é", "Z"].map((letter, at) => ({
      messageId: letter.repeat(length),
      receiptHandle: `${at}-`.repeat(length),
    }));
    const bytes = encodeAck({ topic: "orders", group: "billing" }, entries);
    const found: (string | [number, string][])[] = [];
    const at = new FieldCursor(bytes, 0, bytes.length);
    while (at.next()) found.push(texts(bytes, at.start, at.end));
    expect(found).toEqual([
      [[2, "billing"]],
      [[2, "orders"]],
      ...entries.map(({ messageId, receiptHandle }) => [
        [1, messageId],
        [2, receiptHandle],
      ]),
    ]);
  }
});
