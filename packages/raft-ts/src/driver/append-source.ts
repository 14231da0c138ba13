import type { GroupId } from "../ports.ts";
import type { HeldPayloads } from "./held-payloads.ts";

/** Where the entries that one group sends come from. */
export type AppendSource = {
  readonly group: GroupId;
  readonly held: HeldPayloads;
  /** Whether the entry's write has ended, so that the log can give it. */
  readonly isWritten: (index: number) => boolean;
  /** Resolves when all that is staged now is written. */
  readonly written: () => Promise<void>;
};
