%% @private Reads, as `pando' and `pando_adv' ask for them, and `pando_tx' and `pando_tx_adv'. They run in the caller, on one
%% immutable root, a store's or a transaction's: no other process takes part, and nobody waits for them.
-module(pando_read).

-export([data/2, data/3, data_or/4, exists/3, has_data/3, is_sproc/3, is_empty/2, node/3, node_map/3, value/2]).
-export([fold/5, foreach/4, map/4, filter/4, values/4, props/3, count/3, ready/2, fence/2]).
-export([open/3, next/1, close/1]).

-include("pando_source.hrl").

-export_type([cursor/0]).

-type source() :: pando_backend:source().
-type error() :: {error, pando_errors:reason()}.
%% What a chunk holds of a node: its properties, or its value.
-type element(Content) :: {pando_path:native_path(), Content}.

%% How many nodes one call of the native side is asked for. It may give fewer, by limits of its own.
-define(CHUNK_NODES_MAX, 4096).
%% Nodes in the first chunk of a read; each further one may have so many times as many.
-define(CHUNK_NODES_FIRST, 64).
-define(CHUNK_GROWTH, 4).

-record(cursor, {
    %% A cursor of the native side, or the nodes themselves.
    nodes :: pando_backend:handle() | {nodes, [element(term())]},
    %% How many nodes the next chunk may have.
    size = ?CHUNK_NODES_FIRST :: pos_integer(),
    %% How many nodes may still come.
    left :: infinity | pos_integer()
}).

-opaque cursor() :: #cursor{}.

%% Waits until everything is applied here that was accepted or committed before.
-spec fence(pando_cluster:store_id(), pando_client:deadline()) -> ok | error().
fence(Store, Deadline) ->
    public(pando_client:barrier(Store, Deadline)).

%% Waits for what the options ask for before a read: nothing, as a rule, and nothing in a transaction.
-spec ready(source(), pando_options:query() | pando_options:many() | pando_options:transaction()) -> ok | error().
ready(_Store, #{deadline := expired}) ->
    {error, timeout};
ready(Store, #{at_least := Token, deadline := Deadline} = Query) when Token =/= none ->
    case pando_token:reached(Store, Token, Deadline) of
        ok -> ready(Store, Query#{at_least := none});
        {error, _} = Error -> Error
    end;
ready(Store, #{applied := Index, deadline := Deadline}) when is_integer(Index) ->
    public(pando_client:await_applied(Store, Index, Deadline));
ready(Store, #{favor := consistency, deadline := Deadline}) ->
    fence(Store, Deadline);
ready(_Store, _Query) ->
    ok.

public(ok) -> ok;
public({error, Reason}) -> {error, pando_errors:reason(Reason)}.

%%% One node

%% The value of a node, the shortest way: `{ok, undefined}' without a payload.
-spec data(source(), term()) -> {ok, term()} | error().
data(Source, Path) when ?IS_SOURCE(Source) ->
    Native = pando_path:from_string(Path),
    case pando_backend:get_data(Source, Native) of
        slow ->
            case read(Source, Native, pando_props:payload_bits()) of
                {ok, _, Props} -> {ok, value(Props, undefined)};
                {error, _} = Error -> Error
            end;
        Found ->
            Found
    end.

%% The same with options.
-spec data(source(), term(), pando_options:query()) -> {ok, term()} | error().
data(Source, Path, Query) when ?IS_SOURCE(Source) ->
    case ready(Source, Query) of
        ok -> data(Source, Path);
        {error, _} = Error -> Error
    end.

%% The same with a value for nodes that have none, are not there, or do not meet a condition in the path.
-spec data_or(source(), term(), Default, pando_options:query()) -> {ok, term() | Default} | error().
data_or(Source, Path, Default, Query) ->
    case node(Source, Path, Query#{props := pando_props:payload_bits()}) of
        {ok, _, Props} -> {ok, value(Props, Default)};
        {error, {pando, node_not_found, _}} -> {ok, Default};
        {error, {pando, mismatching_node, _}} -> {ok, Default};
        {error, _} = Error -> Error
    end.

%% The value in properties that were asked for with the payload.
-spec value(pando_adv:node_props(), Default) -> term() | Default.
value(#{data := Data}, _Default) -> Data;
value(#{sproc := Procedure}, _Default) -> Procedure;
value(#{}, Default) -> Default.

-spec exists(source(), term(), pando_options:query()) -> boolean() | error().
exists(Source, Path, Query) when ?IS_SOURCE(Source) ->
    Native = pando_path:from_string(Path),
    case ready(Source, Query) of
        ok ->
            case pando_backend:exists(Source, Native) of
                slow -> if_found(read(Source, Native, pando_props:no_bits()), fun(_) -> true end);
                Answer -> Answer
            end;
        {error, _} = Error ->
            Error
    end.

-spec has_data(source(), term(), pando_options:query()) -> boolean() | error().
has_data(Source, Path, Query) when ?IS_SOURCE(Source) ->
    Native = pando_path:from_string(Path),
    case ready(Source, Query) of
        ok ->
            case pando_backend:has_data(Source, Native) of
                slow -> if_found(read_kind(Source, Native), fun(Props) -> maps:get(has_data, Props, false) end);
                Answer -> Answer
            end;
        {error, _} = Error ->
            Error
    end.

-spec is_sproc(source(), term(), pando_options:query()) -> boolean() | error().
is_sproc(Source, Path, Query) when ?IS_SOURCE(Source) ->
    Native = pando_path:from_string(Path),
    case ready(Source, Query) of
        ok -> if_found(read_kind(Source, Native), fun(Props) -> maps:get(is_sproc, Props, false) end);
        {error, _} = Error -> Error
    end.

%% Whether there is no node below the root.
-spec is_empty(source(), pando_options:query()) -> boolean() | error().
is_empty(Source, Query) ->
    case node(Source, [], Query#{props := pando_props:bits([child_list_length])}) of
        {ok, [], #{child_list_length := Length}} -> Length =:= 0;
        {error, _} = Error -> Error
    end.

read_kind(Source, Native) ->
    read(Source, Native, pando_props:bits([has_payload])).

%% A node that is not there, or not as its conditions say, is not found.
if_found({ok, _, Props}, Answer) -> Answer(Props);
if_found({error, {pando, node_not_found, _}}, _Answer) -> false;
if_found({error, {pando, mismatching_node, _}}, _Answer) -> false;
if_found({error, _} = Error, _Answer) -> Error.

%% One node, named exactly, and its properties.
-spec node(source(), term(), pando_options:query() | pando_options:many()) ->
    {ok, pando_path:native_path(), pando_adv:node_props()} | error().
node(Source, Path, #{props := Props} = Query) when ?IS_SOURCE(Source) ->
    Native = pando_path:from_string(Path),
    case ready(Source, Query) of
        ok -> read(Source, Native, Props);
        {error, _} = Error -> Error
    end.

%% The same as a map; an empty one if the node is there and does not meet a condition in the path.
-spec node_map(source(), term(), pando_options:query()) -> {ok, pando_adv:node_props_map()} | error().
node_map(Source, Path, Query) ->
    case node(Source, Path, Query) of
        {ok, NodePath, Props} -> {ok, #{NodePath => Props}};
        {error, {pando, mismatching_node, _}} -> {ok, #{}};
        {error, _} = Error -> Error
    end.

read(Source, Path, Props) ->
    Native = pando_condition:prepare(Path),
    Read =
        case pando_backend:read_quick(Source, Native, Props) of
            slow -> pando_backend:read(Source, Native, Props);
            Quick -> Quick
        end,
    case Read of
        {ok, _, _} -> Read;
        {error, Reason} -> {error, pando_errors:reason(Reason, Native)}
    end.

%%% Many nodes

%% All nodes that a pattern matches: parents first, siblings in term order. `Fun' runs in the caller. Whatever
%% `expect_specific_node' says, a fold, and what is one, is over many (specification 7.2).
-spec fold(source(), term(), Fun, Acc, pando_options:many()) -> {ok, Acc} | error() when
    Fun :: fun((pando_path:native_path(), pando_adv:node_props(), Acc) -> Acc).
fold(Source, Pattern, Fun, Acc, #{props := Props} = Options) ->
    FoldChunk = fun(Chunk, Acc1) ->
        lists:foldl(fun({Path, NodeProps}, Acc2) -> Fun(Path, NodeProps, Acc2) end, Acc1, Chunk)
    end,
    chunks(Source, Pattern, Props, FoldChunk, Acc, each_way(Options#{expect_specific_node := false})).

-spec foreach(
    source(), term(), fun((pando_path:native_path(), pando_adv:node_props()) -> term()), pando_options:many()
) -> ok | error().
foreach(Source, Pattern, Fun, Options) ->
    Call = fun(Path, Props, ok) ->
        _ = Fun(Path, Props),
        ok
    end,
    case fold(Source, Pattern, Call, ok, Options) of
        {ok, ok} -> ok;
        {error, _} = Error -> Error
    end.

-spec map(source(), term(), fun((pando_path:native_path(), pando_adv:node_props()) -> Value), pando_options:many()) ->
    {ok, #{pando_path:native_path() => Value}} | error().
map(Source, Pattern, Fun, Options) ->
    Add = fun(Path, Props, Found) -> [{Path, Fun(Path, Props)} | Found] end,
    as_map(fold(Source, Pattern, Add, [], Options)).

-spec filter(
    source(), term(), fun((pando_path:native_path(), pando_adv:node_props()) -> boolean()), pando_options:many()
) -> {ok, #{pando_path:native_path() => term()}} | error().
filter(Source, Pattern, Fun, #{props := Props} = Options) ->
    Add = fun(Path, NodeProps, Found) ->
        case Fun(Path, pando_props:without_extra_payload(NodeProps, Props)) of
            true -> [{Path, value(NodeProps, undefined)} | Found];
            false -> Found
        end
    end,
    as_map(fold(Source, Pattern, Add, [], Options#{props := pando_props:with_payload(Props)})).

as_map({ok, Pairs}) -> {ok, maps:from_list(Pairs)};
as_map({error, _} = Error) -> Error.

%% Their values by path; `Default' for those without one.
-spec values(source(), term(), term(), pando_options:many()) ->
    {ok, #{pando_path:native_path() => term()}} | error().
values(Source, Pattern, Default, Options) ->
    collect(Source, Pattern, {values, Default}, Options).

%% Their properties by path.
-spec props(source(), term(), pando_options:many()) -> {ok, pando_adv:node_props_map()} | error().
props(Source, Pattern, #{props := Props} = Options) ->
    collect(Source, Pattern, Props, Options).

%% One map made at once costs a fraction of one that grows by a node at a time.
collect(Source, Pattern, What, Options) ->
    case chunks(Source, Pattern, What, fun(Chunk, Chunks) -> [Chunk | Chunks] end, [], Options) of
        {ok, Chunks} -> {ok, maps:from_list(lists:append(Chunks))};
        {error, _} = Error -> Error
    end.

chunks(Source, Pattern, What, Fold, Acc, #{deadline := Deadline} = Options) ->
    case open(Source, Pattern, What, Options) of
        {ok, Cursor} ->
            try
                next_chunk(Cursor, Fold, Acc, Deadline)
            catch
                Class:Reason:Stacktrace ->
                    ok = close(Cursor),
                    erlang:raise(Class, Reason, Stacktrace)
            end;
        {error, _} = Error ->
            Error
    end.

next_chunk(Cursor, Fold, Acc, Deadline) ->
    case next(Cursor) of
        {error, _} = Error ->
            Error;
        {Chunk, done} ->
            {ok, Fold(Chunk, Acc)};
        {Chunk, Rest} ->
            Folded = Fold(Chunk, Acc),
            case pando_client:is_past(Deadline) of
                true ->
                    ok = close(Rest),
                    {error, timeout};
                false ->
                    next_chunk(Rest, Fold, Folded, Deadline)
            end
    end.

%% How many nodes a pattern matches; no more than the limit.
-spec count(source(), term(), pando_options:many()) -> {ok, non_neg_integer()} | error().
count(Source, Pattern, #{limit := Limit, deadline := Deadline} = Options) when ?IS_SOURCE(Source) ->
    case scan(Source, pando_path:from_string(Pattern), pando_props:no_bits(), each_way(Options)) of
        {ok, Cursor} -> count_chunk(Cursor, Limit, 0, Deadline);
        {error, _} = Error -> Error
    end.

count_chunk(Cursor, Limit, Count, Deadline) ->
    case pando_backend:count_next(Cursor) of
        {error, Reason} ->
            {error, pando_errors:reason(Reason)};
        %% A number is less than any atom, and so than `infinity'.
        {State, Found} ->
            counted(State, Cursor, Limit, min(Count + Found, Limit), Deadline)
    end.

counted(State, Cursor, Limit, SoFar, Deadline) ->
    case {State, SoFar} of
        {done, Counted} ->
            {ok, Counted};
        {more, Limit} ->
            ok = pando_backend:scan_close(Cursor),
            {ok, Limit};
        {more, Counted} ->
            case pando_client:is_past(Deadline) of
                true ->
                    ok = pando_backend:scan_close(Cursor),
                    {error, timeout};
                false ->
                    count_chunk(Cursor, Limit, Counted, Deadline)
            end
    end.

%%% Cursors

%% @doc Begins a walk over the nodes that a pattern matches, for a reader who takes them chunk by chunk: a lazy stream.
%%
%% Options are those of `pando:fold/5'; `expect_specific_node' is among them. All chunks are of the moment of this call.
%% `timeout' is for this call alone: how long the walk takes is up to the reader. A cursor holds on to the tree of that
%% moment until it was read to its end, was closed with `close/1', or was collected as garbage: who stops early closes it.
%%
%% ```
%% {ok, Cursor} = pando_read:open(stock, "/:wood/*", #{limit => 1000}),
%% {[{[wood, <<"ash">>], #{data := 7}}, ...], Next} = pando_read:next(Cursor).
%% '''
-spec open(pando_cluster:store_id(), pando_path:path(), map()) -> {ok, cursor()} | error().
open(Store, Pattern, Options) ->
    ?ORDINARY(Store),
    #{props := Props} = Many = pando_options:many(Options),
    open(Store, Pattern, Props, Many).

open(Source, Pattern, What, #{expect_specific_node := true, limit := Limit, from := From} = Options) ->
    case node(Source, Pattern, Options#{props := bits(What)}) of
        {ok, Path, _} when is_list(From), Path =< From -> {ok, #cursor{nodes = {nodes, []}, left = Limit}};
        {ok, Path, Props} -> {ok, #cursor{nodes = {nodes, [{Path, content(What, Props)}]}, left = Limit}};
        {error, {pando, mismatching_node, _}} -> {ok, #cursor{nodes = {nodes, []}, left = Limit}};
        {error, _} = Error -> Error
    end;
open(Source, Pattern, What, #{limit := Limit} = Options) when ?IS_SOURCE(Source) ->
    case scan(Source, pando_path:from_string(Pattern), What, Options) of
        {ok, Native} -> {ok, #cursor{nodes = Native, left = Limit}};
        {error, _} = Error -> Error
    end.

scan(Source, Path, What, #{include_root := IncludeRoot, from := From} = Options) ->
    Native = pando_condition:prepare(Path),
    case ready(Source, Options) of
        ok ->
            case pando_backend:scan(Source, Native, What, IncludeRoot, From, not is_map_key(each_way, Options)) of
                {ok, _} = Opened -> Opened;
                {error, Reason} -> {error, pando_errors:reason(Reason, Native)}
            end;
        {error, _} = Error ->
            Error
    end.

%% A whole fold comes to a node as often as there are ways of the pattern to it, as the specification has it. Pages are
%% of nodes, and so are maps and streams.
each_way(#{limit := infinity, from := none} = Options) -> Options#{each_way => true};
each_way(Options) -> Options.

bits({values, _}) -> pando_props:payload_bits();
bits(Props) -> Props.

content({values, Default}, Props) -> value(Props, Default);
content(_Bits, Props) -> Props.

%% @doc The next chunk of a walk, which may be empty, and how to go on: `done', or the cursor for the next call. The
%% cursor that was given is not to be used again. An error is for a store in a program of its own alone: that has ended,
%% or does not answer.
-spec next(cursor()) -> {[element(term())], cursor() | done} | error().
next(#cursor{nodes = {nodes, Nodes}}) ->
    {Nodes, done};
next(#cursor{nodes = Native, left = infinity, size = Size} = Cursor) ->
    case pando_backend:scan_next(Native, Size) of
        {done, Chunk} -> {Chunk, done};
        {more, Chunk} -> {Chunk, Cursor#cursor{size = next_size(Size)}};
        {error, Reason} -> {error, pando_errors:reason(Reason)}
    end;
next(#cursor{nodes = Native, left = Left, size = Size} = Cursor) ->
    case pando_backend:scan_next(Native, min(Left, Size)) of
        {error, Reason} -> {error, pando_errors:reason(Reason)};
        {State, Chunk} -> next(State, Chunk, Left - length(Chunk), Cursor)
    end.

next(State, Chunk, Left, #cursor{size = Size} = Cursor) ->
    case {State, Left} of
        {more, More} when More > 0 ->
            {Chunk, Cursor#cursor{left = More, size = next_size(Size)}};
        {more, _} ->
            ok = close(Cursor),
            {Chunk, done};
        %% What was read to its end has let its tree go.
        {done, _} ->
            {Chunk, done}
    end.

%% @doc Ends a walk of which nothing more is wanted: the tree of its moment is let go at once, not only when the cursor is
%% collected as garbage.
-spec close(cursor()) -> ok.
close(#cursor{nodes = {nodes, _}}) -> ok;
close(#cursor{nodes = Native}) -> pando_backend:scan_close(Native).

%% Who takes a few nodes of many waits for few; who takes them all soon gets large chunks.
next_size(Size) -> min(?CHUNK_GROWTH * Size, ?CHUNK_NODES_MAX).
