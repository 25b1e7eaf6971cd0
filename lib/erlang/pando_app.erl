%% @private The OTP application: starts supervisors, and no store. Stores are started by calls, or under the user's own
%% supervisors.
-module(pando_app).
-behaviour(application).

-export([start/2, stop/1]).

-spec start(application:start_type(), term()) -> {ok, pid()} | {error, term()}.
start(_Type, _Arguments) ->
    case pando_root_sup:start_link() of
        {ok, _} = Started -> Started;
        {error, _} = Error -> Error
    end.

-spec stop(term()) -> ok.
stop(_State) ->
    ok.
