%% Nodes that are told which nodes form a cluster, started in any order: exactly one cluster comes of it, and members that
%% start again find it.
%%
%% PANDO_TORTURE: 200 boots instead of 10.
-module(pando_forming_tests).

-include_lib("eunit/include/eunit.hrl").

-export([all_nodes/0]).

-import(pando_test_cluster, [call/5, start_store/4, await/2, await_members/3]).

-define(STORE, forming_test).

random_boots_test_() ->
    Count =
        case os:getenv("PANDO_TORTURE") of
            false -> 10;
            _ -> 200
        end,
    %% A third of them five nodes: they take longer.
    Sizes = [
        case N rem 3 of
            0 -> 5;
            _ -> 3
        end
     || N <- lists:seq(1, Count)
    ],
    {timeout, 300 + 60 * Count, fun() ->
        Seed = seed(),
        lists:foreach(
            fun(Size) -> boots(Size, [N || {N, S} <- lists:enumerate(Sizes), S =:= Size], Seed) end, lists:usort(Sizes)
        ),
        ?debugFmt("~b boots in random orders (seed ~b): one cluster each", [Count, Seed])
    end}.

seed() ->
    case os:getenv("PANDO_SEED") of
        false -> erlang:unique_integer([positive]) * 1000003 + erlang:system_time() rem 1000003;
        Text -> list_to_integer(Text)
    end.

%% The nodes of one cluster serve many boots, each with a store of its own.
boots(Size, Numbers, Seed) ->
    pando_test_cluster:with_cluster(Size, fun(Cluster) ->
        [boot(Cluster, N, rand:seed_s(exsss, {Seed, N, Size})) || N <- Numbers]
    end).

boot(Cluster, Number, Random) ->
    Store = list_to_atom("forming_" ++ integer_to_list(Number)),
    Nodes = pando_test_cluster:nodes(Cluster),
    {Order, Random1} = shuffled(Nodes, Random),
    {Pauses, Random2} = lists:mapfoldl(fun(_, R) -> rand:uniform_s(300, R) end, Random1, Order),
    {Restarted, Random3} = rand:uniform_s(length(Nodes), Random2),
    {HowStarted, _} = rand:uniform_s(2, Random3),
    ?assertEqual(ok, in_order(Cluster, Store, lists:zip(Order, Pauses), HowStarted)),
    %% One of them is stopped on the way, wherever it is then.
    Unlucky = lists:nth(Restarted, Order),
    ok = pando_test_cluster:stop_store(Cluster, Unlucky, Store),
    ok = start_store(Cluster, Unlucky, Store, #{cluster => Nodes}),
    ok = one_cluster(Cluster, Store, Nodes),
    [ok = pando_test_cluster:stop_store(Cluster, Node, Store) || Node <- Nodes],
    %% All at once, as after a power cut; and without being told again.
    _ = pando_test_store:parallel(length(Nodes), fun(N) -> ok = start_store(Cluster, lists:nth(N, Nodes), Store, #{}) end),
    ok = one_cluster(Cluster, Store, Nodes),
    [ok = pando_test_cluster:stop_store(Cluster, Node, Store) || Node <- Nodes].

in_order(Cluster, Store, Order, 1) ->
    lists:foreach(
        fun({Node, PauseMs}) ->
            ok = start_store(Cluster, Node, Store, #{cluster => pando_test_cluster:nodes(Cluster)}),
            %% Not to wait for something, but for different orders of what happens.
            timer:sleep(PauseMs)
        end,
        Order
    );
in_order(Cluster, Store, Order, 2) ->
    _ = pando_test_store:parallel(length(Order), fun(N) ->
        {Node, PauseMs} = lists:nth(N, Order),
        timer:sleep(PauseMs),
        ok = start_store(Cluster, Node, Store, #{cluster => pando_test_cluster:nodes(Cluster)})
    end),
    ok.

shuffled(List, Random) ->
    {Keyed, Random1} = lists:mapfoldl(
        fun(Element, R) ->
            {Key, Next} = rand:uniform_s(R),
            {{Key, Element}, Next}
        end,
        Random,
        List
    ),
    {[Element || {_, Element} <- lists:sort(Keyed)], Random1}.

one_cluster(Cluster, Store, Nodes) ->
    ok = await_members(Cluster, Store, Nodes),
    Ids = [maps:get(cluster_id, pando_test_cluster:status(Cluster, Node, Store)) || Node <- Nodes],
    ?assertMatch([_], lists:usort(Ids)),
    [ok = call(Cluster, Node, pando_cluster, wait_for_leader, [Store, 60000]) || Node <- Nodes],
    Value = erlang:unique_integer(),
    ok = call(Cluster, hd(Nodes), pando, put, [Store, [value], Value]),
    [
        ?assertEqual({ok, Value}, call(Cluster, Node, pando, get, [Store, [value], #{favor => consistency}]))
     || Node <- Nodes
    ],
    ok.

cases(Cases) ->
    [{Title, {timeout, 300, fun() -> pando_test_cluster:with_cluster(Count, Test) end}} || {Title, Count, Test} <- Cases].

%% Both for `is_there' and `is_not': what a store says of itself while it waits.
waits_for_others(Cluster, Node) ->
    ?assertMatch({empty, #{is_founding := false}}, call(Cluster, Node, pando_census, answer, [?STORE])),
    ?assertEqual({error, noproc}, call(Cluster, Node, pando, get, [?STORE, [a]])),
    ?assertEqual({error, noproc}, call(Cluster, Node, pando_cluster, wait_for_leader, [?STORE, 50])),
    ?assertEqual(false, call(Cluster, Node, pando_cluster, is_store_running, [?STORE])).

rules_test_() ->
    cases([
        {"nobody founds before all are there", 3, fun(Cluster) ->
            [A, B, C] = Nodes = pando_test_cluster:nodes(Cluster),
            [ok = start_store(Cluster, Node, ?STORE, #{cluster => Nodes}) || Node <- [A, B]],
            %% Longer than a few rounds.
            timer:sleep(1500),
            [waits_for_others(Cluster, Node) || Node <- [A, B]],
            ok = start_store(Cluster, C, ?STORE, #{cluster => Nodes}),
            ok = one_cluster(Cluster, ?STORE, Nodes)
        end},
        {"lists from a function, as of a discovery, and how many are expected", 3, fun(Cluster) ->
            [A, B, C] = Nodes = pando_test_cluster:nodes(Cluster),
            [true = call(Cluster, A, net_kernel, connect_node, [Node]) || Node <- [B, C]],
            [
                ok = start_store(Cluster, Node, ?STORE, #{cluster => fun ?MODULE:all_nodes/0, expect => 3})
             || Node <- Nodes
            ],
            ok = one_cluster(Cluster, ?STORE, Nodes)
        end},
        {"lists that differ found nothing", 3, fun(Cluster) ->
            [A, B, C] = Nodes = pando_test_cluster:nodes(Cluster),
            ok = start_store(Cluster, A, ?STORE, #{cluster => [A, B]}),
            ok = start_store(Cluster, B, ?STORE, #{cluster => Nodes}),
            ok = start_store(Cluster, C, ?STORE, #{cluster => Nodes}),
            timer:sleep(1500),
            [waits_for_others(Cluster, Node) || Node <- Nodes],
            ok = pando_test_cluster:stop_store(Cluster, A, ?STORE),
            ok = start_store(Cluster, A, ?STORE, #{cluster => Nodes}),
            ok = one_cluster(Cluster, ?STORE, Nodes)
        end},
        {"with fewer expected the cluster is there before the last node, which joins it", 3, fun(Cluster) ->
            [A, B, C] = Nodes = pando_test_cluster:nodes(Cluster),
            [ok = start_store(Cluster, Node, ?STORE, #{cluster => Nodes, expect => 2}) || Node <- [A, B]],
            ok = one_cluster(Cluster, ?STORE, [A, B]),
            ok = start_store(Cluster, C, ?STORE, #{cluster => Nodes, expect => 2}),
            ok = one_cluster(Cluster, ?STORE, Nodes)
        end},
        {"a founder that is killed while it founds", 3, fun(Cluster) ->
            [A, B, C] = Nodes = pando_test_cluster:nodes(Cluster),
            [ok = start_store(Cluster, Node, ?STORE, #{cluster => Nodes}) || Node <- [B, C, A]],
            ok = pando_test_cluster:restart(Cluster, A),
            ok = start_store(Cluster, A, ?STORE, #{cluster => Nodes}),
            ok = one_cluster(Cluster, ?STORE, Nodes)
        end},
        {"a store that waits can be stopped, and reset", 2, fun(Cluster) ->
            [A, B] = Nodes = pando_test_cluster:nodes(Cluster),
            ok = start_store(Cluster, A, ?STORE, #{cluster => Nodes}),
            ?assertEqual(ok, call(Cluster, A, pando, stop, [?STORE])),
            ok = start_store(Cluster, A, ?STORE, #{cluster => Nodes}),
            ?assertEqual(ok, call(Cluster, A, pando, reset, [?STORE])),
            ok = start_store(Cluster, A, ?STORE, #{cluster => Nodes}),
            ok = start_store(Cluster, B, ?STORE, #{cluster => Nodes}),
            ok = one_cluster(Cluster, ?STORE, Nodes)
        end}
    ]).

%% @private As a discovery would answer.
-spec all_nodes() -> [node()].
all_nodes() ->
    [node() | nodes()].

options_test_() ->
    Start = fun(Options) -> pando:start("/nowhere", Options#{cluster_name => ?STORE}) end,
    [
        ?_assertError({pando_ex, invalid_start_option, #{option := Option}}, Start(Options))
     || {Option, Options} <- [
            {cluster, #{cluster => []}},
            {cluster, #{cluster => node()}},
            {cluster, #{cluster => ["a@b"]}},
            {expect, #{cluster => [a@b], expect => 2}},
            {expect, #{cluster => [a@b], expect => 0}},
            {expect, #{expect => 3}},
            {priority, #{priority => high}},
            {backend, #{backend => pando_nif}},
            {backend, #{backend => <<"port">>}}
        ]
    ].
