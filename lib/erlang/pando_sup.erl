%% @private The supervisor of the stores that `pando:start' has started.
%%
%% A store that keeps failing is given up alone: its own supervisor (`pando_store_sup') counts its restarts.
-module(pando_sup).
-behaviour(supervisor).

-export([start_link/0, start_store/1]).
-export([init/1]).

-spec start_link() -> supervisor:startlink_ret().
start_link() ->
    supervisor:start_link({local, ?MODULE}, ?MODULE, []).

%% Returns before the store is open: `pando_server:await_open/2' waits for that.
-spec start_store(pando_store_sup:config()) -> supervisor:startchild_ret().
start_store(Config) ->
    supervisor:start_child(?MODULE, [Config]).

-spec init([]) -> {ok, {supervisor:sup_flags(), [supervisor:child_spec()]}}.
init([]) ->
    Flags = #{strategy => simple_one_for_one, intensity => 0, period => 1},
    Store = #{
        id => pando_store_sup,
        start => {pando_store_sup, start_link, []},
        restart => temporary,
        type => supervisor
    },
    {ok, {Flags, [Store]}}.
