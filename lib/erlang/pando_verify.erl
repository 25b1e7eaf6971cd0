%% @doc Whether the files of a store are whole: what `pando:verify/1' answers, in words, and as a command.
%%
%% Without mix, in a shell that has Pando in its code path:
%%
%% ```
%% erl -noinput -pa _build/default/lib/pando/ebin -run pando_verify main /var/lib/my_app/stock
%% '''
%%
%% ends with the status that `exit_status/1' tells.
-module(pando_verify).

-export([run/2, text/1, exit_status/1, main/1]).

-export_type([report/0, store_report/0, finding/0, verdict/0, severity/0, progress_fun/0]).

-type verdict() :: sound | remarks | damaged | refused | absent | in_use.
%% `sound': it would open with all that was acknowledged, and nothing is amiss. `remarks': the same, and something is worth
%% knowing. `damaged': the same, but files are not what was written, and something that was kept in reserve is lost. `refused':
%% it would not open. `absent': there is no store. `in_use': it is open, and nothing of it was read.
-type severity() :: fact | remark | fault.
-type finding() :: #{path := binary(), severity := severity(), text := binary()}.
-type store_report() :: #{directory := binary(), verdict := verdict(), findings := [finding()]}.
%% `verdict': the worst of those of the stores. `text': all of it, for people.
-type report() :: #{directory := binary(), verdict := verdict(), stores := [store_report()], text := binary()}.
-type progress_fun() :: fun((Path :: binary(), ReadBytes :: non_neg_integer(), SizeBytes :: non_neg_integer()) -> term()).

%% From the best to the worst.
-define(VERDICTS, [sound, remarks, absent, in_use, damaged, refused]).

%% What is behind a faulty finding's mark stands in this column at most.
-define(PATH_COLUMNS_MAX, 60).

%% @private As `pando:verify/1'; `Progress' is called while it takes long, a few times a second.
-spec run(pando_cluster:data_dir(), progress_fun()) -> {ok, report()} | {error, {pando, open_failed, map()}}.
run(Dir, Progress) when is_list(Dir) orelse is_binary(Dir) ->
    Directory = pando_directory:absolute(Dir),
    case pando_backend:ensure_loaded(pando_backend:configured()) of
        ok ->
            Reference = make_ref(),
            Handle = pando_backend:verify(Directory, Reference),
            try
                await(Handle, Reference, Directory, Progress)
            after
                ok = pando_backend:verify_cancel(Handle),
                drop_messages(Reference)
            end;
        {error, Cause} ->
            {error, pando_directory:library_error(Cause)}
    end.

%% The handle is passed on so that it is not collected: that would end the verification.
await(Handle, Reference, Directory, Progress) ->
    receive
        {pando_verify, Reference, {progress, Path, ReadBytes, SizeBytes}} ->
            _ = Progress(Path, ReadBytes, SizeBytes),
            await(Handle, Reference, Directory, Progress);
        {pando_verify, Reference, {ended, {ok, Reports}}} ->
            {ok, report(Directory, [store_report(Report) || Report <- Reports])};
        {pando_verify, Reference, {ended, {error, Reason}}} ->
            {error, {pando, open_failed, #{kind => other, reason => Reason, directory => Directory}}}
    end.

%% Those that were under way when `Progress' raised something.
drop_messages(Reference) ->
    receive
        {pando_verify, Reference, _} -> drop_messages(Reference)
    after 0 -> ok
    end.

store_report({Directory, Verdict, Findings}) ->
    Report = #{
        directory => Directory,
        verdict => Verdict,
        findings => [#{path => Path, severity => Severity, text => Text} || {Path, Severity, Text} <- Findings]
    },
    case Verdict of
        %% Whoever has it open may be writing JOINING just now.
        in_use -> Report;
        _ -> with_joining(pando_joining:read(Directory), Report)
    end.

%% The native side knows nothing of JOINING: it is looked at before a store is opened (`pando_server').
with_joining(none, Report) ->
    Report;
with_joining(_, #{directory := Directory, verdict := Verdict, findings := Findings} = Report) ->
    Finding = fun(Severity, Text) ->
        #{path => pando_joining:path(Directory), severity => Severity, text => Text}
    end,
    case pando_joining:start_with(Directory) of
        {error, Text} ->
            Report#{verdict := refused, findings := Findings ++ [Finding(fault, Text)]};
        {becoming, Joining} ->
            Text = <<(joining_text(Joining))/binary, ", and all else in the directory is removed first: nothing of it was looked at">>,
            Report#{verdict := remarks, findings := [Finding(remark, Text)]};
        {member, #{} = Joining} ->
            Report#{verdict := worst([remarks, Verdict]), findings := Findings ++ [Finding(remark, joining_text(Joining))]};
        _ ->
            Report
    end.

joining_text(#{member_id := 0}) ->
    <<"a join was given up: when the store is started, it becomes a cluster of its own">>;
joining_text(#{phase := Phase, member_id := MemberId, contacts := Contacts}) ->
    First =
        case Phase of
            leaving -> <<", after it has left the one that it is in">>;
            becoming -> <<>>
        end,
    Nodes = lists:join(", ", Contacts),
    iolist_to_binary([
        "a join was interrupted: when the store is started, it goes on becoming member ",
        integer_to_binary(MemberId),
        " of the cluster that was on ",
        Nodes,
        First
    ]).

report(Directory, Stores) ->
    Report = #{directory => Directory, verdict => worst([Verdict || #{verdict := Verdict} <- Stores]), stores => Stores},
    Report#{text => text(Report)}.

worst(Verdicts) ->
    lists:last([Verdict || Verdict <- ?VERDICTS, lists:member(Verdict, Verdicts)]).

%% @private A report in words.
-spec text(#{stores := [store_report()], _ => _}) -> binary().
text(#{stores := Stores}) ->
    %% What comes from the native side is UTF-8 already, and the words here are ASCII.
    iolist_to_binary(lists:join($\n, [store_text(Store) || Store <- Stores])).

store_text(#{directory := Directory, verdict := Verdict, findings := Findings}) ->
    Rows = [{mark(Severity), relative(Path, Directory), Text} || #{path := Path, severity := Severity, text := Text} <- Findings],
    Width = lists:max([0 | [string:length(Path) || {_, Path, _} <- Rows]]),
    Columns = min(Width, ?PATH_COLUMNS_MAX),
    [
        [Directory, ": ", atom_to_binary(Verdict), $\n],
        [[Mark, $\s, string:pad(Path, Columns), "  ", Text, $\n] || {Mark, Path, Text} <- Rows],
        [advice(Verdict), $\n]
    ].

mark(fact) -> " ";
mark(remark) -> "!";
mark(fault) -> "X".

relative(Directory, Directory) ->
    <<".">>;
relative(Path, Directory) ->
    Size = byte_size(Directory),
    case Path of
        <<Directory:Size/binary, $/, Rest/binary>> -> Rest;
        _ -> Path
    end.

advice(sound) ->
    "It would open. Nothing is amiss.";
advice(remarks) ->
    "It would open, with all that was acknowledged. What is marked ! is worth knowing, and no harm.";
advice(damaged) ->
    "It would open, with all that was acknowledged, but what is marked X is not what was written, and the next fault may be "
    "one too many. Copy the directory, look at the disk; then start the store: it writes its files anew as it goes.";
advice(refused) ->
    "It would not open, for what is marked X. Keep the directory as it is, and do what is said there "
    "(docs/operations.md, \"A store does not open\").";
advice(absent) ->
    "There is nothing that could be opened.";
advice(in_use) ->
    "It is open, so nothing was read. Stop the store to look at it, or look at a copy that was made while it was stopped.".

%% @private What a command ends with: 0 for `sound' and `remarks', 1 for `damaged' and `refused', 2 where nothing was looked
%% at, for `absent' and `in_use': who asks whether a store is whole must not take that for a yes.
-spec exit_status(verdict()) -> 0..2.
exit_status(sound) -> 0;
exit_status(remarks) -> 0;
exit_status(damaged) -> 1;
exit_status(refused) -> 1;
exit_status(absent) -> 2;
exit_status(in_use) -> 2.

%% @private The command: prints the report and ends the VM.
-spec main([string()]) -> no_return().
main([Dir]) ->
    case run(Dir, fun(_, _, _) -> ok end) of
        {ok, #{text := Text, verdict := Verdict}} ->
            ok = file:write(standard_io, Text),
            halt(exit_status(Verdict));
        {error, Reason} ->
            ok = io:format(standard_error, "~ts~n", [pando_errors:format(Reason)]),
            halt(1)
    end;
main(_) ->
    ok = io:format(standard_error, "one argument: the directory of a store, or a data directory~n", []),
    halt(1).
