# `make demo` and `make test` do everything on a fresh machine, set-up included.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test setup peers build lint fuzz bench clean-demo

# Where the metadata of ChestX-ray14 is at hand, the paper's network on three features as well.
NIH ?= $(firstword $(wildcard nih ../nih ../shared/nih))
demo: build
	rm -rf target/demo
	./target/debug/reg demo target/demo
	@if [ -n "$(NIH)" ]; then examples/three-features.sh "$(NIH)" target/demo/three-features; \
	else echo; echo "With NIH=FOLDER of Data_Entry_2017_v2020.csv: the paper's network on three features, too."; fi

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

# The tools of others that exports are checked with (1 GB): `make test` uses them where they are. With REG_STRICT=1,
# they and all else that a test needs must be there (tests/support/mod.rs).
peers: setup
	@setup/peers.sh

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
