%% Under which backend a store runs: as it was started, else as the environment of the application says. Both kinds side by side,
%% one after the other on the same files, and in one cluster.
-module(pando_backend_choice_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [with_dir/1, new_name/0]).
-import(pando_test_cluster, [call/5]).

-define(STORE, mixed).
-define(WAIT_MS, 30000).

%% Else a whole run under `port' might be one under `nif'.
the_tests_run_under_the_backend_that_was_asked_for_test_() ->
    Wanted = list_to_atom(os:getenv("PANDO_TEST_BACKEND", "nif")),
    {timeout, 60, fun() ->
        ?assertEqual(Wanted, pando_backend:configured()),
        pando_test_cluster:with_cluster(1, fun(Cluster) ->
            [Node] = pando_test_cluster:nodes(Cluster),
            ?assertEqual(Wanted, call(Cluster, Node, pando_backend, configured, [])),
            ok = pando_test_cluster:start_store(Cluster, Node, ?STORE),
            ?assertMatch({ok, #{backend := Wanted}}, call(Cluster, Node, pando_cluster, status, [?STORE]))
        end)
    end}.

with_configured(Backend, Test) ->
    Before = pando_backend:configured(),
    ok = application:set_env(pando, backend, Backend),
    try
        Test()
    after
        ok = application:set_env(pando, backend, Before)
    end.

what_is_no_backend_is_refused_by_whatever_needs_one_test_() ->
    [
        {pando_test_store:title(Invalid), fun() ->
            with_configured(Invalid, fun() ->
                S = new_name(),
                Raised = {pando_ex, invalid_backend_value, #{backend => Invalid}},
                [
                    ?assertError(Raised, Call())
                 || Call <- [
                        fun() -> pando:start("/nowhere", S) end,
                        fun() -> pando_cluster:start_link(#{store_id => S, data_dir => "/nowhere"}) end,
                        fun() -> pando:verify("/nowhere") end,
                        fun() -> pando_cluster:recover("/nowhere", #{}) end
                    ]
                ],
                ?assertEqual(undefined, whereis(S)),
                ?assertNotEqual(nomatch, string:find(pando_errors:format(Raised), "nif or port")),
                %% Who says it need not have it configured.
                ?assertError(
                    {pando_ex, invalid_start_option, #{option := backend}},
                    pando:start("/nowhere", #{cluster_name => S, backend => Invalid})
                )
            end)
        end}
     || Invalid <- [<<"port">>, pando_port, undefined, []]
    ].

a_store_runs_under_the_backend_that_is_configured_when_it_is_started_test_() ->
    each_backend(fun(Backend) ->
        with_dir(fun(Dir) ->
            S = new_name(),
            with_configured(Backend, fun() -> {ok, S} = pando:start(Dir, S) end),
            runs_under(Backend, S),
            ok = pando:put(S, [a], 1),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S)
        end)
    end).

a_store_that_is_closed_under_one_is_opened_under_the_other_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            [
                begin
                    {ok, S} = pando:start(Dir, #{cluster_name => S, backend => Backend}),
                    runs_under(Backend, S),
                    ?assertEqual({ok, N - 1}, pando:count(S, "**")),
                    ok = pando:put(S, [N], Backend),
                    ?assertEqual({ok, Backend}, pando:transaction(S, fun() -> {ok, Value} = pando_tx:get([N]), Value end, rw)),
                    ok = pando:stop(S),
                    ?assertEqual({error, noproc}, pando:get(S, [N])),
                    ?assertEqual(ok, pando:stop(S))
                end
             || {N, Backend} <- lists:enumerate([nif, port, nif, port, port])
            ]
        end)
    end}.

stores_of_both_run_side_by_side_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            Stores = [{Backend, new_name()} || Backend <- [nif, port, nif, port]],
            [{ok, S} = pando:start(Dir, #{cluster_name => S, backend => Backend}) || {Backend, S} <- Stores],
            [ok = pando:put(S, [a], {Backend, S}) || {Backend, S} <- Stores],
            [?assertEqual([], [S] -- pando:get_store_ids()) || {_, S} <- Stores],
            [
                begin
                    runs_under(Backend, S),
                    ?assertEqual({ok, {Backend, S}}, pando:get(S, [a])),
                    ?assertEqual({ok, #{[a] => {Backend, S}}}, pando:get_many(S, "*")),
                    ok = pando:stop(S)
                end
             || {Backend, S} <- Stores
            ],
            ?assertEqual([], [S || {_, S} <- Stores, lists:member(S, pando:get_store_ids())])
        end)
    end}.

%% What is left of a server that was killed is closed where it was opened.
a_store_whose_server_was_killed_is_opened_again_under_its_own_backend_test_() ->
    each_backend(fun(Backend) ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, #{cluster_name => S, backend => Backend}),
            ok = pando:put(S, [a], 1),
            Server = whereis(S),
            Monitor = monitor(process, Server),
            pando_test_store:quietly(fun() ->
                true = exit(Server, kill),
                receive {'DOWN', Monitor, process, Server, _} -> ok end,
                %% What the killed one has left open answers until the next one has closed it.
                pando_test_store:await(fun() -> is_pid(whereis(S)) end),
                ?assertEqual({ok, S}, pando:start(Dir, S))
            end),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            runs_under(Backend, S),
            ok = pando:stop(S)
        end)
    end).

each_backend(Test) ->
    [{atom_to_list(Backend), {timeout, 60, fun() -> Test(Backend) end}} || Backend <- [nif, port]].

runs_under(Backend, S) ->
    ?assertMatch({ok, #{backend := Backend}}, pando_cluster:status(S)).

%%% Nodes

the_native_library_is_not_loaded_where_all_stores_run_in_programs_test_() ->
    {timeout, 120, fun() ->
        pando_test_cluster:with_cluster(1, #{backends => [port]}, fun(Cluster) ->
            [Node] = pando_test_cluster:nodes(Cluster),
            Dir = pando_test_cluster:data_dir(Cluster, Node),
            Call = fun(Module, Function, Arguments) -> call(Cluster, Node, Module, Function, Arguments) end,
            ok = pando_test_cluster:start_store(Cluster, Node, ?STORE),
            ok = Call(pando, put, [?STORE, [a], 1]),
            ?assertEqual({ok, 1}, Call(pando, get, [?STORE, [a]])),
            ?assertEqual({ok, #{[a] => 1}}, Call(pando, get_many, [?STORE, "*"])),
            ?assertMatch({ok, #{backend := port}}, Call(pando_cluster, status, [?STORE])),
            ?assertEqual({error, noproc}, Call(pando, get, [no_store, [a]])),
            ?assertEqual({error, noproc}, Call(pando_cluster, status, [no_store])),
            ?assertEqual([?STORE], Call(pando, get_store_ids, [])),
            ok = Call(pando, stop, [?STORE]),
            ?assertMatch({ok, #{verdict := _}}, Call(pando, verify, [Dir])),
            ?assertEqual(false, Call(erlang, module_loaded, [pando_nif]))
        end)
    end}.

members_under_different_backends_form_one_cluster_test_() ->
    {timeout, 180, fun() ->
        Backends = [port, nif, nif],
        pando_test_cluster:with_cluster(3, #{backends => Backends}, fun(Cluster) ->
            Nodes = pando_test_cluster:nodes(Cluster),
            ok = pando_test_cluster:form(Cluster, ?STORE, cluster),
            [
                ?assertMatch({ok, #{backend := Backend}}, call(Cluster, Node, pando_cluster, status, [?STORE]))
             || {Node, Backend} <- lists:zip(Nodes, Backends)
            ],
            %% Each of them leads once; a value of more than one frame goes to all of them, and back from all.
            [
                begin
                    ok = leads(Cluster, hd(Nodes), Leader),
                    Value = binary:copy(atom_to_binary(Leader), 10000),
                    [ok = call(Cluster, Node, pando, put, [?STORE, [Leader, Node], Value]) || Node <- Nodes],
                    All = {ok, maps:from_list([{[Leader, Node], Value} || Node <- Nodes])},
                    [
                        ?assertEqual(
                            All,
                            call(Cluster, Node, pando, get_many, [?STORE, [Leader, ?PANDO_WILDCARD_STAR], #{favor => consistency}])
                        )
                     || Node <- Nodes
                    ]
                end
             || Leader <- Nodes
            ],
            %% One is gone, whatever it runs under, and comes back.
            [
                begin
                    ok = pando_test_cluster:kill(Cluster, Killed),
                    [Other | _] = Nodes -- [Killed],
                    ok = leads_any(Cluster, Other),
                    ok = call(Cluster, Other, pando, put, [?STORE, [killed], Killed]),
                    ok = pando_test_cluster:recover(Cluster, ?STORE),
                    ?assertEqual({ok, Killed}, call(Cluster, Killed, pando, get, [?STORE, [killed], #{favor => consistency}]))
                end
             || Killed <- lists:sublist(Nodes, 2)
            ]
        end)
    end}.

leads_any(Cluster, Node) ->
    call(Cluster, Node, pando_cluster, wait_for_leader, [?STORE, ?WAIT_MS]).

%% A leader that has just changed may refuse.
leads(Cluster, Asked, Wanted) ->
    pando_test_store:await(fun() ->
        ok =:= call(Cluster, Asked, pando_cluster, transfer_leadership, [?STORE, Wanted, ?WAIT_MS]) andalso
            pando_test_cluster:leader(Cluster, ?STORE) =:= Wanted
    end).
