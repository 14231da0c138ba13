import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { groupNameMax, groupNameProblem, topicNameMax, topicNameProblem } from "./names.ts";

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-%|";

describe("topic names (RocketMQ contract 2.13)", () => {
  test.each(["a", "orders", "Orders-2_b", "a|b", "ns%orders", "x".repeat(topicNameMax)])("%s is fine", (name) => {
    expect(topicNameProblem(name)).toBeUndefined();
  });

  test.each([
    { name: "", says: "blank" },
    { name: " \t", says: "blank" },
    { name: "x".repeat(topicNameMax + 1), says: "128 characters" },
    { name: "a b", says: "not allowed" },
    { name: "orders\n", says: "not allowed" },
    { name: "größe", says: "not allowed" },
    { name: "a.b", says: "not allowed" },
    { name: "TBW102", says: "kept for the system" },
    { name: "%RETRY%g", says: "%RETRY%" },
    { name: "%DLQ%g", says: "%DLQ%" },
    { name: "rmq_sys_x", says: "rmq_sys_" },
    { name: "RMQ_SYS_TRACE_TOPIC", says: "kept for the system" },
  ])("$name is refused and says why", ({ name, says }) => {
    expect(topicNameProblem(name)).toContain(says);
  });

  test("no other character than the allowed ones passes, at any place", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 20, unit: "binary" }), (name) => {
        const allowed = Array.from(name).every((character) => letters.includes(character));
        if (!allowed) expect(topicNameProblem(name)).toBeDefined();
      }),
    );
  });

  test("an error never repeats a control character", () => {
    expect(topicNameProblem("a\u001b[2J")).not.toContain("\u001b");
  });
});

describe("consumer group names (RocketMQ contract 2.13)", () => {
  test.each(["g", "GID-orders", "%DLQ%x", "x".repeat(groupNameMax)])("%s is fine", (name) => {
    expect(groupNameProblem(name)).toBeUndefined();
  });

  test.each([
    { name: "", says: "blank" },
    { name: "x".repeat(groupNameMax + 1), says: "121 characters" },
    { name: "a/b", says: "not allowed" },
    { name: "CID_RMQ_SYS_TRANS", says: "kept for the system" },
  ])("$name is refused and says why", ({ name, says }) => {
    expect(groupNameProblem(name)).toContain(says);
  });
});
