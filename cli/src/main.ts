import { readFileSync } from "node:fs";
import { processIo } from "./io.ts";
import { run } from "./run.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

// Not `process.exitCode`: a half-closed connection must not keep a finished command alive.
process.exit(await run(processIo(), process.argv.slice(2), version));
