# `make demo` and `make test` do everything on a fresh machine, set-up included.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test setup setup-tests peers build wheels test-wheels release lint fuzz bench bench-quick clean-demo

# If the metadata of ChestX-ray14 is found, the demo also trains the paper's network on three features.
NIH ?= $(firstword $(wildcard nih ../nih ../shared/nih))
demo: build
	rm -rf target/demo
	./target/debug/reg demo target/demo
	@if [ -n "$(NIH)" ]; then examples/three-features.sh "$(NIH)" target/demo/three-features; \
	else echo; echo "With NIH=FOLDER of Data_Entry_2017_v2020.csv: the paper's network on three features, too."; fi

# This also builds the programs; a separate build would compile some crates twice, with other features.
# Without the feature, the tests that inject faults are skipped.
test: setup-tests
	cargo test --workspace --features reg/faults

build: setup
	cargo build

# The wheels `reg-cxr` (program and Python module) and `reg-cxr-torch` (worker), in ./dist. Compiles for release: 20 minutes.
wheels: setup
	@setup/wheels.sh

# Installs them into an empty environment, with PyTorch (3 GB), and runs the demo and a script there. Slow.
test-wheels: wheels
	REG_WHEELS=$(CURDIR)/dist cargo test --test wheels -- --nocapture

# What is published: wheels, an archive, checksums and, with REG_RELEASE_KEY, a signed statement of reg's own.
release: wheels
	@setup/release.sh

# Installs missing system packages, and libtorch. Idempotent.
setup:
	@setup/system.sh
	@setup/libtorch.sh

# The same, and what the tests need: a browser, Slurm, LaTeX (600 MB).
setup-tests:
	@setup/system.sh tests
	@setup/libtorch.sh

# Installs the tools with which exports are tested (1 GB): `make test` uses them if they are installed. With
# REG_STRICT=1, they and everything else that tests need are required (tests/support/mod.rs).
peers: setup-tests
	@setup/peers.sh

# The version that checks licences, sources and advisories; built without optimisation, which takes half the time.
CARGO_DENY := 0.20.2
lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features reg/faults -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet --debug cargo-deny@$(CARGO_DENY)
	cargo deny check bans licenses sources
	@if cargo deny fetch db >/dev/null 2>&1; then cargo deny check advisories; \
	else echo "lint: the advisory database is not reachable, so advisories were not checked"; fi

# A short run of every fuzz target on its corpus: SECONDS each.
fuzz: SECONDS ?= 20
fuzz:
	fuzz/run.sh $(SECONDS)

# The ratios of all rooms to their floor or peer, in two minutes once built (benches/README.md). Fails on nothing.
bench-quick: setup
	cargo build --release -p reg -p reg-python
	cargo build --release -p reg-torch
	cargo bench --workspace --features reg/faults --profile dev --no-run --bench lineage --bench loader --bench runs
	@benches/quick

bench: build
	cargo build --release -p reg
	benches/ingest
	benches/scale.sh
