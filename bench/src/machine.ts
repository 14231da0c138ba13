import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

/** Where a figure was measured: without it the figure means nothing. */
export type MachineFacts = {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** Of the data folder. */
  readonly fileSystem: string;
  readonly node: string;
};

/** Facts of this machine, with the file system that holds `folder`. */
export function machineFacts(folder: string): MachineFacts {
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `Linux ${release()}`,
    fileSystem: fileSystemOf(folder),
    node: process.version,
  };
}

function fileSystemOf(folder: string): string {
  const output = execFileSync("df", ["--output=fstype", folder], { encoding: "utf8" });
  return output.trim().split("\n").at(-1) ?? "unknown";
}
