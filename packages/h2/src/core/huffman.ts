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

const endMark = 256;
/** An inner node of the code's tree: `next[bit]` is another inner node, or -1 - octet for a leaf. */
type Node = { readonly next: [zero: number, one: number]; readonly depth: number; readonly allOnes: boolean };
const unset = 2 ** 20;

/** An octet's code: `bits` of it, right-aligned in `code`. */
export type Code = { readonly code: number; readonly bits: number };

/** Codes by octet; the last is the end mark's. */
export const huffmanCodes: readonly Code[] = assignCodes();

function assignCodes(): readonly Code[] {
  const order = codeBits.map((bits, octet) => ({ bits, octet })).sort((a, b) => a.bits - b.bits || a.octet - b.octet);
  const codes: Code[] = [];
  let code = 0;
  let bitsBefore = defined(order[0], "shortest code").bits;
  for (const { bits, octet } of order) {
    code *= 2 ** (bits - bitsBefore);
    bitsBefore = bits;
    codes[octet] = { code, bits };
    code += 1;
  }
  assert(code === 2 ** bitsBefore, "the Huffman code is not complete");
  return codes;
}

function buildTree(): readonly Node[] {
  const nodes: Node[] = [{ next: [unset, unset], depth: 0, allOnes: true }];
  for (const [octet, { code, bits }] of huffmanCodes.entries()) {
    let at = 0;
    for (let bit = bits - 1; bit >= 0; bit -= 1) {
      const side = Math.floor(code / 2 ** bit) % 2 === 1 ? 1 : 0;
      const node = defined(nodes[at], "node");
      if (bit === 0) node.next[side] = -1 - octet;
      else if (node.next[side] === unset) {
        node.next[side] = nodes.length;
        nodes.push({ next: [unset, unset], depth: node.depth + 1, allOnes: node.allOnes && side === 1 });
      }
      at = node.next[side];
    }
  }
  assert(nodes.length === endMark, "the Huffman tree has an unexpected shape");
  return nodes;
}

/*
 * The decoder takes four bits at a time: `transitions[state * 16 + nibble]`. No code is shorter than five bits, so a step yields at most one octet.
 *
 *   bits 0-7 the next state · 8-15 the octet · 16 an octet is yielded · 17 the text may end here · 18 no such code
 */
const yields = 1 << 16;
const mayEnd = 1 << 17;
const fails = 1 << 18;
const transitions = buildTransitions();

function buildTransitions(): Int32Array {
  const nodes = buildTree();
  const table = new Int32Array(nodes.length * 16);
  for (let state = 0; state < nodes.length; state += 1)
    for (let nibble = 0; nibble < 16; nibble += 1) table[state * 16 + nibble] = transition(nodes, state, nibble);
  return table;
}

function transition(nodes: readonly Node[], state: number, nibble: number): number {
  let at = state;
  let octet = 0;
  for (let bit = 3; bit >= 0; bit -= 1) {
    const next = defined(defined(nodes[at], "node").next[(nibble >> bit) & 1], "side");
    if (next === -1 - endMark) return fails;
    if (next < 0) octet = yields | ((-1 - next) << 8);
    at = next < 0 ? 0 : next;
  }
  const { depth, allOnes } = defined(nodes[at], "node");
  // RFC 7541 5.2: padding is the first bits of the end mark, all ones, and shorter than an octet.
  return at | octet | (allOnes && depth < 8 ? mayEnd : 0);
}

const huffmanBroken = -1;
export const huffmanTooLong = -2;

/**
 * Decodes `bytes[start, end)` into `target` from `at` on.
 *
 * @returns where the text ends in `target`; `huffmanBroken` for what RFC 7541 5.2 forbids, `huffmanTooLong` when it does not fit below `limit`
 */
export function decodeHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  at: number,
  limit: number,
): number {
  let step = mayEnd;
  let to = at;
  for (let from = start; from < end; from += 1) {
    const byte = bytes[from] ?? 0;
    step = transitions[((step & 255) << 4) | (byte >> 4)] ?? fails;
    if (step & (yields | fails)) {
      if (step & fails) return huffmanBroken;
      if (to >= limit) return huffmanTooLong;
      target[to++] = step >> 8;
    }
    step = transitions[((step & 255) << 4) | (byte & 15)] ?? fails;
    if (step & (yields | fails)) {
      if (step & fails) return huffmanBroken;
      if (to >= limit) return huffmanTooLong;
      target[to++] = step >> 8;
    }
  }
  return step & mayEnd ? to : huffmanBroken;
}
