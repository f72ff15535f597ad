#!/usr/bin/env python3
"""Prints a token of Argo CD's API server for a local account, with groups: token.py KEY ACCOUNT [GROUP]..."""

import base64
import hashlib
import hmac
import json
import sys
import time
import uuid

KEY, ACCOUNT, *GROUPS = sys.argv[1:]


def part(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


now = int(time.time())
claims = {
    "iss": "argocd",
    "sub": f"{ACCOUNT}:login",
    "iat": now - 5,
    "nbf": now - 5,
    "exp": now + 86400,
    "jti": str(uuid.uuid4()),
    "groups": GROUPS,
}
head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + b"." + part(json.dumps(claims).encode())
print((head + b"." + part(hmac.new(KEY.encode(), head, hashlib.sha256).digest())).decode())
