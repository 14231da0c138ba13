import type { PodTemplate, Resources, Zones } from "../api/fields.ts";
import type { Manifest, Owner } from "./manifest.ts";
import {
  childMetadata,
  childName,
  indexLabel,
  memberName,
  ports,
  revisionAnnotation,
  selectorLabels,
  userId,
} from "./naming.ts";
import { revisionOf } from "./revision.ts";

/** What the pods of both kinds of set are made from. */
export type PodPlan = {
  readonly owner: Owner;
  /** Word of the `saturnmq` command: `broker` or `nameserver`. */
  readonly command: string;
  readonly image: string;
  readonly imagePullPolicy: string;
  readonly resources: Resources | undefined;
  readonly zones: Zones;
  readonly template: PodTemplate | undefined;
  readonly ports: Readonly<Record<string, number>>;
  /** Text of the process's settings, part of the revision: a pod with older ones is outdated. */
  readonly config: string;
  /** Names of Secrets to mount, by the folder below /etc/saturnmq that they appear in. */
  readonly secrets: Readonly<Record<string, string>>;
};

const configFolder = "/etc/saturnmq/config";
const dataFolder = "/var/lib/saturnmq";
export const configKey = "config.json";
/** A stopping broker hands its leaders over and lets calls end; what it could not do by then is cut. */
const gracePeriodSeconds = 60;

/** What the pods of a set are made from; a pod with another revision is outdated. The operator's own version is no part of it. */
export function podRevision(plan: PodPlan): string {
  const { template } = plan;
  const metadata = given({ labels: template?.labels, annotations: template?.annotations });
  return revisionOf({ ...metadata, spec: podSpec(plan, 0, []), config: plan.config });
}

/** The pod of one member. @param env environment of this member alone, part of no revision */
export function podOf(plan: PodPlan, index: number, env: readonly EnvVar[]): Manifest {
  const { owner, template } = plan;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: childMetadata(owner, memberName(owner, index), {
      labels: { ...template?.labels, [indexLabel]: String(index) },
      annotations: { ...template?.annotations, [revisionAnnotation]: podRevision(plan) },
    }),
    spec: podSpec(plan, index, env),
  };
}

export type EnvVar = { readonly name: string } & (
  | { readonly value: string }
  | { readonly valueFrom: { readonly fieldRef: { readonly fieldPath: string } } }
);

function podSpec(plan: PodPlan, index: number, env: readonly EnvVar[]): Readonly<Record<string, unknown>> {
  const { owner, template, secrets } = plan;
  const name = memberName(owner, index);
  return {
    ...{ hostname: name, subdomain: childName(owner) },
    ...{ serviceAccountName: childName(owner), automountServiceAccountToken: false, enableServiceLinks: false },
    ...{ restartPolicy: "Always", terminationGracePeriodSeconds: gracePeriodSeconds },
    securityContext: {
      ...{
        runAsNonRoot: true,
        runAsUser: userId,
        runAsGroup: userId,
        fsGroup: userId,
        fsGroupChangePolicy: "OnRootMismatch",
      },
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...placement(plan),
    ...given({ priorityClassName: template?.priorityClassName, imagePullSecrets: template?.imagePullSecrets }),
    containers: [container(plan, env)],
    volumes: [
      { name: "data", persistentVolumeClaim: { claimName: name } },
      { name: "config", configMap: { name: childName(owner) } },
      { name: "tmp", emptyDir: {} },
      ...Object.entries(secrets).map(([folder, secretName]) => ({ name: folder, secret: { secretName } })),
    ],
  };
}

function container(plan: PodPlan, env: readonly EnvVar[]): Readonly<Record<string, unknown>> {
  const { command, image, imagePullPolicy, resources, secrets } = plan;
  return {
    ...{ name: "saturnmq", image, imagePullPolicy },
    command: ["saturnmq", command, "--config", `${configFolder}/${configKey}`],
    env: [{ name: "SATURNMQ_DATA_DIR", value: dataFolder }, ...env],
    ports: Object.entries(plan.ports).map(([name, containerPort]) => ({ name, containerPort, protocol: "TCP" })),
    ...given({ resources }),
    ...probes,
    securityContext: {
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    },
    volumeMounts: [
      { name: "data", mountPath: dataFolder },
      { name: "config", mountPath: configFolder, readOnly: true },
      { name: "tmp", mountPath: "/tmp" },
      ...Object.keys(secrets).map((name) => ({ name, mountPath: `/etc/saturnmq/${name}`, readOnly: true })),
    ],
  };
}

function probe(path: string, times: Readonly<Record<string, number>>): Readonly<Record<string, unknown>> {
  return { httpGet: { path, port: ports.http }, ...times };
}

/** Alive: the event loop turns. Ready: this member serves; never the cluster's health, or one lost member would take all others from service. */
const probes = {
  livenessProbe: probe("/healthz", { periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }),
  readinessProbe: probe("/readyz", { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 3 }),
  // The port opens after the log was replayed, however long that takes.
  startupProbe: probe("/healthz", { periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 3_600 }),
};

function placement({ owner, zones, template }: PodPlan): Readonly<Record<string, unknown>> {
  const labelSelector = { matchLabels: selectorLabels(owner) };
  const apart = { weight: 100, podAffinityTerm: { topologyKey: "kubernetes.io/hostname", labelSelector } };
  return {
    topologySpreadConstraints: [
      { maxSkew: 1, topologyKey: zones.topologyKey, whenUnsatisfiable: zones.whenUnsatisfiable, labelSelector },
    ],
    affinity: template?.affinity ?? {
      podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [apart] },
    },
    ...given({ nodeSelector: template?.nodeSelector, tolerations: template?.tolerations }),
  };
}

/** Only what is there: an empty key in an object would be a change at each comparison. */
export function given(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
