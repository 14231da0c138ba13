{{- define "saturnmq.fullname" -}}
{{- default .Release.Name .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "saturnmq.serviceAccount" -}}
{{- default (printf "%s-operator" (include "saturnmq.fullname" .)) .Values.serviceAccount.name -}}
{{- end -}}

{{- define "saturnmq.selector" -}}
app.kubernetes.io/name: saturnmq
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "saturnmq.labels" -}}
{{ include "saturnmq.selector" . }}
app.kubernetes.io/part-of: saturnmq
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- /* Names of the metrics of an HPA; the adapter's rules make them. */ -}}
{{- define "saturnmq.metric.rate" -}}saturnmq_sent_messages_per_second{{- end -}}
{{- define "saturnmq.metric.unread" -}}saturnmq_unread_messages{{- end -}}

{{- define "saturnmq.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{- /* What the operator does in a namespace that it looks after: each rule is a call that it makes. */ -}}
{{- define "saturnmq.rules" -}}
- apiGroups: [saturnmq.io]
  resources: [nameservers, brokers]
  verbs: [get, list, watch]
- apiGroups: [saturnmq.io]
  resources: [topics, consumergroups]
  verbs: [list, watch]
- apiGroups: [saturnmq.io]
  resources: [nameservers/status, brokers/status, topics/status, consumergroups/status]
  verbs: [patch]
# Its finalizer on what is removed from a cluster.
- apiGroups: [saturnmq.io]
  resources: [topics, consumergroups]
  verbs: [patch]
# For children that block their owner's deletion, where the API server asks for this.
- apiGroups: [saturnmq.io]
  resources: [nameservers/finalizers, brokers/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch, create, delete]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [services, configmaps, serviceaccounts]
  verbs: [get, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
