%% @private Where the files of a store are, and what it means when they cannot be opened.
-module(pando_directory).

-export([of_store/2, open_error/2, library_error/1]).

%% File systems take 255 bytes: of a longer name the first 200 are kept, and a digest of the whole.
-define(LONG_NAME_START, 200).
-define(LONG_NAME_REST, 55).

%% The directory of one store inside of a data directory: its name, with what a file name cannot hold percent-encoded.
%% Absolute, so that it does not follow the VM's working directory. UTF-8, because messages show it. Raises
%% `invalid_data_dir' for what is no text.
-spec of_store(file:filename_all(), atom()) -> binary().
of_store(DataDir, StoreId) ->
    Name = uri_string:quote(atom_to_binary(StoreId)),
    try unicode:characters_to_binary(filename:absname(filename:join(DataDir, file_name(Name)))) of
        Directory when is_binary(Directory) -> Directory;
        _NoText -> raise_invalid(DataDir)
    catch
        error:_ -> raise_invalid(DataDir)
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
kind(<<"panic">>) -> panic;
kind(_) -> other.
