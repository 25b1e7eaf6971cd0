%% A store whose disk is full, or away: real file systems of a few MiB, mounted for the test.
%%
%% Mounting takes the rights of root, on Linux. Where it is not permitted these tests are skipped, with a message; those that
%% need no mount run all the same.
-module(pando_full_disk_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [with_dir/1, new_name/0, await/1, quietly/1]).
-import(pando_small_disk, [may_mount/0, has_tools/1, mount/2, unmount/1, fill/1, make_room/1]).

-export([fill_up/1]).

-define(TIMEOUT_S, 120).
-define(SMALL_SIZE_BYTES, 1000).
-define(MEDIUM_SIZE_BYTES, 100 * 1024).
%% More than what is left of the log's first segment, and than any disk here has room for once it is full.
-define(LARGE_SIZE_BYTES, 3 * 1024 * 1024).
%% So few that their values together fit into what the log keeps free.
-define(CALLERS, 4).
%% So many that they do not.
-define(CALLERS_TOO_MANY, 16).
-define(LARGE_WRITES, 10).
-define(REOPEN_PAUSE_MS, 500).
%% Longer than the log waits before it tries again to make a segment.
-define(RETRIED_MS, 1500).
-define(STORE, full_disk).

%% -------------------------------------------------------------------
%% A full disk
%% -------------------------------------------------------------------

full_disk_test_() ->
    on_disks([
        {"writes are refused, reads go on, and it ends by itself", [tmpfs, ext4], fun refused_until_there_is_room/1},
        {"killed and opened while it is full", [tmpfs, ext4], fun killed_and_opened/1},
        {"opened where there is no room for the name of the holder", [tmpfs], fun no_room_for_the_lock/1},
        {"a new store finds no room", [tmpfs, ext4], fun no_room_for_a_new_store/1},
        {"one write larger than what is free", [tmpfs, ext4], fun one_large_write/1},
        {"many callers with larger values", [tmpfs], fun many_callers/1}
    ]).

refused_until_there_is_room(Dir) ->
    S = new_name(),
    {ok, S} = pando:start(Dir, S),
    [ok = pando:put(S, [tree, <<N>>, leaf], N) || N <- lists:seq(1, 10)],
    ok = pando:put(S, [kept], 1),
    fill(Dir),
    _ = until_refused(S, 1),
    Server = whereis(S),
    Monitor = monitor(process, Server),
    Tree = pando_adv:get_many(S, "**"),
    Refused = [
        {put, fun() -> pando:put(S, [kept], 2) end},
        {create, fun() -> pando:create(S, [new], 2) end},
        {update, fun() -> pando:update(S, [kept], 2) end},
        {compare_and_swap, fun() -> pando:compare_and_swap(S, [kept], 1, 2) end},
        {put_many, fun() -> pando:put_many(S, [tree, ?PANDO_WILDCARD_STAR], 2) end},
        {clear_payload, fun() -> pando:clear_payload(S, [kept]) end},
        {delete, fun() -> pando:delete(S, [kept]) end},
        {delete_many, fun() -> pando:delete_many(S, [tree, ?PANDO_WILDCARD_STAR]) end},
        {request, fun() -> pando:put(S, [kept], 2, #{request_id => <<"id">>}) end},
        {transaction, fun() -> pando:transaction(S, fun() -> pando_tx:put([kept], 2) end) end},
        {transaction_as_data, fun() -> pando:transaction(S, #{commands => [{delete, [kept]}]}) end},
        {async, fun() ->
            ok = pando:put(S, [kept], 2, #{async => 7}),
            receive
                {ra_event, _, _} = Message ->
                    [{7, Result}] = pando:handle_async_ret(S, Message),
                    Result
            end
        end}
    ],
    [?assertEqual({Name, no_room}, {Name, is_refused(Write())}) || {Name, Write} <- Refused],
    ?assertEqual(ok, pando:put(S, [kept], 2, #{async => true})),
    Reads = [
        fun() -> pando:get(S, [kept]) end,
        fun() -> pando:get(S, [kept], #{favor => consistency}) end,
        fun() -> pando:transaction(S, fun() -> pando_tx:get([kept]) end, ro) end,
        fun() -> pando:transaction(S, fun() -> pando_tx:get([kept]) end) end
    ],
    ?assertEqual([{ok, 1}, {ok, 1}, {ok, {ok, 1}}, {ok, {ok, 1}}], [Read() || Read <- Reads]),
    ?assertEqual(ok, pando:fence(S)),
    ?assertEqual({ok, 55}, pando:fold(S, [tree, ?PANDO_WILDCARD_STAR, leaf], fun(_, #{data := N}, Sum) -> N + Sum end, 0)),
    ?assertEqual(Tree, pando_adv:get_many(S, "**")),
    %% It tries again meanwhile, and goes on refusing.
    timer:sleep(?RETRIED_MS),
    ?assertEqual(no_room, is_refused(pando:put(S, [kept], 2))),
    ok = make_room(Dir),
    await(fun() -> pando:put(S, [room], 1) =:= ok end),
    %% What was refused was not done, and is not kept for a request: it is done now.
    ?assertEqual({ok, 1}, pando:get(S, [kept])),
    ?assertEqual(ok, pando:put(S, [kept], 2, #{request_id => <<"id">>})),
    ?assertEqual(ok, pando:delete_many(S, [tree, ?PANDO_WILDCARD_STAR])),
    ?assertEqual(ok, pando:put(S, [large], binary:copy(<<1>>, ?LARGE_SIZE_BYTES))),
    receive
        {'DOWN', Monitor, process, Server, Reason} -> error({the_store_has_ended, Reason})
    after 0 -> true = demonitor(Monitor, [flush])
    end,
    opens_with_the_same(Dir, S).

killed_and_opened(Dir) ->
    Acknowledged = pando_test_store:start_erl(?MODULE, fill_up, [Dir], fun(Erl) ->
        Line = pando_test_store:next_line(Erl),
        _ = pando_test_store:kill_erl(Erl),
        binary_to_integer(Line)
    end),
    ?assert(Acknowledged > 0),
    fill(Dir),
    S = ?STORE,
    ?assertEqual({ok, S}, pando:start(Dir, S)),
    Server = whereis(S),
    All = [{ok, value(N, ?SMALL_SIZE_BYTES)} || N <- lists:seq(1, Acknowledged)],
    ?assertEqual(All, [pando:get(S, [n, <<N:32>>]) || N <- lists:seq(1, Acknowledged)]),
    ?assertEqual({ok, Acknowledged}, pando:count(S, [n, ?PANDO_WILDCARD_STAR])),
    More = until_refused(S, Acknowledged + 1),
    %% An orderly end and another opening on the full disk.
    ok = pando:stop(S),
    fill(Dir),
    ?assertEqual({ok, S}, pando:start(Dir, S)),
    ?assertEqual({ok, More}, pando:count(S, [n, ?PANDO_WILDCARD_STAR])),
    ok = make_room(Dir),
    await(fun() -> pando:put(S, [room], 1) =:= ok end),
    ?assertNotEqual(Server, whereis(S)),
    opens_with_the_same(Dir, S).

%% In a VM of its own: writes until the disk is full, tells how often it could, and waits.
-spec fill_up([string()]) -> no_return().
fill_up([Dir]) ->
    {ok, ?STORE} = pando:start(Dir, ?STORE),
    fill(Dir),
    Acknowledged = until_refused(?STORE, 1),
    io:put_chars(integer_to_list(Acknowledged) ++ "\n"),
    receive
        never -> ok
    end.

no_room_for_the_lock(Dir) ->
    S = new_name(),
    {ok, S} = pando:start(Dir, S),
    ok = pando:put(S, [kept], 1),
    ok = pando:stop(S),
    %% As a kill between the two operations, or another who took the room, may leave it.
    ok = file:write_file(filename:join([Dir, S, "LOCK"]), ""),
    fill(Dir),
    ?assertEqual({ok, S}, pando:start(Dir, S)),
    ?assertEqual({ok, 1}, pando:get(S, [kept])),
    opens_with_the_same(Dir, S).

no_room_for_a_new_store(Dir) ->
    S = new_name(),
    fill(Dir),
    quietly(fun() ->
        [?assertMatch({error, {pando, open_failed, #{kind := disk_full}}}, pando:start(Dir, S)) || _ <- [1, 2]]
    end),
    ok = make_room(Dir),
    ?assertEqual({ok, S}, pando:start(Dir, S)),
    ?assertEqual(ok, pando:put(S, [a], 1)),
    opens_with_the_same(Dir, S).

%% It may halt the store, which is open again soon; whatever is answered is true.
one_large_write(Dir) ->
    quietly(fun() ->
        S = new_name(),
        {ok, S} = pando:start(Dir, S),
        ok = pando:put(S, [kept], 1),
        fill(Dir),
        Large = value(0, ?LARGE_SIZE_BYTES),
        Answer = pando:put(S, [large], Large),
        await(fun() -> pando:get(S, [kept]) =:= {ok, 1} end),
        Outcome = outcome(Answer),
        ?assertNotEqual(done, Outcome),
        [?assertNot(pando:exists(S, [large])) || Outcome =:= not_applied],
        ?assert(lists:member(pando:get_or(S, [large], none), [{ok, none}, {ok, Large}])),
        ok = make_room(Dir),
        await(fun() -> pando:put(S, [large], Large) =:= ok end),
        opens_with_the_same(Dir, S)
    end).

many_callers(Dir) -> many_callers(Dir, ?CALLERS).

many_callers(Dir, Callers) ->
    quietly(fun() ->
        S = new_name(),
        {ok, S} = pando:start(Dir, S),
        Server = whereis(S),
        ok = pando:put(S, [kept], 1),
        fill(Dir),
        Ends = pando_test_store:parallel(Callers, fun(Caller) -> {Caller, until_full(S, Caller, 1, [])} end),
        ?assertEqual(Server, whereis(S)),
        await(fun() -> pando:get(S, [kept]) =:= {ok, 1} end),
        [
            begin
                Found = pando:get_or(S, [n, <<Caller>>, <<N:32>>], none),
                There = {ok, value(N, ?MEDIUM_SIZE_BYTES)},
                case Outcome of
                    done -> ?assertEqual(There, Found);
                    not_applied -> ?assertEqual({ok, none}, Found);
                    unknown -> ?assert(lists:member(Found, [There, {ok, none}]))
                end
            end
         || {Caller, Outcomes} <- Ends, {N, Outcome} <- Outcomes
        ],
        ?assert(lists:member(not_applied, [Outcome || {_, Outcomes} <- Ends, {_, Outcome} <- Outcomes])),
        ok = make_room(Dir),
        await(fun() -> pando:put(S, [room], 1) =:= ok end),
        opens_with_the_same(Dir, S)
    end).

until_full(S, Caller, N, Outcomes) ->
    case outcome(pando:put(S, [n, <<Caller>>, <<N:32>>], value(N, ?MEDIUM_SIZE_BYTES))) of
        not_applied ->
            [{N, not_applied} | Outcomes];
        Outcome ->
            until_full(S, Caller, N + 1, [{N, Outcome} | Outcomes])
    end.

large_writes_test_() ->
    on_disks([
        {"writes larger than what is free are refused, again and again", [tmpfs], fun large_writes/1},
        {"so are too many at once", [tmpfs], fun(Dir) -> many_callers(Dir, ?CALLERS_TOO_MANY) end}
    ]).

large_writes(Dir) ->
    quietly(fun() ->
        S = new_name(),
        {ok, S} = pando:start(Dir, S),
        Server = whereis(S),
        ok = pando:put(S, [kept], 1),
        fill(Dir),
        Large = value(0, ?LARGE_SIZE_BYTES),
        Answers = [is_refused(pando:put(S, [large], Large)) || _ <- lists:seq(1, ?LARGE_WRITES)],
        ?assertEqual([no_room || _ <- Answers], Answers),
        ?assertEqual({Server, {ok, 1}}, {whereis(S), pando:get(S, [kept])}),
        ok = pando:stop(S)
    end).

%% -------------------------------------------------------------------
%% A disk that is away, or takes no new files
%% -------------------------------------------------------------------

disk_away_test_() ->
    on_disks([
        {"is waited for, and not taken for an empty one", [bind], fun unmounted/1},
        {"no new files can be made", [ext4], fun no_new_files/1}
    ]).

directory_away_test_() ->
    {"a directory that was renamed is waited for", {timeout, ?TIMEOUT_S, fun() ->
        with_dir(fun(Dir) ->
            away(Dir, fun(S) ->
                Directory = filename:join(Dir, S),
                ok = file:rename(Directory, Directory ++ ".away"),
                fun() -> ok = file:rename(Directory ++ ".away", Directory) end
            end)
        end)
    end}}.

%% The mount point is an empty directory then.
unmounted(Dir) ->
    away(Dir, fun(_S) ->
        "" = os:cmd("umount -l " ++ Dir ++ " 2>&1"),
        fun() -> "" = mount(bind, Dir) end
    end).

%% `TakeAway' answers a function that brings it back.
away(Dir, TakeAway) ->
    application:set_env(pando, reopen_pause_ms, ?REOPEN_PAUSE_MS),
    try
        quietly(fun() ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            ok = pando:put(S, [kept], 1),
            BringBack = TakeAway(S),
            ?assertEqual({ok, 1}, pando:get(S, [kept])),
            Server = whereis(S),
            ok = pando_backend:provoke_panic(S, apply),
            await(fun() -> is_pid(whereis(S)) andalso whereis(S) =/= Server end),
            ?assertMatch(
                {error, {pando, open_failed, #{kind := missing}}}, pando_server:await_open(whereis(S), infinity)
            ),
            ?assertEqual({error, noproc}, pando:get(S, [kept])),
            ?assertEqual({error, noproc}, pando:put(S, [kept], 2)),
            %% More than one attempt.
            Waiting = whereis(S),
            await(fun() -> is_pid(whereis(S)) andalso whereis(S) =/= Waiting end),
            _ = BringBack(),
            await(fun() -> pando:get(S, [kept]) =:= {ok, 1} end),
            ?assertEqual(ok, pando:put(S, [kept], 2)),
            opens_with_the_same(Dir, S)
        end)
    after
        application:unset_env(pando, reopen_pause_ms)
    end.

%% As on a file system that the system has made read-only, as far as that can be had without a fault of the disk.
no_new_files(Dir) ->
    S = new_name(),
    {ok, S} = pando:start(Dir, S),
    Server = whereis(S),
    ok = pando:put(S, [kept], 1),
    Log = filename:join([Dir, S, "log"]),
    "" = os:cmd("chattr +i " ++ Log ++ " 2>&1"),
    try
        _ = until_refused(S, 1),
        {error, {pando, disk_full, #{reason := Reason}}} = pando:put(S, [kept], 2),
        ?assertNotEqual(nomatch, binary:match(Reason, <<"Operation not permitted">>)),
        ?assertEqual({ok, 1}, pando:get(S, [kept]))
    after
        "" = os:cmd("chattr -i " ++ Log ++ " 2>&1")
    end,
    await(fun() -> pando:put(S, [kept], 2) =:= ok end),
    ?assertEqual(Server, whereis(S)),
    opens_with_the_same(Dir, S).

%% -------------------------------------------------------------------

opens_with_the_same(Dir, S) ->
    Tree = pando_adv:get_many(S, "**"),
    ok = pando:stop(S),
    ?assertEqual({ok, S}, pando:start(Dir, S)),
    ?assertEqual(Tree, pando_adv:get_many(S, "**")),
    ok = pando:stop(S).

%% Writes until it is refused for lack of room; answers the number of the last that was done.
until_refused(S, N) ->
    case pando:put(S, [n, <<N:32>>], value(N, ?SMALL_SIZE_BYTES)) of
        ok ->
            until_refused(S, N + 1);
        Refused ->
            no_room = is_refused(Refused),
            N - 1
    end.

value(N, Size) -> binary:copy(<<N:32>>, Size div 4).

is_refused({error, {pando, disk_full, #{outcome := not_applied, reason := Reason}}}) when is_binary(Reason) -> no_room;
is_refused(Other) -> Other.

outcome(ok) -> done;
outcome({error, noproc}) -> not_applied;
outcome({error, {pando, _, #{outcome := Outcome}}}) -> Outcome.

on_disks(Tests) ->
    case may_mount() of
        true ->
            [
                {Title ++ " (" ++ atom_to_list(Kind) ++ ")",
                    {timeout, ?TIMEOUT_S, fun() -> with_disk(Kind, Test) end}}
             || {Title, Kinds, Test} <- Tests, Kind <- Kinds, has_tools(Kind)
            ];
        {false, Why} ->
            {"skipped", fun() -> io:format(user, "~s: skipped, file systems cannot be mounted here: ~ts~n", [?MODULE, Why]) end}
    end.

with_disk(Kind, Test) ->
    with_dir(fun(Dir) ->
        ok = filelib:ensure_path(Dir),
        try
            "" = mount(Kind, Dir),
            Test(Dir)
        after
            %% What a failed test has left.
            quietly(fun() -> [pando:stop(Left) || Left <- pando:get_store_ids()] end),
            ok = unmount(Dir)
        end
    end).
