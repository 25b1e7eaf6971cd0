%% @doc Conditions: what a node must meet to be found, written, or kept (specification section 3).
%%
%% A condition is one of the thirteen records of `include/pando.hrl', and stands for a component in a pattern. A plain
%% component may stand wherever a condition does: the node of that name meets it. The store compiles and evaluates
%% conditions; here they are checked, brought into one form, and tried out on a node of one's own.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>A path without conditions is returned as it is, after one look at each component.</li>
%% <li>The field `compiled' is never believed: whatever a caller left there, it is computed anew.</li>
%% </ol>
-module(pando_condition).

-include("pando.hrl").

-export([compile/1, applies_to_grandchildren/1, is_met/3, is_valid/1, ensure_native_keep_while/1]).
-export([prepare/1, prepare_keep_while/1, prepare_watched/2]).

-export_type([keep_while/0, native_keep_while/0]).

-type keep_while() :: #{pando_path:path() => pando_path:pattern_component()}.
%% As callers give it: watched paths in any form, absolute or seen from the node that is written.

-type native_keep_while() :: #{pando_path:pattern() => pando_path:pattern_component()}.
%% The same with all paths in native form.

%% @doc Returns the form of a condition or component in which stores take it, and in which errors show it.
%%
%% In `if_all' plain names come first; `if_all' and `if_any' of one condition are that condition. A regular expression
%% that is none is noted in the field `compiled': no name matches it, and that is no error.
%%
%% ```
%% 1> pando_condition:compile(#if_all{conditions = [#if_has_data{}, oak]}).
%% {if_all,[oak,{if_has_data,true}]}
%% 2> pando_condition:compile(#if_any{conditions = [#if_name_matches{regex = "("}]}).
%% {if_name_matches,"(",{error,{"missing )",1}}}
%% '''
%%
%% Raises `badarg' if a regular expression is no text, and `function_clause' for what is no condition.
-spec compile(pando_path:pattern_component()) -> pando_path:pattern_component().
compile(Component) when ?IS_PANDO_PATH_COMPONENT(Component) ->
    Component;
compile(#if_name_matches{regex = Regex} = Condition) ->
    Condition#if_name_matches{compiled = checked_regex(Regex)};
compile(#if_path_matches{regex = Regex} = Condition) ->
    Condition#if_path_matches{compiled = checked_regex(Regex)};
compile(#if_data_matches{} = Condition) ->
    Condition#if_data_matches{compiled = undefined};
compile(#if_not{condition = Inner}) ->
    #if_not{condition = compile(Inner)};
compile(#if_all{conditions = Conditions}) ->
    case names_first([compile(Inner) || Inner <- Conditions]) of
        [Only] -> Only;
        Compiled -> #if_all{conditions = Compiled}
    end;
compile(#if_any{conditions = Conditions}) ->
    case [compile(Inner) || Inner <- Conditions] of
        [Only] -> Only;
        Compiled -> #if_any{conditions = Compiled}
    end;
compile(Condition) when ?IS_PANDO_CONDITION(Condition) ->
    Condition.

%% The last name first: callers see this order in errors.
names_first(Conditions) ->
    {Names, Others} = lists:partition(fun(Condition) -> ?IS_PANDO_PATH_COMPONENT(Condition) end, Conditions),
    lists:reverse(Names, Others).

%% The store has an engine of its own; whether a text is a regular expression is for `re' to say.
checked_regex(any) ->
    undefined;
checked_regex(Regex) ->
    case re:compile(Regex) of
        {ok, _} -> undefined;
        {error, _} = Invalid -> Invalid
    end.

%% @doc Tells whether a condition is about all descendants, and not about children alone: `if_path_matches', and
%% whatever holds one.
%%
%% ```
%% 1> pando_condition:applies_to_grandchildren(#if_not{condition = #if_path_matches{regex = "^o"}}).
%% true
%% 2> pando_condition:applies_to_grandchildren(#if_name_matches{}).
%% false
%% '''
-spec applies_to_grandchildren(pando_path:pattern_component()) -> boolean().
applies_to_grandchildren(#if_path_matches{}) -> true;
applies_to_grandchildren(#if_not{condition = Inner}) -> applies_to_grandchildren(Inner);
applies_to_grandchildren(#if_all{conditions = Inner}) -> lists:any(fun applies_to_grandchildren/1, Inner);
applies_to_grandchildren(#if_any{conditions = Inner}) -> lists:any(fun applies_to_grandchildren/1, Inner);
applies_to_grandchildren(_) -> false.

%% @doc Tells whether a node meets a condition, and if not, which part of it is not met.
%%
%% The node is a name or a path, of which the last name counts (the root's is empty), and its properties: a map with any
%% of `data', `sproc', `payload_version', `child_list_version', `child_list_length'. A condition on a property that is
%% not in the map is not met.
%%
%% ```
%% 1> pando_condition:is_met(#if_payload_version{version = {ge, 2}}, [stock, oak], #{payload_version => 3}).
%% true
%% 2> pando_condition:is_met(#if_all{conditions = [oak, #if_has_data{}]}, oak, #{}).
%% {false,{if_has_data,true}}
%% '''
%%
%% Raises what a read with this condition in its path would raise: `invalid_path', `condition_not_supported', `badarg'.
-spec is_met(pando_path:pattern_component(), pando_path:native_path() | pando_path:node_name(), map()) ->
    true | {false, Why :: term()}.
is_met(Condition, PathOrName, Props) when is_map(Props) ->
    Pattern = prepared([Condition]),
    case pando_backend:condition_met(hd(Pattern), name(PathOrName), Props) of
        true -> true;
        {false, Why} -> {false, pando_errors:condition(Why)};
        {error, Reason} -> erlang:error(pando_errors:reason(Reason, Pattern))
    end.

%% The root has no name, and counts as one whose name is empty.
name(Name) when ?IS_PANDO_NODE_ID(Name) ->
    Name;
name(Path) when is_list(Path) ->
    case pando_path:realpath(Path) of
        [] -> '';
        Resolved -> lists:last(Resolved)
    end.

%% @doc Tells whether a term may stand in a pattern: a condition or a plain component, everything inside looked at too.
%%
%% Returns the bad part otherwise. What is looked at, and what is not: see `pando_path:is_valid/1'.
%%
%% ```
%% 1> pando_condition:is_valid(#if_not{condition = #if_has_data{}}).
%% true
%% 2> pando_condition:is_valid({if_all, [oak, {foo}]}).
%% {false,{foo}}
%% '''
-spec is_valid(term()) -> true | {false, Bad :: term()}.
is_valid(Component) when ?IS_PANDO_PATH_COMPONENT(Component) -> true;
%% Tuples rather than records where a field is looked at: it may not have the type of the record yet.
is_valid({if_node_exists, Flag} = Condition) -> is_valid_flag(Flag, Condition);
is_valid({if_has_payload, Flag} = Condition) -> is_valid_flag(Flag, Condition);
is_valid({if_has_data, Flag} = Condition) -> is_valid_flag(Flag, Condition);
is_valid({if_has_sproc, Flag} = Condition) -> is_valid_flag(Flag, Condition);
is_valid({if_not, Inner}) -> is_valid(Inner);
is_valid({if_all, Inner}) -> pando_path:is_valid(Inner);
is_valid({if_any, Inner}) -> pando_path:is_valid(Inner);
is_valid(Condition) when ?IS_PANDO_CONDITION(Condition) -> true;
is_valid(Term) -> {false, Term}.

is_valid_flag(Flag, _Condition) when is_boolean(Flag) -> true;
is_valid_flag(_Flag, Condition) -> {false, Condition}.

%% @doc Returns the map of an option `keep_while' with all its watched paths in native form.
%%
%% Two spellings of one path are one path: the condition of one of them stays.
%%
%% ```
%% 1> pando_condition:ensure_native_keep_while(#{"/:sessions/7" => #if_node_exists{}}).
%% #{[sessions,<<"7">>] => {if_node_exists,true}}
%% '''
%%
%% Raises `{pando_ex, invalid_path, #{path => Path}}' for a key that is no path, and `function_clause' for what is no
%% map.
-spec ensure_native_keep_while(keep_while()) -> native_keep_while().
ensure_native_keep_while(KeepWhile) when is_map(KeepWhile) ->
    maps:from_list([{native_watched(Path), Condition} || {Path, Condition} <- maps:to_list(KeepWhile)]).

native_watched(Path) ->
    Native = pando_path:from_string(Path),
    ok = pando_path:ensure_is_valid(Native),
    Native.

%% @private A native path or pattern as it crosses the border to the store. Raises `invalid_path' if a component beside
%% a condition is none; in a path without conditions the store finds that.
-spec prepare(pando_path:pattern()) -> pando_path:pattern().
prepare(Path) ->
    case has_condition(Path) of
        false -> Path;
        true -> prepared(Path)
    end.

has_condition([Component | _]) when is_tuple(Component) -> true;
has_condition([_ | Path]) -> has_condition(Path);
has_condition(_) -> false.

prepared(Path) ->
    ok = pando_path:ensure_is_valid(Path),
    [compile(Component) || Component <- Path].

%% @private The map of an option `keep_while' as it crosses the border.
-spec prepare_keep_while(keep_while()) -> [{pando_path:pattern(), pando_path:pattern_component()}].
prepare_keep_while(KeepWhile) ->
    [prepare_watched(Path, Condition) || {Path, Condition} <- maps:to_list(ensure_native_keep_while(KeepWhile))].

%% @private A watched path with its condition as they cross the border.
-spec prepare_watched(pando_path:path(), pando_path:pattern_component()) ->
    {pando_path:pattern(), pando_path:pattern_component()}.
prepare_watched(Path, Condition) ->
    Native = native_watched(Path),
    case is_valid(Condition) of
        true -> {prepare(Native), compile(Condition)};
        {false, Bad} -> pando_errors:raise_misuse(invalid_condition, #{path => Native, condition => Bad})
    end.
