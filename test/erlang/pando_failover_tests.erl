%% The leader goes, in all ways: others lead, nothing acknowledged is lost, and how long nobody could write is measured, and only
%% printed.
-module(pando_failover_tests).

-include_lib("eunit/include/eunit.hrl").

-export([start_writer/2, stop_writer/1, written/1]).

-import(pando_test_cluster, [call/5, await/2]).

-define(STORE, failover).
-define(TIMEOUT_S, 600).
-define(TIMEOUT_MS, 30000).
-define(ROUNDS, 3).
-define(ROUNDS_TORTURE, 25).
%% Under load before something happens, and after somebody leads again.
-define(LOAD_MS, 400).
-define(HIGH_PRIORITY, 10).

all_test_() ->
    pando_test_cluster:cases(?STORE, 3, ?TIMEOUT_S, [
        {"SIGKILL of the leader's node", fun(Cluster) ->
            rounds("SIGKILL", Cluster, fun(Leader) -> ok = pando_test_cluster:kill(Cluster, Leader) end)
        end},
        {"SIGSTOP of the leader's node, of which nobody is told", fun(Cluster) ->
            rounds("SIGSTOP", Cluster, fun(Leader) -> ok = pando_test_cluster:pause(Cluster, Leader) end)
        end},
        {"the leader's node is cut off", fun(Cluster) ->
            rounds("cut off", Cluster, fun(Leader) -> ok = pando_test_cluster:isolate(Cluster, Leader) end)
        end},
        {"the leader's store is stopped: leadership is handed over first", fun(Cluster) ->
            rounds("stopped", Cluster, fun(Leader) -> ok = pando_test_cluster:stop_store(Cluster, Leader, ?STORE) end)
        end},
        {"leadership is transferred to each in turn", fun transfer/1}
    ]).

priorities_test_() ->
    {timeout, ?TIMEOUT_S, fun() -> pando_test_cluster:with_cluster(3, fun priorities/1) end}.

rounds(What, Cluster, Fault) ->
    Count = case os:getenv("PANDO_TORTURE") of false -> ?ROUNDS; _ -> ?ROUNDS_TORTURE end,
    Gaps = [round(Cluster, Fault) || _ <- lists:seq(1, Count)],
    io:format(user, "~n~ts: without writes for ~b ms (median of ~w)~n", [What, median(Gaps), Gaps]).

round(Cluster, Fault) ->
    ok = pando_test_cluster:recover(Cluster, ?STORE),
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
    Others = pando_test_cluster:nodes(Cluster) -- [Leader],
    Gap = under_load(Cluster, Others, fun() ->
        Fault(Leader),
        Next = pando_test_cluster:await_leader(Cluster, ?STORE, fun(Node) -> Node =/= Leader end),
        ?assert(lists:member(Next, Others))
    end),
    ok = pando_test_cluster:recover(Cluster, ?STORE),
    %% Who led has everything, too.
    ok = call(Cluster, Leader, pando, fence, [?STORE, ?TIMEOUT_MS]),
    ?assertEqual(values(Cluster, hd(Others)), values(Cluster, Leader)),
    Gap.

transfer(Cluster) ->
    Nodes = pando_test_cluster:nodes(Cluster),
    Gaps = [
        under_load(Cluster, Nodes, fun() ->
            ok = call(Cluster, From, pando_cluster, transfer_leadership, [?STORE, To, ?TIMEOUT_MS]),
            ?assertEqual(To, pando_test_cluster:await_leader(Cluster, ?STORE))
        end)
     || To <- Nodes ++ Nodes, From <- [hd(Nodes -- [To])]
    ],
    io:format(user, "~ntransferred: without writes for ~b ms (median of ~w)~n", [median(Gaps), Gaps]).

%% Writers on these nodes while `Happens' does what it does. The longest time, in milliseconds, in which none of them had a write
%% acknowledged. What was acknowledged is there, on each of these nodes.
under_load(Cluster, Nodes, Happens) ->
    Writers = [{Node, call(Cluster, Node, ?MODULE, start_writer, [?STORE, Node])} || Node <- Nodes],
    timer:sleep(?LOAD_MS),
    Happens(),
    %% Each has written since.
    Since = pando_history_session:clock_ns(),
    [
        await({writes_again, Node}, fun() ->
            case call(Cluster, Node, ?MODULE, written, [Writer]) of
                {_, LastNs} -> LastNs > Since
            end
        end)
     || {Node, Writer} <- Writers
    ],
    timer:sleep(?LOAD_MS),
    Written = [{Node, call(Cluster, Node, ?MODULE, stop_writer, [Writer])} || {Node, Writer} <- Writers],
    Acknowledged = [{[load, Node], N} || {Node, Done} <- Written, {N, _, ok} <- Done],
    ?assert(length(Acknowledged) > length(Nodes)),
    [
        begin
            ok = call(Cluster, Node, pando, fence, [?STORE, ?TIMEOUT_MS]),
            There = values(Cluster, Node),
            ?assertEqual([], [{Path, N} || {Path, N} <- Acknowledged, not is_map_key(Path ++ [integer_to_binary(N)], There)])
        end
     || Node <- Nodes
    ],
    %% An error says what may be concluded: what was not applied is not there.
    There = values(Cluster, hd(Nodes)),
    ?assertEqual([], [
        {Node, N}
     || {Node, Done} <- Written, {N, _, not_applied} <- Done, is_map_key([load, Node, integer_to_binary(N)], There)
    ]),
    Times = lists:sort([EndNs || {_, Done} <- Written, {_, EndNs, ok} <- Done]),
    ok = clear(Cluster, hd(Nodes)),
    lists:max([erlang:convert_time_unit(B - A, nanosecond, millisecond) || {A, B} <- lists:zip(lists:droplast(Times), tl(Times))]).

values(Cluster, Node) ->
    {ok, Values} = call(Cluster, Node, pando, get_many, [?STORE, "/:load/**"]),
    Values.

clear(Cluster, Node) ->
    call(Cluster, Node, pando, delete, [?STORE, [load], #{timeout => ?TIMEOUT_MS}]).

median(Numbers) -> lists:nth((length(Numbers) + 1) div 2, lists:sort(Numbers)).

%% The member of the highest priority leads: at first, and again when it is back.
priorities(Cluster) ->
    Nodes = [_, B, _] = pando_test_cluster:nodes(Cluster),
    Config = fun(Node) ->
        Priority = case Node of B -> ?HIGH_PRIORITY; _ -> 0 end,
        #{cluster => Nodes, priority => Priority}
    end,
    [ok = pando_test_cluster:start_store(Cluster, Node, ?STORE, Config(Node)) || Node <- Nodes],
    ok = pando_test_cluster:await_members(Cluster, ?STORE, Nodes),
    IsB = fun(Node) -> Node =:= B end,
    B = pando_test_cluster:await_leader(Cluster, ?STORE, IsB),
    ok = pando_test_cluster:kill(Cluster, B),
    Other = pando_test_cluster:await_leader(Cluster, ?STORE, fun(Node) -> Node =/= B end),
    ok = call(Cluster, Other, pando, put, [?STORE, [a], 1, #{timeout => ?TIMEOUT_MS}]),
    ok = pando_test_cluster:restart(Cluster, B),
    ok = pando_test_cluster:start_store(Cluster, B, ?STORE, Config(B)),
    B = pando_test_cluster:await_leader(Cluster, ?STORE, IsB),
    ?assertEqual({ok, 1}, call(Cluster, B, pando, get, [?STORE, [a], #{favor => consistency, timeout => ?TIMEOUT_MS}])).

%% -------------------------------------------------------------------
%% On the nodes: one that writes, one thing after the other
%% -------------------------------------------------------------------

%% @private
-spec start_writer(atom(), node()) -> pid().
start_writer(Store, Name) ->
    spawn(fun() -> write(Store, [load, Name], 1, []) end).

%% @private What became of each write, and when it was known.
-spec stop_writer(pid()) -> [{pos_integer(), integer(), ok | not_applied | unknown}].
stop_writer(Writer) -> ask(Writer, stop).

%% @private How many were acknowledged, and when the last one was.
-spec written(pid()) -> {non_neg_integer(), integer()}.
written(Writer) -> ask(Writer, written).

ask(Writer, What) ->
    Monitor = monitor(process, Writer),
    Writer ! {What, self(), Monitor},
    receive
        {Monitor, Answer} ->
            true = demonitor(Monitor, [flush]),
            Answer;
        {'DOWN', Monitor, process, Writer, Reason} ->
            error(Reason)
    end.

write(Store, Path, N, Done) ->
    receive
        {stop, From, Tag} ->
            From ! {Tag, lists:reverse(Done)};
        {written, From, Tag} ->
            Acknowledged = [EndNs || {_, EndNs, ok} <- Done],
            From ! {Tag, {length(Acknowledged), lists:max([0 | Acknowledged])}},
            write(Store, Path, N, Done)
    after 0 ->
        Result = pando:put(Store, Path ++ [integer_to_binary(N)], N, #{timeout => ?TIMEOUT_MS}),
        Outcome = outcome(Result),
        EndNs = pando_history_session:clock_ns(),
        _ = Outcome =:= ok orelse timer:sleep(1),
        write(Store, Path, N + 1, [{N, EndNs, Outcome} | Done])
    end.

outcome(ok) -> ok;
outcome({error, timeout}) -> unknown;
outcome({error, Reason}) when Reason =:= noproc; Reason =:= overload -> not_applied;
outcome({error, {pando, _, #{outcome := Outcome}}}) -> Outcome.
