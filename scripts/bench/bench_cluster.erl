%% @doc Measures three nodes on this machine: calls on the leader and on a follower, fail-over, catching up. `docs/benchmarks.md'
%% explains the rows that `bench_cluster_rows' makes of it.
%%
%% Callers are processes of the node in question. What is compared takes turns, round by round, and every answer is checked;
%% what transactions have added is looked for at the end. Only while the cluster loses its leader may a call fail, and then it
%% is counted.
-module(bench_cluster).

-export([plan/1, measure/4]).
%% Called in the nodes.
-export([start_echo/0, load/3, check/1, round/4, counted/4, messages/1]).
-export([begin_writing/2, end_writing/0, lose_leader/3]).
-export([begin_waiting/0, end_waiting/0, puts_while_waiting/2, timed_join/1, leave/0]).

-export_type([plan/0, measured/0, loss/0, catch_up/0]).

-type plan() :: #{
    queue_count := pos_integer(),
    caller_counts := [pos_integer(), ...],
    transaction_caller_count := pos_integer(),
    warm_up_ms := pos_integer(),
    %% One caller: more and shorter rounds, for a disk drifts within seconds. Also how long the disk's floor is measured.
    pair_count := pos_integer(),
    pair_ms := pos_integer(),
    round_count := pos_integer(),
    round_ms := pos_integer(),
    %% Of a message there and back.
    message_ms := pos_integer(),
    loss_counts := #{kill | stop | pause => pos_integer()},
    writer_count := pos_integer(),
    %% How long the writers write before and after a leader is lost.
    calm_ms := pos_integer(),
    large_node_count := pos_integer(),
    catch_up_count := pos_integer()
}.
-type measured() :: #{
    plan := plan(),
    writes := #{CallerCount :: pos_integer() => [write_round(), ...]},
    reads := #{CallerCount :: pos_integer() => [read_round(), ...]},
    updates := [#{update_kind() => bench_transactions:counted()}, ...],
    losses := #{kill | stop | pause => [loss(), ...]},
    catch_ups := [catch_up(), ...]
}.
%% `floor' is the bare write, `message' one there and back between the two nodes, `alone' a put to a store of the leader's node
%% that has no other members.
-type write_round() :: #{
    floor := bench_disk:floor(),
    message := bench_load:round(),
    alone := bench_load:round(),
    leader := bench_load:round(),
    follower := bench_load:round()
}.
-type read_round() :: #{
    message := bench_load:round(),
    local := bench_load:round(),
    leader := bench_load:round(),
    follower := bench_load:round()
}.
-type update_kind() :: {hot | random, leader | follower}.
%% As one survivor saw it. `next_ms': from the fault until a put was answered that began after it. `gap_ms': the longest time in
%% which no put of its writers succeeded; `calm_gap_ms': the same before the fault.
-type loss() :: #{
    next_ms := float(),
    gap_ms := float(),
    calm_gap_ms := float(),
    success_count := non_neg_integer(),
    failure_count := non_neg_integer()
}.
%% `alone' are puts as long as those `beside' the blank member that catches up.
-type catch_up() :: #{
    quiet_ms := float(),
    busy_ms := float(),
    alone := bench_load:round(),
    beside := bench_load:round()
}.

-define(MEMBERS, 3).
%% A store without other members.
-define(ALONE, pando_bench_alone).
-define(LOADERS, 128).
-define(LARGE_LOADERS, 256).
-define(HOT_PATH, [counters, <<"hot">>]).
-define(ECHO, bench_echo).
-define(WRITERS, bench_writers).
-define(FLAG, bench_flag).
%% Each try to put after a leader was lost: no longer time-out hides when the store is back. As in the peer's measurement.
-define(TRY_TIMEOUT_MS, 1000).
-define(RETRY_MS, 2).
%% Indexes of what the writers of a node tell.
-define(LAST_SUCCESS, 1).
-define(LONGEST_GAP, 2).
-define(SUCCESSES, 3).
-define(FAILURES, 4).
-define(MUST_END, 5).

-spec plan(quick | full) -> plan().
plan(quick) ->
    (plan(full))#{
        warm_up_ms := 200,
        pair_count := 3,
        pair_ms := 300,
        round_count := 1,
        round_ms := 500,
        message_ms := 100,
        loss_counts := #{kill => 2, stop => 2, pause => 1},
        large_node_count := 100000,
        catch_up_count := 1
    };
plan(full) ->
    #{
        queue_count => 10000,
        caller_counts => [1, 16, 128],
        transaction_caller_count => 128,
        warm_up_ms => 500,
        pair_count => 9,
        pair_ms => 1000,
        round_count => 3,
        round_ms => 3000,
        message_ms => 500,
        loss_counts => #{kill => 9, stop => 5, pause => 5},
        writer_count => 16,
        calm_ms => 1000,
        large_node_count => 1000000,
        catch_up_count => 3
    }.

%% @doc Runs all sections, each with nodes of its own. `Directory' is made, and removed.
-spec measure(file:filename(), plan(), fun((pos_integer()) -> bench_disk:floor()), bench_tree:progress()) -> measured().
measure(Directory, Plan, DiskFloor, Progress) ->
    Section = fun(Name, Fun) ->
        Progress("three nodes, ~s: starting them", [Name]),
        %% In a process of its own, with whose end the nodes end.
        Result = bench_load:in_process(fun() -> Fun(bench_members:start(Directory, ?MEMBERS)) end),
        ok = file:del_dir_r(Directory),
        Result
    end,
    Calls = Section(calls, fun(Members) -> calls(Members, Directory, Plan, DiskFloor, Progress) end),
    Losses = Section(fail_over, fun(Members) -> losses(Members, Plan, Progress) end),
    CatchUps = Section(catching_up, fun(Members) -> catch_ups(Members, Plan, Progress) end),
    Calls#{plan => Plan, losses => Losses, catch_ups => CatchUps}.

%%% Calls

calls(Members, Directory, #{queue_count := QueueCount} = Plan, DiskFloor, Progress) ->
    ok = bench_members:form(Members),
    {Leader, [Follower | _]} = bench_members:by_role(Members),
    ok = bench_members:call(Leader, ?MODULE, start_echo, []),
    {ok, ?ALONE} = bench_members:call(Leader, pando, start, [filename:join(Directory, "alone"), ?ALONE]),
    [ok = bench_members:call(Leader, ?MODULE, load, [Store, QueueCount, ?LOADERS]) || Store <- [?ALONE, store()]],
    Nodes = #{leader => Leader, follower => Follower, leader_node => bench_members:node_of(Leader)},
    Measured = #{
        writes => by_callers(fun(Callers) -> writes(Callers, Nodes, Plan, DiskFloor, Progress) end, Plan),
        reads => by_callers(fun(Callers) -> reads(Callers, Nodes, Plan, Progress) end, Plan),
        updates => updates(Nodes, Plan, Progress)
    },
    ok = bench_members:await_settled(Members),
    %% Nobody else has led meanwhile: the rows would be of the wrong nodes.
    {Leader, _} = bench_members:by_role(Members),
    [ok = bench_members:call(Member, ?MODULE, check, [QueueCount]) || Member <- Members],
    ok = bench_members:stop(Members),
    Measured.

by_callers(Fun, #{caller_counts := CallerCounts}) ->
    maps:from_list([{Callers, Fun(Callers)} || Callers <- CallerCounts]).

writes(Callers, #{leader := Leader, follower := Follower} = Nodes, Plan, DiskFloor, Progress) ->
    #{warm_up_ms := WarmUpMs, pair_ms := FloorMs, queue_count := QueueCount} = Plan,
    Round = fun(Member, Store, Ms) -> call_round(Member, {put, Store}, Callers, Ms, QueueCount) end,
    {Count, Ms} = rounds(Callers, Plan),
    Progress("three nodes: put, callers: ~b, warm-up", [Callers]),
    [Round(Member, Store, WarmUpMs) || {Member, Store} <- [{Leader, ?ALONE}, {Leader, store()}, {Follower, store()}]],
    [
        begin
            Progress("three nodes: put, in turns, callers: ~b, round ~b of ~b", [Callers, Number, Count]),
            #{
                floor => DiskFloor(FloorMs),
                message => message_round(Nodes, Plan),
                alone => Round(Leader, ?ALONE, Ms),
                leader => Round(Leader, store(), Ms),
                follower => Round(Follower, store(), Ms)
            }
        end
     || Number <- lists:seq(1, Count)
    ].

reads(Callers, #{leader := Leader, follower := Follower} = Nodes, Plan, Progress) ->
    #{warm_up_ms := WarmUpMs, queue_count := QueueCount} = Plan,
    Round = fun(Member, Favor, Ms) -> call_round(Member, {get, Favor}, Callers, Ms, QueueCount) end,
    {Count, Ms} = rounds(Callers, Plan),
    Progress("three nodes: get, callers: ~b, warm-up", [Callers]),
    [Round(Member, consistency, WarmUpMs) || Member <- [Leader, Follower]],
    [
        begin
            Progress("three nodes: get, in turns, callers: ~b, round ~b of ~b", [Callers, Number, Count]),
            #{
                message => message_round(Nodes, Plan),
                local => Round(Follower, default, Ms),
                leader => Round(Leader, consistency, Ms),
                follower => Round(Follower, consistency, Ms)
            }
        end
     || Number <- lists:seq(1, Count)
    ].

%% From the follower, and back from the leader.
message_round(#{follower := Follower, leader_node := LeaderNode}, #{message_ms := Ms, queue_count := QueueCount}) ->
    call_round(Follower, {message, LeaderNode}, 1, Ms, QueueCount).

call_round(Member, Kind, Callers, Ms, QueueCount) ->
    bench_members:call(Member, ?MODULE, round, [Kind, Callers, Ms, QueueCount]).

rounds(1, #{pair_count := Count, pair_ms := Ms}) -> {Count, Ms};
rounds(_Callers, #{round_count := Count, round_ms := Ms}) -> {Count, Ms}.

%% Nothing that was added is lost, and nothing was added twice.
updates(#{leader := Leader, follower := Follower}, Plan, Progress) ->
    #{queue_count := QueueCount, transaction_caller_count := Callers, warm_up_ms := WarmUpMs} = Plan,
    #{round_count := Count, round_ms := Ms} = Plan,
    Counted = fun(Kind, Member, DurationMs) ->
        bench_members:call(Member, ?MODULE, counted, [Kind, Callers, DurationMs, QueueCount])
    end,
    Before = bench_members:call(Leader, ?MODULE, messages, [QueueCount]),
    Kinds = [{Kind, Where} || Kind <- [hot, random], Where <- [leader, follower]],
    Run = fun(DurationMs) ->
        maps:from_list([
            {{Kind, Where}, Counted(Kind, maps:get(Where, #{leader => Leader, follower => Follower}), DurationMs)}
         || {Kind, Where} <- Kinds
        ])
    end,
    Progress("three nodes: transactions, warm-up", []),
    WarmUp = Run(WarmUpMs),
    Rounds = [
        begin
            Progress("three nodes: transactions, in turns, round ~b of ~b", [Number, Count]),
            Run(Ms)
        end
     || Number <- lists:seq(1, Count)
    ],
    After = bench_members:call(Follower, ?MODULE, messages, [QueueCount]),
    [
        begin
            Added = lists:sum([
                Each || Round <- [WarmUp | Rounds], {{K, _}, #{round := #{call_count := Each}}} <- maps:to_list(Round), K =:= Kind
            ]),
            {Kind, Added} = {Kind, maps:get(Kind, After) - maps:get(Kind, Before)}
        end
     || Kind <- [hot, random]
    ],
    Rounds.

%%% Fail-over

losses(Members0, #{loss_counts := Counts, queue_count := QueueCount} = Plan, Progress) ->
    ok = bench_members:form(Members0),
    {Leader, _} = bench_members:by_role(Members0),
    ok = bench_members:call(Leader, ?MODULE, load, [store(), QueueCount, ?LOADERS]),
    {Members, Losses} = lists:foldl(
        fun({Kind, Number}, {Before, Done}) ->
            Progress("three nodes: the leader is lost (~s), ~b of ~b", [Kind, Number, maps:get(Kind, Counts)]),
            {Loss, After} = loss(Kind, Before, Plan),
            {After, [{Kind, Loss} | Done]}
        end,
        {Members0, []},
        [{Kind, Number} || {Kind, Count} <- maps:to_list(Counts), Number <- lists:seq(1, Count)]
    ),
    [ok = bench_members:call(Member, ?MODULE, check, [QueueCount]) || Member <- Members],
    ok = bench_members:stop(Members),
    maps:groups_from_list(fun({Kind, _}) -> Kind end, fun({_, Loss}) -> Loss end, lists:reverse(Losses)).

%% Both survivors write; one of them sees to the fault, and measures.
loss(Kind, Members, #{writer_count := Writers, calm_ms := CalmMs, queue_count := QueueCount}) ->
    ok = bench_members:await_settled(Members),
    {Leader, [Watcher | _] = Survivors} = bench_members:by_role(Members),
    [ok = bench_members:call(Member, ?MODULE, begin_writing, [Writers, QueueCount]) || Member <- Survivors],
    Fault =
        case Kind of
            stop -> {stop, bench_members:node_of(Leader)};
            _ -> {Kind, bench_members:os_pid(Leader)}
        end,
    Loss = bench_members:call(Watcher, ?MODULE, lose_leader, [Fault, CalmMs, QueueCount]),
    [ok = bench_members:call(Member, ?MODULE, end_writing, []) || Member <- Survivors],
    Again =
        case Kind of
            kill ->
                bench_members:start_again(Leader);
            stop ->
                ok = bench_members:reopen(Leader),
                Leader;
            pause ->
                Leader
        end,
    {Loss, [Again | Survivors]}.

%%% Catching up

catch_ups([First, Second, Blank] = Members, Plan, Progress) ->
    #{large_node_count := NodeCount, catch_up_count := Count, writer_count := Writers} = Plan,
    Progress("three nodes: loading ~b nodes", [NodeCount]),
    [ok = bench_members:reopen(Member) || Member <- Members],
    ok = bench_members:call(First, ?MODULE, load, [store(), NodeCount, ?LARGE_LOADERS]),
    ok = bench_members:join(Second, First),
    {Leader, _} = bench_members:by_role([First, Second]),
    CatchUps = [
        begin
            Progress("three nodes: a blank member catches up, ~b of ~b", [Number, Count]),
            catch_up(Leader, Blank, NodeCount, Writers)
        end
     || Number <- lists:seq(1, Count)
    ],
    ok = bench_members:stop(Members),
    CatchUps.

catch_up(Leader, Blank, NodeCount, Writers) ->
    Join = fun() -> bench_members:call(Blank, ?MODULE, timed_join, [bench_members:node_of(Leader)]) end,
    Leave = fun() ->
        ok = bench_members:call(Blank, ?MODULE, check, [NodeCount]),
        ok = bench_members:call(Blank, ?MODULE, leave, []),
        ok = bench_members:reopen(Blank)
    end,
    QuietMs = Join(),
    ok = Leave(),
    ok = bench_members:call(Leader, ?MODULE, begin_waiting, []),
    Self = self(),
    Puts = spawn_link(fun() ->
        Self ! {self(), bench_members:call(Leader, ?MODULE, puts_while_waiting, [Writers, NodeCount])}
    end),
    BusyMs = Join(),
    ok = bench_members:call(Leader, ?MODULE, end_waiting, []),
    Beside =
        receive
            {Puts, Round} -> Round
        end,
    ok = Leave(),
    Alone = bench_members:call(Leader, ?MODULE, round, [{put, store()}, Writers, ceil(BusyMs), NodeCount]),
    #{quiet_ms => QuietMs, busy_ms => BusyMs, alone => Alone, beside => Beside}.

%%% In a node: calls

%% @private Answers messages of other nodes.
-spec start_echo() -> ok.
start_echo() ->
    true = register(?ECHO, spawn(fun echo/0)),
    ok.

echo() ->
    receive
        From ->
            From ! ?ECHO,
            echo()
    end.

%% @private Puts every node of the data once.
-spec load(atom(), pos_integer(), pos_integer()) -> ok.
load(Store, NodeCount, LoaderCount) ->
    ok = pando:put(Store, ?HOT_PATH, bench_data:value(0, 0)),
    bench_load:each(LoaderCount, NodeCount, fun(Number) ->
        ok = pando:put(Store, path(Number, NodeCount), bench_data:value(Number, 0))
    end).

%% @private This node's member has them all.
-spec check(pos_integer()) -> ok.
check(NodeCount) ->
    {ok, NodeCount} = pando:count(store(), "/:vhosts/*/:queues/*"),
    lists:foreach(
        fun(Number) ->
            Id = bench_data:id(Number),
            {ok, #{id := Id}} = pando:get(store(), path(Number, NodeCount))
        end,
        lists:seq(0, NodeCount - 1, 997)
    ).

%% @private One round of calls of this node.
-spec round({put, atom()} | {get, default | consistency} | {message, node()}, pos_integer(), pos_integer(), pos_integer()) ->
    bench_load:round().
round(Kind, Callers, Ms, NodeCount) ->
    bench_load:closed_loop(Callers, Ms, operation(Kind, NodeCount)).

operation({put, Store}, NodeCount) ->
    put_operation(Store, NodeCount);
operation({get, Favor}, NodeCount) ->
    Store = store(),
    Get =
        case Favor of
            default -> fun({_Id, Path}) -> pando:get(Store, Path) end;
            consistency -> fun({_Id, Path}) -> pando:get(Store, Path, #{favor => consistency}) end
        end,
    #{
        prepare => fun(Random) ->
            Number = Random rem NodeCount,
            {bench_data:id(Number), path(Number, NodeCount)}
        end,
        call => Get,
        is_right => fun({Id, _Path}, {ok, #{id := Found}}) -> Found =:= Id; (_, _) -> false end
    };
operation({message, Node}, _NodeCount) ->
    #{
        prepare => fun(_Random) -> {?ECHO, Node} end,
        call => fun(Echo) ->
            Echo ! self(),
            receive
                ?ECHO -> ok
            end
        end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.

put_operation(Store, NodeCount) ->
    #{
        prepare => fun(Random) ->
            Number = Random rem NodeCount,
            {path(Number, NodeCount), bench_data:value(Number, Random)}
        end,
        call => fun({Path, Value}) -> pando:put(Store, Path, Value) end,
        is_right => fun(_, Answer) -> Answer =:= ok end
    }.

%% @private One round of transactions that add one to a number in a map of eight keys, and how often their function ran.
-spec counted(hot | random, pos_integer(), pos_integer(), pos_integer()) -> bench_transactions:counted().
counted(Kind, Callers, Ms, NodeCount) ->
    Runs = counters:new(1, []),
    Round = bench_load:closed_loop(Callers, Ms, #{
        prepare => fun
            (_Random) when Kind =:= hot -> ?HOT_PATH;
            (Random) -> path(Random rem NodeCount, NodeCount)
        end,
        call => fun(Path) ->
            pando:transaction(store(), fun() ->
                ok = counters:add(Runs, 1, 1),
                {ok, #{messages := Messages} = Value} = pando_tx:get(Path),
                ok = pando_tx:put(Path, Value#{messages := Messages + 1}),
                Messages
            end)
        end,
        is_right => fun(_, {ok, Messages}) -> is_integer(Messages); (_, _) -> false end
    }),
    #{round => Round, run_count => counters:get(Runs, 1)}.

%% @private The sums of the numbers that transactions add to, of the newest state.
-spec messages(pos_integer()) -> #{hot | random => integer()}.
messages(NodeCount) ->
    {ok, #{messages := Hot}} = pando:get(store(), ?HOT_PATH, #{favor => consistency}),
    Sum = lists:sum([
        begin
            {ok, #{messages := Messages}} = pando:get(store(), path(Number, NodeCount)),
            Messages
        end
     || Number <- lists:seq(0, NodeCount - 1)
    ]),
    #{hot => Hot, random => Sum}.

%%% In a node: writers, and the loss of the leader

%% @private Starts processes that put until they are told to end, and may fail meanwhile.
-spec begin_writing(pos_integer(), pos_integer()) -> ok.
begin_writing(Count, NodeCount) ->
    Told = atomics:new(?MUST_END, []),
    ok = atomics:put(Told, ?LAST_SUCCESS, now_us()),
    ok = persistent_term:put(?WRITERS, Told),
    %% One that meets an answer it does not know ends all of them, and the benchmark.
    Pid = spawn(fun() ->
        ok = bench_load:each(Count, Count, fun(Number) -> write(Number * 7919, NodeCount, Told) end)
    end),
    true = register(?WRITERS, Pid),
    ok.

-spec end_writing() -> ok.
end_writing() ->
    Monitor = monitor(process, ?WRITERS),
    ok = atomics:put(persistent_term:get(?WRITERS), ?MUST_END, 1),
    receive
        {'DOWN', Monitor, process, _, Reason} when Reason =:= normal -> ok;
        {'DOWN', Monitor, process, _, Reason} -> error({writers, Reason})
    end.

write(Random, NodeCount, Told) ->
    case atomics:get(Told, ?MUST_END) of
        0 ->
            case try_put(Random, NodeCount, infinity) of
                ok ->
                    Now = now_us(),
                    ok = atomics:add(Told, ?SUCCESSES, 1),
                    at_least(Told, ?LONGEST_GAP, Now - atomics:exchange(Told, ?LAST_SUCCESS, Now));
                failed ->
                    ok = atomics:add(Told, ?FAILURES, 1),
                    timer:sleep(?RETRY_MS)
            end,
            write(Random + 1, NodeCount, Told);
        1 ->
            ok
    end.

%% What may be answered while nobody leads.
try_put(Random, NodeCount, TimeoutMs) ->
    Number = Random rem NodeCount,
    case pando:put(store(), path(Number, NodeCount), bench_data:value(Number, Random), #{timeout => TimeoutMs}) of
        ok -> ok;
        {error, timeout} -> failed;
        {error, {pando, Kind, _}} when Kind =:= no_quorum; Kind =:= leader_changed -> failed;
        Answer -> exit({wrong_answer, Answer})
    end.

at_least(Told, Index, Value) ->
    case atomics:get(Told, Index) of
        Greater when Greater >= Value ->
            ok;
        Less ->
            _ = atomics:compare_exchange(Told, Index, Less, Value),
            at_least(Told, Index, Value)
    end.

%% @private Kills the leader, has it stand still (SIGSTOP), or stops it in order, and sees how long no put succeeds. The time
%% begins before the signal is sent, so it contains the sending; the put that ends it begins after it was sent, or it might be
%% one more that the leader has taken.
-spec lose_leader({kill | pause, OsPid :: string()} | {stop, node()}, pos_integer(), pos_integer()) -> loss().
lose_leader(Fault, CalmMs, NodeCount) ->
    Told = persistent_term:get(?WRITERS),
    timer:sleep(CalmMs),
    _ = gap_since(Told),
    timer:sleep(CalmMs),
    CalmGapUs = gap_since(Told),
    [Successes, Failures] = [atomics:get(Told, Index) || Index <- [?SUCCESSES, ?FAILURES]],
    Ready = ready(Fault),
    ok = put_until_ok(0, NodeCount),
    Begin = now_us(),
    Sent = send(Fault, Ready),
    ok = put_until_ok(1, NodeCount),
    NextUs = now_us() - Begin,
    ok = await_end(Fault, Sent),
    timer:sleep(CalmMs),
    GapUs = gap_since(Told),
    Loss = #{
        next_ms => NextUs / 1000,
        gap_ms => GapUs / 1000,
        calm_gap_ms => CalmGapUs / 1000,
        success_count => atomics:get(Told, ?SUCCESSES) - Successes,
        failure_count => atomics:get(Told, ?FAILURES) - Failures
    },
    ok = go_on(Fault, Sent),
    Loss.

%% The longest gap since the last time that was asked.
gap_since(Told) ->
    atomics:exchange(Told, ?LONGEST_GAP, 0).

%% In a process of its own: what comes too late reaches nobody.
put_until_ok(Number, NodeCount) ->
    Put = bench_load:in_process(fun() -> try_put(Number, NodeCount, ?TRY_TIMEOUT_MS) end),
    case Put of
        ok ->
            ok;
        failed ->
            timer:sleep(?RETRY_MS),
            put_until_ok(Number, NodeCount)
    end.

%% A shell that waits for a line to send the signal. Who was stopped goes on when this process ends, whatever the reason: the
%% shell sees the end of its input.
ready({kill, OsPid}) -> shell("read -r _; kill -s KILL $0; echo sent", OsPid);
ready({pause, OsPid}) -> shell("read -r _; kill -s STOP $0; echo sent; read -r _; kill -s CONT $0", OsPid);
ready({stop, _}) -> none.

shell(Script, OsPid) ->
    open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", Script, OsPid]}, {line, 80}, exit_status]).

send({stop, Node}, none) ->
    erpc:send_request(Node, pando, stop, [store()]);
send(_Signal, Shell) ->
    true = port_command(Shell, "\n"),
    receive
        {Shell, {data, {eol, "sent"}}} -> Shell
    end.

await_end({stop, _}, Request) -> erpc:receive_response(Request);
await_end(_Signal, _Shell) -> ok.

go_on({pause, _}, Shell) ->
    true = port_command(Shell, "\n"),
    await_exit(Shell);
go_on({kill, _}, Shell) ->
    await_exit(Shell);
go_on({stop, _}, _Request) ->
    ok.

await_exit(Shell) ->
    receive
        {Shell, {exit_status, 0}} -> ok
    end.

%%% In a node: catching up

%% @private Has `puts_while_waiting/2' go on until `end_waiting/0'.
-spec begin_waiting() -> ok.
begin_waiting() ->
    persistent_term:put(?FLAG, atomics:new(1, [])).

-spec end_waiting() -> ok.
end_waiting() ->
    atomics:put(persistent_term:get(?FLAG), 1, 1).

-spec puts_while_waiting(pos_integer(), pos_integer()) -> bench_load:round().
puts_while_waiting(Callers, NodeCount) ->
    Flag = persistent_term:get(?FLAG),
    GoesOn = fun() -> atomics:get(Flag, 1) =:= 0 end,
    bench_load:closed_loop_while(Callers, GoesOn, put_operation(store(), NodeCount)).

%% @private Joins the cluster of another node's store: until this one has what the others have, and votes.
-spec timed_join(node()) -> float().
timed_join(Node) ->
    Begin = now_us(),
    ok = pando_cluster:join(store(), Node),
    Us = now_us() - Begin,
    true = bench_members:is_voter(),
    Us / 1000.

%% @private
-spec leave() -> ok.
leave() ->
    pando_cluster:reset(store()).

now_us() ->
    erlang:monotonic_time(microsecond).

path(Number, NodeCount) ->
    bench_data:path(Number, max(1, NodeCount div bench_data:vhost_count())).

store() ->
    bench_store:name().
