%% @private The process of one open store: owns it, logs what it says, ends when it halts. No call of the API passes
%% through it.
-module(pando_server).
-behaviour(gen_server).

-export([start_link/1, await_open/2, stop/1, reset/2, data_dir/1, is_server/1]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include_lib("kernel/include/logger.hrl").

-define(LOG_DOMAIN, #{domain => [pando]}).
%% How long the native side may take to close a store, in milliseconds.
-define(CLOSE_TIMEOUT_MS, 15000).

%% How long a store that could not be opened waits to be asked why, in milliseconds.
-define(ASK_TIMEOUT_MS, 10000).

%% How long a store that cannot be opened again waits before its supervisor tries it again, in milliseconds: so long that
%% `pando_store_sup' never counts too many restarts. A disk that fails for a while is waited for.
-define(REOPEN_PAUSE_MS, 7000).

-record(state, {
    store_id :: pando_backend:store_id(),
    directory :: binary(),
    data_dir :: file:filename_all(),
    opened :: atomics:atomics_ref(),
    %% Keeps the store open: when it is collected, the store closes.
    handle :: reference() | undefined,
    %% `failed': never was open, and nobody has asked yet. `pausing': was open, could not be opened again.
    phase = opening :: opening | open | {failed | pausing, term()},
    waiting = [] :: [gen_server:from()]
}).

-spec start_link(pando_store_sup:config()) -> gen_server:start_ret().
start_link(#{store_id := StoreId} = Config) ->
    gen_server:start_link({local, StoreId}, ?MODULE, Config, []).

%% Waits until the store is open, or until opening has failed.
-spec await_open(pid(), timeout()) -> ok | {error, term()}.
await_open(Server, Timeout) ->
    call(Server, await_open, Timeout).

%% Closes the store; returns when its directory is free.
-spec stop(pid()) -> ok | {error, term()}.
stop(Server) ->
    call(Server, stop, infinity).

%% Closes the store and removes its files. Nobody can start it in between, because its name is still taken.
-spec reset(pid(), timeout()) -> ok | {error, term()}.
reset(Server, Timeout) ->
    call(Server, reset, Timeout).

%% The data directory that the store was started with.
-spec data_dir(pid()) -> {ok, file:filename_all()} | {error, term()}.
data_dir(Server) ->
    call(Server, data_dir, infinity).

%% Whether a process is the server of a store, and not another one of the same name.
-spec is_server(pid()) -> boolean().
is_server(Pid) ->
    case erlang:process_info(Pid, dictionary) of
        {dictionary, Dictionary} ->
            proplists:get_value('$initial_call', Dictionary) =:= {?MODULE, init, 1};
        undefined ->
            false
    end.

call(Server, Request, Timeout) ->
    try
        gen_server:call(Server, Request, Timeout)
    catch
        exit:{timeout, _} -> {error, timeout};
        exit:{{shutdown, {open_failed, Reason}}, _} -> {error, Reason};
        exit:_ -> {error, noproc}
    end.

-spec init(pando_store_sup:config()) -> {ok, #state{}, {continue, open}}.
init(#{store_id := StoreId, data_dir := DataDir, opened := Opened}) ->
    process_flag(trap_exit, true),
    Directory = pando_directory:of_store(DataDir, StoreId),
    {ok, #state{store_id = StoreId, directory = Directory, data_dir = DataDir, opened = Opened}, {continue, open}}.

-spec handle_continue(open, #state{}) -> {noreply, #state{}}.
handle_continue(open, #state{store_id = StoreId, directory = Directory, opened = Opened} = State) ->
    %% A process of the same name that was killed may have left the store open or closing.
    _ = close(StoreId),
    case atomics:get(Opened, 1) =:= 1 andalso pando_directory:is_missing(Directory) of
        %% Its disk is not mounted any more, say. Opened now, it would be a new store, without what was acknowledged.
        true ->
            self() ! {pando_opened, StoreId, {error, pando_directory:missing()}},
            {noreply, State};
        false ->
            {noreply, State#state{handle = open(StoreId, Directory)}}
    end.

open(StoreId, Directory) ->
    Holder = io_lib:format("Erlang node ~ts, operating-system process ~ts", [node(), os:getpid()]),
    pando_nif:open(
        StoreId,
        atom_to_binary(StoreId),
        Directory,
        atom_to_binary(node()),
        unicode:characters_to_binary(Holder),
        {found, random_bytes(16)},
        binary:decode_unsigned(random_bytes(8)),
        #{}
    ).

%% Identity needs numbers that differ, not secret ones; so the application need not depend on `crypto'.
random_bytes(Count) ->
    Seeded = rand:seed_s(exsss, {erlang:phash2({node(), self(), os:getpid()}), os:system_time(), unique()}),
    {Bytes, _} = rand:bytes_s(Count, Seeded),
    Bytes.

unique() ->
    erlang:unique_integer([positive]).

-spec handle_call(await_open | stop | reset | data_dir, gen_server:from(), #state{}) ->
    {reply, term(), #state{}} | {noreply, #state{}} | {stop, term(), term(), #state{}}.
handle_call(await_open, _From, #state{phase = open} = State) ->
    {reply, ok, State};
handle_call(await_open, _From, #state{phase = {failed, Reason}} = State) ->
    {stop, {shutdown, {open_failed, Reason}}, {error, Reason}, State};
handle_call(await_open, _From, #state{phase = {pausing, Reason}} = State) ->
    {reply, {error, Reason}, State};
handle_call(await_open, From, #state{waiting = Waiting} = State) ->
    {noreply, State#state{waiting = [From | Waiting]}};
handle_call(data_dir, _From, #state{data_dir = DataDir} = State) ->
    {reply, {ok, DataDir}, State};
handle_call(stop, _From, #state{store_id = StoreId} = State) ->
    _ = close(StoreId),
    %% `normal': a process that is linked to a store it has started does not end with it.
    {stop, normal, ok, State};
handle_call(reset, _From, #state{phase = open, store_id = StoreId, directory = Directory} = State) ->
    case close(StoreId) of
        ok -> {stop, normal, pando_directory:remove(Directory), State};
        late -> {stop, normal, {error, pando_directory:reset_error(<<"it was not closed in time">>, Directory)}, State}
    end;
%% What could not be opened may be open elsewhere: it is not ours to remove.
handle_call(reset, _From, State) ->
    {reply, {error, noproc}, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Unexpected, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, term(), #state{}}.
handle_info({pando_opened, StoreId, ok}, #state{store_id = StoreId, opened = Opened} = State) ->
    atomics:put(Opened, 1, 1),
    {noreply, answer_waiting(ok, State#state{phase = open})};
handle_info({pando_opened, StoreId, {error, Native}}, #state{store_id = StoreId, opened = Opened} = State) ->
    Reason = pando_directory:open_error(Native, State#state.directory),
    case {atomics:get(Opened, 1), State#state.waiting} of
        {0, []} ->
            %% Whoever starts the store has not asked yet: the reason waits for the question.
            erlang:send_after(?ASK_TIMEOUT_MS, self(), nobody_asked),
            {noreply, State#state{phase = {failed, Reason}}};
        {0, _} ->
            {stop, {shutdown, {open_failed, Reason}}, answer_waiting({error, Reason}, State)};
        {1, _} ->
            Pause = application:get_env(pando, reopen_pause_ms, ?REOPEN_PAUSE_MS),
            Report = "Store ~ts could not be opened again, next attempt in ~b ms: ~ts",
            ?LOG_ERROR(Report, [StoreId, Pause, pando_errors:format(Reason)], ?LOG_DOMAIN),
            erlang:send_after(Pause, self(), {give_up, Reason}),
            {noreply, answer_waiting({error, Reason}, State#state{phase = {pausing, Reason}})}
    end;
handle_info({give_up, Reason}, State) ->
    {stop, {open_failed, Reason}, State};
handle_info(nobody_asked, #state{phase = {failed, Reason}} = State) ->
    {stop, {shutdown, {open_failed, Reason}}, State};
handle_info({pando_halted, StoreId, Text}, #state{store_id = StoreId} = State) ->
    ?LOG_ERROR("Store ~ts has halted and will be opened again: ~ts", [StoreId, Text], ?LOG_DOMAIN),
    {stop, {store_halted, Text}, State};
handle_info({pando_notice, StoreId, Text}, #state{store_id = StoreId} = State) ->
    ?LOG_WARNING("Store ~ts: ~ts", [StoreId, Text], ?LOG_DOMAIN),
    {noreply, State};
handle_info({pando_progress, StoreId, Text}, #state{store_id = StoreId} = State) ->
    ?LOG_NOTICE("Store ~ts: ~ts", [StoreId, Text], ?LOG_DOMAIN),
    {noreply, State};
handle_info({'EXIT', _Parent, Reason}, State) ->
    {stop, Reason, State};
handle_info(_Unexpected, State) ->
    {noreply, State}.

answer_waiting(Answer, #state{waiting = Waiting} = State) ->
    [gen_server:reply(From, Answer) || From <- Waiting],
    State#state{waiting = []}.

-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{store_id = StoreId}) ->
    _ = close(StoreId),
    ok.

%% Also right when the store is not open.
close(StoreId) ->
    ok = pando_nif:close(StoreId),
    receive
        {pando_closed, StoreId} -> ok
    after ?CLOSE_TIMEOUT_MS ->
        ?LOG_ERROR("Store ~ts has not closed within ~b ms", [StoreId, ?CLOSE_TIMEOUT_MS], ?LOG_DOMAIN),
        late
    end.
