%% Transactions that are given as data: conditions and commands.
-module(pando_transaction_request_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, parallel/2]).
-import(pando_test_calls, [goes_on/1, paths/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).

plant(S) ->
    ok = pando:put(S, [k], 1),
    ok = pando:put(S, [l, a], 2),
    ok = pando:put(S, [l, b], 3).

%%% Commands

%% {Command, the call of pando with the same effect}
commands() ->
    Kept = #{keep_while => #{[k] => #if_node_exists{}}},
    [
        {{put, [k], 5}, {put, [[k], 5]}},
        {{put, "/:new/child", 5}, {put, ["/:new/child", 5]}},
        {{put, [n], 5, Kept}, {put, [[n], 5, Kept]}},
        {{put, [#if_all{conditions = [k, #if_data_matches{pattern = 1}]}], 5},
            {put, [[#if_all{conditions = [k, #if_data_matches{pattern = 1}]}], 5]}},
        {{create, [n], 5}, {create, [[n], 5]}},
        {{create, [n], 5, Kept}, {create, [[n], 5, Kept]}},
        {{update, [k], 5}, {update, [[k], 5]}},
        {{update, [k], 5, #{}}, {update, [[k], 5]}},
        {{compare_and_swap, [k], 1, 5}, {compare_and_swap, [[k], 1, 5]}},
        {{compare_and_swap, [k], '_', 5, Kept}, {compare_and_swap, [[k], '_', 5, Kept]}},
        {{delete, [l]}, {delete, [[l]]}},
        {{delete, [missing]}, {delete, [[missing]]}},
        {{delete, [k], #{}}, {delete, [[k]]}},
        {{clear_payload, [k]}, {clear_payload, [[k]]}},
        {{clear_payload, [missing]}, {clear_payload, [[missing]]}},
        {{put_many, "/:l/*", 5}, {put_many, ["/:l/*", 5]}},
        {{put_many, [l, ?STAR], 5, Kept}, {put_many, [[l, ?STAR], 5, Kept]}},
        {{put_many, "*", 5, #{include_root_props => true}}, {put_many, ["*", 5, #{include_root_props => true}]}},
        {{delete_many, "/:l/*"}, {delete_many, ["/:l/*"]}},
        {{clear_many_payloads, "**"}, {clear_many_payloads, ["**"]}},
        {{put, [f], fun lists:sum/1}, {put, [[f], fun lists:sum/1]}},
        {{put, [n], pando_payload:none()}, {put, [[n], pando_payload:none()]}}
    ].

each_command_does_what_the_call_does_test_() ->
    AllProps = #{props_to_return => [payload, payload_version, child_list_version, child_names, delete_reason]},
    cases([
        {title(Command), fun(S) ->
            pando_test_store:with_store(fun(Other) ->
                ok = plant(S),
                ok = plant(Other),
                ?assertEqual(ok, apply(pando, Function, [Other | Arguments])),
                ?assertEqual({ok, [ok]}, pando:transaction(S, #{commands => [Command]})),
                ?assertEqual(pando_adv:get_many(Other, "**", AllProps), pando_adv:get_many(S, "**", AllProps))
            end)
        end}
     || {Command, {Function, Arguments}} <- commands()
    ]).

with_props_to_return_the_answer_is_full_test_() ->
    cases([
        {title(Command), fun(S) ->
            ok = plant(S),
            ?assertEqual({ok, [ok, {ok, Answer}, ok]},
                pando:transaction(S, #{commands => [{put, [before], 1}, Command, {put, [behind], 1}]}))
        end}
     || {Command, Answer} <- [
            {{put, [k], 5, #{props_to_return => [payload, payload_version]}}, #{[k] => #{data => 1, payload_version => 2}}},
            {{put, [k], 5, #{props_to_return => []}}, #{[k] => #{}}},
            {{create, [n], 5, #{props_to_return => [payload_version]}}, #{[n] => #{payload_version => 1}}},
            {{update, [k], 5, #{props_to_return => [payload]}}, #{[k] => #{data => 1}}},
            {{compare_and_swap, [k], 1, 5, #{props_to_return => [payload]}}, #{[k] => #{data => 1}}},
            {{put_many, "/:l/*", 5, #{props_to_return => [payload]}}, #{[l, a] => #{data => 2}, [l, b] => #{data => 3}}},
            {{delete, [l], #{props_to_return => [delete_reason]}},
                #{[l] => #{delete_reason => explicit}, [l, a] => #{delete_reason => explicit},
                    [l, b] => #{delete_reason => explicit}}},
            {{delete_many, [l, a], #{props_to_return => [payload, delete_reason]}},
                #{[l, a] => #{data => 2, delete_reason => explicit}}},
            {{delete, [missing], #{props_to_return => [payload]}}, #{}},
            {{clear_payload, [k], #{props_to_return => [payload]}}, #{[k] => #{data => 1}}},
            {{clear_many_payloads, "*", #{props_to_return => [payload]}}, #{[before] => #{data => 1}, [k] => #{data => 1},
                [l] => #{}}}
        ]
    ]).

order_test_() ->
    cases([
        {"each command sees those before it", fun(S) ->
            ?assertEqual(
                {ok, [ok, ok, {ok, #{[k] => #{data => 2, delete_reason => explicit}}}, ok]},
                pando:transaction(S, #{commands => [
                    {create, [k], 1}, {compare_and_swap, [k], 1, 2},
                    {delete, [k], #{props_to_return => [payload, delete_reason]}}, {create, [k], 3}
                ]})
            ),
            ?assertEqual({ok, #{[k] => #{data => 3, payload_version => 1}}}, pando_adv:get(S, [k]))
        end},
        {"what is kept while a condition holds goes with the command that breaks it", fun(S) ->
            {ok, [ok, ok, ok, ok]} = pando:transaction(S, #{commands => [
                {put, [sess], 1}, {put, [lock], 1, #{keep_while => #{[sess] => #if_node_exists{}}}}, {delete, [sess]},
                {create, [lock], 2}
            ]}),
            ?assertEqual({ok, 2}, pando:get(S, [lock]))
        end},
        {"no commands, no conditions", fun(S) ->
            [
                ?assertEqual({ok, []}, pando:transaction(S, Data))
             || Data <- [#{}, #{commands => []}, #{conditions => []}, #{conditions => #{}, commands => []}]
            ]
        end},
        {"many commands", fun(S) ->
            Commands = [{put, [n, integer_to_binary(N)], N} || N <- lists:seq(1, 10_000)],
            ?assertEqual({ok, [ok || _ <- Commands]}, pando:transaction(S, #{commands => Commands})),
            ?assertEqual({ok, 10_000}, pando:count(S, "/:n/*"))
        end},
        {"an increment by compare_and_swap counts, whoever else does the same", fun(S) ->
            ok = pando:put(S, [k], 0),
            Increment = fun Increment(Left) when Left > 0 ->
                    {ok, N} = pando:get(S, [k]),
                    Data = #{conditions => [{[k], #if_data_matches{pattern = N}}], commands => [{put, [k], N + 1}]},
                    case pando:transaction(S, Data) of
                        {ok, [ok]} -> Increment(Left - 1);
                        {error, {pando, transaction_condition_not_met, _}} -> Increment(Left)
                    end;
                Increment(0) ->
                    ok
            end,
            _ = parallel(4, fun(_) -> Increment(25) end),
            ?assertEqual({ok, 100}, pando:get(S, [k]))
        end}
    ]).

%%% What goes wrong

conditions_test_() ->
    cases([
        {title({Conditions, Result}), fun(S) ->
            ok = plant(S),
            Data = #{conditions => Conditions, commands => [{put, [done], yes}]},
            case Result of
                ok ->
                    ?assertEqual({ok, [ok]}, pando:transaction(S, Data)),
                    ?assertEqual({ok, yes}, pando:get(S, [done]));
                {Index, Path, Condition} ->
                    Reason = {pando, transaction_condition_not_met, #{
                        index => Index, node_path => Path, condition => Condition, outcome => not_applied
                    }},
                    ?assertEqual({error, Reason}, pando:transaction(S, Data)),
                    ?assertMatch([_ | _], pando_errors:format(Reason)),
                    ?assertEqual(false, pando:exists(S, [done]))
            end
        end}
     || {Conditions, Result} <- [
            {[{[k], #if_node_exists{}}], ok},
            {[{"/:k", #if_data_matches{pattern = 1}}, {[l], #if_child_list_length{count = 2}}], ok},
            {[{[missing], #if_node_exists{exists = false}}], ok},
            {[{[l, ?STAR], #if_has_data{}}], ok},
            {#{[k] => #if_has_data{}, "/:l/:a" => #if_data_matches{pattern = 2}}, ok},
            {[{[], #if_child_list_length{count = 2}}], ok},
            {[{[k], #if_data_matches{pattern = 2}}], {1, [k], #if_data_matches{pattern = 2}}},
            {[{[k], #if_node_exists{}}, {[l], #if_has_data{}}], {2, [l], #if_has_data{}}},
            {[{[missing], #if_node_exists{}}], {1, [missing], {pattern_matches_no_nodes, [missing]}}},
            {[{[missing, ?STAR], #if_node_exists{}}],
                {1, [missing, ?STAR], {pattern_matches_no_nodes, [missing, ?STAR]}}},
            {[{[k], #if_node_exists{exists = false}}], {1, [k], #if_node_exists{exists = false}}},
            {[{[l, ?STAR], #if_data_matches{pattern = 2}}], {1, [l, ?STAR], #if_data_matches{pattern = 2}}},
            {#{[a] => #if_node_exists{exists = false}, [k] => #if_has_sproc{}}, {2, [k], #if_has_sproc{}}}
        ]
    ]).

refused_commands_test_() ->
    cases([
        {title(Refused), fun(S) ->
            ok = plant(S),
            Tree = pando_adv:get_many(S, "**"),
            Data = #{commands => [{put, [new], 1}, {delete, [l]}, Refused, {put, [behind], 1}]},
            {error, {pando, transaction_command_refused, Props}} = Answer = pando:transaction(S, Data),
            ?assertMatch(#{index := 3, reason := {pando, Name, _}, outcome := not_applied}, Props),
            ?assertMatch([_ | _], pando_errors:format(element(2, Answer))),
            ?assertEqual(Tree, pando_adv:get_many(S, "**")),
            goes_on(S)
        end}
     || {Refused, Name} <- [
            {{create, [k], 1}, mismatching_node},
            {{update, [missing], 1}, node_not_found},
            {{compare_and_swap, [k], 7, 1}, mismatching_node},
            {{update, [l, a], 1}, node_not_found},
            {{put, [n], 1, #{keep_while => #{[missing] => #if_node_exists{}}}}, keep_while_conditions_not_met},
            {{clear_payload, [#if_all{conditions = [k, #if_has_sproc{}]}]}, mismatching_node}
        ]
    ]).

%% What raises in the same call of pando raises here, and nothing is done.
misuse_test_() ->
    cases([
        {title(Wrong), fun(S) ->
            ok = plant(S),
            Tree = pando_adv:get_many(S, "**"),
            Call =
                case Wrong of
                    {condition, Condition} -> #{conditions => [Condition], commands => [{put, [new], 1}]};
                    _ -> #{commands => [{put, [new], 1}, Wrong]}
                end,
            Raised =
                try
                    pando:transaction(S, Call)
                catch
                    error:Reason -> {raised, Reason}
                end,
            case Name of
                function_clause -> ?assertEqual({raised, function_clause}, Raised);
                badarg -> ?assertEqual({raised, badarg}, Raised);
                _ -> ?assertMatch({raised, {pando_ex, Name, #{}}}, Raised)
            end,
            ?assertEqual(Tree, pando_adv:get_many(S, "**"))
        end}
     || {Wrong, Name} <- [
            {{put, "*", 1}, possibly_matching_many_nodes_denied},
            {{delete, [?STAR]}, possibly_matching_many_nodes_denied},
            {{clear_payload, "**"}, possibly_matching_many_nodes_denied},
            {{put, {a}, 1}, invalid_path},
            {{put, [a, {b}], 1}, invalid_path},
            {{put, [#if_all{conditions = [$^, #if_has_data{}]}], 1}, condition_targets_parent_node},
            {{put, [n], 1, #{keep_while => #{[a] => {no, condition}}}}, invalid_condition},
            {{put, [#if_all{conditions = [k, #if_data_matches{conditions = [{no_guard, 1}]}]}], 1}, badarg},
            {{put, [k], {p_sproc, no_function, false}}, function_clause},
            {{condition, {[k], {no, condition}}}, invalid_condition},
            {{condition, {{k}, #if_has_data{}}}, invalid_path},
            {{put, [a, 5], 1}, invalid_path},
            {{condition, {[k, 5], #if_has_data{}}}, invalid_path},
            {{condition, {[k], #if_name_matches{regex = "(?=a)"}}}, condition_not_supported},
            {{condition, {[k], #if_data_matches{conditions = [{no_guard, 1}]}}}, badarg},
            {{condition, [k]}, function_clause},
            {{put, [k]}, function_clause},
            {{put, [k], 1, #{timeout => 1}}, function_clause},
            {{put, [k], 1, #{async => true}}, function_clause},
            {{put, [k], 1, #{unknown => 1}}, function_clause},
            {{put, [k], 1, []}, function_clause},
            {{get, [k]}, function_clause},
            {{transaction, #{}}, function_clause},
            {foo, function_clause}
        ]
    ]).

options_test_() ->
    cases([
        {"timeout 0", fun(S) ->
            ?assertEqual({error, timeout}, pando:transaction(S, #{commands => [{put, [k], 1}]}, #{timeout => 0})),
            ?assertEqual([], paths(S))
        end},
        {"a store that does not run", fun(_S) ->
            ?assertEqual({error, noproc}, pando:transaction(no_such_store, #{commands => [{put, [k], 1}]}))
        end},
        {"reply_from", fun(S) ->
            ?assertEqual({error, {unknown_option, reply_from, x}},
                pando:transaction(S, #{commands => [{put, [k], 1}]}, #{reply_from => x})),
            ?assertEqual([], paths(S))
        end},
        {"async", fun(S) ->
            Next = fun() ->
                receive
                    {ra_event, _, _} = Message -> pando:handle_async_ret(S, Message)
                after 5000 -> none
                end
            end,
            ok = pando:transaction(S, #{commands => [{put, [k], 1}]}, #{async => 1}),
            ?assertEqual([{1, {ok, [ok]}}], Next()),
            ok = pando:transaction(S, #{conditions => [{[no], #if_has_data{}}]}, #{async => 2}),
            ?assertMatch([{2, {error, {pando, transaction_condition_not_met, #{index := 1}}}}], Next()),
            ok = pando:transaction(S, #{commands => [{update, [no], 1}]}, #{async => 3}),
            ?assertMatch([{3, {error, {pando, transaction_command_refused, #{index := 1}}}}], Next()),
            ok = pando:transaction(S, #{commands => [{put, [k], 2}]}, #{async => true}),
            ok = pando:fence(S),
            ?assertEqual({ok, 2}, pando:get(S, [k])),
            ?assertEqual(ok, pando:transaction(no_such_store, #{}, #{async => true})),
            ?assertEqual({error, noproc}, pando:transaction(no_such_store, #{}, #{async => 1}))
        end}
    ]).

limits_test_() ->
    cases([
        {"commands", fun(S) ->
            Max = maps:get(<<"transaction_commands_max">>, pando_backend:limits()),
            Commands = [{delete, [k]} || _ <- lists:seq(1, Max)],
            {ok, Results} = pando:transaction(S, #{commands => Commands}),
            ?assertEqual(Max, length(Results)),
            ?assertEqual(
                {error,
                    {pando, limit_exceeded, #{limit => transaction_commands_max, max => Max, outcome => not_applied}}},
                pando:transaction(S, #{commands => [{delete, [k]} | Commands]})
            ),
            goes_on(S)
        end}
    ]).
