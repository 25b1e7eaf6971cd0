%% @doc What the Erlang side needs of the native side: the one border between them.
%%
%% `pando_nif' implements it inside the VM. Every function is asynchronous or bounded: nothing here waits for a disk.
%% Reasons in `{error, Reason}' are native ones; `pando_errors' turns them into those that callers see.
-module(pando_backend).

-export_type([store_id/0, request/0, result/0, reply/0, wanted/0, props_bits/0, native_path/0, native_error/0, node_props/0]).

-type store_id() :: atom().
%% A set of node properties as bits; see `pando_props'.
-type props_bits() :: 0..65535.
%% Which properties of which nodes an answer shows; `none' when the caller wants none at all.
-type wanted() :: none | {props_bits(), IndirectDeletes :: boolean()}.
-type native_path() :: [term()].
-type request() ::
    {put, native_path(), none | data | sproc, term(), anything | absent | present, wanted()}
    | {delete, native_path(), wanted()}
    | {clear, native_path(), wanted()}.
-type node_props() :: #{atom() => term()}.
-type result() :: ok | {ok, #{native_path() => node_props()}} | {error, native_error()}.
-type reply() :: result() | {answer, Answer :: reference()}.
-type native_error() ::
    noproc
    | overload
    | {node_not_found, Name :: term(), native_path(), IsTarget :: boolean()}
    | {mismatching_node, Name :: term(), native_path(), IsTarget :: boolean(), node_props()}
    | {limit_exceeded, Limit :: binary(), Max :: non_neg_integer()}
    | {bad_component, term()}
    | {many_nodes | unsupported_pattern, Text :: binary()}
    | {closed | halted | disk_full | not_leader | command_failed, Text :: binary(), NotApplied :: boolean()}.

%% Opens a store; the caller owns it and gets `{pando_opened, Store, ok | {error, Reason}}'. Later it may get
%% `{pando_notice, Store, Text}' and `{pando_halted, Store, Reason}'. The handle must be kept: when it is collected,
%% the store closes.
-callback open(
    store_id(),
    Name :: binary(),
    Directory :: binary(),
    NodeName :: binary(),
    Holder :: binary(),
    NewStoreId :: <<_:128>>,
    Incarnation :: non_neg_integer()
) -> Handle :: reference().
%% Closes a store; the caller gets `{pando_closed, Store}', also when it was not open.
-callback close(store_id()) -> ok.
%% The stores that are open.
-callback stores() -> [store_id()].
%% Quick reads, bounded: `slow' means "ask again with read/3" and stands for every error, too.
-callback get_data(store_id(), native_path()) -> {ok, term()} | slow.
-callback exists(store_id(), native_path()) -> boolean() | slow.
-callback has_data(store_id(), native_path()) -> boolean() | slow.
-callback read_quick(store_id(), native_path(), props_bits()) ->
    {ok, native_path(), node_props()} | {error, native_error()} | slow.
%% One node, whatever its size.
-callback read(store_id(), native_path(), props_bits()) ->
    {ok, native_path(), node_props()} | {error, native_error()}.
%% A long read in chunks, all of one point in time.
-callback scan(store_id(), Pattern :: native_path(), props_bits(), IncludeRoot :: boolean()) ->
    {ok, Cursor :: reference()} | {error, native_error()}.
-callback scan_next(Cursor :: reference()) -> {more | done, [{native_path(), node_props()}]}.
-callback count_next(Cursor :: reference()) -> {more | done, non_neg_integer()}.
%% Queues a command; `{pando_reply, Reference, Reply}' follows unless it is refused or cancelled.
-callback submit(store_id(), reference(), request(), Cancellable :: boolean()) ->
    ok | {ok, Token :: reference()} | {error, native_error()}.
%% The result in a reply `{answer, Answer}', once: its terms are made by who asks, not by the thread that sends replies.
-callback answer(Answer :: reference()) -> result().
%% True when no reply will ever come; false when it is there or under way.
-callback cancel(Token :: reference()) -> boolean().
-callback status(store_id()) -> {ok, #{atom() => term()}} | {error, noproc}.
-callback limits() -> #{binary() => non_neg_integer()}.
