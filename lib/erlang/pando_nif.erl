%% @private The native library, inside the VM. Nothing but stubs: `pando_backend' says what each function does.
%%
%% A second version of this module cannot be loaded beside the first: a new native library needs a restart of the VM.
-module(pando_nif).
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
    limits/0
]).
%% For drills and for the floors of the benchmark.
-export([take_snapshot/1, provoke_panic/2, noop/0, noop_dirty/0]).

-on_load(load/0).

%% Written out in each stub: then dialyzer knows that the function is replaced when the library is loaded.
-define(NOT_LOADED, erlang:nif_error({not_loaded, ?MODULE})).

-nifs([
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
    provoke_panic/2,
    noop/0,
    noop_dirty/0
]).

load() ->
    erlang:load_nif(filename:join(priv_dir(), "pando_nif"), 0).

%% Beside the beam files when the application is not installed as one (plain `erl -pa').
priv_dir() ->
    case code:priv_dir(pando) of
        {error, bad_name} ->
            Beam = code:which(?MODULE),
            filename:join(filename:dirname(filename:dirname(Beam)), "priv");
        Dir ->
            Dir
    end.

-spec open(
    pando_backend:store_id(),
    binary(),
    binary(),
    binary(),
    binary(),
    pando_backend:birth(),
    non_neg_integer(),
    pando_backend:open_options()
) -> reference().
open(_Store, _Name, _Directory, _NodeName, _Holder, _Birth, _Incarnation, _Options) -> ?NOT_LOADED.

-spec close(pando_backend:store_id()) -> ok.
close(_Store) -> ?NOT_LOADED.

-spec verify(binary(), reference()) -> reference().
verify(_Directory, _Reference) -> ?NOT_LOADED.

-spec verify_cancel(reference()) -> ok.
verify_cancel(_Handle) -> ?NOT_LOADED.

-spec recover_inspect([binary()], reference()) -> reference().
recover_inspect(_Directories, _Reference) -> ?NOT_LOADED.

-spec recover(binary(), <<_:128>>, {given | otherwise, binary()}, boolean(), binary(), reference()) -> reference().
recover(_Directory, _ClusterId, _Node, _IsForced, _Holder, _Reference) -> ?NOT_LOADED.

-spec recover_cancel(reference()) -> ok.
recover_cancel(_Handle) -> ?NOT_LOADED.

-spec stores() -> [pando_backend:store_id()].
stores() -> ?NOT_LOADED.

-spec get_data(pando_backend:source(), pando_backend:native_path()) -> {ok, term()} | slow.
get_data(_Source, _Path) -> ?NOT_LOADED.

-spec exists(pando_backend:source(), pando_backend:native_path()) -> boolean() | slow.
exists(_Source, _Path) -> ?NOT_LOADED.

-spec has_data(pando_backend:source(), pando_backend:native_path()) -> boolean() | slow.
has_data(_Source, _Path) -> ?NOT_LOADED.

-spec read_quick(pando_backend:source(), pando_backend:native_path(), pando_backend:props_bits()) ->
    {ok, pando_backend:native_path(), pando_backend:node_props()} | {error, pando_backend:native_error()} | slow.
read_quick(_Source, _Path, _PropsBits) -> ?NOT_LOADED.

-spec read(pando_backend:source(), pando_backend:native_path(), pando_backend:props_bits()) ->
    {ok, pando_backend:native_path(), pando_backend:node_props()} | {error, pando_backend:native_error()}.
read(_Source, _Path, _PropsBits) -> ?NOT_LOADED.

-spec scan(
    pando_backend:source(),
    pando_backend:native_path(),
    pando_backend:what(),
    boolean(),
    none | pando_backend:native_path(),
    boolean()
) -> {ok, reference()} | {error, pando_backend:native_error()}.
scan(_Source, _Pattern, _What, _IncludeRoot, _From, _EachOnce) -> ?NOT_LOADED.

-spec scan_next(reference(), pos_integer()) ->
    {more | done, [{pando_backend:native_path(), pando_backend:node_props() | term()}]}.
scan_next(_Cursor, _NodesMax) -> ?NOT_LOADED.

-spec scan_close(reference()) -> ok.
scan_close(_Cursor) -> ?NOT_LOADED.

-spec count_next(reference()) -> {more | done, non_neg_integer()}.
count_next(_Cursor) -> ?NOT_LOADED.

-spec condition_met(term(), atom() | binary(), pando_backend:node_props()) ->
    true | {false, term()} | {error, pando_backend:native_error()}.
condition_met(_Condition, _Name, _Props) -> ?NOT_LOADED.

-spec keep_while(pando_backend:store_id()) ->
    {ok, non_neg_integer(), [{pando_backend:native_path(), [{pando_backend:native_path(), term()}]}]} | {error, noproc}.
keep_while(_Store) -> ?NOT_LOADED.

-spec submit(pando_backend:store_id(), pando_backend:reply_to(), pando_backend:request(), boolean()) ->
    ok | {ok, reference()} | {error, pando_backend:native_error()}.
submit(_Store, _ReplyTo, _Request, _Cancellable) -> ?NOT_LOADED.

-spec transaction_begin(pando_backend:store_id(), read_only | read_write) ->
    {ok, pando_backend:transaction()} | {error, noproc}.
transaction_begin(_Store, _Mode) -> ?NOT_LOADED.

-spec transaction_stand_in_line(pando_backend:transaction(), reference(), [pando_backend:native_path()]) ->
    ok | in_line.
transaction_stand_in_line(_Transaction, _Reference, _Paths) -> ?NOT_LOADED.

-spec transaction_enter(pando_backend:transaction(), reference(), pando_backend:native_path()) -> ok | in_line.
transaction_enter(_Transaction, _Reference, _Path) -> ?NOT_LOADED.

-spec transaction_go_on(pando_backend:transaction()) -> ok | told.
transaction_go_on(_Transaction) -> ?NOT_LOADED.

-spec transaction_write_quick(pando_backend:transaction(), pando_backend:request()) -> pando_backend:result() | slow.
transaction_write_quick(_Transaction, _Request) -> ?NOT_LOADED.

-spec transaction_write(pando_backend:transaction(), pando_backend:request()) -> pando_backend:result().
transaction_write(_Transaction, _Request) -> ?NOT_LOADED.

-spec transaction_commit_quick(pando_backend:transaction(), reference(), pando_backend:once(), boolean()) ->
    ok
    | {ok, reference()}
    | {conflict, pando_backend:native_path()}
    | in_line
    | {error, pando_backend:native_error()}
    | slow.
transaction_commit_quick(_Transaction, _Reference, _Once, _Cancellable) -> ?NOT_LOADED.

-spec transaction_commit(pando_backend:transaction(), reference(), pando_backend:once(), boolean()) ->
    ok
    | {ok, reference()}
    | {conflict, pando_backend:native_path()}
    | in_line
    | {error, pando_backend:native_error()}.
transaction_commit(_Transaction, _Reference, _Once, _Cancellable) -> ?NOT_LOADED.

-spec transaction_close(pando_backend:transaction()) -> committed | predicted.
transaction_close(_Transaction) -> ?NOT_LOADED.

-spec transaction_came_true(pando_backend:transaction()) -> boolean().
transaction_came_true(_Transaction) -> ?NOT_LOADED.

-spec transaction_has_writes(pando_backend:transaction()) -> boolean().
transaction_has_writes(_Transaction) -> ?NOT_LOADED.

-spec request_result(pando_backend:store_id(), binary()) ->
    none | repeated | {repeated, term()} | {error, noproc}.
request_result(_Store, _RequestId) -> ?NOT_LOADED.

-spec barrier(pando_backend:store_id(), reference(), boolean()) ->
    ok | {ok, reference()} | {error, pando_backend:native_error()}.
barrier(_Store, _Reference, _Cancellable) -> ?NOT_LOADED.

-spec await_applied(pando_backend:store_id(), reference(), non_neg_integer(), boolean()) ->
    ok | {ok, reference()} | {error, pando_backend:native_error()}.
await_applied(_Store, _Reference, _Index, _Cancellable) -> ?NOT_LOADED.

-spec answer(reference()) -> pando_backend:result().
answer(_Answer) -> ?NOT_LOADED.

-spec cancel(reference()) -> boolean().
cancel(_Token) -> ?NOT_LOADED.

-spec status(pando_backend:store_id()) -> {ok, #{atom() => term()}} | {error, noproc}.
status(_Store) -> ?NOT_LOADED.

-spec applied_index(pando_backend:store_id()) ->
    {ok, pando_backend:cluster_id(), non_neg_integer(), non_neg_integer()} | {error, noproc}.
applied_index(_Store) -> ?NOT_LOADED.

-spec peer_frame_quick(pando_backend:store_id(), pando_backend:lane(), binary()) -> ok | slow | {error, noproc}.
peer_frame_quick(_Store, _Lane, _Frame) -> ?NOT_LOADED.

-spec peer_frame(pando_backend:store_id(), pando_backend:lane(), binary()) -> ok | {error, noproc}.
peer_frame(_Store, _Lane, _Frame) -> ?NOT_LOADED.

-spec node_state(pando_backend:store_id(), binary(), up | down | refused | bulk_refused) -> ok | {error, noproc}.
node_state(_Store, _NodeName, _State) -> ?NOT_LOADED.

-spec cluster_request(pando_backend:store_id(), reference(), pando_backend:cluster_request()) -> ok | {error, noproc}.
cluster_request(_Store, _Reference, _Request) -> ?NOT_LOADED.

-spec limits() -> #{binary() => non_neg_integer()}.
limits() -> ?NOT_LOADED.

%% @doc Has a snapshot written in the background, due or not. `under_way': one is being written already, perhaps of an
%% older moment. `snapshot_written_percent' of `pando_cluster:status/1' is a number until it is done.
-spec take_snapshot(pando_backend:store_id()) -> ok | under_way | noproc.
take_snapshot(_Store) -> ?NOT_LOADED.

%% @doc Makes a thread of a store panic, as a drill: the store halts, says why, and its supervisor opens it again.
-spec provoke_panic(pando_backend:store_id(), ingest | apply | log | reply) -> ok | noproc.
provoke_panic(_Store, _Thread) -> ?NOT_LOADED.

%% @doc Does nothing, on a normal scheduler.
-spec noop() -> ok.
noop() -> ?NOT_LOADED.

%% @doc Does nothing, on a dirty scheduler.
-spec noop_dirty() -> ok.
noop_dirty() -> ?NOT_LOADED.
