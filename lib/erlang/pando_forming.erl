%% @private How nodes that start without data come to one cluster: what a node asks, answers and decides. Pure: answers of
%% other nodes in, a decision out; `pando_server' does what is decided, `pando_census' asks.
%%
%% A node has a list of nodes that are to form a cluster. In each round it asks all of them what they have.
%%
%% 1. Where a cluster is, it is joined. One that lists this node has lost this node's data with its disk; it is joined even if
%%    nothing is configured, under a new member id. Only the word of a leader with a majority counts: who is behind may list a
%%    member that was removed.
%% 2. Where none is, the node with the smallest name in the list is the founder, and nobody else. It collects promises:
%%    `expect' nodes, itself among them, have to say that they are empty, have the same list, and have promised nobody
%%    else. Then it founds. The others wait, and join.
%% 3. Who has promised somebody never founds, and promises nobody else, until that node has said itself that it has neither
%%    founded nor is founding; and a founder says so only while it is collecting no promises. A promise that comes for an
%%    earlier round counts for nothing.
%%
%% Why there are never two clusters
%%
%% With the same list on all nodes there is one founder, F, so a second cluster could only be F's own, founded after F has lost
%% its disk. `expect' is the whole list unless it is given: then every other node must have said that it is empty, not
%% joining, not opening. So none of them was a member of the first cluster, F was the only one, and it has nothing left: the
%% first cluster does not exist any more. A node that is being admitted there at that moment is not empty (it says that it joins), and
%% finds out later that its cluster is gone: it was no member yet, so nothing was lost with it.
%%
%% Lists that differ have perhaps two founders, F and G. If they share nobody, they are two clusters on purpose. Else each
%% founds only with promises of nodes of the same list, so F's list is not G's, and a node that promises both has changed its
%% list in between. With (3) it promises G only once F, asked after that, has neither founded nor can found with the promise that
%% it had: rounds are numbered. Promises are in memory: a node that has changed its list and was restarted meanwhile does not
%% remember. That is the one hole, and needs a changed list, a restart and a founding within a second; and it is why lists
%% that come from a function, and may be parts of the whole, are compared with every node that is connected, not only with
%% those in the list.
%%
%% With an `expect' that is smaller than the list, a founder that has lost its disk and cannot reach any member founds a second
%% cluster: nobody can tell it. Who gives it accepts that; the default does not.
-module(pando_forming).

-export([new/1, nodes/1, configure/2, ask/1, describe/1, promise/3, decide/2, promises/3, abort/1, text/1]).

-export_type([state/0, options/0, answer/0, listed/0, decision/0, why/0, round/0]).

%% `connected': nothing is configured; only a cluster that lists this node is joined.
-type options() :: #{
    node := node(),
    nodes := connected | [node()],
    %% The list may be a part of the whole: it comes from a function.
    is_partial := boolean(),
    expect := default | pos_integer()
}.
-type round() :: non_neg_integer().
-opaque state() :: #{
    node := node(),
    nodes := connected | [node()],
    is_partial := boolean(),
    expect := default | pos_integer(),
    promised := none | node(),
    %% Of the last promises that were asked for; `collecting' while they are.
    round := round(),
    phase := waiting | collecting | founding,
    %% Rounds in which a node did not answer that is connected; only if nothing is configured.
    silent_rounds := non_neg_integer()
}.
-type listed() :: #{member_id := pos_integer(), node := node(), role := voter | observer}.
%% What a node says of its store.
%%   `empty': it has none, and decides as this one does.
%%   `member': the members of its cluster; `is_certain': a leader with a majority has said so.
%%   `closed': there are data, and they are not open: being opened, or they could not be.
%%   `joining': it is on the way into a cluster.
%%   `not_running': no such store was started there. `silent': no answer.
-type answer() ::
    {empty, #{nodes := connected | [node()], promised := none | node(), is_founding := boolean()}}
    | {member, #{cluster_id := <<_:128>>, members := [listed()], is_certain := boolean(), _ => _}}
    | closed
    | joining
    | not_running
    | silent.
-type why() ::
    {no_leader, [node()]}
    | {several_clusters, [{<<_:128>>, [node()]}]}
    | {founder, node()}
    | {nodes, [node()]}
    | {lists_differ, [node()]}
    | {busy, [node()]}
    | {promised, node()}
    | no_nodes.
-type decision() ::
    {join, #{cluster_id := <<_:128>>, contacts := [node()], role := voter | observer}}
    | {collect, round(), [node()]}
    | found
    | {wait, why()}.

%% Rounds that a connected node may leave unanswered before a store without a list is founded.
-define(SILENT_ROUNDS_MAX, 3).

-spec new(options()) -> state().
new(#{node := Node, nodes := Nodes, is_partial := IsPartial, expect := Expect}) ->
    #{
        node => Node,
        nodes => sorted(Nodes),
        is_partial => IsPartial,
        expect => Expect,
        promised => none,
        round => 0,
        phase => waiting,
        silent_rounds => 0
    }.

sorted(connected) -> connected;
sorted(Nodes) -> lists:usort(Nodes).

-spec nodes(state()) -> connected | [node()].
nodes(#{nodes := Nodes}) -> Nodes.

%% The list as it is now. One that changes while promises are collected ends that: they were given for another one.
-spec configure([node()], state()) -> state().
configure(Nodes, #{nodes := Before} = State) ->
    case sorted(Nodes) of
        Before -> State;
        After -> (abort(State))#{nodes := After}
    end.

%% Whom to ask in a round, beside nodes that are connected: those of the list, and who was promised something.
-spec ask(state()) -> [node()].
ask(#{node := Node, nodes := Nodes, promised := Promised}) ->
    Configured = [N || Nodes =/= connected, N <- Nodes],
    lists:usort([N || N <- [Promised | Configured], N =/= Node, N =/= none]).

%% What this node says of itself.
-spec describe(state()) -> {empty, #{nodes := connected | [node()], promised := none | node(), is_founding := boolean()}}.
describe(#{nodes := Nodes, promised := Promised, phase := Phase}) ->
    {empty, #{nodes => Nodes, promised => Promised, is_founding => Phase =/= waiting}}.

%% Another node wants to found, and asks for this one's promise.
-spec promise(node(), [node()], state()) -> {granted | refused, state()}.
promise(Founder, Nodes, #{nodes := Nodes, phase := waiting, promised := Promised} = State) when
    Promised =:= none; Promised =:= Founder
->
    case founder(Nodes) of
        Founder -> {granted, State#{promised := Founder}};
        _ -> {refused, State}
    end;
promise(_Founder, _Nodes, State) ->
    {refused, State}.

founder([Smallest | _]) -> Smallest;
founder(_) -> none.

%% What is to be done after a round. `Answers': of everybody who was asked, without this node.
-spec decide(#{node() => answer()}, state()) -> {decision(), state()}.
decide(_Answers, #{phase := founding} = State) ->
    {found, State};
decide(Answers, State0) ->
    State = release(Answers, abort(State0)),
    #{node := Node} = State,
    case clusters_that_list(Node, Answers) of
        {certain, Join} -> {{join, Join}, State};
        {uncertain, Nodes} -> {{wait, {no_leader, Nodes}}, State};
        none -> decide_unlisted(Answers, State)
    end.

%% (3): only what the node says itself.
release(Answers, #{promised := Promised} = State) ->
    case Answers of
        #{Promised := {empty, #{is_founding := false}}} -> State#{promised := none};
        _ -> State
    end.

clusters_that_list(Node, Answers) ->
    Listing = [
        {Contact, View, Role}
     || {Contact, {member, #{members := Members} = View}} <- lists:sort(maps:to_list(Answers)),
        #{node := Listed, role := Role} <- Members,
        Listed =:= Node
    ],
    case [Found || {_, #{is_certain := true}, _} = Found <- Listing] of
        [{_, #{cluster_id := ClusterId}, Role} | _] ->
            {certain, joining(ClusterId, Role, Answers)};
        [] ->
            %% What a leader has said of the same cluster counts more than what one says that is behind.
            Certain = [Id || {_, {member, #{is_certain := true, cluster_id := Id}}} <- maps:to_list(Answers)],
            case [Contact || {Contact, #{cluster_id := Id}, _} <- Listing, not lists:member(Id, Certain)] of
                [] -> none;
                Contacts -> {uncertain, lists:usort(Contacts)}
            end
    end.

joining(ClusterId, Role, Answers) ->
    Contacts = [Contact || {Contact, {member, #{cluster_id := Id}}} <- maps:to_list(Answers), Id =:= ClusterId],
    #{cluster_id => ClusterId, contacts => lists:sort(Contacts), role => Role}.

%% Without a list: whoever may still say that this node is a member is waited for, those that do not answer not for ever.
decide_unlisted(Answers, #{nodes := connected, silent_rounds := Rounds} = State) ->
    Silent = that_are(silent, Answers),
    case {that_are(closed, Answers), Silent} of
        {[], []} -> {found, State#{phase := founding}};
        {[], _} when Rounds >= ?SILENT_ROUNDS_MAX -> {found, State#{phase := founding}};
        {[], _} -> {{wait, {nodes, Silent}}, State#{silent_rounds := Rounds + 1}};
        {Closed, _} -> {{wait, {busy, Closed}}, State}
    end;
decide_unlisted(_Answers, #{nodes := []} = State) ->
    {{wait, no_nodes}, State};
decide_unlisted(Answers, #{nodes := Nodes} = State) ->
    Views = [{Contact, View} || {Contact, {member, View}} <- maps:to_list(Answers), lists:member(Contact, Nodes)],
    case lists:usort([Id || {_, #{cluster_id := Id}} <- Views]) of
        [] ->
            decide_without_cluster(Answers, State);
        [ClusterId] ->
            case [yes || {_, #{is_certain := true}} <- Views] of
                [] -> {{wait, {no_leader, lists:sort([Contact || {Contact, _} <- Views])}}, State};
                _ -> {{join, joining(ClusterId, voter, maps:with(Nodes, Answers))}, State}
            end;
        Several ->
            Of = fun(ClusterId) -> lists:sort([Contact || {Contact, #{cluster_id := Id}} <- Views, Id =:= ClusterId]) end,
            {{wait, {several_clusters, [{Id, Of(Id)} || Id <- Several]}}, State}
    end.

decide_without_cluster(Answers, #{node := Node, nodes := Nodes, promised := Promised, round := Round} = State) ->
    Listed = maps:with(Nodes, Answers),
    Others = Nodes -- [Node],
    Empty = [
        Other
     || {Other, {empty, #{nodes := Theirs, promised := To, is_founding := false}}} <- lists:sort(maps:to_list(Listed)),
        Theirs =:= Nodes,
        To =:= none orelse To =:= Node
    ],
    Differing = differing(Answers, State),
    Busy = lists:sort(that_are(closed, Listed) ++ that_are(joining, Listed)),
    Founder = founder(Nodes),
    if
        Differing =/= [] ->
            {{wait, {lists_differ, Differing}}, State};
        Founder =/= Node ->
            {{wait, {founder, Founder}}, State};
        Promised =/= none ->
            {{wait, {promised, Promised}}, State};
        Busy =/= [] ->
            {{wait, {busy, Busy}}, State};
        true ->
            case length(Empty) + 1 >= expected(State) of
                true when Empty =:= [] -> {found, State#{phase := founding}};
                true -> {{collect, Round + 1, Empty}, State#{phase := collecting, round := Round + 1}};
                false -> {{wait, {nodes, Others -- Empty}}, State}
            end
    end.

%% Nodes with another list that is about nodes of ours; any other one, if lists may be parts.
differing(Answers, #{node := Node, nodes := Nodes, is_partial := IsPartial}) ->
    Concern = fun(Other, Theirs) ->
        IsPartial orelse lists:member(Other, Nodes) orelse [N || N <- Theirs, lists:member(N, [Node | Nodes])] =/= []
    end,
    lists:sort([
        Other
     || {Other, {empty, #{nodes := Theirs}}} <- maps:to_list(Answers),
        Theirs =/= Nodes,
        case Theirs of
            connected -> lists:member(Other, Nodes);
            _ -> Concern(Other, Theirs)
        end
    ]).

expected(#{expect := default, nodes := Nodes, is_partial := true}) -> max(2, length(Nodes));
expected(#{expect := default, nodes := Nodes}) -> length(Nodes);
expected(#{expect := Expect}) -> Expect.

that_are(State, Answers) ->
    lists:sort([Node || {Node, Answer} <- maps:to_list(Answers), Answer =:= State]).

%% Who has promised, when all have answered or it has taken too long.
-spec promises(round(), [node()], state()) -> {found | {wait, why()}, state()}.
promises(Round, Granted, #{phase := collecting, round := Round, node := Node, nodes := Nodes} = State) ->
    Given = lists:usort(Granted) -- [Node],
    case length(Given) + 1 >= expected(State) of
        true -> {found, State#{phase := founding}};
        false -> {{wait, {nodes, (Nodes -- [Node]) -- Given}}, abort(State)}
    end;
promises(_Round, _Granted, #{phase := founding} = State) ->
    {found, State};
promises(_Round, _Granted, State) ->
    {{wait, no_nodes}, State}.

%% Promises are collected no longer; those that come count for nothing.
-spec abort(state()) -> state().
abort(#{phase := collecting} = State) -> State#{phase := waiting};
abort(State) -> State.

%% What is waited for, for people.
-spec text(why()) -> string().
text({no_leader, Nodes}) -> text("its cluster, on ~ts, to have a leader that reaches a majority", Nodes);
text({several_clusters, Clusters}) -> text("somebody to decide which cluster to join: there are several, on ~ts", on(Clusters));
text({founder, Founder}) -> text("~ts, which is first in the list and founds the cluster", [Founder]);
text({nodes, []}) -> "more nodes in its list: not as many are there as are expected";
text({nodes, Nodes}) -> text("~ts to be there, without a store of this name, and agree", Nodes);
text({lists_differ, Nodes}) -> text("the same list of nodes everywhere: that of ~ts differs from the one here", Nodes);
text({busy, Nodes}) -> text("~ts, which has a store of this name that is not open", Nodes);
text({promised, Node}) -> text("~ts, which was to found the cluster, to say what has become of that", [Node]);
text(no_nodes) -> "somebody in the list of nodes, which is empty".

on(Clusters) -> lists:usort(lists:append([Nodes || {_, Nodes} <- Clusters])).

text(Format, Nodes) ->
    Names = lists:join(", ", [atom_to_list(Node) || Node <- Nodes]),
    lists:flatten(io_lib:format(Format, [Names])).
