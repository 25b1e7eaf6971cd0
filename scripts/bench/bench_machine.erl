%% @doc The machine: what it is, how much memory this VM has resident, who else uses the processors. Linux
%% only.
-module(bench_machine).

-export([facts/1, resident_bytes/0, resident_bytes_peak/0, collect_garbage/0, load_before/0, load_since/1]).

-export_type([load/0]).

%% Processors used on average: by this VM, by all else (threads of the kernel included), by the hypervisor.
-type load() :: #{own := float(), other := float(), stolen := float()}.
-opaque sample() :: #{time := integer(), own := integer(), busy := integer(), stolen := integer()}.

-export_type([sample/0]).

%% @doc What a reader of the figures needs to know, in the order to print it.
-spec facts(file:filename()) -> [{atom(), string()}].
facts(DataDir) ->
    [
        {date, calendar:system_time_to_rfc3339(erlang:system_time(second), [{offset, "Z"}])},
        {commit, commit()},
        {processor, field_of("/proc/cpuinfo", "model name")},
        {processors, integer_to_list(erlang:system_info(logical_processors_available))},
        {memory, field_of("/proc/meminfo", "MemTotal")},
        {kernel, line_of("uname -sr")},
        {file_system, line_of("df -PT " ++ quote(DataDir) ++ " | awk 'NR == 2 { print $2 \" on \" $1 }'")},
        {erlang,
            lists:flatten(
                io_lib:format("OTP ~s, ERTS ~s, ~s, ~b schedulers", [
                    erlang:system_info(otp_release),
                    erlang:system_info(version),
                    erlang:system_info(emu_flavor),
                    erlang:system_info(schedulers_online)
                ])
            )},
        {flags, os:getenv("ERL_FLAGS", "") ++ os:getenv("ERL_AFLAGS", "") ++ os:getenv("ERL_ZFLAGS", "")},
        {native_library,
            case os:getenv("PANDO_PREBUILT", "") of
                "" -> "built from this checkout, release profile";
                Dir -> "prebuilt, from " ++ Dir
            end}
    ].

commit() ->
    case line_of("git rev-parse --short=12 HEAD 2>/dev/null") of
        "unknown" -> "unknown";
        Commit -> Commit ++ changes(os:cmd("git status --porcelain 2>/dev/null"))
    end.

changes("") -> "";
changes(_) -> " and uncommitted changes".

line_of(Command) ->
    case string:trim(os:cmd(Command)) of
        "" -> "unknown";
        Line -> Line
    end.

quote(Text) ->
    "'" ++ lists:flatten(string:replace(Text, "'", "'\\''", all)) ++ "'".

field_of(File, Name) ->
    Lines = string:split(read(File), "\n", all),
    case [Value || Line <- Lines, [Key, Value] <- [string:split(Line, ":")], string:trim(Key) =:= Name] of
        [Value | _] -> string:trim(Value);
        [] -> "unknown"
    end.

%% @doc What this VM has in main memory, of the second field of `/proc/self/statm'.
-spec resident_bytes() -> non_neg_integer().
resident_bytes() ->
    [_Size, Resident | _] = string:lexemes(read("/proc/self/statm"), " "),
    list_to_integer(Resident) * number_of("getconf PAGESIZE").

%% @doc The most that this VM has had in main memory since it started.
-spec resident_bytes_peak() -> non_neg_integer().
resident_bytes_peak() ->
    [Kilobytes, "kB"] = string:lexemes(field_of("/proc/self/status", "VmHWM"), " "),
    list_to_integer(Kilobytes) * 1024.

%% @doc Of all processes of this VM.
-spec collect_garbage() -> ok.
collect_garbage() ->
    lists:foreach(fun erlang:garbage_collect/1, processes()).

-spec load_before() -> sample().
load_before() ->
    ["cpu", User, Nice, System, _Idle, _IoWait, Irq, SoftIrq, Stolen | _] =
        string:lexemes(hd(string:split(read("/proc/stat"), "\n")), " "),
    %% The name of the program stands in parentheses, and may hold anything.
    [_, AfterName] = string:split(read("/proc/self/stat"), ") ", trailing),
    Own = lists:sublist(string:lexemes(AfterName, " "), 12, 2),
    #{
        time => erlang:monotonic_time(microsecond),
        own => sum(Own),
        busy => sum([User, Nice, System, Irq, SoftIrq]),
        stolen => sum([Stolen])
    }.

%% @doc Coarse: the kernel counts in ticks of 10 ms.
-spec load_since(sample()) -> load().
load_since(Before) ->
    After = load_before(),
    Ticks = (maps:get(time, After) - maps:get(time, Before)) * 1.0e-6 * number_of("getconf CLK_TCK"),
    Processors = fun(Key) -> (maps:get(Key, After) - maps:get(Key, Before)) / Ticks end,
    Own = Processors(own),
    #{own => Own, other => max(0.0, Processors(busy) - Own), stolen => Processors(stolen)}.

sum(Texts) ->
    lists:sum([list_to_integer(Text) || Text <- Texts]).

number_of(Command) ->
    case persistent_term:get({?MODULE, Command}, undefined) of
        undefined ->
            Number = list_to_integer(line_of(Command)),
            persistent_term:put({?MODULE, Command}, Number),
            Number;
        Number ->
            Number
    end.

read(File) ->
    {ok, Bytes} = file:read_file(File),
    unicode:characters_to_list(Bytes).
