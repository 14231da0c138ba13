import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { SendMessageResponse } from "../rocketmq/messages.ts";
import { SendReply } from "./send-reply.ts";

test("writes what the codec writes for one stored message, whatever it wrote before", () => {
  const ok = { code: 20_000, message: "OK" };
  const id = fc.oneof(fc.stringMatching(/^[0-9A-F]{34}$/), fc.string({ minLength: 1, maxLength: 200 }));
  const offset = fc.oneof(fc.constant(0), fc.nat(300), fc.maxSafeNat());
  fc.assert(
    fc.property(fc.array(fc.tuple(id, offset), { minLength: 1, maxLength: 8 }), (sent) => {
      const reply = new SendReply(ok, 800);
      for (const [id, offset] of sent) {
        const padded = Buffer.from(`xyz${id}!`);
        const length = reply.write(padded, 3, padded.length - 4, offset);
        const entry = { status: ok, messageId: id, transactionId: id, offset, recallHandle: "" };
        const expected = SendMessageResponse.encode({ status: ok, entries: [entry] });
        expect(reply.bytes.subarray(0, length).equals(expected)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});
