#!/usr/bin/env bash
# Runs a Git server, source-controller and kustomize-controller on loopback until standard input ends, beside a control plane:
#   start.sh BIN DIR KUBECONFIG GIT_PORT STORAGE_PORT HEALTH_PORT METRICS_PORT HEALTH_PORT METRICS_PORT
# Repositories are served from DIR/git. The controllers are locked down as tenants need them to be.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$1 dir=$2 git=$4 storage=$5
export KUBECONFIG=$3 RUNTIME_NAMESPACE=flux-system
mkdir -p "$dir/git" "$dir/storage"
python3 "$here/git-server.py" "$dir/git" "$git" >"$dir/git.log" 2>&1 </dev/null &
first=$!
"$bin/source-controller" --storage-path "$dir/storage" --storage-addr "127.0.0.1:$storage" \
  --storage-adv-addr "127.0.0.1:$storage" --events-addr= --enable-leader-election=false --log-level=error \
  --health-addr "127.0.0.1:$6" --metrics-addr "127.0.0.1:$7" >"$dir/source-controller.log" 2>&1 </dev/null &
second=$!
"$bin/kustomize-controller" --events-addr= --enable-leader-election=false --log-level=error --concurrent 8 \
  --no-cross-namespace-refs=true --no-remote-bases=true --default-service-account=default --requeue-dependency=1s \
  --health-addr "127.0.0.1:$8" --metrics-addr "127.0.0.1:$9" >"$dir/kustomize-controller.log" 2>&1 </dev/null &
third=$!
disown -a
trap 'kill -9 $first $second $third 2>/dev/null || true; rm -rf "$dir"' EXIT
cat >/dev/null
