# `make demo` and `make test` need Python 3.10 or later and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test mutants lint clean

demo: $(VENV)/.installed
	$(BIN)/medfuse demo --output medfuse_demo

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadscope

# Do the tests of a room notice deliberate changes? Not part of CI: see docs/mutants.md.
ROOM ?= noise
SAMPLE ?= 60
SEED ?= 1
mutants: $(VENV)/.installed-mutants
	$(BIN)/python scripts/mutants.py $(ROOM) --sample $(SAMPLE) --seed $(SEED)

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[dev]"
	touch $@

$(VENV)/.installed-mutants: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --constraint constraints.txt --editable ".[mutants]"
	touch $@

docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/mkdocs build --strict --site-dir build/site

clean:
	rm -rf $(VENV) medfuse_demo
