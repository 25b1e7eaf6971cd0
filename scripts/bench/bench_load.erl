%% @doc The two ways of the benchmark to measure calls inside this VM.
%%
%% `closed_loop/3': N processes call as fast as they are answered, and each call is timed. Building the
%% arguments and checking the answer lie outside of the timed span, but inside of the time the throughput is
%% taken from. `block/3': one process makes calls for a while and only the whole is timed, because reading the
%% clock costs as much as the shortest calls.
%%
%% A wrong answer ends the caller, and with it the benchmark.
-module(bench_load).

-export([closed_loop/3, block/3, in_process/1, together/1]).

-export_type([operation/0, round/0]).

-type operation() :: #{
    %% From a random number below 2^24.
    prepare := fun((non_neg_integer()) -> Arguments :: term()),
    call := fun((Arguments :: term()) -> Answer :: term()),
    is_right := fun((Arguments :: term(), Answer :: term()) -> boolean())
}.
-type round() :: #{
    call_count := pos_integer(),
    calls_per_s := float(),
    p50_us := float(),
    p99_us := float(),
    max_us := float(),
    machine := bench_machine:load()
}.

-record(caller, {
    prepare :: fun((non_neg_integer()) -> term()),
    call :: fun((term()) -> term()),
    is_right :: fun((term(), term()) -> boolean()),
    histogram :: bench_histogram:histogram(),
    %% In the native unit of the clock, as is all that is read in the loop.
    deadline :: integer()
}).

%% @doc One round: `CallerCount' processes for `DurationMs', each making at least one call.
-spec closed_loop(pos_integer(), pos_integer(), operation()) -> round().
closed_loop(CallerCount, DurationMs, #{prepare := Prepare, call := Call, is_right := IsRight}) ->
    Self = self(),
    Callers = [
        spawn_link(fun() ->
            Histogram = bench_histogram:new(),
            receive
                {go, Deadline} ->
                    Caller = #caller{
                        prepare = Prepare,
                        call = Call,
                        is_right = IsRight,
                        histogram = Histogram,
                        deadline = Deadline
                    },
                    {End, Slowest} = loop(Caller, erlang:phash2({Number, Deadline}, 1 bsl 32), 0),
                    Self ! {self(), Histogram, End, Slowest}
            end
        end)
     || Number <- lists:seq(1, CallerCount)
    ],
    MachineBefore = bench_machine:load_before(),
    Begin = erlang:monotonic_time(),
    Deadline = Begin + erlang:convert_time_unit(DurationMs, millisecond, native),
    [Caller ! {go, Deadline} || Caller <- Callers],
    Results = [
        receive
            {Caller, Histogram, End, Slowest} -> {Histogram, End, Slowest}
        end
     || Caller <- Callers
    ],
    Machine = bench_machine:load_since(MachineBefore),
    {Histograms, Ends, Maxima} = lists:unzip3(Results),
    Merged = bench_histogram:merge(Histograms),
    Count = bench_histogram:count(Merged),
    Max = lists:max(Maxima),
    #{
        call_count => Count,
        calls_per_s => Count * 1.0e6 / us(lists:max(Ends) - Begin),
        %% The middle of the greatest value's bucket may lie above it.
        p50_us => us(min(Max, bench_histogram:percentile(Merged, 50))),
        p99_us => us(min(Max, bench_histogram:percentile(Merged, 99))),
        max_us => us(Max),
        machine => Machine
    }.

loop(Caller, Random0, Max0) ->
    #caller{prepare = Prepare, call = Call, is_right = IsRight, histogram = Histogram} = Caller,
    %% A linear congruential generator (Numerical Recipes), cheaper than a call into `rand'. Its low bits are
    %% poor.
    Random = (Random0 * 1664525 + 1013904223) band 16#ffffffff,
    Arguments = Prepare(Random bsr 8),
    Begin = erlang:monotonic_time(),
    Answer = Call(Arguments),
    End = erlang:monotonic_time(),
    IsRight(Arguments, Answer) orelse exit({wrong_answer, Arguments, Answer}),
    bench_histogram:add(Histogram, End - Begin),
    Max = max(Max0, End - Begin),
    if
        End < Caller#caller.deadline -> loop(Caller, Random, Max);
        true -> {End, Max}
    end.

%% @doc Calls `Call' with each item, and all over again until `DurationMs' have passed: nanoseconds per call.
-spec block(fun((Item) -> term()), [Item, ...], pos_integer()) -> float().
block(Call, Items, DurationMs) ->
    Count = length(Items),
    in_process(fun() ->
        ok = pass(Call, Items),
        erlang:garbage_collect(),
        Begin = erlang:monotonic_time(),
        {End, PassCount} = passes(
            Call, Items, Begin + erlang:convert_time_unit(DurationMs, millisecond, native), 0
        ),
        us(End - Begin) * 1000 / (PassCount * Count)
    end).

passes(Call, Items, Deadline, PassCount) ->
    ok = pass(Call, Items),
    case erlang:monotonic_time() of
        Now when Now < Deadline -> passes(Call, Items, Deadline, PassCount + 1);
        Now -> {Now, PassCount + 1}
    end.

pass(Call, [Item | Items]) ->
    Call(Item),
    pass(Call, Items);
pass(_Call, []) ->
    ok.

%% @doc Runs `Fun' in a process of its own, on a fresh heap.
-spec in_process(fun(() -> Result)) -> Result.
in_process(Fun) ->
    Self = self(),
    Pid = spawn_link(fun() -> Self ! {self(), Fun()} end),
    receive
        {Pid, Result} -> Result
    end.

%% @doc Runs all `Funs' at once, each in a process of its own, and waits for them.
-spec together([fun(() -> term())]) -> ok.
together(Funs) ->
    Self = self(),
    Pids = [
        spawn_link(fun() ->
            _ = Fun(),
            Self ! {self(), done}
        end)
     || Fun <- Funs
    ],
    lists:foreach(
        fun(Pid) ->
            receive
                {Pid, done} -> ok
            end
        end,
        Pids
    ).

us(Native) ->
    Native / (erlang:convert_time_unit(1, second, native) / 1.0e6).
