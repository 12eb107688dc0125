# Everything runs from a virtual environment that make builds itself: `make run`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REPORT := runs/report

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format clean

help:  ## Show the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup: $(VENV)/.installed  ## Build the virtual environment from the pinned constraints

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("ecgtrace needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

run: setup  ## Digitize example pages and leads, recompute the paper's two tables, write a report
	$(BIN)/python generate.py output_dir=$(REPORT)/example sets=[whole_pages,overlap] subset.n_non_overlap=4 subset.n_overlap=8
	$(BIN)/python digitize.py input=$(REPORT)/example/whole-pages output_dir=$(REPORT)/pages content=page overlays=true resume=true
	$(BIN)/python digitize.py input=$(REPORT)/example/overlap-dataset/with-overlap/image output_dir=$(REPORT)/digitized overlays=true resume=true
	$(BIN)/python evaluate.py digitizer=refined compare=[proposed,baseline,ceiling] digitized_pages=$(REPORT)/pages workers=2 resume=true hydra.run.dir=$(REPORT)/evaluation
	@echo "digitized pages and leads: $(REPORT)/pages $(REPORT)/digitized"
	@echo "report: $(REPORT)/evaluation/report.html"

test: setup  ## Run all tests
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2  # one thread each: two that wait for a core spin

lint: setup  ## Check style, types and the order of the layers
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

format: setup  ## Put the code in shape
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

clean:  ## Remove what runs left; the virtual environment stays
	rm -rf runs outputs multirun
