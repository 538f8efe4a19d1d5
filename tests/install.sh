#!/usr/bin/env bash
# Installs the Debian packages that tests of real services and of pages need, or says what is missing.
# ClickHouse itself comes through npm, when the first test asks for it.
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null; }
have npm || missing+=(npm)
have docker-compose || missing+=(docker-compose)
have chromium || missing+=(chromium)
have openssl || missing+=(openssl)
have redis-server || missing+=(redis-server)
have initdb || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || missing+=(postgresql)
python3 -c "import venv, ensurepip" 2>/dev/null || missing+=(python3-venv)

[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $(id -u) == 0 ]] && have apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -qq --no-install-recommends "${missing[@]}" && exit 0
fi
echo "Missing for some tests: ${missing[*]}. Those that need them are skipped and say so." \
    "To run them: apt-get install ${missing[*]}"
