%% A cluster of three real nodes, one of which has a full disk: a real file system of a few MiB. The others go on; it comes back when
%% there is room, and nothing that was acknowledged is lost, on its disk either.
%%
%% Mounting takes the rights of root, on Linux. Where it is not permitted these tests are skipped, with a message.
-module(pando_full_disk_cluster_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_cluster, [call/5, await/2]).

-define(STORE, full_disk_cluster).
-define(TIMEOUT_S, 300).
-define(VALUE_SIZE_BYTES, 16 * 1024).
%% Together more than the log has room for when the disk is full, and less than the disk has when there is room again.
-define(WRITES, 300).
%% Of these, so many are under way at a time.
-define(WRITERS, 4).
%% Entries that the one with the full disk lacks when the others have gone on.
-define(BEHIND_MIN, 50).

full_disk_test_() ->
    case pando_small_disk:may_mount() of
        true ->
            [
                {Title, {timeout, ?TIMEOUT_S, fun() -> with_small_disk(Test) end}}
             || {Title, Test} <- [
                    {"the disk of a follower", fun(Cluster, Full, Dir) -> fills_up(Cluster, follower, Full, Dir) end},
                    {"the disk of the leader", fun(Cluster, Full, Dir) -> fills_up(Cluster, leader, Full, Dir) end},
                    {"a member that is killed and opened while its disk is full", fun killed/3}
                ]
            ];
        {false, Why} ->
            {"skipped", fun() -> io:format(user, "~s: skipped, file systems cannot be mounted here: ~ts~n", [?MODULE, Why]) end}
    end.

%% One of the nodes has its data on it.
with_small_disk(Test) ->
    pando_test_cluster:with_cluster(3, fun(Cluster) ->
        [Full | _] = pando_test_cluster:nodes(Cluster),
        Dir = pando_test_cluster:data_dir(Cluster, Full),
        ok = filelib:ensure_path(Dir),
        "" = pando_small_disk:mount(tmpfs, Dir),
        try
            ok = pando_test_cluster:form(Cluster, ?STORE, cluster),
            Test(Cluster, Full, Dir)
        after
            %% Before the files of the cluster are removed: a mount point is not.
            pando_small_disk:unmount(Dir)
        end
    end).

fills_up(Cluster, Role, Full, Dir) ->
    Others = pando_test_cluster:nodes(Cluster) -- [Full],
    ok = lead(Cluster, Role, Full),
    Server = call(Cluster, Full, erlang, whereis, [?STORE]),
    ok = put(Cluster, Full, [kept], 1),
    ok = pando_small_disk:fill(Dir),
    Told = written_until_full(Cluster, Full, Others, lists:seq(1, ?WRITES)),
    %% It lives, says what it has, and that it can take no more.
    ?assertEqual(Server, call(Cluster, Full, erlang, whereis, [?STORE])),
    ?assertEqual({ok, 1}, call(Cluster, Full, pando, get, [?STORE, [kept]])),
    await(is_refused, fun() ->
        case put(Cluster, Full, [refused], 1) of
            {error, {pando, disk_full, #{outcome := not_applied}}} -> true;
            _ -> false
        end
    end),
    goes_on(Cluster, Full, Others),
    ok = pando_small_disk:make_room(Dir),
    comes_back(Cluster, Full, Told),
    ?assertEqual(Server, call(Cluster, Full, erlang, whereis, [?STORE])),
    %% What it has acknowledged since is on its disk.
    ok = pando_test_cluster:restart(Cluster, Full),
    ok = start(Cluster, Full),
    comes_back(Cluster, Full, Told).

killed(Cluster, Full, Dir) ->
    Others = pando_test_cluster:nodes(Cluster) -- [Full],
    ok = lead(Cluster, follower, Full),
    ok = put(Cluster, Full, [kept], 1),
    ok = pando_small_disk:fill(Dir),
    Told = written_until_full(Cluster, Full, Others, lists:seq(1, ?WRITES)),
    ok = pando_test_cluster:kill(Cluster, Full),
    ok = pando_small_disk:fill(Dir),
    ok = pando_test_cluster:restart(Cluster, Full),
    ok = start(Cluster, Full),
    Server = call(Cluster, Full, erlang, whereis, [?STORE]),
    ?assertEqual({ok, 1}, call(Cluster, Full, pando, get, [?STORE, [kept]])),
    ToldMore = written_until_full(Cluster, Full, Others, lists:seq(?WRITES + 1, ?WRITES + ?BEHIND_MIN)),
    goes_on(Cluster, Full, Others),
    ?assertEqual(Server, call(Cluster, Full, erlang, whereis, [?STORE])),
    ok = pando_small_disk:make_room(Dir),
    comes_back(Cluster, Full, Told ++ ToldMore).

start(Cluster, Node) ->
    pando_test_cluster:start_store(Cluster, Node, ?STORE, #{cluster => pando_test_cluster:nodes(Cluster)}).

lead(Cluster, Role, Full) ->
    [Other | _] = pando_test_cluster:nodes(Cluster) -- [Full],
    Leader =
        case Role of
            leader -> Full;
            follower -> Other
        end,
    await({leads, Leader}, fun() ->
        _ = call(Cluster, Full, pando_cluster, transfer_leadership, [?STORE, Leader]),
        pando_test_cluster:leader(Cluster, ?STORE) =:= Leader
    end).

%% Writes through the others. What each write was told; when it returns, one of the others leads, and the one with the full disk is
%% behind.
written_until_full(Cluster, Full, Others, Numbers) ->
    Told = lists:append(
        pando_test_store:parallel(?WRITERS, fun(Writer) ->
            Node = lists:nth(Writer rem length(Others) + 1, Others),
            [
                {N, outcome(put(Cluster, Node, [n, <<N:32>>], value(N)))}
             || N <- Numbers, N rem ?WRITERS =:= Writer - 1
            ]
        end)
    ),
    ?assertEqual(Numbers, lists:sort([N || {N, _} <- Told])),
    Leader = pando_test_cluster:await_leader(Cluster, ?STORE, fun(Node) -> Node =/= Full end),
    Index = fun(Node) -> maps:get(last_log_index, pando_test_cluster:status(Cluster, Node, ?STORE)) end,
    ?assert(Index(Leader) - Index(Full) >= ?BEHIND_MIN),
    Told.

goes_on(Cluster, Full, Others) ->
    [?assertEqual(ok, put(Cluster, Node, [goes_on, Node], 1)) || _ <- lists:seq(1, 20), Node <- Others],
    ?assertEqual({ok, none}, call(Cluster, Full, pando, get_or, [?STORE, [goes_on, hd(Others)], none])).

comes_back(Cluster, Full, Told) ->
    await(takes_writes, fun() -> put(Cluster, Full, [room], 1) =:= ok end),
    Nodes = pando_test_cluster:nodes(Cluster),
    [Tree | Trees] = [call(Cluster, Node, pando_adv, get_many, [?STORE, "**", #{favor => consistency}]) || Node <- Nodes],
    [?assert(Tree =:= Other) || Other <- Trees],
    [
        begin
            Found = call(Cluster, Full, pando, get_or, [?STORE, [n, <<N:32>>], none]),
            Allowed =
                case Outcome of
                    done -> [{ok, value(N)}];
                    not_applied -> [{ok, none}];
                    unknown -> [{ok, value(N)}, {ok, none}]
                end,
            ?assert(lists:member(Found, Allowed))
        end
     || {N, Outcome} <- Told
    ],
    Count = fun(Outcome) -> length([N || {N, Told1} <- Told, Told1 =:= Outcome]) end,
    %% The cluster went on: not each write was waiting for the one without room.
    ?assert(Count(done) > length(Told) div 2),
    ?debugFmt("~b writes beside a full disk: ~b done, ~b refused, ~b unknown", [
        length(Told) | [Count(Outcome) || Outcome <- [done, not_applied, unknown]]
    ]).

put(Cluster, Node, Path, Value) -> call(Cluster, Node, pando, put, [?STORE, Path, Value]).

value(N) -> binary:copy(<<N:32>>, ?VALUE_SIZE_BYTES div 4).

outcome(ok) -> done;
outcome({error, {pando, _, #{outcome := Outcome}}}) -> Outcome;
outcome({error, timeout}) -> unknown.
