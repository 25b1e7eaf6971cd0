%% @doc A tree of terms on disk, for Erlang: the calls most programs need. `Pando' is the same for Elixir.
%%
%% A store is a tree. Each node has a name (an atom or a binary), children, and may have a payload: any term. A path names
%% a node: `[wood, <<"oak">>]', or the same as a string, `"/:wood/oak"' (see `pando_path').
%%
%% ```
%% 1> {ok, stock} = pando:start("/var/lib/my_app", stock).
%% 2> ok = pando:put(stock, "/:wood/oak", 150).
%% 3> {ok, 150} = pando:get(stock, "/:wood/oak").
%% '''
%%
%% A write that answers `ok' is on disk (`fdatasync'), and every later read sees it. Reads run in the calling process, on
%% the newest state, and wait for nobody. Functions without a store use the default store (`pando_cluster').
%%
%% `{error, Reason}': see `pando_errors'. Wrong arguments raise: `{pando_ex, Name, Props}' for paths and patterns,
%% `function_clause' for types. The functions with `!' answer the bare value and raise `Reason'. `pando_adv' has the same
%% writes with full answers.
-module(pando).
-compile({no_auto_import, [get/1, put/2]}).

-export([start/0, start/1, start/2, start/3, stop/0, stop/1, get_store_ids/0]).
-export([is_empty/0, is_empty/1, is_empty/2]).
-export([get/1, get/2, get/3, get_or/2, get_or/3, get_or/4, get_many/1, get_many/2, get_many/3]).
-export([exists/1, exists/2, exists/3, has_data/1, has_data/2, has_data/3]).
-export([count/1, count/2, count/3, fold/3, fold/4, fold/5]).
-export([put/2, put/3, put/4, create/2, create/3, create/4, update/2, update/3, update/4]).
-export([delete/1, delete/2, delete/3, clear_payload/1, clear_payload/2, clear_payload/3]).
-export(['get!'/1, 'get!'/2, 'get!'/3, 'get_or!'/2, 'get_or!'/3, 'get_or!'/4]).
-export(['get_many!'/1, 'get_many!'/2, 'get_many!'/3, 'exists!'/1, 'exists!'/2, 'exists!'/3]).
-export(['has_data!'/1, 'has_data!'/2, 'has_data!'/3, 'count!'/1, 'count!'/2, 'count!'/3]).
-export(['put!'/2, 'put!'/3, 'put!'/4, 'create!'/2, 'create!'/3, 'create!'/4]).
-export(['update!'/2, 'update!'/3, 'update!'/4, 'delete!'/1, 'delete!'/2, 'delete!'/3]).
-export(['clear_payload!'/1, 'clear_payload!'/2, 'clear_payload!'/3]).

-export_type([result/1, written/0]).

-type store() :: pando_cluster:store_id().
-type path() :: pando_path:path().
-type options() :: map().
-type result(Value) :: {ok, Value} | {error, pando_errors:reason()}.
-type written() :: ok | {error, pando_errors:reason()}.
-type fold_fun(Acc) :: fun((pando_path:native_path(), pando_adv:node_props(), Acc) -> Acc).

-define(DEFAULT_STORE, pando_cluster:get_default_store_id()).

%%% Stores

%% @doc Starts the default store in the default data directory. See `pando_cluster:start/3'.
-spec start() -> {ok, store()} | {error, pando_cluster:start_error()}.
start() -> pando_cluster:start().

%% @doc Starts the default store in `DataDir'. See `pando_cluster:start/3'.
-spec start(pando_cluster:data_dir()) -> {ok, store()} | {error, pando_cluster:start_error()}.
start(DataDir) -> pando_cluster:start(DataDir).

%% @doc Starts a store with its files in `DataDir/StoreId'. See `pando_cluster:start/3'.
-spec start(pando_cluster:data_dir(), store() | map()) -> {ok, store()} | {error, pando_cluster:start_error()}.
start(DataDir, StoreIdOrConfig) -> pando_cluster:start(DataDir, StoreIdOrConfig).

%% @doc The same, giving up after `Timeout' milliseconds. See `pando_cluster:start/3'.
-spec start(pando_cluster:data_dir(), store() | map(), timeout()) ->
    {ok, store()} | {error, pando_cluster:start_error()}.
start(DataDir, StoreIdOrConfig, Timeout) -> pando_cluster:start(DataDir, StoreIdOrConfig, Timeout).

%% @doc Stops the default store. See `pando_cluster:stop/1'.
-spec stop() -> ok | {error, term()}.
stop() -> pando_cluster:stop().

%% @doc Stops a store; its data stays. See `pando_cluster:stop/1'.
-spec stop(store()) -> ok | {error, term()}.
stop(Store) -> pando_cluster:stop(Store).

%% @doc The stores that run on this node.
-spec get_store_ids() -> [store()].
get_store_ids() -> pando_cluster:get_store_ids().

%% @doc Whether the default store has no node below the root.
-spec is_empty() -> boolean() | {error, pando_errors:reason()}.
is_empty() -> is_empty(?DEFAULT_STORE, #{}).

%% @doc Whether a store has no node below the root: `is_empty(Store)' or `is_empty(Options)'.
-spec is_empty(store() | options()) -> boolean() | {error, pando_errors:reason()}.
is_empty(Store) when is_atom(Store) -> is_empty(Store, #{});
is_empty(Options) when is_map(Options) -> is_empty(?DEFAULT_STORE, Options).

%% @doc Whether a store has no node below the root. A payload of the root does not count.
-spec is_empty(store(), options()) -> boolean() | {error, pando_errors:reason()}.
is_empty(Store, Options) ->
    Query = (pando_options:query(Options))#{props := pando_props:bits([child_list_length])},
    case pando_read:node(Store, [], Query) of
        {ok, [], #{child_list_length := Length}} -> Length =:= 0;
        {error, _} = Error -> Error
    end.

%%% Reads

%% @doc Reads the value of a node of the default store.
-spec get(path()) -> result(term()).
get(Path) -> get(?DEFAULT_STORE, Path, #{}).

%% @doc Reads the value of a node: `get(Store, Path)' or `get(Path, Options)'.
-spec get(store() | path(), path() | options()) -> result(term()).
get(Store, Path) when is_atom(Store) -> get(Store, Path, #{});
get(Path, Options) when is_map(Options) -> get(?DEFAULT_STORE, Path, Options).

%% @doc Reads the value of a node: `{ok, undefined}' if it has none (`pando_adv:get/3' tells that from a stored `undefined').
%%
%% ```
%% > pando:get(stock, "/:wood/oak").
%% {ok,150}
%% > pando:get(stock, "/:wood/elm").
%% {error,{pando,node_not_found,#{node_is_target => true,node_name => <<"elm">>,node_path => [wood,<<"elm">>]}}}
%% '''
-spec get(store(), path(), options()) -> result(term()).
get(Store, Path, Options) when map_size(Options) =:= 0 ->
    get_within(pando_options:default_timeout(), Store, Path);
get(Store, Path, Options) ->
    #{timeout := Timeout} = pando_options:query(Options),
    get_within(Timeout, Store, Path).

get_within(0, _Store, _Path) -> {error, timeout};
get_within(_Timeout, Store, Path) -> pando_read:data(Store, Path).

%% @doc Reads the value of a node of the default store, or takes a default.
-spec get_or(path(), term()) -> result(term()).
get_or(Path, Default) -> get_or(?DEFAULT_STORE, Path, Default, #{}).

%% @doc Reads the value of a node, or takes a default: `get_or(Store, Path, Default)' or `get_or(Path, Default, Options)'.
-spec get_or(store() | path(), path() | term(), term() | options()) -> result(term()).
get_or(Store, Path, Default) when is_atom(Store) -> get_or(Store, Path, Default, #{});
get_or(Path, Default, Options) when is_map(Options) -> get_or(?DEFAULT_STORE, Path, Default, Options).

%% @doc Reads the value of a node; `{ok, Default}' if it has none, or if there is no such node.
-spec get_or(store(), path(), term(), options()) -> result(term()).
get_or(Store, Path, Default, Options) ->
    Query = (pando_options:query(Options))#{props := pando_props:payload_bits()},
    case pando_read:node(Store, Path, Query) of
        {ok, _, #{data := Data}} -> {ok, Data};
        {ok, _, #{sproc := Procedure}} -> {ok, Procedure};
        {ok, _, #{}} -> {ok, Default};
        {error, {pando, node_not_found, _}} -> {ok, Default};
        {error, _} = Error -> Error
    end.

%% @doc Reads all values of the default store that a pattern matches.
-spec get_many(path()) -> result(#{pando_path:native_path() => term()}).
get_many(Pattern) -> get_many(?DEFAULT_STORE, Pattern, #{}).

%% @doc Reads all values that a pattern matches: `get_many(Store, Pattern)' or `get_many(Pattern, Options)'.
-spec get_many(store() | path(), path() | options()) -> result(#{pando_path:native_path() => term()}).
get_many(Store, Pattern) when is_atom(Store) -> get_many(Store, Pattern, #{});
get_many(Pattern, Options) when is_map(Options) -> get_many(?DEFAULT_STORE, Pattern, Options).

%% @doc Reads the values of all nodes that a pattern matches, all as of one moment; `undefined' for those without a value.
%%
%% ```
%% > pando:get_many(stock, "/:wood/*").
%% {ok,#{[wood,<<"oak">>] => 150}}
%% '''
-spec get_many(store(), path(), options()) -> result(#{pando_path:native_path() => term()}).
get_many(Store, Pattern, Options) ->
    Query = (pando_options:query(Options))#{props := pando_props:payload_bits()},
    Add = fun
        (Path, #{data := Data}, Found) -> Found#{Path => Data};
        (Path, #{sproc := Procedure}, Found) -> Found#{Path => Procedure};
        (Path, #{}, Found) -> Found#{Path => undefined}
    end,
    pando_read:fold(Store, Pattern, Add, #{}, Query).

%% @doc Whether there is a node of the default store.
-spec exists(path()) -> boolean() | {error, pando_errors:reason()}.
exists(Path) -> exists(?DEFAULT_STORE, Path, #{}).

%% @doc Whether there is a node: `exists(Store, Path)' or `exists(Path, Options)'.
-spec exists(store() | path(), path() | options()) -> boolean() | {error, pando_errors:reason()}.
exists(Store, Path) when is_atom(Store) -> exists(Store, Path, #{});
exists(Path, Options) when is_map(Options) -> exists(?DEFAULT_STORE, Path, Options).

%% @doc Whether there is a node.
-spec exists(store(), path(), options()) -> boolean() | {error, pando_errors:reason()}.
exists(Store, Path, Options) when is_atom(Store) ->
    Query = pando_options:query(Options),
    Native = pando_path:from_string(Path),
    case pando_nif:exists(Store, Native) of
        Answer when is_boolean(Answer), map_get(timeout, Query) =/= 0 -> Answer;
        _ -> exists_slow(pando_read:node(Store, Native, Query#{props := pando_props:no_bits()}))
    end.

exists_slow({ok, _, _}) -> true;
exists_slow({error, {pando, node_not_found, _}}) -> false;
exists_slow({error, _} = Error) -> Error.

%% @doc Whether a node of the default store has data.
-spec has_data(path()) -> boolean() | {error, pando_errors:reason()}.
has_data(Path) -> has_data(?DEFAULT_STORE, Path, #{}).

%% @doc Whether a node has data: `has_data(Store, Path)' or `has_data(Path, Options)'.
-spec has_data(store() | path(), path() | options()) -> boolean() | {error, pando_errors:reason()}.
has_data(Store, Path) when is_atom(Store) -> has_data(Store, Path, #{});
has_data(Path, Options) when is_map(Options) -> has_data(?DEFAULT_STORE, Path, Options).

%% @doc Whether a node has data. A missing node has none; a stored procedure is no data.
-spec has_data(store(), path(), options()) -> boolean() | {error, pando_errors:reason()}.
has_data(Store, Path, Options) when is_atom(Store) ->
    Query = pando_options:query(Options),
    Native = pando_path:from_string(Path),
    case pando_nif:has_data(Store, Native) of
        Answer when is_boolean(Answer), map_get(timeout, Query) =/= 0 -> Answer;
        _ -> has_data_slow(pando_read:node(Store, Native, Query#{props := pando_props:bits([has_payload])}))
    end.

has_data_slow({ok, _, Props}) -> maps:get(has_data, Props, false);
has_data_slow({error, {pando, node_not_found, _}}) -> false;
has_data_slow({error, _} = Error) -> Error.

%% @doc How many nodes of the default store a pattern matches.
-spec count(path()) -> result(non_neg_integer()).
count(Pattern) -> count(?DEFAULT_STORE, Pattern, #{}).

%% @doc How many nodes a pattern matches: `count(Store, Pattern)' or `count(Pattern, Options)'.
-spec count(store() | path(), path() | options()) -> result(non_neg_integer()).
count(Store, Pattern) when is_atom(Store) -> count(Store, Pattern, #{});
count(Pattern, Options) when is_map(Options) -> count(?DEFAULT_STORE, Pattern, Options).

%% @doc How many nodes a pattern matches. `"/**"' does not count the root.
-spec count(store(), path(), options()) -> result(non_neg_integer()).
count(Store, Pattern, Options) ->
    pando_read:count(Store, Pattern, pando_options:query(Options)).

%% @doc Folds over the nodes of the default store that a pattern matches.
-spec fold(path(), fold_fun(Acc), Acc) -> result(Acc).
fold(Pattern, Fun, Acc) -> fold(?DEFAULT_STORE, Pattern, Fun, Acc, #{}).

%% @doc Folds over the nodes that a pattern matches: `fold(Store, Pattern, Fun, Acc)' or `fold(Pattern, Fun, Acc, Options)'.
-spec fold(store() | path(), path() | fold_fun(term()), fold_fun(term()) | term(), term() | options()) ->
    result(term()).
fold(Store, Pattern, Fun, Acc) when is_atom(Store) -> fold(Store, Pattern, Fun, Acc, #{});
fold(Pattern, Fun, Acc, Options) when is_map(Options) -> fold(?DEFAULT_STORE, Pattern, Fun, Acc, Options).

%% @doc Calls `Fun(Path, Props, Acc)' for every node that a pattern matches, all as of one moment: a node before those
%% below it, siblings in term order. `Fun' runs in the calling process and may do what it likes, writes included.
%%
%% ```
%% > pando:fold(stock, "/**", fun(_, #{data := N}, Sum) -> Sum + N; (_, _, Sum) -> Sum end, 0).
%% {ok,150}
%% '''
-spec fold(store(), path(), fold_fun(Acc), Acc, options()) -> result(Acc).
fold(Store, Pattern, Fun, Acc, Options) when is_function(Fun, 3) ->
    %% Whatever `expect_specific_node' says: a fold is over many (specification 7.2).
    pando_read:fold(Store, Pattern, Fun, Acc, (pando_options:query(Options))#{expect_specific_node := false}).

%%% Writes

%% @doc Creates a node, or replaces the value of one of the default store.
-spec put(path(), term()) -> written().
put(Path, Data) -> put(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node, or replaces the value of one.
-spec put(store(), path(), term()) -> written().
put(Store, Path, Data) -> put(Store, Path, Data, #{}).

%% @doc Creates a node, or replaces its value. Missing parents are created; they go again with their last child.
%%
%% ```
%% > pando:put(stock, "/:wood/oak", 150).
%% ok
%% '''
-spec put(store(), path(), term(), options()) -> written().
put(Store, Path, Data, Options) ->
    written(pando_write:put(Store, Path, Data, anything, pando_write:without_answer(Options))).

%% @doc Creates a node that must not exist yet of the default store.
-spec create(path(), term()) -> written().
create(Path, Data) -> create(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node that must not exist yet.
-spec create(store(), path(), term()) -> written().
create(Store, Path, Data) -> create(Store, Path, Data, #{}).

%% @doc Creates a node that must not exist yet; otherwise `{error, {pando, mismatching_node, _}}'.
-spec create(store(), path(), term(), options()) -> written().
create(Store, Path, Data, Options) ->
    written(pando_write:put(Store, Path, Data, absent, pando_write:without_answer(Options))).

%% @doc Replaces the value of a node that must exist of the default store.
-spec update(path(), term()) -> written().
update(Path, Data) -> update(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Replaces the value of a node that must exist.
-spec update(store(), path(), term()) -> written().
update(Store, Path, Data) -> update(Store, Path, Data, #{}).

%% @doc Replaces the value of a node that must exist; otherwise `{error, {pando, node_not_found, _}}'.
-spec update(store(), path(), term(), options()) -> written().
update(Store, Path, Data, Options) ->
    written(pando_write:put(Store, Path, Data, present, pando_write:without_answer(Options))).

%% @doc Removes a node of the default store and everything below it.
-spec delete(path()) -> written().
delete(Path) -> delete(?DEFAULT_STORE, Path, #{}).

%% @doc Removes a node and everything below it: `delete(Store, Path)' or `delete(Path, Options)'.
-spec delete(store() | path(), path() | options()) -> written().
delete(Store, Path) when is_atom(Store) -> delete(Store, Path, #{});
delete(Path, Options) when is_map(Options) -> delete(?DEFAULT_STORE, Path, Options).

%% @doc Removes a node and everything below it; `ok' also if there is nothing. The size of what goes makes no difference.
-spec delete(store(), path(), options()) -> written().
delete(Store, Path, Options) ->
    written(pando_write:delete(Store, Path, pando_write:without_answer(Options))).

%% @doc Takes the value off a node of the default store.
-spec clear_payload(path()) -> written().
clear_payload(Path) -> clear_payload(?DEFAULT_STORE, Path, #{}).

%% @doc Takes the value off a node.
-spec clear_payload(store(), path()) -> written().
clear_payload(Store, Path) -> clear_payload(Store, Path, #{}).

%% @doc Takes the value off a node, which stays; `ok' also if there is no such node. A parent that was created on the way
%% to another node goes when it has neither children nor a value.
-spec clear_payload(store(), path(), options()) -> written().
clear_payload(Store, Path, Options) ->
    written(pando_write:clear(Store, Path, pando_write:without_answer(Options))).

written({ok, _}) -> ok;
written({error, _} = Error) -> Error.

%%% The same, raising errors

%% @doc As `get/1', but answers the bare value and raises the reason of an error.
-spec 'get!'(term()) -> term().
'get!'(Path) -> bang(get(Path)).

%% @doc As `get/2', but answers the bare value and raises the reason of an error.
-spec 'get!'(term(), term()) -> term().
'get!'(StoreOrPath, PathOrOptions) -> bang(get(StoreOrPath, PathOrOptions)).

%% @doc As `get/3', but answers the bare value and raises the reason of an error.
-spec 'get!'(term(), term(), term()) -> term().
'get!'(Store, Path, Options) -> bang(get(Store, Path, Options)).

%% @doc As `get_many/1', but answers the bare value and raises the reason of an error.
-spec 'get_many!'(term()) -> #{pando_path:native_path() => term()}.
'get_many!'(Path) -> bang(get_many(Path)).

%% @doc As `get_many/2', but answers the bare value and raises the reason of an error.
-spec 'get_many!'(term(), term()) -> #{pando_path:native_path() => term()}.
'get_many!'(StoreOrPath, PathOrOptions) -> bang(get_many(StoreOrPath, PathOrOptions)).

%% @doc As `get_many/3', but answers the bare value and raises the reason of an error.
-spec 'get_many!'(term(), term(), term()) -> #{pando_path:native_path() => term()}.
'get_many!'(Store, Path, Options) -> bang(get_many(Store, Path, Options)).

%% @doc As `exists/1', but answers the bare value and raises the reason of an error.
-spec 'exists!'(term()) -> boolean().
'exists!'(Path) -> bang(exists(Path)).

%% @doc As `exists/2', but answers the bare value and raises the reason of an error.
-spec 'exists!'(term(), term()) -> boolean().
'exists!'(StoreOrPath, PathOrOptions) -> bang(exists(StoreOrPath, PathOrOptions)).

%% @doc As `exists/3', but answers the bare value and raises the reason of an error.
-spec 'exists!'(term(), term(), term()) -> boolean().
'exists!'(Store, Path, Options) -> bang(exists(Store, Path, Options)).

%% @doc As `has_data/1', but answers the bare value and raises the reason of an error.
-spec 'has_data!'(term()) -> boolean().
'has_data!'(Path) -> bang(has_data(Path)).

%% @doc As `has_data/2', but answers the bare value and raises the reason of an error.
-spec 'has_data!'(term(), term()) -> boolean().
'has_data!'(StoreOrPath, PathOrOptions) -> bang(has_data(StoreOrPath, PathOrOptions)).

%% @doc As `has_data/3', but answers the bare value and raises the reason of an error.
-spec 'has_data!'(term(), term(), term()) -> boolean().
'has_data!'(Store, Path, Options) -> bang(has_data(Store, Path, Options)).

%% @doc As `count/1', but answers the bare value and raises the reason of an error.
-spec 'count!'(term()) -> non_neg_integer().
'count!'(Path) -> bang(count(Path)).

%% @doc As `count/2', but answers the bare value and raises the reason of an error.
-spec 'count!'(term(), term()) -> non_neg_integer().
'count!'(StoreOrPath, PathOrOptions) -> bang(count(StoreOrPath, PathOrOptions)).

%% @doc As `count/3', but answers the bare value and raises the reason of an error.
-spec 'count!'(term(), term(), term()) -> non_neg_integer().
'count!'(Store, Path, Options) -> bang(count(Store, Path, Options)).

%% @doc As `delete/1', but answers the bare value and raises the reason of an error.
-spec 'delete!'(term()) -> ok.
'delete!'(Path) -> bang(delete(Path)).

%% @doc As `delete/2', but answers the bare value and raises the reason of an error.
-spec 'delete!'(term(), term()) -> ok.
'delete!'(StoreOrPath, PathOrOptions) -> bang(delete(StoreOrPath, PathOrOptions)).

%% @doc As `delete/3', but answers the bare value and raises the reason of an error.
-spec 'delete!'(term(), term(), term()) -> ok.
'delete!'(Store, Path, Options) -> bang(delete(Store, Path, Options)).

%% @doc As `get_or/2', but answers the bare value and raises the reason of an error.
-spec 'get_or!'(term(), term()) -> term().
'get_or!'(Path, Default) -> bang(get_or(Path, Default)).

%% @doc As `get_or/3', but answers the bare value and raises the reason of an error.
-spec 'get_or!'(term(), term(), term()) -> term().
'get_or!'(StoreOrPath, PathOrDefault, DefaultOrOptions) -> bang(get_or(StoreOrPath, PathOrDefault, DefaultOrOptions)).

%% @doc As `get_or/4', but answers the bare value and raises the reason of an error.
-spec 'get_or!'(term(), term(), term(), term()) -> term().
'get_or!'(Store, Path, Default, Options) -> bang(get_or(Store, Path, Default, Options)).

%% @doc As `put/2', but answers the bare value and raises the reason of an error.
-spec 'put!'(term(), term()) -> ok.
'put!'(Path, Data) -> bang(put(Path, Data)).

%% @doc As `put/3', but answers the bare value and raises the reason of an error.
-spec 'put!'(term(), term(), term()) -> ok.
'put!'(Store, Path, Data) -> bang(put(Store, Path, Data)).

%% @doc As `put/4', but answers the bare value and raises the reason of an error.
-spec 'put!'(term(), term(), term(), term()) -> ok.
'put!'(Store, Path, Data, Options) -> bang(put(Store, Path, Data, Options)).

%% @doc As `create/2', but answers the bare value and raises the reason of an error.
-spec 'create!'(term(), term()) -> ok.
'create!'(Path, Data) -> bang(create(Path, Data)).

%% @doc As `create/3', but answers the bare value and raises the reason of an error.
-spec 'create!'(term(), term(), term()) -> ok.
'create!'(Store, Path, Data) -> bang(create(Store, Path, Data)).

%% @doc As `create/4', but answers the bare value and raises the reason of an error.
-spec 'create!'(term(), term(), term(), term()) -> ok.
'create!'(Store, Path, Data, Options) -> bang(create(Store, Path, Data, Options)).

%% @doc As `update/2', but answers the bare value and raises the reason of an error.
-spec 'update!'(term(), term()) -> ok.
'update!'(Path, Data) -> bang(update(Path, Data)).

%% @doc As `update/3', but answers the bare value and raises the reason of an error.
-spec 'update!'(term(), term(), term()) -> ok.
'update!'(Store, Path, Data) -> bang(update(Store, Path, Data)).

%% @doc As `update/4', but answers the bare value and raises the reason of an error.
-spec 'update!'(term(), term(), term(), term()) -> ok.
'update!'(Store, Path, Data, Options) -> bang(update(Store, Path, Data, Options)).

%% @doc As `clear_payload/1', but answers the bare value and raises the reason of an error.
-spec 'clear_payload!'(term()) -> ok.
'clear_payload!'(Path) -> bang(clear_payload(Path)).

%% @doc As `clear_payload/2', but answers the bare value and raises the reason of an error.
-spec 'clear_payload!'(term(), term()) -> ok.
'clear_payload!'(Store, Path) -> bang(clear_payload(Store, Path)).

%% @doc As `clear_payload/3', but answers the bare value and raises the reason of an error.
-spec 'clear_payload!'(term(), term(), term()) -> ok.
'clear_payload!'(Store, Path, Options) -> bang(clear_payload(Store, Path, Options)).

bang(ok) -> ok;
bang({ok, Value}) -> Value;
bang(Boolean) when is_boolean(Boolean) -> Boolean;
bang({error, Reason}) -> erlang:error(Reason).
