# Everything lives in .venv of this checkout; nothing else on the machine is touched.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: \
	-c constraints.txt --config-settings editable_mode=compat
PROTOS := $(wildcard proto/viewfinder/v1/*.proto)

.PHONY: help demo test test-models check proto docs bench train compose-test clean

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/ready-demo ## start everything on sample pictures and search them (EXIT=1: stop afterwards)
	@$(BIN)/viewfinder demo $(if $(EXIT),--exit)

test: $(VENV)/ready-dev ## run all tests (JOBS=2 at a time; ARGS="tests/gateway -x" for a part)
	@$(BIN)/pytest -n $(or $(JOBS),2) $(ARGS)

test-models: .venv-models/ready ## run the tests that need torch, open_clip or colpali-engine, in an environment of their own
	@.venv-models/bin/pytest -m 'openclip or colqwen' $(ARGS)

check: $(VENV)/ready-dev ## lint, types, import rules, generated files in sync
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m docs.generate --check
	@$(MAKE) --no-print-directory proto OUT=$$(mktemp -d) DIFF=1

proto: $(VENV)/ready-dev ## generate viewfinder/v1 from proto/
	@out="$(or $(OUT),.)"; \
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m grpc_tools.protoc -Iproto --python_out="$$out" \
		--grpc_python_out="$$out" --pyi_out="$$out" --mypy_grpc_out="quiet:$$out" $(PROTOS) && \
	rm -f "$$out"/viewfinder/v1/common_pb2_grpc.py* && \
	if [ -n "$(DIFF)" ]; then \
		diff -r -x __init__.py -x __pycache__ "$$out/viewfinder/v1" viewfinder/v1 \
		|| { echo "viewfinder/v1 differs from proto/: run 'make proto' and commit"; exit 1; }; fi

docs: $(VENV)/ready-dev ## regenerate the tables of docs/ and .env.example
	$(BIN)/python -m docs.generate

bench: $(VENV)/ready-dev ## measure ingest and search on this machine
	$(BIN)/viewfinder bench ingest
	$(BIN)/viewfinder bench search

train: ## train the bundled encoder from DATA (default ../shared/data)
	$(PYTHON) -m venv .venv-training
	.venv-training/bin/pip install --quiet -e '.[training]' --config-settings editable_mode=compat
	.venv-training/bin/python -m training --data $(or $(DATA),../shared/data)

compose-test: ## build the containers, wait until healthy, run the end-to-end test through them
	@deploy/compose-test

clean: ## remove the environment and everything made by make
	rm -rf $(VENV) .venv-training .venv-models .demo .cache artifacts build *.egg-info .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Viewfinder needs Python 3.11 or newer; this is $$($(PYTHON) --version). Try: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Creating $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

$(VENV)/ready-demo: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Viewfinder into $(VENV) (a minute the first time) ..."
	@$(PIP) -e '.[demo]' && touch $@

$(VENV)/ready-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Viewfinder and its development tools into $(VENV) ..."
	@$(PIP) -e '.[dev]' && touch $@ $(VENV)/ready-demo

.venv-models/ready: pyproject.toml constraints.txt
	@$(PYTHON) -m venv .venv-models
	@echo "Installing torch, open_clip and colpali-engine into .venv-models (minutes the first time) ..."
	@.venv-models/bin/pip install --quiet --disable-pip-version-check --only-binary :all: \
		-c constraints.txt --config-settings editable_mode=compat -e '.[test,openclip,colqwen]' && touch $@
