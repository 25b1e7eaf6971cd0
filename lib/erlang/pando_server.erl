%% @private The process of one store: owns it, logs what it says, ends when it halts. No call of the API passes
%% through it.
%%
%% It also decides what the store's directory is opened as. One with data is what it is; an empty one becomes a cluster, or a
%% member of one that is there (`pando_forming' decides, `pando_joiner' does it). What takes time, because other nodes are asked,
%% is done by helpers: processes linked to this one, which end with it. So this one always answers.
-module(pando_server).
-behaviour(gen_server).

-export([start_link/1, await_open/2, stop/1, reset/2, join/2, data_dir/1, is_server/1]).
%% For other nodes, by `pando_census'.
-export([describe/1, promise/3]).
%% For helpers.
-export([announce_joining/2, intend/2, forget/1, become/2]).
-export([init/1, handle_continue/2, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-include_lib("kernel/include/logger.hrl").

-define(LOG_DOMAIN, #{domain => [pando]}).
%% How long the native side may take to close a store, in milliseconds.
-define(CLOSE_TIMEOUT_MS, 15000).

%% How long a store that was told that it is no member waits for the reason that the others give, in milliseconds.
-define(REMOVED_WAIT_MS, 3000).
%% How long a store that could not be opened waits to be asked why, in milliseconds.
-define(ASK_TIMEOUT_MS, 10000).

%% How long a store that cannot be opened again waits before its supervisor tries it again, in milliseconds: so long that
%% `pando_store_sup' never counts too many restarts. A disk that fails for a while is waited for.
-define(REOPEN_PAUSE_MS, 7000).

%% How long another node may wait for this process to say what it has, in milliseconds.
-define(DESCRIBE_TIMEOUT_MS, 1000).
%% A round of questions to other nodes, and what lies between two, in milliseconds: so long, and up to a half longer.
-define(ROUND_TIMEOUT_MS, 1500).
-define(ROUND_PAUSE_MS, 400).
%% Connected nodes that are asked beside those in the list.
-define(CONNECTED_NODES_MAX, 64).
%% How often it says in the log what it waits for, in milliseconds.
-define(LOG_INTERVAL_MS, 10000).

%% What is done when the store is open: see whether it is still a member, go on with a join, tell a helper, tell who has asked for
%% a join that has failed, or nothing.
-type then() :: check | {go_on, pando_joining:joining()} | {reply, gen_server:from()} | {failed, gen_server:from(), term()} | found.
%% `admission': into a cluster that was found by a store without data. `from': who waits for it.
-type helper() :: #{
    kind := join | admission | resume | reset,
    pid := pid(),
    from := none | gen_server:from(),
    joining := none | pando_joining:joining(),
    is_announced := boolean()
}.

-record(state, {
    store_id :: pando_backend:store_id(),
    directory :: binary(),
    data_dir :: file:filename_all(),
    opened :: atomics:atomics_ref(),
    config :: pando_store_sup:config(),
    %% Keeps the store open: when it is collected, the store closes.
    handle :: pando_backend:handle() | undefined,
    lanes = [] :: [pid()],
    %% `failed': never was open, and nobody has asked yet. `pausing': was open, could not be opened again. `forming': there
    %% are no data, and other nodes are being asked.
    phase = opening :: opening | open | forming | {failed | pausing, term()},
    %% Whoever starts the store need not wait any longer.
    is_ready = false :: boolean(),
    then = check :: then(),
    rules :: undefined | pando_forming:state(),
    helper = none :: none | helper(),
    %% Processes that ask other nodes: whose answers count.
    asker :: undefined | pid(),
    checker :: undefined | pid(),
    %% When it was last said what is waited for.
    logged_ms = undefined :: undefined | integer(),
    waiting = [] :: [gen_server:from()]
}).

-spec start_link(pando_store_sup:config()) -> gen_server:start_ret().
start_link(#{store_id := StoreId} = Config) ->
    gen_server:start_link({local, StoreId}, ?MODULE, Config, []).

%% Waits until the store is open, or until opening has failed. One that waits for other nodes does so in the background.
-spec await_open(pid(), timeout()) -> ok | {error, term()}.
await_open(Server, Timeout) ->
    call(Server, await_open, Timeout).

%% Closes the store; returns when its directory is free.
-spec stop(pid()) -> ok | {error, term()}.
stop(Server) ->
    call(Server, stop, infinity).

%% Leaves the cluster, closes the store and removes its files. Nobody can start it in between, because its name is still taken.
%% `busy': a join is under way.
-spec reset(pid(), pando_client:deadline()) -> ok | {error, busy | term()}.
reset(Server, Deadline) ->
    call(Server, {reset, Deadline}, pando_client:remaining_ms(Deadline)).

%% Joins another cluster. It ends by itself at the deadline; the answer may take a little longer, until it is clear what the
%% store is then.
-spec join(pid(), pando_joiner:target()) -> ok | {error, busy | term()}.
join(Server, Target) ->
    call(Server, {join, Target}, infinity).

%% The data directory that the store was started with.
-spec data_dir(pid()) -> {ok, file:filename_all()} | {error, term()}.
data_dir(Server) ->
    call(Server, data_dir, infinity).

%% What this node has of a store: `open', or as `pando_forming' knows it.
-spec describe(pando_backend:store_id()) -> open | pando_forming:answer().
describe(StoreId) ->
    ask(StoreId, describe).

%% Another node wants to found a cluster of these nodes.
-spec promise(pando_backend:store_id(), node(), [node()]) -> granted | refused | not_running | silent.
promise(StoreId, Founder, Nodes) ->
    ask(StoreId, {promise, Founder, Nodes}).

ask(StoreId, Question) ->
    Holder = whereis(StoreId),
    case is_pid(Holder) andalso is_server(Holder) of
        true ->
            case call(Holder, Question, ?DESCRIBE_TIMEOUT_MS) of
                {error, timeout} -> silent;
                {error, _} -> not_running;
                Answer -> Answer
            end;
        false ->
            not_running
    end.

%% Whether others are told that this store is on its way into a cluster.
-spec announce_joining(pid(), boolean()) -> ok.
announce_joining(Server, IsAnnounced) ->
    gen_server:call(Server, {announce_joining, IsAnnounced}, infinity).

%% Writes down what is to become of the directory; the store stays as it is.
-spec intend(pid(), pando_joining:joining()) -> ok | {error, term()}.
intend(Server, Joining) ->
    gen_server:call(Server, {intend, Joining}, infinity).

%% Nothing is to become of it.
-spec forget(pid()) -> ok.
forget(Server) ->
    gen_server:call(Server, forget, infinity).

%% Lets the data go, and opens the store as another member.
-spec become(pid(), pando_joining:joining()) -> ok | {error, term()}.
become(Server, Joining) ->
    gen_server:call(Server, {become, Joining}, infinity).

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
init(#{store_id := StoreId, data_dir := DataDir, opened := Opened} = Config) ->
    process_flag(trap_exit, true),
    Directory = pando_directory:of_store(DataDir, StoreId),
    State = #state{
        store_id = StoreId,
        directory = Directory,
        data_dir = DataDir,
        opened = Opened,
        config = maps:merge(#{cluster => none, priority => 0}, Config)
    },
    {ok, State, {continue, open}}.

-spec handle_continue(open, #state{}) -> {noreply, #state{}}.
handle_continue(open, #state{store_id = StoreId, directory = Directory} = State) ->
    %% A process of the same name that was killed may have left the store open or closing, under another backend perhaps.
    _ = close(StoreId),
    ok = pando_backend:assign(StoreId, implementation(State)),
    {noreply, begin_with(pando_joining:start_with(Directory), State)}.

begin_with(empty, #state{opened = Opened} = State) ->
    case atomics:get(Opened, 1) of
        %% Its disk is not mounted any more, say. Opened now, it would be a new store, without what was acknowledged.
        1 -> not_opened(pando_directory:missing(), State);
        0 -> begin_empty(State)
    end;
begin_with({member, none}, State) ->
    open({found, random_bytes(16)}, State#state{then = check});
begin_with({member, #{phase := leaving} = Joining}, State) ->
    open({found, random_bytes(16)}, State#state{then = {go_on, Joining}});
begin_with({member, Joining}, State) ->
    open(birth(Joining), State#state{then = {go_on, Joining}});
begin_with({becoming, #{member_id := 0}}, #state{config = #{cluster := Cluster}} = State) when Cluster =/= none ->
    case emptied(State) of
        {ok, Empty} -> begin_empty(Empty);
        {error, Native} -> not_opened(Native, State)
    end;
begin_with({becoming, Joining}, #state{directory = Directory} = State) ->
    case pando_joining:clear(Directory) of
        ok -> open(birth(Joining), State#state{then = {go_on, Joining}});
        {error, Cause} -> not_opened(file_error(Cause, State), State)
    end;
begin_with({error, Text}, State) ->
    not_opened({open_failed, <<"damaged">>, Text}, State).

birth(#{member_id := 0, cluster_id := ClusterId}) -> {found, ClusterId};
birth(#{member_id := MemberId, cluster_id := ClusterId}) -> {join, ClusterId, MemberId}.

file_error(Cause, #state{directory = Directory}) ->
    Text = unicode:characters_to_binary(file:format_error(Cause)),
    {open_failed, <<"other">>, <<Directory/binary, ": ", Text/binary>>}.

not_opened(Native, #state{store_id = StoreId} = State) ->
    self() ! {pando_opened, StoreId, {error, Native}},
    State#state{phase = opening}.

implementation(#state{config = #{backend := Backend}}) ->
    pando_backend:implementation(Backend).

open(Birth, #state{store_id = StoreId, directory = Directory, config = #{priority := Priority}} = State) ->
    Holder = io_lib:format("Erlang node ~ts, operating-system process ~ts", [node(), os:getpid()]),
    %% New ones each time: what they know of other nodes they tell a store once.
    {ok, Consensus} = pando_peer:start_link(StoreId, consensus),
    {ok, Bulk} = pando_peer:start_link(StoreId, bulk),
    Handle = pando_backend:open(
        implementation(State),
        StoreId,
        atom_to_binary(StoreId),
        Directory,
        atom_to_binary(node()),
        unicode:characters_to_binary(Holder),
        Birth,
        binary:decode_unsigned(random_bytes(8)),
        #{consensus_lane => Consensus, bulk_lane => Bulk, priority => Priority}
    ),
    State#state{handle = Handle, lanes = [Consensus, Bulk], phase = opening}.

%% Identity needs numbers that differ, not secret ones; so the application need not depend on `crypto'.
random_bytes(Count) ->
    Seeded = rand:seed_s(exsss, {erlang:phash2({node(), self(), os:getpid()}), os:system_time(), unique()}),
    {Bytes, _} = rand:bytes_s(Count, Seeded),
    Bytes.

unique() ->
    erlang:unique_integer([positive]).

%%% A directory without data

begin_empty(#state{config = #{cluster := none}} = State) ->
    case connected_nodes() of
        %% Nobody could know it.
        [] -> found(State);
        _ -> next_round(State#state{phase = forming, rules = rules(connected, State)})
    end;
begin_empty(#state{config = #{cluster := #{nodes := Nodes}}} = State) ->
    List =
        case is_list(Nodes) of
            true -> Nodes;
            false -> []
        end,
    ready(next_round(State#state{phase = forming, rules = rules(List, State)})).

rules(Nodes, #state{config = #{cluster := Cluster}}) ->
    Options =
        case Cluster of
            none -> #{is_partial => false, expect => default};
            #{nodes := Configured, expect := Expect} -> #{is_partial => is_function(Configured), expect => Expect}
        end,
    pando_forming:new(Options#{node => node(), nodes => Nodes}).

connected_nodes() ->
    lists:sublist(nodes(), ?CONNECTED_NODES_MAX).

%% Asks everybody, in a process of its own: the function of the user runs there, too.
next_round(#state{store_id = StoreId, rules = Rules, config = #{cluster := Cluster}} = State) ->
    Server = self(),
    Asker = spawn_link(fun() ->
        Nodes = configured_nodes(StoreId, Cluster),
        Known = [Node || Nodes =/= connected, Node <- Nodes],
        Asked = lists:usort(Known ++ pando_forming:ask(Rules) ++ connected_nodes()) -- [node()],
        Server ! {round, self(), Nodes, pando_census:ask(Asked, StoreId, ?ROUND_TIMEOUT_MS)}
    end),
    State#state{asker = Asker}.

configured_nodes(_StoreId, none) ->
    connected;
configured_nodes(_StoreId, #{nodes := Nodes}) when is_list(Nodes) ->
    Nodes;
configured_nodes(StoreId, #{nodes := Function}) ->
    try
        Nodes = Function(),
        true = is_list(Nodes) andalso lists:all(fun is_atom/1, Nodes),
        Nodes
    catch
        Class:Reason ->
            Text = "Store ~ts: the function for the nodes of its cluster has not answered a list of nodes: ~0tp",
            ?LOG_ERROR(Text, [StoreId, {Class, Reason}], ?LOG_DOMAIN),
            []
    end.

collect(Round, Nodes, #state{store_id = StoreId, rules = Rules} = State) ->
    Server = self(),
    List = pando_forming:nodes(Rules),
    Asker = spawn_link(fun() ->
        Server ! {promises, self(), Round, pando_census:promises(Nodes, StoreId, List, ?ROUND_TIMEOUT_MS)}
    end),
    State#state{asker = Asker}.

decided({join, Join}, #state{store_id = StoreId} = State) ->
    #{cluster_id := ClusterId, contacts := Contacts, role := Role} = Join,
    Text = "Store ~ts has no data here and joins its cluster, which is on ~0tp",
    ?LOG_NOTICE(Text, [StoreId, Contacts], ?LOG_DOMAIN),
    Pid = pando_joiner:start_admission(#{
        server => self(), store_id => StoreId, cluster_id => ClusterId, contacts => Contacts, role => Role
    }),
    State#state{helper = helper(admission, Pid, none, none)};
decided({collect, Round, Nodes}, State) ->
    collect(Round, Nodes, State);
decided(found, #state{store_id = StoreId, config = #{cluster := Cluster}} = State) ->
    _ = Cluster =/= none andalso ?LOG_NOTICE("Store ~ts founds its cluster", [StoreId], ?LOG_DOMAIN),
    found(State);
decided({wait, Why}, State) ->
    Pause = ?ROUND_PAUSE_MS + rand:uniform(?ROUND_PAUSE_MS div 2),
    _ = erlang:send_after(Pause, self(), next_round),
    waits_for(Why, State).

%% Who starts a store without a list waits only for an answer that comes soon.
waits_for({nodes, _}, #state{config = #{cluster := none}} = State) ->
    State;
waits_for(Why, #state{store_id = StoreId, logged_ms = LoggedMs} = State) ->
    NowMs = erlang:monotonic_time(millisecond),
    case LoggedMs of
        undefined ->
            %% Only if it lasts.
            ready(State#state{logged_ms = NowMs});
        _ when NowMs - LoggedMs < ?LOG_INTERVAL_MS ->
            ready(State);
        _ ->
            Text = "Store ~ts has no data here and waits for ~ts",
            ?LOG_NOTICE(Text, [StoreId, pando_forming:text(Why)], ?LOG_DOMAIN),
            ready(State#state{logged_ms = NowMs})
    end.

found(State) ->
    open({found, random_bytes(16)}, State#state{then = found}).

%% The directory is empty, and was never anything, for all that a restart can tell.
emptied(#state{directory = Directory, opened = Opened} = State) ->
    Marker = pando_joining:found(random_bytes(16)),
    case in_order([
        fun() -> pando_joining:write(Directory, Marker) end,
        fun() -> pando_joining:clear(Directory) end,
        fun() -> pando_joining:remove(Directory) end
    ]) of
        ok ->
            atomics:put(Opened, 1, 0),
            {ok, State};
        {error, Cause} ->
            {error, file_error(Cause, State)}
    end.

in_order([]) ->
    ok;
in_order([Step | Steps]) ->
    case Step() of
        ok -> in_order(Steps);
        {error, _} = Error -> Error
    end.

%%% Calls

-type request() ::
    await_open
    | stop
    | {reset, pando_client:deadline()}
    | {join, pando_joiner:target()}
    | data_dir
    | describe
    | {promise, node(), [node()]}
    | {announce_joining, boolean()}
    | {intend | become, pando_joining:joining()}
    | forget.

-spec handle_call(request(), gen_server:from(), #state{}) ->
    {reply, term(), #state{}} | {noreply, #state{}} | {stop, term(), term(), #state{}} | {stop, term(), #state{}}.
handle_call(await_open, _From, #state{phase = {failed, Reason}} = State) ->
    {stop, {shutdown, {open_failed, Reason}}, {error, Reason}, State};
handle_call(await_open, _From, #state{phase = {pausing, Reason}} = State) ->
    {reply, {error, Reason}, State};
handle_call(await_open, _From, #state{is_ready = true} = State) ->
    {reply, ok, State};
handle_call(await_open, From, #state{waiting = Waiting} = State) ->
    {noreply, State#state{waiting = [From | Waiting]}};
handle_call(data_dir, _From, #state{data_dir = DataDir} = State) ->
    {reply, {ok, DataDir}, State};
handle_call(stop, _From, State) ->
    %% `normal': a process that is linked to a store it has started does not end with it.
    {stop, normal, ok, closed(State)};
handle_call(describe, _From, State) ->
    {reply, described(State), State};
handle_call({promise, Founder, Nodes}, _From, #state{phase = forming, helper = none, rules = Rules} = State) ->
    {Answer, Promised} = pando_forming:promise(Founder, Nodes, Rules),
    {reply, Answer, State#state{rules = Promised}};
handle_call({promise, _Founder, _Nodes}, _From, State) ->
    {reply, refused, State};
handle_call({join, Target}, From, #state{phase = open, helper = none, store_id = StoreId} = State) ->
    Pid = pando_joiner:start_join(#{server => self(), store_id => StoreId, target => Target}),
    {noreply, State#state{helper = helper(join, Pid, From, none)}};
handle_call({join, _Target}, _From, #state{phase = {_, Reason}} = State) ->
    {reply, {error, Reason}, State};
handle_call({join, _Target}, _From, State) ->
    {reply, {error, busy}, State};
handle_call({reset, Deadline}, From, State) ->
    reset(Deadline, From, State);
handle_call({announce_joining, IsAnnounced}, _From, #state{helper = #{} = Helper} = State) ->
    {reply, ok, State#state{helper = Helper#{is_announced := IsAnnounced}}};
handle_call({intend, Joining}, _From, #state{helper = #{} = Helper, directory = Directory} = State) ->
    case pando_joining:write(Directory, Joining) of
        ok -> {reply, ok, State#state{helper = Helper#{joining := Joining}}};
        {error, Cause} -> {reply, {error, not_written(Cause, State)}, State}
    end;
handle_call(forget, _From, State) ->
    {reply, ok, forgotten(State)};
handle_call({become, Joining}, From, State) ->
    become(Joining, {reply, From}, State).

not_written(Cause, #state{directory = Directory}) ->
    Reason = unicode:characters_to_binary(file:format_error(Cause)),
    {pando, join_failed, #{reason => Reason, directory => Directory, outcome => not_applied}}.

helper(Kind, Pid, From, Joining) ->
    %% One that has not begun to leave is a member like any other.
    IsLeaving = Joining =/= none andalso maps:get(phase, Joining) =:= leaving,
    #{kind => Kind, pid => Pid, from => From, joining => Joining, is_announced => not IsLeaving}.

described(#state{helper = #{kind := Kind, is_announced := true}}) when Kind =/= reset -> joining;
described(#state{phase = open}) -> open;
described(#state{phase = Phase, rules = Rules, then = Then}) when
    Rules =/= undefined, Phase =:= forming orelse Phase =:= opening andalso Then =:= found
->
    pando_forming:describe(Rules);
described(_State) ->
    closed.

%% What could not be opened may be open elsewhere: it is not ours to remove.
reset(_Deadline, _From, #state{phase = {_, _}} = State) ->
    {reply, {error, noproc}, State};
reset(_Deadline, _From, #state{helper = #{kind := Kind}} = State) when Kind =:= join; Kind =:= reset ->
    {reply, {error, busy}, State};
reset(_Deadline, From, #state{phase = forming} = State) ->
    removed(From, State);
reset(Deadline, From, #state{phase = open, helper = Helper, store_id = StoreId} = State) ->
    Joining =
        case Helper of
            none ->
                none;
            #{pid := Pid, joining := Under} ->
                ok = kill(Pid),
                Under
        end,
    Pid1 = pando_joiner:start_reset(#{
        server => self(), store_id => StoreId, deadline => Deadline, joining => Joining
    }),
    {noreply, State#state{helper = helper(reset, Pid1, From, Joining)}};
reset(_Deadline, _From, State) ->
    {reply, {error, busy}, State}.

removed(From, #state{directory = Directory} = State) ->
    Closed = closed(State),
    Result =
        case Closed#state.phase of
            opening -> pando_directory:remove(Directory);
            _Late -> {error, pando_directory:reset_error(<<"it was not closed in time">>, Directory)}
        end,
    gen_server:reply(From, Result),
    {stop, normal, Closed}.

become(Joining, Then, #state{directory = Directory, helper = Helper} = State) ->
    case pando_joining:write(Directory, Joining) of
        ok ->
            %% From here on a restart leads there, too.
            Closed = closed(State),
            Cleared = Closed#state.phase =:= opening andalso pando_joining:clear(Directory),
            case Cleared of
                ok ->
                    Known =
                        case Helper of
                            none -> none;
                            _ -> Helper#{joining := Joining}
                        end,
                    {noreply, open(birth(Joining), Closed#state{then = Then, helper = Known})};
                _ ->
                    {stop, {join_interrupted, Cleared}, Closed}
            end;
        {error, Cause} when element(1, Then) =:= reply ->
            {reply, From} = Then,
            gen_server:reply(From, {error, not_written(Cause, State)}),
            {noreply, State};
        {error, Cause} ->
            {stop, {join_interrupted, Cause}, State}
    end.

forgotten(#state{directory = Directory, store_id = StoreId} = State) ->
    case pando_joining:remove(Directory) of
        ok -> ok;
        {error, Cause} -> ?LOG_WARNING("Store ~ts: JOINING could not be removed: ~0tp", [StoreId, Cause], ?LOG_DOMAIN)
    end,
    State.

%%% Messages

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Unexpected, State) ->
    {noreply, State}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}} | {stop, term(), #state{}}.
handle_info({pando_opened, StoreId, ok}, #state{store_id = StoreId, opened = Opened} = State) ->
    atomics:put(Opened, 1, 1),
    ok = publish(store_started, State),
    {noreply, opened(State#state.then, State#state{then = check})};
handle_info({pando_opened, StoreId, {error, Native}}, #state{store_id = StoreId} = State) ->
    failed_to_open(pando_directory:open_error(Native, State#state.directory), State);
handle_info({give_up, Reason}, State) ->
    {stop, {open_failed, Reason}, State};
handle_info(nobody_asked, #state{phase = {failed, Reason}} = State) ->
    {stop, {shutdown, {open_failed, Reason}}, State};
handle_info({pando_halted, StoreId, Text}, #state{store_id = StoreId} = State) ->
    ?LOG_ERROR("Store ~ts has halted and will be opened again: ~ts", [StoreId, Text], ?LOG_DOMAIN),
    ok = publish({store_halted, #{reason => Text}}, State),
    {stop, {store_halted, Text}, State};
handle_info({pando_notice, StoreId, Text}, #state{store_id = StoreId} = State) ->
    ?LOG_WARNING("Store ~ts: ~ts", [StoreId, Text], ?LOG_DOMAIN),
    {noreply, State};
handle_info({pando_progress, StoreId, Text}, #state{store_id = StoreId} = State) ->
    ?LOG_NOTICE("Store ~ts: ~ts", [StoreId, Text], ?LOG_DOMAIN),
    {noreply, State};
handle_info({pando_event, StoreId, removed}, #state{store_id = StoreId} = State) ->
    ok = publish(removed, State),
    %% Who asks the others just now can say more.
    Checker = State#state.checker,
    case is_pid(Checker) andalso is_process_alive(Checker) of
        true ->
            _ = erlang:send_after(?REMOVED_WAIT_MS, self(), {removed, Checker}),
            {noreply, State};
        false ->
            was_removed(State)
    end;
%% Not if the store has become another member meanwhile.
handle_info({removed, Checker}, #state{phase = open, checker = Checker} = State) ->
    was_removed(State);
handle_info({pando_event, StoreId, Event}, #state{store_id = StoreId} = State) ->
    ok = publish(Event, State),
    {noreply, State};
handle_info({check, Pid, Verdict}, #state{checker = Pid} = State) ->
    checked(Verdict, State);
handle_info(next_round, #state{phase = forming, helper = none} = State) ->
    {noreply, next_round(State)};
handle_info({round, Pid, Nodes, Answers}, #state{asker = Pid, phase = forming, helper = none} = State) ->
    {Decision, Rules} = pando_forming:decide(Answers, configured(Nodes, State#state.rules)),
    {noreply, decided(Decision, State#state{rules = Rules})};
handle_info({promises, Pid, Round, Granted}, #state{asker = Pid, phase = forming, helper = none} = State) ->
    {Decision, Rules} = pando_forming:promises(Round, Granted, State#state.rules),
    {noreply, decided(Decision, State#state{rules = Rules})};
handle_info({joiner, Pid, Outcome}, #state{helper = #{pid := Pid, kind := Kind} = Helper} = State) ->
    joined(Kind, Outcome, Helper, State#state{helper = none});
%% Helpers, when they are done.
handle_info({'EXIT', _Pid, normal}, State) ->
    {noreply, State};
handle_info({'EXIT', _Pid, Reason}, State) ->
    {stop, Reason, State};
handle_info(_Unexpected, State) ->
    {noreply, State}.

configured(connected, Rules) -> Rules;
configured(Nodes, Rules) -> pando_forming:configure(Nodes, Rules).

publish(Event, #state{store_id = StoreId}) ->
    pando_events:publish(StoreId, Event).

opened(check, State) ->
    checking(State#state{phase = open});
opened(found, State) ->
    ready(State#state{phase = open, rules = undefined});
opened({go_on, #{member_id := 0}}, State) ->
    ready(forgotten(State#state{phase = open}));
opened({go_on, #{phase := becoming} = Joining}, State) ->
    %% What was left to do may be nothing but removing the file.
    case has_entered(Joining, State) of
        true -> opened(check, forgotten(State));
        false -> going_on(Joining, State)
    end;
opened({go_on, Joining}, State) ->
    going_on(Joining, State);
opened({reply, From}, State) ->
    gen_server:reply(From, ok),
    State#state{phase = open, rules = undefined};
opened({failed, From, Reason}, State) ->
    gen_server:reply(From, {error, Reason}),
    forgotten(State#state{phase = open}).

checking(#state{store_id = StoreId, config = #{cluster := Cluster}, checker = Before} = State) ->
    ok = lists:foreach(fun kill/1, [Pid || Pid <- [Before], is_pid(Pid)]),
    Nodes =
        case Cluster of
            #{nodes := List} when is_list(List) -> List;
            _ -> []
        end,
    Context = #{server => self(), store_id => StoreId, nodes => Nodes},
    State#state{checker = pando_joiner:start_check(Context)}.

%% As its own log says.
has_entered(#{member_id := MemberId, role := Role}, #state{store_id = StoreId}) ->
    case pando_backend:status(StoreId) of
        {ok, #{members := Members}} ->
            [] =/=
                [
                    yes
                 || #{member_id := Id, is_voter := IsVoter} <- Members,
                    Id =:= MemberId,
                    IsVoter orelse Role =:= observer
                ];
        {error, noproc} ->
            false
    end.

going_on(Joining, #state{store_id = StoreId} = State) ->
    Pid = pando_joiner:start_resume(#{server => self(), store_id => StoreId, joining => Joining}),
    ready(State#state{phase = open, helper = helper(resume, Pid, none, Joining)}).

ready(State) ->
    answer_waiting(ok, State#state{is_ready = true}).

failed_to_open(Reason, #state{opened = Opened, waiting = Waiting, is_ready = IsReady, store_id = StoreId} = State) ->
    case atomics:get(Opened, 1) =:= 1 orelse IsReady of
        false when Waiting =:= [] ->
            %% Whoever starts the store has not asked yet: the reason waits for the question.
            _ = erlang:send_after(?ASK_TIMEOUT_MS, self(), nobody_asked),
            {noreply, State#state{phase = {failed, Reason}}};
        false ->
            {stop, {shutdown, {open_failed, Reason}}, answer_waiting({error, Reason}, State)};
        true ->
            Pause = application:get_env(pando, reopen_pause_ms, ?REOPEN_PAUSE_MS),
            Report = "Store ~ts could not be opened again, next attempt in ~b ms: ~ts",
            ?LOG_ERROR(Report, [StoreId, Pause, pando_errors:format(Reason)], ?LOG_DOMAIN),
            _ = erlang:send_after(Pause, self(), {give_up, Reason}),
            {noreply, answer_waiting({error, Reason}, State#state{phase = {pausing, Reason}})}
    end.

%% Of a store that was opened with its data.
checked({removed, Text}, State) ->
    no_member(Text, State);
checked(_Member, State) ->
    {noreply, ready(State)}.

was_removed(State) ->
    Text = <<
        "the other members say that this one was removed from the cluster. Its data are as old as that. To have this node in "
        "the cluster again, move this directory away, start the store, and join"
    >>,
    no_member(Text, State).

%% A restart would find the same, so there is none. Who is leaving, or on the way in, expects to hear it.
no_member(_Text, #state{helper = #{}} = State) ->
    {noreply, State};
no_member(Text, #state{store_id = StoreId, directory = Directory, waiting = Waiting, is_ready = IsReady} = State) ->
    Reason = pando_directory:open_error({open_failed, <<"removed_member">>, Text}, Directory),
    ?LOG_ERROR("Store ~ts is stopped: ~ts", [StoreId, pando_errors:format(Reason)], ?LOG_DOMAIN),
    Closed = closed(State),
    case IsReady orelse Waiting =/= [] of
        true ->
            {stop, {shutdown, {open_failed, Reason}}, answer_waiting({error, Reason}, Closed)};
        false ->
            _ = erlang:send_after(?ASK_TIMEOUT_MS, self(), nobody_asked),
            {noreply, Closed#state{phase = {failed, Reason}}}
    end.

%% What has become of a helper's task.
joined(reset, ok, #{from := From}, State) ->
    removed(From, State);
%% It may have left all the same, or may do so later.
joined(reset, {error, Reason}, #{from := From, joining := none}, State) ->
    gen_server:reply(From, {error, Reason}),
    {noreply, checking(State)};
joined(reset, {error, Reason}, #{from := From, joining := Joining}, State) ->
    gen_server:reply(From, {error, Reason}),
    {noreply, resumed(Joining, State)};
joined(_Kind, ok, #{from := From}, State) ->
    reply(From, ok),
    {noreply, ready(forgotten(State))};
joined(join, {error, Reason}, #{from := From, joining := none}, State) ->
    reply(From, {error, Reason}),
    {noreply, State};
joined(join, {error, Reason}, #{from := From, joining := #{phase := leaving}}, State) ->
    reply(From, {error, Reason}),
    {noreply, checking(forgotten(State))};
joined(join, {unfinished, Reason}, #{from := From, joining := Joining}, State) ->
    reply(From, {error, Reason}),
    {noreply, resumed(Joining, State)};
joined(join, {failed, Reason}, #{from := From}, State) ->
    become(pando_joining:found(random_bytes(16)), {failed, From, Reason}, State);
joined(admission, {error, _Reason}, #{joining := none}, State) ->
    %% Nothing was begun. Who started the store need not wait for the next attempt.
    {noreply, next_round(ready(State))};
joined(resume, {error, interrupted}, _Helper, State) ->
    {noreply, forgotten(State)};
joined(_Kind, {removed, Text}, _Helper, State) ->
    no_member(Text, State);
joined(Kind, {failed, Reason}, _Helper, #state{store_id = StoreId, config = #{cluster := Cluster}} = State) ->
    Text = "Store ~ts cannot go on with its join: ~ts",
    ?LOG_ERROR(Text, [StoreId, pando_errors:format(Reason)], ?LOG_DOMAIN),
    case Kind =:= admission orelse Cluster =/= none of
        true -> begin_again(closed(State));
        false -> become(pando_joining:found(random_bytes(16)), {go_on, pando_joining:found(<<0:128>>)}, State)
    end;
joined(_Kind, {error, Reason}, #{from := From}, State) ->
    reply(From, {error, Reason}),
    {stop, {join_interrupted, Reason}, State}.

reply(none, _Reply) -> ok;
reply(From, Reply) -> gen_server:reply(From, Reply).

begin_again(State) ->
    case emptied(State) of
        {ok, Empty} -> {noreply, begin_empty(Empty)};
        {error, Native} -> {noreply, not_opened(Native, State)}
    end.

resumed(none, State) ->
    State;
resumed(Joining, #state{store_id = StoreId} = State) ->
    Pid = pando_joiner:start_resume(#{server => self(), store_id => StoreId, joining => Joining}),
    State#state{helper = helper(resume, Pid, none, Joining)}.

answer_waiting(Answer, #state{waiting = Waiting} = State) ->
    [gen_server:reply(From, Answer) || From <- Waiting],
    State#state{waiting = []}.

-spec terminate(term(), #state{}) -> ok.
terminate(Reason, #state{helper = Helper, asker = Asker, checker = Checker} = State) ->
    Joiner = [Pid || #{pid := Pid} <- [Helper]],
    ok = lists:foreach(fun kill/1, Joiner ++ [Pid || Pid <- [Asker, Checker], is_pid(Pid)]),
    _ = closed(Reason, State),
    ok.

%% A helper does not end by itself when this process ends normally.
kill(Pid) ->
    true = unlink(Pid),
    true = exit(Pid, kill),
    ok.

%% Its phase is `opening' if the directory is free now.
closed(State) ->
    closed(normal, State).

closed(Reason, #state{store_id = StoreId, phase = Before, lanes = Lanes, checker = Checker} = State) ->
    ok = pando_events:ended(StoreId, Before, Reason),
    ok = lists:foreach(fun kill/1, [Pid || Pid <- [Checker], is_pid(Pid)]),
    Phase =
        case close(StoreId) of
            ok -> opening;
            late -> {failed, late}
        end,
    ok = lists:foreach(fun end_lane/1, Lanes),
    State#state{handle = undefined, lanes = [], checker = undefined, phase = Phase}.

end_lane(Lane) ->
    true = unlink(Lane),
    pando_peer:stop(Lane).

%% Also right when the store is not open.
close(StoreId) ->
    ok = pando_backend:close(StoreId),
    receive
        {pando_closed, StoreId} -> ok
    after ?CLOSE_TIMEOUT_MS ->
        ?LOG_ERROR("Store ~ts has not closed within ~b ms", [StoreId, ?CLOSE_TIMEOUT_MS], ?LOG_DOMAIN),
        late
    end.
