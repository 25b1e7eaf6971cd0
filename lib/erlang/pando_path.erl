%% @doc Paths and path patterns: from and to strings, checks, and resolution of relative paths.
%%
%% A path in native form is a list of components from the root, which is `[]':
%%
%% <ul>
%% <li>an atom or a binary is the child with that name; `a' and `<<"a">>' are two names;</li>
%% <li>`$.' is this node, `$^' its parent, `$/' the root;</li>
%% <li>in a pattern, a condition (a record of `include/pando.hrl') stands for the nodes which meet it.</li>
%% </ul>
%%
%% The same path as a string has its components separated by `/', and every function of Pando which takes a
%% path takes that form too: `"/:stock/wood"' is `[stock, <<"wood">>]'. For the grammar see
%% {@link from_string/1}.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>No part of a string becomes an atom unless its segment begins with `:'. Atoms are never freed: a
%%     program which parses strings of strangers keeps `:' out of them, or builds native paths of
%%     binaries.</li>
%% <li>Parsing and printing take time linear in the length of what they are given.</li>
%% <li>A path of atoms and binaries is printed so that parsing the result gives the same path, except for
%%     binaries which contain `*', because the grammar has no way to write them.</li>
%% <li>A term which is no path is answered with an error of class `error': `{pando_ex, invalid_path, Props}',
%%     or `function_clause' for a list which begins as a string and goes on as something else.</li>
%% </ol>
-module(pando_path).

-include("pando.hrl").

-export([
    from_string/1,
    from_binary/1,
    from_parts/1,
    to_string/1,
    to_binary/1,
    sigil_p/2,
    sigil_P/2
]).
-export([
    is_valid/1,
    ensure_is_valid/1,
    compile/1,
    combine_with_conditions/2,
    targets_specific_node/1,
    component_targets_specific_node/1,
    component_targets_specific_siblings/1,
    abspath/2,
    realpath/1,
    pattern_includes_root_node/1
]).

-export_type([
    node_name/0,
    component/0,
    pattern_component/0,
    condition/0,
    number_comparison/0,
    native_path/0,
    pattern/0,
    unix_path/0,
    path/0,
    part/0
]).

-type node_name() :: atom() | binary().
%% The name of a node among its siblings.

-type component() :: node_name() | ?PANDO_ROOT_NODE | ?THIS_PANDO_NODE | ?PARENT_PANDO_NODE.
%% One step of a path.

-type condition() ::
    #if_node_exists{}
    | #if_name_matches{}
    | #if_path_matches{}
    | #if_has_payload{}
    | #if_has_data{}
    | #if_has_sproc{}
    | #if_data_matches{}
    | #if_payload_version{}
    | #if_child_list_version{}
    | #if_child_list_length{}
    | #if_not{}
    | #if_all{}
    | #if_any{}.
%% What a node must meet.

-type pattern_component() :: component() | condition().
%% One step of a pattern.

-type number_comparison() :: term().
%% `N', or `{Operator, N}' with one of the operators `eq', `ne', `lt', `le', `gt', `ge'. Another term is no
%% error: it is met by no node.

-type native_path() :: [component()].
%% A path which names one node.

-type pattern() :: [pattern_component()].
%% A path with conditions in it.

-type unix_path() :: string() | binary().
%% A path or pattern as text.

-type path() :: native_path() | pattern() | unix_path().
%% All that a function of Pando takes as a path.

-type part() :: {literal, binary()} | {value, binary()}.
%% A piece of the text of a path: written by the programmer, or coming from data.

%% Where paths are otherwise than Khepri's, on purpose, here or in pando_path_text, and the tests in
%% pando_path_tests that say so:
%%
%% - `[$^, $^, a]', `[$^, $^]' are native paths: native_paths_may_start_with_several_special_components_test_
%% - `[$/, $^, a]' keeps its `$/': a_root_marker_before_a_special_component_is_kept_test_
%% - `"^/:foo"', `"/a/^/b"' are paths: a_caret_is_the_parent_only_at_the_start_of_a_relative_string_test_
%% - `[$/, 8364]' is a name: wide_characters_in_a_string_are_utf8_test_
%% - `"/:%E2%82%AC"' is one character:
%%   percent_encoded_atoms_are_wide_text_if_they_have_a_wide_character_test_
%% - the atom of that character is printed so: wide_atoms_are_printed_as_utf8_test
%% - the atom of the characters 226, 130, 172 is printed as they are:
%%   atoms_that_look_like_the_utf8_of_wide_ones_are_told_apart_test
%% - an atom that cannot exist is an invalid path: atoms_have_at_most_255_characters_test_

%% -------------------------------------------------------------------
%% From text.
%% -------------------------------------------------------------------

%% Native paths, which most calls have, are told from text here, without a call of another module.

%% @doc Returns the native form of a path or pattern given in any form.
%%
%% A native path is returned as it is; only a leading `$/' is dropped, unless a special component follows it.
%% Its later components are not looked at: that is the task of {@link ensure_is_valid/1}.
%%
%% A string is cut at each `/'. A leading `/' makes it absolute, one trailing `/' is ignored, and any other
%% empty segment is the name `<<>>'. A segment is
%%
%% <ul>
%% <li>`:text': the atom `text';</li>
%% <li>`.' and `..': `$.' and `$^'; so is `^' if it begins a relative string;</li>
%% <li>`*' and `**': any child, any descendant;</li>
%% <li>text with a `*' in it: `#if_name_matches{regex = "^text$"}', where each `*' became `.*' and nothing
%%     else is escaped;</li>
%% <li>any other text: a binary.</li>
%% </ul>
%%
%% Then `%XX' stands for the byte of that value; it is decoded after `.', `..' and `:' are looked for, and
%% before `*' is. A `%' without two hexadecimal digits stands for itself. A relative string whose first
%% segment is a name begins with `$.'.
%%
%% Each character up to 255 is one byte of the name, or one character of the atom; a binary is read byte by
%% byte. A segment with a character above 255 is text and gives a name in UTF-8. An atom whose characters
%% above 127 are all written as `%XX', and make UTF-8 with a character above 255 in it, is the atom of that
%% text; an atom in a UTF-8 binary is one character per byte.
%%
%% ```
%% 1> pando_path:from_string("/:stock/wood").
%% [stock,<<"wood">>]
%% 2> pando_path:from_string(<<"/:stock/*">>).
%% [stock,{if_name_matches,any,undefined}]
%% 3> pando_path:from_string("../oak").
%% [94,<<"oak">>]
%% 4> pando_path:from_string([stock, <<"wood">>]).
%% [stock,<<"wood">>]
%% '''
%%
%% Both forms are lists, hence two rules. Special components followed by a name or a condition are a native
%% path. A list of special components and nothing else is a string (`".."' is the parent), but for two or more
%% `$.' and `$^' with a `$^' among them: that is a native path (`[$^, $^]' is the grandparent, not the name
%% `^^').
%%
%% Raises `{pando_ex, invalid_path, #{path => Path}}' for a term which is neither list nor binary, and for a
%% list whose head is neither a component nor a character; `component' is in the map as well when a segment
%% asks for an atom that cannot exist (longer than 255 characters). Raises `function_clause' for a list which
%% begins with a character and goes on as something else.
-spec from_string(path()) -> pattern().
from_string([]) ->
    [];
from_string([Head | _] = Path) when ?IS_PANDO_NODE_ID(Head) ->
    Path;
from_string(Path) when is_binary(Path) ->
    pando_path_text:from_bytes(Path);
from_string([Head | Tail] = Path) when ?IS_SPECIAL_PANDO_PATH_COMPONENT(Head) ->
    case is_native_after_special(Tail) orelse is_native_parent_walk(Path) of
        true -> without_root_marker(Path);
        false -> pando_path_text:from_chars(Path)
    end;
from_string([Head | _] = Path) when is_integer(Head) ->
    pando_path_text:from_chars(Path);
from_string([Head | _] = Path) when ?IS_PANDO_CONDITION(Head) ->
    Path;
from_string(Path) ->
    raise_invalid_path(#{path => Path}).

%% @doc The same as {@link from_string/1}: both take every form of a path.
%%
%% ```
%% 1> pando_path:from_binary(<<"/:stock/wood">>).
%% [stock,<<"wood">>]
%% '''
-spec from_binary(path()) -> pattern().
from_binary(Path) ->
    from_string(Path).

%% @doc Returns the native form of a path whose text has data in it, so that data never becomes syntax.
%%
%% Literals are read by the grammar of {@link from_string/1}. A value becomes a part of one component, exactly
%% as it is: `/', `:', `*', `.', `%' in it are ordinary characters. A segment with a value in it is never a
%% special component and is never ignored, even if the value is empty. In an atom, a value in UTF-8 is text.
%% In a segment which is a glob because of its literals, a value stands for itself.
%%
%% ```
%% 1> pando_path:from_parts([{literal, <<"/users/">>}, {value, <<"../*">>}]).
%% [<<"users">>,<<"../*">>]
%% 2> pando_path:from_parts([{literal, <<"/">>}, {value, <<"a.b">>}, {literal, <<"*">>}]).
%% [{if_name_matches,"^a\\.b.*$",undefined}]
%% '''
%%
%% A value after a literal `:' becomes an atom; such a value must not come from strangers. Raises `{pando_ex,
%% invalid_path, #{path => Text, component => Text}}' if the atom would be longer than 255 characters.
-spec from_parts([part()]) -> pattern().
from_parts(Parts) ->
    pando_path_text:from_parts(Parts).

%% @doc The sigil `~p' of Elixir for who imports this module: {@link from_string/1} of the text, whatever the
%% options. `Pando.Path' has a better one, which keeps interpolated data from becoming syntax.
-spec sigil_p(path(), list()) -> pattern().
sigil_p(Path, _Options) ->
    from_string(Path).

%% @doc The sigil `~P' of Elixir for who imports this module: {@link from_string/1} of the text, whatever the
%% options.
-spec sigil_P(path(), list()) -> pattern().
sigil_P(Path, _Options) ->
    from_string(Path).

%% Whether what follows a special component shows that the list is a native path.
is_native_after_special([Component | Tail]) when ?IS_SPECIAL_PANDO_PATH_COMPONENT(Component) ->
    is_native_after_special(Tail);
is_native_after_special([Component | _]) ->
    ?IS_PANDO_NODE_ID(Component) orelse ?IS_PANDO_CONDITION(Component);
is_native_after_special(_) ->
    false.

%% Whether a list of special components is a native path rather than a string: two or more of this node and
%% parent, a parent among them. Without a parent it is `".."' and the like, which are strings.
is_native_parent_walk([_]) -> false;
is_native_parent_walk(Path) -> is_native_parent_walk(Path, false).

is_native_parent_walk([?PARENT_PANDO_NODE | Tail], _HasParent) -> is_native_parent_walk(Tail, true);
is_native_parent_walk([?THIS_PANDO_NODE | Tail], HasParent) -> is_native_parent_walk(Tail, HasParent);
is_native_parent_walk([], HasParent) -> HasParent;
is_native_parent_walk(_, _HasParent) -> false.

%% A root marker before a special component stays: without it the path would be relative.
without_root_marker([?PANDO_ROOT_NODE, ?PANDO_ROOT_NODE | Tail]) ->
    without_root_marker([?PANDO_ROOT_NODE | Tail]);
without_root_marker([?PANDO_ROOT_NODE, Component | _] = Path) when
    ?IS_SPECIAL_PANDO_PATH_COMPONENT(Component)
->
    Path;
without_root_marker([?PANDO_ROOT_NODE | Tail]) ->
    Tail;
without_root_marker(Path) ->
    Path.

%% -------------------------------------------------------------------
%% To text.
%% -------------------------------------------------------------------

%% @doc Returns the string of a path in native form, from which {@link from_string/1} makes the same path
%% again.
%%
%% Kept as they are: `A-Z', `a-z', `0-9', `-', `_', `~', and `.' unless it begins the component. Every other
%% byte is written `%XX'. An atom with a character above 255 is written as the bytes of its UTF-8. An atom
%% whose characters would be taken for such bytes keeps those above 127 as they are, so that it is told apart.
%% A path which begins with `$.' or `$^' is printed as a relative one.
%%
%% ```
%% 1> pando_path:to_string([stock, <<"a b">>]).
%% "/:stock/a%20b"
%% 2> pando_path:to_string([$^, oak]).
%% "../:oak"
%% '''
%%
%% A binary with a `*' in it is printed, as `%2A', but is a glob when it is read again.
%%
%% Raises `function_clause' for what cannot be printed: a condition, a `$/' which is not the first component,
%% a term which is no native path.
-spec to_string(native_path()) -> string().
to_string(Path) ->
    binary_to_list(to_binary(Path)).

%% @doc Returns what {@link to_string/1} returns, as a binary.
%%
%% ```
%% 1> pando_path:to_binary([stock, <<"wood">>]).
%% <<"/:stock/wood">>
%% '''
-spec to_binary(native_path()) -> binary().
to_binary(Path) ->
    pando_path_text:to_binary(Path).

%% -------------------------------------------------------------------
%% Checks.
%% -------------------------------------------------------------------

%% @doc Tells whether a term is a path or a pattern in native form, all its components looked at, and the
%% conditions in conditions too.
%%
%% Returns the first bad component otherwise: for a condition which holds others, the bad one inside it; for a
%% term which is no list, or the tail of an improper list, that term.
%%
%% ```
%% 1> pando_path:is_valid([stock, #if_has_data{}]).
%% true
%% 2> pando_path:is_valid([stock, #if_all{conditions = [oak, {foo}]}]).
%% {false,{foo}}
%% '''
%%
%% Flags must be booleans and conditions must be proper lists. Regular expressions, comparisons of numbers and
%% match specifications are not looked at: a comparison of the wrong shape is no error, it is never met, and
%% the other two are checked when they are compiled.
-spec is_valid(term()) -> true | {false, Bad :: term()}.
is_valid([Component | Path]) ->
    case pando_condition:is_valid(Component) of
        true -> is_valid(Path);
        {false, _} = Invalid -> Invalid
    end;
is_valid([]) ->
    true;
is_valid(Term) ->
    {false, Term}.

%% @doc Returns `ok' for a valid path or pattern in native form, as {@link is_valid/1} sees it.
%%
%% Raises `{pando_ex, invalid_path, #{path => Path, component => Bad}}' otherwise; without `component' if
%% `Path' is no list.
%%
%% ```
%% 1> pando_path:ensure_is_valid([stock, <<"wood">>]).
%% ok
%% '''
-spec ensure_is_valid(term()) -> ok.
ensure_is_valid(Path) when is_list(Path) ->
    case is_valid(Path) of
        true -> ok;
        {false, Bad} -> raise_invalid_path(#{path => Path, component => Bad})
    end;
ensure_is_valid(Path) ->
    raise_invalid_path(#{path => Path}).

%% @doc Returns the form of a native pattern in which stores take it: see {@link pando_condition:compile/1}. It may be
%% used in place of the given one, any number of times; that saves nothing.
%%
%% ```
%% 1> pando_path:compile([stock, #if_all{conditions = [#if_name_matches{regex = "^o"}]}]).
%% [stock,{if_name_matches,"^o",undefined}]
%% '''
-spec compile(pattern()) -> pattern().
compile(Pattern) when is_list(Pattern) ->
    [pando_condition:compile(Component) || Component <- Pattern].

%% @doc Returns the pattern whose last component must meet more conditions as well.
%%
%% Raises `{badmatch, []}' for the root, which has no last component.
%%
%% ```
%% 1> pando_path:combine_with_conditions([stock, oak], [#if_has_data{}]).
%% [stock,{if_all,[oak,{if_has_data,true}]}]
%% 2> pando_path:combine_with_conditions([stock, oak], []).
%% [stock,oak]
%% '''
-spec combine_with_conditions(pattern(), [pattern_component()]) -> pattern().
combine_with_conditions(Pattern, []) ->
    Pattern;
combine_with_conditions(Pattern, Conditions) ->
    [Last | Before] = lists:reverse(Pattern),
    lists:reverse(Before, [#if_all{conditions = [Last | Conditions]}]).

%% @doc Tells whether each component of a pattern in native form can name one node only, and returns the path
%% of those names.
%%
%% ```
%% 1> pando_path:targets_specific_node([stock, #if_all{conditions = [oak, #if_has_data{}]}]).
%% {true,[stock,oak]}
%% 2> pando_path:targets_specific_node([stock, #if_has_data{}]).
%% false
%% '''
-spec targets_specific_node(pattern()) -> {true, native_path()} | false.
targets_specific_node(Pattern) ->
    targets_specific_node(Pattern, []).

targets_specific_node([Component | Pattern], Names) ->
    case component_targets_specific_node(Component) of
        {true, Name} -> targets_specific_node(Pattern, [Name | Names]);
        false -> false
    end;
targets_specific_node([], Names) ->
    {true, lists:reverse(Names)}.

%% @doc Tells whether a component can name one node only, and returns its name.
%%
%% ```
%% 1> pando_path:component_targets_specific_node(#if_any{conditions = [oak]}).
%% {true,oak}
%% 2> pando_path:component_targets_specific_node(#if_any{conditions = [oak, elm]}).
%% false
%% '''
-spec component_targets_specific_node(pattern_component()) -> {true, component()} | false.
component_targets_specific_node(Name) when ?IS_PANDO_PATH_COMPONENT(Name) ->
    {true, Name};
component_targets_specific_node(Condition) ->
    case component_targets_specific_siblings(Condition) of
        {true, [Name]} -> {true, Name};
        _ -> false
    end.

%% @doc Tells whether a component names the nodes it is about, and returns their names, sorted, each once.
%%
%% A name or a special component names itself. `if_all' names what those of its conditions name which name
%% something; `if_any' the same, if all of them do. Nothing else names nodes.
%%
%% ```
%% 1> pando_path:component_targets_specific_siblings(#if_any{conditions = [oak, elm]}).
%% {true,[elm,oak]}
%% 2> pando_path:component_targets_specific_siblings(#if_any{conditions = [oak, #if_has_data{}]}).
%% false
%% '''
-spec component_targets_specific_siblings(pattern_component()) -> {true, [component()]} | false.
component_targets_specific_siblings(Name) when ?IS_PANDO_PATH_COMPONENT(Name) ->
    {true, [Name]};
component_targets_specific_siblings(#if_all{conditions = Conditions}) ->
    union([Names || {true, Names} <- [component_targets_specific_siblings(C) || C <- Conditions]]);
component_targets_specific_siblings(#if_any{conditions = Conditions}) ->
    Targets = [component_targets_specific_siblings(C) || C <- Conditions],
    case lists:member(false, Targets) of
        true -> false;
        false -> union([Names || {true, Names} <- Targets])
    end;
component_targets_specific_siblings(_) ->
    false.

union([]) -> false;
union(Sets) -> {true, lists:usort(lists:append(Sets))}.

%% -------------------------------------------------------------------
%% Resolution.
%% -------------------------------------------------------------------

%% @doc Returns the absolute path of a native path or pattern that is seen from `Base'.
%%
%% Only a path which begins with `$.' or `$^' is relative, and is resolved. Any other is returned as it is,
%% `$^' in it included.
%%
%% ```
%% 1> pando_path:abspath([$^, elm], [stock, oak]).
%% [stock,elm]
%% 2> pando_path:abspath([elm], [stock, oak]).
%% [elm]
%% '''
-spec abspath(pattern(), pattern()) -> pattern().
abspath([First | _] = Path, Base) when First =:= ?THIS_PANDO_NODE; First =:= ?PARENT_PANDO_NODE ->
    realpath(Base ++ Path);
abspath(Path, _Base) ->
    Path.

%% @doc Returns a native path or pattern without its special components: `$.' goes, `$^' goes with the
%% component before it and never above the root, `$/' goes with all before it.
%%
%% ```
%% 1> pando_path:realpath([stock, $., oak, $^, elm]).
%% [stock,elm]
%% '''
-spec realpath(pattern()) -> pattern().
realpath(Path) ->
    realpath(Path, []).

realpath([?THIS_PANDO_NODE | Path], Reversed) -> realpath(Path, Reversed);
realpath([?PANDO_ROOT_NODE | Path], _Reversed) -> realpath(Path, []);
realpath([?PARENT_PANDO_NODE | Path], [_ | Reversed]) -> realpath(Path, Reversed);
realpath([?PARENT_PANDO_NODE | Path], []) -> realpath(Path, []);
realpath([Component | Path], Reversed) -> realpath(Path, [Component | Reversed]);
realpath([], Reversed) -> lists:reverse(Reversed).

%% @doc Tells whether a native pattern is about the root.
%%
%% ```
%% 1> pando_path:pattern_includes_root_node([stock, $^]).
%% true
%% 2> pando_path:pattern_includes_root_node([#if_path_matches{}]).
%% false
%% '''
-spec pattern_includes_root_node(pattern()) -> boolean().
pattern_includes_root_node(Pattern) ->
    realpath(Pattern) =:= [].

-spec raise_invalid_path(#{path := term(), component => term()}) -> no_return().
raise_invalid_path(Props) ->
    pando_errors:raise_misuse(invalid_path, Props).
