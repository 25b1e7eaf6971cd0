%% What `pando:info' prints. The layout is no API: most tests look at what is shown, three at the whole text.
%%
%% A process of the test is the terminal, or the file: it answers what is asked of it, and keeps what is written to it.
-module(pando_info_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [cases/1, title/1, with_dir/1, new_name/0]).

-define(WAIT_MS, 30000).
%% As in pando_info and in the native library (docs/limits.md).
-define(NODES_SHOWN_MAX, 200).
-define(DEPTH_SHOWN_MAX, 20).
-define(NODES_READ_MAX, 2000).
-define(WATCHERS_SHOWN_MAX, 50).
-define(CONDITIONS_SHOWN_MAX, 10).
-define(TERM_CHARACTERS_MAX, 200).
-define(TERM_CHARACTERS_MIN, 20).
-define(KEEP_WHILE_LISTED_MAX, 10000).
-define(COLUMNS_DEFAULT, 80).
-define(SOFT_CHARACTERS, 16).
-define(EXISTS, #if_node_exists{}).

%%% What is written, and where

%% A file, by default. `columns' makes it something with a width.
file() -> #{terminal => false, encoding => latin1}.
unicode_file() -> #{terminal => false, encoding => unicode}.
terminal(Columns) -> #{terminal => true, encoding => unicode, columns => Columns}.

%% Calls `pando:info' with these arguments, and answers what it has printed. It always answers ok.
printed(Arguments, Device) ->
    Before = group_leader(),
    Printer = spawn_link(fun() -> device(Device, []) end),
    true = group_leader(Printer, self()),
    try
        ?assertEqual(ok, apply(pando, info, Arguments))
    after
        true = group_leader(Before, self())
    end,
    Printer ! {written, self()},
    receive
        {written, Printer, Text} -> Text
    after ?WAIT_MS -> error(nothing_written)
    end.

lines(Arguments, Device) ->
    string:split(printed(Arguments, Device), "\n", all).

device(Device, Written) ->
    receive
        {io_request, From, Reference, Request} ->
            {Reply, More} = io_reply(Request, Device),
            From ! {io_reply, Reference, Reply},
            device(Device, [Written | More]);
        {written, From} ->
            From ! {written, self(), unicode:characters_to_list(Written)}
    end.

io_reply({put_chars, Encoding, Text}, _Device) ->
    {ok, unicode:characters_to_list(Text, Encoding)};
io_reply({put_chars, Encoding, Module, Function, Arguments}, _Device) ->
    {ok, unicode:characters_to_list(apply(Module, Function, Arguments), Encoding)};
io_reply(getopts, #{getopts := Answer}) ->
    {Answer, []};
io_reply(getopts, Device) ->
    {maps:to_list(maps:with([terminal, encoding], Device)), []};
io_reply({get_geometry, columns}, #{columns := Columns}) ->
    {Columns, []};
io_reply({get_geometry, _}, _Device) ->
    {{error, enotsup}, []}.

has_line(Line, Lines) -> lists:member(Line, Lines).

%% The lines that say how much is left out.
more_lines(Lines) -> [Line || Line <- Lines, string:find(Line, " more") =/= nomatch].

%% The names that the tree shows, without the branches.
tree_names(Lines) ->
    [lists:last(string:split(Line, "-- ")) || Line <- Lines, string:find(Line, "-- ") =/= nomatch].

without_colours(Text) ->
    lists:flatten(re:replace(Text, "\e\\[[0-9;]*m", "", [global, unicode, {return, list}])).

%%% Stores

stores_test_() ->
    [
        {"none runs", fun() ->
            ?assertEqual([], pando:get_store_ids()),
            ?assertEqual("No stores running\n", printed([], file())),
            ?assertEqual("No stores running\n", printed([], terminal(80)))
        end},
        {"those that run, sorted, each on a line of its own",
            {timeout, 60, fun() ->
                with_dir(fun(Dir) ->
                    %% Names of the test alone: a control character, one that no file of Latin-1 has.
                    Names = [test_info_b, test_info_a, 'test\e[31m', 'test 日'],
                    [{ok, S} = pando:start(Dir, S) || S <- Names],
                    ?assertEqual(
                        "\nRunning stores:\n  'test\\e[31m'\n  'test \\x{65E5}'\n  test_info_a\n  test_info_b\n",
                        printed([], file())
                    ),
                    ?assertEqual(
                        "\nRunning stores:\n  'test\\e[31m'\n  'test 日'\n  test_info_a\n  test_info_b\n",
                        printed([], terminal(80))
                    ),
                    [ok = pando:stop(S) || S <- Names],
                    ?assertEqual("No stores running\n", printed([], file()))
                end)
            end}}
    ].

a_store_that_does_not_run_test_() ->
    [
        {title({Device, Options}), fun() ->
            Lines = lines([new_name() | Options], Device),
            Reason = pando_errors:format(noproc),
            ?assert(has_line("Failed to query cluster members: " ++ Reason, Lines)),
            ?assert(has_line("Failed to read the tree: " ++ Reason, Lines))
        end}
     || Device <- [file(), terminal(80)], Options <- [[], [#{}], [#{favor => consistency}], [#{timeout => 1000}]]
    ].

what_is_no_store_or_no_option_test_() ->
    [
        {title(Arguments), ?_assertError(function_clause, apply(pando, info, Arguments))}
     || Arguments <- [["s"], [<<"s">>], [1], [s, []], [s, #{favor => x}], [s, #{timeout => -1}]]
    ].

no_time_at_all_test_() ->
    cases([
        {"is said, and is no failure", fun(S) ->
            Lines = lines([S, #{timeout => 0}], file()),
            Reason = pando_errors:format(timeout),
            ?assert(has_line("Failed to query cluster members: " ++ Reason, Lines)),
            ?assert(has_line("Failed to read the tree: " ++ Reason, Lines))
        end}
    ]).

%%% The whole text

filled(S) ->
    ok = pando:put(S, [], root),
    ok = pando:put(S, [session], on),
    ok = pando:put(S, [wood], ?NO_PAYLOAD),
    ok = pando:put(S, [wood, <<"ash">>], 7, #{keep_while => #{[session] => ?EXISTS, [] => #if_has_data{}}}),
    ok = pando:put(S, [wood, <<"oak">>], "日"),
    ok = pando:put(S, [wood, <<"oak">>, leaf], fun lists:sum/1).

%% What the text begins with; its last line is ended. What stands in it is for pando_status_tests to say.
members_text(S) ->
    {ok, Table} = pando_status:format(S),
    "\n== CLUSTER MEMBERS ==\n\n" ++ unicode:characters_to_list(Table).

the_whole_of_a_store_test_() ->
    cases([
        {"an empty one", fun(S) ->
            ?assertEqual(members_text(S) ++ "\n== TREE ==\n\n*\n", printed([S], file()))
        end},
        {"in a file of Latin-1", fun(S) ->
            ok = filled(S),
            [Text] = lists:usort([
                printed([S | Options], file())
             || Options <- [[], [#{}], [#{favor => low_latency}], [#{favor => consistency, timeout => ?WAIT_MS}]]
            ]),
            ?assertEqual(
                string:split(members_text(S), "\n", all) ++ [
                    "== LIFETIME DEPS ==",
                    "",
                    "[wood,<<\"ash\">>] depends on:",
                    "    []: {if_has_data,true}",
                    "    [session]: {if_node_exists,true}",
                    "",
                    "== TREE ==",
                    "",
                    "*",
                    "| Data: root",
                    "|-- session",
                    "|     Data: on",
                    "`-- wood",
                    "    |-- <<\"ash\">>",
                    "    |     Data: 7",
                    "    `-- <<\"oak\">>",
                    "        | Data: [26085]",
                    "        `-- leaf",
                    "              Procedure: fun lists:sum/1",
                    ""
                ],
                string:split(Text, "\n", all)
            )
        end},
        {"in a file of any characters", fun(S) ->
            ok = filled(S),
            [Tree] = lists:nthtail(1, string:split(printed([S], unicode_file()), "== TREE ==\n\n")),
            ?assertEqual(
                [
                    "●",
                    "│ Data: root",
                    "├── session",
                    "│     Data: on",
                    "╰── wood",
                    "    ├── <<\"ash\">>",
                    "    │     Data: 7",
                    "    ╰── <<\"oak\">>",
                    "        │ Data: [26085]",
                    "        ╰── leaf",
                    "              Procedure: fun lists:sum/1",
                    ""
                ],
                string:split(Tree, "\n", all)
            )
        end},
        {"on a terminal: the same, with colours", fun(S) ->
            ok = filled(S),
            {Coloured, Plain} = in_environment([{"NO_COLOR", false}, {"TERM", "xterm"}], fun() ->
                {printed([S], terminal(80)), printed([S], unicode_file())}
            end),
            ?assertEqual(Plain, without_colours(Coloured)),
            ?assertNotEqual(nomatch, string:find(Coloured, "\n\e[1;32m== TREE ==\e[0m\n")),
            ?assertNotEqual(nomatch, string:find(Coloured, "\e[90mData: root\e[0m\n")),
            ?assertNotEqual(nomatch, string:find(Coloured, "\e[90mProcedure: fun lists:sum/1\e[0m\n"))
        end},
        {"on a terminal without colours", fun(S) ->
            ok = filled(S),
            [
                in_environment(Environment, fun() ->
                    ?assertEqual(printed([S], unicode_file()), printed([S], terminal(80)))
                end)
             || Environment <- [[{"NO_COLOR", "1"}, {"TERM", "xterm"}], [{"NO_COLOR", false}, {"TERM", "dumb"}]]
            ]
        end},
        {"on a device that tells nothing of itself", fun(S) ->
            ok = filled(S),
            ?assertEqual(printed([S], file()), printed([S], #{getopts => {error, enotsup}}))
        end}
    ]).

in_environment(Variables, Test) ->
    Before = [{Name, os:getenv(Name)} || {Name, _} <- Variables],
    set_environment(Variables),
    try
        Test()
    after
        set_environment(Before)
    end.

set_environment(Variables) ->
    lists:foreach(
        fun
            ({Name, false}) -> true = os:unsetenv(Name);
            ({Name, Value}) -> true = os:putenv(Name, Value)
        end,
        Variables
    ).

%% Whatever is in names and values, no control character of it is written.
control_characters_test_() ->
    cases([
        {title(Device), fun(S) ->
            Bad = "\e[2J\a\r\b",
            [
                ok = pando:put(S, [Name], Value, #{keep_while => #{[ghost, Name] => #if_node_exists{exists = false}}})
             || Name <- [list_to_atom(Bad), list_to_binary(Bad)],
                Value <- [Bad, list_to_atom(Bad), list_to_binary(Bad), #{Bad => Bad}]
            ],
            ?assertEqual([], [C || C <- printed([S], Device), C < $\s orelse C =:= 127, C =/= $\n])
        end}
     || Device <- [file(), unicode_file()]
    ]).

%%% Limits

%% Written without waiting for each.
fill(S, Paths) ->
    [ok = pando:put(S, Path, ?NO_PAYLOAD, #{async => true}) || Path <- Paths],
    ok = pando:fence(S).

name(N) -> <<N:32>>.

nodes_shown_test_() ->
    cases([
        {title({Count, nodes}), fun(S) ->
            Names = [list_to_atom("n" ++ integer_to_list(1000 + N)) || N <- lists:seq(1, Count)],
            ok = pando:put(S, [], root),
            ok = fill(S, [[Name] || Name <- Names]),
            Lines = lines([S], file()),
            ?assertEqual(
                [atom_to_list(Name) || Name <- lists:sublist(Names, ?NODES_SHOWN_MAX)], tree_names(Lines)
            ),
            ?assertEqual(More, more_lines(Lines))
        end}
     || {Count, More} <- [
            {?NODES_SHOWN_MAX - 1, []},
            {?NODES_SHOWN_MAX, []},
            {?NODES_SHOWN_MAX + 1, ["... 1 node more"]},
            {?NODES_SHOWN_MAX + 2, ["... 2 nodes more"]},
            {3000, ["... " ++ integer_to_list(3000 - ?NODES_SHOWN_MAX) ++ " nodes more"]}
        ]
    ]).

depth_shown_test_() ->
    cases([
        {title({Depth, levels}), fun(S) ->
            ok = pando:put(S, [a, bottom], 1),
            ok = pando:put(S, lists:duplicate(Depth, a), 1),
            ok = pando:put(S, [z], 1),
            Lines = lines([S], file()),
            ?assertEqual(
                lists:duplicate(min(Depth, ?DEPTH_SHOWN_MAX), "a") ++ ["bottom", "z"], tree_names(Lines)
            ),
            ?assertEqual(More, more_lines(Lines))
        end}
     || {Depth, More} <- [
            {?DEPTH_SHOWN_MAX, []},
            {?DEPTH_SHOWN_MAX + 1, ["... 1 node more"]},
            {?DEPTH_SHOWN_MAX + 2, ["... 2 nodes more"]},
            {1024, ["... 1004 nodes more"]}
        ]
    ]).

%% Nodes that are too deep to be shown are read, and the last one, which is not too deep, is shown if it is read.
nodes_read_test_() ->
    Trunk = lists:duplicate(?DEPTH_SHOWN_MAX, a),
    cases([
        {title({Count, nodes}), fun(S) ->
            Deep = Count - ?DEPTH_SHOWN_MAX - 1,
            ok = fill(S, [Trunk ++ [name(N)] || N <- lists:seq(1, Deep)] ++ [[z]]),
            ?assertEqual({ok, Count}, pando:count(S, "**")),
            Lines = lines([S], file()),
            ?assertEqual(IsLastShown, lists:member("z", tree_names(Lines))),
            Hidden = Count - length(tree_names(Lines)),
            ?assertEqual(["... " ++ integer_to_list(Hidden) ++ " nodes more"], more_lines(Lines))
        end}
     || {Count, IsLastShown} <- [{?NODES_READ_MAX, true}, {?NODES_READ_MAX + 1, false}]
    ]).

watchers_shown_test_() ->
    cases([
        {title({Count, watchers}), fun(S) ->
            Ghost = #{keep_while => #{[ghost] => #if_node_exists{exists = false}}},
            [ok = pando:put(S, [k, name(N)], 1, Ghost#{async => true}) || N <- lists:seq(1, Count - 1)],
            %% Parents made on the way depend on themselves, and are no news to anybody.
            ok = pando:put(S, [l], 1, Ghost),
            {ok, Count, Listed} = pando_backend:keep_while(S),
            ?assertEqual(min(Count, ?KEEP_WHILE_LISTED_MAX), length(Listed)),
            Lines = lines([S], file()),
            Shown = [Line || Line <- Lines, string:find(Line, " depends on:") =/= nomatch],
            ?assertEqual(min(Count, ?WATCHERS_SHOWN_MAX), length(Shown)),
            ?assertEqual(More, [Line || Line <- more_lines(Lines), string:find(Line, " path") =/= nomatch])
        end}
     || {Count, More} <- [
            {?WATCHERS_SHOWN_MAX, []},
            {?WATCHERS_SHOWN_MAX + 1, ["... 1 path more"]},
            {?WATCHERS_SHOWN_MAX + 2, ["... 2 paths more"]},
            {?KEEP_WHILE_LISTED_MAX, ["... 9950 paths more"]},
            {?KEEP_WHILE_LISTED_MAX + 1, ["... 9951 paths more"]}
        ]
    ]).

watchers_listed_test_() ->
    cases([
        {"one call tells of so many at most", fun(S) ->
            Ghost = #{keep_while => #{[ghost] => #if_node_exists{exists = false}}, async => true},
            [ok = pando:put(S, [k, name(N)], 1, Ghost) || N <- lists:seq(1, ?KEEP_WHILE_LISTED_MAX + 1)],
            ok = pando:fence(S),
            {ok, _Count, Listed} = pando_backend:keep_while(S),
            ?assertEqual(?KEEP_WHILE_LISTED_MAX, length(Listed)),
            Shown = [Line || Line <- lines([S], file()), string:find(Line, " depends on:") =/= nomatch],
            ?assertEqual(?WATCHERS_SHOWN_MAX, length(Shown))
        end}
    ]).

conditions_shown_test_() ->
    cases([
        {title({Count, conditions}), fun(S) ->
            Watched = [[list_to_atom("w" ++ integer_to_list(1000 + N))] || N <- lists:seq(1, Count)],
            Conditions = maps:from_list([{W, #if_node_exists{exists = false}} || W <- Watched]),
            ok = pando:put(S, [k], 1, #{keep_while => Conditions}),
            Lines = lines([S], file()),
            ?assert(has_line("[k] depends on:", Lines)),
            Shown = [Line || Line <- Lines, string:find(Line, "{if_node_exists,false}") =/= nomatch],
            ?assertEqual(min(Count, ?CONDITIONS_SHOWN_MAX), length(Shown)),
            ?assertEqual(More, more_lines(Lines))
        end}
     || {Count, More} <- [
            {?CONDITIONS_SHOWN_MAX, []},
            {?CONDITIONS_SHOWN_MAX + 1, ["    ... 1 condition more"]},
            {?CONDITIONS_SHOWN_MAX + 2, ["    ... 2 conditions more"]},
            {1024, ["    ... 1014 conditions more"]}
        ]
    ]).

%% Characters of a value, by the width of the device and the depth of the node: the line has as many before it.
values_shown_test_() ->
    cases([
        {title({Device, depth, Depth, Max}), fun(S) ->
            Path = lists:duplicate(Depth, a),
            Whole = atom(Max),
            ok = pando:put(S, Path, Whole),
            ?assertEqual([atom_to_list(Whole)], data_shown(S, Device)),
            [
                begin
                    ok = pando:put(S, Path, Value),
                    [Shown] = data_shown(S, Device),
                    ?assertNotEqual(nomatch, string:find(Shown, "...")),
                    %% The limit of io_lib is a soft one: dots and what closes brackets come on top.
                    ?assertMatch({_, Long} when Long =< Max + ?SOFT_CHARACTERS, {Max, length(Shown)}),
                    ?assertMatch({_, Long} when Long >= Max div 2, {Max, length(Shown)})
                end
             || Value <- [
                    binary:copy(<<"v">>, 100000), lists:duplicate(100000, $v), lists:seq(1, 100000),
                    maps:from_list([{N, N} || N <- lists:seq(1, 10000)]), list_to_tuple(lists:seq(1, 10000))
                ]
            ]
        end}
     || {Device, Depth, Max} <- [
            {file(), 1, ?COLUMNS_DEFAULT - 12},
            {file(), 5, ?COLUMNS_DEFAULT - 28},
            {terminal(100), 1, 88},
            {terminal(212), 1, ?TERM_CHARACTERS_MAX},
            {terminal(10000), 1, ?TERM_CHARACTERS_MAX},
            {terminal(32), 1, ?TERM_CHARACTERS_MIN},
            {terminal(31), 1, ?TERM_CHARACTERS_MIN},
            {terminal(1), 1, ?TERM_CHARACTERS_MIN},
            {file(), 20, ?TERM_CHARACTERS_MIN}
        ]
    ]).

atom(Length) -> list_to_atom(lists:duplicate(Length, $v)).

data_shown(S, Device) ->
    Lines = string:split(without_colours(printed([S], Device)), "\n", all),
    [Data || Line <- Lines, [_, Data] <- [string:split(Line, "Data: ")]].

names_shown_test_() ->
    cases([
        {title({Device, Name}), fun(S) ->
            ok = pando:put(S, [Name], 1, #{keep_while => #{[ghost] => #if_node_exists{exists = false}}}),
            Lines = string:split(without_colours(printed([S], Device)), "\n", all),
            [Shown] = [
                lists:last(string:split(Line, Branch))
             || Line <- Lines, Branch <- ["`-- ", "╰── "], string:find(Line, Branch) =/= nomatch
            ],
            [Watcher] = [Line || Line <- Lines, string:find(Line, " depends on:") =/= nomatch],
            ?assertEqual(IsWhole, string:find(Shown, "...") =:= nomatch),
            ?assert(length(Shown) =< ?TERM_CHARACTERS_MAX + ?SOFT_CHARACTERS),
            ?assert(length(Watcher) =< ?TERM_CHARACTERS_MAX + ?SOFT_CHARACTERS + length("[] depends on:"))
        end}
     || Device <- [file(), terminal(10), terminal(1000)],
        {Name, IsWhole} <- [
            {atom(?TERM_CHARACTERS_MAX), true},
            {binary:copy(<<"n">>, ?TERM_CHARACTERS_MAX - length("<<\"\">>")), true},
            {binary:copy(<<"n">>, ?TERM_CHARACTERS_MAX + 1), false},
            {binary:copy(<<"n">>, 65536), false}
        ]
    ]).
