import type { Random } from "@saturnmq/kit";
import type { ReplicaId } from "raft-ts";
import { commonVersion, judgeGreeting, type KnownLife } from "./admission.ts";
import { type ChannelName, type Greeting, protocolVersions } from "./greeting.ts";
import type { PeerIdentity, PeerLinksOptions, RefusalReason } from "./ports.ts";

/** Speaks for this process at the door, and remembers the newest life of everybody who came. */
export class Doorkeeper {
  readonly self: PeerIdentity;
  /** Tells this process from any other that claims its identity. */
  readonly boot: number;
  readonly #admit: PeerLinksOptions["admit"];
  readonly #random: Random;
  readonly #known = new Map<ReplicaId, KnownLife>();

  constructor({ identity, admit, random }: Pick<PeerLinksOptions, "identity" | "admit" | "random">) {
    this.self = identity;
    this.#admit = admit;
    this.#random = random;
    this.boot = this.draw();
  }

  /** A number that nobody else draws: 53 bits. */
  draw(): number {
    return this.#random.below(2 ** 21) * 2 ** 32 + this.#random.below(2 ** 32);
  }

  hello(channel: ChannelName, target: ReplicaId, session: number): Greeting {
    return { ...this.#own(channel, target, session), kind: "hello", versions: protocolVersions, reason: undefined };
  }

  welcome({ channel, identity, session }: Greeting, version: number): Greeting {
    const versions = { lowest: version, highest: version };
    return { ...this.#own(channel, identity.id, session), kind: "welcome", versions, reason: undefined };
  }

  refusal({ channel, identity, session }: Greeting, reason: RefusalReason): Greeting {
    return { ...this.#own(channel, identity.id, session), kind: "refusal", versions: protocolVersions, reason };
  }

  /** The version to speak with the sender, or why it cannot be linked with. A sender that passes is remembered. */
  judge(greeting: Greeting, dialled?: ReplicaId): { readonly version: number } | { readonly reason: RefusalReason } {
    const { identity, boot, versions } = greeting;
    const known = this.#known.get(identity.id);
    const judge = { self: this.self, versions: protocolVersions, dialled, known, admit: this.#admit };
    const reason = judgeGreeting(greeting, judge);
    const version = commonVersion(versions, protocolVersions);
    if (reason !== undefined || version === undefined) return { reason: reason ?? "version" };
    this.#known.set(identity.id, { incarnation: identity.incarnation, boot });
    return { version };
  }

  #own(channel: ChannelName, target: ReplicaId, session: number) {
    return { channel, identity: this.self, boot: this.boot, session, target };
  }
}
