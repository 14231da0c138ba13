import type { Readable, Writable } from "node:stream";

/** The world around a command, so that tests can stand in for it. */
export type Io = {
  readonly stdin: Readable;
  /** Rows and columns where it is a terminal. */
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly rows?: number; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborts at the first Ctrl-C or SIGTERM: end soon and cleanly. */
  readonly interrupted: AbortSignal;
};

/** Writes all of `text` and resolves when it has left this process. Rejects when the reader is gone. */
export function print(stream: Writable, text: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(text, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}

/** Standard streams and signals of this process. A second Ctrl-C ends it at once. */
export function processIo(): Io {
  const interruption = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (interruption.signal.aborted && signal === "SIGINT") process.exit(130);
      interruption.abort();
    });
  }
  // Whoever started this process as its member is gone.
  process.once("disconnect", () => {
    interruption.abort();
  });
  process.channel?.unref();
  // The failed write is told to whoever wrote (`print`); without a listener it would end the process with a stack.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    interrupted: interruption.signal,
  };
}
