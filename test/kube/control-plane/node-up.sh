#!/usr/bin/env bash
# Adds one real node, a kubelet with containerd, to a running control plane. Root only: needs mount and network namespaces that may be changed, adds a bridge to
# the latter.
#   KUBE_BIN=... KUBE_STATE=... node-up.sh SANDBOX IMAGE.tar ...
# SANDBOX is the name, among the images, of the one that holds a pod's namespaces open. DNS of pods is asked at the bridge's address, port 53.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
sandbox=$1
shift
NODE=${NODE:-node-1}
ZONE=${ZONE:-zone-1}
NET=${NET:-10.88.0}
node=$KUBE_STATE/$NODE
runtime=$KUBE_BIN/runtime
export PATH=$runtime/usr/bin:$runtime/usr/sbin:$PATH LD_LIBRARY_PATH=$runtime/usr/lib/x86_64-linux-gnu
mkdir -p "$node"/{cni,kubelet,plugins,pod-logs}
NODES=$NODE "$here/pki.sh"

# The bridge comes first because a kubelet refuses a loopback address as its own.
if ! ip link show kube0 >/dev/null 2>&1; then
  ip link add kube0 type bridge
  ip address add "$NET.1/24" dev kube0
  ip link set kube0 up
fi

cat >"$node/cni/10-bridge.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "kube0", "isGateway": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$node/ipam", "ranges": [[{"subnet": "$NET.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "loopback"}]}
JSON

# restrict_oom_score_adj: without CAP_SYS_RESOURCE a negative score cannot be set.
cat >"$node/containerd.toml" <<TOML
version = 2
root = "$node/containerd"
state = "$node/containerd-run"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "$node/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$sandbox"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "$runtime/usr/lib/cni"
    conf_dir = "$node/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        BinaryName = "$runtime/usr/sbin/runc"
TOML
start containerd --config "$node/containerd.toml"
ctr() { command ctr --address "$node/containerd.sock" --namespace k8s.io "$@"; }
for _ in $(seq 100); do
  ctr version >/dev/null 2>&1 && break
  sleep 0.1
done
for image in "$@"; do ctr images import "$image" >>"$KUBE_STATE/log/images.log"; done
ctr images list >"$node/images"

cat >"$node/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NET.1
port: 16250
healthzBindAddress: 127.0.0.1
healthzPort: 16248
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $PKI/ca.crt}
authorization: {mode: Webhook}
clusterDNS: [$NET.1]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://$node/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {nodefs.available: 0%, memory.available: 0%, imagefs.available: 0%}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
volumePluginDir: $node/plugins
podLogsDir: $node/pod-logs
resolvConf: ""
YAML
start kubelet --config="$node/kubelet.yaml" --kubeconfig="$PKI/node-$NODE.conf" --hostname-override="$NODE" --node-ip="$NET.1" \
  --root-dir="$node/kubelet" --cert-dir="$node/kubelet/pki" --node-labels="topology.kubernetes.io/zone=$ZONE"
await kubelet http://127.0.0.1:16248/healthz
