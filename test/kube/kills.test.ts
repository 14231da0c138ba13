import { testProgram } from "./support/run-program.ts";

// Goal: wherever the operator dies, the next one finishes what was begun, and does nothing twice. Method: a proxy before the API server kills it right after a
// write, before the answer.

testProgram("an operator that is killed after any kind of write comes to the same end", "kills", {
  atLeast: 5,
  timeoutMs: 900_000,
});
