%% Faults at random to a cluster, from a seed: what, of which node and for how long is drawn beforehand, so a seed repeats it.
%%
%% 1. One fault after the other, or two at once of different nodes; each is undone before the next ones begin, and all are at the end.
%%    So a majority is often missing for a moment, and never for long.
%% 2. What takes a member's data (`wipe', `remove') happens alone, after all members vote and have caught up, and is waited for:
%%    a cluster that loses its members faster than it can replace them may lose what was acknowledged.
%% 3. How many there are is bounded by the plan, how long each takes by ?HOLD_MS_MAX, and waiting for what must come by
%%    `pando_test_cluster'.
-module(pando_nemesis).

-export([plan/3, run/4, kinds/0, kinds_of_links_and_nodes/0]).

-export_type([kind/0, plan/0]).

-type kind() ::
    cut | isolate | isolate_leader | split | kill | kill_leader | pause | pause_leader | stop_store | stop_leader | transfer | wipe | remove.
-type plan() :: [#{kinds := [kind()], hold_ms := non_neg_integer(), rest_ms := non_neg_integer(), numbers := [pos_integer()]}].

-define(HOLD_MS_MAX, 1500).
-define(REST_MS_MAX, 800).
%% Of so many faults one comes with a second one.
-define(TWO_OF, 4).
-define(STORE_MS_MAX, 60000).

-spec kinds() -> [kind()].
kinds() ->
    kinds_of_links_and_nodes() ++ [transfer, wipe, remove].

%% Those that a store of one member has, too.
-spec kinds_of_links_and_nodes() -> [kind()].
kinds_of_links_and_nodes() ->
    [cut, isolate, isolate_leader, split, kill, kill_leader, pause, pause_leader, stop_store, stop_leader].

%% `Count' rounds. Every kind comes once before any comes again.
-spec plan(integer(), pos_integer(), [kind()]) -> plan().
plan(Seed, Count, Kinds) ->
    {Drawn, Rand} = draw(Count, Kinds, rand:seed_s(exsss, Seed)),
    {Plan, _} = lists:mapfoldl(
        fun(Kind, Rand0) ->
            {Two, Rand1} = rand:uniform_s(?TWO_OF, Rand0),
            {Hold, Rand2} = rand:uniform_s(?HOLD_MS_MAX, Rand1),
            {Rest, Rand3} = rand:uniform_s(?REST_MS_MAX, Rand2),
            {Numbers, Rand4} = lists:mapfoldl(fun(_, R) -> rand:uniform_s(1 bsl 20, R) end, Rand3, [1, 2]),
            Other = lists:nth(1 + lists:last(Numbers) rem length(Kinds), Kinds),
            IsWithOther = Two =:= 1 andalso not is_alone(Kind) andalso not is_alone(Other),
            Round = #{
                kinds => [Kind | [Other || IsWithOther]],
                hold_ms => Hold,
                rest_ms => Rest,
                numbers => Numbers
            },
            {Round, Rand4}
        end,
        Rand,
        Drawn
    ),
    Plan.

draw(Count, Kinds, Rand) ->
    {Shuffled, Next} = shuffle(Kinds, Rand),
    case Count =< length(Kinds) of
        true ->
            {lists:sublist(Shuffled, Count), Next};
        false ->
            {More, Last} = draw(Count - length(Kinds), Kinds, Next),
            {Shuffled ++ More, Last}
    end.

shuffle(List, Rand) ->
    {Numbered, Next} = lists:mapfoldl(
        fun(X, R) ->
            {N, R1} = rand:uniform_s(R),
            {{N, X}, R1}
        end,
        Rand,
        List
    ),
    {[X || {_, X} <- lists:sort(Numbered)], Next}.

is_alone(Kind) -> lists:member(Kind, [wipe, remove, transfer]).

%% Carries a plan out. Answers what was done, to which nodes; all is as before then, but for who leads and for member ids.
-spec run(pando_test_cluster:cluster(), atom(), map(), plan()) -> [{kind(), [node()]}].
run(Cluster, Store, Config, Plan) ->
    lists:append([round(Cluster, Store, Config, Round) || Round <- Plan]).

round(Cluster, Store, Config, #{kinds := Kinds, numbers := Numbers, hold_ms := HoldMs, rest_ms := RestMs}) ->
    Context = #{cluster => Cluster, store => Store, config => Config},
    {Done, _} = lists:mapfoldl(
        fun({Kind, Number}, Hit) ->
            {Nodes, Undo} = inject(Kind, Number, Hit, Context),
            {{Kind, Nodes, Undo}, Nodes ++ Hit}
        end,
        [],
        lists:zip(Kinds, lists:sublist(Numbers, length(Kinds)))
    ),
    timer:sleep(HoldMs),
    %% In the order in which they came: not the last one first.
    [Undo() || {_, _, Undo} <- Done],
    timer:sleep(RestMs),
    [{Kind, Nodes} || {Kind, Nodes, _} <- Done].

%% Does it, to nodes that no other fault has hit: which, and how it is undone.
inject(Kind, Number, Hit, #{cluster := Cluster, store := Store} = Context) ->
    Free = pando_test_cluster:nodes(Cluster) -- Hit,
    Any = lists:nth(1 + Number rem length(Free), Free),
    Leader =
        case pando_test_cluster:leader(Cluster, Store) of
            undefined -> Any;
            Leading -> case lists:member(Leading, Free) of true -> Leading; false -> Any end
        end,
    fault(Kind, Any, Leader, Number, Context).

fault(cut, A, _Leader, Number, #{cluster := Cluster}) ->
    Others = pando_test_cluster:nodes(Cluster) -- [A],
    B = lists:nth(1 + (Number div 64) rem length(Others), Others),
    ok = pando_test_cluster:cut(Cluster, A, B),
    {[A], fun() -> ok = pando_test_cluster:heal(Cluster, A, B) end};
fault(isolate, Node, _Leader, _Number, #{cluster := Cluster}) ->
    ok = pando_test_cluster:isolate(Cluster, Node),
    {[Node], fun() -> ok = pando_test_cluster:rejoin(Cluster, Node) end};
fault(isolate_leader, _Any, Leader, Number, Context) ->
    fault(isolate, Leader, Leader, Number, Context);
fault(split, Node, _Leader, _Number, #{cluster := Cluster}) ->
    Nodes = pando_test_cluster:nodes(Cluster),
    Few = lists:sublist([Node | Nodes -- [Node]], length(Nodes) div 2),
    Links = [{A, B} || A <- Few, B <- Nodes -- Few],
    [ok = pando_test_cluster:cut(Cluster, A, B) || {A, B} <- Links],
    {Few, fun() -> [ok = pando_test_cluster:heal(Cluster, A, B) || {A, B} <- Links] end};
fault(kill, Node, _Leader, _Number, #{cluster := Cluster} = Context) ->
    ok = pando_test_cluster:kill(Cluster, Node),
    {[Node], fun() ->
        ok = pando_test_cluster:restart(Cluster, Node),
        start_store(Node, Context)
    end};
fault(kill_leader, _Any, Leader, Number, Context) ->
    fault(kill, Leader, Leader, Number, Context);
fault(pause, Node, _Leader, _Number, #{cluster := Cluster}) ->
    ok = pando_test_cluster:pause(Cluster, Node),
    {[Node], fun() -> ok = pando_test_cluster:resume(Cluster, Node) end};
fault(pause_leader, _Any, Leader, Number, Context) ->
    fault(pause, Leader, Leader, Number, Context);
fault(stop_store, Node, _Leader, _Number, #{cluster := Cluster, store := Store} = Context) ->
    ok = pando_test_cluster:stop_store(Cluster, Node, Store),
    {[Node], fun() -> start_store(Node, Context) end};
fault(stop_leader, _Any, Leader, Number, Context) ->
    fault(stop_store, Leader, Leader, Number, Context);
fault(transfer, Node, Leader, _Number, #{cluster := Cluster, store := Store}) ->
    %% It need not succeed: whom it is asked of may not be there yet.
    case pando_test_cluster:call(Cluster, Leader, pando_cluster, transfer_leadership, [Store, Node]) of
        ok -> ok;
        {error, _} -> ok
    end,
    {[Node], fun() -> ok end};
fault(wipe, Node, _Leader, _Number, #{cluster := Cluster, store := Store} = Context) ->
    ok = await_all(Context),
    ok = pando_test_cluster:wipe(Cluster, Node, Store),
    {[Node], fun() ->
        start_store(Node, Context),
        await_all(Context)
    end};
fault(remove, Node, _Leader, _Number, #{cluster := Cluster, store := Store} = Context) ->
    ok = await_all(Context),
    [Other | _] = pando_test_cluster:nodes(Cluster) -- [Node],
    ok = pando_test_cluster:call(Cluster, Other, pando_cluster, remove_member, [Store, Node]),
    %% Its store is stopping by itself, perhaps.
    case pando_test_cluster:call(Cluster, Node, pando, stop, [Store]) of
        ok -> ok;
        {error, {pando, open_failed, #{kind := removed_member}}} -> ok
    end,
    ok = pando_test_cluster:wipe(Cluster, Node, Store),
    {[Node], fun() ->
        start_store(Node, Context),
        await_all(Context)
    end}.

await_all(#{cluster := Cluster, store := Store}) ->
    pando_test_cluster:await_members(Cluster, Store, pando_test_cluster:nodes(Cluster)).

start_store(Node, #{cluster := Cluster, store := Store, config := Config}) ->
    ok = pando_test_cluster:start_store(Cluster, Node, Store, Config),
    pando_test_cluster:await({store, Node}, fun() -> is_map(pando_test_cluster:status(Cluster, Node, Store)) end, ?STORE_MS_MAX).
