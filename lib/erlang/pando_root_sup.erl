%% @private The supervisor of the application: what outlives stores, and after it the stores that `pando:start' has started.
-module(pando_root_sup).
-behaviour(supervisor).

-export([start_link/0]).
-export([init/1]).

%% Nothing here ends because of what its callers do. If one does so again and again, the application ends.
-define(RESTARTS_MAX, 5).
-define(RESTARTS_PERIOD_S, 30).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    %% Owned by this process, so that nobody has to subscribe again if `pando_events' ends.
    ok = pando_events:create_table(),
    ok = pando_port_registry:create_table(),
    Flags = #{strategy => one_for_one, intensity => ?RESTARTS_MAX, period => ?RESTARTS_PERIOD_S},
    %% Ended in the opposite order: stores first, while there is somebody to tell.
    Children = [
        worker(pando_telemetry),
        worker(pando_events),
        worker(pando_port_registry),
        supervisor(pando_port_sup),
        supervisor(pando_sup)
    ],
    {ok, {Flags, Children}}.

worker(Module) ->
    #{id => Module, start => {Module, start_link, []}}.

supervisor(Module) ->
    #{id => Module, start => {Module, start_link, []}, type => supervisor}.
