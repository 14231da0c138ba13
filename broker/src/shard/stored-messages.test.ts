import { expect, test } from "@jest/globals";
import { MemoryLogStore } from "@saturnmq/store";
import { StoredMessages } from "./stored-messages.ts";

// A replica that is filled in lacks what was there before it, and one that was given up forgets what it held.
test("a message that is not held at the moment is to be asked for again", async () => {
  const messages = new StoredMessages(new MemoryLogStore(), 0);
  await expect(messages.one(1, 3, 13)).rejects.toMatchObject({ code: "HA_NOT_AVAILABLE" });
});
