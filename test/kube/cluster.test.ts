import { testProgram } from "./support/run-program.ts";

// Goal: what crds/ and the operator promise, on a real API server with its controllers and scheduler. Method: one life of a cluster, whose pods are the very
// processes that images would start.

testProgram("a cluster lives as its custom resources say", "cluster", { atLeast: 19, timeoutMs: 900_000 });
