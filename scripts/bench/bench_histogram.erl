%% @doc How often each latency was seen: a log-linear histogram, one per measured process.
%%
%% Values are integers of any unit. Below 256 each has a bucket of its own; above, each doubling is cut into
%% 128 buckets, so that a percentile (the middle of its bucket) is off by at most 0.4 %. Adding is one
%% `counters:add/3'.
-module(bench_histogram).

-export([new/0, add/2, merge/1, count/1, percentile/2]).

-export_type([histogram/0, merged/0]).

-opaque histogram() :: counters:counters_ref().
%% `{Bucket, Count}', ascending, without empty buckets.
-opaque merged() :: [{non_neg_integer(), pos_integer()}].

%% Of one doubling.
-define(BUCKETS, 128).
%% Everything from 2^41 on falls into the last bucket: 36 minutes, if the unit is the nanosecond.
-define(SHIFT_MAX, 33).
-define(LAST, (?SHIFT_MAX * ?BUCKETS + 2 * ?BUCKETS - 1)).

-spec new() -> histogram().
new() ->
    counters:new(?LAST + 1, []).

-spec add(histogram(), integer()) -> ok.
add(Histogram, Value) ->
    counters:add(Histogram, bucket(Value) + 1, 1).

-spec merge([histogram()]) -> merged().
merge(Histograms) ->
    [
        {Bucket, Count}
     || Bucket <- lists:seq(0, ?LAST),
        Count <- [lists:sum([counters:get(Histogram, Bucket + 1) || Histogram <- Histograms])],
        Count > 0
    ].

-spec count(merged()) -> non_neg_integer().
count(Merged) ->
    lists:sum([Count || {_, Count} <- Merged]).

%% @doc The smallest value that at least `Percent' of the values do not exceed (nearest rank).
-spec percentile(merged(), number()) -> float().
percentile([_ | _] = Merged, Percent) ->
    at_rank(Merged, max(1, ceil(count(Merged) * Percent / 100))).

at_rank([{Bucket, Count} | _], Rank) when Count >= Rank -> middle(Bucket);
at_rank([{_, Count} | Merged], Rank) -> at_rank(Merged, Rank - Count).

bucket(Value) when Value < 2 * ?BUCKETS -> max(0, Value);
bucket(Value) -> bucket(Value bsr 1, 1).

bucket(Value, Shift) when Value < 2 * ?BUCKETS -> Shift * ?BUCKETS + Value;
bucket(_, ?SHIFT_MAX) -> ?LAST;
bucket(Value, Shift) -> bucket(Value bsr 1, Shift + 1).

middle(Bucket) when Bucket < 2 * ?BUCKETS -> float(Bucket);
middle(Bucket) ->
    Shift = Bucket div ?BUCKETS - 1,
    (Bucket - Shift * ?BUCKETS + 0.5) * (1 bsl Shift).
