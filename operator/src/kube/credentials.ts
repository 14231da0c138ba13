import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { SaturnError } from "@saturnmq/kit";
import { parse } from "yaml";

/** How the API server is reached, and as whom. */
export type Credentials = {
  /** URL without a path. */
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** Read anew for each call: tokens of pods are rotated. */
  readonly token?: () => string;
  /** Namespace that is meant when none is named. */
  readonly namespace: string;
};

const podFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

/**
 * Those of the pod that this process runs in, or of the file that `KUBECONFIG` names.
 *
 * @param folder of the pod's token
 * @throws {SaturnError} `BAD_REQUEST` when there are neither, or the file needs a plugin to log in
 */
export function loadCredentials(
  environment: Readonly<Record<string, string | undefined>>,
  folder = environment["SATURNMQ_TOKEN_FOLDER"] ?? podFolder,
): Credentials {
  const { KUBECONFIG: file, KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = "443" } = environment;
  if (file !== undefined && file !== "") return fromKubeconfig(file);
  if (host === undefined) {
    throw new SaturnError(
      "BAD_REQUEST",
      "no API server is known: run in a pod, or set KUBECONFIG to a file that names one",
    );
  }
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca: readFileSync(`${folder}/ca.crt`, "utf8"),
    token: () => readFileSync(`${folder}/token`, "utf8").trim(),
    namespace: readFileSync(`${folder}/namespace`, "utf8").trim(),
  };
}

type Named<Key extends string, Value> = readonly ({ readonly name: string } & Readonly<Partial<Record<Key, Value>>>)[];
type Kubeconfig = {
  readonly "current-context"?: string;
  readonly contexts?: Named<
    "context",
    { readonly cluster: string; readonly user: string; readonly namespace?: string }
  >;
  readonly clusters?: Named<"cluster", Readonly<Record<string, string>>>;
  readonly users?: Named<"user", Readonly<Record<string, unknown>>>;
};

function fromKubeconfig(file: string): Credentials {
  const config = parse(readFileSync(file, "utf8")) as Kubeconfig;
  const wrong = (what: string): SaturnError => new SaturnError("BAD_REQUEST", `${file}: ${what}`);
  const context = config.contexts?.find(({ name }) => name === config["current-context"])?.context;
  if (context === undefined) throw wrong("current-context names no context");
  const cluster = config.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  if (cluster?.["server"] === undefined) throw wrong(`cluster ${context.cluster} has no server`);
  const user = config.users?.find(({ name }) => name === context.user)?.user ?? {};
  if (user["exec"] !== undefined || user["auth-provider"] !== undefined)
    throw wrong(`user ${context.user} logs in by a plugin, which is not run here: give a certificate or a token`);
  const read = fileReader(file);
  const text = user as Readonly<Record<string, string>>;
  const ca = read(cluster["certificate-authority-data"], cluster["certificate-authority"]);
  const cert = read(text["client-certificate-data"], text["client-certificate"]);
  const key = read(text["client-key-data"], text["client-key"]);
  const { token } = text;
  return {
    server: cluster["server"].replace(/\/$/, ""),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(token === undefined ? {} : { token: () => token }),
    namespace: context.namespace ?? "default",
  };
}

/** Reads what a kubeconfig gives either in itself, in base64, or by the path of a file beside it. */
function fileReader(file: string): (data: string | undefined, path: string | undefined) => string | undefined {
  return (data, path) => {
    if (data !== undefined) return Buffer.from(data, "base64").toString("utf8");
    return path === undefined ? undefined : readFileSync(resolve(dirname(file), path), "utf8");
  };
}
