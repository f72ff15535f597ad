#!/usr/bin/env bash
# Runs a Git server, an OCI registry, source-controller and kustomize-controller on loopback until standard input ends,
# beside a control plane:
#   start.sh BIN REGISTRY DIR KUBECONFIG GIT_PORT REGISTRY_PORT STORAGE_PORT HEALTH_PORT METRICS_PORT HEALTH_PORT METRICS_PORT
# Repositories are served from DIR/git. The controllers are locked down as tenants need them to be. Each one's process is in
# DIR/NAME.pid, for who measures it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$1 registry=$2 dir=$3 git=$5 oci=$6 storage=$7
export KUBECONFIG=$4 RUNTIME_NAMESPACE=flux-system
shift 7
mkdir -p "$dir/git" "$dir/storage"
python3 "$here/git-server.py" "$dir/git" "$git" >"$dir/git.log" 2>&1 </dev/null &
first=$!
cat >"$dir/registry.yaml" <<END
{version: 0.1, log: {level: error, accesslog: {disabled: true}}, http: {addr: "127.0.0.1:$oci"},
 storage: {filesystem: {rootdirectory: "$dir/registry"}}}
END
OTEL_TRACES_EXPORTER=none "$registry" serve "$dir/registry.yaml" >"$dir/registry.log" 2>&1 </dev/null &
fourth=$!
"$bin/source-controller" --storage-path "$dir/storage" --storage-addr "127.0.0.1:$storage" \
  --storage-adv-addr "127.0.0.1:$storage" --events-addr= --enable-leader-election=false --log-level=error \
  --health-addr "127.0.0.1:$1" --metrics-addr "127.0.0.1:$2" >"$dir/source-controller.log" 2>&1 </dev/null &
second=$!
echo $second >"$dir/source-controller.pid"
"$bin/kustomize-controller" --events-addr= --enable-leader-election=false --log-level=error --concurrent 8 \
  --no-cross-namespace-refs=true --no-remote-bases=true --default-service-account=default --requeue-dependency=1s \
  --health-addr "127.0.0.1:$3" --metrics-addr "127.0.0.1:$4" >"$dir/kustomize-controller.log" 2>&1 </dev/null &
third=$!
echo $third >"$dir/kustomize-controller.pid"
disown -a
trap 'kill -9 $first $second $third $fourth 2>/dev/null || true; rm -rf "$dir"' EXIT
cat >/dev/null
