%% @private Which connections of the port backend there are, and what becomes of their programs when they do not end as they should.
%%
%% Invariants
%% 1. A connection puts itself into the table and takes itself out. Who finds it may find it dead: then a call of it fails.
%% 2. One that was killed is taken out by this process, which tells the owner of its store that the store has halted, and sees to
%%    the end of its program: that reads the end of its input, and is killed if that does not help.
%% 3. No process is started here that outlives its purpose: the connection for what has no store ends when it is idle.
-module(pando_port_registry).
-behaviour(gen_server).

-export([start_link/0, create_table/0]).
-export([store/1, member/1, connection/1, newest/1, stores/0, service/0, has_crashed/1, is_any_ending/0]).
%% For connections.
-export([enter/3, set_os_pid/2, set_phase/2, leave/1, log/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-export_type([purpose/0, phase/0]).

-include_lib("kernel/include/logger.hrl").

-define(LOG_DOMAIN, #{domain => [pando]}).
-define(TABLE, ?MODULE).

%% How long a program whose connection was killed may take to end by itself, in milliseconds.
-define(END_TIMEOUT_MS, 15000).
%% How often it is looked whether it has, in milliseconds.
-define(END_POLL_MS, 100).
%% How long it is remembered that a connection was killed, in milliseconds: longer than anybody waits for one.
-define(CRASH_KEPT_MS, 60000).

%% `service': what has no store.
-type purpose() :: {store, pando_backend:store_id(), Owner :: pid()} | service.
-type phase() :: opening | open | closing.

%% (`_' and `$1' are for patterns.) What the table has, each by its key: of a store, or of `service', the newest connection; and of each connection what is to be
%% known when it is gone.
-record(store, {
    key :: {store, pando_backend:store_id() | '$1'} | service,
    connection :: pid() | '_',
    counters :: pando_port_call:counters() | '_',
    phase :: phase() | '_'
}).
-record(connection, {
    key :: pid() | '$1',
    counters :: pando_port_call:counters() | '_',
    purpose :: purpose() | '_',
    os_pid :: undefined | pando_port_program:os_pid() | '_'
}).

%% Programs whose connections were killed, and which may still have a directory.
-type ending() :: #{pando_port_program:os_pid() => {EndByMs :: integer(), IsKilled :: boolean()}}.
-type state() :: ending().

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Belongs to the calling process, and is gone with it. What was started before the application was, ends.
-spec create_table() -> ok.
create_table() ->
    case whereis(?MODULE) of
        undefined -> ok;
        Alone -> end_alone(Alone)
    end,
    new_table().

end_alone(Registry) ->
    case newest(service) of
        none ->
            ok;
        Connection ->
            Monitor = monitor(process, Connection),
            Connection ! {close, self()},
            receive
                {'DOWN', Monitor, process, Connection, _} -> ok
            after ?END_TIMEOUT_MS -> true = demonitor(Monitor, [flush])
            end
    end,
    gen_server:stop(Registry).

new_table() ->
    ?TABLE = ets:new(?TABLE, [set, public, named_table, {keypos, 2}, {read_concurrency, true}]),
    ok.

%%% For callers

%% The connection of a store that is open.
-spec store(pando_backend:store_id()) -> pando_port_call:target() | none.
store(StoreId) ->
    try ets:lookup(?TABLE, {store, StoreId}) of
        [#store{phase = open, connection = Connection, counters = Counters}] -> {Connection, Counters};
        _ -> none
    catch
        error:badarg -> none
    end.

%% For what comes from the store's other members, which it hears also while it closes: to hand leadership over, and to end what it
%% has proposed.
-spec member(pando_backend:store_id()) -> pando_port_call:target() | none.
member(StoreId) ->
    try ets:lookup(?TABLE, {store, StoreId}) of
        [#store{phase = Phase, connection = Connection, counters = Counters}] when Phase =/= opening -> {Connection, Counters};
        _ -> none
    catch
        error:badarg -> none
    end.

%% A connection, by what handles hold.
-spec connection(pid()) -> pando_port_call:target() | none.
connection(Connection) ->
    try ets:lookup(?TABLE, Connection) of
        [#connection{counters = Counters}] -> {Connection, Counters};
        _ -> none
    catch
        error:badarg -> none
    end.

%% The connection of a store, or for what has none, in whatever phase.
-spec newest({store, pando_backend:store_id()} | service) -> pid() | none.
newest(Key) ->
    try ets:lookup(?TABLE, Key) of
        [#store{connection = Connection}] when is_pid(Connection) -> Connection;
        [] -> none
    catch
        error:badarg -> none
    end.

%% Those that are open.
-spec stores() -> [pando_backend:store_id()].
stores() ->
    try
        [StoreId || [StoreId] <- ets:match(?TABLE, #store{key = {store, '$1'}, phase = open, _ = '_'})]
    catch
        error:badarg -> []
    end.

%% The connection for what has no store; started if there is none. Also where the application is not started. `none': it has ended
%% already.
-spec service() -> pando_port_call:target() | none | {error, Text :: binary()}.
service() ->
    try ets:lookup(?TABLE, service) of
        [#store{phase = open, connection = Connection, counters = Counters}] -> {Connection, Counters};
        _ -> start_service()
    catch
        error:badarg -> start_service()
    end.

start_service() ->
    case ensure_started() of
        ok -> gen_server:call(?MODULE, service);
        {error, Reason} -> {error, unicode:characters_to_binary(io_lib:format("~0tp", [Reason]))}
    end.

ensure_started() ->
    case whereis(?MODULE) of
        undefined ->
            case gen_server:start({local, ?MODULE}, ?MODULE, [], []) of
                {ok, _} -> ok;
                {error, {already_started, _}} -> ok;
                {error, Reason} -> {error, Reason}
            end;
        _ ->
            ok
    end.

%% Whether a connection was killed, and so could not answer those whom it owed an answer.
-spec has_crashed(pid()) -> boolean().
has_crashed(Connection) ->
    try
        %% It has gone, and this process knows by now: that it has is told to all at once.
        gen_server:call(?MODULE, {has_crashed, Connection}, infinity)
    catch
        exit:_ -> true
    end.

%% Whether the program of a connection that was killed may still have a directory.
-spec is_any_ending() -> boolean().
is_any_ending() ->
    gen_server:call(?MODULE, is_any_ending, infinity).

%%% For connections

-spec enter(pid(), purpose(), pando_port_call:counters()) -> ok.
enter(Connection, Purpose, Counters) ->
    Entry = #connection{key = Connection, counters = Counters, purpose = Purpose},
    true = ets:insert(?TABLE, [
        Entry, #store{key = key(Purpose), connection = Connection, counters = Counters, phase = opening}
    ]),
    gen_server:cast(?MODULE, {entered, Connection}).

key({store, StoreId, _Owner}) -> {store, StoreId};
key(service) -> service.

-spec set_os_pid(pid(), pando_port_program:os_pid()) -> ok.
set_os_pid(Connection, OsPid) ->
    true = ets:update_element(?TABLE, Connection, {#connection.os_pid, OsPid}),
    ok.

%% Unless another one has taken its place.
-spec set_phase(pid(), phase()) -> ok.
set_phase(Connection, Phase) ->
    case ets:lookup(?TABLE, Connection) of
        [#connection{purpose = Purpose}] ->
            case ets:lookup(?TABLE, key(Purpose)) of
                [#store{connection = Connection, key = Key}] ->
                    _ = ets:update_element(?TABLE, Key, {#store.phase, Phase}),
                    ok;
                _ ->
                    ok
            end;
        [] ->
            ok
    end.

%% Its program has ended.
-spec leave(pid()) -> ok.
leave(Connection) ->
    case ets:take(?TABLE, Connection) of
        [#connection{purpose = Purpose}] -> forget(key(Purpose), Connection);
        [] -> ok
    end.

forget(Key, Connection) ->
    _ = ets:match_delete(?TABLE, #store{key = Key, connection = Connection, _ = '_'}),
    ok.

%% Says something in the log, in this process: who sends waits for no handler.
-spec log(purpose(), error | warning | info, binary()) -> ok.
log(Purpose, Level, Text) ->
    gen_server:cast(?MODULE, {log, Purpose, Level, Text}).

%%% The process

-spec init([]) -> {ok, state()}.
init([]) ->
    %% Started alone, or again.
    case ets:whereis(?TABLE) of
        undefined -> new_table();
        _ -> ok
    end,
    Connections = ets:match(?TABLE, #connection{key = '$1', _ = '_'}),
    _ = [monitor(process, Connection) || [Connection] <- Connections],
    {ok, #{}}.

-spec handle_call(service | is_any_ending | {has_crashed, pid()}, gen_server:from(), state()) -> {reply, term(), state()}.
handle_call(service, _From, State) ->
    Found =
        case ets:lookup(?TABLE, service) of
            [#store{phase = open, connection = Connection, counters = Counters}] ->
                {Connection, Counters};
            _ ->
                case pando_port_sup:start_connection(#{purpose => service}) of
                    {ok, Connection} -> connection(Connection);
                    {error, Reason} -> {error, unicode:characters_to_binary(io_lib:format("~0tp", [Reason]))}
                end
        end,
    {reply, Found, State};
handle_call(is_any_ending, _From, State) ->
    {reply, map_size(State) > 0, State};
handle_call({has_crashed, Connection}, _From, State) ->
    %% It is in the table still if its end has not come here yet.
    {reply, ets:member(?TABLE, Connection) orelse ets:member(?TABLE, {crashed, Connection}), State}.

-spec handle_cast(term(), state()) -> {noreply, state()}.
handle_cast({entered, Connection}, State) ->
    _ = monitor(process, Connection),
    {noreply, State};
handle_cast({log, Purpose, Level, Text}, State) ->
    Of =
        case Purpose of
            {store, StoreId, _Owner} -> io_lib:format("of store ~ts", [StoreId]);
            service -> "for what has no store"
        end,
    ?LOG(Level, "The program ~ts: ~ts", [Of, Text], ?LOG_DOMAIN),
    {noreply, State};
handle_cast(_Unexpected, State) ->
    {noreply, State}.

-spec handle_info(term(), state()) -> {noreply, state()}.
handle_info({'DOWN', _, process, Connection, Reason}, State) ->
    case ets:take(?TABLE, Connection) of
        %% It has left before.
        [] -> {noreply, State};
        [Entry] -> {noreply, crashed(Entry, Reason, State)}
    end;
handle_info({forget, Key}, State) ->
    true = ets:delete(?TABLE, Key),
    {noreply, State};
handle_info(look, State) ->
    {noreply, looked(State)};
handle_info(_Unexpected, State) ->
    {noreply, State}.

crashed(#connection{key = Connection, purpose = Purpose, os_pid = OsPid}, Reason, State) ->
    Key = key(Purpose),
    Phases = [Phase || #store{connection = C, phase = Phase} <- ets:lookup(?TABLE, Key), C =:= Connection],
    ok = forget(Key, Connection),
    true = ets:insert(?TABLE, {crashed, {crashed, Connection}}),
    _ = erlang:send_after(?CRASH_KEPT_MS, self(), {forget, {crashed, Connection}}),
    Text = unicode:characters_to_binary(io_lib:format("the connection to its program has ended: ~0tP", [Reason, 30])),
    _ =
        case {Purpose, Phases} of
            {{store, StoreId, Owner}, [opening]} ->
                Owner ! {pando_opened, StoreId, {error, {open_failed, <<"other">>, Text}}};
            {{store, StoreId, Owner}, _} ->
                Owner ! {pando_halted, StoreId, Text};
            {service, _} ->
                none
        end,
    case OsPid of
        undefined ->
            State;
        _ ->
            self() ! look,
            State#{OsPid => {erlang:monotonic_time(millisecond) + ?END_TIMEOUT_MS, false}}
    end.

looked(State) ->
    NowMs = erlang:monotonic_time(millisecond),
    Left = maps:filtermap(
        fun(OsPid, {EndByMs, IsKilled}) ->
            case pando_port_program:is_alive(OsPid) of
                false ->
                    false;
                true when NowMs < EndByMs; IsKilled ->
                    {true, {EndByMs, IsKilled}};
                true ->
                    ok = pando_port_program:kill(OsPid),
                    {true, {EndByMs, true}}
            end
        end,
        State
    ),
    _ = map_size(Left) > 0 andalso erlang:send_after(?END_POLL_MS, self(), look),
    Left.
