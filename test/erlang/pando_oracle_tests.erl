%% The recorded answers of ../shared/oracle, as far as this release has the calls. Skipped, with a message,
%% where the recordings are not.
%%
%% A case is a sequence of calls on one store. It is used up to its first write that is not here yet, because
%% from then on the trees differ; reads that are not here yet are left out. What agrees is what
%% oracle_check.erl takes for it.
-module(pando_oracle_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-define(DIRECTORY, "../shared/oracle").
-define(FILES, ["cases.terms", "cases-transactions.terms"]).
-define(TIMEOUT_S, 300).

-define(READS, [
    get, get_or, get_many, exists, has_data, count, is_empty, 'get!', 'get_or!', 'get_many!', 'exists!',
    'has_data!', 'count!'
]).
-define(WRITES, [
    put, create, update, delete, clear_payload, 'put!', 'create!', 'update!', 'delete!', 'clear_payload!'
]).
-define(OPTIONS, [
    timeout, favor, props_to_return, expect_specific_node, include_root_props, return_indirect_deletes
]).

recorded_answers_test_() ->
    case [File || Name <- ?FILES, File <- [filename:join(?DIRECTORY, Name)], filelib:is_regular(File)] of
        [] ->
            io:format(user, "~nrecorded answers: skipped, no ~ts~n", [?DIRECTORY]),
            [];
        Files ->
            {setup, fun() -> load(Files) end, fun unload/1, fun({Run, Cases}) ->
                {timeout, ?TIMEOUT_S, fun() -> check(Run, Cases) end}
            end}
    end.

load(Files) ->
    Source = filename:join(?DIRECTORY, "oracle_run.erl"),
    {ok, oracle_run, Beam} = compile:file(Source, [binary, {d, 'LIB', pando}]),
    {module, oracle_run} = code:load_binary(oracle_run, Source, Beam),
    {oracle_run, lists:append([cases(File) || File <- Files])}.

cases(File) ->
    {ok, Cases} = file:consult(File),
    Cases.

unload({Run, _}) ->
    true = code:delete(Run),
    code:purge(Run).

check(Run, Cases) ->
    {Calls, Differing} = pando_test_store:with_dir(fun(Dir) ->
        lists:foldl(
            fun(Case, {Count, Bad}) ->
                {CaseCount, CaseBad} = check_case(Run, Dir, Case),
                {Count + CaseCount, CaseBad ++ Bad}
            end,
            {0, []},
            Cases
        )
    end),
    io:format(user, "~nrecorded answers: ~b calls of ~b cases compared~n", [Calls, length(Cases)]),
    ?assert(Calls > 1000),
    ?assertEqual([], lists:reverse(Differing)).

check_case(Run, Dir, {Id, Pairs}) ->
    Store = pando_test_store:new_name(),
    {ok, Store} = pando:start(Dir, Store),
    try
        Usable = usable(Pairs),
        Actual = Run:case_results(Store, {Id, [Call || {Call, _} <- Usable]}),
        Compared = lists:append([
            row(Call, Expected, Answer)
         || {{Call, Expected}, Answer} <- lists:zip(Usable, Actual)
        ]),
        {length(Compared), [{Id, Row} || {_, Expected, Answer} = Row <- Compared, Expected =/= Answer]}
    after
        ok = pando:stop(Store)
    end.

%% Of a recorded bare crash any clean answer will do: it is run and not compared.
row(_Call, {'EXCEPTION', error, Reason}, _Answer) when is_atom(Reason) -> [];
row(Call, Expected, Answer) -> [{Call, Expected, Answer}].

usable([{Call, _} = Pair | Pairs]) ->
    case kind(Call) of
        here -> [Pair | usable(Pairs)];
        other_read -> usable(Pairs);
        other_write -> []
    end;
usable([]) ->
    [].

kind({path, _, Arguments}) -> here_or(not has_other(Arguments), other_read);
kind({fold, Path, Options}) -> here_or(not has_other([Path, Options]), other_read);
kind({Kind, _, _}) when Kind =:= map; Kind =:= filter; Kind =:= foreach -> other_read;
kind({Module, Function, Arguments}) when Module =:= db; Module =:= adv ->
    case {lists:member(Function, ?READS), lists:member(Function, ?WRITES)} of
        {true, false} -> here_or(not has_other(Arguments), other_read);
        {false, true} -> here_or(not has_other(Arguments), other_write);
        {false, false} -> here_or(false, kind_of_other(Function))
    end;
kind(_Transaction) ->
    other_write.

here_or(true, _) -> here;
here_or(false, Other) -> Other.

kind_of_other(Function) ->
    Reads = [get_many_or, 'get_many_or!', is_sproc, 'is_sproc!', has_projection, run_sproc],
    case lists:member(Function, Reads) of
        true -> other_read;
        false -> other_write
    end.

%% Whether a call has a condition other than `*' and `**' in a path, or an option of a later release.
has_other(Arguments) ->
    lists:any(fun is_other/1, Arguments).

is_other(Options) when is_map(Options) ->
    %% The payload of a put may be a map as well: then it has no option in it, and a call too few is no harm.
    lists:any(
        fun(Key) -> lists:member(Key, [keep_while, async, reply_from, condition]) end, maps:keys(Options)
    );
is_other(Path) when is_list(Path); is_binary(Path) ->
    try pando_path:from_string(Path) of
        Native -> lists:any(fun is_other_component/1, proper(Native))
    catch
        error:_ -> false
    end;
is_other(_) ->
    false.

proper(List) ->
    case is_list(List) andalso length(List) >= 0 of
        true -> List;
        false -> []
    end.

is_other_component(#if_name_matches{regex = any}) -> false;
is_other_component(#if_path_matches{regex = any}) -> false;
is_other_component(Component) -> ?IS_PANDO_CONDITION(Component).
