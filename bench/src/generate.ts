import { parseArgs } from "node:util";
import { measureReceive } from "./receive-bench.ts";
import { measureSend } from "./send-bench.ts";

// The generator alone, against any RocketMQ 5 endpoint: for comparing servers in one run. Prints one JSON line.
//
//   node bench/src/generate.ts send    --endpoint 127.0.0.1:8081 --pid PID --topic T [--in-flight 200] [--connections 4] [--body 1024] [--batch 1]
//   node bench/src/generate.ts receive --endpoint 127.0.0.1:8081 --pid PID --topic T --group G [--in-flight 16] [--connections 4] [--batch 32]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    endpoint: { type: "string", default: "127.0.0.1:8081" },
    /** Process whose CPU time and memory are reported: the server's. */
    pid: { type: "string", default: String(process.pid) },
    topic: { type: "string", default: "bench" },
    group: { type: "string", default: "bench-readers" },
    "in-flight": { type: "string", default: "200" },
    connections: { type: "string", default: "4" },
    body: { type: "string", default: "1024" },
    batch: { type: "string" },
    "warm-up-ms": { type: "string", default: "4000" },
    "measured-ms": { type: "string", default: "10000" },
  },
});
const [host = "127.0.0.1", port = "8081"] = values.endpoint.split(":");
const address = { host, port: Number(port) };
const span = { warmUpMs: Number(values["warm-up-ms"]), measuredMs: Number(values["measured-ms"]) };
const load = { topic: values.topic, connections: Number(values.connections), inFlight: Number(values["in-flight"]) };

const what = positionals[0];
if (what === "send") {
  const workload = { ...load, bodyBytes: Number(values.body), batch: Number(values.batch ?? 1) };
  console.log(JSON.stringify(await measureSend(address, Number(values.pid), workload, span)));
} else if (what === "receive") {
  const workload = { ...load, group: values.group, batchSize: Number(values.batch ?? 32) };
  console.log(JSON.stringify(await measureReceive(address, Number(values.pid), workload, span)));
} else {
  console.error("say what to generate: send or receive");
  process.exitCode = 2;
}
