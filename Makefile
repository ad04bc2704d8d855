# make demo   a quick race of prompting against LoRA on real reviews, and its report
# make test   everything that CI checks
# make test-all   the same, and the tests marked `whole`: whole matrices, and the quick run in full; it keeps a
#                  record in docs/measurements
#                  (WORKERS=N processes run the tests of a file each; WORKERS=0 runs them one after the other)
# make benchmark   scoring and training here, compared with lm-evaluation-harness and TRL; on a quiet machine
#                  (OPTIONS="--scale 300 3000 30000 --out laptop.json" are benchmarks/laptop.py's)
# make mutations   breaks one line of the product at a time, and prints which test catches it (OPTIONS="--only V1 R3")
#
# TORCH_INDEX=URL takes torch, and torch alone, from another index: PyTorch's CPU index saves
# several GB on Linux. PYTHON=python3.12 takes another Python for the virtual environment.

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
OPTIONS ?=
WORKERS ?= 2

pytest = $(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
pip = $(VENV)/bin/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
torch = $(pip) torch $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

peers = $(VENV)-peers/bin/python

.PHONY: demo test test-all lint benchmark mutations clean

demo: $(VENV)/has-bench
	$(VENV)/bin/bench run sentiment --quick

test: $(VENV)/has-test lint
	$(pytest)

test-all: $(VENV)/has-test lint
	$(pytest) --whole --record docs/measurements/$$(date +%F)-test-all.json

lint: $(VENV)/has-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/mypy

benchmark: $(VENV)/has-bench $(VENV)-peers/ready
	$(VENV)/bin/python benchmarks/laptop.py --peers $(peers) $(OPTIONS)

mutations: $(VENV)/has-test
	$(VENV)/bin/python benchmarks/mutations.py $(OPTIONS)

$(VENV)-peers/ready: benchmarks/peers.txt constraints.txt
	$(PYTHON) -m venv $(VENV)-peers
	$(peers) -m pip install --disable-pip-version-check --quiet -c constraints.txt torch $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(peers) -m pip install --disable-pip-version-check --quiet -c constraints.txt -r benchmarks/peers.txt
	touch $@

$(VENV)/has-%: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed; give one with PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); torch is the large one"
	$(torch)
	$(pip) hatchling editables
	$(pip) --no-build-isolation -e '.[$*]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-peers dist
