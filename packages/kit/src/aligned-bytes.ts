/** The part we use; its types come only with those of browsers. */
declare const WebAssembly: {
  readonly Memory: new (size: { initial: number; maximum: number }) => { readonly buffer: ArrayBuffer };
};

const wasmPageBytes = 65_536;

/** Zeros that begin at a whole page of memory, as writes past the system's cache need it. They take no memory until they are written to. @param size rounded up to 64 KiB */
export function alignedBytes(size: number): Uint8Array<ArrayBuffer> {
  const pages = Math.ceil(size / wasmPageBytes);
  return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
}
