%% A member whose disk was lost comes back by itself: under a new id, with everything, without anything typed, and without its old
%% vote. And one that is started with an old directory after that is refused.
-module(pando_wiped_member_tests).

-include_lib("eunit/include/eunit.hrl").

-export([write_until/3, stop_writer/1]).

-import(pando_test_cluster, [call/5, start_store/3, start_store/4, stop_store/3]).

-define(STORE, wiped_test).
-define(TIMEOUT_MS, 60000).

cases(Cases) ->
    [
        {Title ++ ", started " ++ How,
            {timeout, 300, fun() ->
                pando_test_cluster:with_cluster(Count, fun(Cluster) ->
                    ok = pando_test_cluster:form(Cluster, ?STORE, Form),
                    ok = await_members(Cluster, ?STORE, pando_test_cluster:nodes(Cluster)),
                    Test(Cluster, pando_test_cluster:nodes(Cluster), config(Cluster, Form))
                end)
            end}}
     || {Title, Count, Test} <- Cases, {How, Form} <- [{"with a list", cluster}, {"without", join}]
    ].

config(Cluster, cluster) -> #{cluster => pando_test_cluster:nodes(Cluster)};
config(_Cluster, join) -> #{}.

%% Without a list a node has to be connected to find its cluster: as it is with libcluster, or after the first call.
start(Cluster, Node, Config) ->
    [Other | _] = pando_test_cluster:running(Cluster) -- [Node],
    _ = call(Cluster, Node, net_kernel, connect_node, [Other]),
    start_store(Cluster, Node, ?STORE, Config).

%% As pando_test_cluster:wipe/3, also while there is nothing yet.
wipe(Cluster, Node) ->
    ok = stop_store(Cluster, Node, ?STORE),
    Directory = call(Cluster, Node, pando_directory, of_store, [pando_test_cluster:data_dir(Cluster, Node), ?STORE]),
    case file:del_dir_r(Directory) of
        ok -> ok;
        {error, enoent} -> ok
    end.

%% A member that is on its way in knows the others before it is one of them.
await_members(Cluster, Store, Nodes) ->
    Running = [Node || Node <- pando_test_cluster:running(Cluster), lists:member(Node, Nodes)],
    [ok = call(Cluster, Node, pando_cluster, wait_for_leader, [Store, ?TIMEOUT_MS]) || Node <- Running],
    pando_test_cluster:await_members(Cluster, Store, Nodes).

put(Cluster, Node, Path, Value) ->
    call(Cluster, Node, pando, put, [?STORE, Path, Value, #{timeout => ?TIMEOUT_MS}]).

get(Cluster, Node, Path) ->
    call(Cluster, Node, pando, get, [?STORE, Path, #{favor => consistency, timeout => ?TIMEOUT_MS}]).

member_id(Cluster, Node) ->
    #{member_id := Id} = pando_test_cluster:status(Cluster, Node, ?STORE),
    Id.

ids(Cluster, Node) ->
    #{members := Members} = pando_test_cluster:status(Cluster, Node, ?STORE),
    [Id || #{member_id := Id} <- Members].

coming_back_test_() ->
    cases([
        {"a wiped member is one again, under another id", 3, fun(Cluster, Nodes, Config) ->
            [A, _, C] = Nodes,
            ok = put(Cluster, A, [a], 1),
            Before = member_id(Cluster, C),
            ok = wipe(Cluster, C),
            ok = put(Cluster, A, [b], 2),
            ok = start(Cluster, C, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertNotEqual(Before, member_id(Cluster, C)),
            ?assertNot(lists:member(Before, ids(Cluster, A))),
            ?assertEqual({ok, 1}, get(Cluster, C, [a])),
            ?assertEqual({ok, 2}, get(Cluster, C, [b])),
            ok = put(Cluster, C, [c], 3)
        end},
        {"the founder and leader of the cluster, too", 3, fun(Cluster, Nodes, Config) ->
            [A | _] = Nodes,
            ok = put(Cluster, A, [a], 1),
            ok = call(Cluster, A, pando_cluster, transfer_leadership, [?STORE, A, ?TIMEOUT_MS]),
            ok = wipe(Cluster, A),
            ok = start(Cluster, A, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertEqual({ok, 1}, get(Cluster, A, [a]))
        end},
        {"twice in a row, the second time at once", 3, fun(Cluster, Nodes, Config) ->
            [A, _, C] = Nodes,
            ok = put(Cluster, A, [a], 1),
            First = member_id(Cluster, C),
            [
                begin
                    ok = wipe(Cluster, C),
                    ok = start(Cluster, C, Config)
                end
             || _ <- [1, 2]
            ],
            ok = await_members(Cluster, ?STORE, Nodes),
            ok = wipe(Cluster, C),
            ok = start(Cluster, C, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertEqual(3, length(ids(Cluster, A))),
            ?assert(member_id(Cluster, C) > First),
            ?assertEqual({ok, 1}, get(Cluster, C, [a]))
        end},
        {"one of five while another one is down", 5, fun(Cluster, Nodes, Config) ->
            [A, _, _, D, E] = Nodes,
            ok = put(Cluster, A, [a], 1),
            ok = pando_test_cluster:kill(Cluster, D),
            ok = wipe(Cluster, E),
            ok = start(Cluster, E, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertEqual({ok, 1}, get(Cluster, E, [a])),
            ok = pando_test_cluster:restart(Cluster, D),
            ok = start_store(Cluster, D, ?STORE, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertEqual({ok, 1}, get(Cluster, D, [a]))
        end},
        {"while others write, and nothing that was acknowledged is lost", 3, fun(Cluster, Nodes, Config) ->
            [A, B, C] = Nodes,
            Write = fun(Node) -> call(Cluster, Node, erlang, spawn, [?MODULE, write_until, [?STORE, Node, 0]]) end,
            Writers = [{Node, Write(Node)} || Node <- [A, B]],
            ok = wipe(Cluster, C),
            ok = start(Cluster, C, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            Written = [{Node, stop_writer(Cluster, Node, Pid)} || {Node, Pid} <- Writers],
            [
                begin
                    ?assert(Count > 0),
                    ?assertEqual({ok, Count}, get(Cluster, C, [counter, atom_to_binary(Node)]))
                end
             || {Node, Count} <- Written
            ]
        end},
        {"an amnesiac does not vote: with another one down nobody leads", 3, fun(Cluster, Nodes, Config) ->
            [A, B, C] = Nodes,
            ok = put(Cluster, A, [a], 1),
            ok = wipe(Cluster, C),
            ok = pando_test_cluster:kill(Cluster, B),
            ok = start(Cluster, C, Config),
            ?assertMatch(
                {error, _}, call(Cluster, A, pando, put, [?STORE, [b], 2, #{timeout => 3000}])
            ),
            ?assertEqual(undefined, pando_test_cluster:status(Cluster, C, ?STORE)),
            ok = pando_test_cluster:restart(Cluster, B),
            ok = start_store(Cluster, B, ?STORE, Config),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertEqual({ok, 1}, get(Cluster, C, [a]))
        end},
        {"an old directory, after the node came back with another one, is refused", 3, fun(Cluster, Nodes, Config) ->
            [A, _, C] = Nodes,
            ok = put(Cluster, A, [a], 1),
            Old = pando_test_cluster:data_dir(Cluster, C),
            Wrong = filename:join(Old, "wrong"),
            ok = stop_store(Cluster, C, ?STORE),
            _ = call(Cluster, C, net_kernel, connect_node, [A]),
            {ok, ?STORE} = call(Cluster, C, pando, start, [Wrong, Config#{cluster_name => ?STORE}]),
            ok = await_members(Cluster, ?STORE, Nodes),
            ok = stop_store(Cluster, C, ?STORE),
            ok = put(Cluster, A, [b], 2),
            {error, {pando, open_failed, #{kind := Kind, reason := Reason}}} =
                call(Cluster, C, pando, start, [Old, Config#{cluster_name => ?STORE}]),
            ?assertEqual(removed_member, Kind),
            ?assertMatch({_, _}, binary:match(Reason, <<"came back under the id">>)),
            ?assertEqual(undefined, call(Cluster, C, erlang, whereis, [?STORE])),
            %% The right one opens.
            {ok, ?STORE} = call(Cluster, C, pando, start, [Wrong, Config#{cluster_name => ?STORE}]),
            ok = await_members(Cluster, ?STORE, Nodes),
            ?assertEqual({ok, 2}, get(Cluster, C, [b]))
        end},
        {"an interrupted join in an old directory does not bring the old id back", 3, fun(Cluster, Nodes, Config) ->
            [A, B, C] = Nodes,
            Old = pando_test_cluster:data_dir(Cluster, C),
            Wrong = filename:join(Old, "wrong"),
            #{cluster_id := ClusterId} = pando_test_cluster:status(Cluster, A, ?STORE),
            Joining = pando_joining:join(ClusterId, member_id(Cluster, C), voter, [A, B]),
            ok = stop_store(Cluster, C, ?STORE),
            _ = call(Cluster, C, net_kernel, connect_node, [A]),
            {ok, ?STORE} = call(Cluster, C, pando, start, [Wrong, Config#{cluster_name => ?STORE}]),
            ok = await_members(Cluster, ?STORE, Nodes),
            ok = stop_store(Cluster, C, ?STORE),
            %% As if it had been stopped just before it was done.
            ok = pando_joining:write(call(Cluster, C, pando_directory, of_store, [Old, ?STORE]), Joining),
            ?assertMatch(
                {error, {pando, open_failed, #{kind := removed_member}}},
                call(Cluster, C, pando, start, [Old, Config#{cluster_name => ?STORE}])
            ),
            ?assertEqual(3, length(ids(Cluster, A)))
        end},
        {"started on its old directory while nobody can be asked, it is stopped when somebody can", 3, fun(Cluster, Nodes, Config) ->
            [A, B, C] = Nodes,
            Old = pando_test_cluster:data_dir(Cluster, C),
            Wrong = filename:join(Old, "wrong"),
            ok = stop_store(Cluster, C, ?STORE),
            _ = call(Cluster, C, net_kernel, connect_node, [A]),
            {ok, ?STORE} = call(Cluster, C, pando, start, [Wrong, Config#{cluster_name => ?STORE}]),
            ok = await_members(Cluster, ?STORE, Nodes),
            ok = stop_store(Cluster, C, ?STORE),
            ok = pando_test_cluster:isolate(Cluster, C),
            {ok, ?STORE} = call(Cluster, C, pando, start, [Old, Config#{cluster_name => ?STORE}]),
            ?assertMatch({error, _}, call(Cluster, C, pando, put, [?STORE, [x], 1, #{timeout => 2000}])),
            ok = pando_test_cluster:heal_all(Cluster),
            _ = call(Cluster, C, net_kernel, connect_node, [B]),
            ok = pando_test_cluster:await(stopped, fun() -> call(Cluster, C, erlang, whereis, [?STORE]) =:= undefined end)
        end}
    ]).

%% @private On a node: counts up in the store until it is told to stop.
-spec write_until(atom(), node(), non_neg_integer()) -> no_return().
write_until(Store, Node, Count) ->
    receive
        {stop, From} -> exit(From ! {wrote, Count})
    after 0 ->
        case pando:put(Store, [counter, atom_to_binary(Node)], Count + 1, #{timeout => ?TIMEOUT_MS}) of
            ok -> write_until(Store, Node, Count + 1);
            {error, Reason} -> exit({not_written, Reason})
        end
    end.

stop_writer(Cluster, Node, Pid) ->
    call(Cluster, Node, ?MODULE, stop_writer, [Pid]).

%% @private On its node. How often it has written; a write that was refused has ended it.
-spec stop_writer(pid()) -> non_neg_integer().
stop_writer(Pid) ->
    Monitor = monitor(process, Pid),
    Pid ! {stop, self()},
    receive
        {wrote, Count} ->
            true = demonitor(Monitor, [flush]),
            Count;
        {'DOWN', Monitor, process, Pid, Reason} ->
            error(Reason)
    end.
