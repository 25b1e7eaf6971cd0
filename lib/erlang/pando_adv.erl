%% @doc The calls of `pando' with their full answers: which nodes were concerned, and their properties.
%%
%% Writes answer `{ok, #{Path => Props}}': for a node that was there, its former payload with its new counters; for a
%% node that a write has removed, its last properties and `delete_reason'. Which properties: option `props_to_return',
%% by default `[payload, payload_version, delete_reason]'. Errors are those of `pando'.
-module(pando_adv).
-compile({no_auto_import, [get/1, put/2]}).

-export([get/1, get/2, get/3, get_many/1, get_many/2, get_many/3]).
-export([put/2, put/3, put/4, put_many/2, put_many/3, put_many/4]).
-export([create/2, create/3, create/4, update/2, update/3, update/4]).
-export([compare_and_swap/3, compare_and_swap/4, compare_and_swap/5]).
-export([delete/1, delete/2, delete/3, delete_many/1, delete_many/2, delete_many/3]).
-export([clear_payload/1, clear_payload/2, clear_payload/3]).
-export([clear_many_payloads/1, clear_many_payloads/2, clear_many_payloads/3]).

-export_type([node_props/0, node_props_map/0, options/0, found/0, written/0]).

-include("pando.hrl").
-include("pando_source.hrl").

-type store() :: pando_cluster:store_id().
-type path() :: pando_path:path().
%% See specification section 1.2 for the keys.
-type node_props() :: pando_backend:node_props().
-type node_props_map() :: #{pando_path:native_path() => node_props()}.
%% Keys: see `pando'.
-type options() :: map().
-type found() :: {ok, node_props_map()} | {error, pando_errors:reason()}.
%% `ok' of an asynchronous write: see `pando:handle_async_ret/2'.
-type written() ::
    ok
    | {ok, node_props_map()}
    | {ok, node_props_map(), pando:token()}
    | {error, pando_errors:reason()}.

-define(DEFAULT_STORE, pando_cluster:get_default_store_id()).

%%% Reads

%% @doc Reads a node of the default store.
-spec get(path()) -> found().
get(Path) -> get(?DEFAULT_STORE, Path, #{}).

%% @doc Reads a node: `get(Store, Path)' or `get(Path, Options)'.
-spec get(store() | path(), path() | options()) -> found().
get(Store, Path) when is_atom(Store) -> get(Store, Path, #{});
get(Path, Options) when is_map(Options) -> get(?DEFAULT_STORE, Path, Options).

%% @doc Reads a node and answers its path and properties.
%%
%% ```
%% > pando_adv:get(stock, "/:wood/oak").
%% {ok,#{[wood,<<"oak">>] => #{data => 150,payload_version => 1}}}
%% > pando_adv:get(stock, [wood, #if_all{conditions = [<<"oak">>, #if_payload_version{version = 7}]}]).
%% {ok,#{}}
%% '''
%%
%% `{ok, #{}}': the node is there and does not meet a condition in the path.
-spec get(store(), path(), options()) -> found().
get(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_read:node_map(Store, Path, pando_options:query(Options)).

%% @doc Reads all nodes of the default store that a pattern matches.
-spec get_many(path()) -> found().
get_many(Pattern) -> get_many(?DEFAULT_STORE, Pattern, #{}).

%% @doc Reads all nodes that a pattern matches: `get_many(Store, Pattern)' or `get_many(Pattern, Options)'.
-spec get_many(store() | path(), path() | options()) -> found().
get_many(Store, Pattern) when is_atom(Store) -> get_many(Store, Pattern, #{});
get_many(Pattern, Options) when is_map(Options) -> get_many(?DEFAULT_STORE, Pattern, Options).

%% @doc Reads all nodes that a pattern matches, all as of one moment. `limit' and `from': see `pando:get_many/3'.
%%
%% ```
%% > pando_adv:get_many(stock, "/:wood/*").
%% {ok,#{[wood,<<"oak">>] => #{data => 150,payload_version => 1}}}
%% '''
-spec get_many(store(), path(), options()) -> found().
get_many(Store, Pattern, Options) ->
    ?ORDINARY(Store),
    pando_read:props(Store, Pattern, pando_options:many(Options)).

%%% Writes

%% @doc Creates a node, or replaces its payload, in the default store.
-spec put(path(), term()) -> written().
put(Path, Data) -> put(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node, or replaces its payload.
-spec put(store(), path(), term()) -> written().
put(Store, Path, Data) -> put(Store, Path, Data, #{}).

%% @doc Creates a node, or replaces its payload, as `pando:put/4'.
%%
%% Of a node that was there, the answer has the former payload; its versions are the new ones. Parents that were created
%% on the way are not in it; nodes that this write has removed, because they were kept while something else, are.
%%
%% ```
%% > pando_adv:put(stock, "/:wood/oak", 150).
%% {ok,#{[wood,<<"oak">>] => #{payload_version => 1}}}
%% > pando_adv:put(stock, "/:wood/oak", 149).
%% {ok,#{[wood,<<"oak">>] => #{data => 150,payload_version => 2}}}
%% '''
-spec put(store(), path(), term(), options()) -> written().
put(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:put(one, Store, Path, [], Data, pando_options:command(Options)).

%% @doc Replaces the payloads of all nodes that a pattern matches, in the default store.
-spec put_many(path(), term()) -> written().
put_many(Path, Data) -> put_many(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Replaces the payloads of all nodes that a pattern matches.
-spec put_many(store(), path(), term()) -> written().
put_many(Store, Path, Data) -> put_many(Store, Path, Data, #{}).

%% @doc Replaces the payloads of all nodes that a pattern matches, as `pando:put_many/4'. No match: `{ok, #{}}'.
%%
%% ```
%% > pando_adv:put_many(stock, "/:wood/*", 0).
%% {ok,#{[wood,<<"ash">>] => #{data => 7,payload_version => 2},[wood,<<"oak">>] => #{data => 149,payload_version => 3}}}
%% '''
-spec put_many(store(), path(), term(), options()) -> written().
put_many(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:put(many, Store, Path, [], Data, pando_options:command(Options)).

%% @doc Creates a node that must not exist yet, in the default store.
-spec create(path(), term()) -> written().
create(Path, Data) -> create(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node that must not exist yet.
-spec create(store(), path(), term()) -> written().
create(Store, Path, Data) -> create(Store, Path, Data, #{}).

%% @doc Creates a node that must not exist yet; otherwise `{error, {pando, mismatching_node, _}}'. See `pando:create/4'.
%%
%% ```
%% > pando_adv:create(stock, "/:wood/elm", 3).
%% {ok,#{[wood,<<"elm">>] => #{payload_version => 1}}}
%% '''
-spec create(store(), path(), term(), options()) -> written().
create(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:put(one, Store, Path, [#if_node_exists{exists = false}], Data, pando_options:command(Options)).

%% @doc Replaces the payload of a node that must exist, in the default store.
-spec update(path(), term()) -> written().
update(Path, Data) -> update(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Replaces the payload of a node that must exist.
-spec update(store(), path(), term()) -> written().
update(Store, Path, Data) -> update(Store, Path, Data, #{}).

%% @doc Replaces the payload of a node that must exist; otherwise `{error, {pando, node_not_found, _}}'. See
%% `pando:update/4'.
%%
%% ```
%% > pando_adv:update(stock, "/:wood/elm", 4).
%% {ok,#{[wood,<<"elm">>] => #{data => 3,payload_version => 2}}}
%% '''
-spec update(store(), path(), term(), options()) -> written().
update(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:put(one, Store, Path, [#if_node_exists{exists = true}], Data, pando_options:command(Options)).

%% @doc Replaces the payload of a node if it matches a pattern, in the default store.
-spec compare_and_swap(path(), term(), term()) -> written().
compare_and_swap(Path, Pattern, Data) -> compare_and_swap(?DEFAULT_STORE, Path, Pattern, Data, #{}).

%% @doc Replaces the payload of a node if it matches a pattern.
-spec compare_and_swap(store(), path(), term(), term()) -> written().
compare_and_swap(Store, Path, Pattern, Data) -> compare_and_swap(Store, Path, Pattern, Data, #{}).

%% @doc Replaces the payload of a node if it is data that matches a pattern; otherwise
%% `{error, {pando, mismatching_node, _}}'. See `pando:compare_and_swap/5'.
%%
%% ```
%% > pando_adv:compare_and_swap(stock, "/:wood/elm", 4, 5).
%% {ok,#{[wood,<<"elm">>] => #{data => 4,payload_version => 3}}}
%% '''
-spec compare_and_swap(store(), path(), term(), term(), options()) -> written().
compare_and_swap(Store, Path, Pattern, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:put(one, Store, Path, [#if_data_matches{pattern = Pattern}], Data, pando_options:command(Options)).

%% @doc Removes a node and everything below it, in the default store.
-spec delete(path()) -> written().
delete(Path) -> delete(?DEFAULT_STORE, Path, #{}).

%% @doc Removes a node and everything below it: `delete(Store, Path)' or `delete(Path, Options)'.
-spec delete(store() | path(), path() | options()) -> written().
delete(Store, Path) when is_atom(Store) -> delete(Store, Path, #{});
delete(Path, Options) when is_map(Options) -> delete(?DEFAULT_STORE, Path, Options).

%% @doc Removes a node and everything below it, and answers everything that went. Nothing there: `{ok, #{}}'.
%%
%% A parent that was created on the way to another node goes with its last child, unless it has a payload: it is listed
%% with `delete_reason => keep_while'.
%%
%% ```
%% > pando_adv:delete(stock, "/:wood/oak").
%% {ok,#{[wood] => #{delete_reason => keep_while,payload_version => 1},
%%       [wood,<<"oak">>] => #{data => 149,delete_reason => explicit,payload_version => 2}}}
%% '''
-spec delete(store(), path(), options()) -> written().
delete(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:delete(one, Store, Path, pando_options:command(Options)).

%% @doc Removes all nodes that a pattern matches, and everything below them, in the default store.
-spec delete_many(path()) -> written().
delete_many(Path) -> delete_many(?DEFAULT_STORE, Path, #{}).

%% @doc Removes all nodes that a pattern matches, and everything below them: `delete_many(Store, Path)' or
%% `delete_many(Path, Options)'.
-spec delete_many(store() | path(), path() | options()) -> written().
delete_many(Store, Path) when is_atom(Store) -> delete_many(Store, Path, #{});
delete_many(Path, Options) when is_map(Options) -> delete_many(?DEFAULT_STORE, Path, Options).

%% @doc Removes all nodes that a pattern matches, and everything below them, and answers everything that went. No match:
%% `{ok, #{}}'.
%%
%% ```
%% > pando_adv:delete_many(stock, [wood, #if_data_matches{pattern = 0}], #{props_to_return => [delete_reason]}).
%% {ok,#{[wood,<<"ash">>] => #{delete_reason => explicit}}}
%% '''
-spec delete_many(store(), path(), options()) -> written().
delete_many(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:delete(many, Store, Path, pando_options:command(Options)).

%% @doc Takes the payload off a node, in the default store.
-spec clear_payload(path()) -> written().
clear_payload(Path) -> clear_payload(?DEFAULT_STORE, Path, #{}).

%% @doc Takes the payload off a node.
-spec clear_payload(store(), path()) -> written().
clear_payload(Store, Path) -> clear_payload(Store, Path, #{}).

%% @doc Takes the payload off a node, as `pando:clear_payload/3'. Nothing there: `{ok, #{}}'.
%%
%% ```
%% > pando_adv:clear_payload(stock, "/:wood/oak").
%% {ok,#{[wood,<<"oak">>] => #{data => 149,payload_version => 3}}}
%% '''
-spec clear_payload(store(), path(), options()) -> written().
clear_payload(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:clear(one, Store, Path, pando_options:command(Options)).

%% @doc Takes the payloads off all nodes that a pattern matches, in the default store.
-spec clear_many_payloads(path()) -> written().
clear_many_payloads(Path) -> clear_many_payloads(?DEFAULT_STORE, Path, #{}).

%% @doc Takes the payloads off all nodes that a pattern matches.
-spec clear_many_payloads(store(), path()) -> written().
clear_many_payloads(Store, Path) -> clear_many_payloads(Store, Path, #{}).

%% @doc Takes the payloads off all nodes that a pattern matches, as `pando:clear_many_payloads/3'. No match:
%% `{ok, #{}}'.
%%
%% ```
%% > pando_adv:clear_many_payloads(stock, "/:wood/*").
%% {ok,#{[wood,<<"ash">>] => #{data => 7,payload_version => 2}}}
%% '''
-spec clear_many_payloads(store(), path(), options()) -> written().
clear_many_payloads(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:clear(many, Store, Path, pando_options:command(Options)).
