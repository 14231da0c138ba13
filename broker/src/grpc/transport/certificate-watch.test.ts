import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { silentLogger } from "@saturnmq/kit";
import { type KeyPair, ownCertificate, readCertificate } from "./certificate.ts";
import { CertificateWatch } from "./certificate-watch.ts";

/** The maker of certificates takes its time to load on a busy machine. */
const patienceMs = 60_000;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "saturn-certificate-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Timers that fire when they are told to. */
function handTimers() {
  const due: (() => void)[] = [];
  return {
    timers: { after: (_ms: number, run: () => void) => (due.push(run), () => void due.splice(due.indexOf(run), 1)) },
    due,
    /** Fires the next one, and waits until another one is set: the look has ended. */
    look: async (): Promise<void> => {
      due.shift()?.();
      while (due.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
  };
}

test(
  "a new pair is given once; one that does not fit, or is not there, leaves the old one, and is no end",
  async () => {
    const files = { certificateFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
    const write = async ({ certificate, key }: KeyPair): Promise<void> => {
      await writeFile(files.certificateFile, certificate);
      await writeFile(files.keyFile, key);
    };
    const [first, second] = [await ownCertificate(join(folder, "1")), await ownCertificate(join(folder, "2"))];
    await write(first);
    const changed: KeyPair[] = [];
    const { timers, due, look } = handTimers();
    const present = await readCertificate(files);
    const watch = new CertificateWatch({
      ...{ files, present, timers, logger: silentLogger },
      changed: (pair) => changed.push(pair),
    });
    await look();
    expect(changed).toEqual([]);
    await write({ certificate: second.certificate, key: first.key });
    await look();
    await rm(files.keyFile);
    await look();
    expect(changed).toEqual([]);
    await write(second);
    await look();
    await look();
    expect(changed).toEqual([second]);
    watch.close();
    expect(due).toEqual([]);
  },
  patienceMs,
);
