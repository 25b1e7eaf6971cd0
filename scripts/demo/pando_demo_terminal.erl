%% What the demo prints: titles, progress, tables, trees, numbers with their units.
%%
%% The environment variable DEMO_COLUMNS is the width of the terminal, and 0 or absent if standard output is
%% none: then there are no bars and no colours, and progress is a line now and then.
-module(pando_demo_terminal).

-export([setup/0, title/1, line/1, line/2, failure/2]).
-export([bar/3, progress/2, finish/2, remove/1, table/1, tree/1]).
-export([count/1, bytes/1, duration/1, rate/2]).

-export_type([bar/0, tree/0]).

-opaque bar() :: #{
    label := string(),
    unit := count | bytes,
    total := non_neg_integer(),
    started_us := integer(),
    drawn_us := atomics:atomics_ref()
}.
%% A node, a part of its children, and how many more it has.
-type tree() :: {Name :: string(), Value :: string(), [tree()], More :: non_neg_integer()}.

-define(REDRAW_INTERVAL_US, 100000).
-define(LINE_INTERVAL_US, 2000000).
-define(GUESS_AFTER_US, 300000).
-define(COLUMN_GAP, 3).
-define(BAR_WIDTH_MAX, 30).
%% Of what is no terminal: values of trees are cut there too.
-define(PLAIN_COLUMNS, 100).

-spec setup() -> ok.
setup() ->
    [ok, ok] = [io:setopts(Device, [{encoding, unicode}]) || Device <- [user, standard_error]],
    persistent_term:put({?MODULE, columns}, list_to_integer(os:getenv("DEMO_COLUMNS", "0"))).

columns() -> persistent_term:get({?MODULE, columns}, 0).

is_terminal() -> columns() > 0.

-spec title(iodata()) -> ok.
title(Text) -> io:put_chars(user, ["\n", coloured("1", Text), "\n"]).

-spec line(iodata()) -> ok.
line("") -> io:nl(user);
line(Text) -> line("~ts", [Text]).

-spec line(io:format(), [term()]) -> ok.
line(Format, Arguments) -> io:format(user, "  " ++ Format ++ "~n", Arguments).

%% What went wrong, on standard error.
-spec failure(io:format(), [term()]) -> ok.
failure(Format, Arguments) -> io:format(standard_error, Format ++ "~n", Arguments).

coloured(Code, Text) ->
    case is_terminal() andalso os:getenv("NO_COLOR", "") =:= "" andalso os:getenv("TERM", "") =/= "dumb" of
        true -> ["\e[", Code, "m", Text, "\e[0m"];
        false -> Text
    end.

%%% Progress

%% A total of 0 is an unknown one.
-spec bar(string(), count | bytes, non_neg_integer()) -> bar().
bar(Label, Unit, Total) ->
    Drawn = atomics:new(1, [{signed, true}]),
    Now = now_us(),
    %% A terminal shows the bar with the first progress, whatever the time it takes.
    ok = atomics:put(Drawn, 1, Now - ?REDRAW_INTERVAL_US),
    #{label => Label, unit => Unit, total => Total, started_us => Now, drawn_us => Drawn}.

-spec progress(bar(), non_neg_integer()) -> ok.
progress(#{drawn_us := Drawn} = Bar, Done) ->
    Now = now_us(),
    Interval =
        case is_terminal() of
            true -> ?REDRAW_INTERVAL_US;
            false -> ?LINE_INTERVAL_US
        end,
    case Now - atomics:get(Drawn, 1) >= Interval of
        true ->
            ok = atomics:put(Drawn, 1, Now),
            draw(Bar, Done, Now);
        false ->
            ok
    end.

draw(#{label := Label, unit := Unit, total := Total, started_us := Started}, Done, Now) ->
    Elapsed = max(1, Now - Started),
    Rate = Done * 1000000 div Elapsed,
    Amounts = [amount(Unit, Done), of_total(Unit, Total), ", ", amount(Unit, Rate), "/s"],
    Figures = [Amounts, left(Total - Done, Rate, Elapsed)],
    case is_terminal() of
        true ->
            Picture = picture([Label, Figures], Done, Total),
            io:put_chars(user, ["\r  ", Label, " ", Picture, Figures, "\e[K"]);
        false ->
            line([Label, ": ", Figures])
    end.

of_total(_Unit, 0) -> "";
of_total(Unit, Total) -> [" of ", amount(Unit, Total)].

%% A rate of the first moment says nothing.
left(Left, Rate, Elapsed) when Left > 0, Rate > 0, Elapsed >= ?GUESS_AFTER_US ->
    [", ", integer_to_list(ceil_div(Left, Rate)), " s left"];
left(_Left, _Rate, _Elapsed) ->
    "".

ceil_div(A, B) -> (A + B - 1) div B.

picture(_Beside, _Done, 0) ->
    "";
picture(Beside, Done, Total) ->
    case min(?BAR_WIDTH_MAX, columns() - width(Beside) - 6) of
        Width when Width >= 5 ->
            Full = min(Width, Done * Width div Total),
            [lists:duplicate(Full, "█"), lists:duplicate(Width - Full, "░"), " "];
        _ ->
            ""
    end.

%% Replaces the bar by what it has come to.
-spec finish(bar(), iodata()) -> ok.
finish(Bar, Text) ->
    ok = remove(Bar),
    line(Text).

-spec remove(bar()) -> ok.
remove(_Bar) ->
    case is_terminal() of
        true -> io:put_chars(user, ["\r\e[K"]);
        false -> ok
    end.

%%% Tables and trees

%% The first column is text, the others are figures; `good' and `bad' are colours of a row.
-spec table([{plain | good | bad, [iodata()]}]) -> ok.
table(Rows) ->
    Cells = [[lists:flatten(Cell) || Cell <- Row] || {_, Row} <- Rows],
    [Width1 | Figures] = lists:foldl(fun widest/2, [0, 0, 0, 0], Cells),
    Widths = [min(Width1, room(Figures)) | Figures],
    lists:foreach(fun({{Kind, _}, Row}) -> line(row(Kind, Row, Widths)) end, lists:zip(Rows, Cells)).

%% For the first column: the figures are not to be broken over lines.
room(Figures) ->
    case columns() of
        0 -> infinity;
        Columns -> max(10, Columns - 3 - lists:sum([Width + ?COLUMN_GAP || Width <- Figures]))
    end.

widest(Row, Widths) ->
    [max(width(Cell), Width) || {Cell, Width} <- lists:zip(padded(Row), Widths)].

padded(Row) -> Row ++ lists:duplicate(4 - length(Row), "").

row(Kind, Row, [Width1 | Widths]) ->
    [Whole | Others] = padded(Row),
    First = cut(Whole, Width1),
    Text = [
        [First, spaces(Width1 - width(First))]
        | [
            [spaces(?COLUMN_GAP + Width - width(Cell)), Cell]
         || {Cell, Width} <- lists:zip(Others, Widths)
        ]
    ],
    Trimmed = string:trim(lists:flatten(Text), trailing),
    case Kind of
        plain -> Trimmed;
        good -> coloured("32", Trimmed);
        bad -> coloured("31", Trimmed)
    end.

-spec tree(tree()) -> ok.
tree({Name, Value, Children, More}) ->
    branch("", "", {Name, Value, Children, More}).

branch(Prefix, Deeper, {Name, Value, Children, More}) ->
    Columns =
        case columns() of
            0 -> ?PLAIN_COLUMNS;
            Known -> Known
        end,
    line([Prefix, Name, value(Value, Columns - 3 - width([Prefix, Name]))]),
    Rest = [{"… and ~ts more", [count(More)]} || More > 0],
    branches(Deeper, Children ++ Rest).

branches(_Deeper, []) ->
    ok;
branches(Deeper, [Last]) ->
    child([Deeper, "└── "], [Deeper, "    "], Last);
branches(Deeper, [Child | Others]) ->
    child([Deeper, "├── "], [Deeper, "│   "], Child),
    branches(Deeper, Others).

child(Prefix, _Deeper, {Format, Arguments}) -> line([Prefix, io_lib:format(Format, Arguments)]);
child(Prefix, Deeper, Node) -> branch(Prefix, Deeper, Node).

value("", _Room) -> "";
value(Value, Room) when Room >= 8 -> ["  ", coloured("2", cut(Value, Room - 2))];
value(_Value, _Room) -> "".

cut(Text, Room) ->
    case width(Text) =< Room of
        true -> Text;
        false -> [cut_at(lists:flatten(Text), Room - 1), "…"]
    end.

cut_at([Char | Chars], Room) ->
    case char_width(Char) of
        Width when Width =< Room -> [Char | cut_at(Chars, Room - Width)];
        _ -> []
    end;
cut_at([], _Room) ->
    [].

spaces(Count) -> lists:duplicate(max(0, Count), $\s).

width(Text) -> lists:sum([char_width(Char) || Char <- lists:flatten(Text)]).

%% East Asian characters take two columns.
char_width(Char) when Char >= 16#1100, Char =< 16#115F; Char >= 16#2E80, Char =< 16#D7FF -> 2;
char_width(Char) when Char >= 16#F900, Char =< 16#FAFF; Char >= 16#FF00, Char =< 16#FF60 -> 2;
char_width(Char) when Char >= 16#1F300, Char =< 16#1FAFF; Char >= 16#20000 -> 2;
char_width(_Char) -> 1.

%%% Numbers

amount(count, Number) -> count(Number);
amount(bytes, Number) -> bytes(Number).

-spec count(non_neg_integer()) -> string().
count(Number) when Number < 1000 -> integer_to_list(Number);
count(Number) -> count(Number div 1000) ++ lists:flatten(io_lib:format(",~3..0b", [Number rem 1000])).

-spec bytes(non_neg_integer()) -> string().
bytes(Number) when Number < 10000 -> count(Number) ++ " bytes";
bytes(Number) when Number < 1000000 -> decimal(Number / 1000) ++ " kB";
bytes(Number) when Number < 1000000000 -> decimal(Number / 1000000) ++ " MB";
bytes(Number) -> decimal(Number / 1000000000) ++ " GB".

decimal(Float) -> float_to_list(Float, [{decimals, 1}]).

-spec duration(non_neg_integer()) -> string().
duration(Us) when Us < 1000000 -> integer_to_list(ceil_div(Us, 1000)) ++ " ms";
duration(Us) -> float_to_list(Us / 1000000, [{decimals, 2}]) ++ " s".

-spec rate(non_neg_integer(), non_neg_integer()) -> string().
rate(Count, Us) -> count(Count * 1000000 div max(1, Us)) ++ "/s".

now_us() -> erlang:monotonic_time(microsecond).
