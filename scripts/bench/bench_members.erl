%% @doc The nodes of a cluster on this machine: each a VM with an address of its own on the loopback interface, a directory of its
%% own, and a member of the store.
%%
%% The VM of the benchmark is none of them and not connected with them: it tells them over their standard input what to do.
%% Neither does it take part in what is measured, nor does it notice when one of them is killed. They end with it.
%%
%% They all listen on the same port of different addresses, so they need no `epmd' to find each other.
-module(bench_members).

-export([start/2, form/1, stop/1, start_again/1, reopen/1]).
-export([call/4, node_of/1, os_pid/1, by_role/1, await_settled/1, join/2]).
%% Called in the nodes.
-export([open/1, is_voter/0]).

-export_type([member/0]).

-opaque member() :: #{vm := pid(), node := node(), os_pid := string(), directory := file:filename(), options := map()}.

%% How often is looked for what no message tells, in milliseconds, and for how long.
-define(POLL_MS, 10).
-define(WAIT_MS_MAX, 120000).

%% @doc So many nodes, without stores.
-spec start(file:filename(), pos_integer()) -> [member()].
start(Directory, Count) ->
    Port = integer_to_list(free_port()),
    Unique = os:getpid() ++ "_" ++ integer_to_list(erlang:unique_integer([positive])),
    [start_member(filename:join(Directory, integer_to_list(N)), N, Unique, Port) || N <- lists:seq(1, Count)].

start_member(Directory, Number, Unique, Port) ->
    Name = "bench" ++ integer_to_list(Number) ++ "_" ++ Unique,
    Host = "127.0.0." ++ integer_to_list(Number),
    Interface = "{127,0,0," ++ integer_to_list(Number) ++ "}",
    start_vm(#{
        node => list_to_atom(Name ++ "@" ++ Host),
        directory => Directory,
        options => #{
            name => list_to_atom(Name),
            host => Host,
            longnames => true,
            args => lists:append([
                ["-setcookie", "bench_" ++ Unique],
                ["-start_epmd", "false", "-erl_epmd_port", Port],
                ["-kernel", "inet_dist_use_interface", Interface]
            ])
        }
    }).

start_vm(#{options := Options} = Member) ->
    Vm = bench_vm:start_child(Options),
    Member#{vm => Vm, os_pid => bench_vm:call(Vm, os, getpid, [])}.

%% Free on every address of the loopback interface.
free_port() ->
    {ok, Socket} = gen_tcp:listen(0, [{ip, {0, 0, 0, 0}}]),
    {ok, Port} = inet:port(Socket),
    ok = gen_tcp:close(Socket),
    Port.

%% @doc Makes the nodes members of one cluster, which the first founds. All vote when it returns.
-spec form([member(), ...]) -> ok.
form([First | Others] = Members) ->
    [ok = reopen(Member) || Member <- Members],
    [ok = join(Member, First) || Member <- Others],
    await_settled(Members).

%% @doc Makes the store of one node a member of the cluster that that of another one is in.
-spec join(member(), member()) -> ok.
join(Member, #{node := Node}) ->
    ok = call(Member, pando_cluster, join, [bench_store:name(), Node]).

%% @doc SIGKILL for all.
-spec stop([member()]) -> ok.
stop(Members) ->
    lists:foreach(fun(#{vm := Vm}) -> ok = bench_vm:kill_child(Vm) end, Members).

%% @doc Starts a node again that was killed, and opens its store.
-spec start_again(member()) -> member().
start_again(#{vm := Vm} = Member) ->
    Monitor = monitor(process, Vm),
    receive
        {'DOWN', Monitor, process, Vm, _} -> ok
    end,
    Again = start_vm(Member),
    ok = reopen(Again),
    Again.

%% @doc Opens the store of a node.
-spec reopen(member()) -> ok.
reopen(#{directory := Directory} = Member) ->
    ok = call(Member, ?MODULE, open, [Directory]).

%% @doc What the node makes of it; waits as long as it takes.
-spec call(member(), module(), atom(), [term()]) -> term().
call(#{vm := Vm}, Module, Function, Arguments) ->
    bench_vm:call(Vm, Module, Function, Arguments).

-spec node_of(member()) -> node().
node_of(#{node := Node}) -> Node.

-spec os_pid(member()) -> string().
os_pid(#{os_pid := OsPid}) -> OsPid.

%% @doc Who leads, and the others.
-spec by_role([member(), ...]) -> {member(), [member()]}.
by_role(Members) ->
    await(fun() ->
        Leading = [
            {Term, Member} || Member <- Members, #{role := leader, term := Term} <- [status(Member)]
        ],
        case lists:sort(Leading) of
            [] ->
                {wait, nobody_leads};
            [_ | _] = Sorted ->
                {_, Leader} = lists:last(Sorted),
                {done, {Leader, lists:delete(Leader, Members)}}
        end
    end).

%% @doc Waits until one leads, all vote and have applied the same: nobody must write.
-spec await_settled([member(), ...]) -> ok.
await_settled(Members) ->
    await(fun() ->
        Statuses = [status(Member) || Member <- Members],
        Roles = [Role || #{role := leader = Role} <- Statuses],
        Leaders = lists:usort([Leader || #{leader := Leader} <- Statuses]),
        Applied = [Index || #{applied_index := Index} <- Statuses],
        Voters = [length([Voter || #{is_voter := true} = Voter <- Each]) || #{members := Each} <- Statuses],
        Count = length(Members),
        case {Roles, Leaders, lists:usort(Applied), lists:usort(Voters)} of
            {[leader], [Leader], [_], [Count]} when Leader =/= undefined, length(Applied) =:= Count -> {done, ok};
            _ -> {wait, {not_settled, Statuses}}
        end
    end).

await(Look) ->
    await(Look, erlang:monotonic_time(millisecond) + ?WAIT_MS_MAX).

await(Look, Deadline) ->
    case Look() of
        {done, Result} ->
            Result;
        {wait, Reason} ->
            erlang:monotonic_time(millisecond) < Deadline orelse error(Reason),
            timer:sleep(?POLL_MS),
            await(Look, Deadline)
    end.

status(Member) ->
    case call(Member, pando_cluster, status, [bench_store:name()]) of
        {ok, Status} -> Status;
        {error, noproc} -> #{}
    end.

%%% In a node

%% @private
-spec open(file:filename()) -> ok.
open(Directory) ->
    Store = bench_store:name(),
    ok = filelib:ensure_path(Directory),
    {ok, Store} = pando:start(Directory, Store),
    ok.

%% @private Whether this node's member votes, as it sees it.
-spec is_voter() -> boolean().
is_voter() ->
    {ok, #{member_id := Own, members := Members}} = pando_cluster:status(bench_store:name()),
    [Id || #{member_id := Id, is_voter := true} <- Members, Id =:= Own] =/= [].
