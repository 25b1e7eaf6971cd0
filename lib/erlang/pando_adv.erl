%% @doc The calls of `pando' with their full answers: which nodes were concerned, and their properties.
%%
%% Writes answer `{ok, #{Path => Props}}': for a node that was there, its former payload with its new counters; for a
%% node that a write has removed, its last properties and `delete_reason'. Which properties: option `props_to_return',
%% by default `[payload, payload_version, delete_reason]'. Errors are those of `pando'.
-module(pando_adv).
-compile({no_auto_import, [get/1, put/2]}).

-export([get/1, get/2, get/3, get_many/1, get_many/2, get_many/3]).
-export([put/2, put/3, put/4, create/2, create/3, create/4, update/2, update/3, update/4]).
-export([delete/1, delete/2, delete/3, clear_payload/1, clear_payload/2, clear_payload/3]).

-export_type([node_props/0, node_props_map/0, options/0]).

%% See specification section 1.2 for the keys.
-type node_props() :: pando_backend:node_props().
-type node_props_map() :: #{pando_path:native_path() => node_props()}.
%% Keys: see `pando_options'.
-type options() :: map().

-define(DEFAULT_STORE, pando_cluster:get_default_store_id()).

%% @doc Reads a node of the default store.
-spec get(pando_path:path()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
get(Path) -> get(?DEFAULT_STORE, Path, #{}).

%% @doc Reads a node: `get(Store, Path)' or `get(Path, Options)'.
-spec get(pando_cluster:store_id(), pando_path:path()) -> {ok, node_props_map()} | {error, pando_errors:reason()};
         (pando_path:path(), options()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
get(Store, Path) when is_atom(Store) -> get(Store, Path, #{});
get(Path, Options) when is_map(Options) -> get(?DEFAULT_STORE, Path, Options).

%% @doc Reads a node and answers its path and properties.
%%
%% ```
%% > pando_adv:get(stock, "/:wood/oak").
%% {ok,#{[wood,<<"oak">>] => #{data => 150,payload_version => 1}}}
%% '''
-spec get(pando_cluster:store_id(), pando_path:path(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
get(Store, Path, Options) ->
    case pando_read:node(Store, Path, pando_options:query(Options)) of
        {ok, NodePath, Props} -> {ok, #{NodePath => Props}};
        {error, _} = Error -> Error
    end.

%% @doc Reads all nodes of the default store that a pattern matches.
-spec get_many(pando_path:path()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
get_many(Pattern) -> get_many(?DEFAULT_STORE, Pattern, #{}).

%% @doc Reads all nodes that a pattern matches: `get_many(Store, Pattern)' or `get_many(Pattern, Options)'.
-spec get_many(pando_cluster:store_id(), pando_path:path()) ->
                  {ok, node_props_map()} | {error, pando_errors:reason()};
              (pando_path:path(), options()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
get_many(Store, Pattern) when is_atom(Store) -> get_many(Store, Pattern, #{});
get_many(Pattern, Options) when is_map(Options) -> get_many(?DEFAULT_STORE, Pattern, Options).

%% @doc Reads all nodes that a pattern matches, all as of one moment.
%%
%% ```
%% > pando_adv:get_many(stock, "/:wood/*").
%% {ok,#{[wood,<<"oak">>] => #{data => 150,payload_version => 1}}}
%% '''
-spec get_many(pando_cluster:store_id(), pando_path:path(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
get_many(Store, Pattern, Options) ->
    Add = fun(Path, Props, Found) -> Found#{Path => Props} end,
    pando_read:fold(Store, Pattern, Add, #{}, pando_options:query(Options)).

%% @doc Creates a node of the default store, or replaces its payload.
-spec put(pando_path:path(), term()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
put(Path, Data) -> put(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node, or replaces its payload.
-spec put(pando_cluster:store_id(), pando_path:path(), term()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
put(Store, Path, Data) -> put(Store, Path, Data, #{}).

%% @doc Creates a node, or replaces its payload. Missing parents are created.
%%
%% ```
%% > pando_adv:put(stock, "/:wood/oak", 150).
%% {ok,#{[wood,<<"oak">>] => #{payload_version => 1}}}
%% > pando_adv:put(stock, "/:wood/oak", 149).
%% {ok,#{[wood,<<"oak">>] => #{data => 150,payload_version => 2}}}
%% '''
-spec put(pando_cluster:store_id(), pando_path:path(), term(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
put(Store, Path, Data, Options) ->
    pando_write:put(Store, Path, Data, anything, pando_options:command(Options)).

%% @doc Creates a node of the default store that must not exist yet.
-spec create(pando_path:path(), term()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
create(Path, Data) -> create(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node that must not exist yet.
-spec create(pando_cluster:store_id(), pando_path:path(), term()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
create(Store, Path, Data) -> create(Store, Path, Data, #{}).

%% @doc Creates a node that must not exist yet; otherwise `{error, {pando, mismatching_node, _}}'.
-spec create(pando_cluster:store_id(), pando_path:path(), term(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
create(Store, Path, Data, Options) ->
    pando_write:put(Store, Path, Data, absent, pando_options:command(Options)).

%% @doc Replaces the payload of a node of the default store that must exist.
-spec update(pando_path:path(), term()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
update(Path, Data) -> update(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Replaces the payload of a node that must exist.
-spec update(pando_cluster:store_id(), pando_path:path(), term()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
update(Store, Path, Data) -> update(Store, Path, Data, #{}).

%% @doc Replaces the payload of a node that must exist; otherwise `{error, {pando, node_not_found, _}}'.
-spec update(pando_cluster:store_id(), pando_path:path(), term(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
update(Store, Path, Data, Options) ->
    pando_write:put(Store, Path, Data, present, pando_options:command(Options)).

%% @doc Removes a node of the default store and everything below it.
-spec delete(pando_path:path()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
delete(Path) -> delete(?DEFAULT_STORE, Path, #{}).

%% @doc Removes a node and everything below it: `delete(Store, Path)' or `delete(Path, Options)'.
-spec delete(pando_cluster:store_id(), pando_path:path()) -> {ok, node_props_map()} | {error, pando_errors:reason()};
            (pando_path:path(), options()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
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
-spec delete(pando_cluster:store_id(), pando_path:path(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
delete(Store, Path, Options) ->
    pando_write:delete(Store, Path, pando_options:command(Options)).

%% @doc Takes the payload off a node of the default store.
-spec clear_payload(pando_path:path()) -> {ok, node_props_map()} | {error, pando_errors:reason()}.
clear_payload(Path) -> clear_payload(?DEFAULT_STORE, Path, #{}).

%% @doc Takes the payload off a node.
-spec clear_payload(pando_cluster:store_id(), pando_path:path()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
clear_payload(Store, Path) -> clear_payload(Store, Path, #{}).

%% @doc Takes the payload off a node. Nothing there: `{ok, #{}}'.
-spec clear_payload(pando_cluster:store_id(), pando_path:path(), options()) ->
    {ok, node_props_map()} | {error, pando_errors:reason()}.
clear_payload(Store, Path, Options) ->
    pando_write:clear(Store, Path, pando_options:command(Options)).
