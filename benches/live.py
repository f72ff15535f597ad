#!/usr/bin/env python3
"""What `verify` costs beside listing the same kinds once with the same client, on a real API server on loopback.

benches/live.py [TENANTS] [--apart]: starts a control plane (tests/tools.sh control-plane), makes all that is rendered for so many
generated tenants (2,000 when left out: about 28,000 objects), and runs both in turn. With --apart the server has one core and
the client another, as where the server is another machine; else they share both. Needs target/release/tenantry.
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
        peak = 0
        times, lists, spent = ({"verify": [], "--bare": []} for _ in range(3))
        for _ in range(5):
            for what, all_times in times.items():
                command = [PROGRAM, "-C", fleet, "verify", "-v", "--revision", "any", "--format", "json"]
                command += ["--bare"] if what == "--bare" else []
                server, before = cpu(plane.pid), time.time()
                with open(f"{work}/said", "wb") as said_file:
                    ran = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said_file, preexec_fn=on_core(1))
                    _, status, used = os.wait4(ran.pid, 0)
                all_times.append(time.time() - before)
                spent[what].append((cpu(plane.pid) - server, used.ru_utime + used.ru_stime))
                with open(f"{work}/said", "rb") as said_file:
                    text = said_file.read()
                assert os.waitstatus_to_exitcode(status) in (0, 1), text
                said = re.search(rb"(\d+) requests, lists in ([0-9.]+) s", text)
                lists[what].append((float(said[2]), int(said[1])))
                peak = max(peak, used.ru_maxrss // 1024)
        verify, bare = min(times["verify"]), min(times["--bare"])
        alone, requests = min(lists["--bare"])
        print(f"lists alone {alone:.2f} s, in {requests} requests; with reading the fleet {bare:.2f} s")
        print(f"verify {verify:.2f} s: {verify / alone:.2f} times the lists alone; peak {peak} MB")
        for what, name in (("--bare", "lists alone"), ("verify", "verify")):
            of_server, of_client = (min(each) for each in zip(*spent[what]))
            print(f"CPU, {name}: the server's {of_server:.2f} s, the client's {of_client:.2f} s")
        before = time.time()
        subprocess.run([PROGRAM, "-C", fleet, "check", "-q"], capture_output=True, check=False)
        print(f"of both, reading the fleet: {time.time() - before:.2f} s (check)")
        kubectl = [f"{tools.stdout.strip()}/kubectl", "get", "networkpolicies", "-A", "-o", "json"]
        before = time.time()
        subprocess.run(kubectl, env=environment, capture_output=True, check=True)
        print(f"kubectl get networkpolicies -A -o json: {time.time() - before:.2f} s")
    finally:
        plane.stdin.close()
        plane.wait()


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
