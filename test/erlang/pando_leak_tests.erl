%% Nothing stays behind: no threads, processes or files of stores that are closed, however many there were.
-module(pando_leak_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [with_dir/1, new_name/0, await/1, parallel/2, quietly/1]).

-define(STORES, 50).

%% What this VM holds of the operating system and of its own because of stores.
held() ->
    {
        length(pando_test_threads:names()),
        length(open_files()),
        length(supervisor:which_children(pando_sup)),
        length(erlang:ports())
    }.

open_files() ->
    {ok, Fds} = file:list_dir("/proc/self/fd"),
    [
        Target
     || Fd <- Fds,
        {ok, Target} <- [file:read_link_all(filename:join("/proc/self/fd", Fd))],
        string:find(Target, "pando-test-") =/= nomatch
    ].

%% Threads end shortly after the last store has said that it is closed.
goes_back_to(Before) ->
    await(fun() -> held() =:= Before end).

%% After the threads of an earlier test have ended: what is counted with them would never be seen again.
start_at_rest() ->
    {ok, _} = application:ensure_all_started(pando),
    await(fun() -> pando_test_threads:names() =:= [] end).

fifty_stores_test_() ->
    {timeout, 120, fun() ->
        ok = start_at_rest(),
        Before = held(),
        with_dir(fun(Dir) ->
            Names = [new_name() || _ <- lists:seq(1, ?STORES)],
            Numbered = lists:enumerate(Names),
            [
                begin
                    ?assertEqual({ok, S}, pando:start(Dir, S)),
                    ok = pando:put(S, [n], {1, N})
                end
             || {N, S} <- Numbered
            ],
            ?assertEqual([], Names -- pando:get_store_ids()),
            ?assert(length(pando_test_threads:names()) >= ?STORES),
            %% Each is itself.
            [?assertEqual({ok, {1, N}}, pando:get(S, [n])) || {N, S} <- Numbered],
            [?assertEqual({ok, 1}, pando:count(S, "**")) || S <- Names],
            %% All at once.
            Stopped = parallel(?STORES, fun(N) -> pando:stop(lists:nth(N, Names)) end),
            ?assertEqual([ok], lists:usort(Stopped)),
            ?assertEqual([], pando:get_store_ids()),
            goes_back_to(Before),
            Started = parallel(?STORES, fun(N) -> pando:start(Dir, lists:nth(N, Names)) end),
            ?assertEqual([{ok, S} || S <- Names], Started),
            [?assertEqual({ok, {1, N}}, pando:get(S, [n])) || {N, S} <- Numbered],
            [ok = pando:stop(S) || S <- Names]
        end),
        goes_back_to(Before)
    end}.

one_store_again_and_again_test_() ->
    {timeout, 120, fun() ->
        ok = start_at_rest(),
        with_dir(fun(Dir) ->
            S = new_name(),
            Before = held(),
            [
                begin
                    {ok, S} = pando:start(Dir, S),
                    ok = pando:put(S, [n], N),
                    {ok, Cursor} = pando_backend:scan(S, [], 0, false, none, true),
                    ok = pando:stop(S),
                    %% A cursor of a closed store still shows its moment, if that is in this VM, and holds nothing open.
                    case pando_backend:configured() of
                        nif -> ?assertMatch({done, [{[], _}]}, pando_backend:scan_next(Cursor, 2));
                        port -> ?assertMatch({error, _}, pando_backend:scan_next(Cursor, 2))
                    end
                end
             || N <- lists:seq(1, 50)
            ],
            goes_back_to(Before)
        end)
    end}.

%% A reader's root is freed by the reaper, which must not take its own handles for those of others.
scans_of_one_moment_test_() ->
    {timeout, 120, fun() ->
        ok = start_at_rest(),
        with_dir(fun(Dir) ->
            Before = held(),
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            [
                begin
                    ok = pando:put(S, [many, <<N>>], N),
                    ?assertEqual(
                        [{ok, N}], lists:usort([pando:count(S, "/:many/*") || _ <- lists:seq(1, 3)])
                    ),
                    {ok, Found} = pando:get_many(S, "**"),
                    ?assertEqual({ok, Found}, pando:get_many(S, "**"))
                end
             || N <- lists:seq(1, 50)
            ],
            ok = pando:stop(S),
            goes_back_to(Before)
        end)
    end}.

%% The tree of a read that ends early is let go at once, not when the caller's garbage is collected; one that was read to
%% its end has let it go itself.
cursors_of_reads_that_end_early_test_() ->
    %% More nodes than a count looks at in one call.
    #{<<"chunk_steps_max">> := StepsMax} = pando_backend:limits(),
    Nodes = StepsMax + 100,
    Fill = fun(S) ->
        [ok = pando:put(S, [many, <<N:32>>], N, #{async => low}) || N <- lists:seq(1, Nodes)],
        ok = pando:fence(S)
    end,
    Past = erlang:monotonic_time(millisecond),
    Count = fun(_, _, Found) -> Found + 1 end,
    pando_test_store:cases([
        {"a fold whose time is up", fun(S) ->
            Fill(S),
            %% The first call takes longer than the timeout.
            Slow = fun(_, _, Found) ->
                [timer:sleep(2) || Found =:= 0],
                Found + 1
            end,
            Fold = fun() -> pando:fold(S, "/:many/*", Slow, 0, #{timeout => 1}) end,
            ?assertMatch({{error, timeout}, [Cursor], [Cursor]}, cursors(Fold))
        end},
        {"a count whose time is up", fun(S) ->
            Fill(S),
            Counting = (pando_options:many(#{}))#{deadline := Past},
            %% With a condition each node is looked at, and not only how many children there are.
            Call = fun() -> pando_read:count(S, [many, #if_has_data{has_data = true}], Counting) end,
            ?assertMatch({{error, timeout}, [Cursor], [Cursor]}, cursors(Call))
        end},
        {"a limit that is reached", fun(S) ->
            Fill(S),
            Fold = fun() -> pando:fold(S, "/:many/*", Count, 0, #{limit => 10}) end,
            ?assertMatch({{ok, 10}, [Cursor], [Cursor]}, cursors(Fold))
        end},
        {"reads to the end", fun(S) ->
            [ok = pando:put(S, [many, N], N) || N <- [a, b, c]],
            [
                ?assertMatch({{ok, 3}, [_], []}, cursors(Read))
             || Read <- [
                    fun() -> pando:fold(S, "/:many/*", Count, 0) end,
                    fun() -> pando:fold(S, "/:many/*", Count, 0, #{limit => 10}) end,
                    fun() -> pando:count(S, "/:many/*") end
                ]
            ]
        end}
    ]).

%% What the call answers, the cursors that it has opened, and those that it has closed before their end. All are ended.
cursors(Call) ->
    Test = self(),
    Caller = spawn_link(fun() ->
        receive
            go -> Test ! {self(), Call()}
        end
    end),
    1 = erlang:trace(Caller, true, [call]),
    1 = erlang:trace_pattern({pando_backend, scan, 6}, [{'_', [], [{return_trace}]}], []),
    1 = erlang:trace_pattern({pando_backend, scan_close, 1}, true, []),
    try
        Caller ! go,
        Answer =
            receive
                {Caller, Answer1} -> Answer1
            end,
        Delivered = erlang:trace_delivered(Caller),
        receive
            {trace_delivered, Caller, Delivered} -> ok
        end,
        {Opened, Closed} = traced(Caller, [], []),
        [?assertEqual({done, []}, pando_backend:scan_next(Cursor, 1)) || Cursor <- Opened],
        {Answer, Opened, Closed}
    after
        erlang:trace_pattern({pando_backend, '_', '_'}, false, [])
    end.

traced(Caller, Opened, Closed) ->
    receive
        {trace, Caller, return_from, {pando_backend, scan, 6}, {ok, Cursor}} -> traced(Caller, [Cursor | Opened], Closed);
        {trace, Caller, call, {pando_backend, scan_close, [Cursor]}} -> traced(Caller, Opened, [Cursor | Closed]);
        {trace, Caller, call, {pando_backend, scan, _}} -> traced(Caller, Opened, Closed)
    after 0 -> {Opened, Closed}
    end.

stores_that_fail_test_() ->
    {timeout, 120, fun() ->
        ok = start_at_rest(),
        with_dir(fun(Dir) ->
            Before = held(),
            S = new_name(),
            ok = filelib:ensure_dir(filename:join(Dir, "x")),
            ok = file:write_file(filename:join(Dir, S), "a file"),
            quietly(fun() ->
                [{error, {pando, open_failed, _}} = pando:start(Dir, S) || _ <- lists:seq(1, 50)]
            end),
            ok = file:delete(filename:join(Dir, S)),
            goes_back_to(Before),
            quietly(fun() ->
                {ok, S} = pando:start(Dir, S),
                [
                    begin
                        Server = whereis(S),
                        Monitor = monitor(process, Server),
                        await(fun() -> pando_backend:provoke_panic(S, Thread) =:= ok end),
                        receive
                            {'DOWN', Monitor, process, Server, _} -> ok
                        end,
                        await(fun() -> pando:put(S, [a], 1) =:= ok end)
                    end
                 || Thread <- [ingest, apply, log, reply]
                ],
                ok = pando:stop(S)
            end),
            goes_back_to(Before)
        end)
    end}.

a_killed_server_whose_supervisor_is_gone_closes_the_store_test_() ->
    {timeout, 60, fun() ->
        ok = start_at_rest(),
        with_dir(fun(Dir) ->
            Before = held(),
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            ok = pando:put(S, [a], 1),
            Server = whereis(S),
            %% Its lanes are linked to it, too.
            {dictionary, Dictionary} = process_info(Server, dictionary),
            [Supervisor | _] = proplists:get_value('$ancestors', Dictionary),
            Monitor = monitor(process, Supervisor),
            quietly(fun() ->
                true = erlang:suspend_process(Supervisor),
                exit(Supervisor, kill),
                exit(Server, kill),
                receive
                    {'DOWN', Monitor, process, Supervisor, _} -> ok
                end,
                await(fun() -> not pando_cluster:is_store_running(S) end)
            end),
            {ok, S} = pando:start(Dir, S),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S),
            goes_back_to(Before)
        end)
    end}.

the_application_that_stops_closes_its_stores_test_() ->
    {timeout, 60, fun() ->
        ok = start_at_rest(),
        with_dir(fun(Dir) ->
            Names = [new_name() || _ <- lists:seq(1, 5)],
            [
                begin
                    {ok, S} = pando:start(Dir, S),
                    ok = pando:put(S, [a], S)
                end
             || S <- Names
            ],
            quietly(fun() -> ok = application:stop(pando) end),
            ?assertEqual([], pando:get_store_ids()),
            await(fun() -> pando_test_threads:names() =:= [] end),
            [{ok, S} = pando:start(Dir, S) || S <- Names],
            [?assertEqual({ok, S}, pando:get(S, [a])) || S <- Names],
            [ok = pando:stop(S) || S <- Names]
        end)
    end}.
