%% @private Figures of a store, for programs (`pando_cluster:status/1') and for people (`pando:info/1').
-module(pando_status).

-export([status/1, print/1, format/1, node_name/1]).
-export([public/1, table/1]).

-export_type([status/0, member/0]).

%% `lag_entries': how many entries of the log it lacks, seen from the member that is known to have most; `undefined' while
%% nothing is known of it. `last_contact_ms': how long ago it was heard of; 0 for this member itself.
-type member() :: #{
    member_id := non_neg_integer(),
    node := node(),
    role := voter | observer,
    is_voter := boolean(),
    applied_index := undefined | non_neg_integer(),
    lag_entries := undefined | non_neg_integer(),
    last_contact_ms := undefined | non_neg_integer()
}.
%% `leader' is a member id, `leader_node' its node.
-type status() :: #{
    backend := pando_backend:backend(),
    %% The process of the operating system in which the native side runs: this virtual machine, or the store's program.
    os_pid := pos_integer(),
    cluster_id := pando_backend:cluster_id(),
    member_id := non_neg_integer(),
    role := leader | follower | candidate | learner,
    has_quorum := boolean(),
    term := non_neg_integer(),
    leader := undefined | non_neg_integer(),
    leader_node := undefined | node(),
    members := [member()],
    last_log_index := undefined | non_neg_integer(),
    applied_index := non_neg_integer(),
    node_count := pos_integer(),
    log_size_bytes := non_neg_integer(),
    log_bytes_since_snapshot := non_neg_integer(),
    snapshot_index := undefined | non_neg_integer(),
    snapshot_written_percent := undefined | non_neg_integer(),
    waiting_size_bytes := non_neg_integer(),
    transactions_in_line := non_neg_integer(),
    frames_refused := non_neg_integer()
}.

-spec status(pando_cluster:store_id()) -> {ok, status()} | {error, noproc}.
status(Store) when is_atom(Store) ->
    case pando_backend:status(Store) of
        {ok, Native} -> {ok, public(Native#{backend => pando_backend:of_store(Store)})};
        {error, noproc} -> {error, noproc}
    end.

%% A status as the native side has it, and the backend; with atoms for nodes, and what one sees only in all members together.
-spec public(map()) -> status().
public(#{members := Members, leader := Leader, member_id := Own} = Native) ->
    %% `undefined' is an atom, and so greater than any number.
    MostApplied = lists:max([0 | [Index || #{applied_index := Index} <- Members, is_integer(Index)]]),
    Public = [member(Member, MostApplied) || Member <- Members],
    Native#{members := Public, leader_node => leader_node(Leader, Own, Public)}.

member(#{node := Node, applied_index := undefined} = Member, _MostApplied) ->
    Member#{node := node_name(Node), lag_entries => undefined};
member(#{node := Node, applied_index := Index} = Member, MostApplied) ->
    Member#{node := node_name(Node), lag_entries => MostApplied - Index}.

leader_node(Own, Own, _Members) ->
    node();
leader_node(Leader, _Own, Members) ->
    case [Node || #{member_id := MemberId, node := Node} <- Members, MemberId =:= Leader] of
        [Node] -> Node;
        [] -> undefined
    end.

%% The node of a member, which the native side has as text. Members are few, and were atoms when they were named.
-spec node_name(binary()) -> node().
node_name(Node) when is_binary(Node) -> binary_to_atom(Node).

%% @doc Prints the figures of a store as a table.
-spec print(pando_cluster:store_id()) -> ok | {error, noproc}.
print(Store) ->
    case format(Store) of
        {ok, Text} -> io:put_chars(Text);
        {error, noproc} -> {error, noproc}
    end.

%% The same as text.
-spec format(pando_cluster:store_id()) -> {ok, unicode:chardata()} | {error, noproc}.
format(Store) ->
    case status(Store) of
        {ok, Status} -> {ok, table(Status)};
        {error, noproc} -> {error, noproc}
    end.

%% A line for the member that was asked, a table of all members, and the sizes. Nothing in it comes from data.
-spec table(status()) -> unicode:chardata().
table(#{members := Members, leader := Leader, member_id := MemberId} = Status) ->
    Heads = ["MEMBER", "NODE", "ROLE", "APPLIED", "LAG", "LAST CONTACT", ""],
    Rows = [row(Member, Leader, MemberId) || Member <- Members],
    [quorum(Status), $\n, aligned([Heads | Rows]), $\n, sizes(Status)].

quorum(#{has_quorum := HasQuorum, role := Role, term := Term, leader_node := LeaderNode}) ->
    HasOrNot =
        case HasQuorum of
            true -> "quorum";
            false -> "NO QUORUM"
        end,
    Led =
        case LeaderNode of
            undefined -> "no leader";
            _ -> ["led by ", term(LeaderNode)]
        end,
    [HasOrNot, ", ", Led, ", term ", integer_to_list(Term), "; this member: ", atom_to_list(Role), $\n].

row(#{member_id := MemberId, node := Node} = Member, Leader, Own) ->
    #{applied_index := Applied, lag_entries := Lag, last_contact_ms := LastContactMs} = Member,
    Marks = [["leader" || MemberId =:= Leader], ["this member" || MemberId =:= Own]],
    [
        integer_to_list(MemberId),
        term(Node),
        role(Member),
        number(Applied),
        number(Lag),
        contact(LastContactMs, MemberId =:= Own),
        lists:join(", ", [Mark || [Mark] <- Marks])
    ].

role(#{role := voter, is_voter := true}) -> "voter";
role(#{role := voter, is_voter := false}) -> "voter (catching up)";
role(#{role := observer}) -> "observer".

number(undefined) -> "?";
number(Number) -> integer_to_list(Number).

contact(_LastContactMs, true) -> "";
contact(undefined, false) -> "never";
contact(LastContactMs, false) -> [integer_to_list(LastContactMs), " ms ago"].

sizes(#{applied_index := Applied, last_log_index := LastLog, node_count := NodeCount} = Status) ->
    #{log_size_bytes := LogBytes, snapshot_index := Snapshot, snapshot_written_percent := Percent} = Status,
    aligned([
        ["nodes in the tree", integer_to_list(NodeCount)],
        ["log", [number(LogBytes), " bytes, applied to ", integer_to_list(Applied), " of ", number(LastLog)]],
        ["snapshot", [snapshot(Snapshot), written(Percent)]],
        ["waiting to be written", [integer_to_list(maps:get(waiting_size_bytes, Status)), " bytes"]],
        ["frames refused", integer_to_list(maps:get(frames_refused, Status))],
        ["native side", [backend(maps:get(backend, Status)), ", process ", integer_to_list(maps:get(os_pid, Status))]]
    ]).

backend(nif) -> "in this virtual machine (nif)";
backend(port) -> "in a program of its own (port)".

snapshot(undefined) -> "none";
snapshot(Index) -> ["as of ", integer_to_list(Index)].

written(undefined) -> "";
written(Percent) -> [", the next one written to ", integer_to_list(Percent), " %"].

%% Each column as wide as its widest cell; the last one as it is.
aligned(Rows) ->
    Widths = [lists:max([string:length(Cell) || Cell <- Column]) || Column <- columns(Rows)],
    [line(Row, Widths) || Row <- Rows].

columns([[] | _]) -> [];
columns(Rows) -> [[hd(Row) || Row <- Rows] | columns([tl(Row) || Row <- Rows])].

line(Row, Widths) ->
    Cells = [string:pad(Cell, Width + 2) || {Cell, Width} <- lists:zip(Row, Widths)],
    [string:trim(unicode:characters_to_list(Cells), trailing), $\n].

%% With quotes where Erlang has them; control characters escaped.
term(Atom) -> io_lib:format("~0p", [Atom]).
