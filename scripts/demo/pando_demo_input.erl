%% Reads a file of `{put, Path, {p_data, Term}, #{}}.' lines, checks each, and writes the objects to a spool.
%%
%% 1. Memory is bounded by the chunk size, the number of parsers and the longest line, whatever the size of
%%    the file.
%% 2. Chunks are parsed on all cores; objects and complaints come out in the order of the lines all the same.
%% 3. Nothing is loaded here: a file with a malformed line leaves no trace but its complaints.
%%
%% A line ends with LF or CRLF; empty lines, `%' comments and a byte order mark are skipped. The text is
%% UTF-8.
-module(pando_demo_input).

-export([check/3]).

-export_type([complaint/0, progress/0]).

-type complaint() :: {Line :: pos_integer(), Column :: pos_integer() | undefined, Text :: iodata()}.

%% Called with the bytes done and those of the whole file.
-type progress() :: fun((non_neg_integer(), non_neg_integer()) -> term()).

-define(CHUNK_SIZE_BYTES, 16#40000).
%% A payload has a limit of the store; a line without an end must not fill the memory before that limit is
%% reached.
-define(LINE_SIZE_BYTES_MAX, 16#20000000).
-define(COMPLAINTS_MAX, 10).
%% Atoms are never freed, and their table ends the VM when it is full. So many are left for everything else.
-define(ATOMS_SPARE, 50000).
-define(FOUND_CHARACTERS_MAX, 60).

-define(EXPECTED, "expected {put, Path, {p_data, Term}, #{}}.").

%% Checks the file and writes its objects to SpoolName.
%%
%% Complaints are at most ten: after that the rest of the file is not looked at.
-spec check(file:filename_all(), file:filename_all(), progress()) ->
    {ok, ObjectCount :: non_neg_integer()} | {malformed, [complaint(), ...]} | {error, iodata()}.
check(FileName, SpoolName, Progress) ->
    case open(FileName) of
        {ok, File, SizeBytes} ->
            {ok, Spool} = file:open(SpoolName, [write, raw, binary, {delayed_write, 16#100000, 1000}]),
            State = #{
                file => File,
                spool => Spool,
                progress => fun(Done) -> Progress(Done, SizeBytes) end,
                %% Parsers under way, oldest first.
                parsers => queue:new(),
                parsers_max => 2 * erlang:system_info(schedulers_online),
                line => 1,
                bytes_done => 0,
                object_count => 0,
                complaints => []
            },
            try
                read_chunks(<<>>, State)
            after
                ok = file:close(Spool),
                ok = file:close(File)
            end;
        {error, Reason} ->
            {error, error_text(Reason)}
    end.

open(FileName) ->
    case file:open(FileName, [read, raw, binary]) of
        {ok, File} -> {ok, File, filelib:file_size(FileName)};
        {error, _} = Error -> Error
    end.

error_text(eisdir) -> "this is a directory, not a file";
error_text(Reason) -> file:format_error(Reason).

%% `Rest' is the beginning of a line whose end has not been read yet.
read_chunks(_Rest, #{complaints := Complaints} = State) when length(Complaints) >= ?COMPLAINTS_MAX ->
    finished(State);
read_chunks(Rest, #{line := Line} = State) when byte_size(Rest) > ?LINE_SIZE_BYTES_MAX ->
    Text = io_lib:format("the line is longer than ~b MiB", [?LINE_SIZE_BYTES_MAX div 16#100000]),
    #{complaints := Complaints} = Drained = drain(State),
    finished(Drained#{complaints := Complaints ++ [{Line, undefined, Text}]});
read_chunks(Rest, #{file := File} = State) ->
    %% A long line is read in growing pieces: appending a constant to it would be quadratic.
    case file:read(File, max(?CHUNK_SIZE_BYTES, byte_size(Rest))) of
        {ok, Bytes} ->
            case last_line_end(Bytes) of
                none ->
                    read_chunks(<<Rest/binary, Bytes/binary>>, State);
                End ->
                    <<Complete:End/binary, Rest1/binary>> = Bytes,
                    read_chunks(binary:copy(Rest1), parse(<<Rest/binary, Complete/binary>>, State))
            end;
        eof when Rest =:= <<>> ->
            finished(State);
        eof ->
            finished(parse(Rest, State));
        {error, Reason} ->
            _ = drain(State),
            {error, error_text(Reason)}
    end.

%% The position after the last LF.
last_line_end(Bytes) -> last_line_end(Bytes, byte_size(Bytes)).

last_line_end(_Bytes, 0) -> none;
last_line_end(Bytes, Position) ->
    case binary:at(Bytes, Position - 1) of
        $\n -> Position;
        _ -> last_line_end(Bytes, Position - 1)
    end.

finished(State) ->
    case drain(State) of
        #{complaints := [], object_count := Count} -> {ok, Count};
        #{complaints := Complaints} -> {malformed, lists:sublist(Complaints, ?COMPLAINTS_MAX)}
    end.

%%% Parsers: a process a chunk

parse(Text, #{parsers := Parsers, parsers_max := ParsersMax, line := Line} = State) ->
    case queue:len(Parsers) < ParsersMax of
        true ->
            Lines = binary:split(Text, <<"\n">>, [global]),
            Parser = spawn_monitor(fun() -> exit({parsed, parse_lines(Lines, Line)}) end),
            %% What the split leaves after the last LF is no line.
            State#{parsers := queue:in({Parser, byte_size(Text)}, Parsers), line := Line + length(Lines) - 1};
        false ->
            parse(Text, take_oldest(State))
    end.

drain(#{parsers := Parsers} = State) ->
    case queue:is_empty(Parsers) of
        true -> State;
        false -> drain(take_oldest(State))
    end.

take_oldest(State) ->
    #{
        parsers := Parsers,
        spool := Spool,
        progress := Progress,
        bytes_done := Before,
        object_count := ObjectCount,
        complaints := Complaints
    } = State,
    {{value, {{Pid, Monitor}, SizeBytes}}, Parsers1} = queue:out(Parsers),
    receive
        {'DOWN', Monitor, process, Pid, {parsed, {Records, Count, NewComplaints}}} ->
            ok = file:write(Spool, Records),
            Progress(Before + SizeBytes),
            State#{
                parsers := Parsers1,
                bytes_done := Before + SizeBytes,
                object_count := ObjectCount + Count,
                complaints := Complaints ++ NewComplaints
            };
        {'DOWN', Monitor, process, Pid, Reason} ->
            exit(Reason)
    end.

%% One binary of records: large binaries pass between processes without a copy.
parse_lines(Lines, FirstLine) ->
    {Records, Count, Complaints, _} = lists:foldl(fun parse_line/2, {[], 0, [], FirstLine}, Lines),
    {iolist_to_binary(lists:reverse(Records)), Count, lists:reverse(Complaints)}.

parse_line(_Text, {_, _, Complaints, _} = Acc) when length(Complaints) >= ?COMPLAINTS_MAX ->
    Acc;
parse_line(Text, {Records, Count, Complaints, Line}) ->
    case object(without_byte_order_mark(Text, Line), Line) of
        none ->
            {Records, Count, Complaints, Line + 1};
        {ok, Path, Term} ->
            {[pando_demo_spool:record(Line, Path, Term) | Records], Count + 1, Complaints, Line + 1};
        {malformed, Column, Complaint} ->
            {Records, Count, [{Line, Column, Complaint} | Complaints], Line + 1}
    end.

without_byte_order_mark(<<16#EF, 16#BB, 16#BF, Text/binary>>, 1) -> Text;
without_byte_order_mark(Text, _Line) -> Text.

%%% One line

object(Text, Line) ->
    case unicode:characters_to_list(Text) of
        Characters when is_list(Characters) ->
            case erlang:system_info(atom_count) + ?ATOMS_SPARE < erlang:system_info(atom_limit) of
                true -> scanned(erl_scan:string(Characters, {Line, 1}));
                false -> {malformed, undefined, "too many different atoms: make names binaries"}
            end;
        {_, Valid, _} ->
            {malformed, length(Valid) + 1, "the text is not UTF-8"}
    end.

scanned({ok, [], _}) ->
    none;
scanned({ok, Tokens, End}) ->
    case lists:last(Tokens) of
        {dot, _} -> parsed(parse_term(Tokens));
        _ -> {malformed, column(End), "no full stop at the end of the line: an object takes one line"}
    end;
scanned({error, {Location, Module, Description}, _}) ->
    {malformed, column(Location), [Module:format_error(Description), "; " ?EXPECTED]}.

parse_term(Tokens) ->
    try
        erl_parse:parse_term(Tokens)
    catch
        %% Segments of binaries that cannot be are an error of evaluation.
        error:_ -> {error, {location(hd(Tokens)), erl_parse, "bad term"}}
    end.

location(Token) -> erl_scan:location(Token).

parsed({ok, {put, Path, {p_data, Term}, Extra}}) when Extra =:= #{} ->
    case native_path(Path) of
        {ok, Native} -> {ok, Native, Term};
        error -> {malformed, undefined, ["the path ", found(Path), " is not a list of atoms and binaries"]}
    end;
parsed({ok, {put, _Path, {p_data, _Term}, Extra}}) ->
    {malformed, undefined, ["expected #{} as the last element, found ", found(Extra)]};
parsed({ok, {put, _Path, Payload, _Extra}}) ->
    {malformed, undefined, ["expected {p_data, Term} as the payload, found ", found(Payload)]};
parsed({ok, Other}) ->
    {malformed, undefined, [?EXPECTED " but found ", found(Other)]};
parsed({error, {Location, Module, Description}}) ->
    {malformed, column(Location), [Module:format_error(Description), "; " ?EXPECTED]}.

%% One name for each node, so that lines about the same node are known as such.
native_path(Path) ->
    try
        Native = pando_path:from_string(Path),
        ok = pando_path:ensure_is_valid(Native),
        Real = pando_path:realpath(Native),
        true = lists:all(fun(Component) -> is_atom(Component) orelse is_binary(Component) end, Real),
        {ok, Real}
    catch
        error:_ -> error
    end.

found(Term) ->
    Characters = lists:flatten(io_lib:format("~0tP", [Term, 12])),
    case length(Characters) > ?FOUND_CHARACTERS_MAX of
        true -> [lists:sublist(Characters, ?FOUND_CHARACTERS_MAX), "…"];
        false -> Characters
    end.

column({_Line, Column}) -> Column;
column(_) -> undefined.
