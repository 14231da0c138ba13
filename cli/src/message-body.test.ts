import { gzipSync } from "node:zlib";
import { expect, test } from "@jest/globals";
import { bodyFields, originalBody } from "./message-body.ts";

test("a compressed body is unpacked; one that only says so stays as it is", () => {
  expect(Buffer.from(originalBody(gzipSync("hello"), true)).toString()).toBe("hello");
  expect(Buffer.from(originalBody(Buffer.from("hello"), true)).toString()).toBe("hello");
  expect(Buffer.from(originalBody(Buffer.from("hello"), false)).toString()).toBe("hello");
});

test("a body is text where it can be, else base64", () => {
  expect(bodyFields(Buffer.from("größe"))).toEqual({ body: "größe" });
  expect(bodyFields(Uint8Array.of(0xff, 0x00))).toEqual({ bodyBase64: "/wA=" });
});
