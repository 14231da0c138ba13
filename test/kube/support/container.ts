import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What a container is to run: a command in which paths are those of this machine, and all of its environment. */
export type Command = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** File that takes what it prints, behind what is there. */
  readonly log: string;
};

export type Ended = { readonly exitCode: number; readonly how: string };

/** A container that runs. */
export type Running = {
  /** Of a process of its own. */
  readonly pid?: number | undefined;
  readonly ended: Promise<Ended>;
  signal(name: "SIGTERM" | "SIGKILL"): void;
};

export type Run = (command: Command) => Running;

const saturnmq = fileURLToPath(new URL("../../../cli/bin/saturnmq.js", import.meta.url));

/** As a process, which dies with this one; `saturnmq` is this repository's. */
export const runProcess: Run = ({ command: [program = "", ...args], env, log }) => {
  const command = program === "saturnmq" ? [process.execPath, saturnmq] : [program];
  const output = openSync(log, "a");
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: ["ignore", output, output],
  });
  closeSync(output);
  const ended = new Promise<Ended>((resolve) => {
    child.once("exit", (code, signal) => resolve({ exitCode: code ?? 137, how: String(code ?? signal ?? "") }));
    child.once("error", (error) => resolve({ exitCode: 128, how: error.message }));
  });
  return {
    get pid() {
      return child.pid;
    },
    ended,
    signal: (name) => void child.kill(name),
  };
};
