%% What a tree has to hold after a node was killed: the journal of its writers, and the check against what was found.
%%
%% 1. Each writer owns a place in the tree (`place/1') and writes there one operation after the other. Its journal is what
%%    its place holds after all that was acknowledged (`known'), and the operations whose outcome nobody knows (`pending').
%% 2. What is found at a place has to be what the acknowledged operations left, or that and the first few of the pending
%%    ones: no acknowledged one missing, none of the others in part, none out of order, nothing else at all.
%% 3. Values name their writer and operation, and all their bytes follow from that: a value that is torn, old or mixed is no
%%    value of the journal.
-module(pando_kill_model).

-export([place/1, bank_path/1, accounts/0, balance_at_first/0, value/1, payload/1, step/2, net_after/2]).
-export([new_journal/1, note/2, resolve/2, pending_count/1, known/2]).

-export_type([journal/0, operation/0, fragment/0, found/0, token/0]).

-type writer() :: atom().
-type names() :: [atom() | binary()].
%% Writer, life of the node, number of the operation in that life, size of the value in bytes.
-type token() :: {writer(), pos_integer(), pos_integer(), non_neg_integer()}.
%% What a writer has at its place: data of its nodes by their path from there.
-type fragment() :: #{names() => term()}.
-type net() :: #{pos_integer() => integer()}.
-type operation() ::
    {put | create | update, names(), token()}
    | {compare_and_swap, names(), token(), token()}
    | {delete, names()}
    | {put_many, names(), token()}
    | {delete_many, names()}
    | {together, [operation()]}
    %% The counter of a writer becomes this number, by a request that has it as its id.
    | {increment, pos_integer()}
    %% The request of that number is sent again.
    | {repeat, pos_integer()}
    %% From, to, amount; noted by the writer in the same transaction.
    | {transfer, pos_integer(), pos_integer(), integer()}.
-type writer_journal() :: #{known := fragment(), pending := [{pos_integer(), operation()}]}.
-type journal() :: #{
    writers := #{writer() => writer_journal()},
    %% Since the tree was last looked at.
    acknowledged := non_neg_integer(),
    faults := [term()]
}.
%% All nodes of a tree but the root, with data and the number of children.
-type found() :: #{names() => #{atom() => term()}}.
-type event() ::
    {intent, writer(), pos_integer(), operation()}
    %% `Answer': what the caller was told beside that it worked.
    | {acknowledged, writer(), pos_integer(), Answer :: term()}
    | {refused, writer(), pos_integer()}
    | {not_applied, writer(), pos_integer()}
    | {unknown, writer(), pos_integer()}
    %% All of this writer that is under way is applied.
    | {fenced, writer()}.

-define(ACCOUNTS, 6).
-define(BALANCE_AT_FIRST, 1000).
%% Integers from here on take five bytes in the external term format, up to 2^31.
-define(COUNTED_FROM, 1000).
-define(SHOWN_MAX, 5).

%%% Places and values

-spec place(writer()) -> names().
place(Writer) -> [w, Writer].

-spec bank_path(pos_integer()) -> names().
bank_path(Account) -> [bank, <<Account>>].

-spec accounts() -> [pos_integer()].
accounts() -> lists:seq(1, ?ACCOUNTS).

-spec balance_at_first() -> pos_integer().
balance_at_first() -> ?BALANCE_AT_FIRST.

%% What is written for a token.
-spec value(token()) -> term().
value({_, _, _, Size} = Token) -> {Token, blob(Token, Size)}.

%% Ascending numbers from a start of the token's own: no two places in it are alike.
blob(Token, Size) ->
    First = ?COUNTED_FROM + erlang:phash2(Token),
    <<Blob:Size/binary, _/binary>> = term_to_binary(lists:seq(First, First + Size div 5)),
    Blob.

%% The token of a value that is as it was written; `{not_as_written, _}' never is in a journal.
-spec payload(term()) -> term().
payload({{_, _, _, Size} = Token, Blob}) when is_binary(Blob) ->
    case is_integer(Size) andalso value(Token) =:= {Token, Blob} of
        true -> Token;
        false -> {not_as_written, Token, byte_size(Blob)}
    end;
payload(Term) ->
    Term.

%%% Operations

%% What an operation makes of a writer's place; `refused' if it has to be answered that it does not apply.
-spec step(operation(), fragment()) -> {ok, fragment()} | refused.
step({put, Path, Token}, Fragment) ->
    {ok, Fragment#{Path => Token}};
step({create, Path, Token}, Fragment) when not is_map_key(Path, Fragment) ->
    {ok, Fragment#{Path => Token}};
step({update, Path, Token}, Fragment) when is_map_key(Path, Fragment) ->
    {ok, Fragment#{Path => Token}};
step({compare_and_swap, Path, Old, Token}, Fragment) when map_get(Path, Fragment) =:= Old ->
    {ok, Fragment#{Path => Token}};
step({delete, Path}, Fragment) ->
    {ok, maps:filter(fun(Other, _) -> not lists:prefix(Path, Other) end, Fragment)};
step({put_many, Parent, Token}, Fragment) ->
    IsChild = fun(Path) -> lists:droplast(Path) =:= Parent end,
    {ok, maps:map(fun(Path, Before) -> case IsChild(Path) of true -> Token; false -> Before end end, Fragment)};
step({delete_many, Parent}, Fragment) ->
    IsBelow = fun(Path) -> Path =/= Parent andalso lists:prefix(Parent, Path) end,
    {ok, maps:filter(fun(Path, _) -> not IsBelow(Path) end, Fragment)};
step({together, Operations}, Fragment) ->
    lists:foldl(
        fun
            (_, refused) -> refused;
            (Operation, {ok, Before}) -> step(Operation, Before)
        end,
        {ok, Fragment},
        Operations
    );
step({increment, Number}, Fragment) ->
    {ok, Fragment#{[count] => Number}};
step({repeat, _}, Fragment) ->
    {ok, Fragment};
step({transfer, _, _, _} = Transfer, Fragment) ->
    {ok, Fragment#{[net] => net_after(Transfer, maps:get([net], Fragment, #{}))}};
step(_, _Fragment) ->
    refused.

%% What a writer has added to each account so far.
-spec net_after(operation(), net()) -> net().
net_after({transfer, From, To, Amount}, Net) ->
    Add = fun(Account, Added, Before) -> maps:update_with(Account, fun(N) -> N + Added end, Added, Before) end,
    Add(To, Amount, Add(From, -Amount, Net)).

%% What the caller of an operation must have been told; `any': there is nothing to tell.
answer({increment, Number}) -> Number;
answer({repeat, Number}) -> Number;
answer(_) -> any.

%%% Journal

-spec new_journal([writer()]) -> journal().
new_journal(Writers) ->
    #{
        writers => maps:from_list([{Writer, #{known => #{}, pending => []}} || Writer <- Writers]),
        acknowledged => 0,
        faults => []
    }.

-spec known(writer(), journal()) -> fragment().
known(Writer, #{writers := Writers}) ->
    #{Writer := #{known := Known}} = Writers,
    Known.

-spec pending_count(journal()) -> non_neg_integer().
pending_count(#{writers := Writers}) ->
    lists:sum([length(Pending) || #{pending := Pending} <- maps:values(Writers)]).

%% Takes down what a writer has told.
-spec note(event(), journal()) -> journal().
note({intent, Writer, N, Operation}, Journal) ->
    change(Writer, fun(#{pending := Pending} = W) -> {W#{pending := Pending ++ [{N, Operation}]}, 0, []} end, Journal);
note({acknowledged, Writer, N, Answer}, Journal) ->
    change(
        Writer,
        fun
            (#{known := Known, pending := [{First, Operation} | Pending]} = W) when First =:= N ->
                Expected = answer(Operation),
                Untrue = [{wrong_answer, Writer, Operation, Answer} || Expected =/= any, Expected =/= Answer],
                case step(Operation, Known) of
                    {ok, Next} -> {W#{known := Next, pending := Pending}, 1, Untrue};
                    refused -> {W#{pending := Pending}, 1, [{done_although_it_does_not_apply, Writer, Operation}]}
                end;
            (W) ->
                {W, 0, [{answered_out_of_order, Writer, N}]}
        end,
        Journal
    );
note({refused, Writer, N}, Journal) ->
    change(
        Writer,
        fun(#{known := Known, pending := Pending} = W) ->
            {value, {_, Operation}, Left} = lists:keytake(N, 1, Pending),
            Untrue = [{refused_although_it_applies, Writer, Operation} || step(Operation, Known) =/= refused],
            {W#{pending := Left}, 0, Untrue}
        end,
        Journal
    );
note({not_applied, Writer, N}, Journal) ->
    change(Writer, fun(#{pending := Pending} = W) -> {W#{pending := lists:keydelete(N, 1, Pending)}, 0, []} end, Journal);
note({unknown, _Writer, _N}, Journal) ->
    Journal;
note({fenced, Writer}, #{writers := Writers} = Journal) ->
    #{Writer := #{pending := Pending}} = Writers,
    lists:foldl(fun({N, _}, Before) -> note({acknowledged, Writer, N, any}, Before) end, Journal, Pending).

change(Writer, Change, #{writers := Writers, acknowledged := Acknowledged, faults := Faults} = Journal) ->
    {Changed, More, Untrue} = Change(maps:get(Writer, Writers)),
    Journal#{
        writers := Writers#{Writer := Changed},
        acknowledged := Acknowledged + More,
        faults := Untrue ++ Faults
    }.

%%% The check

%% Compares what was found with the journal, and takes what was found of the pending operations for done. The faults are all
%% that was untrue, also of what writers were told meanwhile.
-spec resolve(found(), journal()) ->
    {Faults :: [term()], #{acknowledged | in_flight_found | in_flight_not_found := non_neg_integer()}, journal()}.
resolve(Nodes, #{writers := Writers, acknowledged := Acknowledged, faults := Told} = Journal) ->
    Data = maps:from_list([{Path, payload(Term)} || {Path, #{data := Term}} <- maps:to_list(Nodes)]),
    Resolved = maps:map(fun(Writer, W) -> resolve_writer(fragment(Writer, Data), Writer, W) end, Writers),
    Places = [place(Writer) || Writer <- maps:keys(Writers)],
    Banks = [bank_path(Account) || Account <- accounts()],
    Strays = [
        {never_written, Path}
     || Path <- maps:keys(Data),
        not lists:member(Path, Banks),
        not lists:any(fun(Place) -> lists:prefix(Place, Path) end, Places)
    ],
    Sum = fun(Index) -> lists:sum([element(Index, R) || R <- maps:values(Resolved)]) end,
    Faults =
        Told ++ lists:append([element(1, R) || R <- maps:values(Resolved)]) ++ Strays ++ bank_faults(Data, Resolved) ++
            tree_faults(Nodes),
    Counts = #{acknowledged => Acknowledged, in_flight_found => Sum(3), in_flight_not_found => Sum(4)},
    Next = Journal#{writers := maps:map(fun(_, R) -> element(2, R) end, Resolved), acknowledged := 0, faults := []},
    {Faults, Counts, Next}.

fragment(Writer, Data) ->
    Place = place(Writer),
    maps:from_list([
        {lists:nthtail(length(Place), Path), Term}
     || {Path, Term} <- maps:to_list(Data), lists:prefix(Place, Path)
    ]).

%% {Faults, the writer's journal afterwards, how many of the pending operations were found, and how many not}.
resolve_writer(Found, Writer, #{known := Known, pending := Pending}) ->
    resolve_writer(Found, Writer, Known, Known, Pending, 0).

resolve_writer(Found, _Writer, _Known, Found, Left, Count) ->
    {[], #{known => Found, pending => []}, Count, length(Left)};
resolve_writer(Found, Writer, Known, _State, [], Count) ->
    {[{not_as_acknowledged, Writer, difference(Known, Found)}], #{known => Found, pending => []}, 0, Count};
resolve_writer(Found, Writer, Known, State, [{_, Operation} | Left], Count) ->
    Next =
        case step(Operation, State) of
            {ok, Changed} -> Changed;
            refused -> State
        end,
    resolve_writer(Found, Writer, Known, Next, Left, Count + 1).

%% [{Path, what was acknowledged, what is there}].
difference(Known, Found) ->
    Paths = lists:usort(maps:keys(Known) ++ maps:keys(Found)),
    All = [
        {Path, maps:get(Path, Known, nothing), maps:get(Path, Found, nothing)}
     || Path <- Paths, maps:find(Path, Known) =/= maps:find(Path, Found)
    ],
    lists:sublist(All, ?SHOWN_MAX).

%% No money is made or lost, and each account has what the writers say they have added to it.
bank_faults(Data, Resolved) ->
    Nets = [maps:get([net], Known, #{}) || {_, #{known := Known}, _, _} <- maps:values(Resolved)],
    Balances = [maps:get(bank_path(Account), Data, nothing) || Account <- accounts()],
    Expected = [?BALANCE_AT_FIRST + lists:sum([maps:get(A, Net, 0) || Net <- Nets]) || A <- accounts()],
    NoBank = [nothing || _ <- accounts()],
    case Balances of
        Expected -> [];
        NoBank -> [{accounts_are_missing, Nets} || lists:any(fun(Net) -> Net =/= #{} end, Nets)];
        _ -> [{accounts, Balances, Expected}]
    end.

%% Nodes know how many children they have, and no node is there for nothing.
tree_faults(Nodes) ->
    Parents = [lists:droplast(Path) || Path <- maps:keys(Nodes)],
    Lengths = lists:foldl(fun(Parent, Counts) -> maps:update_with(Parent, fun(N) -> N + 1 end, 1, Counts) end, #{}, Parents),
    lists:append([
        [{child_list_length, Path, Length, maps:get(Path, Lengths, 0)} || Length =/= maps:get(Path, Lengths, 0)] ++
            [{empty_node, Path} || not is_map_key(data, Node), not is_map_key(Path, Lengths)] ++
            [{no_parent, Path} || lists:droplast(Path) =/= [], not is_map_key(lists:droplast(Path), Nodes)]
     || {Path, #{child_list_length := Length} = Node} <- maps:to_list(Nodes)
    ]).
