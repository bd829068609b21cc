# `make demo` and `make test` need Python 3.10 or later and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-oldest package test-package mutants docs clean

demo: $(VENV)/.installed
	$(BIN)/medfuse demo --output medfuse_demo

test: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n auto --dist loadscope

# A selection on the oldest releases of all dependencies, with Python 3.11. Warnings are errors in `make test`
# alone: what is old may warn.
OLDEST := .venv-oldest
OLDEST_TESTS := $(addprefix tests/,references/test_metrics_generated.py test_batch_index.py test_cli_options.py \
  test_colour.py test_fusion_laplacian.py test_fusion_wavelet.py test_gains.py test_intensity.py test_io_dicom.py \
  test_io_dicom_write.py test_io_formats.py test_io_itk.py test_io_nifti.py test_io_pictures.py \
  test_io_transforms.py test_landmarks.py test_metrics_scores.py test_noise.py test_packaging.py test_progress.py \
  test_recipe.py test_report.py test_resampling.py test_volume.py test_weights.py)
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -p no:cacheprovider -W default $(OLDEST_TESTS)

# The wheel and the source distribution, compared with what git tracks.
package: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python scripts/check_package.py dist

# The wheel alone, in an environment and a folder where nothing else is.
FRESH := .venv-wheel
test-package: package
	rm -rf $(FRESH)
	$(PYTHON) -m venv $(FRESH)
	$(FRESH)/bin/python -m pip install --constraint constraints.txt dist/*.whl
	folder=$$(mktemp -d) && cd "$$folder" && $(CURDIR)/$(FRESH)/bin/medfuse demo --method pca --output out && \
	  test -s out/result/report.html && rm -rf "$$folder"

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

$(OLDEST)/.installed: pyproject.toml constraints-oldest.txt
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --constraint constraints-oldest.txt --editable . hypothesis pytest
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) $(FRESH) dist medfuse_demo
