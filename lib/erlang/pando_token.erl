%% @private Tokens: how far a store had come when a write was done, to be shown on any member of the same cluster before a
%% read.
%%
%% What this module keeps to:
%%
%% <ol>
%% <li>A member that has applied the position of a token has applied the write that the token was made for. The position may
%%     be a later one than that of the write: then a read waits a little more than it has to.</li>
%% <li>So a token is made after the reply to the write, of the view that readers see here, and only if the store was open
%%     all the time since before: one that was opened again in between may not have come so far yet.</li>
%% <li>A position means something in its own cluster alone: that of another one is refused, never waited for.</li>
%% </ol>
-module(pando_token).

-export([attach/2, checked/1, reached/3]).

-export_type([token/0]).

-opaque token() :: {pando_token, pando_backend:cluster_id(), Index :: non_neg_integer()}.

-type unavailable() :: {error, {pando, token_not_available, #{outcome := applied, reason := binary()}}}.

%% Has `Write' done; to its success comes a token.
-spec attach
    (pando_cluster:store_id(), fun(() -> ok | {ok, Result} | Other)) ->
        {ok, token()} | {ok, Result, token()} | unavailable() | Other.
attach(Store, Write) ->
    Before = pando_backend:applied_index(Store),
    case Write() of
        ok ->
            case later(Store, Before) of
                {ok, Token} -> {ok, Token};
                Unavailable -> Unavailable
            end;
        {ok, Result} ->
            case later(Store, Before) of
                {ok, Token} -> {ok, Result, Token};
                Unavailable -> Unavailable
            end;
        Other ->
            Other
    end.

later(Store, Before) ->
    case {Before, pando_backend:applied_index(Store)} of
        {{ok, ClusterId, Incarnation, _}, {ok, ClusterId, Incarnation, Index}} ->
            {ok, {pando_token, ClusterId, Index}};
        _ ->
            Reason = <<"the store was stopped or opened again meanwhile">>,
            {error, {pando, token_not_available, #{outcome => applied, reason => Reason}}}
    end.

%% A token as an option. Anything else raises `function_clause'.
-spec checked(term()) -> token().
checked({pando_token, <<_:128>>, Index} = Token) when is_integer(Index), Index >= 0 -> Token.

%% Waits until a store has come as far as a token says.
-spec reached(pando_cluster:store_id(), token(), pando_client:deadline()) -> ok | {error, pando_errors:reason()}.
reached(Store, {pando_token, ClusterId, Index} = Token, Deadline) ->
    case pando_backend:applied_index(Store) of
        {ok, ClusterId, _, Applied} when Applied >= Index ->
            ok;
        {ok, ClusterId, _, _} ->
            case pando_client:await_applied(Store, Index, Deadline) of
                %% Looked at again: what was waited for may be a store that has taken the place of this one.
                ok -> reached(Store, Token, Deadline);
                {error, Reason} -> {error, pando_errors:reason(Reason)}
            end;
        {ok, OtherId, _, _} ->
            Props = #{store_id => Store, cluster_id => OtherId, token_cluster_id => ClusterId, outcome => not_applied},
            {error, {pando, other_cluster, Props}};
        {error, noproc} ->
            {error, noproc}
    end.
