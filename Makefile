# Two commands from nothing: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# tests/conftest.py puts the files with slow tests first, and workers take them in that order.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: help demo test test-fast container-test fuzz check docs gallery hooks lock clean

help:
	@echo 'make demo       install, simulate a raw study, predict, and say where the report is'
	@echo 'make test       install everything; check style and types; run all tests with coverage'
	@echo 'make test-fast  the tests that take seconds: run them before each commit'
	@echo 'make container-test  build the image on BASE (an image, or a tar of a root file system) and predict in it'
	@echo 'make fuzz       read N=10000 damaged files, each within limits of time and memory'
	@echo 'make check      style, spelling and types'
	@echo 'make docs       build the documentation site in build/site; every warning is an error'
	@echo 'make gallery    make the pictures of the documentation again'
	@echo 'make hooks      run the checks before each git commit'
	@echo 'make lock       resolve uv.lock again'

demo: $(VENV)/.core
	$(BIN)/gliotype demo -o demo

test: check $(VENV)/.peers
	$(PYTEST) --cov --cov-report term

test-fast: $(VENV)/.dev $(VENV)/.peers
	$(PYTEST) -m 'not slow'

BASE ?= docker.io/library/python:3.12-slim
# WHEELS may name a folder made by `pip wheel -w WHEELS .` with the Python of BASE: nothing is then fetched.
WHEELS ?=

container-test: $(VENV)/.dev
	GLIOTYPE_CONTAINER_BASE=$(BASE) GLIOTYPE_CONTAINER_WHEELS=$(WHEELS) $(BIN)/python -m pytest -rs tests/container

N ?= 10000

fuzz: $(VENV)/.dev
	cd tests && ../$(BIN)/python -m fuzz --count $(N)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo 'The site is in build/site: open build/site/index.html'

gallery: $(VENV)/.dev
	$(BIN)/python docs/site/gallery.py

hooks: $(VENV)/.dev
	$(BIN)/pip install --quiet 'pre-commit>=4'
	$(BIN)/pre-commit install

lock: $(VENV)/bin/python
	$(BIN)/pip install --quiet 'uv>=0.13'
	$(BIN)/uv lock --no-config --default-index https://pypi.org/simple

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet torch==2.13.0
	$(BIN)/pip install --quiet --editable '.[train,dev]'
	touch $@ $(VENV)/.core

# Real parts for tests, where root can install them by apt: a PACS for the node, a browser for the page, a validator of DICOM. About 15
# seconds each, and no failure if they cannot be had: the tests that need them say so and are skipped.
$(VENV)/.peers: $(VENV)/bin/python
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  install() { timeout 180 apt-get install -qq -y --no-install-recommends "$$@"; }; \
	  fetch() { { install "$$@" || { timeout 60 apt-get -qq update && install "$$@"; }; } >/dev/null 2>&1 \
	    || echo "$$1 cannot be installed here: the tests that need it are skipped"; }; \
	  [ -x /usr/sbin/Orthanc ] || fetch orthanc orthanc-dicomweb; \
	  [ -x /usr/bin/chromium ] || fetch chromium; \
	  [ -x /usr/bin/dciodvfy ] || fetch dicom3tools; \
	fi
	touch $@

# Only what the site is built with: the API reference reads the sources and imports nothing.
$(VENV)/.docs: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist
