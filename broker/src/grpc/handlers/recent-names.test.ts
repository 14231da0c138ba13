import { expect, test } from "@jest/globals";
import { SeededRandom } from "@saturnmq/kit";
import { RecentNames } from "./recent-names.ts";

test("a name is the text of its bytes, whatever came before in its place", () => {
  const names = new RecentNames();
  const random = new SeededRandom(1);
  const alphabet = ["a", "b", "ä", "界", "1"];
  for (let n = 0; n < 20_000; n += 1) {
    const name = Array.from({ length: random.below(4) }, () => alphabet[random.below(alphabet.length)]).join("");
    const bytes = Buffer.from(`x${name}y`);
    expect(names.text(bytes, 1, bytes.length - 2)).toBe(name);
  }
});

test("a name that is not legal is none, however often it comes", () => {
  const names = new RecentNames((name) => name !== "orderZ");
  for (const [name, expected] of [
    ["orders", "orders"],
    ["orderZ", ""],
    ["orderZ", ""],
    ["orders", "orders"],
  ] as const)
    expect(names.text(Buffer.from(name), 0, name.length)).toBe(expected);
});

test("the bytes of a name may be used for something else afterwards", () => {
  const names = new RecentNames();
  const bytes = Buffer.from("orders");
  names.text(bytes, 0, bytes.length);
  bytes.write("orderZ");
  bytes.write("s", 5);
  expect(names.text(bytes, 0, bytes.length)).toBe("orders");
  bytes.write("O");
  expect(names.text(bytes, 0, bytes.length)).toBe("Orders");
});
