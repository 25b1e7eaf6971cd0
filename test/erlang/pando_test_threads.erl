%% The threads of the operating system that this library has started in this VM, as the kernel names them.
-module(pando_test_threads).

-export([names/0, is_of_process/1]).

%% Names are cut off at 15 characters by the kernel.
-spec names() -> [binary()].
names() ->
    {ok, Ids} = file:list_dir("/proc/self/task"),
    lists:sort([
        Name
     || Id <- Ids,
        %% A thread may end between the two looks.
        {ok, Text} <- [file:read_file(filename:join(["/proc/self/task", Id, "comm"]))],
        Name <- [string:trim(Text)],
        is_ours(Name)
    ]).

is_ours(<<"pando-", _/binary>>) -> true;
is_ours(_) -> false.

%% Shared by all stores of a VM, and not a store's own.
-spec is_of_process(binary()) -> boolean().
is_of_process(<<"pando-consensus", _/binary>>) -> true;
is_of_process(<<"pando-reaper", _/binary>>) -> true;
is_of_process(_) -> false.
