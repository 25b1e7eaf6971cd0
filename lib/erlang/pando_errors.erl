%% @doc Errors as callers see them (specification section 6), and what one may conclude from each.
%%
%% Reasons beyond the specification are `{pando, Name, Props}' too, and `Props' has the key `outcome': `not_applied' when
%% the command certainly did nothing, `unknown' when it may have been applied, or may be later.
-module(pando_errors).

-export([reason/2, raise_misuse/2, format_error/2, format/1]).

-export_type([reason/0, outcome/0]).

-type outcome() :: not_applied | unknown.
%% In `{error, Reason}'. `noproc': the store is not running. `overload': too many commands wait; nothing was done, try
%% again later. `timeout': a command may have been applied.
-type reason() :: noproc | timeout | overload | {pando, atom(), map()}.

%% @private The public form of a native reason. `Path' is the caller's, `Conditions' are those which the function has
%% added to its last component.
-spec reason(timeout | pando_backend:native_error(), {pando_path:native_path(), [term()]}) -> reason().
reason(Reason, _) when Reason =:= noproc; Reason =:= timeout; Reason =:= overload ->
    Reason;
reason({node_not_found, Name, NodePath, IsTarget}, {_, Conditions}) ->
    Props = #{node_name => Name, node_path => NodePath, node_is_target => IsTarget},
    case IsTarget andalso Conditions =/= [] of
        true -> {pando, node_not_found, Props#{condition => {if_all, [Name | Conditions]}}};
        false -> {pando, node_not_found, Props}
    end;
reason({mismatching_node, Name, NodePath, IsTarget, NodeProps}, {_, [Condition | _]}) ->
    {pando, mismatching_node, #{
        node_name => Name,
        node_path => NodePath,
        node_is_target => IsTarget,
        node_props => NodeProps,
        condition => Condition
    }};
reason({limit_exceeded, Limit, Max}, _) ->
    {pando, limit_exceeded, #{limit => limit_name(Limit), max => Max, outcome => not_applied}};
reason({bad_component, Component}, {Path, _}) ->
    ok = pando_path:ensure_is_valid(Path),
    raise_misuse(condition_not_supported, #{path => Path, condition => Component});
reason({unsupported_pattern, Text}, {Path, _}) ->
    raise_misuse(pattern_not_supported, #{path => Path, reason => Text});
reason({many_nodes, _}, {Path, Conditions}) ->
    Pattern = pando_path:combine_with_conditions(Path, Conditions),
    raise_misuse(possibly_matching_many_nodes_denied, #{path => Pattern});
reason({Name, Text, NotApplied}, _) when is_binary(Text) ->
    Outcome =
        case NotApplied of
            true -> not_applied;
            false -> unknown
        end,
    {pando, public_name(Name), #{reason => Text, outcome => Outcome}}.

limit_name(<<"path_components_max">>) -> path_components_max;
limit_name(<<"path_size_bytes_max">>) -> path_size_bytes_max;
limit_name(<<"name_size_bytes_max">>) -> name_size_bytes_max;
limit_name(<<"atom_characters_max">>) -> atom_characters_max;
limit_name(<<"payload_size_bytes_max">>) -> payload_size_bytes_max.

public_name(closed) -> store_closed;
public_name(halted) -> store_halted;
public_name(disk_full) -> disk_full;
public_name(not_leader) -> not_leader;
public_name(command_failed) -> command_failed.

%% @private Raises what a wrong use of the library raises (specification 6.2).
-spec raise_misuse(atom(), map()) -> no_return().
raise_misuse(Name, Props) ->
    erlang:error({pando_ex, Name, Props}, none, [{error_info, #{module => ?MODULE}}]).

%% @private What shells and Elixir show beside the reason of an exception (EEP 54).
-spec format_error(term(), erlang:stacktrace()) -> #{general := string()}.
format_error(Reason, _Stacktrace) ->
    #{general => format(Reason)}.

%% @doc A reason in words, for people: `{error, Reason}''s or an exception's.
%%
%% ```
%% > pando_errors:format(overload).
%% "too many commands are waiting: nothing was done, try again later"
%% '''
-spec format(term()) -> string().
format(noproc) ->
    "the store is not running on this node: start it, or check its name";
format(timeout) ->
    "no answer in time: a command may have been applied all the same";
format(overload) ->
    "too many commands are waiting: nothing was done, try again later";
format({pando, node_not_found, #{node_path := Path}}) ->
    text("there is no node at ~0tp", [Path]);
format({pando, mismatching_node, #{node_path := Path, condition := Condition}}) ->
    text("the node at ~0tp does not meet ~0tp: nothing was done", [Path, Condition]);
format({pando, limit_exceeded, #{limit := Limit, max := Max}}) ->
    text("more than ~0tp (~0tp): nothing was done", [Limit, Max]);
format({pando, Name, #{reason := Reason, outcome := Outcome}}) ->
    text("~0tp: ~ts (outcome: ~0tp)", [Name, Reason, Outcome]);
format({pando, open_failed, #{reason := Reason, directory := Directory}}) ->
    text("the store in ~ts could not be opened: ~ts", [Directory, Reason]);
format({pando, store_runs_elsewhere, #{store_id := StoreId, data_dir := DataDir}}) ->
    text("the store ~ts runs already, with its files in ~ts", [StoreId, DataDir]);
format({pando, name_is_taken, #{store_id := StoreId, by := Process}}) ->
    text("a process that is no store is registered as ~ts: ~0tp", [StoreId, Process]);
format({pando_ex, invalid_path, #{path := Path}}) ->
    text("~0tp is not a path", [Path]);
format({pando_ex, possibly_matching_many_nodes_denied, #{path := Path}}) ->
    text("~0tp may match many nodes, and this function takes one", [Path]);
format({pando_ex, pattern_not_supported, #{path := Path, reason := Reason}}) ->
    text("this version does not evaluate ~0tp: ~ts", [Path, Reason]);
format({pando_ex, condition_not_supported, #{condition := Condition}}) ->
    text("this version does not evaluate ~0tp yet", [Condition]);
format(Reason) ->
    text("~0tp", [Reason]).

text(Format, Arguments) ->
    lists:flatten(io_lib:format(Format, Arguments)).
