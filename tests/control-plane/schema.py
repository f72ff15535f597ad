#!/usr/bin/env python3
"""Writes the fields of Kubernetes' kinds in each minor as src/kube/validation/schema.txt has them.

    schema.py "$(tests/tools.sh kubernetes-apis)" > src/kube/validation/schema.txt

The input is a folder for each release, such as v1.36.3, with the release's swagger.json: the OpenAPI document of an API
server that serves every version, those that are off by default too. One release stands for its minor.
"""
import json, sys
from pathlib import Path

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


def read(document):
    """The type's name by version and kind, what is only a request, and the fields by type's name, of one release."""
    definitions = document["definitions"]
    types, kinds, requests, waiting = {}, {}, set(), []
    # A kind that is only asked of an object (Eviction, Scale, TokenRequest), only created (TokenReview, Binding) or only read
    # (ComponentStatus) is no object that can be applied: that takes a patch.
    own = [path for name, path in document["paths"].items() if "{name}/" not in name]
    own = {json.dumps(path["patch"].get("x-kubernetes-group-version-kind"), sort_keys=True) for path in own if "patch" in path}
    for full, schema in sorted(definitions.items()):
        for gvk in schema.get("x-kubernetes-group-version-kind", []):
            named = "metadata" in schema.get("properties", {}) and "ListMeta" not in json.dumps(schema["properties"]["metadata"])
            if not named or len(schema["x-kubernetes-group-version-kind"]) != 1:
                continue
            version = "/".join(part for part in (gvk["group"], gvk["version"]) if part)
            if json.dumps(gvk, sort_keys=True) in own:
                kinds[version, gvk["kind"]] = short(full)
                waiting.append(full)
            else:
                requests.add((version, gvk["kind"]))
    by_short = {short(full): full for full in definitions}
    while waiting:
        full = waiting.pop()
        if short(full) in types:
            continue
        fields = {key: type_of(field, definitions) for key, field in definitions[full]["properties"].items()}
        types[short(full)] = fields
        waiting += [by_short[name] for name in (text.lstrip("[{") for text in fields.values()) if name in by_short]
    return kinds, requests, types


def join(parts):
    """For each key of any minor, its value, and the minors that have it."""
    values, minors = {}, {}
    for minor, part in sorted(parts.items()):
        for key, value in part.items():
            if values.setdefault(key, value) != value:
                sys.exit(f"{key} is {values[key]} and, in 1.{minor}, {value}: the table has one type for all minors")
            minors.setdefault(key, []).append(minor)
    return values, minors


def mark(minors, among):
    """Those of some minors that have it: nothing if all do, else `@FIRST-LAST`, each left out at its end of the range."""
    if minors == among:
        return ""
    first, last = minors[0], minors[-1]
    if minors != [minor for minor in among if first <= minor <= last]:
        sys.exit(f"it is in {minors} of {among}: the table has one range of minors")
    return f"@{first if first != among[0] else ''}-{last if last != among[-1] else ''}"


def main():
    releases = {}
    for path in Path(sys.argv[1]).glob("v1.*/swagger.json"):
        version = path.parent.name
        releases[int(version.split(".")[1])] = (version, *read(json.loads(path.read_text())))
    minors = sorted(releases)
    assert minors == list(range(minors[0], minors[-1] + 1)), f"a minor is missing: {minors}"
    versions = " ".join(releases[minor][0] for minor in minors)
    print(f"# The fields of Kubernetes' kinds in {versions}, written by tests/control-plane/schema.py.")
    print("# kind VERSION KIND TYPE, then TYPE FIELD:TYPE …; `[` is a list of, `{` a mapping to. `@36-` is since 1.36, `@-35` until")
    print("# 1.35; without it, a kind is in every minor, and a field in every minor that has its type. A `request` of a minor is")
    print("# never applied: it has no operation for that.")
    kinds, within = join({minor: kinds for minor, (_, kinds, _, _) in releases.items()})
    for (version, kind), name in sorted(kinds.items()):
        print(f"kind {version} {kind} {name}{mark(within[version, kind], minors)}")
    requests = set().union(*(requests for _, _, requests, _ in releases.values()))
    assert not requests & set(kinds), f"a request in one minor, and an object in another: {requests & set(kinds)}"
    for version, kind in sorted(requests):
        print(f"request {version} {kind}")
    names = join({minor: dict.fromkeys(types) for minor, (_, _, _, types) in releases.items()})[1]
    for name, among in sorted(names.items()):
        fields, within = join({minor: releases[minor][3][name] for minor in among})
        print(name, *(f"{key}:{text}{mark(within[key], among)}" for key, text in sorted(fields.items())))


main()
