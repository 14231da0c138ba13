// The first process inside a namespace: brings its loopback up, loads the program that is named and calls its functions for whoever started it.
//
//   node namespace-agent.ts PROGRAM
import { execFileSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import type { CallMessage, ReplyMessage } from "./namespace.ts";

const [, , program = ""] = process.argv;
const reply = (message: ReplyMessage): void => {
  process.send?.(message, undefined, undefined, (error) => {
    if (error) process.exit(1); // Nobody is there any more.
  });
};

execFileSync("ip", ["link", "set", "lo", "up"]);
const functions = (await import(pathToFileURL(program).href)) as Record<string, (input: unknown) => Promise<unknown>>;

process.on("message", ({ id, name, input }: CallMessage) => {
  const called = functions[name];
  if (called === undefined) return reply({ kind: "failure", id, reason: `${program} has no function ${name}` });
  called(input).then(
    (output) => reply({ kind: "output", id, output }),
    (error: unknown) =>
      reply({ kind: "failure", id, reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// This is process 1 in here: when it ends the kernel ends all others.
process.on("disconnect", () => process.exit(0));
reply({ kind: "ready" });
