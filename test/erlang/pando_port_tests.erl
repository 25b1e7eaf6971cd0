%% Stores whose native side is a program: what becomes of them when it crashes, is killed, stops, or has much to carry; and that
%% the library is not loaded for them. That they answer what others do, the suites of the API test, run under this backend.
-module(pando_port_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1, new_name/0, quietly/1, await/1, parallel/2]).

%% In virtual machines of their own.
-export([main_alone/1, main_killed/1]).

-define(TIMEOUT_S, 120).
%% How long callers may wait to be told that the program has ended.
-define(TOLD_WITHIN_MS, 1000).
-define(WRITERS, 8).

all_test_() ->
    {inorder, [
        {Title, {timeout, ?TIMEOUT_S, fun() -> quietly(fun() -> with_dir(Test) end) end}}
     || {Title, Test} <- [
            {"without the library", fun without_library/1},
            {"killed under load: all are told, and what was acknowledged is there", fun killed_under_load/1},
            {"a panic halts the store and not the virtual machine", fun panic/1},
            {"killed again and again: this store is given up, and no other", fun killed_too_often/1},
            {"its server is killed: it is open again", fun server_is_killed/1},
            {"its connection is killed: it is open again", fun connection_is_killed/1},
            {"stopped, and let go on", fun stopped/1},
            {"large payloads both ways, and small calls beside", fun large/1},
            {"what is too large is refused as by the library", fun too_large/1},
            {"a fold that raises leaves no cursor", fun fold_raises/1},
            {"the program ends while a fold goes on: that is no end of the fold", fun killed_while_folding/1},
            {"after the end of the virtual machine the next one opens it", fun other_machine_is_killed/1},
            {"another virtual machine has it open: refused at once", fun other_machine_has_it/1},
            {"one backend after the other", fun one_after_the_other/1},
            {"the limit of payloads is the one of the program", fun payload_limit/1}
        ]
    ]}.

start(Dir, Store) ->
    {ok, Store} = pando:start(Dir, #{cluster_name => Store, backend => port}),
    ok.

started(Dir) ->
    Store = new_name(),
    ok = start(Dir, Store),
    Store.

connection(Store) ->
    {Connection, _} = pando_port_registry:store(Store),
    Connection.

os_pid(Store) ->
    pando_port_fake:os_pid(connection(Store)).

await_running(Store) ->
    await(fun() -> pando_cluster:is_store_running(Store) end).

%%% Without the library

without_library(Dir) ->
    pando_test_store:start_erl(?MODULE, main_alone, [Dir], fun(Erl) ->
        ?assertEqual({[<<"done, library loaded: false">>], 0}, pando_test_store:lines_until_exit(Erl))
    end).

-spec main_alone([string()]) -> no_return().
main_alone([Dir]) ->
    ok = application:load(pando),
    ok = application:set_env(pando, backend, port),
    %% Also what needs no store, before the application is started.
    true = is_map(pando_backend:limits()),
    {ok, #{verdict := absent}} = pando:verify(Dir),
    {ok, alone} = pando:start(Dir, alone),
    ok = pando:put(alone, [stock, wood], #{oak => 80}),
    {ok, #{oak := 80}} = pando:get(alone, [stock, wood]),
    {ok, 2} = pando:count(alone, "**"),
    {ok, {ok, #{oak := 80}}} = pando:transaction(alone, fun() ->
        ok = pando_tx:put([b], 1),
        pando_tx:get([stock, wood])
    end),
    {ok, #{[b] := 1}} = pando:get_many(alone, "*"),
    {ok, #{backend := port}} = pando_cluster:status(alone),
    [alone] = pando_cluster:get_store_ids(),
    {ok, #{verdict := in_use}} = pando:verify(Dir),
    ok = pando:stop(alone),
    {ok, #{verdict := sound}} = pando:verify(Dir),
    {ok, _} = pando_recover:inspect(Dir),
    io:format("done, library loaded: ~p~n", [erlang:module_loaded(pando_nif)]),
    halt(0).

%%% Ends

killed_under_load(Dir) ->
    Store = started(Dir),
    Self = self(),
    Writers = [spawn_link(fun() -> Self ! {self(), write(Store, N, 1, 0, [])} end) || N <- lists:seq(1, ?WRITERS)],
    await(fun() -> pando:count(Store, ":w/*") =:= {ok, ?WRITERS} end),
    [
        begin
            Server = whereis(Store),
            Monitor = monitor(process, Server),
            ok = pando_port_fake:signal("KILL", os_pid(Store)),
            receive
                {'DOWN', Monitor, process, Server, {store_halted, Text}} ->
                    ?assertNotEqual(nomatch, binary:match(Text, <<"exit status 137">>))
            after 10000 -> error(not_halted)
            end,
            await_running(Store),
            await(fun() -> {ok, ok} =:= {pando:put(Store, [again], Round), pando:put(Store, [again], Round)} orelse
                {ok, Round} =:= pando:get(Store, [again]) end)
        end
     || Round <- [1, 2, 3]
    ],
    [Writer ! stop || Writer <- Writers],
    Results = [receive {Writer, Result} -> Result after 30000 -> error(no_result) end || Writer <- Writers],
    Errors = lists:append([Errors || {_, _, _, Errors} <- Results]),
    [
        begin
            ?assert(Acknowledged > 0),
            {ok, Found} = pando:get(Store, [w, <<N>>]),
            %% What was acknowledged last, or what was sent after it.
            ?assert(Found >= Acknowledged andalso Found =< Sent)
        end
     || {N, Acknowledged, Sent, _} <- Results
    ],
    ?assertEqual([], [Error || {Error, _} <- Errors, not is_documented(Error)]),
    %% Who was in flight was told so, in time.
    Unknown = [TookMs || {{error, {pando, store_halted, #{outcome := unknown}}}, TookMs} <- Errors],
    ?assert(length(Unknown) > 0),
    ?assertEqual([], [TookMs || TookMs <- Unknown, TookMs > ?TOLD_WITHIN_MS]),
    ?assertEqual([], pando_test_store:stray_messages()),
    ok = pando:stop(Store).

write(Store, N, M, Acknowledged, Errors) ->
    BeganMs = erlang:monotonic_time(millisecond),
    {Acknowledged1, Errors1} =
        case pando:put(Store, [w, <<N>>], M) of
            ok ->
                {M, Errors};
            Error ->
                %% Not to be asked again a million times a second.
                timer:sleep(1),
                {Acknowledged, [{Error, erlang:monotonic_time(millisecond) - BeganMs} | Errors]}
        end,
    receive
        stop -> {N, Acknowledged1, M, Errors1}
    after 0 -> write(Store, N, M + 1, Acknowledged1, Errors1)
    end.

is_documented({error, noproc}) -> true;
is_documented({error, {pando, Name, #{outcome := _, reason := _}}}) -> Name =:= store_halted orelse Name =:= store_closed;
is_documented(_) -> false.

panic(Dir) ->
    Store = started(Dir),
    ok = pando:put(Store, [a], 1),
    Server = whereis(Store),
    Monitor = monitor(process, Server),
    ok = pando_backend:provoke_panic(Store, apply),
    receive
        {'DOWN', Monitor, process, Server, {store_halted, Text}} -> ?assertNotEqual(nomatch, binary:match(Text, <<"apply">>))
    after 10000 -> error(not_halted)
    end,
    await_running(Store),
    ?assertEqual({ok, 1}, pando:get(Store, [a])),
    ok = pando:stop(Store).

killed_too_often(Dir) ->
    Store = started(Dir),
    Other = started(Dir),
    ok = pando:put(Store, [a], 1),
    OtherServer = whereis(Other),
    [
        begin
            Server = whereis(Store),
            Monitor = monitor(process, Server),
            await_running(Store),
            ok = pando_port_fake:signal("KILL", os_pid(Store)),
            receive
                {'DOWN', Monitor, process, Server, _} -> ok
            after 10000 -> error(not_halted)
            end,
            _ = Round < 6 andalso await(fun() -> is_pid(whereis(Store)) end)
        end
     || Round <- lists:seq(1, 6)
    ],
    await(fun() -> supervisor:count_children(pando_sup) =/= [] andalso whereis(Store) =:= undefined end),
    ?assertEqual(OtherServer, whereis(Other)),
    ok = pando:put(Other, [a], 1),
    %% Started anew it is as it was.
    ok = start(Dir, Store),
    ?assertEqual({ok, 1}, pando:get(Store, [a])),
    ok = pando:stop(Store),
    ok = pando:stop(Other).

server_is_killed(Dir) ->
    Store = started(Dir),
    ok = pando:put(Store, [a], 1),
    {Server, Connection, OsPid} = {whereis(Store), connection(Store), os_pid(Store)},
    true = exit(Server, kill),
    await(fun() -> whereis(Store) =/= Server andalso pando_cluster:is_store_running(Store) end),
    ?assertEqual({ok, 1}, pando:get(Store, [a])),
    ?assertNotEqual(Connection, connection(Store)),
    ?assertNot(pando_port_program:is_alive(OsPid)),
    ok = pando:stop(Store).

connection_is_killed(Dir) ->
    Store = started(Dir),
    ok = pando:put(Store, [a], 1),
    {Server, OsPid} = {whereis(Store), os_pid(Store)},
    true = exit(connection(Store), kill),
    await(fun() -> whereis(Store) =/= Server andalso pando_cluster:is_store_running(Store) end),
    ?assertEqual({ok, 1}, pando:get(Store, [a])),
    await(fun() -> not pando_port_program:is_alive(OsPid) end),
    ok = pando:stop(Store).

%%% Stops

stopped(Dir) ->
    Store = started(Dir),
    ok = pando:put(Store, [a], 1),
    OsPid = os_pid(Store),
    ok = pando_port_fake:signal("STOP", OsPid),
    %% A deadline of the caller is kept by whoever waits, and nobody needs the program for it.
    ?assertEqual([{error, timeout}], lists:usort(parallel(20, fun(N) -> pando:put(Store, [b, N], N, #{timeout => 100}) end))),
    ?assertEqual({error, timeout}, pando:get(Store, [a])),
    ok = pando_port_fake:signal("CONT", OsPid),
    await(fun() -> pando:get(Store, [a]) =:= {ok, 1} end),
    ok = pando:put(Store, [c], 1),
    ?assertEqual(OsPid, os_pid(Store)),
    ?assertEqual([], pando_test_store:stray_messages()),
    ok = pando:stop(Store).

%%% Large payloads

large(Dir) ->
    Store = started(Dir),
    ok = pando:put(Store, [small], 0),
    Value = rand:bytes(10000000),
    Large = spawn_monitor(fun() ->
        [
            begin
                ok = pando:put(Store, [large, N], Value),
                {ok, Value} = pando:get(Store, [large, N])
            end
         || N <- [<<"a">>, <<"b">>, <<"c">>]
        ],
        %% And an answer as large as that.
        {ok, #{[large, <<"a">>] := #{data := Value}}} = pando_adv:put(Store, [large, <<"a">>], none_of_it, #{
            props_to_return => [payload]
        })
    end),
    Small = small_calls(Store, Large, 0),
    ?debugFmt("~b small calls beside 70 MB", [Small]),
    ?assert(Small > 0),
    %% What was read of it in one walk.
    {ok, Values} = pando:get_many(Store, ":large/*"),
    ?assertEqual([none_of_it, Value, Value], [maps:get([large, N], Values) || N <- [<<"a">>, <<"b">>, <<"c">>]]),
    ok = pando:stop(Store).

small_calls(Store, {Pid, Monitor} = Large, Count) ->
    receive
        {'DOWN', Monitor, process, Pid, Reason} ->
            ?assertEqual(normal, Reason),
            Count
    after 0 ->
        ok = pando:put(Store, [small], Count),
        {ok, Count} = pando:get(Store, [small]),
        small_calls(Store, Large, Count + 1)
    end.

too_large(Dir) ->
    Store = started(Dir),
    #{<<"payload_size_bytes_max">> := Max} = pando_backend:limits(),
    [
        ?assertMatch(
            {error, {pando, limit_exceeded, #{limit := payload_size_bytes_max, max := Max, outcome := not_applied}}},
            pando:put(Store, [a], binary:copy(<<0>>, Size))
        )
     || Size <- [Max, 135000000]
    ],
    ok = pando:put(Store, [a], binary:copy(<<1>>, Max - 100)),
    {ok, Value} = pando:get(Store, [a]),
    ?assertEqual(Max - 100, byte_size(Value)),
    ok = pando:stop(Store).

payload_limit(_Dir) ->
    %% As in `pando_port', which has to know it for what is too large to be asked about.
    ?assertMatch(#{<<"payload_size_bytes_max">> := 67109120}, pando_port:limits()).

%%% Walks

%% As many as a process may have, and some: those that were left would have the program let go the one that is in use.
fold_raises(Dir) ->
    Store = started(Dir),
    fill(Store, 100),
    {ok, Cursor} = pando_read:open(Store, ":n/*", #{}),
    [
        ?assertError(of_mine, pando:fold(Store, ":n/*", fun(_, _, _) -> error(of_mine) end, 0))
     || _ <- lists:seq(1, 1100)
    ],
    ?assertMatch({[_ | _], _}, pando_read:next(Cursor)),
    ok = pando:stop(Store).

fill(Store, Count) ->
    Put = fun() -> [ok = pando_tx:put([n, integer_to_binary(N)], N) || N <- lists:seq(1, Count)] end,
    {ok, _} = pando:transaction(Store, Put),
    ok.

killed_while_folding(Dir) ->
    Store = started(Dir),
    fill(Store, 10000),
    OsPid = os_pid(Store),
    Fold = fun(_, _, Count) ->
        _ = Count =:= 0 andalso pando_port_fake:signal("KILL", OsPid),
        Count + 1
    end,
    ?assertMatch({error, _}, pando:fold(Store, ":n/*", Fold, 0)),
    await_running(Store),
    ?assertEqual({ok, 10000}, pando:count(Store, ":n/*")),
    ok = pando:stop(Store).

%%% Other virtual machines

other_machine_is_killed(Dir) ->
    pando_test_store:start_erl(?MODULE, main_killed, [Dir], fun(Erl) ->
        <<"open">> = pando_test_store:next_line(Erl),
        _ = pando_test_store:kill_erl(Erl),
        %% Its program may be at closing the store still.
        {ok, killed} = pando:start(Dir, #{cluster_name => killed, backend => port}),
        ?assertEqual({ok, 1}, pando:get(killed, [a])),
        ok = pando:stop(killed)
    end).

other_machine_has_it(Dir) ->
    pando_test_store:start_erl(?MODULE, main_killed, [Dir], fun(Erl) ->
        <<"open">> = pando_test_store:next_line(Erl),
        [
            ?assertMatch(
                {error, {pando, open_failed, #{kind := locked}}},
                pando:start(Dir, #{cluster_name => killed, backend => Backend})
            )
         || Backend <- [port, nif]
        ]
    end).

-spec main_killed([string()]) -> no_return().
main_killed([Dir]) ->
    {ok, killed} = pando:start(Dir, #{cluster_name => killed, backend => port}),
    ok = pando:put(killed, [a], 1),
    io:format("open~n"),
    receive
        never -> halt(0)
    end.

one_after_the_other(Dir) ->
    Store = new_name(),
    [
        begin
            {ok, Store} = pando:start(Dir, #{cluster_name => Store, backend => Backend}),
            ?assertMatch({ok, #{backend := Backend}}, pando_cluster:status(Store)),
            ?assertEqual({ok, N - 1}, pando:count(Store, "*")),
            ok = pando:put(Store, [integer_to_binary(N)], Backend),
            ok = pando:stop(Store)
        end
     || {N, Backend} <- [{1, nif}, {2, port}, {3, nif}, {4, port}]
    ].
