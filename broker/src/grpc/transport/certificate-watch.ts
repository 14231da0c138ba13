import type { Cancel, Logger, Timers } from "@saturnmq/kit";
import { type CertificateFiles, type KeyPair, readCertificate } from "./certificate.ts";

/** A kubelet takes up to a minute to bring a Secret's new files; this adds little to it. */
const everyMs = 10_000;

export type CertificateWatchOptions = {
  readonly files: CertificateFiles;
  /** What is served now. */
  readonly present: KeyPair;
  readonly timers: Timers;
  readonly logger: Logger;
  /** Given each pair that takes the place of the present one. */
  readonly changed: (pair: KeyPair) => void;
};

/** Looks every 10 s whether the files of a certificate are others. A pair that cannot be used changes nothing: that is logged, and the files are looked at again. */
export class CertificateWatch {
  readonly #options: CertificateWatchOptions;
  #present: KeyPair;
  #cancel: Cancel;
  #closed = false;

  constructor(options: CertificateWatchOptions) {
    this.#options = options;
    this.#present = options.present;
    this.#cancel = this.#later();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #later(): Cancel {
    return this.#options.timers.after(everyMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { files, logger, changed } = this.#options;
    try {
      const pair = await readCertificate(files);
      if (!this.#closed && !isSame(pair, this.#present)) {
        this.#present = pair;
        changed(pair);
        logger.info(files, "new TLS connections get the new certificate");
      }
    } catch (err) {
      logger.warn({ err }, "the TLS files cannot be used as they are now; the certificate that was read before stays");
    }
    if (!this.#closed) this.#cancel = this.#later();
  }
}

function isSame(one: KeyPair, other: KeyPair): boolean {
  return one.certificate.equals(other.certificate) && one.key.equals(other.key);
}
