%% `make demo': loads a file into a store, reads it back, kills the node of the store while it writes, and
%% looks whether all that was acknowledged is there. Called by scripts/demo.sh, which sets the environment:
%%
%%   DEMO_DIR      where everything goes that the demo writes
%%   DEMO_RUN_ID   part of the names of files that go with this run; scripts/demo.sh removes them
%%   FILE          the file to load; a generated one if empty
%%   OBJECTS       how many objects to generate
%%   WRITE_MS      how long the node writes before it is killed, in milliseconds
%%   WHILE_DOWN    a shell command to run between the kill and the new start, with the data directory in
%%                 $DATA_DIR: for tests, and for the curious: the demo has to notice what it does
%%
%% 1. The store is in a node of its own (`pando_demo_node'). What is acknowledged is counted here, outside of
%%    it.
%% 2. The exit status is 0 only if everything was there with its value; 1 otherwise, also for a file that
%%    cannot be loaded.
-module(pando_demo).

-export([main/0]).

-include("pando_demo.hrl").

-define(WRITER_COUNT, 32).
%% A start of the Erlang VM.
-define(START_TIMEOUT_MS, 60000).
-define(KILL_TIMEOUT_MS, 30000).
%% Exit status of what SIGKILL has ended, as ports have it.
-define(KILLED_STATUS, 137).

-spec main() -> no_return().
main() ->
    ok = pando_demo_terminal:setup(),
    Spool = in_demo_dir(["objects-", os:getenv("DEMO_RUN_ID"), ".spool"]),
    Superseded = in_demo_dir(["superseded-", os:getenv("DEMO_RUN_ID"), ".ets"]),
    Status =
        try
            run(Spool, Superseded)
        catch
            throw:{stop, Format, Arguments} ->
                pando_demo_terminal:failure("demo: " ++ Format, Arguments),
                1
        end,
    erlang:halt(Status).

-spec stop(io:format(), [term()]) -> no_return().
stop(Format, Arguments) -> throw({stop, Format, Arguments}).

in_demo_dir(Name) -> filename:join(os:getenv("DEMO_DIR"), lists:flatten(Name)).

run(Spool, Superseded) ->
    Started = now_us(),
    {Input, ObjectLines} = checked_input(Spool),
    DataDir = in_demo_dir("data"),

    Node = start_node(),
    opened_empty(Node, DataDir),
    {Loaded, LoadUs} = loaded(Node, Input, ObjectLines, Spool, Superseded),
    ReadBack = compared(Node, Loaded, Spool, Superseded, "reading back"),
    Patterns = patterns(Node, ReadBack),
    tree(Node),
    {Root, Acknowledged, WriteUs, KilledNode} = written_and_killed(Node),

    while_down(DataDir),
    Node2 = start_node(),
    SizeBefore = call(Node2, anonymous_size_bytes, []),
    OpenUs = opened_again(Node2, DataDir, KilledNode),
    NodeCount = call(Node2, node_count, []),
    MemorySize = added_size(SizeBefore, call(Node2, anonymous_size_bytes, [])),
    Writes = call(Node2, check_writes, [Root, Acknowledged]),
    After = compared(Node2, Loaded, Spool, Superseded, "comparing"),
    DiskSize = disk_size_bytes(DataDir),
    ok = call(Node2, stop, []),
    end_node(Node2),

    Figures = #{
        loaded => {Loaded, LoadUs},
        read_back => ReadBack,
        patterns => Patterns,
        writes => {Writes, WriteUs},
        open_us => OpenUs,
        after_kill => After,
        node_count => NodeCount,
        memory_size => MemorySize,
        disk_size => DiskSize
    },
    summary(Figures),
    conclusion(Figures, Input, DataDir, now_us() - Started).

%%% Input

checked_input(Spool) ->
    pando_demo_terminal:title("Input"),
    Input =
        case os:getenv("FILE", "") of
            "" -> generated();
            FileName -> FileName
        end,
    Size = filelib:file_size(Input),
    Bar = pando_demo_terminal:bar("checking", bytes, Size),
    Started = now_us(),
    case pando_demo_input:check(Input, Spool, fun(Done, _) -> pando_demo_terminal:progress(Bar, Done) end) of
        {ok, 0} ->
            pando_demo_terminal:remove(Bar),
            stop("~ts has no objects: one is a line {put, Path, {p_data, Term}, #{}}.", [Input]);
        {ok, Count} ->
            Us = now_us() - Started,
            pando_demo_terminal:finish(
                Bar,
                io_lib:format("~ts: ~ts in ~ts, well-formed (~ts)", [
                    Input,
                    objects(Count),
                    pando_demo_terminal:bytes(Size),
                    pando_demo_terminal:duration(Us)
                ])
            ),
            {Input, Count};
        {malformed, Complaints} ->
            pando_demo_terminal:remove(Bar),
            [pando_demo_terminal:failure("~ts", [complaint(Input, Complaint)]) || Complaint <- Complaints],
            stop("~ts is malformed~ts; nothing was loaded", [Input, first_complaints(length(Complaints))]);
        {error, Text} ->
            pando_demo_terminal:remove(Bar),
            stop("~ts: ~ts", [Input, Text])
    end.

%% As compilers have it, so that editors find the place.
complaint(Input, {Line, undefined, Text}) -> io_lib:format("~ts:~b: ~ts", [Input, Line, Text]);
complaint(Input, {Line, Column, Text}) -> io_lib:format("~ts:~b:~b: ~ts", [Input, Line, Column, Text]).

first_complaints(10) -> " (the rest of it was not looked at)";
first_complaints(_) -> "".

generated() ->
    Count =
        case string:to_integer(os:getenv("OBJECTS", "100000")) of
            {Number, ""} when is_integer(Number), Number > 0 -> Number;
            _ -> stop("OBJECTS=~ts: expected a number of objects, such as 100000", [os:getenv("OBJECTS")])
        end,
    Input = in_demo_dir("topology.terms"),
    Bar = pando_demo_terminal:bar("generating", count, Count),
    Started = now_us(),
    ok = pando_demo_topology:write(Input, Count, fun(Done) -> pando_demo_terminal:progress(Bar, Done) end),
    pando_demo_terminal:finish(Bar, [
        "made up a broker with its vhosts, users, queues and bindings (",
        pando_demo_terminal:duration(now_us() - Started),
        ")"
    ]),
    Input.

%%% Steps

opened_empty(Node, DataDir) ->
    case call(Node, open_empty, [DataDir]) of
        {ok, Us} ->
            pando_demo_terminal:title("Load and read back"),
            pando_demo_terminal:line(["opened an empty store in ", pando_demo_terminal:duration(Us)]);
        {error, locked, Text} ->
            stop("the store of an earlier demo is still open: ~ts", [Text]);
        {error, _, Text} ->
            stop("the store cannot be opened: ~ts~ts", [Text, see_log()])
    end.

%% Objects are as many as there are lines: of lines with one path the last counts.
loaded(Node, Input, ObjectLines, Spool, Superseded) ->
    Bar = pando_demo_terminal:bar("loading", count, ObjectLines),
    case call(Node, load, [Spool, Superseded], fun(Done) -> pando_demo_terminal:progress(Bar, Done) end) of
        {ok, Done, Replaced, Us} ->
            pando_demo_terminal:finish(Bar, [
                "loaded ", objects(Done), ", each on disk before its answer", in_time(Done, Us)
            ]),
            [
                pando_demo_terminal:line([
                    pando_demo_terminal:count(Replaced),
                    " of them replaced what an earlier line had put at the same path"
                ])
             || Replaced > 0
            ],
            {Done, Us};
        {error, Line, Text} ->
            stop("~ts:~b: cannot be stored: ~ts", [Input, Line, Text])
    end.

in_time(Count, Us) ->
    [" (", pando_demo_terminal:duration(Us), ", ", pando_demo_terminal:rate(Count, Us), ")"].

compared(Node, Count, Spool, Superseded, Label) ->
    Bar = pando_demo_terminal:bar(Label, count, Count),
    Progress = fun(Done) -> pando_demo_terminal:progress(Bar, Done) end,
    #{checked := Checked, wrong := Wrong, us := Us, examples := Examples} =
        Result = call(Node, check_objects, [Spool, Superseded], Progress),
    pando_demo_terminal:finish(Bar, [
        "read ", objects(Checked), " by path and compared: ", all_equal(Wrong), in_time(Checked, Us)
    ]),
    [
        pando_demo_terminal:failure("  line ~b, ~ts: ~ts", [Line, Path, Fault])
     || {Line, Path, Fault} <- Examples
    ],
    Result.

all_equal(0) -> "all equal";
all_equal(Wrong) -> [pando_demo_terminal:count(Wrong), " missing or different"].

patterns(Node, #{checked := Checked, roots := Roots, shapes := Shapes}) ->
    pando_demo_terminal:title("Read by pattern"),
    [All | Others] = call(Node, patterns, [Shapes]),
    %% The root is an object like others, but `**' does not match it.
    Patterns = [All#{expected => Checked - Roots} | Others],
    pando_demo_terminal:table([pattern_row(Pattern) || Pattern <- Patterns]),
    Patterns.

pattern_row(#{pattern := Text, nodes := Nodes, objects := Objects, expected := Expected, us := Us}) ->
    {Kind, Remark} =
        case Objects of
            Expected -> {plain, ""};
            _ -> {bad, [" (", objects(Objects), ", expected ", pando_demo_terminal:count(Expected), ")"]}
        end,
    {Kind, [
        Text,
        [tree_nodes(Nodes), Remark],
        pando_demo_terminal:duration(Us),
        pando_demo_terminal:rate(Nodes, Us)
    ]}.

tree(Node) ->
    pando_demo_terminal:title("A part of the tree"),
    pando_demo_terminal:tree(call(Node, tree, [])).

%%% The kill

written_and_killed(#{port := Port, os_pid := OsPid} = Node) ->
    pando_demo_terminal:title("Kill"),
    Root = call(Node, unused_name, []),
    WriteMs = list_to_integer(os:getenv("WRITE_MS", "1500")),
    pando_demo_terminal:line("~b processes write on and on below /~ts", [?WRITER_COUNT, Root]),
    Bar = pando_demo_terminal:bar("writing", count, 0),
    true = port_command(Port, term_to_binary({write, [Root, ?WRITER_COUNT]})),
    Started = now_us(),
    Empty = maps:from_list([{Writer, 0} || Writer <- lists:seq(1, ?WRITER_COUNT)]),
    Progress = fun(Done) -> pando_demo_terminal:progress(Bar, Done) end,
    Acknowledged = acknowledged(Port, Empty, Progress, 0, Started + WriteMs * 1000),
    %% It has just acknowledged a write, and more are on their way.
    _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
    WriteUs = now_us() - Started,
    AllAcknowledged = acknowledged_before_end(Port, Acknowledged),
    Count = lists:sum(maps:values(AllAcknowledged)),
    pando_demo_terminal:finish(Bar, [
        io_lib:format("SIGKILL to process ~b as it writes: ", [OsPid]),
        [pando_demo_terminal:count(Count), " writes acknowledged", in_time(Count, WriteUs)]
    ]),
    {Root, lists:sort(maps:to_list(AllAcknowledged)), WriteUs, Node}.

%% Reads acknowledgements until one comes after the time given.
acknowledged(Port, Last, Progress, Count, EndUs) ->
    receive
        {Port, {data, <<?ACKNOWLEDGED, Writer:16, Number:64>>}} ->
            Last1 = add_acknowledged(Writer, Number, Last),
            Progress(Count + 1),
            case now_us() >= EndUs of
                true -> Last1;
                false -> acknowledged(Port, Last1, Progress, Count + 1, EndUs)
            end;
        {Port, {data, <<?TERM, Bytes/binary>>}} ->
            stop("the node stopped writing: ~0tp", [binary_to_term(Bytes)]);
        {Port, {exit_status, Status}} ->
            stop("the node ended by itself with status ~b~ts", [Status, see_log()])
    after ?KILL_TIMEOUT_MS ->
        stop("no write was acknowledged within ~b s~ts", [?KILL_TIMEOUT_MS div 1000, see_log()])
    end.

%% A writer goes on only when its write has been acknowledged: none may be left out.
add_acknowledged(Writer, Number, Last) ->
    case Last of
        #{Writer := Before} when Number =:= Before + 1 -> Last#{Writer := Number};
        #{Writer := Before} -> stop("writer ~b acknowledged ~b after ~b", [Writer, Number, Before])
    end.

%% What it had sent before it died is in the pipe still.
acknowledged_before_end(Port, Last) ->
    receive
        {Port, {data, <<?ACKNOWLEDGED, Writer:16, Number:64>>}} ->
            acknowledged_before_end(Port, add_acknowledged(Writer, Number, Last));
        {Port, {exit_status, ?KILLED_STATUS}} ->
            Last;
        {Port, {exit_status, Status}} ->
            stop("the node was not killed but ended with status ~b~ts", [Status, see_log()])
    after ?KILL_TIMEOUT_MS ->
        stop("the node cannot be killed", [])
    end.

while_down(DataDir) ->
    case os:getenv("WHILE_DOWN", "") of
        "" ->
            ok;
        Command ->
            true = os:putenv("DATA_DIR", DataDir),
            pando_demo_terminal:line(["while it is down: ", Command]),
            _ = os:cmd(Command),
            ok
    end.

opened_again(Node, DataDir, #{os_pid := KilledPid}) ->
    #{os_pid := OsPid} = Node,
    case call(Node, open, [DataDir]) of
        {ok, Us} ->
            pando_demo_terminal:line("process ~b opened the store that ~b has left in ~ts", [
                OsPid, KilledPid, pando_demo_terminal:duration(Us)
            ]),
            Us;
        {error, _, Text} ->
            stop("the store cannot be opened after the kill: ~ts~ts", [Text, see_log()])
    end.

%%% Figures

%% What opening the store has added to the memory of the process.
added_size(undefined, _) -> undefined;
added_size(_, undefined) -> undefined;
added_size(Before, After) -> max(0, After - Before).

disk_size_bytes(Dir) ->
    filelib:fold_files(Dir, ".*", true, fun(FileName, Sum) -> Sum + filelib:file_size(FileName) end, 0).

summary(Figures) ->
    #{
        loaded := {Loaded, LoadUs},
        read_back := #{checked := ReadBack, us := ReadUs, wrong := ReadWrong},
        writes := {Writes, WriteUs},
        open_us := OpenUs,
        after_kill := #{checked := After, wrong := AfterWrong, us := AfterUs},
        node_count := NodeCount,
        memory_size := MemorySize,
        disk_size := DiskSize
    } = Figures,
    #{checked := Acknowledged, wrong := Lost, unacknowledged := Unacknowledged, us := CheckUs} = Writes,
    pando_demo_terminal:title("Result"),
    pando_demo_terminal:table([
        row("objects loaded", Loaded, LoadUs),
        row("objects read back by path and compared", ReadBack, ReadUs),
        fault_row("  missing or different", ReadWrong),
        row("writes acknowledged before the kill", Acknowledged, WriteUs),
        row("  looked for after it", Acknowledged, CheckUs),
        fault_row("  lost", Lost),
        {plain, ["  there without being acknowledged yet", pando_demo_terminal:count(Unacknowledged)]},
        row("objects compared after the kill", After, AfterUs),
        fault_row("  missing or different", AfterWrong),
        row("nodes of the tree opened again", NodeCount, OpenUs),
        size_row("size on disk", DiskSize, NodeCount),
        size_row("memory of the store", MemorySize, NodeCount)
    ]).

row(Text, Count, Us) ->
    {plain, [
        Text,
        pando_demo_terminal:count(Count),
        pando_demo_terminal:duration(Us),
        pando_demo_terminal:rate(Count, Us)
    ]}.

fault_row(Text, 0) -> {good, [Text, "0"]};
fault_row(Text, Count) -> {bad, [Text, pando_demo_terminal:count(Count)]}.

size_row(Text, undefined, _NodeCount) ->
    {plain, [Text, "unknown"]};
size_row(Text, Size, NodeCount) ->
    PerNode = pando_demo_terminal:count(Size div NodeCount),
    {plain, [Text, pando_demo_terminal:bytes(Size), "", [PerNode, " bytes/node"]]}.

conclusion(Figures, Input, DataDir, Us) ->
    #{
        read_back := #{wrong := ReadWrong},
        patterns := Patterns,
        writes := {#{wrong := Lost, examples := Examples}, _},
        after_kill := #{wrong := AfterWrong}
    } = Figures,
    PatternsWrong = length([1 || #{objects := Found, expected := Expected} <- Patterns, Found =/= Expected]),
    case ReadWrong + Lost + AfterWrong + PatternsWrong of
        0 ->
            pando_demo_terminal:title(["Nothing was lost (", pando_demo_terminal:duration(Us), ")"]),
            next_steps(Input, DataDir, maps:get(pattern, lists:last(Patterns))),
            0;
        _ ->
            [pando_demo_terminal:failure("  ~ts: ~ts", [Path, Fault]) || {_, Path, Fault} <- Examples],
            stop(
                "DATA IS WRONG: of the acknowledged writes ~b are lost or different, of the objects ~b before "
                "the kill and ~b after it, of the patterns ~b gave a wrong count; the store is left in ~ts~ts",
                [Lost, ReadWrong, AfterWrong, PatternsWrong, DataDir, see_log()]
            )
    end.

next_steps(Input, DataDir, Pattern) ->
    pando_demo_terminal:line("To look around in it:"),
    pando_demo_terminal:line(""),
    pando_demo_terminal:line("  iex -S mix"),
    pando_demo_terminal:line("  iex> {:ok, store} = :pando.start(~ts, :demo)", [quoted(DataDir)]),
    pando_demo_terminal:line("  iex> :pando.count(store, \"/**\")"),
    pando_demo_terminal:line("  iex> :pando.get_many(store, ~ts)", [quoted(Pattern)]),
    pando_demo_terminal:line(""),
    pando_demo_terminal:line("With a file of yours, with lines such as those of ~ts:", [Input]),
    pando_demo_terminal:line(""),
    pando_demo_terminal:line("  make demo FILE=definitions.terms").

quoted(Text) -> io_lib:format("~tp", [Text]).

objects(1) -> "1 object";
objects(Count) -> [pando_demo_terminal:count(Count), " objects"].

tree_nodes(1) -> "1 node";
tree_nodes(Count) -> [pando_demo_terminal:count(Count), " nodes"].

%%% The node

start_node() ->
    {ok, [[Root]]} = init:get_argument(root),
    Erl = filename:join([Root, "bin", "erl"]),
    Log = io_lib:format(
        "[{handler, default, logger_std_h, #{config => #{file => ~tp}}}]", [filename:absname(log_file())]
    ),
    Port = open_port({spawn_executable, Erl}, [
        {args,
            ["-noinput", "+Bd", "-kernel", "logger", lists:flatten(Log)] ++
                ["-pa"] ++ [filename:absname(Dir) || Dir <- code_dirs()] ++
                ["-s", "pando_demo_node", "main"]},
        {packet, 4},
        binary,
        nouse_stdio,
        exit_status
    ]),
    receive
        {Port, {data, <<?TERM, Bytes/binary>>}} ->
            {hello, OsPid} = binary_to_term(Bytes),
            #{port => Port, os_pid => OsPid};
        {Port, {exit_status, Status}} ->
            stop("the node of the store could not be started: status ~b~ts", [Status, see_log()])
    after ?START_TIMEOUT_MS ->
        stop("the node of the store has not started within ~b s~ts", [?START_TIMEOUT_MS div 1000, see_log()])
    end.

code_dirs() -> [filename:dirname(code:which(Module)) || Module <- [pando_demo_node, pando]].

%% Closing its port tells it to end; it has no store open.
end_node(#{port := Port}) ->
    true = port_close(Port),
    ok.

log_file() -> in_demo_dir("node.log").

see_log() -> ["; what the node said is in ", log_file()].

call(Node, Name, Arguments) ->
    call(Node, Name, Arguments, fun(_) -> ok end).

call(#{port := Port}, Name, Arguments, Progress) ->
    true = port_command(Port, term_to_binary({Name, Arguments})),
    await_done(Port, Name, Progress).

await_done(Port, Name, Progress) ->
    receive
        {Port, {data, <<?TERM, Bytes/binary>>}} ->
            case binary_to_term(Bytes) of
                {progress, Done} ->
                    Progress(Done),
                    await_done(Port, Name, Progress);
                {done, Result} ->
                    Result;
                {crashed, Reason} ->
                    stop("the node failed (~ts): ~ts", [Name, Reason])
            end;
        {Port, {exit_status, Status}} ->
            stop("the node ended with status ~b (~ts)~ts", [Status, Name, see_log()])
    end.

now_us() -> erlang:monotonic_time(microsecond).
