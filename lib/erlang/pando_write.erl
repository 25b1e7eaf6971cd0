%% @private Writes, as `pando' and `pando_adv' ask for them, and `pando_tx' and `pando_tx_adv'.
-module(pando_write).

-export([put/6, delete/4, clear/4, brief/1, async_results/1]).
-export([put_request/5, delete_request/3, clear_request/3, submit/3, shown_path/1]).

-include("pando.hrl").
-include("pando_source.hrl").

-export_type([mode/0, result/0, named/0]).

-type mode() :: one | many.
%% Whether the path has to name exactly one node.
-type result() ::
    ok
    | {ok, pando_adv:node_props_map()}
    | {ok, pando_adv:node_props_map(), pando_token:token()}
    | {error, pando_errors:reason()}.
%% `ok' of an asynchronous write. Without properties wanted, the map is empty.
-opaque named() :: pando_path:pattern() | {existing, pando_path:pattern()}.
%% The path of a request, as errors are to show it.

%% Puts a payload. `Conditions' is what the function adds to the last component of the path.
-spec put(mode(), term(), term(), [pando_path:condition()], term(), pando_options:command()) -> result().
put(Mode, Source, Path, Conditions, Data, Options) when ?IS_SOURCE(Source) ->
    {Request, Named} = put_request(Mode, Path, Conditions, Data, Options),
    send(Source, Request, Named, Options);
put(_Mode, _Source, Path, _Conditions, Data, _Options) ->
    %% Arguments mixed up, such as `put(Path, Data, Options)'.
    pando_errors:raise_misuse(invalid_payload, #{path => Path, payload => pando_payload:wrap(Data)}).

-spec put_request(mode(), term(), [pando_path:condition()], term(), pando_options:command()) ->
    {pando_backend:request(), named()}.
put_request(Mode, Path, Conditions, Data, Options) ->
    Native = target(pando_path:from_string(Path), Conditions),
    {Kind, Value} = payload(Data),
    {{put, Native, Kind, Value, scope(Mode, Options), keep_while(Options), wanted(Options)}, Native}.

%% Deletes; an option `keep_while' means nothing here.
-spec delete(mode(), term(), term(), pando_options:command()) -> result().
delete(Mode, Source, Path, Options) when ?IS_SOURCE(Source) ->
    {Request, Named} = delete_request(Mode, Path, Options),
    send(Source, Request, Named, Options).

-spec delete_request(mode(), term(), pando_options:command()) -> {pando_backend:request(), named()}.
delete_request(Mode, Path, Options) ->
    Native = pando_condition:prepare(pando_path:from_string(Path)),
    {{delete, Native, scope(Mode, Options), wanted(Options)}, Native}.

%% Takes payloads off nodes that are there: that condition is part of the request, and of the path in errors alone.
-spec clear(mode(), term(), term(), pando_options:command()) -> result().
clear(Mode, Source, Path, Options) when ?IS_SOURCE(Source) ->
    {Request, Named} = clear_request(Mode, Path, Options),
    send(Source, Request, Named, Options).

-spec clear_request(mode(), term(), pando_options:command()) -> {pando_backend:request(), named()}.
clear_request(Mode, Path, Options) ->
    Native = pando_condition:prepare(pando_path:from_string(Path)),
    {{clear, Native, scope(Mode, Options), keep_while(Options), wanted(Options)}, {existing, Native}}.

%% A result for who did not ask which nodes.
-spec brief(result()) -> ok | {ok, pando_token:token()} | {error, pando_errors:reason()}.
brief(ok) -> ok;
brief({ok, _}) -> ok;
brief({ok, _, Token}) -> {ok, Token};
brief({error, _} = Error) -> Error.

%% The path with more conditions on its last component.
target(Path, []) ->
    pando_condition:prepare(Path);
target(Path, Conditions) ->
    %% Before anything is added, so that an error shows what the caller gave.
    ok = pando_path:ensure_is_valid(Path),
    pando_path:combine_with_conditions(testable(pando_condition:prepare(Path)), Conditions).

%% The root has no component that could meet a condition, and a parent is nothing to test: this node is.
testable([]) ->
    [?THIS_PANDO_NODE];
testable(Path) ->
    case lists:last(Path) of
        Walked when Walked =:= ?PARENT_PANDO_NODE; Walked =:= ?PANDO_ROOT_NODE -> Path ++ [?THIS_PANDO_NODE];
        _ -> Path
    end.

payload(Data) ->
    case pando_payload:prepare(pando_payload:wrap(Data)) of
        #p_data{data = Value} -> {data, Value};
        #p_sproc{sproc = Procedure} -> {sproc, Procedure};
        ?NO_PAYLOAD -> {none, undefined}
    end.

scope(one, _Options) -> one;
scope(many, #{expect_specific_node := true}) -> one;
scope(many, #{include_root := true}) -> many_and_root;
scope(many, _Options) -> many.

keep_while(#{keep_while := keep}) -> keep;
keep_while(#{keep_while := KeepWhile}) -> pando_condition:prepare_keep_while(KeepWhile).

wanted(#{async := none}) -> none;
wanted(#{async := false, props := none}) -> none;
%% The message tells which nodes, also to who wants no properties of them.
wanted(#{props := none, indirect_deletes := IndirectDeletes}) -> {pando_props:no_bits(), IndirectDeletes};
wanted(#{props := Props, indirect_deletes := IndirectDeletes}) -> {Props, IndirectDeletes}.

%% Has a request done: in a transaction at once, by a store when it is its turn.
-spec send(pando_backend:source(), pando_backend:request(), named(), pando_options:command()) -> result().
send(Transaction, Request, Named, _Options) when ?IS_TRANSACTION(Transaction) ->
    answer(pando_client:write(Transaction, Request), Named);
send(Store, Request, Named, #{return := token} = Options) ->
    pando_token:attach(Store, fun() -> send(Store, Request, Named, Options#{return := result}) end);
send(Store, Request, Named, Options) ->
    case submit(Store, Request, Options) of
        sent -> ok;
        {refused, Refused} -> {error, Refused};
        Result -> answer(Result, Named)
    end.

%% Has a store do what is requested. `sent': nobody waits for it. `refused': an option has a value that is not taken. Reasons
%% of errors are native.
-spec submit(pando_backend:store_id(), pando_backend:request(), pando_options:command() | pando_options:transaction()) ->
    sent | {refused, pando_errors:reason()} | pando_backend:result() | {error, timeout}.
submit(_Store, _Request, #{refused := {unknown_option, _, _} = Refused}) ->
    {refused, Refused};
submit(Store, Request, #{async := false, deadline := Deadline} = Options) ->
    Call = fun() -> pando_client:call(Store, once(Request, Options), Deadline) end,
    pando_telemetry:span(element(1, Request), Store, Call);
submit(Store, Request, #{async := Notification} = Options) ->
    case {pando_client:cast(Store, once(Request, Options), Notification), Notification} of
        {ok, _} -> sent;
        %% Who asks for no message is not told that there is no store.
        {{error, noproc}, none} -> sent;
        {{error, _} = Error, _} -> Error
    end.

once(Request, #{request_id := none}) -> Request;
once(Request, #{request_id := RequestId}) -> {once, RequestId, Request}.

answer(ok, _Named) -> {ok, #{}};
answer({ok, _} = Answer, _Named) -> Answer;
answer({error, Reason}, Named) -> {error, pando_errors:reason(Reason, shown_path(Named))}.

%% The path of a request as errors show it.
-spec shown_path(named()) -> pando_path:pattern().
shown_path({existing, Path}) -> existing(Path);
shown_path(Path) -> Path.

%% As errors show the path of a node that has to be there.
existing(Path) ->
    case is_list(Path) andalso pando_path:is_valid(Path) of
        true -> pando_path:combine_with_conditions(testable(Path), [#if_node_exists{exists = true}]);
        _Invalid -> Path
    end.

%% The results in a message of `pando_client:cast/3'. A value that is none of a write is delivered as it is.
-spec async_results(term()) -> [{pando:correlation(), Result :: term()}].
async_results({ra_event, _From, {applied, Replies}}) when is_list(Replies) ->
    [{Correlation, async_result(Reply)} || {Correlation, Reply} <- Replies];
async_results({ra_event, _From, {rejected, {not_leader, Leader, Correlation}}}) ->
    [{Correlation, {error, {not_leader, Leader}}}].

async_result({answer, _} = Reply) -> async_result(pando_client:result(Reply));
async_result({transaction, Result}) -> pando_transaction:async_result(Result);
async_result(ok) -> {ok, #{}};
async_result({ok, _} = Answer) -> Answer;
async_result({error, Reason}) -> {error, pando_errors:reason(Reason)};
async_result(Value) -> Value.
