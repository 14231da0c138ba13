import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { hpackInteger } from "../testing/frames.ts";
import { encodeHuffman } from "../testing/huffman-encoder.ts";
import { fieldKind } from "./field.ts";
import { FieldList } from "./field-list.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { staticCount, staticTable } from "./static-table.ts";

function fieldsOf(decoder: HpackDecoder, block: Uint8Array, limit = 65_536): string[] {
  const list = new FieldList(limit);
  expect(decoder.decode(block, 0, block.length, list)).toBe("ok");
  return Array.from({ length: list.count }, (_, row) => `${list.name(row)}: ${list.value(row)}`);
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("the examples of RFC 7541, appendix C", () => {
  const requests = [
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"],
    [":method: GET", ":scheme: https", ":path: /index.html", ":authority: www.example.com", "custom-key: custom-value"],
  ];

  test.each([
    {
      section: "C.3",
      blocks: [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      ],
    },
    {
      section: "C.4",
      blocks: [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
      ],
    },
  ])("requests of $section", ({ blocks }) => {
    const decoder = new HpackDecoder();
    expect(blocks.map((block) => fieldsOf(decoder, hex(block)))).toEqual(requests);
    expect(decoder.table.bytes).toBe(164);
  });

  test("responses of C.6: a table of 256 bytes evicts", () => {
    const decoder = new HpackDecoder();
    const date = "date: Mon, 21 Oct 2013 20:13:21 GMT";
    expect(
      fieldsOf(
        decoder,
        hex(
          `3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d
             29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`.replaceAll("\n", ""),
        ),
      ),
    ).toEqual([":status: 302", "cache-control: private", date, "location: https://www.example.com"]);
    expect(decoder.table.bytes).toBe(222);
    expect(fieldsOf(decoder, hex("4883 640e ffc1 c0bf"))[0]).toBe(":status: 307");
    expect(decoder.table.count).toBe(4);
    expect(decoder.table.at(3)?.name).toBe("cache-control");
  });
});

describe("what ends the connection", () => {
  test.each([
    { what: "index 0", bytes: [0x80] },
    { what: "an index beyond both tables", bytes: [0x80 | 62] },
    { what: "the name of an index beyond both tables", bytes: [0x40 | 62, 1, 0x61] },
    { what: "a text that runs over", bytes: [0x00, 0x05, 0x61] },
    { what: "a block that ends before a value", bytes: [0x00, 0x01, 0x61] },
    { what: "an endless integer", bytes: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] },
    { what: "an integer that is cut off", bytes: [0xff] },
    { what: "a size update above what we announced", bytes: [0x3f, 0xe2, 0x1f] },
    { what: "a size update behind a field", bytes: [0x82, 0x20] },
  ])("$what", ({ bytes }) => {
    expect(new HpackDecoder().decode(Uint8Array.from(bytes), 0, bytes.length, new FieldList(4_096))).toBe("broken");
  });

  test("references to one large field, thousands of times over", () => {
    const decoder = new HpackDecoder();
    const insert = Buffer.concat([Buffer.from([0x40, 1, 0x61, 100]), Buffer.alloc(100, 0x62)]);
    const block = Buffer.concat([insert, Buffer.alloc(8_000, 0xbe)]);
    expect(decoder.decode(block, 0, block.length, new FieldList(16_384))).toBe("bomb");
  });
});

test("a list over its limit is told so, and leaves the table as it should be", () => {
  const decoder = new HpackDecoder();
  const list = new FieldList(200);
  const field = (value: string): Buffer =>
    Buffer.concat([Buffer.from([0x40, 1, 0x61]), hpackInteger(value.length, 7, 0), Buffer.from(value)]);
  const block = Buffer.concat([field("b".repeat(120)), field("c".repeat(120)), field("last")]);
  expect(decoder.decode(block, 0, block.length, list)).toBe("ok");
  expect(list.full).toBe(true);
  expect(fieldsOf(decoder, Uint8Array.of(0xbe, 0xc0))).toEqual(["a: last", `a: ${"b".repeat(120)}`]);
});

test.each([
  ["name", "value", fieldKind.regular],
  ["Name", "value", fieldKind.badName],
  ["", "value", fieldKind.badName],
  ["a b", "value", fieldKind.badName],
  [":path", "/", fieldKind.path],
  [":strange", "x", fieldKind.unknownPseudo],
  ["connection", "close", fieldKind.connectionSpecific],
  ["name", " value", 128],
  ["name", "value\t", 128],
  ["name", "va\rlue", 128],
  ["name", "va\nlue", 128],
  ["name", "va\0lue", 128],
  ["name", "", fieldKind.regular],
])("the field %j: %j is of kind %i", (name, value, kind) => {
  const bytes = Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name),
    Buffer.from([value.length]),
    Buffer.from(value),
  ]);
  const list = new FieldList(1_000);
  expect(new HpackDecoder().decode(bytes, 0, bytes.length, list)).toBe("ok");
  expect(list.kinds[0]).toBe(kind);
});

/** An encoder that chooses freely among all representations, with a table of its own kept in the plainest way. */
class FreeEncoder {
  #table: [string, string][] = [];
  #maxBytes = 4_096;

  encode(name: string, value: string, choice: number): Buffer {
    const all = [...staticTable.slice(1).map((field) => [field?.name, field?.value]), ...this.#table];
    const exact = all.findLastIndex(([n, v]) => n === name && v === value) + 1;
    if (choice % 2 === 0 && exact > 0) return hpackInteger(exact, 7, 0x80);
    const index = choice % 3 === 0 ? all.findIndex(([n]) => n === name) + 1 : 0;
    const insert = choice % 5 < 3;
    const [bits, pattern] = insert ? [6, 0x40] : [4, choice % 5 === 3 ? 0 : 0x10];
    const head = hpackInteger(index, bits, pattern);
    const texts = [...(index === 0 ? [text(name, choice % 7 < 3)] : []), text(value, choice % 11 < 5)];
    if (insert) this.#insert(name, value);
    return Buffer.concat([head, ...texts]);
  }

  resize(bytes: number): Buffer {
    this.#maxBytes = bytes;
    this.#evict();
    return hpackInteger(bytes, 5, 0x20);
  }

  get count(): number {
    return this.#table.length;
  }

  #insert(name: string, value: string): void {
    this.#table.unshift([name, value]);
    this.#evict();
  }

  #evict(): void {
    const bytes = (): number => this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (bytes() > this.#maxBytes) this.#table.pop();
  }
}

function text(plain: string, huffman: boolean): Buffer {
  const bytes = huffman ? encodeHuffman(plain) : Buffer.from(plain, "latin1");
  return Buffer.concat([hpackInteger(bytes.length, 7, huffman ? 0x80 : 0), bytes]);
}

test("whatever representations an encoder chooses, block after block, the fields come back", () => {
  const name = fc.constantFrom("a", "grpc-timeout", ":path", ":method", "x-long-name-of-a-field", "te");
  const value = fc.oneof(fc.constantFrom("", "GET", "/", "trailers"), fc.stringMatching(/^[!-~]{1,200}$/));
  const field = fc.tuple(name, value, fc.nat(1_000));
  const block = fc.record({ resize: fc.option(fc.constantFrom(0, 100, 500, 4_096)), fields: fc.array(field) });
  fc.assert(
    fc.property(fc.array(block, { maxLength: 12 }), (blocks) => {
      const encoder = new FreeEncoder();
      const decoder = new HpackDecoder();
      for (const { resize, fields } of blocks) {
        const parts = [
          ...(resize === null ? [] : [encoder.resize(resize)]),
          ...fields.map(([n, v, choice]) => encoder.encode(n, v, choice)),
        ];
        expect(fieldsOf(decoder, Buffer.concat(parts))).toEqual(fields.map(([n, v]) => `${n}: ${v}`));
        expect(decoder.table.count).toBe(encoder.count);
      }
      expect(staticCount).toBe(61);
    }),
  );
});
