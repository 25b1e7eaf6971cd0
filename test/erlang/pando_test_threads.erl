%% What the operating system has of this library: threads, as the kernel names them, and memory, in this VM and in the programs that it
%% has started.
-module(pando_test_threads).

-export([names/0, is_of_process/1, programs/0, resident_size_bytes/0]).

%% Names are cut off at 15 characters by the kernel.
-spec names() -> [binary()].
names() ->
    lists:sort([
        Name
     || OsPid <- ["self" | programs()],
        {ok, Ids} <- [file:list_dir(filename:join(["/proc", OsPid, "task"]))],
        Id <- Ids,
        %% A thread may end between the two looks.
        {ok, Text} <- [file:read_file(filename:join(["/proc", OsPid, "task", Id, "comm"]))],
        Name <- [string:trim(Text)],
        is_ours(Name)
    ]).

%% Those of a program that wait for calls, of which it always has some. A store has others besides.
is_ours(<<"pando-call-", _/binary>>) -> false;
is_ours(<<"pando-", _/binary>>) -> true;
is_ours(_) -> false.

%% Shared by all stores of a VM, and not a store's own.
-spec is_of_process(binary()) -> boolean().
is_of_process(<<"pando-consensus", _/binary>>) -> true;
is_of_process(<<"pando-reaper", _/binary>>) -> true;
is_of_process(_) -> false.

%% The programs of the port backend, also of stores that nobody has any more. The VM starts them by a process of its own.
-spec programs() -> [string()].
programs() ->
    {ok, Entries} = file:list_dir("/proc"),
    Processes = [
        Process
     || [Digit | _] = OsPid <- Entries,
        Digit >= $0,
        Digit =< $9,
        {ok, Stat} <- [file:read_file(filename:join(["/proc", OsPid, "stat"]))],
        {match, Process} <- [re:run(Stat, "^([0-9]+) \\((.*)\\) . ([0-9]+)", [{capture, all_but_first, list}])]
    ],
    Own = os:getpid(),
    Starters = [OsPid || [OsPid, _, Parent] <- Processes, Parent =:= Own],
    [OsPid || [OsPid, "pando_port", Parent] <- Processes, lists:member(Parent, Starters)].

-spec resident_size_bytes() -> non_neg_integer().
resident_size_bytes() ->
    lists:sum([resident_size_bytes(OsPid) || OsPid <- ["self" | programs()]]).

resident_size_bytes(OsPid) ->
    case file:read_file(filename:join(["/proc", OsPid, "statm"])) of
        {ok, <<_, _/binary>> = Text} ->
            [_Size, Pages | _] = string:lexemes(Text, " "),
            binary_to_integer(Pages) * 4096;
        _Gone ->
            0
    end.
