%% Records what concurrent clients of a store on several nodes were answered, for `pando_history_checker'.
%%
%% 1. A client is a process here, whose operations are carried out by a process on a node (`pando_history_session'). It goes to
%%    another node now and then, and when its node is gone; what it was told is here, and outlives every node.
%% 2. Every value is written once. A write of unknown outcome is sent again with its request id, on whatever node is there, until
%%    its outcome is known (then it is one operation, from its first beginning to its last end); some have no request id,
%%    and remain unknown.
%% 3. Times are those of the clock of this machine, taken on the nodes. That they lie between those taken here is checked each time.
-module(pando_history).

-export([start/3, stop/1, final_reads/3, run/4, seed/2]).

-export_type([history/0, options/0]).

-type history() :: #{clients := [{pid(), reference()}], tokens := ets:tid(), registers := [pando_history_session:register()]}.
%% `think_ms': a client waits at random up to that between its steps.
-type options() :: #{
    clients => pos_integer(),
    registers => pos_integer(),
    seed => integer(),
    think_ms => non_neg_integer(),
    tokens => boolean()
}.

-define(CLIENTS, 8).
%% Of each kind.
-define(REGISTERS, 3).
-define(THINK_MS, 4).
-define(STEP_OPERATIONS_MAX, 3).
-define(SENT_AGAIN_MAX, 200).
-define(PAUSE_MS, 20).
%% After so many steps a client moves, at random.
-define(MOVES_AFTER_STEPS, 60).
-define(OPERATION_MS_MAX, 8000).
%% For a step on a node that may be paused.
-define(STEP_MS_MAX, 60000).
-define(FINAL_MS_MAX, 60000).

%% A seed of the environment variable of this name, or a new one; it is printed, to repeat the choices of a run.
-spec seed(string(), io_lib:chars()) -> non_neg_integer().
seed(Variable, What) ->
    Seed =
        case os:getenv(Variable) of
            false -> erlang:phash2({os:system_time(), os:getpid(), erlang:unique_integer()});
            Text -> list_to_integer(Text)
        end,
    io:format(user, "~n~ts: ~ts=~b~n", [What, Variable, Seed]),
    Seed.

%% Clients that write and read while `Faults' does what it does; afterwards everything is read once more on every node. Answers the
%% history, and what `Faults' did.
-spec run(pando_test_cluster:cluster(), atom(), options(), fun(() -> Result)) -> {[pando_history_checker:entry()], map(), Result}.
run(Cluster, Store, Options, Faults) ->
    #{clients := Clients} = History = start(Cluster, Store, Options),
    try
        Result = Faults(),
        {Entries, Counts} = stop(History),
        {Entries ++ final_reads(Cluster, Store, History), Counts, Result}
    after
        [exit(Pid, kill) || {Pid, _} <- Clients]
    end.

-spec start(pando_test_cluster:cluster(), atom(), options()) -> history().
start(Cluster, Store, Options) ->
    Tokens = ets:new(?MODULE, [public]),
    Registers = registers(maps:get(registers, Options, ?REGISTERS)),
    Seed = maps:get(seed, Options, 0),
    Client = fun(N) ->
        #{
            cluster => Cluster,
            store => Store,
            client => N,
            registers => Registers,
            tokens => Tokens,
            with_tokens => maps:get(tokens, Options, false),
            think_ms => maps:get(think_ms, Options, ?THINK_MS),
            session => none,
            steps => 0,
            next => 1,
            entries => [],
            counts => #{}
        }
    end,
    Clients = [
        spawn_monitor(fun() ->
            _ = rand:seed(exsss, erlang:phash2({Seed, N})),
            client(Client(N))
        end)
     || N <- lists:seq(1, maps:get(clients, Options, ?CLIENTS))
    ],
    #{clients => Clients, tokens => Tokens, registers => Registers}.

registers(Count) ->
    [{Kind, N} || Kind <- [plain, slotted], N <- lists:seq(1, Count)].

%% What they were answered, and how often what was.
-spec stop(history()) -> {[pando_history_checker:entry()], #{term() => pos_integer()}}.
stop(#{clients := Clients, tokens := Tokens}) ->
    _ = [Pid ! stop || {Pid, _} <- Clients],
    Ends = [
        receive
            {'DOWN', Monitor, process, Pid, {done, Entries, Counts}} -> {Entries, Counts};
            {'DOWN', Monitor, process, Pid, Reason} -> error({client_has_failed, Reason})
        end
     || {Pid, Monitor} <- Clients
    ],
    true = ets:delete(Tokens),
    {Entries, Counts} = lists:unzip(Ends),
    Add = fun(_, A, B) -> A + B end,
    {lists:append(Entries), lists:foldl(fun(C, Sum) -> maps:merge_with(Add, C, Sum) end, #{}, Counts)}.

%% A linearizable read of everything on every node, in turn, when all is well again.
-spec final_reads(pando_test_cluster:cluster(), atom(), history()) -> [pando_history_checker:entry()].
final_reads(Cluster, Store, #{registers := Registers}) ->
    [
        begin
            Session = open(Cluster, Node),
            Operation = {read_all, Registers, strict},
            Deadline = erlang:monotonic_time(millisecond) + ?FINAL_MS_MAX,
            [Entry] = final_read(Cluster, Store, Session, Operation, Deadline),
            Entry
        end
     || Node <- pando_test_cluster:nodes(Cluster)
    ].

final_read(Cluster, Store, #{name := Name} = Session, Operation, Deadline) ->
    {performed, [Performed]} = perform(Cluster, Store, Session, [{Operation, #{timeout => ?OPERATION_MS_MAX}}]),
    case {read_entry(Operation, Name, Performed), erlang:monotonic_time(millisecond) < Deadline} of
        {[], true} ->
            timer:sleep(?PAUSE_MS),
            final_read(Cluster, Store, Session, Operation, Deadline);
        {[], false} ->
            error({no_final_read, Name, maps:get(result, Performed)});
        {Entry, _} ->
            Entry
    end.

%% -------------------------------------------------------------------
%% A client
%% -------------------------------------------------------------------

client(#{think_ms := ThinkMs, entries := Entries, counts := Counts} = Client) ->
    receive
        stop -> exit({done, Entries, Counts})
    after rand:uniform(ThinkMs + 1) - 1 -> client(step(Client))
    end.

step(#{session := none, cluster := Cluster} = Client) ->
    case pando_test_cluster:running(Cluster) of
        [] -> paused(Client);
        Running -> connect(lists:nth(rand:uniform(length(Running)), Running), Client)
    end;
step(#{steps := Steps} = Client) when Steps > ?MOVES_AFTER_STEPS ->
    Client#{session := none, steps := 0};
step(#{steps := Steps} = Client) ->
    {Operations, #{session := Session, store := Store, cluster := Cluster} = Prepared} = operations(Client#{steps := Steps + 1}),
    BeginNs = pando_history_session:clock_ns(),
    case perform(Cluster, Store, Session, [{Operation, Options} || {Operation, Options, _} <- Operations]) of
        {performed, Performed} ->
            Sent = lists:sublist(Operations, length(Performed)),
            lists:foldl(fun({Operation, Done}, Next) -> record(Operation, Done, Next) end, Prepared, lists:zip(Sent, Performed));
        gone ->
            %% Which of them were done nobody knows: all that write may have been.
            Lost = [Operation || {Written, _, _} = Operation <- Operations, writes(Written) =/= #{}],
            lists:foldl(
                fun(Operation, Next) -> send_again(Operation, BeginNs, Next, ?SENT_AGAIN_MAX) end,
                count(node_is_gone, Prepared#{session := none}),
                Lost
            )
    end.

paused(Client) ->
    timer:sleep(?PAUSE_MS),
    Client.

connect(Node, #{cluster := Cluster} = Client) ->
    case open(Cluster, Node) of
        gone -> paused(Client#{session := none});
        Session -> Client#{session := Session}
    end.

open(Cluster, Node) ->
    try
        #{node => Node, pid => pando_test_cluster:call(Cluster, Node, pando_history_session, open, []), name => {Node, make_ref()}}
    catch
        exit:_ -> gone
    end.

perform(Cluster, Store, #{node := Node, pid := Pid}, Operations) ->
    Before = pando_history_session:clock_ns(),
    try pando_test_cluster:call(Cluster, Node, pando_history_session, step, [Pid, Store, Operations, ?STEP_MS_MAX], ?STEP_MS_MAX) of
        {failed, noproc} ->
            %% Of a node that had this name before.
            gone;
        Performed when is_list(Performed) ->
            After = pando_history_session:clock_ns(),
            Times = [Before] ++ lists:append([[B, E] || #{begin_ns := B, end_ns := E} <- Performed]) ++ [After],
            case lists:sort(Times) of
                Times -> {performed, Performed};
                _ -> error({clocks_differ, Times})
            end
    catch
        exit:{node_is_gone, _} -> gone
    end.

%% What a client does next: operations in a row, each with what it is sent again with.
operations(#{client := N} = Client) ->
    lists:mapfoldl(
        fun(_, #{next := Next} = Before) ->
            Id = {N, Next},
            Operation = operation(Id, Before),
            {{Operation, options(Operation, Id, Before), Id}, Before#{next := Next + 1}}
        end,
        Client,
        lists:seq(1, rand:uniform(?STEP_OPERATIONS_MAX))
    ).

operation(Id, #{registers := Registers} = Client) ->
    Plain = [Register || {plain, _} = Register <- Registers],
    Slotted = [Register || {slotted, _} = Register <- Registers],
    [One, Two | _] = shuffle(Plain),
    [Slot, OtherSlot | _] = shuffle(Slotted),
    Any = one_of(Registers),
    case rand:uniform(20) of
        N when N =< 3 -> {put, One, {Id, plain}};
        4 -> {put_all, [{One, {Id, plain}}, {Two, {Id, plain}}]};
        5 -> {put_all, [{Slot, {Id, one_of([set, drop])}}]};
        6 -> {put_all, [{Slot, {Id, set}}, {OtherSlot, {Id, drop}}, {One, {Id, plain}}]};
        N when N =< 8 -> {update, [{Register, {Id, plain}} || Register <- one_of([[One], [One, Two]])]};
        9 -> {compare, One, maps:get(One, maps:get(last_seen, Client, #{}), {Id, plain}), {Id, plain}};
        N when N =< 11 -> {read_all, Registers, strict};
        12 -> {read, Any, strict};
        13 -> {read_in_transaction, Registers, strict};
        N when N =< 15 -> {read_all, Registers, local};
        16 -> {read, Any, local};
        17 -> {value, Any, local};
        18 -> {read_in_transaction, Registers, local};
        _ -> token_read(Registers, Client)
    end.

%% With the newest token of whichever client.
token_read(Registers, #{with_tokens := true, tokens := Tokens}) ->
    case ets:lookup(Tokens, last) of
        [{last, Id, Token}] -> {read_all, Registers, {token, {Id, Token}}};
        [] -> {read_all, Registers, local}
    end;
token_read(Registers, _Client) ->
    {read_all, Registers, local}.

shuffle(List) -> [X || {_, X} <- lists:sort([{rand:uniform(), X} || X <- List])].

one_of(List) -> lists:nth(rand:uniform(length(List)), List).

%% A write returns a token, if it can, and three of four may be sent again.
options(Operation, {N, Next}, #{with_tokens := WithTokens}) ->
    Timeout = #{timeout => ?OPERATION_MS_MAX},
    RequestId = <<"history ", (integer_to_binary(N))/binary, $., (integer_to_binary(Next))/binary>>,
    case {map_size(writes(Operation)), rand:uniform(4)} of
        {0, _} -> Timeout;
        {_, 1} -> with_token(WithTokens, Timeout);
        {_, _} -> with_token(WithTokens, Timeout#{request_id => RequestId})
    end.

with_token(true, Options) -> Options#{return => token};
with_token(false, Options) -> Options.

%% -------------------------------------------------------------------
%% What is recorded
%% -------------------------------------------------------------------

record({Operation, _, _} = Sent, #{begin_ns := BeginNs, result := Result} = Performed, #{session := Session} = Client) ->
    Counted = count(answer(Operation, Result), Client),
    case writes(Operation) =:= #{} of
        true ->
            #{name := Name} = Session,
            keep(read_entry(Operation, Name, Performed), Counted);
        false ->
            case pando_history_session:outcome(Result) of
                unknown -> send_again(Sent, BeginNs, Counted, ?SENT_AGAIN_MAX);
                _ -> keep([write_entry(Sent, Session, BeginNs, Performed)], remember(Sent, Performed, Counted))
            end
    end.

%% For whoever reads next.
remember(_Sent, #{token := none}, Client) ->
    Client;
remember({_, _, Id}, #{token := Token}, #{tokens := Tokens} = Client) ->
    true = ets:insert(Tokens, {last, Id, Token}),
    Client.

count(What, #{counts := Counts} = Client) ->
    Client#{counts := maps:update_with(What, fun(N) -> N + 1 end, 1, Counts)}.

answer(Operation, {ok, _}) -> {element(1, Operation), ok};
answer(Operation, {error, {pando, Name, Props}}) -> {element(1, Operation), Name, maps:get(outcome, Props, none)};
answer(Operation, {error, Reason}) -> {element(1, Operation), Reason}.

keep(New, #{entries := Entries} = Client) ->
    Seen = maps:from_list([{Register, Value} || #{saw := Saw} <- New, {Register, {_, Value}} <- maps:to_list(Saw), Value =/= absent]),
    Client#{entries := New ++ Entries, last_seen => maps:merge(maps:get(last_seen, Client, #{}), Seen)}.

%% Until its outcome is known. Once unknown, a refusal of a later attempt says nothing about the first.
send_again({Operation, Options, Id}, BeginNs, Client, Left) when Left =:= 0; not is_map_key(request_id, Options) ->
    Entry = #{
        id => Id,
        process => undefined,
        life => undefined,
        fresh => strict,
        begin_ns => BeginNs,
        end_ns => pando_history_session:clock_ns(),
        outcome => unknown,
        writes => writes(Operation),
        wrote => #{},
        saw => #{}
    },
    count({element(1, Operation), remains_unknown}, keep([Entry], Client));
send_again(Sent, BeginNs, #{session := none, cluster := Cluster} = Client, Left) ->
    Connected =
        case pando_test_cluster:running(Cluster) of
            [] -> paused(Client);
            Running -> connect(one_of(Running), Client)
        end,
    send_again(Sent, BeginNs, Connected, Left - 1);
send_again({Operation, Options, _} = Sent, BeginNs, #{session := Session, cluster := Cluster, store := Store} = Client, Left) ->
    case perform(Cluster, Store, Session, [{Operation, Options}]) of
        {performed, [#{result := {ok, _}} = Performed]} ->
            count({element(1, Operation), sent_again_ok}, keep([write_entry(Sent, Session, BeginNs, Performed)], Client));
        {performed, [_]} ->
            send_again(Sent, BeginNs, paused(Client#{session := none}), Left - 1);
        gone ->
            send_again(Sent, BeginNs, paused(Client#{session := none}), Left - 1)
    end.

writes({put, Register, Value}) -> #{Register => Value};
writes({put_all, Puts}) -> maps:from_list(Puts);
writes({update, Puts}) -> maps:from_list(Puts);
writes({compare, Register, _, Value}) -> #{Register => Value};
writes(_Read) -> #{}.

write_entry({Operation, _, Id}, #{name := Name}, BeginNs, #{life := Life, end_ns := EndNs, result := Result}) ->
    {Wrote, Saw} = written(Operation, Result),
    Outcome =
        case pando_history_session:outcome(Result) of
            %% It was, but what it answered is not known.
            applied -> unknown;
            Known -> Known
        end,
    #{
        id => Id,
        process => Name,
        life => Life,
        fresh => strict,
        begin_ns => BeginNs,
        end_ns => EndNs,
        outcome => Outcome,
        writes => writes(Operation),
        wrote => Wrote,
        saw => Saw
    }.

%% The versions that it made, and what was there before.
written({put, Register, _}, {ok, Nodes}) ->
    versions([{Register, one(Nodes)}]);
written({compare, Register, _, _}, {ok, Nodes}) ->
    versions([{Register, one(Nodes)}]);
written({compare, Register, _, _}, {error, {pando, mismatching_node, #{node_props := #{data := Value} = Props}}}) ->
    {#{}, #{Register => {maps:get(payload_version, Props, any), Value}}};
written({compare, Register, _, _}, {error, {pando, node_not_found, _}}) ->
    {#{}, #{Register => {0, absent}}};
written({put_all, Puts}, {ok, Results}) ->
    %% The commands for slots answer `ok', those for registers what was there.
    Registers = [one(Nodes) || {ok, Nodes} <- Results],
    versions(lists:zip([Register || {Register, _} <- Puts], Registers));
written({update, _}, {ok, Results}) ->
    Wrote = maps:from_list([{Register, version(one(Written))} || {Register, _, Written} <- Results]),
    Saw = maps:from_list([{Register, seen(Read)} || {Register, Read, _} <- Results]),
    {Wrote, Saw};
written(_Operation, {error, _}) ->
    {#{}, #{}}.

versions(Made) ->
    Wrote = maps:from_list([{Register, version(Props)} || {Register, Props} <- Made]),
    Saw = maps:from_list([{Register, {version(Props) - 1, maps:get(data, Props, absent)}} || {Register, Props} <- Made]),
    {Wrote, Saw}.

version(#{payload_version := Version}) -> Version.

one(Nodes) ->
    [{_, Props}] = maps:to_list(Nodes),
    Props.

%% What was read inside of a transaction before it wrote.
seen(Read) when map_size(Read) =:= 0 -> {0, absent};
seen(Read) ->
    #{data := Value} = Props = one(Read),
    {version(Props), Value}.

%% None, if it was not answered.
read_entry(Operation, Process, #{life := Life, begin_ns := BeginNs, end_ns := EndNs, result := Result}) ->
    case saw(Operation, Result) of
        none ->
            [];
        {Saw, Slots} ->
            Entry = #{
                process => Process,
                life => Life,
                fresh => freshness(Operation),
                begin_ns => BeginNs,
                end_ns => EndNs,
                outcome => ok,
                writes => #{},
                wrote => #{},
                saw => Saw
            },
            [case Slots of none -> Entry; _ -> Entry#{slots => Slots} end]
    end.

freshness(Operation) ->
    case element(3, Operation) of
        {token, {Id, _}} -> {token, Id};
        Freshness -> Freshness
    end.

saw({read_all, Registers, _}, {ok, Nodes}) ->
    Slots = maps:from_list([{{slotted, N}, slot(N, Nodes)} || {slotted, N} <- Registers]),
    {maps:from_list([{Register, register_in(Register, Nodes)} || Register <- Registers]), Slots};
saw({read_in_transaction, Registers, _}, {ok, Nodes}) ->
    {maps:from_list([{Register, register_in(Register, Nodes)} || Register <- Registers]), none};
saw({read, Register, _}, {ok, Nodes}) ->
    {#{Register => seen(Nodes)}, none};
saw({value, Register, _}, {ok, Value}) ->
    {#{Register => {any, Value}}, none};
saw({_, Register, _}, {error, {pando, node_not_found, _}}) ->
    {#{Register => {0, absent}}, none};
saw(_Operation, {error, _}) ->
    none.

register_in({Kind, N}, Nodes) ->
    case [Props || {[_, K, Name], Props} <- maps:to_list(Nodes), K =:= Kind, Name =:= integer_to_binary(N)] of
        [#{data := Value} = Props] -> {version(Props), Value};
        [] -> {0, absent}
    end.

slot(N, Nodes) ->
    case [Value || {[_, slot, Name], #{data := Value}} <- maps:to_list(Nodes), Name =:= integer_to_binary(N)] of
        [Value] -> Value;
        [] -> absent
    end.
