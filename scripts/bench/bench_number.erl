%% @doc Numbers of the benchmark: what stands for many of them, and how they are printed.
-module(bench_number).

-export([median/1, spread/1, with_unit/2, microseconds/1, thousands/1, format/2]).

-export_type([unit/0, spread/0]).

%% `floors', `puts', `times': how often the floor, one put, or what is compared with.
-type unit() :: floors | puts | times | per_s | us | ms | bytes.
%% Median, least, greatest.
-type spread() :: {float(), number(), number()}.

-spec spread([number(), ...]) -> spread().
spread(Values) ->
    {median(Values), lists:min(Values), lists:max(Values)}.

%% @doc The middle value, or the mean of the two in the middle.
-spec median([number(), ...]) -> float().
median(Values) ->
    Sorted = lists:sort(Values),
    Count = length(Sorted),
    Upper = lists:nth(Count div 2 + 1, Sorted),
    case Count rem 2 of
        1 -> float(Upper);
        0 -> (lists:nth(Count div 2, Sorted) + Upper) / 2
    end.

-spec with_unit(unit(), number()) -> string().
with_unit(floors, Value) -> format("~.2f × floor", [float(Value)]);
with_unit(puts, Value) -> format("~.2f × one put", [float(Value)]);
with_unit(times, Value) -> format("~.2f ×", [float(Value)]);
with_unit(per_s, Value) -> thousands(Value) ++ "/s";
with_unit(us, Value) -> microseconds(Value) ++ " µs";
with_unit(ms, Value) when Value < 100 -> format("~.1f ms", [float(Value)]);
with_unit(ms, Value) -> thousands(Value) ++ " ms";
with_unit(bytes, Value) -> thousands(Value) ++ " B".

-spec microseconds(number()) -> string().
microseconds(Value) when Value < 9.995 -> format("~.2f", [float(Value)]);
microseconds(Value) when Value < 99.95 -> format("~.1f", [float(Value)]);
microseconds(Value) -> thousands(Value).

%% @doc Rounded, with a comma before each three digits.
-spec thousands(number()) -> string().
thousands(Value) when Value < 0 -> "-" ++ thousands(-Value);
thousands(Value) -> thousands(lists:reverse(integer_to_list(round(Value))), "").

thousands([A, B, C, D | Digits], Text) -> thousands([D | Digits], [$,, C, B, A | Text]);
thousands(Digits, Text) -> lists:reverse(Digits, Text).

-spec format(io:format(), [term()]) -> string().
format(Format, Arguments) ->
    lists:flatten(io_lib:format(Format, Arguments)).
