# Two commands: `make demo` shows the program on a real photo, `make test` checks everything. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup demo run test bench screenshots practice-model clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Palimpsest needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[models,dev]'
	@$(BIN)/python -c 'import PySide6.QtWidgets' || { echo "Qt needs some system libraries. On Debian and Ubuntu:"; \
	  echo "  sudo apt-get install libegl1 libgl1 libdbus-1-3 libfontconfig1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"; exit 1; }
	touch $@

demo: $(READY)
	$(BIN)/python -m app demo

run: $(READY)
	$(BIN)/python -m app

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest -n logical --dist worksteal -m 'not slow'
	$(BIN)/python -m pytest -n logical --dist worksteal -m slow

bench: $(READY)
	$(BIN)/python -m app bench --json bench.json

screenshots: $(READY)
	$(BIN)/python -m app screenshots docs/screenshots

# Goes on from the weights in resources/models, or from its own cache; MINUTES=600 lets it run through a night.
MINUTES ?= 60
practice-model: $(READY)
	$(BIN)/python -m app practice-model --minutes $(MINUTES)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
