%% Whether a history of concurrent clients is one that a store may have, exactly and in polynomial time.
%%
%% *What is known.* All data are registers: nodes that are never deleted, each write of which has a value of its own. Every write
%% answers the version that it made (`payload_version', which counts all writes of a register) and the value before it. So the
%% order of all writes of a register is known, and which of them each read saw; it need not be searched for. (A node that
%% is deleted and put again, a *slot*, changes together with a register of its own, which tells its content.)
%%
%% *What is checked first*, for itself: a version of a register has one value, whoever saw it; the value is one that was written,
%% and not by a write that was answered `not_applied'; no value has two versions (applied twice); a slot is what its
%% register says; a version that nobody saw has a write of unknown outcome that may have made it; a write of several registers
%% is seen on all of them or on none.
%%
%% *Then order.* Operations are the vertices of a graph, and A -> B means: A was before B. With the order of the writes of each
%% register these follow (Adya's direct serialization graph; Elle, VLDB 2020): who wrote a version -> who wrote the next one;
%% who wrote a version -> who read it; who read a version -> who wrote the next one. And what is promised beside that:
%%
%%   time      what has ended before a write, a transaction or a linearizable read begins is before it. Of local reads: they are
%%             before what begins after them (nobody sees the future), but what ended before them may be missing.
%%   process   operations of a process at one life of a store are in the order of the program: it reads its own writes
%%   token     a write -> a read with its token
%%   life      what has ended at one life of a store (from its start to its end on one node) is before reads that begin there
%%             later: reads are monotonic, and who writes there is seen there
%%
%% There is an order of all operations that keeps all of that, with every read right in it, if and only if the graph has no cycle:
%% any topological order is one, because in it the last write of a register before a read is the one that the read saw. With a
%% cycle there is none, for every arrow is forced. So nothing right is called wrong.
%%
%% *What remains unknown.* A write of unknown outcome that nobody saw may or may not have happened: it is no vertex. One that was
%% seen on one register and not on another (overwritten before anybody looked) is placed there if only one version is
%% left for it, and otherwise has no arrows there; how many such there are is in the figures (`unplaced'). So something wrong
%% may escape only among those; a write that is sent again with its request id until its outcome is known is not one of them.
-module(pando_history_checker).

-export([check/1]).

-export_type([entry/0, register/0, value/0, fault/0, figures/0]).

-type register() :: term().
%% Unique for each write of a register.
-type value() :: term().
-type version() :: non_neg_integer().
%% One operation. `writes': what it was to write. `wrote': the versions that it made, if it was answered. `saw': what it read, all at
%% one moment, and for an answered write what was there before; version 0: nothing yet; `any' where only the value was
%% answered. `slots': the contents of slots at the moment of `saw'. `fresh': what is promised of a read; of a write `strict'.
-type entry() :: #{
    process := term(),
    life := term() | undefined,
    fresh := strict | local | {token, Of :: term()},
    begin_ns := integer(),
    end_ns := integer(),
    outcome := ok | not_applied | unknown,
    writes := #{register() => value()},
    wrote := #{register() => version()},
    saw := #{register() => {version() | any, value() | absent}},
    slots => #{register() => value() | absent},
    %% What others call it in `{token, _}'.
    id => term()
}.
-type fault() :: {atom(), term()}.
-type figures() :: #{atom() => non_neg_integer()}.

-define(ABSENT, absent).
%% Cycles that are told of.
-define(CYCLES_SHOWN, 3).

%% The faults, none if the history is right; of orders that contradict themselves a few, with a short cycle of operations each.
-spec check([entry()]) -> {[fault()], figures()}.
check(List) ->
    Entries = maps:from_list(lists:enumerate(List)),
    Writers = writers(Entries),
    {Versions, SeenFaults} = versions(Entries, Writers),
    Placed = maps:from_list([{{Register, Value}, Version} || {{Register, Version}, Value} <- maps:to_list(Versions)]),
    {AnyFaults, Resolved} = resolve_any(Entries, Writers, Placed),
    {PlaceFaults, AllPlaced, Unplaced} = place(Resolved, Versions, Placed),
    Faults = SeenFaults ++ AnyFaults ++ slot_faults(Resolved) ++ jump_faults(Resolved) ++ PlaceFaults,
    Figures = figures(Resolved, Versions, Unplaced),
    case Faults of
        [] -> {cycles(Resolved, Writers, AllPlaced), Figures};
        _ -> {Faults, Figures}
    end.

figures(Entries, Versions, Unplaced) ->
    Outcomes = [Outcome || #{outcome := Outcome} <- maps:values(Entries)],
    Count = fun(Wanted) -> length([Outcome || Outcome <- Outcomes, Outcome =:= Wanted]) end,
    #{
        operations => map_size(Entries),
        ok => Count(ok),
        not_applied => Count(not_applied),
        unknown => Count(unknown),
        versions => map_size(Versions),
        unplaced => Unplaced
    }.

%% Who was to write each value.
writers(Entries) ->
    maps:fold(
        fun(Index, #{writes := Writes}, Before) ->
            maps:fold(
                fun(Register, Value, Known) ->
                    false = is_map_key({Register, Value}, Known),
                    Known#{{Register, Value} => Index}
                end,
                Before,
                Writes
            )
        end,
        #{},
        Entries
    ).

%% -------------------------------------------------------------------
%% Values and versions
%% -------------------------------------------------------------------

%% The value of each version that somebody saw, or was told to have written.
versions(Entries, Writers) ->
    Observed = lists:append([[{Index, Seen} || Seen <- observed(Entry)] || {Index, Entry} <- lists:sort(maps:to_list(Entries))]),
    {ByVersion, _, Faults} = lists:foldl(fun(Observation, Acc) -> observe(Observation, Writers, Entries, Acc) end, {#{}, #{}, []}, Observed),
    {ByVersion, lists:usort(Faults)}.

observed(#{writes := Writes, wrote := Wrote, saw := Saw}) ->
    [{Register, Version, maps:get(Register, Writes)} || {Register, Version} <- maps:to_list(Wrote)] ++
        [{Register, Version, Value} || {Register, {Version, Value}} <- maps:to_list(Saw), is_integer(Version)].

observe({_, {_, 0, ?ABSENT}}, _Writers, _Entries, Acc) ->
    Acc;
observe({Index, {Register, Version, Value}}, _Writers, Entries, {ByVersion, ByValue, Faults}) when
    Version =:= 0; Value =:= ?ABSENT
->
    {ByVersion, ByValue, [{version_and_value_disagree, {Register, Version, Value, by(Index, Entries)}} | Faults]};
observe({Index, {Register, Version, Value}}, Writers, Entries, {ByVersion, ByValue, Faults}) ->
    Found =
        [
            {two_values_of_one_version, {Register, Version, lists:sort([Value, Other]), by(Index, Entries)}}
         || #{{Register, Version} := Other} <- [ByVersion], Other =/= Value
        ] ++
            [
                {applied_twice, {Register, Value, lists:sort([Version, Other]), by(Index, Entries)}}
             || #{{Register, Value} := Other} <- [ByValue], Other =/= Version
            ] ++ origin_faults(Index, Register, Value, Writers, Entries),
    {
        maps:merge(#{{Register, Version} => Value}, ByVersion),
        maps:merge(#{{Register, Value} => Version}, ByValue),
        Found ++ Faults
    }.

origin_faults(Index, Register, Value, Writers, Entries) ->
    case Writers of
        #{{Register, Value} := Writer} ->
            case maps:get(Writer, Entries) of
                #{outcome := not_applied} -> [{not_applied_but_seen, {Register, Value, by(Index, Entries)}}];
                #{} -> []
            end;
        #{} ->
            [{never_written, {Register, Value, by(Index, Entries)}}]
    end.

%% Reads that were answered a value alone: its version, if it is known.
resolve_any(Entries, Writers, Placed) ->
    maps:fold(
        fun(Index, #{saw := Saw} = Entry, {Faults, Resolved}) ->
            Any = [{Register, Value} || {Register, {any, Value}} <- maps:to_list(Saw)],
            Found = lists:append([
                origin_faults(Index, Register, Value, Writers, Entries)
             || {Register, Value} <- Any, Value =/= ?ABSENT
            ]),
            Known = maps:from_list([
                {Register, {version_of(Register, Value, Placed), Value}}
             || {Register, Value} <- Any
            ]),
            {Found ++ Faults, Resolved#{Index => Entry#{saw := maps:merge(Saw, Known)}}}
        end,
        {[], #{}},
        Entries
    ).

last_versions(ByVersion) ->
    Later = fun({Register, Version}, _, Acc) -> maps:update_with(Register, fun(V) -> max(V, Version) end, Version, Acc) end,
    maps:fold(Later, #{}, ByVersion).

version_of(_Register, ?ABSENT, _Placed) -> 0;
version_of(Register, Value, Placed) -> maps:get({Register, Value}, Placed, any).

%% The value of a register says what its slot holds: `{Id, set}' that value, `{Id, drop}' nothing.
slot_faults(Entries) ->
    [
        {slot_disagrees, {Register, Value, Content, by(Index, Entries)}}
     || {Index, #{saw := Saw, slots := Slots}} <- maps:to_list(Entries),
        {Register, Content} <- maps:to_list(Slots),
        #{Register := {_, Value}} <- [Saw],
        Content =/= slot_content(Value)
    ].

slot_content({_, set} = Value) -> Value;
slot_content({_, drop}) -> ?ABSENT;
slot_content(?ABSENT) -> ?ABSENT.

%% A transaction that reads a version and writes another one than the next has lost the one in between.
jump_faults(Entries) ->
    [
        {lost_update, {Register, Read, Written, by(Index, Entries)}}
     || {Index, #{wrote := Wrote, saw := Saw}} <- maps:to_list(Entries),
        {Register, Written} <- maps:to_list(Wrote),
        #{Register := {Read, _}} <- [Saw],
        is_integer(Read),
        Written =/= Read + 1
    ].

%% -------------------------------------------------------------------
%% Writes of unknown outcome: which versions they made
%% -------------------------------------------------------------------

%% With a fault for each write that is on one of its registers and cannot be on another, and for versions without a write.
place(Entries, Versions, Placed) ->
    Last = last_versions(Versions),
    Gaps = maps:map(fun(Register, Max) -> [V || V <- lists:seq(1, Max), not is_map_key({Register, V}, Versions)] end, Last),
    Unknown = [Index || {Index, #{outcome := unknown, writes := Writes}} <- maps:to_list(Entries), map_size(Writes) > 0],
    {Faults, AllPlaced, Left} = place_all(Unknown, Entries, Placed, Gaps, observers(Entries)),
    Candidates = fun(Register) ->
        length([
            I
         || I <- Unknown,
            #{writes := #{Register := Value}} <- [maps:get(I, Entries)],
            not is_map_key({Register, Value}, AllPlaced)
        ])
    end,
    Orphans = [
        {version_without_write, {Register, Versions1}}
     || {Register, [_ | _] = Versions1} <- maps:to_list(Left), length(Versions1) > Candidates(Register)
    ],
    Unplaced = [
        I
     || I <- Unknown,
        {Register, Value} <- maps:to_list(maps:get(writes, maps:get(I, Entries))),
        not is_map_key({Register, Value}, AllPlaced),
        is_applied(I, Entries, AllPlaced)
    ],
    {lists:usort(Faults) ++ Orphans, AllPlaced, length(Unplaced)}.

%% Entries that saw several registers at one moment: they tell whether a write of several was before that moment.
observers(Entries) ->
    [Saw || #{saw := Saw} <- maps:values(Entries), map_size(Saw) > 1].

%% Again and again until nothing more is found: each round places one write at least.
place_all(Unknown, Entries, Placed, Gaps, Observers) ->
    Found = lists:append([place_one(maps:get(writes, maps:get(I, Entries)), Placed, Gaps, Observers) || I <- Unknown]),
    case {[Fault || {fault, Fault} <- Found], [Place || {place, Place} <- Found]} of
        {[], [{Register, Value, Version} | _]} ->
            Left = maps:update_with(Register, fun(Versions) -> lists:delete(Version, Versions) end, Gaps),
            place_all(Unknown, Entries, Placed#{{Register, Value} => Version}, Left, Observers);
        {Faults, _} ->
            {Faults, Placed, Gaps}
    end.

place_one(Writes, Placed, Gaps, Observers) ->
    Known = [{Register, maps:get({Register, Value}, Placed)} || {Register, Value} <- maps:to_list(Writes), is_map_key({Register, Value}, Placed)],
    Missing = [{Register, Value} || {Register, Value} <- maps:to_list(Writes), not is_map_key({Register, Value}, Placed)],
    case Known of
        [] -> [];
        _ -> lists:append([place_on(Register, Value, Known, maps:get(Register, Gaps, []), Observers) || {Register, Value} <- Missing])
    end.

%% Who saw it on another register saw this one at its version or later; who saw that one before it saw this one before it.
place_on(Register, Value, Known, Gaps, Observers) ->
    {Low, High} = lists:foldl(
        fun(Saw, Bounds) -> lists:foldl(fun(Of, Acc) -> bound(Register, Of, Saw, Acc) end, Bounds, Known) end,
        {0, infinity},
        Observers
    ),
    %% `infinity' is an atom, and so greater than every number.
    case {[Version || Version <- Gaps, Version > Low, Version =< High], High} of
        {[], infinity} -> [];
        {[], _} -> [{fault, {seen_in_part, {Register, Value, Known}}}];
        {[Version], _} when is_integer(High) -> [{place, {Register, Value, Version}}];
        {_, _} -> []
    end.

bound(Register, {Other, Version}, Saw, {Low, High} = Bounds) ->
    case Saw of
        #{Register := {Here, _}, Other := {There, _}} when is_integer(Here), is_integer(There) ->
            case There >= Version of
                true -> {Low, min(High, Here)};
                false -> {max(Low, Here), High}
            end;
        #{} ->
            Bounds
    end.

is_applied(Index, Entries, Placed) ->
    #{writes := Writes} = maps:get(Index, Entries),
    lists:any(fun(Write) -> is_map_key(Write, Placed) end, maps:to_list(Writes)).

%% -------------------------------------------------------------------
%% Order
%% -------------------------------------------------------------------

%% The first of these without which there would be no cycle gives it its name.
-define(LAYERS, [
    {dependency, not_serializable},
    {time, against_real_time},
    {process, own_operation_missing},
    {token, token_ignored},
    {life, not_monotonic}
]).

cycles(Entries, Writers, Placed) ->
    Vertices = maps:filter(
        fun(Index, #{outcome := Outcome, saw := Saw}) ->
            Outcome =:= ok orelse map_size(Saw) > 0 orelse is_applied(Index, Entries, Placed)
        end,
        Entries
    ),
    Edges = dependency_edges(Vertices, Writers, Placed) ++ token_edges(Vertices) ++
        before_edges(time_groups(Vertices) ++ process_groups(Vertices) ++ life_groups(Vertices)),
    case components(in_no_order(Edges)) of
        [] -> [];
        Components -> [cycle(Component, Edges, Entries) || Component <- lists:sublist(Components, ?CYCLES_SHOWN)]
    end.

%% The edges that are left when vertices before which there is nothing are taken away, as long as there are any: none, if all can be
%% brought into an order.
in_no_order(Edges) ->
    Following = lists:foldl(fun({From, To, _}, Acc) -> maps:update_with(From, fun(Of) -> [To | Of] end, [To], Acc) end, #{}, Edges),
    Before = lists:foldl(fun({_, To, _}, Acc) -> maps:update_with(To, fun(N) -> N + 1 end, 1, Acc) end, #{}, Edges),
    First = [Vertex || Vertex <- maps:keys(Following), not is_map_key(Vertex, Before)],
    Left = take_away(First, Following, Before),
    [Edge || {From, To, _} = Edge <- Edges, is_map_key(From, Left), is_map_key(To, Left)].

take_away([], _Following, Before) ->
    Before;
take_away([Vertex | Vertices], Following, Before) ->
    {More, Left} = lists:foldl(
        fun(To, {Free, Counts}) ->
            case Counts of
                #{To := 1} -> {[To | Free], maps:remove(To, Counts)};
                #{To := N} -> {Free, Counts#{To := N - 1}}
            end
        end,
        {Vertices, Before},
        maps:get(Vertex, Following, [])
    ),
    take_away(More, Following, Left).

components(Edges) ->
    with_graph(Edges, fun digraph_utils:cyclic_strong_components/1).

with_graph(Edges, Use) ->
    Graph = digraph:new([private]),
    try
        lists:foreach(
            fun({From, To, _}) ->
                _ = digraph:add_vertex(Graph, From),
                _ = digraph:add_vertex(Graph, To),
                ['$e' | _] = digraph:add_edge(Graph, From, To)
            end,
            Edges
        ),
        Use(Graph)
    after
        digraph:delete(Graph)
    end.

%% Named after the least that it contradicts, with the operations on a short cycle of that.
cycle(Component, Edges, Entries) ->
    Members = sets:from_list(Component),
    Inside = [Edge || {From, To, _} = Edge <- Edges, sets:is_element(From, Members), sets:is_element(To, Members)],
    {Name, Labels} = least(Inside, ?LAYERS, []),
    Cycle = with_graph([Edge || {_, _, Label} = Edge <- Inside, lists:member(Label, Labels)], fun(Graph) ->
        [Vertex | _] = hd(digraph_utils:cyclic_strong_components(Graph)),
        digraph:get_short_cycle(Graph, Vertex)
    end),
    {Name, [shown(Step, Inside, Entries) || {From, _} = Step <- lists:zip(lists:droplast(Cycle), tl(Cycle)), From > 0]}.

least(Edges, [{Label, Name} | Layers], Before) ->
    Labels = [Label | Before],
    case Layers =:= [] orelse components([Edge || {_, _, L} = Edge <- Edges, lists:member(L, Labels)]) =/= [] of
        true -> {Name, Labels};
        false -> least(Edges, Layers, Labels)
    end.

shown({From, To}, Edges, Entries) ->
    {by(From, Entries), hd([Label || {F, T, Label} <- Edges, F =:= From, T =:= To])}.

by(Index, Entries) ->
    case Entries of
        #{Index := Entry} -> maps:put(number, Index, Entry);
        #{} -> Index
    end.

%% Who wrote each version.
dependency_edges(Vertices, Writers, Placed) ->
    Made = maps:from_list([
        {{Register, Version}, maps:get({Register, Value}, Writers)}
     || {{Register, Value}, Version} <- maps:to_list(Placed)
    ]),
    Last = last_versions(Made),
    Next = fun(Register, Version) -> next(Register, Version + 1, maps:get(Register, Last, 0), Made) end,
    OfWrites = [{Writer, Following, dependency} || {{Register, Version}, Writer} <- maps:to_list(Made), Following <- Next(Register, Version)],
    OfReads = lists:append([
        [{Writer, Index, dependency} || Writer <- at(Register, Version, Made)] ++
            [{Index, Following, dependency} || Following <- Next(Register, Version)]
     || {Index, #{saw := Saw}} <- maps:to_list(Vertices), {Register, {Version, _}} <- maps:to_list(Saw), is_integer(Version)
    ]),
    [Edge || {From, To, _} = Edge <- OfWrites ++ OfReads, From =/= To].

at(Register, Version, Made) ->
    [Writer || #{{Register, Version} := Writer} <- [Made]].

%% The next version whose writer is known: those in between were made in between.
next(_Register, Version, Last, _Made) when Version > Last -> [];
next(Register, Version, Last, Made) ->
    case at(Register, Version, Made) of
        [] -> next(Register, Version + 1, Last, Made);
        [Writer] -> [Writer]
    end.

%% What has ended, and what begins: each with the time.
time_groups(Vertices) ->
    Ended = [{EndNs, Index} || {Index, #{end_ns := EndNs} = Entry} <- maps:to_list(Vertices), has_answer(Entry)],
    Beginning = [{BeginNs, Index} || {Index, #{begin_ns := BeginNs, fresh := strict}} <- maps:to_list(Vertices)],
    [{time, Ended, Beginning}].

%% What a process asks for at one time, is in no order.
process_groups(Vertices) ->
    Key = fun(#{process := Process, life := Life}) -> {Process, Life} end,
    groups(process, Key, fun(_) -> true end, Vertices).

life_groups(Vertices) ->
    Key = fun(#{life := Life}) -> Life end,
    groups(life, Key, fun(#{writes := Writes}) -> map_size(Writes) =:= 0 end, Vertices).

%% Of all that has one key and was at one life.
groups(Label, Key, IsBeginning, Vertices) ->
    Group = fun
        (_, #{life := undefined}, Groups) -> Groups;
        (Index, Entry, Groups) -> maps:update_with(Key(Entry), fun(Of) -> [{Index, Entry} | Of] end, [{Index, Entry}], Groups)
    end,
    [
        {
            Label,
            [{EndNs, Index} || {Index, #{end_ns := EndNs} = Entry} <- Members, has_answer(Entry)],
            [{BeginNs, Index} || {Index, #{begin_ns := BeginNs} = Entry} <- Members, IsBeginning(Entry)]
        }
     || Members <- maps:values(maps:fold(Group, #{}, Vertices))
    ].

%% Answered, be it that nothing was done and what was seen instead.
has_answer(#{outcome := ok}) -> true;
has_answer(#{outcome := not_applied, saw := Saw}) -> map_size(Saw) > 0;
has_answer(#{outcome := unknown}) -> false.

%% Of each group, from each that has ended to all that begin later, with one vertex for each beginning instead of an edge for each
%% pair: those have numbers below 0.
before_edges(Groups) ->
    {Edges, _} = lists:mapfoldl(
        fun({_, _, Beginning} = Group, Points) -> {before_edges(Group, Points), Points + length(Beginning)} end, 0, Groups
    ),
    lists:append(Edges).

before_edges({Label, Ended, Beginning}, Points) ->
    Begins = list_to_tuple(lists:sort(Beginning)),
    Count = tuple_size(Begins),
    Point = fun(N) -> -(Points + N) end,
    Chain = [{Point(N - 1), Point(N), Label} || N <- lists:seq(1, Count), N > 1],
    In = [{Point(N), element(2, element(N, Begins)), Label} || N <- lists:seq(1, Count)],
    {Out, _} = lists:mapfoldl(
        fun({EndNs, Index}, N) ->
            First = first_after(EndNs, N, Count, Begins),
            {[{Index, Point(First), Label} || First =< Count], First}
        end,
        1,
        lists:sort(Ended)
    ),
    Chain ++ In ++ lists:append(Out).

first_after(EndNs, N, Count, Begins) when N =< Count ->
    case element(N, Begins) of
        {BeginNs, _} when BeginNs > EndNs -> N;
        _ -> first_after(EndNs, N + 1, Count, Begins)
    end;
first_after(_EndNs, N, _Count, _Begins) ->
    N.

token_edges(Vertices) ->
    Ids = maps:from_list([{Id, Index} || {Index, #{id := Id}} <- maps:to_list(Vertices)]),
    [{maps:get(Id, Ids), Index, token} || {Index, #{fresh := {token, Id}}} <- maps:to_list(Vertices)].
