%% Opens the store when the application starts and closes it when it has stopped.
-module(rebar_app_app).
-behaviour(application).

-export([start/2, stop/1]).

start(_Type, _Args) ->
    %% Absolute, because a release may be started from any directory.
    DataDir = filename:absname(os:getenv("DATA_DIR", "data")),
    {ok, my_store} = pando:start(DataDir, my_store),
    rebar_app_sup:start_link().

stop(_State) ->
    _ = pando:stop(my_store),
    ok.
