%% `pando:verify/1': what it says of stores that are whole, damaged, of another release, open, not there; that it agrees with what
%% opening answers then; and that it leaves nothing behind.
-module(pando_verify_tests).

-include_lib("eunit/include/eunit.hrl").

-export([command/1]).

-import(pando_test_store, [with_dir/1, new_name/0, quietly/1, await/1]).

%% docs/formats.md.
-define(VERSION_OFFSET, 8).
-define(SEGMENT_HEADER_BYTES, 4096).
-define(VALUE_SIZE_BYTES, 100000).
%% A snapshot takes 16 MiB of log; more than that is needed for two only if the machine is very slow.
-define(VALUES_MAX, 10000).

%%% What is there

%% A data directory with a store in it that has some data; `Test(DataDir, Store, Directory)'.
with_store(Test) ->
    {timeout, 120, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            try
                ok = pando:put(S, [a], 1),
                ok = pando:put(S, [b], binary:copy(<<"b">>, ?VALUE_SIZE_BYTES)),
                Test(Dir, S, filename:join(Dir, S))
            after
                ok = pando:stop(S)
            end
        end)
    end}.

with_closed_store(Test) ->
    with_store(fun(Dir, S, Directory) ->
        ok = pando:stop(S),
        Test(Dir, S, Directory)
    end).

%% One with several segments and two snapshots, made once for all tests that do not change it: they copy it.
large_store() ->
    Dir = filename:join(os:getenv("TMPDIR", "/tmp"), "pando-verify-" ++ os:getpid()),
    S = new_name(),
    {ok, S} = pando:start(Dir, S),
    Value = binary:copy(<<"v">>, ?VALUE_SIZE_BYTES),
    fill(S, filename:join(Dir, S), Value, 1),
    ok = pando:put(S, [a], 1),
    ok = pando:stop(S),
    {Dir, S}.

%% Until there are two snapshots, none is under way, and the log has been purged up to the older one.
fill(S, Directory, Value, N) when N < ?VALUES_MAX ->
    ok = pando:put(S, [values, integer_to_binary(N rem 10)], Value),
    First = filename:join([Directory, "log", "0000000000000001.segment"]),
    case {files(Directory, "snapshot/*.snapshot"), files(Directory, "snapshot/*.tmp"), filelib:is_file(First)} of
        {[_, _], [], false} -> ok;
        _ -> fill(S, Directory, Value, N + 1)
    end.

remove_large_store({Dir, _}) ->
    file:del_dir_r(Dir).

with_copy({Dir, S}, Test) ->
    {timeout, 120, fun() ->
        with_dir(fun(CopyDir) ->
            Copy = new_name(),
            Directory = filename:join(CopyDir, Copy),
            copy(filename:join(Dir, S), Directory),
            Test(CopyDir, Copy, Directory)
        end)
    end}.

copy(From, To) ->
    ok = filelib:ensure_path(To),
    {ok, Names} = file:list_dir(From),
    [
        case filelib:is_dir(filename:join(From, Name)) of
            true -> copy(filename:join(From, Name), filename:join(To, Name));
            %% One that a running store removes meanwhile.
            false -> file:copy(filename:join(From, Name), filename:join(To, Name))
        end
     || Name <- Names
    ],
    ok.

files(Directory, Pattern) ->
    lists:sort(filelib:wildcard(filename:join(Directory, Pattern))).

%% Everything in a directory that opening may not have changed either.
content(Directory) ->
    [{Path, file:read_file(Path)} || Path <- files(Directory, "**"), filelib:is_regular(Path)].

%%% What is said

verdict(Dir) ->
    {ok, #{verdict := Verdict}} = pando:verify(Dir),
    Verdict.

%% The report on one store; nothing was changed for it.
look_at(Directory) ->
    Before = content(Directory),
    {ok, Report} = pando:verify(Directory),
    ?assertEqual(Before, content(Directory)),
    #{verdict := Verdict, directory := Path, stores := [Store], text := Text} = Report,
    ?assertEqual(unicode:characters_to_binary(Directory), Path),
    ?assertMatch(#{verdict := Verdict, directory := Path}, Store),
    #{findings := Findings} = Store,
    %% All of it is in the words.
    [?assertNotEqual(nomatch, binary:match(Text, Words)) || #{text := Words} <- Findings],
    ?assertNotEqual(nomatch, binary:match(Text, <<Path/binary, ": ", (atom_to_binary(Verdict))/binary, "\n">>)),
    {Verdict, Findings}.

faults(Findings) ->
    [Finding || #{severity := fault} = Finding <- Findings].

%% It would not open: one of the faults is the reason that `pando:start' answers, which has this kind.
is_refused(Dir, S, Directory, Kind) ->
    {Verdict, Findings} = look_at(Directory),
    ?assertEqual(refused, Verdict),
    {error, {pando, open_failed, #{kind := Found, reason := Reason}}} = quietly(fun() -> pando:start(Dir, S) end),
    ?assertEqual({Kind, Reason}, {Found, Reason}),
    ?assert(lists:member(Reason, [Text || #{text := Text} <- faults(Findings)])),
    Findings.

opens(Dir, S) ->
    ?assertEqual({ok, S}, quietly(fun() -> pando:start(Dir, S) end)),
    ?assertEqual({ok, 1}, pando:get(S, [a])),
    ok = pando:put(S, [after_it], 2),
    ok = pando:stop(S).

patch(File, Offset, Bytes) ->
    {ok, Fd} = file:open(File, [read, write, raw, binary]),
    {ok, Before} = file:pread(Fd, Offset, byte_size(Bytes)),
    ok = file:pwrite(Fd, Offset, Bytes),
    ok = file:close(Fd),
    Before.

flip(File, Offset) ->
    {ok, Fd} = file:open(File, [read, write, raw, binary]),
    {ok, <<Byte>>} = file:pread(Fd, Offset, 1),
    ok = file:pwrite(Fd, Offset, <<(Byte bxor 4)>>),
    ok = file:close(Fd).

%% Puts the right checksum of the first `Covered' bytes behind them.
seal(File, Covered) ->
    {ok, <<Bytes:Covered/binary, _/binary>>} = file:read_file(File),
    patch(File, Covered, <<(erlang:crc32(Bytes)):32/little>>).

%%% Tests

a_store_that_was_stopped_is_sound_test_() ->
    with_closed_store(fun(Dir, S, Directory) ->
        {Verdict, Findings} = look_at(Directory),
        ?assertEqual(sound, Verdict),
        ?assertEqual([fact], lists:usort([Severity || #{severity := Severity} <- Findings])),
        %% The data directory says the same of it.
        {ok, #{verdict := sound, stores := [#{directory := Path}]}} = pando:verify(Dir),
        ?assertEqual(unicode:characters_to_binary(Directory), Path),
        opens(Dir, S)
    end).

a_copy_of_the_files_of_a_store_that_runs_and_rests_is_sound_as_after_a_kill_test_() ->
    with_store(fun(_, _, Directory) ->
        with_dir(fun(CopyDir) ->
            Copy = new_name(),
            CopyDirectory = filename:join(CopyDir, Copy),
            copy(Directory, CopyDirectory),
            {Verdict, _} = look_at(CopyDirectory),
            ?assertEqual(sound, Verdict),
            opens(CopyDir, Copy)
        end)
    end).

what_a_crash_has_left_is_a_remark_test_() ->
    with_closed_store(fun(Dir, S, Directory) ->
        ok = file:write_file(filename:join([Directory, "snapshot", "1.tmp"]), "half"),
        ok = file:write_file(filename:join([Directory, "log", "notes.txt"]), "of somebody"),
        {Verdict, Findings} = look_at(Directory),
        ?assertEqual(remarks, Verdict),
        Paths = [filename:basename(Path) || #{severity := remark, path := Path} <- Findings],
        ?assertEqual([<<"1.tmp">>, <<"notes.txt">>], lists:sort(Paths)),
        opens(Dir, S)
    end).

a_join_that_was_interrupted_is_said_test_() ->
    with_closed_store(fun(_Dir, S, Name) ->
        Directory = unicode:characters_to_binary(Name),
        {ok, ClusterId, MemberId} = pando_joining:identity(Directory),
        Joining = fun(Id) -> pando_joining:join(<<7:128>>, Id, voter, ['a@h', 'b@h']) end,
        Verdict = fun() ->
            {ok, #{verdict := Verdict, stores := [#{findings := Findings}], text := Text}} = pando:verify(Directory),
            Said = [{Severity, Said} || #{path := Path, severity := Severity, text := Said} <- Findings, Path =:= path(Directory)],
            [?assertMatch({_, _}, binary:match(Text, About)) || {_, About} <- Said],
            {Verdict, Said, length(Findings)}
        end,
        {sound, [], All} = Verdict(),
        %% It is still the old member's.
        ok = pando_joining:write(Directory, pando_joining:with_phase(leaving, Joining(9))),
        {remarks, [{remark, Leaving}], Count1} = Verdict(),
        ?assertEqual(All + 1, Count1),
        [?assertNotEqual(nomatch, binary:match(Leaving, About)) || About <- [<<"member 9">>, <<"a@h, b@h">>, <<"left">>]],
        %% What is there goes.
        ok = pando_joining:write(Directory, Joining(9)),
        ?assertMatch({remarks, [{remark, _}], 1}, Verdict()),
        %% It has become another one, and data of its own.
        ok = pando_joining:write(Directory, pando_joining:join(ClusterId, MemberId, voter, ['a@h'])),
        ?assertMatch({remarks, [{remark, _}], Count1}, Verdict()),
        ok = pando_joining:write(Directory, pando_joining:found(<<7:128>>)),
        ?assertMatch({remarks, [{remark, <<"a join was given up", _/binary>>}], 1}, Verdict()),
        %% As opening it says.
        ok = file:write_file(path(Directory), <<"PANDOJNG", 2:32/little>>),
        {refused, [{fault, Newer}], Count1} = Verdict(),
        ok = file:write_file(path(Directory), <<"JOINING">>),
        {refused, [{fault, Damaged}], Count1} = Verdict(),
        [?assertNotEqual(nomatch, binary:match(Said, About)) || {Said, About} <- [{Newer, <<"version 2">>}, {Damaged, <<"damaged">>}]],
        {error, {pando, open_failed, #{reason := Reason}}} = quietly(fun() -> pando:start(filename:dirname(Directory), S) end),
        ?assertNotEqual(nomatch, binary:match(Reason, Damaged)),
        ok = file:delete(path(Directory)),
        ?assertEqual({sound, [], All}, Verdict())
    end).

path(Directory) -> unicode:characters_to_binary(filename:join(Directory, "JOINING")).

a_store_that_is_open_is_not_read_and_stays_open_and_locked_test_() ->
    with_store(fun(_, S, Directory) ->
        {ok, #{verdict := in_use, stores := [#{findings := [#{text := Text}]}]}} = pando:verify(Directory),
        %% Who has it.
        ?assertNotEqual(nomatch, binary:match(Text, list_to_binary(os:getpid()))),
        ok = pando:put(S, [a], 2),
        ?assertEqual({ok, 2}, pando:get(S, [a])),
        %% The lock was not let go: another process of the operating system does not get it either.
        ?assertEqual(in_use, verdict(Directory)),
        {Lines, Status} = run_command(Directory),
        ?assertEqual({2, true}, {Status, contains(Lines, "in use by")}),
        ok = pando:stop(S),
        ?assertEqual(sound, verdict(Directory))
    end).

damage_test_() ->
    {setup, fun large_store/0, fun remove_large_store/1, fun(Large) ->
        [
            {"nowhere", with_copy(Large, fun(Dir, S, Directory) ->
                {Verdict, Findings} = look_at(Directory),
                ?assertEqual(sound, Verdict),
                ?assertMatch([_, _], [F || #{path := Path} = F <- Findings, filename:extension(Path) =:= <<".snapshot">>]),
                ?assertMatch([_, _ | _], [F || #{path := Path} = F <- Findings, filename:extension(Path) =:= <<".segment">>]),
                opens(Dir, S)
            end)},
            {"a flipped bit in a segment", with_copy(Large, fun(Dir, S, Directory) ->
                [Segment | _] = files(Directory, "log/*.segment"),
                ok = flip(Segment, ?SEGMENT_HEADER_BYTES + 40),
                Findings = is_refused(Dir, S, Directory, damaged),
                ?assertEqual([unicode:characters_to_binary(Segment)], [Path || #{path := Path} <- faults(Findings)])
            end)},
            {"a flipped bit in the head of a segment", with_copy(Large, fun(Dir, S, Directory) ->
                [Segment | _] = files(Directory, "log/*.segment"),
                ok = flip(Segment, ?VERSION_OFFSET),
                is_refused(Dir, S, Directory, damaged)
            end)},
            {"a flipped bit in the newest snapshot, which opening passes over", with_copy(Large, fun(Dir, S, Directory) ->
                [_, Snapshot] = files(Directory, "snapshot/*.snapshot"),
                ok = flip(Snapshot, 1000),
                {Verdict, Findings} = look_at(Directory),
                ?assertEqual(damaged, Verdict),
                ?assertEqual([unicode:characters_to_binary(Snapshot)], [Path || #{path := Path} <- faults(Findings)]),
                opens(Dir, S)
            end)},
            {"a flipped bit in both snapshots", with_copy(Large, fun(Dir, S, Directory) ->
                [ok = flip(Snapshot, 1000) || Snapshot <- files(Directory, "snapshot/*.snapshot")],
                is_refused(Dir, S, Directory, damaged)
            end)},
            {"a flipped bit in IDENTITY", with_copy(Large, fun(Dir, S, Directory) ->
                ok = flip(filename:join(Directory, "IDENTITY"), 20),
                is_refused(Dir, S, Directory, damaged)
            end)},
            {"no IDENTITY", with_copy(Large, fun(Dir, S, Directory) ->
                ok = file:delete(filename:join(Directory, "IDENTITY")),
                is_refused(Dir, S, Directory, damaged)
            end)},
            {"the last segment is missing", with_copy(Large, fun(Dir, S, Directory) ->
                ok = file:delete(lists:last(files(Directory, "log/*.segment"))),
                [#{text := Text}] = faults(is_refused(Dir, S, Directory, damaged)),
                ?assertNotEqual(nomatch, binary:match(Text, <<"SYNCED says that batch">>))
            end)},
            {"the first segment is missing", with_copy(Large, fun(Dir, S, Directory) ->
                [Segment | _] = files(Directory, "log/*.segment"),
                ok = file:delete(Segment),
                Findings = is_refused(Dir, S, Directory, damaged),
                ?assertEqual([unicode:characters_to_binary(Segment)], [Path || #{path := Path} <- faults(Findings)])
            end)},
            {"the log is missing", with_copy(Large, fun(Dir, S, Directory) ->
                ok = file:del_dir_r(filename:join(Directory, "log")),
                {ok, #{verdict := refused}} = pando:verify(Directory),
                {error, {pando, open_failed, #{kind := damaged}}} = quietly(fun() -> pando:start(Dir, S) end)
            end)},
            {"a directory where a snapshot should be", with_copy(Large, fun(Dir, S, Directory) ->
                [_, Snapshot] = files(Directory, "snapshot/*.snapshot"),
                ok = file:delete(Snapshot),
                ok = file:make_dir(Snapshot),
                is_refused(Dir, S, Directory, unreadable)
            end)},
            {"a file where the log should be", with_copy(Large, fun(Dir, S, Directory) ->
                ok = file:del_dir_r(filename:join(Directory, "log")),
                ok = file:write_file(filename:join(Directory, "log"), "no directory"),
                {refused, _} = look_at(Directory),
                {error, {pando, open_failed, #{kind := Kind}}} = quietly(fun() -> pando:start(Dir, S) end),
                ?assert(lists:member(Kind, [unreadable, not_a_directory]))
            end)},
            {"IDENTITY of a newer release", with_copy(Large, fun(Dir, S, Directory) ->
                File = filename:join(Directory, "IDENTITY"),
                _ = patch(File, ?VERSION_OFFSET, <<2:32/little>>),
                _ = seal(File, 40),
                is_refused(Dir, S, Directory, newer_format)
            end)},
            {"a segment of a newer release", with_copy(Large, fun(Dir, S, Directory) ->
                Segment = lists:last(files(Directory, "log/*.segment")),
                _ = patch(Segment, ?VERSION_OFFSET, <<2:32/little>>),
                _ = seal(Segment, 48),
                is_refused(Dir, S, Directory, newer_format)
            end)},
            {"IDENTITY of another store", with_copy(Large, fun(Dir, S, Directory) ->
                File = filename:join(Directory, "IDENTITY"),
                _ = patch(File, 16, <<0:128>>),
                _ = seal(File, 40),
                is_refused(Dir, S, Directory, other_store)
            end)}
        ]
    end}.

a_data_directory_is_all_of_its_stores_and_its_verdict_the_worst_test_() ->
    {timeout, 120, fun() ->
        with_dir(fun(Dir) ->
            %% Names that a store's directory has for its own.
            Names = [log, 'LOCK', new_name(), 'Größe / 1'],
            [{ok, Name} = pando:start(Dir, Name) || Name <- Names],
            [ok = pando:put(Name, [a], 1) || Name <- Names],
            {ok, #{verdict := in_use, stores := Open}} = pando:verify(Dir),
            ?assertEqual([in_use], lists:usort([Verdict || #{verdict := Verdict} <- Open])),
            [ok = pando:stop(Name) || Name <- Names],
            %% What is no store is not looked at: what was left of one that was reset, directories and files of others.
            ok = filelib:ensure_path(filename:join([Dir, "%removed-1-2", "log"])),
            ok = file:make_dir(filename:join(Dir, "photographs")),
            ok = file:write_file(filename:join(Dir, "notes.txt"), ""),
            {ok, #{verdict := sound, stores := Stores, text := Text}} = pando:verify(Dir),
            Expected = lists:sort([pando_directory:of_store(Dir, Name) || Name <- Names]),
            ?assertEqual(Expected, lists:sort([Directory || #{directory := Directory} <- Stores])),
            [?assertNotEqual(nomatch, binary:match(Text, <<Directory/binary, ": sound\n">>)) || Directory <- Expected],
            %% And one of them by itself.
            ?assertEqual(sound, verdict(filename:join(Dir, "log"))),
            ok = flip(filename:join([Dir, "log", "IDENTITY"]), 20),
            {ok, #{verdict := refused, stores := Mixed}} = pando:verify(Dir),
            ?assertEqual([refused, sound, sound, sound], lists:sort([Verdict || #{verdict := Verdict} <- Mixed]))
        end)
    end}.

where_there_is_no_store_test() ->
    with_dir(fun(Dir) ->
        ?assertEqual(absent, verdict(Dir)),
        ?assertNot(filelib:is_file(Dir)),
        ok = filelib:ensure_path(Dir),
        ?assertMatch({absent, [#{severity := remark}]}, look_at(Dir)),
        File = filename:join(Dir, "file"),
        ok = file:write_file(File, "no directory"),
        {refused, [#{severity := fault, text := Text}]} = look_at(File),
        ?assertNotEqual(nomatch, binary:match(Text, <<"is a file">>)),
        %% Only somebody's try to open it, which has come no further.
        ok = file:write_file(filename:join(Dir, "LOCK"), ""),
        ?assertMatch({absent, _}, look_at(Dir))
    end).

a_directory_that_may_not_be_read_is_refused_as_opening_it_is_test_() ->
    with_closed_store(fun(Dir, S, Directory) ->
        ok = file:change_mode(Directory, 8#000),
        try
            case file:list_dir(Directory) of
                {error, eacces} ->
                    {ok, #{verdict := refused}} = pando:verify(Directory),
                    {error, {pando, open_failed, #{kind := unreadable}}} = quietly(fun() -> pando:start(Dir, S) end);
                {ok, _} ->
                    io:format(user, "~nunreadable directory: skipped, root may read everything~n", [])
            end
        after
            ok = file:change_mode(Directory, 8#755)
        end
    end).

bad_arguments_raise_as_those_of_start_test() ->
    [
        ?assertError({pando_ex, invalid_data_dir, #{data_dir := Dir}}, pando:verify(Dir), Dir)
     || Dir <- [<<255>>, [a, {}], [16#110000]]
    ],
    [?assertError(function_clause, pando:verify(Dir), Dir) || Dir <- [a, 5, #{}, {}]],
    ?assertError(badarg, pando_backend:verify(<<"/tmp">>, not_a_reference)),
    ?assertError(badarg, pando_backend:verify("/tmp", make_ref())).

no_atoms_are_made_of_what_is_read_test_() ->
    with_closed_store(fun(_, _, Directory) ->
        _ = pando:verify(Directory),
        Before = erlang:system_info(atom_count),
        ok = file:write_file(filename:join([Directory, "log", "never_an_atom_7316"]), ""),
        remarks = verdict(Directory),
        ?assertEqual(Before, erlang:system_info(atom_count)),
        ?assertError(badarg, binary_to_existing_atom(<<"never_an_atom_", "7316">>))
    end).

%%% In another VM, where nothing of Pando runs

%% Called there.
command([Dir]) ->
    Applications = fun() -> [Name || {Name, _, _} <- application:which_applications()] end,
    {ok, #{verdict := Verdict}} = pando:verify(Dir),
    io:format("~ts ~ts~n", [Verdict, lists:member(pando, Applications())]),
    halt(0).

nothing_need_be_started_test_() ->
    with_closed_store(fun(_, _, Directory) ->
        Erl = pando_test_store:start_erl(?MODULE, command, [Directory]),
        ?assertEqual({[<<"sound false">>], 0}, pando_test_store:lines_until_exit(Erl))
    end).

run_command(Directory) ->
    pando_test_store:lines_until_exit(pando_test_store:start_erl(pando_verify, main, [Directory])).

contains(Lines, Words) ->
    lists:any(fun(Line) -> string:find(Line, Words) =/= nomatch end, Lines).

the_command_prints_the_report_and_ends_with_its_status_test_() ->
    with_closed_store(fun(_, _, Directory) ->
        {ok, #{text := Text}} = pando:verify(Directory),
        {Lines, 0} = run_command(Directory),
        ?assertEqual(string:split(string:trim(Text), "\n", all), Lines),
        ok = flip(filename:join(Directory, "IDENTITY"), 20),
        {Refused, 1} = run_command(Directory),
        ?assert(contains(Refused, "It would not open")),
        ?assertMatch({_, 2}, run_command(Directory ++ ".not_there"))
    end).

every_verdict_has_a_status_and_only_whole_stores_have_0_test() ->
    ?assertEqual(
        [0, 0, 1, 1, 2, 2],
        [pando_verify:exit_status(Verdict) || Verdict <- [sound, remarks, damaged, refused, absent, in_use]]
    ).

%%% Nothing is left behind

threads() ->
    [Thread || <<"pando-verify", _/binary>> = Thread <- pando_test_threads:names()].

verify_until_killed(Directory) ->
    _ = pando:verify(Directory),
    verify_until_killed(Directory).

-define(PROGRESS_ATTEMPTS, 50).
-define(NODES, 200000).

a_caller_that_is_killed_meanwhile_leaves_nothing_and_progress_is_told_test_() ->
    {timeout, 300, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            [
                {ok, ok} = pando:transaction(S, fun() ->
                    [ok = pando_tx:put([nodes, Round, integer_to_binary(N)], N) || N <- lists:seq(1, ?NODES div 20)],
                    ok
                end)
             || Number <- lists:seq(1, 20),
                Round <- [integer_to_binary(Number)]
            ],
            ok = pando:stop(S),
            Directory = filename:join(Dir, S),
            Test = self(),
            %% It is told how far it has come, and ends in the midst of it.
            Caller = verify_until_progress(Directory, Test, ?PROGRESS_ATTEMPTS),
            exit(Caller, kill),
            await(fun() -> threads() =:= [] end),
            %% Nobody holds the directory any more.
            {ok, S} = pando:start(Dir, S),
            ?assertEqual({ok, ?NODES}, pando:count(S, "/:nodes/*/*")),
            ok = pando:stop(S),
            %% Killed before anything was told; and a function that raises.
            %% Again and again: on a busy machine one may be over before it is seen.
            {Early, EarlyMonitor} = spawn_monitor(fun() -> verify_until_killed(Directory) end),
            await(fun() -> threads() =/= [] end),
            exit(Early, kill),
            receive
                {'DOWN', EarlyMonitor, process, Early, _} -> ok
            end,
            await(fun() -> threads() =:= [] end),
            ?assertError(enough, pando_verify:run(Directory, fun(_, _, _) -> error(enough) end)),
            await(fun() -> threads() =:= [] end),
            ?assertEqual(sound, verdict(Directory))
        end)
    end}.

nothing_of_it_stays_in_the_mailbox_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            ok = pando:stop(S),
            [?assertEqual(sound, verdict(filename:join(Dir, S))) || _ <- lists:seq(1, 20)],
            %% What comes after the end has come by now: the library, or the program, has been asked for something else meanwhile.
            ?assert(is_map(pando_backend:limits())),
            ?assertEqual([], [Message || Message <- element(2, process_info(self(), messages)), element(1, Message) =:= pando_verify])
        end)
    end}.

%% A caller that stands still within its first progress. One that is over within the interval is told none: once more then.
verify_until_progress(Directory, Test, Attempts) ->
    {Caller, Monitor} = spawn_monitor(fun() ->
        pando_verify:run(Directory, fun(Path, ReadBytes, SizeBytes) ->
            Test ! {progress, Path, ReadBytes, SizeBytes},
            timer:sleep(infinity)
        end)
    end),
    receive
        {progress, Path, ReadBytes, SizeBytes} ->
            true = demonitor(Monitor, [flush]),
            ?assert(is_binary(Path)),
            ?assert(0 < ReadBytes andalso ReadBytes =< SizeBytes),
            Caller;
        {'DOWN', Monitor, process, Caller, normal} when Attempts > 1 ->
            verify_until_progress(Directory, Test, Attempts - 1);
        {'DOWN', Monitor, process, Caller, Why} ->
            error({ended_without_progress, Why})
    end.
