%% What was acknowledged is there after `kill -9' of the whole VM, again and again in one directory, with
%% snapshots too.
%%
%% Another VM writes and reports each acknowledged write on its standard output. It is killed at a moment of
%% its own choosing, and this VM opens the directory.
-module(pando_durability_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1]).

-export([write/1]).

-define(STORE, durability).
-define(ROUNDS, 5).
-define(WRITERS, 8).
-define(TIMEOUT_S, 120).
%% How many snapshots are waited for: the log is purged some time after one.
-define(SNAPSHOTS, 2).
%% docs/formats.md.
-define(FIRST_SEGMENT, "0000000000000001.segment").

acknowledged_writes_survive_kill_9_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_dir(fun(Dir) ->
            OneRound = fun(Round, Before) -> round(Dir, Round, Before, small) end,
            Acknowledged = lists:foldl(OneRound, #{}, lists:seq(1, ?ROUNDS)),
            ?assert(maps:size(Acknowledged) > ?ROUNDS * ?WRITERS)
        end)
    end}.

%% More log than a snapshot takes, so that entries are in a snapshot and gone from the log when it is killed.
acknowledged_writes_survive_kill_9_when_snapshots_are_taken_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_dir(fun(Dir) ->
            lists:foldl(fun(Round, Before) -> round(Dir, Round, Before, large) end, #{}, [1, 2])
        end)
    end}.

%% One life of the other VM, and what is found afterwards. Answers all that was acknowledged in this
%% directory.
round(Dir, Round, Before, Kind) ->
    Arguments = [Dir, integer_to_list(Round), atom_to_list(Kind)],
    Lines = pando_test_store:start_erl(?MODULE, write, Arguments, fun(Erl) ->
        Enough = until_enough(Erl, Kind, Round, []),
        Enough ++ pando_test_store:kill_erl(Erl)
    end),
    Acknowledged = lists:foldl(fun acknowledge/2, Before, Lines),
    {ok, ?STORE} = pando:start(Dir, ?STORE),
    try
        [?assert(has_purged(Dir)) || Kind =:= large],
        {ok, Found} = pando:get_many(?STORE, "/:w/*/*"),
        ?assertEqual(
            [], [Key || Key <- maps:keys(Acknowledged), maps:get(path(Key), Found, none) =/= value(Key, Kind)]
        ),
        %% What was not acknowledged may be there, but then as it was written.
        ?assertEqual([], [Path || {Path, Value} <- maps:to_list(Found), value(key(Path), Kind) =/= Value]),
        %% And a node that is written again and again is not behind what was acknowledged last.
        [
            begin
                {ok, Last} = pando:get(?STORE, [last, <<Writer>>]),
                ?assert(Last >= {R, N})
            end
         || {Writer, {R, N}} <- maps:to_list(last_of_each(Acknowledged))
        ],
        %% The tree is whole: counters and counts agree with one another.
        {ok, Length} = pando:count(?STORE, "/:w/*/*"),
        ?assertEqual(maps:size(Found), Length),
        {ok, Parents} = pando_adv:get_many(?STORE, "/:w/*", #{props_to_return => [child_list_length]}),
        ?assertEqual(Length, lists:sum([L || #{child_list_length := L} <- maps:values(Parents)]))
    after
        ok = pando:stop(?STORE)
    end,
    Acknowledged.

until_enough(Erl, Kind, Round, Lines) ->
    case pando_test_store:next_line(Erl) of
        <<"snapshot">> when Kind =:= large -> lists:reverse(Lines);
        <<"snapshot">> -> until_enough(Erl, Kind, Round, Lines);
        Line when Kind =:= small, length(Lines) >= 300 * Round -> lists:reverse([Line | Lines]);
        Line when is_binary(Line) -> until_enough(Erl, Kind, Round, [Line | Lines])
    end.

acknowledge(<<"snapshot">>, Acknowledged) ->
    Acknowledged;
acknowledge(Line, Acknowledged) ->
    [Round, Writer, N] = [binary_to_integer(Word) || Word <- binary:split(Line, <<" ">>, [global])],
    Acknowledged#{{Round, Writer, N} => true}.

last_of_each(Acknowledged) ->
    maps:fold(
        fun({Round, Writer, N}, true, Last) ->
            maps:update_with(Writer, fun(Before) -> max(Before, {Round, N}) end, {Round, N}, Last)
        end,
        #{},
        Acknowledged
    ).

path({Round, Writer, N}) -> [w, <<Writer>>, <<Round:16, N:32>>].

key([w, <<Writer>>, <<Round:16, N:32>>]) -> {Round, Writer, N}.

value(Key, small) -> #{key => Key};
value({_, _, N} = Key, large) -> {Key, binary:copy(<<N:32>>, 8 * 1024)}.

%% Whether the log no longer reaches back to its beginning: what was there can only come from a snapshot.
has_purged(Dir) ->
    {ok, #{snapshot_index := Index}} = pando_cluster:status(?STORE),
    [Oldest | _] = lists:sort(filelib:wildcard("*.segment", filename:join([Dir, ?STORE, "log"]))),
    is_integer(Index) andalso Oldest > ?FIRST_SEGMENT.

%% -------------------------------------------------------------------
%% What the other VM runs until it is killed.
%% -------------------------------------------------------------------

write([Dir, RoundText, KindText]) ->
    [Round, Kind] = [list_to_integer(RoundText), list_to_existing_atom(KindText)],
    {ok, ?STORE} = pando:start(Dir, ?STORE),
    [spawn_link(fun() -> write(Round, Writer, 1, Kind) end) || Writer <- lists:seq(1, ?WRITERS)],
    ok = until_snapshots(?SNAPSHOTS, snapshot_index()),
    io:put_chars("snapshot\n"),
    receive
        never -> ok
    end.

write(Round, Writer, N, Kind) ->
    Key = {Round, Writer, N},
    ok = pando:put(?STORE, path(Key), value(Key, Kind)),
    ok = pando:put(?STORE, [last, <<Writer>>], {Round, N}),
    io:put_chars(io_lib:format("~b ~b ~b~n", [Round, Writer, N])),
    write(Round, Writer, N + 1, Kind).

until_snapshots(0, _Index) ->
    ok;
until_snapshots(Count, Index) ->
    case snapshot_index() of
        Index ->
            timer:sleep(5),
            until_snapshots(Count, Index);
        Next ->
            until_snapshots(Count - 1, Next)
    end.

snapshot_index() ->
    {ok, #{snapshot_index := Index}} = pando_cluster:status(?STORE),
    Index.
