%% The node of the demo that is killed: an operating-system process of its own, with the store in it.
%%
%% It is started with file descriptors 3 and 4 as a port with packets of 4 bytes length. A request is one
%% term; its answer is `{done, Result}', after any number of `{progress, Done}'; acknowledged writes are
%% `<<?ACKNOWLEDGED, Writer:16, Number:64>>', sent by the process that wrote and before its next write. When
%% the other side goes, the node ends.
-module(pando_demo_node).

-export([main/0, request/2]).
-export([check_objects/4, check_writes/3]).

-include("pando.hrl").
-include("pando_demo.hrl").

-define(STORE, demo).

%% More processes than the disk has syncs a second to offer each: they share them.
-define(LOADER_COUNT, 256).
%% Of objects that loaders have been given and not yet put.
-define(LOADING_SIZE_BYTES_MAX, 16#400000).
-define(OVERLOAD_PAUSE_MS, 10).
-define(PROGRESS_INTERVAL_MS, 50).
%% Lines and paths named in a report of what went wrong.
-define(EXAMPLES_MAX, 10).
%% Kinds of paths that are told apart in order to find the most common.
-define(SHAPES_MAX, 1000).
-define(SHAPES_SHOWN, 4).

-define(NOTHING_CHECKED, #{checked => 0, roots => 0, wrong => 0, examples => [], shapes => #{}}).

%% Of the tree: nodes with more children are shown by the first few, and only the first of those in full.
-define(CHILDREN_SHOWN_ALL, 7).
-define(CHILDREN_SHOWN_SOME, 2).
-define(TREE_DEPTH_MAX, 9).
-define(VALUE_CHARACTERS_MAX, 300).
-define(NAME_CHARACTERS_MAX, 60).

%%% Requests

-spec main() -> no_return().
main() ->
    Port = open_port({fd, 3, 4}, [{packet, 4}, binary, eof]),
    persistent_term:put({?MODULE, port}, Port),
    send({hello, list_to_integer(os:getpid())}),
    serve(Port).

serve(Port) ->
    receive
        {Port, {data, Bytes}} ->
            {Name, Arguments} = binary_to_term(Bytes),
            {Pid, Monitor} = spawn_monitor(fun() -> exit({answer, request(Name, Arguments)}) end),
            answer(Port, Pid, Monitor);
        {Port, eof} ->
            erlang:halt(0)
    end.

answer(Port, Pid, Monitor) ->
    receive
        {'DOWN', Monitor, process, Pid, {answer, Result}} ->
            send({done, Result}),
            serve(Port);
        {'DOWN', Monitor, process, Pid, Reason} ->
            send({crashed, text("~0tp", [Reason])}),
            erlang:halt(1);
        {Port, eof} ->
            erlang:halt(0)
    end.

send(Term) -> send_bytes([?TERM, term_to_binary(Term)]).

%% Any process may write to a port.
send_bytes(Bytes) ->
    true = port_command(persistent_term:get({?MODULE, port}), Bytes),
    ok.

progress(Done) ->
    case persistent_term:get({?MODULE, port}, undefined) of
        undefined -> ok;
        _ -> send({progress, Done})
    end.

-spec request(atom(), [term()]) -> term().
request(open_empty, [DataDir]) ->
    open_empty(DataDir);
request(open, [DataDir]) ->
    open(DataDir);
request(load, [SpoolName, SupersededName]) ->
    load(SpoolName, SupersededName);
request(check_objects, [SpoolName, SupersededName]) ->
    check_objects(?STORE, SpoolName, SupersededName, fun progress/1);
request(patterns, [Shapes]) ->
    patterns(Shapes);
request(tree, []) ->
    node_tree([], 0, true);
request(unused_name, []) ->
    unused_name("pando_demo_writes");
request(write, [Root, WriterCount]) ->
    write(Root, WriterCount);
request(check_writes, [Root, LastNumbers]) ->
    check_writes(?STORE, Root, LastNumbers);
request(node_count, []) ->
    {ok, #{node_count := Count}} = pando_cluster:status(?STORE),
    Count;
request(anonymous_size_bytes, []) ->
    anonymous_size_bytes();
request(stop, []) ->
    pando:stop(?STORE).

%%% Opening

%% Removes what an earlier demo has left; not under a node that has it open still.
open_empty(DataDir) ->
    case filelib:is_dir(filename:join(DataDir, ?STORE)) of
        true ->
            case open(DataDir) of
                {error, locked, _} = Locked ->
                    Locked;
                _OkOrUnusable ->
                    ok = pando:stop(?STORE),
                    ok = file:del_dir_r(filename:join(DataDir, ?STORE)),
                    open(DataDir)
            end;
        false ->
            open(DataDir)
    end.

open(DataDir) ->
    Started = now_us(),
    case pando:start(DataDir, ?STORE) of
        {ok, ?STORE} -> {ok, now_us() - Started};
        {error, {pando, open_failed, #{kind := Kind, reason := Text}}} -> {error, Kind, text("~ts", [Text])};
        {error, Reason} -> {error, other, text("~ts", [pando_errors:format(Reason)])}
    end.

%%% Loading

%% Lines of the same path go to the same loader, so that the last of them wins. `Superseded' holds the last
%% line of paths that have more than one.
load(SpoolName, SupersededName) ->
    Superseded = ets:new(superseded, [public, {write_concurrency, true}]),
    Replaced = counters:new(1, []),
    Reader = self(),
    Loaders = list_to_tuple([
        spawn_link(fun() -> loader(Reader, Superseded, Replaced) end)
     || _ <- lists:seq(1, ?LOADER_COUNT)
    ]),
    Started = now_us(),
    Give = fun(Records, Before) -> give(group_by_loader(Records), Loaders, Before) end,
    Loaded =
        try
            Given = pando_demo_spool:fold_chunks(SpoolName, Give, #{done => 0, bytes => 0}),
            #{done := Done} = await_loaded(Given, 0),
            ok = ets:tab2file(Superseded, SupersededName),
            {ok, Done, counters:get(Replaced, 1), now_us() - Started}
        catch
            throw:{not_loaded, Line, Reason} -> {error, Line, text("~ts", [pando_errors:format(Reason)])}
        end,
    lists:foreach(fun end_loader/1, tuple_to_list(Loaders)),
    Loaded.

end_loader(Loader) ->
    unlink(Loader),
    exit(Loader, kill).

group_by_loader(Records) ->
    Add = fun({_, PathHash, _} = Record, Groups) ->
        Loader = PathHash rem ?LOADER_COUNT + 1,
        Groups#{Loader => [Record | maps:get(Loader, Groups, [])]}
    end,
    lists:foldl(Add, #{}, Records).

give(Groups, Loaders, Given) ->
    Give = fun(Loader, Records, Before) -> give_one(element(Loader, Loaders), Records, Before) end,
    maps:fold(Give, Given, Groups).

give_one(Loader, Records, Given) ->
    #{bytes := Bytes} = Given1 = await_loaded(Given, ?LOADING_SIZE_BYTES_MAX),
    Loader ! {put, lists:reverse(Records)},
    Given1#{bytes := Bytes + lists:sum([byte_size(Encoded) || {_, _, Encoded} <- Records])}.

%% Waits until not more than so many bytes are with the loaders.
await_loaded(#{bytes := Bytes, done := Done} = Given, BytesMax) when Bytes > BytesMax ->
    receive
        {loaded, SizeBytes} ->
            report_progress(Done + 1),
            await_loaded(Given#{bytes := Bytes - SizeBytes, done := Done + 1}, BytesMax);
        {not_loaded, Line, Reason} ->
            throw({not_loaded, Line, Reason})
    end;
await_loaded(Given, _BytesMax) ->
    Given.

loader(Reader, Superseded, Replaced) ->
    receive
        {put, Records} ->
            lists:foreach(fun(Record) -> Reader ! put_object(Record, Superseded, Replaced) end, Records),
            loader(Reader, Superseded, Replaced)
    end.

put_object({Line, _, Encoded} = Record, Superseded, Replaced) ->
    {Path, Term} = pando_demo_spool:decode(Encoded),
    try pando_adv:put(?STORE, Path, {p_data, Term}, #{props_to_return => [payload]}) of
        {ok, Written} ->
            %% The answer holds what the node had before.
            case Written of
                #{Path := #{data := _}} ->
                    true = ets:insert(Superseded, {Path, Line}),
                    counters:add(Replaced, 1, 1);
                #{} ->
                    ok
            end,
            {loaded, byte_size(Encoded)};
        {error, overload} ->
            timer:sleep(?OVERLOAD_PAUSE_MS),
            put_object(Record, Superseded, Replaced);
        {error, Reason} ->
            {not_loaded, Line, Reason}
    catch
        error:Reason -> {not_loaded, Line, Reason}
    end.

report_progress(Done) ->
    Now = erlang:monotonic_time(millisecond),
    case get(reported_ms) of
        Before when Before =:= undefined; Now - Before >= ?PROGRESS_INTERVAL_MS ->
            put(reported_ms, Now),
            progress(Done);
        _ ->
            ok
    end.

%%% Comparing

%% Reads each object of the spool by its path. `examples' are the first lines whose object is missing or has
%% another value; `roots' is how many of the objects are the root; `shapes' the most common kinds of other
%% paths, each with the number of its objects.
-spec check_objects(pando_cluster:store_id(), file:filename_all(), file:filename_all(), Progress) ->
    #{
        checked := non_neg_integer(),
        roots := non_neg_integer(),
        wrong := non_neg_integer(),
        examples := [{Line :: pos_integer(), Path :: string(), missing | different}],
        shapes := [{pando_path:pattern(), pos_integer()}],
        us := non_neg_integer()
    }
when
    Progress :: fun((non_neg_integer()) -> ok).
check_objects(Store, SpoolName, SupersededName, Progress) ->
    {ok, Superseded} = ets:file2tab(SupersededName),
    Started = now_us(),
    Empty = ?NOTHING_CHECKED,
    Check = fun(Records, {Checkers, Sum}) ->
        {Checkers1, Sum1} = await_checkers(Checkers, erlang:system_info(schedulers_online), Sum, Progress),
        Checker = spawn_monitor(fun() -> exit({checked, check_chunk(Store, Records, Superseded)}) end),
        {[Checker | Checkers1], Sum1}
    end,
    {Checkers, Sum} = pando_demo_spool:fold_chunks(SpoolName, Check, {[], Empty}),
    {[], #{shapes := Shapes, examples := Examples} = Total} = await_checkers(Checkers, 1, Sum, Progress),
    true = ets:delete(Superseded),
    Total#{
        shapes := lists:sublist(lists:reverse(lists:keysort(2, maps:to_list(Shapes))), ?SHAPES_SHOWN),
        examples := lists:sublist(lists:sort(Examples), ?EXAMPLES_MAX),
        us => now_us() - Started
    }.

%% Waits until fewer than so many are left.
await_checkers(Checkers, Limit, Sum, _Progress) when length(Checkers) < Limit ->
    {Checkers, Sum};
await_checkers(Checkers, Limit, Sum, Progress) ->
    receive
        {'DOWN', Monitor, process, Pid, {checked, Chunk}} ->
            #{checked := Checked} = Sum1 = add_chunk(Chunk, Sum),
            Progress(Checked),
            await_checkers(lists:delete({Pid, Monitor}, Checkers), Limit, Sum1, Progress);
        {'DOWN', _Monitor, process, _Pid, Reason} ->
            exit(Reason)
    end.

add_chunk(Chunk, Sum) ->
    #{checked := Checked1, roots := Roots1, wrong := Wrong1} = Chunk,
    #{examples := Examples1, shapes := Shapes1} = Chunk,
    #{checked := Checked2, roots := Roots2, wrong := Wrong2} = Sum,
    #{examples := Examples2, shapes := Shapes2} = Sum,
    #{
        checked => Checked1 + Checked2,
        roots => Roots1 + Roots2,
        wrong => Wrong1 + Wrong2,
        examples => lists:sublist(lists:sort(Examples1 ++ Examples2), ?EXAMPLES_MAX),
        shapes => maps:fold(fun add_shape/3, Shapes2, Shapes1)
    }.

%% One that comes when there is no room for it never gets in, so that the counts of the others are whole.
add_shape(Shape, Count, Shapes) ->
    case Shapes of
        #{Shape := Before} -> Shapes#{Shape := Before + Count};
        #{} when map_size(Shapes) < ?SHAPES_MAX -> Shapes#{Shape => Count};
        #{} -> Shapes
    end.

check_chunk(Store, Records, Superseded) ->
    Check = fun({Line, _, Encoded}, Acc) ->
        {Path, Term} = pando_demo_spool:decode(Encoded),
        case ets:lookup(Superseded, Path) of
            [{_, LastLine}] when LastLine =/= Line -> Acc;
            _ -> add_object(Line, Path, compare(Store, Path, Term), Acc)
        end
    end,
    lists:foldl(Check, ?NOTHING_CHECKED, Records).

add_object(Line, [], Result, #{roots := Roots} = Acc) ->
    add_result(Line, [], Result, Acc#{roots := Roots + 1});
add_object(Line, Path, Result, #{shapes := Shapes} = Acc) ->
    Shapes1 = maps:update_with(shape(Path), fun(Count) -> Count + 1 end, 1, Shapes),
    add_result(Line, Path, Result, Acc#{shapes := Shapes1}).

add_result(Line, Path, Result, #{checked := Checked, wrong := Wrong, examples := Examples} = Acc) ->
    Counted = Acc#{checked := Checked + 1},
    case Result of
        equal -> Counted;
        _ when Wrong >= ?EXAMPLES_MAX -> Counted#{wrong := Wrong + 1};
        _ -> Counted#{wrong := Wrong + 1, examples := [{Line, path_text(Path), Result} | Examples]}
    end.

compare(Store, Path, Term) ->
    %% Not `get/2', whose `undefined' may be a value or none.
    case pando_adv:get(Store, Path, #{props_to_return => [payload]}) of
        {ok, #{Path := #{data := Term}}} -> equal;
        {ok, _} -> different;
        {error, {pando, node_not_found, _}} -> missing
    end.

%% The pattern of paths that differ in binary names only.
shape(Path) -> [shape_component(Component) || Component <- Path].

shape_component(Name) when is_binary(Name) -> ?PANDO_WILDCARD_STAR;
shape_component(Name) -> Name.

%%% Reading by pattern

%% Reads all nodes with their values. `objects' are those with a value whose path is of this very shape: `*'
%% is met by atoms too.
patterns(Shapes) ->
    All = read_pattern([?PANDO_WILDCARD_STAR_STAR], fun(_Path) -> true end),
    [All#{pattern => "/**"} | [shape_pattern(Shape, Count) || {Shape, Count} <- Shapes]].

shape_pattern(Shape, Count) ->
    Read = read_pattern(Shape, fun(Path) -> shape(Path) =:= Shape end),
    Read#{pattern => pattern_text(Shape), expected => Count}.

read_pattern(Pattern, IsObject) ->
    Started = now_us(),
    Count = fun
        (Path, #{data := _}, {Nodes, Objects}) ->
            case IsObject(Path) of
                true -> {Nodes + 1, Objects + 1};
                false -> {Nodes + 1, Objects}
            end;
        (_Path, _Props, {Nodes, Objects}) ->
            {Nodes + 1, Objects}
    end,
    %% The pattern without a component is the root, which is no match of `**'.
    {ok, {Nodes, Objects}} = pando:fold(?STORE, Pattern, Count, {0, 0}),
    #{nodes => Nodes, objects => Objects, us => now_us() - Started}.

pattern_text(Shape) -> lists:append([pattern_component_text(Component) || Component <- Shape]).

pattern_component_text(?PANDO_WILDCARD_STAR) -> "/*";
pattern_component_text(Name) -> pando_path:to_string([Name]).

path_text([]) -> "/";
path_text(Path) -> lists:append([["/" | name_text(Name)] || Name <- Path]).

%%% A part of the tree

%% `IsFull': whether the children are shown too.
node_tree(Path, Depth, IsFull) ->
    {ok, Found} = pando_adv:get(?STORE, Path, #{props_to_return => [payload, child_list_length]}),
    #{Path := #{child_list_length := ChildCount} = Props} = Found,
    Children =
        case IsFull andalso Depth < ?TREE_DEPTH_MAX of
            true when ChildCount =< ?CHILDREN_SHOWN_ALL -> first_children(Path, ChildCount);
            true -> first_children(Path, ?CHILDREN_SHOWN_SOME);
            false -> []
        end,
    HasHidden = Children =:= [] andalso ChildCount > 0,
    All = length(Children) =:= ChildCount,
    Trees = [
        node_tree(Path ++ [Name], Depth + 1, All orelse Position =:= 1)
     || {Position, Name} <- lists:zip(lists:seq(1, length(Children)), Children)
    ],
    {tree_name(Path), tree_value(Props, HasHidden, ChildCount), Trees, more(Children, ChildCount)}.

%% A node that is not shown in full says so in its line.
more([], _ChildCount) -> 0;
more(Children, ChildCount) -> ChildCount - length(Children).

tree_name([]) -> "/";
tree_name(Path) -> name_text(lists:last(Path)).

tree_value(#{data := Data}, _HasHidden, _ChildCount) ->
    lists:sublist(lists:flatten(io_lib:format("~0tP", [Data, 40])), ?VALUE_CHARACTERS_MAX);
tree_value(#{}, true, ChildCount) ->
    text("(~b below)", [ChildCount]);
tree_value(#{}, false, _ChildCount) ->
    "".

%% The fold is left as soon as it has found enough.
first_children(_Path, 0) ->
    [];
first_children(Path, Wanted) ->
    Add = fun
        (Child, _Props, {1, Names}) -> throw({enough, lists:reverse(Names, [lists:last(Child)])});
        (Child, _Props, {Left, Names}) -> {Left - 1, [lists:last(Child) | Names]}
    end,
    try
        {ok, {_, Names}} = pando:fold(
            ?STORE, Path ++ [?PANDO_WILDCARD_STAR], Add, {Wanted, []}, #{props_to_return => []}
        ),
        lists:reverse(Names)
    catch
        throw:{enough, First} -> First
    end.

%% Readable rather than exact: not percent-encoded, as `pando_path:to_string/1' would have it.
name_text(Name) when is_atom(Name) ->
    shortened(":" ++ atom_to_list(Name));
name_text(Name) when is_binary(Name) ->
    Characters = unicode:characters_to_list(Name),
    case Characters of
        [First | _] when First =/= $: ->
            case lists:any(fun is_control/1, Characters) of
                true -> shortened(text("~0tp", [Name]));
                false -> shortened(Characters)
            end;
        _ ->
            shortened(text("~0tp", [Name]))
    end.

is_control(Char) -> Char < $\s orelse (Char >= 127 andalso Char < 160).

shortened(Characters) ->
    case length(Characters) > ?NAME_CHARACTERS_MAX of
        true -> lists:sublist(Characters, ?NAME_CHARACTERS_MAX) ++ "…";
        false -> Characters
    end.

%%% Writing until the end

unused_name(Text) ->
    case pando:exists(?STORE, [list_to_binary(Text)]) of
        true -> unused_name(Text ++ "_");
        false -> list_to_binary(Text)
    end.

%% Comes back only with a failure.
write(Root, WriterCount) ->
    Writers = [spawn_monitor(fun() -> writer(Root, Writer, 1) end) || Writer <- lists:seq(1, WriterCount)],
    receive
        {'DOWN', Monitor, process, Pid, Reason} ->
            true = lists:member({Pid, Monitor}, Writers),
            {error, text("~0tp", [Reason])}
    end.

writer(Root, Writer, Number) ->
    ok = pando:put(?STORE, written_path(Root, Writer, Number), written_value(Writer, Number)),
    ok = send_bytes(<<?ACKNOWLEDGED, Writer:16, Number:64>>),
    writer(Root, Writer, Number + 1).

written_path(Root, Writer, Number) ->
    [Root, list_to_binary(text("writer-~2..0b", [Writer])), integer_to_binary(Number)].

written_value(Writer, Number) ->
    #{
        <<"writer">> => Writer,
        <<"number">> => Number,
        <<"checksum">> => erlang:phash2({Writer, Number}),
        <<"text">> => <<"written while the node waits to be killed: what is acknowledged has to be there">>
    }.

%% Whether the writes 1 to Last of each writer are there, each with its value. `unacknowledged' are those
%% found after the last: they were on disk, and the node was killed before it could say so.
-spec check_writes(pando_cluster:store_id(), binary(), [{Writer, Last}]) ->
    #{
        checked := non_neg_integer(),
        wrong := non_neg_integer(),
        examples := [{Number :: pos_integer(), Path :: string(), missing | different}],
        unacknowledged := non_neg_integer(),
        us := non_neg_integer()
    }
when
    Writer :: pos_integer(),
    Last :: non_neg_integer().
check_writes(Store, Root, LastNumbers) ->
    Started = now_us(),
    Empty = ?NOTHING_CHECKED,
    Check = fun({Writer, Last}, {Sum, Unacknowledged}) ->
        Sum1 = check_writer(Store, Root, Writer, 1, Last, Sum),
        {Sum1, Unacknowledged + count_after(Store, Root, Writer, Last + 1, 0)}
    end,
    {#{examples := Examples} = Sum, Unacknowledged} = lists:foldl(Check, {Empty, 0}, LastNumbers),
    (maps:without([roots, shapes], Sum))#{
        examples := lists:sublist(lists:reverse(Examples), ?EXAMPLES_MAX),
        unacknowledged => Unacknowledged,
        us => now_us() - Started
    }.

check_writer(Store, Root, Writer, Number, Last, Sum) when Number =< Last ->
    Path = written_path(Root, Writer, Number),
    Result = compare(Store, Path, written_value(Writer, Number)),
    check_writer(Store, Root, Writer, Number + 1, Last, add_result(Number, Path, Result, Sum));
check_writer(_Store, _Root, _Writer, _Number, _Last, Sum) ->
    Sum.

count_after(Store, Root, Writer, Number, Count) ->
    case compare(Store, written_path(Root, Writer, Number), written_value(Writer, Number)) of
        equal -> count_after(Store, Root, Writer, Number + 1, Count + 1);
        _ -> Count
    end.

%%% Figures

%% Memory of this operating-system process that holds data: not the pages of programs and libraries.
%% `undefined' where there is no /proc.
anonymous_size_bytes() ->
    {module, _} = code:ensure_loaded(pando_nif),
    lists:foreach(fun erlang:garbage_collect/1, erlang:processes()),
    case file:read_file("/proc/self/status") of
        {ok, Status} ->
            case re:run(Status, "RssAnon:\\s*([0-9]+) kB", [{capture, all_but_first, list}]) of
                {match, [KiB]} -> list_to_integer(KiB) * 1024;
                nomatch -> undefined
            end;
        {error, _} ->
            undefined
    end.

text(Format, Arguments) -> lists:flatten(io_lib:format(Format, Arguments)).

now_us() -> erlang:monotonic_time(microsecond).
