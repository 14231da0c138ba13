import type { KubeObject } from "@saturnmq/operator/kube";

/** One source of a projected volume, of those that come with a service account's token. */
export type Projection = {
  readonly serviceAccountToken?: { readonly path: string; readonly expirationSeconds: number };
  readonly configMap?: {
    readonly name: string;
    readonly items: readonly { readonly key: string; readonly path: string }[];
  };
  readonly downwardAPI?: { readonly items: readonly { readonly path: string }[] };
};

/** How a container is asked whether it is well. */
export type Probe = {
  readonly httpGet: { readonly path: string; readonly port: number | string };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold: number;
};
/** A container, as far as it is made a process. */
export type Container = {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
};
/** A pod, as far as it is made a process. */
export type PodObject = KubeObject & {
  readonly metadata: KubeObject["metadata"] & { readonly deletionGracePeriodSeconds?: number };
  readonly spec: {
    readonly nodeName?: string;
    readonly restartPolicy?: "Always" | "OnFailure" | "Never";
    readonly serviceAccountName?: string;
    readonly terminationGracePeriodSeconds: number;
    readonly containers: readonly Container[];
    readonly volumes?: readonly {
      readonly name: string;
      readonly persistentVolumeClaim?: { readonly claimName: string };
      readonly configMap?: { readonly name: string };
      readonly projected?: { readonly sources: readonly Projection[] };
    }[];
  };
  readonly status?: { readonly phase?: string; readonly podIP?: string };
};

/** A port that may be given by its name. */
export function portOf({ spec }: Pick<PodObject, "spec">, port: number | string): number {
  if (typeof port === "number") return port;
  const named = spec.containers.flatMap(({ ports = [] }) => ports).find(({ name }) => name === port);
  return named?.containerPort ?? Number.NaN;
}
