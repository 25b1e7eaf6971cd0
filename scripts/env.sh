# Sourced by the scripts: a UTF-8 locale for the BEAM where the machine has none (a bare container has LANG unset).
# Without it the VM takes file names and output for Latin-1, and Elixir warns at every start.
case "${LC_ALL:-${LC_CTYPE:-${LANG:-}}}" in
*[Uu][Tt][Ff]8* | *[Uu][Tt][Ff]-8*) ;;
*)
    LC_ALL=C.UTF-8
    # For systems whose C library knows no C.UTF-8.
    ELIXIR_ERL_OPTIONS="+fnu ${ELIXIR_ERL_OPTIONS:-}"
    export LC_ALL ELIXIR_ERL_OPTIONS
    ;;
esac
