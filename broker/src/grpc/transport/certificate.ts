import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import { SaturnError } from "@saturnmq/kit";

/** A certificate chain and its key, PEM. */
export type KeyPair = { readonly certificate: Buffer; readonly key: Buffer };

export type CertificateFiles = { readonly certificateFile: string; readonly keyFile: string };

const fileNames = { certificateFile: "tls-certificate.pem", keyFile: "tls-key.pem" } as const;
const lifeYears = 10;

/** The operator's own certificate. @throws {SaturnError} naming the file that cannot be read or used */
export async function readCertificate(files: CertificateFiles): Promise<KeyPair> {
  const pair = { certificate: await readPem(files.certificateFile), key: await readPem(files.keyFile) };
  try {
    createSecureContext({ cert: pair.certificate, key: pair.key, minVersion: "TLSv1.2" });
  } catch (error) {
    throw new SaturnError(
      "BAD_REQUEST",
      `${files.certificateFile} and ${files.keyFile} are not a certificate and its key: ${String(error)}`,
      { cause: error },
    );
  }
  return pair;
}

async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new SaturnError("NOT_FOUND", `cannot read the TLS file ${path}`, { cause: error });
  }
}

/** The self-signed certificate kept in `folder`; made when there is none yet. The key's file is readable by its owner only. */
export async function ownCertificate(folder: string): Promise<KeyPair> {
  const files = { certificateFile: join(folder, fileNames.certificateFile), keyFile: join(folder, fileNames.keyFile) };
  if (await exists(files.certificateFile)) return readCertificate(files);
  await mkdir(folder, { recursive: true });
  const pair = await makeCertificate();
  await writePrivate(files.keyFile, pair.key);
  // The certificate comes last: while it is absent, the pair is made again.
  await writePrivate(files.certificateFile, pair.certificate);
  return pair;
}

async function exists(path: string): Promise<boolean> {
  return readFile(path).then(
    () => true,
    (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
      throw new SaturnError("NOT_FOUND", `cannot read the TLS file ${path}`, { cause: error });
    },
  );
}

async function makeCertificate(): Promise<KeyPair> {
  const { default: selfsigned } = await import("selfsigned");
  const notAfterDate = new Date();
  notAfterDate.setFullYear(notAfterDate.getFullYear() + lifeYears);
  const pem = await selfsigned.generate([{ name: "commonName", value: "SaturnMQ" }], {
    keyType: "ec",
    curve: "P-256",
    algorithm: "sha256",
    notAfterDate,
    extensions: [
      { name: "basicConstraints", cA: false },
      { name: "keyUsage", digitalSignature: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 2, value: hostname() },
          { type: 7, ip: "127.0.0.1" },
          { type: 7, ip: "::1" },
        ],
      },
    ],
  });
  return { certificate: Buffer.from(pem.cert), key: Buffer.from(pem.private) };
}

async function writePrivate(path: string, bytes: Buffer): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, "wx", 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
