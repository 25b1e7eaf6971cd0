%% @private The OTP application: starts a supervisor without children. Stores are started by calls, or under the user's
%% own supervisors.
-module(pando_app).
-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) -> supervisor:startlink_ret().
start(_Type, _Arguments) ->
    pando_sup:start_link().

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
