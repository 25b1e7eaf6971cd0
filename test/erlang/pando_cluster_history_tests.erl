%% Histories of clients on several nodes while faults happen, checked for strict serializability, own writes, tokens and outcomes
%% (`pando_history_checker' says what that is).
%%
%% `make test' has a few faults; with PANDO_TORTURE there are hundreds, also of five members, and over networks whose cuts are
%% silent. PANDO_HISTORY_SEED repeats what was drawn in a run; what the machine makes of it differs.
-module(pando_cluster_history_tests).

-include_lib("eunit/include/eunit.hrl").

-define(STORE, history).
-define(TIMEOUT_S, 300).
-define(TIMEOUT_TORTURE_S, 7200).
-define(FAULTS, 6).
-define(FAULTS_TORTURE, 60).
-define(RUNS_TORTURE, 3).
-define(KILLS, 3).
-define(LIFE_MS, 300).
%% Before the first fault.
-define(CALM_MS, 500).

%% One member whose node is killed and comes back: nothing acknowledged is lost, nothing is done twice.
one_member_that_is_killed_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        pando_test_cluster:with_cluster(1, fun(Cluster) ->
            [Node] = pando_test_cluster:nodes(Cluster),
            ok = pando_test_cluster:start_store(Cluster, Node, ?STORE),
            Seed = pando_history:seed("PANDO_HISTORY_SEED", "history of one member that is killed"),
            right_history(Cluster, Seed, fun() ->
                [
                    begin
                        timer:sleep(?LIFE_MS),
                        ok = pando_test_cluster:kill(Cluster, Node),
                        ok = pando_test_cluster:restart(Cluster, Node),
                        ok = pando_test_cluster:start_store(Cluster, Node, ?STORE),
                        {kill, [Node]}
                    end
                 || _ <- lists:seq(1, ?KILLS)
                ]
            end)
        end)
    end}.

members_with_faults_test_() ->
    Runs =
        case os:getenv("PANDO_TORTURE") of
            false ->
                [{3, local, ?FAULTS, ?TIMEOUT_S}];
            _ ->
                [
                    {Members, Network, ?FAULTS_TORTURE, ?TIMEOUT_TORTURE_S}
                 || _ <- lists:seq(1, ?RUNS_TORTURE), Members <- [3, 5], Network <- [local, namespaces]
                ]
        end,
    [
        {lists:flatten(io_lib:format("~b members, ~ts network", [Members, Network])),
            {timeout, TimeoutS, fun() -> members_with_faults(Members, Network, Faults) end}}
     || {Members, Network, Faults, TimeoutS} <- Runs
    ].

members_with_faults(Members, Network, Faults) ->
    case Network =:= local orelse pando_test_cluster:can_have_namespaces() of
        true -> run_with_faults(Members, Network, Faults);
        false -> io:format(user, "~nnetwork namespaces: skipped, this needs root and iproute2~n", [])
    end.

run_with_faults(Members, Network, Faults) ->
    pando_test_cluster:with_cluster(Members, #{network => Network}, fun(Cluster) ->
        ok = pando_test_cluster:form(Cluster, ?STORE, cluster),
        Nodes = pando_test_cluster:nodes(Cluster),
        What = io_lib:format("history of ~b members, ~ts network", [Members, Network]),
        Seed = pando_history:seed("PANDO_HISTORY_SEED", What),
        Plan = pando_nemesis:plan(Seed, Faults, pando_nemesis:kinds()),
        right_history(Cluster, Seed, fun() ->
            timer:sleep(?CALM_MS),
            pando_nemesis:run(Cluster, ?STORE, #{cluster => Nodes}, Plan)
        end),
        %% Well again, without a kick, and all the same everywhere.
        ok = pando_test_cluster:await_members(Cluster, ?STORE, Nodes),
        [ok = pando_test_cluster:call(Cluster, Node, pando, fence, [?STORE]) || Node <- Nodes],
        Trees = [pando_test_cluster:call(Cluster, Node, pando_adv, get_many, [?STORE, "**", all_props()]) || Node <- Nodes],
        ?assertMatch([{ok, _}], lists:usort(Trees))
    end).

%% Reads at a node that is cut off are stale, and right for what was asked. Had they been asked for as linearizable ones, the same
%% history would be wrong.
stale_reads_that_were_promised_to_be_fresh_are_noticed_test_() ->
    {timeout, ?TIMEOUT_S, fun() ->
        pando_test_cluster:with_cluster(3, fun(Cluster) ->
            ok = pando_test_cluster:form(Cluster, ?STORE, cluster),
            Seed = pando_history:seed("PANDO_HISTORY_SEED", "history with stale reads"),
            {Entries, _, ok} = pando_history:run(Cluster, ?STORE, #{seed => Seed, tokens => true}, fun() ->
                timer:sleep(?CALM_MS),
                Leader = pando_test_cluster:await_leader(Cluster, ?STORE),
                ok = pando_test_cluster:isolate(Cluster, hd(pando_test_cluster:nodes(Cluster) -- [Leader])),
                timer:sleep(?CALM_MS),
                pando_test_cluster:heal_all(Cluster)
            end),
            ?assertMatch({[], _}, pando_history_checker:check(Entries)),
            Promised = [case Entry of #{fresh := local} -> Entry#{fresh := strict}; _ -> Entry end || Entry <- Entries],
            ?assertMatch({[{against_real_time, _} | _], _}, pando_history_checker:check(Promised))
        end)
    end}.

all_props() ->
    #{props_to_return => [payload, payload_version, child_list_version, child_list_length]}.

right_history(Cluster, Seed, Faults) ->
    {Entries, Counts, Done} = pando_history:run(Cluster, ?STORE, #{seed => Seed, tokens => true}, Faults),
    {Wrong, Figures} = pando_history_checker:check(Entries),
    io:format(user, "~0p~n~0p~n", [Figures, [{Kind, length(Of)} || {Kind, Of} <- Done]]),
    show_counts(Counts),
    ?assertEqual([], Wrong),
    %% It was a history at all.
    #{ok := Ok, versions := Versions} = Figures,
    ?assert(Ok > 100),
    ?assert(Versions > 50).

%% How often clients were told what.
show_counts(Counts) ->
    case os:getenv("PANDO_TORTURE") of
        false -> ok;
        _ -> io:format(user, "~p~n", [Counts])
    end.
