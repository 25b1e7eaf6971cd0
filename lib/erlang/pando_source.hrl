%% Private. What is read from and written to is a source (`pando_backend:source()'): a store, by its name, or a transaction
%% under way.

-define(IS_SOURCE(Source), (is_atom(Source) orelse is_reference(Source))).

%% In front of each call that is for a store itself: inside of a transaction on that store it is refused. The call is
%% named as its longest form.
-define(ORDINARY(Store), ok = pando_transaction:ordinary(Store, {?MODULE, ?FUNCTION_NAME, ?FUNCTION_ARITY})).
