import { assert, defined } from "@saturnmq/kit";

/** Who sends and receives: members of the cluster, name servers, clients. Each has an address of its own, listens there and dials from there. */
export type Endpoint = { readonly name: string; readonly host: string };

/**
 * What happens to packets on their way from one endpoint to another. All of them are concerned, also the acknowledgements of a connection that the
 * receiving side opened.
 */
export type Cut = {
  readonly from: string;
  readonly to: string;
  /** `drop`: they vanish. `reset`: the sender is told that the connection is gone, as by a peer that restarted. */
  readonly how: "drop" | "reset";
  /** Share of the packets, 1 to 100. */
  readonly percent: number;
};

/** Cuts that hold at the same time. */
export type NetworkFault = readonly Cut[];

/** Nothing gets from `from` to `to`; what the other direction carries arrives. */
export function oneWay(from: readonly string[], to: readonly string[]): NetworkFault {
  return from.flatMap((source) => to.filter((target) => target !== source).map((target) => cut(source, target)));
}

/** Two sides that hear nothing of each other. Also: a client cut off from members, brokers cut off from name servers. */
export function symmetric(one: readonly string[], other: readonly string[]): NetworkFault {
  return [...oneWay(one, other), ...oneWay(other, one)];
}

/** One that hears nobody and is heard by nobody. */
export function isolate(name: string, all: readonly string[]): NetworkFault {
  return symmetric(
    [name],
    all.filter((other) => other !== name),
  );
}

/** Two halves that only `middle` hears both of. */
export function bridge(one: readonly string[], middle: string, other: readonly string[]): NetworkFault {
  assert(!one.includes(middle) && !other.includes(middle), "a bridge is on neither side");
  return symmetric(one, other);
}

/**
 * Each endpoint hears a majority, its neighbours in a ring, and no two hear the same one. For 4 or more: among 3, whoever hears a majority of two
 * neighbours hears all.
 */
export function majoritiesRing(names: readonly string[]): NetworkFault {
  assert(names.length >= 4, "a ring of majorities needs 4 endpoints");
  const majority = Math.floor(names.length / 2) + 1;
  const reach = Math.ceil((majority - 1) / 2);
  return names.flatMap((from, at) => {
    const apart = (other: number): number => Math.min(Math.abs(at - other), names.length - Math.abs(at - other));
    return names.filter((_, other) => apart(other) > reach).map((to) => cut(from, to));
  });
}

/** Some packets from `from` to `to` vanish, each by chance. */
export function lossy(from: readonly string[], to: readonly string[], percent: number): NetworkFault {
  assert(percent >= 1 && percent <= 100, "a share of packets is 1 to 100 percent");
  return oneWay(from, to).map((lost) => ({ ...lost, percent }));
}

/** Connections from one side to the other end at their next packet, new ones are refused. */
export function reset(one: readonly string[], other: readonly string[]): NetworkFault {
  return symmetric(one, other).map((ended) => ({ ...ended, how: "reset" as const }));
}

/** Every single one-way cut: n (n - 1) faults. */
export function allOneWayCuts(names: readonly string[]): readonly NetworkFault[] {
  return oneWay(names, names).map((single) => [single]);
}

/**
 * The fault as the rules of one chain of nft, counted each. They stand where packets come in: dropped where they go out, the sender's kernel would
 * know at once, which no real network tells it.
 *
 * @throws {InvariantError} when a name is no endpoint's
 */
export function rulesOf(fault: NetworkFault, endpoints: readonly Endpoint[]): readonly string[] {
  const hosts = new Map(endpoints.map(({ name, host }) => [name, host]));
  return fault.map(({ from, to, how, percent }) => {
    const match = `ip saddr ${defined(hosts.get(from), from)} ip daddr ${defined(hosts.get(to), to)}`;
    const chance = percent === 100 ? "" : ` numgen random mod 100 < ${percent}`;
    if (how === "drop") return `${match}${chance} counter drop`;
    // The answer to a packet must itself get through, when both directions are reset.
    return `${match} tcp flags & rst == 0${chance} counter reject with tcp reset`;
  });
}

function cut(from: string, to: string): Cut {
  return { from, to, how: "drop", percent: 100 };
}
