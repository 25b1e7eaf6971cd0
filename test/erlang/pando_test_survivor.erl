%% Makes of a store of one member, which is closed, what is left of one of several: its log is written on by what
%% docs/formats.md says. No module of Pando is called.
-module(pando_test_survivor).

-export([make/2, append/2, members/2]).

-define(SECTOR_BYTES, 512).
-define(HEADER_BYTES, 32).
-define(TRAILER_BYTES, 8).

%% Members 1 to `Count', voters on nodes `<<"n1@h">>' and so on; `Observers' that many more.
-spec members(pos_integer(), non_neg_integer()) -> binary().
members(Count, Observers) ->
    Voters = lists:seq(1, Count),
    Members = [
        begin
            Node = <<"n", (integer_to_binary(Id))/binary, "@h">>,
            Role =
                case Id =< Count of
                    true -> 0;
                    false -> 1
                end,
            <<Id:64/little, (byte_size(Node)):64/little, Node/binary, Role>>
        end
     || Id <- lists:seq(1, Count + Observers)
    ],
    iolist_to_binary([
        <<2, 1:64/little, Count:64/little>>,
        [<<Id:64/little>> || Id <- Voters],
        <<(length(Members)):64/little>>,
        Members
    ]).

%% Appends the entry that makes it a member of three, and an observer.
-spec make(file:filename_all(), pos_integer()) -> ok.
make(Directory, Term) ->
    append(Directory, [{entry, Term, <<2, (members(3, 1))/binary>>}]).

%% Appends a batch of these records: `{entry, Term, Body}' behind the last entry, `{vote, Term, MemberId, HasWon}'.
-spec append(file:filename_all(), [tuple()]) -> ok.
append(Directory, Records) ->
    #{segments := Segments, batches := Batches, last := {_, _, Last}} = pando_format_reader:log(unicode:characters_to_list(Directory)),
    {Sequence, Size, Used} = lists:last([Segment || {_, _, Used} = Segment <- Segments, Used > 4096]),
    {Bodies, _} = lists:mapfoldl(fun record/2, Last + 1, Records),
    Body = iolist_to_binary(Bodies),
    <<StoreId:16/binary>> = store_id(Directory),
    Length = byte_size(Body),
    true = Used + ?HEADER_BYTES + Length + ?TRAILER_BYTES =< Size,
    BodyCrc = erlang:crc32(Body),
    Trailer = <<BodyCrc:32/little, "PBTE">>,
    Behind = <<0:(?HEADER_BYTES * 8), Body/binary, Trailer/binary>>,
    Head =
        <<"PBAT", Length:32/little, (lists:last(Batches) + 1):64/little, (length(Records)):32/little, BodyCrc:32/little,
            (blank(Used, Behind)):32/little>>,
    Crc = erlang:crc32([<<StoreId/binary, Sequence:64/little, Used:64/little>>, Head]),
    File = filename:join([Directory, "log", io_lib:format("~16.16.0b.segment", [Sequence])]),
    {ok, Opened} = file:open(File, [read, write, raw, binary]),
    ok = file:pwrite(Opened, Used, [Head, <<Crc:32/little>>, Body, Trailer]),
    file:close(Opened).

record({entry, Term, Body}, Index) ->
    {record_bytes(2, <<Term:64/little, 1:64/little, Index:64/little, Body/binary>>), Index + 1};
record({vote, Term, MemberId, HasWon}, Index) ->
    {record_bytes(3, <<1, Term:64/little, MemberId:64/little, HasWon>>), Index}.

record_bytes(Kind, Body) ->
    Length = byte_size(Body),
    Crc = erlang:crc32(<<Length:32/little, Kind, 0:56, Body/binary>>),
    Padding = (8 - Length rem 8) rem 8,
    <<Length:32/little, Crc:32/little, Kind, 0:56, Body/binary, 0:Padding/unit:8>>.

%% Sectors that it reaches into, those of its header aside, and fills with zeros only.
blank(Offset, Bytes) ->
    End = Offset + byte_size(Bytes),
    First = (Offset + ?HEADER_BYTES - 1) div ?SECTOR_BYTES + 1,
    length([
        Sector
     || Sector <- lists:seq(First, (End - 1) div ?SECTOR_BYTES),
        Begin <- [Sector * ?SECTOR_BYTES],
        Part <- [binary:part(Bytes, Begin - Offset, min(?SECTOR_BYTES, End - Begin))],
        Part =:= <<0:(byte_size(Part) * 8)>>
    ]).

store_id(Directory) ->
    {ok, <<_:16/binary, StoreId:16/binary, _/binary>>} = file:read_file(filename:join(Directory, "IDENTITY")),
    StoreId.
