#!/usr/bin/env bash
# Resolve the dependencies anew: names, versions and hashes, no download addresses.
set -euo pipefail
compile() { uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url \
    --no-emit-package django --no-emit-package asgiref --no-emit-package sqlparse "$@"; }
# Everything, for a checkout; setuptools and wheel build the project itself.
compile --group dev --all-extras pyproject.toml -o requirements.lock
# What one image holds: the gateway has no solver.
compile --extra gateway pyproject.toml -c requirements.lock -o deploy/gateway.lock
compile --extra optimizer pyproject.toml -c requirements.lock -o deploy/optimizer.lock
compile --extra telemetry pyproject.toml -c requirements.lock -o deploy/telemetry.lock
