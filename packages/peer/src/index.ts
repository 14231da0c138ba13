export type { PeerLimits } from "./limits.ts";
export { createPeerLinks } from "./peer-links.ts";
export {
  type CallOptions,
  type CallOutcome,
  type LinkChange,
  mustStop,
  type PeerAddress,
  PeerCallError,
  type PeerCounters,
  type PeerIdentity,
  type PeerLinks,
  type PeerLinksOptions,
  type PeerRole,
  type RefusalReason,
} from "./ports.ts";
