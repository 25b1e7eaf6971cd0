%% The checked objects of an input file in a file of their own: binary, so that the loader and both
%% comparisons do not parse the text again.
%%
%% 1. Records are in the order of the lines. Reading needs memory for one chunk and the largest record.
%% 2. A record: size in bytes (32 bits), line (64 bits), hash of the path (16 bits), {Path, Term} in external
%%    term format.
-module(pando_demo_spool).

-export([record/3, decode/1, fold_chunks/3]).

-export_type([record/0]).

%% The last element is what decode/1 takes: a part of the chunk, not a copy.
-type record() :: {Line :: pos_integer(), PathHash :: 0..16#FFFF, Encoded :: binary()}.

-define(CHUNK_SIZE_BYTES, 16#100000).

-spec record(pos_integer(), pando_path:native_path(), term()) -> iodata().
record(Line, Path, Term) ->
    Encoded = term_to_binary({Path, Term}),
    [<<(byte_size(Encoded)):32, Line:64, (erlang:phash2(Path, 16#10000)):16>>, Encoded].

-spec decode(binary()) -> {pando_path:native_path(), term()}.
decode(Encoded) ->
    binary_to_term(Encoded).

%% Calls Fun with the records of each chunk.
-spec fold_chunks(file:filename_all(), fun(([record()], Acc) -> Acc), Acc) -> Acc.
fold_chunks(FileName, Fun, Acc) ->
    {ok, File} = file:open(FileName, [read, raw, binary]),
    try
        fold_file(File, <<>>, Fun, Acc)
    after
        ok = file:close(File)
    end.

fold_file(File, Rest, Fun, Acc) ->
    case file:read(File, wanted_size_bytes(Rest)) of
        {ok, Bytes} ->
            {Records, Rest1} = records(<<Rest/binary, Bytes/binary>>, []),
            fold_file(File, Rest1, Fun, Fun(Records, Acc));
        eof ->
            <<>> = Rest,
            Acc
    end.

%% All of a record that does not fit into a chunk, in one read.
wanted_size_bytes(<<Size:32, _/binary>>) -> max(?CHUNK_SIZE_BYTES, Size);
wanted_size_bytes(_) -> ?CHUNK_SIZE_BYTES.

records(<<Size:32, Line:64, PathHash:16, Encoded:Size/binary, Rest/binary>>, Records) ->
    records(Rest, [{Line, PathHash, Encoded} | Records]);
records(Rest, Records) ->
    {lists:reverse(Records), Rest}.
