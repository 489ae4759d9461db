#!/usr/bin/env bash
# Makes a fresh Debian or Ubuntu ready: run as root, it copies the checkout into a user's
# home, and has that user's `./lab` install the rest and play the smallest scenario.
#
#   provision.sh CHECKOUT USER
set -euo pipefail

checkout=$1 user=$2
home=$(getent passwd "$user" | cut -d: -f6)
lab=$home/filterlab
export DEBIAN_FRONTEND=noninteractive

apt-get update -qq
apt-get install -y -qq --no-install-recommends \
    ca-certificates git python3 python3-venv sudo >/dev/null

# ./lab permits user namespaces until the next restart; this machine is made for the lab.
setting=kernel.apparmor_restrict_unprivileged_userns
if [ -e "/proc/sys/${setting//.//}" ]; then
    echo "$setting = 0" >/etc/sysctl.d/60-filterlab.conf
    sysctl -qw "$setting=0"
fi

# What earlier runs left in the checkout stays there.
mkdir -p "$lab"
tar -C "$checkout" --exclude=./runs --exclude=./site --exclude='*.egg-info' \
    --exclude=./vagrant/.vagrant -cf - . | tar -C "$lab" -xf -
chown -R "$user": "$lab"

cd "$lab"
# A login would do, but a user without a terminal has none.
sudo -H -u "$user" ./lab run first-steps
