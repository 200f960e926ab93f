# Every target does its own set-up; nothing has to be installed first but a Rust toolchain (and apt, as root).
SHELL := /bin/bash
.PHONY: demo test lint bench sim sim-again chaos setup

demo: setup ## a whole migration between two stand-in servers, a worker killed half-way, every cell compared
	cargo run --quiet --bin tdferry -- demo

test: setup ## everything that can fail
	cargo test --workspace --all-features
	@deploy/say-real-servers

lint: setup ## format, clippy, docs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" cargo doc --workspace --all-features --no-deps --document-private-items

SIMULATION := cargo test --package tdferry-cli --test simulation -- --exact every_promise_holds_under_every_seed --nocapture

SEEDS ?= 200
sim: setup ## the cluster in simulation, on behind the tally: make sim SEEDS=3000
	TDFERRY_SIM_SEEDS=$(SEEDS) $(SIMULATION)

AGAIN ?= 20
sim-again: setup ## some seeds of the tally once more: they must go the same way
	TDFERRY_SIM_AGAIN=$(AGAIN) $(SIMULATION)

SECONDS ?= 1800
SEED ?=
chaos: setup ## real processes under faults: make chaos SECONDS=180, and SEED=7 to throw the same ones again
	TDFERRY_CHAOS_SECONDS=$(SECONDS) TDFERRY_CHAOS_SEED=$(SEED) cargo test --package tdferry-cli --test chaos -- --nocapture

bench: setup ## side by side with a plain loop, as ratios in one run
	cargo build --release --quiet --bin tdferry --bin tdferry-bench
	cargo run --release --quiet --bin tdferry-bench
	cargo run --release --quiet --bin tdferry-bench verify
	cargo run --release --quiet --bin tdferry-bench rejects
	cargo run --release --quiet --bin tdferry-bench follow
	cargo run --release --quiet --bin tdferry-bench idle

setup:
	@deploy/setup
