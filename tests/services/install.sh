#!/usr/bin/env bash
# Installs the Debian packages that the tests of real services need, or says what is missing.
# ClickHouse itself comes through npm, when the first test asks for it.
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null; }
have npm || missing+=(npm)
have docker-compose || missing+=(docker-compose)
have initdb || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
python3 -c "import venv, ensurepip" 2>/dev/null || missing+=(python3-venv)

[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $(id -u) == 0 ]] && have apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq --no-install-recommends "${missing[@]}" && exit 0
fi
echo "Missing for tests/services: ${missing[*]}. Tests that need them are skipped and say so." \
    "To run them: apt-get install ${missing[*]}"
