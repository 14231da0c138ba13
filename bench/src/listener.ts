import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/**
 * The processes of this machine that listen on a TCP port (proc_net_tcp(5)), as far as this user may see them: whose CPU time is the server's
 * when nothing else was said.
 */
export function listenersOn(port: number): readonly number[] {
  const sockets = new Set(["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => listening(table, port)));
  if (sockets.size === 0) return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => linksOf(`/proc/${pid}/fd`).some((link) => sockets.has(link)))
    .map(Number);
}

/** Links to sockets, as /proc/PID/fd shows them. */
function listening(table: string, port: number): readonly string[] {
  const inHex = port.toString(16).toUpperCase().padStart(4, "0");
  const listen = "0A"; // TCP_LISTEN of include/net/tcp_states.h.
  return readFileSync(table, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${inHex}`) === true && fields[3] === listen)
    .map((fields) => `socket:[${fields[9] ?? ""}]`);
}

function linksOf(folder: string): readonly string[] {
  return ifThere(() => readdirSync(folder), []).map((name) => ifThere(() => readlinkSync(`${folder}/${name}`), ""));
}

/** What has ended meanwhile, or is another user's, does not count. */
function ifThere<Value>(read: () => Value, otherwise: Value): Value {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
