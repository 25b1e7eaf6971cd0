%% @private Stores printed for people, as `pando:info' does. The layout is no API.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>However large a store is, what is printed of it is small: the limits below. How much more there is, is said.</li>
%% <li>Nothing in the data reaches the terminal as it is: names and values are printed as Erlang terms, control
%%     characters escaped.</li>
%% <li>Colours and branches are for terminals which can show them; a file gets neither, or plain ones.</li>
%% </ol>
-module(pando_info).

-export([stores/0, store/2]).

%% So many nodes of a tree, and watchers, are printed at most,
-define(NODES_SHOWN_MAX, 200).
-define(WATCHERS_SHOWN_MAX, 50).
%% of a watcher so many conditions,
-define(CONDITIONS_SHOWN_MAX, 10).
%% and nodes no deeper than this.
-define(DEPTH_SHOWN_MAX, 20).
%% Those that are too deep are read, though; so many in all, shown or not.
-define(NODES_READ_MAX, 2000).
%% The longest text of a name, a value, a condition, in characters. A narrow terminal shortens values further, but never
%% below the second.
-define(TERM_CHARACTERS_MAX, 200).
-define(TERM_CHARACTERS_MIN, 20).
%% The width of what is no terminal.
-define(COLUMNS_DEFAULT, 80).

%% The nodes to show, as `{Depth, Name, Data}', the last one first.
-record(seen, {
    root = none :: none | {data | procedure, iolist()},
    nodes = [] :: [{pos_integer(), pando_path:node_name(), none | {data | procedure, iolist()}}],
    shown_count = 0 :: non_neg_integer(),
    read_count = 0 :: non_neg_integer()
}).

-record(style, {
    columns = ?COLUMNS_DEFAULT :: pos_integer(),
    colours = false :: boolean(),
    unicode = false :: boolean()
}).

-spec stores() -> ok.
stores() ->
    Style = style(),
    case pando_cluster:get_store_ids() of
        [] -> put_text("No stores running\n");
        Stores -> put_text(["\nRunning stores:\n" | [["  ", name(Store, Style), $\n] || Store <- Stores]])
    end.

-spec store(pando_cluster:store_id(), pando_options:query()) -> ok.
store(Store, Query) ->
    Style = style(),
    put_text([
        members(Store, Query, Style),
        lifetimes(Store, Style),
        tree(Store, Query, Style)
    ]).

put_text(Text) ->
    io:put_chars(Text).

%%% Sections

members(Store, Query, Style) ->
    %% As this member sees them: nobody has to wait for a leader to be shown what is here.
    Text =
        case members_seen(Store, Query) of
            {ok, Table} -> Table;
            {error, Reason} -> ["Failed to query cluster members: ", pando_errors:format(Reason), $\n]
        end,
    [title("CLUSTER MEMBERS", Style), Text].

members_seen(_Store, #{deadline := expired}) -> {error, timeout};
members_seen(Store, _Query) -> pando_status:format(Store).

lifetimes(Store, Style) ->
    case pando_backend:keep_while(Store) of
        {ok, 0, []} ->
            [];
        {ok, Count, Watchers} ->
            Shown = lists:sublist(Watchers, ?WATCHERS_SHOWN_MAX),
            Texts = [watcher(Watcher, Style) || Watcher <- Shown],
            [title("LIFETIME DEPS", Style), Texts, more(Count - length(Shown), "path", "", Style)];
        {error, noproc} ->
            []
    end.

watcher({Path, Watched}, Style) ->
    {Shown, Hidden} = split(Watched, ?CONDITIONS_SHOWN_MAX),
    [
        [name(Path, Style), " depends on:\n"],
        [["    ", name(Path1, Style), ": ", value(Condition, 6, Style), $\n] || {Path1, Condition} <- Shown],
        more(Hidden, "condition", "    ", Style)
    ].

tree(Store, Query, Style) ->
    [title("TREE", Style) | tree_text(Store, first_nodes(Store, Query, Style), Style)].

tree_text(Store, {ok, #seen{root = Root, nodes = Nodes, shown_count = Shown, read_count = Read}, IsAll}, Style) ->
    Hidden =
        case IsAll of
            true -> Read - Shown;
            false -> hidden_count(Store, Shown)
        end,
    Data = data_line(data_margin(Nodes =/= [], Style), Root, Style),
    [root_mark(Style), $\n, Data, branches(Nodes, Style), more(Hidden, "node", "", Style)];
tree_text(_Store, {error, Reason}, _Style) ->
    ["Failed to read the tree: ", pando_errors:format(Reason), $\n].

title(Title, #style{colours = true}) -> ["\n\e[1;32m== ", Title, " ==\e[0m\n\n"];
title(Title, _Style) -> ["\n== ", Title, " ==\n\n"].

more(0, _What, _Indent, _Style) -> [];
more(1, What, Indent, Style) -> [Indent, grey(["... 1 ", What, " more"], Style), $\n];
more(Count, What, Indent, Style) -> [Indent, grey(["... ", integer_to_list(Count), $\s, What, "s more"], Style), $\n].

split(List, Max) ->
    case length(List) of
        Length when Length > Max -> {lists:sublist(List, Max), Length - Max};
        _ -> {List, 0}
    end.

%%% The tree

%% The first nodes in the order of the walk, and whether they are all. Values are made into short text chunk by chunk, so
%% that large ones are not all held at once.
first_nodes(Store, Query, Style) ->
    Bits = pando_props:payload_bits(),
    Read = Query#{props := Bits, expect_specific_node := false, include_root := true, limit => infinity, from => none},
    try pando_read:fold(Store, "**", fun(Path, Props, Seen) -> add(Path, Props, Seen, Style) end, #seen{}, Read) of
        {ok, Seen} -> {ok, Seen, true};
        {error, _} = Error -> Error
    catch
        throw:{?MODULE, Seen} -> {ok, Seen, false}
    end.

add([], Props, Seen, Style) ->
    Seen#seen{root = data(Props, 0, Style)};
add(_Path, _Props, #seen{shown_count = Shown, read_count = Read} = Seen, _Style) when
    Shown =:= ?NODES_SHOWN_MAX; Read =:= ?NODES_READ_MAX
->
    throw({?MODULE, Seen});
add(Path, Props, #seen{nodes = Nodes, shown_count = Shown, read_count = Read} = Seen, Style) ->
    case length(Path) of
        Depth when Depth > ?DEPTH_SHOWN_MAX ->
            Seen#seen{read_count = Read + 1};
        Depth ->
            Node = {Depth, lists:last(Path), data(Props, Depth, Style)},
            Seen#seen{nodes = [Node | Nodes], shown_count = Shown + 1, read_count = Read + 1}
    end.

%% The root is counted, and is never hidden. The tree may have changed since it was read.
hidden_count(Store, ShownCount) ->
    case pando_backend:status(Store) of
        {ok, #{node_count := NodeCount}} -> max(NodeCount - 1 - ShownCount, 1);
        {error, noproc} -> 1
    end.

data(#{data := Data}, Depth, Style) -> {data, value(Data, 4 * Depth + 8, Style)};
data(#{sproc := Procedure}, Depth, Style) -> {procedure, value(Procedure, 4 * Depth + 8, Style)};
data(#{}, _Depth, _Style) -> none.

%% From the last node to the first: `Open' are the depths at which another node follows below the same parent.
branches(Reversed, Style) ->
    branches(Reversed, [], [], Style).

branches([{Depth, Name, Data} | Before], Open, Text, Style) ->
    {Around, Below} = lists:partition(fun(Level) -> Level =< Depth end, Open),
    Indent = [column(Level, Around, Style) || Level <- lists:seq(1, Depth - 1)],
    Follows = lists:member(Depth, Around),
    Lines = [
        [Indent, branch(Follows, Style), name(Name, Style), $\n],
        data_line([Indent, beside(Follows, Style), data_margin(Below =/= [], Style)], Data, Style)
    ],
    branches(Before, lists:usort([Depth | Around]), [Lines | Text], Style);
branches([], _Open, Text, _Style) ->
    Text.

column(Level, Open, Style) -> beside(lists:member(Level, Open), Style).

beside(true, #style{unicode = true}) -> "│   ";
beside(true, _Style) -> "|   ";
beside(false, _Style) -> "    ".

%% Between a node and its children.
data_margin(true, #style{unicode = true}) -> "│ ";
data_margin(true, _Style) -> "| ";
data_margin(false, _Style) -> "  ".

branch(true, #style{unicode = true}) -> "├── ";
branch(false, #style{unicode = true}) -> "╰── ";
branch(true, _Style) -> "|-- ";
branch(false, _Style) -> "`-- ".

root_mark(#style{unicode = true}) -> "●";
root_mark(_Style) -> "*".

data_line(_Indent, none, _Style) -> [];
data_line(Indent, {data, Text}, Style) -> [Indent, grey(["Data: ", Text], Style), $\n];
data_line(Indent, {procedure, Text}, Style) -> [Indent, grey(["Procedure: ", Text], Style), $\n].

%%% Terms

%% The name of a node, or a path.
name(Name, Style) -> term(Name, ?TERM_CHARACTERS_MAX, Style).

%% A term in what is left of a line after `Before' columns.
value(Term, Before, #style{columns = Columns} = Style) ->
    term(Term, min(max(Columns - Before, ?TERM_CHARACTERS_MIN), ?TERM_CHARACTERS_MAX), Style).

term(Term, CharactersMax, #style{unicode = true}) -> io_lib:format("~0tp", [Term], [{chars_limit, CharactersMax}]);
term(Term, CharactersMax, _Style) -> io_lib:format("~0p", [Term], [{chars_limit, CharactersMax}]).

grey(Text, #style{colours = true}) -> ["\e[90m", Text, "\e[0m"];
grey(Text, _Style) -> Text.

%%% The terminal

style() ->
    Options =
        case io:getopts() of
            Known when is_list(Known) -> Known;
            {error, _} -> []
        end,
    Columns = io:columns(),
    %% From OTP 26 on the option says it; before, only a terminal has columns.
    IsTerminal = proplists:get_value(terminal, Options, is_tuple(Columns) andalso element(1, Columns) =:= ok),
    #style{
        columns = columns(Columns),
        colours = IsTerminal andalso os:getenv("NO_COLOR", "") =:= "" andalso os:getenv("TERM") =/= "dumb",
        unicode = proplists:get_value(encoding, Options) =:= unicode
    }.

columns({ok, Columns}) -> Columns;
columns({error, _}) -> ?COLUMNS_DEFAULT.
