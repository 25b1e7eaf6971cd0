%% @private The process that has the port to one program of the port backend: gathers the calls of all callers into packets, and
%% hands out what comes back.
%%
%% Invariants
%% 1. It never waits: where the port takes no more, another process writes. So cancelling and the death of callers are dealt
%%    with also while the program does nothing.
%% 2. Whoever is owed a reply gets one, also if the program ends: then it says that the outcome is unknown. A reply is sent once,
%%    and never after the call was cancelled.
%% 3. What a process has made in the program goes with it.
%% 4. It ends when its program has ended, and its program with it: orderly when the store is closed or its owner has died, by force
%%    if it takes too long, and when it sends what it should not.
%%
%% A plain process that obeys system messages (`sys'), and no `gen_server': one receive a message, and it has to know when its
%% mailbox is empty, because that is when a packet goes out. Phases: `waiting' for the program of the same store before, `greeting',
%% `running', `closing' (the store is), `leaving' (the program is), `ending' (it was killed).
-module(pando_port_connection).

-export([start/1, start_link/1]).
-export([init/2, system_continue/3, system_terminate/4, system_code_change/4, system_get_state/1]).

-export_type([config/0]).

%% `owner': who opens the store, and gets what a store tells. `open': the arguments of `pando_backend:open'.
-type config() ::
    #{purpose := {store, pando_backend:store_id(), Owner :: pid()}, open := [term()]} | #{purpose := service}.

%% How long the program may take to say who it is, in milliseconds.
-define(HELLO_TIMEOUT_MS, 10000).
%% How long it may take to close the store, in milliseconds: less than `pando_server' waits.
-define(CLOSE_TIMEOUT_MS, 12000).
%% How long it may take to end when nothing is open, in milliseconds.
-define(LEAVE_TIMEOUT_MS, 2000).
%% How long an operating system may take to end what was killed, in milliseconds: after that, callers wait for it no longer.
-define(KILL_TIMEOUT_MS, 5000).
%% How long an opening waits for the program before, in milliseconds, and how often it tries.
-define(BEFORE_TIMEOUT_MS, 30000).
-define(LOCKED_PAUSE_MS, 250).
%% How often it is looked for what killed callers have counted and not sent, in milliseconds.
-define(LOOK_INTERVAL_MS, 10000).
%% So many looks without a call end the program for what has no store.
-define(IDLE_LOOKS_MAX, 6).
%% Cursors of one process: one more, and its oldest is let go. A process that goes on forgetting some must not have the program
%% keep them all. (Transactions are always ended by who has begun them.)
-define(CURSORS_MAX, 1024).
%% How long it goes on answering that its program has ended, in milliseconds.
-define(LINGER_MS, 500).
%% Of one answer, in all its parts.
-define(ANSWER_SIZE_BYTES_MAX, 4294967296).

%% A call that may leave something, or of which messages come. Others are no more than the alias that waits.
-record(call, {
    client :: pid(),
    %% Who waits for the result.
    alias = none :: none | reference(),
    reply_to = none :: pando_port_call:reply_to() | upload | open | close,
    %% Counted as under way, as long as a result or a reply of a cast is missing.
    is_counted = true :: boolean(),
    %% The reply has been sent, or the program says that none will come.
    is_over = false :: boolean()
}).

-record(client, {
    monitor :: reference(),
    %% What is to be let go when it dies, and which of these are cursors.
    calls = #{} :: #{pando_port_frame:id() => []},
    cursors = #{} :: #{pando_port_frame:id() => []}
}).

-record(state, {
    parent :: pid(),
    purpose :: pando_port_registry:purpose(),
    open = [] :: [term()],
    owner_monitor :: undefined | reference(),
    port :: undefined | port(),
    os_pid :: undefined | pando_port_program:os_pid(),
    counters :: pando_port_call:counters(),
    phase = greeting :: waiting | greeting | running | closing | leaving | ending,
    %% The owner has heard what has become of the opening.
    is_told = false :: boolean(),
    calls = #{} :: #{pando_port_frame:id() => reference() | #call{}},
    clients = #{} :: #{pid() => #client{}},
    %% Of cursors that nobody has closed, and that were let go all the same.
    let_go_up_to = 0 :: non_neg_integer(),
    output = pando_port_output:new() :: pando_port_output:output(),
    writer :: pid(),
    %% The packet that the writer is at.
    writing = none :: none | pando_port_output:packet(),
    uploads = pando_port_uploads:new() :: pando_port_uploads:uploads(),
    %% What has come of answers in parts: `{result | message, Id}' or `{send, Stream}'.
    parts = #{} :: #{{result | message | send, non_neg_integer()} => {SizeBytes :: pos_integer(), [binary()]}},
    timer :: undefined | reference(),
    %% Until when a locked directory is waited for.
    locked_until_ms :: undefined | integer(),
    closers = [] :: [pid()],
    %% Why the program is to end, if that is a fault.
    fault = none :: none | binary(),
    %% The parent's reason, if it has us end.
    shutdown = none :: none | {reason, term()},
    %% What the counters had at the last look, if nothing was under way here.
    looked = none :: none | {integer(), integer()},
    idle_looks = 0 :: non_neg_integer()
}).

-spec start(config()) -> {ok, pid()} | {error, term()}.
start(Config) ->
    proc_lib:start(?MODULE, init, [self(), Config]).

-spec start_link(config()) -> {ok, pid()} | {error, term()}.
start_link(Config) ->
    proc_lib:start_link(?MODULE, init, [self(), Config]).

-spec init(pid(), config()) -> no_return().
init(Parent, #{purpose := Purpose} = Config) ->
    process_flag(trap_exit, true),
    %% Off its heap: what waits is not copied by each garbage collection.
    process_flag(message_queue_data, off_heap),
    Counters = pando_port_call:new_counters(),
    Self = self(),
    Before = before(Purpose),
    ok = pando_port_registry:enter(Self, Purpose, Counters),
    State = #state{
        parent = Parent,
        purpose = Purpose,
        open = maps:get(open, Config, []),
        counters = Counters,
        writer = spawn_link(fun() -> write(Self) end)
    },
    ok = proc_lib:init_ack(Parent, {ok, Self}),
    _ = erlang:start_timer(?LOOK_INTERVAL_MS, Self, look),
    Owned =
        case Purpose of
            {store, _, Owner} ->
                State#state{owner_monitor = monitor(process, Owner)};
            %% Who calls need not wait for the program: the connection has what is to be written.
            service ->
                ok = pando_port_registry:set_phase(Self, open),
                State
        end,
    case Before of
        none ->
            begin_program(Owned);
        _ ->
            _ = monitor(process, Before),
            loop(timer(?BEFORE_TIMEOUT_MS, Owned#state{phase = waiting}))
    end.

before({store, StoreId, _Owner}) -> pando_port_registry:newest({store, StoreId});
before(service) -> none.

begin_program(State) ->
    case pando_port_program:start() of
        {ok, Port, OsPid} ->
            ok = pando_port_registry:set_os_pid(self(), OsPid),
            _ =
                try
                    port_command(Port, pando_port_frame:hello())
                catch
                    %% It has ended already: that comes as a message.
                    error:badarg -> gone
                end,
            loop(timer(?HELLO_TIMEOUT_MS, State#state{phase = greeting, port = Port, os_pid = OsPid}));
        {error, Text} ->
            ended(Text, State)
    end.

%%% The loop

loop(State) ->
    receive
        Message -> handle(Message, State)
    after 0 ->
        Flushed = flush(State),
        receive
            Message -> handle(Message, Flushed)
        end
    end.

handle({call, Id, Frame, Alias}, #state{calls = Calls} = State) ->
    gathered(put_out(Frame, none, State#state{calls = Calls#{Id => Alias}}));
handle({Port, {data, Packet}}, #state{port = Port} = State) ->
    received(Packet, State);
handle({cast, Id, Frame, Client, ReplyTo}, State) ->
    Call = #call{client = Client, reply_to = ReplyTo},
    gathered(put_out(Frame, none, owned(Id, Client, call(Id, Call, State))));
handle({make, Id, Frame, Alias, Client, ReplyTo}, State) ->
    Call = #call{client = Client, alias = Alias, reply_to = ReplyTo},
    gathered(put_out(Frame, none, owned(Id, Client, call(Id, Call, State))));
handle({note, Frame}, #state{counters = Counters} = State) ->
    ok = pando_port_call:call_ended(Counters),
    gathered(put_out(Frame, none, State));
handle({written, Writer}, #state{writer = Writer, writing = Packet} = State) when Packet =/= none ->
    loop(flush(written(Packet, State#state{writing = none})));
handle({release, Id}, State) ->
    loop(release(Id, State));
handle({cancel, Id, Alias}, State) ->
    {IsCancelled, Cancelled} = cancel(Id, State),
    Alias ! {Alias, cancelled, IsCancelled},
    loop(Cancelled);
handle({was_let_go, Id, Alias}, #state{let_go_up_to = LetGoUpTo} = State) ->
    Alias ! {Alias, was_let_go, Id =< LetGoUpTo},
    loop(State);
handle({upload, Id, SizeBytes, Alias, Client}, #state{uploads = Uploads} = State) ->
    Call = #call{client = Client, reply_to = upload},
    Waiting = State#state{uploads = pando_port_uploads:add(Id, SizeBytes, Alias, Uploads)},
    loop(begin_uploads(owned(Id, Client, call(Id, Call, Waiting))));
handle({part, Id, Frame, Alias}, #state{counters = Counters, calls = Calls} = State) ->
    case Calls of
        #{Id := _} ->
            gathered(put_out(Frame, Alias, State));
        #{} ->
            ok = pando_port_call:written(Counters, byte_size(Frame)),
            loop(State)
    end;
%% Its last part.
handle({uploaded, Id, Message}, #state{calls = Calls} = State) ->
    case Calls of
        #{Id := Call} ->
            %% It goes on as what the message says.
            handle(Message, remove(Id, Call#call{is_counted = false}, State));
        #{} ->
            handle(Message, State)
    end;
handle({abandon, Id}, State) ->
    loop(release(Id, State));
handle({'DOWN', Monitor, process, Pid, _Reason}, State) ->
    down(Monitor, Pid, State);
handle({close, Closer}, #state{closers = Closers} = State) ->
    close(State#state{closers = [Closer | Closers]});
handle({malformed, Text}, State) ->
    fail(Text, State);
handle({Port, {exit_status, Status}}, #state{port = Port} = State) ->
    exited(Status, State#state{port = undefined});
handle({timeout, Timer, Of}, State) ->
    timed_out(Timer, Of, State);
handle({reopen, IsWorthwhile, Opened}, State) ->
    reopen(IsWorthwhile, Opened, State);
handle({'EXIT', Parent, Reason}, #state{parent = Parent} = State) ->
    close(State#state{shutdown = {reason, Reason}});
handle({'EXIT', Port, Reason}, #state{port = Port} = State) ->
    %% It reads no more, and its exit status will not come.
    ok = pando_port_program:kill(State#state.os_pid),
    exited(Reason, State#state{port = undefined});
handle({'EXIT', Writer, Reason}, #state{writer = Writer} = State) ->
    fail(text("what writes to it has ended: ~0tp", [Reason]), State);
handle({system, From, Request}, #state{parent = Parent} = State) ->
    sys:handle_system_msg(Request, From, Parent, ?MODULE, [], State);
handle(_Unexpected, State) ->
    loop(State).

-spec system_continue(pid(), [sys:dbg_opt()], #state{} | {lingering, #state{}}) -> no_return().
system_continue(_Parent, _Debug, {lingering, State}) ->
    linger(State);
system_continue(_Parent, _Debug, State) ->
    loop(State).

-spec system_terminate(term(), pid(), [sys:dbg_opt()], #state{} | {lingering, #state{}}) -> no_return().
system_terminate(Reason, _Parent, _Debug, {lingering, _State}) ->
    exit(Reason);
system_terminate(Reason, _Parent, _Debug, State) ->
    close(State#state{shutdown = {reason, Reason}}).

-spec system_code_change(State, module(), term(), term()) -> {ok, State}.
system_code_change(State, _Module, _OldVersion, _Extra) ->
    {ok, State}.

-spec system_get_state(State) -> {ok, State}.
system_get_state(State) ->
    {ok, State}.

%%% Out

put_out(Frame, Told, #state{output = Output} = State) ->
    State#state{output = pando_port_output:add(Frame, Told, Output)}.

%% One of our own, that nobody has counted.
say(Frame, #state{counters = Counters} = State) ->
    ok = pando_port_call:queued(Counters, byte_size(Frame)),
    put_out(Frame, none, State).

gathered(#state{output = Output} = State) ->
    case pando_port_output:is_full(Output) of
        true -> loop(flush(State));
        false -> loop(State)
    end.

%% Writes what the port takes without a wait.
flush(#state{writing = none, phase = Phase, output = Output, port = Port} = State) when
    Phase =:= running; Phase =:= closing; Phase =:= leaving
->
    case pando_port_output:take(Output) of
        empty ->
            State;
        {{Data, _, _} = Packet, Rest} ->
            try port_command(Port, Data, [nosuspend]) of
                true ->
                    flush(written(Packet, State#state{output = Rest}));
                false ->
                    State#state.writer ! {write, Port, Data},
                    State#state{output = Rest, writing = Packet}
            catch
                %% The port has gone: a message about that is on its way.
                error:badarg -> written(Packet, State#state{output = Rest})
            end
    end;
flush(State) ->
    State.

written({_Data, SizeBytes, Told}, #state{counters = Counters} = State) ->
    ok = pando_port_call:written(Counters, SizeBytes),
    ok = lists:foreach(fun(Alias) -> Alias ! {Alias, written} end, Told),
    State.

%% A process that waits until the port takes it.
write(Connection) ->
    receive
        {write, Port, Data} ->
            _ =
                try
                    port_command(Port, Data)
                catch
                    error:badarg -> gone
                end,
            Connection ! {written, self()},
            write(Connection)
    end.

%%% Calls, and whose they are

call(Id, Call, #state{calls = Calls} = State) ->
    State#state{calls = Calls#{Id => Call}}.

owned(Id, Client, #state{clients = Clients} = State) ->
    Of =
        case Clients of
            #{Client := #client{calls = Calls} = Known} -> Known#client{calls = Calls#{Id => []}};
            #{} -> #client{monitor = monitor(process, Client), calls = #{Id => []}}
        end,
    State#state{clients = Clients#{Client => Of}}.

%% The oldest of too many is let go.
cursor(Id, Client, #state{clients = Clients, let_go_up_to = LetGoUpTo} = State) ->
    case Clients of
        #{Client := #client{cursors = Cursors} = Of} when map_size(Cursors) < ?CURSORS_MAX ->
            State#state{clients = Clients#{Client := Of#client{cursors = Cursors#{Id => []}}}};
        #{Client := #client{cursors = Cursors} = Of} ->
            Oldest = lists:min(maps:keys(Cursors)),
            Added = Clients#{Client := Of#client{cursors = Cursors#{Id => []}}},
            release(Oldest, State#state{clients = Added, let_go_up_to = max(Oldest, LetGoUpTo)});
        #{} ->
            State
    end.

%% Nothing more comes of a call, or nobody wants it.
remove(Id, #call{reply_to = upload} = Call, #state{uploads = Uploads} = State) ->
    begin_uploads(remove(Id, Call#call{reply_to = none}, State#state{uploads = pando_port_uploads:remove(Id, Uploads)}));
remove(Id, #call{client = Client, is_counted = IsCounted}, #state{calls = Calls, clients = Clients} = State) ->
    ok = uncount(IsCounted, State),
    Left =
        case Clients of
            #{Client := #client{calls = Of, cursors = Cursors} = Known} ->
                Clients#{Client := Known#client{calls = maps:remove(Id, Of), cursors = maps:remove(Id, Cursors)}};
            #{} ->
                Clients
        end,
    State#state{calls = maps:remove(Id, Calls), clients = Left};
remove(Id, _Alias, #state{calls = Calls} = State) ->
    ok = uncount(true, State),
    State#state{calls = maps:remove(Id, Calls)}.

uncount(true, #state{counters = Counters}) -> pando_port_call:call_ended(Counters);
uncount(false, _State) -> ok.

release(Id, #state{calls = Calls} = State) ->
    case Calls of
        #{Id := Call} -> say(pando_port_frame:release(Id), without_parts(Id, remove(Id, Call, State)));
        #{} -> State
    end.

without_parts(_Id, #state{parts = Parts} = State) when map_size(Parts) =:= 0 ->
    State;
without_parts(Id, #state{parts = Parts} = State) ->
    State#state{parts = maps:without([{result, Id}, {message, Id}], Parts)}.

begin_uploads(#state{uploads = Uploads} = State) ->
    case pando_port_uploads:begin_next(Uploads) of
        {Alias, Begun} ->
            Alias ! {Alias, written},
            begin_uploads(State#state{uploads = Begun});
        none ->
            State
    end.

cancel(Id, #state{calls = Calls} = State) ->
    case Calls of
        #{Id := #call{is_over = false}} -> {true, release(Id, State)};
        #{} -> {false, State}
    end.

down(Monitor, _Owner, #state{owner_monitor = Monitor} = State) ->
    close(State);
down(_Monitor, Client, #state{clients = Clients} = State) when is_map_key(Client, Clients) ->
    {#client{calls = Calls}, Others} = maps:take(Client, Clients),
    loop(lists:foldl(fun release/2, State#state{clients = Others}, maps:keys(Calls)));
%% The connection before.
down(_Monitor, _Before, #state{phase = waiting} = State) ->
    begin_program(State);
down(_Monitor, _Client, State) ->
    loop(State).

%%% In

received(_Packet, #state{phase = ending} = State) ->
    loop(State);
received(Packet, State) ->
    case pando_port_frame:decode(Packet) of
        {ok, Frames} when State#state.phase =:= greeting -> greeting(Frames, State);
        {ok, Frames} -> frames(Frames, State);
        {malformed, Why} -> fail(<<"it has sent ", Why/binary>>, State)
    end.

greeting([{hello, Version, _Text} | Frames], State) ->
    case Version =:= pando_port_frame:version() of
        true -> frames(Frames, greeted(State));
        false -> fail(text("it is of version ~b, and this is ~b", [Version, pando_port_frame:version()]), State)
    end;
greeting(_Frames, State) ->
    fail(<<"it has not said first who it is">>, State).

frames([], State) ->
    gathered(State);
frames([{result, Id, false, LivesOn, IsRaised, Body} | Frames], #state{parts = Parts} = State) when
    map_size(Parts) =:= 0
->
    frames(Frames, result(Id, LivesOn, IsRaised, Body, State));
frames([{result, Id, IsMore, LivesOn, IsRaised, Part} | Frames], State) ->
    case whole({result, Id}, IsMore, Part, State) of
        {more, Kept} -> frames(Frames, Kept);
        {Body, Kept} -> frames(Frames, result(Id, LivesOn, IsRaised, Body, Kept));
        too_large -> fail(<<"it has sent an answer larger than any">>, State)
    end;
frames([{message, Id, IsMore, Part} | Frames], State) ->
    continue(whole({message, Id}, IsMore, Part, State), fun(Body, Kept) -> message(Id, Body, Kept) end, Frames, State);
frames([{send, Stream, IsMore, Part} | Frames], State) ->
    continue(whole({send, Stream}, IsMore, Part, State), fun send/2, Frames, State);
frames([{ended, Id} | Frames], State) ->
    frames(Frames, over(Id, State));
frames([{log, Level, Text} | Frames], #state{purpose = Purpose} = State) ->
    ok = pando_port_registry:log(Purpose, Level, Text),
    frames(Frames, State);
frames([{hello, _, _} | _], State) ->
    fail(<<"it has said twice who it is">>, State).

continue({more, Kept}, _Use, Frames, _State) ->
    frames(Frames, Kept);
continue({Body, Kept}, Use, Frames, _State) ->
    case Use(Body, Kept) of
        {ok, Used} -> frames(Frames, Used);
        {malformed, Why} -> fail(Why, Kept);
        {end_program, Used} -> frames(Frames, leaving(Used))
    end;
continue(too_large, _Use, _Frames, State) ->
    fail(<<"it has sent a message larger than any">>, State).

%% A body, when all its parts have come.
whole(Key, IsMore, Part, #state{parts = Parts} = State) ->
    case Parts of
        #{Key := {SizeBytes, _}} when SizeBytes + byte_size(Part) > ?ANSWER_SIZE_BYTES_MAX ->
            too_large;
        #{Key := {SizeBytes, Before}} when IsMore ->
            {more, State#state{parts = Parts#{Key := {SizeBytes + byte_size(Part), [Part | Before]}}}};
        #{Key := {_, Before}} ->
            {lists:reverse([Part | Before]), State#state{parts = maps:remove(Key, Parts)}};
        #{} when IsMore ->
            {more, State#state{parts = Parts#{Key => {byte_size(Part), [Part]}}}};
        #{} ->
            {Part, State}
    end.

result(Id, LivesOn, IsRaised, Body, #state{calls = Calls, counters = Counters} = State) ->
    case Calls of
        #{Id := Alias} when is_reference(Alias) ->
            Alias ! {Alias, kind(IsRaised), Body},
            ok = pando_port_call:call_ended(Counters),
            kept(LivesOn, Id, State#state{calls = maps:remove(Id, Calls)});
        #{Id := #call{alias = none} = Call} ->
            refused(Id, IsRaised, Body, Call, State);
        #{Id := #call{alias = Alias, client = Client, is_over = IsOver, reply_to = ReplyTo} = Call} ->
            Alias ! {Alias, kind(IsRaised), Body},
            case LivesOn andalso not IsOver of
                true ->
                    ok = pando_port_call:call_ended(Counters),
                    Living = call(Id, Call#call{alias = none, is_counted = false}, State),
                    case ReplyTo of
                        cursor -> cursor(Id, Client, Living);
                        _ -> Living
                    end;
                false ->
                    remove(Id, Call, State)
            end;
        %% Of a call that was given up, or whose client has died: it may have been at work when it was told.
        #{} ->
            kept(LivesOn, Id, State)
    end.

kind(false) -> result;
kind(true) -> raised.

%% Something that nobody knows of.
kept(true, Id, State) -> say(pando_port_frame:release(Id), State);
kept(false, _Id, State) -> State.

%% The result of a call that nobody waits for: bad news, as a rule.
refused(Id, IsRaised, Body, #call{client = Client, reply_to = ReplyTo} = Call, State) ->
    case {pando_port_frame:term(Body), ReplyTo} of
        {{ok, Reason}, open} when IsRaised ->
            Failed = {error, {open_failed, <<"other">>, text("opening has raised ~0tp", [Reason])}},
            leaving(opened(Failed, remove(Id, Call, State)));
        {_, open} ->
            State;
        {_, close} ->
            State;
        {{ok, Reason}, _} when IsRaised ->
            _ = reply(ReplyTo, Client, {error, {command_failed, text("it has raised ~0tp", [Reason]), true}}),
            remove(Id, Call, State);
        {{ok, {error, _} = Error}, _} ->
            _ = reply(ReplyTo, Client, Error),
            remove(Id, Call, State);
        {_, _} ->
            State
    end.

message(Id, Body, #state{calls = Calls} = State) ->
    case {Calls, pando_port_frame:term(Body)} of
        {_, malformed} -> {malformed, <<"it has sent a message that is no term">>};
        {#{Id := #call{} = Call}, {ok, Message}} -> told(Id, Call, Message, State);
        {#{}, _} -> {ok, State}
    end.

%% The last one: the end that the program tells is no other.
told(Id, #call{reply_to = {stream, _, _}, alias = none, client = Client} = Call, {_, _, {ended, _}} = Message, State) ->
    Client ! Message,
    {ok, remove(Id, Call, State)};
told(Id, #call{reply_to = {stream, _, _}, client = Client} = Call, {_, _, {ended, _}} = Message, State) ->
    Client ! Message,
    {ok, call(Id, Call#call{reply_to = none, is_over = true}, State)};
told(_Id, #call{reply_to = {stream, _, _}, client = Client}, Message, State) ->
    Client ! Message,
    {ok, State};
told(Id, #call{reply_to = open, client = Owner} = Call, Message, State) ->
    owner_told(Message, Id, Call, Owner, State);
told(Id, #call{reply_to = close} = Call, _Closed, State) ->
    {end_program, remove(Id, Call, State)};
told(_Id, #call{is_over = true}, _Message, State) ->
    {ok, State};
told(Id, #call{client = Client, alias = none} = Call, Message, State) ->
    Client ! Message,
    {ok, remove(Id, Call, State)};
%% The result is still to come.
told(Id, #call{client = Client} = Call, Message, State) ->
    Client ! Message,
    {ok, call(Id, Call#call{is_over = true}, State)}.

send(Body, State) ->
    case pando_port_frame:term(Body) of
        {ok, {Pid, Message}} when is_pid(Pid), node(Pid) =:= node() ->
            Pid ! Message,
            {ok, State};
        _ ->
            {malformed, <<"it has sent something for nobody">>}
    end.

%% Nothing more comes of a call.
over(Id, #state{calls = Calls} = State) ->
    case Calls of
        #{Id := #call{alias = none, reply_to = ReplyTo, client = Client} = Call} ->
            _ = reply(ReplyTo, Client, {error, {command_failed, <<"it was given up without a reply">>, false}}),
            remove(Id, Call, State);
        #{Id := #call{} = Call} ->
            call(Id, Call#call{is_over = true}, State);
        #{} ->
            State
    end.

%% What stands for the reply that the program owes.
reply({reference, Reference}, Client, Error) ->
    Client ! {pando_reply, Reference, Error};
reply({correlation, From, Correlation}, Client, Error) ->
    Client ! {ra_event, From, {applied, [{Correlation, Error}]}};
reply({cluster, Reference}, Client, _Error) ->
    Client ! {pando_reply, Reference, {error, {cluster, stopped, undefined}}};
reply({stream, Tag, Reference}, Client, {error, {_, Text, _}}) ->
    Client ! {Tag, Reference, {ended, {error, Text}}};
reply(_, _Client, _Error) ->
    none.

%%% The store

greeted(#state{purpose = service} = State) ->
    timer(none, State#state{phase = running});
greeted(State) ->
    open(timer(none, State#state{phase = running})).

open(#state{purpose = {store, _, Owner}, open = Arguments, counters = Counters} = State) ->
    Id = pando_port_call:next_id(Counters),
    {Parts, Last} = pando_port_frame:parts(pando_port_call:encode(open, Arguments)),
    Said = lists:foldl(fun(Part, Acc) -> say(pando_port_frame:part(Id, heard, Part), Acc) end, State, Parts),
    Call = #call{client = Owner, reply_to = open, is_counted = false},
    call(Id, Call, say(pando_port_frame:call(Id, heard, Last), Said)).

owner_told({pando_opened, _, {error, {open_failed, <<"locked">>, Text}} = Opened}, Id, Call, _Owner, State) ->
    %% Perhaps by a program that is about to end.
    Self = self(),
    _ = spawn(fun() -> Self ! {reopen, is_worthwhile(Text), Opened} end),
    {ok, remove(Id, Call, State)};
owner_told({pando_opened, _, {error, _} = Opened}, Id, Call, _Owner, State) ->
    {end_program, opened(Opened, remove(Id, Call, State))};
owner_told({pando_opened, _, ok}, _Id, _Call, _Owner, State) ->
    {ok, opened(ok, State)};
owner_told(Message, _Id, _Call, Owner, State) ->
    Owner ! Message,
    {ok, State}.

opened(Opened, #state{purpose = {store, StoreId, Owner}, phase = Phase} = State) ->
    _ = Opened =:= ok andalso Phase =:= running andalso pando_port_registry:set_phase(self(), open),
    Owner ! {pando_opened, StoreId, Opened},
    State#state{is_told = true}.

%% Whether a directory is locked by the program of a VM that has ended, or by one of this VM that is about to. The text says
%% who has it, as `pando_server' has told.
is_worthwhile(Text) ->
    Own = os:getpid(),
    case re:run(Text, "operating-system process ([0-9]+)", [{capture, all_but_first, list}]) of
        {match, [Own]} ->
            try
                pando_port_registry:is_any_ending()
            catch
                exit:_ -> false
            end;
        {match, [Number]} -> not pando_port_program:is_alive(list_to_integer(Number));
        nomatch -> false
    end.

reopen(IsWorthwhile, Opened, #state{phase = running, locked_until_ms = Before} = State) ->
    NowMs = erlang:monotonic_time(millisecond),
    UntilMs =
        case Before of
            undefined -> NowMs + ?BEFORE_TIMEOUT_MS;
            _ -> Before
        end,
    case IsWorthwhile andalso NowMs < UntilMs of
        true ->
            _ = erlang:start_timer(?LOCKED_PAUSE_MS, self(), open),
            loop(State#state{locked_until_ms = UntilMs});
        %% What has locked it may have gone while it was looked at: once more, then.
        false when Before =:= undefined ->
            loop(open(State#state{locked_until_ms = NowMs}));
        false ->
            leave(opened(Opened, State))
    end;
reopen(_IsWorthwhile, _Opened, State) ->
    loop(State).

%%% The end

%% Orderly.
close(#state{phase = waiting} = State) ->
    ended(<<"it was closed">>, State);
close(#state{phase = greeting} = State) ->
    kill(State);
close(#state{phase = running, is_told = true, purpose = {store, StoreId, _}, counters = Counters} = State) ->
    ok = pando_port_registry:set_phase(self(), closing),
    Id = pando_port_call:next_id(Counters),
    Frame = pando_port_frame:call(Id, heard, pando_port_call:encode(close, [StoreId])),
    Call = #call{client = self(), reply_to = close, is_counted = false},
    loop(timer(?CLOSE_TIMEOUT_MS, call(Id, Call, say(Frame, State#state{phase = closing}))));
close(#state{phase = running, purpose = service} = State) ->
    leave(State);
%% An opening that is under way may take as long as a closing.
close(#state{phase = running} = State) ->
    ok = pando_port_registry:set_phase(self(), closing),
    loop(timer(?CLOSE_TIMEOUT_MS, say(pando_port_frame:bye(), State#state{phase = leaving})));
close(State) ->
    loop(State).

leave(State) ->
    loop(leaving(State)).

leaving(State) ->
    ok = pando_port_registry:set_phase(self(), closing),
    timer(?LEAVE_TIMEOUT_MS, say(pando_port_frame:bye(), State#state{phase = leaving})).

%% By force: its fault. Nothing that it sends counts any more.
fail(_Text, #state{phase = ending} = State) ->
    loop(State);
fail(Text, State) ->
    kill(State#state{fault = Text}).

kill(#state{os_pid = OsPid} = State) ->
    ok = pando_port_registry:set_phase(self(), closing),
    ok = pando_port_program:kill(OsPid),
    loop(timer(?KILL_TIMEOUT_MS, State#state{phase = ending})).

timer(TimeoutMs, #state{timer = Before} = State) ->
    _ = Before =/= undefined andalso erlang:cancel_timer(Before),
    case TimeoutMs of
        none -> State#state{timer = undefined};
        _ -> State#state{timer = erlang:start_timer(TimeoutMs, self(), phase)}
    end.

timed_out(_Timer, look, State) ->
    _ = erlang:start_timer(?LOOK_INTERVAL_MS, self(), look),
    looked(State);
timed_out(_Timer, open, #state{phase = running} = State) ->
    loop(open(State));
timed_out(Timer, phase, #state{timer = Timer, phase = Phase} = State) ->
    case Phase of
        waiting ->
            {store, StoreId, Owner} = State#state.purpose,
            Owner ! {pando_opened, StoreId, {error, busy}},
            ended(<<"the one before has not ended">>, State#state{is_told = true});
        greeting ->
            fail(text("it has not said within ~b ms who it is", [?HELLO_TIMEOUT_MS]), State);
        closing ->
            kill(State#state{fault = text("it has not closed its store within ~b ms", [?CLOSE_TIMEOUT_MS])});
        leaving ->
            kill(State);
        ending ->
            ended(text("it has not ended within ~b ms after it was killed", [?KILL_TIMEOUT_MS]), State);
        running ->
            loop(State)
    end;
timed_out(_Timer, _Of, State) ->
    loop(State).

exited(Cause, #state{phase = Phase, fault = none} = State) when Phase =:= leaving; Phase =:= ending; Phase =:= closing ->
    ended(text("it was closed (exit status ~0tp)", [Cause]), State);
exited(_Cause, #state{fault = Text} = State) when Text =/= none ->
    ended(Text, State);
exited(Status, State) when is_integer(Status) ->
    ended(text("it has ended with exit status ~b", [Status]), State#state{fault = <<"ended">>});
exited(Reason, State) ->
    ended(text("it has ended: ~0tp", [Reason]), State#state{fault = <<"ended">>}).

%% Answers all who are owed an answer, and ends this process.
-spec ended(binary(), #state{}) -> no_return().
ended(Why, #state{calls = Calls, purpose = Purpose, phase = Phase, closers = Closers, shutdown = Shutdown} = State) ->
    ok = pando_port_registry:leave(self()),
    IsFault = State#state.fault =/= none orelse Phase =:= running orelse Phase =:= greeting,
    Text = <<"the program of the store: ", Why/binary>>,
    Kind =
        case IsFault of
            true -> halted;
            false -> closed
        end,
    ok = maps:foreach(fun(_Id, Call) -> bereaved(Call, {Kind, Text}) end, Calls),
    ok = tell_owner(Text, IsFault, State),
    ok = lists:foreach(fun(Closer) -> tell_closed(Purpose, Closer) end, Closers),
    Reason =
        case Shutdown of
            {reason, Given} -> Given;
            none when IsFault -> {shutdown, {program_ended, Text}};
            none -> normal
        end,
    _ = Shutdown =/= none andalso erlang:send(self(), {linger_no_more, Reason}),
    _ = erlang:send_after(?LINGER_MS, self(), {linger_no_more, Reason}),
    linger(State).

%% Whoever had found this process before it left the table, and sends now, is told that nothing was done.
-spec linger(#state{}) -> no_return().
linger(#state{parent = Parent, purpose = Purpose} = State) ->
    receive
        {call, _Id, _Frame, Alias} ->
            Alias ! {Alias, failed, noproc};
        {make, _Id, _Frame, Alias, _Client, _ReplyTo} ->
            Alias ! {Alias, failed, noproc};
        {cast, _Id, _Frame, Client, ReplyTo} ->
            reply(ReplyTo, Client, {error, noproc});
        {uploaded, _Id, Message} ->
            self() ! Message;
        {cancel, _Id, Alias} ->
            Alias ! {Alias, cancelled, false};
        {was_let_go, _Id, Alias} ->
            Alias ! {Alias, was_let_go, true};
        {close, Closer} ->
            tell_closed(Purpose, Closer);
        {system, From, Request} ->
            sys:handle_system_msg(Request, From, Parent, ?MODULE, [], {lingering, State});
        {'EXIT', Parent, Reason} ->
            exit(Reason);
        {linger_no_more, Reason} ->
            exit(Reason);
        _ ->
            none
    end,
    linger(State).

tell_closed({store, StoreId, _Owner}, Closer) -> Closer ! {pando_closed, StoreId};
tell_closed(service, _Closer) -> none.

bereaved(Alias, Failure) when is_reference(Alias) ->
    Alias ! {Alias, failed, Failure};
bereaved(#call{is_over = true, alias = none}, _Failure) ->
    none;
bereaved(#call{alias = none, reply_to = ReplyTo, client = Client}, {Kind, Text}) ->
    reply(ReplyTo, Client, {error, {Kind, Text, false}});
bereaved(#call{alias = Alias}, Failure) ->
    Alias ! {Alias, failed, Failure}.

%% One that has not been told that its store is open, or could not be opened, is told the latter.
tell_owner(Text, IsFault, #state{purpose = {store, StoreId, Owner} = Purpose, is_told = IsTold, closers = Closers}) ->
    case IsTold of
        false when Closers =:= [] ->
            Owner ! {pando_opened, StoreId, {error, {open_failed, <<"other">>, Text}}},
            ok;
        true when IsFault ->
            ok = pando_port_registry:log(Purpose, error, Text),
            Owner ! {pando_halted, StoreId, Text},
            ok;
        _ ->
            ok
    end;
tell_owner(Text, true, #state{purpose = service}) ->
    pando_port_registry:log(service, error, Text);
tell_owner(_Text, false, #state{purpose = service}) ->
    ok.

%%% What is looked at from time to time

%% Callers that were killed between counting and sending have counted for nothing. Nothing was under way here at two looks,
%% and the counters say the same at both: then it is they.
looked(#state{calls = Calls, counters = Counters, output = Output, writing = Writing, looked = Before} = State) ->
    IsIdle =
        not has_counted(Calls) andalso pando_port_output:is_empty(Output) andalso Writing =:= none andalso
            process_info(self(), message_queue_len) =:= {message_queue_len, 0},
    Counted = {pando_port_call:under_way(Counters), pando_port_call:queued_size_bytes(Counters)},
    case IsIdle of
        true when Counted =:= Before ->
            ok = pando_port_call:forget(Counters, Counted),
            idle(State#state{looked = {0, 0}});
        true ->
            idle(State#state{looked = Counted});
        false ->
            loop(State#state{looked = none, idle_looks = 0})
    end.

has_counted(Calls) ->
    maps:fold(
        fun
            (_Id, #call{is_counted = IsCounted}, Found) -> Found orelse IsCounted;
            (_Id, _Alias, _Found) -> true
        end,
        false,
        Calls
    ).

idle(#state{purpose = service, calls = Calls, phase = running, idle_looks = Looks} = State) when map_size(Calls) =:= 0 ->
    case Looks >= ?IDLE_LOOKS_MAX of
        true -> leave(State);
        false -> loop(State#state{idle_looks = Looks + 1})
    end;
idle(State) ->
    loop(State#state{idle_looks = 0}).

text(Format, Arguments) ->
    unicode:characters_to_binary(io_lib:format(Format, Arguments)).
