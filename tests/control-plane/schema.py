#!/usr/bin/env python3
"""Writes the fields of Kubernetes' kinds as src/kube/validation/schema.txt has them.

    schema.py < swagger.json

The input is what a kube-apiserver answers at /openapi/v2. It must be of the version that the head names.
"""
import json, sys

SPECIAL = {
    "resource.Quantity": "quantity", "util.intstr.IntOrString": "intOrString", "meta.v1.Time": "time",
    "meta.v1.MicroTime": "time",
}
ANY = {"runtime.RawExtension", "meta.v1.FieldsV1", "apiextensions.v1.JSON"}


def short(name):
    for prefix in ("io.k8s.api.", "io.k8s.apimachinery.pkg.apis.", "io.k8s.apimachinery.pkg.api.", "io.k8s.apimachinery.pkg.",
                   "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis."):
        if name.startswith(prefix):
            return name[len(prefix):]
    return name


def type_of(schema, definitions):
    if "$ref" in schema:
        full = schema["$ref"].rsplit("/", 1)[1]
        name, target = short(full), definitions[full]
        if name in SPECIAL:
            return SPECIAL[name]
        if name in ANY or not target.get("properties"):
            return "any" if name in ANY or target.get("type") in (None, "object") else type_of(target, definitions)
        return name
    kind = schema.get("type")
    if kind == "array":
        return "[" + type_of(schema["items"], definitions)
    if kind == "object":
        extra = schema.get("additionalProperties")
        return "{" + type_of(extra, definitions) if extra else "any"
    if kind == "integer":
        return schema.get("format", "int64")
    if kind == "string":
        return {"byte": "bytes", "date-time": "time"}.get(schema.get("format"), "string")
    return {"boolean": "bool", "number": "number"}.get(kind, "any")


def main():
    document = json.load(sys.stdin)
    definitions = document["definitions"]
    types, kinds, waiting = {}, [], []
    for full, schema in sorted(definitions.items()):
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            named = "metadata" in schema.get("properties", {}) and "ListMeta" not in json.dumps(schema["properties"]["metadata"])
            if named and len(schema["x-kubernetes-group-version-kind"]) == 1:
                version = "/".join(part for part in (gvk["group"], gvk["version"]) if part)
                kinds.append((version, gvk["kind"], short(full)))
                waiting.append(full)
    by_short = {short(full): full for full in definitions}
    while waiting:
        full = waiting.pop()
        if short(full) in types:
            continue
        fields = {key: type_of(field, definitions) for key, field in definitions[full]["properties"].items()}
        types[short(full)] = fields
        waiting += [by_short[name] for name in (text.lstrip("[{") for text in fields.values()) if name in by_short]
    print(f"# The fields of Kubernetes' kinds, {document['info']['version']}, written by tests/control-plane/schema.py.")
    print("# kind VERSION KIND TYPE, then TYPE FIELD:TYPE …; `[` is a list of, `{` a mapping to.")
    for version, kind, name in sorted(kinds):
        print("kind", version, kind, name)
    for name, fields in sorted(types.items()):
        print(name, *(f"{key}:{text}" for key, text in sorted(fields.items())))


main()
