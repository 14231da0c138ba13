import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";
import { DevServer } from "@saturnmq/bench";

const root = fileURLToPath(new URL("../../", import.meta.url));
const example = join(root, "docs/examples/python");
const requirement = readFileSync(join(example, "requirements.txt"), "utf8").trim();
const packages = join(root, "node_modules/.cache", requirement.replace("==", "-"));
const patienceMs = 240_000;

/** Why the official Python client cannot be had here; `undefined` when it is there. Installs it once, beside our own packages. */
function whyNoClient(): string | undefined {
  if (existsSync(join(packages, "rocketmq"))) return undefined;
  try {
    execFileSync("python3", ["-m", "pip", "--version"], { stdio: "ignore" });
  } catch {
    return "python3 with pip is not installed";
  }
  try {
    const requirements = ["-r", join(example, "requirements.txt")];
    execFileSync("python3", ["-m", "pip", "install", "--quiet", "--target", packages, ...requirements], {
      stdio: "ignore",
      timeout: patienceMs,
    });
    return undefined;
  } catch {
    return `pip cannot install ${requirement}`;
  }
}

const missing = whyNoClient();
const name = "the Python client sends and receives 500 lines, and unacknowledged ones come again";

if (missing !== undefined) test.skip(`${name} (skipped: ${missing})`, () => undefined);
else
  test.each(["h2", "grpc-js"])(
    `${name} (%s)`,
    async (transport) => {
      await using server = await DevServer.start({ env: { SATURNMQ_TRANSPORT: transport } });
      await server.cli("topic", "create", "lines");
      const file = join(server.dataFolder, "..", `saturnmq-lines-${process.pid}.txt`);
      await writeFile(file, readFileSync(join(root, "package-lock.json"), "utf8").split("\n").slice(0, 500).join("\n"));
      const script = join(example, "send_and_receive.py");
      const { stdout } = await promisify(execFile)("python3", [script, "--endpoint", server.endpoint, file], {
        env: { ...process.env, PYTHONPATH: packages },
        timeout: patienceMs - 20_000,
      });
      expect(stdout).toMatch(/received 500 in .* each as it was sent; left 5 unacknowledged/);
      expect(stdout).toMatch(/the 5 unacknowledged came again with a higher attempt, no other did/);
    },
    patienceMs,
  );
