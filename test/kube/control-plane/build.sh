#!/usr/bin/env bash
# Builds a Kubernetes control plane and its tools from Go modules alone.
#   build.sh OUTDIR [etcd|kube|kubelet|helm ...]   default: etcd kube helm
# A target whose sources, flags and Go version did not change is skipped.
# JOBS (default 2) bounds parallel compiles: the kube link alone needs over 1 GiB.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,5p' "$0"; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- etcd kube helm

export GOTOOLCHAIN=local GOFLAGS=-mod=mod CGO_ENABLED=0

# version_of DIR MODULE: the version that DIR/go.mod pins.
version_of() { (cd "$here/$1" && go list -m -f '{{.Version}}' "$2"); }

# kube_ldflags VERSION: what `kubectl version`, Helm's kubeVersion and the
# skew checks read. Unset, the server calls itself v0.0.0-master.
kube_ldflags() {
  local v=$1 major minor pkg flags='-s -w'
  IFS=. read -r major minor _ <<<"${v#v}"
  for pkg in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $pkg.gitVersion=$v -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean"
  done
  echo "$flags"
}

# helm_ldflags MAJOR: the release it reports and the Kubernetes it assumes without a cluster.
helm_ldflags() {
  local major=$1 v lib minor flags='-s -w' pkg
  v=$(version_of "helm$major" "helm.sh/helm/v$major")
  lib=$(version_of "helm$major" k8s.io/client-go) # v0.MINOR.PATCH
  IFS=. read -r _ minor _ <<<"$lib"
  flags+=" -X helm.sh/helm/v$major/internal/version.version=$v"
  if [ "$major" = 3 ]; then
    for pkg in chartutil lint/rules; do
      flags+=" -X helm.sh/helm/v3/pkg/$pkg.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$pkg.k8sVersionMinor=$minor"
    done
  fi
  echo "$flags"
}

# sources DIR PACKAGE: files of the module's own, and of the package when it is a folder below: another program of the module changes nothing.
sources() {
  find "$1" -maxdepth 1 -type f
  case $2 in ./*) find "$1/$2" -type f ;; esac
}

# compile NAME DIR PACKAGE LDFLAGS
compile() {
  local name=$1 dir=$2 pkg=$3 ldflags=$4 stamp sum
  stamp=$out/.$name.sum
  sum=$({ go version; echo "$pkg $ldflags"; sources "$here/$dir" "$pkg" | sort | xargs cat; } | sha256sum)
  if [ -x "$out/$name" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ]; then
    echo "$name: up to date"
    return
  fi
  rm -f "$stamp"
  SECONDS=0
  (cd "$here/$dir" && go build -p "${JOBS:-2}" -trimpath -buildvcs=false -ldflags "$ldflags" -o "$out/$name" "$pkg")
  echo "$sum" >"$stamp"
  echo "$name: built in ${SECONDS} s, $(($(stat -c %s "$out/$name") >> 20)) MiB"
}

for target in "$@"; do
  case $target in
    etcd) compile etcd etcd . '-s -w' ;;
    kube)
      compile kube kube . "$(kube_ldflags "$(version_of kube k8s.io/kubernetes)")"
      for name in kube-apiserver kube-controller-manager kube-scheduler kubectl; do ln -sfn kube "$out/$name"; done
      ;;
    kubelet) compile kubelet kube ./kubelet "$(kube_ldflags "$(version_of kube k8s.io/kubernetes)")" ;;
    helm) compile helm helm3 helm.sh/helm/v3/cmd/helm "$(helm_ldflags 3)" ;;
    *) echo "unknown target $target" >&2; exit 2 ;;
  esac
done
