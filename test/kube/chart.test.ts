import { testProgram } from "./support/run-program.ts";

// Goal: what the README says of Kubernetes, word for word, and what the chart can be told besides.

testProgram("the chart brings a cluster as the README says", "chart", { atLeast: 5, timeoutMs: 600_000 });
