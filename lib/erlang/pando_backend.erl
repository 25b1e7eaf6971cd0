%% @doc What the Erlang side needs of the native side: the one border between them.
%%
%% Two modules implement it: `pando_nif' inside the VM, `pando_port' by a program of its own. Every function is asynchronous or
%% bounded: nothing here waits for a disk. Reasons in `{error, Reason}' are native ones; `pando_errors' turns them into those
%% that callers see.
%%
%% The functions of this module are the only way there: they find out who is meant, and nobody above knows which it is.
%%
%% <ol>
%% <li>A handle says itself whose it is: a reference is one of `pando_nif', `{pando_port, _, _}' one of `pando_port'.</li>
%% <li>A store is noted with the backend that it was opened under last, so that what is left of an opening is closed where it
%%     is open. The note outlives the store: to take it out, and to put it in again at each restart, would cost all processes
%%     a search for it.</li>
%% <li>What has neither store nor handle, or a store that was never opened here, goes to the backend that is configured: so
%%     a node whose stores run in programs never loads the native library.</li>
%% </ol>
-module(pando_backend).

-export([configured/0, is_backend/1, implementation/1, ensure_loaded/1, of_store/1, assign/2]).
-export([
    open/9,
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
-compile({inline, [implementation_of/1, of_source/1, of_handle/1]}).

-export_type([backend/0, implementation/0, handle/0, answer/0]).
-export_type([source/0, transaction/0, once/0, committed/0]).
-export_type([store_id/0, cluster_id/0, request/0, result/0, reply/0, reply_to/0, wanted/0, scope/0, keep_while/0]).
-export_type([birth/0, open_options/0, lane/0, member_id/0, role/0, event/0]).
-export_type([cluster_request/0, cluster_result/0, member_status/0]).
-export_type([props_bits/0, what/0, native_path/0, native_error/0, node_props/0]).

%% What users choose: the native side as a library inside the VM, or as a program of its own.
-type backend() :: nif | port.
-type implementation() :: pando_nif | pando_port.
%% What the native side keeps for somebody: a store that is open, a cursor, a transaction, a command under way. It lives as long
%% as its holder, and with `nif' no longer than the handle itself: it ends when that is collected.
-type handle() :: reference() | {pando_port, Connection :: undefined | pid(), Id :: term()}.
-type store_id() :: atom().
-type cluster_id() :: <<_:128>>.
%% A transaction under way: a private copy of a tree, with what it has read and written. For one process.
-type transaction() :: handle().
%% What is read: the newest view of a store, or a transaction, where what is read is noted.
-type source() :: store_id() | transaction().
%% A set of node properties as bits; see `pando_props'.
-type props_bits() :: 0..65535.
%% Which properties of which nodes an answer shows; `none' when the caller wants none at all.
-type wanted() :: none | {props_bits(), IndirectDeletes :: boolean()}.
%% Names, special components and conditions; regular expressions as `pando_condition:compile/1' leaves them.
-type native_path() :: [term()].
%% `one': the path names exactly one node. `many_and_root': if the pattern begins with a condition, the root too.
-type scope() :: one | many | many_and_root.
%% `keep': what was there before; a list, even an empty one, replaces it. A watched path may be seen from the node.
-type keep_while() :: keep | [{Watched :: native_path(), Condition :: term()}].
%% `clear' takes the payload off nodes that are there; a missing node is no error.
-type request() ::
    {put, native_path(), none | data | sproc, term(), scope(), keep_while(), wanted()}
    | {clear, native_path(), scope(), keep_while(), wanted()}
    | {delete, native_path(), scope(), wanted()}
    %% All of it or nothing, if all conditions hold: its requests are puts, clears and deletes. The reply is
    %% `{ok, Results}' with one for each.
    | {transaction, [{native_path(), Condition :: term()}], [request()]}
    %% Applied once, however often it is sent: a repeated one is answered as the first was. Not for itself.
    | {once, RequestId :: binary(), request()}.
%% What makes a transaction one that is committed once, and what its function has returned.
-type once() :: none | {RequestId :: binary(), Note :: term()}.
%% `repeated': one of this request id was committed before, and so this one was not; `{repeated, Note}' with its note, if it
%% was kept.
-type committed() ::
    ok | {conflict, native_path()} | repeated | {repeated, Note :: term()} | {error, native_error()}.
%% A reference: `{pando_reply, Reference, Reply}'. A correlation: `{ra_event, From, {applied, [{Correlation, Reply}]}}'.
%% `none': no message.
-type reply_to() :: reference() | {From :: {store_id(), node()}, Correlation :: integer() | reference()} | none.
-type node_props() :: #{atom() => term()}.
%% What a scan shows of a node: properties, or its value, `Default' if it has none.
-type what() :: props_bits() | {values, Default :: term()}.
%% A result that is not yet made into terms.
-type answer() :: reference() | binary().
-type result() ::
    ok
    | {ok, #{native_path() => node_props()}}
    | {ok, [ok | {ok, #{native_path() => node_props()}}]}
    | {error, native_error()}.
-type reply() :: result() | committed() | {answer, answer()}.
%% Conditions are the records that were given.
-type native_error() ::
    noproc
    | overload
    %% No answer in time: of a program alone. What was to be written may be applied all the same.
    | timeout
    | {node_not_found, Name :: term(), native_path(), IsTarget :: boolean()}
    | {node_not_found, Name :: term(), native_path(), IsTarget :: boolean(), Condition :: term()}
    | {mismatching_node, Name :: term(), native_path(), IsTarget :: boolean(), node_props(), Condition :: term()}
    | {keep_while_not_met, Name :: term(), native_path(),
        Condition :: term() | {pattern_matches_no_nodes, native_path()}}
    | {limit_exceeded, Limit :: binary(), Max :: non_neg_integer()}
    | {bad_component, term()}
    | {many_nodes | unsupported_pattern, Text :: binary()}
    | {targets_parent, Condition :: term()}
    | {condition_not_supported, Condition :: term(), Text :: binary()}
    | bad_match_specification
    %% Of a transaction: which condition, or which command, counted from 0.
    | {requirement_not_met, non_neg_integer(), Name :: term(), native_path(),
        Condition :: term() | {pattern_matches_no_nodes, native_path()}}
    | {in_transaction, non_neg_integer(), native_error()}
    %% A repeated request that was applied before; what it answered was too large to be kept.
    | answer_not_kept
    %% `no_quorum': no majority of the members answers. `leader_changed': leadership changed while it was under way.
    | {
        closed | halted | disk_full | not_leader | no_quorum | leader_changed | command_failed,
        Text :: binary(),
        NotApplied :: boolean()
    }.
%% The index of a log entry that was committed for it alone: never given twice.
-type member_id() :: non_neg_integer().
%% What an empty directory becomes; one that is not empty stays what it is. `found': a cluster of one, of 128 random bits.
%% `join': a member of a cluster that has allocated this id for it, and will add it.
-type birth() :: {found, ClusterId :: <<_:128>>} | {join, ClusterId :: <<_:128>>, member_id()}.
%% The processes of the lanes get `{pando_frame_out, NodeName :: binary(), Frame :: binary()}' (see `pando_peer'); without
%% one nothing is sent. Of the voters that have caught up, one of the highest `priority' (0 by default) leads.
-type open_options() :: #{consensus_lane => pid(), bulk_lane => pid(), priority => integer()}.
%% Frames of different lanes do not wait for each other: consensus is small and urgent, snapshots are bulk.
-type lane() :: consensus | bulk.
-type role() :: voter | observer.
-type cluster_request() ::
    %% Nothing else changes: an id that is not used leaves no trace.
    allocate_member_id
    %% It gets the log, and votes when it has caught up, if that is its role; members of the same node go in that step.
    | {add_member, member_id(), NodeName :: binary(), role()}
    %% Dead or alive. One that is not there: done.
    | {remove_member, member_id()}
    | {change_role, member_id(), role()}
    %% `undefined': to the best one. Done when it leads.
    | {transfer_leadership, member_id() | undefined}.
%% `Detail': of `not_leader' the leader's node as a binary, if it is known; of `no_quorum' a text; else `undefined'. Nothing has
%% happened, but for `no_quorum' and `stopped': then that is unknown.
-type cluster_result() ::
    ok
    | {ok, member_id()}
    | {error,
        {cluster, not_leader | no_such_member | last_voter | busy | no_quorum | stopped, Detail :: undefined | binary()}}.
%% In `members' of a status. `applied_index': what it has said last; `last_contact_ms': how long ago, 0 of this member.
-type member_status() :: #{
    member_id := member_id(),
    node := binary(),
    role := role(),
    is_voter := boolean(),
    applied_index := undefined | non_neg_integer(),
    last_contact_ms := undefined | non_neg_integer()
}.
%% What happens in a cluster, as this member sees it.
-type event() ::
    {leader_changed, #{leader := undefined | {member_id(), Node :: binary()}, term := non_neg_integer()}}
    | quorum_lost
    | quorum_regained
    | {member_joined | member_left | member_caught_up, #{member_id := member_id(), node := binary()}}
    | {role_changed, #{member_id := member_id(), node := binary(), is_voter := boolean()}}
    | {member_lagging, #{member_id := member_id(), node := binary(), entries := non_neg_integer()}}
    | {snapshot_installed, #{index := non_neg_integer()}}
    %% The others say that this member is none any more: its store halts.
    | removed.

%% Opens a store; the caller owns it and gets `{pando_opened, Store, ok | {error, Reason}}'. Later it may get
%% `{pando_notice, Store, Text}', `{pando_progress, Store, Text}', `{pando_event, Store, event()}' and
%% `{pando_halted, Store, Reason}'. The handle must be kept: when it is collected, the store closes.
-callback open(
    store_id(),
    Name :: binary(),
    Directory :: binary(),
    NodeName :: binary(),
    Holder :: binary(),
    birth(),
    Incarnation :: non_neg_integer(),
    open_options()
) -> Handle :: handle().
%% Closes a store; the caller gets `{pando_closed, Store}', also when it was not open.
-callback close(store_id()) -> ok.
%% Looks at the stores at or in a directory, none of which need be open: messages `{pando_verify, Reference, Event}' follow,
%% where Event is `{progress, Path, ReadBytes, SizeBytes}', a few times a second at most, and at last `{ended, Result}', with
%% `{ok, [{Directory, Verdict, [{Path, Severity, Text}]}]}' or `{error, Text}'. It ends when the handle is collected.
-callback verify(Directory :: binary(), reference()) -> Handle :: handle().
%% Ends it soon. Messages may come all the same.
-callback verify_cancel(Handle :: handle()) -> ok.
%% What the stores at or in these directories have, none of which need be open: messages `{pando_recover, Reference, Event}' follow,
%% where Event is `{progress, Path, Done, Whole}' and at last `{ended, {inspected, [Survivor]} | {error, Text}}'.
-callback recover_inspect(Directories :: [binary()], reference()) -> Handle :: handle().
%% Makes a new cluster of one of what a store has. The messages are the same, the last one is
%% `{ended, {recovered, Recovery} | {error, Kind, Text} | {error, Text}}'. `otherwise': the node if the survivor does not know its own.
-callback recover(
    Directory :: binary(),
    ClusterId :: <<_:128>>,
    {given | otherwise, NodeName :: binary()},
    IsForced :: boolean(),
    Holder :: binary(),
    reference()
) -> Handle :: handle().
%% Ends it soon, with nothing changed, unless it is just being put in its place. Messages may come all the same.
-callback recover_cancel(Handle :: handle()) -> ok.
%% The stores that are open.
-callback stores() -> [store_id()].
%% Quick reads, bounded: `slow' means "ask again with read/3" and stands for every error, too.
-callback get_data(source(), native_path()) -> {ok, term()} | slow | {error, timeout}.
-callback exists(source(), native_path()) -> boolean() | slow | {error, timeout}.
-callback has_data(source(), native_path()) -> boolean() | slow | {error, timeout}.
-callback read_quick(source(), native_path(), props_bits()) ->
    {ok, native_path(), node_props()} | {error, native_error()} | slow.
%% One node, whatever its size.
-callback read(source(), native_path(), props_bits()) ->
    {ok, native_path(), node_props()} | {error, native_error()}.
%% A long read in chunks, all of one point in time. `From': only nodes after this path in the order of the walk, which
%% is the order of paths as terms. `EachOnce': a node comes once, however many ways the pattern leads to it.
-callback scan(
    source(),
    Pattern :: native_path(),
    what(),
    IncludeRoot :: boolean(),
    From :: none | native_path(),
    EachOnce :: boolean()
) ->
    {ok, Cursor :: handle()} | {error, native_error()}.
%% At most so many nodes; fewer, even none, do not mean that no more follow. An error, which is of a program alone, ends it.
-callback scan_next(Cursor :: handle(), NodesMax :: pos_integer()) ->
    {more | done, [{native_path(), node_props() | term()}]} | {error, native_error()}.
%% Lets go what a cursor holds; the next chunk is empty and the last. Without it that happens when it is collected.
-callback scan_close(Cursor :: handle()) -> ok.
-callback count_next(Cursor :: handle()) -> {more | done, non_neg_integer()} | {error, native_error()}.
%% Whether a node of this name and with these properties meets a condition; if not, which part is not met.
-callback condition_met(Condition :: term(), Name :: atom() | binary(), node_props()) ->
    true | {false, Why :: term()} | {error, native_error()}.
%% Nodes that are kept while others meet conditions, not all of them if there are very many: path, and watched paths
%% with their conditions.
-callback keep_while(store_id()) ->
    {ok, non_neg_integer(), [{Path :: native_path(), [{Watched :: native_path(), Condition :: term()}]}]} | {error, noproc}.
%% Queues a command; the reply follows unless it is refused or cancelled.
-callback submit(store_id(), reply_to(), request(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {error, native_error()}.
%% Begins a transaction on the newest view. A `read_only' one notes nothing, and cannot be written in or committed.
-callback transaction_begin(store_id(), read_only | read_write) -> {ok, transaction()} | {error, native_error()}.
%% Stands in line for these paths, on which transactions were lost, one after the other, in their order. `ok': it is this
%% one's turn on all of them, and it reads the newest proposed state from now on. `in_line':
%% `{pando_reply, Reference, ok | {error, _}}' follows when it is its turn; then the call is made again. Only while nothing
%% was read or written.
-callback transaction_stand_in_line(transaction(), reference(), [native_path()]) -> ok | in_line.
%% The same for a path that is read first, if others stand in line for it; else `ok'.
-callback transaction_enter(transaction(), reference(), native_path()) -> ok | in_line.
%% Leaves all lines, and goes on without a turn. `ok': no message about a turn will come. `told': its turn was given already,
%% and the message is there, or comes now.
-callback transaction_go_on(transaction()) -> ok | told.
%% Does a put, clear or delete on the private copy. Quick: bounded; `slow' means "ask again with transaction_write/2".
-callback transaction_write_quick(transaction(), request()) -> result() | slow.
-callback transaction_write(transaction(), request()) -> result().
%% Has a transaction applied, if what it has read is still so, and its writes answer the same. `{conflict, Path}': something
%% there has changed, and nothing was done. `in_line': another one has its turn; a message comes, as of
%% `transaction_stand_in_line', then this call is made again. After `ok' and `{ok, Token}' the reply `committed()' follows.
-callback transaction_commit_quick(transaction(), reference(), once(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {conflict, native_path()} | in_line | {error, native_error()} | slow.
-callback transaction_commit(transaction(), reference(), once(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {conflict, native_path()} | in_line | {error, native_error()}.
%% Ends a transaction without a commit. `predicted': what it has read is not all committed yet.
-callback transaction_close(transaction()) -> committed | predicted.
-callback transaction_has_writes(transaction()) -> boolean().
%% Of one that was closed and `predicted', when a barrier behind that was answered: whether all that it has read came true.
-callback transaction_came_true(transaction()) -> boolean().
%% What the newest view keeps of a request id.
-callback request_result(store_id(), RequestId :: binary()) ->
    none | repeated | {repeated, Note :: term()} | {error, native_error()}.
%% `{pando_reply, Reference, ok | {error, _}}' follows when all is applied here that this member had accepted, and the
%% leader committed, before the call.
-callback barrier(store_id(), reference(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {error, native_error()}.
%% The same when this position of the log is applied here.
-callback await_applied(store_id(), reference(), Index :: non_neg_integer(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {error, native_error()}.
%% The result in a reply `{answer, Answer}', once: its terms are made by who asks, not by the thread that sends replies.
-callback answer(answer()) -> result().
%% True when no reply will ever come; false when it is there or under way.
-callback cancel(Token :: handle()) -> boolean().
%% Among much else: `cluster_id', `role' (`leader | follower | candidate | learner'), `has_quorum', `members'
%% (`[member_status()]', in the order of their ids), `frames_refused' (from other nodes, dropped by the store).
-callback status(store_id()) -> {ok, #{atom() => term()}} | {error, noproc}.
%% The last log index in the view that readers see. The incarnation is that of this opening of the store: between two calls
%% with the same one it was open all the time.
-callback applied_index(store_id()) ->
    {ok, cluster_id(), Incarnation :: non_neg_integer(), Index :: non_neg_integer()} | {error, noproc}.
%% A frame from another node, for the store. Quick: bounded; `slow' means "call peer_frame/3". What is malformed, or not for this
%% member, is counted and dropped.
-callback peer_frame_quick(store_id(), lane(), Frame :: binary()) -> ok | slow | {error, noproc}.
-callback peer_frame(store_id(), lane(), Frame :: binary()) -> ok | {error, noproc}.
%% What has become of a node: it is connected, it is not any more, or a frame of a lane could not be sent to it now.
-callback node_state(store_id(), NodeName :: binary(), up | down | refused | bulk_refused) -> ok | {error, noproc}.
%% Has members changed, or leadership moved, if this member leads. `{pando_reply, Reference, cluster_result()}' follows.
-callback cluster_request(store_id(), reference(), cluster_request()) -> ok | {error, noproc}.
-callback limits() -> #{binary() => non_neg_integer()}.
%% For drills: has a snapshot written in the background, due or not. `under_way': one is being written already, perhaps of an
%% older moment. `snapshot_written_percent' of a status is a number until it is done.
-callback take_snapshot(store_id()) -> ok | under_way | noproc.
%% For drills: makes a thread of a store panic. The store halts, says why, and its supervisor opens it again.
-callback provoke_panic(store_id(), ingest | apply | log | reply) -> ok | noproc.

%%% Which one it is

%% @doc The backend of stores that are started without one: application environment `backend', else `nif'.
-spec configured() -> backend().
configured() ->
    case application:get_env(pando, backend) of
        {ok, Backend} ->
            checked(Backend);
        undefined ->
            %% What is configured shows when the application is loaded.
            _ = application:load(pando),
            checked(application:get_env(pando, backend, nif))
    end.

checked(Backend) ->
    case is_backend(Backend) of
        true -> Backend;
        false -> pando_errors:raise_misuse(invalid_backend_value, #{backend => Backend})
    end.

-spec is_backend(term()) -> boolean().
is_backend(Backend) -> Backend =:= nif orelse Backend =:= port.

-spec implementation(backend()) -> implementation().
implementation(nif) -> pando_nif;
implementation(port) -> pando_port.

%% @doc Whether there is one at all: the native library may be missing, or be that of another release.
-spec ensure_loaded(backend()) -> ok | {error, term()}.
ensure_loaded(Backend) ->
    Module = implementation(Backend),
    case code:ensure_loaded(Module) of
        {module, Module} -> ok;
        {error, _} = Error -> Error
    end.

%% @doc Under which backend a store is open, or was open last.
-spec of_store(store_id()) -> backend().
of_store(Store) ->
    case implementation_of(Store) of
        pando_nif -> nif;
        pando_port -> port
    end.

%% @doc Notes that a store is to be opened under a backend. Under the one before it must be closed.
-spec assign(store_id(), implementation()) -> ok.
assign(Store, Module) when Module =:= pando_nif; Module =:= pando_port ->
    %% A note of the same value costs nothing.
    persistent_term:put({?MODULE, Store}, Module).

configured_implementation() ->
    implementation(configured()).

%% A name that was never given to a store, too: its backend tells that there is none.
implementation_of(Store) ->
    case persistent_term:get({?MODULE, Store}, none) of
        none -> configured_implementation();
        Module -> Module
    end.

of_source(Source) when is_atom(Source) -> implementation_of(Source);
of_source(Source) -> of_handle(Source).

of_handle({pando_port, _Connection, _Id}) -> pando_port;
of_handle(_Reference) -> pando_nif.

of_answer(Answer) when is_binary(Answer) -> pando_port;
of_answer(_Reference) -> pando_nif.

%%% The functions of both, as the callbacks describe them

-spec open(
    implementation(),
    store_id(),
    Name :: binary(),
    Directory :: binary(),
    NodeName :: binary(),
    Holder :: binary(),
    birth(),
    Incarnation :: non_neg_integer(),
    open_options()
) -> Handle :: handle().
open(Module, Store, Name, Directory, NodeName, Holder, Birth, Incarnation, Options) ->
    ok = assign(Store, Module),
    Module:open(Store, Name, Directory, NodeName, Holder, Birth, Incarnation, Options).

-spec close(store_id()) -> ok.
close(Store) ->
    case persistent_term:get({?MODULE, Store}, none) of
        %% Never opened: nobody need be asked, and none be loaded for it.
        none ->
            self() ! {pando_closed, Store},
            ok;
        Module ->
            Module:close(Store)
    end.

-spec stores() -> [store_id()].
stores() ->
    %% Not loaded only to say that it has none.
    lists:append([Module:stores() || Module <- [pando_nif, pando_port], erlang:module_loaded(Module)]).

-spec answer(answer()) -> result().
answer(Answer) ->
    (of_answer(Answer)):answer(Answer).

-spec verify(Directory :: binary(), reference()) -> Handle :: handle().
verify(Directory, Reference) ->
    (configured_implementation()):verify(Directory, Reference).

-spec verify_cancel(Handle :: handle()) -> ok.
verify_cancel(Handle) ->
    (of_handle(Handle)):verify_cancel(Handle).

-spec recover_inspect(Directories :: [binary()], reference()) -> Handle :: handle().
recover_inspect(Directories, Reference) ->
    (configured_implementation()):recover_inspect(Directories, Reference).

-spec recover(
    Directory :: binary(),
    ClusterId :: <<_:128>>,
    {given | otherwise, NodeName :: binary()},
    IsForced :: boolean(),
    Holder :: binary(),
    reference()
) -> Handle :: handle().
recover(Directory, ClusterId, Node, IsForced, Holder, Reference) ->
    (configured_implementation()):recover(Directory, ClusterId, Node, IsForced, Holder, Reference).

-spec recover_cancel(Handle :: handle()) -> ok.
recover_cancel(Handle) ->
    (of_handle(Handle)):recover_cancel(Handle).

-spec get_data(source(), native_path()) -> {ok, term()} | slow | {error, timeout}.
get_data(Source, Path) ->
    case of_source(Source) of
        %% Written out, here and in the next two: these are called most, and a call by a variable takes 15 ns more.
        pando_nif -> pando_nif:get_data(Source, Path);
        Module -> Module:get_data(Source, Path)
    end.

-spec exists(source(), native_path()) -> boolean() | slow | {error, timeout}.
exists(Source, Path) ->
    case of_source(Source) of
        pando_nif -> pando_nif:exists(Source, Path);
        Module -> Module:exists(Source, Path)
    end.

-spec has_data(source(), native_path()) -> boolean() | slow | {error, timeout}.
has_data(Source, Path) ->
    case of_source(Source) of
        pando_nif -> pando_nif:has_data(Source, Path);
        Module -> Module:has_data(Source, Path)
    end.

-spec read_quick(source(), native_path(), props_bits()) ->
    {ok, native_path(), node_props()} | {error, native_error()} | slow.
read_quick(Source, Path, PropsBits) ->
    (of_source(Source)):read_quick(Source, Path, PropsBits).

-spec read(source(), native_path(), props_bits()) ->
    {ok, native_path(), node_props()} | {error, native_error()}.
read(Source, Path, PropsBits) ->
    (of_source(Source)):read(Source, Path, PropsBits).

-spec scan(
    source(),
    Pattern :: native_path(),
    what(),
    IncludeRoot :: boolean(),
    From :: none | native_path(),
    EachOnce :: boolean()
) ->
    {ok, Cursor :: handle()} | {error, native_error()}.
scan(Source, Pattern, What, IncludeRoot, From, EachOnce) ->
    (of_source(Source)):scan(Source, Pattern, What, IncludeRoot, From, EachOnce).

-spec scan_next(Cursor :: handle(), NodesMax :: pos_integer()) ->
    {more | done, [{native_path(), node_props() | term()}]} | {error, native_error()}.
scan_next(Cursor, NodesMax) ->
    (of_handle(Cursor)):scan_next(Cursor, NodesMax).

-spec scan_close(Cursor :: handle()) -> ok.
scan_close(Cursor) ->
    (of_handle(Cursor)):scan_close(Cursor).

-spec count_next(Cursor :: handle()) -> {more | done, non_neg_integer()} | {error, native_error()}.
count_next(Cursor) ->
    (of_handle(Cursor)):count_next(Cursor).

-spec condition_met(Condition :: term(), Name :: atom() | binary(), node_props()) ->
    true | {false, Why :: term()} | {error, native_error()}.
condition_met(Condition, Name, Props) ->
    (configured_implementation()):condition_met(Condition, Name, Props).

-spec keep_while(store_id()) ->
    {ok, non_neg_integer(), [{Path :: native_path(), [{Watched :: native_path(), Condition :: term()}]}]} | {error, noproc}.
keep_while(Store) ->
    (implementation_of(Store)):keep_while(Store).

-spec submit(store_id(), reply_to(), request(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {error, native_error()}.
submit(Store, ReplyTo, Request, Cancellable) ->
    (implementation_of(Store)):submit(Store, ReplyTo, Request, Cancellable).

-spec transaction_begin(store_id(), read_only | read_write) -> {ok, transaction()} | {error, native_error()}.
transaction_begin(Store, Mode) ->
    (implementation_of(Store)):transaction_begin(Store, Mode).

-spec transaction_stand_in_line(transaction(), reference(), [native_path()]) -> ok | in_line.
transaction_stand_in_line(Transaction, Reference, Paths) ->
    (of_handle(Transaction)):transaction_stand_in_line(Transaction, Reference, Paths).

-spec transaction_enter(transaction(), reference(), native_path()) -> ok | in_line.
transaction_enter(Transaction, Reference, Path) ->
    (of_handle(Transaction)):transaction_enter(Transaction, Reference, Path).

-spec transaction_go_on(transaction()) -> ok | told.
transaction_go_on(Transaction) ->
    (of_handle(Transaction)):transaction_go_on(Transaction).

-spec transaction_write_quick(transaction(), request()) -> result() | slow.
transaction_write_quick(Transaction, Request) ->
    (of_handle(Transaction)):transaction_write_quick(Transaction, Request).

-spec transaction_write(transaction(), request()) -> result().
transaction_write(Transaction, Request) ->
    (of_handle(Transaction)):transaction_write(Transaction, Request).

-spec transaction_commit_quick(transaction(), reference(), once(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {conflict, native_path()} | in_line | {error, native_error()} | slow.
transaction_commit_quick(Transaction, Reference, Once, Cancellable) ->
    (of_handle(Transaction)):transaction_commit_quick(Transaction, Reference, Once, Cancellable).

-spec transaction_commit(transaction(), reference(), once(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {conflict, native_path()} | in_line | {error, native_error()}.
transaction_commit(Transaction, Reference, Once, Cancellable) ->
    (of_handle(Transaction)):transaction_commit(Transaction, Reference, Once, Cancellable).

-spec transaction_close(transaction()) -> committed | predicted.
transaction_close(Transaction) ->
    (of_handle(Transaction)):transaction_close(Transaction).

-spec transaction_has_writes(transaction()) -> boolean().
transaction_has_writes(Transaction) ->
    (of_handle(Transaction)):transaction_has_writes(Transaction).

-spec transaction_came_true(transaction()) -> boolean().
transaction_came_true(Transaction) ->
    (of_handle(Transaction)):transaction_came_true(Transaction).

-spec request_result(store_id(), RequestId :: binary()) ->
    none | repeated | {repeated, Note :: term()} | {error, native_error()}.
request_result(Store, RequestId) ->
    (implementation_of(Store)):request_result(Store, RequestId).

-spec barrier(store_id(), reference(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {error, native_error()}.
barrier(Store, Reference, Cancellable) ->
    (implementation_of(Store)):barrier(Store, Reference, Cancellable).

-spec await_applied(store_id(), reference(), Index :: non_neg_integer(), Cancellable :: boolean()) ->
    ok | {ok, Token :: handle()} | {error, native_error()}.
await_applied(Store, Reference, Index, Cancellable) ->
    (implementation_of(Store)):await_applied(Store, Reference, Index, Cancellable).

-spec cancel(Token :: handle()) -> boolean().
cancel(Token) ->
    (of_handle(Token)):cancel(Token).

-spec status(store_id()) -> {ok, #{atom() => term()}} | {error, noproc}.
status(Store) ->
    (implementation_of(Store)):status(Store).

-spec applied_index(store_id()) ->
    {ok, cluster_id(), Incarnation :: non_neg_integer(), Index :: non_neg_integer()} | {error, noproc}.
applied_index(Store) ->
    (implementation_of(Store)):applied_index(Store).

-spec peer_frame_quick(store_id(), lane(), Frame :: binary()) -> ok | slow | {error, noproc}.
peer_frame_quick(Store, Lane, Frame) ->
    (implementation_of(Store)):peer_frame_quick(Store, Lane, Frame).

-spec peer_frame(store_id(), lane(), Frame :: binary()) -> ok | {error, noproc}.
peer_frame(Store, Lane, Frame) ->
    (implementation_of(Store)):peer_frame(Store, Lane, Frame).

-spec node_state(store_id(), NodeName :: binary(), up | down | refused | bulk_refused) -> ok | {error, noproc}.
node_state(Store, NodeName, State) ->
    (implementation_of(Store)):node_state(Store, NodeName, State).

-spec cluster_request(store_id(), reference(), cluster_request()) -> ok | {error, noproc}.
cluster_request(Store, Reference, Request) ->
    (implementation_of(Store)):cluster_request(Store, Reference, Request).

-spec limits() -> #{binary() => non_neg_integer()}.
limits() ->
    (configured_implementation()):limits().

-spec take_snapshot(store_id()) -> ok | under_way | noproc.
take_snapshot(Store) ->
    (implementation_of(Store)):take_snapshot(Store).

-spec provoke_panic(store_id(), ingest | apply | log | reply) -> ok | noproc.
provoke_panic(Store, Thread) ->
    (implementation_of(Store)):provoke_panic(Store, Thread).
