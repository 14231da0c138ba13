import { assert } from "@saturnmq/kit";

/** Bytes of a text of hexadecimal digit pairs. @throws {InvariantError} for any other text */
export function bytesOfHex(text: string): Uint8Array {
  assert(/^([0-9a-f]{2})*$/.test(text), "hexadecimal text has pairs of digits");
  return Uint8Array.from({ length: text.length / 2 }, (_, index) =>
    Number.parseInt(text.slice(2 * index, 2 * index + 2), 16),
  );
}

/** Lower-case hexadecimal digits, two a byte. */
export function hexOfBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
