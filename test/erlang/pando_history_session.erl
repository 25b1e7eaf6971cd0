%% The part of a client that is on a node of the store: one process, which carries out operations on registers, one after the
%% other, and says when each began and ended.
%%
%% 1. A register is a node that is never deleted; a slot is one that is put and deleted, always together with a register of its
%%    own (see `pando_history_checker').
%% 2. Of some operations at once it carries out none after one whose outcome is unknown: what comes later in a process
%%    did come later.
-module(pando_history_session).

-export([open/0, step/4, outcome/1, clock_ns/0]).

-export_type([operation/0, options/0, register/0, performed/0]).

-type register() :: {plain | slotted, pos_integer()}.
-type value() :: {Id :: term(), plain | set | drop}.
%% A token with the name of the write that it is of.
-type freshness() :: local | strict | {token, {Of :: term(), Token :: term()}}.
-type operation() ::
    {put, register(), value()}
    %% One command each of a transaction that is data, with or without slots.
    | {put_all, [{register(), value()}]}
    %% A transaction that is a function: reads all, writes all.
    | {update, [{register(), value()}]}
    | {compare, register(), Expected :: value(), value()}
    | {read_all | read_in_transaction, [register()], freshness()}
    %% `value': the quick one, which answers the value alone.
    | {read | value, register(), freshness()}.
-type options() :: map().
%% `life': from a start of the store on this node to its end.
-type performed() :: #{life := term(), begin_ns := integer(), end_ns := integer(), result := term(), token := term()}.

-define(ROOT, history).
-define(STAR, {if_name_matches, any, undefined}).

%% A clock that all processes of this machine share, also of different nodes.
-spec clock_ns() -> integer().
clock_ns() ->
    os:perf_counter(nanosecond).

-spec open() -> pid().
open() ->
    spawn(fun serve/0).

%% Carries them out in the process of the session.
-spec step(pid(), atom(), [{operation(), options()}], timeout()) -> [performed()] | {failed, term()}.
step(Session, Store, Operations, TimeoutMs) ->
    Monitor = monitor(process, Session),
    Session ! {step, self(), Monitor, Store, Operations},
    receive
        {Monitor, Performed} ->
            true = demonitor(Monitor, [flush]),
            Performed;
        {'DOWN', Monitor, process, Session, Reason} ->
            {failed, Reason}
    after TimeoutMs ->
        true = demonitor(Monitor, [flush]),
        {failed, timeout}
    end.

serve() ->
    receive
        {step, From, Tag, Store, Operations} ->
            From ! {Tag, perform_all(Store, Operations)},
            serve()
    end.

perform_all(_Store, []) ->
    [];
perform_all(Store, [{Operation, Options} | Operations]) ->
    #{result := Result} = Performed = perform(Store, Operation, Options),
    case outcome(Result) of
        unknown -> [Performed];
        _ -> [Performed | perform_all(Store, Operations)]
    end.

perform(Store, Operation, Options) ->
    Life = life(Store),
    BeginNs = clock_ns(),
    {Result, Token} = without_token(do(Store, Operation, Options)),
    EndNs = clock_ns(),
    At = case life(Store) of Life -> Life; _ -> undefined end,
    #{life => At, begin_ns => BeginNs, end_ns => EndNs, result => Result, token => Token}.

without_token({ok, Result, Token}) -> {{ok, Result}, Token};
without_token(Result) -> {Result, none}.

%% Its process; with that of a node that had the same name the pid is none of the same.
life(Store) ->
    case whereis(Store) of
        undefined -> undefined;
        Server -> {node(), Server}
    end.

%% What may be concluded from an answer; of a read, whether there is one.
-spec outcome(term()) -> ok | applied | not_applied | unknown.
outcome({ok, _}) -> ok;
outcome({error, timeout}) -> unknown;
outcome({error, {pando, _, #{outcome := Outcome}}}) -> Outcome;
outcome({error, {pando, Name, _}}) when Name =:= mismatching_node; Name =:= node_not_found -> not_applied;
outcome({error, Reason}) when Reason =:= noproc; Reason =:= overload -> not_applied.

do(Store, {put, Register, Value}, Options) ->
    pando_adv:put(Store, path(Register), Value, Options);
do(Store, {put_all, Puts}, Options) ->
    pando:transaction(Store, #{commands => lists:append([commands(Register, Value) || {Register, Value} <- Puts])}, Options);
do(Store, {update, Puts}, Options) ->
    pando:transaction(Store, fun() -> update(Puts) end, rw, Options);
do(Store, {compare, Register, Expected, Value}, Options) ->
    pando_adv:compare_and_swap(Store, path(Register), Expected, Value, Options);
do(Store, {read_all, _, Freshness}, Options) ->
    pando_adv:get_many(Store, [?ROOT, ?STAR, ?STAR], fresh(Freshness, Options));
do(Store, {read_in_transaction, Registers, Freshness}, Options) ->
    Read = fun() -> maps:from_list(lists:append([found(pando_tx_adv:get(path(Register))) || Register <- Registers])) end,
    pando:transaction(Store, Read, ro, fresh(Freshness, Options));
do(Store, {read, Register, Freshness}, Options) ->
    pando_adv:get(Store, path(Register), fresh(Freshness, Options));
do(Store, {value, Register, Freshness}, Options) ->
    pando:get(Store, path(Register), fresh(Freshness, Options)).

%% Without any options the quickest of all reads.
fresh(local, _Options) -> #{};
fresh(strict, Options) -> Options#{favor => consistency};
fresh({token, {_Of, Token}}, Options) -> Options#{at_least => Token}.

commands(Register, Value) ->
    [{put, path(Register), Value, #{props_to_return => [payload, payload_version]}} | slot_commands(Register, Value)].

slot_commands({plain, _}, {_, plain}) -> [];
slot_commands({slotted, N}, {_, set} = Value) -> [{put, slot_path(N), Value}];
slot_commands({slotted, N}, {_, drop}) -> [{delete, slot_path(N)}].

update(Puts) ->
    Read = [{Register, maps:from_list(found(pando_tx_adv:get(path(Register))))} || {Register, _} <- Puts],
    [
        begin
            {ok, Written} = pando_tx_adv:put(path(Register), Value),
            {Register, proplists:get_value(Register, Read), Written}
        end
     || {Register, Value} <- Puts
    ].

found({ok, Nodes}) -> maps:to_list(Nodes);
found({error, _}) -> [].

path({Kind, N}) -> [?ROOT, Kind, integer_to_binary(N)].

slot_path(N) -> [?ROOT, slot, integer_to_binary(N)].
