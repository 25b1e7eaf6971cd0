%% @private One lane of a store: takes the frames of its native side to the same lane of members on other nodes, and theirs to it,
%% over the connections that the Erlang nodes have anyway.
%%
%% Invariants
%% 1. It never waits: a frame that cannot be sent now is dropped, and the native side is told so (`refused'). Frames that do
%%    arrive on one lane arrive in order.
%% 2. It makes atoms of no names but those that the native side sends to: members of this cluster.
%% 3. Whatever comes from another node is handed over as bytes, or dropped and counted.
%% 4. It ends with the process that has started it, whatever the reason.
%% 5. When the same lane on a connected node ends, because its store was stopped, has halted or was killed, the native side
%%    is told that the node is down, as if the connection had gone; and that it is up with the first frame from there.
%%
%% The lane `consensus' also connects nodes and tells the native side which of them are; where `bulk' finds no connection,
%% `consensus' finds none either, because it always has something to say. So 5 is its task alone, too.
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
%% From the beginning of one attempt to connect a node to that of the next at least, in milliseconds. Not longer after several: a
%% member that is healed must not wait for it.
-define(CONNECT_INTERVAL_MS, 1000).
%% From the beginning of one watch over the lane on another node to that of the next at least, in milliseconds.
-define(WATCH_INTERVAL_MS, 1000).
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
    %% Whether the native side was told last that it is up, as far as this process knows.
    is_up = false :: boolean(),
    %% The process that watches this lane there, and when the next one may begin (monotonic milliseconds).
    watcher :: undefined | pid(),
    watch_at_ms :: undefined | integer(),
    %% The attempt to connect that is under way, and the timer that ends it.
    connecting :: undefined | {pid(), reference()},
    %% When the next attempt may begin (monotonic milliseconds).
    connect_at_ms :: undefined | integer()
}).

-record(state, {
    store_id :: pando_backend:store_id(),
    lane :: pando_backend:lane(),
    name :: atom(),
    %% By the name that the native side uses. `invalid': what cannot be a node's name.
    nodes = #{} :: #{binary() => #node{} | invalid},
    %% Those that are connected, but where this lane has ended, and from which nothing has come since.
    silent = [] :: [binary()],
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
handle_info({'EXIT', Pid, Reason}, State) ->
    {noreply, helper_ended(Pid, Reason, State)};
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
                ok -> sent(Name, Known, count(sent, Noted));
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

sent(_Name, #node{watcher = Watcher}, #state{lane = consensus} = State) when is_pid(Watcher) ->
    State;
sent(Name, #node{node = Node} = Known, #state{lane = consensus} = State) ->
    %% A frame is also taken while a connection is being made, which may fail.
    case lists:member(Node, nodes(connected)) of
        true -> watch(Name, told_up(Name, Known, State), State);
        false -> State
    end;
sent(_Name, _Known, State) ->
    State.

%% Connected before this process was there to hear of it.
told_up(Name, #node{is_up = false} = Known, #state{silent = Silent} = State) ->
    case lists:member(Name, Silent) of
        true ->
            Known;
        false ->
            ok = tell(Name, up, State),
            Known#node{is_up = true}
    end;
told_up(_Name, Known, _State) ->
    Known.

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
        case pando_backend:peer_frame_quick(StoreId, Lane, Frame) of
            slow -> pando_backend:peer_frame(StoreId, Lane, Frame);
            Quick -> Quick
        end,
    Counted =
        case Taken of
            ok -> count(received, State);
            {error, noproc} -> count(not_running, State)
        end,
    case Counted#state.silent of
        [] -> Counted;
        Silent -> heard(sender(Frame), Silent, Counted)
    end.

%% The node that a frame says it is from (docs/formats.md, "Frames between members"): the same place in every version. Whether
%% that is true is checked by the native side; here it decides no more than when it is told that a node is up.
sender(<<_Version, _Kind, NameSize:16/little, NodeSize:16/little, _Ids:40/binary, Names/binary>>) ->
    case Names of
        <<_Name:NameSize/binary, Node:NodeSize/binary, _/binary>> -> Node;
        _ -> undefined
    end;
sender(_Frame) ->
    undefined.

heard(Name, Silent, #state{nodes = Nodes} = State) ->
    case lists:member(Name, Silent) of
        true ->
            ok = tell(Name, up, State),
            #{Name := Known} = Nodes,
            watch(Name, Known#node{is_up = true}, not_silent(Name, State));
        false ->
            State
    end.

not_silent(Name, #state{silent = Silent} = State) ->
    State#state{silent = lists:delete(Name, Silent)}.

%%% Nodes

node_is(NodeState, Node, #state{nodes = Nodes} = State) ->
    Name = atom_to_binary(Node),
    ok = tell(Name, NodeState, State),
    case Nodes of
        #{Name := #node{} = Known} when NodeState =:= up ->
            store(Name, Known#node{is_up = true}, not_silent(Name, State));
        #{Name := #node{} = Known} ->
            store(Name, Known#node{is_up = false}, not_silent(Name, State));
        #{} ->
            State
    end.

%% The store may be opening still, or closed already: then nobody needs to know.
tell(Name, NodeState, #state{store_id = StoreId}) ->
    case pando_backend:node_state(StoreId, Name, NodeState) of
        ok -> ok;
        {error, noproc} -> ok
    end.

%% In a process of its own: it takes as long as the other node, or what is in between, wants it to.
connect(Name, #node{node = Node, connecting = undefined} = Known, #state{lane = consensus} = State) ->
    ConnectAtMs = Known#node.connect_at_ms,
    NowMs = erlang:monotonic_time(millisecond),
    case ConnectAtMs =:= undefined orelse NowMs >= ConnectAtMs of
        true ->
            Pid = spawn_link(fun() -> net_kernel:connect_node(Node) end),
            Timer = erlang:send_after(?CONNECT_MS_MAX, self(), {connect_takes_too_long, Pid}),
            Connecting = Known#node{
                connecting = {Pid, Timer},
                connect_at_ms = NowMs + ?CONNECT_INTERVAL_MS
            },
            store(Name, Connecting, State);
        false ->
            State
    end;
connect(_Name, _Known, State) ->
    State.

%% In a process of its own, too: what tells the other node to watch may wait for room on the connection.
-dialyzer({nowarn_function, watch/3}).
watch(Name, #node{watcher = undefined, node = Node} = Known, #state{name = Lane} = State) ->
    NowMs = erlang:monotonic_time(millisecond),
    case Known#node.watch_at_ms =:= undefined orelse NowMs >= Known#node.watch_at_ms of
        true ->
            Watcher = spawn_link(fun() -> exit(self(), {lane_ended, await_end({Lane, Node})}) end),
            Watched = Known#node{watcher = Watcher, watch_at_ms = NowMs + ?WATCH_INTERVAL_MS},
            store(Name, Watched, State);
        false ->
            store(Name, Known, State)
    end;
watch(Name, Known, State) ->
    store(Name, Known, State).

await_end(Process) ->
    Monitor = monitor(process, Process),
    receive
        {'DOWN', Monitor, process, _, Reason} -> Reason
    end.

%% An attempt to connect, or a watcher.
helper_ended(Pid, Reason, #state{nodes = Nodes} = State) ->
    IsIts = fun
        ({_, #node{connecting = {P, _}}}) when P =:= Pid -> true;
        ({_, #node{watcher = P}}) when P =:= Pid -> true;
        (_) -> false
    end,
    case lists:filter(IsIts, maps:to_list(Nodes)) of
        [{Name, #node{watcher = Pid} = Known}] ->
            lane_ended(Name, Known#node{watcher = undefined}, Reason, State);
        [{Name, #node{connecting = {_, Timer}} = Known}] ->
            _ = erlang:cancel_timer(Timer),
            store(Name, Known#node{connecting = undefined}, State);
        [] ->
            State
    end.

%% That the connection has gone is told when it is heard of as such.
lane_ended(Name, #node{is_up = true} = Known, {lane_ended, Reason}, State) when Reason =/= noconnection ->
    ok = tell(Name, down, State),
    #state{silent = Silent} = Noted = store(Name, Known#node{is_up = false}, State),
    Noted#state{silent = [Name | Silent]};
lane_ended(Name, Known, _Reason, State) ->
    store(Name, Known, State).

-spec terminate(term(), #state{}) -> ok.
terminate(_Reason, #state{nodes = Nodes}) ->
    _ = [exit(Pid, kill) || #node{connecting = {Pid, _}} <- maps:values(Nodes)],
    _ = [exit(Pid, kill) || #node{watcher = Pid} <- maps:values(Nodes), is_pid(Pid)],
    ok.
