%% @doc What the function of a transaction calls: the calls of `pando' without a store. See `pando:transaction/5'.
%%
%% They read and write the transaction: its own writes are seen, and nobody else sees them before the transaction is
%% committed. Answers and errors are those of `pando', and errors are ordinary values: the function decides what follows.
%%
%% ```
%% > pando:put(stock, "/:wood/oak", 150).
%% ok
%% > Sell = fun(Wood, Pieces) ->
%%       case pando_tx:get([wood, Wood]) of
%%           {ok, Left} when Left >= Pieces -> pando_tx:put([wood, Wood], Left - Pieces), Left - Pieces;
%%           _ -> pando_tx:abort(sold_out)
%%       end
%%   end.
%% > pando:transaction(stock, Sell, [<<"oak">>, 100]).
%% {ok,50}
%% > pando:transaction(stock, Sell, [<<"oak">>, 100]).
%% {error,sold_out}
%% '''
%%
%% Options are those of the same call of `pando', of reads and of writes alike. Those about nodes mean what they mean there;
%% those about the call as such (`timeout', `favor', `condition', `at_least', `async', `return', `reply_from',
%% `protect_against_dups', `request_id') are checked, and mean nothing: a result is there at once.
%%
%% All functions but `is_transaction/0' raise `{pando_ex, invalid_use_of_pando_tx_outside_transaction, #{}}' where no
%% transaction runs: another process that the function starts has none. Those that write raise
%% `{pando_ex, denied_update_in_readonly_tx, #{}}' in a transaction of mode `ro'. A write beyond the limits of a transaction
%% (`docs/limits.md') answers `{error, {pando, limit_exceeded, _}}', and the transaction will answer the same.
-module(pando_tx).
-compile({no_auto_import, [get/1, put/2]}).

-export([is_empty/0, is_empty/1]).
-export([get/1, get/2, get_or/2, get_or/3, get_many/1, get_many/2, get_many_or/2, get_many_or/3]).
-export([exists/1, exists/2, has_data/1, has_data/2, is_sproc/1, is_sproc/2]).
-export([count/1, count/2, fold/3, fold/4, foreach/2, foreach/3, map/2, map/3, filter/2, filter/3]).
-export([put/2, put/3, put_many/2, put_many/3, create/2, create/3, update/2, update/3]).
-export([compare_and_swap/3, compare_and_swap/4, delete/1, delete/2, delete_many/1, delete_many/2]).
-export([clear_payload/1, clear_payload/2, clear_many_payloads/1, clear_many_payloads/2]).
-export([abort/1, after_commit/1, is_transaction/0, does_api_comply_with/1]).

-include("pando.hrl").

-type path() :: pando_path:path().
%% Keys: see `pando', and above.
-type options() :: map().
-type values() :: #{pando_path:native_path() => term()}.

%%% Reads

%% @doc Whether the store has no node below the root.
-spec is_empty() -> boolean() | {error, pando_errors:reason()}.
is_empty() -> is_empty(#{}).

%% @doc Whether the store has no node below the root, as `pando:is_empty/2'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:is_empty() end).
%% {ok,false}
%% '''
-spec is_empty(options()) -> boolean() | {error, pando_errors:reason()}.
is_empty(Options) ->
    pando_read:is_empty(pando_transaction:reading([]), pando_options:query_inside(Options)).

%% @doc Reads the value of a node.
-spec get(path()) -> pando:result(term()).
get(Path) -> get(Path, #{}).

%% @doc Reads the value of a node, as `pando:get/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:get("/:wood/oak") end).
%% {ok,{ok,50}}
%% '''
-spec get(path(), options()) -> pando:result(term()).
get(Path, Options) ->
    pando_read:data(pando_transaction:reading(Path), Path, pando_options:query_inside(Options)).

%% @doc Reads the value of a node, or takes a default.
-spec get_or(path(), term()) -> pando:result(term()).
get_or(Path, Default) -> get_or(Path, Default, #{}).

%% @doc Reads the value of a node, or takes a default, as `pando:get_or/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:get_or("/:wood/elm", 0) end).
%% {ok,{ok,0}}
%% '''
-spec get_or(path(), term(), options()) -> pando:result(term()).
get_or(Path, Default, Options) ->
    pando_read:data_or(pando_transaction:reading(Path), Path, Default, pando_options:query_inside(Options)).

%% @doc Reads all values that a pattern matches.
-spec get_many(path()) -> pando:result(values()).
get_many(Pattern) -> get_many(Pattern, #{}).

%% @doc Reads all values that a pattern matches, as `pando:get_many/3'. A node that is new among them when the transaction is
%% committed, or gone, is a change of what was read.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:get_many("/:wood/*") end).
%% {ok,{ok,#{[wood,<<"oak">>] => 50}}}
%% '''
-spec get_many(path(), options()) -> pando:result(values()).
get_many(Pattern, Options) ->
    get_many_or(Pattern, undefined, Options).

%% @doc Reads all values that a pattern matches, with a default for nodes without one.
-spec get_many_or(path(), term()) -> pando:result(values()).
get_many_or(Pattern, Default) -> get_many_or(Pattern, Default, #{}).

%% @doc Reads all values that a pattern matches, with a default for nodes without one, as `pando:get_many_or/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:get_many_or("/*", none) end).
%% {ok,{ok,#{[wood] => none}}}
%% '''
-spec get_many_or(path(), term(), options()) -> pando:result(values()).
get_many_or(Pattern, Default, Options) ->
    pando_read:values(pando_transaction:reading(Pattern), Pattern, Default, pando_options:many_inside(Options)).

%% @doc Whether there is a node.
-spec exists(path()) -> boolean() | {error, pando_errors:reason()}.
exists(Path) -> exists(Path, #{}).

%% @doc Whether there is a node, as `pando:exists/3'. That it is not there is something read, too.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:exists("/:wood/elm") end).
%% {ok,false}
%% '''
-spec exists(path(), options()) -> boolean() | {error, pando_errors:reason()}.
exists(Path, Options) ->
    pando_read:exists(pando_transaction:reading(Path), Path, pando_options:query_inside(Options)).

%% @doc Whether a node has data.
-spec has_data(path()) -> boolean() | {error, pando_errors:reason()}.
has_data(Path) -> has_data(Path, #{}).

%% @doc Whether a node has data, as `pando:has_data/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:has_data("/:wood/oak") end).
%% {ok,true}
%% '''
-spec has_data(path(), options()) -> boolean() | {error, pando_errors:reason()}.
has_data(Path, Options) ->
    pando_read:has_data(pando_transaction:reading(Path), Path, pando_options:query_inside(Options)).

%% @doc Whether a node holds a stored procedure.
-spec is_sproc(path()) -> boolean() | {error, pando_errors:reason()}.
is_sproc(Path) -> is_sproc(Path, #{}).

%% @doc Whether a node holds a stored procedure, as `pando:is_sproc/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:is_sproc("/:wood/oak") end).
%% {ok,false}
%% '''
-spec is_sproc(path(), options()) -> boolean() | {error, pando_errors:reason()}.
is_sproc(Path, Options) ->
    pando_read:is_sproc(pando_transaction:reading(Path), Path, pando_options:query_inside(Options)).

%% @doc How many nodes a pattern matches.
-spec count(path()) -> pando:result(non_neg_integer()).
count(Pattern) -> count(Pattern, #{}).

%% @doc How many nodes a pattern matches, as `pando:count/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:count("/:wood/*") end).
%% {ok,{ok,1}}
%% '''
-spec count(path(), options()) -> pando:result(non_neg_integer()).
count(Pattern, Options) ->
    pando_read:count(pando_transaction:reading(Pattern), Pattern, pando_options:many_inside(Options)).

%% @doc Folds over the nodes that a pattern matches.
-spec fold(path(), pando:fold_fun(Acc), Acc) -> pando:result(Acc).
fold(Pattern, Fun, Acc) -> fold(Pattern, Fun, Acc, #{}).

%% @doc Calls `Fun(Path, Props, Acc)' for every node that a pattern matches, as `pando:fold/5'. `Fun' may write: the fold goes
%% on through the nodes as they were when it began.
%%
%% ```
%% > Sum = fun(_, #{data := N}, Acc) -> Acc + N end,
%%   pando:transaction(stock, fun() -> pando_tx:fold("/:wood/*", Sum, 0) end).
%% {ok,{ok,50}}
%% '''
-spec fold(path(), pando:fold_fun(Acc), Acc, options()) -> pando:result(Acc).
fold(Pattern, Fun, Acc, Options) when is_function(Fun, 3) ->
    pando_read:fold(pando_transaction:reading(Pattern), Pattern, Fun, Acc, pando_options:many_inside(Options)).

%% @doc Calls a function for every node that a pattern matches.
-spec foreach(path(), pando:foreach_fun()) -> pando:done().
foreach(Pattern, Fun) -> foreach(Pattern, Fun, #{}).

%% @doc Calls `Fun(Path, Props)' for every node that a pattern matches, as `pando:foreach/4'.
%%
%% ```
%% > Double = fun(Path, #{data := N}) -> ok = pando_tx:put(Path, 2 * N) end,
%%   pando:transaction(stock, fun() -> pando_tx:foreach("/:wood/*", Double) end).
%% {ok,ok}
%% '''
-spec foreach(path(), pando:foreach_fun(), options()) -> pando:done().
foreach(Pattern, Fun, Options) when is_function(Fun, 2) ->
    pando_read:foreach(pando_transaction:reading(Pattern), Pattern, Fun, pando_options:many_inside(Options)).

%% @doc What a function makes of every node that a pattern matches.
-spec map(path(), pando:map_fun(Value)) -> pando:result(#{pando_path:native_path() => Value}).
map(Pattern, Fun) -> map(Pattern, Fun, #{}).

%% @doc Calls `Fun(Path, Props)' for every node that a pattern matches, and answers what it returns, as `pando:map/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:map("/:wood/*", fun(_, #{data := N}) -> N * 2 end) end).
%% {ok,{ok,#{[wood,<<"oak">>] => 200}}}
%% '''
-spec map(path(), pando:map_fun(Value), options()) -> pando:result(#{pando_path:native_path() => Value}).
map(Pattern, Fun, Options) when is_function(Fun, 2) ->
    pando_read:map(pando_transaction:reading(Pattern), Pattern, Fun, pando_options:many_inside(Options)).

%% @doc The values of those nodes that a pattern matches and a function chooses.
-spec filter(path(), pando:filter_fun()) -> pando:result(values()).
filter(Pattern, Fun) -> filter(Pattern, Fun, #{}).

%% @doc The values of those nodes that a pattern matches and for which `Fun(Path, Props)' is `true', as `pando:filter/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:filter("/:wood/*", fun(_, #{data := N}) -> N > 500 end) end).
%% {ok,{ok,#{}}}
%% '''
-spec filter(path(), pando:filter_fun(), options()) -> pando:result(values()).
filter(Pattern, Fun, Options) when is_function(Fun, 2) ->
    pando_read:filter(pando_transaction:reading(Pattern), Pattern, Fun, pando_options:many_inside(Options)).

%%% Writes

%% @doc Creates a node, or replaces its value.
-spec put(path(), term()) -> pando:written().
put(Path, Data) -> put(Path, Data, #{}).

%% @doc Creates a node, or replaces its value, as `pando:put/4'. What depends on nodes that this write has changed
%% (`keep_while') goes at once.
%%
%% ```
%% > pando:transaction(stock, fun() -> [pando_tx:put([wood, N], 0) || N <- [ash, elm]] end).
%% {ok,[ok,ok]}
%% '''
-spec put(path(), term(), options()) -> pando:written().
put(Path, Data, Options) ->
    put(one, Path, [], Data, Options).

%% @doc Replaces the values of all nodes that a pattern matches.
-spec put_many(path(), term()) -> pando:written().
put_many(Path, Data) -> put_many(Path, Data, #{}).

%% @doc Replaces the values of all nodes that a pattern matches, as `pando:put_many/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:put_many("/:wood/*", 0) end).
%% {ok,ok}
%% '''
-spec put_many(path(), term(), options()) -> pando:written().
put_many(Path, Data, Options) ->
    put(many, Path, [], Data, Options).

%% @doc Creates a node that must not exist yet.
-spec create(path(), term()) -> pando:written().
create(Path, Data) -> create(Path, Data, #{}).

%% @doc Creates a node that must not exist yet, as `pando:create/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:create("/:wood/fir", 1) end).
%% {ok,ok}
%% '''
-spec create(path(), term(), options()) -> pando:written().
create(Path, Data, Options) ->
    put(one, Path, [#if_node_exists{exists = false}], Data, Options).

%% @doc Replaces the value of a node that must exist.
-spec update(path(), term()) -> pando:written().
update(Path, Data) -> update(Path, Data, #{}).

%% @doc Replaces the value of a node that must exist, as `pando:update/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:update("/:wood/oak", 20) end).
%% {ok,ok}
%% '''
-spec update(path(), term(), options()) -> pando:written().
update(Path, Data, Options) ->
    put(one, Path, [#if_node_exists{exists = true}], Data, Options).

%% @doc Replaces the value of a node if it matches a pattern.
-spec compare_and_swap(path(), term(), term()) -> pando:written().
compare_and_swap(Path, Pattern, Data) -> compare_and_swap(Path, Pattern, Data, #{}).

%% @doc Replaces the value of a node if it is data that matches a pattern, as `pando:compare_and_swap/5'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:compare_and_swap("/:wood/oak", 20, 19) end).
%% {ok,ok}
%% '''
-spec compare_and_swap(path(), term(), term(), options()) -> pando:written().
compare_and_swap(Path, Pattern, Data, Options) ->
    Condition = #if_data_matches{pattern = Pattern},
    put(one, Path, [Condition], Data, Options).

%% @doc Removes a node and everything below it.
-spec delete(path()) -> pando:written().
delete(Path) -> delete(Path, #{}).

%% @doc Removes a node and everything below it, as `pando:delete/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> {pando_tx:delete("/:wood/oak"), pando_tx:exists("/:wood/oak")} end).
%% {ok,{ok,false}}
%% '''
-spec delete(path(), options()) -> pando:written().
delete(Path, Options) ->
    pando_write:brief(pando_write:delete(one, pando_transaction:writing(), Path, pando_options:brief_inside(Options))).

%% @doc Removes all nodes that a pattern matches, and everything below them.
-spec delete_many(path()) -> pando:written().
delete_many(Path) -> delete_many(Path, #{}).

%% @doc Removes all nodes that a pattern matches, and everything below them, as `pando:delete_many/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:delete_many([wood, #if_data_matches{pattern = 0}]) end).
%% {ok,ok}
%% '''
-spec delete_many(path(), options()) -> pando:written().
delete_many(Path, Options) ->
    pando_write:brief(pando_write:delete(many, pando_transaction:writing(), Path, pando_options:brief_inside(Options))).

%% @doc Takes the value off a node.
-spec clear_payload(path()) -> pando:written().
clear_payload(Path) -> clear_payload(Path, #{}).

%% @doc Takes the value off a node, as `pando:clear_payload/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> {pando_tx:clear_payload("/:wood/fir"), pando_tx:get("/:wood/fir")} end).
%% {ok,{ok,{ok,undefined}}}
%% '''
-spec clear_payload(path(), options()) -> pando:written().
clear_payload(Path, Options) ->
    pando_write:brief(pando_write:clear(one, pando_transaction:writing(), Path, pando_options:brief_inside(Options))).

%% @doc Takes the values off all nodes that a pattern matches.
-spec clear_many_payloads(path()) -> pando:written().
clear_many_payloads(Path) -> clear_many_payloads(Path, #{}).

%% @doc Takes the values off all nodes that a pattern matches, as `pando:clear_many_payloads/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:clear_many_payloads("/:wood/*") end).
%% {ok,ok}
%% '''
-spec clear_many_payloads(path(), options()) -> pando:written().
clear_many_payloads(Path, Options) ->
    pando_write:brief(pando_write:clear(many, pando_transaction:writing(), Path, pando_options:brief_inside(Options))).

put(Mode, Path, Conditions, Data, Options) ->
    Transaction = pando_transaction:writing(),
    pando_write:brief(
        pando_write:put(Mode, Transaction, Path, Conditions, Data, pando_options:brief_inside(Options))
    ).

%%% The transaction itself

%% @doc Ends the function: the transaction answers `{error, Reason}', and nothing of it has happened.
%%
%% It throws; a `catch' around it that takes everything makes the function go on, and what it has written will be
%% committed.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:put("/:wood/oak", 1), pando_tx:abort(changed_my_mind) end).
%% {error,changed_my_mind}
%% '''
-spec abort(term()) -> no_return().
abort(Reason) -> pando_transaction:abort(Reason).

%% @doc Has a function run once, after the transaction was committed, and before `pando:transaction/5' returns: for what must
%% not be done again when the function of the transaction runs again, such as sending a message.
%%
%% Functions run in the order in which they were given, in the process that called the transaction, and outside of it: they
%% may call `pando'. If the transaction is not committed, or was a repeated one (`request_id'), they do not run. What they
%% return is dropped, and what they raise is logged: the transaction has happened by then.
%%
%% ```
%% > Self = self(),
%%   pando:transaction(stock, fun() ->
%%       ok = pando_tx:after_commit(fun() -> Self ! sold end),
%%       pando_tx:put("/:wood/oak", 49)
%%   end).
%% {ok,ok}
%% > receive sold -> yes after 0 -> no end.
%% yes
%% '''
%%
%% Raises `function_clause' for what is no function without arguments.
-spec after_commit(fun(() -> term())) -> ok.
after_commit(Function) -> pando_transaction:after_commit(Function).

%% @doc Whether the caller is the function of a transaction.
%%
%% ```
%% > pando_tx:is_transaction().
%% false
%% > pando:transaction(stock, fun() -> pando_tx:is_transaction() end).
%% {ok,true}
%% '''
-spec is_transaction() -> boolean().
is_transaction() -> pando_transaction:is_transaction().

%% @doc Whether all members of the store behave in this way, by its name; `false' for a name that is not known. As there is
%% one version of Pando, it is so of all that are.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx:does_api_comply_with(uniform_write_ret) end).
%% {ok,true}
%% '''
-spec does_api_comply_with(atom()) -> boolean().
does_api_comply_with(Behaviour) ->
    ok = pando_transaction:ensure_running(),
    lists:member(Behaviour, [
        dedup_protection,
        delete_reason_in_node_props,
        expire_dedups_from_tick,
        indirect_deletes_in_ret,
        uniform_write_ret,
        multi_table_projections,
        uniform_commands,
        request_snapshot,
        extended_trigger
    ]).
