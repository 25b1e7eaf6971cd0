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
                {error, {bad_component, ?ALL}}, pando_nif:scan(S, [list, ?ALL], {values, none}, false, [list, ?ALL], true)
            )
        end},
        {"a chunk has no more nodes than asked for, and no more than the limits say", fun(S) ->
            #{<<"chunk_nodes_max">> := NodesMax, <<"chunk_size_bytes_max">> := SizeMax} = pando_nif:limits(),
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
                ?assertError(badarg, pando_nif:scan(S, [], What, false, none, true))
             || What <- [16#FFFF, -1, values, {values}, {value, 1}, []]
            ],
            {ok, Cursor} = pando_nif:scan(S, [], 0, false, none, true),
            [?assertError(badarg, pando_nif:scan_next(Cursor, Max)) || Max <- [0, -1, all, 1.0]],
            ok = pando_nif:scan_close(Cursor),
            ?assertEqual({done, []}, pando_nif:scan_next(Cursor, 1)),
            ?assertEqual({error, {bad_component, x}}, pando_nif:scan(S, [], 0, false, [a | x], true)),
            ?assertEqual({error, noproc}, pando_nif:scan(pando_test_store:new_name(), [], 0, false, none, true))
        end}
    ]).

chunks(S, Pattern, What, NodesMax) ->
    {ok, Cursor} = pando_nif:scan(S, Pattern, What, false, none, true),
    rest(Cursor, NodesMax).

rest(Cursor, NodesMax) ->
    case pando_nif:scan_next(Cursor, NodesMax) of
        {done, Chunk} -> [Chunk];
        {more, Chunk} -> [Chunk | rest(Cursor, NodesMax)]
    end.

all(S, Pattern, What) ->
    all(S, Pattern, What, false, none).

all(S, Pattern, What, IncludeRoot, From) ->
    {ok, Cursor} = pando_nif:scan(S, Pattern, What, IncludeRoot, From, true),
    lists:append(rest(Cursor, 2)).

replies_test_() ->
    cases([
        {"to a reference, to a correlation, to nobody", fun(S) ->
            Reference = make_ref(),
            From = {S, node()},
            ok = pando_nif:submit(S, Reference, ?PUT(a), false),
            ok = pando_nif:submit(S, {From, 7}, ?PUT(b), false),
            ok = pando_nif:submit(S, none, ?PUT(c), false),
            ok = pando_nif:submit(S, {From, Reference}, {delete, [a], one, {1, false}}, false),
            ok = pando_nif:barrier(S, Reference, false),
            ?assertEqual({pando_reply, Reference, ok}, next_message()),
            ?assertEqual({ra_event, From, {applied, [{7, ok}]}}, next_message()),
            ?assertMatch({ra_event, From, {applied, [{Reference, {answer, _}}]}}, next_message()),
            ?assertEqual({pando_reply, Reference, ok}, next_message()),
            ?assertEqual({ok, #{[b] => 1, [c] => 1}}, pando:get_many(S, [?ALL]))
        end},
        {"to what is none", fun(S) ->
            [
                begin
                    ?assertError(badarg, pando_nif:submit(S, ReplyTo, ?PUT(a), false)),
                    ?assertError(badarg, pando_nif:barrier(S, ReplyTo, false)),
                    ?assertError(badarg, pando_nif:await_applied(S, ReplyTo, 1, false))
                end
             || ReplyTo <- [nobody, self(), 1, {from}, {a, b, c}, []]
            ],
            ?assertError(badarg, pando_nif:await_applied(S, make_ref(), -1, false)),
            ?assertEqual(#{}, element(2, pando:get_many(S, [?ALL])))
        end},
        {"none comes after a wait was cancelled", fun(S) ->
            {ok, Waiting} = pando_nif:await_applied(S, make_ref(), 1 bsl 60, true),
            ?assertEqual(true, pando_nif:cancel(Waiting)),
            Fenced = make_ref(),
            {ok, Fence} = pando_nif:barrier(S, Fenced, true),
            ?assertEqual({pando_reply, Fenced, ok}, next_message()),
            ?assertEqual(false, pando_nif:cancel(Fence)),
            ok = pando:stop(S),
            ?assertEqual([], pando_test_store:stray_messages()),
            ?assertEqual({error, noproc}, pando_nif:barrier(S, make_ref(), true)),
            ?assertEqual({error, noproc}, pando_nif:await_applied(S, make_ref(), 0, true))
        end},
        {"to everybody who waits when the store stops", fun(S) ->
            Reference = make_ref(),
            ok = pando_nif:await_applied(S, Reference, 1 bsl 60, false),
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
                    fun pando_nif:get_data/2,
                    fun pando_nif:exists/2,
                    fun pando_nif:has_data/2,
                    fun(Store, Path) -> pando_nif:read_quick(Store, Path, 1) end
                ]
            ],
            ?assertEqual({ok, [a], #{data => 1}}, pando_nif:read(S, [Condition], 1))
        end}
    ]).
