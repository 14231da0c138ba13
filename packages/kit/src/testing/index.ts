export { ManualTime } from "./manual-time.ts";
export { type DiskFault, MemoryDisk, type MemoryDiskOptions } from "./memory-disk.ts";
