%% @doc The calls of `pando_tx' with their full answers: `{ok, #{Path => Props}}', as of `pando_adv'.
%%
%% Options, and what is raised outside of a transaction, are those of `pando_tx'.
%%
%% ```
%% > pando:transaction(stock, fun() -> {pando_tx_adv:put([oak], 150), pando_tx_adv:put([oak], 149)} end).
%% {ok,{{ok,#{[oak] => #{payload_version => 1}}},{ok,#{[oak] => #{data => 150,payload_version => 2}}}}}
%% '''
%%
%% What a write answers is something read: if it would answer otherwise when the transaction is committed, the function runs
%% again. `pando_tx:put/2', which answers `ok' whatever was there before, is in nobody's way.
-module(pando_tx_adv).
-compile({no_auto_import, [get/1, put/2]}).

-export([get/1, get/2, get_many/1, get_many/2]).
-export([put/2, put/3, put_many/2, put_many/3, create/2, create/3, update/2, update/3]).
-export([compare_and_swap/3, compare_and_swap/4, delete/1, delete/2, delete_many/1, delete_many/2]).
-export([clear_payload/1, clear_payload/2, clear_many_payloads/1, clear_many_payloads/2]).

-include("pando.hrl").

-type path() :: pando_path:path().
%% Keys: see `pando', and `pando_tx'.
-type options() :: map().

%%% Reads

%% @doc Reads a node.
-spec get(path()) -> pando_adv:found().
get(Path) -> get(Path, #{}).

%% @doc Reads a node and answers its path and properties, as `pando_adv:get/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:get([oak]) end).
%% {ok,{ok,#{[oak] => #{data => 149,payload_version => 2}}}}
%% '''
-spec get(path(), options()) -> pando_adv:found().
get(Path, Options) ->
    pando_read:node_map(pando_transaction:reading(Path), Path, pando_options:query_inside(Options)).

%% @doc Reads all nodes that a pattern matches.
-spec get_many(path()) -> pando_adv:found().
get_many(Pattern) -> get_many(Pattern, #{}).

%% @doc Reads all nodes that a pattern matches, as `pando_adv:get_many/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:get_many("*") end).
%% {ok,{ok,#{[oak] => #{data => 149,payload_version => 2}}}}
%% '''
-spec get_many(path(), options()) -> pando_adv:found().
get_many(Pattern, Options) ->
    pando_read:props(pando_transaction:reading(Pattern), Pattern, pando_options:many_inside(Options)).

%%% Writes

%% @doc Creates a node, or replaces its payload.
-spec put(path(), term()) -> pando_adv:written().
put(Path, Data) -> put(Path, Data, #{}).

%% @doc Creates a node, or replaces its payload, as `pando_adv:put/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:put([elm], 3) end).
%% {ok,{ok,#{[elm] => #{payload_version => 1}}}}
%% '''
-spec put(path(), term(), options()) -> pando_adv:written().
put(Path, Data, Options) ->
    put(one, Path, [], Data, Options).

%% @doc Replaces the payloads of all nodes that a pattern matches.
-spec put_many(path(), term()) -> pando_adv:written().
put_many(Path, Data) -> put_many(Path, Data, #{}).

%% @doc Replaces the payloads of all nodes that a pattern matches, as `pando_adv:put_many/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:put_many("*", 0, #{props_to_return => []}) end).
%% {ok,{ok,#{[elm] => #{},[oak] => #{}}}}
%% '''
-spec put_many(path(), term(), options()) -> pando_adv:written().
put_many(Path, Data, Options) ->
    put(many, Path, [], Data, Options).

%% @doc Creates a node that must not exist yet.
-spec create(path(), term()) -> pando_adv:written().
create(Path, Data) -> create(Path, Data, #{}).

%% @doc Creates a node that must not exist yet, as `pando_adv:create/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:create([fir], 1) end).
%% {ok,{ok,#{[fir] => #{payload_version => 1}}}}
%% '''
-spec create(path(), term(), options()) -> pando_adv:written().
create(Path, Data, Options) ->
    put(one, Path, [#if_node_exists{exists = false}], Data, Options).

%% @doc Replaces the payload of a node that must exist.
-spec update(path(), term()) -> pando_adv:written().
update(Path, Data) -> update(Path, Data, #{}).

%% @doc Replaces the payload of a node that must exist, as `pando_adv:update/4'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:update([fir], 2) end).
%% {ok,{ok,#{[fir] => #{data => 1,payload_version => 2}}}}
%% '''
-spec update(path(), term(), options()) -> pando_adv:written().
update(Path, Data, Options) ->
    put(one, Path, [#if_node_exists{exists = true}], Data, Options).

%% @doc Replaces the payload of a node if it matches a pattern.
-spec compare_and_swap(path(), term(), term()) -> pando_adv:written().
compare_and_swap(Path, Pattern, Data) -> compare_and_swap(Path, Pattern, Data, #{}).

%% @doc Replaces the payload of a node if it is data that matches a pattern, as `pando_adv:compare_and_swap/5'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:compare_and_swap([fir], 2, 3) end).
%% {ok,{ok,#{[fir] => #{data => 2,payload_version => 3}}}}
%% '''
-spec compare_and_swap(path(), term(), term(), options()) -> pando_adv:written().
compare_and_swap(Path, Pattern, Data, Options) ->
    Condition = #if_data_matches{pattern = Pattern},
    put(one, Path, [Condition], Data, Options).

%% @doc Removes a node and everything below it.
-spec delete(path()) -> pando_adv:written().
delete(Path) -> delete(Path, #{}).

%% @doc Removes a node and everything below it, as `pando_adv:delete/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> {pando_tx_adv:delete([fir]), pando_tx_adv:delete([fir])} end).
%% {ok,{{ok,#{[fir] => #{data => 3,delete_reason => explicit,payload_version => 3}}},{ok,#{}}}}
%% '''
-spec delete(path(), options()) -> pando_adv:written().
delete(Path, Options) ->
    pando_write:delete(one, pando_transaction:writing(), Path, pando_options:command_inside(Options)).

%% @doc Removes all nodes that a pattern matches, and everything below them.
-spec delete_many(path()) -> pando_adv:written().
delete_many(Path) -> delete_many(Path, #{}).

%% @doc Removes all nodes that a pattern matches, and everything below them, as `pando_adv:delete_many/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:delete_many([elm], #{props_to_return => [delete_reason]}) end).
%% {ok,{ok,#{[elm] => #{delete_reason => explicit}}}}
%% '''
-spec delete_many(path(), options()) -> pando_adv:written().
delete_many(Path, Options) ->
    pando_write:delete(many, pando_transaction:writing(), Path, pando_options:command_inside(Options)).

%% @doc Takes the payload off a node.
-spec clear_payload(path()) -> pando_adv:written().
clear_payload(Path) -> clear_payload(Path, #{}).

%% @doc Takes the payload off a node, as `pando_adv:clear_payload/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:clear_payload([oak]) end).
%% {ok,{ok,#{[oak] => #{data => 0,payload_version => 4}}}}
%% '''
-spec clear_payload(path(), options()) -> pando_adv:written().
clear_payload(Path, Options) ->
    pando_write:clear(one, pando_transaction:writing(), Path, pando_options:command_inside(Options)).

%% @doc Takes the payloads off all nodes that a pattern matches.
-spec clear_many_payloads(path()) -> pando_adv:written().
clear_many_payloads(Path) -> clear_many_payloads(Path, #{}).

%% @doc Takes the payloads off all nodes that a pattern matches, as `pando_adv:clear_many_payloads/3'.
%%
%% ```
%% > pando:transaction(stock, fun() -> pando_tx_adv:clear_many_payloads("*") end).
%% {ok,{ok,#{[oak] => #{payload_version => 4}}}}
%% '''
-spec clear_many_payloads(path(), options()) -> pando_adv:written().
clear_many_payloads(Path, Options) ->
    pando_write:clear(many, pando_transaction:writing(), Path, pando_options:command_inside(Options)).

put(Mode, Path, Conditions, Data, Options) ->
    Transaction = pando_transaction:writing(),
    pando_write:put(Mode, Transaction, Path, Conditions, Data, pando_options:command_inside(Options)).
