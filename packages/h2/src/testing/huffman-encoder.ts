import { defined } from "@saturnmq/kit";
import { huffmanCodes } from "../core/huffman.ts";

/** The Huffman code of a text (RFC 7541, 5.2), bit by bit: for clients in tests. What the server sends goes without. */
export function encodeHuffman(text: string): Buffer {
  let bits = "";
  for (const octet of Buffer.from(text, "latin1")) {
    const { code, bits: length } = defined(huffmanCodes[octet], "code");
    bits += code.toString(2).padStart(length, "0");
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  const octets = bits.match(/.{8}/g) ?? [];
  return Buffer.from(octets.map((each) => Number.parseInt(each, 2)));
}
