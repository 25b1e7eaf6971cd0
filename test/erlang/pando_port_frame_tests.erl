%% The codec of the port's frames: what is written is what the program reads, and whatever comes is taken apart or refused.
-module(pando_port_frame_tests).

-include_lib("eunit/include/eunit.hrl").

-define(ROUNDS, 3000).

%%% To the program

a_hello_names_the_version_test() ->
    ?assertEqual(<<8:32, 1, "PANDO", 1:16>>, pando_port_frame:hello()).

a_call_has_its_id_its_flags_and_its_body_test() ->
    ?assertEqual(<<13:32, 2, 7:64, 0, "abc">>, pando_port_frame:call(7, heard, <<"abc">>)),
    ?assertEqual(<<13:32, 2, 7:64, 2, "abc">>, pando_port_frame:call(7, quiet, <<"abc">>)),
    ?assertEqual(<<13:32, 2, 7:64, 1, "abc">>, pando_port_frame:part(7, heard, <<"abc">>)),
    ?assertEqual(<<13:32, 2, 7:64, 3, "abc">>, pando_port_frame:part(7, quiet, <<"abc">>)).

the_largest_id_fits_test() ->
    ?assertEqual(<<9:32, 3, 16#FFFFFFFFFFFFFFFF:64>>, pando_port_frame:release(16#FFFFFFFFFFFFFFFF)).

a_goodbye_is_a_kind_alone_test() ->
    ?assertEqual(<<1:32, 4>>, pando_port_frame:bye()).

%% Sizes around the limit of a part: no part is larger or empty, and together they are the body.
a_body_is_the_sum_of_its_parts_test() ->
    Max = pando_port_frame:part_size_bytes_max(),
    [
        begin
            Body = rand:bytes(Size),
            {Parts, Last} = pando_port_frame:parts(Body),
            ?assertEqual(Body, iolist_to_binary([Parts, Last])),
            ?assertEqual(Parts, [Part || Part <- Parts, byte_size(Part) =:= Max]),
            ?assert(byte_size(Last) =< Max),
            ?assert(Last =/= <<>> orelse Size =:= 0)
        end
     || Size <- [0, 1, Max - 1, Max, Max + 1, 2 * Max - 1, 2 * Max, 2 * Max + 1, 10 * Max + 5]
    ].

%% A body larger than a part raises instead of being written: nobody could read it.
a_body_that_is_no_part_is_not_written_test() ->
    Large = binary:copy(<<0>>, pando_port_frame:part_size_bytes_max() + 1),
    ?assertError(function_clause, pando_port_frame:call(1, heard, Large)),
    ?assertError(function_clause, pando_port_frame:part(1, heard, Large)).

%%% From the program

each_kind_is_read_test_() ->
    Id = 16#FFFFFFFFFFFFFFFF,
    [
        {atom_to_list(element(1, Frame)), ?_assertEqual({ok, [Frame]}, pando_port_frame:decode(Packet))}
     || {Frame, Packet} <- [
            {{hello, 1, <<"0.1.0">>}, <<13:32, 1, "PANDO", 1:16, "0.1.0">>},
            {{hello, 65535, <<>>}, <<8:32, 1, "PANDO", 65535:16>>},
            {{result, Id, false, false, false, <<"b">>}, <<11:32, 2, Id:64, 0, "b">>},
            {{result, 1, true, false, false, <<>>}, <<10:32, 2, 1:64, 1>>},
            {{result, 1, false, true, false, <<>>}, <<10:32, 2, 1:64, 2>>},
            {{result, 1, false, false, true, <<>>}, <<10:32, 2, 1:64, 4>>},
            {{message, 2, false, <<"m">>}, <<11:32, 3, 2:64, 0, "m">>},
            {{message, 2, true, <<"m">>}, <<11:32, 3, 2:64, 1, "m">>},
            {{send, 0, false, <<"s">>}, <<11:32, 4, 0:64, 0, "s">>},
            {{ended, 3}, <<9:32, 5, 3:64>>},
            {{log, error, <<"e">>}, <<3:32, 6, 1, "e">>},
            {{log, warning, <<>>}, <<2:32, 6, 2>>},
            {{log, info, <<"i">>}, <<3:32, 6, 3, "i">>}
        ]
    ].

malformed_packets_are_refused_test_() ->
    Max = pando_port_frame:part_size_bytes_max(),
    Large = binary:copy(<<0>>, Max + 1),
    [
        {Title, ?_assertMatch({malformed, <<_, _/binary>>}, pando_port_frame:decode(Packet))}
     || {Title, Packet} <- [
            {"an empty packet", <<>>},
            {"less than a size", <<0, 0, 0>>},
            {"a size alone", <<1:32>>},
            {"an empty frame", <<0:32>>},
            {"longer than the packet", <<11:32, 2, 1:64, 0>>},
            {"a size of all bits", <<-1:32, 2, 1:64, 0>>},
            {"something behind a frame", <<9:32, 5, 3:64, 0>>},
            {"kind 0", <<9:32, 0, 3:64>>},
            {"an unknown kind", <<9:32, 7, 3:64>>},
            {"a result without flags", <<9:32, 2, 3:64>>},
            {"a result with unknown flags", <<10:32, 2, 3:64, 8>>},
            {"a message with unknown flags", <<10:32, 3, 3:64, 2>>},
            {"a result of id 0", <<10:32, 2, 0:64, 0>>},
            {"a message of id 0", <<10:32, 3, 0:64, 0>>},
            {"an end of id 0", <<9:32, 5, 0:64>>},
            {"an end that is too long", <<10:32, 5, 3:64, 0>>},
            {"a log of an unknown level", <<2:32, 6, 4>>},
            {"a log without a level", <<1:32, 6>>},
            {"a hello of something else", <<8:32, 1, "KHEPR", 1:16>>},
            {"a hello without a version", <<6:32, 1, "PANDO">>},
            {"a result that is larger than a part", <<(Max + 11):32, 2, 1:64, 0, Large/binary>>},
            {"a message that is larger than a part", <<(Max + 11):32, 3, 1:64, 0, Large/binary>>},
            {"something to send that is larger than a part", <<(Max + 11):32, 4, 1:64, 0, Large/binary>>},
            {"a line of the log that is larger than a part", <<(Max + 3):32, 6, 1, Large/binary>>},
            {"a good frame before a bad one", <<9:32, 5, 3:64, 9:32, 7, 3:64>>},
            {"text", <<"Segmentation fault (core dumped)\n">>},
            {"larger than any packet", binary:copy(<<9:32, 5, 3:64>>, pando_port_frame:packet_size_bytes_max() div 13 + 1)}
        ]
    ].

%% Whatever frames: written one behind the other they come back, and every way of cutting the packet off is noticed.
frames_come_back_in_order_and_no_cut_passes_test() ->
    {Cuts, _} = lists:foldl(
        fun(_, {Count, Seed}) ->
            {Frames, Next} = random_frames(Seed),
            Packet = iolist_to_binary([written(Frame) || Frame <- Frames]),
            ?assertEqual({ok, Frames}, pando_port_frame:decode(Packet)),
            Borders = borders(Frames),
            Malformed = [
                Size
             || Size <- lists:seq(1, byte_size(Packet) - 1),
                not lists:member(Size, Borders),
                {malformed, _} <- [pando_port_frame:decode(binary:part(Packet, 0, Size))]
            ],
            ?assertEqual(byte_size(Packet) - 1 - length(Borders), length(Malformed)),
            {Count + length(Malformed), Next}
        end,
        {0, rand:seed_s(exsss, 7)},
        lists:seq(1, 200)
    ),
    ?debugFmt("~b cuts", [Cuts]).

%% One bit of a packet after the other: it is read as frames or refused, and never raises.
no_damage_raises_test() ->
    Packet = iolist_to_binary([
        written(Frame)
     || Frame <- [{result, 5, false, true, false, <<"abc">>}, {message, 6, true, <<"d">>}, {ended, 7}, {log, info, <<"e">>}]
    ]),
    Bits = bit_size(Packet),
    Outcomes = [outcome(flipped(Packet, Bit)) || Bit <- lists:seq(0, Bits - 1)],
    ?assertEqual(Bits, length(Outcomes)),
    ?assert(length([malformed || malformed <- Outcomes]) > Bits div 4).

no_noise_raises_test() ->
    lists:foldl(
        fun(_, Seed) ->
            {Size, Seed1} = rand:uniform_s(60, Seed),
            {Noise, Seed2} = rand:bytes_s(Size, Seed1),
            %% With a size that fits, so that the content is looked at.
            {Kind, Seed3} = rand:uniform_s(7, Seed2),
            _ = outcome(Noise),
            _ = outcome(<<(Size + 1):32, Kind, Noise/binary>>),
            Seed3
        end,
        rand:seed_s(exsss, 11),
        lists:seq(1, ?ROUNDS)
    ).

outcome(Packet) ->
    case pando_port_frame:decode(Packet) of
        {ok, [_ | _] = Frames} ->
            %% What was read says all that was there.
            ?assertEqual(Packet, iolist_to_binary([written(Frame) || Frame <- Frames])),
            ok;
        {malformed, Why} when is_binary(Why) ->
            malformed
    end.

flipped(Packet, Bit) ->
    <<Before:Bit/bitstring, One:1, Behind/bitstring>> = Packet,
    <<Before/bitstring, (1 - One):1, Behind/bitstring>>.

borders(Frames) ->
    {Borders, _} = lists:mapfoldl(
        fun(Frame, At) ->
            Next = At + byte_size(written(Frame)),
            {Next, Next}
        end,
        0,
        Frames
    ),
    lists:droplast(Borders).

random_frames(Seed) ->
    {Count, Seed1} = rand:uniform_s(5, Seed),
    lists:mapfoldl(fun(_, Acc) -> random_frame(Acc) end, Seed1, lists:seq(1, Count)).

random_frame(Seed) ->
    {Kind, Seed1} = rand:uniform_s(6, Seed),
    {Id, Seed2} = rand:uniform_s(1 bsl 64 - 1, Seed1),
    {Size, Seed3} = rand:uniform_s(40, Seed2),
    {Body, Seed4} = rand:bytes_s(Size - 1, Seed3),
    {Number, Seed5} = rand:uniform_s(8, Seed4),
    <<A:1, B:1, C:1>> = <<(Number - 1):3>>,
    {Flag, LivesOn, IsRaised} = {A =:= 1, B =:= 1, C =:= 1},
    Frame =
        case Kind of
            1 -> {hello, Id rem 65536, Body};
            2 -> {result, Id, Flag, LivesOn, IsRaised, Body};
            3 -> {message, Id, Flag, Body};
            4 -> {send, Id, Flag, Body};
            5 -> {ended, Id};
            6 -> {log, lists:nth(Number rem 3 + 1, [error, warning, info]), Body}
        end,
    {Frame, Seed5}.

%% As the program writes it.
written({hello, Version, Text}) ->
    frame(1, <<"PANDO", Version:16, Text/binary>>);
written({result, Id, IsMore, LivesOn, IsRaised, Body}) ->
    frame(2, <<Id:64, 0:5, (bit(IsRaised)):1, (bit(LivesOn)):1, (bit(IsMore)):1, Body/binary>>);
written({message, Id, IsMore, Body}) ->
    frame(3, <<Id:64, (bit(IsMore)), Body/binary>>);
written({send, Stream, IsMore, Body}) ->
    frame(4, <<Stream:64, (bit(IsMore)), Body/binary>>);
written({ended, Id}) ->
    frame(5, <<Id:64>>);
written({log, Level, Text}) ->
    frame(6, <<(maps:get(Level, #{error => 1, warning => 2, info => 3})), Text/binary>>).

frame(Kind, Rest) ->
    <<(byte_size(Rest) + 1):32, Kind, Rest/binary>>.

bit(true) -> 1;
bit(false) -> 0.
