# shellcheck shell=bash
# Functions of the scripts that run in the virtual machine.

export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
T=/mnt/test

fail() {
  echo "FAILED: $*"
  systemctl status probelet --no-pager --lines 0 || true
  journalctl -u probelet --no-pager -n 30 -o cat || true
  exit 1
}
trap 'fail "line $LINENO: $BASH_COMMAND"' ERR
ok() { echo "ok  $*"; }

# eventually SECONDS COMMAND…: polls until the command succeeds.
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.5
  done
}

property() { systemctl show -P "$1" probelet; }
is() { [ "$(property "$1")" = "$2" ]; }
# The pid of a pod's container, and the number of its restarts.
pid_of() { ctr -n probelet task ls | awk -v id="$1" 'index($1, id) == 1 && $3 == "RUNNING" { print $2 }'; }
restarts() { probelet get pod "$1" -o json | jq '.status.containerStatuses[0].restartCount'; }
is_ready() { [ "$(probelet get pod "$1" -o json | jq -r '.status.containerStatuses[0].ready')" = true ]; }
# The process of the pod is the same as before, and was not restarted.
same() {
  eventually 60 probelet get pods || fail "$1: the daemon does not answer"
  [ "$(pid_of "$1")" = "$2" ] || fail "$1: pid $(pid_of "$1") in place of $2"
  [ "$(restarts "$1")" = "$3" ] || fail "$1: $(restarts "$1") restarts in place of $3"
}
