import { crc32 } from "@saturnmq/kit/node";
import type { MemoryDisk } from "@saturnmq/kit/testing";
import { viewOf } from "../bytes.ts";

/** Gives the last frame of a segment another version; its checks hold again. */
export function forgeFrameVersion(disk: MemoryDisk, path: string, version: number): void {
  const bytes = disk.content(path);
  const view = viewOf(bytes);
  const salt = view.getUint32(12, true);
  let at = 0;
  for (let place = 4096; place < bytes.length; place += 4096)
    if (view.getUint32(place, true) === 0x31_46_51_53) at = place;
  view.setUint16(at + 4, version, true);
  view.setUint32(at + 12, crc32(bytes, at + 16, 64, crc32(bytes, at, 12, salt)), true);
  disk.plant(path, bytes);
}
