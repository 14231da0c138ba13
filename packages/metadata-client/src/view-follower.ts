import { assert, type Logger } from "@saturnmq/kit";
import { applyDelta, type ClusterView, type MetadataCodec, type WatchEvent } from "@saturnmq/wire";
import type { LeaderFinder } from "./leader-finder.ts";
import { type Failure, type Rpc, readAnswer } from "./rpc.ts";

export type FollowerOptions = {
  readonly finder: LeaderFinder;
  readonly rpc: Rpc;
  readonly codec: MetadataCodec<"Watch">;
  readonly logger: Logger;
  /** What is known so far; `undefined`: nothing. */
  readonly view: ClusterView | undefined;
  /** Told of each later view, in revision order. */
  readonly changed: (view: ClusterView) => void;
};

/** Follows the cluster's view at whichever name server leads, from the last revision seen, until `signal` aborts. */
export async function followView(options: FollowerOptions, signal: AbortSignal): Promise<void> {
  const { finder, logger } = options;
  const follower = new Follower(options);
  // A refusal is told once: it will come again with every attempt.
  let told = "";
  for (let refusals = 0; !signal.aborted; ) {
    const address = finder.current;
    const failure = await follower.follow(address, signal);
    if (failure.kind === "passing") {
      refusals = 0;
      await finder.pause(finder.failed(address, failure.leader), signal);
      continue;
    }
    refusals += 1;
    if (told !== failure.error.message)
      logger.error({ err: failure.error, address }, "a name server refuses the watch");
    told = failure.error.message;
    await finder.pause(finder.pauseMs(refusals + 4), signal);
  }
}

class Follower {
  readonly #options: FollowerOptions;
  #view: ClusterView | undefined;
  /** A delta did not continue the view: what was missed is not known, so the next watch begins with everything. */
  #lost = false;

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#view = options.view;
  }

  /** Follows at one name server until that fails. */
  follow(address: string, signal: AbortSignal): Promise<Failure> {
    const { rpc, codec, finder } = this.#options;
    return new Promise((resolve) => {
      const stream = rpc.stream(address, codec.path, {
        message: (bytes) => {
          const event = readAnswer(address, bytes, (answer) => codec.decodeReply(answer));
          finder.answered(address);
          if (!this.#take(event)) stream.cancel();
        },
        ended: (failure) => {
          signal.removeEventListener("abort", cancel);
          resolve(failure ?? { kind: "passing", reason: `${address}: the watch ended`, leader: undefined });
        },
      });
      const cancel = (): void => stream.cancel();
      signal.addEventListener("abort", cancel, { once: true });
      stream.send(codec.encodeRequest(this.#from()));
      stream.finish();
    });
  }

  #from(): { readonly clusterId: string | undefined; readonly revision: number } {
    const seen = this.#lost ? undefined : this.#view;
    this.#lost = false;
    return { clusterId: seen?.clusterId, revision: seen?.revision ?? 0 };
  }

  /** False: the event does not continue what is known. */
  #take(event: WatchEvent): boolean {
    const next = event.kind === "view" ? event.view : this.#view && applyDelta(this.#view, event.delta);
    if (next === undefined) {
      this.#lost = true;
      return false;
    }
    const known = this.#view;
    if (known !== undefined && next.revision <= known.revision) return next.revision === known.revision;
    assert(known === undefined || known.clusterId === next.clusterId, "a watch stays with one cluster");
    this.#view = next;
    this.#options.changed(next);
    return true;
  }
}
