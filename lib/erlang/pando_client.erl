%% @private What goes to a store and comes back later: sends it, waits for the reply, gives up in time.
%%
%% After a call has returned, no message of it ever arrives, whatever happened: the token decides by one
%% compare-and-swap whether the reply is sent or the caller has given up.
-module(pando_client).

-export([deadline/1, is_past/1, remaining_ms/1]).
-export([call/3, cast/3, write/2, commit/3, await_turn/2, barrier/2, await_applied/3, result/1]).

-export_type([deadline/0]).

%% In milliseconds of the monotonic clock. `expired' is that of a timeout of 0, which is always too late.
-type deadline() :: infinity | expired | integer().

%% The virtual machine waits no longer than this: 49 days.
-define(WAIT_MS_MAX, 16#FFFFFFFF).

%% When a call that begins now has to end.
-spec deadline(timeout()) -> deadline().
deadline(infinity) -> infinity;
deadline(0) -> expired;
deadline(Timeout) when is_integer(Timeout) -> erlang:monotonic_time(millisecond) + Timeout.

-spec is_past(deadline()) -> boolean().
is_past(infinity) -> false;
is_past(expired) -> true;
is_past(Deadline) when is_integer(Deadline) -> erlang:monotonic_time(millisecond) >= Deadline.

%% What is left until then, as `receive ... after' takes it.
-spec remaining_ms(deadline()) -> timeout().
remaining_ms(infinity) -> infinity;
remaining_ms(expired) -> 0;
remaining_ms(Deadline) when is_integer(Deadline) ->
    min(max(Deadline - erlang:monotonic_time(millisecond), 0), ?WAIT_MS_MAX).

%% Has a command applied. The result as the native side gives it, or `{error, timeout}': then the command may still be
%% applied, unless it was not yet proposed.
-spec call(pando_backend:store_id(), pando_backend:request(), deadline()) -> pando_backend:result() | {error, timeout}.
call(Store, Request, Deadline) ->
    Send = fun(Reference, Cancellable) -> pando_backend:submit(Store, Reference, Request, Cancellable) end,
    case await(Send, Deadline) of
        ok -> ok;
        {ok, _} = Answer -> Answer;
        {error, _} = Error -> Error
    end.

%% Hands a command over and returns. With a correlation, `{ra_event, _, {applied, [{Correlation, Reply}]}}' follows.
-spec cast(pando_backend:store_id(), pando_backend:request(), none | {correlation, integer() | reference()}) ->
    ok | {error, pando_backend:native_error()}.
cast(Store, Request, Notification) ->
    case pando_backend:submit(Store, reply_to(Store, Notification), Request, false) of
        ok -> ok;
        {error, _} = Error -> Error
    end.

reply_to(_Store, none) -> none;
reply_to(Store, {correlation, Correlation}) -> {pando_cluster:this_member(Store), Correlation}.

%% Writes in a transaction; the result is there at once.
-spec write(pando_backend:transaction(), pando_backend:request()) -> pando_backend:result().
write(Transaction, Request) ->
    case pando_backend:transaction_write_quick(Transaction, Request) of
        slow -> pando_backend:transaction_write(Transaction, Request);
        Result -> Result
    end.

%% Commits a transaction. `{in_line, Reference}': somebody else has their turn, see `await_turn/2', and nothing has happened
%% yet. `{error, timeout}': it may still be applied, unless it was not yet proposed.
-spec commit(pando_backend:transaction(), pando_backend:once(), deadline()) ->
    pando_backend:committed() | {in_line, reference()} | {error, timeout}.
commit(Transaction, Once, Deadline) ->
    Send = fun(Reference, Cancellable) ->
        case commit(Transaction, Reference, Once, Cancellable) of
            in_line -> {in_line, Reference};
            Sent -> Sent
        end
    end,
    case await(Send, Deadline) of
        ok -> ok;
        {conflict, _} = Conflict -> Conflict;
        repeated -> repeated;
        {repeated, _} = Repeated -> Repeated;
        {in_line, _} = InLine -> InLine;
        {error, _} = Error -> Error
    end.

commit(Transaction, Reference, Once, Cancellable) ->
    case pando_backend:transaction_commit_quick(Transaction, Reference, Once, Cancellable) of
        slow -> pando_backend:transaction_commit(Transaction, Reference, Once, Cancellable);
        Sent -> Sent
    end.

%% Waits for one's turn, until then at the latest. After `late' the message may still come: who has left the line takes it
%% out with `await_turn(Reference, expired)'.
-spec await_turn(reference(), deadline()) -> ok | late | {error, pando_backend:native_error()}.
await_turn(Reference, Deadline) ->
    receive
        {pando_reply, Reference, Reply} -> Reply
    after remaining_ms(Deadline) -> late
    end.

%% Waits until everything is applied here that was accepted or committed before.
-spec barrier(pando_backend:store_id(), deadline()) -> ok | {error, timeout | pando_backend:native_error()}.
barrier(Store, Deadline) ->
    reached(await(fun(Reference, Cancellable) -> pando_backend:barrier(Store, Reference, Cancellable) end, Deadline)).

%% Waits until a position of the log is applied here.
-spec await_applied(pando_backend:store_id(), non_neg_integer(), deadline()) ->
    ok | {error, timeout | pando_backend:native_error()}.
await_applied(Store, Index, Deadline) ->
    Send = fun(Reference, Cancellable) -> pando_backend:await_applied(Store, Reference, Index, Cancellable) end,
    reached(await(Send, Deadline)).

reached(ok) -> ok;
reached({error, _} = Error) -> Error.

%% What `Send' answers other than that a reply will come is the result.
await(_Send, expired) ->
    {error, timeout};
await(Send, Deadline) ->
    %% Made here, so that the receives below skip messages that were there before.
    Reference = make_ref(),
    case Send(Reference, Deadline =/= infinity) of
        ok ->
            receive
                {pando_reply, Reference, Reply} -> result(Reply)
            end;
        {ok, Token} ->
            receive
                {pando_reply, Reference, Reply} -> result(Reply)
            after remaining_ms(Deadline) ->
                case pando_backend:cancel(Token) of
                    true ->
                        {error, timeout};
                    false ->
                        receive
                            {pando_reply, Reference, Reply} -> result(Reply)
                        end
                end
            end;
        Refused ->
            Refused
    end.

%% The result in a reply. The terms of an answer are made here, once.
-spec result(pando_backend:reply()) -> pando_backend:result() | pando_backend:committed().
result({answer, Answer}) -> pando_backend:answer(Answer);
result(Result) -> Result.
