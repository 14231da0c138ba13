import { type Disk, DiskError, type Logger, replaceFile } from "@saturnmq/kit";
import { crc32 } from "@saturnmq/kit/node";
import { type ClusterView, loadMetadataCodecs } from "@saturnmq/wire";

const fileName = "cluster-view";
const version = 1;
const headPattern = /^saturnmq-view (\d+) ([0-9a-f]{8})\n/;
/** A head is shorter than this. */
const headBytesMax = 64;

const { Watch: codec } = loadMetadataCodecs();

/** The view that was watched last, on disk: a broker starts from it when no name server answers. */
export interface ViewCache {
  /** What the file held when it was opened; `undefined`: none that can be read. */
  readonly view: ClusterView | undefined;
  /** Has the view written; of several that come during one write only the last is. */
  save(view: ClusterView): void;
  /** Resolves when nothing is being written. */
  settled(): Promise<void>;
}

/**
 * The file `cluster-view` in `folder`: a line with version and CRC-32, then the view as the wire carries it. One that cannot be read counts as
 * absent, with a log line: the name server has the original.
 */
export async function openViewCache(disk: Disk, folder: string, logger: Logger): Promise<ViewCache> {
  const path = `${folder}/${fileName}`;
  return new FileViewCache(disk, path, logger, await readView(disk, path, logger));
}

async function readView(disk: Disk, path: string, logger: Logger): Promise<ClusterView | undefined> {
  try {
    const bytes = await disk.read(path);
    const view = decodeView(bytes);
    if (view === undefined) logger.warn({ path }, "the kept view of the cluster is damaged, or of another version");
    return view;
  } catch (error) {
    if (error instanceof DiskError && error.code === "notFound") return undefined;
    throw error;
  }
}

function encodeView(view: ClusterView): Uint8Array {
  const body = codec.encodeReply({ kind: "view", view });
  const crc = crc32(body, 0, body.length).toString(16).padStart(8, "0");
  return Buffer.concat([Buffer.from(`saturnmq-view ${version} ${crc}\n`), body]);
}

function decodeView(bytes: Uint8Array): ClusterView | undefined {
  const head = headPattern.exec(new TextDecoder("latin1").decode(bytes.subarray(0, headBytesMax)));
  if (head === null || Number(head[1]) !== version) return undefined;
  const body = bytes.subarray(head[0].length);
  if (crc32(body, 0, body.length).toString(16).padStart(8, "0") !== head[2]) return undefined;
  const event = codec.decodeReply(body);
  return event.kind === "view" ? event.view : undefined;
}

class FileViewCache implements ViewCache {
  readonly view: ClusterView | undefined;
  readonly #disk: Disk;
  readonly #path: string;
  readonly #logger: Logger;
  #next: ClusterView | undefined;
  #writing: Promise<void> | undefined;

  constructor(disk: Disk, path: string, logger: Logger, view: ClusterView | undefined) {
    this.#disk = disk;
    this.#path = path;
    this.#logger = logger;
    this.view = view;
  }

  save(view: ClusterView): void {
    this.#next = view;
    this.#writing ??= this.#write();
  }

  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    for (let view = this.#next; view !== undefined; view = this.#next) {
      this.#next = undefined;
      try {
        await replaceFile(this.#disk, this.#path, encodeView(view));
      } catch (error) {
        // The next change is written again; until then the file is older than it could be.
        this.#logger.warn({ err: error, path: this.#path }, "the view of the cluster could not be kept");
      }
    }
    this.#writing = undefined;
  }
}
