"""Asks the API server: ask.py URL reads requests from standard input, one a line as JSON (method, path, body, the token
of who asks if not the admin's, and user with groups to impersonate), and answers each with a line of JSON: its code and body."""

import http.client
import json
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlparse

url = urlparse(sys.argv[1])
lines = sys.stdin.read().splitlines()
THREADS = 4


def ask(part):
    context = ssl._create_unverified_context()
    server = http.client.HTTPSConnection(url.hostname, url.port, context=context)
    out = []
    for line in part:
        request = json.loads(line)
        body = json.dumps(request["body"]) if request.get("body") is not None else None
        server.putrequest(request["method"], request["path"])
        if request.get("token", "admin"):
            server.putheader("Authorization", "Bearer " + request.get("token", "admin"))
        server.putheader("Content-Type", request.get("type", "application/json"))
        server.putheader("Content-Length", str(len(body.encode()) if body else 0))
        if "user" in request:
            server.putheader("Impersonate-User", request["user"])
            for group in request.get("groups", []):
                server.putheader("Impersonate-Group", group)
        server.endheaders(body.encode() if body else None)
        answer = server.getresponse()
        text = answer.read()
        try:
            body = json.loads(text)
        except ValueError:
            body = text.decode(errors="replace")
        out.append(json.dumps({"code": answer.status, "body": body}))
    return out


with ThreadPoolExecutor(THREADS) as pool:
    parts = list(pool.map(ask, [lines[i::THREADS] for i in range(THREADS)]))
answers = [""] * len(lines)
for i, part in enumerate(parts):
    answers[i::THREADS] = part
print("\n".join(answers))
