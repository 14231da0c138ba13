import { type Disk, DiskError, replaceFile } from "./disk.ts";
import { SaturnError } from "./errors.ts";

/** Whose data a folder may hold. */
export type FolderRole = "broker" | "nameserver";

const titles = { broker: "a broker", nameserver: "a name server" } as const satisfies Record<FolderRole, string>;
const fileName = "role";

/**
 * Takes a data folder for a role, for ever: a broker never starts on a name server's data, nor the other way round. A folder from before there
 * were roles takes the first that comes.
 *
 * @throws {SaturnError} `FORBIDDEN` when it has the other role, or one that this program does not know
 */
export async function claimFolderRole(disk: Disk, folder: string, role: FolderRole): Promise<void> {
  const path = `${folder}/${fileName}`;
  const found = await roleIn(disk, path);
  if (found === role) return;
  if (found !== undefined) {
    const owner =
      found === "broker" || found === "nameserver" ? `the data of ${titles[found]}` : `data of an unknown kind`;
    throw new SaturnError(
      "FORBIDDEN",
      `${folder} holds ${owner}, not of ${titles[role]}: give this process a folder of its own`,
    );
  }
  await disk.makeFolder(folder);
  await replaceFile(disk, path, new TextEncoder().encode(`${role}\n`));
}

async function roleIn(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await disk.read(path)).trim();
  } catch (error) {
    if (error instanceof DiskError && error.code === "notFound") return undefined;
    throw error;
  }
}
