%% @doc The paths and values of the benchmark: queues of a broker, in paths of four components.
-module(bench_data).

-export([path/2, name/1, value/2, id/1, numbers/1, external_size_bytes/0, vhost_count/0]).

-export_type([value/0]).

-type value() :: #{id := pos_integer(), atom() => term()}.

-define(VHOSTS, 10).
-define(EXTERNAL_SIZE_BYTES, 160).

%% @doc The path of a queue; `QueuesPerVhost' of them share a parent.
-spec path(non_neg_integer(), pos_integer()) -> [atom() | binary()].
path(Number, QueuesPerVhost) ->
    [vhosts, vhost(Number div QueuesPerVhost), queues, name(Number)].

%% @doc The last component of that path.
-spec name(non_neg_integer()) -> binary().
name(Number) ->
    <<"q", (integer_to_binary(Number))/binary>>.

%% @doc The value of a queue: a map of eight keys, of the same size for all. A later put changes `Changing'.
-spec value(non_neg_integer(), non_neg_integer()) -> value().
value(Number, Changing) ->
    #{
        id => id(Number),
        type => quorum,
        durable => true,
        auto_delete => false,
        policy => <<"mirror">>,
        leader => <<"rabbit@host-1.example.org">>,
        messages => id(Changing),
        consumers => 2
    }.

%% @doc The `id' of a queue. An integer from 256 to 2^31 - 1 always takes five bytes.
-spec id(non_neg_integer()) -> pos_integer().
id(Number) ->
    1000 + Number band 16#ffffff.

%% @doc All of `0..Count-1', in an order without a pattern, and the same in every run.
-spec numbers(pos_integer()) -> [non_neg_integer()].
numbers(Count) ->
    {Tagged, _} = lists:mapfoldl(
        fun(Number, State0) ->
            {Random, State} = rand:uniform_s(State0),
            {{Random, Number}, State}
        end,
        rand:seed_s(exsss, 2026),
        lists:seq(0, Count - 1)
    ),
    [Number || {_, Number} <- lists:sort(Tagged)].

%% @doc The size of every value in external term format; an error if the values above do not have it.
-spec external_size_bytes() -> pos_integer().
external_size_bytes() ->
    lists:foreach(
        fun({Number, Changing}) ->
            Value = value(Number, Changing),
            {8, ?EXTERNAL_SIZE_BYTES} = {map_size(Value), byte_size(term_to_binary(Value))}
        end,
        [{0, 0}, {7, 255}, {99999, 16#ffffff}, {100000, 1 bsl 40}]
    ),
    ?EXTERNAL_SIZE_BYTES.

-spec vhost_count() -> pos_integer().
vhost_count() ->
    ?VHOSTS.

vhost(0) -> <<"vh0">>;
vhost(1) -> <<"vh1">>;
vhost(2) -> <<"vh2">>;
vhost(3) -> <<"vh3">>;
vhost(4) -> <<"vh4">>;
vhost(5) -> <<"vh5">>;
vhost(6) -> <<"vh6">>;
vhost(7) -> <<"vh7">>;
vhost(8) -> <<"vh8">>;
vhost(9) -> <<"vh9">>.
