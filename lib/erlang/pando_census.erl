%% @private What nodes tell each other about their stores, beside the store's own frames: who has it, and who its members are.
%%
%% 1. Every question has a limit of time, and so has a round of them; who does not answer is `silent'.
%% 2. A view of a cluster is `certain' only when a leader says so that reaches a majority now.
%% 3. Questions are function calls on the other node: one that has no Pando, or an older one, is as one without the store.
-module(pando_census).

-export([ask/3, ask_one/3, promises/4, leader/3, view/1, member_nodes/1, to_node/1]).
%% Called by other nodes.
-export([answer/1, own_view/1, own_leader/1, promise/3]).

-export_type([view/0]).

-type view() :: #{
    cluster_id := <<_:128>>,
    members := [#{member_id := pos_integer(), node := node(), role := voter | observer, is_voter := boolean()}],
    is_certain := boolean(),
    term := non_neg_integer(),
    leader := undefined | node(),
    applied_index := non_neg_integer()
}.

%% How long the leader may take to be asked by a member that is asked itself, in milliseconds.
-define(LEADER_TIMEOUT_MS, 700).

%% Asks many nodes at once what they have; returns when all have answered, or the time is over.
-spec ask([node()], pando_backend:store_id(), non_neg_integer()) -> #{node() => pando_forming:answer()}.
ask(Nodes, StoreId, TimeoutMs) ->
    ask_all(Nodes, fun(Node) -> ask_one(Node, StoreId, TimeoutMs) end, TimeoutMs).

-spec ask_one(node(), pando_backend:store_id(), non_neg_integer()) -> pando_forming:answer().
ask_one(Node, StoreId, TimeoutMs) ->
    call(Node, answer, [StoreId], TimeoutMs).

%% Those that promise that this node, which has these nodes in its list, may found.
-spec promises([node()], pando_backend:store_id(), [node()], non_neg_integer()) -> [node()].
promises(Nodes, StoreId, List, TimeoutMs) ->
    Ask = fun(Node) -> call(Node, promise, [StoreId, node(), List], TimeoutMs) end,
    Answers = ask_all(Nodes, Ask, TimeoutMs),
    [Node || {Node, granted} <- maps:to_list(Answers)].

%% Who leads, as a node's member of a store knows it; `undefined' also of one that is on its way into a cluster.
-spec leader(node(), pando_backend:store_id(), non_neg_integer()) -> {ok, undefined | node()} | {error, noproc}.
leader(Node, StoreId, _TimeoutMs) when Node =:= node() ->
    own_leader(StoreId);
leader(Node, StoreId, TimeoutMs) ->
    case call(Node, own_leader, [StoreId], TimeoutMs) of
        {ok, Leader} -> {ok, Leader};
        _ -> {error, noproc}
    end.

-spec own_leader(pando_backend:store_id()) -> {ok, undefined | node()} | {error, noproc}.
own_leader(StoreId) ->
    case own_view(StoreId) of
        {ok, #{leader := undefined}} ->
            {ok, undefined};
        {ok, #{leader := Leader}} ->
            case pando_server:describe(StoreId) of
                joining -> {ok, undefined};
                _ -> {ok, Leader}
            end;
        {error, noproc} ->
            {error, noproc}
    end.

call(Node, Function, Arguments, TimeoutMs) ->
    try
        erpc:call(Node, ?MODULE, Function, Arguments, TimeoutMs)
    catch
        error:{exception, undef, _} -> not_running;
        _:_ -> silent
    end.

%% One process for each, because connecting to a node that is down may take seconds.
ask_all(Nodes, Ask, TimeoutMs) ->
    Deadline = pando_client:deadline(TimeoutMs),
    Asker = self(),
    Start = fun(Node) ->
        Reference = make_ref(),
        {Reference, spawn_monitor(fun() -> Asker ! {Reference, Ask(Node)} end)}
    end,
    Asked = [{Node, Start(Node)} || Node <- Nodes],
    maps:from_list([{Node, gather(Process, Deadline)} || {Node, Process} <- Asked]).

gather({Reference, {Pid, Monitor}}, Deadline) ->
    receive
        {'DOWN', Monitor, process, Pid, _} -> gathered(Reference)
    after pando_client:remaining_ms(Deadline) ->
        true = exit(Pid, kill),
        receive
            {'DOWN', Monitor, process, Pid, _} -> gathered(Reference)
        end
    end.

gathered(Reference) ->
    receive
        {Reference, Answer} -> Answer
    after 0 -> silent
    end.

%% What this node has.
-spec answer(pando_backend:store_id()) -> pando_forming:answer().
answer(StoreId) ->
    case pando_server:describe(StoreId) of
        open ->
            case view(StoreId) of
                {ok, View} -> {member, View};
                {error, noproc} -> closed
            end;
        Description ->
            Description
    end.

-spec promise(pando_backend:store_id(), node(), [node()]) -> granted | refused | not_running | silent.
promise(StoreId, Founder, List) ->
    pando_server:promise(StoreId, Founder, List).

%% The cluster of a store of this node, as its leader sees it, or as this member does if no leader can be asked.
-spec view(pando_backend:store_id()) -> {ok, view()} | {error, noproc}.
view(StoreId) ->
    case own_view(StoreId) of
        {ok, #{is_certain := false, leader := Leader} = Own} when Leader =/= undefined, Leader =/= node() ->
            {ok, leaders_view(Leader, StoreId, Own)};
        Own ->
            Own
    end.

leaders_view(Leader, StoreId, #{cluster_id := ClusterId} = Own) ->
    case call(Leader, own_view, [StoreId], ?LEADER_TIMEOUT_MS) of
        {ok, #{cluster_id := ClusterId, is_certain := true} = View} -> View;
        _ -> Own
    end.

-spec own_view(pando_backend:store_id()) -> {ok, view()} | {error, noproc}.
own_view(StoreId) ->
    case pando_backend:status(StoreId) of
        {ok, #{cluster_id := ClusterId, members := Members, term := Term, applied_index := Applied} = Status} ->
            #{role := Role, has_quorum := HasQuorum, leader := LeaderId} = Status,
            Leaders = [to_node(Node) || #{member_id := Id, node := Node} <- Members, Id =:= LeaderId],
            {ok, #{
                cluster_id => ClusterId,
                members => [with_node(Member) || Member <- Members],
                is_certain => Role =:= leader andalso HasQuorum,
                term => Term,
                %% One that reaches no majority may not know that another one leads.
                leader => hd([Leader || HasQuorum, Leader <- Leaders] ++ [undefined]),
                applied_index => Applied
            }};
        {error, noproc} ->
            {error, noproc}
    end.

with_node(#{node := Node} = Member) ->
    (maps:with([member_id, role, is_voter], Member))#{node => to_node(Node)}.

%% Names of members' nodes become atoms: there are as many as members, and who may make a member may make atoms here anyway.
-spec to_node(binary()) -> node().
to_node(Name) ->
    binary_to_atom(Name).

%% The nodes of the members of a view, sorted, each once: a member that comes back is there twice for a while.
-spec member_nodes(view()) -> [node()].
member_nodes(#{members := Members}) ->
    lists:usort([Node || #{node := Node} <- Members]).
