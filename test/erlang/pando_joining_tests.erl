%% The file JOINING, and what a directory is opened as when a join was interrupted at any point.
-module(pando_joining_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1]).

-define(OLD, <<1:128>>).
-define(NEW, <<2:128>>).

joining() -> pando_joining:join(?NEW, 9, observer, ['a@h', 'b@h']).

%% As it is read in a directory that was the old member's.
replacing(Joining) -> Joining#{replaces => {?OLD, 3}}.

of_nobody(Joining) -> Joining#{replaces => none}.

in_directory(Test) ->
    with_dir(fun(Dir) ->
        Directory = unicode:characters_to_binary(filename:join(Dir, "store")),
        ok = filelib:ensure_dir(filename:join(Directory, "x")),
        Test(Directory)
    end).

%% As docs/formats.md says.
write_identity(Directory, ClusterId, MemberId) ->
    Covered = <<"PANDOIDN", 1:32/little, 0:32, ClusterId:16/binary, MemberId:64/little>>,
    ok = file:write_file(filename:join(Directory, "IDENTITY"), <<Covered/binary, (erlang:crc32(Covered)):32/little>>).

write_data(Directory) ->
    [
        begin
            Path = filename:join([Directory, Of, "file"]),
            ok = filelib:ensure_dir(Path),
            ok = file:write_file(Path, Of)
        end
     || Of <- ["log", "snapshot"]
    ],
    ok = file:write_file(filename:join(Directory, "LOCK"), "").

files(Directory) ->
    {ok, Files} = file:list_dir(Directory),
    lists:sort(Files).

it_is_read_as_it_was_written_test() ->
    in_directory(fun(Directory) ->
        ?assertEqual(none, pando_joining:read(Directory)),
        [
            begin
                ok = pando_joining:write(Directory, Joining),
                ?assertEqual({ok, of_nobody(Joining)}, pando_joining:read(Directory))
            end
         || Joining <- [joining(), pando_joining:with_phase(leaving, joining()), pando_joining:found(?NEW)]
        ],
        ?assertEqual(["JOINING"], files(Directory)),
        ok = pando_joining:remove(Directory),
        ok = pando_joining:remove(Directory),
        ?assertEqual([], files(Directory)),
        write_identity(Directory, ?OLD, 3),
        ok = pando_joining:write(Directory, joining()),
        ?assertEqual({ok, replacing(joining())}, pando_joining:read(Directory))
    end).

the_bytes_are_those_of_the_page_on_formats_test() ->
    in_directory(fun(Directory) ->
        ok = pando_joining:write(Directory, joining()),
        {ok, Bytes} = file:read_file(filename:join(Directory, "JOINING")),
        <<"PANDOJNG", 1:32/little, 0:32, Length:32/little, Term:Length/binary, Crc:32/little>> = Bytes,
        ?assertEqual(erlang:crc32(binary:part(Bytes, 0, byte_size(Bytes) - 4)), Crc),
        ?assertEqual(
            #{
                phase => becoming,
                cluster_id => ?NEW,
                member_id => 9,
                role => observer,
                contacts => [<<"a@h">>, <<"b@h">>],
                replaces => none
            },
            binary_to_term(Term, [safe])
        )
    end).

whatever_is_damaged_is_refused_and_never_raises_test() ->
    in_directory(fun(Directory) ->
        ok = pando_joining:write(Directory, joining()),
        Path = filename:join(Directory, "JOINING"),
        {ok, Bytes} = file:read_file(Path),
        Refused = fun(Changed) ->
            ok = file:write_file(Path, Changed),
            ?assertMatch({error, <<_/binary>>}, pando_joining:read(Directory)),
            ?assertMatch({error, <<_/binary>>}, pando_joining:start_with(Directory))
        end,
        [
            Refused(<<Before/binary, (Byte bxor (1 bsl Bit)), After/binary>>)
         || At <- lists:seq(0, byte_size(Bytes) - 1),
            <<Before:At/binary, Byte, After/binary>> <- [Bytes],
            Bit <- [0, 7]
        ],
        [Refused(binary:part(Bytes, 0, Length)) || Length <- lists:seq(0, byte_size(Bytes) - 1)],
        Sealed = fun(Term) ->
            Covered = <<"PANDOJNG", 1:32/little, 0:32, (byte_size(Term)):32/little, Term/binary>>,
            <<Covered/binary, (erlang:crc32(Covered)):32/little>>
        end,
        [
            Refused(Sealed(Term))
         || Term <- [
                <<>>,
                <<"no term">>,
                term_to_binary(joining),
                term_to_binary(joining()),
                term_to_binary((of_nobody(joining()))#{member_id := -1}),
                term_to_binary((of_nobody(joining()))#{contacts := [a]}),
                term_to_binary((of_nobody(joining()))#{contacts := [<<"a">> | b]}),
                term_to_binary((of_nobody(joining()))#{phase := other}),
                term_to_binary((of_nobody(joining()))#{replaces := {<<"short">>, 1}}),
                %% An atom that nobody has.
                <<131, 119, 20, "never_made_before_xyz">>
            ]
        ],
        ok = file:write_file(Path, Sealed(term_to_binary(of_nobody(joining())))),
        ?assertEqual({ok, of_nobody(joining())}, pando_joining:read(Directory))
    end).

of_a_newer_release_it_is_refused_as_that_test() ->
    in_directory(fun(Directory) ->
        ok = file:write_file(filename:join(Directory, "JOINING"), <<"PANDOJNG", 2:32/little, "whatever">>),
        {error, Text} = pando_joining:read(Directory),
        ?assertMatch({_, _}, binary:match(Text, <<"version 2">>))
    end).

what_a_directory_is_opened_as_test() ->
    in_directory(fun(Directory) ->
        Is = fun() -> pando_joining:start_with(Directory) end,
        ?assertEqual(empty, Is()),
        ?assertEqual(empty, pando_joining:start_with(<<Directory/binary, "/not/there">>)),
        %% An interrupted beginning of a join into an empty one.
        ok = pando_joining:write(Directory, joining()),
        ?assertEqual({becoming, of_nobody(joining())}, Is()),
        write_identity(Directory, ?NEW, 9),
        ?assertEqual({member, of_nobody(joining())}, Is()),
        %% Founding, in the native side's words: nothing in it was ever acknowledged.
        write_identity(Directory, ?NEW, 0),
        ?assertEqual({becoming, of_nobody(joining())}, Is()),
        write_identity(Directory, ?OLD, 3),
        ok = pando_joining:write(Directory, joining()),
        ?assertEqual({becoming, replacing(joining())}, Is()),
        Leaving = pando_joining:with_phase(leaving, joining()),
        ok = pando_joining:write(Directory, Leaving),
        ?assertEqual({member, replacing(Leaving)}, Is()),
        ok = pando_joining:remove(Directory),
        ?assertEqual({member, none}, Is()),
        %% Data without an identity are for the opening to refuse.
        ok = file:delete(filename:join(Directory, "IDENTITY")),
        write_data(Directory),
        ?assertEqual({member, none}, Is())
    end).

what_belongs_to_a_third_member_is_never_removed_test() ->
    in_directory(fun(Directory) ->
        write_identity(Directory, ?OLD, 3),
        write_data(Directory),
        ok = pando_joining:write(Directory, joining()),
        Refused = fun() ->
            Before = files(Directory),
            {error, Text} = pando_joining:start_with(Directory),
            ?assertMatch({_, _}, binary:match(Text, <<"nothing was removed">>)),
            ?assertEqual({error, badarg}, pando_joining:clear(Directory)),
            ?assertEqual(Before, files(Directory))
        end,
        [
            begin
                write_identity(Directory, ClusterId, MemberId),
                Refused()
            end
         || {ClusterId, MemberId} <- [{?OLD, 4}, {?NEW, 8}, {<<3:128>>, 3}]
        ],
        ok = file:delete(filename:join(Directory, "IDENTITY")),
        Refused(),
        %% One that cannot be read is for the opening to refuse.
        ok = file:write_file(filename:join(Directory, "IDENTITY"), "damaged"),
        ?assertEqual({member, none}, pando_joining:start_with(Directory)),
        ?assertEqual({error, badarg}, pando_joining:clear(Directory))
    end).

the_way_back_is_a_cluster_of_its_own_test() ->
    in_directory(fun(Directory) ->
        write_identity(Directory, ?OLD, 3),
        ok = pando_joining:write(Directory, pando_joining:found(?NEW)),
        Found = replacing(pando_joining:found(?NEW)),
        ?assertEqual({becoming, Found}, pando_joining:start_with(Directory)),
        write_identity(Directory, ?NEW, 0),
        ?assertEqual({member, Found}, pando_joining:start_with(Directory)),
        write_identity(Directory, ?NEW, 1),
        ?assertEqual({member, Found}, pando_joining:start_with(Directory))
    end).

clearing_takes_what_is_anothers_and_leaves_what_is_its_own_test() ->
    in_directory(fun(Directory) ->
        write_identity(Directory, ?OLD, 3),
        write_data(Directory),
        ok = file:write_file(filename:join(Directory, "RESET"), "half a reset"),
        ok = pando_joining:write(Directory, joining()),
        ok = pando_joining:clear(Directory),
        ?assertEqual(["JOINING", "LOCK"], files(Directory)),
        ok = pando_joining:clear(Directory),
        write_identity(Directory, ?NEW, 9),
        write_data(Directory),
        ok = pando_joining:clear(Directory),
        ?assertEqual(["IDENTITY", "JOINING", "LOCK", "log", "snapshot"], files(Directory))
    end).

an_interrupted_clearing_goes_on_test() ->
    %% Whatever of it was done: while JOINING is there, nothing else counts.
    [
        in_directory(fun(Directory) ->
            write_identity(Directory, ?OLD, 3),
            write_data(Directory),
            ok = pando_joining:write(Directory, joining()),
            [ok = file:del_dir_r(filename:join(Directory, Name)) || Name <- lists:sublist(["log", "snapshot", "IDENTITY"], Done)],
            ?assertMatch({becoming, #{member_id := 9}}, pando_joining:start_with(Directory)),
            ok = pando_joining:clear(Directory),
            ?assertEqual(["JOINING", "LOCK"], files(Directory))
        end)
     || Done <- lists:seq(0, 3)
    ].
