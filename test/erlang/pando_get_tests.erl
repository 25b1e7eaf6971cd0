%% Reads of one node: get, get_or, exists, has_data, and pando_adv:get with every property.
-module(pando_get_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1]).

-define(ALL_PROPS, [
    payload,
    payload_version,
    delete_reason,
    child_list_version,
    child_list_length,
    child_names,
    has_payload,
    raw_payload
]).

-define(assertMisuse(Name, Props, Expression), ?assertError({pando_ex, Name, Props}, Expression)).

not_found(Name, Path, IsTarget) ->
    {error, {pando, node_not_found, #{node_name => Name, node_path => Path, node_is_target => IsTarget}}}.

get_test_() ->
    cases([
        {"the value of a node", fun(S) ->
            ok = pando:put(S, [c], 1),
            ?assertEqual({ok, 1}, pando:get(S, [c])),
            ?assertEqual({ok, 1}, pando:get(S, [c], #{})),
            ?assertEqual(1, pando:'get!'(S, [c])),
            ?assertEqual(1, pando:'get!'(S, [c], #{}))
        end},
        {"every kind of term comes back identical", fun(S) ->
            Terms = [
                0, -1, 1.5, 1 bsl 200, a, '', 'é', '日本', <<>>, <<"x">>, <<1:3>>,
                [], "str", [a | b], {}, {a, b},
                #{}, #{k => #{1.0 => 2}}, self(), make_ref(), fun lists:sum/1, lists:seq(1, 1000),
                binary:copy(<<"b">>, 10000), {binary:copy(<<"b">>, 10000), x}, undefined, '$__NO_PAYLOAD__X'
            ],
            [
                begin
                    ok = pando:put(S, [k], {p_data, Term}),
                    ?assertEqual({ok, Term}, pando:get(S, [k]))
                end
             || Term <- Terms
            ]
        end},
        {"a closure stored as data", fun(S) ->
            X = 7,
            ok = pando:put(S, [k], {p_data, fun() -> X + 1 end}),
            {ok, F} = pando:get(S, [k]),
            ?assertEqual(8, F())
        end},
        {"undefined for a node without payload", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            ?assertEqual({ok, undefined}, pando:get(S, [a])),
            ?assertEqual({ok, undefined}, pando:get(S, [])),
            ?assertEqual(undefined, pando:'get!'(S, [a]))
        end},
        {"the root", fun(S) ->
            ok = pando:put(S, [], top),
            [?assertEqual({ok, top}, pando:get(S, Root)) || Root <- [[], "", "/", <<>>, <<"/">>, [$.], [$^]]]
        end},
        {"a stored procedure", fun(S) ->
            ok = pando:put(S, [mul], fun erlang:'*'/2),
            {ok, Procedure} = pando:get(S, [mul]),
            ?assertEqual(42, Procedure(6, 7)),
            ?assertEqual({ok, Procedure}, pando:get_or(S, [mul], other)),
            ?assertEqual({ok, #{[mul] => Procedure}}, pando:get_many(S, [mul]))
        end},
        {"a missing node: spec 6.1, example 1", fun(S) ->
            ?assertEqual(not_found(d, [d], false), pando:get(S, [d, e]))
        end},
        {"a missing node: spec 6.1, example 2", fun(S) ->
            ok = pando:put(S, [c], 1),
            ?assertEqual(not_found(e, [c, e], false), pando:get(S, [c, e, f]))
        end},
        {"a missing target", fun(S) ->
            ok = pando:put(S, [c], 1),
            ?assertEqual(not_found(e, [c, e], true), pando:get(S, [c, e])),
            ?assertEqual(not_found(<<"e">>, [<<"e">>], true), pando:get(S, "/e")),
            {error, Reason} = not_found(e, [c, e], true),
            ?assertError(Reason, pando:'get!'(S, [c, e]))
        end},
        {"an atom and a binary of the same text are two nodes", fun(S) ->
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [<<"a">>], 2),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ?assertEqual({ok, 2}, pando:get(S, [<<"a">>]))
        end},
        {"a name of any text", fun(S) ->
            Names = [
                '', <<>>, <<"a/b">>, <<0, 255>>, 'a/b', 'é', 'ÿ', '日本', <<"é"/utf8>>, '*', <<"*">>, '.',
                <<"..">>
            ],
            [ok = pando:put(S, [Name, Name], Name) || Name <- Names],
            [?assertEqual({ok, Name}, pando:get(S, [Name, Name])) || Name <- Names],
            ?assertEqual({ok, length(Names)}, pando:count(S, "*")),
            {ok, Found} = pando:get_many(S, "*/*"),
            ?assertEqual(maps:from_list([{[Name, Name], Name} || Name <- Names]), Found)
        end},
        {"every form of a path", fun(S) ->
            ok = pando:put(S, "/:a/b", 1),
            Forms = [
                [a, <<"b">>],
                "/:a/b",
                <<"/:a/b">>,
                ":a/b",
                "/:a/b/",
                [$/, a, <<"b">>],
                [$., a, <<"b">>],
                [a, $., <<"b">>],
                [a, x, $^, <<"b">>],
                "/:a/x/../b",
                [$^, a, <<"b">>],
                "../:a/b",
                [x, $/, a, <<"b">>]
            ],
            ok = pando:put(S, [a, x], 2),
            ok = pando:put(S, [a, <<"x">>], 2),
            ok = pando:put(S, [x], 2),
            [
                begin
                    ?assertEqual({ok, 1}, pando:get(S, Form)),
                    ?assertEqual({ok, 1}, pando:get_or(S, Form, no)),
                    ?assertEqual(true, pando:exists(S, Form)),
                    ?assertEqual(true, pando:has_data(S, Form)),
                    ?assertEqual({ok, #{[a, <<"b">>] => 1}}, pando:get_many(S, Form)),
                    ?assertEqual(
                        {ok, #{[a, <<"b">>] => #{data => 1, payload_version => 1}}}, pando_adv:get(S, Form)
                    )
                end
             || Form <- Forms
            ]
        end}
    ]).

get_or_test_() ->
    cases([
        {"the value of a node", fun(S) ->
            ok = pando:put(S, [c], 1),
            ?assertEqual({ok, 1}, pando:get_or(S, [c], d)),
            ?assertEqual({ok, 1}, pando:get_or(S, [c], d, #{})),
            ?assertEqual(1, pando:'get_or!'(S, [c], d)),
            ?assertEqual(1, pando:'get_or!'(S, [c], d, #{}))
        end},
        {"a stored undefined is a value", fun(S) ->
            ok = pando:put(S, [c], undefined),
            ?assertEqual({ok, undefined}, pando:get_or(S, [c], d))
        end},
        {"the default for a missing payload", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            ?assertEqual({ok, d}, pando:get_or(S, [a], d)),
            ?assertEqual({ok, d}, pando:get_or(S, [], d)),
            ?assertEqual(d, pando:'get_or!'(S, [a], d))
        end},
        {"the default for a missing node", fun(S) ->
            ?assertEqual({ok, d}, pando:get_or(S, [a], d)),
            ?assertEqual({ok, d}, pando:get_or(S, [a, b, c], d)),
            ?assertEqual(d, pando:'get_or!'(S, [a], d))
        end},
        {"other errors pass", fun(S) ->
            ?assertEqual({error, timeout}, pando:get_or(S, [a], d, #{timeout => 0})),
            ?assertError(timeout, pando:'get_or!'(S, [a], d, #{timeout => 0}))
        end}
    ]).

exists_test_() ->
    cases([
        {"of nodes, with and without payload", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            [?assertEqual(true, pando:exists(S, Path)) || Path <- [[], [a], [a, b], "/:a/:b"]],
            [?assertEqual(true, pando:'exists!'(S, Path)) || Path <- [[], [a], [a, b]]],
            [
                ?assertEqual(false, pando:exists(S, Path))
             || Path <- [[b], [a, c], [a, b, c], [x, y, z], "/a/b"]
            ],
            ?assertEqual(false, pando:'exists!'(S, [b])),
            ?assertEqual(false, pando:'exists!'(S, [b], #{})),
            ?assertEqual(true, pando:exists(S, [a], #{favor => consistency})),
            ?assertEqual({error, timeout}, pando:exists(S, [a], #{timeout => 0})),
            ?assertError(timeout, pando:'exists!'(S, [a], #{timeout => 0}))
        end},
        {"has_data: data, procedure, nothing", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            ok = pando:put(S, [f], fun erlang:abs/1),
            ok = pando:put(S, [u], undefined),
            [?assertEqual(true, pando:has_data(S, Path)) || Path <- [[a, b], [u]]],
            [?assertEqual(false, pando:has_data(S, Path)) || Path <- [[], [a], [f], [x], [a, b, c], [x, y]]],
            ?assertEqual(true, pando:'has_data!'(S, [u])),
            ?assertEqual(false, pando:'has_data!'(S, [f], #{})),
            ?assertEqual({error, timeout}, pando:has_data(S, [u], #{timeout => 0})),
            ?assertError(timeout, pando:'has_data!'(S, [u], #{timeout => 0})),
            ok = pando:put(S, [], root),
            ?assertEqual(true, pando:has_data(S, []))
        end}
    ]).

adv_get_test_() ->
    cases([
        {"spec 7.3, example 1", fun(S) ->
            ok = pando:put(S, [fleet, van, <<"7">>], #{km => 10}),
            ?assertEqual(
                {ok, #{[fleet, van, <<"7">>] => #{data => #{km => 10}, payload_version => 1}}},
                pando_adv:get(S, [fleet, van, <<"7">>])
            ),
            ?assertEqual({ok, #{[fleet, van] => #{payload_version => 1}}}, pando_adv:get(S, [fleet, van])),
            ?assertEqual(
                {ok, #{
                    [fleet] => #{
                        child_names => [van], child_list_length => 1, raw_payload => '$__NO_PAYLOAD__'
                    }
                }},
                pando_adv:get(S, [fleet], #{
                    props_to_return => [child_names, child_list_length, raw_payload, has_payload, zork]
                })
            )
        end},
        {"every property of a node with data", fun(S) ->
            ok = pando:put(S, [n], 1),
            ok = pando:put(S, [n], #{a => b}),
            ok = pando:put(S, [n, <<"x">>], 1),
            ok = pando:put(S, [n, x], 1),
            ok = pando:delete(S, [n, x]),
            each_property(S, [n], #{
                payload => #{data => #{a => b}},
                payload_version => #{payload_version => 2},
                delete_reason => #{},
                child_list_version => #{child_list_version => 4},
                child_list_length => #{child_list_length => 1},
                child_names => #{child_names => [<<"x">>]},
                has_payload => #{has_data => true},
                raw_payload => #{raw_payload => {p_data, #{a => b}}}
            })
        end},
        {"every property of a node with a stored procedure", fun(S) ->
            ok = pando:put(S, [n], fun lists:sum/1),
            each_property(S, [n], #{
                payload => #{sproc => fun lists:sum/1},
                payload_version => #{payload_version => 1},
                delete_reason => #{},
                child_list_version => #{child_list_version => 1},
                child_list_length => #{child_list_length => 0},
                child_names => #{child_names => []},
                has_payload => #{is_sproc => true},
                raw_payload => #{raw_payload => {p_sproc, fun lists:sum/1, false}}
            })
        end},
        {"every property of a node without payload", fun(S) ->
            ok = pando:put(S, [n, c], 1),
            each_property(S, [n], #{
                payload => #{},
                payload_version => #{payload_version => 1},
                delete_reason => #{},
                child_list_version => #{child_list_version => 1},
                child_list_length => #{child_list_length => 1},
                child_names => #{child_names => [c]},
                has_payload => #{},
                raw_payload => #{raw_payload => '$__NO_PAYLOAD__'}
            })
        end},
        {"every property of an untouched root", fun(S) ->
            each_property(S, [], #{
                payload => #{},
                payload_version => #{payload_version => 1},
                delete_reason => #{},
                child_list_version => #{child_list_version => 1},
                child_list_length => #{child_list_length => 0},
                child_names => #{child_names => []},
                has_payload => #{},
                raw_payload => #{raw_payload => '$__NO_PAYLOAD__'}
            })
        end},
        {"the names of more children than a quick read lists", fun(S) ->
            Names = [list_to_binary(io_lib:format("~5..0b", [N])) || N <- lists:seq(1, 300)],
            Ok = [ok || _ <- Names],
            ?assertEqual(Ok, [pando:put(S, [n, Name], 1) || Name <- Names]),
            {ok, #{[n] := #{child_names := Listed, child_list_length := 300, child_list_version := 300}}} =
                pando_adv:get(
                    S, [n], #{props_to_return => [child_names, child_list_length, child_list_version]}
                ),
            ?assertEqual(Names, lists:sort(Listed))
        end},
        {"no properties: the path still appears", fun(S) ->
            ok = pando:put(S, [n], 1),
            ?assertEqual({ok, #{[n] => #{}}}, pando_adv:get(S, [n], #{props_to_return => []})),
            ?assertEqual({ok, #{[n] => #{}}}, pando_adv:get(S, [n], #{props_to_return => [zork]}))
        end},
        {"a missing node", fun(S) ->
            ?assertEqual(not_found(n, [n], true), pando_adv:get(S, [n])),
            ?assertEqual(not_found(n, [n], false), pando_adv:get(S, [n, m], #{props_to_return => []}))
        end}
    ]).

each_property(S, Path, Expected) ->
    [
        ?assertEqual(
            {Prop, {ok, #{Path => Props}}}, {Prop, pando_adv:get(S, Path, #{props_to_return => [Prop]})}
        )
     || {Prop, Props} <- maps:to_list(Expected)
    ],
    All = maps:fold(fun(_, Props, Acc) -> maps:merge(Acc, Props) end, #{}, Expected),
    ?assertEqual({ok, #{Path => All}}, pando_adv:get(S, Path, #{props_to_return => ?ALL_PROPS})),
    ?assertEqual(
        {ok, #{Path => All}}, pando_adv:get(S, Path, #{props_to_return => lists:reverse(?ALL_PROPS)})
    ),
    Default = maps:with([data, sproc, payload_version], All),
    ?assertEqual({ok, #{Path => Default}}, pando_adv:get(S, Path)),
    ?assertEqual({ok, #{Path => Default}}, pando_adv:get(S, Path, #{})),
    %% What a pattern shows is the same.
    ?assertEqual({ok, #{Path => All}}, pando_adv:get_many(S, Path, #{props_to_return => ?ALL_PROPS})).

a_path_that_may_match_many_nodes_is_denied_test_() ->
    cases([
        {pando_test_store:title(Path), fun(S) ->
            ok = pando:put(S, [a, b], 1),
            [
                ?assertMisuse(possibly_matching_many_nodes_denied, #{path := Path}, Read(S, Path))
             || Read <- [
                    fun pando:get/2,
                    fun pando:exists/2,
                    fun pando:has_data/2,
                    fun pando_adv:get/2,
                    fun(S1, P) -> pando:get_or(S1, P, x) end,
                    fun(S1, P) -> pando:get_many(S1, P, #{expect_specific_node => true}) end,
                    fun(S1, P) -> pando_adv:get_many(S1, P, #{expect_specific_node => true}) end
                ]
            ]
        end}
     || Path <- [
            [?PANDO_WILDCARD_STAR],
            [?PANDO_WILDCARD_STAR_STAR],
            [a, ?PANDO_WILDCARD_STAR],
            [?PANDO_WILDCARD_STAR, b],
            [a, b, ?PANDO_WILDCARD_STAR, $^]
        ]
    ]).

a_missing_node_is_found_missing_before_a_wildcard_below_it_test_() ->
    cases([
        {"get, get_or, exists", fun(S) ->
            Path = [missing, ?PANDO_WILDCARD_STAR],
            Props = #{node_name => missing, node_path => [missing], node_is_target => false},
            ?assertEqual({error, {pando, node_not_found, Props}}, pando:get(S, Path)),
            ?assertEqual({ok, x}, pando:get_or(S, Path, x)),
            ?assertEqual(false, pando:exists(S, Path))
        end}
    ]).

options_of_reads_test_() ->
    cases([
        {"a timeout of zero", fun(S) ->
            ok = pando:put(S, [a], 1),
            Zero = #{timeout => 0},
            ?assertEqual({error, timeout}, pando:get(S, [a], Zero)),
            ?assertEqual({error, timeout}, pando_adv:get(S, [a], Zero)),
            ?assertError(timeout, pando:'get!'(S, [a], Zero))
        end},
        {"other timeouts, favor, and the rest of the tree options", fun(S) ->
            ok = pando:put(S, [a], 1),
            [
                begin
                    ?assertEqual({ok, 1}, pando:get(S, [a], Options)),
                    ?assertEqual({ok, 1}, pando:get_or(S, [a], d, Options)),
                    ?assertEqual(true, pando:exists(S, [a], Options)),
                    ?assertEqual(true, pando:has_data(S, [a], Options)),
                    ?assertMatch({ok, #{[a] := _}}, pando_adv:get(S, [a], Options))
                end
             || Options <- [
                    #{timeout => 1000},
                    #{timeout => infinity},
                    #{favor => consistency},
                    #{favor => low_latency, timeout => 5000},
                    #{expect_specific_node => true},
                    #{expect_specific_node => false},
                    #{include_root_props => true},
                    #{return_indirect_deletes => false},
                    #{props_to_return => []},
                    #{props_to_return => [child_names]}
                ]
            ]
        end}
    ]).
