# Everything installs into .venv, from lock files with hashes: requirements.lock is what the program needs,
# requirements-dev.lock adds what its tests need. Needs Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
COMPILED := $(VENV)/.compiled
READY_DEV := $(VENV)/.ready-dev
CATALOGUES := $(wildcard src/spytriage/locale/*/LC_MESSAGES/*.po)
TEMPLATES := $(wildcard src/spytriage/*/templates/*.jinja)

.PHONY: demo test fuzz lint types messages docs reference kit bench screenshots lock clean

demo: $(COMPILED)  ## Set up, then run the main job on an invented phone.
	$(VENV)/bin/spytriage demo

test: $(READY_DEV)  ## Set up, then run all tests.
	$(VENV)/bin/pytest --numprocesses auto

SECONDS := 60
fuzz: $(READY_DEV)  ## Fuzz every parser of ours for a minute each (Linux on x86_64; what is found lies in fuzz-found/).
	$(VENV)/bin/python -m tests.fuzz --seconds $(SECONDS)

lint: $(READY_DEV)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(READY_DEV)
	$(VENV)/bin/mypy

messages: $(READY_DEV)  ## Bring the translations up to date with the sources; says what is missing.
	$(VENV)/bin/python tools/messages.py

$(READY): requirements.lock pyproject.toml hatch_build.py
	$(PYTHON) -c 'import sys; sys.exit("spytriage needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	touch $@

$(COMPILED): $(READY) $(CATALOGUES) $(TEMPLATES)  # the program itself; hatch_build.py compiles what these are
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(READY_DEV): $(READY) requirements-dev.lock | $(COMPILED)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

screenshots: $(READY_DEV)  ## Make the pictures of the docs anew (needs Chromium and pdftoppm).
	$(VENV)/bin/python -m tests.screenshots docs/images

bench: $(READY_DEV)  ## Compare with MVT on a made phone of middling size (minutes).
	$(VENV)/bin/python -m benchmarks.compare --size middling

docs: $(READY_DEV)  ## Build the documentation into site/, in both languages; a broken link is an error.
	$(VENV)/bin/zensical build --strict --clean
	$(VENV)/bin/zensical build --strict --clean --config-file zensical.es.toml

reference: $(READY_DEV)  ## Write the pages of docs/reference that follow from the program.
	$(VENV)/bin/python tools/make_reference.py

kit: $(COMPILED)  ## All that a laptop without a network needs, in kit/: carry it there on a stick.
	tools/make-kit $(VENV) kit

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --no-emit-find-links --no-annotate --quiet
lock:  ## Resolve the dependencies anew (needs uv).
	$(LOCK) --group build -o requirements.lock
	$(LOCK) --all-extras --group dev --constraint requirements.lock -o requirements-dev.lock

clean:
	rm -rf $(VENV) kit site .mypy_cache .pytest_cache .ruff_cache .hypothesis
