%% A node under load is killed (SIGKILL) at any moment, again and again in one directory, and opened again by the next one:
%% all that was acknowledged is there, nothing else but what was under way is, and that whole.
%%
%% The node is another VM (`pando_kill_writer'); the journal of its writers is in this one (`pando_kill_model'). Each life of
%% the node begins with a look at the whole tree, which is compared with the journal, and goes on with the load. No file
%% of the store is ever touched between two lives.
%%
%% `make test' kills 10 times; with PANDO_TORTURE in the environment it is 200 times. PANDO_KILL_SEED repeats the choices of
%% a run; what the operating system makes of them differs.
-module(pando_kill_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [with_dir/1]).
-import(pando_kill_model, [new_journal/1, note/2, resolve/2, value/1, place/1]).

-define(STORE, killed).
-define(KILLS, 10).
-define(KILLS_TORTURE, 200).
-define(TIMEOUT_S, 120).
-define(TIMEOUT_TORTURE_S, 7200).
%% Within this time a store opens, whatever it was killed in, and shows what is in it. Generous: the machine may be busy.
-define(ANSWER_MS_MAX, 30000).
%% How long a node is under load before it is killed: at random up to this.
-define(LOAD_MS_MAX, 600).
%% How long a snapshot is waited for, to kill the node in it, and the longest time from its beginning to the kill.
-define(SNAPSHOT_WAIT_MS, 5000).
-define(SNAPSHOT_MS_MAX, 12).
%% The longest time from the beginning of closing to the kill.
-define(CLOSING_MS_MAX, 25).
%% The longest time from the beginning of opening to the kill, until an opening was seen.
-define(OPENING_MS_AT_FIRST, 60).
-define(POLL_MS, 1).
%% 128 and the number of the signal.
-define(STATUS_KILLED, 137).

killed_at_random_moments_test_() ->
    {Kills, TimeoutS} =
        case os:getenv("PANDO_TORTURE") of
            false -> {?KILLS, ?TIMEOUT_S};
            _ -> {?KILLS_TORTURE, ?TIMEOUT_TORTURE_S}
        end,
    {timeout, TimeoutS, fun() -> with_dir(fun(Dir) -> kill_and_kill(Dir, Kills, seed()) end) end}.

seed() ->
    case os:getenv("PANDO_KILL_SEED") of
        false -> erlang:phash2({os:system_time(), os:getpid()});
        Text -> list_to_integer(Text)
    end.

kill_and_kill(Dir, Kills, Seed) ->
    io:format(user, "~n~b kills, PANDO_KILL_SEED=~b~n", [Kills, Seed]),
    Run = lists:foldl(fun killed_life/2, new_run(Dir, Seed), lists:sublist(moments(Kills), Kills)),
    #{counts := Counts} = last_life(Run),
    Count = fun(Name) -> maps:get(Name, Counts, 0) end,
    io:format(user, "killed ~b times, ", [lists:sum([Count(Where) || Where <- places_of_kills()])]),
    io:format(user, "of which ~p; ~p~n", [maps:with(places_of_kills(), Counts), maps:without(places_of_kills(), Counts)]),
    ?assertEqual(Kills, lists:sum([Count(Where) || Where <- places_of_kills()])),
    %% Every kind of moment was met, if it was tried often enough, and there was something to lose.
    [?assert(Count(Where) > 0) || Where <- places_of_kills(), Kills >= ?KILLS_TORTURE],
    ?assert(Count(acknowledged) > 100 * Kills),
    ?assert(Count(in_flight_found) + Count(in_flight_not_found) > Kills).

%% When the node is killed, life after life. Openings come after kills that leave something to read and to repair.
moments(Kills) ->
    Round = [load, snapshot, opening, load, closing, opened, opening, snapshot, closing, load],
    lists:append(lists:duplicate(Kills div length(Round) + 1, Round)).

%% Where the node was when it was killed, as far as it could be seen. A snapshot and a segment in the making leave their files.
places_of_kills() ->
    [under_load, in_snapshot, opening, opened, closing, closed].

%% -------------------------------------------------------------------
%% What was made up is noticed: these checks can fail.
%% -------------------------------------------------------------------

%% With a real node: a journal that says more than was written, and a directory put back to an earlier state.
what_is_lost_is_noticed_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        with_dir(fun(Dir) ->
            #{journal := Journal} = Run = killed_life(load, new_run(Dir, seed())),
            Earlier = Dir ++ "-earlier",
            try
                "" = os:cmd("cp -a " ++ Dir ++ " " ++ Earlier),
                MadeUp = [{intent, small, 0, {put, [k, <<1>>], {small, 9, 9, 9}}}, {acknowledged, small, 0, any}],
                %% What nobody knows the outcome of goes first: the writer of the made-up line has nothing else under way.
                Nodes = nodes_of(Run),
                {[], _, Resolved} = resolve(Nodes, Journal),
                {Faults, _, _} = resolve(Nodes, lists:foldl(fun pando_kill_model:note/2, Resolved, MadeUp)),
                ?assertEqual([{not_as_acknowledged, small, [{[k, <<1>>], {small, 9, 9, 9}, there(small, [k, <<1>>], Nodes)}]}], Faults),
                #{journal := Later} = killed_life(load, Run),
                ok = file:del_dir_r(Dir),
                ok = file:rename(Earlier, Dir),
                {Lost, _, _} = resolve(nodes_of(Run), Later),
                ?assert(length([W || {not_as_acknowledged, W, _} <- Lost]) > 1)
            after
                _ = file:del_dir_r(Earlier)
            end
        end)
    end}.

%% The tree as it is after a life that only looks.
nodes_of(Run) ->
    with_node(Run, fun(Node) ->
        {Nodes, _} = look(Node, await_opened(Node, Run)),
        Nodes
    end).

there(Writer, Path, Nodes) ->
    case maps:find(place(Writer) ++ Path, Nodes) of
        {ok, #{data := Term}} -> pando_kill_model:payload(Term);
        error -> nothing
    end.

each_fault_is_noticed_test_() ->
    [T1, T2, T3] = [{small, 1, N, 100} || N <- [1, 2, 3]],
    {_, Blob1} = value(T1),
    {_, Blob2} = value(T2),
    Data = #{
        place(small) ++ [k, a] => value(T1),
        place(trees) ++ [s, t, u] => value({trees, 1, 1, 5}),
        place(requests) ++ [count] => 2,
        place(transfers) ++ [net] => #{1 => -7, 2 => 7}
    },
    Bank = maps:from_list([{pando_kill_model:bank_path(A), 1000} || A <- pando_kill_model:accounts()]),
    [One, Two] = [pando_kill_model:bank_path(A) || A <- [1, 2]],
    Tree = maps:merge(Data, Bank#{One := 993, Two := 1007}),
    Events = [
        {small, {put, [k, a], T1}},
        {small, {put, [k, b], T2}},
        {small, {delete, [k, b]}},
        {trees, {put, [s, t, u], {trees, 1, 1, 5}}},
        {requests, {increment, 1}, 1},
        {requests, {increment, 2}, 2},
        {transfers, {transfer, 1, 2, 7}}
    ],
    Journal = acknowledged(Events, new_journal(pando_kill_writer:writers())),
    Pending = fun(Operations, Before) ->
        lists:foldl(fun({N, Operation}, J) -> note({intent, small, 100 + N, Operation}, J) end, Before, Operations)
    end,
    Together = {together, [{put, [k, a], T2}, {put, [k, b], T2}]},
    Faults = fun(Found, J) -> element(1, resolve(tree(Found), J)) end,
    A = place(small) ++ [k, a],
    B = place(small) ++ [k, b],
    Good = [
        {"as acknowledged", Tree, Journal},
        {"what is under way is not there", Tree, Pending([{1, Together}], Journal)},
        {"what is under way is there", Tree#{A := value(T2), B => value(T2)}, Pending([{1, Together}], Journal)},
        {"the first of two is there", Tree#{A := value(T2)},
            Pending([{1, {put, [k, a], T2}}, {2, {put, [k, b], T3}}], Journal)}
    ],
    Bad = [
        {"an acknowledged put", not_as_acknowledged, maps:remove(A, Tree), Journal},
        {"an acknowledged delete", not_as_acknowledged, Tree#{B => value(T2)}, Journal},
        {"an acknowledged put, with another under way", not_as_acknowledged, maps:remove(A, Tree),
            Pending([{1, {put, [k, b], T2}}], Journal)},
        {"the second of two without the first", not_as_acknowledged, Tree#{B => value(T3)},
            Pending([{1, {put, [k, a], T2}}, {2, {put, [k, b], T3}}], Journal)},
        {"half of a transaction", not_as_acknowledged, Tree#{A := value(T2)}, Pending([{1, Together}], Journal)},
        {"an old value", not_as_acknowledged, Tree#{A := value({small, 1, 0, 100})}, Journal},
        {"a torn value", not_as_acknowledged,
            Tree#{A := {T1, <<(binary:part(Blob1, 0, 50))/binary, (binary:part(Blob2, 50, 50))/binary>>}}, Journal},
        {"a cut value", not_as_acknowledged, Tree#{A := {T1, binary:part(Blob1, 0, 99)}}, Journal},
        {"a node that nobody has written", never_written, Tree#{[other] => 1}, Journal},
        {"a request that was applied twice", not_as_acknowledged, Tree#{place(requests) ++ [count] := 3}, Journal},
        {"a request that was answered otherwise", wrong_answer, Tree#{place(requests) ++ [count] := 3},
            acknowledged([{requests, {increment, 3}, 4}], Journal)},
        {"money from nowhere", accounts, Tree#{Two := 1008}, Journal},
        {"money that went astray", accounts, Tree#{One := 994, Two := 1006}, Journal},
        {"half of a transfer", accounts, Tree#{One := 1000}, Journal},
        {"no accounts", accounts_are_missing, maps:without(maps:keys(Bank), Tree), Journal},
        {"an update that was done without a node", done_although_it_does_not_apply, Tree,
            acknowledged([{small, {update, [k, b], T2}}], Journal)},
        {"a create that was refused without a node", refused_although_it_applies, Tree,
            note({refused, small, 101}, Pending([{1, {create, [k, b], T2}}], Journal))},
        {"answers out of order", answered_out_of_order, Tree,
            note({acknowledged, small, 102, any}, Pending([{1, {delete, [x]}}, {2, {delete, [y]}}], Journal))}
    ],
    Structure = [
        {"a wrong number of children", child_list_length, fun(N) -> N#{[w] := #{child_list_length => 5}} end},
        {"a node for nothing", empty_node, fun(N) -> N#{[w, nothing] => #{child_list_length => 0}} end},
        {"a node without a parent", no_parent, fun(N) -> maps:remove([w, small], N) end}
    ],
    [{Title, fun() -> ?assertEqual([], Faults(Found, J)) end} || {Title, Found, J} <- Good] ++
        [
            {Title, fun() -> ?assertMatch([_ | _], [F || F <- Faults(Found, J), element(1, F) =:= Fault]) end}
         || {Title, Fault, Found, J} <- Bad
        ] ++
        [
            {Title, fun() ->
                {Noticed, _, _} = resolve(Change(tree(Tree)), Journal),
                ?assertMatch([_ | _], [F || F <- Noticed, element(1, F) =:= Fault])
            end}
         || {Title, Fault, Change} <- Structure
        ].

acknowledged(Done, Journal) ->
    lists:foldl(
        fun(Event, Before) ->
            [Writer, Operation | Answer] = tuple_to_list(Event),
            N = erlang:unique_integer([positive]),
            note({acknowledged, Writer, N, hd(Answer ++ [any])}, note({intent, Writer, N, Operation}, Before))
        end,
        Journal,
        Done
    ).

%% All nodes of a tree with this data, as they are shown.
tree(Data) ->
    Paths = lists:usort(lists:append([prefixes(Path) || Path <- maps:keys(Data)])),
    Node = fun(Path) ->
        Length = length([Child || Child <- Paths, Child =/= [], lists:droplast(Child) =:= Path]),
        case Data of
            #{Path := Term} -> #{data => Term, child_list_length => Length};
            #{} -> #{child_list_length => Length}
        end
    end,
    maps:from_list([{Path, Node(Path)} || Path <- Paths]).

prefixes(Path) -> [lists:sublist(Path, Length) || Length <- lists:seq(1, length(Path))].

%% -------------------------------------------------------------------
%% Lives of the node.
%% -------------------------------------------------------------------

new_run(Dir, Seed) ->
    _ = rand:seed(exsss, Seed),
    #{
        dir => Dir,
        seed => Seed,
        life => 1,
        journal => new_journal(pando_kill_writer:writers()),
        %% What the node of this life has told, beside the journal.
        told => #{},
        opening_ms => ?OPENING_MS_AT_FIRST,
        counts => #{}
    }.

%% One life of the node, ended by a kill at a moment of this kind.
killed_life(Moment, Run) ->
    with_node(Run, fun(Node) ->
        {Where, #{life := Life} = Killed} = until_killed(Moment, Node, Run),
        (count(Where, 1, Killed))#{life := Life + 1, told := #{}}
    end).

until_killed(opening, Node, #{opening_ms := OpeningMs} = Run) ->
    Opening = await_event(opening, Node, Run),
    Killed = kill(Node, pass(rand:uniform(OpeningMs + 1) - 1, Node, Opening)),
    Where = case has_told(opened, Killed) of true -> opened; false -> opening end,
    {Where, Killed};
until_killed(opened, Node, Run) ->
    {opened, kill(Node, await_opened(Node, Run))};
until_killed(load, Node, Run) ->
    Loaded = load(Node, Run),
    {under_load, kill(Node, pass(rand:uniform(?LOAD_MS_MAX), Node, Loaded))};
until_killed(snapshot, Node, Run) ->
    Loaded = until_snapshot(now_ms() + ?SNAPSHOT_WAIT_MS, Node, load(Node, Run)),
    Killed = kill(Node, pass(rand:uniform(?SNAPSHOT_MS_MAX) - 1, Node, Loaded)),
    Where = case unfinished("snapshot", Run) of [] -> under_load; _ -> in_snapshot end,
    {Where, Killed};
until_killed(closing, Node, Run) ->
    Loaded = pass(rand:uniform(?LOAD_MS_MAX), Node, load(Node, Run)),
    ok = ask(Node, stop),
    Stopping = await_event(stopping, Node, Loaded),
    Killed = kill(Node, pass(rand:uniform(?CLOSING_MS_MAX) - 1, Node, Stopping)),
    Where = case has_told(stopped, Killed) of true -> closed; false -> closing end,
    {Where, Killed}.

%% Opened once more, looked at and closed as it should be.
last_life(Run) ->
    with_node(Run, fun(Node) ->
        Looked = look_and_compare(Node, Run),
        ok = ask(Node, stop),
        await_event(stopped, Node, Looked)
    end).

load(Node, Run) ->
    #{life := Life, seed := Seed, journal := Journal} = Looked = look_and_compare(Node, Run),
    Fragments = maps:from_list([{W, pando_kill_model:known(W, Journal)} || W <- pando_kill_writer:writers()]),
    ok = ask(Node, {write, Life, Seed, Fragments}),
    Looked.

look_and_compare(Node, Run) ->
    {Nodes, #{journal := Journal, life := Life} = Looked} = look(Node, await_opened(Node, Run)),
    {Faults, Counts, Resolved} = resolve(Nodes, Journal),
    ?assertEqual({life, Life, []}, {life, Life, Faults}),
    maps:fold(fun count/3, Looked#{journal := Resolved}, Counts).

look(Node, Run) ->
    ok = ask(Node, show),
    #{told := Told} = Looked = await_event(shown, Node, Run),
    #{shown := {shown, {ok, Nodes}}} = Told,
    {Nodes, Looked}.

await_opened(Node, Run) ->
    Opening = await_event(opening, Node, Run),
    Since = now_ms(),
    Opened = await_event(opened, Node, Opening),
    OpeningMs = now_ms() - Since,
    #{counts := Counts} = Opened,
    Opened#{
        opening_ms := OpeningMs, counts := maps:update_with(longest_opening_ms, fun(Ms) -> max(Ms, OpeningMs) end, OpeningMs, Counts)
    }.

until_snapshot(Deadline, Node, Run) ->
    case unfinished("snapshot", Run) =/= [] orelse now_ms() >= Deadline of
        true -> Run;
        false -> until_snapshot(Deadline, Node, pass(?POLL_MS, Node, Run))
    end.

%% Files in the making.
unfinished(Directory, #{dir := Dir}) ->
    filelib:wildcard("*.tmp", filename:join([Dir, ?STORE, Directory])).

count(Name, More, #{counts := Counts} = Run) ->
    Run#{counts := maps:update_with(Name, fun(Count) -> Count + More end, More, Counts)}.

%% -------------------------------------------------------------------
%% The node: started, asked, heard, killed.
%% -------------------------------------------------------------------

%% Nothing of it is left afterwards.
with_node(#{dir := Dir} = Run, Live) ->
    Paths = lists:append([["-pa", Ebin] || Ebin <- pando_test_store:ebin_dirs()]),
    Port = open_port({spawn_executable, os:find_executable("erl")}, [
        {args,
            ["-noshell", "-noinput", "+S1", "-kernel", "logger_level", "error"] ++ Paths ++
                ["-run", "pando_kill_writer", "main", Dir, atom_to_list(?STORE)]},
        {packet, 4},
        nouse_stdio,
        binary,
        exit_status
    ]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    %% Waits with its finger on the trigger: to start a program takes longer than some of what is to be met.
    Killer = open_port({spawn_executable, "/bin/sh"}, [
        {args, ["-c", "read -r _ && kill -9 $0", integer_to_list(OsPid)]}, exit_status
    ]),
    try
        Live(#{port => Port, killer => Killer})
    after
        _ = [kill(#{port => Port, killer => Killer}, Run) || erlang:port_info(Port) =/= undefined],
        true = catch_closed(Killer),
        drop_messages(Killer)
    end.

catch_closed(Port) ->
    try port_close(Port) catch error:badarg -> true end.

drop_messages(Port) ->
    receive
        {Port, _} -> drop_messages(Port)
    after 0 -> ok
    end.

ask(#{port := Port}, Request) ->
    true = port_command(Port, term_to_binary(Request)),
    ok.

%% Takes down all that the node tells for so long.
pass(Ms, Node, Run) -> pass_until(now_ms() + Ms, Node, Run).

pass_until(Deadline, #{port := Port} = Node, Run) ->
    receive
        {Port, {data, Packet}} -> pass_until(Deadline, Node, told(binary_to_term(Packet), Run));
        {Port, {exit_status, Status}} -> error({the_node_has_ended, Status})
    after max(0, Deadline - now_ms()) -> Run
    end.

%% The same until it tells of this.
await_event(Name, #{port := Port} = Node, Run) ->
    case has_told(Name, Run) of
        true ->
            Run;
        false ->
            receive
                {Port, {data, Packet}} -> await_event(Name, Node, told(binary_to_term(Packet), Run));
                {Port, {exit_status, Status}} -> error({the_node_has_ended, Status})
            after ?ANSWER_MS_MAX -> error({waited_in_vain, Name})
            end
    end.

%% With all that it had told.
kill(#{killer := Killer} = Node, Run) ->
    true = port_command(Killer, "\n"),
    Killed = until_exit(Node, Run),
    Segments = case unfinished("log", Run) of [] -> 0; _ -> 1 end,
    count(in_segment, Segments, Killed).

until_exit(#{port := Port} = Node, Run) ->
    receive
        {Port, {data, Packet}} -> until_exit(Node, told(binary_to_term(Packet), Run));
        {Port, {exit_status, ?STATUS_KILLED}} -> Run
    after ?ANSWER_MS_MAX -> error(still_running)
    end.

told({crashed, Text}, _Run) -> error({a_writer_has_crashed, Text});
told(Event, #{journal := Journal, told := Told} = Run) ->
    case lists:member(event_name(Event), [opening, opened, shown, stopping, stopped]) of
        true -> Run#{told := Told#{event_name(Event) => Event}};
        false -> Run#{journal := note(Event, Journal)}
    end.

event_name(Event) when is_tuple(Event) -> element(1, Event);
event_name(Event) -> Event.

has_told(Name, #{told := Told}) -> is_map_key(Name, Told).

now_ms() -> erlang:monotonic_time(millisecond).
