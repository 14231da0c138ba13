import { describe, expect, test } from "@jest/globals";
import { sipHash } from "./sip-hash.ts";

function mac(length: number): string {
  const key = new DataView(Uint8Array.from({ length: 16 }, (_, at) => at).buffer);
  const input = new DataView(Uint8Array.from({ length: length + 3 }, (_, at) => at - 3).buffer);
  const target = new Uint8Array(8);
  sipHash(key, input, 3, length, new DataView(target.buffer), 0);
  return [...target].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

describe("SipHash-2-4, published vectors (key 00..0f, input 00..n-1)", () => {
  test.each([
    [0, "310e0edd47db6f72"],
    [1, "fd67dc93c539f874"],
    [2, "5a4fa9d909806c0d"],
    [3, "2d7efbd796666785"],
    [8, "6224939a79f5f593"],
    [15, "e545be4961ca29a1"],
  ])("%i bytes", (length, expected) => {
    expect(mac(length)).toBe(expected);
  });
});
