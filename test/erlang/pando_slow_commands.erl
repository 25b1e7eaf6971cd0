%% Commands that take long, so that what is written behind them waits for certain, however fast the machine is.
-module(pando_slow_commands).

-include("pando.hrl").

-export([long_list/1, slow/1, hold_up/1, hold_up/2]).

%% Conditions that go through a list of so many elements, as often as one component may: more steps than there are.
-define(LONG_LIST, 260000).
-define(LENGTHS, 1000).
%% Together they take seconds.
-define(SLOW_COMMANDS, 24).

%% The node that slow commands look at.
-spec long_list(atom()) -> ok.
long_list(S) ->
    ok = pando:put(S, [list], lists:seq(1000, 999 + ?LONG_LIST)).

%% Each part goes through the whole list, in one step an element.
-spec slow(pos_integer()) -> term().
slow(Parts) ->
    Length = #if_data_matches{pattern = '$1', conditions = [{'=:=', {length, '$1'}, 0}]},
    #if_any{conditions = lists:duplicate(Parts, Length)}.

%% Holds up what is written from now on; nobody is told when it ends.
-spec hold_up(atom()) -> ok.
hold_up(S) ->
    ok = long_list(S),
    lists:foreach(fun(_) -> ok = put_slow(S, true) end, lists:seq(1, ?SLOW_COMMANDS)).

%% The same; the caller is told of each by its correlation, and that it took more steps than a command may.
-spec hold_up(atom(), fun(() -> term())) -> [term()].
hold_up(S, NewCorrelation) ->
    ok = long_list(S),
    Correlations = [NewCorrelation() || _ <- lists:seq(1, ?SLOW_COMMANDS)],
    lists:foreach(fun(Correlation) -> ok = put_slow(S, Correlation) end, Correlations),
    Correlations.

put_slow(S, Async) ->
    pando:put_many(S, [slow(?LENGTHS)], 2, #{async => Async}).
