import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Endpoint, type NetworkFault, rulesOf } from "./network-faults.ts";
import { findNft, type NftBinary } from "./nft-binary.ts";

/** A table and a chain of our own, so that nothing else is touched. */
const frame = ["table inet chaos {", "chain cuts { type filter hook input priority 0; policy accept; }", "}"];

/** The network of a namespace: who is cut off from whom. Only for use inside one. */
export class Network {
  readonly #endpoints: readonly Endpoint[];
  readonly #nft: NftBinary;

  private constructor(endpoints: readonly Endpoint[], nft: NftBinary) {
    this.#endpoints = endpoints;
    this.#nft = nft;
  }

  /** @throws {Error} when there is no nft, or this process may not change the network it is in */
  static async open(endpoints: readonly Endpoint[]): Promise<Network> {
    const nft = await findNft();
    if (typeof nft === "string") throw new Error(nft);
    const network = new Network(endpoints, nft);
    await network.heal();
    return network;
  }

  /** Makes `fault` the only one, in one step. Connections stay; what they carry is dropped. */
  async cut(fault: NetworkFault): Promise<void> {
    const rules = rulesOf(fault, this.#endpoints).map((rule) => `add rule inet chaos cuts ${rule}`);
    await this.#run([...frame, "flush chain inet chaos cuts", ...rules].join("\n"));
  }

  /** All packets arrive again. What was lost meanwhile TCP repeats in its own time. */
  async heal(): Promise<void> {
    await this.cut([]);
  }

  /** Packets that the present fault took: a fault that met none proved nothing. */
  async taken(): Promise<number> {
    const listed = await this.#run("list", "chain", "inet", "chaos", "cuts");
    return [...listed.matchAll(/counter packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  }

  async #run(...args: readonly string[]): Promise<string> {
    const { program, env } = this.#nft;
    const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, ...env } });
    return stdout;
  }
}
