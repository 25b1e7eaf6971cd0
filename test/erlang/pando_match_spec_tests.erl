%% Match specifications against the runtime's own: the same random cases to both, the same answers.
-module(pando_match_spec_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-define(SEED, 20261122).
-define(CASES, 100000).
-define(PAIRS, 50000).

%% @doc What Pando says: whether the term matches, that the specification is ill-formed, or why it is not supported.
answer(Term, Pattern, Guards) ->
    Condition = #if_data_matches{pattern = Pattern, conditions = Guards},
    try pando_condition:is_met(Condition, [x], #{data => Term}) of
        true -> true;
        {false, _} -> false
    catch
        error:badarg -> badarg;
        error:{pando_ex, condition_not_supported, #{reason := Reason}} -> {not_supported, Reason}
    end.

matches(Term, Pattern, Guards) ->
    ?assertEqual(pando_match_spec_cases:reference(Term, Pattern, Guards), answer(Term, Pattern, Guards)).

random_cases_have_the_answers_of_the_runtime_test_() ->
    {timeout, 600, fun() ->
                           _ = rand:seed(exsss, ?SEED),
                           Counts = lists:foldl(fun random_case/2, #{}, lists:seq(1, ?CASES)),
                           ?debugFmt("~b random match specifications: ~0p", [?CASES, Counts]),
                           %% The cases are worth something only if each kind of answer comes up often.
                           #{true := True, false := False, badarg := Badarg} = Counts,
                           ?assert(True > ?CASES div 2),
                           ?assert(False > ?CASES div 5),
                           ?assert(Badarg > ?CASES div 50),
                           ?assertEqual([<<"node/0 depends on the member it runs on">>,
                                         <<"self/0 depends on the member it runs on">>],
                                        lists:sort([Reason || {not_supported, Reason} <- maps:keys(Counts)]))
                   end}.

random_case(Number, Counts) ->
    Term = pando_match_spec_cases:term(),
    {Pattern, Guards} = pando_match_spec_cases:specification(Term),
    case {pando_match_spec_cases:reference(Term, Pattern, Guards), answer(Term, Pattern, Guards)} of
        {Same, Same} ->
            count(Same, Counts);
        {_, {not_supported, _} = NotSupported} ->
            count(NotSupported, Counts);
        {Expected, Answer} ->
            ?assertEqual({Expected, shrunk(Term, Pattern, Guards)}, {Answer, case_number(Number)})
    end.

count(Answer, Counts) ->
    maps:update_with(Answer, fun(Count) -> Count + 1 end, 1, Counts).

case_number(Number) ->
    {seed, ?SEED, 'case', Number}.

%% With as few guards as show the difference.
shrunk(Term, Pattern, Guards) when is_list(Guards), length(Guards) > 1 ->
    Differ = [Guard || Guard <- Guards,
                       pando_match_spec_cases:reference(Term, Pattern, [Guard]) =/= answer(Term, Pattern, [Guard])],
    case Differ of
        [Guard | _] -> {Term, Pattern, [Guard]};
        [] -> {Term, Pattern, Guards}
    end;
shrunk(Term, Pattern, Guards) ->
    {Term, Pattern, Guards}.

random_pairs_are_in_the_order_of_the_runtime_test_() ->
    {timeout, 600, fun() ->
                           _ = rand:seed(exsss, ?SEED),
                           Orders = [random_pair() || _ <- lists:seq(1, ?PAIRS)],
                           [?assert(length([O || O <- Orders, O =:= Order]) > ?PAIRS div 10)
                            || Order <- [less, equal, greater]]
                   end}.

random_pair() ->
    A = pando_match_spec_cases:term(),
    B = pando_match_spec_cases:near(A),
    Order = pando_match_spec_cases:order(A, B),
    Guard = case Order of
                less -> {'<', '$1', '$2'};
                equal -> {'==', '$1', '$2'};
                greater -> {'>', '$1', '$2'}
            end,
    ?assertEqual({true, A, B}, {answer({A, B}, {'$1', '$2'}, [Guard]), A, B}),
    ?assertEqual({A =:= B, A, B}, {answer({A, B}, {'$1', '$1'}, []), A, B}),
    Order.

each_function_has_the_answer_of_the_runtime_test_() ->
    [{lists:flatten(io_lib:format("~tw of ~tw", [Guard, Term])), fun() -> matches(Term, '$1', [Guard]) end}
     || {Guard, Term} <- [{{is_binary, '$1'}, <<1:3>>},
                          {{'=:=', {size, '$1'}, 1}, <<1, 2:3>>},
                          {{'=:=', {byte_size, '$1'}, 2}, <<1, 2:3>>},
                          {{'=:=', {binary_part, '$1', 3, -2}, <<"bc">>}, <<"abc">>},
                          {{'=:=', {binary_part, '$1', {{0, 1}}}, <<"a">>}, <<"abc">>},
                          {{'=:=', {'bsr', '$1', 1 bsl 70}, -1}, -5},
                          {{'=:=', {'div', '$1', -1}, 1 bsl 63}, -(1 bsl 63)},
                          {{'=:=', {float, '$1'}, 1.7976931348623157e308}, (1 bsl 1024) - (1 bsl 970) - 1},
                          {{'=:=', {float, '$1'}, 1.0}, (1 bsl 1024) - (1 bsl 970)},
                          {{'=:=', {round, '$1'}, 3}, 2.5},
                          {{'=:=', {round, '$1'}, 0}, 0.49999999999999994},
                          {{'=:=', {map_get, a, '$1'}, 1}, #{a => 1}},
                          {{'=:=', '$1', #{a => {{b}}, c => {const, {d}}}}, #{a => {b}, c => {d}}},
                          {{'=:=', '$1', #{{{'$1'}} => a}}, x},
                          {{'=:=', {'andalso', true, '$1'}, 5}, 5},
                          {{'or', true, '$1'}, 5},
                          {{is_record, '$1', a, 2}, {a, b}},
                          {{is_record, '$1', a, 1 bsl 59}, x},
                          {{'=:=', {node, '$1'}, node()}, self()}]].

%% =====================================================================
%% Where Pando answers otherwise than OTP 25 on purpose

what_depends_on_the_member_is_not_supported_test() ->
    ?assertEqual({not_supported, <<"node/0 depends on the member it runs on">>}, answer(1, '_', [{is_atom, {node}}])),
    ?assertEqual({not_supported, <<"self/0 depends on the member it runs on">>}, answer(1, '_', [{is_pid, {self}}])),
    ?assertEqual(badarg, answer(1, '_', [{is_pid, {self}}, '$1'])).

zeros_with_different_signs_are_not_the_same_test() ->
    [Zero, Negative] = [0.0, list_to_float("-0.0")],
    ?assertEqual(false, answer({Zero, Negative}, {'$1', '$1'}, [])),
    ?assertEqual(false, answer(Zero, '$1', [{'=:=', '$1', Negative}])),
    ?assertEqual(true, answer(Zero, '$1', [{'==', '$1', Negative}])).

numbers_have_a_longest_length_in_guards_test() ->
    ?assertEqual(true, answer(1, '$1', [{'>', {'bsl', '$1', 65535}, 0}])),
    ?assertEqual(false, answer(1, '$1', [{'>', {'bsl', '$1', 65536}, 0}])),
    ?assertEqual(true, answer(1 bsl 65536, '$1', [{'>', '$1', 0}])).

variables_end_where_erlang_documents_it_test() ->
    ?assertEqual(true, answer({1, 2}, {'$100000000', '$0'}, [{'==', '$100000000', 1}])),
    ?assertEqual({not_supported, <<"variables end at $100000000">>}, answer(1, '$100000001', [])).

constants_that_look_like_variables_stay_as_they_are_test() ->
    ?assertEqual(true, answer({x, '$7'}, {'$100', '$200'}, [{'==', '$200', {const, '$7'}}])).

a_key_three_times_in_a_guard_counts_once_test() ->
    Guard = {'==', #{1 => a, '$1' => b, '$2' => c, z => d}, #{1 => c, z => d}},
    ?assertEqual(true, answer({1, 1}, {'$1', '$2'}, [Guard])).

specifications_nest_up_to_a_limit_test() ->
    Nested = fun(Depth) -> lists:foldl(fun(_, Guard) -> {'not', Guard} end, true, lists:seq(1, Depth)) end,
    ?assertEqual(true, answer(1, '_', [Nested(240)])),
    %% The condition around it is read first, and a term of this depth is beyond the limit of conditions, too.
    ?assertError({pando, limit_exceeded, #{limit := condition_depth_max}}, answer(1, '_', [Nested(260)])).
