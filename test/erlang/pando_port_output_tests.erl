%% What waits to be written: in order, in packets that the program takes; and which large calls may begin.
-module(pando_port_output_tests).

-include_lib("eunit/include/eunit.hrl").

frames_leave_in_order_in_packets_of_whole_frames_test() ->
    Max = pando_port_frame:packet_size_bytes_max(),
    {Frames, _} = lists:mapfoldl(
        fun(Number, Seed) ->
            {Size, Next} = rand:uniform_s(70000, Seed),
            {<<Number:32, 0:(Size * 8)>>, Next}
        end,
        rand:seed_s(exsss, 3),
        lists:seq(1, 300)
    ),
    Packets = taken(lists:foldl(fun(Frame, Output) -> pando_port_output:add(Frame, none, Output) end, new(), Frames)),
    ?assert(length(Packets) > 5),
    ?assertEqual(iolist_to_binary(Frames), iolist_to_binary([Data || {Data, _, _} <- Packets])),
    %% Each begins with a frame, and is no larger than it may be.
    Ends = lists:foldl(fun(Frame, [At | _] = Acc) -> [At + byte_size(Frame) | Acc] end, [0], Frames),
    lists:foldl(
        fun({Data, SizeBytes, []}, At) ->
            ?assertEqual(iolist_size(Data), SizeBytes),
            ?assert(SizeBytes =< Max),
            ?assert(lists:member(At + SizeBytes, Ends)),
            At + SizeBytes
        end,
        0,
        Packets
    ).

who_wants_to_know_is_in_the_packet_of_his_frame_test() ->
    Frame = binary:copy(<<0>>, pando_port_frame:packet_size_bytes_max() - 1),
    {A, B, C} = {make_ref(), make_ref(), make_ref()},
    Output = lists:foldl(
        fun({F, Told}, Acc) -> pando_port_output:add(F, Told, Acc) end,
        new(),
        [{<<1>>, A}, {<<2>>, B}, {Frame, C}, {<<3>>, none}]
    ),
    ?assertEqual([[B, A], [C]], [Told || {_, _, Told} <- taken(Output)]).

nothing_is_empty_and_much_is_full_test() ->
    ?assert(pando_port_output:is_empty(new())),
    ?assertEqual(empty, pando_port_output:take(new())),
    ?assertNot(pando_port_output:is_full(new())),
    Little = pando_port_output:add(<<1>>, none, new()),
    ?assertNot(pando_port_output:is_empty(Little)),
    ?assertNot(pando_port_output:is_full(Little)),
    Much = pando_port_output:add(binary:copy(<<0>>, pando_port_frame:packet_size_bytes_max()), none, Little),
    ?assert(pando_port_output:is_full(Much)),
    {_, Rest} = pando_port_output:take(Much),
    {_, None} = pando_port_output:take(Rest),
    ?assert(pando_port_output:is_empty(None)).

large_calls_begin_in_order_when_there_is_room_test() ->
    [A, B, C, D] = [make_ref() || _ <- "abcd"],
    Half = 134217728,
    Uploads = lists:foldl(
        fun({Id, Size, Alias}, Acc) -> pando_port_uploads:add(Id, Size, Alias, Acc) end,
        pando_port_uploads:new(),
        [{1, Half, A}, {2, Half, B}, {3, 70000, C}, {4, Half, D}]
    ),
    {A, Uploads1} = pando_port_uploads:begin_next(Uploads),
    {B, Uploads2} = pando_port_uploads:begin_next(Uploads1),
    ?assertEqual(none, pando_port_uploads:begin_next(Uploads2)),
    %% One that gives up while it waits.
    Uploads3 = pando_port_uploads:remove(3, Uploads2),
    ?assertEqual(none, pando_port_uploads:begin_next(Uploads3)),
    {D, Uploads4} = pando_port_uploads:begin_next(pando_port_uploads:remove(1, Uploads3)),
    ?assertEqual(none, pando_port_uploads:begin_next(Uploads4)),
    ?assertEqual(none, pando_port_uploads:begin_next(pando_port_uploads:remove(17, Uploads4))).

new() ->
    pando_port_output:new().

taken(Output) ->
    case pando_port_output:take(Output) of
        empty -> [];
        {Packet, Rest} -> [Packet | taken(Rest)]
    end.
