%% @private What waits to be written to a program of the port backend: frames, gathered into packets.
%%
%% Invariants
%% 1. Frames leave in the order in which they were put in.
%% 2. No packet is longer than `pando_port_frame:packet_size_bytes_max/0', if no frame is.
%%
%% How much may wait is limited by who puts it in (`pando_port_call').
-module(pando_port_output).

-export([new/0, add/3, is_empty/1, is_full/1, take/1]).

-export_type([output/0, packet/0]).

%% What is written at once while others wait for nothing: as much as the program reads at once.
-define(FULL_SIZE_BYTES, 131072).

-record(output, {
    %% Complete packets, in front of the one that is gathered.
    packets = queue:new() :: queue:queue(packet()),
    is_none_complete = true :: boolean(),
    %% An improper list, the newest frame last: what `port_command/3' takes, made without a copy.
    data = [] :: iodata(),
    size_bytes = 0 :: non_neg_integer(),
    told = [] :: [reference()]
}).

-opaque output() :: #output{}.
%% `Told': who wants to know when it is written.
-type packet() :: {iodata(), SizeBytes :: pos_integer(), Told :: [reference()]}.

-spec new() -> output().
new() ->
    #output{}.

%% `Told': an alias that is told when the frame is written, or `none'.
-spec add(binary(), none | reference(), output()) -> output().
add(Frame, Told, #output{data = Data, size_bytes = SizeBytes} = Output) ->
    Size = byte_size(Frame),
    case SizeBytes + Size =< pando_port_frame:packet_size_bytes_max() of
        true -> tell(Told, Output#output{data = [Data | Frame], size_bytes = SizeBytes + Size});
        false when Data =:= [] -> tell(Told, Output#output{data = Frame, size_bytes = Size});
        false -> add(Frame, Told, complete(Output))
    end.

tell(none, Output) -> Output;
tell(Alias, #output{told = Told} = Output) -> Output#output{told = [Alias | Told]}.

complete(#output{packets = Packets, data = Data, size_bytes = SizeBytes, told = Told}) ->
    #output{packets = queue:in({Data, SizeBytes, Told}, Packets), is_none_complete = false}.

-spec is_empty(output()) -> boolean().
is_empty(#output{data = [], is_none_complete = true}) -> true;
is_empty(#output{}) -> false.

%% Whether it had better be written now, although more may be gathered.
-spec is_full(output()) -> boolean().
is_full(#output{size_bytes = SizeBytes, is_none_complete = IsNoneComplete}) ->
    SizeBytes >= ?FULL_SIZE_BYTES orelse not IsNoneComplete.

%% The next packet.
-spec take(output()) -> {packet(), output()} | empty.
take(#output{data = [], is_none_complete = true}) ->
    empty;
take(#output{is_none_complete = true, data = Data, size_bytes = SizeBytes, told = Told}) ->
    {{Data, SizeBytes, Told}, #output{}};
take(#output{packets = Packets} = Output) ->
    case queue:out(Packets) of
        {{value, Packet}, Rest} -> {Packet, Output#output{packets = Rest, is_none_complete = queue:is_empty(Rest)}};
        {empty, _} -> take(Output#output{is_none_complete = true})
    end.
