/** Names inside a data folder. */
export const logFolder = (folder: string): string => `${folder}/log`;
export const indexFolder = (folder: string): string => `${folder}/index`;
export const checkpointFolder = (folder: string): string => `${folder}/checkpoints`;

export function segmentPath(folder: string, sequence: number): string {
  return `${logFolder(folder)}/${padded(sequence)}.seg`;
}

export function summaryPath(folder: string, sequence: number): string {
  return `${indexFolder(folder)}/${padded(sequence)}.sum`;
}

/** Sequence number in a segment's or summary's file name; `undefined` for other names. */
export function sequenceOf(name: string, extension: "seg" | "sum"): number | undefined {
  const match = /^(\d{12})\.(seg|sum)$/.exec(name);
  return match?.[2] === extension ? Number(match[1]) : undefined;
}

function padded(sequence: number): string {
  return String(sequence).padStart(12, "0");
}
