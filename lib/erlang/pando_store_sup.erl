%% @private The supervisor of one store: opens it again after a fault, up to a limit, and ends when the store is stopped.
-module(pando_store_sup).
-behaviour(supervisor).

-export([start_link/1]).
-export([init/1]).

-export_type([config/0, cluster/0]).

%% `opened' is an `atomics' cell: 1 once the store has been open, so that a first opening that fails is an answer and a
%% later one a fault.
-type config() :: #{
    store_id := pando_backend:store_id(),
    data_dir := file:filename_all(),
    opened := atomics:atomics_ref(),
    backend := pando_backend:backend(),
    cluster => none | cluster(),
    %% Of the voters that could lead, one of the highest priority does.
    priority => integer()
}.
%% Where the cluster of a store without data is, or is to be; `expect': how many nodes have to be there to found it.
-type cluster() :: #{nodes := [node()] | fun(() -> [node()]), expect := default | pos_integer()}.

%% A store that halts more often than this many times in this many seconds is given up.
-define(RESTARTS_MAX, 5).
-define(RESTARTS_PERIOD_S, 30).
%% How long an orderly closing may take, in milliseconds.
-define(CLOSE_TIMEOUT_MS, 20000).

-spec start_link(config()) -> supervisor:startlink_ret().
start_link(Config) ->
    supervisor:start_link(?MODULE, Config).

-spec init(config()) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init(Config) ->
    Flags = #{
        strategy => one_for_one,
        intensity => ?RESTARTS_MAX,
        period => ?RESTARTS_PERIOD_S,
        auto_shutdown => any_significant
    },
    Server = #{
        id => pando_server,
        start => {pando_server, start_link, [Config]},
        restart => transient,
        significant => true,
        shutdown => ?CLOSE_TIMEOUT_MS
    },
    {ok, {Flags, [Server]}}.
