%% Reads the files of a store that is not open by what docs/formats.md says, and nothing else: no module of Pando is called. So
%% it holds that page to the bytes. It describes what it finds in the words of `store.txt' of the golden stores
%% (native/pando_store/tests/golden_support/describe.rs), checks every checksum and every reserved byte, and crashes where the
%% bytes are not what the page says.
-module(pando_format_reader).

-export([describe/1, synced/1, reset/1, log/1]).

-define(HEX_BYTES_MAX, 120).
-define(SECTOR_BYTES, 512).
-define(SEGMENT_HEADER_BYTES, 4096).
-define(BATCH_HEADER_BYTES, 32).
-define(BATCH_TRAILER_BYTES, 8).
-define(DEPENDS_MARK, 1048576).
-define(REQUEST_MARK, 1048577).

%% IDENTITY, the snapshots, the newest first, the log.
-spec describe(file:filename()) -> binary().
describe(Directory) ->
    {StoreId, MemberId} = identity(Directory),
    iolist_to_binary([
        io_lib:format("identity store ~ts member ~b~n", [digits(StoreId), MemberId]),
        case MemberId of
            0 -> [];
            _ -> [[snapshot(File, StoreId) || File <- lists:reverse(files(Directory, "snapshot/*.snapshot"))], log_lines(log(Directory))]
        end
    ]).

files(Directory, Pattern) ->
    lists:sort(filelib:wildcard(filename:join(Directory, Pattern))).

read(Parts) ->
    {ok, Bytes} = file:read_file(filename:join(Parts)),
    Bytes.

%%% IDENTITY, RESET, SYNCED

identity(Directory) ->
    <<Head:40/binary, Crc:32/little>> = read([Directory, "IDENTITY"]),
    Crc = erlang:crc32(Head),
    <<"PANDOIDN", 1:32/little, 0:32, StoreId:16/binary, MemberId:64/little>> = Head,
    {StoreId, MemberId}.

%% Who comes, and who goes.
-spec reset(file:filename()) -> {{binary(), non_neg_integer()}, {binary(), non_neg_integer()}}.
reset(Directory) ->
    <<Head:64/binary, Crc:32/little>> = read([Directory, "RESET"]),
    Crc = erlang:crc32(Head),
    <<"PANDORST", 1:32/little, 0:32, To:16/binary, ToMember:64/little, From:16/binary, FromMember:64/little>> = Head,
    {{To, ToMember}, {From, FromMember}}.

-spec synced(file:filename()) -> {closed | open, non_neg_integer()}.
synced(Directory) ->
    <<Head:40/binary, Crc:32/little>> = read([Directory, "log", "SYNCED"]),
    Crc = erlang:crc32(Head),
    <<"PANDOSYN", 1:32/little, Flags:32/little, StoreId:16/binary, Batch:64/little>> = Head,
    {StoreId, _} = identity(Directory),
    {element(Flags + 1, {open, closed}), Batch}.

%%% Log

%% What all segments say: `segments' with name, size and how far each is used, `batches' with their sequences, `tail' with what
%% stands behind the last batch, and what the records leave behind.
-spec log(file:filename()) -> map().
log(Directory) ->
    {StoreId, _} = identity(Directory),
    Empty = #{
        segments => [],
        batches => [],
        kinds => [],
        tail => none,
        vote => none,
        committed => none,
        purged => none,
        last => none,
        entries => #{}
    },
    Log = lists:foldl(fun(File, Log) -> segment(File, StoreId, Log) end, Empty, files(Directory, "log/*.segment")),
    #{segments := Segments, batches := Batches} = Log,
    %% Consecutive, both.
    Sequences = [Sequence || {Sequence, _, _} <- lists:reverse(Segments)],
    Sequences = lists:seq(hd(Sequences), lists:last(Sequences)),
    Batches = lists:seq(hd(Batches), lists:last(Batches), -1),
    {_, SyncedBatch} = synced(Directory),
    true = SyncedBatch =< hd(Batches),
    Log#{segments := lists:reverse(Segments), batches := lists:reverse(Batches), kinds := lists:usort(maps:get(kinds, Log))}.

segment(File, StoreId, Log) ->
    Bytes = read([File]),
    Size = byte_size(Bytes),
    Sequence = list_to_integer(filename:basename(File, ".segment"), 16),
    <<Head:48/binary, Crc:32/little, 0:(4044 * 8), _/binary>> = Bytes,
    Crc = erlang:crc32(Head),
    <<"PANDOLOG", 1:32/little, 0:32, StoreId:16/binary, Sequence:64/little, Size:64/little>> = Head,
    Seal = <<StoreId/binary, Sequence:64/little>>,
    {Used, #{segments := Segments} = Read} = batches(Bytes, ?SEGMENT_HEADER_BYTES, Seal, true, Log),
    Read#{segments := [{Sequence, Size, Used} | Segments]}.

batches(Bytes, Offset, Seal, IsFirst, #{batches := Batches} = Log) ->
    case batch(Bytes, Offset, Seal) of
        {ok, Sequence, Count, Body} ->
            %% Nothing is written behind a torn batch.
            #{tail := none} = Log,
            Read = records(Body, Count, IsFirst, Log#{batches := [Sequence | Batches]}),
            Next = Offset + ?BATCH_HEADER_BYTES + byte_size(Body) + ?BATCH_TRAILER_BYTES,
            batches(Bytes, Next, Seal, false, Read);
        none ->
            {Offset, Log#{tail := tail(Bytes, Offset, maps:get(tail, Log))}}
    end.

batch(Bytes, Offset, Seal) ->
    case Bytes of
        <<_:Offset/binary, Head:28/binary, Crc:32/little, Rest/binary>> ->
            case {Head, erlang:crc32([Seal, <<Offset:64/little>>, Head])} of
                {<<"PBAT", Length:32/little, Sequence:64/little, Count:32/little, BodyCrc:32/little, Blank:32/little>>, Crc} ->
                    case Rest of
                        <<Body:Length/binary, BodyCrc:32/little, "PBTE", _/binary>> ->
                            BodyCrc = erlang:crc32(Body),
                            0 = Offset rem 8,
                            0 = Length rem 8,
                            Blank = blank_sectors(Bytes, Offset, ?BATCH_HEADER_BYTES + Length + ?BATCH_TRAILER_BYTES),
                            {ok, Sequence, Count, Body};
                        _ ->
                            none
                    end;
                _ ->
                    none
            end;
        _ ->
            none
    end.

%% Sectors that the batch reaches into, those of its header aside, and fills with zeros only.
blank_sectors(Bytes, Offset, Size) ->
    FirstBehindHeader = (Offset + ?BATCH_HEADER_BYTES - 1) div ?SECTOR_BYTES + 1,
    Last = (Offset + Size - 1) div ?SECTOR_BYTES,
    length([
        Sector
     || Sector <- lists:seq(FirstBehindHeader, Last),
        is_blank(Bytes, Sector * ?SECTOR_BYTES, min(?SECTOR_BYTES, Offset + Size - Sector * ?SECTOR_BYTES))
    ]).

is_blank(Bytes, Offset, Size) ->
    binary:part(Bytes, Offset, Size) =:= <<0:(Size * 8)>>.

tail(Bytes, Offset, Before) ->
    Rest = byte_size(Bytes) - Offset,
    case is_blank(Bytes, Offset, Rest) of
        true -> Before;
        false when Before =:= none -> {Offset, Rest}
    end.

records(<<>>, 0, _IsCheckpoint, Log) ->
    Log;
records(Bytes, Count, IsCheckpoint, #{kinds := Kinds} = Log) ->
    <<Length:32/little, Crc:32/little, Kind, 0:56, Body:Length/binary, Behind/binary>> = Bytes,
    Crc = erlang:crc32(<<Length:32/little, Kind, 0:56, Body/binary>>),
    Padding = (8 - Length rem 8) rem 8,
    <<0:Padding/unit:8, Rest/binary>> = Behind,
    IsCheckpoint = Kind =:= 1,
    records(Rest, Count - 1, false, record(Kind, Body, Log#{kinds := [Kind | Kinds]})).

%% Checkpoint: it agrees with what was read before it.
record(1, Body, #{entries := Entries} = Log) ->
    <<Flags:32/little, VoteLength:32/little, Committed:24/binary, Purged:24/binary, Last:24/binary, Vote:VoteLength/binary>> = Body,
    Part = fun(Flag, Value) ->
        case Flags band Flag of
            0 -> none;
            _ -> Value
        end
    end,
    Said = #{
        vote => Part(1, Vote),
        committed => Part(2, position(Committed)),
        purged => Part(4, position(Purged)),
        last => Part(8, position(Last))
    },
    case Log of
        #{segments := []} -> maps:merge(Log, Said);
        %% A committed position is repeated only as far as it was on the disk.
        _ -> Said = maps:with(maps:keys(Said), Log)
    end,
    (maps:merge(Log, Said))#{entries := Entries};
record(2, <<Position:24/binary, Entry/binary>>, #{entries := Entries, last := Last} = Log) ->
    {_, _, Index} = At = position(Position),
    true = Last =:= none orelse Index =:= element(3, Last) + 1,
    Log#{entries := Entries#{Index => {At, Entry}}, last := At};
record(3, Vote, Log) ->
    Log#{vote := Vote};
record(4, Position, Log) ->
    Log#{committed := position(Position)};
record(5, Position, #{entries := Entries} = Log) ->
    At = position(Position),
    Kept = maps:filter(fun(Index, _) -> At =/= none andalso Index =< element(3, At) end, Entries),
    Log#{entries := Kept, last := At};
record(6, Position, #{entries := Entries, last := Last} = Log) ->
    {_, _, Purged} = At = position(Position),
    Log#{
        entries := maps:filter(fun(Index, _) -> Index > Purged end, Entries),
        purged := At,
        last :=
            case Last of
                {_, _, Index} when Index > Purged -> Last;
                _ -> At
            end
    }.

position(<<>>) -> none;
position(<<Term:64/little, NodeId:64/little, Index:64/little>>) -> {Term, NodeId, Index}.

log_lines(#{segments := Segments, purged := Purged, last := Last, entries := Entries}) ->
    [
        [io_lib:format("segment ~16.16.0b size ~b used ~b~n", [Sequence, Size, Used]) || {Sequence, Size, Used} <- Segments],
        io_lib:format("log purged ~ts last ~ts entries ~b~n", [position_text(Purged), position_text(Last), map_size(Entries)]),
        [
            ["entry ", position_text(At), $\s, entry(Entry)]
         || {_, {At, Entry}} <- lists:sort(maps:to_list(Entries))
        ]
    ].

position_text(none) -> "-";
position_text({Term, NodeId, Index}) -> io_lib:format("~b.~b.~b", [Term, NodeId, Index]).

entry(<<0>>) ->
    "blank\n";
entry(<<1, 3, Numbers:48/binary, Count:32/little, Commands/binary>>) ->
    [Member, Incarnation, First, Clock, LastIndex, Sequence] = [Number || <<Number:64/little>> <= Numbers],
    Predicted =
        case Sequence of
            0 -> "-";
            _ -> io_lib:format("~b.~b", [LastIndex, Sequence])
        end,
    {Lines, <<>>} = repeat(Count, fun command/1, Commands),
    [
        io_lib:format("commands member ~b incarnation ~b first ~b clock ~b predicted_from ~ts~n", [
            Member, Incarnation, First, Clock, Predicted
        ]),
        [["  ", Line, $\n] || Line <- Lines]
    ];
entry(<<2, Membership/binary>>) ->
    {_, _} = membership(Membership),
    ["members ", hex(Membership), $\n].

%% Sets of voters, and the members with their nodes and roles.
membership(<<Version, SetCount:64/little, Bytes/binary>>) when Version =:= 1; Version =:= 2 ->
    {Sets, <<MemberCount:64/little, Rest/binary>>} = repeat(SetCount, fun voters/1, Bytes),
    {Members, <<>>} = repeat(MemberCount, fun(Member) -> member(Version, Member) end, Rest),
    Ids = [Id || {Id, _, _} <- Members],
    true = Ids =:= lists:usort(Ids),
    {Sets, Members}.

member(1, <<Id:64/little, Size:64/little, Node:Size/binary, Behind/binary>>) ->
    {{Id, Node, voter}, Behind};
member(2, <<Id:64/little, Size:64/little, Node:Size/binary, Role, Behind/binary>>) ->
    {{Id, Node, element(Role + 1, {voter, observer})}, Behind}.

voters(<<Count:64/little, Bytes/binary>>) ->
    {Ids, Rest} = repeat(Count, fun(<<Id:64/little, Behind/binary>>) -> {Id, Behind} end, Bytes),
    Ids = lists:usort(Ids),
    {Ids, Rest}.

%%% Commands

command(<<5, Bytes/binary>>) ->
    {Id, AfterId} = sized(Bytes),
    {Note, <<Tag, _/binary>> = Rest} = optional(AfterId),
    true = lists:member(Tag, [1, 2, 3, 4]),
    {Command, Behind} = command(Rest),
    {["once ", hex(Id), " note ", optional_hex(Note), $\s, Command], Behind};
command(<<4, Flags, Bytes/binary>>) when Flags < 4 ->
    {Base, AfterBase} = number(Bytes),
    {Reads, AfterReads} = counted(fun scope_read/1, AfterBase),
    {Requirements, AfterRequirements} = counted(fun watched/1, AfterReads),
    {Writes, Rest} = counted(fun write/1, AfterRequirements),
    {
        [
            io_lib:format("transaction flags ~b base ~b reads ", [Flags, Base]),
            in_brackets(Reads),
            " requirements ",
            in_brackets(Requirements),
            " writes ",
            in_brackets(Writes)
        ],
        Rest
    };
command(<<Tag, Bytes/binary>>) when Tag >= 1, Tag =< 3 ->
    {Wanted, <<Scope, AfterScope/binary>>} = wanted(Bytes),
    {Payload, AfterPayload} =
        case Tag of
            1 -> payload(AfterScope);
            _ -> {none, AfterScope}
        end,
    {Keep, AfterKeep} =
        case Tag of
            2 -> {none, AfterPayload};
            _ -> keep(AfterPayload)
        end,
    {Path, Rest} = steps(AfterKeep),
    Words =
        case Tag of
            1 -> ["put", scope(Scope), Wanted, Keep, Path, Payload];
            2 -> ["delete", scope(Scope), Wanted, Path];
            3 -> ["clear", scope(Scope), Wanted, Keep, Path]
        end,
    {lists:join($\s, Words), Rest}.

wanted(<<0, Rest/binary>>) -> {"-", Rest};
wanted(<<1, Props:16/little, Rest/binary>>) when Props < 256 -> {integer_to_list(Props), Rest};
wanted(<<2, Props:16/little, Rest/binary>>) when Props < 256 -> {[integer_to_list(Props), $+], Rest}.

scope(0) -> "one";
scope(1) -> "many";
scope(2) -> "many_and_root".

keep(Bytes) ->
    case number(Bytes) of
        {0, Rest} ->
            {"keep", Rest};
        {CountAndOne, Rest} ->
            {Watched, Behind} = repeat(CountAndOne - 1, fun watched/1, Rest),
            {in_brackets(Watched), Behind}
    end.

watched(Bytes) ->
    {Path, AfterPath} = steps(Bytes),
    {Condition, Rest} = sized(AfterPath),
    {[Path, $\s, hex(Condition)], Rest}.

scope_read(<<Tag, Bytes/binary>>) ->
    {Names, Rest} = names(Bytes),
    Extent = element(Tag band 127 + 1, {"presence", "payload", "node", "subtree"}),
    Missing = [$! || Tag < 128],
    {[Extent, Missing, $\s, path(Names)], Rest}.

write(<<0, Bytes/binary>>) -> expecting("any", Bytes);
write(<<1, Bytes/binary>>) -> expecting("done", Bytes);
write(<<2, Digest:32/binary, Bytes/binary>>) -> expecting(hex(Digest), Bytes).

expecting(What, <<Tag, _/binary>> = Bytes) when Tag =< 3 ->
    {Command, Rest} = command(Bytes),
    {[What, $\s, Command], Rest}.

steps(Bytes) ->
    {Steps, Rest} = counted(fun step/1, Bytes),
    {path(Steps), Rest}.

step(<<0, Rest/binary>>) -> {".", Rest};
step(<<1, Rest/binary>>) -> {"^", Rest};
step(<<2, Rest/binary>>) -> {"|", Rest};
step(<<3, Rest/binary>>) -> {"*", Rest};
step(<<4, Rest/binary>>) -> {"**", Rest};
step(<<7, Bytes/binary>>) ->
    {Condition, Rest} = sized(Bytes),
    {[$?, hex(Condition)], Rest};
step(Bytes) -> name_of_path(Bytes).

names(Bytes) -> counted(fun name_of_path/1, Bytes).

name_of_path(<<5, Bytes/binary>>) -> atom(Bytes);
name_of_path(<<6, Bytes/binary>>) -> binary(Bytes).

atom(Bytes) ->
    {Text, Rest} = sized(Bytes),
    true = is_list(unicode:characters_to_list(Text)),
    {[$:, printable(Text)], Rest}.

binary(Bytes) ->
    {Text, Rest} = sized(Bytes),
    {[$", printable(Text), $"], Rest}.

path([]) -> "/";
path(Names) -> [[$/, Name] || Name <- Names].

payload(<<0, Rest/binary>>) ->
    {"none", Rest};
payload(<<Kind, Bytes/binary>>) when Kind =:= 1; Kind =:= 2 ->
    {<<131, _/binary>> = Term, Rest} = sized(Bytes),
    {[element(Kind, {"data ", "procedure "}), hex(Term)], Rest}.

%%% Snapshots

snapshot(File, StoreId) ->
    [Index, Term] = [list_to_integer(Digits, 16) || Digits <- string:split(filename:basename(File, ".snapshot"), "-")],
    <<Head:56/binary, Crc:32/little, Behind/binary>> = read([File]),
    <<"PANDOSNP", 1:32/little, MetadataSize:32/little, StoreId:16/binary, Position:24/binary>> = Head,
    {Term, _, Index} = position(Position),
    <<Metadata:MetadataSize/binary, Blocks/binary>> = Behind,
    Crc = erlang:crc32([Head, Metadata]),
    {NodeCount, Revision, LastBatch, Run, Sessions} = metadata(Metadata),
    Records = blocks(Blocks, [<<Crc:32/little>>], []),
    {Lines, Nodes} = tree_records(Records, [], 0, []),
    NodeCount = Nodes,
    [
        io_lib:format("snapshot index ~16.16.0b term ~16.16.0b position ~ts nodes ~b records ~b revision ~b last_batch ~b run ~ts~n", [
            Index,
            Term,
            position_text(position(Position)),
            NodeCount,
            length(Records),
            Revision,
            LastBatch,
            lists:join($., [integer_to_list(Number) || Number <- Run])
        ]),
        [io_lib:format("  session member ~b incarnation ~b next ~b~n", Session) || Session <- Sessions],
        Lines
    ].

metadata(<<16#FFFFFFFFFFFFFFFF:64, 2, Bytes/binary>>) ->
    metadata(2, Bytes);
metadata(Bytes) ->
    metadata(1, Bytes).

metadata(Version, <<NodeCount:64/little, IsThere, Rest/binary>>) ->
    Behind =
        case {IsThere, Rest} of
            {0, _} -> Rest;
            {1, <<_Position:24/binary, BehindPosition/binary>>} -> BehindPosition
        end,
    <<Size:64/little, Membership:Size/binary, BehindMembership/binary>> = Behind,
    case Size of
        0 -> ok;
        _ -> {_, _} = membership(Membership)
    end,
    {Sessions, <<Revision:64/little, LastBatch:64/little, Run:40/binary>>} = sessions(Version, BehindMembership),
    {NodeCount, Revision, LastBatch, [Number || <<Number:64/little>> <= Run], Sessions}.

sessions(1, Bytes) ->
    {[], Bytes};
sessions(2, <<Count:64/little, Bytes/binary>>) ->
    {Sessions, Rest} = repeat(
        Count,
        fun(<<Member:64/little, Incarnation:64/little, Next:64/little, Behind/binary>>) -> {[Member, Incarnation, Next], Behind} end,
        Bytes
    ),
    Members = [Member || [Member, _, _] <- Sessions],
    Members = lists:sort(Members),
    true = lists:all(fun(Member) -> length([M || M <- Members, M =:= Member]) =< 4 end, Members),
    Openings = [{Member, Incarnation} || [Member, Incarnation, _] <- Sessions],
    true = length(Openings) =:= length(lists:usort(Openings)),
    {Sessions, Rest}.

blocks(<<"PBLK", Length:32/little, Count:32/little, Crc:32/little, Body:Length/binary, Rest/binary>>, Crcs, Records) ->
    Crc = erlang:crc32(<<Length:32/little, Count:32/little, Body/binary>>),
    {More, <<>>} = repeat(Count, fun(<<Size:32/little, Record:Size/binary, Behind/binary>>) -> {Record, Behind} end, Body),
    blocks(Rest, [<<Crc:32/little>> | Crcs], lists:reverse(More, Records));
blocks(<<Footer:20/binary, FooterCrc:32/little>>, Crcs, Records) ->
    FooterCrc = erlang:crc32(Footer),
    Count = length(Records),
    Total = erlang:crc32(lists:reverse(Crcs)),
    <<"PEND", 0:32, Count:64/little, Total:32/little>> = Footer,
    lists:reverse(Records).

%% The path to the last node, its name first.
tree_records([], _Path, Nodes, Lines) ->
    {lists:reverse(Lines), Nodes};
tree_records([Record | Records], Path, Nodes, Lines) ->
    case number(Record) of
        {?DEPENDS_MARK, Bytes} ->
            {Watcher, AfterPath} = names(Bytes),
            {[_ | _] = Watched, <<>>} = counted(fun watched/1, AfterPath),
            Line = [["  depends ", path(Watcher), $\s, One, $\n] || One <- Watched],
            tree_records(Records, Path, Nodes, [Line | Lines]);
        {?REQUEST_MARK, Bytes} ->
            {Id, AfterId} = sized(Bytes),
            {Answer, AfterAnswer} = optional(AfterId),
            {Note, <<>>} = optional(AfterAnswer),
            Line = ["  request ", hex(Id), " answer ", kept_answer(Answer), " note ", optional_hex(Note), $\n],
            tree_records(Records, Path, Nodes, [Line | Lines]);
        {Depth, Bytes} ->
            {Name, <<Flag, AfterFlag/binary>>} = name_of_record(Depth, Bytes),
            {Payload, AfterPayload} = payload(AfterFlag),
            {Numbers, <<>>} = repeat(5, fun number/1, AfterPayload),
            Above = lists:nthtail(length(Path) - max(0, Depth - 1), Path),
            Here = Name ++ Above,
            Line = [
                "  node ",
                path(lists:reverse(Here)),
                element(Flag + 1, {" explicit ", " implicit "}),
                Payload,
                io_lib:format(
                    " payload_version ~b child_list_version ~b payload_revision ~b revision ~b subtree_revision ~b~n", Numbers
                )
            ],
            tree_records(Records, Here, Nodes + 1, [Line | Lines])
    end.

name_of_record(0, Bytes) ->
    {[], Bytes};
name_of_record(_, <<0, Bytes/binary>>) ->
    {Name, Rest} = atom(Bytes),
    {[Name], Rest};
name_of_record(_, <<1, Bytes/binary>>) ->
    {Name, Rest} = binary(Bytes),
    {[Name], Rest}.

kept_answer(none) ->
    "-";
kept_answer(Bytes) ->
    {Answer, <<>>} = answer(Bytes),
    Answer.

answer(<<1, Rest/binary>>) ->
    {"done", Rest};
answer(<<2, Bytes/binary>>) ->
    {Nodes, Rest} = counted(
        fun(Node) ->
            {Names, AfterNames} = names(Node),
            {Props, Behind} = props(AfterNames),
            {[path(Names), $\s, Props], Behind}
        end,
        Bytes
    ),
    {["nodes ", in_brackets(Nodes)], Rest};
answer(<<4, Bytes/binary>>) ->
    {Answers, Rest} = counted(fun answer/1, Bytes),
    {["results ", in_brackets(Answers)], Rest}.

props(<<Bits:16/little, Bytes/binary>>) when Bits < 1024 ->
    Values = [
        {1, "payload", fun payload/1},
        {2, "payload_version", fun number_text/1},
        {4, "child_list_version", fun number_text/1},
        {8, "child_list_length", fun number_text/1},
        {16, "child_names", fun(Names) ->
            {All, Rest} = names(Names),
            {lists:join($/, All), Rest}
        end},
        {32, "raw_payload", fun payload/1}
    ],
    Flags = [
        {64, "has_data=true"},
        {128, "is_procedure=true"},
        {256, "delete_reason=explicit"},
        {512, "delete_reason=keep_while"}
    ],
    {Shown, Rest} = lists:mapfoldl(
        fun({_, Key, Read}, Left) ->
            {Value, Behind} = Read(Left),
            {[Key, $=, Value], Behind}
        end,
        Bytes,
        [Value || {Bit, _, _} = Value <- Values, Bits band Bit =/= 0]
    ),
    {lists:join($,, Shown ++ [Flag || {Bit, Flag} <- Flags, Bits band Bit =/= 0]), Rest}.

number_text(Bytes) ->
    {Number, Rest} = number(Bytes),
    {integer_to_list(Number), Rest}.

%%% Parts

%% Seven bits to the byte, the lowest first.
number(Bytes) ->
    number(Bytes, 0, 0).

number(<<1:1, Bits:7, Rest/binary>>, Shift, Sum) when Shift < 63 ->
    number(Rest, Shift + 7, Sum bor (Bits bsl Shift));
number(<<0:1, Bits:7, Rest/binary>>, Shift, Sum) when Bits > 0; Shift =:= 0 ->
    {Sum bor (Bits bsl Shift), Rest}.

sized(Bytes) ->
    {Size, Rest} = number(Bytes),
    <<Part:Size/binary, Behind/binary>> = Rest,
    {Part, Behind}.

optional(<<0, Rest/binary>>) -> {none, Rest};
optional(<<1, Bytes/binary>>) -> sized(Bytes).

counted(Read, Bytes) ->
    {Count, Rest} = number(Bytes),
    repeat(Count, Read, Rest).

repeat(Count, Read, Bytes) ->
    lists:mapfoldl(fun(_, Left) -> Read(Left) end, Bytes, lists:seq(1, Count)).

%%% Words

in_brackets(Parts) -> [$[, lists:join("; ", Parts), $]].

optional_hex(none) -> "-";
optional_hex(Bytes) -> hex(Bytes).

hex(<<First:?HEX_BYTES_MAX/binary, _, _/binary>> = Bytes) ->
    [digits(First), io_lib:format("+~b:~8.16.0b", [byte_size(Bytes), erlang:crc32(Bytes)])];
hex(Bytes) ->
    digits(Bytes).

digits(Bytes) ->
    [io_lib:format("~2.16.0b", [Byte]) || <<Byte>> <= Bytes].

printable(Text) ->
    [
        case lists:member(Byte, "\"\\/ ") orelse Byte < 16#20 orelse Byte >= 16#7f of
            true -> io_lib:format("\\x~2.16.0b", [Byte]);
            false -> Byte
        end
     || <<Byte>> <= Text
    ].
