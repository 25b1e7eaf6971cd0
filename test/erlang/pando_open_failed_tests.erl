%% Data directories that cannot be opened: each gives its documented error, and nothing stays running or is
%% changed.
-module(pando_open_failed_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1, new_name/0, quietly/1, await/1]).

%% docs/formats.md.
-define(VERSION_OFFSET, 8).

%% A directory with a store in it that has some data and is closed.
with_closed_store(Test) ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [b], binary:copy(<<"b">>, 100000)),
            ok = pando:stop(S),
            Test(Dir, S, filename:join(Dir, S))
        end)
    end}.

fails(Dir, S, Kind) ->
    Before = threads(),
    quietly(fun() ->
        [
            begin
                {error, {pando, open_failed, Props}} = pando:start(Dir, S),
                #{kind := Found, reason := Reason, directory := Directory} = Props,
                ?assertEqual({Kind, Reason}, {Found, Reason}),
                ?assertEqual(list_to_binary(filename:join(Dir, S)), Directory),
                ?assert(is_binary(Reason) andalso byte_size(Reason) > 10),
                ?assert(is_list(pando_errors:format({pando, open_failed, Props}))),
                ?assertEqual(undefined, whereis(S)),
                ?assertNot(lists:member(S, pando:get_store_ids())),
                ?assertEqual({error, noproc}, pando:get(S, [a]))
            end
            %% The second time is like the first.
         || _ <- [1, 2]
        ]
    end),
    await(fun() -> threads() =< Before end).

%% Threads of stores; those of the process (consensus, reaper) may stay.
threads() ->
    length([T || T <- pando_test_threads:names(), not pando_test_threads:is_of_process(T)]).

opens(Dir, S) ->
    ?assertEqual({ok, S}, pando:start(Dir, S)),
    ?assertEqual({ok, 1}, pando:get(S, [a])),
    ?assertEqual({ok, binary:copy(<<"b">>, 100000)}, pando:get(S, [b])),
    ok = pando:stop(S).

patch(File, Offset, Bytes) ->
    {ok, Fd} = file:open(File, [read, write, raw, binary]),
    {ok, Before} = file:pread(Fd, Offset, byte_size(Bytes)),
    ok = file:pwrite(Fd, Offset, Bytes),
    ok = file:close(Fd),
    Before.

%% Puts the right checksum of the first `Covered' bytes behind them.
seal(File, Covered) ->
    {ok, <<Bytes:Covered/binary, _/binary>>} = file:read_file(File),
    patch(File, Covered, <<(erlang:crc32(Bytes)):32/little>>).

first_segment(Directory) ->
    [Segment | _] = lists:sort(filelib:wildcard(filename:join([Directory, "log", "*.segment"]))),
    Segment.

the_directory_test_() ->
    [
        {"is a file", with_closed_store(fun(Dir, S, Directory) ->
            Aside = Directory ++ ".aside",
            ok = file:rename(Directory, Aside),
            ok = file:write_file(Directory, "not a directory"),
            fails(Dir, S, not_a_directory),
            ?assertEqual({ok, <<"not a directory">>}, file:read_file(Directory)),
            ok = file:delete(Directory),
            ok = file:rename(Aside, Directory),
            opens(Dir, S)
        end)},
        {"is below a file", with_closed_store(fun(_, S, Directory) ->
            Identity = filename:join(Directory, "IDENTITY"),
            {error, {pando, open_failed, #{kind := Kind}}} = pando:start(Identity, S),
            ?assert(Kind =:= unreadable orelse Kind =:= not_a_directory),
            ?assertEqual(undefined, whereis(S))
        end)},
        {"may not be read", with_closed_store(fun(Dir, S, Directory) ->
            ok = file:change_mode(Directory, 8#000),
            try
                case file:list_dir(Directory) of
                    {error, eacces} ->
                        fails(Dir, S, unreadable);
                    {ok, _} ->
                        io:format(user, "~nunreadable directory: skipped, root may read everything~n", [])
                end
            after
                ok = file:change_mode(Directory, 8#755)
            end,
            opens(Dir, S)
        end)},
        {"cannot be made: /proc takes no directories, for nobody", {timeout, 60, fun() ->
            S = new_name(),
            fails("/proc", S, unreadable)
        end}},
        {"is open in this VM under another name", with_closed_store(fun(Dir, S, Directory) ->
            {ok, S} = pando:start(Dir, S),
            Other = new_name(),
            ok = file:make_symlink(Directory, filename:join(Dir, Other)),
            {error, {pando, open_failed, #{kind := locked, reason := Reason}}} = pando:start(Dir, Other),
            ?assertNotEqual(nomatch, binary:match(Reason, list_to_binary(os:getpid()))),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S),
            ok = file:delete(filename:join(Dir, Other)),
            opens(Dir, S)
        end)}
    ].

fails_with_any_kind(Dir, S) ->
    {error, {pando, open_failed, #{kind := Kind, reason := Reason}}} = pando:start(Dir, S),
    ?assert(is_atom(Kind) andalso is_binary(Reason)),
    ?assertEqual(undefined, whereis(S)).

%% The reason waits for the one who starts the store: it used to be gone when opening failed before the question came.
a_failure_that_nobody_has_asked_for_yet_test() ->
    pando_test_store:with_dir(fun(Dir) ->
        S = new_name(),
        ok = filelib:ensure_path(Dir),
        ok = file:write_file(filename:join(Dir, S), ""),
        Config = #{store_id => S, data_dir => Dir, opened => atomics:new(1, []), backend => pando_backend:configured()},
        {ok, Supervisor} = pando_sup:start_store(Config),
        Monitor = monitor(process, Supervisor),
        Server = whereis(S),
        pando_test_store:await(fun() -> lists:keymember(failed, 1, phases(sys:get_state(Server))) end),
        ?assertMatch({error, {pando, open_failed, #{kind := not_a_directory}}}, pando_server:await_open(Server, infinity)),
        receive
            {'DOWN', Monitor, process, Supervisor, Reason} -> ?assertEqual(shutdown, Reason)
        end
    end).

phases(ServerState) ->
    [Field || Field <- tuple_to_list(ServerState), is_tuple(Field)].

the_identity_test_() ->
    Identity = fun(Directory) -> filename:join(Directory, "IDENTITY") end,
    [
        {"is of a newer format", with_closed_store(fun(Dir, S, Directory) ->
            File = Identity(Directory),
            {ok, Before} = file:read_file(File),
            _ = patch(File, ?VERSION_OFFSET, <<99:32/little>>),
            _ = seal(File, 40),
            fails(Dir, S, newer_format),
            ok = file:write_file(File, Before),
            opens(Dir, S)
        end)},
        {"is damaged, at any byte", with_closed_store(fun(Dir, S, Directory) ->
            File = Identity(Directory),
            {ok, Before} = file:read_file(File),
            ?assertEqual(44, byte_size(Before)),
            [
                begin
                    <<Head:Offset/binary, Byte, Tail/binary>> = Before,
                    ok = file:write_file(File, <<Head/binary, (Byte bxor 16#40), Tail/binary>>),
                    Failed = quietly(fun() -> pando:start(Dir, S) end),
                    {error, {pando, open_failed, #{kind := Kind}}} = Failed,
                    ?assert(Kind =:= damaged orelse Kind =:= newer_format)
                end
             || Offset <- lists:seq(0, 43)
            ],
            ok = file:write_file(File, Before),
            opens(Dir, S)
        end)},
        {"is cut off, or empty, or too long", with_closed_store(fun(Dir, S, Directory) ->
            File = Identity(Directory),
            {ok, Before} = file:read_file(File),
            [
                begin
                    ok = file:write_file(File, Bytes),
                    fails(Dir, S, damaged)
                end
             || Bytes <- [<<>>, binary:part(Before, 0, 20), binary:part(Before, 0, 43), <<Before/binary, 0>>]
            ],
            ok = file:write_file(File, Before),
            opens(Dir, S)
        end)},
        {"is missing", with_closed_store(fun(Dir, S, Directory) ->
            File = Identity(Directory),
            ok = file:rename(File, File ++ ".aside"),
            fails(Dir, S, damaged),
            ok = file:rename(File ++ ".aside", File),
            opens(Dir, S)
        end)}
    ].

the_log_test_() ->
    [
        {"is of a newer format", with_closed_store(fun(Dir, S, Directory) ->
            Segment = first_segment(Directory),
            Version = patch(Segment, ?VERSION_OFFSET, <<99:32/little>>),
            Sum = seal(Segment, 48),
            fails(Dir, S, newer_format),
            _ = patch(Segment, ?VERSION_OFFSET, Version),
            _ = patch(Segment, 48, Sum),
            opens(Dir, S)
        end)},
        {"is damaged in the middle", with_closed_store(fun(Dir, S, Directory) ->
            %% The first batch, with others behind it.
            Segment = first_segment(Directory),
            Before = patch(Segment, 4096 + 40, <<255, 255, 255, 255>>),
            fails(Dir, S, damaged),
            _ = patch(Segment, 4096 + 40, Before),
            opens(Dir, S)
        end)},
        {"is gone", with_closed_store(fun(Dir, S, Directory) ->
            Log = filename:join(Directory, "log"),
            ok = file:rename(Log, Log ++ ".aside"),
            fails(Dir, S, damaged),
            ok = file:del_dir_r(Log),
            ok = file:rename(Log ++ ".aside", Log),
            opens(Dir, S)
        end)},
        {"is of another store", with_closed_store(fun(Dir, S, Directory) ->
            Other = new_name(),
            {ok, Other} = pando:start(Dir, Other),
            ok = pando:put(Other, [a], 2),
            ok = pando:stop(Other),
            Log = filename:join(Directory, "log"),
            ok = file:rename(Log, Log ++ ".aside"),
            ok = file:rename(filename:join([Dir, Other, "log"]), Log),
            fails(Dir, S, other_store),
            ok = file:del_dir_r(Log),
            ok = file:rename(Log ++ ".aside", Log),
            opens(Dir, S)
        end)}
    ].

a_directory_name_that_is_no_text_test_() ->
    [
        {pando_test_store:title(Dir), {timeout, 60, fun() ->
            S = new_name(),
            Raised = {pando_ex, invalid_data_dir, #{data_dir => Dir}},
            ?assertError(Raised, pando:start(Dir, S)),
            ?assertError(Raised, pando_cluster:start_link(#{store_id => S, data_dir => Dir})),
            ?assertEqual(undefined, whereis(S))
        end}}
     || Dir <- [[16#D800], [-1], [a, {}], <<255, 254>>, <<"/tmp/", 255>>]
    ].

a_directory_name_that_no_file_has_test_() ->
    [
        {pando_test_store:title(Dir), {timeout, 60, fun() -> fails_with_any_kind(Dir, new_name()) end}}
     || Dir <- ["/tmp/\0/x", <<"/tmp/", 0, "x">>, "/proc/none", "/dev/null/x"]
    ].
