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

/**
 * The place where a process of its own keeps its data, in a folder named like its role: empty of the other role's, and not such a folder itself.
 *
 * @throws {SaturnError} `FORBIDDEN` that says what is in the way; nothing is changed
 */
export async function checkDataPlace(disk: Disk, dataDir: string, role: FolderRole): Promise<void> {
  const holdsData = async (path: string): Promise<boolean> => (await disk.list(path)).includes("identity");
  if (await holdsData(dataDir)) {
    throw new SaturnError(
      "FORBIDDEN",
      `${dataDir} is itself the data folder of a broker or a name server: name the folder around it, or another one`,
    );
  }
  const other = role === "broker" ? "nameserver" : "broker";
  if ((await holdsData(`${dataDir}/${role}`)) || !(await holdsData(`${dataDir}/${other}`))) return;
  throw new SaturnError(
    "FORBIDDEN",
    `${dataDir} holds the data of ${titles[other]}: give ${titles[role].replace(/^a /, "the ")} a folder of its own`,
  );
}

async function roleIn(disk: Disk, path: string): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await disk.read(path)).trim();
  } catch (error) {
    if (error instanceof DiskError && error.code === "notFound") return undefined;
    throw error;
  }
}
