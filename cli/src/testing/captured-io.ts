import { Readable, Writable } from "node:stream";
import type { Io } from "../io.ts";

/** Streams in memory in place of the process's. */
export class CapturedIo implements Io {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly #interruption = new AbortController();
  #out = "";
  #err = "";
  /** Called with each piece written to standard output. */
  onOutput: (text: string) => void = () => undefined;

  constructor(input = "", env: Readonly<Record<string, string | undefined>> = {}) {
    this.stdin = Readable.from(input === "" ? [] : [Buffer.from(input)], { objectMode: false });
    this.env = env;
    this.stdout = capture((text) => {
      this.#out += text;
      this.onOutput(text);
    });
    this.stderr = capture((text) => {
      this.#err += text;
    });
  }

  get interrupted(): AbortSignal {
    return this.#interruption.signal;
  }

  /** What Ctrl-C does. */
  interrupt(): void {
    this.#interruption.abort();
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }
}

function capture(take: (text: string) => void): Writable {
  return new Writable({
    decodeStrings: true,
    write(chunk: Buffer, _encoding, done) {
      take(chunk.toString("utf8"));
      done();
    },
  });
}
