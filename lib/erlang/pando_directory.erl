%% @private Where the files of a store are, and what it means when they cannot be opened.
-module(pando_directory).

-export([of_store/2, open_error/2]).

%% The directory of one store inside of a data directory: its name, with what a file name cannot hold percent-encoded.
%% Absolute, so that it does not follow the VM's working directory.
-spec of_store(file:filename_all(), atom()) -> binary().
of_store(DataDir, StoreId) ->
    Name = uri_string:quote(atom_to_binary(StoreId)),
    to_binary(filename:absname(filename:join(DataDir, file_name(Name)))).

<<<<<<< HEAD
%% `.', `..' and the empty name are legal names of stores, and no names of files.
not_hidden(<<>>) -> <<"%">>;
not_hidden(<<".", Rest/binary>>) -> <<"%2E", Rest/binary>>;
not_hidden(Name) -> Name.
=======
%% `.', `..' and the empty atom are legal store names, and no file names. A `%' alone is no other name's encoding.
file_name(<<>>) -> <<"%">>;
file_name(<<".", Rest/binary>>) -> <<"%2E", Rest/binary>>;
file_name(Name) -> Name.
>>>>>>> api

to_binary(Name) when is_binary(Name) -> Name;
to_binary(Name) -> unicode:characters_to_binary(Name, unicode, file:native_name_encoding()).

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

kind(<<"locked">>) -> locked;
kind(<<"not_a_directory">>) -> not_a_directory;
kind(<<"unreadable">>) -> unreadable;
kind(<<"newer_format">>) -> newer_format;
kind(<<"damaged">>) -> damaged;
kind(<<"other_store">>) -> other_store;
kind(<<"disk_full">>) -> disk_full;
kind(<<"panic">>) -> panic;
kind(_) -> other.
