%% @private The supervisor of the connections of the port backend. None is started again by it: a store that has lost its program
%% is opened again by its own supervisor (`pando_store_sup'), by a new connection.
-module(pando_port_sup).
-behaviour(supervisor).

-export([start_link/0, start_connection/1]).
-export([init/1]).

%% How long a connection may take to close its store and to end its program, in milliseconds.
-define(CLOSE_TIMEOUT_MS, 20000).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% Returns at once, before there is a program. Also where the application is not started: then nobody supervises it.
-spec start_connection(pando_port_connection:config()) -> {ok, pid()} | {error, term()}.
start_connection(Config) ->
    case whereis(?MODULE) of
        undefined ->
            pando_port_connection:start(Config);
        _ ->
            case supervisor:start_child(?MODULE, [Config]) of
                {ok, Connection} when is_pid(Connection) -> {ok, Connection};
                {error, Reason} -> {error, Reason}
            end
    end.

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Flags = #{strategy => simple_one_for_one, intensity => 0, period => 1},
    Connection = #{
        id => pando_port_connection,
        start => {pando_port_connection, start_link, []},
        restart => temporary,
        shutdown => ?CLOSE_TIMEOUT_MS
    },
    {ok, {Flags, [Connection]}}.
