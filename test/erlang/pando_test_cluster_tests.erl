%% The clusters that the other tests use: what is cut is cut, and nothing is left.
-module(pando_test_cluster_tests).

-include_lib("eunit/include/eunit.hrl").

-export([start_echo/0, ask_echo/1]).

-import(pando_test_cluster, [with_cluster/2, with_cluster/3, call/5]).

-define(TIMEOUT_S, 120).
-define(ECHO_MS_MAX, 500).
%% How often a node tries to connect over a link that is cut.
-define(ATTEMPTS, 10).

all_test_() ->
    [{Title, {timeout, ?TIMEOUT_S, Test}} || {Title, Test} <- cases()].

cases() ->
    [
        {"a link that is cut stays cut, also by who restarts, until it is healed", fun() -> with_cluster(3, fun links/1) end},
        {"a node that is cut off from all does what it is told", fun() -> with_cluster(3, fun isolated/1) end},
        {"a link that is cut or healed while a node is paused is so when it goes on", fun() -> with_cluster(2, fun links_of_paused/1) end},
        {"a paused node answers nobody, and goes on", fun() -> with_cluster(2, fun paused/1) end},
        {"a store is there again after its node was killed, and gone after it was wiped", fun() ->
            with_cluster(1, fun stores/1)
        end},
        {"nothing is left of a cluster whose test fails", fun nothing_is_left_after_a_failure/0},
        {"nothing is left of a cluster whose test is killed, paused nodes included", fun nothing_is_left_after_a_kill/0},
        {"all nodes of a machine have one clock", fun() -> with_cluster(2, fun one_clock/1) end}
    ].

links(Cluster) ->
    [A, B, C] = pando_test_cluster:nodes(Cluster),
    ok = pando_test_cluster:connect_all(Cluster),
    ?assertEqual([B, C], connected(Cluster, A)),
    ok = pando_test_cluster:cut(Cluster, A, B),
    assert_cut(Cluster, A, B),
    ?assertEqual([C], connected(Cluster, A)),
    ?assertEqual([C], connected(Cluster, B)),
    ?assertEqual([A, B], connected(Cluster, C)),
    ok = pando_test_cluster:restart(Cluster, B),
    assert_cut(Cluster, A, B),
    ?assert(call(Cluster, B, net_kernel, connect_node, [C])),
    ok = pando_test_cluster:restart(Cluster, A),
    assert_cut(Cluster, A, B),
    ?assertEqual([{A, B}], pando_test_cluster:cuts(Cluster)),
    ok = pando_test_cluster:heal_all(Cluster),
    ?assertEqual([], pando_test_cluster:cuts(Cluster)),
    ?assert(call(Cluster, A, net_kernel, connect_node, [B])),
    ?assert(lists:member(A, connected(Cluster, B))).

links_of_paused(Cluster) ->
    [A, B] = pando_test_cluster:nodes(Cluster),
    ok = pando_test_cluster:pause(Cluster, A),
    ok = pando_test_cluster:cut(Cluster, A, B),
    ok = pando_test_cluster:resume(Cluster, A),
    assert_cut(Cluster, A, B),
    ok = pando_test_cluster:pause(Cluster, A),
    ok = pando_test_cluster:heal(Cluster, A, B),
    ok = pando_test_cluster:resume(Cluster, A),
    ?assert(call(Cluster, A, net_kernel, connect_node, [B])).

assert_cut(Cluster, A, B) ->
    Tries = [{X, call(Cluster, X, net_kernel, connect_node, [Y])} || _ <- lists:seq(1, ?ATTEMPTS), {X, Y} <- [{A, B}, {B, A}]],
    ?assertEqual([{A, false}, {B, false}], lists:usort(Tries)).

connected(Cluster, Node) ->
    lists:sort(call(Cluster, Node, erlang, nodes, [connected])).

isolated(Cluster) ->
    [A, B, C] = pando_test_cluster:nodes(Cluster),
    ok = pando_test_cluster:connect_all(Cluster),
    ok = pando_test_cluster:isolate(Cluster, A),
    ?assertEqual([], connected(Cluster, A)),
    ?assertEqual([C], connected(Cluster, B)),
    ok = pando_test_cluster:rejoin(Cluster, A),
    ok = pando_test_cluster:connect_all(Cluster),
    ?assertEqual([B, C], connected(Cluster, A)).

paused(Cluster) ->
    [A, B] = pando_test_cluster:nodes(Cluster),
    ok = pando_test_cluster:pause(Cluster, A),
    ?assertEqual([A], pando_test_cluster:paused(Cluster)),
    ?assertEqual([B], pando_test_cluster:running(Cluster)),
    ?assertExit({timeout, _}, pando_test_cluster:call(Cluster, A, erlang, node, [], 300)),
    ?assertEqual(B, call(Cluster, B, erlang, node, [])),
    ok = pando_test_cluster:resume(Cluster, A),
    ?assertEqual(A, call(Cluster, A, erlang, node, [])),
    %% A paused one can be killed.
    ok = pando_test_cluster:pause(Cluster, B),
    ok = pando_test_cluster:kill(Cluster, B),
    ?assertExit({node_is_gone, B}, call(Cluster, B, erlang, node, [])),
    ok = pando_test_cluster:restart(Cluster, B),
    ?assertEqual([A, B], pando_test_cluster:running(Cluster)).

stores(Cluster) ->
    [A] = pando_test_cluster:nodes(Cluster),
    S = killed,
    Get = fun() -> call(Cluster, A, pando, get_or, [S, [a], none]) end,
    ok = pando_test_cluster:start_store(Cluster, A, S),
    ok = call(Cluster, A, pando, put, [S, [a], 1]),
    ok = pando_test_cluster:kill(Cluster, A),
    ?assertEqual(undefined, pando_test_cluster:status(Cluster, A, S)),
    ok = pando_test_cluster:restart(Cluster, A),
    ?assertEqual(undefined, pando_test_cluster:status(Cluster, A, S)),
    ok = pando_test_cluster:start_store(Cluster, A, S),
    ?assertEqual({ok, 1}, Get()),
    ok = pando_test_cluster:wipe(Cluster, A, S),
    ok = pando_test_cluster:start_store(Cluster, A, S),
    ?assertEqual({ok, none}, Get()).

nothing_is_left_after_a_failure() ->
    Tell = self(),
    ?assertError(
        as_provoked,
        with_cluster(2, fun(Cluster) ->
            Tell ! {traces, traces(Cluster)},
            error(as_provoked)
        end)
    ),
    receive
        {traces, Traces} -> assert_gone(Traces)
    end.

nothing_is_left_after_a_kill() ->
    Tell = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        with_cluster(2, fun(Cluster) ->
            ok = pando_test_cluster:pause(Cluster, hd(pando_test_cluster:nodes(Cluster))),
            Tell ! {traces, traces(Cluster)},
            receive after infinity -> ok end
        end)
    end),
    receive
        {traces, {#{guard := Guard}, _, _} = Traces} ->
            Ended = monitor(process, Guard),
            exit(Owner, kill),
            receive {'DOWN', Ended, process, Guard, Reason} -> ?assertEqual(normal, Reason) end,
            assert_gone(Traces);
        {'DOWN', Monitor, process, Owner, Reason} ->
            error(Reason)
    end.

traces(Cluster) ->
    Nodes = pando_test_cluster:nodes(Cluster),
    {Cluster, [pando_test_cluster:os_pid(Cluster, Node) || Node <- Nodes], [pando_test_cluster:data_dir(Cluster, Node) || Node <- Nodes]}.

assert_gone({#{guard := Guard}, OsPids, Dirs}) ->
    ?assertEqual([], pando_test_cluster:alive(OsPids)),
    ?assertEqual([], [Dir || Dir <- Dirs, filelib:is_file(filename:dirname(filename:dirname(Dir)))]),
    ?assertNot(is_process_alive(Guard)).

%% With network stacks of their own: what is cut is silent.
namespaces_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        case pando_test_cluster:can_have_namespaces() of
            true -> with_cluster(2, #{network => namespaces}, fun silent_cut/1);
            false -> io:format(user, "~nnetwork namespaces: skipped, this needs root and iproute2~n", [])
        end
    end}.

silent_cut(Cluster) ->
    [A, B] = pando_test_cluster:nodes(Cluster),
    ok = pando_test_cluster:connect_all(Cluster),
    true = call(Cluster, B, erlang, register, [echo, call(Cluster, B, ?MODULE, start_echo, [])]),
    Ask = fun() -> call(Cluster, A, ?MODULE, ask_echo, [B]) end,
    ?assertEqual(echo, Ask()),
    ok = pando_test_cluster:cut(Cluster, A, B),
    ?assertEqual(nothing, Ask()),
    %% Nobody knows.
    ?assertEqual([[B], [A]], [connected(Cluster, Node) || Node <- [A, B]]),
    ok = pando_test_cluster:heal(Cluster, A, B),
    ok = pando_test_cluster:await(echo, fun() -> Ask() =:= echo end).

%% @private
-spec start_echo() -> pid().
start_echo() ->
    spawn(fun echo/0).

echo() ->
    receive
        {From, Tag} -> From ! Tag, echo()
    end.

%% @private
-spec ask_echo(node()) -> echo | nothing.
ask_echo(Node) ->
    Tag = make_ref(),
    {echo, Node} ! {self(), Tag},
    receive
        Tag -> echo
    after ?ECHO_MS_MAX -> nothing
    end.

%% What histories are built upon: time stamps of one machine's nodes can be compared.
one_clock(Cluster) ->
    [A, B] = pando_test_cluster:nodes(Cluster),
    Read = fun(Node) -> call(Cluster, Node, pando_history_session, clock_ns, []) end,
    [
        begin
            Times = [pando_history_session:clock_ns(), Read(A), Read(B), pando_history_session:clock_ns()],
            ?assertEqual(lists:sort(Times), Times)
        end
     || _ <- lists:seq(1, 100)
    ].
