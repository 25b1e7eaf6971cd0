%% @private The file JOINING: what a store's directory is to become, so that a join that is interrupted goes on when the store
%% is started again, or leaves no trace (docs/formats.md).
%%
%% 1. It is written as IDENTITY is: beside the old one, synced, renamed. It is there whole or not at all.
%% 2. While its phase is `leaving', the directory is that of the old member, and whole.
%% 3. Once its phase is `becoming', what belongs to the member that it replaces counts for nothing, and is removed before the
%%    store is opened. Nothing else is ever removed: not what belongs to the member that is to be, nor to a third one.
%% 4. It is removed when the member is one: then the directory is like any other.
-module(pando_joining).

-export([path/1, join/4, found/1, with_phase/2, read/1, write/2, remove/1, identity/1, start_with/1, clear/1]).

-export_type([joining/0, birth/0, start/0]).

-type joining() :: #{
    phase := leaving | becoming,
    cluster_id := <<_:128>>,
    %% 0: the directory becomes a cluster of its own.
    member_id := non_neg_integer(),
    role := voter | observer,
    %% Where the cluster was when it was written.
    contacts := [binary()],
    %% Whose directory it was then.
    replaces => none | {<<_:128>>, non_neg_integer()}
}.
-type birth() :: {found, <<_:128>>} | {join, <<_:128>>, pos_integer()}.
%% How a directory is to be opened.
-type start() ::
    %% A member's; `Joining' if it is on the way to being another one, or to being one at all.
    {member, none | joining()}
    %% Of a joining member, or of a cluster of one, that has no identity yet, or another one's.
    | {becoming, joining()}
    | empty
    | {error, binary()}.

-define(JOINING_FILE, "JOINING").
-define(IDENTITY_FILE, "IDENTITY").
-define(MAGIC, "PANDOJNG").
-define(VERSION, 1).
-define(IDENTITY_MAGIC, "PANDOIDN").
-define(IDENTITY_VERSION, 1).
%% No term that is read from it may take more memory than this.
-define(SIZE_BYTES_MAX, 1048576).

%% Where it is.
-spec path(binary()) -> binary().
path(Directory) ->
    <<Directory/binary, "/", ?JOINING_FILE>>.

-spec join(<<_:128>>, pos_integer(), voter | observer, [node()]) -> joining().
join(ClusterId, MemberId, Role, Contacts) ->
    #{
        phase => becoming,
        cluster_id => ClusterId,
        member_id => MemberId,
        role => Role,
        contacts => [atom_to_binary(Contact) || Contact <- Contacts]
    }.

%% The way back: an empty cluster of one.
-spec found(<<_:128>>) -> joining().
found(ClusterId) ->
    #{phase => becoming, cluster_id => ClusterId, member_id => 0, role => voter, contacts => []}.

-spec with_phase(leaving | becoming, joining()) -> joining().
with_phase(Phase, Joining) ->
    Joining#{phase := Phase}.

-spec read(binary()) -> none | {ok, joining()} | {error, binary()}.
read(Directory) ->
    Path = path(Directory),
    case read_file(Path) of
        {ok, Bytes} ->
            case decode(Bytes) of
                {ok, Joining} -> {ok, Joining};
                {error, Text} -> {error, <<Path/binary, ": ", Text/binary>>}
            end;
        {error, Missing} when Missing =:= enoent; Missing =:= enotdir ->
            none;
        {error, Cause} ->
            {error, <<Path/binary, ": ", (text(file:format_error(Cause)))/binary>>}
    end.

%% Before memory is taken for it, its size is looked at.
read_file(Path) ->
    case file:open(Path, [read, raw, binary]) of
        {ok, File} ->
            try file:read(File, ?SIZE_BYTES_MAX + 1) of
                eof -> {ok, <<>>};
                Read -> Read
            after
                _ = file:close(File)
            end;
        {error, _} = Error ->
            Error
    end.

decode(<<?MAGIC, Version:32/little, _/binary>>) when Version > ?VERSION ->
    {error, text(io_lib:format("of version ~b, this release reads ~b", [Version, ?VERSION]))};
decode(<<Head:16/binary, Length:32/little, Body:Length/binary, Crc:32/little>>) ->
    case {Head, erlang:crc32([Head, <<Length:32/little>>, Body])} of
        {<<?MAGIC, ?VERSION:32/little, 0:32>>, Crc} -> decode_term(Body);
        _ -> {error, <<"damaged">>}
    end;
decode(_) ->
    {error, <<"damaged">>}.

decode_term(Body) ->
    try
        #{phase := Phase, cluster_id := Id, member_id := Member, role := Role, contacts := Contacts, replaces := Replaces} =
            Joining = binary_to_term(Body, [safe]),
        true = lists:member(Phase, [leaving, becoming]) andalso lists:member(Role, [voter, observer]),
        true = is_binary(Id) andalso byte_size(Id) =:= 16,
        true = is_integer(Member) andalso Member >= 0,
        true = lists:all(fun is_binary/1, Contacts),
        true = is_identity(Replaces),
        {ok, Joining}
    catch
        error:_ -> {error, <<"damaged">>}
    end.

is_identity(none) -> true;
is_identity({<<_:16/binary>>, MemberId}) -> is_integer(MemberId) andalso MemberId >= 0;
is_identity(_) -> false.

encode(Joining) ->
    Body = term_to_binary(Joining, [{minor_version, 2}]),
    Covered = <<?MAGIC, ?VERSION:32/little, 0:32, (byte_size(Body)):32/little, Body/binary>>,
    <<Covered/binary, (erlang:crc32(Covered)):32/little>>.

%% Durable when it returns.
-spec write(binary(), joining()) -> ok | {error, file:posix() | badarg | terminated | system_limit}.
write(Directory, Joining) ->
    Replaces =
        case identity(Directory) of
            {ok, ClusterId, MemberId} -> {ClusterId, MemberId};
            _ -> none
        end,
    write_whole(Directory, Joining#{replaces => Replaces}).

write_whole(Directory, Joining) ->
    Path = path(Directory),
    New = <<Path/binary, ".tmp">>,
    in_order([
        fun() -> filelib:ensure_dir(Path) end,
        fun() -> write_synced(New, encode(Joining)) end,
        fun() -> file:rename(New, Path) end,
        fun() -> pando_directory:sync(Directory) end,
        fun() -> pando_directory:sync(filename:dirname(Directory)) end
    ]).

in_order([]) ->
    ok;
in_order([Step | Steps]) ->
    case Step() of
        ok -> in_order(Steps);
        {error, _} = Error -> Error
    end.

write_synced(Path, Bytes) ->
    case file:open(Path, [write, raw, binary]) of
        {ok, File} ->
            Written = in_order([fun() -> file:write(File, Bytes) end, fun() -> file:sync(File) end]),
            Closed = file:close(File),
            in_order([fun() -> Written end, fun() -> Closed end]);
        {error, _} = Error ->
            Error
    end.

-spec remove(binary()) -> ok | {error, file:posix() | badarg | terminated | system_limit}.
remove(Directory) ->
    case file:delete(path(Directory), [raw]) of
        ok -> pando_directory:sync(Directory);
        {error, enoent} -> ok;
        {error, _} = Error -> Error
    end.

%% Whose directory it is. `unreadable': opening the store will say why. The member id is 0 in a store that is being founded.
-spec identity(binary()) -> none | {ok, <<_:128>>, non_neg_integer()} | unreadable.
identity(Directory) ->
    case read_file(filename:join(Directory, ?IDENTITY_FILE)) of
        {ok, <<Covered:40/binary, Crc:32/little>>} ->
            case {Covered, erlang:crc32(Covered)} of
                {<<?IDENTITY_MAGIC, ?IDENTITY_VERSION:32/little, 0:32, ClusterId:16/binary, MemberId:64/little>>, Crc} ->
                    {ok, ClusterId, MemberId};
                _ ->
                    unreadable
            end;
        {ok, _} ->
            unreadable;
        {error, enoent} ->
            none;
        {error, _} ->
            unreadable
    end.

%% What a directory is, for who starts its store.
-spec start_with(binary()) -> start().
start_with(Directory) ->
    case {read(Directory), identity(Directory)} of
        {{error, _} = Error, _} ->
            Error;
        {none, none} ->
            case holds_data(Directory) of
                %% Opening it says that its IDENTITY is missing.
                true -> {member, none};
                false -> empty
            end;
        {none, _} ->
            {member, none};
        {{ok, #{phase := leaving}}, none} ->
            {error, <<(path(Directory))/binary, ": the directory of the member that leaves is empty">>};
        {{ok, #{phase := leaving} = Joining}, _} ->
            {member, Joining};
        {{ok, Joining}, Identity} ->
            case {is_of(Identity, Joining), may_clear(Identity, Joining, Directory)} of
                {true, _} -> {member, Joining};
                {false, true} -> {becoming, Joining};
                %% The opening says what is wrong with IDENTITY.
                {false, false} when Identity =:= unreadable -> {member, none};
                {false, false} -> {error, <<(path(Directory))/binary, (mixed())/binary>>}
            end
    end.

mixed() ->
    <<": it is about another member than IDENTITY names, so nothing was removed: files of two directories were mixed">>.

%% Without an identity there is nothing left of the one that is replaced. `{ClusterId, 0}': nothing of the new one yet.
may_clear(none, _Joining, Directory) ->
    not holds_data(Directory);
may_clear({ok, ClusterId, 0}, #{cluster_id := ClusterId}, _Directory) ->
    true;
may_clear({ok, ClusterId, MemberId}, #{replaces := Replaces}, _Directory) ->
    Replaces =:= {ClusterId, MemberId};
may_clear(unreadable, _Joining, _Directory) ->
    false.

is_of({ok, ClusterId, _}, #{member_id := 0, cluster_id := ClusterId}) -> true;
is_of({ok, ClusterId, MemberId}, #{member_id := MemberId, cluster_id := ClusterId}) -> true;
is_of(_, _) -> false.

holds_data(Directory) ->
    lists:any(fun(Name) -> file_names(filename:join(Directory, Name)) =/= [] end, ["log", "snapshot"]).

file_names(Directory) ->
    case file:list_dir(Directory) of
        {ok, Names} -> Names;
        {error, _} -> []
    end.

%% Removes what is replaced, of a store that is closed. JOINING must be there, in phase `becoming': an interrupted clearing then
%% goes on before anything is opened. IDENTITY goes last: data without one are refused as damaged.
-spec clear(binary()) -> ok | {error, file:posix() | badarg | terminated | system_limit}.
clear(Directory) ->
    case start_with(Directory) of
        {member, #{phase := becoming}} ->
            ok;
        {becoming, _} ->
            Data = [filename:join(Directory, Name) || Name <- ["RESET", "log", "snapshot"]],
            in_order(
                [fun() -> delete(Path) end || Path <- Data] ++
                    [
                        fun() -> pando_directory:sync(Directory) end,
                        fun() -> delete(filename:join(Directory, ?IDENTITY_FILE)) end,
                        fun() -> pando_directory:sync(Directory) end
                    ]
            );
        _ ->
            {error, badarg}
    end.

delete(Path) ->
    case file:del_dir_r(Path) of
        ok -> ok;
        {error, enoent} -> ok;
        {error, _} = Error -> Error
    end.

text(Chars) ->
    unicode:characters_to_binary(Chars).
