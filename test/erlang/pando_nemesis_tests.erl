%% The faults that other tests draw at random: a seed repeats them, and nothing of them is left.
-module(pando_nemesis_tests).

-include_lib("eunit/include/eunit.hrl").

-define(TIMEOUT_S, 120).
-define(STORE, apart).

a_seed_repeats_its_plan_test() ->
    Kinds = pando_nemesis:kinds(),
    Plan = pando_nemesis:plan(1, 40, Kinds),
    ?assertEqual(40, length(Plan)),
    ?assertEqual(Plan, pando_nemesis:plan(1, 40, Kinds)),
    ?assertNotEqual(Plan, pando_nemesis:plan(2, 40, Kinds)).

every_kind_comes_once_before_any_comes_again_test() ->
    Kinds = pando_nemesis:kinds(),
    Plan = pando_nemesis:plan(7, 2 * length(Kinds), Kinds),
    First = [hd(Drawn) || #{kinds := Drawn} <- Plan],
    {Once, Again} = lists:split(length(Kinds), First),
    ?assertEqual(lists:sort(Kinds), lists:sort(Once)),
    ?assertEqual(lists:sort(Kinds), lists:sort(Again)).

members_are_lost_one_at_a_time_test() ->
    Plans = lists:append([pando_nemesis:plan(Seed, 40, pando_nemesis:kinds()) || Seed <- lists:seq(1, 20)]),
    Together = lists:usort(lists:append([Kinds || #{kinds := [_, _] = Kinds} <- Plans])),
    ?assertMatch([_ | _], Together),
    ?assertEqual([], [Kind || Kind <- [wipe, remove, transfer], lists:member(Kind, Together)]).

%% On stores that are no cluster: what was done was done to nodes, and is undone.
all_is_undone_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        pando_test_cluster:with_cluster(3, fun(Cluster) ->
            Nodes = pando_test_cluster:nodes(Cluster),
            [ok = pando_test_cluster:start_store(Cluster, Node, ?STORE) || Node <- Nodes],
            OsPids = os_pids(Cluster),
            Kinds = [cut, isolate, split, kill, pause, stop_store],
            Plan = [Round#{hold_ms := 50, rest_ms := 0} || Round <- pando_nemesis:plan(3, 2 * length(Kinds), Kinds)],
            Done = pando_nemesis:run(Cluster, ?STORE, #{}, Plan),
            ?assertEqual(lists:sort(Kinds), lists:usort([Kind || {Kind, _} <- Done])),
            ?assertEqual(Nodes, pando_test_cluster:running(Cluster)),
            ?assertEqual([], pando_test_cluster:cuts(Cluster)),
            ?assertEqual([], pando_test_cluster:paused(Cluster)),
            ?assertEqual([true], lists:usort([is_map(pando_test_cluster:status(Cluster, Node, ?STORE)) || Node <- Nodes])),
            %% Nodes were killed indeed.
            Killed = lists:usort([Node || {kill, [Node]} <- Done]),
            ?assertEqual(Killed, [Node || {Node, OsPid} <- OsPids, OsPid =/= pando_test_cluster:os_pid(Cluster, Node)])
        end)
    end}.

os_pids(Cluster) ->
    [{Node, pando_test_cluster:os_pid(Cluster, Node)} || Node <- pando_test_cluster:nodes(Cluster)].
