"""Asks the API server: ask.py URL reads SubjectAccessReviews from standard input, one a line, and answers each with 0 or 1."""

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
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    out = []
    for line in part:
        server.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", line, headers)
        answer = json.loads(server.getresponse().read())
        out.append("1" if answer["status"]["allowed"] else "0")
    return out


with ThreadPoolExecutor(THREADS) as pool:
    parts = list(pool.map(ask, [lines[i::THREADS] for i in range(THREADS)]))
answers = [""] * len(lines)
for i, part in enumerate(parts):
    answers[i::THREADS] = part
print("\n".join(answers))
