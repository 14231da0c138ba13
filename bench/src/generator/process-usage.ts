import { readFileSync } from "node:fs";
import { defined } from "@saturnmq/kit";

/** Clock ticks a second in /proc/PID/stat: USER_HZ, 100 on every Linux architecture that Node runs on. */
const ticksPerSecond = 100;

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

/** CPU seconds the whole machine was busy since boot, all processes (proc_stat(5)): shows interference when compared with our own. */
export function machineBusySeconds(): number {
  const fields = defined(readFileSync("/proc/stat", "utf8").split("\n")[0], "cpu line").trim().split(/\s+/).slice(1);
  const [user, nice, system, , , irq, softirq, steal] = fields.map(Number);
  const busy = [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0);
  return busy / ticksPerSecond;
}
