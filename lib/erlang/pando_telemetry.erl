%% @private Events for the application `telemetry', if there is one. Pando does not depend on it.
%%
%% <ul>
%% <li>`[pando, store, start | stop | halt]' and `[pando, cluster, Event]': what `pando_events' tells. Measurements:
%%     `system_time', and `entries' of a member that is lagging; metadata: `store', and what the event says;</li>
%% <li>`[pando, put | clear | delete | transaction, stop]': a call that has answered, not one with `async'. Every write is one of
%%     these, `create' for example a put. Measurements: `duration', in native units of time; metadata: `store', and `result',
%%     `ok' or `error'. There is none of reads: it would cost more than they do.</li>
%% </ul>
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>Whether there is `telemetry' is looked for whenever a store has started, and not by calls: without it, all that a write
%%     has of this is one look at a persistent term.</li>
%% <li>Handlers of events run here and not in the process of a store, which waits for none of them. While more than so many
%%     events wait for a slow handler, further ones are dropped. Those of writes run in the caller, as handlers do
%%     everywhere.</li>
%% </ol>
-module(pando_telemetry).
-behaviour(gen_server).

-export([start_link/0, event/2, span/3]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

%% Events that may wait for handlers.
-define(WAITING_EVENTS_MAX, 1000).

%% The persistent term of this key: the module `telemetry', or `none'.
-define(KEY, ?MODULE).

-spec start_link() -> gen_server:start_ret().
start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% Has the handlers of an event run, soon.
-spec event(pando_cluster:store_id(), pando_events:event()) -> ok.
event(Store, Event) ->
    case whereis(?MODULE) of
        undefined ->
            ok;
        Pid ->
            case process_info(Pid, message_queue_len) of
                {message_queue_len, Length} when Length < ?WAITING_EVENTS_MAX ->
                    gen_server:cast(Pid, {event, Store, Event, erlang:system_time()});
                _ ->
                    ok
            end
    end.

%% Does something, and tells how long that took.
-spec span(put | clear | delete | transaction, pando_cluster:store_id(), fun(() -> Result)) -> Result.
span(Kind, Store, Body) ->
    case persistent_term:get(?KEY, none) of
        none ->
            Body();
        Telemetry ->
            Began = erlang:monotonic_time(),
            Result = Body(),
            Measurements = #{duration => erlang:monotonic_time() - Began},
            ok = execute(Telemetry, [pando, Kind, stop], Measurements, #{store => Store, result => outcome(Result)}),
            Result
    end.

outcome({error, _}) -> error;
outcome({aborted, _}) -> error;
outcome(_) -> ok.

%% Calls and stores go on, whatever becomes of it.
execute(Telemetry, Event, Measurements, Metadata) ->
    try
        _ = Telemetry:execute(Event, Measurements, Metadata),
        ok
    catch
        _:_ -> ok
    end.

%%% The process that runs handlers of events

-spec init([]) -> {ok, none}.
init([]) ->
    {ok, none}.

-spec handle_call(term(), gen_server:from(), none) -> {noreply, none}.
handle_call(_Unexpected, _From, State) ->
    {noreply, State}.

-spec handle_cast({event, pando_cluster:store_id(), pando_events:event(), integer()}, none) -> {noreply, none}.
handle_cast({event, Store, Event, SystemTime}, State) ->
    _ = [look_for_telemetry() || Event =:= store_started],
    case persistent_term:get(?KEY, none) of
        none ->
            ok;
        Telemetry ->
            {Name, Props} = named(Event),
            Measurements = (maps:with([entries], Props))#{system_time => SystemTime},
            ok = execute(Telemetry, Name, Measurements, (maps:without([entries], Props))#{store => Store})
    end,
    {noreply, State}.

-spec handle_info(term(), none) -> {noreply, none}.
handle_info(_Unexpected, State) ->
    {noreply, State}.

named(store_started) -> {[pando, store, start], #{}};
named(store_stopped) -> {[pando, store, stop], #{}};
named({store_halted, Props}) -> {[pando, store, halt], Props};
named({Name, Props}) -> {[pando, cluster, Name], Props};
named(Name) -> {[pando, cluster, Name], #{}}.

%% Without its application `telemetry' would complain at each event.
look_for_telemetry() ->
    IsPresent =
        lists:keymember(telemetry, 1, application:which_applications()) andalso
            code:ensure_loaded(telemetry) =:= {module, telemetry} andalso
            erlang:function_exported(telemetry, execute, 3),
    persistent_term:put(?KEY, if_present(IsPresent)).

if_present(true) -> telemetry;
if_present(false) -> none.
