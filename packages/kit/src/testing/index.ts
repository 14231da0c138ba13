export { EventQueue } from "./event-queue.ts";
export { ManualTime } from "./manual-time.ts";
export { MemoryDisk } from "./memory-disk.ts";
export { MemoryNet } from "./memory-net.ts";
