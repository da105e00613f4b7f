#!/usr/bin/env bash
# Gets the servers that other people wrote, for `make interop`: rsyslog as a Debian package, syslog-ng unpacked
# beside it (the packages exclude each other), the OpenTelemetry Collector and VictoriaLogs built by Go.
# What can't be had here (no Debian, no Go) is said, and its tests are skipped.
set -euo pipefail

CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/github-log-shipper-interop
COLLECTOR=0.160.0
# The newest VictoriaMetrics module that carries VictoriaLogs, dependencies and all.
VICTORIA=v1.110.0
mkdir -p "$CACHE/bin"

say() { printf 'interop: %s\n' "$*"; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

lists() { # apt's, once
  [ -n "${lists_done:-}" ] || as_root apt-get -qq update
  lists_done=1
}

install_rsyslog() {
  local missing
  missing=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' rsyslog rsyslog-openssl openssl 2>/dev/null | grep -c ' installed$' || true)
  [ "$missing" = 3 ] && return
  say "installing rsyslog"
  lists
  # RUNLEVEL: the service stays off; the tests start their own.
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -qq install --no-install-recommends rsyslog rsyslog-openssl openssl >/dev/null
}

syslog_ng_runs() {
  LD_LIBRARY_PATH=$1/usr/lib/syslog-ng "$1/usr/sbin/syslog-ng" --version >/dev/null 2>&1
}

install_syslog_ng() {
  local root=$CACHE/syslog-ng
  syslog_ng_runs "$root" && return
  say "unpacking syslog-ng"
  lists
  local libraries
  libraries=$(apt-cache depends syslog-ng-core | sed -n 's/^  Depends: \(lib[a-z0-9.+-]*\)$/\1/p')
  # shellcheck disable=SC2086 # a list
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends $libraries >/dev/null
  rm -rf "$root" "$root.part"
  mkdir -p "$root.part"
  (cd "$root.part" && apt-get -qq download syslog-ng-core 2>/dev/null && dpkg -x syslog-ng-core_*.deb . && rm ./*.deb)
  mv "$root.part" "$root"
}

build() { # build NAME VERSION FUNCTION: once for each version
  [ "$(cat "$CACHE/bin/$1.version" 2>/dev/null)" = "$2" ] && return
  say "building $1 $2 (minutes, once)"
  rm -rf "${CACHE:?}/build"
  mkdir -p "$CACHE/build"
  if (cd "$CACHE/build" && "$3") >"$CACHE/$1.log" 2>&1; then
    echo "$2" >"$CACHE/bin/$1.version"
  else
    say "$1 can't be built here, its tests will be skipped; see $CACHE/$1.log"
  fi
  rm -rf "${CACHE:?}/build"
}

go_nice() { GOFLAGS='-buildvcs=false -mod=mod' nice -n 15 go "$@"; }

collector() { # by its own builder; `go build` in its place of work, since `go mod tidy` also wants the modules' tests
  GOFLAGS=-buildvcs=false GOBIN=$CACHE/build nice -n 15 go install "go.opentelemetry.io/collector/cmd/builder@v$COLLECTOR"
  cat >builder.yaml <<YAML
dist: {module: localhost/otelcol, name: otelcol, version: $COLLECTOR, output_path: $CACHE/build/otelcol}
receivers: [{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v$COLLECTOR}]
exporters: [{gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v$COLLECTOR}]
YAML
  ./builder --config builder.yaml --skip-compilation || [ -f otelcol/go.mod ]
  cd otelcol
  go_nice build -o "$CACHE/bin/otelcol" .
}

victoria_logs() { # `go install` does not take modules that have replacements for their own builds
  printf 'module localhost/victoria\n\nrequire github.com/VictoriaMetrics/VictoriaMetrics %s\n' "$VICTORIA" >go.mod
  go_nice build -o "$CACHE/bin/victoria-logs" github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-logs
}

if command -v apt-get >/dev/null && command -v dpkg >/dev/null; then
  install_rsyslog || say "rsyslog can't be installed here, its tests will be skipped"
  install_syslog_ng || say "syslog-ng can't be unpacked here, its tests will be skipped"
else
  say "no Debian: the tests of rsyslog and syslog-ng will be skipped"
fi
if command -v go >/dev/null; then
  build otelcol "$COLLECTOR" collector
  build victoria-logs "$VICTORIA" victoria_logs
else
  say "no Go: the tests of the Collector and of VictoriaLogs will be skipped"
fi
