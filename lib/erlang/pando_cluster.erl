%% @doc Stores of this node and the clusters that they are members of: starting, joining, leaving, who is a member and who leads
%% (specification section 16).
-module(pando_cluster).
-compile({no_auto_import, [nodes/0, nodes/1, nodes/2]}).

-export([start/0, start/1, start/2, start/3, start_link/1, stop/0, stop/1, reset/0, reset/1, reset/2]).
-export([get_store_ids/0, is_store_running/1, this_member/1, node_to_member/2, status/1]).
-export([join/1, join/2, join/3, remove_member/2, remove_member/3, promote/1, promote/2, promote/3]).
-export([transfer_leadership/2, transfer_leadership/3, recover/2]).
-export([subscribe/1, subscribe/2, unsubscribe/1, unsubscribe/2]).
-export([members/0, members/1, members/2, nodes/0, nodes/1, nodes/2]).
-export([wait_for_leader/0, wait_for_leader/1, wait_for_leader/2]).
-export([get_default_store_id/0, get_default_ra_system_or_data_dir/0]).

-export_type([store_id/0, member/0, data_dir/0, start_error/0, options/0]).

%% How often `wait_for_leader' looks, in milliseconds.
-define(LEADER_POLL_MS, 200).
%% How long one look at another node may take.
-define(LEADER_ASK_MS, 1000).
%% How often a call asks again whose store is busy with another join or reset, and how long at most without a time-out.
-define(BUSY_POLL_MS, 50).
-define(BUSY_PATIENCE_MS, 60000).

-type store_id() :: pando_backend:store_id().
%% A store on one node.
-type member() :: {store_id(), node()}.
%% A directory; each store has its own in it, named after the store.
-type data_dir() :: file:filename_all().
-type start_error() :: timeout | pando_errors:reason() | term().
%% Of `start_link/1'; those of `start/3' are the same without the first two.
-type options() :: #{
    store_id := store_id(),
    data_dir := data_dir(),
    cluster => [node()] | fun(() -> [node()]),
    expect => pos_integer(),
    priority => integer(),
    backend => pando_backend:backend()
}.

%% @doc Starts the default store in the default data directory.
-spec start() -> {ok, store_id()} | {error, start_error()}.
start() ->
    start(get_default_ra_system_or_data_dir()).

%% @doc Starts the default store in `DataDir'.
-spec start(data_dir()) -> {ok, store_id()} | {error, start_error()}.
start(DataDir) ->
    start(DataDir, get_default_store_id()).

%% @doc Starts a store, without a limit of time.
-spec start(data_dir(), store_id() | map()) -> {ok, store_id()} | {error, start_error()}.
start(DataDir, StoreIdOrConfig) ->
    start(DataDir, StoreIdOrConfig, infinity).

%% @doc Starts the store named by an atom, or by `cluster_name' in a map, with its files in `DataDir/StoreId'.
%%
%% Returns when the store is open and answers. Starting a store that runs is no error, unless it runs in another
%% directory: `{error, {pando, store_runs_elsewhere, #{store_id, data_dir}}}'. What cannot be opened is
%% `{error, {pando, open_failed, #{kind, reason, directory}}}'. A directory that is no text raises `invalid_data_dir'.
%%
%% ```
%% > pando:start("/var/lib/my_app", stock).
%% {ok,stock}
%% '''
%%
%% A directory with data is what it was: a member of its cluster. If the cluster says that it is none any more, because it was
%% removed, or its node came back with another directory, it is not opened (`kind => removed_member').
%%
%% What becomes of an empty one:
%% <ul>
%% <li>With `cluster' in the map, a list of nodes, or a function that answers one: together with these nodes, which are
%%     started in the same way and in any order, one cluster is formed; where it is there already, the store joins it. The first
%%     node of the list in term order founds it, when `expect' nodes are there and empty and have the same list: all of it by
%%     default. Give a number with a function that may answer a part of the nodes: how many are meant to be there at the first
%%     start. `start' does not wait for that: until then calls answer `{error, noproc}', and `wait_for_leader/2' waits.</li>
%% <li>Without: it founds a cluster of its own, unless a connected node has a store of this name whose cluster has this node
%%     among its members. Then the node has lost its disk, and becomes a member again by itself, under a new id.</li>
%% </ul>
%%
%% `priority' in the map, an integer, 0 by default: of the members that could lead, one of the highest priority does.
%%
%% `backend' in the map says where the native side of the store runs: `nif', a library in this virtual machine, or `port', a program of
%% its own, whose end is no end of the virtual machine. By default it is what the environment of the application `pando' has as
%% `backend', else `nif'. The files are the same: a store that was stopped may be started under the other one.
-spec start(data_dir(), store_id() | map(), timeout()) -> {ok, store_id()} | {error, start_error()}.
start(DataDir, Config, Timeout) when is_map(Config) ->
    start(DataDir, maps:get(cluster_name, Config, get_default_store_id()), Config, Timeout);
start(DataDir, StoreId, Timeout) when is_atom(StoreId) ->
    start(DataDir, StoreId, #{}, Timeout).

start(DataDir, StoreId, Options, Timeout) when is_atom(StoreId), is_list(DataDir) orelse is_binary(DataDir) ->
    Limit = pando_options:timeout(Timeout),
    Config = config(DataDir, StoreId, Options),
    case started_application(Config) of
        ok -> start_store(Config, Limit);
        {error, _} = Error -> Error
    end.

start_store(#{store_id := StoreId, data_dir := DataDir} = Config, Limit) ->
    %% Looked up first, because the supervisor reports a second start as a fault.
    case whereis(StoreId) of
        undefined -> started(pando_sup:start_store(Config), DataDir, StoreId, Limit);
        Holder -> name_in_use(Holder, DataDir, StoreId, Limit)
    end.

%% A native library that cannot be loaded is said here, and not by the first call that misses it.
started_application(#{backend := Backend}) ->
    {ok, _} = application:ensure_all_started(pando),
    case pando_backend:ensure_loaded(Backend) of
        ok -> ok;
        {error, Cause} -> {error, pando_directory:library_error(Cause)}
    end.

%% @doc Starts a store under the calling supervisor: `#{store_id => atom(), data_dir => Dir}'. Returns when it answers; with
%% `cluster', `expect', `priority' and `backend' as for `start/3', an empty one does so later.
%%
%% What is returned is the process of the store: it ends abnormally when the store has halted, and normally when it was
%% stopped, so it is to be a `transient' child. There is no supervisor of ours in between: one that gives up ends with
%% the reason `shutdown', which the calling supervisor would take for an orderly end, and the store would be missing
%% without anybody being told.
-spec start_link(options()) -> {ok, pid()} | {error, start_error()}.
start_link(#{store_id := StoreId, data_dir := DataDir} = Options) when is_atom(StoreId) ->
    Config = config(DataDir, StoreId, Options),
    case started_application(Config) of
        ok -> start_linked(pando_server:start_link(Config));
        {error, _} = Error -> Error
    end.

start_linked({ok, Server}) ->
    case pando_server:await_open(Server, infinity) of
        ok ->
            {ok, Server};
        {error, _} = Error ->
            ok = end_linked(Server),
            Error
    end;
start_linked({error, _} = Error) ->
    Error.

%% Ends a process that we are the parent of, and leaves no exit message behind.
end_linked(Server) ->
    Monitor = monitor(process, Server),
    unlink(Server),
    exit(Server, shutdown),
    receive
        {'DOWN', Monitor, process, Server, _} -> ok
    end,
    receive
        {'EXIT', Server, _} -> ok
    after 0 -> ok
    end.

config(DataDir, StoreId, Options) ->
    %% Here, so that the caller hears of a directory that is none, and nothing is started.
    _ = pando_directory:of_store(DataDir, StoreId),
    Priority = maps:get(priority, Options, 0),
    is_integer(Priority) orelse invalid_option(priority, Priority),
    #{
        store_id => StoreId,
        data_dir => DataDir,
        opened => atomics:new(1, []),
        cluster => cluster(maps:get(cluster, Options, none), maps:get(expect, Options, default)),
        priority => Priority,
        backend => backend(Options)
    }.

backend(#{backend := Backend}) ->
    pando_backend:is_backend(Backend) orelse invalid_option(backend, Backend),
    Backend;
backend(_Options) ->
    pando_backend:configured().

cluster(none, default) ->
    none;
cluster(none, Expect) ->
    invalid_option(expect, Expect);
cluster(Nodes, Expect) when is_function(Nodes, 0) ->
    Expect =:= default orelse is_integer(Expect) andalso Expect > 0 orelse invalid_option(expect, Expect),
    #{nodes => Nodes, expect => Expect};
cluster([_ | _] = Nodes, Expect) ->
    lists:all(fun is_atom/1, Nodes) orelse invalid_option(cluster, Nodes),
    Count = length(lists:usort(Nodes)),
    Expect =:= default orelse is_integer(Expect) andalso Expect > 0 andalso Expect =< Count orelse
        invalid_option(expect, Expect),
    #{nodes => Nodes, expect => Expect};
cluster(Invalid, _Expect) ->
    invalid_option(cluster, Invalid).

-spec invalid_option(atom(), term()) -> no_return().
invalid_option(Option, Value) ->
    pando_errors:raise_misuse(invalid_start_option, #{option => Option, value => Value}).

started({ok, Supervisor}, _DataDir, StoreId, Timeout) ->
    case await_open(StoreId, Timeout) of
        ok ->
            {ok, StoreId};
        {error, _} = Error ->
            _ = supervisor:terminate_child(pando_sup, Supervisor),
            Error
    end;
started({error, {shutdown, {failed_to_start_child, _, {already_started, Holder}}}}, DataDir, StoreId, Timeout) ->
    name_in_use(Holder, DataDir, StoreId, Timeout);
started({error, _} = Error, _DataDir, _StoreId, _Timeout) ->
    Error.

name_in_use(Holder, DataDir, StoreId, Timeout) ->
    case pando_server:is_server(Holder) of
        true -> already_started(Holder, DataDir, StoreId, Timeout);
        false -> {error, {pando, name_is_taken, #{store_id => StoreId, by => Holder}}}
    end.

already_started(Server, DataDir, StoreId, Timeout) ->
    Wanted = pando_directory:of_store(DataDir, StoreId),
    case pando_server:data_dir(Server) of
        {ok, Running} ->
            case pando_directory:of_store(Running, StoreId) of
                Wanted ->
                    case pando_server:await_open(Server, Timeout) of
                        ok -> {ok, StoreId};
                        {error, _} = Error -> Error
                    end;
                _ ->
                    {error, {pando, store_runs_elsewhere, #{store_id => StoreId, data_dir => Running}}}
            end;
        {error, _} = Error ->
            Error
    end.

await_open(StoreId, Timeout) ->
    case whereis(StoreId) of
        undefined -> {error, noproc};
        Server -> pando_server:await_open(Server, Timeout)
    end.

%% @doc Stops the default store.
-spec stop() -> ok | {error, term()}.
stop() ->
    stop(get_default_store_id()).

%% @doc Stops a store; `ok' also when it does not run. Its data stays. Returns when its directory is free.
%%
%% Calls under way are answered: those that the store had accepted normally, or with
%% `{error, {pando, store_closed, #{outcome => unknown}}}' if they take too long; later ones `{error, noproc}'.
-spec stop(store_id()) -> ok | {error, term()}.
stop(StoreId) when is_atom(StoreId) ->
    case server(StoreId) of
        undefined -> ok;
        Server -> stop_server(Server)
    end.

%% The process of a store, and not another one of the same name.
server(StoreId) ->
    Holder = whereis(StoreId),
    case is_pid(Holder) andalso pando_server:is_server(Holder) of
        true -> Holder;
        false -> undefined
    end.

stop_server(Server) ->
    Monitor = monitor(process, Server),
    Stopped = pando_server:stop(Server),
    %% The name must be free when we return.
    receive
        {'DOWN', Monitor, process, Server, _} -> ok
    end,
    case Stopped of
        {error, noproc} -> ok;
        _ -> Stopped
    end.

%% @doc Has the default store leave its cluster, stops it and deletes its data. See `reset/2'.
-spec reset() -> ok | {error, term()}.
reset() ->
    reset(get_default_store_id(), pando_options:default_timeout()).

%% @doc The same: `reset(Store)' or `reset(Timeout)'. The atom `infinity' is a timeout.
-spec reset(store_id() | timeout()) -> ok | {error, term()}.
reset(Timeout) when is_integer(Timeout); Timeout =:= infinity ->
    reset(get_default_store_id(), Timeout);
reset(StoreId) ->
    reset(StoreId, pando_options:default_timeout()).

%% @doc Has a store leave its cluster, if it has other members, stops it and deletes its data; started again, it is empty, and
%% another store than it was.
%%
%% Leaving needs a majority of the members, this one among them. If it cannot be, nothing is deleted and the store runs on:
%% `{error, {pando, no_quorum, _}}'; `{error, {pando, last_voter, _}}' if only observers would be left;
%% `{error, timeout}' after a leaving that took too long and may still happen.
%%
%% `{error, {pando, not_a_pando_store, #{store_id}}}' if it does not run. `{error, {pando, reset_failed, #{reason,
%% directory}}}' if its files cannot be removed: it is stopped then, with its data. Of a store without other members, after
%% `{error, timeout}' it is stopped and deleted all the same, later.
%%
%% ```
%% > pando_cluster:reset(stock, 5000).
%% ok
%% '''
-spec reset(store_id(), timeout()) -> ok | {error, term()}.
reset(StoreId, Timeout) when is_atom(StoreId) ->
    Deadline = pando_client:deadline(pando_options:timeout(Timeout)),
    case {server(StoreId), Deadline} of
        {undefined, _} -> {error, not_a_store(StoreId)};
        {_, expired} -> {error, timeout};
        {Server, _} -> reset_server(Server, StoreId, Deadline)
    end.

not_a_store(StoreId) ->
    {pando, not_a_pando_store, #{store_id => StoreId}}.

reset_server(Server, StoreId, Deadline) ->
    Monitor = monitor(process, Server),
    Reset = unless_busy(fun() -> pando_server:reset(Server, Deadline) end, Deadline),
    case Reset of
        ok ->
            receive
                {'DOWN', Monitor, process, Server, _} -> ok
            after pando_client:remaining_ms(Deadline) ->
                true = demonitor(Monitor, [flush])
            end;
        {error, _} ->
            true = demonitor(Monitor, [flush])
    end,
    case Reset of
        {error, noproc} -> {error, not_a_store(StoreId)};
        _ -> Reset
    end.

%% One join or reset of a store at a time.
unless_busy(Call, Deadline) ->
    unless_busy(Call, Deadline, pando_client:deadline(?BUSY_PATIENCE_MS)).

unless_busy(Call, Deadline, Patience) ->
    case Call() of
        {error, busy} ->
            case pando_client:is_past(Deadline) orelse pando_client:is_past(Patience) of
                true ->
                    {error, timeout};
                false ->
                    timer:sleep(min(?BUSY_POLL_MS, pando_client:remaining_ms(Deadline))),
                    unless_busy(Call, Deadline, Patience)
            end;
        Answer ->
            Answer
    end.

%% @doc Has the default store join the cluster of a store of the same name on another node. See `join/3'.
-spec join(node() | member()) -> ok | {error, term()}.
join(NodeOrMember) ->
    join(NodeOrMember, #{}).

%% @doc `join(Store, Node)', or `join(NodeOrMember, TimeoutOrOptions)' of the default store or the member's. See `join/3'.
%%
%% What is an atom in the second place is a node, except for `infinity', which is a timeout.
-spec join(store_id() | node() | member(), node() | timeout() | map()) -> ok | {error, term()}.
join({StoreId, Node}, TimeoutOrOptions) when is_atom(StoreId), is_atom(Node) ->
    join(StoreId, Node, TimeoutOrOptions);
join(Node, TimeoutOrOptions) when is_map(TimeoutOrOptions); is_integer(TimeoutOrOptions); TimeoutOrOptions =:= infinity ->
    join(get_default_store_id(), Node, TimeoutOrOptions);
join(StoreId, Node) ->
    join(StoreId, Node, #{}).

%% @doc Makes this node's member of a store one of the cluster that a store of the same name on `Node' belongs to. `Options': a
%% timeout, or a map with `timeout' and `role': `voter', or `observer' for a member that has everything and never votes.
%%
%% All data of this node's store go, and it leaves the cluster that it was in, which needs a majority there. `ok' when it has
%% what the others have, and votes. Several nodes may join at the same time. Joining one's own node is nothing; joining the
%% cluster that one is in already is leaving it and coming back.
%%
%% ```
%% > pando_cluster:join(stock, 'app@host1', #{timeout => 30000}).
%% ok
%% '''
%%
%% Errors:
%% <ul>
%% <li>`{pando, not_a_pando_store, #{store_id}}': it does not run here; with `node' in the map: not there.</li>
%% <li>`{pando, failed_to_join_remote_pando_node, #{store_id, node}}': the node does not answer.</li>
%% <li>`{pando, no_quorum, #{outcome, reason}}': one of the two clusters has no majority.</li>
%% <li>`{pando, last_voter, _}': the cluster that would be left consists of observers otherwise.</li>
%% <li>`timeout'. If the data were gone already, the store is an empty cluster of one; but while it is not certain that
%%     the cluster does not count on it, it goes on joining in the background. `status/1' tells.</li>
%% </ul>
%% If this node stops meanwhile, the join goes on when the store is started again, or nothing has happened.
-spec join(store_id(), node(), timeout() | map()) -> ok | {error, term()}.
join(StoreId, Node, Options) when is_atom(StoreId), is_atom(Node), is_map(Options) ->
    Timeout = pando_options:timeout(maps:get(timeout, Options, pando_options:default_timeout())),
    Role = maps:get(role, Options, voter),
    [] = maps:keys(maps:without([timeout, role], Options)),
    true = Role =:= voter orelse Role =:= observer,
    Deadline = pando_client:deadline(Timeout),
    case {server(StoreId), Deadline} of
        {undefined, _} ->
            {error, not_a_store(StoreId)};
        {_, expired} ->
            {error, timeout};
        {Server, _} ->
            Target = #{node => Node, role => Role, deadline => Deadline},
            case unless_busy(fun() -> pando_server:join(Server, Target) end, Deadline) of
                {error, noproc} -> {error, not_a_store(StoreId)};
                Result -> Result
            end
    end;
join(StoreId, Node, Timeout) ->
    join(StoreId, Node, #{timeout => Timeout}).

%% @doc Makes a new cluster of one survivor whose majority is gone for good: the last resort. See `pando_recover:recover/2', and
%% `pando_recover:inspect/1' first, which shows what each survivor has.
-spec recover(data_dir(), pando_recover:options()) -> {ok, pando_recover:recovery()} | {error, term()}.
recover(Dir, Options) ->
    pando_recover:recover(Dir, Options).

%% @doc Takes the member of a node out of a store's cluster: one that is gone for good. See `remove_member/3'.
-spec remove_member(store_id(), node()) -> ok | {error, pando_membership:failure()}.
remove_member(StoreId, Node) ->
    remove_member(StoreId, Node, pando_options:default_timeout()).

%% @doc Takes the member of a node out of a store's cluster, whether that node runs or not. May be called on any member.
%%
%% For a node that does not come back. One that comes back with an empty directory needs nothing, and one that runs is better
%% `reset/2' there. If it runs all the same, its store stops, and is not opened again with these data.
%%
%% `{error, {pando, no_such_member, _}}' if the node has none, `{error, {pando, last_voter, _}}' if nobody would be left who votes,
%% `{error, {pando, no_quorum, _}}' without a majority: then see `recover/2'.
%%
%% ```
%% > pando_cluster:remove_member(stock, 'app@host3').
%% ok
%% '''
-spec remove_member(store_id(), node(), timeout()) -> ok | {error, pando_membership:failure()}.
remove_member(StoreId, Node, Timeout) when is_atom(StoreId), is_atom(Node) ->
    pando_membership:remove(StoreId, Node, pando_client:deadline(pando_options:timeout(Timeout))).

%% @doc Makes a voter of this node's observer. See `promote/3'.
-spec promote(store_id()) -> ok | {error, pando_membership:failure()}.
promote(StoreId) ->
    promote(StoreId, node()).

%% @doc Makes a voter of an observer. See `promote/3'.
-spec promote(store_id(), node()) -> ok | {error, pando_membership:failure()}.
promote(StoreId, Node) ->
    promote(StoreId, Node, pando_options:default_timeout()).

%% @doc Makes a voter of the observer on a node; `ok' when it votes, which one does that is there and has what the others have.
%% A voter stays one.
%%
%% ```
%% > pando_cluster:promote(stock, 'app@host4', 30000).
%% ok
%% '''
-spec promote(store_id(), node(), timeout()) -> ok | {error, pando_membership:failure()}.
promote(StoreId, Node, Timeout) when is_atom(StoreId), is_atom(Node) ->
    pando_membership:promote(StoreId, Node, pando_client:deadline(pando_options:timeout(Timeout))).

%% @doc Has the member of a node lead. See `transfer_leadership/3'.
-spec transfer_leadership(store_id(), node()) -> ok | {error, pando_membership:failure()}.
transfer_leadership(StoreId, Node) ->
    transfer_leadership(StoreId, Node, pando_options:default_timeout()).

%% @doc Has the member of a node lead; `ok' when it does. It has to vote, and have what the leader has.
%%
%% It is for once: with different priorities (`start/3') leadership goes back to a member of the highest one.
%%
%% ```
%% > pando_cluster:transfer_leadership(stock, 'app@host2', 5000).
%% ok
%% '''
-spec transfer_leadership(store_id(), node(), timeout()) -> ok | {error, pando_membership:failure()}.
transfer_leadership(StoreId, Node, Timeout) when is_atom(StoreId), is_atom(Node) ->
    pando_membership:transfer_leadership(StoreId, Node, pando_client:deadline(pando_options:timeout(Timeout))).

%% @doc The stores that run on this node, sorted.
-spec get_store_ids() -> [store_id()].
get_store_ids() ->
    lists:sort(pando_backend:stores()).

%% @doc Whether a store runs on this node.
-spec is_store_running(store_id()) -> boolean().
is_store_running(StoreId) when is_atom(StoreId) ->
    lists:member(StoreId, pando_backend:stores()).

%% @doc This node's member of a store.
-spec this_member(store_id()) -> member().
this_member(StoreId) when is_atom(StoreId) ->
    node_to_member(StoreId, node()).

%% @doc A node's member of a store.
-spec node_to_member(store_id(), node()) -> member().
node_to_member(StoreId, Node) when is_atom(StoreId), is_atom(Node) ->
    {StoreId, Node}.

%% @doc The members of the default store. See `members/2'.
-spec members() -> {ok, [member()]} | {error, pando_errors:reason()}.
members() ->
    members(get_default_store_id(), #{}).

%% @doc The members of a store: `members(Store)' or `members(Options)'.
-spec members(store_id() | map()) -> {ok, [member()]} | {error, pando_errors:reason()}.
members(StoreId) when is_atom(StoreId) -> members(StoreId, #{});
members(Options) when is_map(Options) -> members(get_default_store_id(), Options).

%% @doc The members of a store, sorted; those that do not vote, too. `Options': `timeout', and `favor': `consistency', the
%% default, asks the leader, which needs a majority; `low_latency' answers what this node knows. `{error, noproc}' if the
%% store does not run.
%%
%% ```
%% > pando_cluster:members(stock).
%% {ok,[{stock,nonode@nohost}]}
%% '''
-spec members(store_id(), map()) -> {ok, [member()]} | {error, pando_errors:reason()}.
members(StoreId, Options) when is_atom(StoreId) ->
    Query = pando_options:query(maps:merge(#{favor => consistency}, Options)),
    %% The root is always there: reading it takes what any read takes, and then this node knows the members of that moment.
    case pando_read:node(StoreId, [], Query#{props := pando_props:no_bits()}) of
        {ok, _, _} -> members_seen(StoreId);
        {error, _} = Error -> Error
    end.

members_seen(StoreId) ->
    case pando_census:own_view(StoreId) of
        {ok, View} -> {ok, [{StoreId, Node} || Node <- pando_census:member_nodes(View)]};
        {error, noproc} -> {error, noproc}
    end.

%% @doc The nodes of the default store's members. See `members/2'.
-spec nodes() -> {ok, [node()]} | {error, pando_errors:reason()}.
nodes() ->
    nodes_of(members()).

%% @doc The nodes of a store's members: `nodes(Store)' or `nodes(Options)'.
-spec nodes(store_id() | map()) -> {ok, [node()]} | {error, pando_errors:reason()}.
nodes(StoreIdOrOptions) ->
    nodes_of(members(StoreIdOrOptions)).

%% @doc The nodes of a store's members, sorted. See `members/2'.
%%
%% ```
%% > pando_cluster:nodes(stock, #{timeout => 5000}).
%% {ok,[nonode@nohost]}
%% '''
-spec nodes(store_id(), map()) -> {ok, [node()]} | {error, pando_errors:reason()}.
nodes(StoreId, Options) ->
    nodes_of(members(StoreId, Options)).

nodes_of({ok, Members}) -> {ok, [Node || {_, Node} <- Members]};
nodes_of({error, _} = Error) -> Error.

%% @doc Waits until the default store has a leader. See `wait_for_leader/2'.
-spec wait_for_leader() -> ok | {error, timeout | noproc}.
wait_for_leader() ->
    wait_for_leader(get_default_store_id()).

%% @doc Waits until a store has a leader, as long as `default_timeout' of the application says.
-spec wait_for_leader(store_id() | member()) -> ok | {error, timeout | noproc}.
wait_for_leader(StoreOrMember) ->
    wait_for_leader(StoreOrMember, pando_options:default_timeout()).

%% @doc Waits until a store, or a member of it on another node, runs and has a leader; one that is on the way into a cluster
%% counts when it is there.
%%
%% It looks at least once, and again while the store does not run. `{error, noproc}' if it still does not run in the
%% end, `{error, timeout}' if it runs without a leader.
%%
%% ```
%% > pando_cluster:wait_for_leader(stock, 5000).
%% ok
%% '''
-spec wait_for_leader(store_id() | member(), timeout()) -> ok | {error, timeout | noproc}.
wait_for_leader({StoreId, Node}, Timeout) when is_atom(StoreId), is_atom(Node) ->
    await_leader(StoreId, Node, pando_client:deadline(pando_options:timeout(Timeout)));
wait_for_leader(StoreId, Timeout) when is_atom(StoreId) ->
    wait_for_leader(this_member(StoreId), Timeout).

await_leader(StoreId, Node, Deadline) ->
    case leader(StoreId, Node) of
        {ok, Leader} when Leader =/= undefined ->
            ok;
        Without ->
            case {pando_client:is_past(Deadline), Without} of
                {true, {ok, undefined}} ->
                    {error, timeout};
                {true, {error, noproc}} ->
                    {error, noproc};
                {false, _} ->
                    timer:sleep(min(?LEADER_POLL_MS, pando_client:remaining_ms(Deadline))),
                    await_leader(StoreId, Node, Deadline)
            end
    end.

leader(StoreId, Node) ->
    pando_census:leader(Node, StoreId, ?LEADER_ASK_MS).

%% @doc Figures of a store: role, term, leader, quorum, members, log indexes, node count, log bytes, as this member sees them.
%% `docs/operations.md' explains each; `pando:info/1' prints them.
%%
%% ```
%% > pando_cluster:status(stock).
%% {ok,#{role => leader,has_quorum => true,node_count => 4,applied_index => 12,log_size_bytes => 1048576,...}}
%% '''
-spec status(store_id()) -> {ok, pando_status:status()} | {error, noproc}.
status(StoreId) ->
    pando_status:status(StoreId).

%% @doc Sends the events of a store to the caller. See `subscribe/2'.
-spec subscribe(store_id()) -> ok | {error, pando_errors:reason()}.
subscribe(StoreId) ->
    pando_events:subscribe(StoreId).

%% @doc Sends the events of a store to a process of this node, until that ends or `unsubscribe/2': messages
%% `{pando_event, Store, Event}' as of `pando_events:event()', in the order in which it happened here.
%%
%% ```
%% > pando_cluster:subscribe(stock).
%% ok
%% > flush().
%% Shell got {pando_event,stock,quorum_lost}
%% '''
%%
%% The store need not run; the subscription stays when it stops, halts or is opened again. A process that is subscribed
%% already stays so, and gets each event once. `{error, {pando, limit_exceeded, _}}': too many on this node. What an event
%% means, and a process that is to run only with a quorum: `docs/operations.md'.
-spec subscribe(store_id(), pid()) -> ok | {error, pando_errors:reason()}.
subscribe(StoreId, Pid) ->
    pando_events:subscribe(StoreId, Pid).

%% @doc No more events of a store for the caller. What was sent before may be in its mailbox.
-spec unsubscribe(store_id()) -> ok.
unsubscribe(StoreId) ->
    pando_events:unsubscribe(StoreId).

%% @doc No more events of a store for a process.
-spec unsubscribe(store_id(), pid()) -> ok.
unsubscribe(StoreId, Pid) ->
    pando_events:unsubscribe(StoreId, Pid).

%% @doc The store that calls without one use: application environment `default_store_id', else `pando'.
-spec get_default_store_id() -> store_id().
get_default_store_id() ->
    case application:get_env(pando, default_store_id) of
        undefined -> pando;
        {ok, StoreId} when is_atom(StoreId) -> StoreId;
        {ok, Invalid} -> pando_errors:raise_misuse(invalid_default_store_id_value, #{default_store_id => Invalid})
    end.

%% @doc Where stores are kept that are started without a directory: application environment `default_ra_system', else
%% `"pando#Node"' in the current directory.
-spec get_default_ra_system_or_data_dir() -> data_dir().
get_default_ra_system_or_data_dir() ->
    case application:get_env(pando, default_ra_system) of
        undefined ->
            "pando#" ++ atom_to_list(node());
        {ok, DataDir} when is_list(DataDir); is_binary(DataDir) ->
            DataDir;
        {ok, Invalid} ->
            pando_errors:raise_misuse(invalid_default_ra_system_value, #{default_ra_system => Invalid})
    end.
