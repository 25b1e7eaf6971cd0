%% @doc The floor of the disk, measured by a native program: see `native/disk_floor/src/main.rs'.
-module(bench_disk).

-export([floor/3]).

-export_type([floor/0]).

-type floor() :: #{
    write_count := float(),
    mean_us := float(),
    p50_us := float(),
    p99_us := float(),
    max_us := float()
}.

-define(SIZE_BYTES, 300).

%% @doc One round of write + fdatasync in `Directory'. The program is named by `$BENCH_DISK_FLOOR'.
-spec floor(growing | preallocated, pos_integer(), file:filename()) -> floor().
floor(Mode, DurationMs, Directory) ->
    Program = os:getenv("BENCH_DISK_FLOOR"),
    Arguments = [Directory, atom_to_list(Mode), integer_to_list(DurationMs), integer_to_list(?SIZE_BYTES)],
    Port = open_port({spawn_executable, Program}, [{args, Arguments}, {line, 200}, exit_status]),
    Floor = lines(Port, #{}),
    #{write_count := _, mean_us := _, p50_us := _, p99_us := _, max_us := _} = Floor.

lines(Port, Floor) ->
    receive
        {Port, {data, {eol, Line}}} ->
            [Key, Value] = string:lexemes(Line, " "),
            lines(Port, Floor#{list_to_existing_atom(Key) => number(Value)});
        {Port, {exit_status, 0}} ->
            Floor;
        {Port, {exit_status, Status}} ->
            error({disk_floor_failed, Status})
    end.

number(Text) ->
    case string:to_float(Text) of
        {error, no_float} -> float(list_to_integer(Text));
        {Float, ""} -> Float
    end.
