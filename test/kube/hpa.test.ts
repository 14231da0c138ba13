import { testProgram } from "./support/run-program.ts";

// Goal: an HPA scales brokers out and in, and no message is lost by either. Method: the real controller, CPU as /proc tells it and the metrics that the shipped
// adapter rules make of the brokers' own; producers and consumers of ordered message groups run all the time, and all that they saw is checked.

testProgram("an HPA scales 3 brokers to 6 and back under load", "hpa", { atLeast: 5, timeoutMs: 900_000 });
