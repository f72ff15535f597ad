#!/usr/bin/env bash
# Runs etcd and kube-apiserver on loopback until standard input ends: start.sh BIN DIR ETCD_PORT PEER_PORT API_PORT
# The admin's token is `admin`, that of a tenant's user `blue`, that of who verifies `verifier`. Of the controllers only the
# one that fills aggregated ClusterRoles runs, or those that CONTROLLERS names, and there is no kubelet: what is applied is
# stored, and stays. CLIENT_CA names the authority of clients' certificates. Everything that is asked is written to DIR/audit.log, as who asked, what, and how it ended.
set -euo pipefail
bin=$1 dir=$2 etcd=$3 peer=$4 api=$5
mkdir -p "$dir"
{
  echo 'admin,admin,1,"system:masters"'
  # Somebody of the blue tenant of fixtures/isolation/base.yaml.
  echo 'blue,somebody,2,"blue-admins"'
  echo 'verifier,verifier,3,"verifiers"'
} >"$dir/tokens.csv"
echo '{"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
  "rules": [{"level": "Metadata", "users": ["verifier"]}, {"level": "None"}]}' >"$dir/audit.json"
"$bin/etcd" --unsafe-no-fsync --data-dir "$dir/etcd" --log-level error \
  --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
  --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
  --initial-cluster "default=http://127.0.0.1:$peer" >"$dir/etcd.log" 2>&1 </dev/null &
first=$!
# The key of service accounts' tokens is the one that the server makes for itself.
"$bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd" --bind-address 127.0.0.1 --secure-port "$api" \
  --cert-dir "$dir/certs" --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file "$dir/certs/apiserver.crt" --service-account-signing-key-file "$dir/certs/apiserver.key" \
  ${CLIENT_CA:+--client-ca-file "$CLIENT_CA"} --audit-policy-file "$dir/audit.json" --audit-log-path "$dir/audit.log" --audit-log-mode blocking \
  --allow-privileged --authorization-mode RBAC --token-auth-file "$dir/tokens.csv" --service-cluster-ip-range 10.96.0.0/16 \
  >"$dir/kube-apiserver.log" 2>&1 </dev/null &
second=$!
# Their end is ours to bring about, and no news.
disown -a
third=
trap 'kill -9 $first $second $third 2>/dev/null || true; rm -rf "$dir"' EXIT
cat >"$dir/kubeconfig" <<END
{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
 clusters: [{name: a, cluster: {server: "https://127.0.0.1:$api", insecure-skip-tls-verify: true}}],
 users: [{name: a, user: {token: admin}}]}
END
for _ in $(seq 240); do
  "$bin/kubectl" --kubeconfig "$dir/kubeconfig" get --raw /readyz >/dev/null 2>&1 && break
  sleep 0.5
done
"$bin/kube-controller-manager" --kubeconfig "$dir/kubeconfig" --leader-elect=false --bind-address 127.0.0.1 \
  --service-account-private-key-file "$dir/certs/apiserver.key" --use-service-account-credentials \
  --secure-port 0 "--controllers=${CONTROLLERS:-clusterrole-aggregation-controller}" >"$dir/kube-controller-manager.log" 2>&1 </dev/null &
third=$!
disown -a
cat >/dev/null
