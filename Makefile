# Two commands do everything on a fresh machine: `make demo` and `make test`.
VENV := .venv
PY := $(VENV)/bin/python
PRESET ?= tiny

.PHONY: setup demo test prove format

setup: $(VENV)/.ready

# Torch comes first, by itself: with it present nothing that depends on torch pulls another build.
$(VENV)/.ready: pyproject.toml constraints.txt scripts/setup_system.sh
	scripts/setup_system.sh
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --constraint constraints.txt torch
	$(PY) -m pip install --quiet --constraint constraints.txt --editable '.[torch,dev]'
	touch $@

demo: setup
	$(VENV)/bin/vibeserve run targets/llama-chat --preset $(PRESET) --client replay
	$(VENV)/bin/vibeserve report latest

test: setup
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache
	REQUIRE_BWRAP=1 $(PY) -m pytest --numprocesses 2 --dist loadfile

prove: setup
	$(PY) scripts/prove.py $(SHARDS)

format: setup
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .
