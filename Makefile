# `make gate` and `make test` do all set-up themselves; on Windows use the plain lines of the README.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
DEMO := examples/demo_archive.zip
LEDGER := examples/demo_ledger.jsonl
# Many tests wait for processes of their own, so one worker more than cores; what a module sets up is set up once.
WORKERS ?= 3
# Without bytecode every one of the thousand processes that tests start would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: gate test test-long check check-code check-mypy check-pyright check-types docs pictures package newest lowest plugins coverage fuzz fuzz-kills fuzz-archives fuzz-functions fuzz-coverage determinism lock bench story

$(STAMP): pyproject.toml constraints.txt requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .github/requirements/pip.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation --editable . --group torch
	touch $(STAMP)

gate: $(STAMP)
	@$(BIN)/python -m pytest model_tests --model-archive=$(DEMO) --gate-ledger=$(LEDGER); status=$$?; \
	if [ $$status -eq 1 ]; then \
		echo "Status 1 is expected here: the demo holds models that must be blocked. Open gate-report/report.html."; \
	else \
		echo "pytest ended with status $$status, but the demo should end with 1: some of its models must be blocked."; \
		exit 1; \
	fi

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -m "not long"

test-long: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -m long

# Independent of each other: `make -j2 check` takes little more than half of the time on two cores.
check: check-code check-mypy check-pyright check-types package docs

check-code: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/actionlint .github/workflows/*.yml examples/consumer/.github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet --persona auditor .github examples/consumer/.github

check-mypy: $(STAMP)
	$(BIN)/mypy

check-pyright check-types: export PATH := $(CURDIR)/.venv/bin:$(PATH)
check-pyright: $(STAMP)
	$(BIN)/basedpyright

check-types: $(STAMP)
	$(BIN)/basedpyright --verifytypes pytest_modelgate --ignoreexternal

# The documentation as a site, in build/site; a link or an anchor that leads nowhere is an error.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# The pictures of README and documentation, from the demo and a real browser.
pictures: $(STAMP)
	$(BIN)/python benchmarks/pictures.py

# What PyPI would get: metadata, page and files.
package: $(STAMP)
	VALIDATE_PYPROJECT_NO_NETWORK=1 $(BIN)/validate-pyproject pyproject.toml
	rm -rf build/package
	$(BIN)/python -m build --no-isolation --outdir build/package . > /dev/null
	$(BIN)/twine check --strict build/package/*
	$(BIN)/check-wheel-contents build/package/*.whl

# The newest and the lowest versions that pyproject.toml allows, each in an environment of its own; by default without
# torch, whose tests are skipped then. WITH="test torch" brings it along, TESTS="tests/plugin -m 'not long'" runs a part.
# The demo's verdict has to have one digest there and on the versions that are pinned.
WITH ?= test
RESOLUTION_newest := highest
RESOLUTION_lowest := lowest-direct
newest lowest:
	$(PYTHON) -m venv .venvs/uv
	.venvs/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .github/requirements/uv.txt
	.venvs/uv/bin/uv venv --quiet --clear --python $(PYTHON) .venvs/$@
	.venvs/uv/bin/uv pip install --quiet --python .venvs/$@ --torch-backend cpu --resolution $(RESOLUTION_$@) \
		--editable . $(addprefix --group ,$(WITH))
	.venvs/uv/bin/uv venv --quiet --clear --python $(PYTHON) .venvs/pinned
	.venvs/uv/bin/uv pip install --quiet --python .venvs/pinned --require-hashes -r .github/requirements/runtime.txt
	.venvs/uv/bin/uv pip install --quiet --python .venvs/pinned --no-deps --editable .
	.venvs/$@/bin/python tests/fuzz/demo_matrix.py --python .venvs/pinned/bin/python --python .venvs/$@/bin/python
	.venvs/$@/bin/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(TESTS)

# Twice as slow as `make test`. Processes that tests start count, too.
coverage: $(STAMP)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder --cov --cov-report=

fuzz: $(STAMP)
	$(BIN)/python tests/fuzz/circumstances.py $(FUZZ)

fuzz-kills: $(STAMP)
	$(BIN)/python tests/fuzz/kills.py $(FUZZ)

fuzz-archives: $(STAMP)
	$(BIN)/python tests/fuzz/archives.py $(FUZZ)

fuzz-functions: $(STAMP)
	$(BIN)/python tests/fuzz/functions.py $(FUZZ)

fuzz-coverage: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris==3.0.0
	$(BIN)/python tests/fuzz/coverage_guided.py $(FUZZ)

determinism: $(STAMP)
	$(BIN)/python tests/fuzz/demo_matrix.py

lock: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .github/requirements/uv.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --constraint constraints.txt --output-file requirements.lock --quiet
	$(BIN)/uv pip compile pyproject.toml --constraint constraints.txt --output-file .github/requirements/runtime.txt --quiet
	for name in build cyclonedx docs pip pip-audit uv; do $(BIN)/uv pip compile .github/requirements/$$name.in --quiet \
		--constraint constraints.txt --output-file .github/requirements/$$name.txt --python-version 3.11 || exit 1; done

# BENCH="--only fold" measures a part of it; a row whose opponent cannot be installed says so.
bench: $(STAMP)
	-@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group bench
	$(BIN)/python benchmarks/table.py $(BENCH)

# The way of a model, from its first verdict over paper to live, until a fault of its trader takes it out.
story: $(STAMP)
	$(BIN)/python benchmarks/story.py

# The gate beside what other people run. The environment lies on top of .venv, so that nothing large is installed twice.
plugins: $(STAMP)
	$(PYTHON) -m venv .venv/plugins
	.venv/plugins/bin/python -c "import pathlib, site, sys; \
		pathlib.Path(site.getsitepackages()[0], 'below.pth').write_text(f'import site; site.addsitedir({sys.argv[1]!r})\n')" \
		"$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')"
	.venv/plugins/bin/python -m pip install --quiet --disable-pip-version-check -r tests/plugin/neighbours.txt
	.venv/plugins/bin/python -m pytest tests/plugin/test_neighbours.py tests/examples/test_consumer.py -n 0 -ra \
		-o filterwarnings= $(PLUGINS)
