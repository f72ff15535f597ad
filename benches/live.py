#!/usr/bin/env python3
"""Compares the time of `verify` with the time to list the same kinds once, on a real API server on loopback.

benches/live.py [TENANTS] [--apart]: starts a control plane (tests/tools.sh control-plane), makes all that is rendered for so many
generated tenants (2,000 when left out: about 28,000 objects), and runs both in turn. The lists are fetched by a small client in
this file, which reads every page and looks at no object: all kinds of the role that `verify --print-rbac` prints, four at a time,
in pages of 500. With --apart the server has one core and the clients another, as where the server is another machine; else they
share both. Needs target/release/tenantry.
"""

import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
APART = "--apart" in sys.argv
NUMBERS = [int(word) for word in sys.argv[1:] if word.isdigit()]
COUNT = NUMBERS[0] if NUMBERS else 2000
PORTS = ["25790", "25800", "25443"]
PROGRAM = os.path.join(ROOT, "target/release/tenantry")
PLURALS = {"NetworkPolicy": "networkpolicies"}


def main():
    work = tempfile.mkdtemp(prefix="tenantry-live-")
    tools = subprocess.run([f"{ROOT}/tests/tools.sh", "control-plane"], check=True, capture_output=True, text=True)
    python = subprocess.run([f"{ROOT}/tests/tools.sh", "python"], check=True, capture_output=True, text=True).stdout.strip()
    plane = subprocess.Popen(
        ["bash", f"{ROOT}/tests/control-plane/start.sh", tools.stdout.strip(), f"{work}/plane", *PORTS],
        stdin=subprocess.PIPE,
        preexec_fn=on_core(0),
    )
    try:
        fleet = f"{work}/fleet"
        subprocess.run(["cargo", "run", "-q", "--release", "--example", "generate", str(COUNT), fleet], cwd=ROOT, check=True)
        subprocess.run([PROGRAM, "-C", fleet, "render", "-q"], check=True)
        # The documents as JSON, a line each, by the C reader.
        script = (
            "import sys, json, yaml, glob\n"
            "for path in sorted(glob.glob(sys.argv[1] + '/rendered/**/*.yaml', recursive=True)):\n"
            "    for d in yaml.load_all(open(path), yaml.CSafeLoader):\n"
            "        if d: print(json.dumps(d))\n"
        )
        made = subprocess.run([python, "-c", script, fleet], check=True, capture_output=True, text=True).stdout
        objects = [json.loads(line) for line in made.splitlines()]
        while not os.path.exists(f"{work}/plane/kubeconfig"):
            time.sleep(0.2)
        wait()
        started = time.time()
        first = [o for o in objects if o["kind"] == "Namespace"]
        create([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}}])
        create(first)
        create([o for o in objects if o["kind"] != "Namespace" and "toolkit.fluxcd.io" not in o["apiVersion"]])
        print(f"{len(objects)} objects, {len(first)} namespaces, made in {time.time() - started:.0f} s")
        environment = dict(os.environ, KUBECONFIG=f"{work}/plane/kubeconfig")
        paths = listed(fleet, python)
        runs = {"lists alone": [], "verify": []}
        for _ in range(5):
            server = cpu(plane.pid)
            run = in_child(lambda: lists_alone(paths))
            runs["lists alone"].append(run | {"server": cpu(plane.pid) - server})
            server = cpu(plane.pid)
            run = verify(fleet, environment, f"{work}/said")
            runs["verify"].append(run | {"server": cpu(plane.pid) - server})

        least = {what: {key: min(run[key] for run in all_runs) for key in all_runs[0]} for what, all_runs in runs.items()}
        alone, whole = least["lists alone"], least["verify"]
        print(f"lists alone {alone['wall']:.2f} s, in {alone['requests']} requests")
        print(f"verify {whole['wall']:.2f} s: {whole['wall'] / alone['wall']:.2f} times the lists alone")
        peak = max(run["peak"] for run in runs["verify"])
        print(f"verify: lists in {whole['lists']:.2f} s, in {whole['requests']} requests; peak {peak} MB")
        for what, run in least.items():
            print(f"CPU, {what}: the server's {run['server']:.2f} s, the client's {run['client']:.2f} s")
        before = time.time()
        subprocess.run([PROGRAM, "-C", fleet, "check", "-q"], capture_output=True, check=False)
        print(f"of verify, reading the fleet: {time.time() - before:.2f} s (check)")
        kubectl = [f"{tools.stdout.strip()}/kubectl", "get", "networkpolicies", "-A", "-o", "json"]
        before = time.time()
        subprocess.run(kubectl, env=environment, capture_output=True, check=True)
        print(f"kubectl get networkpolicies -A -o json: {time.time() - before:.2f} s")
    finally:
        plane.stdin.close()
        plane.wait()


def verify(fleet, environment, said):
    """Runs `verify` once."""
    command = [PROGRAM, "-C", fleet, "verify", "-v", "--revision", "any", "--format", "json"]
    before = time.time()
    with open(said, "wb") as said_file:
        ran = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said_file, preexec_fn=on_core(1))
        _, status, used = os.wait4(ran.pid, 0)
    wall = time.time() - before
    with open(said, "rb") as said_file:
        text = said_file.read()
    assert os.waitstatus_to_exitcode(status) in (0, 1), text
    requests, lists = re.search(rb"(\d+) requests, lists in ([0-9.]+) s", text).groups()
    return {
        "wall": wall,
        "client": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss // 1024,
        "requests": int(requests),
        "lists": float(lists),
    }


def listed(fleet, python):
    """The paths of all lists that the role of `verify` allows and the server serves."""
    role = subprocess.run([PROGRAM, "-C", fleet, "verify", "--print-rbac"], check=True, capture_output=True).stdout
    script = "import sys, json, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"
    role = json.loads(subprocess.run([python, "-c", script], input=role, check=True, capture_output=True).stdout)
    allowed = {rule["apiGroups"][0]: rule["resources"] for rule in role["rules"] if rule["verbs"] == ["list"]}
    paths = {}
    for base in ("/api", "/apis"):
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        for group in json.loads(get(connection(), base, accept))["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                api = f"{base}/{name}/{version['version']}" if name else f"{base}/{version['version']}"
                for resource in version["resources"]:
                    plural = resource["resource"]
                    if "list" in resource["verbs"] and {"*", plural} & set(allowed.get(name, [])):
                        paths.setdefault((name, plural), f"{api}/{plural}")
    return list(paths.values())


def lists_alone(paths):
    """Fetches lists, four at a time, and looks at no object."""
    todo, lock, requests = list(paths), threading.Lock(), []

    def work():
        one = connection()
        while True:
            with lock:
                if not todo:
                    return
                path = todo.pop()
            token = ""
            while True:
                page = get(one, f"{path}?limit=500" + (token and f"&continue={urllib.parse.quote(token)}"))
                requests.append(path)
                # The server writes the metadata of a list before its items.
                found = re.search(rb'"continue":"([^"]+)"', page[:4096].split(b'"items":', 1)[0])
                if not found:
                    break
                token = found[1].decode()

    before = time.time()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"wall": time.time() - before, "requests": len(requests)}


def in_child(work):
    """Runs a function in a process of its own, on the clients' core, and adds the CPU seconds it took."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        (on_core(1) or (lambda: None))()
        os.write(write, json.dumps(work()).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as result:
        text = result.read()
    _, status, used = os.wait4(pid, 0)
    assert status == 0, status
    return json.loads(text) | {"client": used.ru_utime + used.ru_stime}


def get(one, path, accept="application/json"):
    """The body of an answer."""
    one.request("GET", path, headers={"Authorization": "Bearer admin", "Accept": accept})
    answer = one.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"{path}: {answer.status} {body[:300]}")
    return body


def cpu(parent):
    """The CPU seconds of a process's children and theirs."""
    parents, ticks = {}, {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        parents[int(name)], ticks[int(name)] = int(fields[1]), int(fields[11]) + int(fields[12])

    def below(pid):
        return pid == parent or pid in parents and below(parents[pid])

    return sum(spent for pid, spent in ticks.items() if below(pid)) / os.sysconf("SC_CLK_TCK")


def on_core(core):
    """What a process does before it starts, so that it runs on one core alone."""
    return (lambda: os.sched_setaffinity(0, {core})) if APART else None


def connection():
    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection("127.0.0.1", int(PORTS[2]), context=context)


def wait():
    for _ in range(300):
        try:
            one = connection()
            one.request("GET", "/readyz", headers={"Authorization": "Bearer admin"})
            if one.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.3)
    sys.exit("the API server is not ready")


def create(objects):
    """Makes objects, eight at once."""
    todo, lock = list(objects), threading.Lock()

    def work():
        one = connection()
        while True:
            with lock:
                if not todo:
                    return
                o = todo.pop()
            version = o["apiVersion"]
            base = f"/apis/{version}" if "/" in version else f"/api/{version}"
            namespace = o["metadata"].get("namespace")
            plural = PLURALS.get(o["kind"], o["kind"].lower() + "s")
            path = f"{base}/namespaces/{namespace}/{plural}" if namespace else f"{base}/{plural}"
            path += "?fieldManager=kustomize-controller"
            headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
            one.request("POST", path, json.dumps(o), headers)
            answer = one.getresponse()
            body = answer.read()
            if answer.status not in (200, 201, 409):
                sys.exit(f"{path}: {answer.status} {body[:300]}")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
