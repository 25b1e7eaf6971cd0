%% Any term as path, payload, option or store: a documented answer or exception, and the store goes on.
-module(pando_bad_input_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/2, title/1]).

-define(TIMEOUT_S, 120).
-define(RANDOM_CALLS, 6000).
-define(SEED, {7, 11, 13}).

limit(Name) ->
    #{Name := Max} = pando_backend:limits(),
    Max.

goes_on(S) ->
    ?assertEqual(ok, pando:put(S, [alive], yes)),
    ?assertEqual({ok, yes}, pando:get(S, [alive])),
    ?assertEqual(true, pando_cluster:is_store_running(S)).

random_terms_test_() ->
    cases(?TIMEOUT_S, [
        {title({?RANDOM_CALLS, calls, with, ?SEED}), fun(S) ->
            Server = whereis(S),
            {Kinds, _} = lists:foldl(
                fun(_, {Kinds, Seed}) ->
                    {{Name, Arguments}, Seed1} = random_call(S, Seed),
                    Kind = outcome(Name, Arguments),
                    {maps:update_with(Kind, fun(N) -> N + 1 end, 1, Kinds), Seed1}
                end,
                {#{}, rand:seed_s(exsss, ?SEED)},
                lists:seq(1, ?RANDOM_CALLS)
            ),
            %% All that may happen has happened.
            ?assertEqual([answer, error, raised], lists:sort(maps:keys(Kinds))),
            ?assertEqual(Server, whereis(S)),
            ?assertEqual([], pando_test_store:stray_messages()),
            goes_on(S)
        end}
    ]).

outcome({Module, Function} = Name, Arguments) ->
    try apply(Module, Function, Arguments) of
        ok -> answer;
        {ok, _} -> answer;
        Boolean when is_boolean(Boolean) -> answer;
        {error, Reason} when Reason =:= noproc; Reason =:= timeout -> error;
        {error, {pando, What, Props}} when
            is_map(Props),
            What =:= node_not_found orelse What =:= mismatching_node orelse What =:= limit_exceeded
        ->
            error;
        Other ->
            error({undocumented, Name, Arguments, Other})
    catch
        error:function_clause ->
            raised;
        error:{pando_ex, What, Props} when is_atom(What), is_map(Props) ->
            raised;
        Class:Reason:Stack ->
            error({undocumented, Name, Arguments, Class, Reason, Stack})
    end.

random_call(S, Seed) ->
    {Call, Seed1} = one_of(
        [
            {{pando, put}, [path, term]},
            {{pando, put}, [path, term, options]},
            {{pando_adv, put}, [path, term, options]},
            {{pando, create}, [path, term]},
            {{pando_adv, update}, [path, term]},
            {{pando, delete}, [path]},
            {{pando_adv, delete}, [path, options]},
            {{pando, clear_payload}, [path, options]},
            {{pando, get}, [path]},
            {{pando, get}, [path, options]},
            {{pando, get_or}, [path, term, options]},
            {{pando, get_many}, [path, options]},
            {{pando_adv, get}, [path, options]},
            {{pando_adv, get_many}, [path]},
            {{pando, exists}, [path, options]},
            {{pando, has_data}, [path]},
            {{pando, count}, [path, options]},
            {{pando, is_empty}, [options]}
        ],
        Seed
    ),
    {Name, Kinds} = Call,
    {Arguments, Seed2} = lists:mapfoldl(fun argument/2, Seed1, Kinds),
    {Store, Seed3} = one_of([S, S, S, S, S, S, S, S, missing_store, term], Seed2),
    case Store of
        term ->
            {Term, Seed4} = term(2, Seed3),
            {{Name, [Term | Arguments]}, Seed4};
        _ ->
            {{Name, [Store | Arguments]}, Seed3}
    end.

argument(path, Seed) ->
    case one_of([names, names, components, term, text], Seed) of
        {names, Seed1} -> list_of(fun(Sd) -> one_of([a, b, <<"c">>, <<>>, ''], Sd) end, Seed1);
        {components, Seed1} -> list_of(fun component/1, Seed1);
        {text, Seed1} -> list_of(fun(Sd) -> one_of("/:*.^%ab2F", Sd) end, Seed1);
        {term, Seed1} -> term(3, Seed1)
    end;
argument(term, Seed) ->
    term(4, Seed);
argument(options, Seed) ->
    case one_of([none, none, known, term], Seed) of
        {none, Seed1} ->
            {#{}, Seed1};
        {known, Seed1} ->
            {Key, Seed2} = one_of(
                [
                    timeout, favor, props_to_return, expect_specific_node, include_root_props,
                    return_indirect_deletes, keep_while, async, other
                ],
                Seed1
            ),
            Values = [true, false, 0, 1000, -1, infinity, [], [payload, zork], low_latency, #{}, "x"],
            {Value, Seed3} = one_of(Values, Seed2),
            {#{Key => Value}, Seed3};
        {term, Seed1} ->
            term(2, Seed1)
    end.

component(Seed) ->
    one_of(
        [
            a, <<"b">>, $., $^, $/, ?PANDO_WILDCARD_STAR, ?PANDO_WILDCARD_STAR_STAR,
            #if_name_matches{regex = "a"}, #if_node_exists{}, #if_all{conditions = [a]},
            #if_not{condition = a}, 1, {}, "x", <<1:1>>, #{}, 1.5, self()
        ],
        Seed
    ).

list_of(Element, Seed) ->
    {Length, Seed1} = rand:uniform_s(5, Seed),
    lists:mapfoldl(fun(_, Sd) -> Element(Sd) end, Seed1, lists:seq(2, Length)).

term(0, Seed) ->
    one_of(
        [
            0, 1, -1, 1 bsl 80, 1.0, a, '', true, undefined, <<>>, <<"b">>, <<5:3>>, [], {}, #{}, self(),
            fun lists:sum/1, $/, $., '$__NO_PAYLOAD__', {p_data, 1}, {p_sproc, x, false}
        ],
        Seed
    );
term(Depth, Seed) ->
    Below = fun(Sd) -> term(Depth - 1, Sd) end,
    case one_of([leaf, list, tuple, map, improper], Seed) of
        {leaf, Seed1} ->
            term(0, Seed1);
        {list, Seed1} ->
            list_of(Below, Seed1);
        {tuple, Seed1} ->
            {List, Seed2} = list_of(Below, Seed1),
            {list_to_tuple(List), Seed2};
        {map, Seed1} ->
            {List, Seed2} = list_of(Below, Seed1),
            {maps:from_list([{Key, Key} || Key <- List]), Seed2};
        {improper, Seed1} ->
            {Head, Seed2} = Below(Seed1),
            {Tail, Seed3} = Below(Seed2),
            {[Head | Tail], Seed3}
    end.

one_of(Choices, Seed) ->
    {N, Seed1} = rand:uniform_s(length(Choices), Seed),
    {lists:nth(N, Choices), Seed1}.

%% -------------------------------------------------------------------
%% Limits: at each, and one beyond.
%% -------------------------------------------------------------------

limits_of_paths_test_() ->
    Components = limit(<<"path_components_max">>),
    NameBytes = limit(<<"name_size_bytes_max">>),
    PathBytes = limit(<<"path_size_bytes_max">>),
    Name = fun(Size) -> binary:copy(<<"n">>, Size) end,
    Full = lists:duplicate(PathBytes div NameBytes, Name(NameBytes)),
    cases(?TIMEOUT_S, [
        {title({Limit, at, Max}), fun(S) ->
            %% At the limit everything works.
            ?assertEqual(ok, pando:put(S, At, 1)),
            ?assertEqual({ok, 1}, pando:get(S, At)),
            ?assertEqual(true, pando:exists(S, At)),
            ?assertEqual({ok, #{At => 1}}, pando:get_many(S, At)),
            {ok, All} = pando:get_many(S, "**"),
            ?assertEqual(length(At), maps:size(All)),
            {ok, Gone} = pando_adv:delete(S, At),
            ?assertEqual(length(At), maps:size(Gone)),
            %% Beyond it nothing does, and all say why.
            Error = {error, {pando, limit_exceeded, #{limit => Limit, max => Max, outcome => not_applied}}},
            [
                ?assertEqual({F, Error}, {F, Call(S, Path)})
             || Path <- Beyond, {F, Call} <- calls_with_path()
            ],
            ?assertEqual(true, pando:is_empty(S)),
            goes_on(S)
        end}
     || {Limit, Max, At, Beyond} <- [
            {path_components_max, Components, lists:duplicate(Components, a), [
                lists:duplicate(Components + 1, a),
                lists:duplicate(10000, a),
                lists:duplicate(10000, <<"b">>),
                lists:duplicate(1000000, a),
                lists:append(lists:duplicate(10000, "/x"))
            ]},
            {name_size_bytes_max, NameBytes, [Name(NameBytes)], [
                [Name(NameBytes + 1)],
                [a, Name(NameBytes + 1), b],
                [Name(1024 * 1024)],
                <<"/", (Name(1024 * 1024))/binary>>,
                [Name(64 * 1024 * 1024)]
            ]},
            {path_size_bytes_max, PathBytes, Full, [Full ++ [<<"n">>], [a | Full], Full ++ Full]}
        ]
    ]).

calls_with_path() ->
    [
        {get, fun pando:get/2},
        {get_or, fun(S, P) -> pando:get_or(S, P, d) end},
        {get_many, fun pando:get_many/2},
        {count, fun pando:count/2},
        {exists, fun pando:exists/2},
        {has_data, fun pando:has_data/2},
        {adv_get, fun pando_adv:get/2},
        {put, fun(S, P) -> pando:put(S, P, 1) end},
        {create, fun(S, P) -> pando:create(S, P, 1) end},
        {update, fun(S, P) -> pando:update(S, P, 1) end},
        {delete, fun pando:delete/2},
        {clear_payload, fun pando:clear_payload/2},
        {adv_put, fun(S, P) -> pando_adv:put(S, P, 1) end}
    ].

atoms_that_cannot_be_test_() ->
    cases(?TIMEOUT_S, [
        {"an atom of 255 characters works, in a string one of 256 is no path", fun(S) ->
            Longest = lists:duplicate(255, 16#65E5),
            ok = pando:put(S, [list_to_atom(Longest)], 1),
            ?assertEqual({ok, #{[list_to_atom(Longest)] => 1}}, pando:get_many(S, "*")),
            ?assertError({pando_ex, invalid_path, _}, pando:put(S, "/:" ++ lists:duplicate(256, $a), 1)),
            goes_on(S)
        end}
    ]).

limit_of_payloads_test_() ->
    Max = limit(<<"payload_size_bytes_max">>),
    %% What the external format puts before a binary.
    Header = byte_size(term_to_binary(<<>>)),
    [
        {"a payload of 64 MiB, the largest one, and one byte more",
            {timeout, ?TIMEOUT_S, fun() ->
                pando_test_store:with_dir(fun(Dir) ->
                    S = pando_test_store:new_name(),
                    {ok, S} = pando:start(Dir, S),
                    Mib64 = binary:copy(<<"0123456789abcdef">>, 4 * 1024 * 1024),
                    Largest = binary:copy(<<"x">>, Max - Header),
                    ok = pando:put(S, [mib64], Mib64),
                    ok = pando:put(S, [largest], Largest),
                    Error =
                        {error,
                            {pando, limit_exceeded, #{
                                limit => payload_size_bytes_max, max => Max, outcome => not_applied
                            }}},
                    Over = <<Largest/binary, "x">>,
                    ?assertEqual(Error, pando:put(S, [over], Over)),
                    ?assertEqual(Error, pando:create(S, [over], Over)),
                    ?assertEqual(Error, pando_adv:put(S, [mib64], Over)),
                    ?assertEqual(Error, pando:put(S, [over], {Over, Over})),
                    ?assertEqual({ok, Mib64}, pando:get(S, [mib64])),
                    ok = pando:stop(S),
                    {ok, S} = pando:start(Dir, S),
                    ?assertEqual({ok, Mib64}, pando:get(S, [mib64])),
                    ?assertEqual({ok, Largest}, pando:get(S, [largest])),
                    ?assertEqual({ok, 2}, pando:count(S, "**")),
                    goes_on(S),
                    ok = pando:stop(S)
                end)
            end}}
    ].

payloads_of_odd_shapes_test_() ->
    cases(?TIMEOUT_S, [
        {"nested deeper than equality looks", fun(S) ->
            Deep = lists:foldl(fun(N, Acc) -> {N, Acc} end, leaf, lists:seq(1, 100000)),
            ?assertEqual(ok, pando:put(S, [deep], Deep)),
            ?assert(pando:get(S, [deep]) =:= {ok, Deep}),
            ?assertMatch({ok, _}, pando_adv:put(S, [deep], Deep)),
            ?assertMatch({ok, _}, pando_adv:put(S, [deep], [Deep])),
            ?assertMatch({ok, _}, pando_adv:delete(S, [deep])),
            goes_on(S)
        end},
        {"of many small parts", fun(S) ->
            Wide = [{N, #{N => <<N:32>>}, [N | N]} || N <- lists:seq(1, 100000)],
            ?assertEqual(ok, pando:put(S, [wide], Wide)),
            ?assert(pando:get(S, [wide]) =:= {ok, Wide}),
            ?assert(pando_adv:delete(S, [wide]) =:=
                {ok, #{[wide] => #{data => Wide, payload_version => 1, delete_reason => explicit}}}),
            goes_on(S)
        end}
    ]).
