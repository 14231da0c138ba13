let lastBytes: Uint8Array | undefined;
let lastView: DataView | undefined;

/** A view over all of `bytes`. The last one is remembered: what is walked piece by piece lies in few buffers. */
export function viewOver(bytes: Uint8Array): DataView {
  if (lastView === undefined || lastBytes !== bytes) {
    lastBytes = bytes;
    lastView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  return lastView;
}
