%% Private. What is read from and written to is a source (`pando_backend:source()'): a store, by its name, or a transaction
%% under way.

-define(IS_TRANSACTION(Source), (is_reference(Source) orelse is_tuple(Source) andalso element(1, Source) =:= pando_port)).
-define(IS_SOURCE(Source), (is_atom(Source) orelse ?IS_TRANSACTION(Source))).

%% In front of each call that is for a store itself: inside of a transaction on that store it is refused. The call is
%% named as its longest form.
-define(ORDINARY(Store), ok = pando_transaction:ordinary(Store, {?MODULE, ?FUNCTION_NAME, ?FUNCTION_ARITY})).
