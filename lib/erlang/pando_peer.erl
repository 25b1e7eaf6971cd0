%% @private One lane of a store: takes the frames of its native side to the same lane of members on other nodes, and theirs to it,
%% over the connections that the Erlang nodes have anyway.
%%
%% Invariants
%% 1. It never waits: a frame that cannot be sent now is dropped, and the native side is told so (`refused'). Frames that do
%%    arrive on one lane arrive in order.
%% 2. It makes atoms of no names but those that the native side sends to: members of this cluster.
%% 3. Whatever comes from another node is handed over as bytes, or dropped and counted.
%% 4. It ends with the process that has started it, whatever the reason.
%%
%% The lane `consensus' also connects nodes and tells the native side which of them are; where `bulk' finds no connection,
%% `consensus' finds none either, because it always has something to say.
-module(pando_peer).
-behaviour(gen_server).

-export([start_link/2, stop/1, name/2, counts/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-export_type([counts/0]).

%% Messages that may wait for the process; above that, frames are dropped unread until fewer wait.
-define(QUEUED_MESSAGES_MAX, 8192).
%% It looks at how many wait with every so many messages.
-define(MESSAGES_PER_LOOK, 64).
%% How long an attempt to connect may take, in milliseconds.
-define(CONNECT_MS_MAX, 10000).
%% From the beginning of one attempt to connect a node to that of the next, in milliseconds: at first, then doubled up to the other.
-define(CONNECT_INTERVAL_MS_MIN, 1000).
-define(CONNECT_INTERVAL_MS_MAX, 4000).
%% How long a start waits for the end of a lane whose store has just ended, in milliseconds.
-define(NAME_WAIT_MS_MAX, 5000).
%% Characters of a store's name that go into a process's name, beside a digest if there are more (an atom has 255 at most).
-define(NAME_CHARACTERS_MAX, 180).

%% Frames, since the process was started. `refused': not sent, because there was no connection or too much waited. `shed': in
%% either direction, dropped unread because too many messages waited. `not_running': came while the store was not open.
%% `malformed': messages that are none of ours.
-type counts() :: #{
    sent := non_neg_integer(),
    refused := non_neg_integer(),
    received := non_neg_integer(),
    not_running := non_neg_integer(),
    malformed := non_neg_integer(),
    shed := non_neg_integer()
}.

-record(node, {
    node :: node(),
    %% Whether the native side was told that it is connected, as far as this process knows.
    is_up = false :: boolean(),
    %% The attempt to connect that is under way, and the timer that ends it.
    connecting :: undefined | {pid(), reference()},
    %% When the next attempt may begin (monotonic milliseconds), and how long after it the one after that.
    connect_at_ms = undefined :: undefined | integer(),
    connect_interval_ms = ?CONNECT_INTERVAL_MS_MIN :: pos_integer()
}).

-record(state, {
    store_id :: pando_backend:store_id(),
    lane :: pando_backend:lane(),
    name :: atom(),
    %% By the name that the native side uses. `invalid': what cannot be a node's name.
    nodes = #{} :: #{binary() => #node{} | invalid},
    counts :: counts(),
    until_look = ?MESSAGES_PER_LOOK :: non_neg_integer(),
    is_shedding = false :: boolean()
}).

%% @doc Starts the lane of a store, linked to the caller, and registered under `name/2' of both.
%%
%% A lane that is there already ends soon if its store has ended: that is waited for.
-spec start_link(pando_backend:store_id(), pando_backend:lane()) -> {ok, pid()} | {error, term()}.
start_link(StoreId, Lane) when is_atom(StoreId), Lane =:= consensus orelse Lane =:= bulk ->
    case start(StoreId, Lane) of
        {error, {already_started, Before}} ->
            Monitor = monitor(process, Before),
            receive
                {'DOWN', Monitor, process, Before, _} -> start(StoreId, Lane)
            after ?NAME_WAIT_MS_MAX ->
                true = demonitor(Monitor, [flush]),
                {error, {already_started, Before}}
            end;
        Started ->
            Started
    end.

start(StoreId, Lane) ->
    %% Off its heap: what waits is not copied by each garbage collection, and bursts do not make it larger.
    Options = [{spawn_opt, [{message_queue_data, off_heap}]}],
    case gen_server:start_link({local, name(StoreId, Lane)}, ?MODULE, {StoreId, Lane}, Options) of
        {ok, Pid} -> {ok, Pid};
        {error, Reason} -> {error, Reason}
    end.

%% @doc Ends a lane; its name is free when this returns. Also right when it has ended already.
-spec stop(pid()) -> ok.
stop(Pid) ->
    try
        gen_server:stop(Pid)
    catch
        exit:_ -> ok
    end.

%% @doc The name under which a lane is registered, the same on every node.
-spec name(pando_backend:store_id(), pando_backend:lane()) -> atom().
name(StoreId, consensus) -> name_of("pando_consensus_", atom_to_list(StoreId));
name(StoreId, bulk) -> name_of("pando_bulk_", atom_to_list(StoreId)).

name_of(Prefix, Text) when length(Text) =< ?NAME_CHARACTERS_MAX ->
    list_to_atom(Prefix ++ Text);
name_of(Prefix, Text) ->
    Digest = binary:encode_hex(erlang:md5(unicode:characters_to_binary(Text))),
    list_to_atom(Prefix ++ lists:sublist(Text, ?NAME_CHARACTERS_MAX) ++ "-" ++ binary_to_list(Digest)).

%% @doc What has gone through a lane.
-spec counts(pid() | atom()) -> counts().
counts(Lane) ->
    gen_server:call(Lane, counts).

-spec init({pando_backend:store_id(), pando_backend:lane()}) -> {ok, #state{}}.
init({StoreId, Lane}) ->
    %% So that it ends with its starter also when that ends normally.
    process_flag(trap_exit, true),
    case Lane of
        %% Hidden nodes too: a member may be one.
        consensus -> ok = net_kernel:monitor_nodes(true, #{node_type => all});
        bulk -> ok
    end,
    Counts = #{sent => 0, refused => 0, received => 0, not_running => 0, malformed => 0, shed => 0},
    {ok, #state{store_id = StoreId, lane = Lane, name = name(StoreId, Lane), counts = Counts}}.

-spec handle_call(counts, gen_server:from(), #state{}) -> {reply, counts(), #state{}}.
handle_call(counts, _From, #state{counts = Counts} = State) ->
    {reply, Counts, State}.

-spec handle_cast(term(), #state{}) -> {noreply, #state{}}.
handle_cast(_Unexpected, State) ->
    {noreply, count(malformed, State)}.

-spec handle_info(term(), #state{}) -> {noreply, #state{}}.
handle_info(Message, #state{until_look = 0} = State) ->
    {message_queue_len, Waiting} = process_info(self(), message_queue_len),
    Looked =
        case Waiting > ?QUEUED_MESSAGES_MAX of
            %% The next look with the next message: not one more than needed is dropped.
            true -> State#state{is_shedding = true, until_look = 1};
            false -> State#state{is_shedding = false, until_look = ?MESSAGES_PER_LOOK}
        end,
    handle_info(Message, Looked);
handle_info({pando_frame_out, Name, Frame}, State) when is_binary(Name), is_binary(Frame) ->
    case State#state.is_shedding of
        true -> {noreply, looked(count(shed, State))};
        false -> {noreply, looked(send(Name, Frame, State))}
    end;
handle_info({pando_frame, Frame}, State) when is_binary(Frame) ->
    case State#state.is_shedding of
        true -> {noreply, looked(count(shed, State))};
        false -> {noreply, looked(take(Frame, State))}
    end;
handle_info({nodeup, Node, _Info}, #state{lane = consensus} = State) ->
    {noreply, node_is(up, Node, State)};
handle_info({nodedown, Node, _Info}, #state{lane = consensus} = State) ->
    {noreply, node_is(down, Node, State)};
handle_info({'EXIT', Pid, _Reason}, State) ->
    {noreply, connect_ended(Pid, State)};
handle_info({connect_takes_too_long, Pid}, State) ->
    %% The end of it comes as an exit.
    true = exit(Pid, kill),
    {noreply, State};
handle_info(_Malformed, State) ->
    {noreply, looked(count(malformed, State))}.

looked(#state{until_look = UntilLook} = State) ->
    State#state{until_look = UntilLook - 1}.

count(Name, #state{counts = Counts} = State) ->
    #{Name := Count} = Counts,
    State#state{counts = Counts#{Name := Count + 1}}.

%%% Out

send(Name, Frame, #state{name = Lane} = State) ->
    case known(Name, State) of
        {#node{node = Node} = Known, Noted} ->
            case erlang:send({Lane, Node}, {pando_frame, Frame}, [noconnect, nosuspend]) of
                ok -> told_up(Name, Known, count(sent, Noted));
                nosuspend -> refused(Name, Noted);
                noconnect -> connect(Name, Known, refused(Name, Noted))
            end;
        {invalid, Noted} ->
            refused(Name, Noted)
    end.

known(Name, #state{nodes = Nodes} = State) ->
    case Nodes of
        #{Name := Known} ->
            {Known, State};
        #{} ->
            Known =
                try binary_to_atom(Name) of
                    Node -> #node{node = Node}
                catch
                    error:_ -> invalid
                end,
            {Known, State#state{nodes = Nodes#{Name => Known}}}
    end.

%% Connected before this process was there to hear of it. A frame is also taken while a connection is being made, which may fail.
told_up(Name, #node{is_up = false, node = Node} = Known, #state{lane = consensus} = State) ->
    case lists:member(Node, nodes(connected)) of
        true ->
            ok = tell(Name, up, State),
            store(Name, Known#node{is_up = true}, State);
        false ->
            State
    end;
told_up(_Name, _Known, State) ->
    State.

refused(Name, #state{lane = Lane} = State) ->
    Told =
        case Lane of
            consensus -> refused;
            bulk -> bulk_refused
        end,
    ok = tell(Name, Told, State),
    count(refused, State).

store(Name, Known, #state{nodes = Nodes} = State) ->
    State#state{nodes = Nodes#{Name := Known}}.

%%% In

take(Frame, #state{store_id = StoreId, lane = Lane} = State) ->
    Taken =
        case pando_nif:peer_frame_quick(StoreId, Lane, Frame) of
            slow -> pando_nif:peer_frame(StoreId, Lane, Frame);
            Quick -> Quick
        end,
    case Taken of
        ok -> count(received, State);
        {error, noproc} -> count(not_running, State)
    end.

%%% Nodes

node_is(NodeState, Node, #state{nodes = Nodes} = State) ->
    Name = atom_to_binary(Node),
    ok = tell(Name, NodeState, State),
    case Nodes of
        #{Name := #node{} = Known} when NodeState =:= up ->
            store(Name, Known#node{is_up = true, connect_interval_ms = ?CONNECT_INTERVAL_MS_MIN}, State);
        #{Name := #node{} = Known} ->
            store(Name, Known#node{is_up = false}, State);
        #{} ->
            State
    end.

%% The store may be opening still, or closed already: then nobody needs to know.
tell(Name, NodeState, #state{store_id = StoreId}) ->
    case pando_nif:node_state(StoreId, Name, NodeState) of
        ok -> ok;
        {error, noproc} -> ok
    end.

%% In a process of its own: it takes as long as the other node, or what is in between, wants it to.
connect(Name, #node{node = Node, connecting = undefined} = Known, #state{lane = consensus} = State) ->
    #node{connect_at_ms = ConnectAtMs, connect_interval_ms = IntervalMs} = Known,
    NowMs = erlang:monotonic_time(millisecond),
    case ConnectAtMs =:= undefined orelse NowMs >= ConnectAtMs of
        true ->
            Pid = spawn_link(fun() -> net_kernel:connect_node(Node) end),
            Timer = erlang:send_after(?CONNECT_MS_MAX, self(), {connect_takes_too_long, Pid}),
            Connecting = Known#node{
                connecting = {Pid, Timer},
                connect_at_ms = NowMs + IntervalMs,
                connect_interval_ms = min(2 * IntervalMs, ?CONNECT_INTERVAL_MS_MAX)
            },
            store(Name, Connecting, State);
        false ->
            State
    end;
connect(_Name, _Known, State) ->
    State.

connect_ended(Pid, #state{nodes = Nodes} = State) ->
    case [{Name, Known} || {Name, #node{connecting = {P, _}} = Known} <- maps:to_list(Nodes), P =:= Pid] of
        [{Name, #node{connecting = {_, Timer}} = Known}] ->
            _ = erlang:cancel_timer(Timer),
            store(Name, Known#node{connecting = undefined}, State);
        [] ->
            State
    end.

-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{nodes = Nodes}) ->
    _ = [exit(Pid, kill) || #node{connecting = {Pid, _}} <- maps:values(Nodes)],
    ok.
