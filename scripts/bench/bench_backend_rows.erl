%% @doc The rows and the targets of the tables "Backends", from what `bench_backends:measure/3' measured.
%%
%% A ratio is the median of the ratios of the rounds, of the program to the library.
-module(bench_backend_rows).

-export([call_rows/1, time_rows/1, targets/1]).

-import(bench_number, [median/1, spread/1, thousands/1, format/2]).

-spec call_rows(bench_backends:measured()) -> [bench_transaction_rows:row()].
call_rows(#{puts := Puts, gets := Gets}) ->
    lists:append([
        [row(Kind, Backend, Callers, Rounds) || Backend <- [nif, port]]
     || {Kind, ByCallers} <- [{put, Puts}, {get, Gets}], {Callers, Rounds} <- lists:sort(maps:to_list(ByCallers))
    ]).

row(Kind, Backend, Callers, Rounds) ->
    Own = of_backend(Backend, Rounds),
    #{
        id => list_to_atom(format("backend_~s_~s_~b", [Kind, Backend, Callers])),
        name => format("~s, ~s, ~s", [Kind, callers(Callers), where(Backend)]),
        rates => spread([PerS || #{calls_per_s := PerS} <- Own]),
        p50_us => median([Us || #{p50_us := Us} <- Own]),
        p99_us => median([Us || #{p99_us := Us} <- Own]),
        max_us => lists:max([Us || #{max_us := Us} <- Own]),
        beside => beside(Backend, Callers, Rounds),
        peer => ""
    }.

beside(nif, _Callers, _Rounds) ->
    "";
%% With one caller what is compared is how long a call takes, with many how many there are.
beside(port, 1, Rounds) ->
    ratio([Port / Nif || #{nif := #{p50_us := Nif}, port := #{p50_us := Port}} <- Rounds], "time");
beside(port, _Callers, Rounds) ->
    ratio([Port / Nif || #{nif := #{calls_per_s := Nif}, port := #{calls_per_s := Port}} <- Rounds], "rate").

ratio(Ratios, Of) ->
    format("~.2f × the ~s of nif", [float(median(Ratios)), Of]).

-spec time_rows(bench_backends:measured()) -> [map()].
time_rows(#{back_ms := BackMs, program_size_bytes := SizeBytes, plan := #{node_count := Count}}) ->
    [
        #{
            id => backend_back,
            name => format("program killed, until a node put last is read again, ~s nodes", [thousands(Count)]),
            unit => ms,
            values => spread(BackMs),
            beside => "",
            peer => ""
        },
        #{
            id => backend_memory,
            name => format("memory of the program, ~s nodes", [thousands(Count)]),
            unit => bytes,
            values => spread([SizeBytes]),
            beside => "",
            peer => ""
        }
    ].

-spec targets(bench_backends:measured()) -> [bench_report:target()].
targets(#{puts := Puts, gets := Gets, back_ms := BackMs, plan := #{node_count := Count}}) ->
    Of = fun(Key, ByCallers, Callers) ->
        float(median([maps:get(Key, Round) || Round <- of_backend(port, maps:get(Callers, ByCallers))]))
    end,
    [
        target("put, port, 128 callers", {at_least, 30000}, Of(calls_per_s, Puts, 128), per_s),
        target("get, port, 1 caller, p50", {at_most, 40}, Of(p50_us, Gets, 1), us),
        target("get, port, 16 callers", {at_least, 80000}, Of(calls_per_s, Gets, 16), per_s),
        target(
            format("program killed with ~s nodes, until it is back", [thousands(Count)]),
            {at_most, 2000},
            float(median(BackMs)),
            ms
        )
    ].

target(Name, Wanted, Measured, Unit) ->
    #{name => Name, wanted => Wanted, measured => Measured, unit => Unit, peer => ""}.

of_backend(Backend, Rounds) ->
    [maps:get(Backend, Round) || Round <- Rounds].

callers(1) -> "1 caller";
callers(Count) -> format("~b callers", [Count]).

where(nif) -> "in the VM (nif), in turns with the next";
where(port) -> "in a program (port)".
