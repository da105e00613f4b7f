# The README's commands. Each sets itself up; nothing is needed but Python 3.11+ and a package index.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup run test interop interop-kubernetes lint bench clean

setup: .venv/.complete ## .venv with .venv/bin/shipper in it

.venv/.complete: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	@echo "making .venv (once; about half a minute)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev
	@$(BIN)/python -m compileall -q shipper
	@touch $@

run: setup ## pipelines.yaml, on your organization or else on a simulated one
	@if [ -n "$$GITHUB_TOKEN" ] && [ -n "$$GITHUB_ORG" ]; then exec $(BIN)/shipper run; \
	else exec $(BIN)/shipper simulate github --port 0 -- $(BIN)/shipper run; fi

test: setup ## all that needs only Python
	$(BIN)/pytest -m "not interop" --numprocesses auto --maxprocesses 8 --dist worksteal

interop: setup ## the same against real servers, which it installs and starts itself
	tests/interop/install.sh
	tests/helm/install.sh
	$(BIN)/pytest -m interop

interop-kubernetes: setup ## the chart in a real kube-apiserver, which takes 12 minutes of CPU to build, once
	tests/helm/install.sh
	tests/helm/install-kubernetes.sh
	$(BIN)/pytest -m kubernetes

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## speed and memory, as ratios in one run
	$(BIN)/python -m bench

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist
