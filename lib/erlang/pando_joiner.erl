%% @private How a member comes into a cluster, leaves one, and finds out that it is none any more: processes of their own
%% beside `pando_server', which they ask for each change of the directory. They end with it.
%%
%% A join, step by step. What is known after each is in the directory (`pando_joining'), so that it goes on from there.
%%
%% 1. The cluster gives a member id. Nothing else has happened, here or there.
%% 2. This member leaves the cluster that it was in, if it was not alone in it.
%% 3. Its data go; the store is opened as the new member, which nobody knows yet.
%% 4. The cluster adds it, and it gets what the others have.
%% 5. It votes, or, as an observer, has caught up: done.
%%
%% A join that has failed after (3) ends with an empty cluster of one, but only when the cluster has confirmed that this is no
%% member of it: a voter whose data vanish could take the majority with it. Without that it goes on trying.
-module(pando_joiner).

-include_lib("kernel/include/logger.hrl").

-export([start_join/1, start_admission/1, start_resume/1, start_reset/1, start_check/1]).

-export_type([target/0, outcome/0, verdict/0]).

-type target() :: #{node := node(), role := voter | observer, deadline := pando_client:deadline()}.
%% `failed': the server decides what the directory becomes. `unfinished': it goes on in the background.
%% `removed': the node came in with another directory meanwhile.
-type outcome() :: ok | {error, term()} | {failed, term()} | {unfinished, term()} | {removed, binary()}.
%% Of this member: the others say so; `alone': there are none; `unknown': nobody could tell yet.
-type verdict() :: member | alone | unknown | {removed, Text :: binary()}.

-define(LOG_DOMAIN, #{domain => [pando]}).
-define(POLL_MS, 50).
%% Between two attempts while the other store, too, is on the way somewhere, in milliseconds: up to this.
-define(BACK_OFF_MS_MAX, 300).
-define(ASK_TIMEOUT_MS, 3000).
%% How long a cluster without a leader is waited for before a join gives up, in milliseconds.
-define(LEADER_PATIENCE_MS, 10000).
%% A learner that is silent is taken out again by the leader; so it is added anew now and then.
-define(ADD_AGAIN_MS, 5000).
%% How long the cluster may take to confirm that this is no member.
-define(WITHDRAW_TIMEOUT_MS, 10000).
-define(LEAVE_TIMEOUT_MS, 30000).
%% How often it says in the log what it waits for.
-define(LOG_INTERVAL_MS, 10000).
%% How long a node that starts waits to hear that it is still a member, in milliseconds; and how often it asks after that.
-define(CHECK_TIMEOUT_MS, 1500).
-define(CHECK_INTERVAL_MS, 2000).
-define(CHECK_PAUSE_MS, 100).

%%% Joining another cluster, because somebody has asked for it

%% Sends `{joiner, self(), outcome()}' to the server.
-spec start_join(#{server := pid(), store_id := atom(), target := target(), _ => _}) -> pid().
start_join(Context) ->
    start(Context, fun() -> join(Context) end).

start(#{server := Server}, Body) ->
    spawn_link(fun() ->
        Outcome = Body(),
        Server ! {joiner, self(), Outcome},
        ok
    end).

join(#{target := #{node := Node}} = Context) ->
    case Node =:= node() of
        true -> ok;
        false -> join_other(Context)
    end.

join_other(#{store_id := StoreId, target := #{node := Node}} = Context) ->
    case net_adm:ping(Node) of
        pong ->
            case admitted(Context, none) of
                {ok, Joining} -> leave_and_become(Joining, Context);
                {error, _} = Error -> Error
            end;
        pang ->
            {error, {pando, failed_to_join_remote_pando_node, #{store_id => StoreId, node => Node}}}
    end.

%% (1)
admitted(#{store_id := StoreId, server := Server, target := Target} = Context, NoLeaderUntil) ->
    #{node := Node, role := Role, deadline := Deadline} = Target,
    TimeoutMs = min(?ASK_TIMEOUT_MS, pando_client:remaining_ms(Deadline)),
    case pando_census:ask_one(Node, StoreId, TimeoutMs) of
        {member, #{is_certain := true, cluster_id := ClusterId} = View} ->
            Contacts = [Node | pando_census:member_nodes(View) -- [Node, node()]],
            allocated(Contacts, ClusterId, Role, Context);
        {member, _} ->
            admitted_later({pando, no_quorum, no_leader_props()}, ?LEADER_PATIENCE_MS, NoLeaderUntil, Context);
        not_running ->
            {error, {pando, not_a_pando_store, #{store_id => StoreId, node => Node}}};
        silent ->
            Reason = {pando, failed_to_join_remote_pando_node, #{store_id => StoreId, node => Node}},
            admitted_later(Reason, ?LEADER_PATIENCE_MS, NoLeaderUntil, Context);
        %% It is on its way itself, perhaps to us: one of the two has to let the other go first.
        _OnItsWay ->
            ok = pando_server:announce_joining(Server, false),
            timer:sleep(min(rand:uniform(?BACK_OFF_MS_MAX), pando_client:remaining_ms(Deadline))),
            ok = pando_server:announce_joining(Server, true),
            case pando_client:is_past(Deadline) of
                true -> {error, timeout};
                false -> admitted(Context, NoLeaderUntil)
            end
    end.

no_leader_props() ->
    #{outcome => not_applied, reason => <<"the cluster to be joined has no leader that reaches a majority">>}.

admitted_later(Reason, PatienceMs, none, Context) ->
    admitted_later(Reason, PatienceMs, pando_client:deadline(PatienceMs), Context);
admitted_later(Reason, _PatienceMs, Until, #{target := #{deadline := Deadline}} = Context) ->
    case {pando_client:is_past(Until), pando_client:is_past(Deadline)} of
        {true, _} ->
            {error, Reason};
        {_, true} ->
            {error, timeout};
        {false, false} ->
            timer:sleep(min(?POLL_MS, pando_client:remaining_ms(Deadline))),
            admitted(Context, Until)
    end.

allocated(Contacts, ClusterId, Role, #{store_id := StoreId, target := #{deadline := Deadline}}) ->
    case pando_membership:allocate_at(Contacts, StoreId, ClusterId, Deadline) of
        {ok, MemberId} -> {ok, pando_joining:join(ClusterId, MemberId, Role, Contacts)};
        {error, no_such_cluster} -> {error, {pando, not_a_pando_store, #{store_id => StoreId, node => hd(Contacts)}}};
        {error, _} = Error -> Error
    end.

%% (2) The cluster that is left may be the one that is joined.
leave_and_become(Joining, #{server := Server, store_id := StoreId} = Context) ->
    case pando_backend:status(StoreId) of
        {ok, #{member_id := MemberId, members := [#{member_id := MemberId}]}} ->
            become(Joining, Context);
        {ok, _} ->
            case pando_server:intend(Server, pando_joining:with_phase(leaving, Joining)) of
                ok -> leave(Joining, Context);
                {error, _} = Error -> Error
            end;
        {error, noproc} ->
            {error, noproc}
    end.

leave(Joining, #{server := Server, store_id := StoreId, target := #{deadline := Deadline}} = Context) ->
    case pando_membership:leave(StoreId, Deadline) of
        Left when Left =:= ok; Left =:= alone ->
            become(Joining, Context);
        {error, _} = Error ->
            ok = pando_server:forget(Server),
            Error
    end.

%% (3)
become(Joining, #{server := Server} = Context) ->
    case pando_server:become(Server, Joining) of
        ok -> enter(Joining, Context);
        {error, _} = Error -> Error
    end.

%% (4)
enter(Joining, #{target := #{deadline := Deadline}} = Context) ->
    case entered(Joining, Context, Deadline) of
        ok ->
            ok;
        {gone, Reason} ->
            {failed, Reason};
        {removed, _} = Removed ->
            Removed;
        {error, Reason} ->
            withdraw(Joining, Reason, Context)
    end.

withdraw(Joining, Reason, Context) ->
    case left(Joining, pando_client:deadline(?WITHDRAW_TIMEOUT_MS), Context) of
        ok -> {failed, Reason};
        {error, _} -> {unfinished, Reason}
    end.

%% Also those that it has heard of since.
contacts(#{contacts := Contacts, cluster_id := ClusterId}, #{store_id := StoreId}) ->
    Heard =
        case pando_census:own_view(StoreId) of
            {ok, #{cluster_id := ClusterId} = View} -> pando_census:member_nodes(View);
            _ -> []
        end,
    Known = [pando_census:to_node(Contact) || Contact <- Contacts],
    lists:uniq(Known ++ Heard) -- [node()].

%% (4) and (5), until the deadline. An id that a newer one of this node has taken the place of must not come back.
entered(Joining, #{store_id := StoreId} = Context, Deadline) ->
    #{cluster_id := ClusterId, member_id := MemberId} = Joining,
    Views = pando_census:ask(contacts(Joining, Context), StoreId, ?ASK_TIMEOUT_MS),
    Newer = [
        {Node, Members}
     || {Node, {member, #{cluster_id := Id, is_certain := true, members := Members}}} <- maps:to_list(Views),
        Id =:= ClusterId,
        #{member_id := Other, node := Of} <- Members,
        Of =:= node(),
        Other > MemberId
    ],
    case Newer of
        [] -> added(Joining, Context, Deadline);
        [{Node, Members} | _] -> {removed, removed_text(Node, MemberId, Members)}
    end.

added(Joining, #{store_id := StoreId} = Context, Deadline) ->
    #{cluster_id := ClusterId, member_id := MemberId, role := Role} = Joining,
    Request = {add_member, MemberId, atom_to_binary(node()), Role},
    case pando_membership:change_at(contacts(Joining, Context), StoreId, ClusterId, Request, Deadline) of
        ok ->
            %% What the cluster has now is what an observer has to have.
            Goal = goal(Joining, Context),
            AddAgain = pando_client:deadline(?ADD_AGAIN_MS),
            case caught_up(Joining, Goal, AddAgain, Deadline, Context) of
                again -> entered(Joining, Context, Deadline);
                Result -> Result
            end;
        {error, no_such_cluster} ->
            gone_or_member(Joining, Context);
        {error, Reason} ->
            {error, Reason}
    end.

goal(#{role := voter}, _Context) ->
    none;
goal(#{cluster_id := ClusterId} = Joining, #{store_id := StoreId} = Context) ->
    Views = pando_census:ask(contacts(Joining, Context), StoreId, ?ASK_TIMEOUT_MS),
    lists:max([
        0
        | [
            Index
         || {member, #{cluster_id := Id, applied_index := Index}} <- maps:values(Views),
            Id =:= ClusterId
        ]
    ]).

caught_up(#{member_id := MemberId} = Joining, Goal, AddAgain, Deadline, #{store_id := StoreId} = Context) ->
    case pando_backend:status(StoreId) of
        {ok, #{members := Members, applied_index := Applied}} ->
            IsListed = [IsVoter || #{member_id := Id, is_voter := IsVoter} <- Members, Id =:= MemberId],
            case IsListed of
                [true] when Goal =:= none -> ok;
                [_] when is_integer(Goal), Applied >= Goal -> ok;
                _ -> caught_up_later(Joining, Goal, AddAgain, Deadline, Context)
            end;
        {error, noproc} ->
            {error, noproc}
    end.

caught_up_later(Joining, Goal, AddAgain, Deadline, Context) ->
    case {pando_client:is_past(Deadline), pando_client:is_past(AddAgain)} of
        {true, _} ->
            {error, timeout};
        {_, true} ->
            again;
        _ ->
            timer:sleep(?POLL_MS),
            caught_up(Joining, Goal, AddAgain, Deadline, Context)
    end.

%% All that were members have answered that they are not. Who votes has what was acknowledged, and stays.
gone_or_member(#{member_id := MemberId}, #{store_id := StoreId}) ->
    case pando_backend:status(StoreId) of
        {ok, #{members := Members}} ->
            case [yes || #{member_id := Id, is_voter := true} <- Members, Id =:= MemberId] of
                [yes] -> ok;
                [] -> {gone, {pando, no_such_cluster, #{store_id => StoreId, outcome => not_applied}}}
            end;
        {error, noproc} ->
            {error, noproc}
    end.

%%% Joining a cluster that was found when the store was started without data

-spec start_admission(#{
    server := pid(), store_id := atom(), cluster_id := <<_:128>>, contacts := [node()], role := voter | observer
}) -> pid().
start_admission(#{cluster_id := ClusterId, contacts := Contacts, role := Role} = Context) ->
    Target = #{node => hd(Contacts), role => Role, deadline => pando_client:deadline(?LEADER_PATIENCE_MS)},
    start(Context, fun() ->
        case allocated(Contacts, ClusterId, Role, Context#{target => Target}) of
            {ok, Joining} -> begin_empty(Joining, Context);
            {error, _} = Error -> Error
        end
    end).

begin_empty(Joining, #{server := Server} = Context) ->
    case pando_server:become(Server, Joining) of
        ok -> go_on(Joining, Context, 0);
        {error, _} = Error -> Error
    end.

%%% Going on with a join, for as long as it takes

-spec start_resume(#{server := pid(), store_id := atom(), joining := pando_joining:joining()}) -> pid().
start_resume(#{joining := #{phase := leaving} = Joining} = Context) ->
    start(Context, fun() -> resume_leaving(Joining, Context) end);
start_resume(#{joining := Joining} = Context) ->
    start(Context, fun() -> go_on(Joining, Context, 0) end).

go_on(#{member_id := 0}, _Context, _LoggedMs) ->
    ok;
go_on(Joining, #{store_id := StoreId} = Context, LoggedMs) ->
    case entered(Joining, Context, pando_client:deadline(?LOG_INTERVAL_MS)) of
        ok ->
            ok;
        {gone, Reason} ->
            {failed, Reason};
        {removed, _} = Removed ->
            Removed;
        {error, Reason} ->
            NowMs = erlang:monotonic_time(millisecond),
            Text = "Store ~ts is on its way into a cluster, and goes on trying: ~ts (asked: ~0tp)",
            Logged =
                case LoggedMs =:= 0 orelse NowMs - LoggedMs >= ?LOG_INTERVAL_MS of
                    true ->
                        Words = pando_errors:format(Reason),
                        ?LOG_WARNING(Text, [StoreId, Words, contacts(Joining, Context)], ?LOG_DOMAIN),
                        NowMs;
                    false ->
                        LoggedMs
                end,
            timer:sleep(?POLL_MS),
            go_on(Joining, Context, Logged)
    end.

%% It was interrupted before anything was lost here. If the old cluster has let it go, it goes on; else it has not begun.
resume_leaving(Joining, #{server := Server, store_id := StoreId} = Context) ->
    case verdict(Context) of
        {removed, _} ->
            ?LOG_NOTICE("Store ~ts goes on with a join that was interrupted", [StoreId], ?LOG_DOMAIN),
            case pando_server:become(Server, pando_joining:with_phase(becoming, Joining)) of
                ok -> go_on(Joining, Context, 0);
                {error, _} = Error -> Error
            end;
        unknown ->
            timer:sleep(?CHECK_INTERVAL_MS),
            resume_leaving(Joining, Context);
        _IsMember ->
            ?LOG_NOTICE("Store ~ts was about to join another cluster: that was given up", [StoreId], ?LOG_DOMAIN),
            {error, interrupted}
    end.

%%% Leaving for good

%% `joining': of a join that was under way; then the cluster on the way into which it was is left.
-spec start_reset(#{
    server := pid(),
    store_id := atom(),
    deadline := pando_client:deadline(),
    joining := none | pando_joining:joining()
}) -> pid().
start_reset(#{deadline := Deadline, joining := Joining} = Context) ->
    Until =
        case Deadline of
            infinity -> pando_client:deadline(?LEAVE_TIMEOUT_MS);
            _ -> Deadline
        end,
    start(Context, fun() -> left(Joining, Until, Context) end).

left(#{phase := becoming, cluster_id := ClusterId, member_id := MemberId} = Joining, Until, Context) ->
    #{store_id := StoreId} = Context,
    Request = {remove_member, MemberId},
    case pando_membership:change_at(contacts(Joining, Context), StoreId, ClusterId, Request, Until) of
        {error, no_such_cluster} -> ok;
        Result -> Result
    end;
left(_None, Until, #{store_id := StoreId}) ->
    case pando_membership:leave(StoreId, Until) of
        alone -> ok;
        Result -> Result
    end.

%%% Is this still a member?

%% Sends `{check, self(), verdict()}' to the server: once as soon as it is known, or has taken too long, and again when it is known then.
-spec start_check(#{server := pid(), store_id := atom(), nodes := [node()]}) -> pid().
start_check(#{server := Server} = Context) ->
    spawn_link(fun() ->
        Verdict = first_verdict(Context, pando_client:deadline(?CHECK_TIMEOUT_MS)),
        Server ! {check, self(), Verdict},
        check_on(Verdict, Context)
    end).

first_verdict(Context, Deadline) ->
    case views(Context) of
        {MemberId, ClusterId, Term, Views} ->
            Verdict = judge(MemberId, ClusterId, Term, Views),
            Same = [View || {member, #{cluster_id := Id} = View} <- maps:values(Views), Id =:= ClusterId],
            IsListed = [yes || #{members := Members} <- Same, #{member_id := Id} <- Members, Id =:= MemberId] =/= [],
            MayKnow = Same =/= [] orelse lists:member(closed, maps:values(Views)),
            case Verdict =:= unknown andalso MayKnow andalso not IsListed andalso not pando_client:is_past(Deadline) of
                true ->
                    timer:sleep(?CHECK_PAUSE_MS),
                    first_verdict(Context, Deadline);
                false ->
                    Verdict
            end;
        Verdict ->
            Verdict
    end.

%% Until somebody who knows has answered.
check_on(unknown, #{server := Server} = Context) ->
    timer:sleep(?CHECK_INTERVAL_MS),
    Verdict = verdict(Context),
    _ = Verdict =/= unknown andalso (Server ! {check, self(), Verdict}),
    check_on(Verdict, Context);
check_on(_Known, _Context) ->
    ok.

verdict(Context) ->
    case views(Context) of
        {MemberId, ClusterId, Term, Views} -> judge(MemberId, ClusterId, Term, Views);
        Verdict -> Verdict
    end.

%% What others say. Who leads need not ask; nor who is alone.
views(#{store_id := StoreId} = Context) ->
    case pando_backend:status(StoreId) of
        {ok, #{member_id := MemberId, members := [#{member_id := MemberId}]}} ->
            alone;
        {ok, #{role := leader, has_quorum := true}} ->
            member;
        {ok, #{member_id := MemberId, cluster_id := ClusterId, term := Term, members := Members}} ->
            Others = [pando_census:to_node(Node) || #{node := Node} <- Members],
            Nodes = lists:usort(Others ++ maps:get(nodes, Context, [])) -- [node()],
            {MemberId, ClusterId, Term, pando_census:ask(Nodes, StoreId, ?CHECK_TIMEOUT_MS)};
        {error, noproc} ->
            unknown
    end.

judge(MemberId, ClusterId, Term, Views) ->
    Certain = [
        {Node, Members}
     || {Node, {member, #{cluster_id := Id, is_certain := true, term := Theirs, members := Members}}} <-
            lists:sort(maps:to_list(Views)),
        Id =:= ClusterId,
        Theirs >= Term
    ],
    case Certain of
        [] ->
            unknown;
        [{Node, Members} | _] ->
            case [yes || #{member_id := Id} <- Members, Id =:= MemberId] of
                [yes] -> member;
                [] -> {removed, removed_text(Node, MemberId, Members)}
            end
    end.

removed_text(Node, MemberId, Members) ->
    Now = [Id || #{member_id := Id, node := Member} <- Members, Member =:= node()],
    Text =
        case Now of
            [] ->
                io_lib:format(
                    "~ts says that this member (id ~b) was removed from the cluster. Its data are as old as that. "
                    "To have this node in the cluster again, move this directory away, start the store, and join",
                    [Node, MemberId]
                );
            [Id | _] ->
                io_lib:format(
                    "~ts says that this member (id ~b) was removed from the cluster: this node came back under the id ~b, "
                    "with another directory. Start the store with that one, or move both away: then the node gets a new id, "
                    "and everything from the others",
                    [Node, MemberId, Id]
                )
        end,
    <<_/binary>> = unicode:characters_to_binary(Text).
