#!/usr/bin/env bash
# Installs nasflow from the source tree that this file is in, as root, into /opt/nasflow.
#   install.sh control   control plane: server, light flow runs, the command; no torch
#   install.sh worker    all of it: training and evaluation, too
# Everything that pip installs is named with its hash in infra/requirements. What was installed before is kept until it ends.
set -euo pipefail
umask 022  # the user nasflow has to read what is installed

case "${1:-}" in
    control) lock=control ;;
    worker) lock=all ;;
    *) echo "error: install.sh ${1:-}: no such role; say control or worker" >&2; exit 2 ;;
esac
[ "$(id -u)" = 0 ] || { echo "error: install.sh runs as $(id -un); run it as root" >&2; exit 2; }
command -v apt-get >/dev/null || { echo "error: no apt-get here; install on Debian 12, Debian 13 or Ubuntu 24.04" >&2; exit 2; }

images=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$images/../.." && pwd)
requirements=$source/infra/requirements
target=/opt/nasflow
# Times of files in packages that are built here, and of all installed files.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}"
export PYTHONDONTWRITEBYTECODE=1

for process in /proc/[0-9]*; do
    # Containers of this machine have roots of their own.
    if [ "$process/root" -ef / ] && grep --quiet --no-messages --text --null-data "^$target/bin/" "$process/cmdline"; then
        echo "error: a program of $target runs, ${process#/proc/}; stop nasflow's services before" >&2; exit 2
    fi
done

"$images/system.sh" python3-venv
python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
    echo "error: $(python3 --version); nasflow takes Python 3.11 to 3.13" >&2; exit 2; }

build=$(mktemp -d)
# Named as it is in the end, since scripts name their interpreter.
rm -rf "$target.removed"
[ ! -d "$target.old" ] || { rm -rf "$target"; mv "$target.old" "$target"; }  # a call before was killed
[ ! -d "$target" ] || mv "$target" "$target.old"
installed=
finish() {
    rm -rf "$build"
    if [ -z "$installed" ]; then
        rm -rf "$target"
        [ ! -d "$target.old" ] || mv --no-target-directory "$target.old" "$target"
        echo "error: nothing was installed; what was in $target is there again" >&2
    fi
}
trap finish EXIT
# Without these, bash goes to finish while pip still writes.
trap 'exit 143' TERM
trap 'exit 130' INT
python3 -m venv "$target"
pip() { "$target/bin/python" -m pip --disable-pip-version-check --no-cache-dir "$@"; }
locked() { pip install --quiet --no-compile --no-deps --no-build-isolation --require-hashes -r "$requirements/$1.txt"; }
locked build
locked "$lock"
# Building writes beside the sources, which may be read-only.
cp -R "$source/pyproject.toml" "$source/README.md" "$source/LICENSE" "$source/NOTICE" \
    "$source/deployments" "$source/flows" "$source/tasks" "$build"
pip install --quiet --no-compile --no-deps --no-build-isolation "$build"
# The folder of the build differs each time.
find "$target"/lib/python3*/site-packages/nasflow-*.dist-info -name direct_url.json -delete
sed -i '/direct_url.json/d' "$target"/lib/python3*/site-packages/nasflow-*.dist-info/RECORD
# Byte code, since a read-only root cannot keep it later. One process and one seed, or it differs from build to build.
# Some packages ship files for other versions of Python, which do not compile.
PYTHONHASHSEED=0 "$target/bin/python" -W ignore -m compileall -q -f --invalidation-mode unchecked-hash "$target/lib" >/dev/null || true
find "$target" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +

"$target/bin/nasflow" --version
installed=yes
# Renamed first, since a part of it must not be taken for what was there before.
[ ! -d "$target.old" ] || mv "$target.old" "$target.removed"
rm -rf "$target.removed"
