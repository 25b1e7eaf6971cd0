%% @doc What needs a VM of its own, because it is about a whole VM or ends with one: memory, opening, SIGKILL.
%%
%% A child VM talks to its parent over standard input and output, and ends with it.
-module(bench_vm).

-export([loaded_store/2, large_store/3, empty_store/1]).
-export([start_child/0, start_child/1, stop_child/1, kill_child/1, call/4, size_bytes/1]).
%% Called in the child VM.
-export([ready/0, load/3, open_beside/1, open/1, check/1, resident_bytes_settled/0, keep_writing/1]).

-export_type([loaded/0, large/0, empty/0]).

-type loaded() :: #{
    %% Of the nodes with a value.
    resident_bytes_per_node := float(),
    peak_bytes_per_node := float(),
    resident_bytes_per_node_reopened := float(),
    resident_bytes_first_store := integer(),
    vm_bytes_per_node := float(),
    disk_bytes_per_node := float(),
    load_ms := float(),
    put_p50_us := float(),
    put_p99_us := float(),
    put_max_us := float(),
    open_ms_stopped := float(),
    open_ms_killed := float(),
    %% What lay behind the snapshot when the store was opened.
    status_stopped := map(),
    status_killed := map()
}.
%% A store that was loaded, and what a put took meanwhile.
-type large() :: #{
    resident_bytes_per_node := float(),
    peak_bytes_per_node := float(),
    vm_bytes_per_node := float(),
    load_ms := float(),
    put_p50_us := float(),
    put_p99_us := float(),
    put_max_us := float()
}.
-type empty() :: #{create_ms := float(), close_ms := float(), open_ms := float()}.

-define(STORE, pando_bench).
-define(LOADERS, 128).
-define(WRITERS, 16).
%% How long the writers write until their VM is killed.
-define(WRITE_MS, 500).
-define(SETTLE_MS, 1000).
-define(SETTLE_READINGS, 3).
-define(SETTLE_READINGS_MAX, 30).

%%% In the parent

%% @doc Loads a store in a child VM, and opens it in others: after it was stopped, and after its VM was killed
%% in the middle of writing. `Directory' is made, and removed.
-spec loaded_store(file:filename(), pos_integer()) -> loaded().
loaded_store(Directory, NodeCount) ->
    ok = filelib:ensure_path(Directory),
    Loader = start_child(),
    Loaded = call(Loader, load, [Directory, NodeCount, ?LOADERS]),
    ok = stop_child(Loader),
    DiskBytes = size_bytes(Directory),

    Second = start_child(),
    WithoutStore = call(Second, resident_bytes_settled, []),
    ok = call(Second, open_beside, [Directory]),
    Before = call(Second, resident_bytes_settled, []),
    {OpenMsStopped, StatusStopped} = call(Second, open, [Directory]),
    ok = call(Second, check, [NodeCount]),
    After = call(Second, resident_bytes_settled, []),
    ok = call(Second, keep_writing, [NodeCount]),
    timer:sleep(?WRITE_MS),
    ok = kill_child(Second),

    Third = start_child(),
    {OpenMsKilled, StatusKilled} = call(Third, open, [Directory]),
    ok = call(Third, check, [NodeCount]),
    ok = stop_child(Third),
    ok = file:del_dir_r(Directory),
    Loaded#{
        resident_bytes_per_node_reopened => (After - Before) / NodeCount,
        resident_bytes_first_store => Before - WithoutStore,
        disk_bytes_per_node => DiskBytes / NodeCount,
        open_ms_stopped => OpenMsStopped,
        open_ms_killed => OpenMsKilled,
        status_stopped => StatusStopped,
        status_killed => StatusKilled
    }.

%% @doc Loads a store in a child VM by `LoaderCount' callers. `Directory' is made, and removed.
-spec large_store(file:filename(), pos_integer(), pos_integer()) -> large().
large_store(Directory, NodeCount, LoaderCount) ->
    ok = filelib:ensure_path(Directory),
    Loader = start_child(),
    Large = call(Loader, load, [Directory, NodeCount, LoaderCount]),
    ok = stop_child(Loader),
    ok = file:del_dir_r(Directory),
    Large.

%% @doc A VM of its own, with all code loaded that a store needs.
-spec start_child() -> pid().
start_child() ->
    start_child(#{}).

%% @doc The same with more of what `peer:start_link/1' takes: a name, and arguments that come after its own.
-spec start_child(#{name => atom(), host => string(), longnames => boolean(), args => [string()]}) -> pid().
start_child(Options) ->
    Directories = [filename:dirname(code:which(Module)) || Module <- [?MODULE, pando]],
    CodePath = lists:append([["-pa", Directory] || Directory <- Directories]),
    {ok, Child, _Node} = peer:start_link(Options#{
        connection => standard_io,
        args => CodePath ++ ["-kernel", "logger_level", "error"] ++ maps:get(args, Options, []),
        wait_boot => 60000
    }),
    ok = call(Child, ready, []),
    Child.

call(Child, Function, Arguments) ->
    call(Child, ?MODULE, Function, Arguments).

%% @doc Calls a function in a child VM.
-spec call(pid(), module(), atom(), [term()]) -> term().
call(Child, Module, Function, Arguments) ->
    peer:call(Child, Module, Function, Arguments, infinity).

%% @doc Stops the store first, so that the end of the VM is not the end of the store.
-spec stop_child(pid()) -> ok.
stop_child(Child) ->
    ok = peer:call(Child, pando, stop, [?STORE], infinity),
    Monitor = monitor(process, Child),
    ok = peer:stop(Child),
    await_end(Monitor).

%% @doc SIGKILL. Returns when the VM is gone.
-spec kill_child(pid()) -> ok.
kill_child(Child) ->
    Monitor = monitor(process, Child),
    Pid = peer:call(Child, os, getpid, []),
    "" = os:cmd("kill -s KILL " ++ Pid),
    await_end(Monitor).

await_end(Monitor) ->
    receive
        {'DOWN', Monitor, process, _, _} -> ok
    end.

size_bytes(Directory) ->
    filelib:fold_files(Directory, ".*", true, fun(File, Sum) -> Sum + filelib:file_size(File) end, 0).

%% @doc Makes a store in a new directory, closes it, opens it again and closes it again, in this VM.
-spec empty_store(file:filename()) -> empty().
empty_store(Directory) ->
    ok = ready(),
    ok = filelib:ensure_path(Directory),
    Open = fun() -> {ok, ?STORE} = pando:start(Directory, ?STORE) end,
    Close = fun() -> ok = pando:stop(?STORE) end,
    [CreateMs, CloseMs1, OpenMs, CloseMs2] = [timed_ms(Fun) || Fun <- [Open, Close, Open, Close]],
    ok = file:del_dir_r(Directory),
    #{create_ms => CreateMs, close_ms => (CloseMs1 + CloseMs2) / 2, open_ms => OpenMs}.

timed_ms(Fun) ->
    Begin = erlang:monotonic_time(microsecond),
    Fun(),
    (erlang:monotonic_time(microsecond) - Begin) / 1000.

%%% In the child

%% @private The application runs and its native library is loaded; no store is open.
-spec ready() -> ok.
ready() ->
    {ok, _} = application:ensure_all_started(pando),
    ok = pando_nif:noop().

%% @private Opens a new store beside the one that is measured: what the first open store of a VM costs is no cost of
%% that one's nodes.
-spec open_beside(file:filename()) -> ok.
open_beside(Directory) ->
    {ok, bench_beside} = pando:start(filename:join(Directory, "beside"), bench_beside),
    ok.

%% @private Opens a new store and puts each node once; then how much more memory is resident than with the
%% empty one.
-spec load(file:filename(), pos_integer(), pos_integer()) -> large().
load(Directory, NodeCount, LoaderCount) ->
    {ok, ?STORE} = pando:start(Directory, ?STORE),
    ResidentBefore = resident_bytes_settled(),
    VmBefore = erlang:memory(total),
    Load = bench_load:each_timed(LoaderCount, NodeCount, #{
        prepare => fun(Number) -> {path(Number, NodeCount), bench_data:value(Number, Number)} end,
        call => fun({Path, Value}) -> pando:put(?STORE, Path, Value) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }),
    ok = check(NodeCount),
    ResidentAfter = resident_bytes_settled(),
    VmAfter = erlang:memory(total),
    #{elapsed_ms := LoadMs, p50_us := P50Us, p99_us := P99Us, max_us := MaxUs} = Load,
    #{
        resident_bytes_per_node => (ResidentAfter - ResidentBefore) / NodeCount,
        peak_bytes_per_node => (bench_machine:resident_bytes_peak() - ResidentBefore) / NodeCount,
        vm_bytes_per_node => (VmAfter - VmBefore) / NodeCount,
        load_ms => LoadMs,
        put_p50_us => P50Us,
        put_p99_us => P99Us,
        put_max_us => MaxUs
    }.

put_node(Number, Changing, NodeCount) ->
    pando:put(?STORE, path(Number, NodeCount), bench_data:value(Number, Changing)).

path(Number, NodeCount) ->
    bench_data:path(Number, NodeCount div bench_data:vhost_count()).

%% @private How long opening takes, in milliseconds: until the store answers. With its status right after
%% that.
-spec open(file:filename()) -> {float(), map()}.
open(Directory) ->
    Ms = timed_ms(fun() -> {ok, ?STORE} = pando:start(Directory, ?STORE) end),
    {ok, Status} = pando_cluster:status(?STORE),
    {Ms, Status}.

%% @private Every node is there, and a sample of them with its own value.
-spec check(pos_integer()) -> ok.
check(NodeCount) ->
    {ok, NodeCount} = pando:count(?STORE, "/:vhosts/*/:queues/*"),
    lists:foreach(
        fun(Number) ->
            #{id := Id} = bench_data:value(Number, 0),
            {ok, #{id := Id}} = pando:get(?STORE, path(Number, NodeCount))
        end,
        lists:seq(0, NodeCount - 1, 997)
    ).

%% @private Resident memory of this VM when it has come to rest. Every second all processes collect their garbage
%% and the size is read, until three readings in a row are each within 0.2 % of the one before: background work has
%% ended (snapshots), and the allocators have given back what they give back, which takes the VM's some seconds.
-spec resident_bytes_settled() -> non_neg_integer().
resident_bytes_settled() ->
    resident_bytes_settled(bench_machine:resident_bytes(), ?SETTLE_READINGS, ?SETTLE_READINGS_MAX).

resident_bytes_settled(Settled, 0, _ReadingsLeft) ->
    Settled;
resident_bytes_settled(Unsettled, _Wanted, 0) ->
    Unsettled;
resident_bytes_settled(Before, Wanted, ReadingsLeft) ->
    ok = bench_machine:collect_garbage(),
    timer:sleep(?SETTLE_MS),
    case bench_machine:resident_bytes() of
        Now when abs(Now - Before) =< Before / 500 ->
            resident_bytes_settled(Now, Wanted - 1, ReadingsLeft - 1);
        Now ->
            resident_bytes_settled(Now, ?SETTLE_READINGS, ReadingsLeft - 1)
    end.

%% @private Starts processes that write until the VM is killed.
-spec keep_writing(pos_integer()) -> ok.
keep_writing(NodeCount) ->
    lists:foreach(
        fun(Writer) -> spawn(fun() -> write(Writer, NodeCount) end) end,
        lists:seq(1, ?WRITERS)
    ).

write(Number, NodeCount) ->
    ok = put_node(Number rem NodeCount, Number + 1, NodeCount),
    write(Number + ?WRITERS, NodeCount).
