import { check } from "../support/check.ts";
import type { World } from "../support/world.ts";

/** What a process of the image is asked from inside. */
const probe = `
const { readFileSync, statSync, writeFileSync } = require("node:fs");
const status = readFileSync("/proc/self/status", "utf8");
const line = (name) => new RegExp("^" + name + ":\\\\s*(.*)$", "m").exec(status)[1];
const places = ["/", "/etc", "/usr/bin", "/usr/lib/saturnmq", "/etc/saturnmq/config", "/tmp", "/var/lib/saturnmq"];
const written = places.filter((place) => {
  try { writeFileSync(place + "/probe", ""); require("node:fs").rmSync(place + "/probe"); return true; } catch { return false; }
});
console.log(JSON.stringify({
  user: process.getuid(), group: process.getgid(), capabilities: [line("CapEff"), line("CapBnd")], seccomp: line("Seccomp"),
  newPrivileges: line("NoNewPrivs"), written, dataGroup: statSync("/var/lib/saturnmq").gid,
  token: require("node:fs").existsSync("/var/run/secrets/kubernetes.io/serviceaccount/token"),
}));
`;

const expected = {
  ...{ user: 10_001, group: 10_001, capabilities: ["0".repeat(16), "0".repeat(16)] },
  // A filter, and no way to become more than it is.
  ...{ seccomp: "2", newPrivileges: "1" },
  ...{ written: ["/tmp", "/var/lib/saturnmq"], dataGroup: 10_001, token: false },
};

/** What the pod's security context promises, asked in the container of a broker. */
export async function checkConfinement(world: World, namespace: string, pod: string): Promise<void> {
  await check(
    "a broker is who the image says, without capability, under seccomp, and writes to its data and /tmp only",
    async () => {
      const { stdout } = await world.shell(`kubectl exec --namespace ${namespace} ${pod} -- node -e '${probe}'`);
      const found = JSON.stringify(JSON.parse(stdout));
      if (found !== JSON.stringify(expected)) throw new Error(found);
      return expected;
    },
  );
  await check("a broker knows its zone by the downward API, and its limit of memory", async () => {
    const { stdout } = await world.shell(
      `kubectl exec --namespace ${namespace} ${pod} -- node -p 'JSON.stringify([process.env.SATURNMQ_ZONE, process.constrainedMemory()])'`,
    );
    if (stdout.trim() !== JSON.stringify(["zone-1", 1_073_741_824])) throw new Error(stdout);
    return stdout.trim();
  });
}
