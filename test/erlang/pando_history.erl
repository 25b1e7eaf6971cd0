-module(pando_history).
-export([clock_ns/0]).
-spec clock_ns() -> integer().
clock_ns() -> os:perf_counter(nanosecond).
