%% @doc The ways of the benchmark to make calls inside this VM, and to measure them.
%%
%% `closed_loop/3': N processes call as fast as they are answered, and each call is timed. Building the
%% arguments and checking the answer lie outside of the timed span, but inside of the time the throughput is
%% taken from. `closed_loop_while/3' is the same for as long as something else takes. `each_timed/3' is the same for a number of items instead of a time. `block/3': one process makes
%% calls for a while and only the whole is timed, because reading the clock costs as much as the shortest calls.
%% `once/2': a single long call.
%%
%% A wrong answer ends the caller, and with it the benchmark.
-module(bench_load).

-export([closed_loop/3, closed_loop_while/3, each_timed/3, block/3, once/2]).
-export([each/3, beside/2, in_process/1, together/1]).

-export_type([operation/0, round/0, timed/0]).

-type operation() :: #{
    %% From a random number below 2^24, or the number of the item.
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
-type timed() :: #{elapsed_ms := float(), p50_us := float(), p99_us := float(), max_us := float()}.

-record(caller, {
    prepare :: fun((non_neg_integer()) -> term()),
    call :: fun((term()) -> term()),
    is_right :: fun((term(), term()) -> boolean()),
    histogram :: bench_histogram:histogram()
}).

%% @doc One round: `CallerCount' processes for `DurationMs', each making at least one call.
-spec closed_loop(pos_integer(), pos_integer(), operation()) -> round().
closed_loop(CallerCount, DurationMs, Operation) ->
    closed_loop_from(CallerCount, Operation, fun(Begin) ->
        Deadline = Begin + erlang:convert_time_unit(DurationMs, millisecond, native),
        fun(Now) -> Now < Deadline end
    end).

%% @doc One round that lasts until `GoesOn' says no; it is asked between two calls, and must be quick.
-spec closed_loop_while(pos_integer(), fun(() -> boolean()), operation()) -> round().
closed_loop_while(CallerCount, GoesOn, Operation) ->
    closed_loop_from(CallerCount, Operation, fun(_Begin) -> fun(_Now) -> GoesOn() end end).

%% `From' makes, of the time at which the round begins, what says after each call whether it goes on.
closed_loop_from(CallerCount, Operation, From) ->
    Self = self(),
    Callers = [
        spawn_link(fun() ->
            Caller = caller(Operation),
            receive
                {go, Begin, GoesOn} ->
                    Random = erlang:phash2({Number, Begin}, 1 bsl 32),
                    {End, Slowest} = loop(Caller, GoesOn, Random, 0),
                    Self ! {self(), Caller#caller.histogram, End, Slowest}
            end
        end)
     || Number <- lists:seq(1, CallerCount)
    ],
    MachineBefore = bench_machine:load_before(),
    Begin = erlang:monotonic_time(),
    GoesOn = From(Begin),
    [Caller ! {go, Begin, GoesOn} || Caller <- Callers],
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

%% Times are in the native unit of the clock.
loop(Caller, GoesOn, Random0, Max0) ->
    %% A linear congruential generator (Numerical Recipes), cheaper than a call into `rand'. Its low bits are
    %% poor.
    Random = (Random0 * 1664525 + 1013904223) band 16#ffffffff,
    {End, Elapsed} = timed_call(Caller, Random bsr 8),
    Max = max(Max0, Elapsed),
    case GoesOn(End) of
        true -> loop(Caller, GoesOn, Random, Max);
        false -> {End, Max}
    end.

caller(#{prepare := Prepare, call := Call, is_right := IsRight}) ->
    #caller{prepare = Prepare, call = Call, is_right = IsRight, histogram = bench_histogram:new()}.

timed_call(#caller{prepare = Prepare, call = Call, is_right = IsRight, histogram = Histogram}, Number) ->
    Arguments = Prepare(Number),
    Begin = erlang:monotonic_time(),
    Answer = Call(Arguments),
    End = erlang:monotonic_time(),
    IsRight(Arguments, Answer) orelse exit({wrong_answer, Arguments, Answer}),
    bench_histogram:add(Histogram, End - Begin),
    {End, End - Begin}.

%% @doc `CallerCount' processes make one call for each of the items 0 to `ItemCount' - 1. All add to one histogram,
%% so that it takes no memory to speak of where memory is measured. `max_us' is as exact as its buckets are.
-spec each_timed(pos_integer(), pos_integer(), operation()) -> timed().
each_timed(CallerCount, ItemCount, Operation) ->
    Caller = caller(Operation),
    Begin = erlang:monotonic_time(),
    ok = each(CallerCount, ItemCount, fun(Number) -> timed_call(Caller, Number) end),
    End = erlang:monotonic_time(),
    Merged = bench_histogram:merge([Caller#caller.histogram]),
    Us = fun(Percent) -> us(bench_histogram:percentile(Merged, Percent)) end,
    #{elapsed_ms => us(End - Begin) / 1000, p50_us => Us(50), p99_us => Us(99), max_us => Us(100)}.

%% @doc How long one call takes, in microseconds, in a process of its own.
-spec once(fun(() -> Answer), fun((Answer) -> boolean())) -> float().
once(Call, IsRight) ->
    in_process(fun() ->
        Begin = erlang:monotonic_time(),
        Answer = Call(),
        End = erlang:monotonic_time(),
        IsRight(Answer) orelse exit({wrong_answer, Answer}),
        us(End - Begin)
    end).

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

%% @doc Calls `Fun' with each number from 0 to `ItemCount' - 1, in `CallerCount' processes at once.
-spec each(pos_integer(), non_neg_integer(), fun((non_neg_integer()) -> term())) -> ok.
each(CallerCount, ItemCount, Fun) ->
    together([fun() -> every(First, CallerCount, ItemCount, Fun) end || First <- lists:seq(0, CallerCount - 1)]).

every(Number, Step, ItemCount, Fun) when Number < ItemCount ->
    _ = Fun(Number),
    every(Number + Step, Step, ItemCount, Fun);
every(_Number, _Step, _ItemCount, _Fun) ->
    ok.

%% @doc Runs `Fun' while another process calls `Repeated' over and over, and has done so once before. Also returns how
%% many of its calls a second ended meanwhile.
-spec beside(fun(() -> term()), fun(() -> Result)) -> {Result, float()}.
beside(Repeated, Fun) ->
    Calls = counters:new(1, []),
    Self = self(),
    Process = spawn_link(fun() ->
        _ = Repeated(),
        Self ! {self(), ready},
        repeat(Repeated, Calls),
        Self ! {self(), ended}
    end),
    receive
        {Process, ready} -> ok
    end,
    Before = counters:get(Calls, 1),
    Begin = erlang:monotonic_time(),
    Result = Fun(),
    Count = counters:get(Calls, 1) - Before,
    End = erlang:monotonic_time(),
    Process ! stop,
    receive
        {Process, ended} -> {Result, Count * 1.0e6 / us(End - Begin)}
    end.

repeat(Repeated, Calls) ->
    receive
        stop -> ok
    after 0 ->
        _ = Repeated(),
        counters:add(Calls, 1, 1),
        repeat(Repeated, Calls)
    end.

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
