.PHONY: setup test slow lint format bench

setup:        ## install for development
	pip install -e ".[dev]"

test:         ## the suite, as the README and CI run it
	pytest

slow:         ## long runs that the suite leaves out
	pytest -m slow

lint:         ## what CI checks
	ruff check . && ruff format --check .

format:       ## put the code in form
	ruff check --fix . ; ruff format .

bench:        ## measurements; run nothing beside them
	python benchmarks/overhead.py
	python benchmarks/memory.py
	python benchmarks/step.py
