%% @private Transactions that are given as data: conditions that must hold, and commands. One request, and one round trip: no
%% function is run, and nothing of it can be in conflict with others.
-module(pando_transaction_request).

-include("pando.hrl").

-export([run/3]).

-export_type([data/0, condition/0, command/0]).

%% Of a map of conditions the order is that of its keys as terms.
-type data() :: #{
    conditions => [condition()] | #{pando_path:path() => pando_path:pattern_component()},
    commands => [command()]
}.
-type condition() :: {pando_path:path(), pando_path:pattern_component()}.
-type command() ::
    {put | create | update | put_many, pando_path:path(), Data :: term()}
    | {put | create | update | put_many, pando_path:path(), Data :: term(), options()}
    | {compare_and_swap, pando_path:path(), Pattern :: term(), Data :: term()}
    | {compare_and_swap, pando_path:path(), Pattern :: term(), Data :: term(), options()}
    | {delete | delete_many | clear_payload | clear_many_payloads, pando_path:path()}
    | {delete | delete_many | clear_payload | clear_many_payloads, pando_path:path(), options()}.
%% `keep_while', `props_to_return', `return_indirect_deletes', `expect_specific_node', `include_root_props'.
-type options() :: map().

%% Raises what the same calls one by one would raise, and `function_clause' for what is no such data; then nothing is done.
-spec run(pando_cluster:store_id(), data(), pando_options:transaction()) ->
    ok
    | {ok, [ok | {ok, pando_adv:node_props_map()}]}
    | {ok, [ok | {ok, pando_adv:node_props_map()}], pando_token:token()}
    | {error, pando_errors:reason()}.
run(Store, Data, Options) when is_atom(Store), is_map(Data) ->
    {Conditions, Commands} = maps:fold(fun part/3, {[], []}, Data),
    Requirements = [requirement(Condition) || Condition <- Conditions],
    {Requests, Named} = lists:unzip([request(Command) || Command <- Commands]),
    Paths = {[Path || {Path, _} <- Requirements], [pando_write:shown_path(Path) || Path <- Named]},
    send(Store, {transaction, Requirements, Requests}, Paths, Options).

part(conditions, Conditions, {_, Commands}) when is_list(Conditions) -> {Conditions, Commands};
part(conditions, Conditions, {_, Commands}) when is_map(Conditions) -> {lists:sort(maps:to_list(Conditions)), Commands};
part(commands, Commands, {Conditions, _}) when is_list(Commands) -> {Conditions, Commands}.

requirement({Path, Condition}) -> pando_condition:prepare_watched(Path, Condition).

request({put, Path, Data}) -> put(one, Path, [], Data, #{});
request({put, Path, Data, Options}) -> put(one, Path, [], Data, Options);
request({create, Path, Data}) -> request({create, Path, Data, #{}});
request({create, Path, Data, Options}) -> put(one, Path, [#if_node_exists{exists = false}], Data, Options);
request({update, Path, Data}) -> request({update, Path, Data, #{}});
request({update, Path, Data, Options}) -> put(one, Path, [#if_node_exists{exists = true}], Data, Options);
request({compare_and_swap, Path, Pattern, Data}) -> request({compare_and_swap, Path, Pattern, Data, #{}});
request({compare_and_swap, Path, Pattern, Data, Options}) ->
    put(one, Path, [#if_data_matches{pattern = Pattern}], Data, Options);
request({put_many, Path, Data}) -> put(many, Path, [], Data, #{});
request({put_many, Path, Data, Options}) -> put(many, Path, [], Data, Options);
request({delete, Path}) -> delete(one, Path, #{});
request({delete, Path, Options}) -> delete(one, Path, Options);
request({delete_many, Path}) -> delete(many, Path, #{});
request({delete_many, Path, Options}) -> delete(many, Path, Options);
request({clear_payload, Path}) -> clear(one, Path, #{});
request({clear_payload, Path, Options}) -> clear(one, Path, Options);
request({clear_many_payloads, Path}) -> clear(many, Path, #{});
request({clear_many_payloads, Path, Options}) -> clear(many, Path, Options).

put(Mode, Path, Conditions, Data, Options) ->
    pando_write:put_request(Mode, Path, Conditions, Data, pando_options:of_command(Options)).

delete(Mode, Path, Options) -> pando_write:delete_request(Mode, Path, pando_options:of_command(Options)).

clear(Mode, Path, Options) -> pando_write:clear_request(Mode, Path, pando_options:of_command(Options)).

send(Store, Request, Paths, #{return := token} = Options) ->
    pando_token:attach(Store, fun() -> send(Store, Request, Paths, Options#{return := result}) end);
send(Store, Request, Paths, Options) ->
    case pando_write:submit(Store, Request, Options) of
        sent -> ok;
        {refused, Refused} -> {error, Refused};
        %% That of another kind of request with the same id.
        ok -> {ok, []};
        {ok, _} = Answer -> Answer;
        {error, Reason} -> {error, reason(Reason, Paths)}
    end.

%% Raises, if a condition or a command used the library wrongly.
reason({in_transaction, Index, Reason}, {_, OfCommands}) ->
    {pando, transaction_command_refused, #{
        index => Index + 1,
        reason => pando_errors:reason(Reason, lists:nth(Index + 1, OfCommands)),
        outcome => not_applied
    }};
reason(Reason, {OfConditions, OfCommands}) ->
    pando_errors:reason(Reason, at_fault(Reason, OfConditions ++ OfCommands)).

%% The path that an error is about which does not say so; the first that may be.
at_fault({bad_component, _}, Paths) -> first(fun(Path) -> pando_path:is_valid(Path) =/= true end, Paths);
at_fault(_Reason, Paths) -> first(fun(Path) -> pando_path:targets_specific_node(Path) =:= false end, Paths).

first(IsMeant, Paths) ->
    case lists:search(IsMeant, Paths) of
        {value, Path} -> Path;
        false -> []
    end.
