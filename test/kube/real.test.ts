import { test } from "@jest/globals";
import { testProgram, withContainers } from "./support/run-program.ts";

// Goal: what `make image` builds does, as the operator's pods, what processes did in the other programs here. Method: a kubelet, containerd and runc of their own.

const name = "a cluster lives in containers of a real kubelet";
// Two minutes, root, and changes to control groups of the machine: for who asks for it.
if (process.env["SATURNMQ_KUBE_REAL"] === undefined)
  test.skip(`${name} (skipped: make kube-real runs it)`, () => undefined);
else testProgram(name, "real", { atLeast: 12, timeoutMs: 900_000 }, withContainers);
