#!/usr/bin/env bash
# Runs a Git server, valkey and the servers of Argo CD on loopback until standard input ends, beside a control plane:
#   start.sh BIN VALKEY DIR KUBECONFIG GIT CACHE REPOSITORIES SERVER METRICS METRICS METRICS METRICS PROBE WEBHOOK
# where the last ten are ports. Repositories are served from DIR/git. The servers read Argo CD's settings from the namespace
# argocd, which is there before they start. Each one's process is in DIR/NAME.pid, for who measures it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$1 valkey=$2 dir=$3
# Argo CD takes the API server of the kubeconfig for the cluster that it runs in.
export KUBECONFIG=$4 ARGOCD_FAKE_IN_CLUSTER=true
git=$5 cache=127.0.0.1:$6 repositories=127.0.0.1:$7 server=$8
shift 8
mkdir -p "$dir"/{git,home,config/ssh,config/tls,config/gpg,plugins,tmp}
export HOME="$dir/home" TMPDIR="$dir/tmp" PATH="$bin:$PATH"
export ARGOCD_APP_CONF_PATH="$dir/config" ARGOCD_SSH_DATA_PATH="$dir/config/ssh" ARGOCD_TLS_DATA_PATH="$dir/config/tls"
export ARGOCD_GPG_ENABLED=false ARGOCD_GPG_DATA_PATH="$dir/config/gpg" ARGOCD_GNUPGHOME="$dir/config/gpg"
export ARGOCD_PLUGINSOCKFILEPATH="$dir/plugins" ARGOCD_ASK_PASS_SOCK="$dir/ask-pass.sock"
# What is asked for is looked at; what is pushed is, at most two seconds later.
export ARGOCD_RECONCILIATION_TIMEOUT=2s ARGOCD_RECONCILIATION_JITTER=0s ARGOCD_REPO_SERVER_REVISION_CACHE_EXPIRATION=1s
export ARGOCD_SYNC_WAVE_DELAY=0

pids=()
run() {
  local name=$1
  shift
  "$@" >"$dir/$name.log" 2>&1 </dev/null &
  pids+=($!)
  echo $! >"$dir/$name.pid"
}
trap 'kill -9 "${pids[@]}" 2>/dev/null || true; rm -rf "$dir"' EXIT

run git python3 "$here/../flux/git-server.py" "$dir/git" "$git"
run valkey "$valkey" --bind 127.0.0.1 --port "${cache##*:}" --save "" --appendonly no --dir "$dir"
run repo-server "$bin/argocd-repo-server" --address 127.0.0.1 --port "${repositories##*:}" --disable-tls \
  --client-ca-path= --redis "$cache" --metrics-address 127.0.0.1 --metrics-port "$1" --loglevel warn
run application-controller "$bin/argocd-application-controller" --kubeconfig "$KUBECONFIG" --namespace argocd \
  --redis "$cache" --repo-server "$repositories" --repo-server-plaintext --metrics-port "$2" --loglevel warn
run applicationset-controller "$bin/argocd-applicationset-controller" --kubeconfig "$KUBECONFIG" --namespace argocd \
  --argocd-repo-server "$repositories" --repo-server-plaintext --metrics-addr "127.0.0.1:$3" \
  --probe-addr "127.0.0.1:$5" --webhook-addr "127.0.0.1:$6" --loglevel warn
run server "$bin/argocd-server" --kubeconfig "$KUBECONFIG" --namespace argocd --insecure --address 127.0.0.1 \
  --port "$server" --redis "$cache" --repo-server "$repositories" --repo-server-plaintext \
  --metrics-address 127.0.0.1 --metrics-port "$4" --loglevel warn
disown -a
cat >/dev/null
