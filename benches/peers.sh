#!/usr/bin/env bash
# Prepares the work that tenantry does on the generated fleet for helm and for kustomize, and prints a line for each:
# a name, a tab, the command that does it.   peers.sh TENANTS DIR
# The objects are the same kinds in the same numbers; helm reads a list of values, kustomize an overlay a tenant. Neither
# checks a spec, resolves an edge, validates an object, keeps a lock or compares with what is there.
set -euo pipefail
tools=$(cd "$(dirname "$0")/.." && pwd)/tests/tools.sh
tenants=$1 dir=$2
helm=$(bash "$tools" helm)
kustomize=$(bash "$tools" kustomize)
mkdir -p "$dir/chart/templates"

# A tenant's objects, with NAME, NEXT and LAST where names stand.
objects() {
  cat <<'OBJECTS'
apiVersion: v1
kind: Namespace
metadata: {name: NAME, labels: {pod-security.kubernetes.io/enforce: restricted, tenantry.dev/tenant: NAME}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: quota, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec: {hard: {pods: "80", limits.cpu: "16", limits.memory: 64Gi, services.loadbalancers: "0"}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: limits, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec: {limits: [{type: Container, default: {cpu: 500m, memory: 256Mi}, defaultRequest: {cpu: 100m, memory: 128Mi}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-dns, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]
      ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-intra, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-egress, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
    - to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NEXT}}}]
      ports: [{protocol: TCP, port: 8080}]
    - to: [{ipBlock: {cidr: 192.0.2.0/24}}]
      ports: [{protocol: TCP, port: 5432}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-ingress, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: LAST}}}]
      ports: [{protocol: TCP, port: 8080}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: default, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: owner, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tenantry-owner}
subjects: [{kind: Group, name: NAME-admins, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: developer, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tenantry-developer}
subjects: [{kind: Group, name: NAME-devs, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: operator, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tenantry-operator}
subjects: [{kind: Group, name: NAME-oncall, apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer, namespace: NAME, labels: {tenantry.dev/tenant: NAME}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: tenantry-deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: NAME}]
OBJECTS
}

printf 'apiVersion: v2\nname: fleet\nversion: 0.1.0\n' >"$dir/chart/Chart.yaml"
{
  echo '{{- range .Values.tenants }}'
  echo '---'
  objects | sed 's/NAME/{{ .name }}/g; s/NEXT/{{ .next }}/g; s/LAST/{{ .last }}/g'
  echo '{{- end }}'
} >"$dir/chart/templates/tenants.yaml"
awk -v n="$tenants" 'BEGIN { print "tenants:"; for (i = 0; i < n; i++)
  printf "  - {name: tenant-%06d, next: tenant-%06d, last: tenant-%06d}\n", i, (i + 1) % n, (i + n - 1) % n }' >"$dir/values.yaml"
printf 'helm template, %s tenants\t%s template fleet %s -f %s\n' "$tenants" "$helm" "$dir/chart" "$dir/values.yaml"

# kustomize: a base, and an overlay a tenant, with the names as replacements' patches do it.
few=$((tenants < 1000 ? tenants : 1000))
mkdir -p "$dir/overlays/base"
objects | sed 's/NAME/tenant/g; s/NEXT/tenant/g; s/LAST/tenant/g' >"$dir/overlays/base/tenant.yaml"
printf 'resources: [tenant.yaml]\n' >"$dir/overlays/base/kustomization.yaml"
for ((i = 0; i < few; i++)); do
  name=$(printf 'tenant-%06d' "$i") next=$(printf 'tenant-%06d' $(((i + 1) % few))) last=$(printf 'tenant-%06d' $(((i + few - 1) % few)))
  mkdir -p "$dir/overlays/$name"
  cat >"$dir/overlays/$name/kustomization.yaml" <<OVERLAY
resources: [../base]
namespace: $name
labels: [{pairs: {tenantry.dev/tenant: $name}}]
patches:
  - target: {kind: Namespace}
    patch: '- {op: replace, path: /metadata/name, value: $name}'
  - target: {kind: NetworkPolicy, name: allow-egress}
    patch: '- {op: replace, path: /spec/egress/0/to/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name, value: $next}'
  - target: {kind: NetworkPolicy, name: allow-ingress}
    patch: '- {op: replace, path: /spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name, value: $last}'
  - target: {kind: RoleBinding, name: owner}
    patch: '- {op: replace, path: /subjects/0/name, value: $name-admins}'
  - target: {kind: RoleBinding, name: developer}
    patch: '- {op: replace, path: /subjects/0/name, value: $name-devs}'
  - target: {kind: RoleBinding, name: operator}
    patch: '- {op: replace, path: /subjects/0/name, value: $name-oncall}'
OVERLAY
done
# Each overlay is built by itself: all of them as resources of one kustomization take more than quadratic time (1,000 were
# not done after 500 s).
printf 'for overlay in %q/overlays/tenant-*; do %q build "$overlay"; done\n' "$dir" "$kustomize" >"$dir/kustomize.sh"
printf 'kustomize build, %s tenants\tbash %s\n' "$few" "$dir/kustomize.sh"
