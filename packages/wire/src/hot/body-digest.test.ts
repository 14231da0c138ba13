import { createHash } from "node:crypto";
import { expect, test } from "@jest/globals";
import { DigestType } from "../rocketmq/messages.ts";
import { bodyDigest } from "./body-digest.ts";

const body = Buffer.from("saturn");
const noBody = (): never => {
  throw new Error("the CRC does");
};

// One row a client language: what its own code compares (contract 2.12).
test.each([
  ["JAVA", 0x0a_bc_de_f1, "ABCDEF1"],
  ["JAVA", 0, "0"],
  ["CPP", 0x0a_bc_de_f1, "0ABCDEF1"],
  ["PYTHON", 0xff, "000000FF"],
  ["HTTP", 0xff_ff_ff_ff, "4294967295"],
  ["HTTP", 0, "0"],
])("%s compares the CRC-32 %i as %s", (language, crc, checksum) => {
  expect(bodyDigest(language, crc, noBody)).toEqual({ type: DigestType.CRC32, checksum });
});

test.each(["GO", "DOTNET", "RUST", "PHP", "", "java"])("%s gets an MD5", (language) => {
  const checksum = createHash("md5").update(body).digest("hex").toUpperCase();
  expect(bodyDigest(language, 1, () => body)).toEqual({ type: DigestType.MD5, checksum });
});
