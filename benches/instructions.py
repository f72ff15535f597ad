#!/usr/bin/env python3
"""Instructions of check and render over 200 generated tenants, by stage, held against benches/instructions.txt.

Counted by valgrind's callgrind on the dev build: steady where times are not (two runs differ by less than 1 %). Ends with
1 where a stage or the whole takes over 20 % more than the baseline says. A change that is worth its price moves the
baseline in the same commit, and says why:

    benches/instructions.py --update "the reason"
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / "benches/instructions.txt"
TENANTS = 200
MOST = 1.20
# A stage that is less than this part of the whole is shown, and not held: it may double by a hash seed.
LEAST = 0.02
# A function for each stage. `document` is within `spec`, and within whatever else reads YAML; `tenancy`, each tenant by
# itself, and `join` are within `spec` too.
STAGES = {
    "read": "tenantry::cli::files::read_all",
    "records": "tenantry::cli::written::read_records",
    "document": "tenantry::document::parse::parse",
    "spec": "tenantry::compile::resolve",
    "tenancy": "tenantry::tenancy::tenant::ResolveContext::resolve",
    "join": "tenantry::tenancy::link::Linker::link",
    "bundle": "tenantry::bundle::render::render",
    "moves": "tenantry::tree::moves::check_moves",
    "tree": "tenantry::tree::build::build",
    "snapshot": "tenantry::cli::write::snapshot",
    "plan": "tenantry::tree::plan::plan",
    "write": "tenantry::cli::write::apply",
}


def need_valgrind():
    if shutil.which("valgrind"):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "install", "-y", "-q", "valgrind"], stdout=sys.stderr, check=False)
    if not shutil.which("valgrind"):
        print("NOT RUN: there is no valgrind (Debian's package valgrind)", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 0)


def count(program, folder, args):
    """Instructions of a run, in all and by stage."""
    out = folder / "callgrind.out"
    env = {k: v for k, v in os.environ.items() if not k.startswith("TENANTRY_")} | {"RAYON_NUM_THREADS": "1"}
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", program, *args, "--now", "2026-11-22"]
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    text = subprocess.run(
        ["callgrind_annotate", "--inclusive=yes", "--threshold=100", str(out)],
        check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ).stdout
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+(?:PROGRAM TOTALS|[^\s:]+:(\S+))", line)
        if match:
            number = int(match[1].replace(",", ""))
            name = match[2] or "all"
            found[name] = max(found.get(name, 0), number)
    stages = {stage: found[name] for stage, name in STAGES.items() if name in found}
    return {"all": found["all"], **stages}


def read_baseline():
    rows = {}
    for line in BASELINE.read_text().splitlines() if BASELINE.exists() else []:
        if line and not line.startswith("#"):
            command, stage, number = line.split()
            rows[command, stage] = int(number) * 1000
    return rows


def main():
    reason = sys.argv[2] if len(sys.argv) == 3 and sys.argv[1] == "--update" and sys.argv[2].strip() else None
    if len(sys.argv) > 1 and reason is None:
        sys.exit(__doc__)
    need_valgrind()
    subprocess.run(["cargo", "build", "--locked", "--quiet", "--bin", "tenantry", "--example", "generate"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    rows = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run([target / "examples/generate", str(TENANTS), folder], check=True)
        # From nothing, then over what is there: `check` reads the records too.
        for command, args in (("render", ["render"]), ("check", ["check"])):
            for stage, number in count(str(target / "tenantry"), folder, args).items():
                rows[command, stage] = number
    before = read_baseline()
    failed = []
    print(f"{'':20} {'thousand instructions':>22} {'baseline':>12} {'change':>8}")
    for (command, stage), number in rows.items():
        old = before.get((command, stage))
        change = f"{100 * (number / old - 1):+.1f} %" if old else "new"
        print(f"{command + ' ' + stage:20} {number // 1000:22,} {(old or 0) // 1000:12,} {change:>8}")
        if old and number > MOST * old and number > LEAST * rows[command, "all"]:
            failed.append(f"{command} {stage} {change}")
    if reason is not None:
        lines = [f"# Thousands of instructions over {TENANTS} tenants (benches/instructions.py). Moved because: {reason}"]
        lines += [f"{command} {stage} {number // 1000}" for (command, stage), number in rows.items()]
        BASELINE.write_text("\n".join(lines) + "\n")
    elif failed or not before:
        print(f"over {MOST - 1:.0%} more: {', '.join(failed) or 'there is no baseline'}", file=sys.stderr)
        sys.exit("mend it, or move the baseline with the reason: benches/instructions.py --update REASON")


if __name__ == "__main__":
    main()
