#!/bin/sh
# Checks the documentation against the checkout: every relative link leads to a file, every #anchor to a heading of it, and
# every test that a page names is there. Prints what is wrong and ends with status 1.
set -eu
cd "$(dirname "$0")/.."

pages=$(git ls-files -co --exclude-standard '*.md')
wrong=$(mktemp)
trap 'rm -f "$wrong"' EXIT

# The anchors of a page, as GitHub makes them of its headings; code blocks have none.
anchors() {
    awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ /, ""); print }' "$1" |
        tr '[:upper:]' '[:lower:]' | sed 's/\[\([^]]*\)\]([^)]*)/\1/g; s/[^a-z0-9 _-]//g; s/ /-/g'
}

for page in $pages; do
    awk '/^```/ { code = !code } !code' "$page" | grep -oE '\]\([^) ]+\)' | sed 's/^](//; s/)$//' | while read -r link; do
        case $link in http://* | https://* | mailto:*) continue ;; esac
        target=${link%%#*}
        file=$page
        [ -z "$target" ] || file=$(dirname "$page")/$target
        if [ ! -e "$file" ]; then
            echo "$page: no file for ($link)"
        elif [ "$target" != "$link" ] && [ -f "$file" ]; then
            anchors "$file" | grep -qxF -- "${link#*#}" || echo "$page: no heading for ($link)"
        fi
    done
done >"$wrong"

# A word of four parts or more, or one that ends like an EUnit test, is the name of a test on these pages.
for page in docs/guarantees.md docs/limits.md docs/bugs-found.md; do
    grep -oE '`[a-z][a-z0-9]*(_[a-z0-9]+){4,}_?`|`[a-z0-9_]+_test_?`' "$page" | tr -d '`' | sort -u | while read -r name; do
        grep -rqw --include='*.rs' --include='*.erl' --include='*.exs' -- "$name" native test || echo "$page: no test $name"
    done
done >>"$wrong"

cat "$wrong" >&2
[ ! -s "$wrong" ] || exit 1
echo "documentation: $(echo "$pages" | wc -l) pages, links, anchors and names of tests are right"
