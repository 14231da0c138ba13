/** Everything on disk starts at a multiple of this many bytes. */
export const blockBytes = 4096;

/** Bytes [from, to) of a file. */
export type ByteRange = { readonly from: number; readonly to: number };

const high = 4_294_967_296;

/** Rounds up to whole blocks. */
export function alignUp(bytes: number): number {
  return Math.ceil(bytes / blockBytes) * blockBytes;
}

/** A little-endian u64 below 2^53; larger values come out wrong, which the surrounding CRC rules out. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * high + view.getUint32(at, true);
}

export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % high, true);
  view.setUint32(at + 4, Math.floor(value / high), true);
}

/** A view over exactly `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
