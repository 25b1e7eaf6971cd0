%% @doc Errors as callers see them (specification section 6), and what one may conclude from each.
%%
%% Reasons beyond the specification are `{pando, Name, Props}' too, and `Props' has the key `outcome': `not_applied' when
%% the command certainly did nothing, `unknown' when it may have been applied, or may be later, `applied' when it was.
-module(pando_errors).

-include("pando.hrl").

-export([reason/1, reason/2, condition/1, raise_misuse/2, format_error/2, format/1]).

-export_type([reason/0, store_reason/0, outcome/0]).

-type outcome() :: not_applied | applied | unknown.
%% In `{error, Reason}'. `noproc': the store is not running. `overload': too many commands wait; nothing was done, try
%% again later. `timeout': a command may have been applied. `{unknown_option, Key, Value}': nothing was done.
-type reason() :: store_reason() | {unknown_option, reply_from, term()}.
%% Those that a store gives.
-type store_reason() :: noproc | timeout | overload | {pando, atom(), map()}.
-type failed() ::
    timeout
    | pando_backend:native_error()
    | {too_many_conflicts, Attempts :: pos_integer(), pando_path:native_path()}.

%% @private The public form of a native reason. Raises, if the caller used the library wrongly; `Path' is the path or
%% pattern as it was used, with what the function has added to it.
-spec reason(failed(), pando_path:pattern()) -> store_reason().
reason({bad_component, Component}, Path) ->
    ok = pando_path:ensure_is_valid(Path),
    raise_misuse(invalid_path, #{path => Path, component => Component});
reason({many_nodes, _}, Path) ->
    raise_misuse(possibly_matching_many_nodes_denied, #{path => Path});
reason({targets_parent, Condition}, Path) ->
    raise_misuse(condition_targets_parent_node, #{path => Path, condition => Condition});
reason({unsupported_pattern, Text}, Path) ->
    raise_misuse(pattern_not_supported, #{path => Path, reason => Text});
reason({condition_not_supported, Condition, Text}, _Path) ->
    raise_misuse(condition_not_supported, #{condition => Condition, reason => Text});
reason(bad_match_specification, _Path) ->
    erlang:error(badarg, none, [{error_info, #{module => ?MODULE, cause => bad_match_specification}}]);
reason(Reason, _Path) ->
    reason(Reason).

%% @private The public form of a native reason that comes with a reply: the store has taken the command, so the caller
%% used the library rightly.
-spec reason(failed()) -> store_reason().
reason(Reason) when Reason =:= noproc; Reason =:= timeout; Reason =:= overload ->
    Reason;
reason({node_not_found, Name, NodePath, IsTarget}) ->
    {pando, node_not_found, #{node_name => Name, node_path => NodePath, node_is_target => IsTarget}};
reason({node_not_found, Name, NodePath, IsTarget, Condition}) ->
    {pando, node_not_found, #{
        node_name => Name,
        node_path => NodePath,
        node_is_target => IsTarget,
        condition => Condition
    }};
reason({mismatching_node, Name, NodePath, IsTarget, NodeProps, Condition}) ->
    {pando, mismatching_node, #{
        node_name => Name,
        node_path => NodePath,
        node_is_target => IsTarget,
        node_props => NodeProps,
        condition => condition(Condition)
    }};
reason({keep_while_not_met, Name, NodePath, Reason}) ->
    {pando, keep_while_conditions_not_met, #{
        node_name => Name,
        node_path => NodePath,
        keep_while_reason => condition(Reason)
    }};
reason({limit_exceeded, Limit, Max}) ->
    {pando, limit_exceeded, #{limit => limit_name(Limit), max => Max, outcome => not_applied}};
reason({requirement_not_met, Index, _Name, NodePath, Reason}) ->
    {pando, transaction_condition_not_met, #{
        index => Index + 1,
        node_path => NodePath,
        condition => condition(Reason),
        outcome => not_applied
    }};
reason({in_transaction, Index, Reason}) ->
    {pando, transaction_command_refused, #{index => Index + 1, reason => reason(Reason), outcome => not_applied}};
reason({too_many_conflicts, Attempts, NodePath}) ->
    {pando, too_many_conflicts, #{attempts => Attempts, path => NodePath, outcome => not_applied}};
%% In a transaction that is given as data a pattern of a condition may show only when it is tested.
reason({unsupported_pattern, Text}) ->
    {pando, pattern_not_supported, #{reason => Text, outcome => not_applied}};
reason(answer_not_kept) ->
    {pando, answer_not_kept, #{outcome => applied}};
reason({Name, Text, NotApplied}) when is_binary(Text) ->
    Outcome =
        case NotApplied of
            true -> not_applied;
            false -> unknown
        end,
    {pando, public_name(Name), #{reason => Text, outcome => Outcome}}.

%% @private A condition that is not met, as callers see it: with a regular expression that is none comes the reason, as
%% `{Condition, {error, {Message, Offset}}}'.
-spec condition(term()) -> term().
condition(#if_name_matches{compiled = {error, _} = Invalid} = Condition) -> {Condition, Invalid};
condition(#if_path_matches{compiled = {error, _} = Invalid} = Condition) -> {Condition, Invalid};
condition(Condition) -> Condition.

%% Names of limits are compiled into the native side: a fixed set, and no data.
limit_name(Name) -> binary_to_atom(Name).

public_name(closed) -> store_closed;
public_name(halted) -> store_halted;
public_name(disk_full) -> disk_full;
public_name(not_leader) -> not_leader;
public_name(no_quorum) -> no_quorum;
public_name(leader_changed) -> leader_changed;
public_name(command_failed) -> command_failed.

%% @private Raises what a wrong use of the library raises (specification 6.2).
-spec raise_misuse(atom(), map()) -> no_return().
raise_misuse(Name, Props) ->
    erlang:error({pando_ex, Name, Props}, none, [{error_info, #{module => ?MODULE}}]).

%% @private What shells and Elixir show beside the reason of an exception (EEP 54). As a binary: Elixir 1.14 takes the
%% size of the text in bytes.
-spec format_error(term(), erlang:stacktrace()) -> #{general := binary()}.
format_error(Reason, Stacktrace) ->
    #{general => unicode:characters_to_binary(general(Reason, Stacktrace))}.

general(badarg, [{_, _, _, Info} | _]) ->
    case proplists:get_value(error_info, Info) of
        #{cause := bad_match_specification} -> "a condition if_data_matches is no match specification";
        _ -> format(badarg)
    end;
general(Reason, _Stacktrace) ->
    format(Reason).

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
format({pando, keep_while_conditions_not_met, #{node_path := Path, keep_while_reason := Reason}}) ->
    text("the node at ~0tp cannot be kept while ~0tp: nothing was done", [Path, Reason]);
format({pando, limit_exceeded, #{limit := Limit, max := Max}}) ->
    text("more than ~0tp (~0tp): nothing was done", [Limit, Max]);
format({pando, transaction_condition_not_met, #{index := Index, node_path := Path, condition := Condition}}) ->
    text("condition ~b of the transaction is not met: ~0tp, at ~0tp: nothing was done", [Index, Condition, Path]);
format({pando, transaction_command_refused, #{index := Index, reason := Reason}}) ->
    text("command ~b of the transaction was refused, and so all of it: ~ts", [Index, format(Reason)]);
format({pando, too_many_conflicts, #{attempts := Attempts, path := Path}}) ->
    text("others have changed what the transaction had read, ~b times, at last at ~0tp: nothing was done", [
        Attempts, Path
    ]);
format({pando, answer_not_kept, #{}}) ->
    "this request was applied before; its answer was too large to be kept";
format({pando, no_sproc_at_given_path, #{path := Path}}) ->
    text("there is no stored procedure at ~0tp: nothing was done", [Path]);
format({pando, sproc_invalid_as_tx_fun, #{path := Path}}) ->
    text("the stored procedure at ~0tp writes, and a transaction of mode ro cannot: nothing was done", [Path]);
format({_, sproc_code_not_available, #{path := Path, module := Module, needed := Needed, loaded := Loaded}}) ->
    text("the stored procedure at ~0tp needs ~ts of ~ts, and this node has ~ts: nothing was done", [
        Path, code_text(Needed), Module, code_text(Loaded)
    ]);
format({pando, failed_to_get_sproc, #{path := Path, error := Reason}}) ->
    text("the stored procedure at ~0tp could not be read: ~ts", [Path, format(Reason)]);
format({pando, Name, #{reason := Reason, outcome := Outcome}}) when is_binary(Reason) ->
    text("~0tp: ~ts (outcome: ~0tp)", [Name, Reason, Outcome]);
format({pando, open_failed, #{reason := Reason, directory := Directory}}) ->
    text("the store in ~ts could not be opened: ~ts", [Directory, Reason]);
format({pando, recover_failed, #{reason := Reason, directory := Directory}}) ->
    text("the store in ~ts was not recovered: ~ts", [Directory, Reason]);
format({pando, store_runs_elsewhere, #{store_id := StoreId, data_dir := DataDir}}) ->
    text("the store ~ts runs already, with its files in ~ts", [StoreId, DataDir]);
format({pando, name_is_taken, #{store_id := StoreId, by := Process}}) ->
    text("a process that is no store is registered as ~ts: ~0tp", [StoreId, Process]);
format({pando, not_a_pando_store, #{store_id := StoreId, node := Node}}) ->
    text("no store ~ts runs on ~ts: nothing was done", [StoreId, Node]);
format({pando, failed_to_join_remote_pando_node, #{node := Node}}) ->
    text("~ts does not answer: nothing was done", [Node]);
format({pando, no_such_member, #{store_id := StoreId, node := Node}}) ->
    text("the store ~ts has no member on ~ts: nothing was done", [StoreId, Node]);
format({pando, no_such_member, #{}}) ->
    "the cluster has no such member, or none that can do that: nothing was done";
format({pando, last_voter, #{}}) ->
    "nobody would be left who votes: nothing was done";
format({pando, no_such_cluster, #{store_id := StoreId}}) ->
    text("the cluster of the store ~ts that was to be joined does not exist any more", [StoreId]);
format({pando_ex, invalid_start_option, #{option := Option, value := Value}}) ->
    text("the option ~ts for starting a store does not take ~0tp", [Option, Value]);
format({pando_ex, invalid_backend_value, #{backend := Backend}}) ->
    text("the environment of the application pando has nif or port as backend, not ~0tp", [Backend]);
format({pando, not_a_pando_store, #{store_id := StoreId}}) ->
    text("no store ~ts runs on this node", [StoreId]);
format({pando, reset_failed, #{reason := Reason, directory := Directory}}) ->
    text("the store in ~ts was stopped, but its files are still there: ~ts", [Directory, Reason]);
format({pando, other_cluster, #{store_id := StoreId}}) ->
    text("the token is of another cluster than the store ~ts: nothing was done", [StoreId]);
format({unknown_option, Key, Value}) ->
    text("the option ~ts does not take ~0tp: nothing was done", [Key, Value]);
format({not_leader, _Leader}) ->
    "this member does not lead: nothing was done, send the command again";
format({pando_ex, invalid_path, #{path := Path}}) ->
    text("~0tp is not a path", [Path]);
format({pando_ex, possibly_matching_many_nodes_denied, #{path := Path}}) ->
    text("~0tp may match many nodes, and this function takes one", [Path]);
format({pando_ex, pattern_not_supported, #{path := Path, reason := Reason}}) ->
    text("this version does not evaluate ~0tp: ~ts", [Path, Reason]);
format({pando_ex, condition_not_supported, #{condition := Condition, reason := Reason}}) ->
    text("~0tp cannot be evaluated: ~ts", [Condition, Reason]);
format({pando_ex, condition_targets_parent_node, #{condition := Condition}}) ->
    text("~0tp is about the parent of a node, which no condition can be", [Condition]);
format({pando_ex, invalid_condition, #{path := Path, condition := Condition}}) ->
    text("~0tp, for the node at ~0tp, is no condition", [Condition, Path]);
format({pando_ex, denied_execution_of_non_sproc_node, #{path := Path}}) ->
    text("there is no stored procedure at ~0tp", [Path]);
format({pando_ex, denied_token_of_async_write, #{}}) ->
    "a write with the option async returns before it is done, and so without a token";
format({pando_ex, denied_update_in_readonly_tx, #{}}) ->
    "a transaction of mode ro cannot write";
format({pando_ex, invalid_use_of_pando_tx_outside_transaction, #{}}) ->
    "functions of pando_tx and pando_tx_adv are for functions that a transaction runs, in the process that does";
format({pando_ex, denied_tx_fun_with_invalid_args, #{'fun' := Fun, arity := Arity, args := Arguments}}) ->
    text("~0tp, which takes ~0tp arguments, cannot be run with ~0tp, or the mode is none", [Fun, Arity, Arguments]);
format({pando_ex, failed_to_prepare_tx_fun, #{error := {horus, _, #{error := {call_denied, {M, F, A}}}}}}) ->
    text("~ts:~ts/~b is not for the function of a transaction on the same store: use pando_tx", [M, F, A]);
format(Reason) ->
    text("~0tp", [Reason]).

code_text(none) -> "none";
code_text({Function, Arity}) -> text("~ts/~0tp", [Function, Arity]);
code_text(Md5) -> text("version ~ts", [Md5]).

text(Format, Arguments) ->
    lists:flatten(io_lib:format(Format, Arguments)).
