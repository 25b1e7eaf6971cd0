%% @private The native side as a program of its own, for each store one: no fault in native code can end the VM.
%%
%% What each function does, `pando_backend' says. Handles are `{pando_port, Connection, Id}': what a call has made in the program
%% goes by the id of that call. They are let go by who uses them (`scan_close/1' and the like), with the process that has made
%% them, or with the store; not by being collected.
%%
%% Beyond what the library inside the VM does, a call may fail because the program has ended, or does not answer: reads say
%% `{error, {halted, Text, true}}', `{error, timeout}' or, if too much waits, `{error, overload}'; where there is no place for such a
%% reason, they say `{error, noproc}'.
-module(pando_port).
-behaviour(pando_backend).

-export([
    open/8,
    close/1,
    verify/2,
    verify_cancel/1,
    recover_inspect/2,
    recover/6,
    recover_cancel/1,
    stores/0,
    get_data/2,
    exists/2,
    has_data/2,
    read_quick/3,
    read/3,
    scan/6,
    scan_next/2,
    scan_close/1,
    count_next/1,
    condition_met/3,
    keep_while/1,
    submit/4,
    transaction_begin/2,
    transaction_stand_in_line/3,
    transaction_enter/3,
    transaction_go_on/1,
    transaction_write_quick/2,
    transaction_write/2,
    transaction_commit_quick/4,
    transaction_commit/4,
    transaction_close/1,
    transaction_has_writes/1,
    transaction_came_true/1,
    request_result/2,
    barrier/3,
    await_applied/4,
    answer/1,
    cancel/1,
    status/1,
    applied_index/1,
    peer_frame_quick/3,
    peer_frame/3,
    node_state/3,
    cluster_request/3,
    limits/0,
    take_snapshot/1,
    provoke_panic/2
]).

-export_type([handle/0, source/0]).

%% `undefined': nothing was made.
-type handle() :: {pando_port, Connection :: undefined | pid(), non_neg_integer() | {read_only, pando_port_frame:id()}}.
-type source() :: pando_backend:store_id() | handle().

%% What a request may be whose path is certainly none that is refused: then who does not wait for the outcome need not wait for
%% the program either. As much as the native side takes for quick.
-define(PLAIN_COMPONENTS_MAX, 16).
-define(PLAIN_NAME_SIZE_BYTES_MAX, 512).
-define(PLAIN_REQUEST_SIZE_BYTES_MAX, 32768).

%% Above it the native side answers `slow', which nobody would hear.
-define(QUICK_FRAME_SIZE_BYTES_MAX, 262144).
-define(NOTHING, {pando_port, undefined, 0}).
%% What is said of a request that is too large to be handed to the program: of a payload, what it would say; it is refused there
%% above this limit.
-define(PAYLOAD_SIZE_BYTES_MAX, 67109120).

%%% Stores

-spec open(
    pando_backend:store_id(),
    binary(),
    binary(),
    binary(),
    binary(),
    pando_backend:birth(),
    non_neg_integer(),
    pando_backend:open_options()
) -> handle().
open(Store, Name, Directory, NodeName, Holder, Birth, Incarnation, Options) ->
    Arguments = [Store, Name, Directory, NodeName, Holder, Birth, Incarnation, Options],
    case pando_port_sup:start_connection(#{purpose => {store, Store, self()}, open => Arguments}) of
        {ok, Connection} ->
            {pando_port, Connection, 1};
        {error, Reason} ->
            Text = unicode:characters_to_binary(io_lib:format("~0tp", [Reason])),
            self() ! {pando_opened, Store, {error, {open_failed, <<"other">>, Text}}},
            ?NOTHING
    end.

-spec close(pando_backend:store_id()) -> ok.
close(Store) ->
    case pando_port_registry:newest({store, Store}) of
        none ->
            self() ! {pando_closed, Store},
            ok;
        Connection ->
            pando_port_call:close(Connection, Store)
    end.

-spec stores() -> [pando_backend:store_id()].
stores() ->
    pando_port_registry:stores().

%%% Without a store

-spec verify(binary(), reference()) -> handle().
verify(Directory, Reference) ->
    begin_task(verify, [Directory, Reference], pando_verify, Reference).

-spec verify_cancel(handle()) -> ok.
verify_cancel(Handle) ->
    release(Handle).

-spec recover_inspect([binary()], reference()) -> handle().
recover_inspect(Directories, Reference) ->
    begin_task(recover_inspect, [Directories, Reference], pando_recover, Reference).

-spec recover(binary(), <<_:128>>, {given | otherwise, binary()}, boolean(), binary(), reference()) -> handle().
recover(Directory, ClusterId, Node, IsForced, Holder, Reference) ->
    begin_task(recover, [Directory, ClusterId, Node, IsForced, Holder, Reference], pando_recover, Reference).

-spec recover_cancel(handle()) -> ok.
recover_cancel(Handle) ->
    release(Handle).

begin_task(Function, Arguments, Tag, Reference) ->
    Made = of_service(fun(Target) -> pando_port_call:make(Target, Function, Arguments, {stream, Tag, Reference}) end),
    case Made of
        {{ok, _Id, Id}, Connection} ->
            {pando_port, Connection, Id};
        {{failed, Failure}, _} ->
            self() ! {Tag, Reference, {ended, {error, failure_text(Failure)}}},
            ?NOTHING
    end.

-spec condition_met(term(), atom() | binary(), pando_backend:node_props()) ->
    true | {false, term()} | {error, pando_backend:native_error()}.
condition_met(Condition, Name, Props) ->
    {Result, _} = of_service(fun(Target) -> pando_port_call:call(Target, condition_met, [Condition, Name, Props]) end),
    read_result(Result).

-spec limits() -> #{binary() => non_neg_integer()}.
limits() ->
    case of_service(fun(Target) -> pando_port_call:call(Target, limits, []) end) of
        {{ok, Limits}, _} -> Limits;
        {{failed, Failure}, _} -> error({limits, Failure})
    end.

%% By the program for what has no store; once more, if that was ending.
of_service(Call) ->
    case of_service_once(Call) of
        {{failed, noproc}, _} -> of_service_once(Call);
        Result -> Result
    end.

of_service_once(Call) ->
    case pando_port_registry:service() of
        {error, Text} -> {{failed, {halted, Text}}, none};
        none -> {{failed, noproc}, none};
        {Connection, _} = Target -> {Call(Target), Connection}
    end.

%%% Reads

-spec get_data(source(), pando_backend:native_path()) -> {ok, term()} | slow | {error, timeout}.
get_data(Source, Path) ->
    quick(Source, get_data, [Path]).

-spec exists(source(), pando_backend:native_path()) -> boolean() | slow | {error, timeout}.
exists(Source, Path) ->
    quick(Source, exists, [Path]).

-spec has_data(source(), pando_backend:native_path()) -> boolean() | slow | {error, timeout}.
has_data(Source, Path) ->
    quick(Source, has_data, [Path]).

%% Errors are for `read/3' to tell; but who has waited in vain once does not want to wait again.
quick(Source, Function, Arguments) ->
    case of_source(Source, Function, Arguments) of
        {ok, Result} -> Result;
        {failed, timeout} -> {error, timeout};
        {failed, _} -> slow
    end.

-spec read_quick(source(), pando_backend:native_path(), pando_backend:props_bits()) ->
    {ok, pando_backend:native_path(), pando_backend:node_props()} | {error, pando_backend:native_error()} | slow.
read_quick(Source, Path, PropsBits) ->
    read_result(of_source(Source, read_quick, [Path, PropsBits])).

-spec read(source(), pando_backend:native_path(), pando_backend:props_bits()) ->
    {ok, pando_backend:native_path(), pando_backend:node_props()} | {error, pando_backend:native_error()}.
read(Source, Path, PropsBits) ->
    read_result(of_source(Source, read, [Path, PropsBits])).

-spec scan(
    source(),
    pando_backend:native_path(),
    pando_backend:what(),
    boolean(),
    none | pando_backend:native_path(),
    boolean()
) -> {ok, handle()} | {error, pando_backend:native_error()}.
scan(Source, Pattern, What, IncludeRoot, From, EachOnce) ->
    case target(Source) of
        none ->
            {error, noproc};
        {Connection, _} = Target ->
            Arguments = [wire(Source), Pattern, What, IncludeRoot, From, EachOnce],
            made(pando_port_call:make(Target, scan, Arguments, cursor), Connection)
    end.

-spec scan_next(handle(), pos_integer()) ->
    {more | done, [{pando_backend:native_path(), pando_backend:node_props() | term()}]}
    | {error, pando_backend:native_error()}.
scan_next(Cursor, NodesMax) when is_integer(NodesMax), NodesMax > 0 ->
    chunk(Cursor, scan_next, [NodesMax], []);
scan_next(_Cursor, _NodesMax) ->
    error(badarg).

-spec scan_close(handle()) -> ok.
scan_close(Cursor) ->
    release(Cursor).

-spec count_next(handle()) -> {more | done, non_neg_integer()} | {error, pando_backend:native_error()}.
count_next(Cursor) ->
    chunk(Cursor, count_next, [], 0).

chunk({pando_port, Connection, Id} = Cursor, Function, Arguments, Nothing) ->
    try of_source(Cursor, Function, Arguments) of
        {ok, {more, _} = Chunk} ->
            Chunk;
        {ok, {done, _} = Last} ->
            ok = release(Cursor),
            Last;
        {failed, _} = Result ->
            %% What has come is not all: that is no end.
            ok = release(Cursor),
            read_result(Result)
    catch
        %% The program has no such cursor: it was read to its end or closed, or there were too many.
        error:badarg ->
            case pando_port_call:was_let_go(Connection, Id) of
                false ->
                    {done, Nothing};
                true ->
                    Text = <<"the process has opened many cursors since, and this one was closed">>,
                    {error, {command_failed, Text, true}}
            end
    end.

-spec keep_while(pando_backend:store_id()) ->
    {ok, non_neg_integer(), [{pando_backend:native_path(), [{pando_backend:native_path(), term()}]}]} | {error, noproc}.
keep_while(Store) ->
    or_noproc(of_source(Store, keep_while, [])).

-spec request_result(pando_backend:store_id(), binary()) ->
    none | repeated | {repeated, term()} | {error, pando_backend:native_error()}.
request_result(Store, RequestId) ->
    read_result(of_source(Store, request_result, [RequestId])).

-spec status(pando_backend:store_id()) -> {ok, #{atom() => term()}} | {error, noproc}.
status(Store) ->
    or_noproc(of_source(Store, status, [])).

-spec applied_index(pando_backend:store_id()) ->
    {ok, pando_backend:cluster_id(), non_neg_integer(), non_neg_integer()} | {error, noproc}.
applied_index(Store) ->
    or_noproc(of_source(Store, applied_index, [])).

%%% Writes

-spec submit(pando_backend:store_id(), pando_backend:reply_to(), pando_backend:request(), boolean()) ->
    ok | {ok, handle()} | {error, pando_backend:native_error()}.
submit(Store, Reference, Request, Cancellable) when is_reference(Reference) ->
    cast(Store, submit, [Reference, Request, Cancellable], {reference, Reference}, Cancellable);
submit(Store, none, Request, false) ->
    case of_source(Store, submit, [none, Request, false]) of
        {ok, Result} -> Result;
        {failed, Failure} -> {error, write_failure(Failure)}
    end;
submit(Store, {From, Correlation} = ReplyTo, Request, false) ->
    Later = {correlation, From, Correlation},
    case is_plain(Request) of
        true -> cast(Store, submit, [ReplyTo, Request, false], Later, false);
        %% Who has used it wrongly is to be told at once.
        false -> asked(Store, submit, [ReplyTo, Request, false], Later)
    end.

is_plain({put, Path, _Kind, Value, one, keep, _Wanted}) ->
    are_plain(Path, ?PLAIN_COMPONENTS_MAX) andalso erlang:external_size(Value) =< ?PLAIN_REQUEST_SIZE_BYTES_MAX;
is_plain({delete, Path, one, _Wanted}) ->
    are_plain(Path, ?PLAIN_COMPONENTS_MAX);
is_plain(_Request) ->
    false.

are_plain([], _Left) -> true;
are_plain([Name | Names], Left) when is_atom(Name), Left > 0 -> are_plain(Names, Left - 1);
are_plain([Name | Names], Left) when
    is_binary(Name), byte_size(Name) =< ?PLAIN_NAME_SIZE_BYTES_MAX, Left > 0
->
    are_plain(Names, Left - 1);
are_plain(_Path, _Left) ->
    false.

-spec barrier(pando_backend:store_id(), reference(), boolean()) ->
    ok | {ok, handle()} | {error, pando_backend:native_error()}.
barrier(Store, Reference, Cancellable) ->
    cast(Store, barrier, [Reference, Cancellable], {reference, Reference}, Cancellable).

-spec await_applied(pando_backend:store_id(), reference(), non_neg_integer(), boolean()) ->
    ok | {ok, handle()} | {error, pando_backend:native_error()}.
await_applied(Store, Reference, Index, Cancellable) ->
    cast(Store, await_applied, [Reference, Index, Cancellable], {reference, Reference}, Cancellable).

%% Sends a call whose reply comes later, and does not wait for the program.
cast(Store, Function, Arguments, ReplyTo, Cancellable) ->
    case pando_port_registry:store(Store) of
        none ->
            {error, noproc};
        {Connection, _} = Target ->
            case pando_port_call:cast(Target, Function, [Store | Arguments], ReplyTo) of
                {ok, Id} when Cancellable -> {ok, {pando_port, Connection, Id}};
                {ok, _Id} -> ok;
                {failed, Failure} -> {error, write_failure(Failure)}
            end
    end.

%% The same, but waits until the program has taken it.
asked(Source, Function, Arguments, ReplyTo) ->
    case target(Source) of
        none ->
            {error, noproc};
        {Connection, _} = Target ->
            case pando_port_call:make(Target, Function, [wire(Source) | Arguments], ReplyTo) of
                {ok, {ok, Id}, Id} -> {ok, {pando_port, Connection, Id}};
                {ok, Result, _Id} -> Result;
                {failed, Failure} -> {error, write_failure(Failure)}
            end
    end.

%% The result in a reply, as the program has encoded it: decoded by who asks.
-spec answer(binary()) -> pando_backend:result().
answer(Answer) when is_binary(Answer) ->
    binary_to_term(Answer).

-spec cancel(handle()) -> boolean().
cancel({pando_port, Connection, Id}) ->
    pando_port_call:cancel(Connection, Id).

%%% Transactions

-spec transaction_begin(pando_backend:store_id(), read_only | read_write) ->
    {ok, handle()} | {error, pando_backend:native_error()}.
transaction_begin(Store, Mode) ->
    case pando_port_registry:store(Store) of
        none ->
            {error, noproc};
        {Connection, _} = Target ->
            case {made(pando_port_call:make(Target, transaction_begin, [Store, Mode], none), Connection), Mode} of
                {{ok, {pando_port, Connection, Id}}, read_only} -> {ok, {pando_port, Connection, {read_only, Id}}};
                {Begun, _} -> Begun
            end
    end.

-spec transaction_stand_in_line(handle(), reference(), [pando_backend:native_path()]) -> ok | in_line.
transaction_stand_in_line(Transaction, Reference, Paths) ->
    ok_or_in_line(asked(Transaction, transaction_stand_in_line, [Reference, Paths], {reference, Reference})).

-spec transaction_enter(handle(), reference(), pando_backend:native_path()) -> ok | in_line.
transaction_enter(Transaction, Reference, Path) ->
    ok_or_in_line(asked(Transaction, transaction_enter, [Reference, Path], {reference, Reference})).

ok_or_in_line(in_line) -> in_line;
ok_or_in_line(ok) -> ok;
%% What comes next says so.
ok_or_in_line({error, _}) -> ok.

-spec transaction_go_on(handle()) -> ok | told.
transaction_go_on(Transaction) ->
    case of_source(Transaction, transaction_go_on, []) of
        {ok, Result} -> Result;
        %% A message may be there.
        {failed, _} -> told
    end.

-spec transaction_write_quick(handle(), pando_backend:request()) -> pando_backend:result() | slow.
transaction_write_quick(Transaction, Request) ->
    read_result(of_source(Transaction, transaction_write_quick, [Request])).

-spec transaction_write(handle(), pando_backend:request()) -> pando_backend:result().
transaction_write(Transaction, Request) ->
    read_result(of_source(Transaction, transaction_write, [Request])).

-spec transaction_commit_quick(handle(), reference(), pando_backend:once(), boolean()) ->
    ok
    | {ok, handle()}
    | {conflict, pando_backend:native_path()}
    | in_line
    | {error, pando_backend:native_error()}
    | slow.
transaction_commit_quick(Transaction, Reference, Once, Cancellable) ->
    commit(Transaction, transaction_commit_quick, Reference, Once, Cancellable).

-spec transaction_commit(handle(), reference(), pando_backend:once(), boolean()) ->
    ok
    | {ok, handle()}
    | {conflict, pando_backend:native_path()}
    | in_line
    | {error, pando_backend:native_error()}.
transaction_commit(Transaction, Reference, Once, Cancellable) ->
    commit(Transaction, transaction_commit, Reference, Once, Cancellable).

commit(Transaction, Function, Reference, Once, Cancellable) ->
    case asked(Transaction, Function, [Reference, Once, Cancellable], {reference, Reference}) of
        Again when Again =:= slow; Again =:= in_line ->
            Again;
        Final ->
            ok = release(Transaction),
            Final
    end.

-spec transaction_close(handle()) -> committed | predicted.
transaction_close(Transaction) ->
    case of_source(Transaction, transaction_close, []) of
        {ok, committed} ->
            ok = release(Transaction),
            committed;
        {ok, predicted} ->
            predicted;
        %% It has read what was committed, as far as it came.
        {failed, _} when element(1, element(3, Transaction)) =:= read_only ->
            committed;
        %% Nobody knows, so it has to be asked for.
        {failed, _} ->
            predicted
    end.

-spec transaction_has_writes(handle()) -> boolean().
transaction_has_writes(Transaction) ->
    case of_source(Transaction, transaction_has_writes, []) of
        {ok, Result} -> Result;
        %% Then committing it says why not.
        {failed, _} -> true
    end.

-spec transaction_came_true(handle()) -> boolean().
transaction_came_true(Transaction) ->
    CameTrue = of_source(Transaction, transaction_came_true, []),
    ok = release(Transaction),
    CameTrue =:= {ok, true}.

%%% Members on other nodes

%% Nobody waits for the program, which takes frames of any size in the order in which they come.
-spec peer_frame_quick(pando_backend:store_id(), pando_backend:lane(), binary()) -> ok | slow | {error, noproc}.
peer_frame_quick(_Store, _Lane, Frame) when byte_size(Frame) > ?QUICK_FRAME_SIZE_BYTES_MAX ->
    slow;
peer_frame_quick(Store, Lane, Frame) ->
    note(Store, peer_frame_quick, [Lane, Frame]).

%% Frames may be lost: one for which there is no room now is.
-spec peer_frame(pando_backend:store_id(), pando_backend:lane(), binary()) -> ok | {error, noproc}.
peer_frame(Store, Lane, Frame) ->
    note(Store, peer_frame, [Lane, Frame]).

-spec node_state(pando_backend:store_id(), binary(), up | down | refused | bulk_refused) -> ok | {error, noproc}.
node_state(Store, NodeName, State) ->
    note(Store, node_state, [NodeName, State]).

note(Store, Function, Arguments) ->
    case pando_port_registry:member(Store) of
        none ->
            {error, noproc};
        Target ->
            case pando_port_call:note(Target, Function, [Store | Arguments]) of
                {failed, noproc} -> {error, noproc};
                _ -> ok
            end
    end.

-spec cluster_request(pando_backend:store_id(), reference(), pando_backend:cluster_request()) -> ok | {error, noproc}.
cluster_request(Store, Reference, Request) ->
    case asked(Store, cluster_request, [Reference, Request], {cluster, Reference}) of
        ok -> ok;
        {error, _} -> {error, noproc}
    end.

%%% Drills

-spec take_snapshot(pando_backend:store_id()) -> ok | under_way | noproc.
take_snapshot(Store) ->
    drill(of_source(Store, take_snapshot, [])).

-spec provoke_panic(pando_backend:store_id(), ingest | apply | log | reply) -> ok | noproc.
provoke_panic(Store, Thread) ->
    drill(of_source(Store, provoke_panic, [Thread])).

drill({ok, Result}) -> Result;
drill({failed, _}) -> noproc.

%%% Calls

%% A call about a store, or about what was made in one: the first argument.
of_source(Source, Function, Arguments) ->
    case target(Source) of
        none -> {failed, noproc};
        Target -> pando_port_call:call(Target, Function, [wire(Source) | Arguments])
    end.

target({pando_port, Connection, _Id}) -> pando_port_registry:connection(Connection);
target(Store) -> pando_port_registry:store(Store).

wire({pando_port, _Connection, {read_only, Id}}) -> Id;
wire({pando_port, _Connection, Id}) -> Id;
wire(Store) -> Store.

release(?NOTHING) -> ok;
release({pando_port, Connection, _} = Handle) -> pando_port_call:release(Connection, wire(Handle)).

made({ok, {ok, Id}, Id}, Connection) -> {ok, {pando_port, Connection, Id}};
made({ok, Result, _Id}, _Connection) -> Result;
made({failed, Failure}, _Connection) -> {error, read_failure(Failure)}.

read_result({ok, Result}) -> Result;
read_result({failed, Failure}) -> {error, read_failure(Failure)}.

or_noproc({ok, Result}) -> Result;
or_noproc({failed, _}) -> {error, noproc}.

%% Nothing can have changed.
read_failure({Kind, Text}) -> {Kind, Text, true};
read_failure(too_large) -> {limit_exceeded, <<"call_size_bytes_max">>, pando_port_call:call_size_bytes_max()};
read_failure(Failure) -> Failure.

write_failure({Kind, Text}) -> {Kind, Text, false};
write_failure(too_large) -> {limit_exceeded, <<"payload_size_bytes_max">>, ?PAYLOAD_SIZE_BYTES_MAX};
write_failure(Failure) -> Failure.

failure_text({_Kind, Text}) -> Text;
failure_text(noproc) -> <<"the program for it has ended">>;
failure_text(timeout) -> <<"the program for it does not answer">>;
failure_text(too_large) -> <<"that is too much for one call">>;
failure_text(overload) -> <<"too many calls are waiting">>.
