%% The recorded answers of ../shared/oracle. Skipped, with a message, where the recordings are not.
%%
%% A case is a sequence of calls on a store of its own; in those of cases-transactions.terms transactions are among them.
%% Every call of every case is made and compared. What agrees is what oracle_check.erl takes for it.
-module(pando_oracle_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DIRECTORY, "../shared/oracle").
-define(TIMEOUT_S, 300).
%% So many calls that differ are shown.
-define(SHOWN, 10).

%% The recorded answers that are not followed: {Case, numbers of calls, why}.
%%
%% But for the last five all are of one kind, that of put_many with `**' before something in specification section
%% 21.2, which stands where it and a recording disagree. There the original reports every match and keeps the changes
%% of the deepest ones alone: what a delete_many says it has removed is still there, and shows in later calls. Here it is
%% gone.
-define(NOT_FOLLOWED, [
    {{random, 23, 21}, [17], "[b, x] was removed by call 15"},
    {{random, 23, 34}, [41, 43], "[b, b] and [x, b] were removed by call 39"},
    {{random, 23, 36}, [29, 30], "[a, b] and [a, c] were removed by call 17"},
    {{random, 23, 57}, [27, 29, 30, 39], "[b, b] was removed by call 25"},
    {{random, 23, 80}, [26, 31, 44], "[a, a] and [b, a] were removed by call 21"},
    {{random, 23, 87}, [11, 24, 29], "[b, x] was removed by call 10"},
    {{random, 23, 98}, [30, 31, 32, 35, 37, 38], "[x, a] is removed by call 30, and [x] with it"},
    {{random, 23, 99}, [37], "[b, b, b] was removed by call 29"},
    {{random, 23, 118}, [37], "[a, b], [a, x] and [b, x] were removed by call 36"},
    {{random, 23, 122}, [37, 38, 40, 41], "[a, c] and [a, x] were removed by call 33"},
    {{random, 23, 126}, [34], "[b, stock] was removed by call 28"},
    {{random, 23, 179}, [21], "[x, b] and [x, x] were removed by call 11"},
    {{random, 11, 11}, [25], "[b, b] was removed by call 20"},
    {{random, 11, 21}, [25], "[a, b, a] was removed by call 22"},
    {{random, 11, 42}, [30], "[x, x, a] was removed by call 23, and [x, x] with it"},
    {{random, 11, 43}, [32, 36], "[b, b] and two others were removed by call 20"},
    {{random, 11, 45}, [22, 24, 26, 35], "[a, a], [x, b] and [x, x] were removed by call 17"},
    {{random, 11, 54}, [16, 24], "[x, x] was removed by the second command of call 16"},
    {{random, 11, 59}, [7], "[a, a] was removed by call 6"},
    {{random, 11, 92}, [40], "[a, x] and [b, x] were removed by call 39"},
    {{random, 11, 109}, [22, 36, 44], "[a, x] was removed by call 19"},
    {{random, 23, 140}, [39], "[x, stock] is below a target and goes with it: explicit (21.1), not keep_while"},
    {{random, 23, 149}, [1], "the same call on the same tree shows delete_reason in call 13 of {random, 23, 25}"},
    {{random, 23, 205}, [23, 24, 27], "[x] was put as a target, so a clear leaves it (10.1): call 5 left a condition behind"},
    {{random, 11, 63}, [41], "[b, b] and [x, a] were put as targets, as [x] above: call 19 left conditions behind"},
    {{random, 11, 49}, [37, 42], "call 36, a transaction, was recorded as a bare crash; here it is done, and puts [x, b]"}
]).

recorded_answers_test_() ->
    case filelib:is_dir(?DIRECTORY) of
        false ->
            io:format(user, "~nrecorded answers: skipped, no ~ts~n", [?DIRECTORY]),
            [];
        true ->
            {setup, fun load/0, fun unload/1, fun([Run | _]) ->
                [
                    {File, {timeout, ?TIMEOUT_S, fun() -> check(Run, File) end}}
                 || File <- ["cases.terms", "cases-transactions.terms"]
                ]
            end}
    end.

%% The one that makes the calls, and the body of its transactions.
load() ->
    [load(Module, Options) || {Module, Options} <- [
        {oracle_run, [{d, 'LIB', pando}]},
        {oracle_tx, [{d, 'TX', pando_tx}, {d, 'TXADV', pando_tx_adv}]}
    ]].

load(Module, Options) ->
    Source = filename:join(?DIRECTORY, atom_to_list(Module) ++ ".erl"),
    {ok, Module, Beam} = compile:file(Source, [binary | Options]),
    {module, Module} = code:load_binary(Module, Source, Beam),
    Module.

unload(Modules) ->
    lists:foreach(
        fun(Module) ->
            true = code:delete(Module),
            code:purge(Module)
        end,
        Modules
    ).

check(Run, File) ->
    {ok, Cases} = file:consult(filename:join(?DIRECTORY, File)),
    Results = pando_test_store:with_dir(fun(Dir) ->
        [check_case(Run, Dir, Id, Pairs) || {Id, Pairs} <- Cases]
    end),
    Compared = lists:sum([Calls || {Calls, _} <- Results]),
    All = lists:sum([length(Pairs) || {_, Pairs} <- Cases]),
    io:format(user, "~n~ts: ~b of ~b calls of ~b cases compared~n", [File, Compared, All, length(Cases)]),
    ?assertEqual(All, Compared),
    Differing = lists:append([CaseDiffering || {_, CaseDiffering} <- Results]),
    ?assertEqual({0, []}, {length(Differing), lists:sublist(Differing, ?SHOWN)}).

%% How many calls were compared, and those that differ: {Case, number, call, recorded, answered}.
check_case(Run, Dir, Id, Pairs) ->
    Store = pando_test_store:new_name(),
    {ok, Store} = pando:start(Dir, Store),
    try
        {Calls, Recorded} = lists:unzip(Pairs),
        Answers = Run:case_results(Store, {Id, Calls}),
        Rows = lists:zip3(lists:enumerate(Calls), Recorded, Answers),
        {length(Calls), [{Id, N, Call, Expected, Answer} || {{N, Call}, Expected, Answer} <- Rows,
            not is_right(Id, N, Expected, Answer)]}
    after
        ok = pando:stop(Store)
    end.

is_right(Id, N, Expected, Answer) ->
    IsListed = [] =/= [Case || {Case, Numbers, _Why} <- ?NOT_FOLLOWED, Case =:= Id, lists:member(N, Numbers)],
    %% One that agrees after all does not belong into the list.
    agree(Expected, Answer) =/= IsListed.

%% Of a recorded bare crash any clean answer will do.
agree({'EXCEPTION', error, Reason}, _) when is_atom(Reason) -> true;
agree(Expected, Answer) -> Expected =:= Answer.
