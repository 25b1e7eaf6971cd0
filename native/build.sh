#!/bin/sh
# Builds Pando's native artefacts and installs them into a priv directory. Called by mix.exs and by rebar.config.
#
#   sh native/build.sh PRIV_DIR
#
#   CARGO             the cargo to run (default: cargo)
#   CARGO_TARGET_DIR  where cargo works (default: target/ of this checkout, also when Pando is a dependency)
#   CARGO_BUILD_TARGET  a Rust target triple, to build for another machine
#   PANDO_PREBUILT    a directory with finished artefacts, named as in PRIV_DIR: nothing is compiled, no Rust is needed
#
# 1. A file in PRIV_DIR is replaced by a rename and never written in place: a running VM has it mapped.
# 2. What has not changed is not touched.
# 3. Works from any current directory; a relative PRIV_DIR or CARGO_TARGET_DIR is relative to that directory.
set -eu

# One artefact a line: crate, cargo's name for the file on Linux, name in priv.
ARTEFACTS="
pando_nif libpando_nif.so pando_nif.so
pando_port pando_port pando_port
"

fail() {
    echo "pando: $1" >&2
    exit 1
}

each_artefact() { # each_artefact FUNCTION: calls it with the three columns of each line
    echo "$ARTEFACTS" | while read -r crate built installed; do
        [ -z "$crate" ] || "$1" "$crate" "$built" "$installed"
    done
}

install_file() { # install_file FROM TO
    [ -f "$1" ] || fail "$1 is missing"
    if ! cmp -s "$1" "$2"; then
        # The same directory, so that the rename is atomic; the process id, so that two builds cannot meet.
        cp "$1" "$2.$$.tmp" && chmod 755 "$2.$$.tmp" && mv -f "$2.$$.tmp" "$2" || fail "cannot write $2"
    fi
}

install_prebuilt() {
    install_file "$PANDO_PREBUILT/$3" "$priv/$3"
}

install_built() {
    built=$2
    case "$triple:$(uname -s)" in
    *apple* | :Darwin) built=$(echo "$2" | sed 's/\.so$/.dylib/') ;;
    esac
    install_file "$target/${triple:+$triple/}release/$built" "$priv/$3"
}

installed_name() {
    printf ' %s' "$3"
}

is_missing() {
    [ -f "$priv/$3" ] || echo "$3"
}

package_option() {
    printf ' -p %s' "$1"
}

[ $# = 1 ] || fail "usage: sh native/build.sh PRIV_DIR"
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
mkdir -p "$1"
priv=$(CDPATH= cd -- "$1" && pwd)

if [ -n "${PANDO_PREBUILT:-}" ]; then
    each_artefact install_prebuilt
    exit 0
fi

cargo=${CARGO:-cargo}
command -v "$cargo" >/dev/null 2>&1 ||
    fail "$cargo not found: install Rust 1.91 or newer (https://rustup.rs), or set PANDO_PREBUILT to a directory with$(each_artefact installed_name)"

triple=${CARGO_BUILD_TARGET:-}
target=${CARGO_TARGET_DIR:-$root/target}
case "$target" in
/*) ;;
*) target=$PWD/$target ;;
esac

# The first build takes minutes and shows cargo's progress; after that cargo speaks only of errors.
quiet=--quiet
if [ -n "$(each_artefact is_missing)" ]; then
    quiet=
    echo "pando: building the native library (once; needs a few minutes)"
fi

# From its own directory, so that the settings found are Pando's and not those of the application around it.
# shellcheck disable=SC2046,SC2086 # options are words
(cd "$root" && "$cargo" build $quiet --release --locked --target-dir "$target" $(each_artefact package_option)) ||
    fail "cargo build failed (see above)"
each_artefact install_built
