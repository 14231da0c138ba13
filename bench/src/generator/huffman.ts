import { assert, defined } from "@saturnmq/kit";

/**
 * Bits of each octet's code, octets 0 to 255 and the end mark (RFC 7541, Appendix B). The code is canonical: among codes of equal length the
 * values follow the octets, so the lengths say all.
 */
const codeBits = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
  28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6,
  5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23,
  22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22,
  23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26,
  20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27,
  27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
  27, 27, 27, 26, 30,
];

type Node = { zero: Node | undefined; one: Node | undefined; octet: number };

const root = buildTree();

function buildTree(): Node {
  const order = codeBits.map((bits, octet) => ({ bits, octet })).sort((a, b) => a.bits - b.bits || a.octet - b.octet);
  const tree: Node = { zero: undefined, one: undefined, octet: -1 };
  let code = 0;
  let bitsBefore = defined(order[0], "shortest code").bits;
  for (const { bits, octet } of order) {
    code *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    place(tree, code, bits, octet);
    code += 1;
  }
  assert(code === 2 ** bitsBefore, "the Huffman code is not complete");
  return tree;
}

function place(tree: Node, code: number, bits: number, octet: number): void {
  let node = tree;
  for (let bit = bits - 1; bit >= 0; bit -= 1) {
    const side = Math.floor(code / 2 ** bit) % 2 === 1 ? "one" : "zero";
    node = node[side] ??= { zero: undefined, one: undefined, octet: -1 };
  }
  node.octet = octet;
}

/** The text of a Huffman-coded string literal. @throws {InvariantError} on a code that RFC 7541 5.2 forbids */
export function decodeHuffman(bytes: Uint8Array): string {
  let node = root;
  let text = "";
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit -= 1) {
      node = defined((byte >> bit) & 1 ? node.one : node.zero, "Huffman code");
      if (node.octet < 0) continue;
      assert(node.octet < 256, "the end mark stands inside a Huffman string");
      text += String.fromCharCode(node.octet);
      node = root;
    }
  }
  return text;
}
