%% Stores of this node: starting, stopping, names, directories; what happens at the same time as that.
-module(pando_cluster_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-export([hold/1]).

-import(pando_test_store, [cases/1, with_dir/1, new_name/0, await/1, parallel/2, quietly/1]).

start_and_stop_test_() ->
    in_dirs([
        {"the name is answered, the store runs, and stops", fun(Dir) ->
            S = new_name(),
            ?assertEqual({ok, S}, pando:start(Dir, S)),
            ?assert(lists:member(S, pando:get_store_ids())),
            ?assert(lists:member(S, pando_cluster:get_store_ids())),
            ?assertEqual(true, pando_cluster:is_store_running(S)),
            ?assert(is_pid(whereis(S))),
            ?assertEqual({S, node()}, pando_cluster:this_member(S)),
            ?assertEqual({S, a@b}, pando_cluster:node_to_member(S, a@b)),
            ?assertEqual(ok, pando:stop(S)),
            ?assertNot(lists:member(S, pando:get_store_ids())),
            ?assertEqual(false, pando_cluster:is_store_running(S)),
            ?assertEqual(undefined, whereis(S)),
            ?assertEqual(ok, pando:stop(S))
        end},
        {"the name in a map, the timeout, the directory as a binary", fun(Dir) ->
            S = new_name(),
            ?assertEqual({ok, S}, pando:start(list_to_binary(Dir), #{cluster_name => S})),
            ?assertEqual(
                {ok, S}, pando_cluster:start(Dir, #{cluster_name => S, friendly_name => "x"}, 60000)
            ),
            ?assertEqual(ok, pando_cluster:stop(S))
        end},
        {"what was put is there when it starts again", fun(Dir) ->
            S = new_name(),
            [
                begin
                    {ok, S} = pando:start(Dir, S),
                    ?assertEqual({ok, N - 1}, pando:get_or(S, [n], 0)),
                    ok = pando:put(S, [n], N),
                    ok = pando:put(S, [of_round, <<N>>], #{round => N}),
                    ?assertEqual({ok, N}, pando:count(S, "/:of_round/*")),
                    ok = pando:stop(S)
                end
             || N <- lists:seq(1, 10)
            ]
        end},
        {"starting twice is no error", fun(Dir) ->
            S = new_name(),
            ?assertEqual({ok, S}, pando:start(Dir, S)),
            Server = whereis(S),
            ok = pando:put(S, [a], 1),
            ?assertEqual({ok, S}, pando:start(Dir, S)),
            ?assertEqual({ok, S}, pando:start(Dir ++ "/", S)),
            ?assertEqual(Server, whereis(S)),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S)
        end},
        {"starting in another directory is an error, and leaves the running one", fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            ok = pando:put(S, [a], 1),
            Other = filename:join(Dir, "other"),
            ?assertEqual(
                {error, {pando, store_runs_elsewhere, #{store_id => S, data_dir => Dir}}},
                pando:start(Other, S)
            ),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ?assertNot(filelib:is_file(Other)),
            ok = pando:stop(S),
            ?assertEqual({ok, S}, pando:start(Other, S)),
            ?assertEqual(true, pando:is_empty(S)),
            ok = pando:stop(S)
        end},
        {"two stores in one directory are two", fun(Dir) ->
            [S1, S2] = [new_name(), new_name()],
            {ok, S1} = pando:start(Dir, S1),
            {ok, S2} = pando:start(Dir, S2),
            ok = pando:put(S1, [a], 1),
            ok = pando:put(S2, [a], 2),
            ?assertEqual([], [S1, S2] -- pando:get_store_ids()),
            ok = pando:stop(S1),
            ?assertEqual({error, noproc}, pando:get(S1, [a])),
            ?assertEqual({ok, 2}, pando:get(S2, [a])),
            {ok, S1} = pando:start(Dir, S1),
            ?assertEqual({ok, 1}, pando:get(S1, [a])),
            ok = pando:stop(S1),
            ok = pando:stop(S2)
        end},
        {"names that no file can have", fun(Dir) ->
            Names = ['test . ..', 'test/../a', '.', '..', 'test%2e', 'test é 日本', '', 'test\n'],
            [
                begin
                    {ok, S} = pando:start(Dir, S),
                    ok = pando:put(S, [name], S)
                end
             || S <- Names
            ],
            [?assertEqual({ok, S}, pando:get(S, [name])) || S <- Names],
            [ok = pando:stop(S) || S <- Names],
            {ok, Files} = file:list_dir(Dir),
            ?assertEqual(length(Names), length(Files))
        end},
        {"names too long for a file, which differ in the last character only", fun(Dir) ->
            Name = fun(First, Char, Last) -> list_to_atom([First | lists:duplicate(253, Char)] ++ [Last]) end,
            Names = [Name(First, Char, Last) || First <- "a.", Char <- [$e, $\ , 16#E9, 16#65E5], Last <- "xy"],
            [
                begin
                    ?assertEqual({ok, S}, pando:start(Dir, S)),
                    ok = pando:put(S, [name], S)
                end
             || S <- Names
            ],
            [?assertEqual({ok, S}, pando:get(S, [name])) || S <- Names],
            [ok = pando:stop(S) || S <- Names],
            {ok, Files} = file:list_dir(Dir),
            ?assertEqual(length(Names), length(Files))
        end},
        {"a name that another process has", fun(Dir) ->
            S = new_name(),
            true = register(S, self()),
            ?assertEqual(
                {error, {pando, name_is_taken, #{store_id => S, by => self()}}}, pando:start(Dir, S)
            ),
            ?assertEqual(ok, pando:stop(S)),
            ?assertEqual(self(), whereis(S)),
            true = unregister(S),
            ?assertEqual({ok, S}, pando:start(Dir, S)),
            ok = pando:stop(S)
        end}
    ]).

in_dirs(Cases) ->
    [{Title, {timeout, 60, fun() -> with_dir(Test) end}} || {Title, Test} <- Cases].

defaults_test_() ->
    in_dirs([
        {"of the store and the directory come from the environment", fun(Dir) ->
            S = new_name(),
            ok = application:set_env(pando, default_store_id, S),
            ok = application:set_env(pando, default_ra_system, Dir),
            try
                ?assertEqual(Dir, pando_cluster:get_default_ra_system_or_data_dir()),
                ?assertEqual({ok, S}, pando:start()),
                ?assertEqual({ok, S}, pando:start(Dir)),
                ?assertEqual({ok, S}, pando:start(Dir, #{})),
                ?assertEqual(ok, pando:stop()),
                ?assertEqual({ok, S}, pando:start(list_to_binary(Dir))),
                ?assertEqual(ok, pando_cluster:stop())
            after
                application:unset_env(pando, default_store_id),
                application:unset_env(pando, default_ra_system)
            end
        end},
        {"of the directory must be one", fun(_) ->
            ok = application:set_env(pando, default_ra_system, {dir}),
            try
                ?assertError(
                    {pando_ex, invalid_default_ra_system_value, #{default_ra_system := {dir}}}, pando:start()
                )
            after
                application:unset_env(pando, default_ra_system)
            end
        end},
        {"of the directory is named after the node", fun(_) ->
            ?assertEqual("pando#" ++ atom_to_list(node()), pando_cluster:get_default_ra_system_or_data_dir())
        end}
    ]).

under_a_supervisor_of_the_user_test_() ->
    in_dirs([
        {"the store runs when start_link returns, and stops with its supervisor", fun(Dir) ->
            S = new_name(),
            process_flag(trap_exit, true),
            {ok, Supervisor} = pando_cluster:start_link(#{store_id => S, data_dir => Dir}),
            ok = pando:put(S, [a], 1),
            Monitor = monitor(process, Supervisor),
            exit(Supervisor, shutdown),
            receive
                {'DOWN', Monitor, process, Supervisor, _} -> ok
            end,
            ?assertEqual({error, noproc}, pando:get(S, [a])),
            {ok, Again} = pando_cluster:start_link(#{store_id => S, data_dir => Dir}),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S),
            await(fun() -> not is_process_alive(Again) end),
            process_flag(trap_exit, false),
            pando_test_store:drop_messages()
        end},
        {"what cannot be opened is an answer, and no process or message is left", fun(Dir) ->
            S = new_name(),
            ok = filelib:ensure_dir(filename:join(Dir, "x")),
            ok = file:write_file(filename:join(Dir, S), "a file"),
            process_flag(trap_exit, true),
            ?assertMatch(
                {error, {pando, open_failed, #{kind := not_a_directory}}},
                pando_cluster:start_link(#{store_id => S, data_dir => Dir})
            ),
            process_flag(trap_exit, false),
            ?assertEqual(undefined, whereis(S)),
            receive
                Message -> error({message, Message})
            after 0 -> ok
            end
        end}
    ]).

running_stores_test_() ->
    cases([
        {"are those that were started, and nothing else", fun(S) ->
            ?assertEqual(true, pando_cluster:is_store_running(S)),
            ?assertEqual([S], pando:get_store_ids()),
            ?assertEqual(false, pando_cluster:is_store_running(new_name())),
            %% A process, but no store.
            ?assertEqual(false, pando_cluster:is_store_running(pando_sup)),
            [
                ?assertError(function_clause, apply(pando_cluster, Function, [NoName | Rest]))
             || NoName <- ["s", <<"s">>, 1, {S, node()}, [S]],
                {Function, Rest} <- [{is_store_running, []}, {this_member, []}, {node_to_member, [node()]}]
            ],
            ?assertError(function_clause, pando_cluster:node_to_member(S, "node"))
        end}
    ]).

%% The same with the store named, and with the store that is the default one.
members_and_nodes_test_() ->
    Options = [#{}, #{favor => consistency}, #{favor => low_latency}, #{timeout => 60000}, #{timeout => infinity}],
    cases([
        {"of a store: this one, whatever the options", fun(S) ->
            [
                begin
                    ?assertEqual({ok, [{S, node()}]}, apply(pando_cluster, members, Arguments)),
                    ?assertEqual({ok, [node()]}, apply(pando_cluster, nodes, Arguments))
                end
             || Arguments <- [[S] | [[S, O] || O <- Options]]
            ]
        end},
        {"of the default store", fun(S) ->
            as_default(S, fun() ->
                [
                    begin
                        ?assertEqual({ok, [{S, node()}]}, apply(pando_cluster, members, Arguments)),
                        ?assertEqual({ok, [node()]}, apply(pando_cluster, nodes, Arguments))
                    end
                 || Arguments <- [[] | [[O] || O <- Options]]
                ]
            end)
        end},
        {"without time, of a store that does not run, with what is no option", fun(S) ->
            Other = new_name(),
            [
                begin
                    ?assertEqual({error, timeout}, pando_cluster:Function(S, #{timeout => 0})),
                    [?assertEqual({error, noproc}, pando_cluster:Function(Other, O)) || O <- Options],
                    [
                        ?assertError(function_clause, pando_cluster:Function(S, Bad))
                     || Bad <- [#{favor => speed}, #{timeout => -1}, #{timeout => soon}]
                    ],
                    ?assertError(function_clause, pando_cluster:Function("s"))
                end
             || Function <- [members, nodes]
            ],
            ?assertEqual([], pando_test_store:stray_messages())
        end}
    ]).

as_default(S, Test) ->
    ok = application:set_env(pando, default_store_id, S),
    try
        Test()
    after
        application:unset_env(pando, default_store_id)
    end.

wait_for_leader_test_() ->
    cases([
        {"a store that runs has one, by its name and by its member", fun(S) ->
            [
                ?assertEqual({Arguments, ok}, {Arguments, apply(pando_cluster, wait_for_leader, Arguments)})
             || Who <- [S, {S, node()}], Arguments <- [[Who] | [[Who, T] || T <- [0, 1, 60000, infinity]]]
            ],
            as_default(S, fun() -> ?assertEqual(ok, pando_cluster:wait_for_leader()) end)
        end},
        {"a store that does not run, and a member elsewhere, are looked for as long as the call may take", fun(S) ->
            [
                ?assertEqual({error, noproc}, pando_cluster:wait_for_leader(Who, T))
             || Who <- [new_name(), {new_name(), node()}, {S, 'nobody@nowhere'}], T <- [0, 1, 300]
            ],
            ok = application:set_env(pando, default_timeout, 1),
            try
                ?assertEqual({error, noproc}, pando_cluster:wait_for_leader(new_name()))
            after
                application:unset_env(pando, default_timeout)
            end
        end},
        {"what is no store and no timeout", fun(S) ->
            [
                ?assertError(function_clause, apply(pando_cluster, wait_for_leader, Arguments))
             || Arguments <- [["s", 1], [{S, "node"}, 1], [S, -1], [S, soon]]
            ]
        end}
    ]) ++
        in_dirs([
            {"a store that is started meanwhile", fun(Dir) ->
                S = new_name(),
                {Waiting, Monitor} = spawn_monitor(fun() ->
                    exit({answer, pando_cluster:wait_for_leader(S, 60000)})
                end),
                %% It has looked, and sleeps.
                await(fun() ->
                    erlang:process_info(Waiting, current_function) =:= {current_function, {timer, sleep, 1}}
                end),
                ?assertEqual({ok, S}, pando:start(Dir, S)),
                receive
                    {'DOWN', Monitor, process, Waiting, Reason} -> ?assertEqual({answer, ok}, Reason)
                end,
                ok = pando:stop(S)
            end}
        ]).

reset_test_() ->
    in_dirs(
        [
            {pando_test_store:title({Module, Arguments}), fun(Dir) ->
                [S, Other] = [new_name(), new_name()],
                {ok, S} = pando:start(Dir, S),
                {ok, Other} = pando:start(Dir, Other),
                [ok = pando:put(Store, [a, N], {N, binary:copy(<<"x">>, 10000)}) || Store <- [S, Other], N <- names()],
                ?assertEqual(ok, as_default(S, fun() -> apply(Module, reset, [given(A, S) || A <- Arguments]) end)),
                %% It is stopped, and its files are gone. Others are not touched.
                ?assertEqual(undefined, whereis(S)),
                ?assertEqual(false, pando_cluster:is_store_running(S)),
                ?assertEqual({error, noproc}, pando:get(S, [a])),
                ?assertEqual({ok, [atom_to_list(Other)]}, file:list_dir(Dir)),
                ?assertEqual({error, {pando, not_a_pando_store, #{store_id => S}}}, Module:reset(S)),
                %% Started again, it is empty, and works.
                ?assertEqual({ok, S}, pando:start(Dir, S)),
                Counters = #{payload_version => 1, child_list_version => 1, child_list_length => 0},
                Wanted = #{props_to_return => maps:keys(Counters)},
                ?assertEqual({ok, #{[] => Counters}}, pando_adv:get(S, [], Wanted)),
                ?assertEqual(true, pando:is_empty(S)),
                ok = pando:put(S, [b], 1),
                ok = pando:stop(S),
                ?assertEqual({ok, S}, pando:start(Dir, S)),
                ?assertEqual({ok, #{[b] => 1}}, pando:get_many(S, "**")),
                ?assertEqual({ok, length(names())}, pando:count(Other, [a, #if_name_matches{}])),
                ok = pando:stop(S),
                ok = pando:stop(Other),
                ?assertEqual([], pando_test_store:stray_messages())
            end}
         || Module <- [pando, pando_cluster],
            Arguments <- [[], [store], [60000], [infinity], [store, 60000], [store, infinity]]
        ]
    ).

names() -> [<<N>> || N <- lists:seq(1, 100)].

given(store, S) -> S;
given(Argument, _S) -> Argument.

resets_that_do_nothing_test_() ->
    in_dirs([
        {"of a store that does not run: its data stays", fun(Dir) ->
            S = new_name(),
            Error = {error, {pando, not_a_pando_store, #{store_id => S}}},
            ?assertEqual(Error, pando:reset(S)),
            {ok, S} = pando:start(Dir, S),
            ok = pando:put(S, [a], 1),
            ok = pando:stop(S),
            ?assertEqual(Error, pando:reset(S)),
            ?assertEqual(Error, pando_cluster:reset(S, 60000)),
            ?assertEqual(Error, as_default(S, fun() -> pando:reset() end)),
            {ok, S} = pando:start(Dir, S),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S)
        end},
        {"of a name that another process has", fun(_) ->
            S = new_name(),
            true = register(S, self()),
            ?assertEqual({error, {pando, not_a_pando_store, #{store_id => S}}}, pando:reset(S)),
            ?assertEqual(self(), whereis(S)),
            true = unregister(S)
        end},
        {"without time, and with wrong arguments", fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            ok = pando:put(S, [a], 1),
            ?assertEqual({error, timeout}, pando:reset(S, 0)),
            [?assertError(function_clause, apply(pando, reset, [S, T])) || T <- [-1, soon, 1.0]],
            [?assertError(function_clause, apply(pando, reset, [N, 1])) || N <- ["s", <<"s">>, {S, node()}]],
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S)
        end}
    ]).

reset_with_calls_in_flight_test_() ->
    in_dirs([
        {"each call is answered, and the store is empty when it starts again", fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            Me = self(),
            Callers = [
                spawn_monitor(fun() -> exit({done, write_until_it_fails(Me, S, N, 1)}) end)
             || N <- lists:seq(1, 20)
            ],
            [
                receive
                    {working, N} -> ok
                end
             || N <- lists:seq(1, 20)
            ],
            ?assertEqual(ok, pando:reset(S, 60000)),
            Ends = [
                receive
                    {'DOWN', Monitor, process, Pid, {done, {_, _, End}}} -> End
                end
             || {Pid, Monitor} <- Callers
            ],
            ?assertEqual([], [End || End <- Ends, not is_documented(End)]),
            {ok, S} = pando:start(Dir, S),
            ?assertEqual(true, pando:is_empty(S)),
            ok = pando:stop(S)
        end}
    ]).

the_server_that_dies_test_() ->
    cases([
        {"is started again, with all data", fun(S) ->
            ok = pando:put(S, [a], 1),
            Server = whereis(S),
            quietly(fun() ->
                exit(Server, kill),
                await(fun() -> is_pid(whereis(S)) andalso whereis(S) =/= Server end),
                await(fun() -> pando_cluster:is_store_running(S) end)
            end),
            await(fun() -> pando:get(S, [a]) =:= {ok, 1} end),
            ?assertEqual(ok, pando:put(S, [b], 1))
        end}
    ]).

at_the_same_time_test_() ->
    in_dirs([
        {"stop during start", fun(Dir) ->
            Outcomes = [
                begin
                    S = new_name(),
                    [Started, Stopped] = parallel(2, fun
                        (1) ->
                            pando:start(Dir, S);
                        (2) ->
                            await(fun() -> N rem 2 =:= 0 orelse whereis(S) =/= undefined end),
                            pando:stop(S)
                    end),
                    ?assertEqual(ok, Stopped),
                    ?assert(Started =:= {ok, S} orelse Started =:= {error, noproc}),
                    ?assertEqual(ok, pando:stop(S)),
                    ?assertEqual(undefined, whereis(S)),
                    ?assertNot(lists:member(S, pando:get_store_ids())),
                    %% The directory is free.
                    ?assertEqual({ok, S}, pando:start(Dir, S)),
                    ?assertEqual(ok, pando:stop(S)),
                    Started
                end
             || N <- lists:seq(1, 30)
            ],
            ?assertEqual(30, length(Outcomes))
        end},
        {"many starts of one store: all get it", fun(Dir) ->
            S = new_name(),
            Answers = parallel(50, fun(_) -> pando:start(Dir, S) end),
            ?assertEqual([{ok, S}], lists:usort(Answers)),
            ?assertEqual(ok, pando:put(S, [a], 1)),
            Stopped = parallel(50, fun(_) -> pando:stop(S) end),
            ?assertEqual([ok], lists:usort(Stopped)),
            ?assertEqual(undefined, whereis(S))
        end},
        {"many starts and stops of one store: it ends free", fun(Dir) ->
            S = new_name(),
            Answers = parallel(8, fun(N) ->
                [
                    case N rem 2 of
                        0 -> pando:start(Dir, S);
                        1 -> pando:stop(S)
                    end
                 || _ <- lists:seq(1, 20)
                ]
            end),
            ?assertEqual([], lists:usort(lists:append(Answers)) -- [ok, {ok, S}, {error, noproc}]),
            ?assertEqual(ok, pando:stop(S)),
            ?assertEqual({ok, S}, pando:start(Dir, S)),
            ?assertEqual(ok, pando:put(S, [a], 1)),
            ?assertEqual(ok, pando:stop(S))
        end},
        {"a start that is given up in time", fun(Dir) ->
            S = new_name(),
            ?assertEqual({error, timeout}, pando:start(Dir, S, 0)),
            ?assertEqual(undefined, whereis(S)),
            ?assertEqual({ok, S}, pando:start(Dir, S, 60000)),
            ?assertEqual(ok, pando:stop(S))
        end}
    ]).

closing_with_calls_in_flight_test_() ->
    in_dirs([
        {"200 callers: each call is answered, and what was acknowledged is there", fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            Me = self(),
            Callers = [
                spawn_monitor(fun() -> exit({done, write_until_it_fails(Me, S, N, 1)}) end)
             || N <- lists:seq(1, 200)
            ],
            %% All are at work.
            [
                receive
                    {working, N} -> ok
                end
             || N <- lists:seq(1, 200)
            ],
            ?assertEqual(ok, pando:stop(S)),
            Ends = [
                receive
                    {'DOWN', Monitor, process, Pid, {done, End}} -> End
                end
             || {Pid, Monitor} <- Callers
            ],
            ?assertEqual([], [E || {_, _, E} <- Ends, not is_documented(E)]),
            ?assertEqual({error, noproc}, pando:put(S, [a], 1)),
            {ok, S} = pando:start(Dir, S),
            [
                begin
                    {ok, M} = pando:get_or(S, [w, <<N>>], 0),
                    %% The last one may have been applied, or not.
                    ?assert(M =:= Last orelse M =:= Last + 1)
                end
             || {N, Last, _} <- Ends
            ],
            ok = pando:stop(S)
        end}
    ]).

write_until_it_fails(Main, S, N, M) ->
    case pando:put(S, [w, <<N>>], M) of
        ok ->
            [Main ! {working, N} || M =:= 1],
            write_until_it_fails(Main, S, N, M + 1);
        Error ->
            {N, M - 1, Error}
    end.

is_documented({error, noproc}) -> true;
is_documented({error, {pando, store_closed, #{outcome := unknown, reason := Reason}}}) -> is_binary(Reason);
is_documented(_) -> false.

a_second_process_of_the_operating_system_test_() ->
    in_dirs([
        {"that opens the same directory gets an error that names the holder", fun(Dir) ->
            pando_test_store:start_erl(?MODULE, hold, [Dir], fun(Erl) ->
                ?assertEqual(<<"open">>, pando_test_store:next_line(Erl)),
                #{os_pid := OsPid} = Erl,
                {error, {pando, open_failed, Props}} = pando:start(Dir, held_elsewhere),
                ?assertMatch(#{kind := locked, directory := _, reason := _}, Props),
                #{reason := Reason} = Props,
                ?assertNotEqual(nomatch, binary:match(Reason, integer_to_binary(OsPid))),
                ?assertNotEqual(nomatch, binary:match(Reason, <<"nonode@nohost">>)),
                ?assertEqual(undefined, whereis(held_elsewhere)),
                %% The lock goes with its holder.
                _ = pando_test_store:kill_erl(Erl),
                ?assertEqual({ok, held_elsewhere}, pando:start(Dir, held_elsewhere)),
                ?assertEqual({ok, yes}, pando:get(held_elsewhere, [held])),
                ok = pando:stop(held_elsewhere)
            end)
        end}
    ]).

%% What the other process runs.
hold([Dir]) ->
    {ok, S} = pando:start(Dir, held_elsewhere),
    ok = pando:put(S, [held], yes),
    io:put_chars("open\n"),
    receive
        never -> ok
    end.
