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
%% `function_clause' for types and for unknown options. The functions with `!' answer the bare value and raise `Reason'.
%% `pando_adv' has the same calls with full answers.
%%
%% A path may have conditions in it (`pando_condition'), and is a pattern then. Functions about one node demand that
%% each component names one, as `#if_all{conditions = [oak, #if_has_data{}]}' does, and otherwise raise
%% `possibly_matching_many_nodes_denied'. Those about many, as `get_many' and `put_many', take what matches.
%%
%% == Options ==
%%
%% One map. All calls take
%%
%% <ul>
%% <li>`timeout': milliseconds for the whole call, or `infinity'; without it, environment `default_timeout' of the
%%     application, else `infinity'. 0 is `{error, timeout}' at once. After a time-out a write may still be
%%     applied;</li>
%% <li>`props_to_return': what `pando_adv', and functions that are called with properties, see of a node: a list of
%%     `payload', `payload_version', `delete_reason' (these three by default), `child_list_version',
%%     `child_list_length', `child_names', `has_payload', `raw_payload';</li>
%% <li>`expect_specific_node': `true' makes a call about many nodes one about one, but not `count' and `fold', nor
%%     `foreach', `map' and `filter', which are folds;</li>
%% <li>`include_root_props': `true' adds the root to what a pattern matches that begins with a condition;</li>
%% <li>`return_indirect_deletes': `false' leaves out of answers what went because it was kept while something else.</li>
%% </ul>
%%
%% Reads take
%%
%% <ul>
%% <li>`favor': `consistency' waits until all is applied here that was acknowledged before, on whatever member, and all that
%%     this process has written; the leader is asked, and a majority whether it leads. `low_latency', the default, waits
%%     for nothing;</li>
%% <li>`at_least': a token; waits until what it stands for is applied here. It is a term for messages, sessions or cookies. One
%%     of another cluster answers `{error, {pando, other_cluster, _}}';</li>
%% <li>`condition': `{applied, {Index, Term}}' waits until this position of the log is applied here;</li>
%% <li>`limit', `from': only so many nodes, only nodes after that path in the order of the walk (`get_many',
%%     `get_many_or', `pando_adv:get_many', `count', `fold', `foreach', `map', `filter').</li>
%% </ul>
%%
%% Writes take
%%
%% <ul>
%% <li>`keep_while': `#{WatchedPath => Condition}': the nodes that are written go when one of these is not met any more;
%%     paths beginning with `.' or `..' are seen from the node. The map replaces what the node had; without the option
%%     that stays. `delete' and `delete_many' ignore it;</li>
%% <li>`async': see `handle_async_ret/1';</li>
%% <li>`return': `token' adds a token to an answer: `{ok, Token}' instead of `ok', `{ok, Result, Token}' instead of
%%     `{ok, Result}'; errors stay. Whoever shows it to a member (`at_least') reads there what was written. Not with `async':
%%     that raises `denied_token_of_async_write';</li>
%% <li>`reply_from': `leader', `local' or `{member, {Store, Node}}', all the same with one member;</li>
%% <li>`request_id': a binary of at most 256 bytes that the caller makes up: a request that is sent again with the same one,
%%     after a time-out for example, is applied once, and answered as the first time. Two requests with one id are one,
%%     whatever they say, so take one that nobody else does. The store keeps the last 65,536 ids, and at most 64 MiB of
%%     them and their answers, the oldest go first; a request whose id has gone is a new one. An answer of more than
%%     64 KiB is not kept: `{error, {pando, answer_not_kept, #{outcome => applied}}}'. What was refused, and so did
%%     nothing, is not kept either;</li>
%% <li>`protect_against_dups': a boolean; inside of one member commands are never sent twice anyway. For a caller that
%%     does not know what became of a write there is `request_id'.</li>
%% </ul>
-module(pando).
-compile({no_auto_import, [get/1, put/2]}).

-export([start/0, start/1, start/2, start/3, stop/0, stop/1, reset/0, reset/1, reset/2, get_store_ids/0]).
-export([verify/1]).
-export([is_empty/0, is_empty/1, is_empty/2]).
-export([get/1, get/2, get/3, get_or/2, get_or/3, get_or/4]).
-export([get_many/1, get_many/2, get_many/3, get_many_or/2, get_many_or/3, get_many_or/4]).
-export([exists/1, exists/2, exists/3, has_data/1, has_data/2, has_data/3, is_sproc/1, is_sproc/2, is_sproc/3]).
-export([count/1, count/2, count/3, fold/3, fold/4, fold/5, foreach/2, foreach/3, foreach/4]).
-export([map/2, map/3, map/4, filter/2, filter/3, filter/4]).
-export([put/2, put/3, put/4, put_many/2, put_many/3, put_many/4]).
-export([create/2, create/3, create/4, update/2, update/3, update/4]).
-export([compare_and_swap/3, compare_and_swap/4, compare_and_swap/5]).
-export([delete/1, delete/2, delete/3, delete_many/1, delete_many/2, delete_many/3]).
-export([clear_payload/1, clear_payload/2, clear_payload/3]).
-export([clear_many_payloads/1, clear_many_payloads/2, clear_many_payloads/3]).
-export([transaction/1, transaction/2, transaction/3, transaction/4, transaction/5]).
-export([run_sproc/2, run_sproc/3, run_sproc/4]).
-export([handle_async_ret/1, handle_async_ret/2, fence/0, fence/1, fence/2]).
-export([info/0, info/1, info/2, metrics/0]).
-export(['get!'/1, 'get!'/2, 'get!'/3, 'get_or!'/2, 'get_or!'/3, 'get_or!'/4]).
-export(['get_many!'/1, 'get_many!'/2, 'get_many!'/3, 'get_many_or!'/2, 'get_many_or!'/3, 'get_many_or!'/4]).
-export(['exists!'/1, 'exists!'/2, 'exists!'/3, 'has_data!'/1, 'has_data!'/2, 'has_data!'/3]).
-export(['is_sproc!'/1, 'is_sproc!'/2, 'is_sproc!'/3, 'count!'/1, 'count!'/2, 'count!'/3]).
-export(['put!'/2, 'put!'/3, 'put!'/4, 'put_many!'/2, 'put_many!'/3, 'put_many!'/4]).
-export(['create!'/2, 'create!'/3, 'create!'/4, 'update!'/2, 'update!'/3, 'update!'/4]).
-export(['compare_and_swap!'/3, 'compare_and_swap!'/4, 'compare_and_swap!'/5]).
-export(['delete!'/1, 'delete!'/2, 'delete!'/3, 'delete_many!'/1, 'delete_many!'/2, 'delete_many!'/3]).
-export(['clear_payload!'/1, 'clear_payload!'/2, 'clear_payload!'/3]).
-export(['clear_many_payloads!'/1, 'clear_many_payloads!'/2, 'clear_many_payloads!'/3]).

-export_type([result/1, done/0, written/0, token/0, correlation/0, async_ret/0, async_result/0]).
-export_type([fold_fun/1, foreach_fun/0, map_fun/1, filter_fun/0, transaction_body/0, transaction_result/0]).

-include("pando.hrl").
-include("pando_source.hrl").

-type store() :: pando_cluster:store_id().
-type path() :: pando_path:path().
-type options() :: map().
-type result(Value) :: {ok, Value} | {error, pando_errors:reason()}.
-type done() :: ok | {error, pando_errors:reason()}.
-type written() :: ok | {ok, token()} | {error, pando_errors:reason()}.
%% A token comes with the option `return => token'.

-type token() :: pando_token:token().
%% How far a store had come when a write was done, for the option `at_least' of reads, on any member.

-type values() :: #{pando_path:native_path() => term()}.
-type fold_fun(Acc) :: fun((pando_path:native_path(), pando_adv:node_props(), Acc) -> Acc).
-type foreach_fun() :: fun((pando_path:native_path(), pando_adv:node_props()) -> term()).
-type map_fun(Value) :: fun((pando_path:native_path(), pando_adv:node_props()) -> Value).
-type filter_fun() :: fun((pando_path:native_path(), pando_adv:node_props()) -> boolean()).

-type transaction_body() :: fun() | path() | pando_transaction_request:data().
%% A function, the path of a stored procedure, or conditions and commands.

-type transaction_result() :: ok | {ok, term()} | {ok, term(), token()} | {error, Reason :: term()}.
%% `ok' of an asynchronous one. What `pando_tx:abort/1' was given is a reason, too.

-type correlation() :: integer() | reference().
%% What the caller of an asynchronous write calls it.

-type async_ret() ::
    {ra_event, From :: {store(), node()}, {applied, [{correlation(), Reply :: term()}]}}
    | {ra_event, From :: {store(), node()}, {rejected, {not_leader, undefined | {store(), node()}, correlation()}}}.
%% The message about an asynchronous write: for `handle_async_ret/1'.

-type async_result() ::
    result(pando_adv:node_props_map()) | {error, {not_leader, undefined | {store(), node()}}} | term().
%% What became of an asynchronous write.

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

%% @doc Stops the default store and deletes its data. See `pando_cluster:reset/2'.
-spec reset() -> ok | {error, term()}.
reset() -> pando_cluster:reset().

%% @doc Stops a store and deletes its data: `reset(Store)' or `reset(Timeout)'. See `pando_cluster:reset/2'.
-spec reset(store() | timeout()) -> ok | {error, term()}.
reset(StoreOrTimeout) -> pando_cluster:reset(StoreOrTimeout).

%% @doc Stops a store and deletes its data. See `pando_cluster:reset/2'.
-spec reset(store(), timeout()) -> ok | {error, term()}.
reset(Store, Timeout) -> pando_cluster:reset(Store, Timeout).

%% @doc The stores that run on this node.
-spec get_store_ids() -> [store()].
get_store_ids() -> pando_cluster:get_store_ids().

%% @doc Looks at the files of a store that is not open, or of all stores in a data directory, and reports whether they are whole
%% and what opening would answer. All of it is read, nothing is changed. Neither the store nor the application `pando' need run.
%%
%% The report is a map: `verdict', the worst of those of the `stores', and `text', all of it in words. Each of `stores' has its
%% `directory', its `verdict' and `findings': maps of a `path', a `severity' (`fact', `remark', `fault') and a `text'. Verdicts:
%%
%% <ul>
%% <li>`sound': it would open with all that was acknowledged, nothing is amiss;</li>
%% <li>`remarks': the same, and something is worth knowing, as what a crash has left;</li>
%% <li>`damaged': the same, but files are not what was written: a reserve is lost;</li>
%% <li>`refused': it would not open, and a fault has the reason that `start' would answer;</li>
%% <li>`absent': there is no store;</li>
%% <li>`in_use': it is open, here or elsewhere, and nothing of it was read.</li>
%% </ul>
%%
%% All files are read, on a thread of its own, and snapshots built up in memory, one after the other, as opening does. While a
%% store is looked at it cannot be opened (`locked'). When the calling process dies, the looking ends.
%% A directory that is no text raises `invalid_data_dir'. `{error, {pando, open_failed, _}}': the native library is not there.
%%
%% ```
%% > {ok, Report} = pando:verify("/var/lib/my_app").
%% {ok,#{verdict => sound,directory => <<"/var/lib/my_app">>,
%%       stores => [#{verdict => sound,directory => <<"/var/lib/my_app/stock">>,findings => [...]}],
%%       text => <<"/var/lib/my_app/stock: sound"...>>}}
%% > io:put_chars(maps:get(text, Report)).
%% '''
-spec verify(pando_cluster:data_dir()) -> {ok, pando_verify:report()} | {error, {pando, open_failed, map()}}.
verify(Dir) -> pando_verify:run(Dir, fun(_, _, _) -> ok end).

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
    ?ORDINARY(Store),
    pando_read:is_empty(Store, pando_options:query(Options)).

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
%% > pando:get(stock, [wood, #if_all{conditions = [<<"oak">>, #if_payload_version{version = 7}]}]).
%% {error,{pando,mismatching_node,#{node_name => <<"oak">>,node_path => [wood,<<"oak">>],node_is_target => true,
%%                                  node_props => #{data => 150,payload_version => 1},
%%                                  condition => {if_payload_version,7}}}}
%% '''
-spec get(store(), path(), options()) -> result(term()).
get(Store, Path, Options) when map_size(Options) =:= 0 ->
    ?ORDINARY(Store),
    case pando_options:default_timeout() of
        0 -> {error, timeout};
        _ -> pando_read:data(Store, Path)
    end;
get(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_read:data(Store, Path, pando_options:query(Options)).

%% @doc Reads the value of a node of the default store, or takes a default.
-spec get_or(path(), term()) -> result(term()).
get_or(Path, Default) -> get_or(?DEFAULT_STORE, Path, Default, #{}).

%% @doc Reads the value of a node, or takes a default: `get_or(Store, Path, Default)' or `get_or(Path, Default, Options)'.
-spec get_or(store() | path(), path() | term(), term() | options()) -> result(term()).
get_or(Store, Path, Default) when is_atom(Store) -> get_or(Store, Path, Default, #{});
get_or(Path, Default, Options) when is_map(Options) -> get_or(?DEFAULT_STORE, Path, Default, Options).

%% @doc Reads the value of a node; `{ok, Default}' if it has none, if there is no such node, or if it does not meet a
%% condition in the path.
%%
%% ```
%% > pando:get_or(stock, "/:wood/elm", 0).
%% {ok,0}
%% '''
-spec get_or(store(), path(), term(), options()) -> result(term()).
get_or(Store, Path, Default, Options) ->
    ?ORDINARY(Store),
    pando_read:data_or(Store, Path, Default, pando_options:query(Options)).

%% @doc Reads all values of the default store that a pattern matches.
-spec get_many(path()) -> result(values()).
get_many(Pattern) -> get_many(?DEFAULT_STORE, Pattern, #{}).

%% @doc Reads all values that a pattern matches: `get_many(Store, Pattern)' or `get_many(Pattern, Options)'.
-spec get_many(store() | path(), path() | options()) -> result(values()).
get_many(Store, Pattern) when is_atom(Store) -> get_many(Store, Pattern, #{});
get_many(Pattern, Options) when is_map(Options) -> get_many(?DEFAULT_STORE, Pattern, Options).

%% @doc Reads the values of all nodes that a pattern matches, all as of one moment; `undefined' for those without a value.
%%
%% With `limit => N' the first `N' in the order of the walk: a node before those below it, siblings in term order, so
%% in the order of their paths as terms. The next page begins `from' the greatest path of this one, whatever has changed
%% since; a page that is not full is the last.
%%
%% ```
%% > pando:get_many(stock, "/:wood/*").
%% {ok,#{[wood,<<"ash">>] => 7,[wood,<<"oak">>] => 150}}
%% > {ok, Page} = pando:get_many(stock, "/:wood/*", #{limit => 1}).
%% {ok,#{[wood,<<"ash">>] => 7}}
%% > pando:get_many(stock, "/:wood/*", #{limit => 1, from => lists:max(maps:keys(Page))}).
%% {ok,#{[wood,<<"oak">>] => 150}}
%% '''
-spec get_many(store(), path(), options()) -> result(values()).
get_many(Store, Pattern, Options) ->
    ?ORDINARY(Store),
    pando_read:values(Store, Pattern, undefined, pando_options:many(Options)).

%% @doc Reads all values of the default store that a pattern matches, with a default for nodes without one.
-spec get_many_or(path(), term()) -> result(values()).
get_many_or(Pattern, Default) -> get_many_or(?DEFAULT_STORE, Pattern, Default, #{}).

%% @doc Reads all values that a pattern matches, with a default for nodes without one:
%% `get_many_or(Store, Pattern, Default)' or `get_many_or(Pattern, Default, Options)'.
-spec get_many_or(store() | path(), path() | term(), term() | options()) -> result(values()).
get_many_or(Store, Pattern, Default) when is_atom(Store) -> get_many_or(Store, Pattern, Default, #{});
get_many_or(Pattern, Default, Options) when is_map(Options) ->
    get_many_or(?DEFAULT_STORE, Pattern, Default, Options).

%% @doc Reads the values of all nodes that a pattern matches, as `get_many/3'; `Default' for those without a value.
%%
%% ```
%% > pando:get_many_or(stock, "*", none).
%% {ok,#{[wood] => none}}
%% '''
-spec get_many_or(store(), path(), term(), options()) -> result(values()).
get_many_or(Store, Pattern, Default, Options) ->
    ?ORDINARY(Store),
    pando_read:values(Store, Pattern, Default, pando_options:many(Options)).

%% @doc Whether there is a node of the default store.
-spec exists(path()) -> boolean() | {error, pando_errors:reason()}.
exists(Path) -> exists(?DEFAULT_STORE, Path, #{}).

%% @doc Whether there is a node: `exists(Store, Path)' or `exists(Path, Options)'.
-spec exists(store() | path(), path() | options()) -> boolean() | {error, pando_errors:reason()}.
exists(Store, Path) when is_atom(Store) -> exists(Store, Path, #{});
exists(Path, Options) when is_map(Options) -> exists(?DEFAULT_STORE, Path, Options).

%% @doc Whether there is a node, and it meets the conditions in the path, if any.
%%
%% ```
%% > pando:exists(stock, "/:wood/oak").
%% true
%% '''
-spec exists(store(), path(), options()) -> boolean() | {error, pando_errors:reason()}.
exists(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_read:exists(Store, Path, pando_options:query(Options)).

%% @doc Whether a node of the default store has data.
-spec has_data(path()) -> boolean() | {error, pando_errors:reason()}.
has_data(Path) -> has_data(?DEFAULT_STORE, Path, #{}).

%% @doc Whether a node has data: `has_data(Store, Path)' or `has_data(Path, Options)'.
-spec has_data(store() | path(), path() | options()) -> boolean() | {error, pando_errors:reason()}.
has_data(Store, Path) when is_atom(Store) -> has_data(Store, Path, #{});
has_data(Path, Options) when is_map(Options) -> has_data(?DEFAULT_STORE, Path, Options).

%% @doc Whether a node has data. A missing node has none, nor has one that does not meet a condition in the path; a
%% stored procedure is no data.
%%
%% ```
%% > pando:has_data(stock, "/:wood/oak").
%% true
%% '''
-spec has_data(store(), path(), options()) -> boolean() | {error, pando_errors:reason()}.
has_data(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_read:has_data(Store, Path, pando_options:query(Options)).

%% @doc Whether a node of the default store holds a stored procedure.
-spec is_sproc(path()) -> boolean() | {error, pando_errors:reason()}.
is_sproc(Path) -> is_sproc(?DEFAULT_STORE, Path, #{}).

%% @doc Whether a node holds a stored procedure: `is_sproc(Store, Path)' or `is_sproc(Path, Options)'.
-spec is_sproc(store() | path(), path() | options()) -> boolean() | {error, pando_errors:reason()}.
is_sproc(Store, Path) when is_atom(Store) -> is_sproc(Store, Path, #{});
is_sproc(Path, Options) when is_map(Options) -> is_sproc(?DEFAULT_STORE, Path, Options).

%% @doc Whether a node holds a stored procedure. A missing node holds none, nor does one that does not meet a condition
%% in the path.
%%
%% ```
%% > pando:put(stock, "/:sum", fun lists:sum/1).
%% ok
%% > pando:is_sproc(stock, "/:sum").
%% true
%% '''
-spec is_sproc(store(), path(), options()) -> boolean() | {error, pando_errors:reason()}.
is_sproc(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_read:is_sproc(Store, Path, pando_options:query(Options)).

%% @doc How many nodes of the default store a pattern matches.
-spec count(path()) -> result(non_neg_integer()).
count(Pattern) -> count(?DEFAULT_STORE, Pattern, #{}).

%% @doc How many nodes a pattern matches: `count(Store, Pattern)' or `count(Pattern, Options)'.
-spec count(store() | path(), path() | options()) -> result(non_neg_integer()).
count(Store, Pattern) when is_atom(Store) -> count(Store, Pattern, #{});
count(Pattern, Options) when is_map(Options) -> count(?DEFAULT_STORE, Pattern, Options).

%% @doc How many nodes a pattern matches. `"/**"' does not count the root. The children of one node are counted at once,
%% however many they are.
%%
%% ```
%% > pando:count(stock, "/:wood/*").
%% {ok,2}
%% '''
-spec count(store(), path(), options()) -> result(non_neg_integer()).
count(Store, Pattern, Options) ->
    ?ORDINARY(Store),
    pando_read:count(Store, Pattern, pando_options:many(Options)).

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
    ?ORDINARY(Store),
    pando_read:fold(Store, Pattern, Fun, Acc, pando_options:many(Options)).

%% @doc Calls a function for every node of the default store that a pattern matches.
-spec foreach(path(), foreach_fun()) -> done().
foreach(Pattern, Fun) -> foreach(?DEFAULT_STORE, Pattern, Fun, #{}).

%% @doc Calls a function for every node that a pattern matches: `foreach(Store, Pattern, Fun)' or
%% `foreach(Pattern, Fun, Options)'.
-spec foreach(store() | path(), path() | foreach_fun(), foreach_fun() | options()) -> done().
foreach(Store, Pattern, Fun) when is_atom(Store) -> foreach(Store, Pattern, Fun, #{});
foreach(Pattern, Fun, Options) when is_map(Options) -> foreach(?DEFAULT_STORE, Pattern, Fun, Options).

%% @doc Calls `Fun(Path, Props)' for every node that a pattern matches, as `fold/5' does, and drops what it returns.
%%
%% ```
%% > pando:foreach(stock, "/:wood/*", fun(Path, #{data := N}) -> io:format("~p: ~b~n", [Path, N]) end).
%% [wood,<<"ash">>]: 7
%% [wood,<<"oak">>]: 150
%% ok
%% '''
-spec foreach(store(), path(), foreach_fun(), options()) -> done().
foreach(Store, Pattern, Fun, Options) when is_function(Fun, 2) ->
    ?ORDINARY(Store),
    pando_read:foreach(Store, Pattern, Fun, pando_options:many(Options)).

%% @doc What a function makes of every node of the default store that a pattern matches.
-spec map(path(), map_fun(Value)) -> result(#{pando_path:native_path() => Value}).
map(Pattern, Fun) -> map(?DEFAULT_STORE, Pattern, Fun, #{}).

%% @doc What a function makes of every node that a pattern matches: `map(Store, Pattern, Fun)' or
%% `map(Pattern, Fun, Options)'.
-spec map(store() | path(), path() | map_fun(Value), map_fun(Value) | options()) ->
    result(#{pando_path:native_path() => Value}).
map(Store, Pattern, Fun) when is_atom(Store) -> map(Store, Pattern, Fun, #{});
map(Pattern, Fun, Options) when is_map(Options) -> map(?DEFAULT_STORE, Pattern, Fun, Options).

%% @doc Calls `Fun(Path, Props)' for every node that a pattern matches, as `fold/5' does, and answers what it returns,
%% by path.
%%
%% ```
%% > pando:map(stock, "/:wood/*", fun(_, #{data := N}) -> N * 2 end).
%% {ok,#{[wood,<<"ash">>] => 14,[wood,<<"oak">>] => 300}}
%% '''
-spec map(store(), path(), map_fun(Value), options()) -> result(#{pando_path:native_path() => Value}).
map(Store, Pattern, Fun, Options) when is_function(Fun, 2) ->
    ?ORDINARY(Store),
    pando_read:map(Store, Pattern, Fun, pando_options:many(Options)).

%% @doc The values of those nodes of the default store that a pattern matches and a function chooses.
-spec filter(path(), filter_fun()) -> result(values()).
filter(Pattern, Fun) -> filter(?DEFAULT_STORE, Pattern, Fun, #{}).

%% @doc The values of those nodes that a pattern matches and a function chooses: `filter(Store, Pattern, Fun)' or
%% `filter(Pattern, Fun, Options)'.
-spec filter(store() | path(), path() | filter_fun(), filter_fun() | options()) -> result(values()).
filter(Store, Pattern, Fun) when is_atom(Store) -> filter(Store, Pattern, Fun, #{});
filter(Pattern, Fun, Options) when is_map(Options) -> filter(?DEFAULT_STORE, Pattern, Fun, Options).

%% @doc The values, as of `get_many/3', of those nodes that a pattern matches and for which `Fun(Path, Props)' is
%% `true'. What is no boolean raises `case_clause'.
%%
%% ```
%% > pando:filter(stock, "/:wood/*", fun(_, #{data := N}) -> N > 100 end).
%% {ok,#{[wood,<<"oak">>] => 150}}
%% '''
-spec filter(store(), path(), filter_fun(), options()) -> result(values()).
filter(Store, Pattern, Fun, Options) when is_function(Fun, 2) ->
    ?ORDINARY(Store),
    pando_read:filter(Store, Pattern, Fun, pando_options:many(Options)).

%%% Writes

%% @doc Creates a node, or replaces its value, in the default store.
-spec put(path(), term()) -> written().
put(Path, Data) -> put(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node, or replaces its value.
-spec put(store(), path(), term()) -> written().
put(Store, Path, Data) -> put(Store, Path, Data, #{}).

%% @doc Creates a node, or replaces its value. Missing parents are created; they go again with their last child.
%%
%% ```
%% > pando:put(stock, "/:wood/oak", 150).
%% ok
%% > pando:put(stock, [wood, #if_all{conditions = [<<"oak">>, #if_payload_version{version = 1}]}], 149).
%% ok
%% > pando:put(stock, "/:locks/7", held, #{keep_while => #{"/:sessions/7" => #if_node_exists{}}}).
%% {error,{pando,keep_while_conditions_not_met,#{node_name => <<"7">>,node_path => [locks,<<"7">>],
%%                 keep_while_reason => {pattern_matches_no_nodes,[sessions,<<"7">>]}}}}
%% '''
%%
%% A function as value is kept as a stored procedure. Errors: `mismatching_node', `node_not_found' when a condition in
%% the path is not met; `keep_while_conditions_not_met'. On an error nothing has changed.
-spec put(store(), path(), term(), options()) -> written().
put(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:brief(pando_write:put(one, Store, Path, [], Data, pando_options:brief(Options))).

%% @doc Replaces the values of all nodes that a pattern matches, in the default store.
-spec put_many(path(), term()) -> written().
put_many(Path, Data) -> put_many(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Replaces the values of all nodes that a pattern matches.
-spec put_many(store(), path(), term()) -> written().
put_many(Store, Path, Data) -> put_many(Store, Path, Data, #{}).

%% @doc Replaces the values of all nodes that a pattern matches, all or none. No match is no error.
%%
%% A node is created only where the rest of the pattern after a match is plain names, or where there are no conditions
%% at all: as `put/4' does, under each match.
%%
%% ```
%% > pando:put_many(stock, "/:wood/*", 0).
%% ok
%% '''
-spec put_many(store(), path(), term(), options()) -> written().
put_many(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    pando_write:brief(pando_write:put(many, Store, Path, [], Data, pando_options:brief(Options))).

%% @doc Creates a node that must not exist yet, in the default store.
-spec create(path(), term()) -> written().
create(Path, Data) -> create(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Creates a node that must not exist yet.
-spec create(store(), path(), term()) -> written().
create(Store, Path, Data) -> create(Store, Path, Data, #{}).

%% @doc Creates a node that must not exist yet; otherwise `{error, {pando, mismatching_node, _}}'.
%%
%% ```
%% > pando:create(stock, "/:wood/oak", 1).
%% {error,{pando,mismatching_node,#{node_name => <<"oak">>,node_path => [wood,<<"oak">>],node_is_target => true,
%%                                  node_props => #{data => 150,payload_version => 1},
%%                                  condition => {if_node_exists,false}}}}
%% '''
-spec create(store(), path(), term(), options()) -> written().
create(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    Condition = #if_node_exists{exists = false},
    pando_write:brief(pando_write:put(one, Store, Path, [Condition], Data, pando_options:brief(Options))).

%% @doc Replaces the value of a node that must exist, in the default store.
-spec update(path(), term()) -> written().
update(Path, Data) -> update(?DEFAULT_STORE, Path, Data, #{}).

%% @doc Replaces the value of a node that must exist.
-spec update(store(), path(), term()) -> written().
update(Store, Path, Data) -> update(Store, Path, Data, #{}).

%% @doc Replaces the value of a node that must exist; otherwise `{error, {pando, node_not_found, _}}', and nothing is
%% created.
%%
%% ```
%% > pando:update(stock, "/:wood/elm", 1).
%% {error,{pando,node_not_found,#{node_name => <<"elm">>,node_path => [wood,<<"elm">>],node_is_target => true,
%%                                condition => {if_all,[<<"elm">>,{if_node_exists,true}]}}}}
%% '''
-spec update(store(), path(), term(), options()) -> written().
update(Store, Path, Data, Options) ->
    ?ORDINARY(Store),
    Condition = #if_node_exists{exists = true},
    pando_write:brief(pando_write:put(one, Store, Path, [Condition], Data, pando_options:brief(Options))).

%% @doc Replaces the value of a node if it matches a pattern, in the default store.
-spec compare_and_swap(path(), term(), term()) -> written().
compare_and_swap(Path, Pattern, Data) -> compare_and_swap(?DEFAULT_STORE, Path, Pattern, Data, #{}).

%% @doc Replaces the value of a node if it matches a pattern.
-spec compare_and_swap(store(), path(), term(), term()) -> written().
compare_and_swap(Store, Path, Pattern, Data) -> compare_and_swap(Store, Path, Pattern, Data, #{}).

%% @doc Replaces the value of a node if it is data that matches a pattern, as of `#if_data_matches{}': a term, where
%% `_' stands for anything, as an atom, and maps match if they have the keys of the pattern.
%%
%% `{error, {pando, mismatching_node, _}}' if it does not match; its `node_props' tell what is there. `node_not_found'
%% if there is no such node.
%%
%% ```
%% > pando:compare_and_swap(stock, "/:wood/oak", 150, 149).
%% ok
%% > pando:compare_and_swap(stock, "/:wood/oak", 150, 148).
%% {error,{pando,mismatching_node,#{node_name => <<"oak">>,node_path => [wood,<<"oak">>],node_is_target => true,
%%                                  node_props => #{data => 149,payload_version => 2},
%%                                  condition => {if_data_matches,150,[],undefined}}}}
%% '''
-spec compare_and_swap(store(), path(), term(), term(), options()) -> written().
compare_and_swap(Store, Path, Pattern, Data, Options) ->
    ?ORDINARY(Store),
    Condition = #if_data_matches{pattern = Pattern},
    pando_write:brief(pando_write:put(one, Store, Path, [Condition], Data, pando_options:brief(Options))).

%% @doc Removes a node and everything below it, in the default store.
-spec delete(path()) -> written().
delete(Path) -> delete(?DEFAULT_STORE, Path, #{}).

%% @doc Removes a node and everything below it: `delete(Store, Path)' or `delete(Path, Options)'.
-spec delete(store() | path(), path() | options()) -> written().
delete(Store, Path) when is_atom(Store) -> delete(Store, Path, #{});
delete(Path, Options) when is_map(Options) -> delete(?DEFAULT_STORE, Path, Options).

%% @doc Removes a node and everything below it. `ok' also if there is nothing, or if it does not meet a condition in the
%% path. Of the root, the children go, and its value. The size of what goes makes no difference.
%%
%% ```
%% > pando:delete(stock, "/:wood/oak").
%% ok
%% '''
-spec delete(store(), path(), options()) -> written().
delete(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:brief(pando_write:delete(one, Store, Path, pando_options:brief(Options))).

%% @doc Removes all nodes that a pattern matches, and everything below them, in the default store.
-spec delete_many(path()) -> written().
delete_many(Path) -> delete_many(?DEFAULT_STORE, Path, #{}).

%% @doc Removes all nodes that a pattern matches, and everything below them: `delete_many(Store, Path)' or
%% `delete_many(Path, Options)'.
-spec delete_many(store() | path(), path() | options()) -> written().
delete_many(Store, Path) when is_atom(Store) -> delete_many(Store, Path, #{});
delete_many(Path, Options) when is_map(Options) -> delete_many(?DEFAULT_STORE, Path, Options).

%% @doc Removes all nodes that a pattern matches, and everything below them, at once. No match is no error.
%%
%% ```
%% > pando:delete_many(stock, [wood, #if_data_matches{pattern = 0}]).
%% ok
%% '''
-spec delete_many(store(), path(), options()) -> written().
delete_many(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:brief(pando_write:delete(many, Store, Path, pando_options:brief(Options))).

%% @doc Takes the value off a node, in the default store.
-spec clear_payload(path()) -> written().
clear_payload(Path) -> clear_payload(?DEFAULT_STORE, Path, #{}).

%% @doc Takes the value off a node.
-spec clear_payload(store(), path()) -> written().
clear_payload(Store, Path) -> clear_payload(Store, Path, #{}).

%% @doc Takes the value off a node, which stays; `ok' also if there is no such node. A parent that was created on the
%% way to another node goes when it has neither children nor a value.
%%
%% ```
%% > pando:clear_payload(stock, "/:wood/oak").
%% ok
%% > pando:get(stock, "/:wood/oak").
%% {ok,undefined}
%% '''
%%
%% `{error, {pando, mismatching_node, _}}' if a condition in the path is not met.
-spec clear_payload(store(), path(), options()) -> written().
clear_payload(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:brief(pando_write:clear(one, Store, Path, pando_options:brief(Options))).

%% @doc Takes the values off all nodes that a pattern matches, in the default store.
-spec clear_many_payloads(path()) -> written().
clear_many_payloads(Path) -> clear_many_payloads(?DEFAULT_STORE, Path, #{}).

%% @doc Takes the values off all nodes that a pattern matches.
-spec clear_many_payloads(store(), path()) -> written().
clear_many_payloads(Store, Path) -> clear_many_payloads(Store, Path, #{}).

%% @doc Takes the values off all nodes that a pattern matches, all or none. No match is no error.
%%
%% ```
%% > pando:clear_many_payloads(stock, "/:wood/*").
%% ok
%% '''
-spec clear_many_payloads(store(), path(), options()) -> written().
clear_many_payloads(Store, Path, Options) ->
    ?ORDINARY(Store),
    pando_write:brief(pando_write:clear(many, Store, Path, pando_options:brief(Options))).

%%% Transactions and stored procedures

%% @doc Runs a transaction on the default store. See `transaction/5'.
-spec transaction(transaction_body()) -> transaction_result().
transaction(Body) -> transaction(?DEFAULT_STORE, Body, [], auto, #{}).

%% @doc Runs a transaction: `transaction(Store, Body)', `transaction(Body, Arguments)', `transaction(Body, Mode)' or
%% `transaction(Body, Options)'. See `transaction/5'.
-spec transaction(store() | transaction_body(), transaction_body() | [term()] | pando_transaction:mode() | options()) ->
    transaction_result().
transaction(Store, Body) when is_atom(Store) -> transaction(Store, Body, [], auto, #{});
transaction(Body, Arguments) when is_list(Arguments) -> transaction(?DEFAULT_STORE, Body, Arguments, auto, #{});
transaction(Body, Mode) when is_atom(Mode) -> transaction(?DEFAULT_STORE, Body, [], Mode, #{});
transaction(Body, Options) when is_map(Options) -> transaction(?DEFAULT_STORE, Body, [], auto, Options).

%% @doc Runs a transaction: `transaction(Store, Body, Arguments | Mode | Options)',
%% `transaction(Body, Arguments, Mode | Options)' or `transaction(Body, Mode, Options)'. See `transaction/5'.
-spec transaction(
    store() | transaction_body(),
    transaction_body() | [term()] | pando_transaction:mode(),
    [term()] | pando_transaction:mode() | options()
) -> transaction_result().
transaction(Store, Body, Arguments) when is_atom(Store), is_list(Arguments) ->
    transaction(Store, Body, Arguments, auto, #{});
transaction(Store, Body, Mode) when is_atom(Store), is_atom(Mode) ->
    transaction(Store, Body, [], Mode, #{});
transaction(Store, Body, Options) when is_atom(Store), is_map(Options) ->
    transaction(Store, Body, [], auto, Options);
transaction(Body, Arguments, Mode) when is_list(Arguments), is_atom(Mode) ->
    transaction(?DEFAULT_STORE, Body, Arguments, Mode, #{});
transaction(Body, Arguments, Options) when is_list(Arguments), is_map(Options) ->
    transaction(?DEFAULT_STORE, Body, Arguments, auto, Options);
transaction(Body, Mode, Options) when is_atom(Mode), is_map(Options) ->
    transaction(?DEFAULT_STORE, Body, [], Mode, Options).

%% @doc Runs a transaction: `transaction(Store, Body, Arguments, Mode | Options)',
%% `transaction(Store, Body, Mode, Options)' or `transaction(Body, Arguments, Mode, Options)'. See `transaction/5'.
-spec transaction(
    store() | transaction_body(),
    transaction_body() | [term()],
    [term()] | pando_transaction:mode(),
    pando_transaction:mode() | options()
) -> transaction_result().
transaction(Store, Body, Arguments, Mode) when is_atom(Store), is_list(Arguments), is_atom(Mode) ->
    transaction(Store, Body, Arguments, Mode, #{});
transaction(Store, Body, Arguments, Options) when is_atom(Store), is_list(Arguments), is_map(Options) ->
    transaction(Store, Body, Arguments, auto, Options);
transaction(Store, Body, Mode, Options) when is_atom(Store), is_atom(Mode), is_map(Options) ->
    transaction(Store, Body, [], Mode, Options);
transaction(Body, Arguments, Mode, Options) when is_list(Arguments), is_atom(Mode), is_map(Options) ->
    transaction(?DEFAULT_STORE, Body, Arguments, Mode, Options).

%% @doc Runs a function whose reads and writes happen as one, or not at all: as if nothing else had happened meanwhile.
%%
%% The function calls `pando_tx' and `pando_tx_adv'. It answers `{ok, Value}' with whatever the function returned;
%% `pando_tx:abort(Reason)' makes that `{error, Reason}', and an exception in the function is raised here, with its
%% stacktrace. In both cases nothing has changed.
%%
%% ```
%% > pando:put(stock, "/:wood/oak", 150).
%% ok
%% > pando:transaction(stock, fun() ->
%%       {ok, Pieces} = pando_tx:get("/:wood/oak"),
%%       ok = pando_tx:put("/:wood/oak", Pieces - 1),
%%       ok = pando_tx:put("/:sold/oak", 1),
%%       Pieces - 1
%%   end).
%% {ok,149}
%% > pando:transaction(stock, fun(Wood) -> pando_tx:exists([wood, Wood]) orelse pando_tx:abort(no_such_wood) end, [elm]).
%% {error,no_such_wood}
%% '''
%%
%% The function runs in the calling process, on a private copy of the tree, and may call what it likes. If others change what
%% it has read before it is committed, it <em>runs again</em>: so what it does beside reading and writing may happen more
%% than once. What is to happen once goes to `pando_tx:after_commit/1'. Calls of `pando' and `pando_adv' on the same store
%% would not be part of the transaction, and raise `failed_to_prepare_tx_fun'; those on other stores, and any in mode `ro', are
%% ordinary calls outside of it.
%%
%% Transactions on the same nodes take turns, so that none waits for ever; one that was lost 100 times gives up:
%% `{error, {pando, too_many_conflicts, #{attempts, path, outcome => not_applied}}}'.
%%
%% == Modes ==
%%
%% <ul>
%% <li>`auto', the default, and `rw': reads and writes. One that has written nothing leaves nothing in the log;</li>
%% <li>`ro': reads one moment, and nothing else: a write raises `denied_update_in_readonly_tx'. It never runs again. The
%%     options `favor' and `condition' are for this mode, and for `auto'; `at_least' is for all.</li>
%% </ul>
%%
%% == Stored procedures ==
%%
%% A path (as a list or a string, not as a binary) instead of a function runs the stored procedure there. Errors are those
%% of a read, and `no_sproc_at_given_path', `sproc_invalid_as_tx_fun' (it writes, and the mode is `ro'), and
%% `sproc_code_not_available' (see `run_sproc/4').
%%
%% ```
%% > pando:put(stock, "/:sell", fun(Wood) -> pando_tx:delete([wood, Wood]) end).
%% ok
%% > pando:transaction(stock, "/:sell", [<<"oak">>]).
%% {ok,ok}
%% > pando:transaction(stock, "/:sell", [<<"oak">>], ro).
%% {error,{pando,sproc_invalid_as_tx_fun,#{path => [sell]}}}
%% '''
%%
%% == Conditions and commands ==
%%
%% A map instead of a function is a transaction without code, done in one round trip: if all `conditions' hold, all
%% `commands' are done, in their order, or else none. A condition is a path and what each node there must meet, as in the
%% option `keep_while'; a missing node meets `#if_node_exists{exists = false}' alone. Commands are the writing functions of
%% `pando' as tuples, maybe with a map of options about nodes (`keep_while', `props_to_return', and others) at the end. It
%% answers `{ok, Results}', one for each command: `ok', or `{ok, #{Path => Props}}' with `props_to_return'.
%%
%% ```
%% > pando:transaction(stock, #{
%%       conditions => [{"/:wood/elm", #if_node_exists{exists = false}}],
%%       commands => [{put, "/:wood/elm", 3}, {delete, "/:wood/fir", #{props_to_return => [delete_reason]}}]
%%   }).
%% {ok,[ok,{ok,#{}}]}
%% > pando:transaction(stock, #{
%%       conditions => [{"/:wood/elm", #if_data_matches{pattern = 5}}],
%%       commands => [{put, "/:wood/elm", 4}]
%%   }).
%% {error,{pando,transaction_condition_not_met,#{index => 1,node_path => [wood,<<"elm">>],outcome => not_applied,
%%                                               condition => {if_data_matches,5,[],undefined}}}}
%% > pando:transaction(stock, #{commands => [{put, "/:wood/fir", 1}, {update, "/:wood/ash", 1}]}).
%% {error,{pando,transaction_command_refused,
%%     #{index => 2,outcome => not_applied,
%%       reason => {pando,node_not_found,#{node_name => <<"ash">>,node_path => [wood,<<"ash">>],node_is_target => true,
%%                                         condition => {if_all,[<<"ash">>,{if_node_exists,true}]}}}}}}
%% '''
%%
%% == Options ==
%%
%% Those of reads and writes; `timeout' is for the whole call, but ends no function. With a `request_id' a transaction that
%% was committed is not run again: the retry answers what the function has returned. With `async' the function runs in
%% the calling process as ever, and `ok' is returned when all is done; what it returned comes as a message
%% (`handle_async_ret/2').
%%
%% Misuse raises `denied_tx_fun_with_invalid_args': another number of arguments than the function has, or another mode.
-spec transaction(store(), transaction_body(), [term()], pando_transaction:mode(), options()) -> transaction_result().
transaction(Store, Body, Arguments, Mode, Options) ->
    ?ORDINARY(Store),
    pando_transaction:transaction(Store, Body, Arguments, Mode, Options).

%% @doc Runs a stored procedure of the default store. See `run_sproc/4'.
-spec run_sproc(path(), [term()]) -> term().
run_sproc(Path, Arguments) -> run_sproc(?DEFAULT_STORE, Path, Arguments, #{}).

%% @doc Runs a stored procedure: `run_sproc(Store, Path, Arguments)' or `run_sproc(Path, Arguments, Options)'. See
%% `run_sproc/4'.
-spec run_sproc(store() | path(), path() | [term()], [term()] | options()) -> term().
run_sproc(Store, Path, Arguments) when is_atom(Store) -> run_sproc(Store, Path, Arguments, #{});
run_sproc(Path, Arguments, Options) when is_map(Options) -> run_sproc(?DEFAULT_STORE, Path, Arguments, Options).

%% @doc Reads a stored procedure and runs it in the calling process, and returns what it returns. Options are those of reads.
%%
%% ```
%% > pando:put(stock, "/:multiply", fun(A, B) -> A * B end).
%% ok
%% > pando:run_sproc(stock, "/:multiply", [6, 7]).
%% 42
%% '''
%%
%% A function is stored as the runtime has it, without its code: `fun M:F/A' needs a module `M' that exports it, any other
%% the very version of its module in which it was made. So a procedure that is to outlive the next release is a
%% `fun M:F/A'.
%%
%% What it raises is raised here, and `{badarity, _}' for a wrong number of arguments. Thrown are:
%%
%% <ul>
%% <li>`{pando, failed_to_get_sproc, #{path, args, error}}': the node could not be read, because of the reason `error';</li>
%% <li>`{pando_ex, denied_execution_of_non_sproc_node, #{path, args, node_props}}': it holds no procedure;</li>
%% <li>`{pando_ex, sproc_code_not_available, #{path, args, module, needed, loaded}}': this node does not have its code.
%%     `needed' is the MD5 of the module, or `{Function, Arity}'; `loaded' is the MD5 of the module that is here
%%     (`Module:module_info(md5)', in hexadecimal digits), or `none'. Nothing was run.</li>
%% </ul>
-spec run_sproc(store(), path(), [term()], options()) -> term().
run_sproc(Store, Path, Arguments, Options) when is_list(Arguments) ->
    ?ORDINARY(Store),
    pando_sproc:run(Store, Path, Arguments, pando_options:query(Options)).

%%% Asynchronous writes, fences

%% @doc The results in a message about asynchronous writes. See `handle_async_ret/2'.
-spec handle_async_ret(async_ret()) -> [{correlation(), async_result()}].
handle_async_ret(Message) ->
    pando_write:async_results(Message).

%% @doc The results in a message about asynchronous writes to a store.
%%
%% A write with the option `async' returns `ok' once the store has taken it, and goes on by itself:
%%
%% <ul>
%% <li>`async => true', `low' or `normal': nobody is told what became of it, nor that the store does not run;</li>
%% <li>`async => Correlation', an integer or a reference, or `{Correlation, low | normal}': a message to the caller,
%%     `{ra_event, From, _}', tells, and this function makes the results of it, once, in the process that got it.</li>
%% </ul>
%%
%% A store that has too much to do answers `{error, overload}' at once, in every form: nothing was done, and the caller
%% is to wait. Writes of one process are applied in their order. `timeout' means nothing: nobody waits.
%%
%% A result is `{ok, #{Path => Props}}' as of `pando_adv' (no properties for writes of `pando'), or `{error, Reason}';
%% `{error, {not_leader, Leader}}' is to be sent again. Of a transaction it is what its function has returned, whatever that
%% is, `{error, Reason}' if it was aborted, and raised if it was raised. Other messages raise `function_clause'.
%%
%% ```
%% > pando:put(stock, "/:wood/oak", 150, #{async => 7}).
%% ok
%% > receive {ra_event, _, _} = Message -> pando:handle_async_ret(stock, Message) end.
%% [{7,{ok,#{[wood,<<"oak">>] => #{}}}}]
%% '''
-spec handle_async_ret(store(), async_ret()) -> [{correlation(), async_result()}].
handle_async_ret(Store, Message) when is_atom(Store) ->
    pando_write:async_results(Message).

%% @doc Waits for all earlier writes to the default store. See `fence/2'.
-spec fence() -> done().
fence() -> fence_until(?DEFAULT_STORE, pando_options:fence(default)).

%% @doc Waits for all earlier writes: `fence(Store)' or `fence(Timeout)'. The atom `infinity' is a timeout.
-spec fence(store() | timeout()) -> done().
fence(Timeout) when is_integer(Timeout); Timeout =:= infinity ->
    fence_until(?DEFAULT_STORE, pando_options:fence(Timeout));
fence(Store) ->
    fence_until(Store, pando_options:fence(default)).

%% @doc Waits until everything is applied here that was written before: this process's own asynchronous writes, and all
%% that was committed.
%%
%% ```
%% > pando:put(stock, "/:wood/oak", 150, #{async => true}), pando:fence(stock, 5000).
%% ok
%% '''
-spec fence(store(), timeout()) -> done().
fence(Store, Timeout) -> fence_until(Store, pando_options:fence(Timeout)).

fence_until(Store, Deadline) when is_atom(Store) ->
    ok = pando_transaction:ordinary(Store, {?MODULE, fence, 2}),
    pando_read:fence(Store, Deadline).

%%% For people

%% @doc Prints the names of the stores that run on this node.
-spec info() -> ok.
info() -> pando_info:stores().

%% @doc Prints a store: see `info/2'.
-spec info(store()) -> ok.
info(Store) -> info(Store, #{}).

%% @doc Prints a store for people: its members, as this one sees them, which nodes are kept while others are there, the
%% tree. Of a large store only the beginning, and how much more there is. `Options' are those of a read.
%%
%% ```
%% > pando:info(stock).
%%
%% == CLUSTER MEMBERS ==
%%
%% quorum, led by nonode@nohost, term 1; this member: leader
%%
%% MEMBER  NODE           ROLE   APPLIED  LAG  LAST CONTACT
%% 1       nonode@nohost  voter  6        0                  leader, this member
%%
%% nodes in the tree      4
%% log                    1048576 bytes, applied to 6 of 6
%% snapshot               none
%% waiting to be written  0 bytes
%% frames refused         0
%%
%% == TREE ==
%%
%% ●
%% ╰── wood
%%     ├── <<"ash">>
%%     │     Data: 7
%%     ╰── <<"oak">>
%%           Data: 150
%% ok
%% '''
-spec info(store(), options()) -> ok.
info(Store, Options) when is_atom(Store) ->
    ?ORDINARY(Store),
    pando_info:store(Store, pando_options:query(Options)).

%% @doc Figures of all stores that are open on this node, in the text format of Prometheus (version 0.0.4; the content type is
%% `text/plain; version=0.0.4'), for whatever answers its requests. `docs/operations.md' says what each means.
%%
%% ```
%% > io:put_chars(pando:metrics()).
%% # HELP pando_stores Open stores.
%% # TYPE pando_stores gauge
%% pando_stores 1
%% # HELP pando_is_leader Whether this member leads (1) or not (0).
%% # TYPE pando_is_leader gauge
%% pando_is_leader{store="stock"} 1
%% ...
%% '''
-spec metrics() -> binary().
metrics() -> pando_metrics:text().

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

%% @doc As `get_or/2', but answers the bare value and raises the reason of an error.
-spec 'get_or!'(term(), term()) -> term().
'get_or!'(Path, Default) -> bang(get_or(Path, Default)).

%% @doc As `get_or/3', but answers the bare value and raises the reason of an error.
-spec 'get_or!'(term(), term(), term()) -> term().
'get_or!'(StoreOrPath, PathOrDefault, DefaultOrOptions) -> bang(get_or(StoreOrPath, PathOrDefault, DefaultOrOptions)).

%% @doc As `get_or/4', but answers the bare value and raises the reason of an error.
-spec 'get_or!'(term(), term(), term(), term()) -> term().
'get_or!'(Store, Path, Default, Options) -> bang(get_or(Store, Path, Default, Options)).

%% @doc As `get_many/1', but answers the bare value and raises the reason of an error.
-spec 'get_many!'(term()) -> values().
'get_many!'(Path) -> bang(get_many(Path)).

%% @doc As `get_many/2', but answers the bare value and raises the reason of an error.
-spec 'get_many!'(term(), term()) -> values().
'get_many!'(StoreOrPath, PathOrOptions) -> bang(get_many(StoreOrPath, PathOrOptions)).

%% @doc As `get_many/3', but answers the bare value and raises the reason of an error.
-spec 'get_many!'(term(), term(), term()) -> values().
'get_many!'(Store, Path, Options) -> bang(get_many(Store, Path, Options)).

%% @doc As `get_many_or/2', but answers the bare value and raises the reason of an error.
-spec 'get_many_or!'(term(), term()) -> values().
'get_many_or!'(Path, Default) -> bang(get_many_or(Path, Default)).

%% @doc As `get_many_or/3', but answers the bare value and raises the reason of an error.
-spec 'get_many_or!'(term(), term(), term()) -> values().
'get_many_or!'(StoreOrPath, PathOrDefault, DefaultOrOptions) ->
    bang(get_many_or(StoreOrPath, PathOrDefault, DefaultOrOptions)).

%% @doc As `get_many_or/4', but answers the bare value and raises the reason of an error.
-spec 'get_many_or!'(term(), term(), term(), term()) -> values().
'get_many_or!'(Store, Path, Default, Options) -> bang(get_many_or(Store, Path, Default, Options)).

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

%% @doc As `is_sproc/1', but answers the bare value and raises the reason of an error.
-spec 'is_sproc!'(term()) -> boolean().
'is_sproc!'(Path) -> bang(is_sproc(Path)).

%% @doc As `is_sproc/2', but answers the bare value and raises the reason of an error.
-spec 'is_sproc!'(term(), term()) -> boolean().
'is_sproc!'(StoreOrPath, PathOrOptions) -> bang(is_sproc(StoreOrPath, PathOrOptions)).

%% @doc As `is_sproc/3', but answers the bare value and raises the reason of an error.
-spec 'is_sproc!'(term(), term(), term()) -> boolean().
'is_sproc!'(Store, Path, Options) -> bang(is_sproc(Store, Path, Options)).

%% @doc As `count/1', but answers the bare value and raises the reason of an error.
-spec 'count!'(term()) -> non_neg_integer().
'count!'(Path) -> bang(count(Path)).

%% @doc As `count/2', but answers the bare value and raises the reason of an error.
-spec 'count!'(term(), term()) -> non_neg_integer().
'count!'(StoreOrPath, PathOrOptions) -> bang(count(StoreOrPath, PathOrOptions)).

%% @doc As `count/3', but answers the bare value and raises the reason of an error.
-spec 'count!'(term(), term(), term()) -> non_neg_integer().
'count!'(Store, Path, Options) -> bang(count(Store, Path, Options)).

%% @doc As `put/2', but answers the bare value and raises the reason of an error.
-spec 'put!'(term(), term()) -> ok | token().
'put!'(Path, Data) -> bang(put(Path, Data)).

%% @doc As `put/3', but answers the bare value and raises the reason of an error.
-spec 'put!'(term(), term(), term()) -> ok | token().
'put!'(Store, Path, Data) -> bang(put(Store, Path, Data)).

%% @doc As `put/4', but answers the bare value and raises the reason of an error.
-spec 'put!'(term(), term(), term(), term()) -> ok | token().
'put!'(Store, Path, Data, Options) -> bang(put(Store, Path, Data, Options)).

%% @doc As `put_many/2', but answers the bare value and raises the reason of an error.
-spec 'put_many!'(term(), term()) -> ok | token().
'put_many!'(Path, Data) -> bang(put_many(Path, Data)).

%% @doc As `put_many/3', but answers the bare value and raises the reason of an error.
-spec 'put_many!'(term(), term(), term()) -> ok | token().
'put_many!'(Store, Path, Data) -> bang(put_many(Store, Path, Data)).

%% @doc As `put_many/4', but answers the bare value and raises the reason of an error.
-spec 'put_many!'(term(), term(), term(), term()) -> ok | token().
'put_many!'(Store, Path, Data, Options) -> bang(put_many(Store, Path, Data, Options)).

%% @doc As `create/2', but answers the bare value and raises the reason of an error.
-spec 'create!'(term(), term()) -> ok | token().
'create!'(Path, Data) -> bang(create(Path, Data)).

%% @doc As `create/3', but answers the bare value and raises the reason of an error.
-spec 'create!'(term(), term(), term()) -> ok | token().
'create!'(Store, Path, Data) -> bang(create(Store, Path, Data)).

%% @doc As `create/4', but answers the bare value and raises the reason of an error.
-spec 'create!'(term(), term(), term(), term()) -> ok | token().
'create!'(Store, Path, Data, Options) -> bang(create(Store, Path, Data, Options)).

%% @doc As `update/2', but answers the bare value and raises the reason of an error.
-spec 'update!'(term(), term()) -> ok | token().
'update!'(Path, Data) -> bang(update(Path, Data)).

%% @doc As `update/3', but answers the bare value and raises the reason of an error.
-spec 'update!'(term(), term(), term()) -> ok | token().
'update!'(Store, Path, Data) -> bang(update(Store, Path, Data)).

%% @doc As `update/4', but answers the bare value and raises the reason of an error.
-spec 'update!'(term(), term(), term(), term()) -> ok | token().
'update!'(Store, Path, Data, Options) -> bang(update(Store, Path, Data, Options)).

%% @doc As `compare_and_swap/3', but answers the bare value and raises the reason of an error.
-spec 'compare_and_swap!'(term(), term(), term()) -> ok | token().
'compare_and_swap!'(Path, Pattern, Data) -> bang(compare_and_swap(Path, Pattern, Data)).

%% @doc As `compare_and_swap/4', but answers the bare value and raises the reason of an error.
-spec 'compare_and_swap!'(term(), term(), term(), term()) -> ok | token().
'compare_and_swap!'(Store, Path, Pattern, Data) -> bang(compare_and_swap(Store, Path, Pattern, Data)).

%% @doc As `compare_and_swap/5', but answers the bare value and raises the reason of an error.
-spec 'compare_and_swap!'(term(), term(), term(), term(), term()) -> ok | token().
'compare_and_swap!'(Store, Path, Pattern, Data, Options) ->
    bang(compare_and_swap(Store, Path, Pattern, Data, Options)).

%% @doc As `delete/1', but answers the bare value and raises the reason of an error.
-spec 'delete!'(term()) -> ok | token().
'delete!'(Path) -> bang(delete(Path)).

%% @doc As `delete/2', but answers the bare value and raises the reason of an error.
-spec 'delete!'(term(), term()) -> ok | token().
'delete!'(StoreOrPath, PathOrOptions) -> bang(delete(StoreOrPath, PathOrOptions)).

%% @doc As `delete/3', but answers the bare value and raises the reason of an error.
-spec 'delete!'(term(), term(), term()) -> ok | token().
'delete!'(Store, Path, Options) -> bang(delete(Store, Path, Options)).

%% @doc As `delete_many/1', but answers the bare value and raises the reason of an error.
-spec 'delete_many!'(term()) -> ok | token().
'delete_many!'(Path) -> bang(delete_many(Path)).

%% @doc As `delete_many/2', but answers the bare value and raises the reason of an error.
-spec 'delete_many!'(term(), term()) -> ok | token().
'delete_many!'(StoreOrPath, PathOrOptions) -> bang(delete_many(StoreOrPath, PathOrOptions)).

%% @doc As `delete_many/3', but answers the bare value and raises the reason of an error.
-spec 'delete_many!'(term(), term(), term()) -> ok | token().
'delete_many!'(Store, Path, Options) -> bang(delete_many(Store, Path, Options)).

%% @doc As `clear_payload/1', but answers the bare value and raises the reason of an error.
-spec 'clear_payload!'(term()) -> ok | token().
'clear_payload!'(Path) -> bang(clear_payload(Path)).

%% @doc As `clear_payload/2', but answers the bare value and raises the reason of an error.
-spec 'clear_payload!'(term(), term()) -> ok | token().
'clear_payload!'(Store, Path) -> bang(clear_payload(Store, Path)).

%% @doc As `clear_payload/3', but answers the bare value and raises the reason of an error.
-spec 'clear_payload!'(term(), term(), term()) -> ok | token().
'clear_payload!'(Store, Path, Options) -> bang(clear_payload(Store, Path, Options)).

%% @doc As `clear_many_payloads/1', but answers the bare value and raises the reason of an error.
-spec 'clear_many_payloads!'(term()) -> ok | token().
'clear_many_payloads!'(Path) -> bang(clear_many_payloads(Path)).

%% @doc As `clear_many_payloads/2', but answers the bare value and raises the reason of an error.
-spec 'clear_many_payloads!'(term(), term()) -> ok | token().
'clear_many_payloads!'(Store, Path) -> bang(clear_many_payloads(Store, Path)).

%% @doc As `clear_many_payloads/3', but answers the bare value and raises the reason of an error.
-spec 'clear_many_payloads!'(term(), term(), term()) -> ok | token().
'clear_many_payloads!'(Store, Path, Options) -> bang(clear_many_payloads(Store, Path, Options)).

bang(ok) -> ok;
bang({ok, Value}) -> Value;
bang(Boolean) when is_boolean(Boolean) -> Boolean;
bang({error, Reason}) -> erlang:error(Reason).
