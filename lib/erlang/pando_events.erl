%% @private Events of stores for processes that want to know: `pando_cluster:subscribe/1'.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>A subscription belongs to a store's name: it stays when the store stops, halts or is opened again, and when this process
%%     ends. It goes with its subscriber.</li>
%% <li>The events of a store come to all its subscribers in the order in which its process has told them, and whoever was
%%     subscribed before one was told gets it, once.</li>
%% <li>Who tells an event waits for nobody: it sends to subscribers on this node alone, of which there is a bounded number, and
%%     runs nothing of theirs.</li>
%% </ol>
-module(pando_events).
-behaviour(gen_server).

-export([start_link/0, create_table/0]).
-export([subscribe/1, subscribe/2, unsubscribe/1, unsubscribe/2, publish/2, ended/3, published_counts/0]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-export_type([event/0]).

%% Subscriptions of a node, to all its stores.
-define(SUBSCRIPTIONS_MAX, 4096).

%% `{subscriber, Store, Pid}', so that those of a store stand together; `{published, Store}' with a count.
-define(TABLE, ?MODULE).

-type store() :: pando_cluster:store_id().
-type member() :: #{member_id := non_neg_integer(), node := node()}.
%% What a subscriber gets in `{pando_event, Store, Event}'.
-type event() ::
    store_started
    | store_stopped
    | {store_halted, #{reason := binary()}}
    | {leader_changed, #{leader := undefined | {MemberId :: non_neg_integer(), node()}, term := non_neg_integer()}}
    | quorum_lost
    | quorum_regained
    | {member_joined, member()}
    | {member_left, member()}
    | {role_changed, #{member_id := non_neg_integer(), node := node(), is_voter := boolean()}}
    | {member_lagging, #{member_id := non_neg_integer(), node := node(), entries := non_neg_integer()}}
    | {member_caught_up, member()}
    | {snapshot_installed, #{index := non_neg_integer()}}
    | removed.

-type state() :: #{pid() => Monitor :: reference()}.

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Belongs to the calling process, and is gone with it.
-spec create_table() -> ok.
create_table() ->
    ?TABLE = ets:new(?TABLE, [ordered_set, public, named_table, {read_concurrency, true}]),
    ok.

%% @doc Sends the events of a store to the caller. See `pando_cluster:subscribe/2'.
-spec subscribe(store()) -> ok | {error, pando_errors:reason()}.
subscribe(Store) ->
    subscribe(Store, self()).

%% @doc Sends the events of a store to a process of this node, as `{pando_event, Store, Event}', until that ends or
%% `unsubscribe/2'. The store need not run. A process that is subscribed already stays so, and gets each event once.
-spec subscribe(store(), pid()) -> ok | {error, pando_errors:reason()}.
subscribe(Store, Pid) when is_atom(Store), is_pid(Pid), node(Pid) =:= node() ->
    case started() of
        ok -> gen_server:call(?MODULE, {subscribe, Store, Pid}, infinity);
        {error, _} = Error -> Error
    end.

%% A store under the user's own supervisor starts the application with it; who subscribes may come before.
started() ->
    case whereis(?MODULE) of
        undefined ->
            case application:ensure_all_started(pando) of
                {ok, _} -> ok;
                {error, _} -> {error, noproc}
            end;
        _ ->
            ok
    end.

%% @doc No more events of a store for the caller.
-spec unsubscribe(store()) -> ok.
unsubscribe(Store) ->
    unsubscribe(Store, self()).

%% @doc No more events of a store for a process. What was sent before may be in its mailbox.
-spec unsubscribe(store(), pid()) -> ok.
unsubscribe(Store, Pid) when is_atom(Store), is_pid(Pid) ->
    case whereis(?MODULE) of
        undefined -> ok;
        _ -> gen_server:call(?MODULE, {unsubscribe, Store, Pid}, infinity)
    end.

%% Tells an event, as the store's process has it from the native side or makes it itself: the names of nodes may be binaries.
-spec publish(store(), term()) -> ok.
publish(Store, Event) when is_atom(Store) ->
    Public = public(Event),
    try
        _ = [Pid ! {pando_event, Store, Public} || Pid <- subscribers(Store)],
        _ = ets:update_counter(?TABLE, {published, Store}, 1, {{published, Store}, 0}),
        ok
    catch
        %% Without the application there is nobody.
        error:badarg -> ok
    end,
    pando_telemetry:event(Store, Public).

subscribers(Store) ->
    ets:select(?TABLE, [{{{subscriber, Store, '$1'}}, [], ['$1']}]).

%% Nodes of this cluster, which are not many: their names may become atoms.
public({leader_changed, #{leader := {MemberId, Node}} = Props}) ->
    {leader_changed, Props#{leader := {MemberId, pando_status:node_name(Node)}}};
public({Name, #{node := Node} = Props}) ->
    {Name, Props#{node := pando_status:node_name(Node)}};
public(Event) ->
    Event.

%% Tells that the process of a store ends, if there is anything to tell: it was open, and no halt, which is told already.
-spec ended(store(), Phase :: term(), Reason :: term()) -> ok.
ended(_Store, open, {store_halted, _}) -> ok;
ended(Store, open, _Reason) -> publish(Store, store_stopped);
ended(_Store, _Phase, _Reason) -> ok.

%% How many events each store has told since the application was started.
-spec published_counts() -> #{store() => non_neg_integer()}.
published_counts() ->
    try
        maps:from_list(ets:select(?TABLE, [{{{published, '$1'}, '$2'}, [], [{{'$1', '$2'}}]}]))
    catch
        error:badarg -> #{}
    end.

%%% The process: who is subscribed, and alive

-spec init([]) -> {ok, state()}.
init([]) ->
    %% There are some if this process had ended.
    Pids = ets:select(?TABLE, [{{{subscriber, '_', '$1'}}, [], ['$1']}]),
    {ok, maps:from_list([{Pid, monitor(process, Pid)} || Pid <- lists:usort(Pids)])}.

-spec handle_call(
    {subscribe, store(), pid()} | {unsubscribe, store(), pid()}, gen_server:from(), state()
) -> {reply, ok | {error, pando_errors:reason()}, state()}.
handle_call({subscribe, Store, Pid}, _From, State) ->
    case ets:member(?TABLE, {subscriber, Store, Pid}) orelse subscription_count() < ?SUBSCRIPTIONS_MAX of
        true ->
            true = ets:insert(?TABLE, {{subscriber, Store, Pid}}),
            {reply, ok, watch(Pid, State)};
        false ->
            Props = #{limit => subscriptions_max, max => ?SUBSCRIPTIONS_MAX, outcome => not_applied},
            {reply, {error, {pando, limit_exceeded, Props}}, State}
    end;
handle_call({unsubscribe, Store, Pid}, _From, State) ->
    true = ets:delete(?TABLE, {subscriber, Store, Pid}),
    {reply, ok, unwatch(Pid, State)}.

subscription_count() ->
    ets:select_count(?TABLE, [{{{subscriber, '_', '_'}}, [], [true]}]).

watch(Pid, State) when is_map_key(Pid, State) -> State;
watch(Pid, State) -> State#{Pid => monitor(process, Pid)}.

%% Unless it is subscribed to another store.
unwatch(Pid, State) ->
    case {ets:select_count(?TABLE, [{{{subscriber, '_', Pid}}, [], [true]}]), State} of
        {0, #{Pid := Monitor}} ->
            true = demonitor(Monitor, [flush]),
            maps:remove(Pid, State);
        _ ->
            State
    end.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast(_Unexpected, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', _Monitor, process, Pid, _Reason}, State) ->
    _ = ets:select_delete(?TABLE, [{{{subscriber, '_', Pid}}, [], [true]}]),
    {noreply, maps:remove(Pid, State)};
handle_info(_Unexpected, State) ->
    {noreply, State}.
