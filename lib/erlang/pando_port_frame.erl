%% @private The frames that go between the VM and a program of the port backend, version 1 (docs/formats.md, "Frames of the port").
%%
%% A packet of the port holds one or more frames, `<<Size:32, Kind:8, Rest/binary>>', where `Size' is what follows it. A body is
%% at most `part_size_bytes_max/0' long; what is longer goes as several frames of one id, of which all but the last say that
%% more follows.
%%
%% Pure. What is decoded may be anything: it is taken apart, or is malformed, and never raises.
-module(pando_port_frame).

-export([version/0, packet_size_bytes_max/0, part_size_bytes_max/0]).
-export([hello/0, call/3, part/3, release/1, bye/0, parts/1, term/1]).
-export([decode/1]).

-export_type([id/0, received/0]).

-type id() :: 1..16#FFFFFFFFFFFFFFFF.
-type level() :: error | warning | info.
%% `IsMore': the body goes on in the next frame of this id. `LivesOn': more may come of the call behind its result. `IsRaised': the
%% body is what the call raises.
-type received() ::
    {hello, Version :: 0..65535, Text :: binary()}
    | {result, id(), IsMore :: boolean(), LivesOn :: boolean(), IsRaised :: boolean(), Body :: binary()}
    | {message, id(), IsMore :: boolean(), Body :: binary()}
    | {send, Stream :: non_neg_integer(), IsMore :: boolean(), Body :: binary()}
    | {ended, id()}
    | {log, level(), Text :: binary()}.

-define(VERSION, 1).
-define(PACKET_SIZE_BYTES_MAX, 1048576).
-define(PART_SIZE_BYTES_MAX, 65536).

%% To the program.
-define(HELLO, 1).
-define(CALL, 2).
-define(RELEASE, 3).
-define(BYE, 4).
-define(MORE, 1).
-define(QUIET, 2).
%% From it.
-define(RESULT, 2).
-define(MESSAGE, 3).
-define(SEND, 4).
-define(END, 5).
-define(LOG, 6).

%% Of what stands in front of the body: kind, id and flags.
-define(CALL_HEAD_SIZE_BYTES, 10).

-spec version() -> pos_integer().
version() -> ?VERSION.

-spec packet_size_bytes_max() -> pos_integer().
packet_size_bytes_max() -> ?PACKET_SIZE_BYTES_MAX.

-spec part_size_bytes_max() -> pos_integer().
part_size_bytes_max() -> ?PART_SIZE_BYTES_MAX.

%%% To the program

%% The first frame of all.
-spec hello() -> binary().
hello() ->
    <<8:32, ?HELLO, "PANDO", ?VERSION:16>>.

%% A call, or its last part. `quiet': a result `ok' or `{ok, _}' is not sent.
-spec call(id(), quiet | heard, binary()) -> binary().
call(Id, quiet, Body) when byte_size(Body) =< ?PART_SIZE_BYTES_MAX ->
    <<(byte_size(Body) + ?CALL_HEAD_SIZE_BYTES):32, ?CALL, Id:64, ?QUIET, Body/binary>>;
call(Id, heard, Body) when byte_size(Body) =< ?PART_SIZE_BYTES_MAX ->
    <<(byte_size(Body) + ?CALL_HEAD_SIZE_BYTES):32, ?CALL, Id:64, 0, Body/binary>>.

%% A part of a call that others follow. Whether it is quiet, the last one says, too.
-spec part(id(), quiet | heard, binary()) -> binary().
part(Id, Heard, Body) when byte_size(Body) =< ?PART_SIZE_BYTES_MAX ->
    Flags =
        case Heard of
            quiet -> ?MORE bor ?QUIET;
            heard -> ?MORE
        end,
    <<(byte_size(Body) + ?CALL_HEAD_SIZE_BYTES):32, ?CALL, Id:64, Flags, Body/binary>>.

%% What the call has made is not needed any more.
-spec release(id()) -> binary().
release(Id) ->
    <<9:32, ?RELEASE, Id:64>>.

%% Closes what is open and ends, as the end of its input would have it do.
-spec bye() -> binary().
bye() ->
    <<1:32, ?BYE>>.

%% The body of a call in as many parts as it needs: those that others follow, and the last one.
-spec parts(binary()) -> {[binary()], Last :: binary()}.
parts(Body) ->
    parts(Body, []).

parts(<<Part:?PART_SIZE_BYTES_MAX/binary, Rest/binary>>, Parts) when Rest =/= <<>> ->
    parts(Rest, [Part | Parts]);
parts(Last, Parts) ->
    {lists:reverse(Parts), Last}.

%%% From the program

%% All frames of a packet, in order.
-spec decode(binary()) -> {ok, [received(), ...]} | {malformed, Why :: binary()}.
decode(Packet) when byte_size(Packet) > ?PACKET_SIZE_BYTES_MAX ->
    {malformed, <<"a packet larger than any">>};
decode(<<>>) ->
    {malformed, <<"a packet without a frame">>};
decode(Packet) ->
    decode(Packet, []).

decode(<<>>, Frames) ->
    {ok, lists:reverse(Frames)};
decode(<<Size:32, ?RESULT, Id:64, 0:5, Raised:1, LivesOn:1, More:1, Rest/binary>>, Frames) when
    Size >= ?CALL_HEAD_SIZE_BYTES, Size - ?CALL_HEAD_SIZE_BYTES =< byte_size(Rest), Id > 0
->
    case split(Rest, Size - ?CALL_HEAD_SIZE_BYTES) of
        {Body, Behind} -> decode(Behind, [{result, Id, More =:= 1, LivesOn =:= 1, Raised =:= 1, Body} | Frames]);
        too_long -> too_long()
    end;
decode(<<Size:32, ?MESSAGE, Id:64, 0:7, More:1, Rest/binary>>, Frames) when
    Size >= ?CALL_HEAD_SIZE_BYTES, Size - ?CALL_HEAD_SIZE_BYTES =< byte_size(Rest), Id > 0
->
    case split(Rest, Size - ?CALL_HEAD_SIZE_BYTES) of
        {Body, Behind} -> decode(Behind, [{message, Id, More =:= 1, Body} | Frames]);
        too_long -> too_long()
    end;
decode(<<Size:32, ?SEND, Stream:64, 0:7, More:1, Rest/binary>>, Frames) when
    Size >= ?CALL_HEAD_SIZE_BYTES, Size - ?CALL_HEAD_SIZE_BYTES =< byte_size(Rest)
->
    case split(Rest, Size - ?CALL_HEAD_SIZE_BYTES) of
        {Body, Behind} -> decode(Behind, [{send, Stream, More =:= 1, Body} | Frames]);
        too_long -> too_long()
    end;
decode(<<9:32, ?END, Id:64, Rest/binary>>, Frames) when Id > 0 ->
    decode(Rest, [{ended, Id} | Frames]);
decode(<<Size:32, ?LOG, Number, Rest/binary>>, Frames) when
    Size >= 2, Size - 2 =< byte_size(Rest), Number >= 1, Number =< 3
->
    case split(Rest, Size - 2) of
        {Text, Behind} -> decode(Behind, [{log, level(Number), Text} | Frames]);
        too_long -> too_long()
    end;
decode(<<Size:32, ?HELLO, "PANDO", Version:16, Rest/binary>>, Frames) when Size >= 8, Size - 8 =< byte_size(Rest) ->
    case split(Rest, Size - 8) of
        {Text, Behind} -> decode(Behind, [{hello, Version, Text} | Frames]);
        too_long -> too_long()
    end;
decode(<<Size:32, Rest/binary>>, _Frames) when Size > byte_size(Rest) ->
    {malformed, <<"a frame that is longer than its packet">>};
decode(<<_Size:32, _/binary>>, _Frames) ->
    {malformed, <<"a frame of a kind or form that version 1 does not have">>};
decode(_Rest, _Frames) ->
    {malformed, <<"a packet that does not end where a frame does">>}.

split(Rest, Size) when Size =< ?PART_SIZE_BYTES_MAX ->
    <<Body:Size/binary, Behind/binary>> = Rest,
    {Body, Behind};
split(_Rest, _Size) ->
    too_long.

too_long() ->
    {malformed, <<"a body that is longer than a part may be">>}.

level(1) -> error;
level(2) -> warning;
level(3) -> info.

%% The term that a body is, whole or in its parts.
-spec term(binary() | [binary()]) -> {ok, term()} | malformed.
term(Body) when is_binary(Body) ->
    try
        {ok, binary_to_term(Body)}
    catch
        error:badarg -> malformed
    end;
term(Parts) ->
    term(iolist_to_binary(Parts)).
