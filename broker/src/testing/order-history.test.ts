import { expect, test } from "@jest/globals";
import { OrderHistory } from "./order-history.ts";

function history(...over: string[]): OrderHistory {
  const seen = new OrderHistory((text) => over.includes(text));
  for (const text of ["a1", "a2", "a3"]) seen.sent(text, "a");
  seen.sent("b1", "b");
  return seen;
}
const at = (text: string, offset: number) => ({ text, offset });

test("what is right passes: together, after its end, by the same attempt, other groups", () => {
  const seen = history("a1");
  expect(seen.delivered([at("a1", 0), at("a2", 3)], "x", 0, 10)).toBeUndefined();
  expect(seen.delivered([at("b1", 1)], "y", 0, 10)).toBeUndefined();
  expect(seen.delivered([at("a2", 3)], "x", 5, 15)).toBeUndefined();
  expect(seen.delivered([at("a2", 3), at("a3", 4)], "y", 15, 25)).toBeUndefined();
});

test.each([
  { fault: "order of sends", act: (seen: OrderHistory) => seen.placed(at("a2", 5)) ?? seen.placed(at("a1", 6)) },
  {
    fault: "two holders",
    act: (seen: OrderHistory) => seen.delivered([at("a1", 0)], "x", 0, 10) ?? seen.delivered([at("a1", 0)], "y", 9, 19),
  },
  {
    fault: "too early",
    act: (seen: OrderHistory) => seen.placed(at("a1", 0)) ?? seen.delivered([at("a2", 1)], "x", 0, 10),
  },
  {
    fault: "wrong way round in one answer",
    act: (seen: OrderHistory) => seen.delivered([at("a2", 1), at("a1", 0)], "x", 0, 10),
  },
])("a planted fault is found: $fault", ({ act }) => {
  expect(act(history())).toEqual(expect.any(String));
});
