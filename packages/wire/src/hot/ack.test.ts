import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { AckMessageRequest, AckMessageResponse } from "../rocketmq/messages.ts";
import { anyMessage, mutated, oracleEncode } from "../testing/oracle.ts";
import { WireError } from "../wire-error.ts";
import { AckReply } from "./ack-reply.ts";
import { AckScanner } from "./ack-scanner.ts";

const scanner = new AckScanner();
const ok = { code: 20_000, message: "OK" };
const reply = new AckReply(ok);
const text = (start: number, length: number): string => scanner.bytes.toString("utf8", start, start + length);

/** What the scanner saw, as the codec would say it; `undefined` when it left the request to the codec. */
function scanned(bytes: Uint8Array, start = 0, end = bytes.length) {
  if (!scanner.open(bytes, start, end)) return undefined;
  const { groupName, topicName, messageIds, handles } = scanner;
  return {
    group: text(groupName.start, groupName.length),
    topic: text(topicName.start, topicName.length),
    entries: Array.from({ length: scanner.count }, (_, at) => ({
      messageId: text(messageIds.start(at), messageIds.length(at)),
      receiptHandle: text(handles.start(at), handles.length(at)),
    })),
  };
}

const name = fc.string({ unit: "binary", minLength: 1, maxLength: 40 });
const request = fc.record({
  group: fc.record({ resourceNamespace: fc.string(), name }),
  topic: fc.record({ resourceNamespace: fc.string(), name }),
  entries: fc.array(fc.record({ messageId: fc.string({ unit: "binary", maxLength: 200 }), receiptHandle: name }), {
    maxLength: 40,
  }),
});

test("a plain request is seen as the codec sees it, and its reply is the codec's to the byte", () => {
  fc.assert(
    fc.property(request, fc.nat(20), (plain, at) => {
      const bytes = Buffer.concat([Buffer.alloc(at, 0xff), AckMessageRequest.encode(plain), Buffer.alloc(3, 0xff)]);
      const { entries } = plain;
      expect(scanned(bytes, at, bytes.length - 3)).toEqual({
        group: plain.group.name,
        topic: plain.topic.name,
        entries,
      });
      const target = Buffer.alloc(at + reply.bytesMax(scanner));
      const end = reply.write(target, at, scanner);
      const expected = AckMessageResponse.encode({
        status: ok,
        entries: entries.map((entry) => ({ ...entry, status: ok })),
      });
      expect(target.subarray(at, end).equals(expected)).toBe(true);
    }),
  );
});

test("whatever bytes come, it says what the codec says, leaves them to it, or refuses what it refuses", () => {
  let seen = 0;
  fc.assert(
    fc.property(
      mutated(
        fc.oneof(
          anyMessage("AckMessageRequest").map((message) => oracleEncode("AckMessageRequest", message)),
          request.map((plain) => AckMessageRequest.encode(plain)),
        ),
      ),
      (bytes) => {
        let found: ReturnType<typeof scanned>;
        try {
          found = scanned(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
          expect(() => AckMessageRequest.decode(bytes)).toThrow(WireError);
          return;
        }
        if (found === undefined) return;
        seen += 1;
        const { group, topic, entries } = AckMessageRequest.decode(bytes);
        expect(found).toEqual({
          group: group?.name,
          topic: topic?.name,
          entries: entries.map(({ messageId, receiptHandle }) => ({ messageId, receiptHandle })),
        });
      },
    ),
    { seed: 20_261_130, numRuns: 1_500 },
  );
  expect(seen).toBeGreaterThan(8);
});

test("more entries than a request may have are left to the codec", () => {
  const entries = Array.from({ length: 1_024 }, () => ({ messageId: "m", receiptHandle: "h" }));
  const most = AckMessageRequest.encode({ group: { name: "g" }, topic: { name: "t" }, entries });
  expect(scanned(most)?.entries).toEqual(entries);
  expect(scanned(Buffer.concat([most, AckMessageRequest.encode({ entries: entries.slice(0, 1) })]))).toBeUndefined();
});
