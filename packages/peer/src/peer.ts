import type { Cancel } from "@saturnmq/kit";
import type { ReplicaId } from "raft-ts";
import type { Dial } from "./dial.ts";
import type { Half } from "./incoming.ts";
import type { Link } from "./link.ts";
import type { PeerAddress } from "./ports.ts";

/** What this process knows of one peer, and how it reaches it. At most one of link, half and dial is the way on. */
export class Peer {
  readonly id: ReplicaId;
  /** `undefined`: it is not dialled, only met. */
  address: PeerAddress | undefined;
  link: Link | undefined;
  /** It dialled here and its second connection is still to come. */
  half: { readonly half: Half; readonly cancelTimeout: Cancel } | undefined;
  dial: Dial | undefined;
  cancelRedial: Cancel | undefined;
  /** Dials since the last link that lasted. */
  attempts = 0;
  upSinceMs = 0;

  constructor(id: ReplicaId) {
    this.id = id;
  }

  /** True when nothing is under way that could become a link. */
  get idle(): boolean {
    return (this.link ?? this.half ?? this.dial ?? this.cancelRedial) === undefined;
  }

  dropHalf(): void {
    this.half?.cancelTimeout();
    this.half?.half.channel.close();
    this.half = undefined;
  }

  /** Ends every attempt; the link stays. */
  stopTrying(): void {
    this.cancelRedial?.();
    this.cancelRedial = undefined;
    this.dial?.abort();
    this.dial = undefined;
    this.dropHalf();
  }
}
