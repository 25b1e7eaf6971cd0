%% Writes that take away: delete and clear_payload, and the parents that go with their last child (spec 10.1).
-module(pando_delete_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1]).

-define(NONE, pando_payload:none()).

paths(S) ->
    {ok, Found} = pando:get_many(S, "**"),
    lists:sort(maps:keys(Found)).

delete_test_() ->
    cases([
        {"a node and what is below it: spec 8.2, example 2", fun(S) ->
            ok = pando:put(S, [t, a], 1),
            ok = pando:put(S, [t, b, c], 2),
            ?assertEqual(
                {ok, #{
                    [t] => #{delete_reason => explicit, payload_version => 1},
                    [t, a] => #{data => 1, delete_reason => explicit, payload_version => 1},
                    [t, b] => #{delete_reason => explicit, payload_version => 1},
                    [t, b, c] => #{data => 2, delete_reason => explicit, payload_version => 1}
                }},
                pando_adv:delete(S, [t])
            ),
            ?assertEqual([], paths(S))
        end},
        {"the simple forms answer ok", fun(S) ->
            [ok = pando:put(S, [N], 1) || N <- [a, b, c]],
            ?assertEqual(ok, pando:delete(S, [a])),
            ?assertEqual(ok, pando:delete(S, [b], #{})),
            ?assertEqual(ok, pando:'delete!'(S, [c])),
            ?assertEqual([], paths(S))
        end},
        {"a missing node, a missing parent", fun(S) ->
            ok = pando:put(S, [a], 1),
            [
                begin
                    ?assertEqual(ok, pando:delete(S, Path)),
                    ?assertEqual(ok, pando:'delete!'(S, Path, #{})),
                    ?assertEqual({ok, #{}}, pando_adv:delete(S, Path))
                end
             || Path <- [[b], [a, b], [a, b, c], [x, y, z], <<"a">>]
            ],
            ?assertEqual([[a]], paths(S))
        end},
        {"the root: its payload and its children go", fun(S) ->
            ok = pando:put(S, [], 1),
            ok = pando:put(S, [a, b], 2),
            ?assertEqual(ok, pando:delete(S, [])),
            ?assertEqual([], paths(S)),
            ?assertEqual({ok, undefined}, pando:get(S, [])),
            ?assertEqual(true, pando:exists(S, [])),
            ?assertEqual(ok, pando:delete(S, "/"))
        end},
        {"properties are those just before", fun(S) ->
            ok = pando:put(S, [k], fun lists:sum/1),
            ok = pando:put(S, [k, c], 1),
            Options = #{
                props_to_return => [payload, has_payload, child_names, child_list_length, raw_payload]
            },
            ?assertEqual(
                {ok, #{
                    [k] => #{
                        sproc => fun lists:sum/1,
                        is_sproc => true,
                        child_names => [c],
                        child_list_length => 1,
                        raw_payload => {p_sproc, fun lists:sum/1, false}
                    },
                    [k, c] => #{
                        data => 1,
                        has_data => true,
                        child_names => [],
                        child_list_length => 0,
                        raw_payload => {p_data, 1}
                    }
                }},
                pando_adv:delete(S, [k], Options)
            ),
            ok = pando:put(S, [k], 1),
            ?assertEqual({ok, #{[k] => #{}}}, pando_adv:delete(S, [k], #{props_to_return => []}))
        end},
        {"a subtree of some size", fun(S) ->
            Names = lists:seq(1, 30),
            ok = pando:put(S, [keep], 1),
            [ok = pando:put(S, [big, <<A>>, <<B>>], {A, B}) || A <- Names, B <- Names],
            ?assertEqual({ok, 1 + 1 + 30 + 900}, pando:count(S, "**")),
            {ok, Gone} = pando_adv:delete(S, [big]),
            ?assertEqual(1 + 30 + 900, maps:size(Gone)),
            ?assertEqual([explicit], lists:usort([R || #{delete_reason := R} <- maps:values(Gone)])),
            ?assertEqual([[keep]], paths(S))
        end},
        {"an option that deletes tolerate for nothing", fun(S) ->
            ok = pando:put(S, [a], 1),
            ?assertEqual({error, timeout}, pando:delete(S, [a], #{timeout => 0})),
            ?assertError(timeout, pando:'delete!'(S, [a], #{timeout => 0})),
            ?assertEqual([[a]], paths(S)),
            ?assertEqual(ok, pando:delete(S, [a], #{timeout => 60000}))
        end}
    ]).

clear_payload_test_() ->
    cases([
        {"spec 8.2, example 5", fun(S) ->
            ok = pando:put(S, [cp], 1),
            ?assertEqual(
                {ok, #{[cp] => #{data => 1, payload_version => 2}}}, pando_adv:clear_payload(S, [cp])
            ),
            ?assertEqual({ok, #{[cp] => #{payload_version => 2}}}, pando_adv:clear_payload(S, [cp])),
            ?assertEqual({ok, undefined}, pando:get(S, [cp]))
        end},
        {"the simple forms answer ok; the children stay", fun(S) ->
            ok = pando:put(S, [a], 1),
            ok = pando:put(S, [a, b], fun lists:sum/1),
            ?assertEqual(ok, pando:clear_payload(S, [a])),
            ?assertEqual(ok, pando:'clear_payload!'(S, [a, b])),
            ?assertEqual(ok, pando:'clear_payload!'(S, [a, b], #{})),
            ?assertEqual({ok, #{[a] => undefined, [a, b] => undefined}}, pando:get_many(S, "**"))
        end},
        {"a missing node is not created", fun(S) ->
            [
                begin
                    ?assertEqual(ok, pando:clear_payload(S, Path)),
                    ?assertEqual(ok, pando:'clear_payload!'(S, Path)),
                    ?assertEqual({ok, #{}}, pando_adv:clear_payload(S, Path))
                end
             || Path <- [[b], [a, b, c]]
            ],
            ?assertEqual([], paths(S))
        end},
        {"spec 21.2: on the root", fun(S) ->
            ok = pando:put(S, [], 1),
            ?assertEqual({ok, #{[] => #{data => 1, payload_version => 3}}}, pando_adv:clear_payload(S, [])),
            ?assertEqual(ok, pando:clear_payload(S, "/")),
            ?assertEqual({ok, undefined}, pando:get(S, []))
        end},
        {"a stored procedure", fun(S) ->
            ok = pando:put(S, [f], fun lists:sum/1),
            ?assertEqual(
                {ok, #{[f] => #{sproc => fun lists:sum/1, payload_version => 2}}},
                pando_adv:clear_payload(S, [f])
            )
        end},
        {"a timeout of zero", fun(S) ->
            ok = pando:put(S, [a], 1),
            ?assertEqual({error, timeout}, pando:clear_payload(S, [a], #{timeout => 0})),
            ?assertError(timeout, pando:'clear_payload!'(S, [a], #{timeout => 0})),
            ?assertEqual({ok, 1}, pando:get(S, [a]))
        end}
    ]).

%% Spec 10.1.
parents_made_on_the_way_test_() ->
    cases([
        {"go with their last child, all the way up", fun(S) ->
            ok = pando:put(S, [a, b, c], 1),
            ok = pando:put(S, [a, b, d], 1),
            ok = pando:delete(S, [a, b, c]),
            ?assertEqual([[a], [a, b], [a, b, d]], paths(S)),
            ?assertEqual(
                {ok, #{
                    [a] => #{delete_reason => keep_while, payload_version => 1},
                    [a, b] => #{delete_reason => keep_while, payload_version => 1},
                    [a, b, d] => #{data => 1, delete_reason => explicit, payload_version => 1}
                }},
                pando_adv:delete(S, [a, b, d])
            ),
            ?assertEqual([], paths(S))
        end},
        {"are not shown when indirect deletes are not wanted, and go all the same", fun(S) ->
            ok = pando:put(S, [a, b], 1),
            ?assertEqual(
                {ok, #{[a, b] => #{data => 1, delete_reason => explicit, payload_version => 1}}},
                pando_adv:delete(S, [a, b], #{return_indirect_deletes => false})
            ),
            ?assertEqual([], paths(S))
        end},
        {"stay while another is there", fun(S) ->
            ok = pando:put(S, [a, b, c], 1),
            ok = pando:put(S, [a, d], 1),
            ok = pando:delete(S, [a, b, c]),
            ?assertEqual([[a], [a, d]], paths(S))
        end},
        {"stay while they have a payload", fun(S) ->
            ok = pando:put(S, [a, b, c], 1),
            ok = pando:put(S, [a, b], payload),
            ?assertEqual(
                {ok, #{[a, b, c] => #{data => 1, delete_reason => explicit, payload_version => 1}}},
                pando_adv:delete(S, [a, b, c])
            ),
            ?assertEqual([[a], [a, b]], paths(S)),
            ?assertEqual(
                {ok, #{
                    [a] => #{delete_reason => keep_while, payload_version => 1},
                    [a, b] => #{data => payload, delete_reason => explicit, payload_version => 2}
                }},
                pando_adv:delete(S, [a, b])
            )
        end},
        {"go by the very clear that takes their payload: the example of spec 10.1", fun(S) ->
            ok = pando:put(S, [au, x], 1),
            ok = pando:put(S, [au], data),
            ok = pando:delete(S, [au, x]),
            ?assertEqual([[au]], paths(S)),
            ?assertEqual(
                {ok, #{[au] => #{payload_version => 3, delete_reason => keep_while}}},
                pando_adv:clear_payload(S, [au], #{props_to_return => [payload_version, delete_reason]})
            ),
            ?assertEqual([], paths(S))
        end},
        {"stay by a clear while they have children", fun(S) ->
            ok = pando:put(S, [au, x], 1),
            ok = pando:put(S, [au], data),
            ?assertEqual(
                {ok, #{[au] => #{data => data, payload_version => 3}}}, pando_adv:clear_payload(S, [au])
            ),
            ?assertEqual([[au], [au, x]], paths(S)),
            ok = pando:delete(S, [au, x]),
            ?assertEqual([], paths(S))
        end},
        {"stay by a put of no payload while they have children", fun(S) ->
            ok = pando:put(S, [p, x], 1),
            ok = pando:put(S, [p], ?NONE),
            ?assertEqual([[p], [p, x]], paths(S)),
            ok = pando:delete(S, [p, x]),
            ?assertEqual([], paths(S))
        end},
        {"a target is never one of them, even without payload", fun(S) ->
            ok = pando:put(S, [t], ?NONE),
            ok = pando:put(S, [t, c], 1),
            ok = pando:delete(S, [t, c]),
            ?assertEqual([[t]], paths(S)),
            ok = pando:clear_payload(S, [t]),
            ?assertEqual([[t]], paths(S))
        end},
        {"nor is one that was created as a target, with children and without", fun(S) ->
            ok = pando:create(S, [t, u], 1),
            ok = pando:put(S, [t, v], 1),
            ok = pando:put(S, [t, u, w], 1),
            ok = pando:clear_payload(S, [t, u]),
            ok = pando:delete(S, [t, u, w]),
            ?assertEqual([[t], [t, u], [t, v]], paths(S)),
            ok = pando:delete(S, [t, v]),
            ok = pando:delete(S, [t, u]),
            ?assertEqual([], paths(S))
        end},
        {"the root is no parent that goes", fun(S) ->
            ok = pando:put(S, [a], 1),
            ?assertEqual(
                {ok, #{[a] => #{data => 1, delete_reason => explicit, payload_version => 1}}},
                pando_adv:delete(S, [a])
            ),
            ?assertEqual(true, pando:exists(S, []))
        end},
        {"are remembered when the store is opened again", fun(_) ->
            pando_test_store:with_dir(fun(Dir) ->
                S = pando_test_store:new_name(),
                {ok, S} = pando:start(Dir, S),
                ok = pando:put(S, [made, x], 1),
                ok = pando:put(S, [target], ?NONE),
                ok = pando:put(S, [target, x], 1),
                ok = pando:stop(S),
                {ok, S} = pando:start(Dir, S),
                try
                    ok = pando:delete(S, [made, x]),
                    ok = pando:delete(S, [target, x]),
                    ?assertEqual([[target]], paths(S))
                after
                    ok = pando:stop(S)
                end
            end)
        end}
    ]).
