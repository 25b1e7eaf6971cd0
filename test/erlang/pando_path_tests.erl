%% Paths: the tables of the specification row by row, each row a test titled with its input; then what holds
%% for all paths, tried on seeded random ones; then what is no path.
-module(pando_path_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-define(STAR, {if_name_matches, any, undefined}).
-define(STAR_STAR, {if_path_matches, any, undefined}).
-define(GLOB(Regex), {if_name_matches, Regex, undefined}).

-define(RANDOM_PATHS, 5000).

title(Term) ->
    lists:flatten(io_lib:format("~tw", [Term])).

row(Function, Input, Expected) ->
    {title(Input), ?_assertEqual(Expected, pando_path:Function(Input))}.

invalid_path(Props) ->
    {error, {pando_ex, invalid_path, Props}}.

outcome(Function, Args) ->
    try
        {ok, apply(pando_path, Function, Args)}
    catch
        Class:Reason -> {Class, Reason}
    end.

%% -------------------------------------------------------------------
%% The header.
%% -------------------------------------------------------------------

records_have_the_tuples_that_callers_write_test_() ->
    [
        {title(Tuple), ?_assertEqual(Tuple, Record)}
     || {Record, Tuple} <- [
            {#if_node_exists{}, {if_node_exists, true}},
            {#if_name_matches{}, {if_name_matches, any, undefined}},
            {#if_path_matches{}, {if_path_matches, any, undefined}},
            {#if_has_payload{}, {if_has_payload, true}},
            {#if_has_data{}, {if_has_data, true}},
            {#if_has_sproc{}, {if_has_sproc, true}},
            {#if_data_matches{}, {if_data_matches, '_', [], undefined}},
            {#if_data_matches{pattern = p, conditions = [c]}, {if_data_matches, p, [c], undefined}},
            {#if_payload_version{}, {if_payload_version, 0}},
            {#if_child_list_version{}, {if_child_list_version, 0}},
            {#if_child_list_length{count = {gt, 2}}, {if_child_list_length, {gt, 2}}},
            {#if_not{condition = oak}, {if_not, oak}},
            {#if_all{}, {if_all, []}},
            {#if_any{conditions = [oak]}, {if_any, [oak]}},
            {#p_data{data = 5}, {p_data, 5}},
            {#p_sproc{sproc = fun lists:sum/1}, {p_sproc, fun lists:sum/1, false}},
            {
                #pando_trigger{store_id = s, trigger_id = t, event = #{path => [oak], change => create}},
                {pando_trigger, tree, s, t, #{path => [oak], change => create}, #{}}
            }
        ]
    ].

macros_have_the_values_that_callers_write_test_() ->
    [
        {Name, ?_assertEqual(Expected, Value)}
     || {Name, Expected, Value} <- [
            {"root", $/, ?PANDO_ROOT_NODE},
            {"root, Khepri", $/, ?KHEPRI_ROOT_NODE},
            {"this", $., ?THIS_PANDO_NODE},
            {"this, Khepri", $., ?THIS_KHEPRI_NODE},
            {"parent", $^, ?PARENT_PANDO_NODE},
            {"parent, Khepri", $^, ?PARENT_KHEPRI_NODE},
            {"star", ?STAR, ?PANDO_WILDCARD_STAR},
            {"star, Khepri", ?STAR, ?KHEPRI_WILDCARD_STAR},
            {"star star", ?STAR_STAR, ?PANDO_WILDCARD_STAR_STAR},
            {"star star, Khepri", ?STAR_STAR, ?KHEPRI_WILDCARD_STAR_STAR},
            {"no payload", '$__NO_PAYLOAD__', ?NO_PAYLOAD}
        ]
    ].

kinds(X) when ?IS_KHEPRI_STORE_ID(X) -> [store_id | kinds_of_term(X)];
kinds(X) -> kinds_of_term(X).

kinds_of_term(X) ->
    [node_id || ?IS_KHEPRI_NODE_ID(X)] ++
        [component || ?IS_KHEPRI_PATH_COMPONENT(X)] ++
        [condition || ?IS_KHEPRI_CONDITION(X)] ++
        [path || ?IS_KHEPRI_PATH(X)] ++
        [pattern || ?IS_KHEPRI_PATH_PATTERN(X)] ++
        [payload || ?IS_KHEPRI_PAYLOAD(X)].

guards_tell_terms_apart_test_() ->
    [
        {title(Term), ?_assertEqual(Kinds, kinds(Term))}
     || {Term, Kinds} <- [
            {oak, [store_id, node_id, component]},
            {<<"oak">>, [node_id, component]},
            {$/, [component]},
            {$., [component]},
            {$^, [component]},
            {$a, []},
            {[], [path, pattern]},
            {[oak, {bad}], [path, pattern]},
            {[{if_has_data, true}], [pattern]},
            {[{if_has_data}], []},
            {[$a], []},
            {{if_has_data, true}, [condition]},
            {{if_has_data, true, 1}, []},
            {{if_foo, true}, []},
            {{p_data, 5}, [payload]},
            {{p_sproc, f}, []},
            {'$__NO_PAYLOAD__', [store_id, node_id, component, payload]}
        ]
    ] ++
        [{title(C), ?_assertEqual([condition], kinds(C))} || C <- conditions()].

conditions() ->
    [
        #if_node_exists{},
        #if_name_matches{},
        #if_path_matches{},
        #if_has_payload{},
        #if_has_data{},
        #if_has_sproc{},
        #if_data_matches{},
        #if_payload_version{},
        #if_child_list_version{},
        #if_child_list_length{},
        #if_not{condition = oak},
        #if_all{},
        #if_any{}
    ].

%% -------------------------------------------------------------------
%% Parsing.
%% -------------------------------------------------------------------

strings() ->
    [
        {"", []},
        {"/", []},
        {"//", [<<>>]},
        {"///", [<<>>, <<>>]},
        {"/a/", [<<"a">>]},
        {"/a//", [<<"a">>, <<>>]},
        {"//a", [<<>>, <<"a">>]},
        {"/:a/b", [a, <<"b">>]},
        {"/:a/:b", [a, b]},
        {":foo", [$., foo]},
        {"a", [$., <<"a">>]},
        {"./a", [$., <<"a">>]},
        {"../a", [$^, <<"a">>]},
        {".", [$.]},
        {"/.", [$.]},
        {"..", [$^]},
        {"/..", [$^]},
        {"^", [$^]},
        {"/^", [<<"^">>]},
        {":", [$., '']},
        {"/:", ['']},
        {"/::a", [':a']},
        {"a:b", [$., <<"a:b">>]},
        {"*", [?STAR]},
        {"/*", [?STAR]},
        {"**", [?STAR_STAR]},
        {"/**", [?STAR_STAR]},
        {"/a*b", [?GLOB("^a.*b$")]},
        {"/***", [?GLOB("^.*.*.*$")]},
        {"/:a*", ['a*']},
        {"/a.*c", [?GLOB("^a..*c$")]},
        {"/%2A", [?GLOB("^.*$")]},
        {"/:%2F", ['/']},
        {"/%2E", [<<".">>]},
        {"/:.", ['.']},
        {"/:..", ['..']},
        {"/a/..", [<<"a">>, $^]},
        {"./../a", [$., $^, <<"a">>]},
        {"a*", [?GLOB("^a.*$")]},
        {"a/*", [$., <<"a">>, ?STAR]},
        {"/a b", [<<"a b">>]},
        {"/:%C3%A9", [list_to_atom([195, 169])]},
        {"/%zz", [<<"%zz">>]},
        {"/%", [<<"%">>]},
        {"/%2", [<<"%2">>]},
        {"/a.b", [<<"a.b">>]},
        {"...", [$., <<"...">>]},
        {"$", [$., <<"$">>]},
        {".a", [$., <<".a">>]},
        {"^a", [$., <<"^a">>]},
        {"/%C3%A9", [<<195, 169>>]},
        %% Beyond the table.
        {"/%c3%a9", [<<195, 169>>]},
        {"/%%41", [<<"%A">>]},
        {"/%4/1", [<<"%4">>, <<"1">>]},
        {"/:%zz", ['%zz']},
        {"/%2E%2E", [<<"..">>]},
        {"/%3Aa", [<<":a">>]},
        {"/%2F", [<<"/">>]},
        {"/*/**/a*", [?STAR, ?STAR_STAR, ?GLOB("^a.*$")]},
        {"%2A", [?GLOB("^.*$")]},
        {"/[ab]+*", [?GLOB("^[ab]+.*$")]},
        {"../../:a", [$^, $^, a]},
        {"/é", [<<233>>]},
        {"/:é", [list_to_atom([233])]}
    ].

strings_are_parsed_test_() ->
    [row(from_string, Input, Expected) || {Input, Expected} <- strings()].

from_binary_takes_strings_as_well_test_() ->
    [row(from_binary, Input, Expected) || {Input, Expected} <- strings()].

binaries_are_parsed_byte_by_byte_test_() ->
    [row(from_string, list_to_binary(Input), Expected) || {Input, Expected} <- strings()] ++
        [
            row(from_binary, <<"/é"/utf8>>, [<<195, 169>>]),
            row(from_binary, <<"/€*"/utf8>>, [?GLOB([$^, 226, 130, 172, $., $*, $$])]),
            row(from_binary, <<"/:é"/utf8>>, [list_to_atom([195, 169])]),
            row(from_binary, <<"/:€"/utf8>>, [list_to_atom([226, 130, 172])]),
            row(from_binary, <<"^^">>, [$., <<"^^">>])
        ].

sigils_ignore_their_options_test_() ->
    [
        {title(Input), [
            ?_assertEqual(Expected, pando_path:sigil_p(list_to_binary(Input), [])),
            ?_assertEqual(Expected, pando_path:sigil_P(list_to_binary(Input), "xyz"))
        ]}
     || {Input, Expected} <- strings()
    ].

native_paths_are_returned_as_they_are_test_() ->
    [
        row(from_string, Path, Path)
     || Path <-
            [
                [],
                [a],
                [''],
                [<<>>],
                [a, <<"b">>, c, d],
                [$., a],
                [$^, <<"a">>],
                [$., ?STAR],
                [a, $^, $^, b],
                [a, {foo}],
                [a | b],
                [a, $b, $c]
            ] ++ [[Condition] || Condition <- conditions()]
    ].

a_root_marker_is_dropped_test_() ->
    [
        row(from_string, [$/], []),
        row(from_string, [$/, a, b], [a, b]),
        row(from_string, [$/, <<"a">>], [<<"a">>]),
        row(from_string, [$/, ?STAR, a], [?STAR, a]),
        row(from_string, [$/, $/, a], [a])
    ].

%% Deliberate difference: without the marker the path would be relative, and mean another node.
a_root_marker_before_a_special_component_is_kept_test_() ->
    [
        row(from_string, [$/, $^, a], [$/, $^, a]),
        row(from_string, [$/, $/, $., a], [$/, $., a])
    ].

%% Deliberate difference: Khepri fails with function_clause, or reads `[$^, $^]' as the name `^^'.
native_paths_may_start_with_several_special_components_test_() ->
    [
        row(from_string, Path, Path)
     || Path <- [
            [$^, $^, a],
            [$., $^, a],
            [$., $., a],
            [$^, $., <<"a">>],
            [$^, $^, $^, $^, ?STAR],
            [$^, $^],
            [$^, $^, $^],
            [$., $^],
            [$^, $.]
        ]
    ].

lists_of_special_components_with_another_meaning_as_a_string_are_strings_test_() ->
    [
        row(from_string, [$., $.], [$^]),
        row(from_string, [$., $., $.], [$., <<"...">>]),
        row(from_string, [$., $/], [$.]),
        row(from_string, [$., $., $/, $., $.], [$^, $^]),
        row(from_string, [$/, $^, $^], [<<"^^">>])
    ].

%% Deliberate difference: Khepri returns the rest after such a `^' as unparsed characters. Here it is the
%% parent where a relative string begins with it, and a name anywhere else.
a_caret_is_the_parent_only_at_the_start_of_a_relative_string_test_() ->
    [
        row(from_string, "^/:foo", [$^, foo]),
        row(from_string, "^/", [$^]),
        row(from_string, "^/^", [$^, <<"^">>]),
        row(from_string, "/a/^/b", [<<"a">>, <<"^">>, <<"b">>]),
        row(from_string, "./^", [$., <<"^">>]),
        row(from_string, "a/^", [$., <<"a">>, <<"^">>]),
        row(from_string, "%5E", [$., <<"^">>])
    ].

%% Deliberate difference: Khepri fails with badarg on a character above 255 outside of an atom. Here such a
%% segment is text, and its name is UTF-8 as it would be in a binary; other segments are not changed by it.
wide_characters_in_a_string_are_utf8_test_() ->
    [
        row(from_string, [$/, 8364], [<<"€"/utf8>>]),
        row(from_string, [8364], [$., <<"€"/utf8>>]),
        row(from_string, "/é€", [<<"é€"/utf8>>]),
        row(from_string, "/é/€/", [<<233>>, <<"€"/utf8>>]),
        row(from_string, "/€/..//:a/**", [<<"€"/utf8>>, $^, <<>>, a, ?STAR_STAR]),
        row(from_string, "/€%E9", [<<"€"/utf8, 233>>]),
        row(from_string, "/€*", [?GLOB([$^, 226, 130, 172, $., $*, $$])]),
        row(from_string, "/🌳", [<<"🌳"/utf8>>])
    ].

wide_characters_in_an_atom_stay_characters_test_() ->
    [
        row(from_string, [$/, $:, 8364], ['€']),
        row(from_string, "/:é€%C3%A9", [list_to_atom([233, 8364, 195, 169])]),
        row(from_string, ":🌳/a", [$., '🌳', <<"a">>])
    ].

%% Deliberate difference: in Khepri the three rows with `€' or `я' are atoms of one character per byte. All
%% other rows are the same.
percent_encoded_atoms_are_wide_text_if_they_have_a_wide_character_test_() ->
    [
        row(from_string, "/:%E2%82%AC", ['€']),
        row(from_string, "/:a%e2%82%acb", ['a€b']),
        row(from_string, "/:%C3%A9%D1%8F", ['éя']),
        row(from_string, "/:%C3%A9", [list_to_atom([195, 169])]),
        row(from_string, "/:%E2%82", [list_to_atom([226, 130])]),
        row(from_string, "/:%E2%82%AC%FF", [list_to_atom([226, 130, 172, 255])]),
        row(from_string, [$/, $:, 226, $%, $8, $2, $%, $A, $C], [list_to_atom([226, 130, 172])])
    ].

%% Deliberate difference: Khepri fails with system_limit.
atoms_have_at_most_255_characters_test_() ->
    Longest = lists:duplicate(255, $a),
    TooLong = ":" ++ Longest ++ "a",
    TooLongWide = [$: | lists:duplicate(256, 8364)],
    [
        {"255", ?_assertEqual([list_to_atom(Longest)], pando_path:from_string("/:" ++ Longest))},
        {"255, percent-encoded",
            ?_assertEqual(
                [list_to_atom(Longest)],
                pando_path:from_string("/:" ++ lists:append(lists:duplicate(255, "%61")))
            )},
        {"255 wide",
            ?_assertEqual(
                [list_to_atom(lists:duplicate(255, 8364))],
                pando_path:from_string("/:" ++ lists:append(lists:duplicate(255, "%E2%82%AC")))
            )},
        {"256",
            ?_assertEqual(
                invalid_path(#{path => "/x/" ++ TooLong, component => list_to_binary(TooLong)}),
                outcome(from_string, ["/x/" ++ TooLong])
            )},
        {"256 wide",
            ?_assertEqual(
                invalid_path(#{path => TooLongWide, component => TooLongWide}),
                outcome(from_string, [TooLongWide])
            )}
    ].

no_atom_is_made_without_a_colon_test() ->
    Name = "pando_path_tests_" ++ "this_is_no_atom",
    ?assertEqual([list_to_binary(Name)], pando_path:from_string("/" ++ Name)),
    Parts = [{literal, <<"/">>}, {value, list_to_binary(Name)}],
    ?assertEqual([list_to_binary(Name)], pando_path:from_parts(Parts)),
    ?assertError(badarg, list_to_existing_atom(Name)).

%% -------------------------------------------------------------------
%% Parts.
%% -------------------------------------------------------------------

parts_test_() ->
    [
        {title(Parts), ?_assertEqual(Expected, pando_path:from_parts(Parts))}
     || {Parts, Expected} <- [
            {[], []},
            {[{literal, <<"/">>}, {value, <<"a">>}], [<<"a">>]},
            {[{value, <<"a">>}], [$., <<"a">>]},
            {[{value, <<>>}], [$., <<>>]},
            {[{value, <<"/">>}], [$., <<"/">>]},
            {[{literal, <<"/a/">>}, {value, <<>>}], [<<"a">>, <<>>]},
            {[{literal, <<"/a/">>}, {value, <<>>}, {literal, <<"/">>}], [<<"a">>, <<>>]},
            {[{literal, <<"/a-">>}, {value, <<"b/c">>}, {literal, <<"-d/e">>}], [<<"a-b/c-d">>, <<"e">>]},
            {[{literal, <<"/">>}, {value, <<"a">>}, {value, <<"b">>}], [<<"ab">>]},
            {[{literal, <<"/.">>}, {value, <<".">>}], [<<"..">>]},
            {[{literal, <<"/">>}, {value, <<"*">>}], [<<"*">>]},
            {[{literal, <<"/">>}, {value, <<"**">>}], [<<"**">>]},
            {[{value, <<"^">>}], [$., <<"^">>]},
            {[{literal, <<"/">>}, {value, <<"%41">>}], [<<"%41">>]},
            {[{literal, <<"/%">>}, {value, <<"41">>}], [<<"%41">>]},
            {[{literal, <<"/%41">>}, {value, <<"41">>}], [<<"A41">>]},
            {[{literal, <<"/">>}, {value, <<":a">>}], [<<":a">>]},
            {[{literal, <<"/:">>}, {value, <<"a/b">>}], ['a/b']},
            {[{literal, <<"/:">>}, {value, <<"é€"/utf8>>}], ['é€']},
            {[{literal, <<"/:">>}, {value, <<255>>}], [list_to_atom([255])]},
            {[{literal, <<"/:a%2F">>}, {value, <<"*">>}, {literal, <<"*">>}], ['a/**']},
            {[{literal, <<"../">>}, {value, <<"..">>}], [$^, <<"..">>]},
            {[{literal, <<"^/">>}, {value, <<"a">>}], [$^, <<"a">>]},
            {[{literal, <<".">>}, {literal, <<"./a">>}], [$^, <<"a">>]},
            {[{literal, <<"/*-">>}, {value, <<"a.*">>}], [?GLOB("^.*-a\\.\\*$")]},
            {[{literal, <<"/[">>}, {value, <<"a-]">>}, {literal, <<"]*">>}], [?GLOB("^[a\\-\\]].*$")]}
        ]
    ].

literals_alone_are_parsed_as_a_string_test_() ->
    [
        {title(Input), fun() ->
            Parts = [{literal, list_to_binary([Char])} || Char <- Input],
            ?assertEqual(Expected, pando_path:from_parts(Parts))
        end}
     || {Input, Expected} <- strings()
    ].

a_value_in_a_glob_matches_itself_test_() ->
    [
        {title(Char), fun() ->
            Parts = [{literal, <<"/*">>}, {value, <<Char>>}],
            [#if_name_matches{regex = Regex}] = pando_path:from_parts(Parts),
            ?assertEqual(match, re:run(<<"x", Char>>, Regex, [{capture, none}, dollar_endonly])),
            ?assertEqual(nomatch, re:run(<<"x", (Char bxor 1)>>, Regex, [{capture, none}, dollar_endonly]))
        end}
     || Char <- lists:seq(0, 255)
    ].

an_atom_of_parts_has_at_most_255_characters_test() ->
    Long = binary:copy(<<"a">>, 256),
    ?assertEqual(
        invalid_path(#{path => <<"/b/:", Long/binary>>, component => <<":", Long/binary>>}),
        outcome(from_parts, [[{literal, <<"/b/:">>}, {value, Long}]])
    ).

parts_are_checked_test_() ->
    [
        {title(Parts), ?_assertError(function_clause, pando_path:from_parts(Parts))}
     || Parts <- [foo, [foo], [{literal, "a"}], [{value, a}], [{other, <<>>}], [{value, <<1:3>>}]]
    ].

%% -------------------------------------------------------------------
%% Printing.
%% -------------------------------------------------------------------

paths_are_printed_test_() ->
    [
        {title(Path), [
            ?_assertEqual(String, pando_path:to_string(Path)),
            ?_assertEqual(list_to_binary(String), pando_path:to_binary(Path))
        ]}
     || {Path, String} <- [
            {[], "/"},
            {[a], "/:a"},
            {[<<"a">>], "/a"},
            {[$.], "."},
            {[$^], ".."},
            {[$., a], ":a"},
            {[$., <<"a">>], "a"},
            {[$., $., a], "./:a"},
            {[$., <<>>], ".//"},
            {[$., <<>>, a], ".//:a"},
            {[<<>>], "//"},
            {[a, <<>>], "/:a//"},
            {[''], "/:"},
            {[a, $., b], "/:a/./:b"},
            {[a, $^, b], "/:a/../:b"},
            {[<<"é"/utf8>>], "/%C3%A9"},
            {[<<".x">>], "/%2Ex"},
            {[<<"..">>], "/%2E."},
            {['.'], "/:%2E"},
            {[<<":a">>], "/%3Aa"},
            {[<<"*">>], "/%2A"},
            {[<<"a b/c%">>], "/a%20b%2Fc%25"},
            {['a/b'], "/:a%2Fb"},
            {[$^, $^, a], "../../:a"},
            {[$., $^, a], "../:a"},
            %% Beyond the table.
            {[<<"AZaz09-_~.">>], "/AZaz09-_~."},
            {[<<0, 255, "^">>], "/%00%FF%5E"},
            {[list_to_atom([233])], "/:%E9"},
            {[$/], "/"},
            {[$/, a], "/:a"}
        ]
    ].

%% Deliberate difference: Khepri prints each character above 255 as `%**'.
wide_atoms_are_printed_as_utf8_test() ->
    ?assertEqual("/:%E2%82%AC", pando_path:to_string(['€'])),
    ?assertEqual(<<"/:%C3%A9%E2%82%AC">>, pando_path:to_binary(['é€'])).

%% Deliberate difference: Khepri prints the first of these as the second would be read. The bytes are what a
%% program has that wrote the atom in a UTF-8 binary, so the printed binary is that text again.
atoms_that_look_like_the_utf8_of_wide_ones_are_told_apart_test() ->
    Bytes = list_to_atom([$., 226, 130, 172, $/]),
    ?assertEqual([$/, $:, $%, $2, $E, 226, 130, 172, $%, $2, $F], pando_path:to_string([Bytes])),
    ?assertEqual(<<"/:%2E€%2F"/utf8>>, pando_path:to_binary([Bytes])),
    ?assertEqual([Bytes], pando_path:from_string(pando_path:to_string([Bytes]))),
    ?assertEqual([Bytes], pando_path:from_binary(pando_path:to_binary([Bytes]))),
    ?assertEqual(['.€/'], pando_path:from_string("/:%2E%E2%82%AC%2F")).

what_is_no_concrete_path_is_not_printed_test_() ->
    [
        {title(Term), [
            ?_assertError(function_clause, pando_path:to_string(Term)),
            ?_assertError(function_clause, pando_path:to_binary(Term))
        ]}
     || Term <- [[?STAR], [a, #if_has_data{}], "abc", foo, <<"/a">>, [a, $/, b], [a | b], [[]]]
    ].

%% -------------------------------------------------------------------
%% For all paths.
%% -------------------------------------------------------------------

seeded(Key) ->
    rand:seed(exsss, {20240607, 7, Key}),
    ok.

pick(List) ->
    lists:nth(rand:uniform(length(List)), List).

list_of(Generator, LengthMax) ->
    [Generator() || _ <- lists:seq(1, rand:uniform(LengthMax + 1) - 1)].

random_path() ->
    Names = list_of(fun random_component/0, 5),
    case {rand:uniform(6), Names} of
        {1, []} -> [$.];
        {1, [Name | _]} when is_atom(Name); is_binary(Name) -> [$. | Names];
        {2, _} -> [$^ | Names];
        {_, [Special | Rest]} when is_integer(Special) -> [a, Special | Rest];
        _ -> Names
    end.

random_component() ->
    case rand:uniform(12) of
        1 -> $.;
        2 -> $^;
        N when N =< 6 -> list_to_atom(lists:append(list_of(fun random_text/0, 4)));
        _ -> list_to_binary([C || C <- lists:append(list_of(fun random_text/0, 4)), C =< 255, C =/= $*])
    end.

%% Syntax, letters, all bytes, wide characters, and bytes that are the UTF-8 of wide and of narrow characters.
random_text() ->
    case rand:uniform(6) of
        1 -> [pick("/:.%^~-_*$ ")];
        2 -> [pick("abcXYZ019")];
        3 -> [rand:uniform(256) - 1];
        4 -> [pick([256, 1103, 8364, 16#FFFD, 127795])];
        5 -> binary_to_list(unicode:characters_to_binary([pick([233, 1103, 8364, 127795])]));
        6 -> pick(["%41", "%2F", "%zz", "..", "**", "^"])
    end.

printed_paths_are_parsed_to_the_same_path_test_() ->
    {timeout, 60, fun() ->
        seeded(1),
        lists:foreach(
            fun(_) ->
                Path = random_path(),
                String = pando_path:to_string(Path),
                ?assertEqual({String, Path}, {String, pando_path:from_string(String)}),
                ?assertEqual({String, Path}, {String, pando_path:from_binary(pando_path:to_binary(Path))}),
                ?assertEqual(list_to_binary(String), pando_path:to_binary(Path)),
                ?assertEqual(true, pando_path:is_valid(Path))
            end,
            lists:seq(1, ?RANDOM_PATHS)
        )
    end}.

any_text_is_parsed_to_a_valid_pattern_test_() ->
    {timeout, 60, fun() ->
        seeded(2),
        lists:foreach(
            fun(_) ->
                String = lists:append(list_of(fun random_text/0, 8)),
                Bytes = unicode:characters_to_binary(String),
                case pando_path:is_valid(String) of
                    true -> ok;
                    {false, _} -> ?assertEqual(true, pando_path:is_valid(pando_path:from_string(String)))
                end,
                ?assertEqual(true, pando_path:is_valid(pando_path:from_string(Bytes)))
            end,
            lists:seq(1, ?RANDOM_PATHS)
        )
    end}.

values_are_one_component_whatever_they_are_test_() ->
    {timeout, 60, fun() ->
        seeded(3),
        lists:foreach(
            fun(_) ->
                Value = unicode:characters_to_binary(lists:append(list_of(fun random_text/0, 6))),
                ?assertEqual(
                    [<<"users">>, Value, <<"x">>],
                    pando_path:from_parts([{literal, <<"/users/">>}, {value, Value}, {literal, <<"/x">>}])
                )
            end,
            lists:seq(1, ?RANDOM_PATHS)
        )
    end}.

%% -------------------------------------------------------------------
%% What is no path.
%% -------------------------------------------------------------------

what_is_no_path_is_refused_test_() ->
    [
        {title(Term), [
            ?_assertEqual(invalid_path(#{path => Term}), outcome(from_string, [Term])),
            ?_assertEqual(invalid_path(#{path => Term}), outcome(from_binary, [Term]))
        ]}
     || Term <- [
            foo,
            12,
            1.5,
            {a},
            #{},
            self(),
            make_ref(),
            fun lists:sum/1,
            <<1:3>>,
            ["x"],
            [[]],
            [{foo, bar}],
            [{if_has_data, true, extra}],
            [{if_all}],
            [-1],
            [1.0],
            [16#D800],
            [16#110000],
            [#{} | a]
        ]
    ].

a_string_that_goes_on_as_something_else_is_refused_test_() ->
    [
        {title(Term), ?_assertError(function_clause, pando_path:from_string(Term))}
     || Term <- [
            [$a, b],
            [$a, <<"b">>],
            [$a | b],
            [$/, "a"],
            [$., {foo}],
            [$^ | foo],
            [$/, 16#D800],
            [$/, -1],
            [8364, a]
        ]
    ].

one_character_is_a_string_test() ->
    ?assertEqual([$., <<1>>], pando_path:from_string([1])).

any_term_is_parsed_or_refused_test_() ->
    {timeout, 60, fun() ->
        seeded(4),
        lists:foreach(
            fun(_) ->
                Term = random_term(4),
                case outcome(from_string, [Term]) of
                    {ok, Path} when is_list(Path) -> ok;
                    {error, {pando_ex, invalid_path, #{path := Term}}} -> ok;
                    {error, function_clause} when is_list(Term) -> ok;
                    Other -> error({unexpected, Term, Other})
                end,
                case outcome(ensure_is_valid, [Term]) of
                    {ok, ok} -> ?assertEqual(true, pando_path:is_valid(Term));
                    {error, {pando_ex, invalid_path, #{path := Term}}} ->
                        ?assertNotEqual(true, pando_path:is_valid(Term))
                end
            end,
            lists:seq(1, ?RANDOM_PATHS)
        )
    end}.

random_term(0) ->
    pick(
        [a, '', <<>>, <<"b">>, <<5:3>>, $/, $., $^, $:, $*, $a, 8364, -1, 16#DFFF] ++
            [1.5, [], #{}, undefined, true]
    );
random_term(Depth) ->
    Inner = fun() -> random_term(Depth - 1) end,
    case rand:uniform(9) of
        1 -> random_term(0);
        N when N =< 5 -> list_of(fun() -> random_term(pick([0, 0, Depth - 1])) end, 5);
        6 -> [Inner() | Inner()];
        7 -> list_to_tuple([pick([if_all, if_any, if_not, if_node_exists, foo]) | list_of(Inner, 2)]);
        8 -> list_to_tuple(list_of(Inner, 3));
        9 -> #{Inner() => Inner()}
    end.

%% No time is asserted: a parser which is not linear does not come back from these.
long_strings_are_parsed_test_() ->
    [
        {timeout, 120,
            {title({Unit, Count}), fun() ->
                String = lists:append(lists:duplicate(Count, Unit)),
                ?assertEqual(Length, length(pando_path:from_string(String))),
                ?assertEqual(Length, length(pando_path:from_binary(list_to_binary(String)))),
                ?assertEqual(Length, length(pando_path:from_string(String ++ [8364]))),
                ?assertEqual(
                    Length,
                    length(pando_path:from_parts([{literal, list_to_binary(String)}, {value, <<"x">>}]))
                )
            end}}
     || Size <- [250000, 1000000],
        {Unit, Count, Length} <- [
            {"//a", Size div 3, 2 * (Size div 3)},
            {"/a%20b/*", Size div 8, 2 * (Size div 8)},
            {"/:a", Size div 3, Size div 3},
            {"/..", Size div 3, Size div 3},
            {"a%zz", Size div 4, 2}
        ]
    ].

%% -------------------------------------------------------------------
%% Checks.
%% -------------------------------------------------------------------

nested(Bad) ->
    [
        Bad,
        #if_not{condition = Bad},
        #if_all{conditions = [Bad]},
        #if_any{conditions = [oak, Bad]},
        #if_all{conditions = [#if_has_data{}, #if_any{conditions = [oak, #if_not{condition = Bad}]}]}
    ].

valid_patterns_test_() ->
    [
        {title(Pattern), [
            ?_assertEqual(true, pando_path:is_valid(Pattern)),
            ?_assertEqual(ok, pando_path:ensure_is_valid(Pattern))
        ]}
     || Pattern <-
            [[], [a, <<"b">>, $/, $., $^], [?STAR, ?STAR_STAR]] ++
                [[a, Component] || Condition <- conditions(), Component <- nested(Condition)]
    ].

bad_components_are_found_at_any_depth_test_() ->
    [
        {title(Component), [
            ?_assertEqual({false, Bad}, pando_path:is_valid([a, Component, b])),
            ?_assertEqual(
                invalid_path(#{path => [a, Component, b], component => Bad}),
                outcome(ensure_is_valid, [[a, Component, b]])
            )
        ]}
     || Bad <- [
            {foo},
            $a,
            "x",
            1.5,
            {if_has_data, true, extra},
            {if_node_exists, yes},
            {if_has_payload, 1},
            {if_has_data, undefined},
            {if_has_sproc, []}
        ],
        Component <- nested(Bad)
    ].

the_first_bad_component_is_told_test_() ->
    [
        {title(Term), ?_assertEqual({false, Bad}, pando_path:is_valid(Term))}
     || {Term, Bad} <- [
            {[a, {foo}, {bar}], {foo}},
            {[a | b], b},
            {[#if_all{conditions = [a | b]}], b},
            {[#if_any{conditions = a}], a},
            {[{if_not, [a]}], [a]},
            {foo, foo},
            {<<"/a">>, <<"/a">>}
        ]
    ].

what_is_no_list_has_no_bad_component_test_() ->
    [
        {title(Term), ?_assertEqual(invalid_path(#{path => Term}), outcome(ensure_is_valid, [Term]))}
     || Term <- [foo, <<"/a">>, 12, {a}]
    ].

compile_returns_a_pattern_for_use_in_its_place_test() ->
    Pattern = [a, #if_name_matches{regex = "^o"}, #if_data_matches{pattern = {'$1'}}],
    ?assertEqual(Pattern, pando_path:compile(Pattern)),
    ?assertError(function_clause, pando_path:compile(foo)).

conditions_are_combined_with_the_last_component_test_() ->
    [
        {title({Path, Conditions}),
            ?_assertEqual(Expected, pando_path:combine_with_conditions(Path, Conditions))}
     || {Path, Conditions, Expected} <- [
            {[], [], []},
            {[a, b], [], [a, b]},
            {[a], [#if_has_data{}], [#if_all{conditions = [a, #if_has_data{}]}]},
            {[a, ?STAR], [#if_has_data{}, c], [a, #if_all{conditions = [?STAR, #if_has_data{}, c]}]},
            {[#if_all{conditions = [a]}], [b], [#if_all{conditions = [#if_all{conditions = [a]}, b]}]}
        ]
    ] ++
        [{"root", ?_assertError({badmatch, []}, pando_path:combine_with_conditions([], [#if_has_data{}]))}].

components_that_name_siblings_test_() ->
    [
        {title(Component), [
            ?_assertEqual(Siblings, pando_path:component_targets_specific_siblings(Component)),
            ?_assertEqual(
                case Siblings of
                    {true, [Name]} -> {true, Name};
                    _ -> false
                end,
                pando_path:component_targets_specific_node(Component)
            ),
            ?_assertEqual(
                case Siblings of
                    {true, [Name]} -> {true, [x, Name, y]};
                    _ -> false
                end,
                pando_path:targets_specific_node([x, Component, y])
            )
        ]}
     || {Component, Siblings} <- [
            {a, {true, [a]}},
            {<<"a">>, {true, [<<"a">>]}},
            {$., {true, [$.]}},
            {$^, {true, [$^]}},
            {$/, {true, [$/]}},
            {?STAR, false},
            {#if_has_data{}, false},
            {#if_not{condition = a}, false},
            {#if_all{}, false},
            {#if_any{}, false},
            {#if_all{conditions = [a, #if_has_data{}]}, {true, [a]}},
            {#if_all{conditions = [#if_has_data{}, a, a]}, {true, [a]}},
            {#if_all{conditions = [b, a]}, {true, [a, b]}},
            {#if_all{conditions = [#if_has_data{}]}, false},
            {#if_all{conditions = [a, #if_not{condition = b}]}, {true, [a]}},
            {#if_any{conditions = [a]}, {true, [a]}},
            {#if_any{conditions = [b, <<"a">>, a, b]}, {true, [a, b, <<"a">>]}},
            {#if_any{conditions = [a, #if_has_data{}]}, false},
            {#if_any{conditions = [a, #if_all{conditions = [#if_has_data{}, b]}]}, {true, [a, b]}},
            {#if_any{conditions = [a, #if_all{}]}, false},
            {#if_all{conditions = [#if_any{conditions = [a, b]}, b]}, {true, [a, b]}},
            {#if_all{conditions = [#if_any{conditions = [a, #if_has_data{}]}, b]}, {true, [b]}}
        ]
    ].

paths_that_target_a_specific_node_test_() ->
    [
        row(targets_specific_node, [], {true, []}),
        row(targets_specific_node, [a, $^, <<"b">>], {true, [a, $^, <<"b">>]}),
        row(targets_specific_node, [a, ?STAR], false),
        row(targets_specific_node, [?STAR, a], false)
    ].

%% -------------------------------------------------------------------
%% Resolution.
%% -------------------------------------------------------------------

relative_paths_are_resolved_test_() ->
    [
        {title({Path, Base}), ?_assertEqual(Expected, pando_path:abspath(Path, Base))}
     || {Path, Base, Expected} <- [
            {[], [a], []},
            {[b], [a], [b]},
            {[b, $^, $.], [a], [b, $^, $.]},
            {[$/, $., b], [a], [$/, $., b]},
            {[$.], [a], [a]},
            {[$., b], [a], [a, b]},
            {[$^], [a, b], [a]},
            {[$^, $^, c], [a, b], [c]},
            {[$^, $^, $^, c], [a, b], [c]},
            {[$., b, $^, c], [a], [a, c]},
            {[$., ?STAR], [a], [a, ?STAR]}
        ]
    ].

special_components_are_resolved_test_() ->
    [
        row(realpath, Path, Expected)
     || {Path, Expected} <- [
            {[], []},
            {[a, <<"b">>], [a, <<"b">>]},
            {[$.], []},
            {[$^], []},
            {[$^, $^, a], [a]},
            {[a, $., b], [a, b]},
            {[a, b, $^], [a]},
            {[a, b, $^, $^, $^, c], [c]},
            {[a, $/, b], [b]},
            {[a, $/], []},
            {[?STAR, $^, ?STAR_STAR], [?STAR_STAR]}
        ]
    ].

patterns_about_the_root_test_() ->
    [
        row(pattern_includes_root_node, Pattern, Expected)
     || {Pattern, Expected} <- [
            {[], true},
            {[$/], true},
            {[$.], true},
            {[$^], true},
            {[a, $^], true},
            {[?STAR, $^], true},
            {[a], false},
            {[?STAR_STAR], false},
            {[a, b, $^], false}
        ]
    ].
