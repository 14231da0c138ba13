import { describe, expect, test } from "@jest/globals";
import { defined } from "@saturnmq/kit";
import type { SnapshotHead } from "raft-ts";
import { checkpointSnapshots } from "./checkpoint-snapshots.ts";
import { MemoryLogStore } from "./memory-log-store.ts";

const configuration = {
  index: 0,
  configuration: { incoming: [1, 2, 3], outgoing: [], learners: [], learnersNext: [], autoLeave: false, revision: 1 },
};
const content = Uint8Array.from({ length: 1_000 }, (_, at) => at);

async function sender() {
  const store = new MemoryLogStore();
  await store.writeCheckpoint(7, 42, 3, [content.subarray(0, 400), content.subarray(400)], configuration);
  return checkpointSnapshots(store);
}

describe("a checkpoint as a snapshot", () => {
  test("arrives as it was sent, as the newest checkpoint, with the configuration in force there", async () => {
    const reader = defined(await (await sender()).newest(7), "a snapshot");
    const target = new MemoryLogStore();
    const writer = await checkpointSnapshots(target).begin(7, reader.head);
    for (let at = 0; at < reader.head.bytes; at += 300)
      await writer.write(await reader.read(at, Math.min(300, reader.head.bytes - at)));
    expect(writer.offset).toBe(1_000);
    expect(await target.readCheckpoint(7)).toBeUndefined();
    await writer.finish();
    expect(await target.readCheckpoint(7)).toMatchObject({ index: 42, term: 3, bytes: content, configuration });
  });

  test("goes on where it broke off when the content is the same, and begins anew when it is another", async () => {
    const { head } = defined(await (await sender()).newest(7), "a snapshot");
    const sink = checkpointSnapshots(new MemoryLogStore());
    const first = await sink.begin(7, head);
    await first.write(content.subarray(0, 600));
    first.close();
    expect((await sink.begin(7, head)).offset).toBe(600);
    expect((await sink.begin(7, { ...head, id: "other" })).offset).toBe(0);
    expect((await sink.begin(7, head)).offset).toBe(0);
  });

  test("that was damaged on its way is not kept, and can be sent again", async () => {
    const { head } = defined(await (await sender()).newest(7), "a snapshot");
    const target = new MemoryLogStore();
    const sink = checkpointSnapshots(target);
    const bad = content.slice();
    bad[500] = 1 + (bad[500] ?? 0);
    const writer = await sink.begin(7, head);
    await writer.write(bad);
    await expect(writer.finish()).rejects.toThrow(/damaged/);
    expect(await target.readCheckpoint(7)).toBeUndefined();
    const again = await sink.begin(7, head);
    expect(again.offset).toBe(0);
    await again.write(content);
    await again.finish();
    expect(await target.readCheckpoint(7)).toMatchObject({ index: 42 });
  });

  test("does not exist where there is no checkpoint, and is not taken when it claims to be huge", async () => {
    const snapshots = checkpointSnapshots(new MemoryLogStore());
    expect(await snapshots.newest(7)).toBeUndefined();
    const head: SnapshotHead = { index: 1, term: 1, configuration, id: "x", bytes: 2 ** 40 };
    await expect(snapshots.begin(7, head)).rejects.toThrow(RangeError);
  });
});
