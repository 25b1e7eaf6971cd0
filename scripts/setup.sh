#!/bin/sh
# Makes sure that what builds and tests Pando is there: cargo, a C compiler, Erlang, Elixir, rebar3, git.
#
# Quiet and quick when nothing is missing. Installs with apt where it may (root, apt-get present); otherwise, and for
# cargo (Debian's is too old), says in one line what to install and ends with status 1.
set -eu
. "$(dirname "$0")/env.sh"

OTP_VERSION_MIN=25
ELIXIR_MINOR_MIN=14 # of 1.x
RUST_MINOR_MIN=91   # of 1.x: `rust-version` in Cargo.toml

# rebar3 brings dialyzer, eunit, edoc and the headers; elixir brings the rest. Debian's recommended packages (all of
# Erlang, 200 MB more) are not needed. git fetches git dependencies, the samples use one.
APT_PACKAGES="elixir rebar3 git"

has() {
    command -v "$1" >/dev/null 2>&1
}

give_up() {
    echo "pando: $1" >&2
    exit 1
}

# Prints what is missing or too old, nothing if all is well. One VM start answers for Erlang, its applications and Elixir.
missing_beam() {
    has rebar3 || echo "rebar3"
    has git || echo "git"
    has erl || { echo "Erlang/OTP (>= $OTP_VERSION_MIN)" && return; }
    has elixir || { echo "Elixir (>= 1.$ELIXIR_MINOR_MIN)" && return; }
    elixir -e '
      [otp_min, elixir_min] = Enum.map(System.argv(), &String.to_integer/1)
      otp = String.to_integer(System.otp_release())
      if otp < otp_min, do: IO.puts("Erlang/OTP >= #{otp_min} (found #{otp})")
      version = System.version()
      unless Version.match?(version, ">= 1.#{elixir_min}.0"), do: IO.puts("Elixir >= 1.#{elixir_min} (found #{version})")
      for app <- ~w(compiler crypto dialyzer eunit parsetools sasl syntax_tools tools)a,
          match?({:error, _}, :code.lib_dir(app)),
          do: IO.puts("the Erlang application #{app}")
    ' "$OTP_VERSION_MIN" "$ELIXIR_MINOR_MIN" 2>/dev/null || echo "a working Elixir (elixir -e fails)"
}

one_line() {
    echo "$1" | tr '\n' ',' | sed 's/,$//; s/,/, /g'
}

has cargo || give_up "cargo is missing: install Rust 1.$RUST_MINOR_MIN or newer (https://rustup.rs)"
has cc || has gcc || has clang || give_up "no C compiler found: install one (Debian: apt-get install gcc libc6-dev)"
rust_minor=$(cargo --version | sed 's/^cargo 1\.\([0-9]*\).*/\1/')
case "$rust_minor" in
'' | *[!0-9]*) ;; # a version scheme unknown here: cargo itself checks `rust-version`
*)
    [ "$rust_minor" -ge "$RUST_MINOR_MIN" ] ||
        give_up "cargo 1.$rust_minor is too old: install Rust 1.$RUST_MINOR_MIN or newer (https://rustup.rs)"
    ;;
esac

missing=$(missing_beam)
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && has apt-get; then
    echo "pando: installing $APT_PACKAGES with apt (missing: $(one_line "$missing"))"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    # shellcheck disable=SC2086 # the packages are words
    if ! { apt-get update && apt-get install -y --no-install-recommends $APT_PACKAGES; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        give_up "apt could not install $APT_PACKAGES (see above)"
    fi
    missing=$(missing_beam)
    [ -z "$missing" ] && exit 0
fi
give_up "please install: $(one_line "$missing")"
