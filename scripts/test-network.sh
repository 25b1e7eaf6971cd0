#!/bin/sh
# A network for the nodes of a test: a namespace for each, joined by a bridge. What is cut there is silent, as a broken cable is:
# no connection is closed, nobody is told. Needs root and iproute2.
#
#   sh scripts/test-network.sh up TAG PREFIX COUNT     namespaces pandoTAG-1 to pandoTAG-COUNT, addresses PREFIX.1 (10.9.8.1) and so on
#   sh scripts/test-network.sh cut TAG PREFIX A B      nothing gets from A to B (numbers) or back
#   sh scripts/test-network.sh heal TAG PREFIX A B
#   sh scripts/test-network.sh down TAG                ends all that runs in them, and takes them away
#
# 1. TAG has at most 8 characters: names of links have 15.
# 2. `down' leaves nothing, also of an `up' that failed half way.
set -u

action=$1
tag=$2

each_namespace() {
    ip netns list | sed -n "s/^\(pando$tag-[0-9]*\).*/\1/p"
}

up() { # up PREFIX COUNT
    ip link add name "pb$tag" type bridge && ip link set "pb$tag" up || return 1
    number=1
    while [ "$number" -le "$2" ]; do
        namespace=pando$tag-$number
        ip netns add "$namespace" &&
            ip link add "pv$tag-$number" type veth peer name eth0 netns "$namespace" &&
            ip link set "pv$tag-$number" master "pb$tag" &&
            ip link set "pv$tag-$number" up &&
            ip -n "$namespace" address add "$1.$number/24" dev eth0 &&
            ip -n "$namespace" link set eth0 up &&
            ip -n "$namespace" link set lo up || return 1
        number=$((number + 1))
    done
}

down() {
    for namespace in $(each_namespace); do
        ip netns pids "$namespace" | xargs -r kill -9
        ip netns delete "$namespace"
    done
    # The other ends of the links go with the namespaces, in the background.
    ip link show "pb$tag" >/dev/null 2>&1 && ip link delete "pb$tag"
    return 0
}

# Routes without an end, on both sides: each alone would let packets through one way.
each_side() { # each_side VERB PREFIX A B
    ip -n "pando$tag-$3" route "$1" blackhole "$2.$4/32" && ip -n "pando$tag-$4" route "$1" blackhole "$2.$3/32"
}

case $action in
up) up "$3" "$4" || { down; exit 1; } ;;
cut) each_side replace "$3" "$4" "$5" ;;
heal) each_side delete "$3" "$4" "$5" ;;
down) down ;;
*) echo "unknown action $action: one of up cut heal down" >&2 && exit 2 ;;
esac
