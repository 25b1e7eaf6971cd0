%% What stores tell of themselves, and the process of docs/operations.md that runs something only where the store leads and
%% has a quorum.
-module(pando_singleton_tests).
-behaviour(gen_server).

-include_lib("eunit/include/eunit.hrl").

-export([start_link/1, init/1, handle_call/3, handle_cast/2, handle_info/2]).

-import(pando_test_store, [with_dir/1, new_name/0, quietly/1]).

-define(WAIT_MS, 30000).

%%% The process, as it stands in the documentation

start_link({Store, Worker}) -> gen_server:start_link(?MODULE, {Store, Worker}, []).

init({Store, Worker}) ->
    %% First subscribe, then look: what happens in between is in the mailbox.
    ok = pando_cluster:subscribe(Store),
    {ok, look(#{store => Store, worker => Worker, pid => none})}.

%% A store that has halted or is closing is not one to look at: it says what was so before.
handle_info({pando_event, _Store, {store_halted, _}}, State) -> {noreply, stop(State)};
handle_info({pando_event, _Store, store_stopped}, State) -> {noreply, stop(State)};
handle_info({pando_event, _Store, _Event}, State) -> {noreply, look(State)};
handle_info(_, State) -> {noreply, State}.

handle_call(_, _From, State) -> {noreply, State}.
handle_cast(_, State) -> {noreply, State}.

look(#{store := Store, worker := Worker, pid := Pid} = State) ->
    case {pando_cluster:status(Store), Pid} of
        {{ok, #{role := leader, has_quorum := true}}, none} ->
            {ok, Started} = Worker(),
            State#{pid := Started};
        {{ok, #{role := leader, has_quorum := true}}, _} ->
            State;
        {_, _} ->
            stop(State)
    end.

stop(#{pid := none} = State) ->
    State;
stop(#{pid := Pid} = State) ->
    unlink(Pid),
    exit(Pid, kill),
    State#{pid := none}.

%%% Tests

next(Store) ->
    receive
        {pando_event, Store, Event} -> Event
    after ?WAIT_MS -> error(no_event)
    end.

%% Events of consensus may come in between: when it has elected this member, for example.
await_event(Store, IsMeant) ->
    Event = next(Store),
    case IsMeant(Event) of
        true -> Event;
        false -> await_event(Store, IsMeant)
    end.

await_event_of(Store, Meant) -> await_event(Store, fun(Event) -> Event =:= Meant end).

all(Store) ->
    receive
        {pando_event, Store, Event} -> [Event | all(Store)]
    after 0 -> []
    end.

none(Store, Unwanted) ->
    receive
        {pando_event, Store, Event} ->
            ?assertNotEqual(Unwanted, Event),
            none(Store, Unwanted)
    after 0 -> ok
    end.

stores_tell_of_themselves_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            %% Before there is such a store.
            ok = pando_cluster:subscribe(S),
            {ok, S} = pando:start(Dir, S),
            %% Told before the call returns.
            ?assert(lists:member(store_started, all(S))),
            ok = pando:stop(S),
            store_stopped = await_event_of(S, store_stopped),
            {ok, S} = pando:start(Dir, S),
            store_started = await_event_of(S, store_started),
            %% A halt is told once, with its reason, and the store that is opened again.
            quietly(fun() ->
                ok = pando_backend:provoke_panic(S, apply),
                IsHalt = fun(Event) -> is_tuple(Event) andalso element(1, Event) =:= store_halted end,
                {store_halted, #{reason := Reason}} = await_event(S, IsHalt),
                ?assertMatch(<<_, _/binary>>, Reason),
                %% In between, no orderly end.
                IsOfStore = fun(Event) -> Event =:= store_started orelse Event =:= store_stopped orelse IsHalt(Event) end,
                ?assertEqual(store_started, await_event(S, IsOfStore))
            end),
            ok = pando:reset(S),
            store_stopped = await_event_of(S, store_stopped),
            ok = pando_cluster:unsubscribe(S),
            {ok, S} = pando:start(Dir, S),
            ok = pando:stop(S),
            none(S, store_started),
            %% Each store that is open tells of it; one that could not be opened tells nothing.
            ok = pando_cluster:subscribe(S, self()),
            ok = file:write_file(filename:join(Dir, "file"), <<>>),
            {error, _} = pando:start(filename:join(Dir, "file"), S),
            none(S, store_stopped),
            ok = pando_cluster:unsubscribe(S, self()),
            ok = forget()
        end)
    end}.

a_process_runs_something_only_while_the_store_leads_and_has_a_quorum_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            Test = self(),
            Worker = fun() ->
                Pid = spawn_link(fun() -> receive after infinity -> ok end end),
                Test ! {started, Pid},
                {ok, Pid}
            end,
            {ok, Singleton} = start_link({S, Worker}),
            {ok, S} = pando:start(Dir, S),
            First = started(),
            ok = pando:stop(S),
            ok = ended(First),
            {ok, S} = pando:start(Dir, S),
            Second = started(),
            quietly(fun() ->
                ok = pando_backend:provoke_panic(S, apply),
                ok = ended(Second)
            end),
            Third = started(),
            ok = pando:stop(S),
            ok = ended(Third),
            ok = gen_server:stop(Singleton),
            %% A worker may have been started once more than was looked at: what it left is nobody else's.
            ok = forget()
        end)
    end}.

forget() ->
    receive
        {started, _} -> forget();
        {'DOWN', _, process, _, _} -> forget();
        {pando_event, _, _} -> forget()
    after 0 -> ok
    end.

started() ->
    receive
        {started, Pid} ->
            _ = monitor(process, Pid),
            Pid
    after ?WAIT_MS -> error(not_started)
    end.

ended(Pid) ->
    receive
        {'DOWN', _, process, Pid, killed} -> ok
    after ?WAIT_MS -> error(not_ended)
    end.
