%% @doc Payloads: what a node of the tree holds.
%%
%% <ul>
%% <li>``'$__NO_PAYLOAD__''': nothing;</li>
%% <li>`{p_data, Term}': any term;</li>
%% <li>`{p_sproc, Fun, TxCapability}': a stored procedure, and the kind of transaction it can be the body
%%     of.</li>
%% </ul>
%%
%% Functions which write take any value and wrap it as {@link wrap/1} does. The constructors are for values
%% which would be taken for something else: to store the tuple `{p_data, 5}' itself, or a function as data,
%% give `data(Value)'.
-module(pando_payload).

-include("pando.hrl").

-export([none/0, data/1, sproc/1, wrap/1, prepare/1]).

-export_type([payload/0, no_payload/0, data/0, sproc/0, tx_capability/0]).

-type tx_capability() :: ro | rw | false.
%% The kind of transaction that a stored procedure can be the body of: one which only reads, one which writes
%% as well, none.

-type no_payload() :: ?NO_PAYLOAD.
%% No payload.

-type data() :: #p_data{}.
%% A payload of data.

-type sproc() :: #p_sproc{}.
%% A payload which is a stored procedure.

-type payload() :: no_payload() | data() | sproc().
%% Any payload.

%% @doc Returns the payload of a node which holds nothing.
%%
%% ```
%% 1> pando_payload:none().
%% '$__NO_PAYLOAD__'
%% '''
-spec none() -> no_payload().
none() ->
    ?NO_PAYLOAD.

%% @doc Returns the payload which holds a term, whatever the term.
%%
%% ```
%% 1> pando_payload:data({p_data, 5}).
%% {p_data,{p_data,5}}
%% '''
-spec data(term()) -> data().
data(Term) ->
    #p_data{data = Term}.

%% @doc Returns the payload which holds a function as a stored procedure.
%%
%% ```
%% 1> pando_payload:sproc(fun lists:sum/1).
%% {p_sproc,fun lists:sum/1,false}
%% '''
%%
%% Raises `function_clause' for another term.
-spec sproc(fun()) -> sproc().
sproc(Fun) when is_function(Fun) ->
    #p_sproc{sproc = Fun, is_valid_as_tx_fun = false}.

%% @doc Returns the payload for a value that is given to a function which writes: a payload as it is, a
%% function as a stored procedure, any other term as data.
%%
%% ```
%% 1> pando_payload:wrap(5).
%% {p_data,5}
%% 2> pando_payload:wrap({p_data, 5}).
%% {p_data,5}
%% 3> pando_payload:wrap(fun lists:sum/1).
%% {p_sproc,fun lists:sum/1,false}
%% '''
-spec wrap(payload() | fun() | term()) -> payload().
wrap(Payload) when ?IS_PANDO_PAYLOAD(Payload) ->
    Payload;
wrap(Fun) when is_function(Fun) ->
    sproc(Fun);
wrap(Term) ->
    data(Term).

%% @doc Returns the payload as it goes into a command.
%%
%% A stored procedure leaves with the capability `false', whatever it came with: what a function can do is
%% computed later, from the function, and never believed.
%%
%% ```
%% 1> pando_payload:prepare({p_sproc, fun lists:sum/1, rw}).
%% {p_sproc,fun lists:sum/1,false}
%% '''
%%
%% Raises `function_clause' for a term which is no payload, and for a stored procedure which is no function.
-spec prepare(payload()) -> payload().
prepare(?NO_PAYLOAD) ->
    ?NO_PAYLOAD;
prepare(#p_data{} = Payload) ->
    Payload;
prepare(#p_sproc{sproc = Fun} = Payload) when is_function(Fun) ->
    Payload#p_sproc{is_valid_as_tx_fun = false}.
