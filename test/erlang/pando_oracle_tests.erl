%% The recorded answers of ../shared/oracle. Skipped, with a message, where the recordings are not.
%%
%% A case is a sequence of calls on a store of its own. Of cases.terms every call of every case is made and compared;
%% of cases-transactions.terms those up to the first transaction of a case, because transactions are not here yet.
%% What agrees is what oracle_check.erl takes for it.
-module(pando_oracle_tests).

-include_lib("eunit/include/eunit.hrl").

-define(DIRECTORY, "../shared/oracle").
-define(TIMEOUT_S, 300).
%% So many calls that differ are shown.
-define(SHOWN, 10).

%% Where specification section 21 and the recorded answer disagree, section 21 stands: {Case, number of the call, why}.
-define(SECTION_21, []).

recorded_answers_test_() ->
    case filelib:is_dir(?DIRECTORY) of
        false ->
            io:format(user, "~nrecorded answers: skipped, no ~ts~n", [?DIRECTORY]),
            [];
        true ->
            {setup, fun load/0, fun unload/1, fun(Run) ->
                [
                    {File, {timeout, ?TIMEOUT_S, fun() -> check(Run, File, Usable) end}}
                 || {File, Usable} <- [
                        {"cases.terms", fun(Pairs) -> Pairs end},
                        {"cases-transactions.terms", fun before_transactions/1}
                    ]
                ]
            end}
    end.

load() ->
    Source = filename:join(?DIRECTORY, "oracle_run.erl"),
    {ok, oracle_run, Beam} = compile:file(Source, [binary, {d, 'LIB', pando}]),
    {module, oracle_run} = code:load_binary(oracle_run, Source, Beam),
    oracle_run.

unload(Run) ->
    true = code:delete(Run),
    code:purge(Run).

before_transactions(Pairs) ->
    lists:takewhile(fun({Call, _}) -> element(1, Call) =/= tx end, Pairs).

check(Run, File, Usable) ->
    {ok, Cases} = file:consult(filename:join(?DIRECTORY, File)),
    Results = pando_test_store:with_dir(fun(Dir) ->
        [check_case(Run, Dir, Id, Usable(Pairs)) || {Id, Pairs} <- Cases]
    end),
    Compared = lists:sum([Calls || {Calls, _} <- Results]),
    All = lists:sum([length(Pairs) || {_, Pairs} <- Cases]),
    io:format(user, "~n~ts: ~b of ~b calls of ~b cases compared~n", [File, Compared, All, length(Cases)]),
    ?assert(Compared > length(Cases)),
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
    case [Why || {Case, Number, Why} <- ?SECTION_21, Case =:= Id, Number =:= N] of
        [] -> agree(Expected, Answer);
        %% One that agrees after all does not belong into the list.
        [_] -> not agree(Expected, Answer)
    end.

%% Of a recorded bare crash any clean answer will do.
agree({'EXCEPTION', error, Reason}, _) when is_atom(Reason) -> true;
agree(Expected, Answer) -> Expected =:= Answer.
