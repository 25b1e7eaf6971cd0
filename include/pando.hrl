%% Names, guards and records that callers of Pando use.
%%
%%     -include_lib("pando/include/pando.hrl").
%%
%% The tuples behind the records are the API: code without this header (Elixir, for one) writes them by hand.
%% Every macro also exists under the spelling with KHEPRI, so that code written for Khepri compiles unchanged.

-ifndef(PANDO_HRL).
-define(PANDO_HRL, true).

%% -------------------------------------------------------------------
%% Special path components.
%% -------------------------------------------------------------------

%% Start from the root; only sensible as the first component.
-define(PANDO_ROOT_NODE, $/).
%% The node the walk stands on.
-define(THIS_PANDO_NODE, $.).
%% Its parent; the parent of the root is the root.
-define(PARENT_PANDO_NODE, $^).

%% Any child (`*' in a path string), any descendant (`**').
-define(PANDO_WILDCARD_STAR, #if_name_matches{regex = any}).
-define(PANDO_WILDCARD_STAR_STAR, #if_path_matches{regex = any}).

%% -------------------------------------------------------------------
%% Conditions: these and nothing else stand for a component in a pattern.
%%
%% Wherever a condition holds conditions, a plain component does as well: it is met by the node of that name.
%% -------------------------------------------------------------------

%% The node exists; with `false', it does not, which lets a put create it.
-record(if_node_exists, {exists = true :: boolean()}).

%% The regular expression is found in the name of the node; `any' is found in every name.
%% `compiled' belongs to Pando; callers leave it alone.
-record(if_name_matches, {regex = any :: any | iodata(), compiled = undefined :: term()}).

%% The same test of the name, for the child and all its descendants.
%% `compiled' belongs to Pando; callers leave it alone.
-record(if_path_matches, {regex = any :: any | iodata(), compiled = undefined :: term()}).

%% The node has a payload of any kind, a data payload, a stored procedure; with `false', it has not.
-record(if_has_payload, {has_payload = true :: boolean()}).
-record(if_has_data, {has_data = true :: boolean()}).
-record(if_has_sproc, {has_sproc = true :: boolean()}).

%% The data payload matches `pattern' and all guards in `conditions' hold, both as in a match specification of
%% ETS. `compiled' belongs to Pando; callers leave it alone.
-record(if_data_matches, {
    pattern = '_' :: term(),
    conditions = [] :: [term()],
    compiled = undefined :: term()
}).

%% A counter of the node compares with a number: `N' (equal), `{eq, N}', `{ne, N}', `{lt, N}', `{le, N}',
%% `{gt, N}' or `{ge, N}'.
-record(if_payload_version, {version = 0 :: pando_path:number_comparison()}).
-record(if_child_list_version, {version = 0 :: pando_path:number_comparison()}).
-record(if_child_list_length, {count = 0 :: pando_path:number_comparison()}).

%% Negation; conjunction (true when empty); disjunction (false when empty).
-record(if_not, {condition :: pando_path:pattern_component()}).
-record(if_all, {conditions = [] :: [pando_path:pattern_component()]}).
-record(if_any, {conditions = [] :: [pando_path:pattern_component()]}).

%% -------------------------------------------------------------------
%% Payloads.
%% -------------------------------------------------------------------

%% A node without payload.
-define(NO_PAYLOAD, '$__NO_PAYLOAD__').

%% A payload that is data: any term.
-record(p_data, {data :: term()}).

%% A payload that is a stored procedure, and the kind of transaction it can be the body of.
-record(p_sproc, {sproc :: fun(), is_valid_as_tx_fun = false :: pando_payload:tx_capability()}).

%% -------------------------------------------------------------------
%% Triggers.
%% -------------------------------------------------------------------

%% The only argument of a stored procedure that a trigger runs.
-record(pando_trigger, {
    type = tree :: tree,
    store_id :: atom(),
    trigger_id :: atom(),
    event :: #{path := pando_path:native_path(), change := create | update | delete},
    action = #{} :: map()
}).

%% -------------------------------------------------------------------
%% Guards. Each takes a variable, because it looks at it more than once.
%% -------------------------------------------------------------------

-define(IS_PANDO_STORE_ID(X), is_atom(X)).

-define(IS_PANDO_NODE_ID(X), (is_atom(X) orelse is_binary(X))).

-define(IS_SPECIAL_PANDO_PATH_COMPONENT(X),
    (X =:= ?PANDO_ROOT_NODE orelse X =:= ?THIS_PANDO_NODE orelse X =:= ?PARENT_PANDO_NODE)
).

-define(IS_PANDO_PATH_COMPONENT(X),
    (?IS_PANDO_NODE_ID(X) orelse ?IS_SPECIAL_PANDO_PATH_COMPONENT(X))
).

-define(IS_PANDO_CONDITION(X),
    (is_record(X, if_node_exists) orelse
        is_record(X, if_name_matches) orelse
        is_record(X, if_path_matches) orelse
        is_record(X, if_has_payload) orelse
        is_record(X, if_has_data) orelse
        is_record(X, if_has_sproc) orelse
        is_record(X, if_data_matches) orelse
        is_record(X, if_payload_version) orelse
        is_record(X, if_child_list_version) orelse
        is_record(X, if_child_list_length) orelse
        is_record(X, if_not) orelse
        is_record(X, if_all) orelse
        is_record(X, if_any))
).

%% These two look at the first component only: a guard cannot walk a list. `pando_path:is_valid/1' looks at
%% all.
-define(IS_PANDO_PATH(X),
    (X =:= [] orelse (is_list(X) andalso ?IS_PANDO_PATH_COMPONENT(hd(X))))
).
-define(IS_PANDO_PATH_PATTERN(X),
    (X =:= [] orelse
        (is_list(X) andalso (?IS_PANDO_PATH_COMPONENT(hd(X)) orelse ?IS_PANDO_CONDITION(hd(X)))))
).

-define(IS_PANDO_PAYLOAD(X),
    (X =:= ?NO_PAYLOAD orelse is_record(X, p_data) orelse is_record(X, p_sproc))
).

%% -------------------------------------------------------------------
%% The spellings of Khepri.
%% -------------------------------------------------------------------

-define(KHEPRI_ROOT_NODE, ?PANDO_ROOT_NODE).
-define(THIS_KHEPRI_NODE, ?THIS_PANDO_NODE).
-define(PARENT_KHEPRI_NODE, ?PARENT_PANDO_NODE).
-define(KHEPRI_WILDCARD_STAR, ?PANDO_WILDCARD_STAR).
-define(KHEPRI_WILDCARD_STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
-define(IS_KHEPRI_STORE_ID(X), ?IS_PANDO_STORE_ID(X)).
-define(IS_KHEPRI_NODE_ID(X), ?IS_PANDO_NODE_ID(X)).
-define(IS_SPECIAL_KHEPRI_PATH_COMPONENT(X), ?IS_SPECIAL_PANDO_PATH_COMPONENT(X)).
-define(IS_KHEPRI_PATH_COMPONENT(X), ?IS_PANDO_PATH_COMPONENT(X)).
-define(IS_KHEPRI_CONDITION(X), ?IS_PANDO_CONDITION(X)).
-define(IS_KHEPRI_PATH(X), ?IS_PANDO_PATH(X)).
-define(IS_KHEPRI_PATH_PATTERN(X), ?IS_PANDO_PATH_PATTERN(X)).
-define(IS_KHEPRI_PAYLOAD(X), ?IS_PANDO_PAYLOAD(X)).

-endif.
