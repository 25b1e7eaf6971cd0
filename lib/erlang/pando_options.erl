%% @private Options of calls (specification section 5): checks them and gives them their defaults.
%%
%% An unknown key, or a value that its key does not take, raises `function_clause', as the specification says. The time
%% of a call begins here: its deadline is computed once, and holds for all that the call waits for.
-module(pando_options).

-export([query/1, many/1, command/1, brief/1, transaction/1, fence/1, timeout/1, default_timeout/0]).
-export([query_inside/1, many_inside/1, command_inside/1, brief_inside/1, of_command/1]).

-export_type([query/0, many/0, command/0, transaction/0]).

%% The longest `request_id', in bytes: that of the native side, of the same name.
-define(REQUEST_ID_SIZE_BYTES_MAX, 256).

-define(IS_OF_COMMANDS(Key),
    (Key =:= async orelse Key =:= reply_from orelse Key =:= protect_against_dups orelse Key =:= request_id orelse
        Key =:= keep_while orelse Key =:= return)
).
-define(IS_OF_FRESHNESS(Key), (Key =:= favor orelse Key =:= condition orelse Key =:= at_least)).

%% `applied': the position of the log to wait for; then `favor' means nothing. `at_least': what is to be applied here before
%% anything else is looked at.
-type query() :: #{
    deadline := pando_client:deadline(),
    favor := low_latency | consistency,
    applied := none | non_neg_integer(),
    at_least := none | pando_token:token(),
    props := pando_backend:props_bits(),
    expect_specific_node := boolean(),
    include_root := boolean()
}.
%% Beside those of `query()': at most `limit' nodes, all after `from' in the order of the walk. These two are there in
%% what `many/1' returns.
-type many() :: #{
    deadline := pando_client:deadline(),
    favor := low_latency | consistency,
    applied := none | non_neg_integer(),
    at_least := none | pando_token:token(),
    props := pando_backend:props_bits(),
    expect_specific_node := boolean(),
    include_root := boolean(),
    limit := infinity | pos_integer(),
    from := none | pando_path:native_path(),
    %% Set by `pando_read' for what comes to a node once for each way to it.
    each_way => true
}.
%% `props' is `none' when the caller wants to know only whether it worked: nothing is collected then. `async': the call
%% waits for the command, or nobody does, or a message tells. `keep_while': as the caller gave it. `return': whether a token
%% comes with the result; not of what nobody waits for.
-type command() :: #{
    deadline := pando_client:deadline(),
    props := none | pando_backend:props_bits(),
    indirect_deletes := boolean(),
    expect_specific_node := boolean(),
    include_root := boolean(),
    keep_while := keep | pando_condition:keep_while(),
    async := false | none | {correlation, integer() | reference()},
    return := result | token,
    request_id := none | binary(),
    refused := none | {unknown_option, reply_from, term()}
}.
%% Of a transaction: what is said of it as a whole.
-type transaction() :: #{
    deadline := pando_client:deadline(),
    favor := low_latency | consistency,
    applied := none | non_neg_integer(),
    at_least := none | pando_token:token(),
    async := false | none | {correlation, integer() | reference()},
    return := result | token,
    request_id := none | binary(),
    refused := none | {unknown_option, reply_from, term()}
}.

%% @doc Options of reads: `timeout', `favor', `condition', `at_least', and those that say which nodes and what of them:
%% `props_to_return', `expect_specific_node', `include_root_props', `return_indirect_deletes'.
-spec query(map()) -> query().
query(Options) when is_map(Options) ->
    with_deadline(maps:fold(fun query_option/3, query_defaults(), Options)).

%% @doc Options of reads of many nodes: those of `query/1', and `limit' and `from'.
-spec many(map()) -> many().
many(Options) when is_map(Options) ->
    Defaults = (query_defaults())#{limit => infinity, from => none},
    with_deadline(maps:fold(fun many_option/3, Defaults, Options)).

query_defaults() ->
    #{
        deadline => default,
        favor => low_latency,
        applied => none,
        at_least => none,
        props => pando_props:default_bits(),
        expect_specific_node => false,
        include_root => false
    }.

many_option(limit, Limit, Read) when is_integer(Limit), Limit > 0 -> Read#{limit := Limit};
many_option(from, Path, Read) -> Read#{from := position(Path)};
many_option(Key, Value, Read) -> query_option(Key, Value, Read).

%% A place in the walk: a path that names one node, whether or not there is such a node.
position(Path) ->
    Native = pando_path:from_string(Path),
    ok = pando_path:ensure_is_valid(Native),
    case pando_path:targets_specific_node(Native) of
        {true, Names} -> pando_path:realpath(Names);
        false -> pando_errors:raise_misuse(possibly_matching_many_nodes_denied, #{path => Native})
    end.

query_option(timeout, Timeout, Read) -> Read#{deadline := timeout(Timeout)};
query_option(favor, low_latency, Read) -> Read#{favor := low_latency};
query_option(favor, consistency, Read) -> Read#{favor := consistency};
query_option(condition, {applied, {Index, Term}}, Read) when
    is_integer(Index), Index >= 0, is_integer(Term), Term >= 0
->
    Read#{applied := Index};
query_option(at_least, Token, Read) -> Read#{at_least := pando_token:checked(Token)};
query_option(props_to_return, Props, Read) -> Read#{props := pando_props:bits(Props)};
query_option(expect_specific_node, Expect, Read) when is_boolean(Expect) -> Read#{expect_specific_node := Expect};
query_option(include_root_props, Include, Read) when is_boolean(Include) -> Read#{include_root := Include};
query_option(return_indirect_deletes, Return, Read) when is_boolean(Return) -> Read.

%% @doc Options of writes: `timeout', `async', `return', `reply_from', `protect_against_dups', `request_id', `keep_while', and
%% those that say which nodes, and what of them is answered.
-spec command(map()) -> command().
command(Options) when is_map(Options) ->
    with_deadline(with_return(maps:fold(fun command_option/3, command_defaults(), Options))).

%% What nobody waits for has not been done when the call returns.
with_return(#{return := token, async := Async}) when Async =/= false ->
    pando_errors:raise_misuse(denied_token_of_async_write, #{});
with_return(Read) ->
    Read.

command_defaults() ->
    #{
        deadline => default,
        props => pando_props:default_bits(),
        indirect_deletes => true,
        expect_specific_node => false,
        include_root => false,
        keep_while => keep,
        async => false,
        return => result,
        request_id => none,
        refused => none
    }.

%% @doc The same for a caller who wants to know only whether it worked.
-spec brief(map()) -> command().
brief(Options) ->
    (command(Options))#{props := none}.

command_option(timeout, Timeout, Read) -> Read#{deadline := timeout(Timeout)};
command_option(async, Async, Read) -> Read#{async := async(Async)};
command_option(return, token, Read) -> Read#{return := token};
command_option(reply_from, From, Read) -> Read#{refused := refused(From)};
command_option(request_id, RequestId, Read) when
    is_binary(RequestId), RequestId =/= <<>>, byte_size(RequestId) =< ?REQUEST_ID_SIZE_BYTES_MAX
->
    Read#{request_id := RequestId};
%% A command is applied once: it is never sent twice on one member.
command_option(protect_against_dups, Protect, Read) when is_boolean(Protect) -> Read;
command_option(keep_while, KeepWhile, Read) when is_map(KeepWhile) -> Read#{keep_while := KeepWhile};
command_option(props_to_return, Props, Read) -> Read#{props := pando_props:bits(Props)};
command_option(return_indirect_deletes, Return, Read) when is_boolean(Return) -> Read#{indirect_deletes := Return};
command_option(expect_specific_node, Expect, Read) when is_boolean(Expect) -> Read#{expect_specific_node := Expect};
command_option(include_root_props, Include, Read) when is_boolean(Include) -> Read#{include_root := Include}.

%% @doc Options of a transaction: those of reads and of writes (specification 5), of which those that say what the calls
%% inside do mean nothing here.
-spec transaction(map()) -> transaction().
transaction(Options) when is_map(Options) ->
    Defaults = maps:merge(query_defaults(), command_defaults()),
    Kept = [deadline, favor, applied, at_least, async, return, request_id, refused],
    with_deadline(with_return(maps:with(Kept, maps:fold(fun transaction_option/3, Defaults, Options)))).

transaction_option(Key, Value, Read) when ?IS_OF_FRESHNESS(Key) -> query_option(Key, Value, Read);
transaction_option(Key, Value, Read) when Key =/= keep_while -> command_option(Key, Value, Read).

%% @doc Options of reads inside of a transaction. All calls inside take all options; those about the call as such, and not
%% about nodes, are checked and mean nothing (specification 5).
-spec query_inside(map()) -> query().
query_inside(Options) when is_map(Options) ->
    inside(maps:fold(fun query_option_inside/3, query_defaults(), Options)).

%% @doc The same of reads of many nodes.
-spec many_inside(map()) -> many().
many_inside(Options) when is_map(Options) ->
    Defaults = (query_defaults())#{limit => infinity, from => none},
    inside(maps:fold(fun many_option_inside/3, Defaults, Options)).

%% @doc The same of writes.
-spec command_inside(map()) -> command().
command_inside(Options) when is_map(Options) ->
    Read = maps:fold(fun command_option_inside/3, command_defaults(), Options),
    inside(Read#{async := false, return := result, request_id := none, refused := none}).

%% @doc The same for a caller who wants to know only whether it worked.
-spec brief_inside(map()) -> command().
brief_inside(Options) ->
    (command_inside(Options))#{props := none}.

query_option_inside(Key, Value, Read) when ?IS_OF_COMMANDS(Key) ->
    _ = command_option(Key, Value, command_defaults()),
    Read;
query_option_inside(Key, Value, Read) ->
    query_option(Key, Value, Read).

many_option_inside(Key, Value, Read) when Key =:= limit; Key =:= from -> many_option(Key, Value, Read);
many_option_inside(Key, Value, Read) -> query_option_inside(Key, Value, Read).

command_option_inside(Key, Value, Read) when ?IS_OF_FRESHNESS(Key) ->
    _ = query_option(Key, Value, query_defaults()),
    Read;
command_option_inside(Key, Value, Read) ->
    command_option(Key, Value, Read).

%% The time of the whole is that of the transaction, and what it reads is there.
inside(#{favor := _} = Read) -> Read#{deadline := infinity, favor := low_latency, applied := none, at_least := none};
inside(Read) -> Read#{deadline := infinity}.

%% @doc Options of one command among others that are given as data: only those about nodes. Without `props_to_return' the
%% caller wants to know only whether it worked.
-spec of_command(map()) -> command().
of_command(Options) when is_map(Options) ->
    Read = inside(maps:fold(fun node_option/3, command_defaults(), Options)),
    case is_map_key(props_to_return, Options) of
        true -> Read;
        false -> Read#{props := none}
    end.

node_option(Key, Value, Read) when
    Key =:= keep_while;
    Key =:= props_to_return;
    Key =:= return_indirect_deletes;
    Key =:= expect_specific_node;
    Key =:= include_root_props
->
    command_option(Key, Value, Read).

%% Both priorities are the same: commands are batched anyway.
async(false) -> false;
async(Priority) when Priority =:= true; Priority =:= low; Priority =:= normal -> none;
async({Correlation, Priority}) when Priority =:= low; Priority =:= normal -> correlation(Correlation);
async(Correlation) -> correlation(Correlation).

correlation(Correlation) when is_integer(Correlation); is_reference(Correlation) -> {correlation, Correlation}.

%% There is one member: whichever of these is asked, it answers when it has applied the command.
refused(From) when From =:= leader; From =:= local -> none;
refused({member, {Store, Node}}) when is_atom(Store), is_atom(Node) -> none;
refused(From) -> {unknown_option, reply_from, From}.

with_deadline(#{deadline := default} = Read) ->
    Read#{deadline := pando_client:deadline(default_timeout())};
with_deadline(#{deadline := Timeout} = Read) ->
    Read#{deadline := pando_client:deadline(Timeout)}.

%% @doc What a fence is given instead of options: a timeout, or `default'.
-spec fence(default | timeout()) -> pando_client:deadline().
fence(default) -> pando_client:deadline(default_timeout());
fence(Timeout) -> pando_client:deadline(timeout(Timeout)).

%% @doc The timeout of calls that have none of their own: application environment `default_timeout', else `infinity'.
-spec default_timeout() -> timeout().
default_timeout() ->
    case application:get_env(pando, default_timeout) of
        undefined ->
            infinity;
        {ok, infinity} ->
            infinity;
        {ok, Timeout} when is_integer(Timeout), Timeout >= 0 ->
            Timeout;
        {ok, Invalid} ->
            pando_errors:raise_misuse(invalid_default_timeout_value, #{default_timeout => Invalid})
    end.

%% @doc A timeout of a call in milliseconds, or `infinity'.
-spec timeout(term()) -> timeout().
timeout(infinity) -> infinity;
timeout(Timeout) when is_integer(Timeout), Timeout >= 0 -> Timeout.
