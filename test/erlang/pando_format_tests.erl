%% docs/formats.md against the bytes: a reader that was written from that page alone finds in the golden stores
%% what `store.txt' beside them says, which Pando's own code has written. And: the values of a golden store, through the public
%% API. The stores must open for ever: native/pando_store/tests/golden.rs.
-module(pando_format_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-define(NAMES, ["closed", "killed", "torn", "resetting", "founding", "members"]).
-define(STORE_ID, <<9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8, 9:8>>).

golden() ->
    %% From the sources, whatever directory the tests run in.
    Source = proplists:get_value(source, ?MODULE:module_info(compile)),
    find(filename:dirname(Source)).

find(Directory) ->
    Golden = filename:join([Directory, "native", "pando_store", "tests", "golden", "format-1"]),
    case filelib:is_dir(Golden) of
        true -> Golden;
        false when Directory =/= "/" -> find(filename:dirname(Directory))
    end.

store(Name) ->
    filename:join([golden(), Name, "store"]).

text(Name) ->
    {ok, Text} = file:read_file(filename:join([golden(), Name, "store.txt"])),
    [Files, _Tree] = string:split(Text, "tree\n"),
    Files.

a_reader_made_from_the_page_finds_what_is_in_the_golden_stores_test_() ->
    [
        {Name, fun() ->
            Found = pando_format_reader:describe(store(Name)),
            %% By line, so that a difference can be read.
            Differences = differences(lines(text(Name)), lines(Found)),
            ?assertEqual([], lists:sublist(Differences, 3))
        end}
     || Name <- ?NAMES
    ].

lines(Text) ->
    string:split(Text, "\n", all).

differences([Same | Expected], [Same | Found]) -> differences(Expected, Found);
differences([], []) -> [];
differences([One | Expected], [Other | Found]) -> [{One, Other} | differences(Expected, Found)];
differences(Expected, Found) -> [{Expected, Found}].

a_reader_made_from_the_page_finds_what_no_text_tells_test() ->
    #{batches := Closed, tail := none, kinds := Kinds, vote := <<1, 1:64/little, 1:64/little, 1>>} =
        pando_format_reader:log(store("closed")),
    %% Every kind of record: an entry of `closed' was taken back.
    ?assertEqual([1, 2, 4, 5, 6], Kinds),
    ?assertEqual({closed, lists:last(Closed)}, pando_format_reader:synced(store("closed"))),
    #{batches := Killed, tail := none} = pando_format_reader:log(store("killed")),
    ?assertEqual({open, lists:last(Killed)}, pando_format_reader:synced(store("killed"))),
    #{batches := Torn, tail := {Offset, Size}, kinds := KindsFromTheBeginning} = pando_format_reader:log(store("torn")),
    ?assert(Offset > 4096 andalso Size > 512),
    ?assertEqual({open, lists:last(Torn)}, pando_format_reader:synced(store("torn"))),
    ?assertEqual([1, 2, 3, 4], KindsFromTheBeginning),
    ?assertEqual({{<<8:8, (binary:copy(<<8>>, 15))/binary>>, 0}, {?STORE_ID, 1}}, pando_format_reader:reset(store("resetting"))).

%%% Through the public API

with_golden(Name, Test) ->
    {timeout, 60, fun() ->
        pando_test_store:with_dir(fun(Dir) ->
            S = pando_test_store:new_name(),
            copy(store(Name), filename:join(Dir, S)),
            Before = maps:get(verdict, element(2, pando:verify(Dir))),
            {ok, S} = pando_test_store:quietly(fun() -> pando:start(Dir, S) end),
            try
                Test(S, Before)
            after
                ok = pando:stop(S)
            end,
            {ok, #{verdict := sound}} = pando:verify(Dir)
        end)
    end}.

copy(From, To) ->
    ok = filelib:ensure_path(To),
    {ok, Names} = file:list_dir(From),
    [
        case filelib:is_dir(filename:join(From, Name)) of
            true -> copy(filename:join(From, Name), filename:join(To, Name));
            false -> {ok, _} = file:copy(filename:join(From, Name), filename:join(To, Name))
        end
     || Name <- Names
    ],
    ok.

values_of_a_golden_store_test_() ->
    [with_golden(Name, fun has_all_values/2) || Name <- ["closed", "killed"]].

has_all_values(S, Verdict) ->
    ?assertEqual(sound, Verdict),
    Values = #{
        <<"integer">> => 150,
        <<"negative">> => -7,
        <<"large">> => 1 bsl 100,
        <<"negative large">> => -(1 bsl 70),
        <<"float">> => 2.5,
        <<"atom">> => oak,
        <<"unicode atom">> => 'Größe',
        <<"binary">> => <<"elm">>,
        <<"unicode">> => <<"Bäume 木"/utf8>>,
        <<"bitstring">> => <<5:3>>,
        <<"empty list">> => [],
        <<"string">> => "abc",
        <<"list">> => [1, two, <<"three">>],
        <<"improper">> => [a | b],
        <<"tuple">> => {},
        <<"record">> => {tree, 1, [x]},
        <<"map">> => #{a => 1, <<"b">> => [2], {c} => #{}},
        <<"undefined">> => undefined,
        <<"function">> => fun lists:sum/1,
        <<"nested">> => [[[[[]]]]],
        <<"booleans">> => {true, false},
        <<"small">> => 255,
        <<"wide">> => 65536
    },
    {ok, Found} = pando:get_many(S, [values, ?PANDO_WILDCARD_STAR]),
    ?assertEqual(Values, names_of(Found)),
    ?assertEqual(6, pando:run_sproc(S, [<<"sum">>], [[1, 2, 3]])),
    ?assertEqual({ok, 2}, pando:get(S, [names, 'Größe 木', <<0, 255, $", $\\>>])),
    ?assertEqual({ok, 2}, pando:get(S, [])),
    ?assertEqual(true, pando:exists(S, [names, <<>>])),
    ?assertEqual(false, pando:has_data(S, [names, <<>>])),
    ?assertEqual({ok, binary:copy(<<".">>, 600)}, pando:get(S, [filled, <<"0">>])),
    %% A request that was applied is not applied again.
    ok = pando:put(S, [orders, <<"7">>], again, #{request_id => <<"request 2">>}),
    ?assertEqual({ok, 2}, pando:get(S, [orders, <<"7">>])),
    %% And a lock goes with its session.
    ?assertEqual({ok, 2}, pando:get(S, [locks, <<"oak">>])),
    ok = pando:delete(S, [sessions, <<"ann">>]),
    ?assertEqual(false, pando:exists(S, [locks, <<"oak">>])).

names_of(Found) ->
    maps:fold(fun([values, Name], Value, Names) -> Names#{Name => Value} end, #{}, Found).

a_golden_store_has_what_other_members_wrote_once_test_() ->
    with_golden("members", fun(S, Verdict) ->
        ?assertEqual(sound, Verdict),
        ?assertEqual({ok, 150}, pando:get(S, [values, <<"integer">>])),
        ?assertEqual({ok, <<"observer">>}, pando:get(S, [<<"others">>, <<"written">>])),
        %% It came too late, or from nobody.
        ?assertEqual(false, pando:exists(S, [<<"others">>, <<"late">>])),
        ?assertEqual(false, pando:exists(S, [<<"others">>, <<"of nobody">>]))
    end).

golden_stores_that_were_interrupted_open_test_() ->
    [
        with_golden("torn", fun(S, Verdict) ->
            ?assertEqual(remarks, Verdict),
            ?assertEqual({ok, 150}, pando:get(S, [values, <<"integer">>])),
            ?assertEqual(false, pando:exists(S, [last])),
            ok = pando:put(S, [last], 1)
        end),
        with_golden("resetting", fun(S, Verdict) ->
            ?assertEqual(remarks, Verdict),
            ?assertEqual(true, pando:is_empty(S))
        end),
        with_golden("founding", fun(S, Verdict) ->
            ?assertEqual(sound, Verdict),
            ?assertEqual(true, pando:is_empty(S))
        end)
    ].
