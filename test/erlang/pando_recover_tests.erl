%% `pando_recover': what it says of survivors, and the new cluster that it makes of one. That a crash at any moment of it loses
%% nothing: native/pando_store/tests/torture_last_resort.rs.
-module(pando_recover_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1, new_name/0]).

%% A data directory with what is left of a cluster of three voters and an observer; `Test(DataDir, Store, Directory)'.
with_survivor(Test) ->
    with_stopped_store(fun(Dir, S, Directory) ->
        ok = pando_test_survivor:make(Directory, 5),
        Test(Dir, S, Directory)
    end).

with_stopped_store(Test) ->
    {timeout, 120, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            try
                ok = pando:put(S, [a], 1),
                ok = pando:stop(S),
                Test(Dir, S, unicode:characters_to_binary(filename:join(Dir, S)))
            after
                ok = pando:stop(S)
            end
        end)
    end}.

contains(Text, Words) ->
    string:find(Text, Words) =/= nomatch.

damage(Directory) ->
    [Segment | _] = filelib:wildcard(filename:join(unicode:characters_to_list(Directory), "log/*.segment")),
    {ok, <<Head:4136/binary, Byte, Rest/binary>>} = file:read_file(Segment),
    ok = file:write_file(Segment, <<Head/binary, (Byte bxor 1), Rest/binary>>).

%%% Looking

a_survivor_is_shown_with_all_that_its_files_say_test_() ->
    with_survivor(fun(Dir, _, Directory) ->
        ok = pando_test_survivor:append(Directory, [{vote, 8, 2, 1}]),
        {ok, #{survivors := [Survivor], clusters := [Cluster], text := Text}} = pando_recover:inspect(Directory),
        #{last := {5, 1, Last}, entries := Entries} = pando_format_reader:log(unicode:characters_to_list(Directory)),
        ?assert(map_size(Entries) > 1),
        {ok, <<_:16/binary, Id:16/binary, _/binary>>} = file:read_file(filename:join(Directory, "IDENTITY")),
        ?assertMatch(
            #{
                directory := Directory,
                verdict := sound,
                cluster_id := Id,
                member_id := 1,
                voter_sets := [[1, 2, 3]],
                last := #{term := 5, index := Last},
                committed := #{index := Committed},
                snapshot := undefined,
                vote := #{term := 8, member_id := 2, has_won := true}
            } when Committed < Last,
            Survivor
        ),
        ?assertEqual(
            [
                {1, <<"n1@h">>, voter, true},
                {2, <<"n2@h">>, voter, true},
                {3, <<"n3@h">>, voter, true},
                {4, <<"n4@h">>, observer, false}
            ],
            [
                {Member, Node, Role, IsVoter}
             || #{member_id := Member, node := Node, role := Role, is_voter := IsVoter} <- maps:get(members, Survivor)
            ]
        ),
        ?assertMatch(#{cluster_id := Id, best := Directory, has_majority := false, may_lack := true}, Cluster),
        #{uncertain := Uncertain, missing_voters := Missing} = Cluster,
        #{committed := #{index := Known}} = Survivor,
        ?assertEqual({Last - Known, [2, 3]}, {Uncertain, [Member || #{member_id := Member} <- Missing]}),
        [
            ?assert(contains(Text, Words), {Words, Text})
         || Words <- [
                "Not here: 2 (n2@h), 3 (n3@h)",
                "The most has 1 n1@h",
                "may or may not have been acknowledged",
                "What may be lost",
                "knows that member 2 led in term 8",
                "term 8, 2 led"
            ]
        ],
        %% The same, of all that is in the data directory.
        ?assertEqual({ok, [Survivor]}, survivors(Dir)),
        ?assertEqual({ok, [Survivor]}, survivors([Dir, Directory]))
    end).

survivors(Dirs) ->
    {ok, #{survivors := Survivors}} = pando_recover:inspect(Dirs),
    {ok, Survivors}.

what_cannot_be_read_is_shown_with_the_reason_test_() ->
    with_survivor(fun(_, _, Directory) ->
        ok = damage(Directory),
        {ok, #{survivors := [Survivor], clusters := [Cluster], text := Text}} = pando_recover:inspect(Directory),
        ?assertMatch(#{verdict := refused, member_id := 1, last := undefined, members := []}, Survivor),
        ?assertMatch(#{best := undefined, has_majority := false}, Cluster),
        ?assert(contains(Text, "damaged at offset 4096") andalso contains(Text, "none can be recovered"), Text),
        {ok, #{clusters := [], text := Nothing}} = pando_recover:inspect(<<Directory/binary, "-not-there">>),
        ?assert(contains(Nothing, "there is no such directory") andalso contains(Nothing, "nothing that could be"), Nothing)
    end).

an_open_store_is_not_read_test_() ->
    with_stopped_store(fun(Dir, S, Directory) ->
        {ok, S} = pando:start(Dir, S),
        {ok, #{survivors := [#{verdict := in_use, cluster_id := undefined}], clusters := []}} = pando_recover:inspect(Directory),
        ?assertMatch({error, {pando, recover_failed, #{kind := in_use, directory := Directory}}}, pando_recover:recover(Directory, #{})),
        ?assertEqual(ok, pando:put(S, [b], 2))
    end).

%%% What it means: no files needed

survivor(Directory, MemberId, Voters, {Term, Index}, Committed) ->
    Members = [
        #{member_id => Id, node => <<"n", (integer_to_binary(Id))/binary>>, role => voter, is_voter => true}
     || Id <- Voters
    ],
    #{
        directory => Directory,
        verdict => sound,
        findings => [],
        cluster_id => <<7:128>>,
        member_id => MemberId,
        members => Members,
        voter_sets => [Voters],
        last => #{term => Term, index => Index},
        committed => #{term => 1, index => Committed},
        snapshot => undefined,
        vote => undefined
    }.

assess(Survivors) ->
    #{clusters := [Cluster]} = pando_recover:assess(Survivors),
    Cluster.

the_most_has_the_log_that_ends_in_the_latest_term_and_then_the_longest_test() ->
    Of = fun(Directory, Id, Last) -> survivor(Directory, Id, lists:seq(1, 5), Last, 3) end,
    ?assertMatch(
        #{best := <<"late">>, uncertain := 7},
        assess([Of(<<"long">>, 1, {4, 500}), Of(<<"late">>, 2, {5, 10})])
    ),
    #{text := Text} = Cluster = assess([Of(<<"longer">>, 1, {5, 11}), Of(<<"shorter">>, 2, {5, 10})]),
    ?assertMatch(#{best := <<"longer">>, uncertain := 8, may_lack := true}, Cluster),
    ?assert(contains(Text, "in shorter, ends at entry 10, term 5: older"), Text).

with_a_majority_nothing_is_to_be_recovered_test() ->
    Of = fun(Directory, Id) -> survivor(Directory, Id, [1, 2, 3], {1, 10}, 10) end,
    #{text := Text} = Cluster = assess([Of(<<"one">>, 1), Of(<<"two">>, 2)]),
    ?assertMatch(#{has_majority := true, may_lack := false, missing_voters := [#{member_id := 3}]}, Cluster),
    ?assert(contains(Text, "nothing to recover"), Text),
    %% Two copies of one member are one.
    ?assertMatch(#{has_majority := false, may_lack := true}, assess([Of(<<"one">>, 1), Of(<<"copy">>, 1)])).

half_of_the_voters_have_all_that_was_acknowledged_test() ->
    Of = fun(Id) -> survivor(integer_to_binary(Id), Id, [1, 2, 3, 4], {1, 10}, 10) end,
    #{text := Text} = Cluster = assess([Of(1), Of(2)]),
    ?assertMatch(#{has_majority := false, may_lack := false, uncertain := 0}, Cluster),
    ?assert(contains(Text, "Nothing that was acknowledged can be missing"), Text).

while_the_voters_change_a_majority_of_each_set_counts_test() ->
    Joint = fun(Id) -> (survivor(integer_to_binary(Id), Id, [1, 2, 3, 4, 5], {1, 9}, 9))#{voter_sets := [[1, 2, 3], [3, 4, 5]]} end,
    ?assertMatch(#{has_majority := false, may_lack := false}, assess([Joint(1), Joint(2)])),
    ?assertMatch(#{has_majority := true}, assess([Joint(1), Joint(3), Joint(4)])),
    ?assertMatch(#{has_majority := false, may_lack := true}, assess([Joint(2), Joint(4)])).

survivors_of_two_clusters_are_told_apart_test() ->
    One = survivor(<<"one">>, 1, [1, 2, 3], {1, 10}, 10),
    Other = (survivor(<<"other">>, 2, [1, 2, 3], {9, 90}, 10))#{cluster_id := <<8:128>>},
    #{clusters := Clusters} = pando_recover:assess([One, Other]),
    ?assertMatch([#{cluster_id := <<7:128>>, best := <<"one">>}, #{cluster_id := <<8:128>>, best := <<"other">>}], Clusters).

%%% Recovering

a_survivor_is_recovered_with_all_that_it_has_and_goes_on_test_() ->
    with_survivor(fun(Dir, S, Directory) ->
        {ok, #{survivors := [#{cluster_id := OldId, last := Last}]}} = pando_recover:inspect(Directory),
        {ok, Recovery} = pando_recover:recover(Directory, #{}),
        #{cluster_id := NewId, kept := Kept, text := Text} = Recovery,
        ?assertMatch(
            #{by := this_call, directory := Directory, last := Last, members := [#{member_id := 1, node := <<"n1@h">>}]},
            Recovery
        ),
        ?assertNotEqual(OldId, NewId),
        ?assert(contains(Text, "was recovered") andalso contains(Text, Kept), Text),
        {ok, S} = pando:start(Dir, S),
        ?assertEqual({ok, 1}, pando:get(S, [a])),
        ?assertEqual(ok, pando:put(S, [b], 2)),
        ok = pando:stop(S),
        ?assertMatch({ok, #{verdict := sound, stores := [#{directory := Directory}]}}, pando:verify(Dir)),
        %% The old files are as they were, and can be looked at.
        ?assertMatch({ok, [#{verdict := sound, cluster_id := OldId, last := Last}]}, survivors(Kept)),
        ?assertMatch(<<"%recovered-", _/binary>>, filename:basename(Kept)),
        %% Once more.
        {ok, Again} = pando_recover:recover(Directory, #{}),
        ?assertMatch(#{by := one_before, cluster_id := NewId, kept := Kept}, Again),
        {ok, S} = pando:start(Dir, S),
        ?assertEqual({{ok, 1}, {ok, 2}}, {pando:get(S, [a]), pando:get(S, [b])})
    end).

the_node_can_be_given_and_options_are_checked_test_() ->
    with_survivor(fun(_, _, Directory) ->
        [
            ?assertEqual({error, {unknown_option, Key, Value}}, pando_recover:recover(Directory, #{Key => Value}))
         || {Key, Value} <- [{nodes, x}, {node, "x@y"}, {force, yes}, {progress, none}, {node, <<>>}]
        ],
        ?assertError({pando_ex, invalid_data_dir, _}, pando_recover:recover(<<255>>, #{})),
        {ok, #{members := Members}} = pando_recover:recover(Directory, #{node => 'x@y'}),
        ?assertMatch([#{node := <<"x@y">>}], Members)
    end).

kind(Directory, Options) ->
    {error, {pando, recover_failed, #{kind := Kind, reason := Reason}} = Error} = pando_recover:recover(Directory, Options),
    ?assert(contains(pando_errors:format(Error), Reason)),
    Kind.

what_must_not_be_recovered_is_refused_test_() ->
    with_stopped_store(fun(Dir, S, Directory) ->
        ?assertEqual(absent, kind(<<Directory/binary, "-not-there">>, #{})),
        ?assertEqual(absent, kind(Dir, #{})),
        ?assertEqual(only_voter, kind(Directory, #{})),
        ok = pando_test_survivor:make(Directory, 5),
        ok = damage(Directory),
        ?assertEqual({damaged, damaged}, {kind(Directory, #{}), kind(Directory, #{force => true})}),
        ?assertEqual([atom_to_list(S)], element(2, file:list_dir(Dir))),
        ok = damage(Directory),
        {ok, _} = pando_recover:recover(Directory, #{}),
        {ok, S} = pando:start(Dir, S),
        ?assertEqual({ok, 1}, pando:get(S, [a])),
        ok = pando:stop(S),
        %% Forced: a copy that is to be another store.
        {ok, #{by := this_call}} = pando_recover:recover(Directory, #{force => true}),
        {ok, S} = pando:start(Dir, S),
        ?assertEqual({ok, 1}, pando:get(S, [a]))
    end).

a_store_whose_recovery_was_interrupted_is_not_founded_anew_test_() ->
    with_survivor(fun(Dir, S, Directory) ->
        {ok, #{kept := Kept, cluster_id := Id}} = pando_recover:recover(Directory, #{}),
        %% As between the two renamings.
        Made = filename:join(Dir, "%recovering-" ++ atom_to_list(S)),
        ok = file:rename(Directory, Made),
        {error, {pando, open_failed, #{kind := recovery_interrupted, reason := Reason}}} = pando:start(Dir, S),
        ?assert(contains(Reason, unicode:characters_to_binary(Made)), Reason),
        ?assertNot(filelib:is_file(Directory)),
        ?assertMatch({ok, #{verdict := refused, stores := [#{directory := Directory}]}}, pando:verify(Dir)),
        ?assertMatch({ok, #{by := one_interrupted, cluster_id := Id, kept := Kept}}, pando_recover:recover(Directory, #{})),
        {ok, S} = pando:start(Dir, S),
        ?assertEqual({ok, 1}, pando:get(S, [a]))
    end).

files_of_another_owner_are_told_test_() ->
    with_survivor(fun(_, _, Directory) ->
        case file:change_owner(filename:join(Directory, "IDENTITY"), 12345, 23456) of
            ok ->
                {ok, #{text := Text}} = pando_recover:recover(Directory, #{}),
                ?assert(contains(Text, ["chown -R 12345:23456 ", Directory]), Text);
            {error, Reason} ->
                ?debugFmt("owners were not looked at: only root can change them (~p)", [Reason])
        end
    end).

%%% The command

command(Arguments) ->
    pando_test_store:lines_until_exit(pando_test_store:start_erl(pando_recover, main, Arguments)).

the_command_shows_and_recovers_only_with_yes_test_() ->
    with_survivor(fun(_, _, Directory) ->
        {ok, #{text := Text, survivors := [#{cluster_id := OldId}]}} = pando_recover:inspect(Directory),
        {Shown, 0} = command([Directory]),
        ?assertEqual(string:split(string:trim(Text, trailing), "\n", all), Shown),
        %% Why is on standard error.
        ?assertEqual({[], 1}, command([Directory, Directory, "yes"])),
        ?assertMatch({ok, [#{cluster_id := OldId}]}, survivors(Directory)),
        {Done, 0} = command([Directory, "yes", "node=x@y"]),
        ?assert(contains(Done, "was recovered") andalso contains(Done, "x@y")),
        ?assertMatch({ok, [#{members := [#{node := <<"x@y">>}]}]}, survivors(Directory)),
        ?assertEqual({[], 1}, command([<<Directory/binary, "-not-there">>, "yes"]))
    end).
