%% The lanes of a store (`pando_peer') between two real nodes, with what the native side is told recorded instead of used; and one
%% with a real store behind it.
%%
%% The nodes are controlled through their standard input and output: this VM is no part of their distribution, and what a
%% test does to a connection or to a node does nothing to it.
-module(pando_peer_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [await/1, with_store/1]).

%% Called in the nodes.
-export([prepare/0, recorded/0, start_lanes/1, stuff/2]).
-export([open/3, request/1, put/2, events/0]).

-define(TIMEOUT_S, 120).
-define(WAIT_MS, 30000).
-define(STORE, shared).
%% More than one native call takes on a normal scheduler.
-define(LARGE_SIZE_BYTES, 300000).
%% More than the lane lets wait.
-define(FLOOD, 20000).
%% Frames of 64 KiB: many times what a connection holds for a node that does not read.
-define(STUFFED, 2000).

%%% Between nodes

frames_arrive_on_the_lane_of_the_same_name_whole_and_in_order_test_() ->
    with_nodes(fun(A, B) ->
        Frames = [<<N:32, (binary:copy(<<N>>, N))/binary>> || N <- lists:seq(1, 200)] ++ [large(1), <<>>, large(2), <<"last">>],
        ok = connect(A, B),
        [
            begin
                [out(A, Lane, B, Frame) || Frame <- Frames],
                await(fun() -> length(frames(Lane, B)) >= length(Frames) end),
                ?assertEqual(Frames, frames(Lane, B)),
                ?assertMatch(#{sent := 204, refused := 0}, counts(A, Lane)),
                ?assertMatch(#{received := 204, malformed := 0, shed := 0}, counts(B, Lane))
            end
         || Lane <- [consensus, bulk]
        ],
        ?assertEqual([], frames(consensus, A) ++ frames(bulk, A))
    end).

large(N) -> binary:copy(<<N>>, ?LARGE_SIZE_BYTES).

%% What is connected, and what is not any more, is told, whoever has connected.
nodes_that_come_and_go_are_told_of_test_() ->
    with_nodes(fun(A, B) ->
        ok = connect(A, B),
        await(fun() -> states(A, B) =:= [up] andalso states(B, A) =:= [up] end),
        true = call(B, erlang, disconnect_node, [node_of(A)]),
        await(fun() -> states(A, B) =:= [up, down] andalso states(B, A) =:= [up, down] end),
        ok = connect(B, A),
        await(fun() -> states(A, B) =:= [up, down, up] andalso states(B, A) =:= [up, down, up] end)
    end).

%% The node stays, and its store goes: that is told as if the node had gone, once, and the store is back with its first frame.
a_lane_that_ends_on_another_node_is_told_of_test_() ->
    with_nodes(fun(A, B) ->
        ok = connect(A, B),
        Lane = pando_peer:name(?STORE, consensus),
        Await = fun(States) ->
            await(fun() ->
                out(A, consensus, B, <<"heartbeat">>),
                without_repeats(states(A, B)) =:= States
            end)
        end,
        Await([up]),
        ok = stop_lanes(B),
        Await([up, down]),
        ok = call(B, ?MODULE, start_lanes, [?STORE]),
        %% A lane is there, but no store has said anything.
        N = length(frames(consensus, B)),
        await(fun() ->
            out(A, consensus, B, <<"heartbeat">>),
            length(frames(consensus, B)) > N
        end),
        ?assertEqual([up, down], without_repeats(states(A, B))),
        out(B, consensus, A, frame_from(B)),
        Await([up, down, up]),
        true = call(B, erlang, exit, [call(B, erlang, whereis, [Lane]), kill]),
        Await([up, down, up, down]),
        %% That the node goes, too, changes nothing, and then all begins anew.
        true = call(A, erlang, disconnect_node, [node_of(B)]),
        await(fun() -> call(A, erlang, nodes, [connected]) =:= [] end),
        ok = call(B, ?MODULE, start_lanes, [?STORE]),
        ok = connect(B, A),
        Await([up, down, up, down, up])
    end).

a_connection_that_goes_is_told_once_though_the_lane_was_watched_test_() ->
    with_nodes(fun(A, B) ->
        ok = connect(A, B),
        out(A, consensus, B, <<"heartbeat">>),
        await(fun() -> length(helpers(A)) =:= 1 end),
        true = call(A, erlang, disconnect_node, [node_of(B)]),
        await(fun() -> helpers(A) =:= [] andalso lists:member(down, states(A, B)) end),
        ?assertEqual(1, length([down || down <- states(A, B)])),
        ok = connect(A, B),
        await(fun() -> without_repeats(states(A, B)) =:= [up, down, up] end)
    end).

%% As heartbeats go on to a store that is not there: it is looked for once a second at most.
where_no_store_runs_one_is_looked_for_seldom_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_recording_nodes(fun(A, B) ->
            ok = call(A, ?MODULE, start_lanes, [?STORE]),
            ok = connect(A, B),
            Lane = call(A, erlang, whereis, [pando_peer:name(?STORE, consensus)]),
            1 = call(A, erlang, trace, [Lane, true, [procs, {tracer, recorder(A)}]]),
            Looked = fun() -> length([1 || {trace, _, spawn, _, _} <- call(A, ?MODULE, recorded, [])]) end,
            BeginMs = erlang:monotonic_time(millisecond),
            await(fun() ->
                [out(A, consensus, B, <<"heartbeat">>) || _ <- lists:seq(1, 10)],
                Looked() >= 3
            end),
            #{sent := Sent} = counts(A, consensus),
            EndMs = erlang:monotonic_time(millisecond),
            ?assert(Looked() =< 1 + (EndMs - BeginMs) div 1000),
            ?assert(Sent > 10 * Looked()),
            ?assertEqual([up, down], without_repeats(states(A, B))),
            %% Neither of these is from there.
            Other = frame_from({none, 'other@localhost'}),
            Frames = [<<>>, <<1:256>>, Other, binary:part(frame_from(B), 0, 60), <<0:16, 16#FFFFFFFF:32, 0:400>>],
            [ok = send_to(A, pando_peer:name(?STORE, consensus), {pando_frame, Frame}) || Frame <- Frames],
            #{received := 5} = counts(A, consensus),
            ?assertEqual([up, down], without_repeats(states(A, B))),
            ok = call(B, ?MODULE, start_lanes, [?STORE]),
            out(B, consensus, A, frame_from(B)),
            await(fun() -> without_repeats(states(A, B)) =:= [up, down, up] end)
        end)
    end}.

a_lane_that_ends_leaves_nobody_behind_who_watches_another_test_() ->
    with_nodes(fun(A, B) ->
        ok = connect(A, B),
        out(A, consensus, B, <<"heartbeat">>),
        await(fun() -> length(helpers(A)) =:= 1 end),
        [Watcher] = helpers(A),
        ok = stop_lanes(A),
        await(fun() -> not call(A, erlang, is_process_alive, [Watcher]) end)
    end).

a_lane_that_comes_later_hears_that_a_node_is_connected_with_the_first_frame_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_recording_nodes(fun(A, B) ->
            ok = connect(A, B),
            [ok = call(Peer, ?MODULE, start_lanes, [?STORE]) || Peer <- [A, B]],
            [out(A, Lane, B, <<N>>) || N <- [1, 2], Lane <- [consensus, bulk]],
            await(fun() -> length(frames(consensus, B)) =:= 2 end),
            ?assertEqual([up], states(A, B))
        end)
    end}.

without_a_connection_a_frame_is_refused_and_one_is_made_test_() ->
    with_nodes(fun(A, B) ->
        out(A, bulk, B, <<"bulk does not connect">>),
        await(fun() -> states(A, B) =:= [bulk_refused] end),
        ?assertMatch(#{sent := 0, refused := 1}, counts(A, bulk)),
        ?assertEqual([], call(A, erlang, nodes, [connected])),
        out(A, consensus, B, <<"refused">>),
        await(fun() -> states(A, B) =:= [bulk_refused, refused, up] end),
        ?assertMatch(#{sent := 0, refused := 1}, counts(A, consensus)),
        out(A, consensus, B, <<"sent">>),
        await(fun() -> frames(consensus, B) =:= [<<"sent">>] end),
        %% Cut, and made again by frames that follow each other, as heartbeats do.
        true = call(A, erlang, disconnect_node, [node_of(B)]),
        await(fun() ->
            out(A, consensus, B, <<"again">>),
            lists:member(<<"again">>, frames(consensus, B))
        end),
        ?assertEqual([bulk_refused, refused, up, down, refused, up], without_repeats(states(A, B)))
    end).

%% Nothing holds a lane up, neither a node that does not answer nor the attempts to connect one, of which there is one at a time.
a_lane_never_waits_for_a_connection_test_() ->
    with_nodes(fun(A, B) ->
        Lane = call(A, erlang, whereis, [pando_peer:name(?STORE, consensus)]),
        Attempts = fun() ->
            {links, Links} = call(A, erlang, process_info, [Lane, links]),
            length(Links) - 1
        end,
        ?assertEqual(0, Attempts()),
        %% Attempts to connect hang as long as this does.
        ok = call(A, sys, suspend, [net_kernel]),
        [out(A, consensus, B, <<N:32>>) || N <- lists:seq(1, 1000)],
        ?assertMatch(#{sent := 0, refused := 1000}, counts(A, consensus)),
        ?assertEqual(1, Attempts()),
        ok = call(A, sys, resume, [net_kernel]),
        await(fun() -> lists:last(states(A, B)) =:= up end),
        await(fun() -> Attempts() =:= 0 end)
    end).

an_attempt_to_connect_that_fails_leaves_nothing_behind_and_is_made_again_test_() ->
    with_nodes(fun(A, B) ->
        Nobody = <<"nobody@localhost">>,
        Lane = pando_peer:name(?STORE, consensus),
        {links, Before} = call(A, erlang, process_info, [call(A, erlang, whereis, [Lane]), links]),
        1 = call(A, erlang, trace, [call(A, erlang, whereis, [Lane]), true, [procs, {tracer, recorder(A)}]]),
        Begun = fun() -> length([1 || {trace, _, spawn, _, _} <- call(A, ?MODULE, recorded, [])]) end,
        await(fun() ->
            ok = send_to(A, Lane, {pando_frame_out, Nobody, <<>>}),
            Begun() >= 2
        end),
        await(fun() -> {links, Before} =:= call(A, erlang, process_info, [call(A, erlang, whereis, [Lane]), links]) end),
        #{refused := Refused} = counts(A, consensus),
        %% A frame each few milliseconds, and an attempt a second at most.
        ?assert(Refused > Begun()),
        ok = connect(A, B)
    end).

%% A node that is stopped but not gone: what a connection holds is bounded, and the rest refused.
what_a_slow_node_does_not_take_is_refused_test_() ->
    with_nodes(fun(A, B) ->
        ok = connect(A, B),
        Pid = call(B, os, getpid, []),
        "" = os:cmd("kill -STOP " ++ Pid),
        try
            ok = call(A, ?MODULE, stuff, [name_of(B), ?STUFFED]),
            #{sent := Sent, refused := Refused} = counts(A, bulk),
            ?assertEqual(?STUFFED, Sent + Refused),
            ?assert(Refused > ?STUFFED div 2),
            ?assert(lists:member(bulk_refused, states(A, B)))
        after
            "" = os:cmd("kill -CONT " ++ Pid)
        end,
        await(fun() ->
            out(A, consensus, B, <<"awake">>),
            lists:member(<<"awake">>, frames(consensus, B))
        end)
    end).

what_is_no_frame_is_dropped_and_counted_wherever_it_comes_from_test_() ->
    with_nodes(fun(A, B) ->
        ok = connect(A, B),
        Bad = [{pando_frame, no_binary}, {pando_frame, <<1:3>>}, {pando_frame, <<1>>, 2}, {pando_frame_out, a, <<1>>}, x, []],
        [
            begin
                To = {pando_peer:name(?STORE, Lane), node_of(B)},
                [Message = call(A, erlang, send, [To, Message]) || Message <- Bad ++ [{pando_frame, <<"good">>}]],
                await(fun() -> frames(Lane, B) =:= [<<"good">>] end),
                ?assertMatch(#{malformed := 6, received := 1, shed := 0}, counts(B, Lane))
            end
         || Lane <- [consensus, bulk]
        ]
    end).

names_that_are_none_are_refused_and_make_no_atom_test_() ->
    with_nodes(fun(A, _B) ->
        Names = [<<255>>, binary:copy(<<"n">>, 256), <<"a@b", 0:3000>>],
        Atoms = call(A, erlang, system_info, [atom_count]),
        [ok = send_to(A, pando_peer:name(?STORE, consensus), {pando_frame_out, Name, <<1>>}) || Name <- Names],
        ?assertMatch(#{refused := 3, sent := 0}, counts(A, consensus)),
        ?assertEqual(Atoms, call(A, erlang, system_info, [atom_count]))
    end).

%% All of the border with the native side behind it, on both nodes.
two_stores_become_a_cluster_over_their_lanes_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        pando_test_store:with_dir(fun(Dir) -> with_peers([], fun(A, B) -> become_a_cluster(Dir, A, B) end) end)
    end}.

become_a_cluster(Dir, A, B) ->
    ClusterId = <<9:128>>,
    [NameA, NameB] = [name_of(A), name_of(B)],
    ok = call(A, ?MODULE, open, [filename:join(Dir, "a"), {found, ClusterId}, 1]),
    {ok, Id} = call(A, ?MODULE, request, [allocate_member_id]),
    ok = call(B, ?MODULE, open, [filename:join(Dir, "b"), {join, ClusterId, Id}, 2]),
    %% Not connected: the leader's lane does that.
    ok = call(A, ?MODULE, request, [{add_member, Id, NameB, voter}]),
    await(fun() -> [M || #{member_id := I, is_voter := true} = M <- members(B), I =:= Id] =/= [] end),
    ?assertMatch([#{node := NameA, role := voter}, #{node := NameB, role := voter}], members(A)),
    ?assertMatch({ok, #{cluster_id := ClusterId, member_id := Id, role := follower, has_quorum := true, frames_refused := 0}}, status(B)),
    ok = call(A, ?MODULE, put, [a, 1]),
    ok = call(B, ?MODULE, put, [b, 2]),
    %% Who has written reads it; the other one soon.
    ?assertEqual({ok, 2}, value(B, b)),
    await(fun() -> value(A, b) =:= {ok, 2} andalso value(B, a) =:= {ok, 1} end),
    ok = call(A, ?MODULE, request, [{transfer_leadership, Id}]),
    await(fun() -> {ok, Id} =:= leader(A) andalso {ok, Id} =:= leader(B) end),
    ?assertEqual({error, {cluster, not_leader, NameB}}, call(A, ?MODULE, request, [allocate_member_id])),
    await(fun() -> lists:any(fun({leader_changed, #{leader := L}}) -> L =:= {Id, NameB}; (_) -> false end, events(A)) end),
    [?assert(lists:member({member_joined, #{member_id => Id, node => NameB}}, events(Peer))) || Peer <- [A, B]],
    %% Back, and the other one goes: a minority says so.
    await(fun() -> call(B, ?MODULE, request, [{transfer_leadership, undefined}]) =:= ok end),
    await(fun() -> leader(A) =/= {ok, Id} end),
    ok = call(B, pando_backend, close, [?STORE]),
    await(fun() -> lists:member(quorum_lost, events(A)) end),
    {error, {no_quorum, Text, NotApplied}} = call(A, ?MODULE, put, [a, 3]),
    ?assert(is_binary(Text) andalso is_boolean(NotApplied)).

status(Peer) -> call(Peer, pando_backend, status, [?STORE]).

members(Peer) ->
    {ok, #{members := Members}} = status(Peer),
    Members.

leader(Peer) ->
    {ok, #{leader := Leader}} = status(Peer),
    {ok, Leader}.

value(Peer, Name) -> call(Peer, pando_backend, get_data, [?STORE, [Name]]).

events(Peer) -> call(Peer, ?MODULE, events, []).

%%% In this VM

frames_reach_a_store_that_runs_and_are_counted_when_none_does_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        Frames = [<<>>, <<"no frame of any version">>, large(1)],
        with_store(fun(Store) ->
            %% Its own lane.
            Lane = pando_peer:name(Store, bulk),
            [Lane ! {pando_frame, Frame} || Frame <- Frames],
            ?assertMatch(#{received := 3, not_running := 0, malformed := 0}, pando_peer:counts(Lane)),
            ok = pando:put(Store, [a], 1),
            ?assertEqual({ok, 1}, pando:get(Store, [a]))
        end),
        with_lane(bulk, fun(Lane) ->
            [Lane ! {pando_frame, Frame} || Frame <- Frames],
            ?assertMatch(#{received := 0, not_running := 3, malformed := 0}, pando_peer:counts(Lane))
        end)
    end}.

more_than_may_wait_is_dropped_unread_and_the_lane_goes_on_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_lane(consensus, fun(Lane) ->
            ok = sys:suspend(Lane),
            [Lane ! Message || _ <- lists:seq(1, ?FLOOD div 2), Message <- [{pando_frame, <<1>>}, {pando_frame_out, <<"a@b">>, <<1>>}]],
            ok = sys:resume(Lane),
            #{shed := Shed, not_running := Taken, refused := Refused} = pando_peer:counts(Lane),
            ?assertEqual(?FLOOD, Shed + Taken + Refused),
            ?assert(Shed > ?FLOOD div 3),
            ?assert(Taken + Refused > ?FLOOD div 3),
            [Lane ! {pando_frame, <<1>>} || _ <- lists:seq(1, 100)],
            ?assertMatch(#{shed := Shed}, pando_peer:counts(Lane))
        end)
    end}.

a_lane_ends_with_its_starter_whatever_the_reason_test_() ->
    [
        {atom_to_list(Reason), fun() ->
            pando_test_store:quietly(fun() -> ends_with_its_starter(Reason) end)
        end}
     || Reason <- [normal, shutdown, kill, crash]
    ].

ends_with_its_starter(Reason) ->
    Store = pando_test_store:new_name(),
    Test = self(),
    {Starter, StarterMonitor} = spawn_monitor(fun() ->
        {ok, Started} = pando_peer:start_link(Store, consensus),
        Test ! {started, Started},
        exit(receive {exit, Why} -> Why end)
    end),
    Lane = receive {started, Pid} -> Pid after ?WAIT_MS -> error(not_started) end,
    ?assertEqual(Lane, whereis(pando_peer:name(Store, consensus))),
    Monitor = monitor(process, Lane),
    Starter ! {exit, Reason},
    receive {'DOWN', StarterMonitor, process, Starter, _} -> ok after ?WAIT_MS -> error(starter_runs) end,
    receive {'DOWN', Monitor, process, Lane, _} -> ok after ?WAIT_MS -> error(lane_runs) end.

a_start_waits_for_the_end_of_the_lane_before_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        Store = pando_test_store:new_name(),
        Test = self(),
        Starter = spawn(fun() ->
            {ok, Started} = pando_peer:start_link(Store, bulk),
            Test ! {started, Started},
            receive go -> ok end
        end),
        Before = receive {started, Pid} -> Pid after ?WAIT_MS -> error(not_started) end,
        true = erlang:suspend_process(Before),
        Starter ! go,
        {Next, Monitor} = spawn_monitor(fun() ->
            {ok, Lane} = pando_peer:start_link(Store, bulk),
            ?assertNotEqual(Before, Lane),
            ?assertEqual(Lane, whereis(pando_peer:name(Store, bulk))),
            ok = pando_peer:stop(Lane),
            ok = pando_peer:stop(Lane)
        end),
        await(fun() -> process_info(Next, current_function) =:= {current_function, {pando_peer, start_link, 2}} end),
        true = erlang:resume_process(Before),
        receive {'DOWN', Monitor, process, Next, Reason} -> ?assertEqual(normal, Reason) end
    end}.

every_store_has_lanes_of_its_own_names_test() ->
    Wide = [list_to_atom(lists:duplicate(Length, 16#142)) || Length <- [1, 180, 181, 255]],
    Alike = [list_to_atom(lists:duplicate(254, $a) ++ [Last]) || Last <- "ab"],
    Stores = [stock, 'pando_bulk_stock', '' | Wide ++ Alike],
    Names = [pando_peer:name(Store, Lane) || Store <- Stores, Lane <- [consensus, bulk]],
    ?assertEqual(length(Names), length(lists:usort(Names))),
    ?assertEqual(pando_consensus_stock, pando_peer:name(stock, consensus)),
    ?assertEqual(pando_bulk_stock, pando_peer:name(stock, bulk)).

with_lane(Lane, Test) ->
    {ok, Started} = pando_peer:start_link(pando_test_store:new_name(), Lane),
    try
        Test(Started)
    after
        ok = pando_peer:stop(Started)
    end.

%%% Two nodes with a lane of each kind, not connected

with_nodes(Test) ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_recording_nodes(fun(A, B) ->
            [ok = call(Peer, ?MODULE, start_lanes, [?STORE]) || Peer <- [A, B]],
            Test(A, B)
        end)
    end}.

with_recording_nodes(Test) ->
    with_peers([], fun(A, B) ->
        [ok = call(Peer, ?MODULE, prepare, []) || Peer <- [A, B]],
        Test(A, B)
    end).

with_peers(Peers, Test) when length(Peers) =:= 2 ->
    apply(Test, Peers);
with_peers(Peers, Test) ->
    Paths = lists:append([["-pa", Dir] || Dir <- pando_test_store:ebin_dirs()]),
    {ok, Peer, Node} = peer:start(#{
        name => peer:random_name(?MODULE),
        connection => standard_io,
        wait_boot => ?WAIT_MS,
        %% By itself no node connects another.
        args => ["+S1", "-connect_all", "false", "-setcookie", "pando_peer_tests", "-kernel", "logger_level", "none" | Paths]
    }),
    try
        with_peers(Peers ++ [{Peer, Node}], Test)
    after
        ok = peer:stop(Peer)
    end.

call({Peer, _Node}, Module, Function, Arguments) ->
    call(Peer, Module, Function, Arguments);
call(Peer, Module, Function, Arguments) ->
    peer:call(Peer, Module, Function, Arguments, ?WAIT_MS).

node_of({_Peer, Node}) -> Node.

name_of(Peer) -> atom_to_binary(node_of(Peer)).

connect(A, B) ->
    true = call(A, net_kernel, connect_node, [node_of(B)]),
    ok.

%% As the native side has frames sent.
out(A, Lane, B, Frame) ->
    send_to(A, pando_peer:name(?STORE, Lane), {pando_frame_out, name_of(B), Frame}).

send_to({Peer, _Node}, Name, Message) ->
    peer:send(Peer, Name, Message).

%% The head of a frame, as far as the lanes look at it.
frame_from({_Peer, Node}) ->
    Name = atom_to_binary(Node),
    <<1, 12, 5:16/little, (byte_size(Name)):16/little, 0:320, "stock", Name/binary, "a body and a checksum">>.

%% Processes of the lane that connect, or watch. Its starter is linked to it, too.
helpers(A) ->
    Lane = call(A, erlang, whereis, [pando_peer:name(?STORE, consensus)]),
    {links, [_ | _] = Links} = call(A, erlang, process_info, [Lane, links]),
    Bulk = call(A, erlang, whereis, [pando_peer:name(?STORE, bulk)]),
    {links, [Starter]} = call(A, erlang, process_info, [Bulk, links]),
    Links -- [Starter].

stop_lanes(A) ->
    [ok = call(A, pando_peer, stop, [call(A, erlang, whereis, [pando_peer:name(?STORE, Lane)])]) || Lane <- [consensus, bulk]],
    ok.

counts(A, Lane) -> call(A, pando_peer, counts, [pando_peer:name(?STORE, Lane)]).

recorder(A) -> call(A, erlang, whereis, [recorder]).

frames(Lane, B) -> [Frame || {frame, ?STORE, L, Frame} <- call(B, ?MODULE, recorded, []), L =:= Lane].

%% What the native side of A was told of B.
states(A, B) ->
    Name = name_of(B),
    [State || {node_state, ?STORE, N, State} <- call(A, ?MODULE, recorded, []), N =:= Name].

without_repeats([Same, Same | Rest]) -> without_repeats([Same | Rest]);
without_repeats([First | Rest]) -> [First | without_repeats(Rest)];
without_repeats([]) -> [].

%%% In a node

%% Instead of the native side: what it is told goes to a recorder.
-spec prepare() -> ok.
prepare() ->
    true = register(recorder, spawn(fun() -> record([]) end)),
    Forms = [
        form(Text)
     || Text <- [
            "-module(pando_backend).",
            "-export([peer_frame_quick/3, peer_frame/3, node_state/3]).",
            "peer_frame_quick(_, _, Frame) when byte_size(Frame) > 256 * 1024 -> slow;"
            "peer_frame_quick(Store, Lane, Frame) -> peer_frame(Store, Lane, Frame).",
            "peer_frame(Store, Lane, Frame) -> recorder ! {frame, Store, Lane, Frame}, ok.",
            "node_state(Store, Name, State) -> recorder ! {node_state, Store, Name, State}, ok."
        ]
    ],
    {ok, Module, Beam} = compile:forms(Forms),
    {module, Module} = code:load_binary(Module, "recorded", Beam),
    ok.

form(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Form} = erl_parse:parse_form(Tokens),
    Form.

record(Messages) ->
    receive
        {recorded, To, Reference} ->
            To ! {Reference, lists:reverse(Messages)},
            record(Messages);
        Message ->
            record([Message | Messages])
    end.

-spec recorded() -> [term()].
recorded() ->
    Reference = make_ref(),
    recorder ! {recorded, self(), Reference},
    receive
        {Reference, Messages} -> Messages
    after ?WAIT_MS -> error(no_recorder)
    end.

%% Many large frames for a node.
-spec stuff(binary(), pos_integer()) -> ok.
stuff(Name, Count) ->
    Frame = binary:copy(<<1>>, 65536),
    Lane = pando_peer:name(?STORE, bulk),
    [Lane ! {pando_frame_out, Name, Frame} || _ <- lists:seq(1, Count)],
    ok.

%% With a starter that stays.
-spec start_lanes(atom()) -> ok.
start_lanes(Store) ->
    Caller = self(),
    {Starter, Monitor} = spawn_monitor(fun() ->
        [{ok, _} = pando_peer:start_link(Store, Lane) || Lane <- [consensus, bulk]],
        Caller ! {self(), started},
        receive stop -> ok end
    end),
    receive
        {Starter, started} ->
            true = demonitor(Monitor, [flush]),
            ok;
        {'DOWN', Monitor, process, Starter, Reason} ->
            error(Reason)
    end.

%%% In a node with the native side

%% Opens the store with its lanes, owned by a process that stays.
-spec open(file:filename(), pando_backend:birth(), non_neg_integer()) -> ok.
open(Dir, Birth, Incarnation) ->
    ok = filelib:ensure_path(Dir),
    Caller = self(),
    {Owner, Monitor} = spawn_monitor(fun() ->
        true = register(owner, self()),
        [{ok, Consensus}, {ok, Bulk}] = [pando_peer:start_link(?STORE, Lane) || Lane <- [consensus, bulk]],
        Options = #{consensus_lane => Consensus, bulk_lane => Bulk},
        Directory = unicode:characters_to_binary(filename:join(Dir, "store")),
        Node = atom_to_binary(node()),
        Handle = pando_backend:open(
            pando_backend:implementation(pando_backend:configured()),
            ?STORE, atom_to_binary(?STORE), Directory, Node, <<"test">>, Birth, Incarnation, Options
        ),
        receive {pando_opened, ?STORE, ok} -> Caller ! {self(), opened} end,
        own(Handle, [])
    end),
    receive
        {Owner, opened} ->
            true = demonitor(Monitor, [flush]),
            ok;
        {'DOWN', Monitor, process, Owner, Reason} ->
            error(Reason)
    after ?WAIT_MS -> error(not_opened)
    end.

own(Handle, Events) ->
    receive
        {events, To, Reference} ->
            To ! {Reference, lists:reverse(Events)},
            own(Handle, Events);
        {pando_event, ?STORE, Event} ->
            own(Handle, [Event | Events])
    end.

%% What the owner was told since it opened the store.
-spec events() -> [pando_backend:event()].
events() ->
    Reference = make_ref(),
    owner ! {events, self(), Reference},
    receive
        {Reference, Events} -> Events
    after ?WAIT_MS -> error(no_owner)
    end.

-spec request(pando_backend:cluster_request()) -> pando_backend:cluster_result().
request(Request) ->
    Reference = make_ref(),
    ok = pando_backend:cluster_request(?STORE, Reference, Request),
    reply(Reference).

-spec put(atom(), term()) -> pando_backend:reply().
put(Name, Value) ->
    Reference = make_ref(),
    ok = pando_backend:submit(?STORE, Reference, {put, [Name], data, Value, one, keep, none}, false),
    reply(Reference).

reply(Reference) ->
    receive
        {pando_reply, Reference, Reply} -> Reply
    after ?WAIT_MS -> error(no_reply)
    end.
