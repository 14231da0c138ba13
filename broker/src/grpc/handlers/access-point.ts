import { isIPv4, isIPv6 } from "node:net";

/** Numbers of `AddressScheme`. */
const scheme = { ipv4: 1, ipv6: 2, domainName: 3 } as const;

export type Endpoints = {
  readonly scheme: number;
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
};

/**
 * Where the client shall send its calls: the access point that it names itself, so that it stays on the load balancer or port-forward it came
 * by; without one, the host and port it dialled.
 */
export function accessPoint(asked: Endpoints | undefined, authority: string, ownPort: number): Endpoints {
  if (asked !== undefined && asked.addresses.length > 0) return asked;
  const { host, port } = splitAuthority(authority, ownPort);
  return { scheme: schemeOf(host), addresses: [{ host, port }] };
}

function schemeOf(host: string): number {
  if (isIPv4(host)) return scheme.ipv4;
  return isIPv6(host) ? scheme.ipv6 : scheme.domainName;
}

function splitAuthority(authority: string, ownPort: number): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(authority);
  const host = match?.[1] ?? match?.[2] ?? "";
  return { host: host === "" ? "127.0.0.1" : host, port: Number(match?.[3] ?? ownPort) };
}
