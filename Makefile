# Two commands are enough: `make chat` and `make test`. Both install into .venv what they need.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# The CPU build of torch is 200 MB, the default one 2.5 GB. Where the index is out of reach, pip goes on
# with the package index it knows.
TORCH := torch==2.13.0
TORCH_INDEX := https://download.pytorch.org/whl/cpu
BROWSER := chromium chromium-driver curl

.PHONY: chat test check eval bench browser clean

chat: $(VENV)/.installed
	$(BIN)/python app.py

test: $(VENV)/.installed-dev browser
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

eval: $(VENV)/.installed
	$(BIN)/qa eval

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/speed.py

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; install Python 3.11, or name another one: make chat PYTHON=python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --retries 0 --timeout 10 --extra-index-url $(TORCH_INDEX) $(TORCH)
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.torch
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# The tests of the page drive the system's Chromium, those of its endpoints use curl.
browser:
	@{ command -v chromium && command -v curl; } >/dev/null || { \
	  command -v apt-get >/dev/null || { echo "The tests need chromium and curl on the PATH; install them with your system's package manager"; exit 1; }; \
	  sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq $(BROWSER); }

clean:
	rm -rf $(VENV) build *.egg-info index/corpus.sqlite3* index/vectors.faiss
