# How packages of the system are installed, by `lab` and by `--install-tools` alike:
# sourced, it brings the functions; run with names of packages, it installs those that
# apt has.

say() { printf '%s\n' "$*" >&2; }

give_up() {
    say "lab: error: $1"
    [ $# -lt 2 ] || say "  = help: $2"
    exit 3
}

# As root, directly; else by sudo. Without either, the exact command is all that helps.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else give_up "this needs root, and there is no sudo here" "as root: $*"
    fi
}

renew_lists() {
    as_root apt-get update -qq || say "lab: the package lists could not be renewed; going on with the old ones"
}

# Packages must not start their daemons: the lab starts its own, sealed.
install_packages() {
    command -v apt-get >/dev/null ||
        give_up "missing: $*" "install them with this system's package tool"
    say "lab: installing $* (apt)"
    local guard=/usr/sbin/policy-rc.d held='' status=0
    renew_lists
    if [ ! -e "$guard" ]; then
        held=yes
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
        as_root chmod 755 "$guard"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
        --no-install-recommends "$@" >/dev/null || status=$?
    [ -z "$held" ] || as_root rm -f "$guard"
    [ "$status" = 0 ] || give_up "apt could not install: $*" "apt-get install $*"
}

# What this system's apt has of some packages, and has not installed yet.
install_what_there_is() {
    local package lacking=() known=()
    for package in "$@"; do
        dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' ||
            lacking+=("$package")
    done
    [ ${#lacking[@]} != 0 ] || return 0
    apt-cache show "${lacking[@]}" >/dev/null 2>&1 || renew_lists
    for package in "${lacking[@]}"; do
        if apt-cache show "$package" >/dev/null 2>&1; then known+=("$package")
        else say "lab: apt has no package $package"
        fi
    done
    [ ${#known[@]} = 0 ] || install_packages "${known[@]}"
}

[ "${BASH_SOURCE[0]}" != "$0" ] || install_what_there_is "$@"
