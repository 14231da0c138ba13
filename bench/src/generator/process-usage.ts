import { readdirSync, readFileSync, statSync } from "node:fs";
import { defined } from "@saturnmq/kit";

/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux architecture that Node runs on. */
const ticksPerSecond = 100;
/** Unit of /proc/diskstats, whatever the disk's own sectors are. */
const sectorBytes = 512;

/** CPU seconds, user and system, that all threads of `pid` have used (proc_pid_stat(5), fields 14 and 15). */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export type Memory = { readonly rssBytes: number; readonly anonymousBytes: number };

/** Resident memory of `pid` (proc_pid_status(5), VmRSS and RssAnon); the rest of RSS is mapped files. */
export function memory(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return { rssBytes: kilobytes(status, "VmRSS"), anonymousBytes: kilobytes(status, "RssAnon") };
}

function kilobytes(status: string, name: string): number {
  return Number(defined(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1], name)) * 1024;
}

/** Times that threads of `pid` gave up a core or lost it (proc_pid_status(5)); 0 for a thread that ends meanwhile. */
export function contextSwitches(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readIfThere(`/proc/${pid}/task/${thread}/status`))
    .flatMap((status) => [...status.matchAll(/ctxt_switches:\s+(\d+)/g)])
    .reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Open files and sockets of `pid`; NaN when this user may not know. */
export function openFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return Number.NaN;
  }
}

/** What a disk was asked for since boot, by anybody; NaN where the machine does not count it. */
export type DiskUsage = { readonly writtenBytes: number; readonly flushes: number };

/**
 * Of the disk under `folder` (Documentation/admin-guide/iostats.rst, fields 7 and 16). Not what proc_pid_io(5) says of a process: to it a block that is
 * overwritten in a large folio of the page cache counts as the whole folio, 1 MiB for 4 KiB on ext4 of Linux 6.18.
 */
export function diskUsage(folder: string): DiskUsage {
  const { dev } = statSync(folder);
  const major = (dev >> 8) & 0xfff; // makedev(3); the bits above 2^31 are of no disk that is met.
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const line = readFileSync("/proc/diskstats", "utf8")
    .split("\n")
    .map((text) => text.trim().split(/\s+/))
    .find((fields) => fields[0] === String(major) && fields[1] === String(minor));
  return { writtenBytes: sectorBytes * Number(line?.[9] ?? Number.NaN), flushes: Number(line?.[18] ?? Number.NaN) };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** CPU seconds since boot of all cores together (proc_stat(5)): busy with any process, and held back by the host of a virtual machine. */
export type MachineCpu = { readonly busySeconds: number; readonly stealSeconds: number };

/** @see MachineCpu; compared with our own, `busySeconds` shows interference */
export function machineCpu(): MachineCpu {
  const fields = defined(readFileSync("/proc/stat", "utf8").split("\n")[0], "cpu line").trim().split(/\s+/).slice(1);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields.map(Number);
  return {
    busySeconds: (user + nice + system + irq + softirq) / ticksPerSecond,
    stealSeconds: steal / ticksPerSecond,
  };
}
