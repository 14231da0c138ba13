import { describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { classify } from "./sniff.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

describe("classify", () => {
  test.each([
    { says: "TLS ClientHello", head: "\x16\x03\x01\x02\x00", kind: "tls" },
    { says: "HTTP/2 preface", head: preface, kind: "http2" },
    { says: "HTTP/2 preface and a frame", head: `${preface}\0\0\0\x04`, kind: "http2" },
    { says: "half a preface", head: "PRI * HT", kind: "more" },
    { says: "GET", head: "GET / HTTP/1.1\r\n", kind: "http1" },
    { says: "POST, which begins like the preface", head: "POST /x HTTP/1.1\r\n", kind: "http1" },
    { says: "first letter of a method", head: "G", kind: "more" },
    { says: "a line of text", head: "hello there", kind: "unknown" },
    { says: "zeroes", head: "\0\0\0\0", kind: "unknown" },
    { says: "a word that is no method", head: "INVALID CONNECTION", kind: "unknown" },
    { says: "a long upper-case word", head: "ABCDEFGHIJKLM", kind: "unknown" },
    { says: "nothing", head: "", kind: "more" },
  ])("$says is $kind", ({ head, kind }) => {
    expect(classify(Buffer.from(head, "latin1"))).toBe(kind);
  });

  test("never asks for more than 24 bytes, and one more byte never changes a verdict", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 24, maxLength: 40 }), (bytes) => {
        expect(classify(bytes)).not.toBe("more");
      }),
    );
    fc.assert(
      fc.property(fc.constantFrom(preface, "GET / HTTP/1.1\r\n", "\x16\x03\x01aaaaaaaaaaaaaaaaaaaaa"), (text) => {
        const bytes = Buffer.from(text, "latin1");
        const verdicts = [...bytes.keys()].map((end) => classify(bytes.subarray(0, end + 1)));
        const decided = verdicts.filter((verdict) => verdict !== "more");
        expect(new Set(decided).size).toBe(1);
      }),
    );
  });
});
