%% @private A command's way to a store and back: submits it, waits for the reply, gives up in time.
%%
%% After it has returned, no message of the call ever arrives, whatever happened: the token decides by one
%% compare-and-swap whether the reply is sent or the caller has given up.
-module(pando_client).

-export([call/3]).

%% The result as the native side gives it, or `{error, timeout}': then the command may still be applied, unless it was
%% not yet proposed.
-spec call(pando_backend:store_id(), pando_backend:request(), timeout()) ->
    ok | {ok, map()} | {error, timeout | pando_backend:native_error()}.
call(_Store, _Request, 0) ->
    {error, timeout};
call(Store, Request, Timeout) ->
    %% Made here, so that the receives below skip messages that were there before.
    Reference = make_ref(),
    case pando_nif:submit(Store, Reference, Request, Timeout =/= infinity) of
        ok ->
            receive
                {pando_reply, Reference, Reply} -> result(Reply)
            end;
        {ok, Token} ->
            receive
                {pando_reply, Reference, Reply} -> result(Reply)
            after Timeout ->
                case pando_nif:cancel(Token) of
                    true ->
                        {error, timeout};
                    false ->
                        receive
                            {pando_reply, Reference, Reply} -> result(Reply)
                        end
                end
            end;
        {error, _} = Error ->
            Error
    end.

-spec result(pando_backend:reply()) -> pando_backend:result().
result({answer, Answer}) -> pando_nif:answer(Answer);
result(Result) -> Result.
