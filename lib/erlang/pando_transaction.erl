%% @private Transactions: runs a function on a private copy of a tree until what it has read is still so when it is committed.
%%
%% The function runs in the caller. What it reads and writes goes to the transaction (`pando_backend:transaction()'), which
%% notes both. The first attempt runs on the newest view that readers see. One that was lost says at which path; the next
%% attempts stand in line for these paths, and run on the newest state that was proposed, when it is their turn.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>A transaction is ended on every path: committed or closed once.</li>
%% <li>While the function runs, and only then, the process dictionary has what the functions of `pando_tx' need, under one
%%     key; what was there before is put back, whatever happens. No message is left behind.</li>
%% <li>Lines only spare work: whether a transaction is committed is decided by what it has read, never by whose turn it is. So
%%     nobody waits for a turn for longer than a limit.</li>
%% <li>Nobody is told anything that was concluded from a state which was proposed and not committed yet.</li>
%% </ol>
-module(pando_transaction).

-include_lib("kernel/include/logger.hrl").
-include("pando_source.hrl").

-export([transaction/5, outcome/5, ordinary/2, async_result/1]).
-export([reading/1, writing/0, ensure_running/0, abort/1, is_transaction/0, after_commit/1]).

-export_type([mode/0, result/0]).

-type mode() :: auto | ro | rw.
-type result() :: ok | {ok, term()} | {ok, term(), pando_token:token()} | {error, Reason :: term()}.

%% What comes out of one attempt, or of all. `refused': there is no function to run; `failed': the store could not do it.
-type outcome() ::
    {value, term()}
    | {aborted, Reason :: term()}
    | {refused, pando_errors:reason() | {pando_ex, atom(), map()}}
    | {failed, pando_errors:reason()}
    | {raised, error | exit | throw, Reason :: term(), erlang:stacktrace()}.

%% How often a function is run, when others keep changing what it has read. Fair lines make a few enough.
-define(ATTEMPTS_MAX, 100).
%% How long an attempt waits for its turn, in milliseconds: that of a transaction which had its turn and does nothing with
%% it does not hold others up for long.
-define(LANE_WAIT_MS_MAX, 100).

%% How long a message that was sent is waited for, in milliseconds: a thread that is held up between two instructions.
-define(TOLD_WAIT_MS_MAX, 5000).

-define(KEY, '$pando_transaction').
-define(ABORTED, '$pando_transaction_aborted').
-define(LOG_DOMAIN, #{domain => [pando]}).

%% What is to be done.
-record(job, {
    store :: pando_backend:store_id(),
    body :: {function, fun(), [term()]} | {stored, pando_path:pattern(), [term()]},
    mode :: read_only | read_write,
    deadline :: pando_client:deadline(),
    request_id :: none | binary()
}).

%% What the functions of `pando_tx' find.
-record(running, {
    store :: pando_backend:store_id(),
    transaction :: pando_backend:transaction(),
    mode :: read_only | read_write,
    %% As errors show it.
    function :: fun() | pando_path:pattern(),
    deadline :: pando_client:deadline(),
    %% Whether anything was read or written.
    is_touched = false :: boolean(),
    %% The last one first.
    after_commit = [] :: [fun(() -> term())],
    %% That of the function which runs this transaction.
    outer :: undefined | #running{}
}).

%%% From outside

%% Runs a transaction: `pando:transaction/5'.
-spec transaction(pando_cluster:store_id(), Body, [term()], mode(), map()) -> result() when
    Body :: fun() | pando_path:path() | pando_transaction_request:data().
transaction(Store, Body, Arguments, Mode, Options) ->
    case outcome(Store, Body, Arguments, Mode, Options) of
        {aborted, Reason} -> {error, Reason};
        Result -> Result
    end.

%% The same for who wants to tell what `pando_tx:abort/1' was given, which may be any term, from what the store says.
-spec outcome(pando_cluster:store_id(), Body, [term()], mode(), map()) -> result() | {aborted, Reason :: term()} when
    Body :: fun() | pando_path:path() | pando_transaction_request:data().
outcome(Store, Function, Arguments, Mode, Options) when
    is_atom(Store), is_function(Function), is_list(Arguments), is_atom(Mode), is_map(Options)
->
    case is_mode(Mode) andalso is_function(Function, length(Arguments)) of
        true ->
            run(Store, {function, Function, Arguments}, Mode, pando_options:transaction(Options));
        false ->
            {arity, Arity} = erlang:fun_info(Function, arity),
            raise_invalid_arguments(Function, Arity, Arguments)
    end;
outcome(Store, Path, Arguments, Mode, Options) when
    is_atom(Store), is_list(Path), is_list(Arguments), is_atom(Mode), is_map(Options)
->
    Native = pando_path:from_string(Path),
    case is_mode(Mode) of
        true -> run(Store, {stored, Native, Arguments}, Mode, pando_options:transaction(Options));
        false -> raise_invalid_arguments(Native, length(Arguments), Arguments)
    end;
outcome(Store, Data, [], auto, Options) when is_atom(Store), is_map(Data), is_map(Options) ->
    pando_transaction_request:run(Store, Data, pando_options:transaction(Options)).

is_mode(Mode) -> lists:member(Mode, [auto, ro, rw]).

-spec raise_invalid_arguments(fun() | pando_path:pattern(), arity(), [term()]) -> no_return().
raise_invalid_arguments(Function, Arity, Arguments) ->
    pando_errors:raise_misuse(denied_tx_fun_with_invalid_args, #{
        'fun' => Function,
        arity => Arity,
        args => Arguments
    }).

%% Raises, if the caller is the function of a transaction on this store that may write: a call of `pando' on the same store
%% would not be part of it. In front of every such call, so quick where there is no transaction.
-spec ordinary(term(), mfa()) -> ok.
ordinary(Store, Call) when not ?IS_TRANSACTION(Store) ->
    case erlang:get(?KEY) of
        undefined -> ok;
        Running -> ordinary(Store, Call, Running)
    end.

ordinary(_Store, _Call, undefined) ->
    ok;
ordinary(Store, Call, #running{store = Store, mode = read_write, function = Function}) ->
    {current_stacktrace, Stacktrace} = process_info(self(), current_stacktrace),
    %% The shape in which the specification has refusals (13.4).
    pando_errors:raise_misuse(failed_to_prepare_tx_fun, #{
        'fun' => Function,
        error => {horus, extraction_denied, #{error => {call_denied, Call}}},
        stacktrace => Stacktrace
    });
ordinary(Store, Call, #running{outer = Outer}) ->
    ordinary(Store, Call, Outer).

%% What was delivered of an asynchronous transaction: what the function has returned, bare.
-spec async_result(outcome()) -> term().
async_result({value, Value}) -> Value;
async_result({aborted, Reason}) -> {error, Reason};
async_result(Outcome) -> result(Outcome).

%%% From inside

%% The transaction to read from. Before the first thing that it reads, it waits for its turn if others do.
-spec reading(pando_path:path()) -> pando_backend:transaction().
reading(Path) ->
    case running() of
        #running{mode = read_write, is_touched = false, transaction = Transaction, deadline = Deadline} = Running ->
            _ = put(?KEY, Running#running{is_touched = true}),
            ok = enter(Transaction, pando_condition:prepare(pando_path:from_string(Path)), Deadline),
            Transaction;
        #running{transaction = Transaction} ->
            Transaction
    end.

%% The transaction to write in.
-spec writing() -> pando_backend:transaction().
writing() ->
    case running() of
        #running{mode = read_only} ->
            pando_errors:raise_misuse(denied_update_in_readonly_tx, #{});
        #running{is_touched = false, transaction = Transaction} = Running ->
            _ = put(?KEY, Running#running{is_touched = true}),
            Transaction;
        #running{transaction = Transaction} ->
            Transaction
    end.

-spec ensure_running() -> ok.
ensure_running() ->
    #running{} = running(),
    ok.

-spec abort(term()) -> no_return().
abort(Reason) ->
    ok = ensure_running(),
    throw({?ABORTED, Reason}).

-spec is_transaction() -> boolean().
is_transaction() -> erlang:get(?KEY) =/= undefined.

-spec after_commit(fun(() -> term())) -> ok.
after_commit(Function) when is_function(Function, 0) ->
    #running{after_commit = Before} = Running = running(),
    _ = put(?KEY, Running#running{after_commit = [Function | Before]}),
    ok.

running() ->
    case erlang:get(?KEY) of
        undefined -> pando_errors:raise_misuse(invalid_use_of_pando_tx_outside_transaction, #{});
        Running -> Running
    end.

%%% All attempts

run(Store, Body, Mode, #{return := token} = Options) ->
    pando_token:attach(Store, fun() -> run(Store, Body, Mode, Options#{return := result}) end);
run(Store, Body, Mode, #{async := false} = Options) ->
    pando_telemetry:span(transaction, Store, fun() -> result(finished(first(Store, Body, Mode, Options))) end);
run(Store, Body, Mode, #{async := Notification} = Options) ->
    Outcome = finished(first(Store, Body, Mode, Options)),
    case {Outcome, Notification} of
        %% As of other writes that nobody waits for.
        {{failed, overload}, _} ->
            result(Outcome);
        {{failed, noproc}, {correlation, _}} ->
            result(Outcome);
        {_, none} ->
            ok;
        {_, {correlation, Correlation}} ->
            Member = pando_cluster:this_member(Store),
            self() ! {ra_event, Member, {applied, [{Correlation, {transaction, Outcome}}]}},
            ok
    end.

-spec result(outcome()) -> {ok, term()} | {aborted, Reason :: term()} | {error, Reason :: term()}.
result({value, Value}) -> {ok, Value};
result({aborted, _} = Aborted) -> Aborted;
result({raised, Class, Reason, Stacktrace}) -> erlang:raise(Class, Reason, Stacktrace);
result({_NoValue, Reason}) -> {error, Reason}.

%% The functions that were to run after the commit have their turn, each whatever became of the others.
finished({{value, _} = Outcome, AfterCommit}) ->
    ok = lists:foreach(fun run_after_commit/1, lists:reverse(AfterCommit)),
    Outcome;
finished({Outcome, _AfterCommit}) ->
    Outcome.

run_after_commit(Function) ->
    try
        _ = Function(),
        ok
    catch
        Class:Reason:Stacktrace ->
            ?LOG_ERROR(
                "A function given to pando_tx:after_commit/1 has failed, the transaction is committed:~n~ts",
                [erl_error:format_exception(Class, Reason, Stacktrace)],
                ?LOG_DOMAIN
            )
    end.

%% The outcome, and what is to run after the commit.
first(Store, Body, ro, #{deadline := Deadline} = Options) ->
    Job = #job{store = Store, body = Body, mode = read_only, deadline = Deadline, request_id = none},
    when_ready(Options, Job, fun() -> attempt(Job, [], 1) end);
first(_Store, _Body, _Mode, #{refused := {unknown_option, _, _} = Refused}) ->
    {{failed, Refused}, []};
first(Store, Body, Mode, #{deadline := Deadline, request_id := RequestId} = Options) ->
    Job = #job{store = Store, body = Body, mode = read_write, deadline = Deadline, request_id = RequestId},
    when_ready(options_of_mode(Mode, Options), Job, fun() -> unless_repeated(Job) end).

%% What says how fresh a read is to be is for those who only read, which `auto' may turn out to do.
options_of_mode(auto, Options) -> Options;
options_of_mode(rw, Options) -> Options#{favor := low_latency, applied := none}.

when_ready(Options, #job{store = Store}, Go) ->
    case pando_read:ready(Store, Options) of
        ok -> Go();
        {error, Reason} -> {{failed, Reason}, []}
    end.

unless_repeated(#job{request_id = none} = Job) ->
    attempt(Job, [], 1);
unless_repeated(#job{store = Store, request_id = RequestId} = Job) ->
    case pando_backend:request_result(Store, RequestId) of
        none -> attempt(Job, [], 1);
        Kept -> {kept(Kept), []}
    end.

%% What is known of a request that was committed before.
kept({repeated, Value}) -> {value, Value};
kept(repeated) -> failed(answer_not_kept);
kept({error, Reason}) -> failed(Reason).

failed(Reason) -> {failed, pando_errors:reason(Reason)}.

%%% One attempt

%% `Lost' are the paths on which earlier ones were lost.
attempt(#job{store = Store, mode = Mode, deadline = Deadline} = Job, Lost, Number) ->
    case pando_client:is_past(Deadline) of
        true ->
            {failed(timeout), []};
        false ->
            case pando_backend:transaction_begin(Store, Mode) of
                {ok, Transaction} -> attempt(Job, Transaction, Lost, Number);
                {error, Reason} -> {failed(Reason), []}
            end
    end.

attempt(#job{deadline = Deadline} = Job, Transaction, Lost, Number) ->
    case stand_in_line(Transaction, Lost, Deadline) of
        ok ->
            {Outcome, AfterCommit} = execute(Job, Transaction),
            case finish(Job, Transaction, Outcome) of
                {conflict, Path} when Number >= ?ATTEMPTS_MAX ->
                    {failed({too_many_conflicts, Number, Path}), []};
                {conflict, Path} ->
                    attempt(Job, lists:usort([Path | Lost]), Number + 1);
                {repeated, Kept} ->
                    %% It is another one that was committed.
                    {Kept, []};
                Finished ->
                    {Finished, AfterCommit}
            end;
        {error, Reason} ->
            _ = pando_backend:transaction_close(Transaction),
            {failed(Reason), []}
    end.

%% Runs the function.
execute(#job{store = Store, mode = Mode, body = Body, deadline = Deadline}, Transaction) ->
    Outer = put(?KEY, #running{
        store = Store,
        transaction = Transaction,
        mode = Mode,
        function = element(2, Body),
        deadline = Deadline,
        outer = erlang:get(?KEY)
    }),
    try
        Outcome = call(Body, Transaction),
        {Outcome, to_run_after_commit()}
    catch
        throw:{?ABORTED, Reason} ->
            {{aborted, Reason}, []};
        error:{pando_ex, denied_update_in_readonly_tx, _} when Mode =:= read_only, element(1, Body) =:= stored ->
            {{refused, {pando, sproc_invalid_as_tx_fun, #{path => element(2, Body)}}}, []};
        Class:Reason:Stacktrace ->
            {{raised, Class, Reason, Stacktrace}, []}
    after
        restore(Outer)
    end.

call({function, Function, Arguments}, _Transaction) ->
    {value, apply(Function, Arguments)};
call({stored, Path, Arguments}, Transaction) ->
    case pando_sproc:find(Transaction, Path) of
        {ok, Function} -> {value, apply(Function, Arguments)};
        {error, Reason} -> {refused, Reason}
    end.

%% Nothing, if the function has emptied the process dictionary.
to_run_after_commit() ->
    case erlang:get(?KEY) of
        #running{after_commit = AfterCommit} -> AfterCommit;
        undefined -> []
    end.

restore(undefined) -> erase(?KEY);
restore(Outer) -> put(?KEY, Outer).

%% Ends the attempt: its outcome, or `{conflict, Path}', or `{repeated, Outcome}'.
finish(#job{mode = read_write} = Job, Transaction, {value, Value} = Outcome) ->
    #job{request_id = RequestId, deadline = Deadline} = Job,
    Once =
        case RequestId of
            none -> none;
            _ -> {RequestId, Value}
        end,
    %% One that is done once is committed also if it writes nothing: so its retry answers what it has answered.
    case Once =/= none orelse pando_backend:transaction_has_writes(Transaction) of
        true -> commit(Job, Transaction, Once, Outcome, line_deadline(Deadline));
        false -> close(Job, Transaction, Outcome)
    end;
finish(Job, Transaction, Outcome) ->
    close(Job, Transaction, Outcome).

%% Without a commit. What it has read becomes true before anybody is told.
close(#job{store = Store, deadline = Deadline}, Transaction, Outcome) ->
    case pando_backend:transaction_close(Transaction) of
        committed ->
            Outcome;
        predicted ->
            case pando_client:barrier(Store, Deadline) of
                ok ->
                    case pando_backend:transaction_came_true(Transaction) of
                        true -> Outcome;
                        %% It has read what never was.
                        false -> {conflict, []}
                    end;
                {error, Reason} ->
                    %% What may be let go then, is: nobody asks it any more.
                    _ = pando_backend:transaction_came_true(Transaction),
                    failed(Reason)
            end
    end.

commit(#job{deadline = Deadline} = Job, Transaction, Once, Outcome, LineDeadline) ->
    case pando_client:is_past(Deadline) of
        true ->
            _ = pando_backend:transaction_close(Transaction),
            failed(timeout);
        false ->
            case pando_client:commit(Transaction, Once, Deadline) of
                ok -> Outcome;
                {conflict, Path} -> {conflict, Path};
                {in_line, Reference} -> commit_later(Job, Transaction, Once, Outcome, LineDeadline, Reference);
                {error, Reason} -> failed(Reason);
                Repeated -> {repeated, kept(Repeated)}
            end
    end.

commit_later(_Job, Transaction, _Once, _Outcome, passed, _Reference) ->
    %% Has left all lines, and is told to wait all the same: once more from the start.
    _ = pando_backend:transaction_close(Transaction),
    {conflict, []};
commit_later(Job, Transaction, Once, Outcome, LineDeadline, Reference) ->
    case pando_client:await_turn(Reference, LineDeadline) of
        ok ->
            commit(Job, Transaction, Once, Outcome, LineDeadline);
        late ->
            ok = go_on(Transaction, Reference),
            commit(Job, Transaction, Once, Outcome, passed);
        {error, Reason} ->
            _ = pando_backend:transaction_close(Transaction),
            failed(Reason)
    end.

%%% Lines

%% All paths on which earlier attempts were lost.
stand_in_line(_Transaction, [], _Deadline) ->
    ok;
stand_in_line(Transaction, Lost, Deadline) ->
    Ask = fun(Reference) -> pando_backend:transaction_stand_in_line(Transaction, Reference, Lost) end,
    wait_in_line(Transaction, Ask, line_deadline(Deadline)).

%% Before the first read. The store may have gone: the read that comes will say so.
enter(Transaction, Path, Deadline) ->
    Ask = fun(Reference) -> pando_backend:transaction_enter(Transaction, Reference, Path) end,
    case wait_in_line(Transaction, Ask, line_deadline(Deadline)) of
        ok -> ok;
        {error, _} -> ok
    end.

wait_in_line(Transaction, Ask, LineDeadline) ->
    Reference = make_ref(),
    case Ask(Reference) of
        ok ->
            ok;
        in_line ->
            case pando_client:await_turn(Reference, LineDeadline) of
                ok -> wait_in_line(Transaction, Ask, LineDeadline);
                late -> go_on(Transaction, Reference);
                {error, _} = Error -> Error
            end
    end.

%% Without a turn. If it has been given just now, the message about it is there, or on its way.
go_on(Transaction, Reference) ->
    WaitMs =
        case pando_backend:transaction_go_on(Transaction) of
            ok -> 0;
            told -> ?TOLD_WAIT_MS_MAX
        end,
    _ = pando_client:await_turn(Reference, pando_client:deadline(WaitMs)),
    ok.

line_deadline(infinity) -> pando_client:deadline(?LANE_WAIT_MS_MAX);
line_deadline(Deadline) -> min(pando_client:deadline(?LANE_WAIT_MS_MAX), Deadline).
