%% @private Behind {@link pando_path}: parsing the text of a path or pattern to its native form, and printing.
%%
%% `pando_path' tells text from native paths, and documents the grammar; here comes text to parse, or a native
%% path to print. Where the answers are otherwise than Khepri's is listed there, too.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>An atom is made only of a segment that begins with a `:', and not with one in a value.</li>
%% <li>A value of {@link from_parts/1} is part of one component as it is: nothing in it is syntax.</li>
%% <li>Time is linear in the length of what is parsed or printed.</li>
%% <li>A name does not keep the string alive that it was cut from.</li>
%% <li>A path of atoms and binaries is printed so that parsing the result gives the same path, except for
%%     binaries which contain `*'.</li>
%% </ol>
-module(pando_path_text).

-include("pando.hrl").

-export([from_bytes/1, from_chars/1, from_parts/1, to_binary/1]).

%% The virtual machine has no atoms longer than this, in characters.
-define(ATOM_LENGTH_MAX, 255).

-define(IS_BYTE_CHAR(C), (is_integer(C) andalso C >= 0 andalso C =< 255)).
-define(IS_UNICODE_CHAR(C),
    (is_integer(C) andalso
        ((C >= 0 andalso C =< 16#D7FF) orelse (C >= 16#E000 andalso C =< 16#10FFFF)))
).
-define(IS_HEX_DIGIT(C),
    ((C >= $0 andalso C =< $9) orelse (C >= $A andalso C =< $F) orelse (C >= $a andalso C =< $f))
).

%% -------------------------------------------------------------------
%% From text.
%% -------------------------------------------------------------------

%% @doc The path that a string given as a binary stands for, read byte by byte.
-spec from_bytes(binary()) -> pando_path:pattern().
from_bytes(Bytes) ->
    from_bytes(Bytes, Bytes).

%% @doc The path that a string given as a list stands for. Raises `{pando_ex, invalid_path, _}' for a list
%% which does not begin with a character, and `function_clause' for one which goes on as something else.
-spec from_chars(maybe_improper_list()) -> pando_path:pattern().
from_chars([Head | _] = Chars) when ?IS_UNICODE_CHAR(Head) ->
    case char_width(Chars, byte) of
        byte ->
            from_bytes(list_to_binary(Chars), Chars);
        wide ->
            parse(literal_segments(split_chars(Chars, [], [])), Chars)
    end;
from_chars(Path) ->
    pando_errors:raise_misuse(invalid_path, #{path => Path}).

%% @doc The path that literals and values stand for together.
-spec from_parts([pando_path:part()]) -> pando_path:pattern().
from_parts(Parts) ->
    parse(segments_of_parts(Parts, [], []), Parts).

%% `Input' is what the caller gave, for errors.
from_bytes(Bytes, Input) ->
    parse(literal_segments(split_bytes(Bytes, Bytes, 0, 0)), Input).

%% The scan by hand takes a third of the time of `binary:split/3', which prepares a search each time.
split_bytes(<<$/, Rest/binary>>, Bytes, Start, Length) ->
    [binary_part(Bytes, Start, Length) | split_bytes(Rest, Bytes, Start + Length + 1, 0)];
split_bytes(<<_, Rest/binary>>, Bytes, Start, Length) ->
    split_bytes(Rest, Bytes, Start, Length + 1);
split_bytes(<<>>, Bytes, Start, Length) ->
    [binary_part(Bytes, Start, Length)].

%% Fails with `function_clause' for a list which is not made of characters.
char_width([Char | Chars], Width) when ?IS_BYTE_CHAR(Char) -> char_width(Chars, Width);
char_width([Char | Chars], _Width) when ?IS_UNICODE_CHAR(Char) -> char_width(Chars, wide);
char_width([], Width) -> Width.

split_chars([$/ | Chars], Segment, Segments) ->
    split_chars(Chars, [], [narrowed(Segment) | Segments]);
split_chars([Char | Chars], Segment, Segments) ->
    split_chars(Chars, [Char | Segment], Segments);
split_chars([], Segment, Segments) ->
    lists:reverse(Segments, [narrowed(Segment)]).

%% A segment of bytes is a binary like any other, so that a wide character changes its own segment only. A
%% wide segment is text, hence UTF-8; wide atoms stay lists of characters.
narrowed(Reversed) ->
    Chars = lists:reverse(Reversed),
    case {char_width(Chars, byte), Chars} of
        {byte, _} -> list_to_binary(Chars);
        {wide, [$: | _]} -> Chars;
        {wide, _} -> unicode:characters_to_binary(Chars)
    end.

%% A segment is a list of parts; the empty segment is the empty list.
literal_segments(Texts) ->
    [literal_segment(Text) || Text <- Texts].

literal_segment(<<>>) -> [];
literal_segment(Text) -> [{literal, Text}].

segments_of_parts([{literal, Text} | Parts], Segment, Segments) when is_binary(Text) ->
    [First | Others] = split_bytes(Text, Text, 0, 0),
    segments_of_literals(Others, add_literal(First, Segment), Segments, Parts);
segments_of_parts([{value, Value} | Parts], Segment, Segments) when is_binary(Value) ->
    segments_of_parts(Parts, [{value, Value} | Segment], Segments);
segments_of_parts([], Segment, Segments) ->
    lists:reverse(Segments, [lists:reverse(Segment)]).

segments_of_literals([Text | Texts], Segment, Segments, Parts) ->
    segments_of_literals(Texts, add_literal(Text, []), [lists:reverse(Segment) | Segments], Parts);
segments_of_literals([], Segment, Segments, Parts) ->
    segments_of_parts(Parts, Segment, Segments).

%% Neighbouring literals are one literal: the programmer wrote one text.
add_literal(<<>>, Segment) -> Segment;
add_literal(Text, [{literal, Before} | Segment]) -> [{literal, <<Before/binary, Text/binary>>} | Segment];
add_literal(Text, Segment) -> [{literal, Text} | Segment].

%% What is before the first `/' is empty if the path is absolute, or empty itself.
parse([[] | Segments], Input) -> components(Segments, Input);
parse([First | Segments], Input) -> from_here(first_component(First, Input), components(Segments, Input)).

components([], _Input) -> [];
components([[]], _Input) -> [];
components([Segment | Segments], Input) -> [component(Segment, Input) | components(Segments, Input)].

from_here(First, Rest) when ?IS_PANDO_NODE_ID(First) -> [?THIS_PANDO_NODE, First | Rest];
from_here(First, Rest) -> [First | Rest].

first_component([{literal, <<"^">>}], _Input) -> ?PARENT_PANDO_NODE;
first_component(Segment, Input) -> component(Segment, Input).

component([], _Input) -> <<>>;
component([{literal, <<".">>}], _Input) -> ?THIS_PANDO_NODE;
component([{literal, <<"..">>}], _Input) -> ?PARENT_PANDO_NODE;
component([{literal, <<"*">>}], _Input) -> ?PANDO_WILDCARD_STAR;
component([{literal, <<"**">>}], _Input) -> ?PANDO_WILDCARD_STAR_STAR;
component([{literal, <<$:, Text/binary>>} | Parts] = Segment, Input) ->
    case Parts =:= [] andalso byte_size(Text) =< ?ATOM_LENGTH_MAX andalso is_plain(Text) of
        true -> binary_to_atom(Text, latin1);
        false -> atom_of_chars(lists:flatmap(fun atom_chars/1, [{literal, Text} | Parts]), Segment, Input)
    end;
component([{literal, [$: | Chars]}] = Segment, Input) ->
    atom_of_chars(percent_decode_chars(Chars), Segment, Input);
component([{literal, Text}] = Segment, _Input) ->
    case is_plain(Text) of
        true -> binary:copy(Text);
        false -> name_or_glob(Segment)
    end;
component(Segment, _Input) ->
    name_or_glob(Segment).

%% The usual text: it says what it means. A copy is made of it because a name outlives the string it was cut
%% from.
is_plain(<<Byte, Text/binary>>) when Byte =/= $%, Byte =/= $* -> is_plain(Text);
is_plain(Text) -> Text =:= <<>>.

name_or_glob(Segment) ->
    Decoded = [decode_part(Part) || Part <- Segment],
    case lists:any(fun has_star/1, Decoded) of
        false -> iolist_to_binary([Text || {_, Text} <- Decoded]);
        true -> #if_name_matches{regex = lists:append(["^", lists:flatmap(fun glob_regex/1, Decoded), "$"])}
    end.

decode_part({literal, Text}) -> {literal, percent_decode(Text)};
decode_part({value, _} = Value) -> Value.

has_star({literal, Text}) -> binary:match(Text, <<"*">>) =/= nomatch;
has_star({value, _}) -> false.

glob_regex({literal, Text}) -> lists:flatmap(fun glob_char/1, binary_to_list(Text));
glob_regex({value, Value}) -> lists:flatmap(fun regex_literal/1, binary_to_list(Value)).

glob_char($*) -> ".*";
glob_char(Char) -> [Char].

%% `-', `&', `~' and `#' mean something between brackets, which a literal may have opened. A zero byte ends a
%% regular expression for some engines.
regex_literal(0) ->
    "\\x00";
regex_literal(Char) ->
    case lists:member(Char, "\\^$.|?*+()[]{}-&~#") of
        true -> [$\\, Char];
        false -> [Char]
    end.

atom_chars({literal, Text}) ->
    Decoded = percent_decode(Text),
    case Decoded =/= Text andalso is_ascii(Text) andalso wide_text(Decoded) of
        {true, Chars} -> Chars;
        false -> binary_to_list(Decoded)
    end;
atom_chars({value, Value}) ->
    case unicode:characters_to_list(Value) of
        Chars when is_list(Chars) -> Chars;
        _ -> binary_to_list(Value)
    end.

atom_of_chars(Chars, Segment, Input) ->
    case length(Chars) =< ?ATOM_LENGTH_MAX of
        true -> list_to_atom(Chars);
        false -> pando_errors:raise_misuse(invalid_path, #{path => text(Input), component => text(Segment)})
    end.

%% What the caller wrote, for an error: a list of parts as one text.
text([{Kind, _} | _] = Parts) when Kind =:= literal; Kind =:= value ->
    case [Text || {_, Text} <- Parts] of
        [Text] -> Text;
        Texts -> iolist_to_binary(Texts)
    end;
text(Path) ->
    Path.

is_ascii(Bytes) ->
    << <<B>> || <<B>> <= Bytes, B > 127 >> =:= <<>>.

%% `{true, Chars}' if the bytes are UTF-8 with a character in it that is no byte.
wide_text(Bytes) ->
    case unicode:characters_to_list(Bytes) of
        Chars when is_list(Chars) ->
            case lists:any(fun(Char) -> Char > 255 end, Chars) of
                true -> {true, Chars};
                false -> false
            end;
        _ ->
            false
    end.

percent_decode(Text) ->
    percent_decode(Text, <<>>).

percent_decode(<<$%, High, Low, Rest/binary>>, Decoded) when ?IS_HEX_DIGIT(High), ?IS_HEX_DIGIT(Low) ->
    percent_decode(Rest, <<Decoded/binary, (hex_byte(High, Low))>>);
percent_decode(<<Byte, Rest/binary>>, Decoded) ->
    percent_decode(Rest, <<Decoded/binary, Byte>>);
percent_decode(<<>>, Decoded) ->
    Decoded.

percent_decode_chars([$%, High, Low | Chars]) when ?IS_HEX_DIGIT(High), ?IS_HEX_DIGIT(Low) ->
    [hex_byte(High, Low) | percent_decode_chars(Chars)];
percent_decode_chars([Char | Chars]) ->
    [Char | percent_decode_chars(Chars)];
percent_decode_chars([]) ->
    [].

hex_byte(High, Low) ->
    hex_value(High) * 16 + hex_value(Low).

hex_value(Digit) when Digit =< $9 -> Digit - $0;
hex_value(Digit) when Digit =< $F -> Digit - $A + 10;
hex_value(Digit) -> Digit - $a + 10.

%% -------------------------------------------------------------------
%% To text.
%% -------------------------------------------------------------------

%% @doc The string of a native path. Raises `function_clause' for what cannot be printed.
-spec to_binary(pando_path:native_path()) -> binary().
to_binary(Path) ->
    iolist_to_binary(print(Path)).

print([]) -> "/";
print([?PANDO_ROOT_NODE | Path]) -> print_absolute(Path);
print([?THIS_PANDO_NODE]) -> ".";
print([?THIS_PANDO_NODE, <<>> | _] = Path) -> print_relative(Path);
print([?THIS_PANDO_NODE | Path]) -> print_relative(Path);
print([?PARENT_PANDO_NODE | _] = Path) -> print_relative(Path);
print(Path) -> print_absolute(Path).

print_absolute([]) -> "/";
print_absolute(Path) -> ["/", print_relative(Path)].

%% One `/' at the end is ignored in parsing: an empty name there needs a second one.
print_relative([<<>>]) -> "/";
print_relative([Component]) -> print_component(Component);
print_relative([Component | Path]) -> [print_component(Component), "/", print_relative(Path)].

print_component(?THIS_PANDO_NODE) -> ".";
print_component(?PARENT_PANDO_NODE) -> "..";
print_component(Name) when is_binary(Name) -> percent_encode(Name);
print_component(Name) when is_atom(Name) -> [":", print_atom(Name)].

print_atom(Name) ->
    Utf8 = atom_to_binary(Name, utf8),
    case unicode:characters_to_binary(Utf8, utf8, latin1) of
        Latin1 when is_binary(Latin1) ->
            case wide_text(Latin1) of
                false -> percent_encode(Latin1);
                {true, _} -> percent_encode_ascii(Latin1)
            end;
        _ ->
            percent_encode(Utf8)
    end.

%% A `.' is only escaped where it could be, or begin, a special component.
percent_encode(<<$., Name/binary>>) -> ["%2E", encode_bytes(Name)];
percent_encode(Name) -> encode_bytes(Name).

percent_encode_ascii(<<$., Name/binary>>) -> ["%2E", encode_ascii_bytes(Name)];
percent_encode_ascii(Name) -> encode_ascii_bytes(Name).

encode_bytes(Name) ->
    [encode_byte(Byte) || <<Byte>> <= Name].

encode_ascii_bytes(Name) ->
    [encode_ascii_byte(Byte) || <<Byte>> <= Name].

encode_ascii_byte(Byte) when Byte > 127 -> Byte;
encode_ascii_byte(Byte) -> encode_byte(Byte).

encode_byte(Byte) when
    (Byte >= $a andalso Byte =< $z) orelse
        (Byte >= $A andalso Byte =< $Z) orelse
        (Byte >= $0 andalso Byte =< $9) orelse
        Byte =:= $- orelse
        Byte =:= $_ orelse
        Byte =:= $. orelse
        Byte =:= $~
->
    Byte;
encode_byte(Byte) ->
    [$%, hex_digit(Byte div 16), hex_digit(Byte rem 16)].

hex_digit(Value) when Value < 10 -> $0 + Value;
hex_digit(Value) -> $A + Value - 10.
