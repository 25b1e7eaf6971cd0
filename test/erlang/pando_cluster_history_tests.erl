%% Histories of clients on several nodes while faults happen, checked for strict serializability, own writes, tokens and outcomes.
-module(pando_cluster_history_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STORE, history).
-define(TIMEOUT_S, 300).

%% One member whose node is killed and comes back: nothing acknowledged is lost, nothing is done twice.
one_member_that_is_killed_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        pando_test_cluster:with_cluster(1, fun(Cluster) ->
            [Node] = pando_test_cluster:nodes(Cluster),
            ok = pando_test_cluster:start_store(Cluster, Node, ?STORE),
            Seed = pando_history:seed("PANDO_HISTORY_SEED", "one member, killed"),
            {Entries, Counts, _} = pando_history:run(Cluster, ?STORE, #{seed => Seed}, fun() ->
                [
                    begin
                        timer:sleep(400),
                        ok = pando_test_cluster:kill(Cluster, Node),
                        ok = pando_test_cluster:restart(Cluster, Node),
                        ok = pando_test_cluster:start_store(Cluster, Node, ?STORE)
                    end
                 || _ <- lists:seq(1, 4)
                ]
            end),
            io:format(user, "~p~n", [Counts]),
            assert_right(Entries)
        end)
    end}.

assert_right(Entries) ->
    T = erlang:monotonic_time(millisecond),
    {Faults, Figures} = pando_history_checker:check(Entries),
    io:format(user, "~p ~b ms~n", [Figures, erlang:monotonic_time(millisecond) - T]),
    ?assertEqual([], Faults).
