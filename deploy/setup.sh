#!/usr/bin/env bash
# Make the virtual environment from the lock file: idempotent, nothing outside the checkout but cached packages.
set -euo pipefail
venv="$1"
python="${PYTHON:-python3.11}"
command -v "$python" >/dev/null || python=python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Busbar needs Python 3.11 or newer; found $("$python" --version)" >&2; exit 1; }

if ! [ -x "$venv/bin/pip" ]; then
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" 2>/dev/null; then
        rm -rf "$venv"
        # Debian and Ubuntu ship venv's bootstrap apart from Python.
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "installing python3-venv"
            apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
            "$python" -m venv "$venv"
        else
            echo "Python's venv module is incomplete here: apt-get install python3-venv (as root), then again" >&2
            exit 1
        fi
    fi
fi
echo "installing from requirements.lock"
# The lock file is complete, so dependencies are not resolved again (and a static-file package's web framework stays out).
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
"$venv/bin/python" -m services.optimizer.reconfiguration.warm
# The browser's clients of the real-time hub, which tests drive where there is Node; tests say so where there is none.
if command -v node >/dev/null && command -v npm >/dev/null; then
    "$venv/bin/python" -m tests.support.signalr || echo "the SignalR clients could not be installed; their tests will try again" >&2
fi
