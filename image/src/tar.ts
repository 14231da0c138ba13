import { assert } from "@saturnmq/kit";
import { type TreeEntry, withFolders } from "./tree.ts";

const blockBytes = 512;
const nameBytes = 100;
const prefixBytes = 155;
const typeFlags = { file: "0", link: "2", folder: "5" } as const;

/**
 * A tar archive (POSIX.1-1988 `ustar`) of the entries and the folders above them, whose bytes follow from the entries alone: no times, no names of users, paths in the order of their bytes.
 */
export function tarOf(entries: readonly TreeEntry[]): Buffer {
  const blocks = withFolders(entries).flatMap((entry) => {
    const content = entry.kind === "file" ? entry.bytes : new Uint8Array();
    return [headerOf(entry, content.length), content, Buffer.alloc(paddingAfter(content.length))];
  });
  // Two empty blocks end an archive.
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

function paddingAfter(length: number): number {
  return (blockBytes - (length % blockBytes)) % blockBytes;
}

function headerOf(entry: TreeEntry, size: number): Buffer {
  const header = Buffer.alloc(blockBytes);
  const { name, prefix } = splitPath(entry.kind === "folder" ? `${entry.path}/` : entry.path);
  const owner = entry.kind === "folder" ? (entry.owner ?? 0) : 0;
  header.write(name, 0);
  header.write(octal(entry.kind === "link" ? 0o777 : entry.mode, 8), 100);
  header.write(octal(owner, 8), 108);
  header.write(octal(owner, 8), 116);
  header.write(octal(size, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(typeFlags[entry.kind], 156);
  if (entry.kind === "link") header.write(shortEnough(entry.target), 157);
  header.write("ustar\u000000", 257);
  header.write(prefix, 345);
  // The checksum counts its own field as blanks.
  header.write("        ", 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 7)}\u0000`, 148);
  return header;
}

/** Digits that fill a field but for the NUL at its end. */
function octal(value: number, fieldBytes: number): string {
  const digits = value.toString(8).padStart(fieldBytes - 1, "0");
  assert(digits.length < fieldBytes, `${value} fits in a field of ${fieldBytes} bytes`);
  return digits;
}

function shortEnough(text: string): string {
  assert(Buffer.byteLength(text) <= nameBytes, `"${text}" has at most ${nameBytes} bytes`);
  return text;
}

/** A path of more than 100 bytes is cut at a slash: what is before it goes to the prefix. */
function splitPath(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= nameBytes) return { name: path, prefix: "" };
  const cut = path.indexOf("/", Buffer.byteLength(path) - nameBytes - 1);
  assert(cut > 0 && cut <= prefixBytes, `"${path}" fits in a tar header`);
  return { name: shortEnough(path.slice(cut + 1)), prefix: path.slice(0, cut) };
}
