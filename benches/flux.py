#!/usr/bin/env python3
"""What our tree costs Flux: a one-tenant commit through real controllers, by delivery unit and source.

benches/flux.py [TENANTS] [UNIT/SOURCE ...]: for each of tenant/shared, shard/shared, tenant/perShard and shard/perShard (or
those that are named), a control plane and Flux (tests/tools.sh) with a fleet of so many generated tenants (200 when left
out) in a Git repository and an OCI registry on loopback. Needs target/release/tenantry, or PROGRAM. Nothing waits longer than
LIMIT. With MANIFESTS=shared or own each tenant has a verbatim file of three objects, in the unit that delivery.manifests says.
"""

import glob
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 200
CASES = sys.argv[2:] or ["shard/perShard", "shard/shared", "tenant/perShard", "tenant/shared"]
LIMIT = float(os.environ.get("LIMIT", "900"))
PROGRAM = os.environ.get("PROGRAM", os.path.join(ROOT, "target/release/tenantry"))
GENERATE = os.environ.get("GENERATE")
MANIFESTS = os.environ.get("MANIFESTS")
PORTS = [str(port) for port in range(26790, 26800)]
ETCD, PEER, API, GIT, REGISTRY = PORTS[:5]
CONTROLLERS = (
    "namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller,"
    "garbage-collector-controller,root-ca-certificate-publisher-controller"
)
VERBATIM = """apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: NS}
data: {a: b}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: NS}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: registry.example/web}]}}
"""
BOOT = f"""
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: flux-system, namespace: flux-system}}
spec: {{interval: 1h, url: "http://127.0.0.1:{GIT}/fleet.git", ref: {{branch: main}}SPARSE}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: bootstrap, namespace: flux-system}}
spec: {{interval: 1h, path: ./clusters/prod, prune: true, serviceAccountName: kustomize-controller, sourceRef: {{kind: GitRepository, name: flux-system}}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: kustomize-controller, namespace: flux-system}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: kustomize-controller}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}}
subjects: [{{kind: ServiceAccount, name: kustomize-controller, namespace: flux-system}}]
"""


def run(*args, **more):
    return subprocess.run(args, check=True, capture_output=True, text=True, **more).stdout.strip()


def tool(name):
    return run(f"{ROOT}/tests/tools.sh", name)


class Api:
    """Asks the API server, by one connection."""

    def __init__(self):
        self.one = http.client.HTTPSConnection("127.0.0.1", int(API), context=ssl._create_unverified_context(), timeout=60)

    def get(self, path):
        self.one.request("GET", path, headers={"Authorization": "Bearer admin"})
        answer = self.one.getresponse()
        body = answer.read()
        return json.loads(body) if answer.status == 200 else None

    def patch(self, path, body):
        headers = {"Authorization": "Bearer admin", "Content-Type": "application/merge-patch+json"}
        self.one.request("PATCH", path, json.dumps(body), headers)
        answer = self.one.getresponse()
        answer.read()
        assert answer.status == 200, path


FLUX = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations"
SOURCES = "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system"


def wait(what, holds, limit=LIMIT, every=0.5):
    """The seconds until something holds; nothing when it never does."""
    started = time.time()
    while not holds():
        if time.time() - started > limit:
            print(f"  {what}: not within {limit:.0f} s", flush=True)
            return None
        time.sleep(every)
    return time.time() - started


def ready(one, revision):
    status = one.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    at = status.get("lastAppliedRevision", "")
    own = one["spec"]["sourceRef"]["kind"] == "OCIRepository"
    return conditions.get("Ready") == "True" and bool(at) and (own or at.endswith(revision))


class Case:
    def __init__(self, case):
        self.unit, self.source = case.split("/")
        self.work = tempfile.mkdtemp(prefix="tenantry-flux-")
        self.fleet = f"{self.work}/fleet"
        self.started = []
        # What is in the registry: the content, by address.
        self.held = {}

    def start(self, tools):
        plane = ["bash", f"{ROOT}/tests/control-plane/start.sh", tools["control-plane"], f"{self.work}/plane", ETCD, PEER, API]
        self.keep(plane, dict(os.environ, CONTROLLERS=CONTROLLERS))
        self.kubectl = [f"{tools['control-plane']}/kubectl", "--kubeconfig", f"{self.work}/plane/kubeconfig"]
        wait("the API server", lambda: subprocess.run([*self.kubectl, "get", "--raw", "/readyz"], capture_output=True).returncode == 0)
        run(*self.kubectl, "create", "namespace", "flux-system")
        for controller in ["kustomize-controller", "source-controller"]:
            run(*self.kubectl, "apply", "--server-side", "-f", f"{tools['flux-crds']}/{controller}.yaml")
        run(*self.kubectl, "delete", "deployments", "--all", "-n", "default")
        time.sleep(3)
        flux = ["bash", f"{ROOT}/tests/flux/start.sh", tools["flux-controllers"], tools["registry"], f"{self.work}/flux"]
        self.keep([*flux, f"{self.work}/plane/kubeconfig", *PORTS[3:]], os.environ)
        wait("Flux", lambda: os.path.exists(f"{self.work}/flux/kustomize-controller.pid"))
        self.cli = tools["flux"]

    def keep(self, command, environment):
        self.started.append(subprocess.Popen(command, stdin=subprocess.PIPE, env=environment))

    def stop(self):
        for one in reversed(self.started):
            one.stdin.close()
            one.wait()
        shutil.rmtree(self.work, ignore_errors=True)

    def git(self, *args):
        who = {f"GIT_{w}_{k}": "bench@example" for w in ["AUTHOR", "COMMITTER"] for k in ["NAME", "EMAIL"]}
        return run("git", "-C", self.fleet, *args, env=dict(os.environ, **who))

    def commit(self):
        """Renders, commits, pushes the tree and what artifacts changed. What they are, and the commit."""
        run(PROGRAM, "-C", self.fleet, "render", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "change")
        bare = f"{self.work}/flux/git/fleet.git"
        if not os.path.exists(bare):
            run("git", "init", "--bare", "-q", "-b", "main", bare)
        self.git("push", "-q", bare, "HEAD:main")
        head = self.git("rev-parse", "HEAD")
        pushed = []
        for line in run(PROGRAM, "-C", self.fleet, "status", "--artifacts", "-q").splitlines():
            folder, url, content = line.split("\t")
            if self.held.get(url) == content:
                continue
            self.held[url] = content
            note = ["--annotations", f"tenantry.dev/content={content}", "--source", "https://git.example/fleet"]
            note += ["--revision", f"main@sha1:{head}", "--reproducible"]
            run(self.cli, "push", "artifact", f"{url}:{content}", "--path", f"{self.fleet}/{folder}", *note)
            run(self.cli, "tag", "artifact", f"{url}:{content}", "--tag", "latest")
            pushed.append(url.rsplit("/", 1)[1])
        return pushed, head

    def reconcile(self, pushed):
        """As a webhook would: the sources that a push changed are looked at now."""
        now = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": str(time.time())}}}
        self.api.patch(f"{SOURCES}/gitrepositories/flux-system", now)
        for unit in pushed:
            self.api.patch(f"{SOURCES}/ocirepositories/{self.name_of(unit)}", now)

    def name_of(self, unit):
        """What a unit's Flux objects are called."""
        return f"tenants-{unit}" if self.unit == "shard" else f"tenant-{unit}"

    def cpu(self):
        """Seconds of processor time of source-controller and kustomize-controller so far."""
        used = []
        for name in ["source-controller", "kustomize-controller"]:
            with open(f"{self.work}/flux/{name}.pid") as file:
                with open(f"/proc/{file.read().strip()}/stat") as stat:
                    fields = stat.read().rsplit(")", 1)[1].split()
            used.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
        return used

    def settled(self, wanted, head):
        all_of = self.api.get(FLUX) or {"items": []}
        self.done = sum(ready(one, head) for one in all_of["items"])
        return self.done == wanted

    def artifact(self, name):
        """Entries and bytes of what is unpacked of a source."""
        kind = "gitrepository" if name == "flux-system" else "ocirepository"
        newest = max(glob.glob(f"{self.work}/flux/storage/{kind}/flux-system/{name}/*.tar.gz"), key=os.path.getmtime)
        with tarfile.open(newest) as archive:
            members = archive.getmembers()
        return len(members), sum(m.size for m in members)

    def measure(self):
        generate = [GENERATE] if GENERATE else ["cargo", "run", "-q", "--release", "--example", "generate"]
        run(*generate, str(COUNT), self.fleet, cwd=ROOT)
        path = f"{self.fleet}/tenants/fleet.yaml"
        with open(path) as file:
            text = file.read()
        own = f"      flux: {{artifacts: {{url: \"oci://127.0.0.1:{REGISTRY}/fleet\", insecure: true, interval: 1h}}}}\n"
        text = text.replace("    - name: prod\n", "    - name: prod\n" + own, 1)
        place = f", manifests: {MANIFESTS}" if MANIFESTS else ""
        text += f"  delivery: {{unit: {self.unit}, source: {self.source}{place}}}\n"
        with open(path, "w") as file:
            file.write(text)
        # What Flux reads: the syncs of tenants have repositories that are not there, and are left out.
        for path in glob.glob(f"{self.fleet}/tenants/tenant-*.yaml"):
            with open(path) as file:
                text = file.read()
            with open(path, "w") as file:
                file.write(text.split("  sync:\n")[0])
            if MANIFESTS:
                name = os.path.basename(path).removesuffix(".yaml")
                with open(path, "a") as file:
                    file.write(f"  manifests: [{name}-m.yaml]\n")
                with open(path.replace(".yaml", "-m.yaml"), "w") as file:
                    file.write(VERBATIM.replace("NS", name))
        run("git", "init", "-q", "-b", "main", self.fleet)
        _, head = self.commit()
        self.api = Api()
        files = run("git", "-C", self.fleet, "ls-files", "rendered/prod/entry", "clusters").splitlines()
        wanted = sum(open(f"{self.fleet}/{path}").read().count("kind: Kustomization\n") for path in files) + 1
        before = self.cpu()
        # As docs/commit.md advises, what is no shared source's is left out of it.
        sparse = ", sparseCheckout: [clusters, rendered/prod/entry, rendered/prod/platform]"
        run(*self.kubectl, "apply", "-f", "-", input=BOOT.replace("SPARSE", sparse if self.source == "perShard" else ""))
        first = wait("all applied", lambda: self.settled(wanted, head))
        after = self.cpu()
        self.say("from nothing", first, before, after, f"{self.done} of {wanted} Kustomizations")
        if first is None:
            return
        # Nothing is at work any more.
        wait("quiet", lambda: self.quiet(), 120, 0)
        for edition in range(1, 4):
            tenant = f"tenant-{COUNT // 2:06}"
            path = f"{self.fleet}/tenants/{tenant}.yaml"
            with open(path) as file:
                text = file.read()
            with open(path, "w") as file:
                file.write(re.sub(r'pods: "\d+"', f'pods: "{80 + edition}"', text))
            quota = f"/api/v1/namespaces/{tenant}/resourcequotas"
            before = self.cpu()
            pushed, head = self.commit()
            started = time.time()
            self.reconcile(pushed)

            def applied():
                items = (self.api.get(quota) or {"items": []})["items"]
                return any(i["spec"]["hard"].get("pods") == str(80 + edition) for i in items)

            seen = wait("its quota", applied, LIMIT, 0.1)
            settled = wait("all at the commit", lambda: self.settled(wanted, head), LIMIT, 0.2)
            whole = time.time() - started
            after = self.cpu()
            self.say(f"commit {edition}", seen, before, after, f"all settled after {whole:.1f} s, pushed {pushed}")
            if settled is None or whole > 60:
                break
        git, bytes_of_git = self.artifact("flux-system")
        readers = wanted if self.source == "shared" else 3
        entries, size = git * readers, bytes_of_git * readers
        if self.source == "perShard":
            one, bytes_of_one = self.artifact(self.name_of(pushed[0]))
            entries, size = entries + one, size + bytes_of_one
        print(f"  unpacked for a one-tenant commit: {entries} entries, {size / 1e6:.1f} MB "
              f"(the Git source {git} entries, {bytes_of_git / 1e6:.1f} MB, {readers} times)", flush=True)

    def quiet(self):
        before = sum(self.cpu())
        time.sleep(3)
        return sum(self.cpu()) - before < 0.1

    def say(self, what, wall, before, after, more):
        source, kustomize = (after[i] - before[i] for i in range(2))
        took = "not" if wall is None else f"{wall:.1f} s"
        print(f"  {what}: applied after {took}; CPU kustomize-controller {kustomize:.1f} s, source-controller {source:.1f} s; {more}",
              flush=True)


def main():
    tools = {name: tool(name) for name in ["control-plane", "flux-controllers", "flux-crds", "registry", "flux"]}
    for name in CASES:
        print(f"{COUNT} tenants, unit/source {name}", flush=True)
        case = Case(name)
        try:
            case.start(tools)
            case.measure()
        finally:
            case.stop()


main()
