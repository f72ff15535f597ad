"""Writes src/graph/builtin.yaml: roles.py VERSION reads the roles and bindings that an API server makes by itself from standard
input, as `kubectl get -A -o json -l kubernetes.io/bootstrapping=rbac-defaults clusterroles,clusterrolebindings,roles,rolebindings`
prints them. An aggregated role has its rules from others, and is written without."""

import json
import sys

HEADER = """# What every cluster has by itself: Kubernetes' roles for people, nodes and its own controllers, and who has them. As
# kube-apiserver {version} makes them: tests/control-plane/roles.py writes this file, and tests/it/authorizer.rs asks a server.
"""
KINDS = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]
AGGREGATES = "rbac.authorization.k8s.io/aggregate-to-"
RULE = ["apiGroups", "resources", "resourceNames", "nonResourceURLs", "verbs"]


def order(item):
    return KINDS.index(item["kind"]), item["metadata"].get("namespace", ""), item["metadata"]["name"]


def lines(item):
    meta = item["metadata"]
    yield "---"
    yield "apiVersion: rbac.authorization.k8s.io/v1"
    yield "kind: " + item["kind"]
    yield "metadata:"
    yield "  name: " + json.dumps(meta["name"])
    if "namespace" in meta:
        yield "  namespace: " + meta["namespace"]
    labels = {k: v for k, v in meta.get("labels", {}).items() if k.startswith(AGGREGATES)}
    if labels:
        yield "  labels:"
        yield from (f"    {key}: {json.dumps(value)}" for key, value in sorted(labels.items()))
    if "aggregationRule" in item:
        yield "aggregationRule:"
        yield "  clusterRoleSelectors:"
        for selector in item["aggregationRule"]["clusterRoleSelectors"]:
            pairs = ", ".join(f"{key}: {json.dumps(value)}" for key, value in selector["matchLabels"].items())
            yield "    - matchLabels: {" + pairs + "}"
    elif item.get("rules"):
        yield "rules:"
        for rule in item["rules"]:
            fields = [f"{name}: {json.dumps(rule[name])}" for name in RULE if name in rule]
            yield from (("  - " if at == 0 else "    ") + field for at, field in enumerate(fields))
    if "roleRef" in item:
        role = item["roleRef"]
        yield f"roleRef: {{apiGroup: {role['apiGroup']}, kind: {role['kind']}, name: {json.dumps(role['name'])}}}"
    if item.get("subjects"):
        yield "subjects:"
        for subject in item["subjects"]:
            fields = [f"{name}: {json.dumps(subject[name])}" for name in ["apiGroup", "kind", "name", "namespace"] if name in subject]
            yield "  - {" + ", ".join(fields) + "}"


items = sorted(json.load(sys.stdin)["items"], key=order)
print(HEADER.format(version=sys.argv[1]), end="")
for item in items:
    print("\n".join(lines(item)))
