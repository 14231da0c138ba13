import type { Cancel, Clock, Timers } from "@saturnmq/kit";
import type { ClusterView, MetadataService } from "@saturnmq/wire";
import { letsGo, othersServing, surplusOf } from "./fair-share.ts";
import type { Transport } from "./grpc/transport/service.ts";
import type { ConnectionCounts } from "./peer/connection-counts.ts";

/** Over which connections are let go when the cluster has changed. */
const shedOverMs = 20_000;
/** Counts are told, and compared, so often; */
const roundMs = 5_000;
/** and what is above a fair share goes for so long after that. */
const evenForMs = 60_000;

export type ClientSpreadOptions = {
  readonly self: number;
  readonly metadata: MetadataService;
  readonly transport: Pick<Transport, "connections" | "shed">;
  /** Alone there are none. */
  readonly counts: Pick<ConnectionCounts, "others" | "tell"> | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
};

/**
 * Lets clients go to brokers that came, or to all others when this one is to be emptied: all connections at first, then what chance left here above a fair
 * share.
 *
 * @param signal ends it
 */
export function spreadClients(options: ClientSpreadOptions, signal: AbortSignal): void {
  const { self, metadata, transport, clock, timers } = options;
  let view: ClusterView | undefined;
  let goneMs = Number.NEGATIVE_INFINITY;
  metadata.watch((next) => {
    const all = letsGo(view, next, self);
    view = next;
    if (!all) return;
    goneMs = clock.monoMs() + shedOverMs;
    transport.shed(1, shedOverMs);
  }, signal);
  let cancel: Cancel | undefined;
  const again = (): void => {
    cancel = timers.after(roundMs, () => {
      const sinceMs = clock.monoMs() - goneMs;
      balance(options, view, sinceMs >= 0 && sinceMs < evenForMs);
      again();
    });
  };
  signal.addEventListener("abort", () => cancel?.(), { once: true });
  if (options.counts !== undefined) again();
}

function balance({ self, transport, counts }: ClientSpreadOptions, view: ClusterView | undefined, due: boolean): void {
  const own = transport.connections;
  counts?.tell(own);
  if (!due || counts === undefined || view === undefined || own === 0) return;
  const others = othersServing(view, self).map((id) => counts.others.get(id));
  // Of one that has not told it is not known how much it lacks.
  if (!others.every((count) => count !== undefined)) return;
  const surplus = surplusOf(own, others);
  if (surplus > 0) transport.shed(surplus / own, roundMs);
}
