%% @doc The rows and the targets of the table "Transactions", from what `bench_transactions:measure/4' measured.
%%
%% A ratio is the median of the ratios of the rounds.
-module(bench_transaction_rows).

-export([rows/1, targets/1]).

-export_type([row/0]).

-import(bench_number, [median/1, spread/1, thousands/1, format/2]).

%% As the rows of calls. `runs_per_success': how often the function ran.
-type row() :: #{
    id := atom(),
    name := string(),
    rates := bench_number:spread(),
    p50_us := float(),
    p99_us := float(),
    max_us := float(),
    beside := string(),
    peer := string(),
    runs_per_success => float(),
    %% The number in `beside', for a reader of the JSON.
    ratio => float(),
    ratio_floor => float(),
    others_per_s => float()
}.

%% Source: design/peers.md. Its random keys were of 10,000 nodes.
-define(PEER, #{
    {hot, 1} => "820/s",
    {hot, 16} => "8,661/s",
    {hot, 128} => "17,601/s",
    {random, 1} => "1,570/s",
    {random, 16} => "8,114/s",
    {random, 128} => "16,295/s"
}).

-spec rows(bench_transactions:measured()) -> [row()].
rows(#{updates := Updates, plan := #{node_count := NodeCount}} = Measured) ->
    lists:append([
        [update_row(Kind, Callers, Rounds, NodeCount) || Kind <- [put, hot, random]]
     || {Callers, Rounds} <- lists:sort(maps:to_list(Updates))
    ]) ++ read_rows(Measured) ++ data_rows(Measured) ++ id_rows(Measured) ++ beside_rows(Measured).

update_row(put, Callers, Rounds, NodeCount) ->
    Name = format("put, one of ~s nodes, ~s, in turns with the next two", [thousands(NodeCount), callers(Callers)]),
    Row = row(id("tx_put_~b", [Callers]), Name, kind(put, Rounds)),
    beside_floor("", put, Callers, Rounds, Row);
update_row(Kind, Callers, Rounds, NodeCount) ->
    Of =
        case Kind of
            hot -> "one hot key";
            random -> format("one of ~s", [thousands(NodeCount div 2)])
        end,
    Row = row(
        id("tx_~s_~b", [Kind, Callers]),
        format("transaction, read-modify-write, ~s, ~s", [Of, callers(Callers)]),
        kind(Kind, Rounds)
    ),
    Ratios = put_ratios(Kind, Callers, Rounds),
    Text = format("~ts~ts, ", [ratio_text(Ratios), of_put(Callers)]),
    Runs = lists:sum([Count || #{Kind := #{run_count := Count}} <- Rounds]),
    Successes = lists:sum([Count || #{call_count := Count} <- kind(Kind, Rounds)]),
    (beside_floor(Text, Kind, Callers, Rounds, Row))#{
        peer := maps:get({Kind, Callers}, ?PEER, ""), runs_per_success => Runs / Successes, ratio => median(Ratios)
    }.

%% One caller: the latency beside that of a bare write. Many: the rate beside that of one bare writer.
beside_floor(Text, Kind, 1, Rounds, Row) ->
    Ratios = [Us / FloorUs || {#{p50_us := Us}, #{p50_us := FloorUs}} <- with_floor(Kind, Rounds)],
    Row#{beside := format("~ts~ts × growing", [Text, ratio_text(Ratios)]), ratio_floor => median(Ratios)};
beside_floor(Text, Kind, _Callers, Rounds, Row) ->
    Pairs = with_floor(Kind, Rounds),
    Ratio = median([PerS * FloorUs / 1.0e6 || {#{calls_per_s := PerS}, #{mean_us := FloorUs}} <- Pairs]),
    Row#{beside := format("~ts~.1f × the rate of one bare writer", [Text, Ratio]), ratio_floor => Ratio}.

with_floor(Kind, Rounds) ->
    lists:zip(kind(Kind, Rounds), [Floor || #{floor := Floor} <- Rounds]).

read_rows(#{reads := Rounds, read_count := Count}) ->
    {Gets, Transactions} = {kind(gets, Rounds), kind(transaction, Rounds)},
    [
        row(tx_gets, format("~b gets, 1 caller, in turns with the next", [Count]), Gets),
        beside(
            p50_ratios(Transactions, Gets),
            " × the gets, p50",
            row(tx_reads, format("transaction, read only, ~b reads, 1 caller", [Count]), Transactions)
        )
    ].

data_rows(#{data := Rounds, putter_count := Callers}) ->
    {Puts, Transactions} = {kind(put, Rounds), kind(data, Rounds)},
    [
        row(tx_data_put, format("put, ~s, in turns with the next", [callers(Callers)]), Puts),
        beside(
            rate_ratios(Transactions, Puts),
            " × the rate of put",
            row(tx_data, format("transaction as data, 1 condition, 2 puts, ~s", [callers(Callers)]), Transactions)
        )
    ].

id_rows(#{ids := Ids}) ->
    lists:append([
        begin
            {Puts, WithId} = {kind(put, Rounds), kind(put_id, Rounds)},
            [
                row(id("tx_id_put_~b", [Callers]), format("put, ~s, in turns with the next", [callers(Callers)]), Puts),
                beside(
                    ratios(Callers, WithId, Puts),
                    of_put(Callers),
                    row(id("tx_id_~b", [Callers]), format("put with request_id, ~s", [callers(Callers)]), WithId)
                )
            ]
        end
     || {Callers, Rounds} <- lists:sort(maps:to_list(Ids))
    ]).

beside_rows(#{besides := Rounds, putter_count := Callers, other_count := Others}) ->
    Put = format("put, ~s", [callers(Callers)]),
    Row = fun(Kind, Name) ->
        PerS = median([Each || #{Kind := #{others_per_s := Each}} <- Rounds]),
        Row = beside(
            rate_ratios(kind(Kind, Rounds), kind(alone, Rounds)),
            " × alone",
            row(id("tx_beside_~s", [Kind]), Name, kind(Kind, Rounds))
        ),
        Text = format("~ts; of the others ~s/s", [maps:get(beside, Row), thousands(PerS)]),
        Row#{beside := Text, others_per_s => PerS}
    end,
    [
        row(tx_beside_alone, Put ++ ", in turns with the next two", kind(alone, Rounds)),
        Row(puts, format("floor: ~s, while ~b others put", [Put, Others])),
        Row(transactions, format("~s, while ~b others run transactions, random keys", [Put, Others]))
    ].

%% @doc What issue 4 asks for.
-spec targets(bench_transactions:measured()) -> [bench_report:target()].
targets(#{updates := Updates, reads := Reads, read_count := ReadCount}) ->
    Rate = fun(Kind, Callers) -> median(rates(kind(Kind, maps:get(Callers, Updates)))) end,
    [
        target("transaction, one hot key, 128 callers", {at_least, 35000}, Rate(hot, 128), per_s, "17,601/s"),
        target("transaction, random keys, 128 callers", {at_least, 40000}, Rate(random, 128), per_s, "16,295/s")
    ] ++
        [
            target(
                format("transaction, ~s, 1 caller, p50", [Name]),
                {at_most, 1.2},
                median(put_ratios(Kind, 1, maps:get(1, Updates))),
                puts,
                "1.2–1.8 × one put"
            )
         || {Kind, Name} <- [{hot, "one hot key"}, {random, "random keys"}]
        ] ++
        [
            target(
                format("transaction, read only, ~b reads, p50", [ReadCount]),
                {at_most, 25},
                median([Us || #{p50_us := Us} <- kind(transaction, Reads)]),
                us,
                ""
            )
        ].

target(Name, Wanted, Measured, Unit, Peer) ->
    #{name => Name, wanted => Wanted, measured => Measured, unit => Unit, peer => Peer}.

%%% Parts of rows

row(Id, Name, Rounds) ->
    #{
        id => Id,
        name => Name,
        rates => spread(rates(Rounds)),
        p50_us => median([Us || #{p50_us := Us} <- Rounds]),
        p99_us => median([Us || #{p99_us := Us} <- Rounds]),
        max_us => lists:max([Us || #{max_us := Us} <- Rounds]),
        beside => "",
        peer => ""
    }.

beside(Ratios, What, Row) ->
    Row#{beside := format("~ts~ts", [ratio_text(Ratios), What]), ratio => median(Ratios)}.

%% Of one kind of call, its rounds as `bench_load' gave them.
kind(Kind, Rounds) ->
    [plain_round(Round) || #{Kind := Round} <- Rounds].

plain_round(#{round := Round}) -> Round;
plain_round(Round) -> Round.

rates(Rounds) ->
    [PerS || #{calls_per_s := PerS} <- Rounds].

put_ratios(Kind, Callers, Rounds) ->
    ratios(Callers, kind(Kind, Rounds), kind(put, Rounds)).

%% With one caller what is compared is how long a call takes, with many how many there are.
ratios(1, Rounds, Beside) -> p50_ratios(Rounds, Beside);
ratios(_Callers, Rounds, Beside) -> rate_ratios(Rounds, Beside).

p50_ratios(Rounds, Beside) ->
    lists:zipwith(fun(#{p50_us := Us}, #{p50_us := BesideUs}) -> Us / BesideUs end, Rounds, Beside).

rate_ratios(Rounds, Beside) ->
    lists:zipwith(fun(PerS, BesidePerS) -> PerS / BesidePerS end, rates(Rounds), rates(Beside)).

of_put(1) -> " × the put, p50";
of_put(_Callers) -> " × the rate of put".

ratio_text(Ratios) ->
    {Ratio, Least, Most} = spread(Ratios),
    Range = [format(" (~.2f–~.2f)", [float(Least), float(Most)]) || Least < Most],
    format("~.2f~ts", [Ratio, Range]).

id(Format, Arguments) ->
    list_to_atom(format(Format, Arguments)).

callers(1) -> "1 caller";
callers(Count) -> format("~b callers", [Count]).
