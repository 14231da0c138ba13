// `test.Echo` in a process of its own, so that its memory is its own: `abuse.test.ts` starts it. Answers "rss" with its resident bytes.
import { echoService } from "./echo-service.ts";
import { serveTest } from "./serve-test.ts";

const limits = JSON.parse(process.argv[2] ?? "{}") as Record<string, number>;
const requestMs = limits["requestMs"] ?? 30_000;
const connectionMemoryBytes = limits["connectionMemoryBytes"] ?? 64 << 20;
const transport = await serveTest([echoService().service], {
  limits,
  requestMs,
  connectionMemoryBytes,
  receiveBytesMax: 8 << 20,
});
process.on("message", () => process.send?.({ rss: process.memoryUsage.rss(), connections: transport.connections }));
process.on("disconnect", () => process.exit());
process.send?.({ port: transport.port });
