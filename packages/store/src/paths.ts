/** Names inside a data folder. */
export const logFolder = (folder: string): string => `${folder}/log`;
export const indexFolder = (folder: string): string => `${folder}/index`;
export const checkpointFolder = (folder: string): string => `${folder}/checkpoints`;

export const bulkFolder = (folder: string): string => `${folder}/bulk`;

/** A segment's file, and its summary's. */
export type SegmentPaths = { readonly segment: string; readonly summary: string };

export function logPaths(folder: string, sequence: number): SegmentPaths {
  return { segment: segmentPath(folder, sequence), summary: summaryPath(folder, sequence) };
}

/** A bulk segment's summary lies beside it. */
export function bulkPaths(folder: string, sequence: number): SegmentPaths {
  const path = `${bulkFolder(folder)}/${padded(sequence)}`;
  return { segment: `${path}.seg`, summary: `${path}.sum` };
}

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
