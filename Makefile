# Thin: each target calls the program that does it. PYTHON=/path/to/python3.11 chooses the interpreter of the venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help reproduce queue test test-fast compare lint lock clean identity verify

help:
	@echo "make reproduce   install into .venv, then run the whole pipeline (dvc repro) and print a table"
	@echo "                 J=4 trains four rows at a time; the default is 2 on CPUs, 1 on a GPU"
	@echo "make queue J=2   the same through DVC's queue, each row on a GPU of its own"
	@echo "make test        lint, types, and all tests but slow ones"
	@echo "make test-fast   without dvc, papermill, whole trainings and simulations"
	@echo "make compare     a table of the experiments made by dvc exp run"
	@echo "make verify      hash DVC's cache, the outs and the committed reference anew"
	@echo "make lint        ruff and mypy"
	@echo "make lock        write requirements.lock anew from pyproject.toml"
	@echo "make clean       remove what the pipeline made; dvc's cache, .venv and your own data stay"

reproduce: .venv/installed identity
	@$(BIN)/python -m stages.reproduce $(if $(J),--jobs $(J))

queue: .venv/installed identity
	@$(BIN)/python -m stages.reproduce --queue --jobs $(or $(J),2)

test: lint
	@$(BIN)/python -m pytest -m "not slow" --numprocesses auto --maxprocesses 4 --dist loadfile

test-fast: .venv/installed
	@$(BIN)/python -m pytest -m "not slow and not integration and not gpu"

# Headline numbers, and of the params those that differ: narrow enough for a terminal. What is queued or has failed has no
# numbers, and dvc would read its pipeline anew each time; `dvc queue status` lists it.
compare: .venv/installed
	@COLUMNS=118 $(BIN)/dvc exp show --no-pager --only-changed --hide-queued --hide-failed \
	  --drop 'Created|(data|reports|notebooks|paper|studies|reference|stages|runs|results)(/.*)?|.*\.yaml|(profiles|rows)\..*'

verify: .venv/installed
	@$(BIN)/python -m stages.verify

lint: .venv/installed
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

# The stamp's date is the installation's: only a newer lock installs again.
.venv/installed: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: $(PYTHON) is not Python 3.11 or later; run make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Installing pinned packages into .venv (once, some minutes)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@touch $@

# dvc works in a git repository, which an unpacked archive is not; its experiments are commits, and fail without an author.
identity:
	@[ -e .git ] || { echo "no git repository here, as in an archive: making one, with one commit"; git init --quiet; }
	@git config user.email >/dev/null || git config user.email reproduce@localhost
	@git config user.name >/dev/null || git config user.name reproduce
	@git rev-parse --verify --quiet HEAD >/dev/null || \
	  { git add --all && git commit --quiet --message="The project as unpacked"; }

# No local version (+cpu) and no CUDA packages: torch brings its own, by platform.
lock:
	@rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	@$(PYTHON) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*p["project"]["dependencies"], *p["dependency-groups"]["dev"], sep="\n")' > .venv-lock/direct.txt
	@.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --requirement .venv-lock/direct.txt
	@echo "# Every package, exactly. Written by make lock from pyproject.toml's dependencies." > requirements.lock
	@.venv-lock/bin/python -m pip freeze --disable-pip-version-check | sed 's/+.*//' | \
	  grep -viE '^(nvidia-|cuda-|triton)' >> requirements.lock
	@rm -rf .venv-lock

clean:
	@rm -rf data/valid.txt data/code data/*/source.json data/*/scenes data/*/packed data/*/proposals runs results metrics.json .checkpoints .clones/data-*
	@find reports -mindepth 1 ! -name README.md -delete
