%% @doc The store that the benchmark calls, and the queues in it whose values a put replaces.
-module(bench_store).

-export([with/2, name/0, queue_count/0, load_queues/0, check_queues/0, path/1, put_operation/0]).

-define(STORE, pando_bench).
-define(QUEUES, 10000).
-define(LOADERS, 128).

%% @doc Runs `Fun' with a new store in `Directory', which is made, and removed.
-spec with(file:filename(), fun(() -> Result)) -> Result.
with(Directory, Fun) ->
    ok = bench_vm:ready(),
    ok = filelib:ensure_path(Directory),
    {ok, ?STORE} = pando:start(Directory, ?STORE),
    try
        Fun()
    after
        ok = pando:stop(?STORE),
        ok = file:del_dir_r(Directory)
    end.

-spec name() -> atom().
name() ->
    ?STORE.

-spec queue_count() -> pos_integer().
queue_count() ->
    ?QUEUES.

%% @doc Puts every queue once, so that its payload version is 1; its value is `bench_data:value(Number, 1)'.
-spec load_queues() -> ok.
load_queues() ->
    ok = bench_load:each(?LOADERS, ?QUEUES, fun(Number) ->
        ok = pando:put(?STORE, path(Number), bench_data:value(Number, 1))
    end),
    check_queues().

%% @doc All queues are there.
-spec check_queues() -> ok.
check_queues() ->
    {ok, ?QUEUES} = pando:count(?STORE, "/:vhosts/*/:queues/*"),
    ok.

-spec path(non_neg_integer()) -> [atom() | binary()].
path(Number) ->
    bench_data:path(Number, ?QUEUES div bench_data:vhost_count()).

%% @doc A put that gives a queue another value: the put that is meant wherever the benchmark says "one put".
-spec put_operation() -> bench_load:operation().
put_operation() ->
    #{
        prepare => fun(Random) -> {path(Random rem ?QUEUES), bench_data:value(Random rem ?QUEUES, Random)} end,
        call => fun({Path, Value}) -> pando:put(?STORE, Path, Value) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.
