#!/usr/bin/env python3
"""What an input costs as it grows: instructions and memory at two sizes of each family of inputs, the larger 1 MiB, which
is the most that a file of a spec may have.

Counted by valgrind's cachegrind on a build with some optimisation, beyond what the empty fleet costs: steady where times are not. The larger
input has four times the bytes. Ends with 1 where it takes over 4^1.2 times the instructions, or 500 MB.

    benches/growth.py             every family
    benches/growth.py ports edges those whose name holds one of these words
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from instructions import ROOT, need_valgrind

SIZE = 1 << 20
STEP = 4
POWER = 1.2
MEMORY = 500 << 20
# More than a linear cost takes by far: a run is given up.
SECONDS = 900

FLEET = """apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec: {clusters: [{name: prod}]}
"""


def tenant(name, more="", metadata="", namespaces=None):
    names = ", ".join(f"{{name: {each}}}" for each in namespaces or [name])
    return (
        "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\n"
        f"metadata: {{name: {name}{metadata}}}\n"
        f"spec:\n  owners: [{{group: {name}-admins}}]\n  namespaces: [{names}]\n{more}"
    )


def wide(more):
    """A tenant of 256 namespaces."""
    return {"tenants/evil.yaml": tenant("evil", more, namespaces=[f"evil{at}" for at in range(256)])}


def one(more="", metadata=""):
    return {"tenants/evil.yaml": tenant("evil", more, metadata)}


def many(count, text):
    """Many tenants, a file each."""
    return {f"tenants/t{at:05}.yaml": tenant(f"t{at:05}", text(at)) for at in range(count)}


def items(count, item):
    """A flow list of a text with `@` in the place of the number."""
    return ", ".join(item.replace("@", str(at)) for at in range(count))


def verbatim(text):
    """A tenant with a manifest of its own."""
    return {**one("  manifests: [x.yaml]\n"), "tenants/x.yaml": text}


def documents(count, document):
    return "---\n".join(document(at) for at in range(count))


def namespace(name, labels=""):
    return f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{tenantry.dev/tenant: {name}{labels}}}}}\n"


def policy(name, spec, place="a"):
    return (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        f"metadata: {{name: {name}, namespace: {place}}}\nspec: {spec}\n"
    )


RBAC = "apiVersion: rbac.authorization.k8s.io/v1\n"


def role(name, rules):
    return f"{RBAC}kind: ClusterRole\nmetadata: {{name: {name}}}\nrules: {rules}\n"


def binding(name, subjects, to, place="a"):
    return (
        f"{RBAC}kind: RoleBinding\nmetadata: {{name: {name}, namespace: {place}}}\n"
        f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {to}}}\nsubjects: [{subjects}]\n"
    )


def group(name):
    return f"{{apiGroup: rbac.authorization.k8s.io, kind: Group, name: {name}}}"


def manifests(text):
    """Manifests from elsewhere: two tenants' namespaces, and more."""
    return {"m/x.yaml": namespace("a") + "---\n" + namespace("b") + "---\n" + text}


def ports_from(first, count):
    return ", ".join(f"{{port: {(first + at) % 65535 + 1}}}" for at in range(count))


def edges(count):
    # The input grows with the square of the tenants.
    side = max(2, int(count**0.5))
    peers = ", ".join(f"{{tenant: t{at:05}}}" for at in range(side))
    return many(side, lambda own: f"  network: {{egress: [{peers}], ingress: [{peers}]}}\n".replace(f"{{tenant: t{own:05}}}, ", ""))


def halves(count):
    return {
        **wide(f"  network: {{ingress: [{{tenant: c, ports: [{ports_from(1, count)}]}}]}}\n"),
        "tenants/c.yaml": tenant("c", f"  network: {{egress: [{{tenant: evil, ports: [{ports_from(30000, count)}]}}]}}\n"),
    }


def unknown_peers(count):
    peers = items(count, "{tenant: x@}")
    return {**wide(f"  network: {{egress: [{peers}]}}\n"), **many(count, lambda at: "")}


def profiles(count):
    def profile(at):
        return (
            f"apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {{name: p{at}}}\n"
            f"spec: {{extends: {f'p{at - 1}' if at else 'restricted'}, defaults: {{quota: {{count/r{at}.example.com: 1}}}}}}\n"
        )

    return {"tenants/profiles/p.yaml": documents(count, profile)}


def waivers(count):
    def waiver(at):
        return (
            f"apiVersion: tenantry.dev/v1alpha1\nkind: Waiver\nmetadata: {{name: w{at}}}\n"
            "spec: {tenant: evil, rule: network/isolation-none, reason: none, until: 2027-01-01}\n"
        )

    return {**one(), "tenants/waivers/w.yaml": documents(count, waiver)}


def config_map(at, value="b"):
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{at}, namespace: evil}}\ndata:\n  a: {value}\n"


def config_map_of(count):
    return config_map(0) + "".join(f"  k{at}: v\n" for at in range(count))


def ingress(at):
    return (
        f"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: i{at}, namespace: evil}}\n"
        f"spec: {{rules: [{{host: h{at}.example.com}}]}}\n"
    )


def kustomization(at):
    return (
        f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: k{at}, namespace: a}}\n"
        f"spec: {{interval: 1h, prune: true, path: ./k{at}, serviceAccountName: x, dependsOn: [{{name: k{max(at - 1, 0)}}}],"
        " sourceRef: {kind: GitRepository, name: a}}\n"
    )


def pod(at):
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p{at}, namespace: {'ab'[at % 2]}, labels: {{app: p{at}}}}}\n"
        "spec: {containers: [{name: c, image: i}]}\n"
    )


def members_of(count, member):
    return f"  members: [{items(count, member)}]\n"


def quotas(count, quota):
    return f"  quota: {{{items(count, quota)}}}\n"


def labels(count, label):
    return one("", f", labels: {{{items(count, label)}}}")


def fields(count):
    return one("".join(f"  field{at}: 1\n" for at in range(count)))


def members(count):
    return wide(members_of(count, "{user: u@, role: viewer, binding: b@}"))


def quota_keys(count):
    return wide(quotas(count, "count/r@.example.com: 256"))


def wildcard_hosts(count):
    return many(count, lambda at: "  allow: {ingressHosts: ['*.x.example', a.x.example]}\n")


def ports(count):
    return wide(f"  network: {{egress: [{{cidr: 192.0.2.0/24, ports: [{ports_from(1, count)}]}}]}}\n")


def plain_tenants(count):
    return many(count, lambda at: "")


def config_maps(count):
    return verbatim(documents(count, config_map))


def distinct_selectors(count):
    spec = "{podSelector: {matchLabels: {app: x@}}, ingress: [{}]}"
    text = documents(count, lambda at: policy(f"p{at}", spec.replace("@", str(at))))
    return manifests(text + "---\n" + pod(0) + "---\n" + pod(1))


def empty_rules(count):
    return manifests(policy("p", f"{{podSelector: {{}}, ingress: [{items(count, '{}')}]}}"))


def bindings(count):
    return manifests(
        role("r", "[{apiGroups: [''], resources: [pods], verbs: [get]}]")
        + "---\n"
        + documents(count, lambda at: binding(f"b{at}", group(f"g{at}"), "r"))
    )


def namespaces(count):
    return manifests(documents(count, lambda at: namespace(f"n{at}")))


def rules(count):
    listed = items(count, "{apiGroups: [g@], resources: [pods], verbs: [get]}")
    return manifests(role("r", f"[{listed}]") + "---\n" + binding("x", group("g0"), "r"))


def subjects(count):
    secrets = role("r", "[{apiGroups: [''], resources: [secrets], verbs: [get]}]")
    return manifests(secrets + "---\n" + binding("x", items(count, group("g@")), "r", "b"))


def unknown(at):
    return f"apiVersion: x{at}.example.com/v1\nkind: K\nmetadata: {{name: k, namespace: a}}\n"


def listed(count):
    item = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c@, namespace: a}}"
    return manifests(f"apiVersion: v1\nkind: List\nitems: [{items(count, item)}]\n")


CHECK, RENDER, PROVE = ["check"], ["render"], ["prove", "--also", "m"]
DIFF = ["diff", "--against", "m"]
WHO_CAN = ["who-can", "get", "pods", "-n", "a", "--also", "m"]
CAN = ["can", "group:g0", "get", "pods", "-n", "b", "--also", "m"]
REACH = ["reach", "a/p0", "b/p1", "--also", "m"]
# Over a tree that is rendered already; `since` over one that lost namespaces of `evil` since the commit.
OVER = ("again", "since")
SINCE = ["since", "render", "--check", "--since", "HEAD"]
AGAIN, RENDER_CHECK, CHECK_AGAIN = ["again", "render"], ["again", "render", "--check"], ["again", "check"]
IMPORT = ["import", "m", "--dry-run", "--owner", "group:platform"]

# The name, the command, and the input of a count of things. `render` does what `check` does, and more.
FAMILIES = [
    ("members with bindings of their own", RENDER, members),
    ("unknown peers of one tenant among many", CHECK, unknown_peers),
    ("unknown peers of many tenants", CHECK, lambda n: many(n, lambda at: f"  network: {{egress: [{{tenant: x{at:05}}}]}}\n")),
    ("quota keys", RENDER, quota_keys),
    ("malformed quota keys", CHECK, lambda n: wide(quotas(n, "'count/r @': 256"))),
    ("malformed label keys", CHECK, lambda n: labels(n, "'a b@': x")),
    ("labels that are not allowed", CHECK, lambda n: labels(n, "ab@: x")),
    ("tenants under one wildcard host", RENDER, wildcard_hosts),
    ("ports of every namespace", RENDER, ports),
    ("two halves of an edge with other ports", CHECK, halves),
    ("edges from all to all", RENDER, edges),
    ("edges from all to all", ["prove"], edges),
    ("unknown fields", CHECK, fields),
    ("unknown fields in json", [*CHECK, "--format", "json"], fields),
    ("duplicate keys", CHECK, lambda n: one("  owners: []\n" * n)),
    ("control characters", CHECK, lambda n: one("  displayName: " + "\x07" * n + "\n")),
    ("tiny documents without a kind", CHECK, lambda n: {"tenants/evil.yaml": "---\na: 1\n" * n}),
    ("tiny broken documents", CHECK, lambda n: {"tenants/evil.yaml": "---\t1\n" * n}),
    ("comments", CHECK, lambda n: one("# more\n" * n)),
    ("profiles in a chain", CHECK, profiles),
    ("waivers that nothing needs", CHECK, waivers),
    (
        "namespaces that a tenant does not have",
        CHECK,
        lambda n: wide("  members: [{user: u, role: viewer, namespaces: [" + items(n, "no@") + "]}]\n"),
    ),
    ("owners", RENDER, lambda n: one(members_of(n, "{user: u@, role: viewer}"))),
    ("long names", RENDER, lambda n: wide(members_of(n // 1000, "{user: u@" + "x" * 900 + ", role: viewer}"))),
    ("tenants", RENDER, plain_tenants),
    ("tenants", ["prove"], plain_tenants),
    ("tenants", ["status"], plain_tenants),
    ("tenants", AGAIN, plain_tenants),
    ("tenants", RENDER_CHECK, plain_tenants),
    ("namespaces of one tenant that are removed", SINCE, lambda n: wide("# more\n" * n)),
    ("keys of a document that is sealed", CHECK_AGAIN, lambda n: verbatim("immutable: true\n" + config_map_of(n))),
    ("verbatim documents", AGAIN, config_maps),
    ("verbatim documents", RENDER, config_maps),
    ("verbatim documents that are refused", CHECK, lambda n: verbatim(documents(n, lambda at: config_map(at, "1")))),
    ("keys of a verbatim document", CHECK, lambda n: verbatim(config_map_of(n))),
    ("a repeated key of a verbatim document", CHECK, lambda n: verbatim(config_map(0) + "  k: v\n" * n)),
    ("hosts of verbatim documents", CHECK, lambda n: verbatim(documents(n, ingress))),
    ("empty rules of a policy", PROVE, empty_rules),
    ("policies with distinct selectors", PROVE, distinct_selectors),
    ("policies with distinct selectors", REACH, distinct_selectors),
    ("pods", PROVE, lambda n: manifests(documents(n, pod))),
    ("namespaces", PROVE, namespaces),
    ("namespaces", IMPORT, namespaces),
    ("rules of a role", PROVE, rules),
    ("bindings", PROVE, bindings),
    ("bindings", WHO_CAN, bindings),
    ("bindings", CAN, bindings),
    ("bindings", IMPORT, bindings),
    ("subjects of a binding", PROVE, subjects),
    ("syncs in a chain", PROVE, lambda n: manifests(documents(n, kustomization))),
    ("objects of an unknown kind", PROVE, lambda n: manifests(documents(n, unknown))),
    ("objects of one name", PROVE, lambda n: manifests(documents(n, lambda at: policy("p", "{podSelector: {}}")))),
    ("items of a list", PROVE, listed),
    ("objects that only one side has", DIFF, bindings),
    ("policies that only one side has", DIFF, distinct_selectors),
]


def length(files):
    return sum(len(text) for text in files.values())


def of_size(build, size):
    """The largest input of a family that has no more bytes."""
    low, high = 1, 2
    while length(build(high)) <= size:
        low, high = high, 2 * high
    while high - low > low // 50 + 1:
        middle = (low + high) // 2
        low, high = (middle, high) if length(build(middle)) <= size else (low, middle)
    return build(low)


def commit(folder):
    for args in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "all"]):
        subprocess.run(["git", *args], cwd=folder, check=True)


def shrink(file):
    """Takes all namespaces but one from a tenant."""
    if file.exists():
        file.write_text(re.sub(r"namespaces: \[({[^}]*})[^]]*\]", r"namespaces: [\1]", file.read_text(), count=1))


def measure(program, command, files):
    """The instructions of a run, its memory in bytes, and its exit code."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path, text in {"tenants/fleet.yaml": FLEET, "tenants/v.yaml": tenant("v"), **files}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        env = {k: v for k, v in os.environ.items() if not k.startswith("TENANTRY_")} | {"RAYON_NUM_THREADS": "1"}
        now = ["--now", "2026-11-22"]
        quiet = {"cwd": folder, "env": env, "stdout": subprocess.DEVNULL}
        is_again = command[0] in OVER
        if is_again:
            subprocess.run([program, "render", *now], **quiet, stderr=subprocess.DEVNULL, check=True)
        if command[0] == "since":
            commit(folder)
            shrink(folder / "tenants/evil.yaml")
            removal = ["render", "--allow-removal", "evil"]
            subprocess.run([program, *removal, *now], **quiet, stderr=subprocess.DEVNULL, check=True)
        args = [program, *command[is_again:], *now]
        valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
        counted = subprocess.run([*valgrind, *args], **quiet, stderr=subprocess.PIPE, text=True, timeout=SECONDS)
        found = re.search(r"I\s+refs:\s+([\d,]+)", counted.stderr)
        if not found or counted.returncode not in (0, 1, 2):
            raise RuntimeError(f"{command}: {counted.stderr[-2000:]}")
        if not is_again:
            shutil.rmtree(folder / "rendered", ignore_errors=True)
            (folder / "tenantry.lock").unlink(missing_ok=True)
        child = subprocess.Popen(args, **quiet, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        return int(found[1].replace(",", "")), used.ru_maxrss << 10, counted.returncode


def hold(program, family):
    """A row of the table, and whether it is within bounds."""
    name, command, build = family
    label = f"{name}: {' '.join(command[:2] if command[0] in OVER else command[:1])}"
    try:
        start, _, _ = measure(program, command, manifests("") if "m" in command else {})
        (small, _, _), (large, memory, code) = (measure(program, command, of_size(build, size)) for size in (SIZE // STEP, SIZE))
    except subprocess.TimeoutExpired:
        return f"{label:60} over {SECONDS} s under valgrind", False
    grows = (large - start) / max(small - start, 1)
    is_within = grows <= STEP**POWER and memory <= MEMORY
    mark = "" if is_within else "  TOO MUCH"
    return f"{label:60} {large // 10**6:8,} {grows:6.2f} {memory >> 20:6} {code:3}{mark}", is_within


def main():
    need_valgrind()
    subprocess.run(["cargo", "build", "--locked", "--quiet", "--profile", "growth", "--bin", "tenantry"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "growth"
    words = sys.argv[1:]
    chosen = [family for family in FAMILIES if not words or any(word in family[0] for word in words)]
    print(f"{'at 1 MiB':60} {'million':>8} {'times':>6} {'MiB':>6} {'ends':>4}   at most {STEP**POWER:.2f} times, {MEMORY >> 20} MiB", flush=True)
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for row, is_within in pool.map(lambda family: hold(str(target / "tenantry"), family), chosen):
            print(row, flush=True)
            failed += not is_within
    if failed:
        sys.exit(f"{failed} of {len(chosen)} families cost too much")


if __name__ == "__main__":
    main()
