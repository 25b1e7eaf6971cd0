%% Faults inside of a store: a thread that panics halts that store, everybody who waits is answered, the
%% supervisor opens it again, and what was acknowledged is there.
-module(pando_halt_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1, new_name/0, await/1, quietly/1]).

-define(CALLERS, 50).
%% As in pando_store_sup.
-define(RESTARTS_MAX, 5).

each_thread_test_() ->
    [
        {"a panic of the thread " ++ atom_to_list(Thread) ++ ", under load",
            {timeout, 60, fun() ->
                with_dir(fun(Dir) -> quietly(fun() -> panic_under_load(Dir, Thread) end) end)
            end}}
     || Thread <- [ingest, apply, log, reply]
    ].

panic_under_load(Dir, Thread) ->
    S = new_name(),
    {ok, S} = pando:start(Dir, S),
    ok = pando:put(S, [before], 1),
    Server = whereis(S),
    Me = self(),
    Callers = [
        spawn_monitor(fun() -> exit({done, write_until_told(Me, S, N, 1, 0, [])}) end)
     || N <- lists:seq(1, ?CALLERS)
    ],
    [
        receive
            {working, N} -> ok
        end
     || N <- lists:seq(1, ?CALLERS)
    ],
    ?assertEqual(ok, pando_backend:provoke_panic(S, Thread)),
    await(fun() -> is_pid(whereis(S)) andalso whereis(S) =/= Server end),
    await(fun() -> pando:put(S, [opened, again], 1) =:= ok end),
    [Pid ! stop || {Pid, _} <- Callers],
    Ends = [
        receive
            {'DOWN', Monitor, process, Pid, {done, End}} -> End
        end
     || {Pid, Monitor} <- Callers
    ],
    Errors = lists:usort(lists:append([E || {_, _, _, E} <- Ends])),
    ?assertEqual([], [E || E <- Errors, not is_documented(E)]),
    ?assertEqual({ok, 1}, pando:get(S, [before])),
    [
        begin
            {ok, Value} = pando:get(S, [w, <<N>>]),
            %% Not older than the last acknowledged one; later ones may have been applied, or not.
            ?assert(Value >= Acknowledged andalso Value =< Tried)
        end
     || {N, Acknowledged, Tried, _} <- Ends
    ],
    %% Also when it is opened from disk again.
    Before = pando:get_many(S, "**"),
    ok = pando:stop(S),
    {ok, S} = pando:start(Dir, S),
    ?assertEqual(Before, pando:get_many(S, "**")),
    ok = pando:stop(S).

%% More failures than the supervisor would count if there were no pause between them.
a_directory_that_is_away_for_a_while_is_waited_for_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            quietly(fun() ->
                application:set_env(pando, reopen_pause_ms, 500),
                try away_for_a_while(Dir) after application:unset_env(pando, reopen_pause_ms) end
            end)
        end)
    end}.

away_for_a_while(Dir) ->
    S = new_name(),
    {ok, S} = pando:start(Dir, S),
    ok = pando:put(S, [a], 1),
    Directory = filename:join(Dir, S),
    ok = file:rename(Directory, Directory ++ ".away"),
    ok = file:write_file(Directory, ""),
    ok = pando_backend:provoke_panic(S, apply),
    await(fun() -> {error, noproc} =:= pando:get(S, [a]) end),
    %% Two attempts have failed: the second server is pausing, or a third has begun.
    Failing = fun() -> case whereis(S) of undefined -> await_server(S); Pid -> Pid end end,
    First = Failing(),
    await(fun() -> is_pid(whereis(S)) andalso whereis(S) =/= First end),
    ?assertMatch({error, {pando, open_failed, #{kind := not_a_directory}}}, pando_server:await_open(Failing(), infinity)),
    ok = file:delete(Directory),
    ok = file:rename(Directory ++ ".away", Directory),
    await(fun() -> {ok, 1} =:= pando:get(S, [a]) end),
    ok = pando:put(S, [a], 2),
    ok = pando:stop(S).

await_server(S) ->
    await(fun() -> is_pid(whereis(S)) end),
    whereis(S).

write_until_told(Main, S, N, M, Acknowledged, Errors) ->
    Now = pando:put(S, [w, <<N>>], M),
    [Main ! {working, N} || M =:= 1],
    {Acknowledged1, Errors1} =
        case Now of
            ok ->
                {M, Errors};
            Error ->
                %% Not to be asked again a million times a second.
                timer:sleep(1),
                {Acknowledged, lists:usort([Error | Errors])}
        end,
    receive
        stop -> {N, Acknowledged1, M, Errors1}
    after 0 -> write_until_told(Main, S, N, M + 1, Acknowledged1, Errors1)
    end.

is_documented({error, noproc}) -> true;
is_documented({error, {pando, Name, #{outcome := unknown, reason := Reason}}}) ->
    is_binary(Reason) andalso (Name =:= store_halted orelse Name =:= store_closed);
is_documented(_) -> false.

a_panic_says_why_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            S = new_name(),
            {ok, S} = pando:start(Dir, S),
            Server = whereis(S),
            Monitor = monitor(process, Server),
            quietly(fun() ->
                ok = pando_backend:provoke_panic(S, apply),
                receive
                    {'DOWN', Monitor, process, Server, Reason} ->
                        {store_halted, Text} = Reason,
                        ?assertNotEqual(nomatch, binary:match(Text, <<"apply">>))
                end,
                await(fun() -> pando_cluster:is_store_running(S) end)
            end),
            ok = pando:stop(S)
        end)
    end}.

a_store_that_halts_too_often_is_given_up_test_() ->
    {timeout, 60, fun() ->
        with_dir(fun(Dir) ->
            [S, Other] = [new_name(), new_name()],
            {ok, S} = pando:start(Dir, S),
            {ok, Other} = pando:start(Dir, Other),
            ok = pando:put(S, [a], 1),
            OtherServer = whereis(Other),
            quietly(fun() ->
                [
                    begin
                        Server = whereis(S),
                        Monitor = monitor(process, Server),
                        await(fun() -> pando_backend:provoke_panic(S, apply) =:= ok end),
                        receive
                            {'DOWN', Monitor, process, Server, _} -> ok
                        end,
                        [
                            await(fun() ->
                                is_pid(whereis(S)) andalso whereis(S) =/= Server andalso
                                    pando_cluster:is_store_running(S)
                            end)
                         || N =< ?RESTARTS_MAX
                        ]
                    end
                 || N <- lists:seq(1, ?RESTARTS_MAX + 1)
                ],
                await(fun() -> not pando_cluster:is_store_running(S) end)
            end),
            ?assertEqual(undefined, whereis(S)),
            ?assertEqual({error, noproc}, pando:get(S, [a])),
            ?assertEqual({error, noproc}, pando:put(S, [a], 2)),
            ?assertEqual(ok, pando:stop(S)),
            %% The other has noticed nothing.
            ?assertEqual(OtherServer, whereis(Other)),
            ?assertEqual(ok, pando:put(Other, [a], 1)),
            %% It is given up for now, and not for ever.
            ?assertEqual({ok, S}, pando:start(Dir, S)),
            ?assertEqual({ok, 1}, pando:get(S, [a])),
            ok = pando:stop(S),
            ok = pando:stop(Other)
        end)
    end}.

a_store_that_does_not_run_cannot_panic_test() ->
    ?assertEqual(noproc, pando_backend:provoke_panic(new_name(), apply)).
