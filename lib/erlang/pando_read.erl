%% @private Reads, as `pando' and `pando_adv' ask for them. They run in the caller, on one immutable root: no other process
%% takes part, and nobody waits for them.
-module(pando_read).

-export([data/2, node/3, fold/5, count/3]).

%% The value of a node, the shortest way: `{ok, undefined}' without a payload.
-spec data(pando_cluster:store_id(), term()) -> {ok, term()} | {error, pando_errors:reason()}.
data(Store, Path) when is_atom(Store) ->
    Native = pando_path:from_string(Path),
    case pando_nif:get_data(Store, Native) of
        slow ->
            Options = #{
                timeout => infinity,
                props => pando_props:payload_bits(),
                expect_specific_node => true,
                include_root => false
            },
            case node(Store, Native, Options) of
                {ok, _, Props} -> {ok, value(Props)};
                {error, _} = Error -> Error
            end;
        Found ->
            Found
    end.

value(#{data := Data}) -> Data;
value(#{sproc := Procedure}) -> Procedure;
value(#{}) -> undefined.

%% One node, named exactly.
-spec node(pando_cluster:store_id(), term(), pando_options:query()) ->
    {ok, pando_path:native_path(), pando_adv:node_props()} | {error, pando_errors:reason()}.
node(_Store, _Path, #{timeout := 0}) ->
    {error, timeout};
node(Store, Path, #{props := Props}) when is_atom(Store) ->
    Native = pando_path:from_string(Path),
    Read =
        case pando_nif:read_quick(Store, Native, Props) of
            slow -> pando_nif:read(Store, Native, Props);
            Quick -> Quick
        end,
    case Read of
        {ok, _, _} -> Read;
        {error, Reason} -> {error, pando_errors:reason(Reason, {Native, []})}
    end.

%% All nodes that a pattern matches: parents first, siblings in term order. `Fun' runs in the caller.
-spec fold(pando_cluster:store_id(), term(), Fun, Acc, pando_options:query()) ->
    {ok, Acc} | {error, pando_errors:reason()}
when
    Fun :: fun((pando_path:native_path(), pando_adv:node_props(), Acc) -> Acc).
fold(Store, Pattern, Fun, Acc, #{expect_specific_node := true} = Options) ->
    case node(Store, Pattern, Options) of
        {ok, Path, Props} -> {ok, Fun(Path, Props, Acc)};
        {error, _} = Error -> Error
    end;
fold(Store, Pattern, Fun, Acc, Options) ->
    FoldChunk = fun(Nodes, Acc1) -> lists:foldl(fun({Path, Props}, Acc2) -> Fun(Path, Props, Acc2) end, Acc1, Nodes) end,
    chunks(Store, Pattern, fun pando_nif:scan_next/1, FoldChunk, Acc, Options).

%% How many nodes a pattern matches.
-spec count(pando_cluster:store_id(), term(), pando_options:query()) ->
    {ok, non_neg_integer()} | {error, pando_errors:reason()}.
count(Store, Pattern, Options) ->
    chunks(Store, Pattern, fun pando_nif:count_next/1, fun(Found, Count) -> Count + Found end, 0, Options).

chunks(_Store, _Pattern, _Next, _Fold, _Acc, #{timeout := 0}) ->
    {error, timeout};
chunks(Store, Pattern, Next, Fold, Acc, #{timeout := Timeout, props := Props, include_root := IncludeRoot}) when
    is_atom(Store)
->
    Native = pando_path:from_string(Pattern),
    case pando_nif:scan(Store, Native, Props, IncludeRoot) of
        {ok, Cursor} -> next_chunk(Cursor, Next, Fold, Acc, deadline(Timeout));
        {error, Reason} -> {error, pando_errors:reason(Reason, {Native, []})}
    end.

next_chunk(Cursor, Next, Fold, Acc, Deadline) ->
    case Next(Cursor) of
        {done, Chunk} ->
            {ok, Fold(Chunk, Acc)};
        {more, Chunk} ->
            Folded = Fold(Chunk, Acc),
            case is_past(Deadline) of
                true -> {error, timeout};
                false -> next_chunk(Cursor, Next, Fold, Folded, Deadline)
            end
    end.

is_past(infinity) -> false;
is_past(Deadline) -> erlang:monotonic_time(millisecond) >= Deadline.

deadline(infinity) -> infinity;
deadline(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.
