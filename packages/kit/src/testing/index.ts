export { ManualTime } from "./manual-time.ts";
export { MemoryDisk } from "./memory-disk.ts";
