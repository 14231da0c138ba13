import { describe, expect, test } from "@jest/globals";
import { defined, SaturnError } from "@saturnmq/kit";
import fc from "fast-check";
import type { AdminMethod } from "./admin.ts";
import { loadAdminCodecs, loadAdminDefinition } from "./admin-codec.ts";

const codecs = loadAdminCodecs();
const methods = Object.keys(codecs) as AdminMethod[];

describe("saturnmq.v1.Admin", () => {
  test("a server's codecs and a client's definition agree on every method", async () => {
    const definition = await loadAdminDefinition();
    const service = defined(definition["saturnmq.v1.Admin"], "the service");
    expect(Object.keys(service).sort()).toEqual([...methods].sort());
  });

  test("what a server encodes a client reads, absent fields absent", async () => {
    const topic = { id: 7, name: "orders", type: "NORMAL", queues: 8, createdAtMs: 1_764_000_000_123 } as const;
    expect(await readReply("CreateTopic", codecs.CreateTopic.encodeReply(topic))).toEqual(topic);
    const kept = { ...topic, retentionMs: 259_200_000 };
    expect(await readReply("CreateTopic", codecs.CreateTopic.encodeReply(kept))).toEqual(kept);
  });

  test.each([{ byTopicAge: true }, { earliest: true }, { atMs: 1_764_000_000_123 }] as const)(
    "a group's start %j survives",
    async (start) => {
      const group = { id: 1, name: "g", order: false, start, maxAttempts: 17, createdAtMs: 5 };
      expect(await readReply("CreateGroup", codecs.CreateGroup.encodeReply(group))).toEqual(group);
    },
  );

  test("a broken request ends in a clear error", () => {
    expect(() => codecs.DescribeTopic.decodeRequest(new Uint8Array([10, 200, 97]))).toThrow(SaturnError);
  });

  test("no bytes do more than raise that error", () => {
    fc.assert(
      fc.property(fc.constantFrom(...methods), fc.uint8Array({ maxLength: 64 }), (method, bytes) => {
        try {
          codecs[method].decodeRequest(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SaturnError);
        }
      }),
    );
  });
});

async function readReply(method: AdminMethod, bytes: Uint8Array): Promise<unknown> {
  const definition = await loadAdminDefinition();
  const service = definition["saturnmq.v1.Admin"] as Record<string, { responseDeserialize(bytes: Buffer): unknown }>;
  return defined(service[method], method).responseDeserialize(Buffer.from(bytes));
}
