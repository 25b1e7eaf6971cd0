-module(pando_payload_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

title(Term) ->
    lists:flatten(io_lib:format("~tw", [Term])).

no_payload_test() ->
    ?assertEqual('$__NO_PAYLOAD__', pando_payload:none()).

any_term_can_be_data_test_() ->
    [
        {title(Term), ?_assertEqual({p_data, Term}, pando_payload:data(Term))}
     || Term <- [5, {p_data, 5}, '$__NO_PAYLOAD__', fun lists:sum/1, self()]
    ].

a_function_can_be_a_stored_procedure_test() ->
    Closure = fun() -> self() end,
    ?assertEqual({p_sproc, fun lists:sum/1, false}, pando_payload:sproc(fun lists:sum/1)),
    ?assertEqual({p_sproc, Closure, false}, pando_payload:sproc(Closure)).

only_a_function_can_be_a_stored_procedure_test_() ->
    [
        {title(Term), ?_assertError(function_clause, pando_payload:sproc(Term))}
     || Term <- [foo, {lists, sum}, {p_sproc, fun lists:sum/1, false}]
    ].

values_are_wrapped_test_() ->
    [
        {title(Value), ?_assertEqual(Payload, pando_payload:wrap(Value))}
     || {Value, Payload} <- [
            {5, {p_data, 5}},
            {<<"v">>, {p_data, <<"v">>}},
            {fun lists:sum/1, {p_sproc, fun lists:sum/1, false}},
            {'$__NO_PAYLOAD__', '$__NO_PAYLOAD__'},
            {{p_data, 5}, {p_data, 5}},
            {{p_data, {p_data, 5}}, {p_data, {p_data, 5}}},
            {{p_sproc, fun lists:sum/1, rw}, {p_sproc, fun lists:sum/1, rw}},
            {{p_sproc, not_a_function, false}, {p_sproc, not_a_function, false}},
            %% Not quite payloads.
            {{p_data, 5, 6}, {p_data, {p_data, 5, 6}}},
            {{p_sproc, fun lists:sum/1}, {p_data, {p_sproc, fun lists:sum/1}}},
            {p_data, {p_data, p_data}}
        ]
    ].

payloads_are_prepared_test_() ->
    [
        {title(Payload), ?_assertEqual(Prepared, pando_payload:prepare(Payload))}
     || {Payload, Prepared} <- [
            {'$__NO_PAYLOAD__', '$__NO_PAYLOAD__'},
            {{p_data, 5}, {p_data, 5}},
            {{p_data, fun lists:sum/1}, {p_data, fun lists:sum/1}},
            {{p_sproc, fun lists:sum/1, false}, {p_sproc, fun lists:sum/1, false}}
        ]
    ].

the_capability_that_a_caller_claims_is_not_believed_test_() ->
    [
        {title(Claim), fun() ->
            Payload = {p_sproc, fun lists:sum/1, Claim},
            ?assertEqual({p_sproc, fun lists:sum/1, false}, pando_payload:prepare(Payload))
        end}
     || Claim <- [ro, rw, false, true, foo]
    ].

what_is_no_payload_is_not_prepared_test_() ->
    [
        {title(Term), ?_assertError(function_clause, pando_payload:prepare(Term))}
     || Term <- [
            5,
            foo,
            fun lists:sum/1,
            {p_data, 1, 2},
            {p_sproc, not_a_function, false},
            {p_sproc, {m, f}, rw}
        ]
    ].
