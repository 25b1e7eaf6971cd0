%% A program of the port backend that does what a test wants: an Erlang VM of its own, started by a script.
%%
%% What it does is said by its name (how it greets) and by the path of each call: `[Word | _]' as a first component.
-module(pando_port_fake).

-export([with_program/2, with_script/2, open/0, open/1, os_pid/1, counters/1, signal/2, close/1]).
%% In the program.
-export([main/1]).

-include_lib("eunit/include/eunit.hrl").

-define(PART_SIZE_BYTES_MAX, 65536).

%% Runs `Test' with a program that greets like this: `well', `version', `garbage', `call_first', `silent', `twice'.
-spec with_program(atom(), fun(() -> Result)) -> Result.
with_program(Greeting, Test) ->
    Ebin = filename:dirname(code:which(?MODULE)),
    Erl = filename:join([code:root_dir(), "bin", "erl"]),
    Command = [
        "exec ", Erl, " -noinput -boot no_dot_erlang -kernel logger_level none -pa ", Ebin,
        " -run pando_port_fake main ", atom_to_list(Greeting), "\n"
    ],
    with_script(Command, Test).

%% The same with a shell script.
-spec with_script(iodata(), fun(() -> Result)) -> Result.
with_script(Script, Test) ->
    pando_test_store:with_dir(fun(Dir) ->
        Path = filename:join(Dir, "program"),
        ok = filelib:ensure_dir(Path),
        ok = file:write_file(Path, ["#!/bin/sh\n", Script]),
        ok = file:change_mode(Path, 8#755),
        {ok, _} = application:ensure_all_started(pando),
        Before = application:get_env(pando, port_program),
        ok = application:set_env(pando, port_program, Path),
        %% The one for what has no store may be there from before.
        ok = end_service(),
        try
            pando_test_store:quietly(Test)
        after
            ok = end_service(),
            case Before of
                {ok, Other} -> application:set_env(pando, port_program, Other);
                undefined -> application:unset_env(pando, port_program)
            end
        end
    end).

end_service() ->
    case pando_port_registry:newest(service) of
        none ->
            ok;
        Connection ->
            Monitor = monitor(process, Connection),
            Connection ! {close, self()},
            receive
                {'DOWN', Monitor, process, Connection, _} -> ok
            after 20000 -> error(has_not_ended)
            end
    end.

%% A store of the caller, which is open.
-spec open() -> {atom(), pid()}.
open() ->
    {Store, Connection, Opened} = open(pando_test_store:new_name()),
    ?assertEqual(ok, Opened),
    {Store, Connection}.

-spec open(atom()) -> {atom(), pid(), ok | {error, term()}}.
open(Store) ->
    {pando_port, Connection, _} =
        pando_port:open(Store, atom_to_binary(Store), <<"/nowhere">>, <<"here">>, <<"test">>, {found, <<0:128>>}, 1, #{}),
    receive
        {pando_opened, Store, Opened} -> {Store, Connection, Opened}
    after 30000 -> error(not_opened)
    end.

-spec close(atom()) -> ok.
close(Store) ->
    ok = pando_port:close(Store),
    receive
        {pando_closed, Store} -> ok
    after 30000 -> error(not_closed)
    end.

%% Of the program of a connection.
-spec os_pid(pid()) -> pos_integer().
os_pid(Connection) ->
    [OsPid] = [OsPid || {connection, _, _, _, OsPid} <- ets:lookup(pando_port_registry, Connection), is_integer(OsPid)],
    OsPid.

-spec counters(pid()) -> {Calls :: integer(), QueuedSizeBytes :: integer()}.
counters(Connection) ->
    {Connection, Counters} = pando_port_registry:connection(Connection),
    {pando_port_call:under_way(Counters), pando_port_call:queued_size_bytes(Counters)}.

-spec signal(string(), pos_integer()) -> ok.
signal(Name, OsPid) ->
    [] = os:cmd("kill -" ++ Name ++ " " ++ integer_to_list(OsPid)),
    ok.

%%% The program

-record(state, {
    port :: port(),
    %% What it was asked to remember: parts of calls, what was made, what was let go, what came.
    parts = #{} :: #{pos_integer() => [binary()]},
    released = [] :: [pos_integer()],
    notes = [] :: [term()],
    open = 0 :: non_neg_integer(),
    %% The call that closes, when that waits for a note.
    closing = none :: none | {pos_integer(), atom()}
}).

-spec main([string()]) -> no_return().
main([Greeting]) ->
    Port = open_port({fd, 0, 1}, [{packet, 4}, binary, eof]),
    greet(list_to_atom(Greeting), Port),
    run(#state{port = Port}).

greet(well, Port) -> say(Port, hello(1));
greet(version, Port) -> say(Port, hello(2));
greet(garbage, Port) -> say(Port, <<"Illegal instruction (core dumped)\n">>);
greet(call_first, Port) -> say(Port, result(1, 0, ok));
greet(silent, _Port) -> ok;
greet(twice, Port) -> say(Port, [hello(1), hello(1)]).

run(#state{port = Port} = State) ->
    receive
        {Port, {data, Packet}} -> run(taken(Packet, State));
        {Port, eof} -> halt(0)
    end.

taken(<<>>, State) ->
    State;
taken(<<Size:32, Frame:Size/binary, Rest/binary>>, State) ->
    taken(Rest, obey(Frame, State)).

obey(<<1, "PANDO", _:16>>, State) ->
    State;
obey(<<2, Id:64, Flags, Body/binary>>, #state{parts = Parts} = State) ->
    Before = maps:get(Id, Parts, []),
    case Flags band 1 of
        1 ->
            State#state{parts = Parts#{Id => [Body | Before]}};
        0 ->
            {Function, Arguments} = binary_to_term(iolist_to_binary(lists:reverse([Body | Before]))),
            call(Function, Arguments, Id, Flags band 2 =:= 2, State#state{parts = maps:remove(Id, Parts)})
    end;
obey(<<3, Id:64>>, #state{released = Released, parts = Parts} = State) ->
    State#state{released = [Id | Released], parts = maps:remove(Id, Parts)};
obey(<<4>>, _State) ->
    halt(0).

call(open, [Store | _], Id, _, #state{open = 0} = State) ->
    say(State, [result(Id, 2, Id), message(Id, {pando_opened, Store, ok})]),
    State#state{open = Id};
%% With this as the last note, it closes with the next one.
call(close, [Store], Id, _, #state{notes = [{<<"closes@next">>, _} | _]} = State) ->
    State#state{closing = {Id, Store}};
call(close, [Store], Id, _, State) ->
    say(State, [result(Id, 2, ok), message(Id, {pando_closed, Store}), ended(Id)]),
    State;
call(get_data, [_, [Word | Arguments]], Id, _, State) ->
    read(Word, Arguments, Id, State);
call(read_quick, [_, [Word | Arguments], _], Id, _, State) ->
    read(Word, Arguments, Id, State);
call(read, [_, _, _], Id, _, State) ->
    say(State, result(Id, 0, {error, noproc})),
    State;
call(submit, [_, ReplyTo, {put, [Word | Arguments], _, Value, _, _, _}, _], Id, IsQuiet, State) ->
    write(Word, Arguments, ReplyTo, Value, Id, IsQuiet, State);
call(scan, _, Id, _, State) ->
    say(State, result(Id, 2, {ok, Id})),
    State;
call(count_next, [_Cursor], Id, _, State) ->
    say(State, result(Id, 4, badarg)),
    State;
call(scan_next, [Cursor, NodesMax], Id, _, #state{released = Released} = State) ->
    _ = lists:member(Cursor, Released) andalso say(State, result(Id, 4, badarg)),
    Nodes = [{[Number], Cursor} || Number <- lists:seq(1, min(NodesMax, 3))],
    case NodesMax of
        1 -> say(State, result(Id, 0, {done, Nodes}));
        _ -> say(State, result(Id, 0, {more, Nodes}))
    end,
    State;
call(transaction_begin, _, Id, _, State) ->
    say(State, result(Id, 2, {ok, Id})),
    State;
%% The reply before the result.
call(transaction_commit, [_, Reference, _, true], Id, _, State) ->
    say(State, [message(Id, {pando_reply, Reference, ok}), result(Id, 2, {ok, Id}), ended(Id)]),
    State;
call(node_state, [_, _, _], _Id, true, #state{closing = {Id, Store}} = State) ->
    call(close, [Store], Id, false, State#state{notes = [], closing = none});
call(node_state, [_, Name, What], _Id, true, #state{notes = Notes} = State) ->
    State#state{notes = [{Name, What} | Notes]};
call(verify, [_, _], Id, _, State) ->
    say(State, result(Id, 2, Id)),
    State;
call(status, [_], Id, _, State) ->
    say(State, result(Id, 0, {ok, #{}})),
    State;
call(limits, [], Id, _, State) ->
    say(State, result(Id, 0, #{<<"a">> => 1})),
    State.

read(value, [Value], Id, State) ->
    say(State, result(Id, 0, {ok, Value})),
    State;
read(slow, [], Id, State) ->
    say(State, result(Id, 0, slow)),
    State;
read(hang, _, _Id, State) ->
    State;
read(raise, [Reason], Id, State) ->
    say(State, result(Id, 4, Reason)),
    State;
%% So many bytes, in parts, with others in between.
read(large, [SizeBytes], Id, State) ->
    Body = term_to_binary({ok, binary:copy(<<"x">>, SizeBytes)}),
    say_parts(State, 2, Id, 0, Body),
    State;
read(byte_size, [Value], Id, State) ->
    say(State, result(Id, 0, {ok, byte_size(Value)})),
    State;
read(released, [], Id, #state{released = Released} = State) ->
    say(State, result(Id, 0, {ok, lists:reverse(Released)})),
    State;
read(notes, [], Id, #state{notes = Notes} = State) ->
    say_parts(State, 2, Id, 0, term_to_binary({ok, lists:reverse(Notes)})),
    State;
read(parts, [], Id, #state{parts = Parts} = State) ->
    say(State, result(Id, 0, {ok, map_size(Parts)})),
    State;
read(exit, [Status], _Id, _State) ->
    halt(Status);
read(garbage, [Bytes], _Id, State) ->
    say(State, Bytes),
    State;
read(no_term, [], Id, State) ->
    say(State, frame(2, <<Id:64, 0, "no term">>)),
    State;
read(send, [Pid, Message], Id, State) ->
    say(State, [frame(4, <<1:64, 0, (term_to_binary({Pid, Message}))/binary>>), result(Id, 0, {ok, sent})]),
    State;
read(halt_store, [Message], Id, #state{open = Open} = State) ->
    say(State, [message(Open, Message), result(Id, 0, {ok, told})]),
    State.

%% Replies when it is asked for the first time: `ok', and the value for who wants it.
write(ok, [], none, _Value, Id, false, State) ->
    say(State, result(Id, 0, ok)),
    State;
write(ok, [], ReplyTo, _Value, Id, IsQuiet, State) ->
    Result = [result(Id, 2, ok) || not IsQuiet],
    say(State, [Result, reply(ReplyTo, Id, ok), ended(Id)]),
    State;
write(echo, [], ReplyTo, Value, Id, _, State) ->
    Answer = term_to_binary({ok, Value}),
    say_parts(State, 3, Id, 0, term_to_binary({pando_reply, ReplyTo, {answer, Answer}})),
    say(State, ended(Id)),
    State;
write(large, [SizeBytes], ReplyTo, _Value, Id, _, State) ->
    Answer = term_to_binary({ok, binary:copy(<<"y">>, SizeBytes)}),
    say_parts(State, 3, Id, 0, term_to_binary({pando_reply, ReplyTo, {answer, Answer}})),
    say(State, ended(Id)),
    State;
write(refuse, [Reason | _], _ReplyTo, _Value, Id, _, State) ->
    say(State, result(Id, 0, {error, Reason})),
    State;
write(raise, [Reason], _ReplyTo, _Value, Id, _, State) ->
    say(State, result(Id, 4, Reason)),
    State;
write(give_up, [], _ReplyTo, _Value, Id, _, State) ->
    say(State, ended(Id)),
    State;
write(hang, [], _ReplyTo, _Value, _Id, _, State) ->
    State.

reply({From, Correlation}, Id, Reply) -> message(Id, {ra_event, From, {applied, [{Correlation, Reply}]}});
reply(Reference, Id, Reply) -> message(Id, {pando_reply, Reference, Reply}).

say_parts(State, Kind, Id, Flags, <<Part:?PART_SIZE_BYTES_MAX/binary, Rest/binary>>) when Rest =/= <<>> ->
    say(State, frame(Kind, <<Id:64, (Flags bor 1), Part/binary>>)),
    say_parts(State, Kind, Id, Flags, Rest);
say_parts(State, Kind, Id, Flags, Last) ->
    say(State, frame(Kind, <<Id:64, Flags, Last/binary>>)).

hello(Version) -> frame(1, <<"PANDO", Version:16, "fake">>).
result(Id, Flags, Term) -> frame(2, <<Id:64, Flags, (term_to_binary(Term))/binary>>).
message(Id, Term) -> frame(3, <<Id:64, 0, (term_to_binary(Term))/binary>>).
ended(Id) -> frame(5, <<Id:64>>).

frame(Kind, Rest) ->
    <<(byte_size(Rest) + 1):32, Kind, Rest/binary>>.

say(#state{port = Port}, Frames) -> say(Port, Frames);
say(Port, Frames) -> port_command(Port, Frames).
