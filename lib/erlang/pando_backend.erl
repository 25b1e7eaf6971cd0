%% @doc What the Erlang side needs of the native side: the one border between them.
%%
%% `pando_nif' implements it inside the VM. Every function is asynchronous or bounded: nothing here waits for a disk.
%% Reasons in `{error, Reason}' are native ones; `pando_errors' turns them into those that callers see.
-module(pando_backend).

-export_type([source/0, transaction/0, once/0, committed/0]).
-export_type([store_id/0, cluster_id/0, request/0, result/0, reply/0, reply_to/0, wanted/0, scope/0, keep_while/0]).
-export_type([birth/0, open_options/0, lane/0, member_id/0, role/0, event/0]).
-export_type([cluster_request/0, cluster_result/0, member_status/0]).
-export_type([props_bits/0, what/0, native_path/0, native_error/0, node_props/0]).

-type store_id() :: atom().
-type cluster_id() :: <<_:128>>.
%% A transaction under way: a private copy of a tree, with what it has read and written. For one process.
-type transaction() :: reference().
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
%% A reference: `{pando_reply, Reference, Reply}'. A correlation: `{ra_event, From, {applied, [{Correlation, Reply}]}}',
%% or `{ra_event, From, {rejected, {not_leader, undefined, Correlation}}}'. `none': no message.
-type reply_to() :: reference() | {From :: {store_id(), node()}, Correlation :: integer() | reference()} | none.
-type node_props() :: #{atom() => term()}.
%% What a scan shows of a node: properties, or its value, `Default' if it has none.
-type what() :: props_bits() | {values, Default :: term()}.
-type result() ::
    ok
    | {ok, #{native_path() => node_props()}}
    | {ok, [ok | {ok, #{native_path() => node_props()}}]}
    | {error, native_error()}.
-type reply() :: result() | committed() | {answer, Answer :: reference()}.
%% Conditions are the records that were given.
-type native_error() ::
    noproc
    | overload
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
) -> Handle :: reference().
%% Closes a store; the caller gets `{pando_closed, Store}', also when it was not open.
-callback close(store_id()) -> ok.
%% Looks at the stores at or in a directory, none of which need be open: messages `{pando_verify, Reference, Event}' follow,
%% where Event is `{progress, Path, ReadBytes, SizeBytes}', a few times a second at most, and at last `{ended, Result}', with
%% `{ok, [{Directory, Verdict, [{Path, Severity, Text}]}]}' or `{error, Text}'. It ends when the handle is collected.
-callback verify(Directory :: binary(), reference()) -> Handle :: reference().
%% Ends it soon. Messages may come all the same.
-callback verify_cancel(Handle :: reference()) -> ok.
%% What the stores at or in these directories have, none of which need be open: messages `{pando_recover, Reference, Event}' follow,
%% where Event is `{progress, Path, Done, Whole}' and at last `{ended, {inspected, [Survivor]} | {error, Text}}'.
-callback recover_inspect(Directories :: [binary()], reference()) -> Handle :: reference().
%% Makes a new cluster of one of what a store has. The messages are the same, the last one is
%% `{ended, {recovered, Recovery} | {error, Kind, Text} | {error, Text}}'. `otherwise': the node if the survivor does not know its own.
-callback recover(
    Directory :: binary(),
    ClusterId :: <<_:128>>,
    {given | otherwise, NodeName :: binary()},
    IsForced :: boolean(),
    Holder :: binary(),
    reference()
) -> Handle :: reference().
%% Ends it soon, with nothing changed, unless it is just being put in its place. Messages may come all the same.
-callback recover_cancel(Handle :: reference()) -> ok.
%% The stores that are open.
-callback stores() -> [store_id()].
%% Quick reads, bounded: `slow' means "ask again with read/3" and stands for every error, too.
-callback get_data(source(), native_path()) -> {ok, term()} | slow.
-callback exists(source(), native_path()) -> boolean() | slow.
-callback has_data(source(), native_path()) -> boolean() | slow.
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
    {ok, Cursor :: reference()} | {error, native_error()}.
%% At most so many nodes; fewer, even none, do not mean that no more follow.
-callback scan_next(Cursor :: reference(), NodesMax :: pos_integer()) ->
    {more | done, [{native_path(), node_props() | term()}]}.
%% Lets go what a cursor holds; the next chunk is empty and the last. Without it that happens when it is collected.
-callback scan_close(Cursor :: reference()) -> ok.
-callback count_next(Cursor :: reference()) -> {more | done, non_neg_integer()}.
%% Whether a node of this name and with these properties meets a condition; if not, which part is not met.
-callback condition_met(Condition :: term(), Name :: atom() | binary(), node_props()) ->
    true | {false, Why :: term()} | {error, native_error()}.
%% Nodes that are kept while others meet conditions, not all of them if there are very many: path, and watched paths
%% with their conditions.
-callback keep_while(store_id()) ->
    {ok, non_neg_integer(), [{Path :: native_path(), [{Watched :: native_path(), Condition :: term()}]}]} | {error, noproc}.
%% Queues a command; the reply follows unless it is refused or cancelled.
-callback submit(store_id(), reply_to(), request(), Cancellable :: boolean()) ->
    ok | {ok, Token :: reference()} | {error, native_error()}.
%% Begins a transaction on the newest view. A `read_only' one notes nothing, and cannot be written in or committed.
-callback transaction_begin(store_id(), read_only | read_write) -> {ok, transaction()} | {error, noproc}.
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
    ok | {ok, Token :: reference()} | {conflict, native_path()} | in_line | {error, native_error()} | slow.
-callback transaction_commit(transaction(), reference(), once(), Cancellable :: boolean()) ->
    ok | {ok, Token :: reference()} | {conflict, native_path()} | in_line | {error, native_error()}.
%% Ends a transaction without a commit. `predicted': what it has read is not all committed yet.
-callback transaction_close(transaction()) -> committed | predicted.
-callback transaction_has_writes(transaction()) -> boolean().
%% Of one that was closed and `predicted', when a barrier behind that was answered: whether all that it has read came true.
-callback transaction_came_true(transaction()) -> boolean().
%% What the newest view keeps of a request id.
-callback request_result(store_id(), RequestId :: binary()) ->
    none | repeated | {repeated, Note :: term()} | {error, noproc}.
%% `{pando_reply, Reference, ok | {error, _}}' follows when all is applied here that this member had accepted, and the
%% leader committed, before the call.
-callback barrier(store_id(), reference(), Cancellable :: boolean()) ->
    ok | {ok, Token :: reference()} | {error, native_error()}.
%% The same when this position of the log is applied here.
-callback await_applied(store_id(), reference(), Index :: non_neg_integer(), Cancellable :: boolean()) ->
    ok | {ok, Token :: reference()} | {error, native_error()}.
%% The result in a reply `{answer, Answer}', once: its terms are made by who asks, not by the thread that sends replies.
-callback answer(Answer :: reference()) -> result().
%% True when no reply will ever come; false when it is there or under way.
-callback cancel(Token :: reference()) -> boolean().
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
