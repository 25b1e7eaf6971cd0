%% How fresh reads are: own writes, tokens, linearizable reads and fences, on every member.
-module(pando_freshness_tests).

-include_lib("eunit/include/eunit.hrl").

-export([own_writes/3, own_writes_in_turns/3]).

-import(pando_test_cluster, [call/5, await/2]).

-define(STORE, freshness).
-define(TIMEOUT_S, 180).
-define(TIMEOUT_MS, 30000).
%% A wait that is to end in vain.
-define(VAIN_MS, 300).
-define(ROUNDS, 100).
-define(STALE_ROUNDS, 3).

all_test_() ->
    pando_test_cluster:cases(?STORE, 3, ?TIMEOUT_S, [
        {"a process reads its own writes, on whatever member, whoever leads", fun own_writes/1},
        {"who writes on a node is read there by others at once", fun others_there/1},
        {"a linearizable read sees, on every member, what was acknowledged on another one", fun linearizable/1},
        {"a fence, too", fun fences/1},
        {"a token is enough to read what it is of on any member", fun tokens/1},
        {"a member that is behind waits for what a token is of", fun token_on_a_member_that_is_behind/1},
        {"a token of another cluster is refused", fun token_of_another_cluster/1},
        {"one that led and does not know that another one does, answers nothing old", fun stale_leader/1}
    ]).

own_writes(Cluster) ->
    [?assertEqual([], call(Cluster, Node, ?MODULE, own_writes, [?STORE, Node, ?ROUNDS])) || Node <- pando_test_cluster:nodes(Cluster)].

others_there(Cluster) ->
    [
        ?assertEqual([], call(Cluster, Node, ?MODULE, own_writes_in_turns, [?STORE, Node, ?ROUNDS]))
     || Node <- pando_test_cluster:nodes(Cluster)
    ].

%% @private What was read otherwise than it had been written just before, in different ways.
-spec own_writes(atom(), node(), pos_integer()) -> [term()].
own_writes(Store, Name, Rounds) ->
    Path = [own, Name],
    Ways = [
        {put, fun(N) -> ok = pando:put(Store, Path, N) end},
        {transaction, fun(N) -> {ok, ok} = pando:transaction(Store, fun() -> pando_tx:put(Path, N) end) end},
        {data, fun(N) -> {ok, _} = pando:transaction(Store, #{commands => [{put, Path, N}]}) end}
    ],
    lists:append([
        begin
            Write(N),
            [{Way, N, Other} || Other <- [pando:get(Store, Path)], Other =/= {ok, N}]
        end
     || N <- lists:seq(1, Rounds), {Way, Write} <- Ways
    ]).

%% @private The same with one process that writes and one that reads.
-spec own_writes_in_turns(atom(), node(), pos_integer()) -> [term()].
own_writes_in_turns(Store, Name, Rounds) ->
    Path = [turns, Name],
    lists:append([
        begin
            [ok] = pando_test_store:parallel(1, fun(_) -> pando:put(Store, Path, N) end),
            [{N, Other} || Other <- [pando:get(Store, Path)], Other =/= {ok, N}]
        end
     || N <- lists:seq(1, Rounds)
    ]).

linearizable(Cluster) ->
    each_pair(Cluster, fun(Writer, Reader, Path, N) ->
        ok = put(Cluster, Writer, Path, N),
        ?assertEqual({Writer, Reader, {ok, N}}, {Writer, Reader, fresh(Cluster, Reader, Path)})
    end).

fences(Cluster) ->
    each_pair(Cluster, fun(Writer, Reader, Path, N) ->
        ok = put(Cluster, Writer, Path, N),
        ok = call(Cluster, Reader, pando, fence, [?STORE, ?TIMEOUT_MS]),
        ?assertEqual({Writer, Reader, {ok, N}}, {Writer, Reader, local(Cluster, Reader, Path)})
    end).

tokens(Cluster) ->
    each_pair(Cluster, fun(Writer, Reader, Path, N) ->
        {ok, Token} = put_for_token(Cluster, Writer, Path, N),
        ?assertEqual({Writer, Reader, {ok, N}}, {Writer, Reader, with_token(Cluster, Reader, Path, Token, ?TIMEOUT_MS)})
    end).

each_pair(Cluster, Try) ->
    Nodes = pando_test_cluster:nodes(Cluster),
    [
        Try(Writer, Reader, [pair, Writer], N)
     || N <- lists:seq(1, ?ROUNDS div 5), Writer <- Nodes, Reader <- Nodes
    ].

token_on_a_member_that_is_behind(Cluster) ->
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
    [Behind, Other] = pando_test_cluster:nodes(Cluster) -- [Leader],
    ok = pando_test_cluster:isolate(Cluster, Behind),
    {ok, Token} = put_for_token(Cluster, Other, [behind], 1),
    ?assertEqual({error, timeout}, with_token(Cluster, Behind, [behind], Token, ?VAIN_MS)),
    %% One that waits when the link is healed is answered.
    [Waiting] = [spawn_monitor(fun() -> exit({read, with_token(Cluster, Behind, [behind], Token, ?TIMEOUT_MS)}) end)],
    ok = pando_test_cluster:heal_all(Cluster),
    {Pid, Monitor} = Waiting,
    receive {'DOWN', Monitor, process, Pid, Ended} -> ?assertEqual({read, {ok, 1}}, Ended) end,
    ?assertEqual({ok, 1}, local(Cluster, Behind, [behind])).

token_of_another_cluster(Cluster) ->
    [A | _] = pando_test_cluster:nodes(Cluster),
    Apart = freshness_apart,
    ok = pando_test_cluster:start_store(Cluster, A, Apart),
    await(leader, fun() -> call(Cluster, A, pando_cluster, wait_for_leader, [Apart, 0]) =:= ok end),
    {ok, Token} = call(Cluster, A, pando, put, [Apart, [a], 1, #{return => token}]),
    ?assertMatch({error, {pando, other_cluster, _}}, with_token(Cluster, A, [a], Token, ?TIMEOUT_MS)),
    ok = pando_test_cluster:stop_store(Cluster, A, Apart).

%% It is paused, so that nobody tells it; the first thing that it is asked when it goes on is a fresh read.
stale_leader(Cluster) ->
    [
        begin
            Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
            [Other, _] = pando_test_cluster:nodes(Cluster) -- [Leader],
            ok = put(Cluster, Leader, [stale], {N, old}),
            ok = pando_test_cluster:pause(Cluster, Leader),
            await({new, N}, fun() -> put(Cluster, Other, [stale], {N, new}) =:= ok end),
            ok = pando_test_cluster:resume(Cluster, Leader),
            case fresh(Cluster, Leader, [stale]) of
                {error, {pando, Name, _}} when Name =:= no_quorum; Name =:= leader_changed -> ok;
                Answer -> ?assertEqual({ok, {N, new}}, Answer)
            end,
            ok = pando_test_cluster:recover(Cluster, ?STORE)
        end
     || N <- lists:seq(1, ?STALE_ROUNDS)
    ].

put(Cluster, Node, Path, Value) ->
    call(Cluster, Node, pando, put, [?STORE, Path, Value, #{timeout => ?TIMEOUT_MS}]).

put_for_token(Cluster, Node, Path, Value) ->
    call(Cluster, Node, pando, put, [?STORE, Path, Value, #{timeout => ?TIMEOUT_MS, return => token}]).

fresh(Cluster, Node, Path) ->
    call(Cluster, Node, pando, get, [?STORE, Path, #{favor => consistency, timeout => ?TIMEOUT_MS}]).

local(Cluster, Node, Path) ->
    call(Cluster, Node, pando, get, [?STORE, Path]).

with_token(Cluster, Node, Path, Token, TimeoutMs) ->
    call(Cluster, Node, pando, get, [?STORE, Path, #{at_least => Token, timeout => TimeoutMs}]).
