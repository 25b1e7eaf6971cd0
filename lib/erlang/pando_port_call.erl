%% @private The caller's side of the port backend: encodes a call, hands it to the connection of a store, and waits for what
%% it has to wait for.
%%
%% Invariants
%% 1. At most `?CALLS_MAX' calls of a connection are under way, and `?QUEUE_SIZE_BYTES_MAX' wait to be written, give or take one
%%    for each caller; who comes then is told `overload' at once, and nothing was done.
%% 2. A call waits `?CALL_TIMEOUT_MS' at most, and so does each part of a large one. After that no message of it arrives.
%% 3. What is large is handed over part by part, the next one when the one before has been written: one caller never has
%%    more than one part in the connection. Before the first one it waits until what others have begun leaves room in the
%%    program.
-module(pando_port_call).

-export([call_size_bytes_max/0, new_counters/0, call/3, make/4, cast/4, note/3, release/2, cancel/2, was_let_go/2, close/2]).
%% For the connection.
-export([encode/2, next_id/1, call_ended/1, queued/2, written/2, under_way/1, queued_size_bytes/1, forget/2]).

-export_type([target/0, counters/0, reply_to/0, failure/0]).

%% The process that has the port, and what it shares with callers.
-type target() :: {Connection :: pid(), counters()}.
-opaque counters() :: atomics:atomics_ref().
%% Where a reply goes that comes behind a result, and what is sent there if the program ends before. One message comes, but of a
%% `stream', which is sent `{Tag, Reference, Event}' until it ends.
-type reply_to() ::
    none
    | cursor
    | {reference, reference()}
    | {correlation, From :: term(), Correlation :: term()}
    | {cluster, reference()}
    | {stream, Tag :: atom(), reference()}.
%% `timeout': it may be done all the same. `halted', `closed': the program has ended while the call was under way.
-type failure() :: noproc | timeout | overload | too_large | {halted | closed, Text :: binary()}.

-define(CALL_TIMEOUT_MS, 5000).
-define(CALLS_MAX, 65536).
-define(QUEUE_SIZE_BYTES_MAX, 67108864).
%% One call, encoded: the program takes no larger one.
-define(CALL_SIZE_BYTES_MAX, 134217728).

%% Places of the counters.
-define(LAST_ID, 1).
-define(CALLS, 2).
-define(QUEUED_SIZE_BYTES, 3).

-spec call_size_bytes_max() -> pos_integer().
call_size_bytes_max() ->
    ?CALL_SIZE_BYTES_MAX.

-spec new_counters() -> counters().
new_counters() ->
    atomics:new(3, []).

-spec next_id(counters()) -> pando_port_frame:id().
next_id(Counters) ->
    atomics:add_get(Counters, ?LAST_ID, 1).

-spec call_ended(counters()) -> ok.
call_ended(Counters) ->
    atomics:sub(Counters, ?CALLS, 1).

-spec queued(counters(), non_neg_integer()) -> ok.
queued(Counters, SizeBytes) ->
    atomics:add(Counters, ?QUEUED_SIZE_BYTES, SizeBytes).

-spec written(counters(), non_neg_integer()) -> ok.
written(Counters, SizeBytes) ->
    atomics:sub(Counters, ?QUEUED_SIZE_BYTES, SizeBytes).

-spec under_way(counters()) -> integer().
under_way(Counters) ->
    atomics:get(Counters, ?CALLS).

-spec queued_size_bytes(counters()) -> integer().
queued_size_bytes(Counters) ->
    atomics:get(Counters, ?QUEUED_SIZE_BYTES).

%% What callers have counted that were killed before they could send it.
-spec forget(counters(), {Calls :: integer(), SizeBytes :: integer()}) -> ok.
forget(Counters, {Calls, SizeBytes}) ->
    ok = atomics:sub(Counters, ?CALLS, Calls),
    atomics:sub(Counters, ?QUEUED_SIZE_BYTES, SizeBytes).

%% The body of a call. Atoms in UTF-8, in every release of OTP.
-spec encode(atom(), [term()]) -> binary().
encode(Function, Arguments) ->
    term_to_binary({Function, Arguments}, [{minor_version, 2}]).

%% A call that leaves nothing behind. Raises what it raises there.
-spec call(target(), atom(), [term()]) -> {ok, term()} | {failed, failure()}.
call({Connection, _} = Target, Function, Arguments) ->
    case hand_over(Target, heard, Function, Arguments) of
        {whole, Id, Frame} ->
            Alias = monitor(process, Connection, [{alias, reply_demonitor}]),
            Connection ! {call, Id, Frame, Alias},
            await(Connection, Id, Alias);
        %% The connection knows already whose it is.
        {uploaded, Id, Frame} ->
            Alias = monitor(process, Connection, [{alias, reply_demonitor}]),
            Connection ! {uploaded, Id, {make, Id, Frame, Alias, self(), none}},
            await(Connection, Id, Alias);
        {failed, _} = Failed ->
            Failed
    end.

%% A call that may make something, which then has the id of the call and belongs to this process; or of which messages follow.
-spec make(target(), atom(), [term()], reply_to()) ->
    {ok, term(), pando_port_frame:id()} | {failed, failure()}.
make({Connection, _} = Target, Function, Arguments, ReplyTo) ->
    case hand_over(Target, heard, Function, Arguments) of
        {Handed, Id, Frame} ->
            Alias = monitor(process, Connection, [{alias, reply_demonitor}]),
            Connection ! message(Handed, Id, {make, Id, Frame, Alias, self(), ReplyTo}),
            case await(Connection, Id, Alias) of
                {ok, Result} -> {ok, Result, Id};
                {failed, _} = Failed -> Failed
            end;
        {failed, _} = Failed ->
            Failed
    end.

%% A call whose reply comes as a message; also that it was refused.
-spec cast(target(), atom(), [term()], reply_to()) -> {ok, pando_port_frame:id()} | {failed, failure()}.
cast({Connection, _} = Target, Function, Arguments, ReplyTo) ->
    case hand_over(Target, quiet, Function, Arguments) of
        {Handed, Id, Frame} ->
            Connection ! message(Handed, Id, {cast, Id, Frame, self(), ReplyTo}),
            {ok, Id};
        {failed, _} = Failed ->
            Failed
    end.

%% A call of which nobody wants to hear anything.
-spec note(target(), atom(), [term()]) -> ok | {failed, failure()}.
note({Connection, _} = Target, Function, Arguments) ->
    case hand_over(Target, quiet, Function, Arguments) of
        {whole, _Id, Frame} ->
            Connection ! {note, Frame},
            ok;
        {uploaded, Id, Frame} ->
            Connection ! {uploaded, Id, {note, Frame}},
            ok;
        {failed, _} = Failed ->
            Failed
    end.

%% What a call has made is not needed any more.
-spec release(pid(), pando_port_frame:id()) -> ok.
release(Connection, Id) ->
    Connection ! {release, Id},
    ok.

%% True when no reply of the call will ever come; false when it is there. Decided by the connection, which does not ask
%% the program.
-spec cancel(pid(), pando_port_frame:id()) -> boolean().
cancel(Connection, Id) ->
    Alias = monitor(process, Connection, [{alias, reply_demonitor}]),
    Connection ! {cancel, Id, Alias},
    receive
        {Alias, cancelled, IsCancelled} -> IsCancelled;
        %% All replies that are owed are sent before it ends; if it was killed, none will come.
        {'DOWN', Alias, process, _, _} -> pando_port_registry:has_crashed(Connection)
    end.

%% Whether something that the program does not know any more may have been let go without being closed.
-spec was_let_go(pid(), pando_port_frame:id()) -> boolean().
was_let_go(Connection, Id) ->
    Alias = monitor(process, Connection, [{alias, reply_demonitor}]),
    Connection ! {was_let_go, Id, Alias},
    receive
        {Alias, was_let_go, WasLetGo} -> WasLetGo;
        {'DOWN', Alias, process, _, _} -> true
    end.

%% Closes a store: `{pando_closed, Store}' comes when its directory is free.
-spec close(pid(), pando_backend:store_id()) -> ok.
close(Connection, Store) ->
    Connection ! {close, self()},
    case is_process_alive(Connection) of
        true ->
            ok;
        false ->
            %% It may have answered before it ended; and if not, there is nothing to close.
            receive
                {pando_closed, Store} -> ok
            after 0 -> ok
            end,
            self() ! {pando_closed, Store},
            ok
    end.

%%% Out

message(whole, _Id, Message) -> Message;
message(uploaded, Id, Message) -> {uploaded, Id, Message}.

%% All but the last part.
hand_over({_, Counters} = Target, Heard, Function, Arguments) ->
    Body = encode(Function, Arguments),
    case byte_size(Body) =< pando_port_frame:part_size_bytes_max() of
        true ->
            Id = next_id(Counters),
            Frame = pando_port_frame:call(Id, Heard, Body),
            case is_admitted(Counters, byte_size(Frame)) of
                true -> {whole, Id, Frame};
                false -> {failed, overload}
            end;
        false when byte_size(Body) =< ?CALL_SIZE_BYTES_MAX ->
            upload(Target, Heard, Body);
        false ->
            {failed, too_large}
    end.

is_admitted(Counters, SizeBytes) ->
    case atomics:add_get(Counters, ?CALLS, 1) > ?CALLS_MAX of
        true ->
            ok = call_ended(Counters),
            false;
        false ->
            case atomics:add_get(Counters, ?QUEUED_SIZE_BYTES, SizeBytes) > ?QUEUE_SIZE_BYTES_MAX of
                true ->
                    ok = call_ended(Counters),
                    ok = written(Counters, SizeBytes),
                    false;
                false ->
                    true
            end
    end.

upload({Connection, Counters} = Target, Heard, Body) ->
    {Parts, Last} = pando_port_frame:parts(Body),
    Id = next_id(Counters),
    %% Each part is counted when it is sent.
    case is_admitted(Counters, 0) of
        true ->
            Alias = monitor(process, Connection, [{alias, explicit_unalias}]),
            Connection ! {upload, Id, byte_size(Body), Alias, self()},
            Uploaded = upload(Parts, Heard, Id, Alias, Target),
            _ = unalias(Alias),
            true = demonitor(Alias, [flush]),
            %% That a part was written, too late.
            receive
                {Alias, written} -> ok
            after 0 -> ok
            end,
            case Uploaded of
                ok ->
                    Frame = pando_port_frame:call(Id, Heard, Last),
                    ok = queued(Counters, byte_size(Frame)),
                    {uploaded, Id, Frame};
                {failed, _} = Failed ->
                    Failed
            end;
        false ->
            {failed, overload}
    end.

%% Waits for room, for the first part too.
upload(Parts, Heard, Id, Alias, {Connection, Counters} = Target) ->
    receive
        {Alias, written} when Parts =:= [] ->
            ok;
        {Alias, written} ->
            [Part | Rest] = Parts,
            Frame = pando_port_frame:part(Id, Heard, Part),
            ok = queued(Counters, byte_size(Frame)),
            Connection ! {part, Id, Frame, Alias},
            upload(Rest, Heard, Id, Alias, Target);
        {'DOWN', Alias, process, _, _} ->
            {failed, noproc}
    after ?CALL_TIMEOUT_MS ->
        Connection ! {abandon, Id},
        %% Without its last part nothing of it is done.
        {failed, overload}
    end.

%%% In

await(Connection, Id, Alias) ->
    receive
        {Alias, Kind, Answer} -> answered(Kind, Answer, Connection);
        {'DOWN', Alias, process, _, _} -> {failed, noproc}
    after ?CALL_TIMEOUT_MS ->
        true = demonitor(Alias, [flush]),
        receive
            {Alias, Kind, Answer} -> answered(Kind, Answer, Connection)
        after 0 ->
            Connection ! {abandon, Id},
            {failed, timeout}
        end
    end.

answered(failed, Failure, _Connection) ->
    {failed, Failure};
answered(Kind, Body, Connection) ->
    case pando_port_frame:term(Body) of
        {ok, Result} when Kind =:= result ->
            {ok, Result};
        {ok, Reason} ->
            erlang:error(Reason);
        malformed ->
            Text = <<"the program of the store has sent a result that is no term">>,
            Connection ! {malformed, Text},
            {failed, {halted, Text}}
    end.
