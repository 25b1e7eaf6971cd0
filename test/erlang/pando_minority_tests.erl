%% A member without a majority: it says so at once, goes on answering stale reads, and is well again when the others are there.
-module(pando_minority_tests).

-include_lib("eunit/include/eunit.hrl").

-export([increment/2, decline/2]).

-import(pando_test_cluster, [call/5, await/2]).

-define(STORE, minority).
-define(TIMEOUT_S, 180).
%% Generous: whoever waits for it instead of saying what is the matter has failed.
-define(TIMEOUT_MS, 30000).
-define(REPEATS, 5).

all_test_() ->
    pando_test_cluster:cases(?STORE, 3, ?TIMEOUT_S, [
        {"the leader that is cut off from all", fun leader_cut_off/1},
        {"a follower that is cut off from all", fun follower_cut_off/1},
        {"one that is left of three goes on when a second one is there again", fun one_is_left/1},
        {"a link between two of three takes no majority from anybody", fun one_link/1},
        {"a write of unknown outcome that is sent again with its request id is applied once", fun sent_again/1},
        {"a write that was refused without having been applied never is", fun refused/1}
    ]).

leader_cut_off(Cluster) -> cut_off(Cluster, pando_test_cluster:await_leader(Cluster, ?STORE)).

follower_cut_off(Cluster) ->
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
    cut_off(Cluster, hd(pando_test_cluster:nodes(Cluster) -- [Leader])).

cut_off(Cluster, Node) ->
    [Other, Third] = pando_test_cluster:nodes(Cluster) -- [Node],
    ok = put(Cluster, Node, [before], 1),
    _ = call(Cluster, Node, pando, delete, [?STORE, [meanwhile]]),
    ok = pando_test_cluster:isolate(Cluster, Node),
    say_no_quorum(Cluster, Node),
    %% The others elect a leader, if they have to, and go on.
    ok = put(Cluster, Other, [meanwhile], 2),
    ?assertEqual({ok, 2}, fresh(Cluster, Third, [meanwhile])),
    ?assertEqual({ok, 1}, call(Cluster, Node, pando, get, [?STORE, [before]])),
    ?assertEqual({ok, none}, call(Cluster, Node, pando, get_or, [?STORE, [meanwhile], none])),
    ok = pando_test_cluster:heal_all(Cluster),
    %% Nobody connects them but they themselves.
    await({fresh, Node}, fun() -> fresh(Cluster, Node, [meanwhile]) =:= {ok, 2} end),
    ok = put(Cluster, Node, [afterwards], 3),
    ?assertEqual({ok, 3}, call(Cluster, Node, pando, get, [?STORE, [afterwards]])),
    ?assertEqual({ok, 3}, fresh(Cluster, Other, [afterwards])).

%% All that needs a majority says that there is none, and never that time is up.
say_no_quorum(Cluster, Node) ->
    Options = #{timeout => ?TIMEOUT_MS},
    Writes = [
        {pando, put, [?STORE, [no], 1, Options]},
        {pando, delete, [?STORE, [no], Options]},
        {pando_adv, compare_and_swap, [?STORE, [before], 1, 2, Options]},
        {pando, transaction, [?STORE, #{commands => [{put, [no], 1}]}, Options]},
        {pando, transaction, [?STORE, fun ?MODULE:increment/2, [[no], 1], rw, Options]}
    ],
    Fresh = [
        {pando, get, [?STORE, [before], Options#{favor => consistency}]},
        {pando_adv, get_many, [?STORE, "**", Options#{favor => consistency}]},
        {pando, fence, [?STORE, ?TIMEOUT_MS]}
    ],
    [
        begin
            Answer = call(Cluster, Node, Module, Function, Arguments),
            ?assertMatch({_, {error, {pando, no_quorum, #{outcome := _, reason := _}}}}, {Function, Answer})
        end
     || {Module, Function, Arguments} <- Writes ++ Fresh
    ],
    %% By now it knows, and lets nobody hope.
    [
        begin
            {error, {pando, no_quorum, #{outcome := Outcome, reason := Text}}} = call(Cluster, Node, Module, Function, Arguments),
            ?assertEqual({Function, not_applied}, {Function, Outcome}),
            ?assert(is_binary(Text))
        end
     || {Module, Function, Arguments} <- Writes
    ].

one_is_left(Cluster) ->
    Nodes = [A, B, C] = pando_test_cluster:nodes(Cluster),
    ok = put(Cluster, A, [before], 1),
    ?assertEqual([{ok, 1}], lists:usort([fresh(Cluster, Node, [before]) || Node <- Nodes])),
    ok = pando_test_cluster:kill(Cluster, B),
    ok = put(Cluster, A, [two_are_left], 1),
    ok = pando_test_cluster:kill(Cluster, C),
    say_no_quorum(Cluster, A),
    ?assertEqual({ok, 1}, call(Cluster, A, pando, get, [?STORE, [two_are_left]])),
    ok = pando_test_cluster:restart(Cluster, C),
    ok = pando_test_cluster:start_store(Cluster, C, ?STORE),
    await(majority, fun() -> put(Cluster, A, [before], 2) =:= ok end),
    ?assertEqual({ok, 2}, fresh(Cluster, C, [before])),
    ?assertEqual({ok, 1}, fresh(Cluster, C, [two_are_left])).

one_link(Cluster) ->
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
    [A, B] = pando_test_cluster:nodes(Cluster) -- [Leader],
    ok = pando_test_cluster:cut(Cluster, A, B),
    [
        begin
            ok = put(Cluster, Node, [link, Node], N),
            ?assertEqual({ok, N}, fresh(Cluster, Node, [link, Node]))
        end
     || N <- lists:seq(1, ?REPEATS), Node <- [A, B, Leader]
    ],
    ok = pando_test_cluster:recover(Cluster, ?STORE),
    %% One that does not see the leader any more; the third one sees both.
    ok = pando_test_cluster:cut(Cluster, Leader, A),
    [await({put, Node, N}, fun() -> put(Cluster, Node, [link, Node], N) =:= ok end) || N <- lists:seq(1, ?REPEATS), Node <- [B, Leader]].

sent_again(Cluster) ->
    [
        begin
            Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
            [Other, _] = pando_test_cluster:nodes(Cluster) -- [Leader],
            Path = [counter, integer_to_binary(N)],
            RequestId = <<"minority ", (integer_to_binary(N))/binary>>,
            Increment = fun(Node) ->
                Options = #{request_id => RequestId, timeout => ?TIMEOUT_MS},
                call(Cluster, Node, pando, transaction, [?STORE, fun ?MODULE:increment/2, [Path, 1], rw, Options])
            end,
            ok = pando_test_cluster:isolate(Cluster, Leader),
            {error, {pando, no_quorum, #{outcome := _}}} = Increment(Leader),
            %% Once elsewhere, and once more where it began.
            await({increment, Other}, fun() -> Increment(Other) =:= {ok, 1} end),
            ok = pando_test_cluster:heal_all(Cluster),
            Healed = erlang:monotonic_time(millisecond),
            await({increment, Leader}, fun() -> Increment(Leader) =:= {ok, 1} end),
            HealingMs = erlang:monotonic_time(millisecond) - Healed,
            io:format(user, "~nhealed: the member that was cut off writes again after ~b ms~n", [HealingMs]),
            ?assertEqual({ok, 1}, fresh(Cluster, Leader, Path))
        end
     || N <- lists:seq(1, ?REPEATS)
    ].

%% @private
-spec increment([term()], integer()) -> integer().
increment(Path, By) ->
    {ok, Before} = pando_tx:get_or(Path, 0),
    ok = pando_tx:put(Path, Before + By),
    Before + By.

refused(Cluster) ->
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
    Nodes = pando_test_cluster:nodes(Cluster),
    ok = pando_test_cluster:isolate(Cluster, Leader),
    Refused = call(Cluster, Leader, ?MODULE, decline, [?STORE, 200]),
    NotApplied = [N || {N, not_applied} <- Refused],
    ?assert(length(NotApplied) > 100),
    ok = pando_test_cluster:heal_all(Cluster),
    [
        begin
            await({fence, Node}, fun() -> call(Cluster, Node, pando, fence, [?STORE, ?TIMEOUT_MS]) =:= ok end),
            {ok, There} = call(Cluster, Node, pando, get_many, [?STORE, "/:refused/*"]),
            ?assertEqual({Node, []}, {Node, [N || N <- NotApplied, is_map_key([refused, integer_to_binary(N)], There)]})
        end
     || Node <- Nodes
    ].

%% @private Puts, and what became of each.
-spec decline(atom(), pos_integer()) -> [{pos_integer(), ok | not_applied | unknown}].
decline(Store, Count) ->
    [
        case pando:put(Store, [refused, integer_to_binary(N)], N, #{timeout => ?TIMEOUT_MS}) of
            ok -> {N, ok};
            {error, {pando, no_quorum, #{outcome := Outcome}}} -> {N, Outcome}
        end
     || N <- lists:seq(1, Count)
    ].

put(Cluster, Node, Path, Value) ->
    call(Cluster, Node, pando, put, [?STORE, Path, Value, #{timeout => ?TIMEOUT_MS}]).

fresh(Cluster, Node, Path) ->
    call(Cluster, Node, pando, get, [?STORE, Path, #{favor => consistency, timeout => ?TIMEOUT_MS}]).
