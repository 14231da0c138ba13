import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as net from "node:net";
import { DiskError } from "./disk.ts";

/**
 * Takes a folder for this process alone, until disposed or the process is gone.
 *
 * Each taker leaves a listening socket file of its own in the folder, and only then knocks at every other one: of any two takers at
 * least one meets the other alive and gives up (in a tie both may). The kernel refuses connections to a socket whose process is gone,
 * however it went, so what a killed process left behind is told apart and removed. Works across containers that share a file system,
 * which neither process ids nor abstract sockets do.
 *
 * @throws {DiskError} `locked` when another process, or this one, holds it
 */
export async function lockFolder(folder: string): Promise<AsyncDisposable> {
  const directory = openFolder(folder);
  // A socket's path is bound to 107 bytes; the way over the descriptor is short however deep the folder lies.
  const prefix = process.platform === "linux" ? `/proc/self/fd/${String(directory)}` : folder;
  const name = `lock-${String(process.pid)}-${randomBytes(6).toString("hex")}`;
  const server = net.createServer((socket) => socket.destroy());
  const release = async (): Promise<void> => {
    fs.rmSync(`${prefix}/${name}`, { force: true });
    await new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
    });
    fs.closeSync(directory);
  };
  try {
    await listen(server, `${prefix}/new-${name}`, folder);
    // Under its real name only now: a name that others see always belongs to a socket that listens, or to a dead one.
    fs.renameSync(`${prefix}/new-${name}`, `${prefix}/${name}`);
    await refuseIfHeld(folder, prefix, name);
  } catch (error) {
    await release();
    throw error;
  }
  return { [Symbol.asyncDispose]: release };
}

function openFolder(folder: string): number {
  try {
    return fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  } catch (error) {
    throw new DiskError("notFound", folder, "cannot open the folder to lock it", { cause: error });
  }
}

function listen(server: net.Server, path: string, folder: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      reject(new DiskError("io", folder, "cannot place a lock socket in the folder", { cause }));
    });
    server.listen({ path, exclusive: true }, resolve);
    server.unref();
  });
}

async function refuseIfHeld(folder: string, prefix: string, own: string): Promise<void> {
  const others = fs.readdirSync(prefix).filter((name) => name.startsWith("lock-") && name !== own);
  for (const other of others) {
    if (await alive(`${prefix}/${other}`)) {
      const pid = other.split("-")[1] ?? "unknown";
      throw new DiskError("locked", folder, `the folder is in use by another process (pid ${pid} where it runs)`);
    }
    fs.rmSync(`${prefix}/${other}`, { force: true });
  }
}

function alive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Anything but a clear refusal (a full backlog of a stopped process, say) counts as alive.
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
