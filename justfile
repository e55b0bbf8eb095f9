# Recipes for common tasks; they call the scripts, which stay the source of truth. `just` lists them.
# Most recipes need root.

bin := justfile_directory() / "target/debug/probelet"

[private]
default:
    @just --list

# Shows a failing container that is killed and restarted.
demo *FLAGS:
    scripts/demo {{FLAGS}}

# Runs all checks, as CI does.
test:
    .ci/run

# Formats all code.
fmt:
    cargo fmt --all

# Checks format, lints and the anchors of the chaos mutants.
lint:
    cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings
    scripts/chaos-mutants --check

# Runs the unit and property tests, or those whose name contains FILTER.
unit FILTER="":
    cargo test --locked {{FILTER}}

# Runs the integration tests of integration/tests/NAME.rs.
integration NAME *ARGS:
    cargo build --locked && scripts/build-image
    bash -euc '. scripts/lib.sh; install_test_clients; PROBELET_BIN={{bin}} cargo test --locked -p probelet-integration --test {{NAME}} -- --test-threads=2 {{ARGS}}'

# Kills daemon, containerd, shims and containers at random, and checks after each round.
chaos *FLAGS:
    scripts/chaos {{FLAGS}}

# Measures restarts and reading manifests.
bench:
    scripts/bench
    cargo bench --locked -p probelet-manifest --bench manifests

# Builds the documentation of the code, and writes docs/pod-fields.md.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --workspace
    PROBELET_WRITE_DOCS=1 cargo test --locked -p probelet-manifest schema

# Checks licences, bans and sources of the dependencies.
deny:
    cargo deny --locked check licenses bans sources
