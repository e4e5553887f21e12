# `make demo` and `make test` do everything on a fresh machine, set-up included.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test setup build lint fuzz bench clean-demo

demo: build
	rm -rf target/demo
	./target/debug/reg demo target/demo

# Builds the programs too; a build before it would compile some crates twice, with other features.
# Without the feature, the tests that kill the program at each of its steps are left out.
test: setup
	cargo test --workspace --features reg/faults

build: setup
	cargo build --workspace

# What is missing of the system's packages, and libtorch. Idempotent.
setup:
	@setup/system.sh
	@setup/libtorch.sh

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features reg/faults -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
	cargo deny check bans licenses sources
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "lint: the database of advisories is out of reach, so they were not checked"; fi

# A short run of every fuzz target on its corpus: SECONDS each.
fuzz: SECONDS ?= 20
fuzz:
	fuzz/run.sh $(SECONDS)

bench: build
	cargo build --release -p reg
	benches/ingest
	benches/scale.sh
