# The two commands of a fresh machine are `make demo` and `make test`; they need make and Python ≥ 3.11.
# PORT=8000 is where the demo is served; PYTHON=python3.13 chooses the interpreter of .venv.

PORT ?= 8000
NODE := .venv/bin/imagery-node
BROWSER := tests/browser/node_modules/.package-lock.json

.PHONY: demo test lint lock clean
.DELETE_ON_ERROR:

demo: demo-data/published  ## simulate some deliveries, publish them, serve the node
	@echo "The node is at http://127.0.0.1:$(PORT)/ (stop it with Ctrl-C)"
	$(NODE) serve --home demo-data/home --port $(PORT)

test: .venv/dev $(BROWSER)  ## everything that CI checks
	scripts/check
	scripts/test

lint: .venv/dev  ## the quick part of it
	scripts/check

lock:  ## write requirements/*.txt anew from pyproject.toml
	scripts/lock

clean:  ## back to a fresh clone
	rm -rf .venv build demo-data *.egg-info tests/browser/node_modules
	rm -rf .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

.venv/runtime: requirements/build.txt requirements/runtime.txt pyproject.toml
	scripts/setup runtime
	touch $@

.venv/dev: requirements/build.txt requirements/dev.txt pyproject.toml
	scripts/setup dev
	touch $@ .venv/runtime

$(BROWSER): tests/browser/package-lock.json | .venv/dev
	npm ci --prefix tests/browser --no-audit --no-fund
	touch $@

demo-data/simulated: | .venv/runtime
	$(NODE) simulate --demo demo-data/deliveries
	touch $@

demo-data/published: demo-data/simulated
	COG_BUILDER_DEM_VERTICAL_DATUM=ellipsoid $(NODE) publish demo-data/deliveries/GF* --home demo-data/home --dem demo-data/deliveries/dem.tif
	touch $@
