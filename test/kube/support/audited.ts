/** Where the operator is installed. Its calls are audited. */
export const operatorNamespace = "saturnmq-system";

type Entry = {
  readonly stage: string;
  readonly verb: string;
  readonly requestURI: string;
  readonly responseStatus?: { readonly code?: number };
  readonly objectRef?: {
    readonly apiGroup?: string;
    readonly resource: string;
    readonly subresource?: string;
    readonly name?: string;
    readonly namespace?: string;
  };
};

/** A call by verb and resource: `patch saturnmq.io/brokers/status`. */
export type Call = { readonly call: string; readonly code: number; readonly namespace: string; readonly of: string };

const writes = new Set(["create", "update", "patch", "delete"]);

/** What the operator called so far, in order. */
export function callsOf(audit: string): readonly Call[] {
  const lines = audit.split("\n").filter((line) => line.endsWith("}"));
  return lines.flatMap((line) => {
    const { stage, verb, responseStatus, objectRef } = JSON.parse(line) as Entry;
    if (objectRef === undefined) return [];
    const { apiGroup = "", resource, subresource, namespace = "", name = "" } = objectRef;
    // A watch is told of when it begins: it may not end before the run does.
    if (stage !== (verb === "watch" ? "ResponseStarted" : "ResponseComplete")) return [];
    const path = `${apiGroup}/${resource}${subresource === undefined ? "" : `/${subresource}`}`;
    const code = responseStatus?.code ?? 0;
    const of = `${namespace}/${name}`;
    const call = { call: `${verb} ${path}`, code, namespace, of };
    // What an apply makes anew must be allowed to be created, too.
    return verb === "patch" && code === 201 ? [call, { ...call, call: `create ${path}` }] : [call];
  });
}

/** Those that changed something, but for its Lease and a second entry for one call. */
export function writesOf(all: readonly Call[]): readonly Call[] {
  return all.filter(({ call }) => writes.has(call.split(" ")[0] ?? "") && !call.endsWith("/leases"));
}
