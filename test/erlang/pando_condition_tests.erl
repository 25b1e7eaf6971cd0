%% Every condition, met and not met, wherever one may stand: in reads of many and of one node, in writes, in
%% keep_while, in pando_condition:is_met/3.
%%
%% Specification -> test here:
%%   3.1 records                  each_condition_test_, plain_names_as_conditions_test_
%%   3.2 regexes                  regexes_test_, regexes_answer_what_re_does_test_, invalid_regexes_test_,
%%                                refused_regexes_test_, regexes_that_are_no_text_test_
%%   3.3 number comparison        numbers_test_, odd_comparisons_are_never_met_test_
%%   3.4 if_data_matches          data_matches_example_1_test_, data_patterns_test_, ill_formed_specs_test_
%%   3.5 missing nodes            creation_test_
%%   3.6 grandchildren            applies_to_grandchildren_test_ (walks: pando_pattern_tests)
%%   3.7 what an error shows      errors_show_test_
%%   3.8 pando_condition          is_met_test_, is_valid_test_, compile_test_, ensure_native_keep_while_test_
-module(pando_condition_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1]).
-import(pando_test_calls, [tests/1, goes_on/1, paths/1]).

-define(ALL(Conditions), #if_all{conditions = Conditions}).
-define(ANY(Conditions), #if_any{conditions = Conditions}).
-define(NOT(Condition), #if_not{condition = Condition}).
-define(NONE, '$__NO_PAYLOAD__').

%% -------------------------------------------------------------------
%% 3.1
%% -------------------------------------------------------------------

%% The children of [n]: data, data that was replaced, a stored procedure, nothing but two children.
fill(S) ->
    ok = pando:put(S, [n, oak], {user, 30}),
    ok = pando:put(S, [n, elm], 0),
    ok = pando:put(S, [n, elm], 1),
    ok = pando:put(S, [n, <<"fir">>], fun lists:sum/1),
    ok = pando:put(S, [n, ash, x], 1),
    ok = pando:put(S, [n, ash, y], 1).

names() ->
    [ash, elm, oak, <<"fir">>].

conditions() ->
    [
        {#if_node_exists{}, names()},
        {#if_node_exists{exists = false}, []},
        {#if_name_matches{}, names()},
        {#if_name_matches{regex = "a"}, [ash, oak]},
        {#if_name_matches{regex = "i"}, [<<"fir">>]},
        %% What callers leave in `compiled' is not believed.
        {#if_name_matches{regex = "i", compiled = x}, [<<"fir">>]},
        {#if_data_matches{pattern = 1, compiled = ets:match_spec_compile([{2, [], [true]}])}, [elm]},
        {#if_name_matches{regex = "z"}, []},
        {#if_has_payload{}, [elm, oak, <<"fir">>]},
        {#if_has_payload{has_payload = false}, [ash]},
        {#if_has_data{}, [elm, oak]},
        {#if_has_data{has_data = false}, [ash, <<"fir">>]},
        {#if_has_sproc{}, [<<"fir">>]},
        {#if_has_sproc{has_sproc = false}, [ash, elm, oak]},
        {#if_data_matches{}, [elm, oak]},
        {#if_data_matches{pattern = {user, '_'}}, [oak]},
        {#if_data_matches{pattern = 1}, [elm]},
        {#if_data_matches{pattern = 2}, []},
        {#if_data_matches{pattern = '$1', conditions = [{is_integer, '$1'}]}, [elm]},
        {#if_payload_version{}, []},
        {#if_payload_version{version = 1}, [ash, oak, <<"fir">>]},
        {#if_payload_version{version = {ge, 2}}, [elm]},
        {#if_child_list_version{}, []},
        {#if_child_list_version{version = 1}, [elm, oak, <<"fir">>]},
        {#if_child_list_version{version = 2}, [ash]},
        {#if_child_list_length{}, [elm, oak, <<"fir">>]},
        {#if_child_list_length{count = {gt, 1}}, [ash]},
        {?NOT(#if_has_data{}), [ash, <<"fir">>]},
        {?NOT(?NOT(#if_has_data{})), [elm, oak]},
        {?ALL([]), names()},
        {?ALL([#if_has_data{}]), [elm, oak]},
        {?ALL([#if_has_data{}, #if_payload_version{version = 1}]), [oak]},
        {?ALL([#if_has_data{}, #if_has_sproc{}]), []},
        {?ANY([]), []},
        {?ANY([#if_has_sproc{}]), [<<"fir">>]},
        {?ANY([#if_has_sproc{}, #if_name_matches{regex = "^e"}]), [elm, <<"fir">>]},
        {?ANY([?ALL([#if_has_data{}, ?NOT(#if_payload_version{version = 1})]), ash]), [ash, elm]}
    ].

each_condition_test_() ->
    cases([
        {title(Condition), fun(S) ->
            fill(S),
            Others = names() -- Met,
            Paths = fun(Names) -> lists:sort([[n, Name] || Name <- Names]) end,
            %% Reads of many.
            {ok, Found} = pando:get_many(S, [n, Condition]),
            ?assertEqual(Paths(Met), lists:sort(maps:keys(Found))),
            ?assertEqual({ok, length(Met)}, pando:count(S, [n, Condition])),
            {ok, NotFound} = pando:get_many(S, [n, ?NOT(Condition)]),
            ?assertEqual(Paths(Others), lists:sort(maps:keys(NotFound))),
            {ok, Below} = pando:get_many(S, [n, Condition, ?PANDO_WILDCARD_STAR]),
            ?assertEqual(
                [[n, ash, Name] || lists:member(ash, Met), Name <- [x, y]], lists:sort(maps:keys(Below))
            ),
            [specific(S, Name, Condition, lists:member(Name, Met)) || Name <- names()],
            %% Writes of many.
            {ok, Written} = pando_adv:put_many(S, [n, Condition], new, #{props_to_return => []}),
            ?assertEqual(Paths(Met), lists:sort(maps:keys(Written))),
            ?assertEqual({ok, 4}, pando:count(S, [n, ?PANDO_WILDCARD_STAR]))
        end}
     || {Condition, Met} <- conditions()
    ]).

%% One node, by name and condition.
specific(S, Name, Condition, IsMet) ->
    Path = [n, Name],
    Pattern = [n, ?ALL([Name, Condition])],
    {ok, #{Path := Props}} = pando_adv:get(S, Path),
    {ok, Value} = pando:get(S, Path),
    Unmet = fun
        ({error, {pando, mismatching_node, #{condition := _} = Error}}) ->
            ?assertEqual(
                #{node_name => Name, node_path => Path, node_is_target => true, node_props => Props},
                maps:remove(condition, Error)
            );
        (Other) ->
            error({answered, Pattern, Other})
    end,
    ?assertEqual({Pattern, IsMet}, {Pattern, pando:exists(S, Pattern)}),
    case IsMet of
        true ->
            ?assertEqual({ok, Value}, pando:get(S, Pattern)),
            ?assertEqual({ok, #{Path => Props}}, pando_adv:get(S, Pattern)),
            %% An identical payload changes nothing.
            ?assertEqual({ok, #{Path => Props}}, pando_adv:put(S, Pattern, raw(Props)));
        false ->
            Unmet(pando:get(S, Pattern)),
            Unmet(pando:put(S, Pattern, changed)),
            Unmet(pando:clear_payload(S, Pattern)),
            ?assertEqual(ok, pando:delete(S, Pattern)),
            ?assertEqual({ok, Value}, pando:get(S, Path))
    end,
    ?assertEqual(IsMet, true =:= pando_condition:is_met(Condition, Path, every_props(S, Path))).

raw(#{data := Data}) -> {p_data, Data};
raw(#{sproc := Sproc}) -> Sproc;
raw(_) -> ?NONE.

every_props(S, Path) ->
    {ok, #{Path := Props}} = pando_adv:get(S, Path, #{
        props_to_return => [payload, payload_version, child_list_version, child_list_length]
    }),
    Props.

plain_names_as_conditions_test_() ->
    cases([
        {title(Condition), fun(S) ->
            fill(S),
            {ok, Found} = pando:get_many(S, [n, Condition]),
            ?assertEqual(lists:sort([[n, Name] || Name <- Met]), lists:sort(maps:keys(Found)))
        end}
     || {Condition, Met} <- [
            {?ALL([oak]), [oak]},
            {?ALL([<<"oak">>]), []},
            {?ALL([oak, oak]), [oak]},
            {?ALL([oak, elm]), []},
            {?ANY([oak]), [oak]},
            {?ANY([oak, elm, missing]), [oak, elm]},
            {?NOT(oak), [ash, elm, <<"fir">>]},
            {?NOT(<<"fir">>), [ash, elm, oak]},
            {?NOT(missing), names()},
            {?ANY([<<"fir">>, #if_name_matches{regex = "^oak$"}]), [oak, <<"fir">>]}
        ]
    ]).

%% -------------------------------------------------------------------
%% 3.2
%% -------------------------------------------------------------------

regexes_test_() ->
    tests([
        {{Regex, Found}, [
            fun(S) -> [ok = pando:put(S, [Name], 1) || Name <- regex_names()] end,
            fun(S) ->
                [
                    ?assertEqual({ok, maps:from_list([{[Name], 1} || Name <- Found])}, pando:get_many(S, [C]))
                 || C <- [#if_name_matches{regex = Regex}, #if_path_matches{regex = Regex}]
                ]
            end
        ]}
     || {Regex, Found} <- [
            {any, regex_names()},
            {"", regex_names()},
            {"o", [foo, <<"foo">>]},
            {<<"o">>, [foo, <<"foo">>]},
            {["^", [<<"fo">>, $o], "$"], [foo, <<"foo">>]},
            {"^$", ['', <<>>]},
            {"^o", []},
            {"FOO", ['FOO']},
            {"(?i)FOO", [foo, 'FOO', <<"foo">>]},
            {"b.+r|z{2}", [bar, <<"zz">>]},
            {"\\.", [<<"a.b">>]},
            {"[0-9]{3}", [<<"a123">>]},
            {<<255>>, [<<0, 255>>]},
            {"\\xff", [<<0, 255>>]},
            {"^..$", [<<"zz">>, <<0, 255>>]}
        ]
    ]).

regex_names() ->
    [foo, <<"foo">>, 'FOO', bar, '', <<>>, <<"zz">>, <<"a.b">>, <<"a123">>, <<0, 255>>].

%% Whatever is not refused answers as `re' does, for text and for bytes that are none.
regexes_answer_what_re_does_test_() ->
    Names = [
        <<"a">>, <<"b">>, <<"ab">>, <<"aab">>, <<"aaa">>, <<"abab">>, <<"a\n">>, <<"\na">>, <<"a\nb">>, <<>>,
        <<" ">>, <<"\t">>, <<11>>, <<0>>, <<"A">>, <<"1">>, <<"_">>, <<"-">>, <<"&">>, <<"]">>, <<"{">>,
        <<"a{,2}">>, <<"a{">>, <<"#">>, <<195, 169>>, <<233>>, <<255>>, <<160>>, <<133>>, <<"ba">>, <<"b a">>,
        <<"\r\n">>, <<"\\">>, <<"$">>, <<"a b">>, <<"a&&b">>, <<"~">>
    ],
    Regexes = [
        "a$", "a\\Z", "a\\z", "\\Aa", "^a", "(?m)^a$", "(?m)a$", ".", "(?s)a.b", "a.b", "\\d", "\\D", "\\w",
        "\\W", "\\s", "\\S", "\\h", "\\v", "\\R", "\\N", "\\b", "\\B", "\\ba", "[[:alpha:]]", "[[:^alpha:]]",
        "[[:space:]]", "[[:word:]]", "[[:punct:]]", "[^a]", "[a-]", "[]]", "[^]]", "[a&&b]", "[a-z&&b]",
        "[a--b]", "[a~~b]", "[[a]]", "[[]", "a{", "a{,2}", "a{2}", "a{2,}", "a{1,2}", "^a{1,2}$", "^a{,2}$",
        "{", "}", "]", "a++", "^a++a", "a*+b", "^(?>a*)a", "^a?+a", "a*?b", "^a*?$", "(?U)^a*", "(?x)a b # c",
        "(?x)a\\ b", "(?i)a", "(?i:a)b", "(a)(?i)b", "(?:ab)+", "^(?:ab){2}$", "(ab)\\1", "(?P<n>a)", "(?<n>a)",
        "(?'n'a)", "(?#c)a", "\\x61", "\\x{61}", "\\141", "\\o{141}", "\\0", "\\e", "\\a", "\\cA", "\\t", "\\n",
        "\\Qa{\\E", "\\Q&", "\\N{U+61}", "\\u0061", "\\U0061", "\\<a", "\\>", "a\\>", "\\b{start}a", "\\#",
        "\\-", "\\&", "\\ ", "\\~", "\\pL", "\\p{Lu}", "\\X", "\\C", "\\G", "\\Ka", "a\\Kb", "(?|a|b)", "(?=a)",
        "(?!a)", "(?<=a)b", "(?<!a)b", "(?(1)a|b)", "(?R)", "(?J)a", "(*ANYCRLF)a$", "a|", "|", "()",
        "(|a)b", "^*", "$*a", "\\b+a", "a**", "a+?", "a??", "x{0}", "a{0}b", "(?s).", "(?-s).", "(?s-i)a.b",
        <<233>>, <<195, 169>>, [$[, 233, $]], [$[, $^, 233, $]], "\\xe9", "[\\xe0-\\xff]", "\\xc3\\xa9", "\\d\\D",
        "[\\d]", "[\\w-]", "[\\D]", "[^\\s]", "[\\b]", "[\\h]", "\\z", "\\Z", "^\\Z", "a\\.", "(?n)a", "(?R)a"
    ],
    cases([
        {title(Regex), fun(S) ->
            [ok = pando:put(S, [Name], 1) || Name <- Names],
            Expected = lists:sort([[Name] || Name <- Names, found(Name, Regex)]),
            try pando:get_many(S, [#if_name_matches{regex = Regex}]) of
                {ok, Found} -> ?assertEqual(Expected, lists:sort(maps:keys(Found)))
            catch
                error:{pando_ex, condition_not_supported, #{condition := Condition, reason := Reason}} ->
                    ?assertEqual(#if_name_matches{regex = Regex}, Condition),
                    ?assert(is_list(Reason) orelse is_binary(Reason)),
                    ?assertEqual({refused, Regex, true}, {refused, Regex, may_be_refused(Regex)})
            end,
            goes_on(S)
        end}
     || Regex <- Regexes
    ]).

found(Name, Regex) ->
    case re:compile(Regex) of
        {ok, Compiled} -> re:run(Name, Compiled, [{capture, none}]) =:= match;
        {error, _} -> false
    end.

%% What every programmer of regular expressions uses is never refused.
may_be_refused(Regex) ->
    not lists:member(Regex, [
        "a$", "\\Aa", "^a", ".", "(?s)a.b", "a.b", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S", "\\b",
        "\\B", "\\ba", "[[:alpha:]]", "[^a]", "[a-]", "[]]", "a{2}", "a{2,}", "a{1,2}", "^a{1,2}$", "a*?b",
        "(?i)a", "(?:ab)+", "^(?:ab){2}$", "(?P<n>a)", "\\x61", "\\x{61}", "\\t", "\\n", "a|", "()", "a+?", "a??",
        "[\\d]", "a\\.", <<233>>, [$[, 233, $]], "\\xe9"
    ]).

invalid_regexes_test_() ->
    tests([
        {{Regex, IsPath}, [
            {put, [[a], 1]},
            {put, [[b], 2]},
            %% Reads and deletes pass the node by.
            {{get_many, [[C]]}, {ok, #{}}},
            {{count, [[C]]}, {ok, 0}},
            {{get_many, [[?ANY([C, b])]]}, {ok, #{[b] => 2}}},
            {{get_many, [[?NOT(C)]]}, {ok, #{[a] => 1, [b] => 2}}},
            {{adv, delete_many, [[C]]}, {ok, #{}}},
            {{adv, put_many, [[C], 9]}, {ok, #{}}},
            {{exists, [[?ALL([a, C])]]}, false},
            {{adv, delete, [[?ALL([a, C])]]}, {ok, #{}}},
            %% A write that it makes fail shows what is wrong with it.
            {{put, [[?ALL([a, C])], 9]},
                {error,
                    {pando, mismatching_node, #{
                        node_name => a,
                        node_path => [a],
                        node_is_target => true,
                        node_props => #{data => 1, payload_version => 1},
                        condition => {setelement(3, C, {error, Error}), {error, Error}}
                    }}}},
            {{get_many, ["**"]}, {ok, #{[a] => 1, [b] => 2}}}
        ]}
     || Regex <- ["(", "[", "*a", "a{2,1}", "(?<n", "\\", <<"[b-a]">>],
        IsPath <- [false, true],
        {error, Error} <- [re:compile(Regex)],
        C <- [invalid(Regex, IsPath)]
    ]).

invalid(Regex, false) -> #if_name_matches{regex = Regex};
invalid(Regex, true) -> #if_path_matches{regex = Regex}.

refused_regexes_test_() ->
    Refused = [
        {"(?=a)", "look"},
        {"(?!a)b", "look"},
        {"(?<=a)b", "look"},
        {"(?<!a)b", "look"},
        {"(a)\\1", "back"},
        {"(?P<n>a)(?P=n)", "back"},
        {"a(?=b)|c", "look"}
    ],
    tests([
        {{Regex, Names}, [
            {put, [[a], 1]}
        ] ++ [
            {Call, fun(Answer) -> is_refusal(Answer, C, Names) end}
         || C <- [#if_name_matches{regex = Regex}, #if_path_matches{regex = Regex}],
            Call <- [
                {get_many, [[C]]},
                {count, [[b, C]]},
                {get, [[?ALL([a, C])]]},
                {put, [[?ALL([a, C])], 2]},
                {put, [[?ALL([new, ?ANY([#if_node_exists{exists = false}, C])])], 2]},
                {put_many, [[C], 2]},
                {delete, [[?ALL([a, C])]]},
                {delete_many, [[?NOT(C)]]},
                {clear_many_payloads, [[C]]},
                {put, [[b], 2, #{keep_while => #{[a] => C}}]},
                {put, [[b], 2, #{keep_while => #{[C] => #if_node_exists{}}}]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{[a] => 1}}}, fun pando_test_calls:goes_on/1]}
     || {Regex, Names} <- Refused
    ]).

is_refusal({raised, {pando_ex, condition_not_supported, #{condition := C, reason := Reason}}}, C, Names) ->
    string:find(string:lowercase(unicode:characters_to_list(Reason)), Names) =/= nomatch;
is_refusal(_, _, _) ->
    false.

regexes_that_are_no_text_test_() ->
    tests([
        {Regex, [
            {put, [[a], 1]}
        ] ++ [
            {Call, {raised, badarg}}
         || C <- [#if_name_matches{regex = Regex}, #if_path_matches{regex = Regex}],
            Call <- [
                {get_many, [[C]]},
                {count, [[missing, C]]},
                {get, [[?ALL([a, C])]]},
                {put, [[?ALL([a, C])], 2]},
                {delete_many, [[?ANY([C, a])]]},
                {put, [[b], 2, #{keep_while => #{[a] => C}}]}
            ]
        ] ++ [{{get_many, ["**"]}, {ok, #{[a] => 1}}}, fun pando_test_calls:goes_on/1]}
     || Regex <- [12, {a}, foo, [foo], "a" ++ [8364], [-1], ["a" | b], <<1:3>>, #{}, undefined]
    ]).

%% -------------------------------------------------------------------
%% 3.3
%% -------------------------------------------------------------------

%% Nodes 1, 2 and 3 have that counter.
numbered(S, payload) ->
    [ok = pando:put(S, [<<N>>], V) || N <- [1, 2, 3], V <- lists:seq(1, N)];
numbered(S, child_version) ->
    [ok = pando:put(S, [<<N>>], 1) || N <- [1, 2, 3]],
    [ok = pando:put(S, [<<N>>, <<C>>], 1) || N <- [2, 3], C <- lists:seq(2, N)];
numbered(S, children) ->
    [ok = pando:put(S, [<<N>>, <<C>>], 1) || N <- [1, 2, 3], C <- lists:seq(1, N)].

compared(payload, Number) -> #if_payload_version{version = Number};
compared(child_version, Number) -> #if_child_list_version{version = Number};
compared(children, Number) -> #if_child_list_length{count = Number}.

numbers_test_() ->
    cases([
        {title({Counter, Number}), fun(S) ->
            numbered(S, Counter),
            Condition = compared(Counter, Number),
            {ok, Found} = pando:get_many(S, [Condition]),
            ?assertEqual([[<<N>>] || N <- Met], lists:sort(maps:keys(Found))),
            {ok, Others} = pando:get_many(S, [?NOT(Condition)]),
            ?assertEqual([[<<N>>] || N <- [1, 2, 3] -- Met], lists:sort(maps:keys(Others)))
        end}
     || Counter <- [payload, child_version, children],
        {Number, Met} <- [
            {2, [2]}, {0, []}, {-1, []}, {1 bsl 80, []},
            {{eq, 2}, [2]}, {{eq, 4}, []},
            {{ne, 2}, [1, 3]}, {{ne, 4}, [1, 2, 3]},
            {{lt, 2}, [1]}, {{lt, 1}, []}, {{lt, 1 bsl 80}, [1, 2, 3]},
            {{le, 2}, [1, 2]}, {{le, 0}, []},
            {{gt, 2}, [3]}, {{gt, -1}, [1, 2, 3]}, {{gt, 3}, []},
            {{ge, 2}, [2, 3]}, {{ge, -(1 bsl 80)}, [1, 2, 3]},
            %% Equality is exact, order is that of Erlang's terms.
            {2.0, []}, {{eq, 2.0}, []}, {{ne, 2.0}, [1, 2, 3]},
            {{lt, 2.0}, [1]}, {{le, 2.0}, [1, 2]}, {{gt, 2.0}, [3]}, {{ge, 2.0}, [2, 3]}, {{lt, 2.5}, [1, 2]},
            {{eq, two}, []}, {{ne, two}, [1, 2, 3]}, {{lt, two}, [1, 2, 3]}, {{le, <<>>}, [1, 2, 3]},
            {{gt, two}, []}, {{ge, []}, []}
        ]
    ]).

odd_comparisons_are_never_met_test_() ->
    cases([
        {title(Number), fun(S) ->
            numbered(S, payload),
            [
                begin
                    Condition = compared(Counter, Number),
                    ?assertEqual({ok, #{}}, pando:get_many(S, [Condition])),
                    ?assertEqual({ok, 3}, pando:count(S, [?NOT(Condition)])),
                    ?assertMatch(
                        {error, {pando, mismatching_node, #{condition := Condition}}},
                        pando:put(S, [?ALL([<<1>>, Condition])], 2)
                    )
                end
             || Counter <- [payload, child_version, children]
            ]
        end}
     || Number <- [
            one, {foo, 1}, {'>', 1}, {'=:=', 1}, {eq}, {eq, 1, 1}, {}, [], [1], "1", <<1>>, #{}, {{eq, 1}}, {1, eq}
        ]
    ]).

%% -------------------------------------------------------------------
%% 3.4
%% -------------------------------------------------------------------

data_matches_example_1_test_() ->
    tests([
        {"spec 3.4, example 1", [
            {put, [[u, a], {user, 30}]},
            {put, [[u, b], {user, 17}]},
            {{get_many, [
                [u, #if_data_matches{pattern = {user, '$1'}, conditions = [{'>=', '$1', 18}]}]
            ]}, {ok, #{[u, a] => {user, 30}}}}
        ]}
    ]).

%% What is met is written here, and holds for the runtime's own match specifications, too.
data_patterns_test_() ->
    cases([
        {title({Pattern, Guards}), fun(S) ->
            Numbered = lists:enumerate(terms()),
            [ok = pando:put(S, [<<N>>], {p_data, Term}) || {N, Term} <- Numbered],
            ok = pando:put(S, [procedure], fun lists:sum/1),
            ok = pando:put(S, [nothing], ?NONE),
            Spec = ets:match_spec_compile([{Pattern, Guards, [true]}]),
            ?assertEqual(Met, [Term || Term <- terms(), ets:match_spec_run([Term], Spec) =:= [true]]),
            Condition = #if_data_matches{pattern = Pattern, conditions = Guards},
            ?assertEqual(
                {ok, maps:from_list([{[<<N>>], Term} || {N, Term} <- Numbered, lists:member(Term, Met)])},
                pando:get_many(S, [Condition])
            ),
            ?assertEqual({ok, length(terms()) + 2 - length(Met)}, pando:count(S, [?NOT(Condition)]))
        end}
     || {Pattern, Guards, Met} <- [
            {'_', [], terms()},
            {'$1', [], terms()},
            {1, [], [1]},
            {1.0, [], [1.0]},
            {a, [], [a]},
            {<<"b">>, [], [<<"b">>]},
            {"str", [], ["str"]},
            {[$s | '_'], [], ["str"]},
            {[], [], [[]]},
            {{}, [], [{}]},
            {{'_', '_'}, [], [{user, 30}, {user, 17}, {1, 1}, {1, 1.0}, {x, {x, y}}]},
            {{user, '_'}, [], [{user, 30}, {user, 17}]},
            {{'$1', '$1'}, [], [{1, 1}]},
            {{'$1', {'$1', '_'}}, [], [{x, {x, y}}]},
            {#{}, [], [#{}, #{n => 1}, #{n => 2, m => z}]},
            {#{n => '_'}, [], [#{n => 1}, #{n => 2, m => z}]},
            {#{n => '$1', m => z}, [], [#{n => 2, m => z}]},
            {#{n => '$1'}, [{'=:=', '$1', 1}], [#{n => 1}]},
            {{user, '$1'}, [{'>=', '$1', 18}], [{user, 30}]},
            {{user, '$1'}, [{'>=', '$1', 18}, {'<', '$1', 30}], []},
            {{'$1', '$2'}, [{'==', '$1', '$2'}], [{1, 1}, {1, 1.0}]},
            {{'$1', '$2'}, [{'=:=', '$1', '$2'}], [{1, 1}]},
            {{'$1', '$2'}, [{'orelse', {'<', '$2', 18}, {is_tuple, '$2'}}],
                [{user, 17}, {1, 1}, {1, 1.0}, {x, {x, y}}]},
            {'$1', [{is_atom, '$1'}], [a, true, undefined]},
            {'$1', ['$1'], [true]},
            {'$1', [{'not', {is_tuple, '$1'}}, {'>', {size, '$1'}, 0}], [<<"b">>]},
            {'_', [{'=:=', '$_', {{user, 17}}}], [{user, 17}]},
            {'$1', [{'>', {length, '$1'}, 2}], ["str"]},
            %% A guard that fails is false.
            {'$1', [{'>', {hd, '$1'}, 1}], ["str"]},
            {'$1', [{'=:=', {element, 1, '$1'}, {const, user}}], [{user, 30}, {user, 17}]},
            {'$1', [{is_map_key, n, '$1'}], [#{n => 1}, #{n => 2, m => z}]},
            {'$1', [false], []},
            {nothing, [], []}
        ]
    ]).

terms() ->
    [
        1, 1.0, a, true, undefined, <<"b">>, "str", [], {}, {user, 30}, {user, 17}, {1, 1}, {1, 1.0}, {x, {x, y}},
        #{}, #{n => 1}, #{n => 2, m => z}
    ].

%% 21.1 as well: a write with one must not reach the log.
ill_formed_specs_test_() ->
    cases([
        {title({Pattern, Guards}), fun(S) ->
            %% The runtime refuses it, too.
            ?assertError(badarg, ets:match_spec_compile([{Pattern, Guards, [true]}])),
            ok = pando:put(S, [a], 1),
            Condition = #if_data_matches{pattern = Pattern, conditions = Guards},
            [
                ?assertEqual({Call, {raised, badarg}}, {Call, pando_test_calls:answer(S, Call)})
             || C <- [Condition, ?NOT(Condition), ?ALL([#if_has_data{}, ?ANY([Condition])])],
                Call <- calls_with(C)
            ],
            [
                ?assertEqual({Call, {raised, badarg}}, {Call, pando_test_calls:answer(S, Call)})
             || Guards =:= [],
                Call <- [{compare_and_swap, [[a], Pattern, 2]}, {adv, compare_and_swap, [[b], Pattern, 2]}]
            ],
            ?assertEqual({ok, #{[a] => 1}}, pando:get_many(S, "**")),
            goes_on(S)
        end}
     || {Pattern, Guards} <- [
            {#{'$1' => a}, []},
            {#{'_' => a}, []},
            {{a, #{'$2' => '_'}}, []},
            {'$1', [{'>', '$2', 1}]},
            {'$1', ['$2']},
            {'$1', [{foo, '$1'}]},
            {'$1', [{'>', '$1'}]},
            {'$1', [{is_integer, '$1', '$1'}]},
            {'$1', [{}]},
            {'$1', [{const}]},
            {'$1', foo},
            {'$1', [true | true]},
            {'$1', [{is_record, '$1', foo}]},
            {'$1', [{message, a}]}
        ]
    ]).

calls_with(C) ->
    [
        {get, [[?ALL([a, C])]]},
        {get_or, [[?ALL([a, C])], default]},
        {get_many, [[C]]},
        {get_many, [[missing, C]]},
        {get_many_or, [[C], default]},
        {exists, [[?ALL([a, C])]]},
        {has_data, [[?ALL([a, C])]]},
        {is_sproc, [[?ALL([missing, C])]]},
        {count, [[C]]},
        {fold, [[C], fun(_, _, Acc) -> Acc end, 0]},
        {map, [[C], fun(_, _) -> x end]},
        {adv, get, [[?ALL([a, C])]]},
        {adv, get_many, [[C]]},
        {put, [[?ALL([a, C])], 2]},
        {put, [[?ALL([missing, C]), b], 2]},
        {put_many, [[C], 2]},
        {create, [[?ALL([b, C])], 2]},
        {update, [[?ALL([a, C])], 2]},
        {compare_and_swap, [[?ALL([a, C])], 1, 2]},
        {delete, [[?ALL([a, C])]]},
        {delete_many, [[C]]},
        {clear_payload, [[?ALL([a, C])]]},
        {clear_many_payloads, [[C]]},
        {put, [[b], 2, #{keep_while => #{[a] => C}}]},
        {put, [[b], 2, #{keep_while => #{[C] => #if_node_exists{}}}]},
        {adv, put, [[b], 2, #{keep_while => #{[a] => C}}]},
        {put_many, [[missing], 2, #{keep_while => #{[a] => C}}]}
    ].

%% -------------------------------------------------------------------
%% 3.5
%% -------------------------------------------------------------------

creation_test_() ->
    cases(lists:append([
        [
            {title({Component, at_the_target}), fun(S) -> at_the_target(S, Component, Allows) end},
            {title({Component, on_the_way}), fun(S) -> on_the_way(S, Component, Allows) end}
        ]
     || {Component, Allows} <- [
            {new, true},
            {?ALL([new]), true},
            {?ALL([new, new]), true},
            {?ANY([new]), true},
            {?ALL([new, #if_node_exists{exists = false}]), true},
            {?ALL([#if_node_exists{exists = false}, new]), true},
            {?ALL([new, ?ALL([])]), true},
            {?ALL([new, ?ALL([#if_node_exists{exists = false}])]), true},
            {?ALL([new, ?ANY([#if_node_exists{exists = false}])]), true},
            {?ALL([new, ?ANY([#if_has_data{}, #if_node_exists{exists = false}])]), true},
            {?ANY([?ALL([new, #if_has_data{}]), new]), true},
            {?ANY([new, ?ALL([new, #if_has_data{}])]), true},
            {?ANY([?ALL([new, #if_has_data{}]), ?ALL([new, #if_node_exists{}])]), false},
            {?ALL([new, ?ANY([])]), false},
            {?ALL([new, ?ANY([#if_has_data{}])]), false},
            {?ALL([new, ?ALL([#if_node_exists{exists = false}, #if_has_data{has_data = false}])]), false},
            {?ALL([new, #if_node_exists{}]), false},
            {?ALL([new, #if_name_matches{}]), false},
            {?ALL([new, #if_name_matches{regex = "new"}]), false},
            {?ALL([new, #if_path_matches{}]), false},
            {?ALL([new, #if_has_payload{}]), false},
            {?ALL([new, #if_has_payload{has_payload = false}]), false},
            {?ALL([new, #if_has_data{}]), false},
            {?ALL([new, #if_has_data{has_data = false}]), false},
            {?ALL([new, #if_has_sproc{}]), false},
            {?ALL([new, #if_has_sproc{has_sproc = false}]), false},
            {?ALL([new, #if_data_matches{}]), false},
            {?ALL([new, #if_payload_version{}]), false},
            {?ALL([new, #if_payload_version{version = {ge, 0}}]), false},
            {?ALL([new, #if_child_list_version{version = {ge, 0}}]), false},
            {?ALL([new, #if_child_list_length{}]), false},
            {?ALL([new, ?NOT(#if_node_exists{})]), false},
            {?ALL([new, ?NOT(#if_has_data{})]), false},
            {?ALL([new, ?NOT(other)]), false}
        ]
    ])).

at_the_target(S, Component, true) ->
    ?assertEqual({ok, #{[p, new] => #{payload_version => 1}}}, pando_adv:put(S, [p, Component], 1)),
    ?assertEqual([[p], [p, new]], paths(S));
at_the_target(S, Component, false) ->
    [
        begin
            {error, {pando, node_not_found, Props}} = pando_test_calls:answer(S, {M, F, [[p, Component], 1]}),
            ?assertMatch(
                #{node_name := new, node_path := [p, new], node_is_target := true, condition := _}, Props
            ),
            ?assertEqual(4, maps:size(Props))
        end
     || {M, F} <- [{adv, put}, {adv, create}]
    ],
    ?assertEqual([], paths(S)).

on_the_way(S, Component, true) ->
    ?assertEqual(
        {ok, #{[p, new, t] => #{payload_version => 1}}}, pando_adv:put(S, [p, Component, t], 1)
    ),
    ?assertEqual([[p], [p, new], [p, new, t]], paths(S));
on_the_way(S, Component, false) ->
    {error, {pando, node_not_found, Props}} = pando:put(S, [p, Component, t], 1),
    ?assertMatch(#{node_name := new, node_path := [p, new], node_is_target := false, condition := _}, Props),
    ?assertEqual(4, maps:size(Props)),
    ?assertEqual([], paths(S)).

%% -------------------------------------------------------------------
%% 3.6
%% -------------------------------------------------------------------

applies_to_grandchildren_test_() ->
    [
        {title(Condition),
            ?_assertEqual(Expected, pando_condition:applies_to_grandchildren(Condition))}
     || {Condition, Expected} <- [
            {#if_path_matches{}, true},
            {#if_path_matches{regex = "o"}, true},
            {?NOT(#if_path_matches{}), true},
            {?ALL([#if_has_data{}, #if_path_matches{}]), true},
            {?ANY([#if_path_matches{}, oak]), true},
            {?ANY([?NOT(?ALL([oak, ?ANY([#if_path_matches{}])]))]), true},
            {#if_name_matches{}, false},
            {#if_node_exists{}, false},
            {#if_has_payload{}, false},
            {#if_has_data{}, false},
            {#if_has_sproc{}, false},
            {#if_data_matches{}, false},
            {#if_payload_version{}, false},
            {#if_child_list_version{}, false},
            {#if_child_list_length{}, false},
            {?ALL([]), false},
            {?ANY([oak, #if_name_matches{}]), false},
            {?NOT(#if_name_matches{}), false},
            {oak, false},
            {<<"oak">>, false}
        ]
    ].

%% -------------------------------------------------------------------
%% 3.7
%% -------------------------------------------------------------------

errors_show_test_() ->
    Unmet = #if_payload_version{version = 9},
    Unmet2 = #if_has_sproc{},
    Met = #if_has_data{},
    tests([
        {{mismatching, Component}, [
            {put, [[c, d], 1]},
            {put, [[c], 1]},
            {Call(Component), fun
                ({error, {pando, mismatching_node, #{condition := C}}}) -> C =:= Shown;
                (_) -> false
            end}
        ]}
     || Call <- [fun(C) -> {put, [[C], 2]} end, fun(C) -> {get, [[C, d]]} end],
        {Component, Shown} <- [
            {?ALL([c, Met, Unmet, Unmet2]), Unmet},
            {?ALL([c, Unmet2, Unmet]), Unmet2},
            {?ALL([Unmet, c]), Unmet},
            {?ALL([c, ?ALL([Met, Unmet])]), Unmet},
            {?ALL([c, ?ALL([Unmet])]), Unmet},
            {?ALL([c, ?ANY([Unmet, Unmet2])]), ?ANY([Unmet, Unmet2])},
            {?ALL([c, ?ANY([Unmet])]), Unmet},
            {?ALL([c, ?ANY([])]), ?ANY([])},
            {?ALL([c, ?NOT(Met)]), ?NOT(Met)},
            {?ALL([c, ?NOT(?ALL([Met, c]))]), ?NOT(?ALL([c, Met]))},
            {?ALL([c, #if_node_exists{exists = false}]), #if_node_exists{exists = false}},
            {?ALL([c, #if_data_matches{pattern = 7}]), #if_data_matches{pattern = 7}},
            {?ALL([c, #if_name_matches{regex = "^d"}]), #if_name_matches{regex = "^d"}},
            {?ALL([c, #if_path_matches{regex = "^d"}]), #if_path_matches{regex = "^d"}},
            {?ANY([?ALL([c, Unmet]), ?ALL([c, Unmet2])]), ?ANY([?ALL([c, Unmet]), ?ALL([c, Unmet2])])}
        ]
    ] ++ [
        {{missing, Component}, [
            {Call(Component),
                {error,
                    {pando, node_not_found, Condition#{
                        node_name => c, node_path => [c], node_is_target => IsTarget
                    }}}}
        ]}
     || {Call, IsTarget} <- [{fun(C) -> {get, [[C]]} end, true}, {fun(C) -> {get, [[C, d]]} end, false}],
        {Component, Condition} <- [
            {c, #{}},
            {?ALL([c]), #{}},
            {?ANY([c]), #{}},
            {?ALL([c, Unmet]), #{condition => ?ALL([c, Unmet])}},
            {?ALL([Unmet, c, Met]), #{condition => ?ALL([c, Unmet, Met])}},
            {?ALL([c, ?ANY([Met])]), #{condition => ?ALL([c, Met])}},
            {?ANY([?ALL([c, Met]), ?ALL([c, Unmet])]), #{condition => ?ANY([?ALL([c, Met]), ?ALL([c, Unmet])])}}
        ]
    ]).

%% -------------------------------------------------------------------
%% 3.8
%% -------------------------------------------------------------------

is_met_test_() ->
    Props = #{data => {user, 30}, payload_version => 2, child_list_version => 3, child_list_length => 1},
    [
        {title({Condition, Path, Of}), ?_assertEqual(Expected, pando_condition:is_met(Condition, Path, Of))}
     || {Condition, Path, Of, Expected} <- [
            {#if_node_exists{}, [a], Props, true},
            {#if_node_exists{exists = false}, [a], Props, {false, #if_node_exists{exists = false}}},
            {a, [p, a], Props, true},
            {a, a, Props, true},
            {b, [p, a], Props, {false, b}},
            {<<"a">>, <<"a">>, #{}, true},
            {<<"a">>, [a], #{}, {false, <<"a">>}},
            {$., [a], #{}, true},
            {'', [], #{}, true},
            {#if_name_matches{regex = "^$"}, [], #{}, true},
            {#if_name_matches{}, [a], #{}, true},
            {#if_name_matches{regex = "b"}, [b, a], #{}, {false, #if_name_matches{regex = "b"}}},
            {#if_path_matches{regex = "a"}, [b, a], #{}, true},
            {#if_has_data{}, [a], Props, true},
            {#if_has_data{}, [a], #{sproc => fun lists:sum/1}, {false, #if_has_data{}}},
            {#if_has_data{has_data = false}, [a], #{}, true},
            {#if_has_payload{}, [a], #{sproc => fun lists:sum/1}, true},
            {#if_has_sproc{}, [a], #{sproc => fun lists:sum/1}, true},
            {#if_has_sproc{}, [a], Props, {false, #if_has_sproc{}}},
            {#if_data_matches{pattern = {user, '_'}}, [a], Props, true},
            {#if_data_matches{pattern = 1}, [a], #{data => 1}, true},
            {#if_data_matches{pattern = 1}, [a], #{}, {false, #if_data_matches{pattern = 1}}},
            {#if_payload_version{version = {ge, 2}}, [a], Props, true},
            {#if_payload_version{version = 3}, [a], Props, {false, #if_payload_version{version = 3}}},
            {#if_child_list_version{version = 3}, [a], Props, true},
            {#if_child_list_length{count = 1}, [a], Props, true},
            %% A missing key makes the condition false.
            {#if_payload_version{version = {ge, 0}}, [a], #{}, {false, #if_payload_version{version = {ge, 0}}}},
            {#if_child_list_version{version = {ne, 9}}, [a], #{}, {false, #if_child_list_version{version = {ne, 9}}}},
            {#if_child_list_length{count = 0}, [a], #{}, {false, #if_child_list_length{count = 0}}},
            {?NOT(#if_has_sproc{}), [a], Props, true},
            {?NOT(#if_has_data{}), [a], Props, {false, ?NOT(#if_has_data{})}},
            {?ALL([]), [a], Props, true},
            {?ANY([]), [a], Props, {false, ?ANY([])}},
            {?ALL([a, #if_has_data{}]), [a], Props, true},
            {?ALL([a, #if_has_sproc{}]), [a], Props, {false, #if_has_sproc{}}},
            {?ANY([#if_has_sproc{}, a]), [a], Props, true},
            {?ANY([#if_has_sproc{}, b]), [a], Props, {false, ?ANY([#if_has_sproc{}, b])}}
        ]
    ].

is_valid_test_() ->
    [
        {title(Condition), ?_assertEqual(Expected, pando_condition:is_valid(Condition))}
     || {Condition, Expected} <- [
            {a, true},
            {<<"a">>, true},
            {$., true},
            {#if_node_exists{}, true},
            {#if_name_matches{regex = "("}, true},
            {#if_payload_version{version = odd}, true},
            {?ALL([a, ?ANY([?NOT(#if_has_data{})])]), true},
            {{foo}, {false, {foo}}},
            {1, {false, 1}},
            {"a", {false, "a"}},
            {{if_node_exists, maybe}, {false, {if_node_exists, maybe}}},
            {?NOT({foo}), {false, {foo}}},
            {?ALL([a, ?ANY([b, ?NOT({foo})])]), {false, {foo}}}
        ]
    ].

compile_test_() ->
    Pattern = fun(C) -> [?ALL([a, C])] end,
    cases([
        {title(Condition), fun(S) ->
            ok = pando:put(S, [a], 1),
            Compiled = pando_condition:compile(Condition),
            Again = pando_condition:compile(Compiled),
            ?assertEqual(pando:get_many(S, Pattern(Condition)), pando:get_many(S, Pattern(Compiled))),
            ?assertEqual(pando:get_many(S, Pattern(Condition)), pando:get_many(S, Pattern(Again)))
        end}
     || Condition <- [
            #if_name_matches{regex = "a"}, #if_name_matches{regex = "b"}, #if_path_matches{regex = "a"},
            #if_data_matches{pattern = 1}, #if_data_matches{pattern = 2}, #if_has_data{}, #if_has_sproc{}, a,
            ?ANY([?NOT(#if_data_matches{pattern = 2}), #if_name_matches{regex = "x"}])
        ]
    ]).

ensure_native_keep_while_test_() ->
    C = #if_node_exists{},
    [
        {title(Given), ?_assertEqual(Native, pando_condition:ensure_native_keep_while(Given))}
     || {Given, Native} <- [
            {#{}, #{}},
            {#{[a] => C}, #{[a] => C}},
            {#{"/:a/b" => C}, #{[a, <<"b">>] => C}},
            {#{<<"/:a">> => C, "^" => #if_has_data{}}, #{[a] => C, [$^] => #if_has_data{}}},
            {#{"." => C}, #{[$.] => C}},
            {#{"../:b" => C}, #{[$^, b] => C}},
            {#{"/*" => C}, #{[?PANDO_WILDCARD_STAR] => C}}
        ]
    ].
