# Every target that needs Erlang, Elixir, rebar3 or cargo runs `setup` first: `make demo` and `make test` are all that a
# fresh machine with make, a C compiler and cargo needs.
.POSIX:
.PHONY: setup build demo test torture fuzz verify bench fmt clean

ENV = . scripts/env.sh

build: setup
	@$(ENV) && mix compile && rebar3 compile

setup:
	@sh scripts/setup.sh

# FILE=path loads that file of {put, Path, {p_data, Term}, #{}}. lines instead of a generated one. It does its own set-up;
# what is given on the command line of make is in the environment of the script.
demo:
	@sh scripts/demo.sh

test: setup
	@sh scripts/test.sh

# Much longer: crashes, damage and kills without end. PART=disk or PART=kill for one of them.
torture: setup
	@sh scripts/torture.sh $(PART)

# Decoders of bytes under libFuzzer, ten minutes each. TARGET=name for one, SECONDS=n for another time (docs/fuzzing.md).
fuzz: setup
	@sh scripts/fuzz.sh "$(TARGET)" "$(SECONDS)"

# The gates alone; changes nothing.
verify: setup
	@sh scripts/test.sh gates

bench: build
	@$(ENV) && sh scripts/bench.sh

fmt: setup
	@$(ENV) && cargo fmt --all && mix format

# cargo's target/ stays: `cargo clean` empties it.
clean:
	rm -rf _build priv
