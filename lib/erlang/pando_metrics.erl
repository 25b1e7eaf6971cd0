%% @private Figures of all open stores in the text format of Prometheus, version 0.0.4: `pando:metrics/0'.
%%
%% All of it is read from where it is kept anyway: nothing is counted for this, and nothing on the way of a call.
-module(pando_metrics).

-export([text/0, text/2]).

-type sample() :: {Labels :: [{atom(), unicode:chardata()}], Value :: integer() | float()}.

%% @doc Of the stores that are open now.
-spec text() -> binary().
text() ->
    Stores = [{Store, Status} || Store <- pando_cluster:get_store_ids(), {ok, Status} <- [pando_status:status(Store)]],
    text(Stores, pando_events:published_counts()).

%% @doc Of these statuses and counts of events.
-spec text([{pando_cluster:store_id(), pando_status:status()}], #{pando_cluster:store_id() => non_neg_integer()}) ->
    binary().
text(Stores, PublishedCounts) ->
    Families = [
        {"pando_stores", gauge, "Open stores.", [{[], length(Stores)}]},
        of_stores("pando_is_leader", gauge, "Whether this member leads (1) or not (0).", Stores, fun(Status) ->
            truth(maps:get(role, Status) =:= leader)
        end),
        of_stores("pando_has_quorum", gauge, "Whether this member can reach a majority (1) or not (0).", Stores, fun(Status) ->
            truth(maps:get(has_quorum, Status))
        end),
        of_stores("pando_has_leader", gauge, "Whether this member knows a leader (1) or not (0).", Stores, fun(Status) ->
            truth(maps:get(leader, Status) =/= undefined)
        end),
        of_stores("pando_term", gauge, "Term of consensus.", Stores, key(term)),
        of_stores("pando_applied_index", gauge, "Last log index that readers see.", Stores, key(applied_index)),
        of_stores("pando_last_log_index", gauge, "Last log index of this member.", Stores, key(last_log_index)),
        of_stores("pando_snapshot_index", gauge, "Last log index in the newest snapshot.", Stores, key(snapshot_index)),
        of_stores("pando_log_size_bytes", gauge, "Bytes of the files of the log.", Stores, key(log_size_bytes)),
        of_stores(
            "pando_log_since_snapshot_bytes",
            gauge,
            "Bytes of log behind the newest snapshot, or the one being written.",
            Stores,
            key(log_bytes_since_snapshot)
        ),
        of_stores("pando_waiting_bytes", gauge, "Bytes of commands that wait to be proposed.", Stores, key(waiting_size_bytes)),
        of_stores(
            "pando_transactions_in_line",
            gauge,
            "Transactions that have a turn or wait for one, once for each path.",
            Stores,
            key(transactions_in_line)
        ),
        of_stores("pando_tree_nodes", gauge, "Nodes of the tree, the root included.", Stores, key(node_count)),
        of_stores("pando_members", gauge, "Members of the cluster.", Stores, fun(Status) ->
            length(maps:get(members, Status))
        end),
        of_stores("pando_voters", gauge, "Members that vote.", Stores, fun(Status) ->
            length([voter || #{is_voter := true} <- maps:get(members, Status)])
        end),
        of_members(
            "pando_member_lag_entries",
            "Entries of the log that a member lacks, seen from the most advanced one.",
            Stores,
            fun(Member) -> maps:get(lag_entries, Member) end
        ),
        of_members(
            "pando_member_last_contact_seconds",
            "How long ago a member was heard of.",
            Stores,
            fun(Member) -> seconds(maps:get(last_contact_ms, Member)) end
        ),
        of_stores(
            "pando_frames_refused_total",
            counter,
            "Frames from other nodes that were dropped because they are malformed or not for this member.",
            Stores,
            key(frames_refused)
        ),
        {"pando_events_total", counter, "Events that stores have told, open or not, since the application was started.", [
            {[{store, store_label(Store)}], Count}
         || {Store, Count} <- lists:sort(maps:to_list(PublishedCounts))
        ]}
    ],
    <<Text/binary>> = unicode:characters_to_binary([family(Family) || Family <- Families]),
    Text.

key(Key) -> fun(Status) -> maps:get(Key, Status) end.

truth(true) -> 1;
truth(false) -> 0.

seconds(undefined) -> undefined;
seconds(Milliseconds) -> Milliseconds / 1000.

%% What is not known has no sample.
of_stores(Name, Type, Help, Stores, Value) ->
    Samples = [{[{store, store_label(Store)}], Value(Status)} || {Store, Status} <- Stores],
    {Name, Type, Help, [Sample || {_, Known} = Sample <- Samples, Known =/= undefined]}.

of_members(Name, Help, Stores, Value) ->
    Samples = [
        {labels(Store, Member), Value(Member)}
     || {Store, #{members := Members}} <- Stores, Member <- Members
    ],
    {Name, gauge, Help, [Sample || {_, Known} = Sample <- Samples, Known =/= undefined]}.

labels(Store, #{member_id := MemberId, node := Node}) ->
    [{store, store_label(Store)}, {member, integer_to_binary(MemberId)}, {node, atom_to_binary(Node)}].

store_label(Store) -> atom_to_binary(Store).

-spec family({string(), gauge | counter, string(), [sample()]}) -> unicode:chardata().
family({_Name, _Type, _Help, []}) ->
    [];
family({Name, Type, Help, Samples}) ->
    [
        ["# HELP ", Name, $\s, Help, $\n, "# TYPE ", Name, $\s, atom_to_list(Type), $\n],
        [[Name, labels_text(Labels), $\s, value(Value), $\n] || {Labels, Value} <- Samples]
    ].

labels_text([]) -> [];
labels_text(Labels) -> [${, lists:join($,, [[atom_to_list(Name), "=\"", escaped(Value), $"] || {Name, Value} <- Labels]), $}].

%% Of a label's value: a backslash, a quotation mark, the end of a line.
escaped(Text) ->
    [escaped_character(Character) || Character <- unicode:characters_to_list(Text)].

escaped_character($\\) -> "\\\\";
escaped_character($") -> "\\\"";
escaped_character($\n) -> "\\n";
escaped_character(Character) -> Character.

value(Value) when is_integer(Value) -> integer_to_list(Value);
value(Value) when is_float(Value) -> io_lib:format("~.3f", [Value]).
