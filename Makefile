# `make demo` and `make test` do everything on a fresh machine, set-up included.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.PHONY: demo test setup build lint bench clean-demo

demo: build
	rm -rf target/demo
	./target/debug/reg demo target/demo

test: build
	cargo test --workspace

build: setup
	cargo build --workspace

# What is missing of the system's packages, and libtorch. Idempotent.
setup:
	@setup/system.sh
	@setup/libtorch.sh

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny
	cargo deny check

bench: build
	cargo build --release -p reg
	benches/scale.sh
