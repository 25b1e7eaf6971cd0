%% Tables of calls as EUnit tests. Each row is a test of its own, on an empty store of its own:
%%
%%     {Title, [Step]}
%%
%% A step is a call that must answer `ok', a call with its answer, or a function of the store that asserts. Calls
%% leave the store out: it is put before the arguments.
-module(pando_test_calls).

-include_lib("eunit/include/eunit.hrl").

-export([tests/1, run/2, answer/2, goes_on/1, paths/1]).

-export_type([call/0, step/0]).

%% `{Function, Arguments}' of module pando, `{adv, ...}' of pando_adv.
-type call() :: {atom(), [term()]} | {adv, atom(), [term()]} | fun((atom()) -> term()).
%% In place of an answer: `{raised, Reason}', `{thrown, Reason}', or a function that answers whether it is right.
-type step() :: {atom(), [term()]} | {call(), Expected :: term()} | fun((atom()) -> term()).

-spec tests([{string() | term(), [step()]}]) -> [term()].
tests(Rows) ->
    pando_test_store:cases([{title(Title), fun(S) -> run(S, Steps) end} || {Title, Steps} <- Rows]).

title(Title) ->
    case io_lib:char_list(Title) of
        true -> Title;
        false -> pando_test_store:title(Title)
    end.

-spec run(atom(), [step()]) -> ok.
run(S, Steps) ->
    lists:foreach(fun({N, Step}) -> step(S, N, Step) end, lists:enumerate(Steps)).

step(S, _, Assert) when is_function(Assert, 1) ->
    Assert(S);
step(S, N, {Function, Arguments} = Call) when is_atom(Function), is_list(Arguments) ->
    step(S, N, {Call, ok});
step(S, N, {Call, IsRight}) when is_function(IsRight, 1) ->
    Answer = answer(S, Call),
    ?assertEqual({N, Call, true, Answer}, {N, Call, IsRight(Answer), Answer});
step(S, N, {Call, Expected}) ->
    ?assertEqual({N, Call, Expected}, {N, Call, answer(S, Call)}).

-spec answer(atom(), call()) -> term().
answer(S, Call) ->
    try
        call(S, Call)
    catch
        error:Reason -> {raised, Reason};
        throw:Reason -> {thrown, Reason}
    end.

call(S, {adv, Function, Arguments}) -> apply(pando_adv, Function, [S | Arguments]);
call(S, {Function, Arguments}) -> apply(pando, Function, [S | Arguments]);
call(S, Call) -> Call(S).

%% A step: the store answers, and takes writes.
-spec goes_on(atom()) -> ok.
goes_on(S) ->
    Path = [<<"goes on">>],
    ?assertEqual(ok, pando:put(S, Path, yes)),
    ?assertEqual({ok, yes}, pando:get(S, Path)),
    ?assertEqual(ok, pando:delete(S, Path)),
    ?assertEqual(true, pando_cluster:is_store_running(S)),
    ok.

%% All paths of a store but the root's, sorted.
-spec paths(atom()) -> [pando_path:native_path()].
paths(S) ->
    {ok, Found} = pando:get_many(S, "**"),
    lists:sort(maps:keys(Found)).
