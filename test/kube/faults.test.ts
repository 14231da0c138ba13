import { testProgram } from "./support/run-program.ts";

// Goal: whatever Kubernetes loses, nothing acknowledged is lost, and it heals without a hand. Method: pods, nodes, a zone, a claim and the API server go, one
// after the other, under load whose history is checked.

testProgram("a cluster survives what its nodes and its API server do", "faults", { atLeast: 7, timeoutMs: 900_000 });
