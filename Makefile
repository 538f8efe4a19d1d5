# Bare `make` is what CI runs: lint, types, tests, speed ratios.
.DEFAULT_GOAL := check
SHELL := /bin/bash

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
# The peers of the benchmarks cannot change what runs.
BENCH := $(CURDIR)/.venv-bench
PEERS := $(CURDIR)/.venv-peers
UV := $(shell command -v uv 2>/dev/null)

# A variable that is already set wins, so the same commands run against your own Airflow home,
# ClickHouse and settings: make demo AIRFLOW_VAR_MIN_ACCURACY=0.99
export AIRFLOW_HOME ?= $(CURDIR)/.airflow
export AIRFLOW__CORE__DAGS_FOLDER ?= $(CURDIR)/dags
export AIRFLOW__CORE__PLUGINS_FOLDER ?= $(CURDIR)/plugins
export AIRFLOW__CORE__LOAD_EXAMPLES ?= False
export AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES ?= slack_webhook_url,apprise_urls
export AIRFLOW_CONN_CLICKHOUSE_DEFAULT ?= {"conn_type": "chdb", "extra": {"path": "$(CURDIR)/.clickhouse"}}
export PYTHONPATH := $(CURDIR)$(if $(PYTHONPATH),:$(PYTHONPATH))
# `airflow standalone` starts its parts by name.
export PATH := $(BIN):$(PATH)
# Great Expectations and Airflow import twice as slowly without their bytecode.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: check env lint types quick test test-services score bench-check bench demo watch installed ui free-port up down lock screenshots clean

check: lint types test score bench-check

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

# FULL=1 also runs what takes minutes, as CI does, and a person before a release.
test: $(VENV)/.dev
	$(BIN)/pytest -n auto --no-loadscope-reorder

# What needs no service, no browser and no Airflow home, for before each commit.
quick: lint types
	$(BIN)/pytest -q -n auto --dist worksteal -m "not slow" ml notifications theme tests/ml tests/notifications tests/pipeline tests/test_architecture.py

# The part of `test` that runs on a real ClickHouse; it ends with what ran on which protocol.
test-services: $(VENV)/.dev
	tests/install.sh
	$(BIN)/pytest -n auto --no-loadscope-reorder tests/services

# The ML Test Score, with what proves each point; fails when it has fallen.
score: $(VENV)/.dev
	$(BIN)/python -m benchmarks.score

# Alone and last: what runs beside it would be measured with it.
bench-check: $(VENV)/.dev
	$(BIN)/python -m benchmarks.check

# FULL=1 takes the sizes of the aims, up to ten million rows, and hours.
bench: $(BENCH)/.bench $(PEERS)/.peers
	$(BENCH)/bin/python -m benchmarks $(if $(FULL),--full)

# VERBOSE=1 shows the whole log.
demo:
	@$(PYTHON) -m pipeline.demo "$(MAKE)" "$(BIN)/python"

# After `make demo`: a quiet and a worrying day of the watch on its data.
watch: installed
	@DEMO_EVENTS=3 $(BIN)/python -m pipeline.demo_watch 3>&1 >$(AIRFLOW_HOME)/watch.log 2>&1 || { tail -5 $(AIRFLOW_HOME)/watch.log; exit 1; }

installed: $(VENV)/.run $(AIRFLOW_HOME)/.migrated

# Every visitor is admin, so it listens on this machine alone.
ui: export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS ?= True
ui: export AIRFLOW__API__HOST ?= 127.0.0.1
ui: export AIRFLOW__API__PORT ?= 8080
ui: export AIRFLOW__API__BASE_URL ?= http://localhost:$(AIRFLOW__API__PORT)
ui: free-port $(VENV)/.run $(AIRFLOW_HOME)/.migrated
	@echo "Airflow UI: $(AIRFLOW__API__BASE_URL) in half a minute (switching regime_model_training on runs last Sunday's run at once; Ctrl-C ends it, its log is $(AIRFLOW_HOME)/ui.log)"
	@$(BIN)/airflow standalone >>$(AIRFLOW_HOME)/ui.log 2>&1

# A shell in which every command of the guides works: eval "$(make env)"
env:
	@$(PYTHON) -c 'import os, shlex, sys; [print(f"export {n}={shlex.quote(os.environ[n])}") for n in sys.argv[1:]]' \
	  AIRFLOW_HOME AIRFLOW__CORE__DAGS_FOLDER AIRFLOW__CORE__PLUGINS_FOLDER AIRFLOW__CORE__LOAD_EXAMPLES \
	  AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES AIRFLOW_CONN_CLICKHOUSE_DEFAULT PYTHONPATH PATH

free-port:
	@$(PYTHON) -c 'import socket, sys; sys.exit(not socket.socket().connect_ex(("127.0.0.1", $(AIRFLOW__API__PORT))))' || \
	  { echo "Port $(AIRFLOW__API__PORT) is taken: stop what listens there, or take another: make ui AIRFLOW__API__PORT=8081"; exit 1; }

$(AIRFLOW_HOME)/.migrated: $(VENV)/.run
	@mkdir -p $(AIRFLOW_HOME)
	@$(BIN)/airflow db migrate >$(AIRFLOW_HOME)/migrate.log 2>&1 || { cat $(AIRFLOW_HOME)/migrate.log; exit 1; }
	@touch $@

$(VENV)/.run: requirements.txt
	$(call install,requirements.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(call install,requirements-dev.txt)
	@touch $@

$(BENCH)/.bench: VENV := $(BENCH)
$(BENCH)/.bench: BIN := $(BENCH)/bin
$(BENCH)/.bench: requirements-bench.txt
	$(call install,requirements-bench.txt)
	@touch $@

$(PEERS)/.peers: VENV := $(PEERS)
$(PEERS)/.peers: BIN := $(PEERS)/bin
$(PEERS)/.peers: requirements-peers.txt
	$(call install,requirements-peers.txt)
	@touch $@

# An older pip takes no hashes of what is asked for with an extra.
define install
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; $(PYTHON) is $$($(PYTHON) -V). Try make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(UV),,@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=24')
	$(if $(UV),$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode,$(BIN)/python -m pip install --quiet --disable-pip-version-check) --require-hashes -r $(1)
endef

# The plugin of today's Docker, or else the older program of its own.
COMPOSE = $(shell if docker compose version >/dev/null 2>&1; then echo docker compose; else command -v docker-compose; fi)
NO_COMPOSE = docker compose is missing: install Docker with its compose plugin, or docker-compose. Without Docker there is `make demo`

up:
	$(if $(COMPOSE),,$(error $(NO_COMPOSE)))
	@$(PYTHON) docker/make_env.py
	GIT_COMMIT=$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null) $(COMPOSE) up -d --build $(if $(filter compose,$(COMPOSE)),--wait)
	@echo "Airflow: http://localhost:8080    Login: grep AIRFLOW_ADMIN .env"

down:
	$(if $(COMPOSE),,$(error $(NO_COMPOSE)))
	$(COMPOSE) --profile demo --profile celery down

lock:
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --fork-strategy fewest requirements.in -o requirements.txt
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --fork-strategy fewest -c requirements.txt requirements-dev.in -o requirements-dev.txt
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --fork-strategy fewest -c requirements.txt requirements-image.in -o requirements-image.txt
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --fork-strategy fewest -c requirements.txt -c requirements-dev.txt requirements-bench.in -o requirements-bench.txt
	uv pip compile -q --generate-hashes --universal --python-version 3.11 --fork-strategy fewest requirements-peers.in -o requirements-peers.txt

# The README's pictures of the Airflow UI; needs Chromium.
screenshots: $(VENV)/.dev
	$(BIN)/python -m docs.screenshots

clean:
	rm -rf .airflow .clickhouse models data_docs
