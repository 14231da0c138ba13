import { testProgram } from "./support/run-program.ts";

// Goal: there is no moment at which an operator could die and leave something that the next one cannot finish. Method: a proxy before the API server kills it
// right after each single write of a cluster's life, before the answer, one write a life.

testProgram("an operator that is killed after any write comes to the same end", "every-write", {
  atLeast: 10,
  timeoutMs: 3 * 3_600_000,
  nightly: true,
});
