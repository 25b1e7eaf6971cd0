%% Transactions whose functions misbehave, whose callers die, or whose store goes: documented answers, others go on, and
%% nothing stays behind: no turn in a line, no bytes that wait, no tree, no message.
%%
%% What a transaction answers otherwise, and what it leaves in its process: pando_transaction_tests.
-module(pando_transaction_faults_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [
    cases/2, title/1, with_store/1, with_dir/1, new_name/0, await/1, quietly/1, parallel/2, stray_messages/0, drop_messages/0
]).
-import(pando_test_calls, [goes_on/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(TIMEOUT_S, 180).
-define(WAIT_MS, 60000).
-define(MIB, 1024 * 1024).

limit(Name) ->
    #{Name := Max} = pando_backend:limits(),
    Max.

exceeded(Limit) ->
    {error,
        {pando, limit_exceeded, #{limit => Limit, max => limit(atom_to_binary(Limit)), outcome => not_applied}}}.

elsewhere(Function) ->
    [Result] = parallel(1, fun(_) -> Function() end),
    Result.

%% Lets others run in the middle, so that many at once are in each other's way, and stand in line.
increment(Path) ->
    {ok, N} = pando_tx:get_or(Path, 0),
    true = erlang:yield(),
    pando_tx:put(Path, N + 1).

in_line(S) ->
    {ok, #{transactions_in_line := InLine}} = pando_backend:status(S),
    InLine.

%% Nobody stands in a line, nothing waits, and the store goes on.
is_at_rest(S) ->
    await(fun() ->
        {ok, #{transactions_in_line := InLine, waiting_size_bytes := Waiting}} = pando_backend:status(S),
        {InLine, Waiting} =:= {0, 0}
    end),
    goes_on(S).

kill({Pid, Monitor}) ->
    exit(Pid, kill),
    receive
        {'DOWN', Monitor, process, Pid, Reason} -> Reason
    end.

%% Far longer than any test; also when nobody kills it, because a test has failed.
hang() ->
    receive
        {?MODULE, never} -> ok
    after ?TIMEOUT_S * 1000 -> ok
    end.

next(Tag) ->
    receive
        {Tag, Message} -> Message
    after ?WAIT_MS -> error({no_message, Tag})
    end.

%% A process whose transaction hangs while it has its turn on [k]. It has lost its first attempt: [k] was incremented for that.
hold_turn(S) ->
    Me = self(),
    Runs = counters:new(1, []),
    Hang = fun() ->
        ok = counters:add(Runs, 1, 1),
        {ok, N} = pando_tx:get([k]),
        ok = pando_tx:put([k], N + 1),
        case counters:get(Runs, 1) of
            1 ->
                elsewhere(fun() -> pando:put(S, [k], N + 1) end);
            _ ->
                Me ! {has_turn, self()},
                hang()
        end
    end,
    Holder = {Pid, _} = spawn_monitor(fun() -> pando:transaction(S, Hang) end),
    Pid = next(has_turn),
    Holder.

%%% Functions that never return

never_returning_test_() ->
    cases(?TIMEOUT_S, [
        {"while it has its turn: others go on, and when it is killed its turn is given up", fun(S) ->
            ok = pando:put(S, [k], 0),
            [
                begin
                    Holder = hold_turn(S),
                    ?assert(in_line(S) > 0),
                    _ = parallel(8, fun(_) ->
                        [{ok, ok} = pando:transaction(S, fun() -> increment([k]) end) || _ <- lists:seq(1, 5)]
                    end),
                    ok = pando:put(S, [k, below], 1),
                    ?assertEqual(killed, kill(Holder)),
                    is_at_rest(S)
                end
             || _ <- lists:seq(1, 3)
            ],
            ?assertEqual({ok, 3 * (1 + 8 * 5)}, pando:get(S, [k]))
        end},
        {"killed as soon as it has its turn, again and again", fun(S) ->
            ok = pando:put(S, [k], 0),
            [killed = kill(hold_turn(S)) || _ <- lists:seq(1, 50)],
            is_at_rest(S),
            ?assertEqual({ok, 50}, pando:get(S, [k]))
        end},
        {"those who stand in line are killed: it is the next one's turn", fun(S) ->
            ok = pando:put(S, [k], 0),
            [
                begin
                    Callers = [
                        spawn_monitor(fun Again() ->
                            {ok, ok} = pando:transaction(S, fun() -> increment([k]) end),
                            Again()
                        end)
                     || _ <- lists:seq(1, 16)
                    ],
                    await(fun() -> in_line(S) > 1 end),
                    {First, Rest} = lists:split(12, Callers),
                    [killed = kill(Caller) || Caller <- First],
                    {ok, ok} = pando:transaction(S, fun() -> increment([k]) end),
                    [killed = kill(Caller) || Caller <- Rest],
                    is_at_rest(S)
                end
             || _ <- lists:seq(1, 25)
            ]
        end},
        {"trees that killed ones have held are let go", fun trees_are_let_go/1}
    ]).

-define(HELD, 16).
-define(HELD_SIZE_BYTES, (8 * ?MIB)).

%% Each holds a tree of its own with a large value, which the next one replaces.
trees_are_let_go(S) ->
    Me = self(),
    ok = pando:put(S, [walked, a], 1),
    Hangs = [
        {ro, fun() -> true = pando_tx:exists([large]), Me ! {inside, self()}, hang() end},
        {rw, fun() -> ok = pando_tx:put([k], 1), Me ! {inside, self()}, hang() end},
        {ro, fun() -> pando_tx:foreach("/:walked/*", fun(_, _) -> Me ! {inside, self()}, hang() end) end},
        {rw, fun() -> pando_tx:foreach("/:walked/*", fun(_, _) -> Me ! {inside, self()}, hang() end) end}
    ],
    Holders = [
        begin
            ok = pando:put(S, [large], binary:copy(<<N:64>>, ?HELD_SIZE_BYTES div 8)),
            {Mode, Hang} = lists:nth(N rem length(Hangs) + 1, Hangs),
            Holder = {Pid, _} = spawn_monitor(fun() -> pando:transaction(S, Hang, Mode) end),
            Pid = next(inside),
            Holder
        end
     || N <- lists:seq(1, ?HELD)
    ],
    ok = pando:put(S, [large], small),
    ok = give_back_memory(S),
    Held = pando_test_threads:resident_size_bytes(),
    [killed = kill(Holder) || Holder <- Holders],
    await(fun() ->
        ok = give_back_memory(S),
        pando_test_threads:resident_size_bytes() < Held - ?HELD * ?HELD_SIZE_BYTES * 3 div 4
    end),
    is_at_rest(S).

%% What was freed goes back to the operating system when so many nodes were removed at once.
give_back_memory(S) ->
    _ = erlang:garbage_collect(),
    {ok, _} = pando:transaction(S, #{commands => [{put, [gone, <<N:16>>], N} || N <- lists:seq(1, 10_100)]}),
    ok = pando:delete(S, [gone]).

%%% What is large

large_test_() ->
    cases(?TIMEOUT_S, [
        {"a value of 10 MB is returned, and not kept for a request id", fun(S) ->
            Large = binary:copy(<<"0123456789">>, 1_000_000),
            Runs = counters:new(1, []),
            Return = fun() ->
                ok = counters:add(Runs, 1, 1),
                ok = increment([k]),
                {Large, lists:seq(1, 1000)}
            end,
            Value = {ok, {Large, lists:seq(1, 1000)}},
            ?assert(pando:transaction(S, Return) =:= Value),
            ?assert(pando:transaction(S, Return, rw, #{timeout => ?WAIT_MS}) =:= Value),
            Id = #{request_id => <<"large">>},
            ?assert(pando:transaction(S, Return, Id) =:= Value),
            [
                ?assertEqual({error, {pando, answer_not_kept, #{outcome => applied}}}, pando:transaction(S, Return, Id))
             || _ <- lists:seq(1, 3)
            ],
            ?assertEqual({3, {ok, 3}}, {counters:get(Runs, 1), pando:get(S, [k])}),
            is_at_rest(S)
        end},
        {"as many nodes as one may write: others go on meanwhile, and it is there after a restart", fun(S) ->
            Max = limit(<<"transaction_commands_max">>),
            {Other, Monitor} = spawn_monitor(fun() -> exit({puts, put_until_told(S, 0)}) end),
            ?assertEqual({ok, Max}, pando:transaction(S, fun() -> write_nodes(Max) end)),
            Other ! stop,
            receive
                {'DOWN', Monitor, process, Other, {puts, Puts}} -> ?assert(Puts > 0)
            end,
            ?assertEqual({ok, Max}, pando:count(S, "/:n/*")),
            ?assertEqual({ok, Max}, pando:get(S, [n, <<Max:32>>])),
            is_at_rest(S)
        end},
        {"one more: nothing is written, whatever the function makes of the answer", fun(S) ->
            Max = limit(<<"transaction_commands_max">>),
            Error = exceeded(transaction_commands_max),
            ok = pando:put(S, [k], 1),
            Over = fun() ->
                Max = write_nodes(Max),
                Error = pando_tx:put([n, one_more], 1),
                %% It stays so, also for what is small, and it can still read.
                Error = pando_tx:delete([k]),
                {ok, 1} = pando_tx:get([k]),
                fine
            end,
            ?assertEqual(Error, pando:transaction(S, Over)),
            ?assertEqual(Error, pando:transaction(S, Over, #{request_id => <<"over">>, timeout => ?WAIT_MS})),
            ?assertEqual({ok, #{[k] => 1}}, pando:get_many(S, "**")),
            %% What is not applied is not kept: the id is free.
            ?assertEqual({ok, ok}, pando:transaction(S, fun() -> pando_tx:put([k], 2) end, #{request_id => <<"over">>})),
            is_at_rest(S)
        end},
        {"commands of more than 64 MiB together", fun(S) ->
            Mib = binary:copy(<<"x">>, ?MIB),
            Write = fun(Count) -> [pando_tx:put([n, <<N>>], {N, Mib}) || N <- lists:seq(1, Count)] end,
            Error = exceeded(transaction_size_bytes_max),
            ?assertEqual(Error, pando:transaction(S, Write, [65])),
            ?assertEqual(Error, pando:transaction(S, fun() -> lists:last(Write(65)) =:= Error orelse error(no_error) end)),
            ?assertEqual(true, pando:is_empty(S)),
            ?assertEqual({ok, lists:duplicate(63, ok)}, pando:transaction(S, Write, [63])),
            ?assertEqual({ok, 63}, pando:count(S, "/:n/*")),
            is_at_rest(S)
        end},
        {"answers count, too: values that are read by replacing them", fun(S) ->
            Mib = binary:copy(<<"x">>, ?MIB),
            ok = pando:put(S, [k], Mib),
            Swap = fun(Count) -> [pando_tx_adv:put([k], {N, Mib}) || N <- lists:seq(1, Count)] end,
            ?assertEqual(exceeded(transaction_size_bytes_max), pando:transaction(S, Swap, [65])),
            ?assertEqual({ok, #{[k] => #{data => Mib, payload_version => 1}}}, pando_adv:get(S, [k])),
            is_at_rest(S)
        end}
    ]).

write_nodes(Count) ->
    [ok = pando_tx:put([n, <<N:32>>], N) || N <- lists:seq(1, Count)],
    Count.

put_until_told(S, N) ->
    ok = pando:put(S, [other], N),
    receive
        stop -> N
    after 0 -> put_until_told(S, N + 1)
    end.

many_reads_test_() ->
    Max = limit(<<"transaction_scopes_max">>),
    cases(?TIMEOUT_S, [
        {title({Reads, things, read, Runs, runs}), fun(S) ->
            {ok, _} = pando:transaction(S, #{commands => [{put, [n, <<N:32>>], N} || N <- lists:seq(1, Max + 1)]}),
            Ran = counters:new(1, []),
            Sum = fun() ->
                ok = counters:add(Ran, 1, 1),
                Total = lists:foldl(
                    fun(N, Acc) ->
                        {ok, Value} = pando_tx:get([n, <<N:32>>]),
                        Acc + Value
                    end,
                    0,
                    lists:seq(1, Reads)
                ),
                _ = counters:get(Ran, 1) > 1 orelse elsewhere(fun() -> pando:put(S, [not_read], 1) end),
                ok = pando_tx:put([total], Total),
                Total
            end,
            Total = Reads * (Reads + 1) div 2,
            ?assertEqual({{ok, Total}, Runs}, {pando:transaction(S, Sum), counters:get(Ran, 1)}),
            ?assertEqual({ok, Total}, pando:get(S, [total])),
            is_at_rest(S)
        end}
        %% The one that is written is something read, too: it answers as it would for that node.
     || {Reads, Runs} <- [{Max - 10, 1}, {Max + 1, 2}]
    ]) ++
        cases(?TIMEOUT_S, [
            {"names of tens of KiB, many of them read: the transaction goes through, and the store goes on", fun(S) ->
                Read = fun() ->
                    [false = pando_tx:exists([binary:copy(<<N:32>>, 16000)]) || N <- lists:seq(1, 4500)],
                    pando_tx:put([k], read)
                end,
                ?assertEqual({ok, ok}, pando:transaction(S, Read)),
                ?assertEqual({ok, read}, pando:get(S, [k])),
                is_at_rest(S)
            end},
            {"one pattern that matches more than may be noted one by one is one thing read", fun(S) ->
                Count = Max + 1,
                {ok, _} = pando:transaction(S, #{commands => [{put, [n, <<N:32>>], N} || N <- lists:seq(1, Count)]}),
                Ran = counters:new(1, []),
                Read = fun() ->
                    ok = counters:add(Ran, 1, 1),
                    {ok, Found} = pando_tx:get_many("/:n/*"),
                    _ = counters:get(Ran, 1) > 1 orelse elsewhere(fun() -> pando:put(S, [not_read], 1) end),
                    ok = pando_tx:put([total], maps:size(Found)),
                    maps:size(Found)
                end,
                ?assertEqual({{ok, Count}, 1}, {pando:transaction(S, Read), counters:get(Ran, 1)})
            end}
        ]).

recursion_test_() ->
    Depth = 2000,
    cases(?TIMEOUT_S, [
        {"transactions of mode ro nested deep, and one that writes in the innermost", fun(S) ->
            Nest = fun
                Nest(0) ->
                    {ok, ok} = pando:transaction(S, fun() -> pando_tx:put([k], innermost) end),
                    0;
                Nest(N) ->
                    {ok, Inner} = pando:transaction(S, Nest, [N - 1], ro),
                    %% Each has its own moment.
                    {ok, none} = pando_tx:get_or([k], none),
                    Inner + 1
            end,
            ?assertEqual({ok, Depth}, pando:transaction(S, Nest, [Depth], ro)),
            ?assertEqual({ok, innermost}, pando:get(S, [k])),
            ?assertEqual(undefined, get('$pando_transaction')),
            is_at_rest(S)
        end},
        {"an exception from the innermost passes through all", fun(S) ->
            Nest = fun
                Nest(0) -> throw(innermost);
                Nest(N) -> pando:transaction(S, Nest, [N - 1], ro)
            end,
            ?assertThrow(innermost, pando:transaction(S, Nest, [Depth], ro)),
            ?assertEqual(undefined, get('$pando_transaction')),
            is_at_rest(S)
        end},
        {"endless recursion of one that may write ends at once", fun(S) ->
            Endless = fun Endless() ->
                ok = increment([k]),
                pando:transaction(S, Endless)
            end,
            ?assertError({pando_ex, failed_to_prepare_tx_fun, _}, pando:transaction(S, Endless)),
            ?assertEqual(false, pando:exists(S, [k])),
            is_at_rest(S)
        end}
    ]).

%%% Callers that are killed

-define(VICTIMS, 8).
-define(ROUNDS, 40).

killed_at_any_moment_test_() ->
    cases(?TIMEOUT_S, [
        {"what was acknowledged is there, and of the rest at most the one that was under way", fun(S) ->
            Acknowledged = counters:new(?VICTIMS, []),
            Work = fun(N) ->
                {ok, ok} = pando:transaction(S, fun() ->
                    ok = increment([hot]),
                    increment([own, <<N>>])
                end),
                counters:add(Acknowledged, N, 1)
            end,
            ok = kill_again_and_again(S, Work),
            Own = [value(S, [own, <<N>>]) - counters:get(Acknowledged, N) || N <- lists:seq(1, ?VICTIMS)],
            [?assert(Unknown >= 0 andalso Unknown =< ?ROUNDS) || Unknown <- Own],
            %% Each is done as a whole.
            ?assertEqual(value(S, [hot]), lists:sum([value(S, [own, <<N>>]) || N <- lists:seq(1, ?VICTIMS)])),
            ?assert(value(S, [hot]) > 0)
        end},
        {"sent again with its request id each is done exactly once", fun(S) ->
            Begun = counters:new(?VICTIMS, []),
            Increment = fun(N, Number) ->
                Id = <<N, Number:64>>,
                {ok, Number} = pando:transaction(
                    S,
                    fun() ->
                        ok = increment([hot]),
                        ok = increment([own, <<N>>]),
                        {ok, Now} = pando_tx:get([own, <<N>>]),
                        Now
                    end,
                    #{request_id => Id}
                )
            end,
            Work = fun(N) ->
                %% The one that the victim before this one may not have finished is sent again.
                Last = counters:get(Begun, N),
                _ = Last =:= 0 orelse Increment(N, Last),
                ok = counters:add(Begun, N, 1),
                Increment(N, Last + 1)
            end,
            ok = kill_again_and_again(S, Work),
            [Last > 0 andalso Increment(N, Last) || N <- lists:seq(1, ?VICTIMS), Last <- [counters:get(Begun, N)]],
            [?assertEqual({N, counters:get(Begun, N)}, {N, value(S, [own, <<N>>])}) || N <- lists:seq(1, ?VICTIMS)],
            ?assertEqual(value(S, [hot]), lists:sum([value(S, [own, <<N>>]) || N <- lists:seq(1, ?VICTIMS)]))
        end}
    ]).

value(S, Path) ->
    {ok, Value} = pando:get_or(S, Path, 0),
    Value.

%% `Work(N)' over and over in a process for each N, which is killed at some moment, in each round.
kill_again_and_again(S, Work) ->
    _ = rand:seed(exsss, {3, 1, 4}),
    [
        begin
            Victims = [
                spawn_monitor(fun Again() ->
                    _ = Work(N),
                    Again()
                end)
             || N <- lists:seq(1, ?VICTIMS)
            ],
            {ok, #{applied_index := Index}} = pando_backend:status(S),
            await(fun() ->
                {ok, #{applied_index := Now}} = pando_backend:status(S),
                Now > Index + rand:uniform(20)
            end),
            [
                begin
                    _ = [erlang:yield() || _ <- lists:seq(1, rand:uniform(200))],
                    killed = kill(Victim)
                end
             || Victim <- Victims
            ]
        end
     || _ <- lists:seq(1, ?ROUNDS)
    ],
    ok = pando:fence(S),
    is_at_rest(S).

%%% Stores that go while transactions are open

%% {Name, what happens to the store, whether its data stays}. Afterwards it runs again.
faults() ->
    [
        {stopped, fun(Dir, S) -> ok = pando:stop(S), start_again(Dir, S) end, true},
        {reset, fun(Dir, S) -> ok = pando:reset(S), start_again(Dir, S) end, false}
        | [{{halted, Thread}, fun(_Dir, S) -> halt_thread(S, Thread) end, true} || Thread <- [ingest, apply, log, reply]]
    ].

start_again(Dir, S) ->
    {ok, S} = pando:start(Dir, S),
    ok.

halt_thread(S, Thread) ->
    Server = whereis(S),
    Monitor = monitor(process, Server),
    ok = pando_backend:provoke_panic(S, Thread),
    receive
        {'DOWN', Monitor, process, Server, _} -> ok
    end,
    await(fun() -> is_pid(whereis(S)) andalso pando_cluster:is_store_running(S) end).

with_started(Test) ->
    with_dir(fun(Dir) ->
        S = new_name(),
        {ok, S} = pando:start(Dir, S),
        try
            quietly(fun() -> Test(Dir, S) end)
        after
            ok = pando:stop(S)
        end
    end).

is_documented({error, noproc}) -> true;
is_documented({error, {pando, Name, #{outcome := Outcome, reason := Reason}}}) ->
    is_binary(Reason) andalso lists:member(Name, [store_halted, store_closed]) andalso
        lists:member(Outcome, [unknown, not_applied]);
is_documented(_) -> false.

a_store_that_goes_while_a_function_runs_test_() ->
    Before = [
        {nothing, fun() -> ok end},
        {reads, fun() -> pando_tx:get([k]) end},
        {writes, fun() -> pando_tx:put([k], lost) end},
        {walks, fun() -> pando_tx:get_many("**") end}
    ],
    [
        {title({Name, when_it, What}), {timeout, ?TIMEOUT_S, fun() ->
            with_started(fun(Dir, S) ->
                ok = pando:put(S, [k], 1),
                Runs = counters:new(1, []),
                Result = pando:transaction(S, fun() ->
                    ok = counters:add(Runs, 1, 1),
                    _ = First(),
                    ok = elsewhere(fun() -> Fault(Dir, S) end),
                    %% What these answer is the function's own affair; they answer.
                    _ = [Call() || Call <- calls_inside()],
                    pando_tx:put([k], lost)
                end),
                ?assertEqual({true, Result}, {is_documented(Result), Result}),
                ?assertEqual(1, counters:get(Runs, 1)),
                ?assertEqual({messages, []}, process_info(self(), messages)),
                Expected = case Stays of true -> {ok, 1}; false -> {ok, none} end,
                ?assertEqual(Expected, pando:get_or(S, [k], none)),
                %% The same caller goes on with the store that is there now.
                ?assertEqual({ok, ok}, pando:transaction(S, fun() -> pando_tx:put([k], again) end)),
                ?assertEqual({ok, again}, pando:get(S, [k])),
                is_at_rest(S)
            end)
        end}}
     || {Name, Fault, Stays} <- faults(), {What, First} <- Before
    ].

calls_inside() ->
    [
        fun() -> {_, _} = pando_tx:get([k]) end,
        fun() -> {_, _} = pando_tx:get([#if_all{conditions = [k, #if_has_data{}]}]) end,
        fun() -> {_, _} = pando_tx:get_many("**") end,
        fun() -> {_, _} = pando_tx:count("**") end,
        fun() -> exists_or_error(pando_tx:exists([k])) end,
        fun() -> exists_or_error(pando_tx:has_data([k])) end,
        fun() -> ok_or_error(pando_tx:put([other], lost)) end,
        fun() -> {_, _} = pando_tx_adv:put_many("*", lost) end,
        fun() -> ok_or_error(pando_tx:delete([k])) end
    ].

exists_or_error(Boolean) when is_boolean(Boolean) -> ok;
exists_or_error({error, noproc}) -> ok.

ok_or_error(ok) -> ok;
ok_or_error({error, noproc}) -> ok.

a_read_only_one_test_() ->
    [
        {title({Name, under, a, read, only, transaction}), {timeout, ?TIMEOUT_S, fun() ->
            with_started(fun(Dir, S) ->
                ok = pando:put(S, [k], 1),
                Read = fun() ->
                    First = pando_tx:get([k]),
                    ok = elsewhere(fun() -> Fault(Dir, S) end),
                    {First, pando_tx:get([k]), pando_tx:get_many("*")}
                end,
                {ok, {First, Second, Walked}} = pando:transaction(S, Read, ro),
                ?assertEqual({ok, 1}, First),
                %% Its tree is still there, unless it has gone with the program of the store.
                Seconds = [{error, noproc} || pando_backend:configured() =:= port],
                ?assert(lists:member(Second, [{ok, 1} | Seconds])),
                ?assert(lists:member(Walked, [{ok, #{[k] => 1}}, {error, noproc}])),
                ?assertEqual({messages, []}, process_info(self(), messages)),
                is_at_rest(S)
            end)
        end}}
     || {Name, Fault, _} <- faults()
    ].

a_store_that_goes_while_one_has_its_turn_test_() ->
    [
        {title({Name, while_one_has_its_turn}), {timeout, ?TIMEOUT_S, fun() ->
            with_started(fun(Dir, S) ->
                ok = pando:put(S, [k], 0),
                Holder = hold_turn(S),
                ok = Fault(Dir, S),
                %% Its turn was in the store that has gone.
                is_at_rest(S),
                ?assertEqual({ok, ok}, pando:transaction(S, fun() -> increment([k]) end)),
                killed = kill(Holder),
                is_at_rest(S)
            end)
        end}}
     || {Name, Fault, _} <- faults()
    ].

-define(CALLERS, 32).

a_store_that_goes_under_load_test_() ->
    [
        {title({Name, under, load}), {timeout, ?TIMEOUT_S, fun() ->
            with_started(fun(Dir, S) -> goes_under_load(S, fun() -> Fault(Dir, S) end, Stays) end)
        end}}
     || {Name, Fault, Stays} <- faults()
    ].

%% All stand in line for one node when the store goes, and go on when it is there again.
goes_under_load(S, Fault, Stays) ->
    ok = pando:put(S, [hot], 0),
    Me = self(),
    Callers = [
        spawn_monitor(fun() ->
            Result = work_until_told(S, N, Me, #{acknowledged => 0, unknown => 0, errors => []}),
            exit({done, N, Result, stray_messages(), process_info(self(), messages)})
        end)
     || N <- lists:seq(1, ?CALLERS)
    ],
    [next(working) || _ <- Callers],
    ok = Fault(),
    %% All work again before they are told to stop.
    [Pid ! {tell, Me} || {Pid, _} <- Callers],
    [next(works_again) || _ <- Callers],
    [Pid ! stop || {Pid, _} <- Callers],
    Ends = [
        receive
            {'DOWN', Monitor, process, Pid, {done, N, Result, Stray, Messages}} ->
                ?assertEqual({[], {messages, []}}, {Stray, Messages}),
                {N, Result};
            {'DOWN', Monitor, process, Pid, Reason} ->
                error(Reason)
        end
     || {Pid, Monitor} <- Callers
    ],
    Errors = lists:usort(lists:append([Errors || {_, #{errors := Errors}} <- Ends])),
    ?assertEqual([], [Error || Error <- Errors, not is_documented(Error)]),
    Own = [{value(S, [own, <<N>>]), Result} || {N, Result} <- Ends],
    ?assertEqual(value(S, [hot]), lists:sum([Value || {Value, _} <- Own])),
    [
        ?assert(Value =< Acknowledged + Unknown andalso (Value >= Acknowledged orelse not Stays))
     || {Value, #{acknowledged := Acknowledged, unknown := Unknown}} <- Own
    ],
    is_at_rest(S).

work_until_told(S, N, Main, Result) ->
    #{acknowledged := Acknowledged, unknown := Unknown, errors := Errors} = Result,
    Increment = fun() ->
        case pando_tx:get_or([hot], 0) of
            {ok, Hot} ->
                _ = pando_tx:put([hot], Hot + 1),
                case pando_tx:get_or([own, <<N>>], 0) of
                    {ok, Own} -> pando_tx:put([own, <<N>>], Own + 1);
                    {error, Reason} -> pando_tx:abort(Reason)
                end;
            {error, Reason} ->
                pando_tx:abort(Reason)
        end
    end,
    Answer = pando:transaction(S, Increment),
    Next =
        case Answer of
            {ok, ok} ->
                _ = Acknowledged =:= 2 andalso (Main ! {working, N}),
                Result#{acknowledged := Acknowledged + 1};
            {error, {pando, _, #{outcome := unknown}}} ->
                Result#{unknown := Unknown + 1, errors := lists:usort([Answer | Errors])};
            _ ->
                %% Not to be asked again a million times a second.
                receive after 1 -> ok end,
                Result#{errors := lists:usort([Answer | Errors])}
        end,
    receive
        stop ->
            Next;
        {tell, Main} when Answer =:= {ok, ok} ->
            Main ! {works_again, N},
            work_until_told(S, N, Main, Next)
    after 0 ->
        work_until_told(S, N, Main, Next)
    end.

%%% Time-outs

timeouts_in_line_and_at_commit_test_() ->
    cases(?TIMEOUT_S, [
        {"on a hot node: an answer or a timeout, no message later, and the count fits", fun(S) ->
            ok = pando:put(S, [k], 0),
            Phase = fun(N) ->
                _ = rand:seed(exsss, {N, 2, 3}),
                Answers = [
                    pando:transaction(
                        S,
                        fun() ->
                            ok = increment([k]),
                            %% Some dawdle while it is their turn.
                            rand:uniform(4) =:= 1 andalso receive after 2 -> ok end
                        end,
                        #{timeout => rand:uniform(12)}
                    )
                 || _ <- lists:seq(1, 50)
                ],
                %% All that was sent before is here after this.
                ok = pando:fence(S),
                {Answers, process_info(self(), messages)}
            end,
            Results = parallel(64, Phase),
            ?assertEqual([{messages, []}], lists:usort([Messages || {_, Messages} <- Results])),
            Answers = lists:append([A || {A, _} <- Results]),
            Kinds = lists:usort([case Answer of {ok, _} -> ok; _ -> Answer end || Answer <- Answers]),
            ?assertEqual([ok, {error, timeout}], Kinds),
            {ok, Value} = pando:get(S, [k]),
            Done = length([ok || {ok, _} <- Answers]),
            ?assert(Value >= Done andalso Value =< length(Answers)),
            is_at_rest(S)
        end},
        {"in line behind one that never returns", fun(S) ->
            ok = pando:put(S, [k], 0),
            Holder = hold_turn(S),
            Results = parallel(16, fun(_) ->
                Answers = [
                    %% The last ones wait until they have waited long enough, and go on without a turn.
                    pando:transaction(S, fun() -> increment([k]) end, #{timeout => Timeout})
                 || Timeout <- [1, 5, 20, 1, 5, infinity, infinity]
                ],
                ?assertEqual([{ok, ok}, {ok, ok}], lists:nthtail(5, Answers)),
                ok = pando:fence(S),
                {Answers, process_info(self(), messages)}
            end),
            [
                ?assertEqual({[], {messages, []}}, {lists:usort(Answers) -- [{ok, ok}, {error, timeout}], Messages})
             || {Answers, Messages} <- Results
            ],
            killed = kill(Holder),
            is_at_rest(S)
        end},
        {"at the commit, behind much that waits", fun(S) ->
            Large = binary:copy(<<"x">>, 4 * ?MIB),
            Answers = [
                begin
                    ok = pando:put(S, [large], {N, Large}, #{async => true}),
                    pando:transaction(S, fun() -> increment([k]) end, #{timeout => 1})
                end
             || N <- lists:seq(1, 20)
            ],
            ?assertEqual([], lists:usort(Answers) -- [{ok, ok}, {error, timeout}]),
            ?assert(lists:member({error, timeout}, Answers)),
            ok = pando:fence(S),
            ?assertEqual({messages, []}, process_info(self(), messages)),
            {ok, Value} = pando:get_or(S, [k], 0),
            ?assert(Value >= length([ok || {ok, ok} <- Answers])),
            is_at_rest(S)
        end}
    ]).

%%% Fairness

fairness_test_() ->
    Callers = 128,
    Total = 20_000,
    cases(?TIMEOUT_S, [
        {"128 callers on one node: the slowest has at least a quarter of the median's successes, " ++ Title, fun(S) ->
            ok = pando:put(S, [k], 0),
            Successes = counters:new(1, []),
            Gate = spawn_link(fun() -> gate(Callers, []) end),
            Each = parallel(Callers, fun(_) ->
                ok = through(Gate),
                succeed_until(S, Work, Successes, Total, 0)
            end),
            Sorted = lists:sort(Each),
            Median = lists:nth(Callers div 2, Sorted),
            ?assertEqual({true, hd(Sorted), Median}, {hd(Sorted) * 4 >= Median, hd(Sorted), Median}),
            ?assertEqual({ok, lists:sum(Each)}, pando:get(S, [k])),
            is_at_rest(S)
        end}
     || {Title, Work} <- [
            {"in one go", fun() ->
                {ok, N} = pando_tx:get([k]),
                pando_tx:put([k], N + 1)
            end},
            {"interrupted by the others", fun() -> increment([k]) end}
        ]
    ]) ++
    cases(?TIMEOUT_S, [
        {"quick functions and slow ones on one node: all finish", fun(S) ->
            ok = pando:put(S, [k], 0),
            Work = fun(N) ->
                [
                    {ok, ok} = pando:transaction(S, fun() ->
                        {ok, Value} = pando_tx:get([k]),
                        N rem 4 =:= 0 andalso receive after 5 -> ok end,
                        pando_tx:put([k], Value + 1)
                    end)
                 || _ <- lists:seq(1, 20)
                ]
            end,
            _ = parallel(32, Work),
            ?assertEqual({ok, 32 * 20}, pando:get(S, [k])),
            is_at_rest(S)
        end},
        {"transactions and puts that nobody stands in line for, on one node: all finish", fun(S) ->
            ok = pando:put(S, [k], {0, 0}),
            _ = parallel(16, fun
                (N) when N > 12 ->
                    [ok = pando:put(S, [k], {N, M}) || M <- lists:seq(1, 200)];
                (_) ->
                    [
                        {ok, ok} = pando:transaction(S, fun() ->
                            {ok, {A, B}} = pando_tx:get([k]),
                            ok = pando_tx:put([k], {A, B + 1}),
                            increment([done])
                        end)
                     || _ <- lists:seq(1, 50)
                    ]
            end),
            ?assertEqual({ok, 12 * 50}, pando:get(S, [done])),
            is_at_rest(S)
        end}
    ]).

%% Lets all go when all are there.
gate(0, Waiting) -> [Pid ! {Reference, go} || {Pid, Reference} <- Waiting];
gate(Count, Waiting) -> receive {wait, Who} -> gate(Count - 1, [Who | Waiting]) end.

through(Gate) ->
    Reference = make_ref(),
    Gate ! {wait, {self(), Reference}},
    receive
        {Reference, go} -> ok
    end.

succeed_until(S, Work, Successes, Total, Own) ->
    case counters:get(Successes, 1) >= Total of
        true ->
            Own;
        false ->
            {ok, ok} = pando:transaction(S, Work),
            ok = counters:add(Successes, 1, 1),
            succeed_until(S, Work, Successes, Total, Own + 1)
    end.

%%% Hostile functions

hostile_test_() ->
    Misuse = fun(Call) ->
        try
            Call()
        catch
            error:{pando_ex, Name, _} -> Name
        end
    end,
    Outside = invalid_use_of_pando_tx_outside_transaction,
    cases(?TIMEOUT_S, [
        {"one that erases the process dictionary is outside of its transaction, which goes on", fun(S) ->
            F = fun() ->
                ok = pando_tx:put([k], 1),
                _ = erase(),
                [Misuse(fun() -> pando_tx:get([k]) end), Misuse(fun() -> pando_tx:put([k], 2) end)]
            end,
            Outer = fun() ->
                ok = pando_tx:put([outer], 1),
                with_store(fun(Other) -> {ok, [_, _]} = pando:transaction(Other, F) end),
                true = pando_tx:is_transaction(),
                pando_tx:put([outer], 2)
            end,
            %% In a process of its own: EUnit keeps things in the dictionary.
            ?assertEqual({ok, [Outside, Outside]}, elsewhere(fun() -> pando:transaction(S, F) end)),
            ?assertEqual({ok, ok}, elsewhere(fun() -> pando:transaction(S, Outer) end)),
            ?assertEqual({ok, #{[k] => 1, [outer] => 2}}, pando:get_many(S, "**")),
            is_at_rest(S)
        end},
        {"one that keeps what it has found in the dictionary has nothing of it afterwards", fun(S) ->
            [
                elsewhere(fun() ->
                    End = fun() ->
                        case How of
                            committed -> pando_tx:put([k], 1);
                            closed -> pando_tx:abort(closed)
                        end
                    end,
                    Me = self(),
                    _ = pando:transaction(S, fun() ->
                        _ = pando_tx:get([k]),
                        Me ! {kept, get('$pando_transaction')},
                        End()
                    end, Mode),
                    Tree = pando:get_many(S, "**"),
                    _ = put('$pando_transaction', next(kept)),
                    Answers = [catch Call() || Call <- calls_inside()],
                    _ = erase('$pando_transaction'),
                    [
                        ?assertMatch({Mode, How, {error, noproc}}, {Mode, How, Answer})
                     || Answer <- Answers, is_tuple(Answer), element(1, Answer) =/= 'EXIT'
                    ],
                    ?assertEqual(Tree, pando:get_many(S, "**")),
                    ?assertEqual({messages, []}, process_info(self(), messages))
                end)
             || {Mode, How} <- [{rw, committed}, {rw, closed}, {ro, closed}]
            ],
            is_at_rest(S)
        end},
        {"one that gives it to many processes: whatever they do, the store goes on", fun(S) ->
            ok = pando:put(S, [k], 0),
            Result = pando:transaction(S, fun() ->
                _ = pando_tx:get([k]),
                Running = get('$pando_transaction'),
                _ = parallel(8, fun(_) ->
                    _ = put('$pando_transaction', Running),
                    [catch Call() || _ <- lists:seq(1, 100), Call <- calls_inside()]
                end),
                given
            end),
            ?assertEqual({ok, given}, Result),
            is_at_rest(S)
        end},
        {"after_commit runs outside: pando_tx is misuse there", fun(S) ->
            Me = self(),
            {ok, ok} = pando:transaction(S, fun() ->
                ok = pando_tx:after_commit(fun() ->
                    Me ! {after_commit, [Misuse(Call) || Call <- [
                        fun() -> pando_tx:get([k]) end, fun() -> pando_tx:put([k], 2) end, fun() -> pando_tx:abort(no) end,
                        fun() -> pando_tx:after_commit(fun() -> ok end) end
                    ]]}
                end),
                pando_tx:put([k], 1)
            end),
            ?assertEqual([Outside, Outside, Outside, Outside], next(after_commit)),
            ?assertEqual({ok, 1}, pando:get(S, [k]))
        end},
        {"messages that look like ours stay where they are, and are not taken for ours", fun(S) ->
            Fakes = [
                {pando_reply, make_ref(), ok}, {pando_reply, make_ref(), {conflict, [k]}}, {pando_reply, foo, ok},
                {pando_reply, make_ref(), {error, noproc}}, {pando_closed, S}, pando_reply
            ],
            Runs = counters:new(1, []),
            Lost = fun() ->
                ok = counters:add(Runs, 1, 1),
                ok = increment([k]),
                [self() ! Fake || Fake <- Fakes, counters:get(Runs, 1) < 3],
                counters:get(Runs, 1) < 3 andalso elsewhere(fun() -> pando:put(S, [k], counters:get(Runs, 1) * 10) end)
            end,
            ?assertEqual({ok, false}, pando:transaction(S, Lost, #{timeout => ?WAIT_MS})),
            ?assertEqual({messages, Fakes ++ Fakes}, process_info(self(), messages)),
            ok = drop_messages(),
            ?assertEqual({ok, 21}, pando:get(S, [k])),
            is_at_rest(S)
        end},
        {"one that receives whatever is there finds nothing of ours", fun(S) ->
            ok = pando:put(S, [k], 0),
            Found = parallel(16, fun(_) ->
                [
                    begin
                        {ok, Messages} = pando:transaction(S, fun() ->
                            First = received(),
                            ok = increment([k]),
                            First ++ received()
                        end),
                        Messages
                    end
                 || _ <- lists:seq(1, 100)
                ]
            end),
            ?assertEqual([], lists:append(lists:append(Found))),
            ?assertEqual({ok, 1600}, pando:get(S, [k])),
            is_at_rest(S)
        end},
        {"one that changes its process: group leader, trapping of exits, links, priority", fun(S) ->
            Change = fun() ->
                Sink = spawn(fun hang/0),
                true = group_leader(Sink, self()),
                _ = process_flag(trap_exit, true),
                _ = process_flag(priority, low),
                ok = increment([k]),
                Linked = spawn_link(fun() -> exit(linked) end),
                receive
                    {'EXIT', Linked, linked} -> ok
                end,
                link(Sink),
                ok = increment([k]),
                Sink
            end,
            elsewhere(fun() ->
                {ok, Sink} = pando:transaction(S, Change),
                {ok, ok} = pando:transaction(S, fun() -> increment([k]) end),
                exit(Sink, kill),
                receive
                    {'EXIT', Sink, killed} -> ok
                end,
                ?assertEqual({messages, []}, process_info(self(), messages))
            end),
            ?assertEqual({ok, 3}, pando:get(S, [k])),
            is_at_rest(S)
        end},
        {"one whose process dies of a link while it runs", fun(S) ->
            {_, Monitor} = spawn_monitor(fun() ->
                pando:transaction(S, fun() ->
                    ok = increment([k]),
                    _ = spawn_link(fun() -> exit(linked) end),
                    hang()
                end)
            end),
            receive
                {'DOWN', Monitor, process, _, Reason} -> ?assertEqual(linked, Reason)
            end,
            ?assertEqual(false, pando:exists(S, [k])),
            is_at_rest(S)
        end}
    ]).

received() ->
    receive
        Message -> [Message | received()]
    after 0 -> []
    end.

%% As in pando, whatever is wrong.
wrong_arguments_test_() ->
    Calls = maps:groups_from_list(fun({Function, _}) -> Function end, fun({_, Arguments}) -> Arguments end, wrong_calls()),
    cases(?TIMEOUT_S, [
        {title(Function), fun(S) ->
            ok = pando:put(S, [k], 1),
            lists:foreach(fun(Arguments) -> is_as_wrong(S, Function, Arguments) end, Each)
        end}
     || {Function, Each} <- lists:sort(maps:to_list(Calls))
    ]).

is_as_wrong(S, Function, Arguments) ->
    Expected = answer(fun() -> apply(pando, Function, [S | Arguments]) end),
    ?assertMatch({Arguments, {raised, _, _}}, {Arguments, Expected}),
    Inside = fun() ->
        Answer = answer(fun() -> apply(pando_tx, Function, Arguments) end),
        ok = pando_tx:put([k], 2),
        Answer
    end,
    ?assertEqual({Arguments, {ok, Expected}}, {Arguments, pando:transaction(S, Inside)}),
    %% Not caught, it is the transaction that raises it, and nothing is written.
    Raising = fun() ->
        ok = pando_tx:put([k], 3),
        apply(pando_tx, Function, Arguments)
    end,
    ?assertEqual({Arguments, Expected}, {Arguments, answer(fun() -> pando:transaction(S, Raising) end)}),
    ?assertEqual({ok, 2}, pando:get(S, [k])).

answer(Call) ->
    try
        {returned, Call()}
    catch
        Class:Reason -> {raised, Class, Reason}
    end.

wrong_calls() ->
    Paths = [foo, {a}, 42, 1.5, #{}, <<1:3>>, [a | b], [{x}], [a, "x"], self(), [#{}], [a, 1]],
    OfPath = [
        {F, [Path | More]}
     || {F, More} <- [
            {get, []}, {get_or, [d]}, {get_many, []}, {exists, []}, {has_data, []}, {is_sproc, []}, {count, []}, {put, [1]},
            {put_many, [1]}, {create, [1]}, {update, [1]}, {compare_and_swap, ['_', 1]}, {delete, []}, {delete_many, []},
            {clear_payload, []}, {clear_many_payloads, []}
        ],
        Path <- Paths
    ],
    Fun = fun(_, _) -> ok end,
    OfFunction =
        [{fold, [Path, fun(_, _, Acc) -> Acc end, 0]} || Path <- Paths] ++
            [{F, [Path, Fun]} || F <- [foreach, map, filter], Path <- Paths] ++
            [{F, [[?STAR], Term]} || F <- [foreach, map], Term <- [foo, 1, fun() -> ok end]] ++
            [{fold, [[?STAR], Term, 0]} || Term <- [foo, Fun]],
    OfOptions = [{F, [[k], Term]} || F <- [get, get_many, exists, count, delete], Term <- [[], foo, #{nonsense => 1}, {a}]],
    OfCondition = [
        {get_many, [[#if_data_matches{pattern = '_', conditions = [{nonsense, 1, 2, 3}]}]]},
        {put, [[k], 1, #{keep_while => #{[a] => {nonsense}}}]},
        {put, [[k], 1, #{keep_while => #{foo => #if_node_exists{}}}]},
        {put, [[?STAR], 1]}, {delete, [[?STAR]]}, {get, [[?STAR]]}
    ],
    OfPath ++ OfFunction ++ OfOptions ++ OfCondition.
