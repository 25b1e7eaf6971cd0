%% @doc Stores of this node: starting, stopping, names and directories (specification section 16).
-module(pando_cluster).
-compile({no_auto_import, [nodes/0, nodes/1, nodes/2]}).

-export([start/0, start/1, start/2, start/3, start_link/1, stop/0, stop/1, reset/0, reset/1, reset/2]).
-export([get_store_ids/0, is_store_running/1, this_member/1, node_to_member/2, status/1]).
-export([members/0, members/1, members/2, nodes/0, nodes/1, nodes/2]).
-export([wait_for_leader/0, wait_for_leader/1, wait_for_leader/2]).
-export([get_default_store_id/0, get_default_ra_system_or_data_dir/0]).

-export_type([store_id/0, member/0, data_dir/0, start_error/0]).

%% How often `wait_for_leader' looks, in milliseconds.
-define(LEADER_POLL_MS, 200).

-type store_id() :: pando_backend:store_id().
%% A store on one node.
-type member() :: {store_id(), node()}.
%% A directory; each store has its own in it, named after the store.
-type data_dir() :: file:filename_all().
-type start_error() :: timeout | pando_errors:reason() | term().

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
-spec start(data_dir(), store_id() | map(), timeout()) -> {ok, store_id()} | {error, start_error()}.
start(DataDir, Config, Timeout) when is_map(Config) ->
    start(DataDir, maps:get(cluster_name, Config, get_default_store_id()), Timeout);
start(DataDir, StoreId, Timeout) when is_atom(StoreId), is_list(DataDir) orelse is_binary(DataDir) ->
    Limit = pando_options:timeout(Timeout),
    case started_application() of
        ok -> start_store(DataDir, StoreId, Limit);
        {error, _} = Error -> Error
    end.

start_store(DataDir, StoreId, Limit) ->
    %% Looked up first, because the supervisor reports a second start as a fault.
    case whereis(StoreId) of
        undefined -> started(pando_sup:start_store(config(DataDir, StoreId)), DataDir, StoreId, Limit);
        Holder -> name_in_use(Holder, DataDir, StoreId, Limit)
    end.

%% A native library that cannot be loaded is said here, and not by the first call that misses it.
started_application() ->
    {ok, _} = application:ensure_all_started(pando),
    case code:ensure_loaded(pando_nif) of
        {module, pando_nif} -> ok;
        {error, Cause} -> {error, pando_directory:library_error(Cause)}
    end.

%% @doc Starts a store under the calling supervisor: `#{store_id => atom(), data_dir => Dir}'. Returns when it answers.
%%
%% What is returned is the process of the store: it ends abnormally when the store has halted, and normally when it was
%% stopped, so it is to be a `transient' child. There is no supervisor of ours in between: one that gives up ends with
%% the reason `shutdown', which the calling supervisor would take for an orderly end, and the store would be missing
%% without anybody being told.
-spec start_link(#{store_id := store_id(), data_dir := data_dir()}) -> {ok, pid()} | {error, start_error()}.
start_link(#{store_id := StoreId, data_dir := DataDir}) when is_atom(StoreId) ->
    case started_application() of
        ok -> start_linked(pando_server:start_link(config(DataDir, StoreId)));
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

config(DataDir, StoreId) ->
    %% Here, so that the caller hears of a directory that is none, and nothing is started.
    _ = pando_directory:of_store(DataDir, StoreId),
    #{store_id => StoreId, data_dir => DataDir, opened => atomics:new(1, [])}.

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

%% @doc Stops the default store and deletes its data. See `reset/2'.
-spec reset() -> ok | {error, term()}.
reset() ->
    reset(get_default_store_id(), pando_options:default_timeout()).

%% @doc Stops a store and deletes its data: `reset(Store)' or `reset(Timeout)'. The atom `infinity' is a timeout.
-spec reset(store_id() | timeout()) -> ok | {error, term()}.
reset(Timeout) when is_integer(Timeout); Timeout =:= infinity ->
    reset(get_default_store_id(), Timeout);
reset(StoreId) ->
    reset(StoreId, pando_options:default_timeout()).

%% @doc Stops a store and deletes its data; started again, it is empty, and another store than it was.
%%
%% `{error, {pando, not_a_pando_store, #{store_id}}}' if it does not run. `{error, {pando, reset_failed, #{reason,
%% directory}}}' if its files cannot be removed: it is stopped then, with its data. After `{error, timeout}' it is
%% stopped and deleted all the same, later.
%%
%% ```
%% > pando_cluster:reset(stock, 5000).
%% ok
%% '''
-spec reset(store_id(), timeout()) -> ok | {error, term()}.
reset(StoreId, Timeout) when is_atom(StoreId) ->
    Deadline = pando_client:deadline(pando_options:timeout(Timeout)),
    case {server(StoreId), Deadline} of
        {undefined, _} -> {error, {pando, not_a_pando_store, #{store_id => StoreId}}};
        {_, expired} -> {error, timeout};
        {Server, _} -> reset_server(Server, StoreId, Deadline)
    end.

reset_server(Server, StoreId, Deadline) ->
    Monitor = monitor(process, Server),
    Reset = pando_server:reset(Server, pando_client:remaining_ms(Deadline)),
    receive
        {'DOWN', Monitor, process, Server, _} -> ok
    after pando_client:remaining_ms(Deadline) ->
        true = demonitor(Monitor, [flush])
    end,
    case Reset of
        {error, noproc} -> {error, {pando, not_a_pando_store, #{store_id => StoreId}}};
        _ -> Reset
    end.

%% @doc The stores that run on this node, sorted.
-spec get_store_ids() -> [store_id()].
get_store_ids() ->
    lists:sort(pando_nif:stores()).

%% @doc Whether a store runs on this node.
-spec is_store_running(store_id()) -> boolean().
is_store_running(StoreId) when is_atom(StoreId) ->
    lists:member(StoreId, pando_nif:stores()).

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

%% @doc The members of a store, sorted; this node's alone in this release. `Options': `timeout', and `favor', by default
%% `consistency'. `{error, noproc}' if the store does not run.
%%
%% ```
%% > pando_cluster:members(stock).
%% {ok,[{stock,nonode@nohost}]}
%% '''
-spec members(store_id(), map()) -> {ok, [member()]} | {error, pando_errors:reason()}.
members(StoreId, Options) when is_atom(StoreId) ->
    Query = pando_options:query(maps:merge(#{favor => consistency}, Options)),
    %% The root is always there: reading it takes what any read takes, and answers whether the store runs.
    case pando_read:node(StoreId, [], Query#{props := pando_props:no_bits()}) of
        {ok, _, _} -> {ok, [this_member(StoreId)]};
        {error, _} = Error -> Error
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

%% @doc Waits until a store, or a member of it, runs and has a leader. A store that `pando:start' has started has one.
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

%% Members are on this node alone.
leader(StoreId, Node) when Node =:= node() ->
    case pando_nif:status(StoreId) of
        {ok, #{leader := Leader}} -> {ok, Leader};
        {error, noproc} -> {error, noproc}
    end;
leader(_StoreId, _Node) ->
    {error, noproc}.

%% @doc Figures of a store: member, term, leader, log indexes, node count, log bytes.
%%
%% ```
%% > pando_cluster:status(stock).
%% {ok,#{node_count => 4,applied_index => 12,log_size_bytes => 1048576,...}}
%% '''
-spec status(store_id()) -> {ok, #{atom() => term()}} | {error, noproc}.
status(StoreId) when is_atom(StoreId) ->
    pando_nif:status(StoreId).

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
