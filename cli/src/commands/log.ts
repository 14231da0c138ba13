import { join } from "node:path";
import type { Disk } from "@saturnmq/kit";
import { nodeDisk } from "@saturnmq/kit/node";
import { type InspectLine, inspectLog } from "@saturnmq/store";
import { CliError, exitCodes } from "../exit-codes.ts";
import { type Io, print } from "../io.ts";
import { type GlobalOptions, time } from "../output.ts";

export type InspectOptions = GlobalOptions & { readonly verify?: boolean; readonly frames?: boolean };

/**
 * Prints what a data folder holds, its parts one after another, and what is damaged in it. In JSON: one object a finding, with the folder.
 *
 * @throws {CliError} if it is no data folder, or anything in it is damaged
 */
export async function logInspect(io: Io, folder: string, options: InspectOptions): Promise<void> {
  const disk = nodeDisk();
  const { verify = false, frames = false, output } = options;
  let damaged = 0;
  for (const part of await partsOf(disk, folder)) {
    if (output === "text") await print(io.stdout, `${part}\n`);
    for await (const line of inspectLog(disk, part, { verify, frames })) {
      if (line.kind === "total") damaged += line.damaged;
      const text = output === "json" ? JSON.stringify({ folder: part, ...line }) : `  ${lineText(line)}`;
      await print(io.stdout, `${text}\n`);
    }
  }
  if (damaged === 0) return;
  const places = damaged === 1 ? "1 place is" : `${damaged} places are`;
  throw new CliError(
    exitCodes.failure,
    `${places} damaged in ${folder}: see the lines above, and keep a copy before you act`,
  );
}

/** The log folders: `folder` itself, or those of name server and broker in the data folder of `saturnmq dev`. */
async function partsOf(disk: Disk, folder: string): Promise<readonly string[]> {
  const own = await disk.list(folder);
  if (own.includes("identity") || own.includes("log")) return [folder];
  const parts = ["nameserver", "broker"].filter((name) => own.includes(name)).map((name) => join(folder, name));
  if (parts.length > 0) return parts;
  throw new CliError(
    exitCodes.notFound,
    `${folder} is no data folder: name the one that --data named, or its part nameserver or broker`,
  );
}

function votersText({ configuration: known }: Extract<InspectLine, { kind: "group" }>): string {
  if (known === undefined) return "no configuration";
  const { incoming, outgoing } = known.configuration;
  return `voters ${incoming.join(" ")}${outgoing.length > 0 ? `, leaving ${outgoing.join(" ")}` : ""}`;
}

function lineText(line: InspectLine): string {
  switch (line.kind) {
    case "identity":
      return `cluster ${line.clusterId}, replica ${line.replicaId}, incarnation ${line.incarnation}`;
    case "segment":
      return (
        `segment ${line.segment}: ${line.messages} messages, ${line.records} records, ${line.entries} entries, ` +
        `${line.frames} frames, ${line.usedBytes} of ${line.bytes} bytes used${line.sealed ? ", sealed" : ""}`
      );
    case "frame":
      return (
        `  byte ${line.offset}: ${line.frame} frame ${line.sequence} of epoch ${line.epoch}, ${line.entries} entries, ` +
        `${line.groups} groups, ${line.bytes} bytes, durable to frame ${line.durable}, ${time(line.wallMs)}`
      );
    case "group":
      return (
        `group ${line.group} when segment ${line.segment} began: entries ${line.logStart} to ${line.lastIndex}, ` +
        `term ${line.term}, vote ${line.vote}, ${votersText(line)}` +
        (line.damage === "no" ? "" : `, damaged: must ${line.damage}`)
      );
    case "bulk":
      return (
        `filled in ${line.path}: entries ${line.firstIndex} to ${line.lastIndex} of group ${line.group}, ` +
        `${line.frames} frames, ${line.bytes} bytes${line.sealed ? ", sealed" : ""}`
      );
    case "checkpoint":
      return `checkpoint of group ${line.group} at index ${line.index}, term ${line.term}: ${line.bytes} bytes`;
    case "damage":
      return `DAMAGE in ${line.file} at byte ${line.offset}: ${line.detail}`;
    case "tornTail":
      return `torn tail in ${line.file} at byte ${line.offset}, cut at the next start: ${line.detail}`;
    case "total":
      return (
        `total: ${line.segments} segments, ${line.frames} frames, ${line.entries} entries, ${line.records} records, ` +
        `${line.messages} messages, ${line.damaged} damaged`
      );
  }
}
