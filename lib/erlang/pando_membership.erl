%% @private Changes of a cluster's members and of its leader, asked for on any member, or on a node that is to be one.
%%
%% 1. Only the leader carries a request out; it is looked for: here, then where the last one asked says, then on the others.
%% 2. What is refused because nobody leads, or another change is under way, is asked again until the deadline; nothing has
%%    happened then. Without a majority that ends sooner, whatever the deadline.
%% 3. Each request may be asked again without harm: a member that is there is added, one that is gone is removed, an id that
%%    nobody uses leaves no trace.
-module(pando_membership).

-export([allocate_at/4, change/3, change_at/5, member_ids/2, remove/3, promote/3, transfer_leadership/3, leave/2]).
%% Called by other nodes.
-export([at_member/4]).

-export_type([change/0, failure/0]).

-type change() ::
    {add_member, pos_integer(), binary(), voter | observer}
    | {remove_member, pos_integer()}
    | {change_role, pos_integer(), voter | observer}
    | {transfer_leadership, pos_integer() | undefined}.
%% `no_such_cluster': everybody who was asked has answered, and none of them is a member of that cluster.
-type failure() :: noproc | timeout | no_such_cluster | {pando, atom(), map()}.

%% How long one member may take to carry a request out, in milliseconds: more than the native side gives itself.
-define(ATTEMPT_TIMEOUT_MS, 8000).
%% How long a majority, or a leader, may be missing before that is the answer, in milliseconds.
-define(QUORUM_PATIENCE_MS, 5000).
%% How long other changes may be under way.
-define(BUSY_PATIENCE_MS, 30000).
%% Between two rounds, in milliseconds: as long, and up to twice as long.
-define(PAUSE_MS, 50).
%% How often one round follows from who does not lead to who does, in their opinion.
-define(HOPS_MAX, 3).
-define(POLL_MS, 50).

%% A new member id of a cluster that has members on these nodes.
-spec allocate_at([node()], pando_backend:store_id(), <<_:128>>, pando_client:deadline()) ->
    {ok, pos_integer()} | {error, failure()}.
allocate_at(Nodes, StoreId, ClusterId, Deadline) ->
    case request_at(Nodes, StoreId, ClusterId, allocate_member_id, Deadline) of
        {ok, MemberId} -> {ok, MemberId};
        {error, _} = Error -> Error
    end.

%% Has a change made in the cluster that a store of this node belongs to.
-spec change(pando_backend:store_id(), change(), pando_client:deadline()) -> ok | {error, failure()}.
change(StoreId, Change, Deadline) ->
    case pando_census:own_view(StoreId) of
        {ok, #{cluster_id := ClusterId} = View} ->
            Others = pando_census:member_nodes(View) -- [node()],
            case change_at([node() | Others], StoreId, ClusterId, Change, Deadline) of
                {error, no_such_cluster} -> {error, noproc};
                Result -> Result
            end;
        {error, noproc} ->
            {error, noproc}
    end.

%% Has a change made in a cluster that has members on these nodes.
-spec change_at([node()], pando_backend:store_id(), <<_:128>>, change(), pando_client:deadline()) ->
    ok | {error, failure()}.
change_at(Nodes, StoreId, ClusterId, Change, Deadline) ->
    case request_at(Nodes, StoreId, ClusterId, Change, Deadline) of
        ok -> ok;
        {error, _} = Error -> Error
    end.

request_at(_Nodes, _StoreId, _ClusterId, _Request, expired) ->
    {error, timeout};
request_at(Nodes, StoreId, ClusterId, Request, Deadline) ->
    Ask = #{store_id => StoreId, cluster_id => ClusterId, request => Request, deadline => Deadline},
    rounds(Nodes, Ask, {none, infinity}).

rounds(Nodes, #{deadline := Deadline} = Ask, Patience0) ->
    case round(Nodes, Nodes, Ask, ?HOPS_MAX, []) of
        {done, Result} ->
            Result;
        {failed, Answers} ->
            {_, Ends} = Patience = patience(Answers, Patience0),
            case {pando_client:is_past(Deadline), pando_client:is_past(Ends)} of
                {_, true} ->
                    {error, out_of_patience(Patience, Answers)};
                {true, _} ->
                    {error, timeout};
                {false, false} ->
                    Pause = ?PAUSE_MS + rand:uniform(?PAUSE_MS),
                    timer:sleep(min(Pause, pando_client:remaining_ms(Deadline))),
                    rounds(Nodes, Ask, Patience)
            end
    end.

%% Another change under way shows that somebody leads, and takes its time; a leader that finds nobody to hand over to says the
%% same.
patience(Answers, {Kind, _} = Patience) ->
    case {lists:member(busy, Answers), Kind} of
        {true, busy} -> Patience;
        {true, _} -> {busy, pando_client:deadline(?BUSY_PATIENCE_MS)};
        {false, quorum} -> Patience;
        {false, _} -> {quorum, pando_client:deadline(?QUORUM_PATIENCE_MS)}
    end.

out_of_patience({busy, _}, _Answers) ->
    Text = <<"other changes of members are under way, or nobody is there to take over: try again later">>,
    {pando, membership_busy, #{outcome => not_applied, reason => Text}};
out_of_patience({quorum, _}, Answers) ->
    no_quorum(Answers).

no_quorum(Answers) ->
    case [Text || {no_quorum, Text} <- Answers] of
        [Text | _] ->
            {pando, no_quorum, #{outcome => unknown, reason => Text}};
        [] ->
            Text = <<"no leader was found: too few members are running, or they do not reach each other">>,
            {pando, no_quorum, #{outcome => not_applied, reason => Text}}
    end.

%% Each node once, and whoever they say leads first.
round([], Nodes, _Ask, _Hops, Answers) ->
    %% All must have answered, and none be a member.
    case Nodes =/= [] andalso lists:usort(Answers) =:= [other_cluster] of
        true -> {done, {error, no_such_cluster}};
        false -> {failed, Answers}
    end;
round([Node | Left], Nodes, #{deadline := Deadline} = Ask, Hops, Answers) ->
    case attempt(Node, Ask) of
        ok ->
            {done, ok};
        {ok, _} = Ok ->
            {done, Ok};
        {error, {cluster, no_such_member, _}} ->
            {done, {error, {pando, no_such_member, #{outcome => not_applied}}}};
        {error, {cluster, last_voter, _}} ->
            {done, {error, {pando, last_voter, #{outcome => not_applied}}}};
        {error, {cluster, not_leader, Leader}} when is_binary(Leader), Hops > 0 ->
            LeaderNode = pando_census:to_node(Leader),
            round([LeaderNode | Left -- [LeaderNode]], Nodes, Ask, Hops - 1, [not_leader | Answers]);
        Failed ->
            Answer = answer(Failed),
            case pando_client:is_past(Deadline) of
                true -> {failed, [Answer | Answers]};
                false -> round(Left, Nodes, Ask, Hops, [Answer | Answers])
            end
    end.

answer({error, {cluster, no_quorum, Text}}) when is_binary(Text) -> {no_quorum, Text};
answer({error, {cluster, busy, _}}) -> busy;
answer({error, {cluster, not_leader, _}}) -> not_leader;
answer({error, other_cluster}) -> other_cluster;
answer(_) -> silent.

%% In a process of its own, also on this node: a reply that comes too late reaches nobody.
attempt(Node, #{store_id := StoreId, cluster_id := ClusterId, request := Request, deadline := Deadline}) ->
    TimeoutMs = min(?ATTEMPT_TIMEOUT_MS, pando_client:remaining_ms(Deadline)),
    try
        erpc:call(Node, ?MODULE, at_member, [StoreId, ClusterId, Request, TimeoutMs], TimeoutMs)
    catch
        error:{exception, undef, _} -> {error, other_cluster};
        _:_ -> {error, silent}
    end.

%% Asks the member of this node.
-spec at_member(pando_backend:store_id(), <<_:128>>, allocate_member_id | change(), non_neg_integer()) ->
    ok | {ok, pos_integer()} | {error, silent | other_cluster | {cluster, atom(), term()}}.
at_member(StoreId, ClusterId, Request, TimeoutMs) ->
    case pando_backend:status(StoreId) of
        {ok, #{cluster_id := ClusterId}} -> ask_native(StoreId, Request, TimeoutMs);
        {ok, _} -> {error, other_cluster};
        {error, noproc} -> when_not_open(StoreId)
    end.

%% A store that is not open may be a member all the same.
when_not_open(StoreId) ->
    case pando_server:describe(StoreId) of
        {empty, _} -> {error, other_cluster};
        _ -> {error, silent}
    end.

ask_native(StoreId, Request, TimeoutMs) ->
    Reference = make_ref(),
    case pando_backend:cluster_request(StoreId, Reference, Request) of
        ok ->
            receive
                {pando_reply, Reference, Reply} -> explained(Reply, StoreId)
            after TimeoutMs -> {error, silent}
            end;
        {error, noproc} ->
            {error, silent}
    end.

%% A leader without a majority has nobody to hand over to.
explained({error, {cluster, busy, _}} = Busy, StoreId) ->
    case pando_backend:status(StoreId) of
        {ok, #{has_quorum := false}} -> {error, {cluster, no_quorum, <<"no majority of the members answers">>}};
        _ -> Busy
    end;
explained(Reply, _StoreId) ->
    Reply.

%% The ids of the members of a node: none, one, or two while one takes the place of the other.
-spec member_ids(node(), pando_census:view()) -> [pos_integer()].
member_ids(Node, #{members := Members}) ->
    [Id || #{member_id := Id, node := Member} <- Members, Member =:= Node].

%% Takes a node's members out, dead or alive.
-spec remove(pando_backend:store_id(), node(), pando_client:deadline()) -> ok | {error, failure()}.
remove(StoreId, Node, Deadline) ->
    of_node(StoreId, Node, fun(Ids) -> all([{remove_member, Id} || Id <- Ids], StoreId, Deadline) end).

all([], _StoreId, _Deadline) ->
    ok;
all([Request | Requests], StoreId, Deadline) ->
    case change(StoreId, Request, Deadline) of
        ok -> all(Requests, StoreId, Deadline);
        {error, _} = Error -> Error
    end.

of_node(StoreId, Node, Then) ->
    case pando_census:view(StoreId) of
        {ok, View} ->
            case member_ids(Node, View) of
                [] -> {error, {pando, no_such_member, #{store_id => StoreId, node => Node, outcome => not_applied}}};
                Ids -> Then(Ids)
            end;
        {error, noproc} ->
            {error, noproc}
    end.

%% Makes a voter of an observer; returns when it votes.
-spec promote(pando_backend:store_id(), node(), pando_client:deadline()) -> ok | {error, failure()}.
promote(StoreId, Node, Deadline) ->
    of_node(StoreId, Node, fun(Ids) ->
        Id = lists:max(Ids),
        case change(StoreId, {change_role, Id, voter}, Deadline) of
            ok -> await_voter(StoreId, Id, Deadline);
            {error, _} = Error -> Error
        end
    end).

await_voter(StoreId, Id, Deadline) ->
    case pando_census:view(StoreId) of
        {ok, #{members := Members}} ->
            case {[yes || #{member_id := Member, is_voter := true} <- Members, Member =:= Id], pando_client:is_past(Deadline)} of
                {[yes], _} ->
                    ok;
                {[], true} ->
                    {error, timeout};
                {[], false} ->
                    timer:sleep(min(?POLL_MS, pando_client:remaining_ms(Deadline))),
                    await_voter(StoreId, Id, Deadline)
            end;
        {error, noproc} ->
            {error, noproc}
    end.

%% Returns when the node's member leads.
-spec transfer_leadership(pando_backend:store_id(), node(), pando_client:deadline()) -> ok | {error, failure()}.
transfer_leadership(StoreId, Node, Deadline) ->
    of_node(StoreId, Node, fun(Ids) -> change(StoreId, {transfer_leadership, lists:max(Ids)}, Deadline) end).

%% Takes this node's own member out of its cluster; `alone' if it is the only one. One that leads hands over first.
-spec leave(pando_backend:store_id(), pando_client:deadline()) -> ok | alone | {error, failure()}.
leave(StoreId, Deadline) ->
    case pando_backend:status(StoreId) of
        {ok, #{member_id := Id, members := [#{member_id := Id}]}} -> alone;
        {ok, #{member_id := Id}} -> change(StoreId, {remove_member, Id}, Deadline);
        {error, noproc} -> {error, noproc}
    end.
