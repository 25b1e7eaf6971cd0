%% A wood merchant's stock, kept in Pando.
-module(rebar_app).

-export([put_stock/2, stock/1]).

%% Sets how many pieces of a kind of wood are there.
put_stock(Kind, Pieces) ->
    pando:put(my_store, "/stock/wood/" ++ Kind, Pieces).

%% How many pieces of a kind of wood are there.
stock(Kind) ->
    {ok, Pieces} = pando:get(my_store, "/stock/wood/" ++ Kind),
    Pieces.
