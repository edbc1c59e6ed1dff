#!/usr/bin/env bash
# What a machine or an image has from its distribution: Python, certificates, and the user nasflow with its work folder.
# For Debian 12 and 13 and Ubuntu 24.04, as root. Further names of packages may follow.
set -euo pipefail

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends python3 ca-certificates "$@" >/dev/null

id nasflow >/dev/null 2>&1 || useradd --uid 10001 --user-group --no-create-home --home-dir /work --shell /usr/sbin/nologin nasflow
# Read-only for others: weights and labels are nobody else's.
install -d -o nasflow -g nasflow -m 0750 /work
