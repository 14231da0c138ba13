import type { AppliedEntry, GroupMachine, Payload } from "../ports.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Text as an entry's payload. */
export function payloadOf(text: string): Payload {
  const bytes = encoder.encode(text);
  return { bytes, start: 0, length: bytes.length, crc: 0 };
}

/** An entry's payload as text; "" for an empty entry. */
export function textOf({ bytes, start, length }: Payload): string {
  return decoder.decode(bytes.subarray(start, start + length));
}

/** Test double of a replicated state machine: proposes what was staged, one entry for all of it, and notes every call. */
export class RecordingMachine implements GroupMachine {
  readonly calls: string[] = [];
  staged: string[] = [];

  gather(maxBytes: number): Payload | undefined {
    const texts: string[] = [];
    let bytes = 0;
    for (const text of this.staged) {
      bytes += text.length + 1;
      if (bytes > maxBytes) break;
      texts.push(text);
    }
    if (texts.length === 0) return undefined;
    this.staged = this.staged.slice(texts.length);
    return payloadOf(texts.join("\n"));
  }

  apply(entry: AppliedEntry): void {
    this.calls.push(`apply ${entry.index}/${entry.term} ${textOf(entry.payload)}`.trimEnd());
  }

  applied(): void {
    this.calls.push("applied");
  }

  leading(term: number): void {
    this.calls.push(`leading ${term}`);
  }

  following(leader: number): void {
    this.calls.push(`following ${leader}`);
  }
}
