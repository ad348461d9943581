# Two commands do all: `make demo` and `make test`. Both say what they do.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help
.PHONY: help demo test lint bench bench-api bench-clickhouse clean

help: ## show this list
	@grep -E '^[a-z-]+: .*##' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 14

demo: ## watch a real ClickHouse lose exactly the rows that the rules say
	@scripts/ensure-tools.sh cargo cc npm
	echo "demo: building (a few minutes the first time)"
	cargo run --locked -- demo

test: ## the whole suite, on real servers; installs mariadbd and fetches libchdb if they are missing
	@scripts/ensure-tools.sh cargo cc
	[ -n "$${EBBTIDE_LIBCHDB:-}" ] || scripts/ensure-tools.sh npm
	scripts/ensure-mariadbd.sh
	echo "test: building the tests (a few minutes the first time), and checking that benches and containers compile"
	cargo check --locked --benches
	cargo check --locked --tests --features testcontainers
	cargo test --locked --no-run
	echo "test: libchdb, the embedded ClickHouse (fetched once, 178 MB)"
	cargo test --locked --test it -- --exact embedded::libchdb_is_there --nocapture
	echo "test: the suite"
	cargo test --locked

lint: ## rustfmt, clippy, rustdoc, and the dependencies
	@scripts/ensure-tools.sh cargo cc
	echo "lint: rustfmt"
	cargo fmt --check
	echo "lint: clippy"
	cargo clippy --locked --all-targets --all-features -- -D warnings
	echo "lint: rustdoc"
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items
	scripts/check-dependencies.sh

bench: ## measure resolve, plan and compile
	@scripts/ensure-tools.sh cargo cc
	cargo bench --locked --bench core

bench-api: ## measure policy look-ups over a real MariaDB with 100,000 rules
	@scripts/ensure-tools.sh cargo cc
	scripts/ensure-mariadbd.sh
	cargo bench --locked --bench api

bench-clickhouse: ## measure ways to delete side by side on a real ClickHouse; takes hours and 20 GB
	@scripts/ensure-tools.sh cargo cc
	[ -n "$${EBBTIDE_LIBCHDB:-}" ] || scripts/ensure-tools.sh npm
	cargo bench --locked --bench clickhouse

clean: ## remove what was built; the fetched libchdb stays in the user's cache directory
	@cargo clean
