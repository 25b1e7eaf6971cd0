%% Writes that put: put, create, update; what they answer, their counters, their errors.
-module(pando_put_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).

-define(COUNTERS, #{props_to_return => [payload_version, child_list_version, child_list_length]}).

counters(S, Path) ->
    {ok, Found} = pando_adv:get(S, Path, ?COUNTERS),
    [Props] = maps:values(Found),
    #{payload_version := Payload, child_list_version := List, child_list_length := Length} = Props,
    {Payload, List, Length}.

put_test_() ->
    cases([
        {"creates a node and what is missing above it", fun(S) ->
            ?assertEqual(ok, pando:put(S, [a, b, c], 1)),
            ?assertEqual(
                {ok, #{[a] => undefined, [a, b] => undefined, [a, b, c] => 1}}, pando:get_many(S, "**")
            )
        end},
        {"replaces a payload of any kind by one of any kind", fun(S) ->
            Payloads = [
                {1, #{data => 1}},
                {{p_data, {p_data, 5}}, #{data => {p_data, 5}}},
                {fun lists:sum/1, #{sproc => fun lists:sum/1}},
                {'$__NO_PAYLOAD__', #{}},
                {pando_payload:none(), #{}},
                {pando_payload:data(fun lists:sum/1), #{data => fun lists:sum/1}},
                {pando_payload:sproc(fun lists:max/1), #{sproc => fun lists:max/1}}
            ],
            [
                begin
                    ok = pando:put(S, [k], From),
                    ok = pando:put(S, [k], To),
                    {ok, #{[k] := Props}} = pando_adv:get(S, [k], #{props_to_return => [payload]}),
                    ?assertEqual(Expected, Props)
                end
             || {From, _} <- Payloads, {To, Expected} <- Payloads
            ]
        end},
        {"a literal payload tuple is wrapped by hand", fun(S) ->
            ok = pando:put(S, [k], {p_data, 5}),
            ?assertEqual({ok, 5}, pando:get(S, [k]))
        end},
        {"on the root", fun(S) ->
            ?assertEqual(ok, pando:put(S, "/", 1)),
            ?assertEqual({ok, #{[] => #{data => 1, payload_version => 3}}}, pando_adv:put(S, [], 2)),
            ?assertEqual({ok, 2}, pando:get(S, "")),
            ?assertEqual({3, 1, 0}, counters(S, []))
        end},
        {"with bang", fun(S) ->
            ?assertEqual(ok, pando:'put!'(S, [a], 1)),
            ?assertEqual(ok, pando:'put!'(S, [a], 1, #{})),
            ?assertError(timeout, pando:'put!'(S, [a], 2, #{timeout => 0})),
            ?assertEqual({ok, 1}, pando:get(S, [a]))
        end},
        {"below a node that has a payload of its own", fun(S) ->
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [a, b], 2),
            ?assertEqual({ok, #{[a] => 1, [a, b] => 2}}, pando:get_many(S, "**"))
        end},
        {"a path with steps up is a path like any other", fun(S) ->
            ok = pando:put(S, [a], 1),
            ?assertEqual({ok, #{[b] => #{payload_version => 1}}}, pando_adv:put(S, [a, $^, b], 2)),
            ?assertEqual(
                {ok, #{[b] => #{data => 2, payload_version => 2}}}, pando_adv:put(S, "/:a/./../:b", 3)
            )
        end}
    ]).

put_answers_test_() ->
    cases([
        {"spec 8.2, example 1", fun(S) ->
            ?assertEqual({ok, #{[a, b] => #{payload_version => 1}}}, pando_adv:put(S, [a, b], 1)),
            ?assertEqual({ok, #{[a, b] => #{data => 1, payload_version => 1}}}, pando_adv:put(S, [a, b], 1)),
            ?assertEqual({ok, #{[a, b] => #{data => 1, payload_version => 2}}}, pando_adv:put(S, [a, b], 2))
        end},
        {"every property: the former payload, the new counters", fun(S) ->
            All = #{
                props_to_return => [
                    payload,
                    payload_version,
                    delete_reason,
                    child_list_version,
                    child_list_length,
                    child_names,
                    has_payload,
                    raw_payload
                ]
            },
            New = #{
                payload_version => 1,
                child_list_version => 1,
                child_list_length => 0,
                child_names => [],
                has_data => true,
                raw_payload => {p_data, 1}
            },
            ?assertEqual({ok, #{[k] => New}}, pando_adv:put(S, [k], 1, All)),
            ok = pando:put(S, [k, c], x),
            Replaced = #{
                data => 1,
                payload_version => 2,
                child_list_version => 2,
                child_list_length => 1,
                child_names => [c],
                has_data => true,
                raw_payload => {p_data, 2}
            },
            ?assertEqual({ok, #{[k] => Replaced}}, pando_adv:put(S, [k], 2, All)),
            ?assertEqual(
                {ok, #{[k] => Replaced#{data := 2, payload_version := 3, raw_payload := '$__NO_PAYLOAD__'}}},
                pando_adv:put(S, [k], pando_payload:none(), All)
            )
        end},
        {"has_payload is the union of what was and what is", fun(S) ->
            Has = #{props_to_return => [has_payload]},
            ?assertEqual({ok, #{[k] => #{has_data => true}}}, pando_adv:put(S, [k], 1, Has)),
            ?assertEqual({ok, #{[k] => #{has_data => true}}}, pando_adv:clear_payload(S, [k], Has)),
            ?assertEqual({ok, #{[k] => #{}}}, pando_adv:clear_payload(S, [k], Has)),
            ?assertEqual({ok, #{[k] => #{is_sproc => true}}}, pando_adv:put(S, [k], fun lists:sum/1, Has)),
            ?assertEqual(
                {ok, #{[k] => #{has_data => true, is_sproc => true}}}, pando_adv:put(S, [k], 1, Has)
            ),
            ?assertEqual(
                {ok, #{[k] => #{has_data => true, is_sproc => true}}},
                pando_adv:put(S, [k], fun lists:sum/1, Has)
            ),
            ?assertEqual({ok, #{[k] => #{is_sproc => true}}}, pando_adv:clear_payload(S, [k], Has))
        end},
        {"one entry for the target, none for parents made on the way", fun(S) ->
            ?assertEqual({ok, #{[a, b, c] => #{payload_version => 1}}}, pando_adv:put(S, [a, b, c], 1)),
            ?assertEqual({ok, #{[a, b, d] => #{}}}, pando_adv:put(S, [a, b, d], 1, #{props_to_return => []}))
        end},
        {"a stored procedure that is replaced", fun(S) ->
            ok = pando:put(S, [f], fun lists:sum/1),
            ?assertEqual(
                {ok, #{[f] => #{sproc => fun lists:sum/1, payload_version => 2}}}, pando_adv:put(S, [f], 1)
            )
        end},
        {"the simple form answers ok whatever is asked for", fun(S) ->
            ?assertEqual(ok, pando:put(S, [a], 1, #{props_to_return => [payload]})),
            ?assertEqual(
                ok, pando:put(S, [a], 2, #{return_indirect_deletes => false, include_root_props => true})
            ),
            ?assertEqual(ok, pando:put(S, [a], 2, #{expect_specific_node => false}))
        end}
    ]).

%% The VM crashes when a thread that is no scheduler makes a map of many keys: so no such thread may make an
%% answer.
answers_of_any_size_test_() ->
    cases([
        {title({maps, 'of', Size, keys}), fun(S) ->
            Map = maps:from_list([{N, [N]} || N <- lists:seq(1, Size)]),
            Path = [k],
            ok = pando:put(S, Path, Map),
            ?assertEqual({ok, #{Path => #{data => Map, payload_version => 2}}}, pando_adv:put(S, Path, 1)),
            ok = pando:put(S, Path, Map),
            ?assertEqual(
                {ok, #{Path => #{data => Map, payload_version => 4}}}, pando_adv:update(S, Path, {2, Map})
            ),
            ?assertMatch(
                {error, {pando, mismatching_node, #{node_props := #{data := {2, Map}}}}},
                pando:create(S, Path, 1)
            ),
            ?assertEqual(
                {ok, #{Path => #{data => {2, Map}, payload_version => 5}}}, pando_adv:clear_payload(S, Path)
            ),
            ok = pando:put(S, Path, Map),
            ?assertMatch(
                {ok, #{Path := #{data := Map, delete_reason := explicit}}}, pando_adv:delete(S, Path)
            )
        end}
     || Size <- [32, 33, 128, 129, 1000, 20000]
    ] ++ [
        {"answers of thousands of nodes", fun(S) ->
            pando_test_store:parallel(20, fun(Part) ->
                [ok = pando:put(S, [big, <<Part, N>>], {Part, N}) || N <- lists:seq(1, 100)]
            end),
            {ok, Gone} = pando_adv:delete(S, [big]),
            Written = [{Part, N} || Part <- lists:seq(1, 20), N <- lists:seq(1, 100)],
            Expected = [{[big], none} | [{[big, <<Part, N>>], {Part, N}} || {Part, N} <- Written]],
            ?assertEqual(
                lists:sort(Expected),
                lists:sort([{P, maps:get(data, Props, none)} || {P, Props} <- maps:to_list(Gone)])
            )
        end}
    ]).

create_test_() ->
    cases([
        {"a new node", fun(S) ->
            ?assertEqual(ok, pando:create(S, [a, b], 1)),
            ?assertEqual({ok, #{[c] => #{payload_version => 1}}}, pando_adv:create(S, [c], 1)),
            ?assertEqual(ok, pando:'create!'(S, [d], 1)),
            ?assertEqual(ok, pando:'create!'(S, [e], 1, #{})),
            ?assertEqual({ok, 1}, pando:get(S, [a, b]))
        end},
        {"spec 6.1, example 4: an existing one", fun(S) ->
            ok = pando:put(S, [c], 1),
            Reason =
                {pando, mismatching_node, #{
                    node_name => c,
                    node_path => [c],
                    node_is_target => true,
                    node_props => #{data => 1, payload_version => 1},
                    condition => {if_node_exists, false}
                }},
            ?assertEqual({error, Reason}, pando:create(S, [c], 2)),
            ?assertEqual({error, Reason}, pando_adv:create(S, [c], 2)),
            ?assertEqual({error, Reason}, pando_adv:create(S, [c], 2, #{props_to_return => []})),
            ?assertError(Reason, pando:'create!'(S, [c], 2)),
            ?assertEqual({ok, 1}, pando:get(S, [c]))
        end},
        {"an existing one without payload, one with a procedure", fun(S) ->
            ok = pando:put(S, [a, b], fun lists:sum/1),
            ?assertMatch(
                {error,
                    {pando, mismatching_node, #{
                        node_path := [a], node_name := a, node_props := #{payload_version := 1} = Props
                    }}} when map_size(Props) =:= 1,
                pando:create(S, [a], 2)
            ),
            ?assertMatch(
                {error,
                    {pando, mismatching_node, #{
                        node_path := [a, b],
                        node_name := b,
                        node_props := #{payload_version := 1, sproc := _} = Props
                    }}} when map_size(Props) =:= 2,
                pando:create(S, [a, b], 2)
            )
        end},
        {"spec 21.2: the root is always there", fun(S) ->
            Reason =
                {pando, mismatching_node, #{
                    node_name => $/,
                    node_path => [],
                    node_is_target => true,
                    node_props => #{payload_version => 1},
                    condition => {if_node_exists, false}
                }},
            [?assertEqual({error, Reason}, pando:create(S, Root, 1)) || Root <- [[], "/", "", [$.], [$^]]],
            ?assertEqual({ok, undefined}, pando:get(S, []))
        end},
        {"what failed has changed nothing", fun(S) ->
            ok = pando:put(S, [c, d], 1),
            Before = [counters(S, Path) || Path <- [[], [c], [c, d]]],
            {error, _} = pando:create(S, [c, d], 2),
            {error, _} = pando:update(S, [c, e, f], 2),
            {error, _} = pando:update(S, [x, y], 2),
            ?assertEqual(Before, [counters(S, Path) || Path <- [[], [c], [c, d]]]),
            ?assertEqual({ok, 2}, pando:count(S, "**"))
        end}
    ]).

update_test_() ->
    cases([
        {"an existing node", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            ?assertEqual(ok, pando:update(S, [a, b], 2)),
            ?assertEqual(ok, pando:'update!'(S, [a], 3)),
            ?assertEqual(ok, pando:'update!'(S, [a], 3, #{})),
            ?assertEqual(
                {ok, #{[a, b] => #{data => 2, payload_version => 3}}}, pando_adv:update(S, [a, b], 4)
            ),
            ?assertEqual({ok, #{[a] => 3, [a, b] => 4}}, pando:get_many(S, "**"))
        end},
        {"the root", fun(S) ->
            ?assertEqual({ok, #{[] => #{payload_version => 2}}}, pando_adv:update(S, [], 1)),
            ?assertEqual({ok, 1}, pando:get(S, []))
        end},
        {"spec 6.1, example 3: a missing one", fun(S) ->
            Reason =
                {pando, node_not_found, #{
                    node_name => e,
                    node_path => [d, e],
                    node_is_target => true,
                    condition => {if_all, [e, {if_node_exists, true}]}
                }},
            ?assertEqual({error, Reason}, pando:update(S, [d, e], 2)),
            ?assertEqual({error, Reason}, pando_adv:update(S, [d, e], 2)),
            ?assertError(Reason, pando:'update!'(S, [d, e], 2)),
            ?assertEqual(true, pando:is_empty(S))
        end}
    ]).

%% Spec 9.
counters_test_() ->
    cases([
        {"of a new node, and of the parents made for it", fun(S) ->
            ok = pando:put(S, [a, b, c], 1),
            ?assertEqual({1, 1, 1}, counters(S, [a])),
            ?assertEqual({1, 1, 1}, counters(S, [a, b])),
            ?assertEqual({1, 1, 0}, counters(S, [a, b, c])),
            ?assertEqual({1, 2, 1}, counters(S, []))
        end},
        {"a payload that differs counts, an identical one does not", fun(S) ->
            Steps = [
                {1, 1}, {1, 1}, {1.0, 2}, {1, 3}, {"1", 4}, {"1", 4}, {[$1], 4}, {<<"1">>, 5},
                {#{a => 1, b => 2}, 6}, {#{b => 2, a => 1}, 6}, {fun lists:sum/1, 7}, {fun lists:sum/1, 7},
                {{p_data, fun lists:sum/1}, 8}, {undefined, 9}, {'$__NO_PAYLOAD__', 10},
                {'$__NO_PAYLOAD__', 10}, {0.0, 11}, {1 bsl 64, 12}, {1 bsl 64, 12},
                {lists:seq(1, 300), 13}, {lists:seq(1, 300), 13}
            ],
            [
                begin
                    ok = pando:put(S, [k], Value),
                    ?assertEqual({Value, {Version, 1, 0}}, {Value, counters(S, [k])})
                end
             || {Value, Version} <- Steps
            ],
            ?assertEqual({1, 2, 1}, counters(S, []))
        end},
        {"a payload that is cleared", fun(S) ->
            ok = pando:put(S, [k], 1),
            ok = pando:clear_payload(S, [k]),
            ?assertEqual({2, 1, 0}, counters(S, [k])),
            ok = pando:clear_payload(S, [k]),
            ?assertEqual({2, 1, 0}, counters(S, [k])),
            ok = pando:put(S, [k], 1),
            ?assertEqual({3, 1, 0}, counters(S, [k]))
        end},
        {"children: created and removed count for the parent alone, modified for none", fun(S) ->
            ok = pando:put(S, [p, a], 1),
            ok = pando:put(S, [p, b], 1),
            ?assertEqual({1, 2, 2}, counters(S, [p])),
            ok = pando:put(S, [p, a], 2),
            ok = pando:put(S, [p, a, deep], 2),
            ?assertEqual({1, 2, 2}, counters(S, [p])),
            ok = pando:delete(S, [p, b]),
            ?assertEqual({1, 3, 1}, counters(S, [p])),
            ok = pando:delete(S, [p, b]),
            ?assertEqual({1, 3, 1}, counters(S, [p])),
            ?assertEqual({1, 2, 1}, counters(S, []))
        end},
        {"a node that is removed and created again starts again", fun(S) ->
            ok = pando:put(S, [k], 1),
            ok = pando:put(S, [k], 2),
            ok = pando:put(S, [k, c], 2),
            ok = pando:delete(S, [k]),
            ok = pando:put(S, [k], 3),
            ?assertEqual({1, 1, 0}, counters(S, [k])),
            ?assertEqual({1, 4, 1}, counters(S, []))
        end},
        {"delete of the root", fun(S) ->
            ok = pando:delete(S, []),
            ?assertEqual({1, 1, 0}, counters(S, [])),
            ok = pando:put(S, [], 1),
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [b], 1),
            ?assertEqual({2, 3, 2}, counters(S, [])),
            ok = pando:delete(S, []),
            ?assertEqual({3, 4, 0}, counters(S, [])),
            ok = pando:put(S, [a], 1),
            ok = pando:delete(S, []),
            ?assertEqual({3, 6, 0}, counters(S, []))
        end},
        {"parents that go with their last child count for theirs: the example of spec 9", fun(S) ->
            ok = pando:put(S, [fleet, van, <<"7">>], x),
            ok = pando:put(S, [fleet, van, <<"8">>], x),
            ok = pando:delete(S, [fleet, van, <<"7">>]),
            ?assertEqual(
                {ok, #{
                    [fleet, van, <<"8">>] => #{
                        data => x,
                        raw_payload => {p_data, x},
                        has_data => true,
                        payload_version => 1,
                        child_names => [],
                        child_list_length => 0,
                        child_list_version => 1,
                        delete_reason => explicit
                    },
                    [fleet, van] => #{
                        raw_payload => '$__NO_PAYLOAD__',
                        child_names => [],
                        child_list_length => 0,
                        child_list_version => 4,
                        delete_reason => keep_while,
                        payload_version => 1
                    },
                    [fleet] => #{
                        raw_payload => '$__NO_PAYLOAD__',
                        child_names => [],
                        child_list_length => 0,
                        child_list_version => 2,
                        delete_reason => keep_while,
                        payload_version => 1
                    }
                }},
                pando_adv:delete(S, [fleet, van, <<"8">>], #{
                    props_to_return => [
                        payload,
                        payload_version,
                        child_list_version,
                        child_list_length,
                        child_names,
                        delete_reason,
                        has_payload,
                        raw_payload
                    ]
                })
            ),
            ?assertEqual({1, 3, 0}, counters(S, []))
        end}
    ]).

a_path_that_may_match_many_nodes_is_denied_test_() ->
    Star = ?PANDO_WILDCARD_STAR,
    Exists = fun(Bool) -> #if_all{conditions = [Star, #if_node_exists{exists = Bool}]} end,
    cases([
        {title({Name, Path}), fun(S) ->
            ok = pando:put(S, [a, b], 1),
            Raised = {pando_ex, possibly_matching_many_nodes_denied, #{path => Shown}},
            ?assertError(Raised, Write(pando, S, Path)),
            ?assertError(Raised, Write(pando_adv, S, Path)),
            ?assertEqual({ok, 2}, pando:count(S, "**"))
        end}
     || {Name, Write, Conditions} <- [
            {put, fun(M, S, P) -> M:put(S, P, x) end, keep},
            {create, fun(M, S, P) -> M:create(S, P, x) end, Exists(false)},
            {update, fun(M, S, P) -> M:update(S, P, x) end, Exists(true)},
            {delete, fun(M, S, P) -> M:delete(S, P) end, keep},
            {clear_payload, fun(M, S, P) -> M:clear_payload(S, P) end, Exists(true)}
        ],
        {Path, Shown} <- [
            {[Star], [shown(Star, Conditions)]},
            {"*", [shown(Star, Conditions)]},
            {[a, Star], [a, shown(Star, Conditions)]},
            {[Star, b], [Star, last(b, Conditions)]},
            {"/**/:b", [?PANDO_WILDCARD_STAR_STAR, last(b, Conditions)]}
        ]
    ]).

shown(Component, keep) -> Component;
shown(_Component, With) -> With.

last(Name, keep) -> Name;
last(Name, #if_all{conditions = [_ | Conditions]}) -> #if_all{conditions = [Name | Conditions]}.
