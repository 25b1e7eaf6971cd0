%% The rules by which nodes without data come to one cluster, in a simulated network: nodes start in any order, crash, lose
%% their disks, messages come late, in any order, or never. Whatever happens, there are never two clusters.
%%
%% PANDO_TORTURE: more schedules.
-module(pando_forming_rules_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STEPS, 400).
%% Then all nodes run and no message is lost: so many steps must do.
-define(CALM_ROUNDS, 60).

schedules_test_() ->
    [
        schedules("three nodes that start, crash and lose messages", #{nodes => 3, wipes => false}),
        schedules("five nodes that start, crash and lose messages", #{nodes => 5, wipes => false}),
        schedules("three nodes that lose their disks, too", #{nodes => 3, wipes => true}),
        schedules("five nodes that lose their disks, too", #{nodes => 5, wipes => true}),
        schedules("three of five are enough, and no disk is lost", #{nodes => 5, wipes => false, expect => 3}),
        schedules("lists that change while nodes run, and a majority is expected", #{
            nodes => 5, wipes => false, crashes => false, lists => changing, expect => 3
        }),
        schedules("one node has another list", #{nodes => 3, wipes => true, lists => one_differs})
    ].

schedules(Title, Options) ->
    Count =
        case os:getenv("PANDO_TORTURE") of
            false -> 300;
            _ -> 10000
        end,
    {Title,
        {timeout, 600, fun() ->
            Ends = [run(Seed, Options) || Seed <- lists:seq(1, Count)],
            %% A simulation in which nothing is ever founded would show nothing.
            Formed = length([formed || formed <- Ends]),
            ?debugFmt("~ts: ~b schedules, ~b formed a cluster", [Title, Count, Formed]),
            case Options of
                #{lists := one_differs} -> ?assertEqual(0, Formed);
                _ -> ?assertEqual(Count, Formed)
            end
        end}}.

%%% The simulation

run(Seed, #{nodes := Count} = Options) ->
    Names = [list_to_atom([$a + N]) || N <- lists:seq(0, Count - 1)],
    World = #{
        seed => Seed,
        options => Options,
        random => rand:seed_s(exsss, {Seed, Count, 7}),
        names => Names,
        nodes => maps:from_keys(Names, #{disk => empty, up => false, list => Names, life => 0}),
        messages => [],
        clusters => #{},
        next => 1
    },
    Stormy = steps(?STEPS, lists_of(World)),
    calm(?CALM_ROUNDS, settle(Stormy)).

lists_of(#{options := #{lists := one_differs}, names := Names} = World) ->
    {Odd, World1} = pick(Names, World),
    {Left, World2} = pick(Names -- [Odd], World1),
    update(Odd, #{list => Names -- [Left]}, World2);
lists_of(World) ->
    World.

steps(0, World) ->
    World;
steps(Left, World0) ->
    {Name, World1} = pick(maps:get(names, World0), World0),
    {Event, World2} = pick(events(World1), World1),
    World3 = happen(Event, Name, World2),
    ok = check(Event, Name, World3),
    steps(Left - 1, World3).

events(#{options := Options}) ->
    lists:append([
        lists:duplicate(12, go_on),
        lists:duplicate(20, deliver),
        [lose, start],
        [crash || maps:get(crashes, Options, true)],
        [wipe || maps:get(wipes, Options)],
        [change || maps:get(lists, Options, same) =:= changing]
    ]).

%% What is on disks is the truth: one cluster, or none.
check(Event, Name, #{seed := Seed, nodes := Nodes}) ->
    Clusters = lists:usort([Id || #{disk := {member, Id, _}} <- maps:values(Nodes)]),
    case Clusters of
        [_, _ | _] -> error({two_clusters, Clusters, [{seed, Seed}, {after_event, Event, Name}, Nodes]});
        _ -> ok
    end.

happen(start, Name, World) ->
    case node_of(Name, World) of
        #{up := false, life := Life} -> boot(update(Name, #{up => true, life => Life + 1}, World), Name);
        _ -> World
    end;
happen(crash, Name, World) ->
    update(Name, #{up => false}, World);
happen(wipe, Name, World) ->
    %% Disks are lost only now and then, or no cluster would live long.
    {Lost, World1} = pick([true, false, false, false], World),
    case node_of(Name, World1) of
        #{up := false} when Lost -> update(Name, #{disk => empty}, World1);
        _ -> World1
    end;
happen(change, Name, World) ->
    %% Any two of them share a node, and their founders differ.
    {List, World1} = pick([[a, b, c], [b, c, d], [c, d, e]], World),
    {Now, World2} = pick([true, false, false], World1),
    case Now of
        true -> change(List, Name, World2);
        false -> World2
    end;
happen(lose, _Name, #{messages := Messages} = World) ->
    {Left, World1} = shuffled(Messages, World),
    World1#{messages => lists:nthtail(min(1, length(Left)), Left)};
happen(deliver, _Name, #{messages := []} = World) ->
    World;
happen(deliver, _Name, #{messages := Messages} = World) ->
    {Message, World1} = pick(Messages, World),
    deliver(Message, World1#{messages => lists:delete(Message, Messages)});
happen(go_on, Name, World) ->
    case node_of(Name, World) of
        #{up := true, forming := _, doing := Doing} = Node -> go_on(Doing, Name, Node, World);
        _ -> World
    end.

change(List, Name, World) ->
    case node_of(Name, World) of
        #{up := true, forming := Forming, doing := Doing} = Node ->
            Changed = pando_forming:configure(List, Forming),
            Now =
                case Changed =:= Forming orelse is_on_its_way(Doing) of
                    true -> Node;
                    false -> Node#{doing => idle}
                end,
            put_node(Name, Now#{list => List, forming => Changed}, World);
        Node ->
            put_node(Name, Node#{list => List}, World)
    end.

boot(#{options := Options} = World, Name) ->
    case node_of(Name, World) of
        #{disk := {member, _, _}} = Node ->
            put_node(Name, maps:without([forming, doing], Node), World);
        #{disk := {joining, Id, Member}} = Node ->
            put_node(Name, forming(Name, Node#{doing => {adding, Id, Member}}, Options), World);
        #{disk := empty} = Node ->
            put_node(Name, forming(Name, Node#{doing => idle}, Options), World)
    end.

forming(Name, #{list := List} = Node, Options) ->
    Node#{
        forming => pando_forming:new(#{
            node => Name,
            nodes => List,
            is_partial => false,
            expect => maps:get(expect, Options, default)
        })
    }.

%% The next thing that a node does by itself.
go_on(idle, Name, #{forming := Forming, life := Life} = Node, World) ->
    Asked = pando_forming:ask(Forming),
    {Round, World1} = fresh(World),
    Messages = [{ask, Name, Life, Round, Other} || Other <- Asked],
    send(Messages, put_node(Name, Node#{doing => {asking, Round, Asked, #{}}}, World1));
go_on({asking, _Round, Asked, Answers}, Name, #{forming := Forming} = Node, World) ->
    %% Some wait for all answers, some do not.
    {Patient, World1} = pick([true, true, true, false], World),
    case Patient andalso map_size(Answers) < length(Asked) andalso in_flight(World1) of
        true ->
            World1;
        false ->
            All = maps:merge(maps:from_keys(Asked, silent), Answers),
            {Decision, Decided} = pando_forming:decide(All, Forming),
            decided(Decision, Name, Node#{forming => Decided, doing => idle}, World1)
    end;
go_on({collecting, Round, Granted, Asked}, Name, #{forming := Forming} = Node, World) ->
    {Patient, World1} = pick([true, true, true, false], World),
    case Patient andalso length(Granted) < Asked andalso in_flight(World1) of
        true ->
            World1;
        false ->
            {Decision, Decided} = pando_forming:promises(Round, Granted, Forming),
            decided(Decision, Name, Node#{forming => Decided, doing => idle}, World1)
    end;
go_on({admission, Id, Contacts}, Name, Node, World) ->
    case [yes || Contact <- Contacts, is_member(Contact, Id, World)] =/= [] andalso has_quorum(Id, World) of
        true ->
            {Member, World1} = fresh(World),
            put_node(Name, Node#{disk => {joining, Id, Member}, doing => {adding, Id, Member}}, World1);
        false ->
            put_node(Name, Node#{doing => idle}, World)
    end;
go_on({adding, Id, Member}, Name, Node, #{clusters := Clusters, nodes := Nodes} = World) ->
    case has_quorum(Id, World) of
        true ->
            Members = [{M, N} || {M, N} <- maps:get(Id, Clusters), N =/= Name],
            Joined = maps:without([forming, doing], Node#{disk => {member, Id, Member}}),
            put_node(Name, Joined, World#{clusters => Clusters#{Id => [{Member, Name} | Members]}});
        false ->
            %% It gives up when nothing is left of that cluster.
            case [yes || #{disk := {member, Of, _}} <- maps:values(Nodes), Of =:= Id] of
                [] -> put_node(Name, Node#{disk => empty, doing => idle}, World);
                _ -> World
            end
    end.

decided({join, #{cluster_id := Id, contacts := Contacts}}, Name, Node, World) ->
    put_node(Name, Node#{doing => {admission, Id, Contacts}}, World);
decided({collect, Round, Asked}, Name, #{life := Life, list := List} = Node, World) ->
    Messages = [{promise, Name, Life, Round, List, Other} || Other <- Asked],
    send(Messages, put_node(Name, Node#{doing => {collecting, Round, [], length(Asked)}}, World));
decided(found, Name, Node, #{clusters := Clusters} = World) ->
    {Id, World1} = fresh(World),
    Founded = maps:without([forming, doing], Node#{disk => {member, Id, 1}}),
    put_node(Name, Founded, World1#{clusters => Clusters#{Id => [{1, Name}]}});
decided({wait, _}, Name, Node, World) ->
    put_node(Name, Node, World).

deliver({ask, From, Life, Round, To}, World) ->
    send([{answer, From, Life, Round, To, answer(To, World)}], World);
deliver({answer, _To, _Life, _Round, _From, silent}, World) ->
    World;
deliver({answer, To, Life, Round, From, Answer}, World) ->
    case node_of(To, World) of
        #{up := true, life := Life, doing := {asking, Round, Asked, Answers}} = Node ->
            put_node(To, Node#{doing => {asking, Round, Asked, Answers#{From => Answer}}}, World);
        _ ->
            World
    end;
deliver({promise, From, Life, Round, List, To}, World) ->
    case node_of(To, World) of
        #{up := true, forming := Forming, doing := Doing} = Node ->
            %% Who is on the way into a cluster has nothing to promise.
            case is_on_its_way(Doing) of
                true ->
                    World;
                false ->
                    {Answer, Promised} = pando_forming:promise(From, List, Forming),
                    World1 = put_node(To, Node#{forming => Promised}, World),
                    send([{granted, From, Life, Round, To} || Answer =:= granted], World1)
            end;
        _ ->
            World
    end;
deliver({granted, To, Life, Round, From}, World) ->
    case node_of(To, World) of
        #{up := true, life := Life, doing := {collecting, Current, Granted, Asked}} = Node when Current =:= Round ->
            put_node(To, Node#{doing => {collecting, Round, [From | Granted], Asked}}, World);
        _ ->
            World
    end.

answer(Name, #{clusters := Clusters} = World) ->
    case node_of(Name, World) of
        #{up := false} ->
            silent;
        #{disk := {member, Id, _}} ->
            Members = [#{member_id => M, node => N, role => voter} || {M, N} <- maps:get(Id, Clusters)],
            {member, #{cluster_id => Id, members => Members, is_certain => has_quorum(Id, World)}};
        #{doing := Doing, forming := Forming} ->
            case is_on_its_way(Doing) of
                true -> joining;
                false -> pando_forming:describe(Forming)
            end
    end.

is_on_its_way({admission, _, _}) -> true;
is_on_its_way({adding, _, _}) -> true;
is_on_its_way(_) -> false.

is_member(Name, Id, World) ->
    case node_of(Name, World) of
        #{up := true, disk := {member, Id, _}} -> true;
        _ -> false
    end.

has_quorum(Id, #{clusters := Clusters} = World) ->
    Members = maps:get(Id, Clusters),
    Alive = [M || {M, Name} <- Members, #{up := true, disk := {member, I, D}} <- [node_of(Name, World)], {I, D} =:= {Id, M}],
    length(Alive) * 2 > length(Members).

%%% The end: all run, nothing is lost. They must come together, unless a cluster has lost its majority or lists differ.

settle(#{names := Names, options := #{lists := changing}} = World) ->
    Started = start_all(World),
    lists:foldl(fun(Name, W) -> change(Names, Name, W) end, Started, Names);
settle(World) ->
    start_all(World).

start_all(#{names := Names} = World) ->
    lists:foldl(fun(Name, W) -> happen(start, Name, W) end, World, Names).

calm(0, #{seed := Seed, names := Names, nodes := Nodes, options := Options} = World) ->
    Disks = [Disk || #{disk := Disk} <- maps:values(Nodes)],
    case lists:usort([Id || {member, Id, _} <- Disks]) of
        [Id] ->
            Outside = [Name || Name <- Names, not is_member(Name, Id, World)],
            MayFail = not has_quorum(Id, World),
            ?assert(Outside =:= [] orelse MayFail, {seed, Seed, outside, Outside, Nodes}),
            formed;
        [] ->
            ?assert(maps:get(lists, Options, same) =:= one_differs, {seed, Seed, no_cluster, Nodes}),
            none
    end;
calm(Left, #{names := Names} = World0) ->
    World1 = lists:foldl(fun(Name, W) -> calm_turn(Name, W) end, World0, Names),
    ok = check(calm, all, World1),
    calm(Left - 1, World1).

calm_turn(Name, World) ->
    deliver_all(happen(go_on, Name, deliver_all(World))).

deliver_all(#{messages := []} = World) ->
    World;
deliver_all(World) ->
    deliver_all(happen(deliver, none, World)).

%%% Small things

send(Messages, #{messages := Before} = World) -> World#{messages => Messages ++ Before}.

in_flight(#{messages := Messages}) -> Messages =/= [].

node_of(Name, #{nodes := Nodes}) -> maps:get(Name, Nodes).

put_node(Name, Node, #{nodes := Nodes} = World) -> World#{nodes => Nodes#{Name => Node}}.

update(Name, Changes, World) -> put_node(Name, maps:merge(node_of(Name, World), Changes), World).

fresh(#{next := Next} = World) -> {Next, World#{next => Next + 1}}.

pick(List, #{random := Random} = World) ->
    {N, Next} = rand:uniform_s(length(List), Random),
    {lists:nth(N, List), World#{random => Next}}.

shuffled(List, World) ->
    {Keyed, World1} = lists:mapfoldl(
        fun(Element, #{random := Random} = W) ->
            {Key, Next} = rand:uniform_s(Random),
            {{Key, Element}, W#{random => Next}}
        end,
        World,
        List
    ),
    {[Element || {_, Element} <- lists:sort(Keyed)], World1}.

%%% Single rules

state(Node, Nodes) ->
    pando_forming:new(#{node => Node, nodes => Nodes, is_partial => false, expect => default}).

view(Members, IsCertain) ->
    {member, #{
        cluster_id => <<1:128>>,
        members => [#{member_id => Id, node => Node, role => Role} || {Id, Node, Role} <- Members],
        is_certain => IsCertain
    }}.

a_cluster_that_lists_this_node_is_joined_without_a_list_test() ->
    State = state(b, connected),
    Answers = #{a => view([{1, a, voter}, {2, b, observer}], true), c => not_running},
    ?assertMatch(
        {{join, #{cluster_id := <<1:128>>, contacts := [a], role := observer}}, _}, pando_forming:decide(Answers, State)
    ),
    Behind = #{a => view([{1, a, voter}, {2, b, voter}], false)},
    ?assertMatch({{wait, {no_leader, [a]}}, _}, pando_forming:decide(Behind, State)).

a_member_that_is_behind_does_not_bring_back_one_that_was_removed_test() ->
    Answers = #{a => view([{1, a, voter}], true), c => view([{1, a, voter}, {2, b, voter}], false)},
    ?assertMatch({found, _}, pando_forming:decide(Answers, state(b, connected))).

without_a_list_others_of_the_name_are_left_alone_test() ->
    ?assertMatch({found, _}, pando_forming:decide(#{a => view([{1, a, voter}], true)}, state(b, connected))),
    ?assertMatch({found, _}, pando_forming:decide(#{}, state(b, connected))).

without_a_list_who_does_not_answer_is_not_waited_for_for_ever_test() ->
    Count = fun Count(State, Rounds) ->
        case pando_forming:decide(#{a => silent}, State) of
            {found, _} -> Rounds;
            {{wait, {nodes, [a]}}, Next} -> Count(Next, Rounds + 1)
        end
    end,
    ?assertEqual(3, Count(state(b, connected), 0)).

two_clusters_are_told_and_none_is_joined_test() ->
    {member, View} = view([{1, b, voter}], true),
    Answers = #{a => view([{1, a, voter}], true), b => {member, View#{cluster_id := <<2:128>>}}},
    ?assertMatch(
        {{wait, {several_clusters, [{<<1:128>>, [a]}, {<<2:128>>, [b]}]}}, _},
        pando_forming:decide(Answers, state(c, [a, b, c]))
    ).

a_list_of_one_founds_at_once_test() ->
    ?assertMatch({found, _}, pando_forming:decide(#{}, state(a, [a]))),
    Partial = pando_forming:new(#{node => a, nodes => [a], is_partial => true, expect => default}),
    ?assertMatch({{wait, {nodes, []}}, _}, pando_forming:decide(#{}, Partial)).

data_that_are_not_open_anywhere_hinder_a_founding_test() ->
    Empty = pando_forming:describe(state(b, [a, b, c])),
    ?assertMatch({{wait, {busy, [c]}}, _}, pando_forming:decide(#{b => Empty, c => closed}, state(a, [a, b, c]))),
    ?assertMatch({{wait, {busy, [c]}}, _}, pando_forming:decide(#{b => Empty, c => joining}, state(a, [a, b, c]))).

lists_that_share_nobody_do_not_hinder_each_other_test() ->
    Other = pando_forming:describe(state(x, [x, y])),
    Empty = pando_forming:describe(state(b, [a, b])),
    ?assertMatch({{collect, _, [b]}, _}, pando_forming:decide(#{b => Empty, x => Other}, state(a, [a, b]))),
    Overlapping = pando_forming:describe(state(x, [b, x])),
    ?assertMatch({{wait, {lists_differ, [x]}}, _}, pando_forming:decide(#{b => Empty, x => Overlapping}, state(a, [a, b]))).

a_promise_binds_until_the_founder_says_that_it_does_not_found_test() ->
    {granted, Promised} = pando_forming:promise(a, [a, b, c], state(b, [a, b, c])),
    Changed = pando_forming:configure([b, c], Promised),
    C = pando_forming:describe(state(c, [b, c])),
    ?assertMatch({{wait, {promised, a}}, _}, pando_forming:decide(#{a => silent, c => C}, Changed)),
    {empty, Says} = pando_forming:describe(state(a, [a, d])),
    Founding = {empty, Says#{is_founding := true}},
    ?assertMatch({{wait, {promised, a}}, _}, pando_forming:decide(#{a => Founding, c => C}, Changed)),
    ?assertMatch({{collect, _, [c]}, _}, pando_forming:decide(#{a => {empty, Says}, c => C}, Changed)).

a_second_promise_is_refused_test() ->
    {granted, Promised} = pando_forming:promise(a, [a, b, c], state(b, [a, b, c])),
    {granted, Promised} = pando_forming:promise(a, [a, b, c], Promised),
    {refused, _} = pando_forming:promise(c, [b, c, d], Promised),
    Changed = pando_forming:configure([aa, b], Promised),
    ?assertMatch({refused, Changed}, pando_forming:promise(aa, [aa, b], Changed)),
    ?assertMatch({refused, _}, pando_forming:promise(a, [a, b], state(b, [a, b, c]))),
    ?assertMatch({refused, _}, pando_forming:promise(b, [a, b, c], state(c, [a, b, c]))).

a_promise_for_an_earlier_round_counts_for_nothing_test() ->
    B = pando_forming:describe(state(b, [a, b])),
    {{collect, First, [b]}, Collecting} = pando_forming:decide(#{b => B}, state(a, [a, b])),
    {{wait, _}, Waiting} = pando_forming:promises(First, [], Collecting),
    {{wait, _}, Waiting} = pando_forming:promises(First, [b], Waiting),
    {{collect, Second, [b]}, Again} = pando_forming:decide(#{b => B}, Waiting),
    ?assertNotEqual(First, Second),
    ?assertMatch({{wait, _}, _}, pando_forming:promises(First, [b], Again)),
    ?assertMatch({found, _}, pando_forming:promises(Second, [b], Again)).
