%% A member whose network is cut silently: no connection is closed and nobody is told, as with a broken cable. The others go on; it is
%% well again when the network is, with no command typed, and nothing that was acknowledged is lost.
%%
%% Network namespaces take the rights of root, and iproute2. Where there are none these tests are skipped, with a message.
-module(pando_silent_cut_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_cluster, [call/5, await/2]).

-define(STORE, silent_cut).
-define(TIMEOUT_S, 300).
%% Generous: whoever waits for it instead of saying what is the matter has failed.
-define(TIMEOUT_MS, 30000).
-define(WRITES, 50).

silent_cut_test_() ->
    case pando_test_cluster:can_have_namespaces() of
        true ->
            {timeout, ?TIMEOUT_S, fun() ->
                pando_test_cluster:with_cluster(3, #{network => namespaces}, fun(Cluster) ->
                    ok = pando_test_cluster:form(Cluster, ?STORE, cluster),
                    [cut_off(Cluster, Role) || Role <- [follower, leader, follower, leader]]
                end)
            end};
        false ->
            {"skipped", fun() -> io:format(user, "~n~s: skipped, this needs root and iproute2~n", [?MODULE]) end}
    end.

cut_off(Cluster, Role) ->
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
    [Follower, _] = Nodes0 = pando_test_cluster:nodes(Cluster) -- [Leader],
    {Node, Others} =
        case Role of
            leader -> {Leader, Nodes0};
            follower -> {Follower, pando_test_cluster:nodes(Cluster) -- [Follower]}
        end,
    Server = call(Cluster, Node, erlang, whereis, [?STORE]),
    Before = erlang:unique_integer(),
    ok = put(Cluster, Node, [before], Before),
    ok = pando_test_cluster:isolate(Cluster, Node),
    %% It finds out by itself, says so, and goes on answering what it has.
    await({no_quorum, Node}, fun() ->
        case put(Cluster, Node, [refused], 1) of
            {error, {pando, no_quorum, #{outcome := not_applied}}} -> true;
            {error, {pando, no_quorum, #{outcome := unknown}}} -> false
        end
    end),
    ?assertEqual({ok, Before}, call(Cluster, Node, pando, get, [?STORE, [before]])),
    %% So do the others, once one of them leads.
    _ = pando_test_cluster:await_leader(Cluster, ?STORE, fun(Other) -> lists:member(Other, Others) end),
    Last = erlang:unique_integer(),
    [await({put, Other}, fun() -> put(Cluster, Other, [meanwhile], Last) =:= ok end) || Other <- Others],
    Written = [{N, Other} || N <- lists:seq(1, ?WRITES), Other <- Others],
    [?assertEqual(ok, put(Cluster, Other, [n, <<N:32>>, Other], {Last, N})) || {N, Other} <- Written],
    ok = pando_test_cluster:heal_all(Cluster),
    Healed = erlang:monotonic_time(millisecond),
    await({fresh, Node}, fun() -> fresh(Cluster, Node, [meanwhile]) =:= {ok, Last} end),
    await({put, Node}, fun() -> put(Cluster, Node, [afterwards], Last) =:= ok end),
    Ms = erlang:monotonic_time(millisecond) - Healed,
    io:format(user, "~nhealed: the ~s that was cut off silently reads and writes again after ~b ms~n", [Role, Ms]),
    [?assertEqual({ok, {Last, N}}, call(Cluster, Node, pando, get, [?STORE, [n, <<N:32>>, Other]])) || {N, Other} <- Written],
    [?assertEqual({ok, Last}, fresh(Cluster, Other, [afterwards])) || Other <- Others],
    ?assertEqual(Server, call(Cluster, Node, erlang, whereis, [?STORE])),
    ok = pando_test_cluster:await_members(Cluster, ?STORE, pando_test_cluster:nodes(Cluster)).

put(Cluster, Node, Path, Value) ->
    call(Cluster, Node, pando, put, [?STORE, Path, Value, #{timeout => ?TIMEOUT_MS}]).

fresh(Cluster, Node, Path) ->
    call(Cluster, Node, pando, get, [?STORE, Path, #{favor => consistency, timeout => ?TIMEOUT_MS}]).
