%% The checker of histories: what a right store does has no fault, and each fault is noticed.
-module(pando_history_checker_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_history_checker, [check/1]).

%% -------------------------------------------------------------------
%% Faults, each in the smallest history that has it
%% -------------------------------------------------------------------

each_fault_is_noticed_test_() ->
    [
        {Title, fun() -> ?assertMatch([{Fault, _} | _], faults(History)) end}
     || {Title, Fault, History} <- wrong()
    ] ++ [{Title, fun() -> ?assertEqual([], faults(History)) end} || {Title, History} <- right()].

wrong() ->
    [
        {"a lost update: two transactions that read the same version", two_values_of_one_version, [
            put(p1, {0, 10}, r, a, 1, none),
            update(p2, {20, 30}, r, b, {1, a}, 2),
            update(p3, {25, 35}, r, c, {1, a}, 2)
        ]},
        {"a lost update: a transaction that did not see what came before it", lost_update, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p1, {11, 12}, r, b, 2, a),
            update(p2, {20, 30}, r, c, {1, a}, 3)
        ]},
        {"an acknowledged write that is gone: somebody else made its version", two_values_of_one_version, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p2, {20, 30}, r, b, 1, none)
        ]},
        {"an acknowledged write that is gone at the end", against_real_time, [
            put(p1, {0, 10}, r, a, 1, none),
            read(p2, n1, {20, 30}, strict, #{r => {0, absent}})
        ]},
        {"a stale linearizable read", against_real_time, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p1, {20, 30}, r, b, 2, a),
            read(p2, n2, {31, 40}, strict, #{r => {1, a}})
        ]},
        {"two linearizable reads, the later of which sees less", against_real_time, [
            put(p1, {0, 100}, r, a, 1, none),
            read(p2, n2, {10, 20}, strict, #{r => {1, a}}),
            read(p3, n3, {21, 30}, strict, #{r => {0, absent}})
        ]},
        {"writes in another order than they were made in", against_real_time, [
            put(p1, {0, 10}, r, a, 2, b),
            put(p2, {20, 30}, r, b, 1, none)
        ]},
        {"a local read of what is written later", against_real_time, [
            read(p2, n2, {0, 10}, local, #{r => {1, a}}),
            put(p1, {20, 30}, r, a, 1, none)
        ]},
        {"an own write is missing", own_operation_missing, [
            put(p1, {0, 10}, r, a, 1, none),
            read(p1, n1, {20, 30}, local, #{r => {0, absent}})
        ]},
        {"an own write is missing, and only the value is answered", own_operation_missing, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p1, {11, 12}, r, b, 2, a),
            read(p1, n1, {20, 30}, local, #{r => {any, a}})
        ]},
        {"a write that was answered at this node is missing there", not_monotonic, [
            put(p1, {0, 10}, r, a, 1, none),
            read(p2, n1, {20, 30}, local, #{r => {0, absent}})
        ]},
        {"reads at one node go back", not_monotonic, [
            put(p1, {0, 10}, r, a, 1, none),
            read(p2, n2, {20, 30}, local, #{r => {1, a}}),
            read(p3, n2, {31, 40}, local, #{r => {0, absent}})
        ]},
        {"a token is ignored", token_ignored, [
            put(p1, {0, 10}, r, a, 1, none),
            read(p2, n2, {20, 30}, {token, a}, #{r => {0, absent}})
        ]},
        {"a token, of what came before in the order of another register", token_ignored, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p1, {11, 12}, q, b, 1, none),
            read(p2, n2, {20, 30}, {token, b}, #{r => {0, absent}})
        ]},
        {"a write that was not applied is seen", not_applied_but_seen, [
            (put(p1, {0, 10}, r, a, 1, none))#{outcome := not_applied, wrote := #{}, saw := #{}},
            read(p2, n2, {20, 30}, local, #{r => {1, a}})
        ]},
        {"a write that was not applied is seen by the next one", not_applied_but_seen, [
            (put(p1, {0, 10}, r, a, 1, none))#{outcome := not_applied, wrote := #{}, saw := #{}},
            put(p2, {20, 30}, r, b, 2, a)
        ]},
        {"a write of unknown outcome is applied twice", applied_twice, [
            unknown(p1, 0, #{r => a}),
            put(p2, {20, 30}, r, b, 2, a),
            put(p2, {40, 50}, r, c, 4, a)
        ]},
        {"an acknowledged write is applied twice in a row", applied_twice, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p2, {20, 30}, r, b, 3, a)
        ]},
        {"a version that nobody can have made", version_without_write, [
            put(p1, {0, 10}, r, a, 1, none),
            put(p2, {20, 30}, r, b, 4, c),
            unknown(p3, 15, #{r => c})
        ]},
        {"a value that nobody has written", never_written, [read(p1, n1, {0, 10}, local, #{r => {1, a}})]},
        {"half of a transaction of unknown outcome", seen_in_part, [
            unknown(p1, 0, #{r => a, q => b}),
            read(p2, n1, {20, 30}, local, #{r => {1, a}, q => {0, absent}})
        ]},
        {"half of a transaction", not_serializable, [
            (put(p1, {0, 10}, r, a, 1, none))#{
                writes := #{r => a, q => b}, wrote := #{r => 1, q => 1}, saw := #{r => {0, absent}, q => {0, absent}}
            },
            read(p2, n2, {5, 30}, local, #{r => {1, a}, q => {0, absent}})
        ]},
        {"two readers that see two writes in different orders", not_serializable, [
            put(p1, {0, 100}, r, a, 1, none),
            put(p2, {0, 100}, q, b, 1, none),
            read(p3, n3, {10, 20}, local, #{r => {1, a}, q => {0, absent}}),
            read(p4, n4, {10, 20}, local, #{r => {0, absent}, q => {1, b}})
        ]},
        {"two transactions that each did not see the other (write skew)", not_serializable, [
            (update(p1, {0, 10}, r, a, {0, absent}, 1))#{saw := #{r => {0, absent}, q => {0, absent}}},
            (update(p2, {0, 10}, q, b, {0, absent}, 1))#{saw := #{r => {0, absent}, q => {0, absent}}}
        ]},
        {"a slot without its value", slot_disagrees, [
            put(p1, {0, 10}, r, {a, set}, 1, none),
            (read(p2, n2, {20, 30}, local, #{r => {1, {a, set}}}))#{slots => #{r => absent}}
        ]},
        {"a slot that is not gone", slot_disagrees, [
            put(p1, {0, 10}, r, {a, set}, 1, none),
            put(p1, {11, 12}, r, {b, drop}, 2, {a, set}),
            (read(p2, n2, {20, 30}, local, #{r => {2, {b, drop}}}))#{slots => #{r => {a, set}}}
        ]}
    ].

%% The same with nothing wrong.
right() ->
    [
        {"no operation", []},
        {"a local read elsewhere may be stale", [
            put(p1, {0, 10}, r, a, 1, none),
            read(p2, n2, {20, 30}, local, #{r => {0, absent}})
        ]},
        {"a read at a later life of the store may be", [
            put(p1, {0, 10}, r, a, 1, none),
            (read(p1, n1, {20, 30}, local, #{r => {0, absent}}))#{life := {n1, 2}}
        ]},
        {"operations at the same time have any order", [
            put(p1, {0, 100}, r, a, 2, b),
            put(p2, {50, 150}, r, b, 1, none),
            read(p3, n3, {90, 110}, strict, #{r => {1, b}})
        ]},
        {"a write of unknown outcome happens much later, or never", [
            unknown(p1, 0, #{r => a}),
            unknown(p1, 5, #{r => z}),
            put(p1, {20, 30}, r, b, 1, none),
            read(p1, n1, {40, 50}, local, #{r => {2, a}})
        ]},
        {"a write of unknown outcome that nobody saw made a version", [
            unknown(p1, 0, #{r => a}),
            unknown(p2, 0, #{r => z}),
            put(p1, {20, 30}, r, b, 3, a)
        ]},
        {"a transaction of unknown outcome is seen on one register, and overwritten on the other", [
            unknown(p1, 0, #{r => a, q => b}),
            put(p2, {20, 30}, q, c, 2, b),
            read(p3, n3, {40, 50}, strict, #{r => {1, a}, q => {2, c}})
        ]},
        {"a refused write saw what there was", [
            put(p1, {0, 10}, r, a, 1, none),
            (read(p2, n2, {20, 30}, strict, #{r => {1, a}}))#{outcome := not_applied, writes := #{r => b}}
        ]},
        {"a token of a write that others followed", [
            put(p1, {0, 10}, r, a, 1, none),
            put(p2, {20, 30}, r, b, 2, a),
            read(p3, n3, {40, 50}, {token, a}, #{r => {1, a}})
        ]}
    ].

%% A refused write that saw something old is as wrong as such a read; a write of unknown outcome is placed where it must be.
more_faults_test_() ->
    [
        ?_assertMatch(
            [{against_real_time, _}],
            faults([
                put(p1, {0, 10}, r, a, 1, none),
                (read(p2, n2, {20, 30}, strict, #{r => {0, absent}}))#{outcome := not_applied, writes := #{r => b}}
            ])
        ),
        %% Only version 1 of q is left for the write that made version 1 of r; so who saw q at 2 and r at 0 did not see it.
        ?_assertMatch(
            [{_, _}],
            faults([
                unknown(p1, 0, #{r => a, q => b}),
                put(p2, {20, 30}, q, c, 2, b),
                read(p3, n3, {40, 50}, local, #{r => {0, absent}, q => {2, c}}),
                read(p3, n3, {60, 70}, local, #{r => {1, a}, q => {2, c}})
            ])
        )
    ].

faults(History) ->
    {Faults, _Figures} = check(History),
    Faults.

put(Process, {BeginNs, EndNs}, Register, Value, Version, Before) ->
    Saw = case Before of none -> absent; _ -> Before end,
    #{
        process => Process,
        life => {n1, 1},
        fresh => strict,
        begin_ns => BeginNs,
        end_ns => EndNs,
        outcome => ok,
        writes => #{Register => Value},
        wrote => #{Register => Version},
        saw => #{Register => {Version - 1, Saw}},
        id => Value
    }.

update(Process, Times, Register, Value, {Read, Saw}, Version) ->
    (put(Process, Times, Register, Value, Version, none))#{saw := #{Register => {Read, Saw}}}.

read(Process, Node, {BeginNs, EndNs}, Fresh, Saw) ->
    #{
        process => Process,
        life => {Node, 1},
        fresh => Fresh,
        begin_ns => BeginNs,
        end_ns => EndNs,
        outcome => ok,
        writes => #{},
        wrote => #{},
        saw => Saw
    }.

unknown(Process, BeginNs, Writes) ->
    #{
        process => Process,
        life => undefined,
        fresh => strict,
        begin_ns => BeginNs,
        end_ns => BeginNs + 5,
        outcome => unknown,
        writes => Writes,
        wrote => #{},
        saw => #{}
    }.

%% -------------------------------------------------------------------
%% Histories of a model of a right store, and the same with one fault put in
%% -------------------------------------------------------------------

-define(HISTORIES, 60).
-define(STEPS, 400).
-define(NODES, 3).
-define(CLIENTS, 6).
-define(REGISTERS, 4).

right_histories_have_no_fault_test_() ->
    {timeout, 120, fun() ->
        Checked = [{Seed, check(model_history(Seed))} || Seed <- lists:seq(1, ?HISTORIES)],
        [?assertEqual({Seed, []}, {Seed, Faults}) || {Seed, {Faults, _}} <- Checked],
        %% They are not trivially right.
        Sum = fun(Figure) -> lists:sum([maps:get(Figure, Figures) || {_, {_, Figures}} <- Checked]) end,
        ?assert(Sum(ok) > ?HISTORIES * ?STEPS div 8),
        ?assert(Sum(unknown) > ?HISTORIES),
        ?assert(Sum(not_applied) > ?HISTORIES)
    end}.

%% Each kind of fault, put into histories at random; where it can be put in, it is noticed.
faults_put_in_are_noticed_test_() ->
    [
        {atom_to_list(Fault), {timeout, 120, fun() ->
            Broken = [
                {Seed, faults(History)}
             || Seed <- lists:seq(1, ?HISTORIES), {ok, History} <- [put_in(Fault, Seed, model_history(Seed))]
            ],
            ?assert(length(Broken) > ?HISTORIES div 2),
            [?assertNotEqual({Seed, []}, {Seed, Faults}) || {Seed, Faults} <- Broken]
        end}}
     || Fault <- [stale_linearizable_read, own_write_missing, lost_write, not_applied_write, applied_twice, token_ignored]
    ].

%% A read sees the version before one that was acknowledged before it began, on a register alone.
put_in(stale_linearizable_read, _Seed, History) ->
    older(fun(#{fresh := Fresh, writes := Writes}, _) -> Fresh =:= strict andalso map_size(Writes) =:= 0 end, History);
put_in(own_write_missing, _Seed, History) ->
    older(
        fun(#{fresh := Fresh, process := Process, life := Life}, #{process := Writer, life := At}) ->
            Fresh =:= local andalso Process =:= Writer andalso Life =:= At
        end,
        History
    );
put_in(token_ignored, _Seed, History) ->
    older(fun(#{fresh := Fresh}, #{id := Id}) -> Fresh =:= {token, Id} end, History);
%% What was acknowledged was never done: the versions after it are one less.
put_in(lost_write, _Seed, History) ->
    case [E || #{outcome := ok, writes := Writes, wrote := Wrote, saw := Saw} = E <- History, map_size(Writes) =:= 1, Wrote =/= #{}, Saw =/= #{}] of
        [] ->
            none;
        Candidates ->
            #{writes := Writes, wrote := Wrote, saw := Saw} = Lost = lists:nth(length(Candidates) div 2 + 1, Candidates),
            [{Register, Value}] = maps:to_list(Writes),
            #{Register := Version} = Wrote,
            #{Register := Before} = Saw,
            Later = [E || E <- History, E =/= Lost],
            case lists:any(fun(#{saw := S, wrote := W}) -> seen_at(Register, Version, S) orelse maps:get(Register, W, 0) > Version end, Later) of
                true -> {ok, [Lost | [without(Register, Version, Value, Before, E) || E <- Later]]};
                false -> none
            end
    end;
put_in(not_applied_write, _Seed, History) ->
    Seen = [Value || #{saw := Saw} <- History, {_, {_, Value}} <- maps:to_list(Saw), Value =/= absent],
    case [E || #{outcome := ok, writes := Writes} = E <- History, lists:any(fun(V) -> lists:member(V, Seen) end, maps:values(Writes))] of
        [] -> none;
        [E | _] -> {ok, [E#{outcome := not_applied, wrote := #{}, saw := #{}} | lists:delete(E, History)]}
    end;
%% One more version after another one, of the same value: all later ones are one more.
put_in(applied_twice, _Seed, History) ->
    Seen = [{Register, V} || #{saw := Saw} <- History, {Register, {V, _}} <- maps:to_list(Saw)],
    case
        [
            {Register, Version, Value}
         || #{outcome := ok, writes := Writes, wrote := Wrote} <- History,
            {Register, Value} <- maps:to_list(Writes),
            #{Register := Version} <- [Wrote],
            lists:member({Register, Version}, Seen)
        ]
    of
        [] -> none;
        Candidates -> {ok, [twice(lists:nth(length(Candidates) div 2 + 1, Candidates), E) || E <- History]}
    end.

seen_at(Register, Version, Saw) ->
    case Saw of
        #{Register := {Seen, _}} -> Seen >= Version;
        #{} -> false
    end.

without(Register, Version, Value, Before, #{saw := Saw, wrote := Wrote} = Entry) ->
    NewSaw =
        case Saw of
            #{Register := {Version, Value}} -> Saw#{Register := Before};
            #{Register := {V, Other}} when V > Version -> Saw#{Register := {V - 1, Other}};
            #{} -> Saw
        end,
    NewWrote =
        case Wrote of
            #{Register := W} when W > Version -> Wrote#{Register := W - 1};
            #{} -> Wrote
        end,
    Entry#{saw := NewSaw, wrote := NewWrote}.

twice({Register, Version, Value}, #{saw := Saw, wrote := Wrote} = Entry) ->
    NewSaw =
        case Saw of
            #{Register := {V, _} = Seen} when V > Version; Seen =:= {Version, Value} -> Saw#{Register := setelement(1, Seen, V + 1)};
            #{} -> Saw
        end,
    NewWrote =
        case Wrote of
            #{Register := W} when W > Version -> Wrote#{Register := W + 1};
            #{} -> Wrote
        end,
    Entry#{saw := NewSaw, wrote := NewWrote}.

%% The first read of which a write is wanted, that had ended before and that it saw, sees the version before instead.
older(IsWanted, History) ->
    Found = [
        {Read, Register, Version - 1, maps:get(Register, SawBefore)}
     || #{writes := None, saw := Seen, begin_ns := BeginNs} = Read <- History,
        map_size(None) =:= 0,
        #{outcome := ok, writes := Writes, wrote := Wrote, saw := SawBefore, end_ns := EndNs} = Write <- History,
        map_size(Writes) =:= 1,
        EndNs < BeginNs,
        {Register, Version} <- maps:to_list(Wrote),
        #{Register := {Version1, _}} <- [Seen],
        Version1 =:= Version,
        IsWanted(Read, Write)
    ],
    case Found of
        [] -> none;
        [{Read, Register, _, Before} | _] ->
            #{saw := Saw} = Read,
            {ok, [Read#{saw := Saw#{Register := Before}} | lists:delete(Read, History)]}
    end.

%% A log that all follow, each node at its own pace. A write is answered when its node has applied it; a linearizable read when its
%% node has applied what was in the log when it began.
model_history(Seed) ->
    Rand = rand:seed_s(exsss, Seed),
    Start = #{
        now => 0,
        rand => Rand,
        log => [],
        applied => maps:from_list([{N, 0} || N <- lists:seq(1, ?NODES)]),
        lives => maps:from_list([{N, 1} || N <- lists:seq(1, ?NODES)]),
        clients => maps:from_list([{C, idle} || C <- lists:seq(1, ?CLIENTS)]),
        late => [],
        next => 1,
        history => []
    },
    Step = fun(Now, Model) -> model_step(Model#{now := Now}) end,
    #{history := History, clients := Clients} = lists:foldl(Step, Start, lists:seq(1, ?STEPS)),
    %% Nobody knows what becomes of those that are under way.
    [Entry#{outcome := unknown, life := undefined} || {answer, _, _, Entry} <- maps:values(Clients)] ++ History.

model_step(Model) ->
    case random(10, Model) of
        {N, Next} when N =< 3 -> advance(Next);
        {10, Next} -> late(Next);
        {_, Next} -> client_step(Next)
    end.

random(N, #{rand := Rand} = Model) ->
    {X, Next} = rand:uniform_s(N, Rand),
    {X, Model#{rand := Next}}.

advance(#{applied := Applied, log := Log, lives := Lives} = Model) ->
    {Node, Model1} = random(?NODES, Model),
    #{Node := Position} = Applied,
    case random(40, Model1) of
        %% A restart: what was applied is read again, from some earlier place on.
        {1, Model2} ->
            #{Node := Life} = Lives,
            Model2#{applied := Applied#{Node := Position div 2}, lives := Lives#{Node := Life + 1}};
        {_, Model2} ->
            {Steps, Model3} = random(3, Model2),
            Model3#{applied := Applied#{Node := min(length(Log), Position + Steps)}}
    end.

%% A write of unknown outcome is done after all.
late(#{late := []} = Model) -> Model;
late(#{late := [Writes | Late]} = Model) -> append(Writes, Model#{late := Late}).

append(Writes, #{log := Log} = Model) -> Model#{log := Log ++ [Writes]}.

client_step(#{clients := Clients} = Model) ->
    {Client, Model1} = random(?CLIENTS, Model),
    case maps:get(Client, Clients) of
        idle -> begin_operation(Client, Model1);
        Operation -> go_on(Client, Operation, Model1)
    end.

begin_operation(Client, #{now := Now, next := Next, lives := Lives, log := Log} = Model) ->
    Node = Client rem ?NODES + 1,
    #{Node := Life} = Lives,
    {Kind, Model1} = random(8, Model),
    {Register, Model2} = random(?REGISTERS, Model1),
    {Other, Model3} = random(?REGISTERS, Model2),
    Entry = #{
        process => Client,
        life => {Node, Life},
        fresh => strict,
        begin_ns => Now,
        end_ns => Now,
        outcome => ok,
        writes => #{},
        wrote => #{},
        saw => #{},
        id => Next
    },
    Operation =
        case Kind of
            K when K =< 2 -> {write, Node, Entry#{writes := #{Register => {Next, 1}}}};
            3 -> {write, Node, Entry#{writes := #{Register => {Next, 1}, Other => {Next, 1}}}};
            4 -> {not_applied, Node, Entry#{writes := #{Register => {Next, 1}}, outcome := not_applied}};
            5 -> {unknown, Node, Entry#{writes := #{Register => {Next, 1}, Other => {Next, 1}}, outcome := unknown}};
            6 -> {read, Node, length(Log), Entry};
            7 -> {read, Node, 0, Entry#{fresh := local}};
            8 -> token_read(Node, Entry, Model3)
        end,
    set(Client, Operation, Model3#{next := Next + 1}).

token_read(Node, Entry, #{history := History}) ->
    case [{Id, Position} || #{id := Id, position := Position} <- History] of
        [] -> {read, Node, 0, Entry#{fresh := local}};
        [{Id, Position} | _] -> {read, Node, Position, Entry#{fresh := {token, Id}}}
    end.

set(Client, Operation, #{clients := Clients} = Model) -> Model#{clients := Clients#{Client := Operation}}.

done(Client, #{life := {Node, Life}} = Entry, #{now := Now, history := History, lives := Lives} = Model) ->
    %% None, if there were two meanwhile.
    At = case Lives of #{Node := Life} -> {Node, Life}; #{} -> undefined end,
    set(Client, idle, Model#{history := [Entry#{end_ns := Now, life := At} | History]}).

go_on(Client, {write, Node, #{writes := Writes} = Entry}, #{log := Log} = Model) ->
    set(Client, {answer, Node, length(Log) + 1, Entry}, append(Writes, Model));
go_on(Client, {answer, Node, Position, #{writes := Writes} = Entry}, #{applied := Applied, log := Log} = Model) ->
    case Applied of
        #{Node := At} when At >= Position ->
            Before = state(Position - 1, Log),
            Wrote = maps:map(fun(Register, _) -> element(1, maps:get(Register, Before)) + 1 end, Writes),
            done(Client, Entry#{wrote := Wrote, saw := maps:with(maps:keys(Writes), Before), position => Position}, Model);
        #{} ->
            Model
    end;
go_on(Client, {not_applied, _, Entry}, Model) ->
    done(Client, Entry, Model);
go_on(Client, {unknown, _, #{writes := Writes} = Entry}, #{late := Late} = Model) ->
    case random(3, Model) of
        {1, Model1} -> done(Client, Entry, Model1);
        {2, Model1} -> done(Client, Entry, append(Writes, Model1));
        {3, Model1} -> done(Client, Entry, Model1#{late := Late ++ [Writes]})
    end;
go_on(Client, {read, Node, Position, Entry}, #{applied := Applied, log := Log} = Model) ->
    case Applied of
        #{Node := At} when At >= Position -> done(Client, Entry#{saw := state(At, Log)}, Model);
        #{} -> Model
    end.

%% Version and value of all registers after so many entries of the log.
state(Position, Log) ->
    Empty = maps:from_list([{Register, {0, absent}} || Register <- lists:seq(1, ?REGISTERS)]),
    lists:foldl(
        fun(Writes, State) ->
            maps:fold(fun(Register, Value, S) -> S#{Register := {element(1, maps:get(Register, S)) + 1, Value}} end, State, Writes)
        end,
        Empty,
        lists:sublist(Log, Position)
    ).
