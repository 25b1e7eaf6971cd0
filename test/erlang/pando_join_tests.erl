%% Members that come and go by calls, on real nodes: join, reset, remove_member, promote, transfer_leadership; interrupted joins.
-module(pando_join_tests).

-include_lib("eunit/include/eunit.hrl").

-export([join_in_background/3, waits/1]).

-import(pando_test_cluster, [call/5, start_store/3, await/2, await_members/3]).

-define(STORE, join_test).
-define(TIMEOUT_MS, 60000).

cases(Cases) ->
    [{Title, {timeout, 300, fun() -> pando_test_cluster:with_cluster(Count, Test) end}} || {Title, Count, Test} <- Cases].

started(Cluster) ->
    Nodes = pando_test_cluster:nodes(Cluster),
    [ok = start_store(Cluster, Node, ?STORE) || Node <- Nodes],
    Nodes.

formed(Cluster) ->
    ok = pando_test_cluster:form(Cluster, ?STORE),
    pando_test_cluster:nodes(Cluster).

on(Cluster, Node, Function, Arguments) ->
    call(Cluster, Node, pando_cluster, Function, [?STORE | Arguments]).

put(Cluster, Node, Path, Value) ->
    call(Cluster, Node, pando, put, [?STORE, Path, Value, #{timeout => ?TIMEOUT_MS}]).

get(Cluster, Node, Path) ->
    call(Cluster, Node, pando, get, [?STORE, Path, #{favor => consistency, timeout => ?TIMEOUT_MS}]).

members(Cluster, Node) ->
    {ok, Nodes} = on(Cluster, Node, nodes, [#{timeout => ?TIMEOUT_MS}]),
    Nodes.

directory(Cluster, Node) ->
    call(Cluster, Node, pando_directory, of_store, [pando_test_cluster:data_dir(Cluster, Node), ?STORE]).

joining_test_() ->
    cases([
        {"a node that joins has what the cluster has, votes, and loses what it had", 2, fun(Cluster) ->
            [A, B] = started(Cluster),
            ok = put(Cluster, A, [a], of_a),
            ok = put(Cluster, B, [b], of_b),
            ?assertEqual([B], members(Cluster, B)),
            ?assertEqual(ok, on(Cluster, B, join, [A, ?TIMEOUT_MS])),
            [?assertEqual([A, B], members(Cluster, Node)) || Node <- [A, B]],
            ?assertEqual({ok, [{?STORE, A}, {?STORE, B}]}, on(Cluster, A, members, [])),
            ?assertEqual({ok, [A, B]}, on(Cluster, B, nodes, [#{favor => low_latency}])),
            ?assertEqual({ok, of_a}, get(Cluster, B, [a])),
            ?assertMatch({error, {pando, node_not_found, _}}, get(Cluster, B, [b])),
            ok = put(Cluster, B, [c], 1),
            ?assertEqual({ok, 1}, get(Cluster, A, [c])),
            ?assertEqual(false, filelib:is_file(filename:join(directory(Cluster, B), "JOINING"))),
            %% It stays a member.
            ok = pando_test_cluster:stop_store(Cluster, B, ?STORE),
            ok = start_store(Cluster, B, ?STORE),
            ok = await_members(Cluster, ?STORE, [A, B]),
            ?assertEqual({ok, of_a}, get(Cluster, B, [a]))
        end},
        {"forms of the call, and its errors", 2, fun(Cluster) ->
            [A, B] = pando_test_cluster:nodes(Cluster),
            NotHere = {error, {pando, not_a_pando_store, #{store_id => ?STORE}}},
            ?assertEqual(NotHere, on(Cluster, A, join, [B])),
            ok = start_store(Cluster, A, ?STORE),
            ?assertEqual(
                {error, {pando, not_a_pando_store, #{store_id => ?STORE, node => B}}}, on(Cluster, A, join, [B])
            ),
            Nobody = 'nobody@127.0.0.1',
            ?assertEqual(
                {error, {pando, failed_to_join_remote_pando_node, #{store_id => ?STORE, node => Nobody}}},
                on(Cluster, A, join, [Nobody])
            ),
            ok = put(Cluster, A, [a], 1),
            ?assertEqual(ok, on(Cluster, A, join, [A])),
            ?assertEqual(ok, call(Cluster, A, pando_cluster, join, [{?STORE, A}, 5000])),
            ?assertEqual({error, timeout}, on(Cluster, A, join, [B, 0])),
            ?assertEqual({ok, 1}, get(Cluster, A, [a])),
            ok = start_store(Cluster, B, ?STORE),
            ?assertEqual(
                ok, call(Cluster, B, pando_cluster, join, [{?STORE, A}, #{timeout => ?TIMEOUT_MS, role => voter}])
            ),
            ?assertEqual([A, B], members(Cluster, B))
        end},
        {"several join at once, each by way of another one", 5, fun(Cluster) ->
            [A | Others] = started(Cluster),
            ok = put(Cluster, A, [a], 1),
            Results = pando_test_store:parallel(4, fun(N) -> on(Cluster, lists:nth(N, Others), join, [A, ?TIMEOUT_MS]) end),
            ?assertEqual([ok, ok, ok, ok], Results),
            ok = await_members(Cluster, ?STORE, [A | Others]),
            [?assertEqual({ok, 1}, get(Cluster, Node, [a])) || Node <- Others]
        end},
        {"two that join each other come together", 2, fun(Cluster) ->
            [A, B] = started(Cluster),
            Results = pando_test_store:parallel(2, fun
                (1) -> on(Cluster, A, join, [B, ?TIMEOUT_MS]);
                (2) -> on(Cluster, B, join, [A, ?TIMEOUT_MS])
            end),
            ?assertEqual([ok, ok], Results),
            ok = await_members(Cluster, ?STORE, [A, B])
        end},
        {"a member that joins its own cluster leaves and comes back", 3, fun(Cluster) ->
            [A, B, C] = formed(Cluster),
            ok = put(Cluster, A, [a], 1),
            ?assertEqual(ok, on(Cluster, B, join, [A, ?TIMEOUT_MS])),
            ok = await_members(Cluster, ?STORE, [A, B, C]),
            ?assertEqual({ok, 1}, get(Cluster, B, [a])),
            %% Whoever leads.
            Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
            [Other | _] = [A, B, C] -- [Leader],
            ?assertEqual(ok, on(Cluster, Leader, join, [Other, ?TIMEOUT_MS])),
            ok = await_members(Cluster, ?STORE, [A, B, C]),
            ?assertEqual({ok, 1}, get(Cluster, Leader, [a]))
        end},
        {"a member of one cluster that joins another one is missed nowhere", 4, fun(Cluster) ->
            [A, B, C, D] = started(Cluster),
            ok = on(Cluster, B, join, [A, ?TIMEOUT_MS]),
            ok = on(Cluster, D, join, [C, ?TIMEOUT_MS]),
            ok = put(Cluster, A, [who], ab),
            ok = put(Cluster, C, [who], cd),
            ?assertEqual(ok, on(Cluster, B, join, [C, ?TIMEOUT_MS])),
            ?assertEqual([A], members(Cluster, A)),
            ?assertEqual([B, C, D], members(Cluster, C)),
            ?assertEqual({ok, cd}, get(Cluster, B, [who])),
            ok = put(Cluster, A, [still], there)
        end},
        {"an observer has everything and does not vote, until it is promoted", 3, fun(Cluster) ->
            [A, B, C] = started(Cluster),
            ok = put(Cluster, A, [a], 1),
            ok = on(Cluster, B, join, [A, ?TIMEOUT_MS]),
            ?assertEqual(ok, on(Cluster, C, join, [A, #{role => observer, timeout => ?TIMEOUT_MS}])),
            ?assertEqual({ok, 1}, call(Cluster, C, pando, get, [?STORE, [a]])),
            ?assertEqual([A, B, C], members(Cluster, C)),
            ?assertEqual([A, B], voters(Cluster, A)),
            %% Without it the others have a majority; with it alone one of them has none.
            ok = pando_test_cluster:stop_store(Cluster, C, ?STORE),
            ok = put(Cluster, B, [b], 1),
            ok = start_store(Cluster, C, ?STORE),
            ?assertEqual({ok, 1}, get(Cluster, C, [b])),
            ?assertEqual([A, B], voters(Cluster, A)),
            ?assertEqual(ok, on(Cluster, B, promote, [C, ?TIMEOUT_MS])),
            ok = await_members(Cluster, ?STORE, [A, B, C]),
            ?assertEqual(ok, on(Cluster, C, promote, []))
        end}
    ]).

voters(Cluster, Node) ->
    #{members := Members} = pando_test_cluster:status(Cluster, Node, ?STORE),
    lists:sort([binary_to_atom(Member) || #{node := Member, is_voter := true} <- Members]).

leaving_test_() ->
    cases([
        {"reset leaves the cluster, and the store is empty when it starts again", 3, fun(Cluster) ->
            [A, B, C] = formed(Cluster),
            ok = put(Cluster, A, [a], 1),
            ?assertEqual(ok, on(Cluster, C, reset, [?TIMEOUT_MS])),
            ?assertEqual(undefined, call(Cluster, C, erlang, whereis, [?STORE])),
            ok = await_members(Cluster, ?STORE, [A, B]),
            ok = start_store(Cluster, C, ?STORE),
            ?assertEqual({ok, true}, {ok, call(Cluster, C, pando, is_empty, [?STORE])}),
            ?assertEqual([C], members(Cluster, C)),
            ?assertEqual([A, B], members(Cluster, A)),
            %% One that leads, too.
            {ok, #{leader := Leader}} = call(Cluster, A, pando_census, view, [?STORE]),
            [Left] = [A, B] -- [Leader],
            ?assertEqual(ok, on(Cluster, Leader, reset, [?TIMEOUT_MS])),
            ?assertEqual([Left], members(Cluster, Left)),
            ?assertEqual({ok, 1}, get(Cluster, Left, [a]))
        end},
        {"reset without a majority is refused, and nothing is lost", 3, fun(Cluster) ->
            [A, B, C] = formed(Cluster),
            ok = put(Cluster, A, [a], 1),
            [ok = pando_test_cluster:kill(Cluster, Node) || Node <- [B, C]],
            ?assertMatch({error, {pando, no_quorum, #{reason := _}}}, on(Cluster, A, reset, [?TIMEOUT_MS])),
            ?assertEqual({ok, 1}, call(Cluster, A, pando, get, [?STORE, [a]]))
        end},
        {"the last one that votes cannot leave observers alone", 2, fun(Cluster) ->
            [A, B] = started(Cluster),
            ok = on(Cluster, B, join, [A, #{role => observer, timeout => ?TIMEOUT_MS}]),
            ?assertMatch({error, {pando, last_voter, #{outcome := not_applied}}}, on(Cluster, A, reset, [?TIMEOUT_MS])),
            ?assertEqual(ok, on(Cluster, B, reset, [?TIMEOUT_MS])),
            ?assertEqual(ok, on(Cluster, A, reset, [?TIMEOUT_MS]))
        end},
        {"a dead member is removed by any other one", 3, fun(Cluster) ->
            [A, B, C] = formed(Cluster),
            ok = pando_test_cluster:kill(Cluster, C),
            ?assertEqual(ok, on(Cluster, B, remove_member, [C, ?TIMEOUT_MS])),
            ok = await_members(Cluster, ?STORE, [A, B]),
            ?assertMatch(
                {error, {pando, no_such_member, #{node := C, outcome := not_applied}}},
                on(Cluster, A, remove_member, [C, ?TIMEOUT_MS])
            ),
            %% Two of two: with three members it would be no majority that is lost now.
            ok = put(Cluster, A, [a], 1)
        end},
        {"a member that was removed while it was away is not opened again", 3, fun(Cluster) ->
            [A, B, C] = formed(Cluster),
            ok = pando_test_cluster:stop_store(Cluster, C, ?STORE),
            ok = on(Cluster, A, remove_member, [C, ?TIMEOUT_MS]),
            Start = [pando_test_cluster:data_dir(Cluster, C), ?STORE],
            [
                ?assertMatch(
                    {error, {pando, open_failed, #{kind := removed_member, reason := _}}},
                    call(Cluster, C, pando, start, Start)
                )
             || _ <- [1, 2]
            ],
            ?assertEqual(undefined, call(Cluster, C, erlang, whereis, [?STORE])),
            ok = await_members(Cluster, ?STORE, [A, B])
        end},
        {"a member that is removed while it runs stops, and is not started again", 3, fun(Cluster) ->
            [A, B, C] = formed(Cluster),
            Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
            [Removed, Other] = [A, B, C] -- [Leader],
            ok = on(Cluster, Other, remove_member, [Removed, ?TIMEOUT_MS]),
            ok = await(stopped, fun() -> call(Cluster, Removed, erlang, whereis, [?STORE]) =:= undefined end),
            ?assertEqual({error, noproc}, call(Cluster, Removed, pando, get, [?STORE, [a]])),
            ok = await_members(Cluster, ?STORE, lists:sort([Leader, Other]))
        end}
    ]).

leading_test_() ->
    cases([
        {"leadership goes where it is sent", 3, fun(Cluster) ->
            Nodes = formed(Cluster),
            [
                begin
                    ?assertEqual(ok, on(Cluster, From, transfer_leadership, [To, ?TIMEOUT_MS])),
                    ?assertEqual(To, pando_test_cluster:await_leader(Cluster, ?STORE, fun(Node) -> Node =:= To end))
                end
             || From <- Nodes, To <- Nodes
            ],
            ?assertMatch(
                {error, {pando, no_such_member, _}}, on(Cluster, hd(Nodes), transfer_leadership, ['nobody@127.0.0.1'])
            )
        end},
        {"waiting for a leader, here and elsewhere", 2, fun(Cluster) ->
            [A, B] = pando_test_cluster:nodes(Cluster),
            ?assertEqual({error, noproc}, on(Cluster, A, wait_for_leader, [50])),
            ?assertEqual({error, noproc}, call(Cluster, A, pando_cluster, wait_for_leader, [{?STORE, B}, 50])),
            ok = start_store(Cluster, B, ?STORE),
            ?assertEqual(ok, call(Cluster, A, pando_cluster, wait_for_leader, [{?STORE, B}, ?TIMEOUT_MS])),
            ?assertEqual({error, noproc}, on(Cluster, A, wait_for_leader, [50])),
            ok = start_store(Cluster, A, ?STORE),
            ok = on(Cluster, B, join, [A, ?TIMEOUT_MS]),
            ok = pando_test_cluster:kill(Cluster, B),
            ok = await(no_leader, fun() -> on(Cluster, A, wait_for_leader, [50]) =:= {error, timeout} end)
        end}
    ]).

interrupted_test_() ->
    Points = [{N, fun(Cluster) -> killed_while_joining(Cluster, N) end} || N <- [0, 30, 60, 120, 250, 500]],
    cases([
        {"killed " ++ integer_to_list(N) ++ " ms after it began, a join goes on by itself or has left no trace", 2, Test}
     || {N, Test} <- Points
    ]) ++
        cases([
            {"a join of a cluster that loses its majority ends in time, and the store is whole afterwards", 3, fun(Cluster) ->
                [A, B, C] = started(Cluster),
                ok = on(Cluster, B, join, [A, ?TIMEOUT_MS]),
                ok = put(Cluster, C, [c], 1),
                ok = pando_test_cluster:kill(Cluster, B),
                {error, _} = on(Cluster, C, join, [A, 3000]),
                ?assertEqual({ok, 1}, get(Cluster, C, [c]))
            end}
        ]).

killed_while_joining(Cluster, AfterMs) ->
    [A, B] = started(Cluster),
    ok = put(Cluster, A, [a], of_a),
    ok = put(Cluster, B, [b], of_b),
    Joining = call(Cluster, B, ?MODULE, join_in_background, [?STORE, A, ?TIMEOUT_MS]),
    ?assert(is_pid(Joining)),
    %% Not to wait for something, but to hit different points.
    timer:sleep(AfterMs),
    ok = pando_test_cluster:restart(Cluster, B),
    ok = start_store(Cluster, B, ?STORE),
    %% Then it is one thing or the other, and both nodes say the same.
    ok = await(joined_or_not, fun() ->
        case {call(Cluster, B, pando_census, answer, [?STORE]), call(Cluster, A, pando_census, answer, [?STORE])} of
            {{member, #{members := Of}}, {member, #{members := Same}}} when length(Of) =:= 2 ->
                Same =:= Of andalso lists:all(fun(#{is_voter := IsVoter}) -> IsVoter end, Of);
            {{member, #{members := [#{node := B}]}}, {member, #{members := [#{node := A}]}}} ->
                true;
            _ ->
                false
        end
    end),
    case members(Cluster, B) of
        [A, B] ->
            ?assertEqual({ok, of_a}, get(Cluster, B, [a])),
            ok = await(no_file, fun() -> not filelib:is_file(filename:join(directory(Cluster, B), "JOINING")) end),
            ?debugFmt("after ~b ms: it has joined", [AfterMs]);
        [B] ->
            ?assertEqual({ok, of_b}, get(Cluster, B, [b])),
            ?assertEqual(ok, on(Cluster, B, join, [A, ?TIMEOUT_MS])),
            ?debugFmt("after ~b ms: it had not begun", [AfterMs])
    end.

%% @private On a node.
-spec join_in_background(atom(), node(), timeout()) -> pid().
join_in_background(Store, Node, Timeout) ->
    spawn(?MODULE, waits, [{Store, Node, Timeout}]).

%% @private
-spec waits({atom(), node(), timeout()}) -> term().
waits({Store, Node, Timeout}) ->
    pando_cluster:join(Store, Node, Timeout).
