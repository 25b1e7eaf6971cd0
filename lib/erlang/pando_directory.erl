%% @private Where the files of a store are, and what it means when they cannot be opened.
-module(pando_directory).

-export([of_store/2, absolute/1, is_missing/1, missing/0, remove/1, sync/1, reset_error/2, open_error/2, library_error/1]).

-include_lib("kernel/include/logger.hrl").

%% File systems take 255 bytes: of a longer name the first 200 are kept, and a digest of the whole.
-define(LONG_NAME_START, 200).
-define(LONG_NAME_REST, 55).
%% docs/formats.md. A directory without this file is no store.
-define(IDENTITY_FILE, "IDENTITY").

%% The directory of one store inside of a data directory: its name, with what a file name cannot hold percent-encoded.
%% Absolute, so that it does not follow the VM's working directory. UTF-8, because messages show it. Raises
%% `invalid_data_dir' for what is no text.
-spec of_store(file:filename_all(), atom()) -> binary().
of_store(DataDir, StoreId) ->
    Name = uri_string:quote(atom_to_binary(StoreId)),
    absolute(DataDir, fun() -> filename:join(DataDir, file_name(Name)) end).

%% A directory as `of_store/2' answers it.
-spec absolute(file:filename_all()) -> binary().
absolute(Directory) ->
    absolute(Directory, fun() -> Directory end).

absolute(Given, Path) ->
    try unicode:characters_to_binary(filename:absname(Path())) of
        Directory when is_binary(Directory) -> Directory;
        _NoText -> raise_invalid(Given)
    catch
        error:_ -> raise_invalid(Given)
    end.

-spec raise_invalid(term()) -> no_return().
raise_invalid(DataDir) ->
    pando_errors:raise_misuse(invalid_data_dir, #{data_dir => DataDir}).

%% `.', `..' and the empty atom are legal store names, and no file names; a name may be longer than a file's. A `%' that
%% no two digits follow is no other name's encoding.
file_name(<<>>) -> <<"%">>;
file_name(<<".", Rest/binary>>) -> shortened(<<"%2E", Rest/binary>>);
file_name(Name) -> shortened(Name).

shortened(<<Start:?LONG_NAME_START/binary, Rest/binary>> = Name) when byte_size(Rest) > ?LONG_NAME_REST ->
    <<Start/binary, "%-", (binary:encode_hex(erlang:md5(Name)))/binary>>;
shortened(Name) ->
    Name.

%% Whether there is certainly no store in a directory. What stands there and cannot be read is for the opening to tell.
-spec is_missing(binary()) -> boolean().
is_missing(Directory) ->
    file:read_file_info(filename:join(Directory, ?IDENTITY_FILE), [raw]) =:= {error, enoent}.

%% As the native side says why an opening has failed.
-spec missing() -> {open_failed, binary(), binary()}.
missing() ->
    {open_failed, <<"missing">>,
        <<"the store that was open here is gone: its disk is not mounted, or its directory was moved or removed">>}.

%% Removes the directory of a store that is closed. It is renamed first, so that a store is there whole or not at all,
%% whatever happens in between; what is left of it then is never taken for a store, and only costs space.
-spec remove(binary()) -> ok | {error, {pando, reset_failed, map()}}.
remove(Directory) ->
    Parent = filename:dirname(Directory),
    %% No name of a store is encoded like this: after a `%' of theirs come two digits, or `-'.
    Unique = integer_to_binary(erlang:unique_integer([positive])),
    Stamp = integer_to_binary(erlang:system_time()),
    Removed = filename:join(Parent, <<"%removed-", Stamp/binary, "-", Unique/binary>>),
    case file:rename(Directory, Removed) of
        ok ->
            ok = sync(Parent),
            delete(Removed);
        {error, enoent} ->
            ok;
        {error, Cause} ->
            {error, reset_error(unicode:characters_to_binary(file:format_error(Cause)), Directory)}
    end.

-spec reset_error(binary(), binary()) -> {pando, reset_failed, map()}.
reset_error(Reason, Directory) ->
    {pando, reset_failed, #{reason => Reason, directory => Directory}}.

%% A power cut must not bring back what was removed. File systems that cannot sync a directory need not.
-spec sync(binary()) -> ok.
sync(Directory) ->
    case file:open(Directory, [read, raw, directory]) of
        {ok, File} ->
            _ = file:sync(File),
            _ = file:close(File),
            ok;
        {error, _} ->
            ok
    end.

delete(Removed) ->
    case file:del_dir_r(Removed) of
        ok -> ok;
        {error, Cause} -> ?LOG_WARNING("~ts could not be removed: ~ts", [Removed, file:format_error(Cause)])
    end.

%% `{pando, open_failed, #{kind, reason, data_dir}}': `kind' for programs, `reason' for people.
-spec open_error(busy | {open_failed, binary(), binary()}, binary()) -> pando_errors:reason() | {pando, atom(), map()}.
open_error(busy, Directory) ->
    {pando, open_failed, #{
        kind => busy,
        reason => <<"a store of this name is open or opening">>,
        directory => Directory
    }};
open_error({open_failed, Kind, Text}, Directory) ->
    {pando, open_failed, #{kind => kind(Kind), reason => Text, directory => Directory}}.

%% The native library is not there, or not the one of this release.
-spec library_error(term()) -> {pando, open_failed, map()}.
library_error(Cause) ->
    Directory =
        case code:priv_dir(pando) of
            {error, bad_name} -> <<"priv">>;
            Found -> unicode:characters_to_binary(Found)
        end,
    Reason = io_lib:format(
        "the native library pando_nif is not in ~ts, or of another release (~0tp): build Pando again, then restart",
        [Directory, Cause]
    ),
    {pando, open_failed, #{
        kind => native_library,
        reason => unicode:characters_to_binary(Reason),
        directory => Directory
    }}.

kind(<<"locked">>) -> locked;
kind(<<"not_a_directory">>) -> not_a_directory;
kind(<<"unreadable">>) -> unreadable;
kind(<<"newer_format">>) -> newer_format;
kind(<<"damaged">>) -> damaged;
kind(<<"other_store">>) -> other_store;
kind(<<"disk_full">>) -> disk_full;
kind(<<"recovery_interrupted">>) -> recovery_interrupted;
kind(<<"missing">>) -> missing;
kind(<<"panic">>) -> panic;
kind(<<"removed_member">>) -> removed_member;
kind(_) -> other.
