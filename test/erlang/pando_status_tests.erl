%% Figures of a store: as a map, as a table for people, in the text format of Prometheus. Of a store with one member what the
%% store tells, of clusters what is made of a status that the test makes up.
-module(pando_status_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [cases/1, with_dir/1, new_name/0]).

%%% The map

status_test_() ->
    cases([
        {"of a store with one member", fun(S) ->
            ok = pando:put(S, [a], 1),
            {ok, Status} = pando_status:status(S),
            {ok, {pando_token, ClusterId, Applied}} = pando:put(S, [b], 1, #{return => token}),
            ?assertMatch(
                #{
                    cluster_id := ClusterId, member_id := Id, role := leader, has_quorum := true, leader := Id,
                    leader_node := Node, frames_refused := 0, node_count := 2, snapshot_index := undefined
                } when Node =:= node(),
                Status
            ),
            #{members := Members, member_id := MemberId, applied_index := Index} = Status,
            ?assert(Index < Applied),
            ?assertEqual(
                [
                    #{
                        member_id => MemberId, node => node(), role => voter, is_voter => true, lag_entries => 0,
                        applied_index => Index, last_contact_ms => 0
                    }
                ],
                Members
            )
        end},
        {"of one that does not run", fun(_) ->
            ?assertEqual({error, noproc}, pando_status:status(new_name())),
            ?assertEqual({error, noproc}, pando_status:print(new_name()))
        end}
    ]).

%% What the native side might say of five members, seen from one that is behind.
native() ->
    Member = fun(Id, Node, Role, IsVoter, Applied, LastContactMs) ->
        #{
            member_id => Id, node => Node, role => Role, is_voter => IsVoter, applied_index => Applied,
            last_contact_ms => LastContactMs
        }
    end,
    #{
        backend => nif, os_pid => 4711, cluster_id => <<7:128>>, member_id => 1, role => follower, has_quorum => true, term => 4, leader => 12,
        members => [
            Member(1, <<"a@host">>, voter, true, 990, 0),
            Member(12, <<"b@host">>, voter, true, 1000, 31),
            Member(130, <<"c@host">>, voter, false, 400, 250),
            Member(131, <<"d@host">>, observer, false, undefined, undefined),
            Member(132, <<"e-1@host">>, voter, true, 1000, 12345)
        ],
        last_log_index => 1000, applied_index => 990, node_count => 17, log_size_bytes => 1048576,
        log_bytes_since_snapshot => 5000, snapshot_index => 900, snapshot_written_percent => 41,
        waiting_size_bytes => 3, transactions_in_line => 2, frames_refused => 8
    }.

lag_is_seen_from_the_most_advanced_member_test() ->
    #{members := Members, leader_node := LeaderNode} = pando_status:public(native()),
    ?assertEqual('b@host', LeaderNode),
    ?assertEqual(
        [{'a@host', 10}, {'b@host', 0}, {'c@host', 600}, {'d@host', undefined}, {'e-1@host', 0}],
        [{Node, Lag} || #{node := Node, lag_entries := Lag} <- Members]
    ).

without_a_leader_there_is_no_node_of_it_test() ->
    [
        ?assertMatch(#{leader_node := undefined}, pando_status:public((native())#{leader := Leader}))
        %% None, and one that has left meanwhile.
     || Leader <- [undefined, 99]
    ].

%%% The table

table_test() ->
    ?assertEqual(
        [
            "quorum, led by b@host, term 4; this member: follower",
            "",
            "MEMBER  NODE        ROLE                 APPLIED  LAG  LAST CONTACT",
            "1       a@host      voter                990      10                 this member",
            "12      b@host      voter                1000     0    31 ms ago     leader",
            "130     c@host      voter (catching up)  400      600  250 ms ago",
            "131     d@host      observer             ?        ?    never",
            "132     'e-1@host'  voter                1000     0    12345 ms ago",
            "",
            "nodes in the tree      17",
            "log                    1048576 bytes, applied to 990 of 1000",
            "snapshot               as of 900, the next one written to 41 %",
            "waiting to be written  3 bytes",
            "frames refused         8",
            "native side            in this virtual machine (nif), process 4711",
            ""
        ],
        string:split(lists:flatten(pando_status:table(pando_status:public(native()))), "\n", all)
    ).

a_table_without_quorum_and_leader_says_so_test() ->
    Status = pando_status:public((native())#{
        has_quorum := false, leader := undefined, role := candidate, snapshot_index := undefined,
        snapshot_written_percent := undefined, last_log_index := undefined, backend := port
    }),
    Lines = string:split(lists:flatten(pando_status:table(Status)), "\n", all),
    [
        ?assert(lists:member(Line, Lines))
     || Line <- [
            "NO QUORUM, no leader, term 4; this member: candidate",
            "snapshot               none",
            "log                    1048576 bytes, applied to 990 of ?",
            "native side            in a program of its own (port), process 4711"
        ]
    ].

%%% Metrics

%% A text in the format as `[{Name, Type, [{Labels, Value}]}]'. Raises for whatever is not in the format: a sample without
%% its HELP and TYPE before it, a family or a sample that comes twice, labels that are not quoted.
parsed(Text) ->
    [<<>> | Lines] = lists:reverse(binary:split(Text, <<"\n">>, [global])),
    Families = parsed_families(lists:reverse(Lines)),
    Names = [Name || {Name, _, _} <- Families],
    Names = lists:uniq(Names),
    Families.

parsed_families([]) ->
    [];
parsed_families([Help, Type | Lines]) ->
    {match, [Name]} = re:run(Help, "^# HELP (pando_[a-z_]+) [A-Z].+\\.$", [{capture, all_but_first, binary}]),
    {match, [Name, Kind]} = re:run(Type, "^# TYPE (\\S+) (gauge|counter)$", [{capture, all_but_first, binary}]),
    Kind = kind(binary:longest_common_suffix([Name, <<"_total">>])),
    {Samples, Rest} = lists:splitwith(fun(Line) -> binary:first(Line) =/= $# end, Lines),
    Parsed = [parsed_sample(Name, Sample) || Sample <- Samples],
    true = Parsed =/= [] andalso Parsed =:= lists:uniq(fun({Labels, _}) -> Labels end, Parsed),
    [{binary_to_list(Name), binary_to_atom(Kind), Parsed} | parsed_families(Rest)].

kind(6) -> <<"counter">>;
kind(_) -> <<"gauge">>.

parsed_sample(Name, Line) ->
    {match, [Name, Labels, Value]} =
        re:run(
            Line,
            "^([a-z_]+)(\\{[a-z]+=\"(?:[^\"\\\\]|\\\\.)*\"(?:,[a-z]+=\"(?:[^\"\\\\]|\\\\.)*\")*\\})? (\\d+(?:\\.\\d+)?)$",
            [{capture, all_but_first, binary}, unicode]
        ),
    {parsed_labels(Labels), number(Value)}.

parsed_labels(Labels) ->
    case re:run(Labels, "([a-z]+)=\"((?:[^\"\\\\]|\\\\.)*)\"", [global, unicode, {capture, all_but_first, binary}]) of
        {match, Pairs} -> maps:from_list([{binary_to_atom(Key), unescaped(Value)} || [Key, Value] <- Pairs]);
        nomatch -> #{}
    end.

unescaped(<<"\\n", Rest/binary>>) -> <<"\n", (unescaped(Rest))/binary>>;
unescaped(<<"\\", Byte, Rest/binary>>) when Byte =:= $\\; Byte =:= $" -> <<Byte, (unescaped(Rest))/binary>>;
unescaped(<<Byte, Rest/binary>>) when Byte =/= $\\ -> <<Byte, (unescaped(Rest))/binary>>;
unescaped(<<>>) -> <<>>.

number(Text) ->
    try
        binary_to_integer(Text)
    catch
        error:badarg -> binary_to_float(Text)
    end.

samples(Name, Families) ->
    case lists:keyfind(Name, 1, Families) of
        {Name, _, Samples} -> Samples;
        false -> none
    end.

metrics_of_a_cluster_test() ->
    Families = parsed(pando_metrics:text([{s, pando_status:public(native())}], #{s => 3, gone => 1})),
    Of = #{store => <<"s">>},
    Member = fun(Id, Node) -> #{store => <<"s">>, member => Id, node => Node} end,
    [
        ?assertEqual({Name, Expected}, {Name, samples(Name, Families)})
     || {Name, Expected} <- [
            {"pando_stores", [{#{}, 1}]},
            {"pando_is_leader", [{Of, 0}]},
            {"pando_has_quorum", [{Of, 1}]},
            {"pando_has_leader", [{Of, 1}]},
            {"pando_term", [{Of, 4}]},
            {"pando_applied_index", [{Of, 990}]},
            {"pando_last_log_index", [{Of, 1000}]},
            {"pando_snapshot_index", [{Of, 900}]},
            {"pando_log_size_bytes", [{Of, 1048576}]},
            {"pando_log_since_snapshot_bytes", [{Of, 5000}]},
            {"pando_waiting_bytes", [{Of, 3}]},
            {"pando_transactions_in_line", [{Of, 2}]},
            {"pando_tree_nodes", [{Of, 17}]},
            {"pando_members", [{Of, 5}]},
            {"pando_voters", [{Of, 3}]},
            {"pando_frames_refused_total", [{Of, 8}]},
            %% Of members about which nothing is known there is no sample.
            {"pando_member_lag_entries", [
                {Member(<<"1">>, <<"a@host">>), 10}, {Member(<<"12">>, <<"b@host">>), 0},
                {Member(<<"130">>, <<"c@host">>), 600}, {Member(<<"132">>, <<"e-1@host">>), 0}
            ]},
            {"pando_member_last_contact_seconds", [
                {Member(<<"1">>, <<"a@host">>), 0.0}, {Member(<<"12">>, <<"b@host">>), 0.031},
                {Member(<<"130">>, <<"c@host">>), 0.25}, {Member(<<"132">>, <<"e-1@host">>), 12.345}
            ]},
            {"pando_events_total", [{#{store => <<"gone">>}, 1}, {Of, 3}]}
        ]
    ].

what_is_not_known_has_no_sample_test() ->
    Status = pando_status:public((native())#{
        role := leader, has_quorum := false, leader := undefined, snapshot_index := undefined, last_log_index := undefined
    }),
    Families = parsed(pando_metrics:text([{s, Status}], #{})),
    Of = #{store => <<"s">>},
    [
        ?assertEqual({Name, Expected}, {Name, samples(Name, Families)})
     || {Name, Expected} <- [
            {"pando_is_leader", [{Of, 1}]},
            {"pando_has_quorum", [{Of, 0}]},
            {"pando_has_leader", [{Of, 0}]},
            {"pando_snapshot_index", none},
            {"pando_last_log_index", none},
            {"pando_events_total", none}
        ]
    ].

without_a_store_there_is_a_text_all_the_same_test() ->
    ?assertEqual([{"pando_stores", gauge, [{#{}, 0}]}], parsed(pando_metrics:text([], #{}))).

names_of_stores_are_escaped_test() ->
    Names = ['a"b', 'a\\b', 'a\nb', 'a\\nb', 'a日b', '', 'a,b="c"} 1'],
    Families = parsed(pando_metrics:text([{Name, pando_status:public(native())} || Name <- Names], #{})),
    ?assertEqual([atom_to_binary(Name) || Name <- Names], [Store || {#{store := Store}, _} <- samples("pando_term", Families)]).

metrics_of_open_stores_test_() ->
    {"all of them, and none that has stopped",
        {timeout, 60, fun() ->
            with_dir(fun(Dir) ->
                [A, B] = Stores = [new_name(), new_name()],
                [{ok, Store} = pando:start(Dir, Store) || Store <- Stores],
                ok = pando:put(B, [x, y], 1),
                {ok, #{applied_index := Index}} = pando_status:status(B),
                Families = parsed(pando:metrics()),
                Name = fun atom_to_binary/1,
                ?assertEqual([{#{}, 2}], samples("pando_stores", Families)),
                ?assertEqual(
                    [{#{store => Name(A)}, 1}, {#{store => Name(B)}, 3}], samples("pando_tree_nodes", Families)
                ),
                ?assert(lists:member({#{store => Name(B)}, Index}, samples("pando_applied_index", Families))),
                ok = pando:stop(A),
                ?assertMatch([{#{}, 1}], samples("pando_stores", parsed(pando:metrics()))),
                ok = pando:stop(B)
            end)
        end}}.
