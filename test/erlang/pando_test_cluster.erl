%% Clusters of real nodes: each an operating-system process with a data directory of its own, on this machine.
%%
%% 1. The nodes know each other through an epmd of their own, and are controlled over their standard input and output, not
%%    over the distribution: a node that is cut off, or cut off from some, still does what it is told.
%% 2. The node of the test is not one of them and need not be distributed: its fate is not theirs.
%% 3. Nothing outlives the process that has started a cluster: a guard ends all nodes with SIGKILL and removes all files, also
%%    when that process is killed. If this VM is killed, the nodes see the end of their input and halt.
%% 4. A link that is cut stays cut, whoever tries to connect and whichever of the two restarts, until it is healed.
-module(pando_test_cluster).

-include_lib("eunit/include/eunit.hrl").

-export([with_cluster/2, with_cluster/3, cases/4, start/2, stop/1, can_have_namespaces/0]).
-export([nodes/1, running/1, data_dir/2, os_pid/2, call/5, call/6, is_running/2]).
-export([start_store/3, start_store/4, stop_store/3, form/2, form/3, await_members/3, await_links/1, recover/2]).
-export([cut/3, heal/3, heal_all/1, isolate/2, rejoin/2, cuts/1, connect_all/1]).
-export([kill/2, pause/2, resume/2, paused/1, restart/2, wipe/3]).
-export([alive/1]).
-export([leader/2, await_leader/2, await_leader/3, status/3, store_status/1, await/2, await/3]).
%% Run on the nodes.
-export([block/2, unblock/2, is_cut/1]).

-export_type([cluster/0, options/0]).

-type cluster() :: #{guard := pid(), table := ets:tid()}.
%% `network': `namespaces' gives each node a network stack of its own, where what is cut is silent: no connection is closed, and
%% nobody is told (needs root: see `can_have_namespaces/0'). `args': more for `erl'. `backends': one for each node, whatever the
%% tests run under. `prevent_overlapping_partitions': what it is by default in OTP 25, but not here, where a single link
%% is to be cut: with it `global' makes a cut between two nodes one between more.
-type options() :: #{
    network => local | namespaces,
    args => [string()],
    backends => [pando_backend:backend()],
    prevent_overlapping_partitions => boolean()
}.

%% Generous limits: a busy machine is no fault.
-define(BOOT_MS_MAX, 60000).
-define(CALL_MS_MAX, 60000).
-define(AWAIT_MS_MAX, 60000).
-define(END_MS_MAX, 30000).
-define(POLL_MS, 10).
%% How often a link that came up while it was being cut is cut again.
-define(CUTS_MAX, 20).
-define(LOG_LINES_SHOWN, 30).
-define(HOST, "127.0.0.1").

%% -------------------------------------------------------------------
%% The cluster as a whole
%% -------------------------------------------------------------------

-spec with_cluster(pos_integer(), fun((cluster()) -> Result)) -> Result.
with_cluster(Count, Test) ->
    with_cluster(Count, #{}, Test).

%% Hands `Count' nodes to `Test', and ends them with it. The ends of their logs are shown if it fails.
-spec with_cluster(pos_integer(), options(), fun((cluster()) -> Result)) -> Result.
with_cluster(Count, Options, Test) ->
    Cluster = start(Count, Options),
    try
        showing_logs(Cluster, Test)
    after
        stop(Cluster)
    end.

showing_logs(Cluster, Test) ->
    try
        Test(Cluster)
    catch
        Class:Reason:Stacktrace ->
            show_logs(Cluster),
            erlang:raise(Class, Reason, Stacktrace)
    end.

%% EUnit tests that share a cluster of one store, which is well again when each begins.
-spec cases(atom(), pos_integer(), pos_integer(), [{string(), fun((cluster()) -> term())}]) -> term().
cases(Store, Count, TimeoutS, Cases) ->
    Setup = fun() ->
        Cluster = start(Count, #{}),
        try
            ok = form(Cluster, Store, cluster),
            Cluster
        catch
            Class:Reason:Stacktrace ->
                show_logs(Cluster),
                stop(Cluster),
                erlang:raise(Class, Reason, Stacktrace)
        end
    end,
    {setup, Setup, fun stop/1, fun(Cluster) ->
        [
            {Title,
                {timeout, TimeoutS, fun() ->
                    showing_logs(Cluster, fun(_) ->
                        ok = recover(Cluster, Store),
                        Test(Cluster)
                    end)
                end}}
         || {Title, Test} <- Cases
        ]
    end}.

%% Nodes without stores. The caller's end is theirs.
-spec start(pos_integer(), options()) -> cluster().
start(Count, Options) ->
    Owner = self(),
    {Guard, Monitor} = spawn_monitor(fun() -> guard(Owner, Options#{count => Count}) end),
    receive
        {Guard, started, Table} ->
            true = demonitor(Monitor, [flush]),
            Cluster = #{guard => Guard, table => Table},
            Names = [node_name(Table, N) || N <- lists:seq(1, Count)],
            %% Side by side: most of it is waiting for the boot.
            _ = pando_test_store:parallel(Count, fun(N) -> ok = start_node(Cluster, lists:nth(N, Names)) end),
            true = ets:insert(Table, {nodes, Names}),
            Cluster;
        {'DOWN', Monitor, process, Guard, Reason} ->
            error({no_cluster, Reason})
    end.

-spec stop(cluster()) -> ok.
stop(#{guard := Guard}) ->
    Monitor = monitor(process, Guard),
    Guard ! stop,
    receive
        {'DOWN', Monitor, process, Guard, normal} -> ok;
        {'DOWN', Monitor, process, Guard, noproc} -> ok;
        {'DOWN', Monitor, process, Guard, Reason} -> error({cluster_not_stopped, Reason})
    end.

-spec nodes(cluster()) -> [node()].
nodes(#{table := Table}) ->
    ets:lookup_element(Table, nodes, 2).

%% Those that were not killed, and are not paused.
-spec running(cluster()) -> [node()].
running(Cluster) ->
    [Node || Node <- ?MODULE:nodes(Cluster), is_running(Cluster, Node), not is_paused(Cluster, Node)].

-spec is_running(cluster(), node()) -> boolean().
is_running(#{table := Table}, Node) ->
    ets:member(Table, {peer, Node}).

%% Where its stores are.
-spec data_dir(cluster(), node()) -> file:filename().
data_dir(#{table := Table}, Node) ->
    filename:join([ets:lookup_element(Table, root, 2), short_name(Node), "data"]).

-spec os_pid(cluster(), node()) -> string().
os_pid(#{table := Table}, Node) ->
    ets:lookup_element(Table, {os_pid, Node}, 2).

-spec call(cluster(), node(), module(), atom(), [term()]) -> term().
call(Cluster, Node, Module, Function, Arguments) ->
    call(Cluster, Node, Module, Function, Arguments, ?CALL_MS_MAX).

%% What the node makes of it, whoever it is connected with. Raises what the function raises; exits with `{node_is_gone, _}'
%% if the node is or becomes none.
-spec call(cluster(), node(), module(), atom(), [term()], timeout()) -> term().
call(#{table := Table}, Node, Module, Function, Arguments, TimeoutMs) ->
    case ets:lookup(Table, {peer, Node}) of
        [{_, Peer}] ->
            try
                peer:call(Peer, Module, Function, Arguments, TimeoutMs)
            catch
                exit:{Reason, {gen_server, call, [Peer | _]}} when Reason =/= timeout -> exit({node_is_gone, Node});
                error:noconnection -> exit({node_is_gone, Node})
            end;
        [] ->
            exit({node_is_gone, Node})
    end.

%% -------------------------------------------------------------------
%% Stores
%% -------------------------------------------------------------------

-spec start_store(cluster(), node(), atom()) -> ok.
start_store(Cluster, Node, Store) ->
    start_store(Cluster, Node, Store, #{}).

%% With more of what `pando:start' takes in its map.
-spec start_store(cluster(), node(), atom(), map()) -> ok.
start_store(Cluster, Node, Store, Config) ->
    Arguments = [data_dir(Cluster, Node), Config#{cluster_name => Store}],
    {Node, {ok, Store}} = {Node, call(Cluster, Node, pando, start, Arguments)},
    ok.

-spec stop_store(cluster(), node(), atom()) -> ok.
stop_store(Cluster, Node, Store) ->
    ok = call(Cluster, Node, pando, stop, [Store]).

%% Makes all nodes members of one cluster; all vote when it returns.
-spec form(cluster(), atom()) -> ok.
form(Cluster, Store) ->
    form(Cluster, Store, join).

%% By joining the first node one after the other, or by telling each of all when its store starts.
-spec form(cluster(), atom(), join | cluster) -> ok.
form(Cluster, Store, join) ->
    [First | Others] = Nodes = ?MODULE:nodes(Cluster),
    [ok = start_store(Cluster, Node, Store) || Node <- Nodes],
    [ok = call(Cluster, Node, pando_cluster, join, [Store, First]) || Node <- Others],
    await_members(Cluster, Store, Nodes);
form(Cluster, Store, cluster) ->
    Nodes = ?MODULE:nodes(Cluster),
    _ = pando_test_store:parallel(length(Nodes), fun(N) ->
        ok = start_store(Cluster, lists:nth(N, Nodes), Store, #{cluster => Nodes})
    end),
    await_members(Cluster, Store, Nodes).

%% Undoes all that was done to the cluster, but for what was done to the data.
-spec recover(cluster(), atom()) -> ok.
recover(Cluster, Store) ->
    Nodes = ?MODULE:nodes(Cluster),
    [ok = resume(Cluster, Node) || Node <- paused(Cluster)],
    ok = heal_all(Cluster),
    [ok = restart(Cluster, Node) || Node <- Nodes, not is_running(Cluster, Node)],
    [ok = start_store(Cluster, Node, Store, #{cluster => Nodes}) || Node <- Nodes],
    ok = await_members(Cluster, Store, Nodes),
    await_links(Cluster).

%% Waits until every node is connected with every other one; the stores see to that.
-spec await_links(cluster()) -> ok.
await_links(Cluster) ->
    Nodes = ?MODULE:nodes(Cluster),
    await(links, fun() ->
        lists:all(fun(Node) -> (Nodes -- [Node]) -- call(Cluster, Node, erlang, nodes, [connected]) =:= [] end, Nodes)
    end).

%% Waits until all that run say that exactly these are members, each once, that all vote, and who leads.
-spec await_members(cluster(), atom(), [node()]) -> ok.
await_members(Cluster, Store, Nodes) ->
    Wanted = lists:sort([{atom_to_binary(Node), true} || Node <- Nodes]),
    await({members, Nodes}, fun() ->
        Seen = [status(Cluster, Node, Store) || Node <- running(Cluster), lists:member(Node, Nodes)],
        lists:all(fun(Status) -> is_map(Status) andalso voters(Status) =:= Wanted andalso has_leader(Status) end, Seen)
    end).

voters(#{members := Members}) ->
    lists:sort([{Node, IsVoter} || #{node := Node, is_voter := IsVoter} <- Members]);
voters(_Status) ->
    [].

has_leader(#{leader := Leader}) -> Leader =/= undefined.

%% -------------------------------------------------------------------
%% Links
%% -------------------------------------------------------------------

%% Cuts the link between two nodes, both ways: their distribution connections are closed, and no new one comes about. One
%% that is paused or gone hears of it when it is there again, which the other one need not wait for.
-spec cut(cluster(), node(), node()) -> ok.
cut(#{table := Table} = Cluster, A, B) when A =/= B ->
    true = ets:insert(Table, {{cut, link(A, B)}}),
    case ets:lookup_element(Table, network, 2) of
        local -> cut_again(Cluster, A, B, ?CUTS_MAX);
        #{} = Network -> network(["cut", Network, number(A), number(B)])
    end.

cut_again(_Cluster, A, B, 0) ->
    error({cannot_be_cut, A, B});
cut_again(Cluster, A, B, Left) ->
    Sides = [{Node, Other} || {Node, Other} <- [{A, B}, {B, A}], lists:member(Node, running(Cluster))],
    [true = call(Cluster, Node, ?MODULE, block, [Other, cookie_of_cut(Node)]) || {Node, Other} <- Sides],
    %% A connection that was being made with the right cookie may have come up since.
    %% One alone would wait for the other in vain.
    Trying = [Side || Side <- Sides, length(Sides) =:= 2],
    case lists:all(fun({Node, Other}) -> call(Cluster, Node, ?MODULE, is_cut, [Other]) end, Trying) of
        true -> ok;
        false -> cut_again(Cluster, A, B, Left - 1)
    end.

%% Lets them connect again; somebody has to.
-spec heal(cluster(), node(), node()) -> ok.
heal(#{table := Table} = Cluster, A, B) ->
    IsCut = ets:member(Table, {cut, link(A, B)}),
    true = ets:delete(Table, {cut, link(A, B)}),
    case ets:lookup_element(Table, network, 2) of
        local ->
            Cookie = ets:lookup_element(Table, cookie, 2),
            [
                true = call(Cluster, Node, ?MODULE, unblock, [Other, Cookie])
             || {Node, Other} <- [{A, B}, {B, A}], lists:member(Node, running(Cluster))
            ],
            ok;
        #{} = Network when IsCut ->
            network(["heal", Network, number(A), number(B)]);
        #{} ->
            ok
    end.

-spec heal_all(cluster()) -> ok.
heal_all(Cluster) ->
    lists:foreach(fun({A, B}) -> ok = heal(Cluster, A, B) end, cuts(Cluster)).

%% Cuts a node off from all others.
-spec isolate(cluster(), node()) -> ok.
isolate(Cluster, Node) ->
    lists:foreach(fun(Other) -> ok = cut(Cluster, Node, Other) end, ?MODULE:nodes(Cluster) -- [Node]).

%% Heals all its links.
-spec rejoin(cluster(), node()) -> ok.
rejoin(Cluster, Node) ->
    lists:foreach(fun({A, B}) -> ok = heal(Cluster, A, B) end, [Link || {A, B} = Link <- cuts(Cluster), A =:= Node orelse B =:= Node]).

-spec cuts(cluster()) -> [{node(), node()}].
cuts(#{table := Table}) ->
    lists:sort(ets:select(Table, [{{{cut, '$1'}}, [], ['$1']}])).

%% For tests without stores, whose peers connect by themselves.
-spec connect_all(cluster()) -> ok.
connect_all(Cluster) ->
    Nodes = running(Cluster),
    [true = call(Cluster, A, net_kernel, connect_node, [B]) || A <- Nodes, B <- Nodes, A < B],
    ok.

link(A, B) -> {min(A, B), max(A, B)}.

%% Different on the two sides.
cookie_of_cut(Node) -> list_to_atom("cut_off_from_" ++ short_name(Node)).

%% @private
-spec block(node(), atom()) -> true.
block(Other, Cookie) ->
    true = erlang:set_cookie(Other, Cookie),
    _ = erlang:disconnect_node(Other),
    true.

%% @private
-spec unblock(node(), atom()) -> true.
unblock(Other, Cookie) ->
    erlang:set_cookie(Other, Cookie).

%% @private Whether trying to connect fails; waits for an attempt that is under way.
-spec is_cut(node()) -> boolean().
is_cut(Other) ->
    net_kernel:connect_node(Other) =:= false andalso not lists:member(Other, erlang:nodes(connected)).

%% -------------------------------------------------------------------
%% Faults of nodes
%% -------------------------------------------------------------------

%% SIGKILL; returns when the process is gone.
-spec kill(cluster(), node()) -> ok.
kill(#{table := Table} = Cluster, Node) ->
    OsPid = os_pid(Cluster, Node),
    true = ets:delete(Table, {peer, Node}),
    _ = os:cmd("kill -9 " ++ OsPid),
    ok = await_gone([OsPid]),
    close_pauser(Table, Node).

%% SIGSTOP: nobody is told, and connections stay. It goes on by itself if this VM ends.
-spec pause(cluster(), node()) -> ok.
pause(#{guard := Guard} = Cluster, Node) ->
    false = is_paused(Cluster, Node),
    ok = ask(Guard, {pause, Node, os_pid(Cluster, Node)}).

%% SIGCONT.
-spec resume(cluster(), node()) -> ok.
resume(#{table := Table} = Cluster, Node) ->
    ok = close_pauser(Table, Node),
    %% It has not heard of what was cut and healed meanwhile.
    Healed = [Other || Other <- ?MODULE:nodes(Cluster) -- [Node], not lists:member(link(Node, Other), cuts(Cluster))],
    [ok = heal(Cluster, Node, Other) || Other <- Healed],
    ok = cut_links_of(Cluster, Node).

-spec paused(cluster()) -> [node()].
paused(Cluster) ->
    [Node || Node <- ?MODULE:nodes(Cluster), is_paused(Cluster, Node)].

is_paused(#{table := Table}, Node) ->
    ets:member(Table, {pauser, Node}).

close_pauser(Table, Node) ->
    case ets:take(Table, {pauser, Node}) of
        [{_, Pauser}] ->
            %% Its answer to the end of its input is the SIGCONT.
            true = port_command(Pauser, "\n"),
            ok;
        [] ->
            ok
    end.

%% A node of the same name in the same directory, without its stores; killed before, if it was running.
-spec restart(cluster(), node()) -> ok.
restart(Cluster, Node) ->
    _ = [ok = kill(Cluster, Node) || is_running(Cluster, Node)],
    ok = start_node(Cluster, Node).

%% Stops a store and takes its files away: what a node is that has lost its disk.
-spec wipe(cluster(), node(), atom()) -> ok.
wipe(Cluster, Node, Store) ->
    ok = stop_store(Cluster, Node, Store),
    Directory = call(Cluster, Node, pando_directory, of_store, [data_dir(Cluster, Node), Store]),
    ok = file:del_dir_r(Directory).

%% -------------------------------------------------------------------
%% Who leads, and waiting
%% -------------------------------------------------------------------

%% The node that says it leads; of several the one of the highest term.
-spec leader(cluster(), atom()) -> node() | undefined.
leader(Cluster, Store) ->
    Leading = [{Term, Node} || Node <- running(Cluster), #{role := leader, term := Term} <- [status(Cluster, Node, Store)]],
    case lists:sort(Leading) of
        [] -> undefined;
        Sorted -> element(2, lists:last(Sorted))
    end.

-spec await_leader(cluster(), atom()) -> node().
await_leader(Cluster, Store) ->
    await_leader(Cluster, Store, fun(_) -> true end).

%% Waits until a node leads that is as it should be.
-spec await_leader(cluster(), atom(), fun((node()) -> boolean())) -> node().
await_leader(Cluster, Store, IsWanted) ->
    await_value({leader, Store}, fun() ->
        case leader(Cluster, Store) of
            undefined -> none;
            Leader -> case IsWanted(Leader) of true -> {ok, Leader}; false -> none end
        end
    end, ?AWAIT_MS_MAX).

%% `undefined' if the store does not run there.
-spec status(cluster(), node(), atom()) -> map() | undefined.
status(Cluster, Node, Store) ->
    try
        call(Cluster, Node, ?MODULE, store_status, [Store])
    catch
        exit:{node_is_gone, _} -> undefined
    end.

%% @private
-spec store_status(atom()) -> map() | undefined.
store_status(Store) ->
    %% Before a store was started the native side need not be there.
    case lists:member(Store, pando_backend:stores()) andalso pando_backend:status(Store) of
        {ok, Status} -> Status;
        {error, noproc} -> undefined;
        false -> undefined
    end.

-spec await(term(), fun(() -> boolean())) -> ok.
await(What, IsTrue) ->
    await(What, IsTrue, ?AWAIT_MS_MAX).

%% Looks again and again, with a limit, for what no event tells of.
-spec await(term(), fun(() -> boolean()), non_neg_integer()) -> ok.
await(What, IsTrue, WaitMs) ->
    await_value(What, fun() -> case IsTrue() of true -> {ok, ok}; false -> none end end, WaitMs).

await_value(What, Look, WaitMs) ->
    await_until(What, Look, erlang:monotonic_time(millisecond) + WaitMs).

await_until(What, Look, Deadline) ->
    case Look() of
        {ok, Value} ->
            Value;
        none ->
            case erlang:monotonic_time(millisecond) >= Deadline of
                true ->
                    error({waited_in_vain, What});
                false ->
                    timer:sleep(?POLL_MS),
                    await_until(What, Look, Deadline)
            end
    end.

%% -------------------------------------------------------------------
%% The guard: owns what must not outlive the test
%% -------------------------------------------------------------------

guard(Owner, #{count := _} = Options) ->
    process_flag(trap_exit, true),
    Monitor = monitor(process, Owner),
    Unique = os:getpid() ++ "_" ++ integer_to_list(erlang:unique_integer([positive])),
    Root = filename:join(os:getenv("TMPDIR", "/tmp"), "pando-cluster-" ++ Unique),
    Table = ets:new(?MODULE, [public, {read_concurrency, true}]),
    EpmdPort = free_port(),
    Network = network_of(Options),
    Janitor = start_janitor(Root, Network, Options),
    true = ets:insert(Table, [
        {network, Network},
        {root, Root},
        {unique, Unique},
        {options, Options},
        {nodes, []},
        {cookie, list_to_atom("cookie_" ++ Unique)},
        {epmd_port, EpmdPort}
    ]),
    Epmds = [start_epmd(Wrapper, EpmdPort) || Wrapper <- wrappers(Network, Options)],
    Owner ! {self(), started, Table},
    guard_loop(#{owner => Monitor, table => Table, janitor => Janitor, epmds => Epmds}).

%% What programs are started with: once, or for each namespace.
wrappers(local, _Options) -> [[]];
wrappers(Network, #{count := Count}) -> [wrapper(Network, integer_to_list(N)) || N <- lists:seq(1, Count)].

wrapper(local, _Number) -> [];
wrapper(#{tag := Tag}, Number) -> [os:find_executable("ip"), "netns", "exec", "pando" ++ Tag ++ "-" ++ Number].

guard_loop(#{owner := Owner, table := Table} = Guard) ->
    receive
        {ask, From, {start_node, Node}} ->
            %% Nodes boot side by side; the one that starts it is linked to this one.
            Self = self(),
            _ = spawn_link(fun() -> boot(Table, Node, fun(Result) -> From ! {Self, Result} end) end),
            guard_loop(Guard);
        {ask, From, {pause, Node, OsPid}} ->
            From ! {self(), start_pauser(Table, Node, OsPid)},
            guard_loop(Guard);
        stop ->
            clean_up(Guard);
        {'DOWN', Owner, process, _, _} ->
            clean_up(Guard);
        _ ->
            guard_loop(Guard)
    end.

ask(Guard, Request) ->
    Monitor = monitor(process, Guard),
    Guard ! {ask, self(), Request},
    receive
        {Guard, Answer} ->
            true = demonitor(Monitor, [flush]),
            Answer;
        {'DOWN', Monitor, process, Guard, Reason} ->
            error({no_guard, Reason})
    end.

clean_up(#{table := Table, janitor := Janitor, epmds := Epmds}) ->
    OsPids = [OsPid || {{os_pid, _}, OsPid} <- ets:tab2list(Table)],
    _ = OsPids =/= [] andalso os:cmd("kill -9 " ++ lists:join(" ", OsPids) ++ " 2>/dev/null"),
    ok = await_gone(OsPids),
    _ = [port_close(Pauser) || {{pauser, _}, Pauser} <- ets:tab2list(Table), erlang:port_info(Pauser) =/= undefined],
    lists:foreach(fun end_waiting/1, Epmds ++ [Janitor]).

%% Takes away the network and the files, when it is told to, or when the pipe from here is closed, by whatever. The nodes of a VM that
%% was killed may write for a moment longer: hence the second attempt.
start_janitor(Root, Network, #{count := Count}) ->
    Command =
        "root=$1; shift; [ $# = 0 ] || sh \"$1\" up \"$2\" \"$3\" \"$4\" || exit 1; echo ready; read -r _; "
        "[ $# = 0 ] || sh \"$1\" down \"$2\"; rm -rf \"$root\" || { sleep 1; rm -rf \"$root\"; }",
    OfNetwork =
        case Network of
            local -> [];
            #{tag := Tag, prefix := Prefix} -> [script(), Tag, Prefix, integer_to_list(Count)]
        end,
    start_waiting(["-c", Command, "janitor", Root] ++ OfNetwork, [], "ready").

%% A program that says a line when it is ready, and then waits for `read' with a pipe from here.
start_waiting(Arguments, Environment, Line) ->
    Port = open_port({spawn_executable, "/bin/sh"}, [{args, Arguments}, {env, Environment}, {line, 80}, exit_status]),
    receive
        {Port, {data, {eol, Line}}} -> Port;
        {Port, {exit_status, Status}} -> error({not_started, Status, Arguments})
    after ?BOOT_MS_MAX -> error({not_started, Arguments})
    end.

end_waiting(Port) ->
    true = port_command(Port, "\n"),
    receive
        {Port, {exit_status, _}} -> ok
    after ?END_MS_MAX -> error(still_waiting)
    end.

%% Waits for `read' with a pipe from here: it ends what it has started when that pipe is closed, by whatever. Says when it answers:
%% a node that found none would start another one, as a daemon.
start_epmd(Wrapper, EpmdPort) ->
    Epmd = os:find_executable("epmd"),
    Command =
        "port=$1; shift; \"$@\" -port $port >/dev/null 2>&1 & "
        "until \"$@\" -port $port -names >/dev/null 2>&1; do sleep 0.01; done; echo answers; read -r _; kill $!; wait",
    Arguments = ["-c", Command, "epmd", integer_to_list(EpmdPort)] ++ Wrapper ++ [Epmd],
    start_waiting(Arguments, [{"ERL_EPMD_ADDRESS", ?HOST} || Wrapper =:= []], "answers").

%% Whether this machine lets us make them.
-spec can_have_namespaces() -> boolean().
can_have_namespaces() ->
    Tag = "t" ++ os:getpid(),
    os:find_executable("ip") =/= false andalso
        try network(["up", #{tag => Tag, prefix => "10.255.255"}, "1"]) of
            ok -> network(["down", #{tag => Tag}]) =:= ok
        catch
            error:{network, _} -> false
        end.

network_of(#{network := namespaces}) ->
    N = list_to_integer(os:getpid()),
    #{
        tag => integer_to_list(N),
        %% Networks of several runs at once differ.
        prefix => lists:concat(["10.", 200 + N rem 50, ".", N div 50 rem 250])
    };
network_of(_Options) ->
    local.

script() -> filename:join(project_dir(), "scripts/test-network.sh").

network([Action, Network | Arguments]) ->
    Of = [maps:get(Key, Network) || Key <- [tag, prefix], is_map_key(Key, Network)],
    Port = open_port({spawn_executable, "/bin/sh"}, [
        {args, [script(), Action] ++ Of ++ Arguments}, exit_status, stderr_to_stdout, {line, 1000}
    ]),
    network_ended(Port, []).

network_ended(Port, Lines) ->
    receive
        {Port, {data, {_, Line}}} -> network_ended(Port, [Line | Lines]);
        {Port, {exit_status, 0}} -> ok;
        {Port, {exit_status, Status}} -> error({network, {Status, lists:reverse(Lines)}})
    after ?END_MS_MAX -> error({network, still_running})
    end.

%% Tests are run in it, or below it.
project_dir() -> project_dir(filename:absname(code:which(?MODULE))).

project_dir(Below) ->
    case filelib:is_regular(filename:join(Below, "scripts/test-network.sh")) of
        true -> Below;
        false when Below =/= "/" -> project_dir(filename:dirname(Below))
    end.

free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {127, 0, 0, 1}}]),
    {ok, TcpPort} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    TcpPort.

%% The owner of a port is the process that opened it, and that is the guard.
start_pauser(Table, Node, OsPid) ->
    Port = open_port({spawn_executable, "/bin/sh"}, [
        {args, ["-c", "kill -STOP $0 && echo stopped && read -r _; kill -CONT $0 2>/dev/null", OsPid]}, {line, 80}, exit_status
    ]),
    receive
        {Port, {data, {eol, "stopped"}}} ->
            true = ets:insert(Table, {{pauser, Node}, Port}),
            ok;
        {Port, {exit_status, Status}} ->
            {error, Status}
    after ?END_MS_MAX -> {error, timeout}
    end.

%% -------------------------------------------------------------------
%% Starting a node
%% -------------------------------------------------------------------

node_name(Table, N) ->
    Unique = ets:lookup_element(Table, unique, 2),
    Host =
        case ets:lookup_element(Table, network, 2) of
            local -> ?HOST;
            #{prefix := Prefix} -> Prefix ++ "." ++ integer_to_list(N)
        end,
    list_to_atom("n" ++ integer_to_list(N) ++ "_" ++ Unique ++ "@" ++ Host).

%% Which of the nodes it is.
number(Node) -> tl(hd(string:lexemes(short_name(Node), "_"))).

host(Node) -> lists:last(string:lexemes(atom_to_list(Node), "@")).

short_name(Node) -> hd(string:lexemes(atom_to_list(Node), "@")).

start_node(#{guard := Guard} = Cluster, Node) ->
    case ask(Guard, {start_node, Node}) of
        ok -> cut_links_of(Cluster, Node);
        {error, Reason} -> error({node_not_started, Node, Reason})
    end.

%% Before it has a store that would connect.
cut_links_of(Cluster, Node) ->
    lists:foreach(fun({A, B}) -> ok = cut(Cluster, A, B) end, [Link || {A, B} = Link <- cuts(Cluster), A =:= Node orelse B =:= Node]).

%% The process that started a node stays as long as the process of the connection to it, which is linked to it.
boot(Table, Node, Answer) ->
    Booted = booted(Table, Node),
    Peers = [monitor(process, Peer) || ok <- [Booted], {_, Peer} <- ets:lookup(Table, {peer, Node})],
    Answer(Booted),
    [receive {'DOWN', Monitor, process, _, _} -> ok end || Monitor <- Peers].

booted(Table, Node) ->
    Options = ets:lookup_element(Table, options, 2),
    Directory = filename:join(ets:lookup_element(Table, root, 2), short_name(Node)),
    ok = filelib:ensure_dir(filename:join(Directory, "data")),
    Start = #{
        name => list_to_atom(short_name(Node)),
        host => host(Node),
        longnames => true,
        connection => standard_io,
        exec => program(ets:lookup_element(Table, network, 2), Node),
        env => [{"ERL_EPMD_PORT", integer_to_list(ets:lookup_element(Table, epmd_port, 2))}, {"ERL_CRASH_DUMP_SECONDS", "0"}],
        wait_boot => ?BOOT_MS_MAX,
        args => interface(host(Node)) ++ backend(number(Node), Options) ++ erl_arguments(Table, Directory, Options)
    },
    case peer:start_link(Start) of
        {ok, Peer, Node} ->
            OsPid = peer:call(Peer, os, getpid, [], ?BOOT_MS_MAX),
            true = ets:insert(Table, [{{os_pid, Node}, OsPid}, {{peer, Node}, Peer}]),
            ok;
        Other ->
            {error, Other}
    end.

program(Network, Node) ->
    [Program | Arguments] = wrapper(Network, number(Node)) ++ [os:find_executable("erl")],
    {Program, Arguments}.

%% Nobody outside of this machine.
interface(?HOST) -> ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"];
interface(_Host) -> [].

%% Without the option as the tests run: `rebar.config.script' has put that into the environment.
backend(Number, #{backends := Backends}) ->
    ["-pando", "backend", atom_to_list(lists:nth(list_to_integer(Number), Backends))];
backend(_Number, _Options) ->
    [].

erl_arguments(Table, Directory, Options) ->
    Log = filename:join(Directory, "erlang.log"),
    Handler = io_lib:format("[{handler,default,logger_std_h,#{config=>#{file=>~p}}}]", [Log]),
    Overlapping = atom_to_list(maps:get(prevent_overlapping_partitions, Options, false)),
    lists:append([
        ["-setcookie", atom_to_list(ets:lookup_element(Table, cookie, 2))],
        ["-kernel", "prevent_overlapping_partitions", Overlapping],
        ["-kernel", "logger", lists:flatten(Handler)],
        %% Several nodes share few cores: none waits by spinning.
        ["+S", "2:2", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"],
        lists:append([["-pa", Ebin] || Ebin <- pando_test_store:ebin_dirs()]),
        maps:get(args, Options, [])
    ]).

show_logs(#{table := Table} = Cluster) ->
    Root = ets:lookup_element(Table, root, 2),
    [
        case file:read_file(filename:join([Root, short_name(Node), "erlang.log"])) of
            {ok, <<_, _/binary>> = Text} ->
                Lines = string:split(string:trim(Text), "\n", all),
                Last = lists:nthtail(max(0, length(Lines) - ?LOG_LINES_SHOWN), Lines),
                io:format(user, "~n--- log of ~ts ---~n~ts~n", [Node, lists:join("\n", Last)]);
            _ ->
                ok
        end
     || Node <- ?MODULE:nodes(Cluster)
    ],
    ok.

await_gone(OsPids) ->
    await({gone, OsPids}, fun() -> alive(OsPids) =:= [] end, ?END_MS_MAX).

%% @private Which of these operating-system processes there are.
-spec alive([string()]) -> [string()].
alive(OsPids) ->
    Loop = ["for p in ", lists:join(" ", OsPids), "; do kill -0 $p 2>/dev/null && echo $p; done"],
    string:lexemes(os:cmd(lists:flatten(Loop)), "\n").
