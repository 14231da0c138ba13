#!/usr/bin/env bash
# Starts etcd, kube-apiserver, kube-controller-manager and kube-scheduler on
# 127.0.0.1 and returns when all of them are ready.
#   KUBE_BIN=... KUBE_STATE=... up.sh
# Afterwards: export KUBECONFIG=$KUBE_STATE/pki/admin.conf
# APISERVER_ARGS, KCM_ARGS and SCHEDULER_ARGS add flags (last one wins).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
mkdir -p "$KUBE_STATE"/{run,log,etcd}
chmod 700 "$KUBE_STATE/etcd"
"$here/pki.sh"

etcd=http://127.0.0.1:$PORT_ETCD
peer=http://127.0.0.1:$PORT_ETCD_PEER
start etcd --data-dir="$KUBE_STATE/etcd" --unsafe-no-fsync --logger=zap --log-level=warn \
  --listen-client-urls="$etcd" --advertise-client-urls="$etcd" \
  --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" --initial-cluster="default=$peer"
await etcd "$etcd/readyz"

# No endpoint reconciler: with one the apiserver exits, refusing a loopback address.
# Without kube-proxy nobody reads the endpoints of the `kubernetes` Service.
start kube-apiserver --etcd-servers="$etcd" \
  --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$PORT_API" --endpoint-reconciler-type=none \
  --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
  --service-cluster-ip-range="${SERVICE_RANGE:-10.0.0.0/24}" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
  --kubelet-client-certificate="$PKI/kubelet-client.crt" --kubelet-client-key="$PKI/kubelet-client.key" \
  --kubelet-preferred-address-types=InternalIP \
  --requestheader-client-ca-file="$PKI/front-proxy-ca.crt" --requestheader-allowed-names=front-proxy-client \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$PKI/front-proxy-client.crt" --proxy-client-key-file="$PKI/front-proxy-client.key" \
  ${APISERVER_ARGS:-}
await kube-apiserver "https://127.0.0.1:$PORT_API/readyz"

# After the apiserver: the controllers exit at once when it does not answer.
start kube-controller-manager --bind-address=127.0.0.1 --secure-port="$PORT_KCM" --leader-elect=false \
  --kubeconfig="$PKI/kube-controller-manager.conf" \
  --authentication-kubeconfig="$PKI/kube-controller-manager.conf" \
  --authorization-kubeconfig="$PKI/kube-controller-manager.conf" \
  --use-service-account-credentials --service-account-private-key-file="$PKI/sa.key" --root-ca-file="$PKI/ca.crt" \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
  --horizontal-pod-autoscaler-sync-period=2s --horizontal-pod-autoscaler-downscale-stabilization=5s \
  --pvclaimbinder-sync-period=2s \
  ${KCM_ARGS:-}
start kube-scheduler --bind-address=127.0.0.1 --secure-port="$PORT_SCHEDULER" --leader-elect=false \
  --kubeconfig="$PKI/kube-scheduler.conf" \
  --authentication-kubeconfig="$PKI/kube-scheduler.conf" \
  --authorization-kubeconfig="$PKI/kube-scheduler.conf" \
  ${SCHEDULER_ARGS:-}
await kube-controller-manager "https://127.0.0.1:$PORT_KCM/healthz"
await kube-scheduler "https://127.0.0.1:$PORT_SCHEDULER/readyz"
