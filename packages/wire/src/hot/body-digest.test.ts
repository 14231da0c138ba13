import { createHash } from "node:crypto";
import { expect, test } from "@jest/globals";
import { DigestType } from "../rocketmq/messages.ts";
import { checksumBytesMax, digestType, writeChecksum } from "./body-digest.ts";

const body = Buffer.from("saturn");

/** Kind and text of the digest; what is around the text must stay. */
function digestOf(language: string, bodyCrc: number): { type: DigestType; checksum: string } {
  const target = Buffer.alloc(checksumBytesMax + 8, 0xa5);
  const around = Buffer.concat([Buffer.from("<"), body, Buffer.from(">")]);
  const end = writeChecksum(target, 4, language, bodyCrc, around, 1, body.length);
  expect([...target.subarray(0, 4), ...target.subarray(end)].every((byte) => byte === 0xa5)).toBe(true);
  return { type: digestType(language), checksum: target.toString("latin1", 4, end) };
}

// One row a client language: what its own code compares (contract 2.12).
test.each([
  ["JAVA", 0x0a_bc_de_f1, "ABCDEF1"],
  ["JAVA", 0, "0"],
  ["CPP", 0x0a_bc_de_f1, "0ABCDEF1"],
  ["PYTHON", 0xff, "000000FF"],
  ["HTTP", 0xff_ff_ff_ff, "4294967295"],
  ["HTTP", 0, "0"],
])("%s compares the CRC-32 %i as %s", (language, crc, checksum) => {
  expect(digestOf(language, crc)).toEqual({ type: DigestType.CRC32, checksum });
});

test.each(["GO", "DOTNET", "RUST", "PHP", "", "java", "toString"])("%s gets an MD5", (language) => {
  const checksum = createHash("md5").update(body).digest("hex").toUpperCase();
  expect(digestOf(language, 1)).toEqual({ type: DigestType.MD5, checksum });
});
