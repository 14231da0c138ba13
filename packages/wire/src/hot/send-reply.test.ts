import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { SendMessageResponse } from "../rocketmq/messages.ts";
import { SendReply } from "./send-reply.ts";

test("writes what the codec writes for one stored message", () => {
  const ok = { code: 20_000, message: "OK" };
  const reply = new SendReply(ok);
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 200 }),
      fc.oneof(fc.constant(0), fc.maxSafeNat()),
      fc.nat(50),
      (id, offset, at) => {
        const bytes = Buffer.from(id);
        const target = Buffer.alloc(at + reply.bytesMax(bytes.length));
        const padded = Buffer.concat([Buffer.alloc(3), bytes]);
        const end = reply.write(target, at, padded, 3, bytes.length, offset);
        const entry = { status: ok, messageId: id, transactionId: id, offset, recallHandle: "" };
        const expected = SendMessageResponse.encode({ status: ok, entries: [entry] });
        expect(target.subarray(at, end).equals(expected)).toBe(true);
      },
    ),
  );
});
