%% The node that is killed: opens a store, shows what is in it, has it written to by many, closes it when told to.
%%
%% 1. It speaks with the VM of the test over the file descriptors 3 (in) and 4 (out), in packets with a length of four bytes.
%% 2. What a writer is about to do is out of this process before it is done, and what became of it is written
%%    immediately afterwards: raw writes into the pipe, which outlive a kill. Each is less than a pipe takes at once, so
%%    those of several writers do not mix.
%% 3. It ends when the pipe is closed: it never outlives the test.
-module(pando_kill_writer).

-export([main/1, writers/0]).

-import(pando_kill_model, [place/1, value/1]).

-define(PIPE_IN, 3).
-define(PIPE_OUT, 4).
%% Asynchronous writes of one writer that nobody has told of yet.
-define(UNTOLD_MAX, 32).
-define(REPEATED, 4).
-define(LARGE_SIZE_BYTES_MAX, 300 * 1024).
%% More than a batch takes.
-define(HUGE_SIZE_BYTES, 1300 * 1024).
-define(SMALL_SIZE_BYTES_MAX, 200).
-define(FENCE_TIMEOUT_MS, 30000).

%% Their names, which say what they do.
-spec writers() -> [atom()].
writers() ->
    [small, large, other_large, trees, many, requests, transfers, other_transfers, told, fenced].

%% `[Dir, Store]'.
-spec main([string()]) -> no_return().
main([Dir, StoreName]) ->
    process_flag(trap_exit, true),
    Store = list_to_atom(StoreName),
    Port = open_port({fd, ?PIPE_IN, ?PIPE_OUT}, [{packet, 4}, binary, eof]),
    Out = open_pipe(),
    tell(Out, opening),
    {ok, Store} = pando:start(Dir, Store),
    tell(Out, opened),
    serve(Port, Out, Store).

serve(Port, Out, Store) ->
    receive
        {Port, {data, Packet}} ->
            request(binary_to_term(Packet), Port, Out, Store);
        {Port, eof} ->
            erlang:halt(0, [{flush, false}]);
        {'EXIT', _, normal} ->
            ok;
        {'EXIT', _, Reason} ->
            tell(Out, {crashed, lists:sublist(lists:flatten(io_lib:format("~0tP", [Reason, 40])), 2000)})
    end,
    serve(Port, Out, Store).

request(show, _Port, Out, Store) ->
    tell(Out, {shown, pando_adv:get_many(Store, "**", #{props_to_return => [payload, child_list_length]})});
request({write, Life, Seed, Fragments}, _Port, _Out, Store) ->
    ok = found_bank(Store),
    [
        spawn_link(fun() ->
            _ = rand:seed(exsss, erlang:phash2({Seed, Life, Writer})),
            W = #{store => Store, writer => Writer, life => Life, out => open_pipe()},
            write(W, maps:get(Writer, Fragments))
        end)
     || Writer <- writers()
    ],
    ok;
request(stop, _Port, Out, Store) ->
    tell(Out, stopping),
    ok = pando:stop(Store),
    tell(Out, stopped).

found_bank(Store) ->
    case pando:exists(Store, [bank]) of
        true ->
            ok;
        false ->
            Balance = pando_kill_model:balance_at_first(),
            Paths = [pando_kill_model:bank_path(Account) || Account <- pando_kill_model:accounts()],
            {ok, _} = pando:transaction(Store, #{commands => [{put, Path, Balance} || Path <- Paths]}),
            ok
    end.

%% A handle of its own for each process: only the process that has opened a raw file may use it.
open_pipe() ->
    {ok, Pipe} = file:open("/dev/fd/" ++ integer_to_list(?PIPE_OUT), [raw, device, write, binary]),
    Pipe.

tell(Pipe, Event) ->
    Packet = term_to_binary(Event),
    ok = file:write(Pipe, [<<(byte_size(Packet)):32>>, Packet]).

%%% Writers

write(#{writer := told} = W, Fragment) ->
    write_and_be_told(W, Fragment, 1, 0);
write(#{writer := fenced} = W, Fragment) ->
    write_and_wait(W, Fragment, 1);
write(#{writer := requests} = W, Fragment) ->
    Count = maps:get([count], Fragment, 0),
    %% The last of the life before were answered, or not: all the same.
    Repeats = [{repeat, Number} || Number <- lists:seq(max(1, Count - ?REPEATED), Count)],
    {Left, Next} = one_by_one(W, Fragment, 1, Repeats),
    write(W, Left, Next);
write(W, Fragment) ->
    write(W, Fragment, 1).

write(W, Fragment, N) ->
    {Next, NextN} = one_by_one(W, Fragment, N, [operation(W, Fragment, N)]),
    write(W, Next, NextN).

one_by_one(_W, Fragment, N, []) ->
    {Fragment, N};
one_by_one(#{writer := Writer, out := Out} = W, Fragment, N, [Operation | Operations]) ->
    tell(Out, {intent, Writer, N, Operation}),
    case outcome(perform(W, Operation)) of
        {done, Answer} ->
            tell(Out, {acknowledged, Writer, N, Answer}),
            {ok, Next} = pando_kill_model:step(Operation, Fragment),
            one_by_one(W, Next, N + 1, Operations);
        Outcome ->
            not_done(W, N, Outcome),
            one_by_one(W, Fragment, N + 1, Operations)
    end.

not_done(#{writer := Writer, out := Out}, N, Outcome) when Outcome =:= refused; Outcome =:= not_applied ->
    tell(Out, {Outcome, Writer, N});
%% The store goes: whoever goes on now would not know what its tree is.
not_done(#{writer := Writer, out := Out}, N, noproc) ->
    tell(Out, {not_applied, Writer, N}),
    exit(normal);
not_done(#{writer := Writer, out := Out}, N, unknown) ->
    tell(Out, {unknown, Writer, N}),
    exit(normal).

%% Does not wait for the answers, and takes them as they come.
write_and_be_told(#{store := Store, writer := Writer, out := Out} = W, Fragment, N, Untold) ->
    {put, Path, Token} = Operation = operation(W, Fragment, N),
    tell(Out, {intent, Writer, N, Operation}),
    case outcome(pando:put(Store, path(Writer, Path), value(Token), #{async => N})) of
        {done, _} ->
            write_and_be_told(W, Fragment, N + 1, be_told(W, Untold + 1));
        Outcome ->
            not_done(W, N, Outcome),
            write_and_be_told(W, Fragment, N + 1, be_told(W, Untold))
    end.

be_told(#{store := Store, writer := Writer, out := Out} = W, Untold) ->
    WaitMs = case Untold >= ?UNTOLD_MAX of true -> infinity; false -> 0 end,
    receive
        {ra_event, _, _} = Message ->
            Results = pando:handle_async_ret(Store, Message),
            [
                case outcome(Result) of
                    {done, _} -> tell(Out, {acknowledged, Writer, N, any});
                    Outcome -> not_done(W, N, Outcome)
                end
             || {N, Result} <- Results
            ],
            be_told(W, Untold - length(Results))
    after WaitMs -> Untold
    end.

%% Is never answered, and waits for the fence.
write_and_wait(#{store := Store, writer := Writer, out := Out} = W, Fragment, N) ->
    Count = rand:uniform(?UNTOLD_MAX),
    [
        begin
            {put, Path, Token} = Operation = operation(W, Fragment, M),
            tell(Out, {intent, Writer, M, Operation}),
            case outcome(pando:put(Store, path(Writer, Path), value(Token), #{async => true})) of
                {done, _} -> ok;
                Outcome -> not_done(W, M, Outcome)
            end
        end
     || M <- lists:seq(N, N + Count - 1)
    ],
    case outcome(pando:fence(Store, ?FENCE_TIMEOUT_MS)) of
        {done, _} -> tell(Out, {fenced, Writer});
        _ -> exit(normal)
    end,
    write_and_wait(W, Fragment, N + Count).

%%% What they write next

operation(#{writer := small} = W, Fragment, N) ->
    Path = [k, name(40)],
    Token = token(W, N, ?SMALL_SIZE_BYTES_MAX),
    case rand:uniform(6) of
        1 -> {create, Path, Token};
        2 -> {update, Path, Token};
        3 -> {compare_and_swap, Path, maps:get(Path, Fragment, Token), Token};
        4 -> {delete, Path};
        _ -> {put, Path, Token}
    end;
operation(#{writer := Large, life := Life} = W, _Fragment, N) when Large =:= large; Large =:= other_large ->
    Path = [name(12)],
    case rand:uniform(40) of
        1 -> {put, Path, {Large, Life, N, ?HUGE_SIZE_BYTES}};
        Dice when Dice < 6 -> {delete, Path};
        _ -> {put, Path, token(W, N, ?LARGE_SIZE_BYTES_MAX)}
    end;
operation(#{writer := trees} = W, _Fragment, N) ->
    Path = [name(4), name(4), name(6)],
    case rand:uniform(12) of
        1 -> {delete, lists:sublist(Path, 1)};
        2 -> {delete, lists:sublist(Path, 2)};
        3 -> {put, lists:sublist(Path, 2), token(W, N, ?SMALL_SIZE_BYTES_MAX)};
        _ -> {put, Path, token(W, N, ?SMALL_SIZE_BYTES_MAX)}
    end;
operation(#{writer := many} = W, _Fragment, N) ->
    Path = [m, name(20)],
    Token = token(W, N, ?SMALL_SIZE_BYTES_MAX),
    case rand:uniform(20) of
        1 -> {delete_many, [m]};
        Dice when Dice < 6 -> {put_many, [m], Token};
        Dice when Dice < 10 -> {together, [{put, [pair, a], Token}, {delete, Path}, {put, [pair, b], Token}]};
        _ -> {put, Path, Token}
    end;
operation(#{writer := requests}, Fragment, _N) ->
    {increment, maps:get([count], Fragment, 0) + 1};
operation(#{writer := Transfers}, _Fragment, _N) when Transfers =:= transfers; Transfers =:= other_transfers ->
    [{_, From}, {_, To} | _] = lists:sort([{rand:uniform(), Account} || Account <- pando_kill_model:accounts()]),
    {transfer, From, To, rand:uniform(100)};
operation(#{writer := Async} = W, _Fragment, N) when Async =:= told; Async =:= fenced ->
    {put, [name(50)], token(W, N, 20 * ?SMALL_SIZE_BYTES_MAX)}.

%% One of so many.
name(Count) -> <<(rand:uniform(Count))>>.

token(#{writer := Writer, life := Life}, N, SizeMax) -> {Writer, Life, N, rand:uniform(SizeMax)}.

%%% Calls

path(Writer, Path) -> place(Writer) ++ Path.

perform(#{store := Store, writer := Writer}, {Put, Path, Token}) when Put =:= put; Put =:= create; Put =:= update ->
    pando:Put(Store, path(Writer, Path), value(Token));
perform(#{store := Store, writer := Writer}, {compare_and_swap, Path, Old, Token}) ->
    pando:compare_and_swap(Store, path(Writer, Path), value(Old), value(Token));
perform(#{store := Store, writer := Writer}, {delete, Path}) ->
    pando:delete(Store, path(Writer, Path));
perform(#{store := Store, writer := Writer}, {put_many, Path, Token}) ->
    pando:put_many(Store, children(Writer, Path), value(Token));
perform(#{store := Store, writer := Writer}, {delete_many, Path}) ->
    pando:delete_many(Store, children(Writer, Path));
perform(#{store := Store, writer := Writer}, {together, Operations}) ->
    Command = fun
        ({put, Path, Token}) -> {put, path(Writer, Path), value(Token)};
        ({delete, Path}) -> {delete, path(Writer, Path)}
    end,
    pando:transaction(Store, #{commands => lists:map(Command, Operations)});
perform(W, {increment, Number}) ->
    count(W, Number);
perform(W, {repeat, Number}) ->
    count(W, Number);
perform(#{store := Store, writer := Writer}, {transfer, From, To, Amount} = Transfer) ->
    Net = path(Writer, [net]),
    pando:transaction(Store, fun() ->
        [
            begin
                {ok, Balance} = pando_tx:get(Path),
                ok = pando_tx:put(Path, Balance + Added)
            end
         || {Path, Added} <- [{pando_kill_model:bank_path(From), -Amount}, {pando_kill_model:bank_path(To), Amount}]
        ],
        {ok, Before} = pando_tx:get_or(Net, #{}),
        ok = pando_tx:put(Net, pando_kill_model:net_after(Transfer, Before))
    end).

children(Writer, Path) -> path(Writer, Path) ++ [{if_name_matches, any, undefined}].

%% Every second one is a transaction, which would count once more if it ran twice; the others would set the counter back.
count(#{store := Store, writer := Writer}, Number) ->
    Path = path(Writer, [count]),
    Options = #{request_id => integer_to_binary(Number)},
    case Number rem 2 of
        1 ->
            Count = fun() ->
                {ok, Before} = pando_tx:get_or(Path, 0),
                ok = pando_tx:put(Path, Before + 1),
                {counted, Before + 1}
            end,
            pando:transaction(Store, Count, Options);
        0 ->
            case pando:put(Store, Path, Number, Options) of
                ok -> {ok, {counted, Number}};
                Error -> Error
            end
    end.

%% What may be concluded (docs/guarantees.md, "What an error lets you conclude").
outcome(ok) -> {done, any};
outcome({ok, {counted, Number}}) -> {done, Number};
outcome({ok, _}) -> {done, any};
outcome({error, noproc}) -> noproc;
outcome({error, overload}) -> not_applied;
outcome({error, timeout}) -> unknown;
outcome({error, {pando, Name, _}}) when Name =:= mismatching_node; Name =:= node_not_found -> refused;
outcome({error, {pando, _, #{outcome := not_applied}}}) -> not_applied;
outcome({error, {pando, _, #{outcome := unknown}}}) -> unknown.
