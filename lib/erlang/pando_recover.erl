%% @doc The last resort for a store whose majority is gone for good: what each survivor has, in words, and a new cluster of one
%% made of one of them.
%%
%% Without mix, in a shell that has Pando in its code path:
%%
%% ```
%% erl -noinput -pa _build/default/lib/pando/ebin -run pando_recover main /var/lib/my_app/stock
%% '''
%%
%% shows what is there and changes nothing; with the word `yes' behind the directory it recovers (see `main/1').
-module(pando_recover).

-include_lib("kernel/include/file.hrl").

-export([inspect/1, inspect/2, recover/2, text/1, assess/1, main/1]).

-export_type([survivor/0, member/0, position/0, vote/0, cluster/0, inspection/0, options/0, recovery/0, kind/0, error/0]).

%% `log index' and `term' of an entry.
-type position() :: #{index := non_neg_integer(), term := non_neg_integer()}.
%% `is_voter' while it is an observer, or not yet a voter: false.
-type member() :: #{member_id := pos_integer(), node := binary(), role := voter | observer, is_voter := boolean()}.
-type vote() :: #{term := non_neg_integer(), member_id := non_neg_integer(), has_won := boolean()}.
%% What is in a directory. `verdict' and `findings' as `pando:verify/1' has them. What is not known is `undefined'.
-type survivor() :: #{
    directory := binary(),
    verdict := pando_verify:verdict(),
    findings := [pando_verify:finding()],
    cluster_id := undefined | <<_:128>>,
    member_id := undefined | non_neg_integer(),
    members := [member()],
    voter_sets := [[pos_integer()]],
    last := undefined | position(),
    committed := undefined | position(),
    snapshot := undefined | position(),
    vote := undefined | vote()
}.
%% The survivors of one cluster. `best': the directory of the one that has the most. `has_majority': enough voters are here to go
%% on without a recovery. `may_lack': something that was acknowledged may be missing in the best one. `uncertain': entries of the
%% best one of which nobody here knows whether they were acknowledged; they are kept.
-type cluster() :: #{
    cluster_id := <<_:128>>,
    survivors := [binary()],
    best := undefined | binary(),
    has_majority := boolean(),
    may_lack := boolean(),
    uncertain := non_neg_integer(),
    missing_voters := [member()],
    text := binary()
}.
-type inspection() :: #{survivors := [survivor()], clusters := [cluster()], text := binary()}.
%% `node': the Erlang node of the new cluster's one member, by default the one that the survivor had in the old cluster. `force':
%% also a cluster of one, and a store with damaged files that has all its entries. `progress' is called a few times a second.
-type options() :: #{node => node() | binary(), force => boolean(), progress => pando_verify:progress_fun()}.
%% `by': `this_call'; `one_interrupted': a call before had done all but the last step; `one_before': nothing was left to do.
-type recovery() :: #{
    by := this_call | one_interrupted | one_before,
    directory := binary(),
    kept := binary(),
    cluster_id := <<_:128>>,
    members := [member()],
    last := undefined | position(),
    text := binary()
}.
-type kind() ::
    in_use
    | absent
    | damaged
    | only_voter
    | empty
    | reset_pending
    | no_place
    | interrupted
    | wrong
    | unreadable
    | disk_full
    | newer_format
    | other_store
    | not_a_directory
    | native_library
    | other.
%% `kind' for programs, `reason' for people.
-type error() :: {pando, recover_failed, #{kind := kind(), reason := binary(), directory := binary()}}.

%% @doc What is in the directories of survivors, or of all stores in a data directory: none of them need be of this machine's
%% store, copies will do. They must not be open. All of it is read, nothing is changed.
%%
%% ```
%% > {ok, #{text := Text}} = pando_recover:inspect(["/var/lib/my_app/stock", "/mnt/from_b/stock"]).
%% > io:put_chars(Text).
%% '''
-spec inspect(pando_cluster:data_dir() | [pando_cluster:data_dir()]) ->
    {ok, inspection()} | {error, error()}.
inspect(Dirs) ->
    inspect(Dirs, no_progress()).

%% @private The same; `Progress' is called while it takes long.
-spec inspect(pando_cluster:data_dir() | [pando_cluster:data_dir()], pando_verify:progress_fun()) ->
    {ok, inspection()} | {error, error()}.
inspect(Dirs, Progress) ->
    Directories = [pando_directory:absolute(Dir) || Dir <- directories(Dirs)],
    case run(hd(Directories), fun(Reference) -> pando_backend:recover_inspect(Directories, Reference) end, Progress) of
        {ok, {inspected, Found}} ->
            %% One that was named twice, or that is in a data directory besides.
            Survivors = lists:uniq(fun(#{directory := Directory}) -> Directory end, [survivor(One) || One <- Found]),
            Inspection = assess(Survivors),
            {ok, Inspection#{text => text(Inspection)}};
        {error, _} = Error ->
            Error
    end.

directories(Dir) when is_binary(Dir) -> [Dir];
directories([Character | _] = Dir) when is_integer(Character) -> [Dir];
directories([_ | _] = Dirs) -> Dirs.

%% @doc Makes a new cluster, with a new id and one member, of what the store in `Dir' holds: its snapshot and all of its log, also
%% what was not committed as far as it knows. The store must not be open. The old files are kept beside, as `kept' says.
%%
%% Until the new store is whole and on the disk nothing else is changed. A call that was interrupted is made again. What was
%% recovered before is left alone: `by' is `one_before' then.
%%
%% Start the store afterwards, as ever, and have the other nodes join it with empty directories.
-spec recover(pando_cluster:data_dir(), options()) -> {ok, recovery()} | {error, error() | {unknown_option, term(), term()}}.
recover(Dir, Options) when is_map(Options) ->
    Directory = pando_directory:absolute(Dir),
    Defaults = #{node => {otherwise, atom_to_binary(node())}, force => false, progress => no_progress()},
    case maps:fold(fun option/3, Defaults, Options) of
        #{node := Node, force := Force, progress := Progress} -> recover(Directory, Node, Force, Progress);
        {unknown_option, _, _} = Unknown -> {error, Unknown}
    end.

option(_, _, {unknown_option, _, _} = Unknown) -> Unknown;
option(node, Node, Given) when is_atom(Node) -> Given#{node := {given, atom_to_binary(Node)}};
option(node, <<_, _/binary>> = Node, Given) -> Given#{node := {given, Node}};
option(force, Force, Given) when is_boolean(Force) -> Given#{force := Force};
option(progress, Progress, Given) when is_function(Progress, 3) -> Given#{progress := Progress};
option(Key, Value, _) -> {unknown_option, Key, Value}.

recover(Directory, Node, Force, Progress) ->
    Holder = io_lib:format("a recovery by Erlang node ~ts, operating-system process ~ts", [node(), os:getpid()]),
    ClusterId = new_id(),
    Begin = fun(Reference) ->
        pando_backend:recover(Directory, ClusterId, Node, Force, unicode:characters_to_binary(Holder), Reference)
    end,
    case run(Directory, Begin, Progress) of
        {ok, {recovered, Recovery}} -> {ok, recovery(Directory, Recovery)};
        {error, _} = Error -> Error
    end.

no_progress() ->
    fun(_, _, _) -> ok end.

%% Ids must differ, and need not be secret; so the application need not depend on `crypto'.
new_id() ->
    Entropy = {node(), self(), os:getpid(), erlang:unique_integer(), make_ref()},
    Seeds = [erlang:phash2({Part, Entropy}, 1 bsl 32) || Part <- [first, second]],
    Seed = list_to_tuple(Seeds ++ [os:system_time()]),
    {Id, _} = rand:bytes_s(16, rand:seed_s(exsss, Seed)),
    Id.

%%% The native side

run(Directory, Begin, Progress) ->
    case pando_backend:ensure_loaded(pando_backend:configured()) of
        ok ->
            Reference = make_ref(),
            Handle = Begin(Reference),
            try
                await(Handle, Reference, Directory, Progress)
            after
                ok = pando_backend:recover_cancel(Handle),
                drop_messages(Reference)
            end;
        {error, Cause} ->
            {pando, open_failed, #{reason := Reason}} = pando_directory:library_error(Cause),
            {error, failed(native_library, Reason, Directory)}
    end.

%% The handle is passed on so that it is not collected: that would end the task.
await(Handle, Reference, Directory, Progress) ->
    receive
        {pando_recover, Reference, {progress, Path, Done, Whole}} ->
            _ = Progress(Path, Done, Whole),
            await(Handle, Reference, Directory, Progress);
        {pando_recover, Reference, {ended, {error, Kind, Text}}} ->
            {error, failed(kind(Kind), Text, Directory)};
        {pando_recover, Reference, {ended, {error, Text}}} ->
            {error, failed(other, Text, Directory)};
        {pando_recover, Reference, {ended, End}} ->
            {ok, End}
    end.

%% Those that were under way when `Progress' raised something.
drop_messages(Reference) ->
    receive
        {pando_recover, Reference, _} -> drop_messages(Reference)
    after 0 -> ok
    end.

failed(Kind, Reason, Directory) ->
    {pando, recover_failed, #{kind => Kind, reason => Reason, directory => Directory}}.

kind(<<"in_use">>) -> in_use;
kind(<<"locked">>) -> in_use;
kind(<<"absent">>) -> absent;
kind(<<"damaged">>) -> damaged;
kind(<<"only_voter">>) -> only_voter;
kind(<<"empty">>) -> empty;
kind(<<"reset_pending">>) -> reset_pending;
kind(<<"no_place">>) -> no_place;
kind(<<"interrupted">>) -> interrupted;
kind(<<"wrong">>) -> wrong;
kind(<<"unreadable">>) -> unreadable;
kind(<<"disk_full">>) -> disk_full;
kind(<<"newer_format">>) -> newer_format;
kind(<<"other_store">>) -> other_store;
kind(<<"not_a_directory">>) -> not_a_directory;
kind(_) -> other.

survivor({{Directory, Verdict, Findings}, Identity, Contents}) ->
    {ClusterId, MemberId} =
        case Identity of
            undefined -> {undefined, undefined};
            {_, _} -> Identity
        end,
    {Members, Last, Committed, Snapshot, Vote} =
        case Contents of
            undefined -> {undefined, undefined, undefined, undefined, undefined};
            {_, _, _, _, _} -> Contents
        end,
    #{
        directory => Directory,
        verdict => Verdict,
        findings => [#{path => Path, severity => Severity, text => Text} || {Path, Severity, Text} <- Findings],
        cluster_id => ClusterId,
        member_id => MemberId,
        members => members(Members),
        voter_sets => voter_sets(Members),
        last => position(Last),
        committed => position(Committed),
        snapshot => position(Snapshot),
        vote => vote(Vote)
    }.

members(undefined) ->
    [];
members({VoterSets, Members}) ->
    [
        #{member_id => Id, node => Node, role => Role, is_voter => lists:any(fun(Set) -> lists:member(Id, Set) end, VoterSets)}
     || {Id, Node, Role} <- Members
    ].

voter_sets(undefined) -> [];
voter_sets({VoterSets, _}) -> VoterSets.

position(undefined) -> undefined;
position({Term, Index}) -> #{term => Term, index => Index}.

vote(undefined) -> undefined;
vote({Term, MemberId, HasWon}) -> #{term => Term, member_id => MemberId, has_won => HasWon}.

recovery(Directory, {By, ClusterId, Members, Last, Kept}) ->
    Recovery = #{
        by => by(By),
        directory => Directory,
        kept => Kept,
        cluster_id => ClusterId,
        members => members(Members),
        last => position(Last)
    },
    Recovery#{text => to_binary(recovery_text(Recovery))}.

by(<<"this_call">>) -> this_call;
by(<<"one_interrupted">>) -> one_interrupted;
by(<<"one_before">>) -> one_before.

%%% What it means

%% @private The survivors of each cluster together: who has the most, and what may be lost.
-spec assess([survivor()]) -> #{survivors := [survivor()], clusters := [cluster()]}.
assess(Survivors) ->
    Ids = lists:usort([Id || #{cluster_id := Id} <- Survivors, Id =/= undefined]),
    #{
        survivors => Survivors,
        clusters => [cluster(Id, [Survivor || #{cluster_id := Found} = Survivor <- Survivors, Found =:= Id]) || Id <- Ids]
    }.

cluster(ClusterId, Survivors) ->
    %% What Raft compares: a log whose last entry is of a later term has all that was committed in the terms before.
    Ordered = lists:sort([{{Term, Index}, Survivor} || #{last := #{term := Term, index := Index}} = Survivor <- Survivors]),
    Cluster = #{
        cluster_id => ClusterId,
        survivors => [Directory || #{directory := Directory} <- Survivors],
        best => undefined,
        has_majority => false,
        may_lack => true,
        uncertain => 0,
        missing_voters => []
    },
    Assessed =
        case [Survivor || {_, Survivor} <- Ordered] of
            [] -> Cluster;
            Readable -> assess(Cluster, lists:last(Readable), Readable)
        end,
    Assessed#{text => to_binary(cluster_text(Assessed, Survivors))}.

assess(Cluster, #{directory := Best, voter_sets := Sets, members := Members} = Survivor, Readable) ->
    Here = lists:usort([Id || #{member_id := Id} <- Readable]),
    Cluster#{
        best := Best,
        has_majority := Sets =/= [] andalso lists:all(fun(Set) -> is_majority(Set, Here) end, Sets),
        %% Those that are not here have acknowledged something among themselves only if they are a majority.
        may_lack := Sets =:= [] orelse lists:all(fun(Set) -> is_majority(Set, Set -- Here) end, Sets),
        uncertain := uncertain(Survivor),
        missing_voters := [Member || #{member_id := Id, is_voter := true} = Member <- Members, not lists:member(Id, Here)]
    }.

is_majority(Set, Ids) ->
    length([Id || Id <- Set, lists:member(Id, Ids)]) > length(Set) div 2.

uncertain(#{last := #{index := Last}, committed := #{index := Committed}}) -> max(0, Last - Committed);
uncertain(#{last := #{index := Last}}) -> Last + 1.

%%% In words

%% @private An inspection in words: a table, then what it means.
-spec text(#{survivors := [survivor()], clusters := [cluster()], _ => _}) -> binary().
text(#{survivors := Survivors, clusters := Clusters}) ->
    Best = [Directory || #{best := Directory} <- Clusters],
    Rows = [heading() | [row(Survivor, lists:member(Directory, Best)) || #{directory := Directory} = Survivor <- Survivors]],
    Faults = [
        [Directory, ": ", Text, $\n]
     || #{directory := Directory, findings := Findings, verdict := Verdict} <- Survivors,
        #{severity := Severity, text := Text} <- Findings,
        Severity =:= fault orelse Verdict =:= in_use orelse Verdict =:= absent
    ],
    Unknown = [
        ["There is nothing that could be recovered.\n"]
     || Clusters =:= []
    ],
    to_binary([table(Rows), Faults, Unknown, [[$\n, Text] || #{text := Text} <- Clusters]]).

%% The words are text: what comes from the native side is UTF-8, and the rest is written here.
to_binary(Words) ->
    Binary = unicode:characters_to_binary(Words),
    true = is_binary(Binary),
    Binary.

heading() ->
    ["", "directory", "member", "log ends at", "committed", "snapshot", "last vote", "files", "cluster"].

row(#{directory := Directory, verdict := Verdict, cluster_id := ClusterId, vote := Vote} = Survivor, IsBest) ->
    #{last := Last, committed := Committed, snapshot := Snapshot} = Survivor,
    Mark =
        case IsBest of
            true -> ">";
            false -> " "
        end,
    [
        Mark,
        Directory,
        itself(Survivor),
        position_text(Last),
        index_text(Committed),
        index_text(Snapshot),
        vote_text(Vote),
        atom_to_binary(Verdict),
        hex(ClusterId)
    ].

table([Heading | _] = Rows) ->
    Widths = [
        lists:max([string:length(lists:nth(Column, Row)) || Row <- Rows])
     || Column <- lists:seq(1, length(Heading))
    ],
    [[string:trim(lists:join("  ", padded(Row, Widths)), trailing, " "), $\n] || Row <- Rows].

padded(Row, Widths) ->
    lists:zipwith(fun(Text, Width) -> string:pad(Text, Width) end, Row, Widths).

itself(#{member_id := undefined}) ->
    "-";
itself(#{member_id := Id, members := Members}) ->
    case [Member || #{member_id := Found} = Member <- Members, Found =:= Id] of
        [Member] -> member_text(Member);
        [] -> integer_to_list(Id)
    end.

member_text(#{member_id := Id, node := Node, is_voter := true}) -> [integer_to_list(Id), " ", Node];
member_text(#{member_id := Id, node := Node}) -> [integer_to_list(Id), " ", Node, " (no voter)"].

position_text(undefined) -> "-";
position_text(#{term := Term, index := Index}) -> io_lib:format("entry ~b, term ~b", [Index, Term]).

index_text(undefined) -> "-";
index_text(#{index := Index}) -> integer_to_list(Index).

vote_text(undefined) -> "-";
vote_text(#{term := Term, member_id := Id, has_won := true}) -> io_lib:format("term ~b, ~b led", [Term, Id]);
vote_text(#{term := Term, member_id := Id}) -> io_lib:format("term ~b, for ~b", [Term, Id]).

hex(undefined) -> "-";
hex(ClusterId) -> string:lowercase(binary:encode_hex(ClusterId)).

cluster_text(#{cluster_id := ClusterId, best := undefined}, _Survivors) ->
    ["Cluster ", hex(ClusterId), ": no directory of it can be read, so none can be recovered.\n"];
cluster_text(#{cluster_id := ClusterId, best := Best, has_majority := HasMajority} = Cluster, Survivors) ->
    [#{members := Members} = Survivor] = [One || #{directory := Directory} = One <- Survivors, Directory =:= Best],
    Voters = [Member || #{is_voter := true} = Member <- Members],
    [
        ["Cluster ", hex(ClusterId), ": voters ", members_text(Voters), ".\n"],
        case HasMajority of
            true -> majority_text(Voters);
            false -> minority_text(Cluster, Survivor, Survivors)
        end
    ].

majority_text([_]) ->
    "Its only voter is here, so there is nothing to recover: start it.\n";
majority_text(_) ->
    "A majority of them is here, so there is nothing to recover: start these, and they elect a leader by themselves. A recovery "
    "would make a second cluster beside.\n".

minority_text(#{missing_voters := Missing, best := Best} = Cluster, Survivor, Survivors) ->
    [
        ["Not here: ", members_text(Missing), ". Without a majority nothing can be written or agreed upon. If enough of them can be "],
        "brought back with their directories, do that: then nothing is lost.\n",
        ["The most has ", itself(Survivor), ", in ", Best, ".\n"],
        [
            ["  ", itself(Other), ", in ", Directory, ", ends at ", position_text(Last), ": older.\n"]
         || #{directory := Directory, last := #{term := Term, index := Index} = Last} = Other <- Survivors,
            {Term, Index} < end_of(Survivor)
        ],
        uncertain_text(Cluster, Survivor),
        lack_text(Cluster, Survivor)
    ].

end_of(#{last := #{term := Term, index := Index}}) -> {Term, Index}.

uncertain_text(#{uncertain := 0}, #{last := Last}) ->
    ["All its entries, up to ", index_text(Last), ", are known to be committed. They are kept.\n"];
uncertain_text(#{uncertain := Uncertain}, #{last := Last, committed := Committed}) ->
    Known =
        case Committed of
            undefined -> "None of its entries is known to be committed. ";
            #{} -> ["Its entries up to ", index_text(Committed), " are known to be committed. "]
        end,
    [
        Known,
        io_lib:format("The last ~b, up to ", [Uncertain]),
        [index_text(Last), ", may or may not have been acknowledged to those who wrote them. All are kept.\n"]
    ].

lack_text(#{may_lack := false}, _Survivor) ->
    "Nothing that was acknowledged can be missing in it: the others are no majority without those that are here.\n";
lack_text(#{missing_voters := Missing}, Survivor) ->
    [
        ["What may be lost: what was acknowledged by ", members_text(Missing), " and had not come here. Nobody here can tell how "],
        ["much that is", hint_text(Survivor), ".\n"]
    ].

%% It has taken part in an election behind its last entry.
hint_text(#{vote := #{term := Voted, member_id := Id, has_won := HasWon}, last := #{term := Last}}) when Voted > Last ->
    How =
        case HasWon of
            true -> "knows that member ~b led";
            false -> "has voted for member ~b"
        end,
    io_lib:format("; it " ++ How ++ " in term ~b, and its own last entry is of term ~b, so there may be some", [Id, Voted, Last]);
hint_text(_) ->
    "".

members_text([]) ->
    "unknown";
members_text(Members) ->
    lists:join(", ", [[integer_to_list(Id), " (", Node, ")"] || #{member_id := Id, node := Node} <- Members]).

recovery_text(#{by := By, directory := Directory, kept := Kept, cluster_id := ClusterId, members := Members, last := Last}) ->
    Done =
        case By of
            this_call -> "was recovered";
            one_interrupted -> "was recovered: what a call before had left was done";
            one_before -> "was recovered before, and nothing was done"
        end,
    [
        ["The store in ", Directory, " ", Done, ". It is the cluster ", hex(ClusterId), ", of "],
        [members_text(Members), ", with all up to entry ", index_text(Last), ".\n"],
        ["The old files are in ", Kept, ": keep them until all is well.\n"],
        owner_text(Directory, Kept),
        "Start the store. The other nodes are to join it with empty directories: a member of the old cluster is none of this one.\n"
    ].

%% Recovered as root, say, it could not be opened by whom it belongs to.
owner_text(Directory, Kept) ->
    case {owner(Directory), owner(Kept)} of
        {{_, _} = Same, Same} ->
            "";
        {{_, _}, {Uid, Gid}} ->
            io_lib:format("Its files belong to whoever has recovered it: chown -R ~b:~b ~ts\n", [Uid, Gid, Directory]);
        _ ->
            ""
    end.

owner(Directory) ->
    case file:read_file_info(filename:join(Directory, "IDENTITY"), [raw]) of
        {ok, #file_info{uid = Uid, gid = Gid}} -> {Uid, Gid};
        {error, _} -> unknown
    end.

%%% The command

%% @private The command: `[Dir]', or several, prints what is there; `[Dir, "yes"]' recovers. Words behind the directory: `"yes"',
%% `"force"', `"node=NAME"'. Ends the VM with status 0 if that was done, 1 if it could not be.
-spec main([string()]) -> no_return().
main(Arguments) ->
    {Options, Dirs} = lists:foldr(fun word/2, {#{}, []}, Arguments),
    case {Dirs, maps:take(yes, Options)} of
        {[], _} ->
            fail("a directory is needed: that of a store. Behind it: yes, force, node=NAME");
        {[Dir], {true, Given}} ->
            print(recover(Dir, Given));
        {_, {true, _}} ->
            fail("one directory can be recovered: that of the store which has the most");
        {_, error} ->
            print(inspect(Dirs))
    end.

word("yes", {Options, Dirs}) -> {Options#{yes => true}, Dirs};
word("force", {Options, Dirs}) -> {Options#{force => true}, Dirs};
word("node=" ++ Node, {Options, Dirs}) -> {Options#{node => unicode:characters_to_binary(Node)}, Dirs};
word(Dir, {Options, Dirs}) -> {Options, [Dir | Dirs]}.

-spec print({ok, #{text := binary(), _ => _}} | {error, term()}) -> no_return().
print({ok, #{text := Text}}) ->
    ok = file:write(standard_io, Text),
    halt(0);
print({error, Reason}) ->
    fail(pando_errors:format(Reason)).

-spec fail(string()) -> no_return().
fail(Text) ->
    ok = io:format(standard_error, "~ts~n", [Text]),
    halt(1).
