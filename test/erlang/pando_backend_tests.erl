%% The border to the native side, where the public API cannot reach: arguments of the wrong kind, bounds of chunks, who
%% is told what, and what a caller that has given up may count on.
-module(pando_backend_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1]).

-define(WAIT_MS, 30000).
-define(ALL, #if_name_matches{regex = any}).
-define(PUT(Name), {put, [Name], data, 1, one, keep, none}).

listing_test_() ->
    cases([
        {"values, and the default where there is none", fun(S) ->
            ok = pando:put(S, [list, a], 1),
            ok = pando:put(S, [list, b, c], {2}),
            ok = pando:put(S, [list, d], -70000),
            Default = {no, [value], <<0:5120>>},
            ?assertEqual(
                [{[list, a], 1}, {[list, b], Default}, {[list, d], -70000}], all(S, [list, ?ALL], {values, Default})
            ),
            ?assertEqual([{[], none}, {[list], none}], all(S, [?ALL], {values, none}, true, none))
        end},
        {"of siblings, parents and deep nodes, each path is whole", fun(S) ->
            Paths = [[x], [x, y], [x, y, <<"a">>], [x, y, <<"a">>, 'łódź'], [x, y, b], [x, z, b], [y], [y, y, y, y]],
            [ok = pando:put(S, Path, Path) || Path <- Paths],
            Everything = all(S, [#if_path_matches{regex = any}], {values, none}),
            ?assertEqual(lists:sort(Paths), [Path || {Path, Value} <- Everything, Value =/= none]),
            [?assert(Value =:= none orelse Value =:= Path) || {Path, Value} <- Everything],
            ?assertEqual(Everything, lists:sort(Everything))
        end},
        {"behind a path", fun(S) ->
            [ok = pando:put(S, [list, N], N) || N <- [a, b, c]],
            ?assertEqual([{[list, b], b}, {[list, c], c}], all(S, [list, ?ALL], {values, none}, false, [list, a])),
            ?assertEqual([{[list, c], c}], all(S, [list, ?ALL], {values, none}, false, [list, b, deep])),
            ?assertEqual([], all(S, [list, ?ALL], {values, none}, false, [list, c])),
            ?assertEqual(
                {error, {bad_component, ?ALL}}, pando_backend:scan(S, [list, ?ALL], {values, none}, false, [list, ?ALL], true)
            )
        end},
        {"a chunk has no more nodes than asked for, and no more than the limits say", fun(S) ->
            #{<<"chunk_nodes_max">> := NodesMax, <<"chunk_size_bytes_max">> := SizeMax} = pando_backend:limits(),
            Count = NodesMax + 100,
            Put = fun(N) -> pando_adv:put(S, [list, integer_to_binary(N)], N, #{async => low}) end,
            [ok = Put(N) || N <- lists:seq(1, Count)],
            ok = pando:fence(S),
            Sizes = [length(Chunk) || Chunk <- chunks(S, [list, ?ALL], {values, none}, 1000)],
            ?assertEqual(1000, lists:max(Sizes)),
            ?assertEqual(Count, lists:sum(Sizes)),
            ?assert(lists:max([length(Chunk) || Chunk <- chunks(S, [list, ?ALL], {values, none}, Count)]) =< NodesMax),
            %% Names count as payloads do.
            LongName = binary:copy(<<"n">>, SizeMax div 8),
            [ok = pando:put(S, [long, <<N, LongName/binary>>], 1) || N <- lists:seq(1, 20)],
            [?assert(length(Chunk) =< 8) || Chunk <- chunks(S, [long, ?ALL], {values, none}, 100)]
        end},
        {"of the wrong kind", fun(S) ->
            [
                ?assertError(badarg, pando_backend:scan(S, [], What, false, none, true))
             || What <- [16#FFFF, -1, values, {values}, {value, 1}, []]
            ],
            {ok, Cursor} = pando_backend:scan(S, [], 0, false, none, true),
            [?assertError(badarg, pando_backend:scan_next(Cursor, Max)) || Max <- [0, -1, all, 1.0]],
            ok = pando_backend:scan_close(Cursor),
            ?assertEqual({done, []}, pando_backend:scan_next(Cursor, 1)),
            ?assertEqual({error, {bad_component, x}}, pando_backend:scan(S, [], 0, false, [a | x], true)),
            ?assertEqual({error, noproc}, pando_backend:scan(pando_test_store:new_name(), [], 0, false, none, true))
        end}
    ]).

chunks(S, Pattern, What, NodesMax) ->
    {ok, Cursor} = pando_backend:scan(S, Pattern, What, false, none, true),
    rest(Cursor, NodesMax).

rest(Cursor, NodesMax) ->
    case pando_backend:scan_next(Cursor, NodesMax) of
        {done, Chunk} -> [Chunk];
        {more, Chunk} -> [Chunk | rest(Cursor, NodesMax)]
    end.

all(S, Pattern, What) ->
    all(S, Pattern, What, false, none).

all(S, Pattern, What, IncludeRoot, From) ->
    {ok, Cursor} = pando_backend:scan(S, Pattern, What, IncludeRoot, From, true),
    lists:append(rest(Cursor, 2)).

replies_test_() ->
    cases([
        {"to a reference, to a correlation, to nobody", fun(S) ->
            Reference = make_ref(),
            From = {S, node()},
            ok = pando_backend:submit(S, Reference, ?PUT(a), false),
            ok = pando_backend:submit(S, {From, 7}, ?PUT(b), false),
            ok = pando_backend:submit(S, none, ?PUT(c), false),
            ok = pando_backend:submit(S, {From, Reference}, {delete, [a], one, {1, false}}, false),
            ok = pando_backend:barrier(S, Reference, false),
            ?assertEqual({pando_reply, Reference, ok}, next_message()),
            ?assertEqual({ra_event, From, {applied, [{7, ok}]}}, next_message()),
            ?assertMatch({ra_event, From, {applied, [{Reference, {answer, _}}]}}, next_message()),
            ?assertEqual({pando_reply, Reference, ok}, next_message()),
            ?assertEqual({ok, #{[b] => 1, [c] => 1}}, pando:get_many(S, [?ALL]))
        end},
        {"to what is none", of_the_library(fun(S) ->
            [
                begin
                    ?assertError(badarg, pando_backend:submit(S, ReplyTo, ?PUT(a), false)),
                    ?assertError(badarg, pando_backend:barrier(S, ReplyTo, false)),
                    ?assertError(badarg, pando_backend:await_applied(S, ReplyTo, 1, false))
                end
             || ReplyTo <- [nobody, self(), 1, {from}, {a, b, c}, []]
            ],
            ?assertError(badarg, pando_backend:await_applied(S, make_ref(), -1, false)),
            ?assertEqual(#{}, element(2, pando:get_many(S, [?ALL])))
        end)},
        {"none comes after a wait was cancelled", fun(S) ->
            {ok, Waiting} = pando_backend:await_applied(S, make_ref(), 1 bsl 60, true),
            ?assertEqual(true, pando_backend:cancel(Waiting)),
            Fenced = make_ref(),
            {ok, Fence} = pando_backend:barrier(S, Fenced, true),
            ?assertEqual({pando_reply, Fenced, ok}, next_message()),
            ?assertEqual(false, pando_backend:cancel(Fence)),
            ok = pando:stop(S),
            ?assertEqual([], pando_test_store:stray_messages()),
            ?assertEqual({error, noproc}, pando_backend:barrier(S, make_ref(), true)),
            ?assertEqual({error, noproc}, pando_backend:await_applied(S, make_ref(), 0, true))
        end},
        {"to everybody who waits when the store stops", fun(S) ->
            Reference = make_ref(),
            ok = pando_backend:await_applied(S, Reference, 1 bsl 60, false),
            ok = pando:stop(S),
            ?assertMatch({pando_reply, Reference, {error, {closed, _, _}}}, next_message())
        end}
    ]).

next_message() ->
    receive
        Message -> Message
    after ?WAIT_MS -> error(no_message)
    end.

%% On a normal scheduler no condition is compiled, however large.
conditions_are_not_for_quick_reads_test_() ->
    cases([
        {"quick reads", fun(S) ->
            ok = pando:put(S, [a], 1),
            Condition = #if_all{conditions = [a, #if_has_payload{}]},
            [
                ?assertEqual(slow, Read(S, [Condition]))
             || Read <- [
                    fun pando_backend:get_data/2,
                    fun pando_backend:exists/2,
                    fun pando_backend:has_data/2,
                    fun(Store, Path) -> pando_backend:read_quick(Store, Path, 1) end
                ]
            ],
            ?assertEqual({ok, [a], #{data => 1}}, pando_backend:read(S, [Condition], 1))
        end}
    ]).

%%% Clusters

-define(CLUSTER_ID, <<16#0123456789abcdef:128>>).
%% More than a frame may have that is copied on a normal scheduler.
-define(LARGE_FRAME_SIZE_BYTES, (256 * 1024 + 1)).

opening_test_() ->
    Name = fun() -> pando_test_store:new_name() end,
    [
        {"as founded, with all options", fun() ->
            with_opened(Name(), {found, ?CLUSTER_ID}, #{consensus_lane => self(), bulk_lane => self(), priority => -1}, fun(S) ->
                Node = atom_to_binary(node()),
                {ok, Status} = pando_backend:status(S),
                ?assertMatch(#{cluster_id := ?CLUSTER_ID, role := leader, has_quorum := true, frames_refused := 0}, Status),
                #{member_id := Self, leader := Leader, members := Members} = Status,
                ?assertEqual(Self, Leader),
                [?assertMatch(#{member_id := Self, node := Node, role := voter, is_voter := true}, Member) || Member <- Members]
            end)
        end},
        {"as what it is not", of_the_library(fun() ->
            S = Name(),
            Arguments = [S, <<"s">>, <<"/nowhere">>, <<"a@b">>, <<"test">>, {found, ?CLUSTER_ID}, 1, #{}],
            [
                ?assertError(badarg, apply(implementation(), open, lists:sublist(Arguments, At - 1) ++ [Bad | lists:nthtail(At, Arguments)]))
             || {At, Bads} <- [
                    {1, [<<"s">>, 1]},
                    {4, [<<>>, <<255>>, 'a@b', "a@b", binary:copy(<<"n">>, 256)]},
                    {6, [
                        ?CLUSTER_ID, found, {found, <<1>>}, {found, <<1:136>>}, {found, ?CLUSTER_ID, 1}, {join, ?CLUSTER_ID},
                        {join, ?CLUSTER_ID, -1}, {join, ?CLUSTER_ID, a}, {join, <<>>, 1}, {joined, ?CLUSTER_ID, 1}
                    ]},
                    {7, [-1, a, 1 bsl 64]},
                    {8, [
                        [], none, #{consensus_lane => lane}, #{bulk_lane => undefined}, #{priority => high}, #{priority => 1.5},
                        #{other => 1}, #{<<"priority">> => 1}
                    ]}
                ],
                Bad <- Bads
            ],
            ?assertNot(lists:member(S, pando_backend:stores()))
        end)}
    ].

%% Arguments that nothing above ever gives: the library looks at each, for a wrong one must not end the VM.
of_the_library(Test) ->
    case pando_backend:configured() of
        nif ->
            Test;
        port ->
            Skip = fun() -> io:format(user, "~nskipped under port: arguments that the library alone checks~n", []) end,
            case is_function(Test, 0) of
                true -> Skip;
                false -> fun(_) -> Skip() end
            end
    end.

implementation() ->
    pando_backend:implementation(pando_backend:configured()).

with_opened(S, Birth, Options, Test) ->
    pando_test_store:with_dir(fun(Dir) ->
        ok = filelib:ensure_path(Dir),
        Directory = filename:join(unicode:characters_to_binary(Dir), <<"store">>),
        Handle = pando_backend:open(implementation(), S, atom_to_binary(S), Directory, atom_to_binary(node()), <<"test">>, Birth, 1, Options),
        try
            receive {pando_opened, S, Opened} -> ?assertEqual(ok, Opened) after ?WAIT_MS -> error(not_opened) end,
            Test(S)
        after
            ok = pando_backend:close(S),
            receive {pando_closed, S} -> ok after ?WAIT_MS -> error({not_closed, Handle}) end,
            %% What an owner is told besides; the next test counts its messages.
            forget_events(S)
        end
    end).

forget_events(S) ->
    receive
        {pando_event, S, _} -> forget_events(S)
    after 0 -> ok
    end.

frames_and_states_of_nodes_test_() ->
    cases([
        {"taken while the store runs", fun(S) ->
            Large = <<0:(8 * ?LARGE_FRAME_SIZE_BYTES)>>,
            [
                begin
                    ?assertEqual(ok, pando_backend:peer_frame(S, Lane, Frame)),
                    Quick = case byte_size(Frame) < ?LARGE_FRAME_SIZE_BYTES of true -> ok; false -> slow end,
                    ?assertEqual(Quick, pando_backend:peer_frame_quick(S, Lane, Frame))
                end
             || Lane <- [consensus, bulk], Frame <- [<<>>, <<"no frame of any version">>, binary_part(Large, 1, byte_size(Large) - 1), Large]
            ],
            [?assertEqual(ok, pando_backend:node_state(S, <<"nobody@nowhere">>, State)) || State <- [up, down, refused]],
            ok = pando:put(S, [a], 1),
            ok = pando:stop(S),
            ?assertEqual({error, noproc}, pando_backend:peer_frame(S, bulk, <<>>)),
            ?assertEqual({error, noproc}, pando_backend:peer_frame_quick(S, bulk, <<>>)),
            ?assertEqual({error, noproc}, pando_backend:node_state(S, <<"a@b">>, up))
        end},
        {"of the wrong kind", of_the_library(fun(S) ->
            [
                ?assertError(badarg, pando_backend:F(Store, Lane, Frame))
             || F <- [peer_frame, peer_frame_quick],
                {Store, Lane, Frame} <- [{<<"s">>, bulk, <<>>}, {S, other, <<>>}, {S, 1, <<>>}, {S, bulk, a}, {S, bulk, <<1:3>>}, {S, bulk, [<<>>]}]
            ],
            [
                ?assertError(badarg, pando_backend:node_state(Store, Node, State))
             || {Store, Node, State} <- [
                    {<<"s">>, <<"a@b">>, up}, {S, 'a@b', up}, {S, <<>>, up}, {S, <<255>>, up}, {S, binary:copy(<<"n">>, 256), up},
                    {S, <<"a@b">>, away}, {S, <<"a@b">>, 1}
                ]
            ]
        end)}
    ]).

requests_of_a_cluster_test_() ->
    Requests = [
        allocate_member_id, {add_member, 1 bsl 40, <<"a@b">>, observer}, {add_member, 1 bsl 40, <<"ł@b"/utf8>>, voter},
        {remove_member, 1 bsl 41}, {change_role, 1 bsl 41, observer}, {change_role, 1 bsl 41, voter},
        {transfer_leadership, 1 bsl 41}, {transfer_leadership, undefined}
    ],
    cases([
        {"are answered once, whatever becomes of them", fun(S) ->
            References = [
                begin
                    Reference = make_ref(),
                    ?assertEqual(ok, pando_backend:cluster_request(S, Reference, Request)),
                    Reference
                end
             || Request <- Requests
            ],
            [
                receive
                    {pando_reply, Reference, Result} -> ?assert(is_cluster_result(Result))
                after ?WAIT_MS -> error(no_message)
                end
             || Reference <- References
            ],
            ok = pando:stop(S),
            ?assertEqual([], pando_test_store:stray_messages()),
            [?assertEqual({error, noproc}, pando_backend:cluster_request(S, make_ref(), Request)) || Request <- Requests],
            ?assertEqual([], pando_test_store:stray_messages())
        end},
        {"of the wrong kind", of_the_library(fun(S) ->
            [
                ?assertError(badarg, pando_backend:cluster_request(S, make_ref(), Request))
             || Request <- [
                    allocate, [], {}, {allocate_member_id}, {add_member, 1, <<"a@b">>}, {add_member, -1, <<"a@b">>, voter},
                    {add_member, 1, 'a@b', voter}, {add_member, 1, <<>>, voter}, {add_member, 1, <<255>>, voter},
                    {add_member, 1, binary:copy(<<"n">>, 256), voter}, {add_member, 1, <<"a@b">>, learner}, {remove_member, a},
                    {remove_member, 1 bsl 64}, {remove_member, undefined}, {change_role, 1, leader}, {change_role, 1}, {change_role, a, voter},
                    {transfer_leadership, none}, {other, 1}, {other, 1, voter}, {other, 1, <<"a@b">>, voter}, {add_member, 1, <<"a@b">>, voter, 1}
                ]
            ],
            [?assertError(badarg, pando_backend:cluster_request(S, To, allocate_member_id)) || To <- [none, a, 1, {{S, node()}, 1}, self()]],
            ?assertError(badarg, pando_backend:cluster_request(<<"s">>, make_ref(), allocate_member_id)),
            ?assertEqual([], pando_test_store:stray_messages())
        end)}
    ]).

is_cluster_result(ok) -> true;
is_cluster_result({ok, MemberId}) -> is_integer(MemberId);
is_cluster_result({error, {cluster, not_leader, Leader}}) -> Leader =:= undefined orelse is_binary(Leader);
is_cluster_result({error, {cluster, no_quorum, Text}}) -> is_binary(Text);
is_cluster_result({error, {cluster, Kind, undefined}}) -> lists:member(Kind, [no_such_member, last_voter, busy, stopped]);
is_cluster_result(_) -> false.

native_errors_say_what_may_be_concluded_test_() ->
    [
        {lists:flatten(io_lib:format("~p ~p", [Native, NotApplied])), fun() ->
            Reason = pando_errors:reason({Native, <<"why">>, NotApplied}),
            ?assertEqual({pando, Public, #{reason => <<"why">>, outcome => Outcome}}, Reason),
            ?assertEqual(Reason, pando_errors:reason({Native, <<"why">>, NotApplied}, [a])),
            Text = lists:flatten(io_lib:format("~p: why (outcome: ~p)", [Public, Outcome])),
            ?assertEqual(Text, pando_errors:format(Reason))
        end}
     || {Native, Public} <- [
            {closed, store_closed},
            {halted, store_halted},
            {disk_full, disk_full},
            {not_leader, not_leader},
            {no_quorum, no_quorum},
            {leader_changed, leader_changed},
            {command_failed, command_failed}
        ],
        {NotApplied, Outcome} <- [{true, not_applied}, {false, unknown}]
    ].
