%% Each function of pando_tx and pando_tx_adv answers what its sister in pando and pando_adv answers on the same tree, and
%% leaves the same tree. Specification 13.3.
-module(pando_tx_tests).

-include_lib("eunit/include/eunit.hrl").
-include("pando.hrl").

-import(pando_test_store, [title/1]).

-define(STAR, ?PANDO_WILDCARD_STAR).
-define(STAR_STAR, ?PANDO_WILDCARD_STAR_STAR).
-define(ALL_PROPS, #{
    include_root_props => true,
    props_to_return => [
        payload, payload_version, child_list_version, child_list_length, child_names, has_payload, raw_payload
    ]
}).

%% The tree that all calls find.
plant(S) ->
    Put = fun(Path, Value, Options) -> ok = pando:put(S, Path, Value, Options#{async => true}) end,
    Put([], root, #{}),
    Put([a], 1, #{}),
    Put([a, b], {two, "2"}, #{}),
    Put([a, b, c], #{n => 3}, #{}),
    Put([a, <<"x">>], 2.0, #{}),
    Put([implicit, y, z], 5, #{}),
    Put([f], fun lists:sum/1, #{}),
    Put([undefined], undefined, #{}),
    Put([large], binary:copy(<<"large">>, 5000), #{}),
    Put([sess], on, #{}),
    Put([lock, l], held, #{keep_while => #{[sess] => #if_has_data{}}}),
    Put([nothing, here], pando_payload:none(), #{}),
    pando:fence(S).

%% Paths of one node, there and missing, with conditions, and some that raise.
one() ->
    [
        [], "/", [a], "/:a", <<"/:a/:b">>, [a, b], [a, b, c], [a, <<"x">>], [implicit, y], [f], [undefined], [large],
        [nothing, here], [missing], [missing, below], [a, missing], [a, $., b], [a, b, $^], [$/, a],
        [#if_all{conditions = [a, #if_has_data{}]}], [#if_all{conditions = [a, #if_payload_version{version = 9}]}],
        [#if_all{conditions = [missing, #if_node_exists{exists = false}]}], [a, #if_any{conditions = [b]}],
        [#if_all{conditions = [$/, #if_data_matches{pattern = root}]}], [?STAR], "/:a/*", foo, {a}, [a, {b}],
        [#if_all{conditions = [$^, #if_has_data{}]}], [#if_all{conditions = [a, #if_name_matches{regex = "("}]}]
    ].

many() ->
    one() ++
        [
            "*", "**", [?STAR_STAR], [?STAR, ?STAR], [a, ?STAR], [a, ?STAR_STAR], [?STAR_STAR, b], [?STAR, $^],
            [#if_has_sproc{}], [#if_data_matches{pattern = '$1', conditions = [{is_integer, '$1'}]}],
            [#if_not{condition = #if_has_payload{}}], [a, #if_child_list_length{count = {gt, 0}}], [missing, ?STAR],
            "/:a/x*", [#if_name_matches{regex = "^[al]"}], [#if_any{}], [#if_all{}], [?STAR, new], [?STAR_STAR, new]
        ].

%% {Module, Function, Arguments} without store: of what is there in pando as Module, in pando_tx as its sister.
calls() ->
    Props = [#{}, #{props_to_return => []}, #{props_to_return => [child_names, child_list_length, has_payload, raw_payload]}],
    Root = #{include_root_props => true},
    Collect = fun(Path, NodeProps, Acc) -> [{Path, NodeProps} | Acc] end,
    Pair = fun(Path, NodeProps) -> {length(Path), NodeProps} end,
    Choose = fun(_, NodeProps) -> is_map_key(data, NodeProps) end,
    Kept = #{keep_while => #{[sess] => #if_node_exists{}}},
    NotKept = #{keep_while => #{[missing] => #if_node_exists{}}},
    Reads = [{pando, F, [Path]} || F <- [get, exists, has_data, is_sproc], Path <- one()],
    WithDefault = [{pando, get_or, [Path, default]} || Path <- one()],
    AdvReads = [{pando_adv, get, [Path, Options]} || Path <- one(), Options <- Props],
    ManyReads = [
        {M, F, [Path | More]}
     || Path <- many(), {M, F, More} <- [
            {pando, get_many, []}, {pando, get_many, [Root]}, {pando, get_many_or, [default]}, {pando, count, []},
            {pando, fold, [Collect, []]}, {pando, map, [Pair]}, {pando, filter, [Choose]}, {pando, foreach, [Pair]},
            {pando_adv, get_many, []}, {pando_adv, get_many, [#{props_to_return => [child_list_version]}]}
        ]
    ],
    Pages = [
        {pando, F, ["**" | More] ++ [Options]}
     || {F, More} <- [{get_many, []}, {get_many_or, [d]}, {count, []}, {fold, [Collect, []]}, {map, [Pair]},
            {filter, [Choose]}, {foreach, [Pair]}],
        Options <- [#{limit => 3}, #{limit => 2, from => [a, b]}, #{from => "/:f"}, #{expect_specific_node => true}]
    ],
    Writes = [
        {M, F, [Path | More]}
     || M <- [pando, pando_adv], Path <- one(), {F, More} <- [
            {put, [new]}, {put, [1]}, {put, [new, Kept]}, {put, [new, NotKept]}, {put, [pando_payload:none()]},
            {put, [fun lists:sort/1]}, {create, [new]}, {update, [new]}, {update, [new, Kept]},
            {compare_and_swap, [1, new]}, {compare_and_swap, ['_', new, #{}]}, {delete, []}, {clear_payload, []}
        ]
    ],
    ManyWrites = [
        {M, F, [Path | More]}
     || M <- [pando, pando_adv], Path <- many(), {F, More} <- [
            {put_many, [new]}, {put_many, [new, Kept]}, {put_many, [new, Root]}, {delete_many, []},
            {delete_many, [Root]}, {clear_many_payloads, []}
        ]
    ],
    AdvWrites = [
        {pando_adv, F, [Path | More] ++ [Options]}
     || {F, More} <- [{put, [new]}, {create, [new]}, {update, [new]}, {compare_and_swap, ['_', new]}, {delete, []},
            {delete_many, []}, {put_many, [new]}, {clear_payload, []}, {clear_many_payloads, []}],
        Path <- [[a], [sess], [missing], [implicit, y, z]],
        Options <- Props ++ [#{return_indirect_deletes => false}, #{expect_specific_node => true}]
    ],
    Reads ++ WithDefault ++ AdvReads ++ ManyReads ++ Pages ++ Writes ++ ManyWrites ++ AdvWrites ++
        [{pando, is_empty, []}, {pando, is_empty, [#{}]}].

sister(pando) -> pando_tx;
sister(pando_adv) -> pando_tx_adv.

answer(Call) ->
    try
        Call()
    catch
        Class:Reason -> {Class, Reason}
    end.

%% The answer of a call, and the tree after it.
in_store(S, {Module, Function, Arguments}) ->
    Answer = answer(fun() -> apply(Module, Function, [S | Arguments]) end),
    {Answer, pando_adv:get_many(S, "**", ?ALL_PROPS)}.

%% The same in a transaction: the tree as it sees it, and as it is when it was committed.
in_transaction(S, {Module, Function, Arguments}) ->
    {ok, {Answer, Seen}} = pando:transaction(S, fun() ->
        Answer = answer(fun() -> apply(sister(Module), Function, Arguments) end),
        {Answer, pando_tx_adv:get_many("**", ?ALL_PROPS)}
    end),
    {Answer, Seen, pando_adv:get_many(S, "**", ?ALL_PROPS)}.

each_call_answers_as_its_sister_test_() ->
    Groups = maps:groups_from_list(fun({Module, Function, _}) -> {Module, Function} end, calls()),
    [
        {title(Group), {timeout, 120, fun() ->
            pando_test_store:with_store(fun(S) -> pando_test_store:with_store(fun(Other) -> compare(S, Other, Calls) end) end)
        end}}
     || {Group, Calls} <- lists:sort(maps:to_list(Groups))
    ].

compare(S, Other, Calls) ->
    ok = plant_again(S),
    ok = plant_again(Other),
    lists:foldl(
        fun(Call, {InStore, InTransaction}) ->
            {Answer, Tree} = in_store(InStore, Call),
            {AnswerInside, Seen, Committed} = in_transaction(InTransaction, Call),
            ?assertEqual({Call, Answer, Tree, Tree}, {Call, AnswerInside, Seen, Committed}),
            %% A tree that was changed is planted anew, in both.
            [ok = plant_again(Store) || Tree =/= planted(), Store <- [InStore, InTransaction]],
            {InStore, InTransaction}
        end,
        {S, Other},
        Calls
    ),
    ok.

%% Counters are as those of a new store, but for the root's, so both stores have had the same calls.
plant_again(S) ->
    ok = pando:delete(S, [], #{async => true}),
    ok = plant(S),
    _ = put({?MODULE, planted}, pando_adv:get_many(S, "**", ?ALL_PROPS)),
    ok.

planted() -> get({?MODULE, planted}).

all_functions_are_compared_test() ->
    Others = [abort, after_commit, is_transaction, does_api_comply_with, module_info],
    [
        begin
            Compared = lists:usort([{F, length(A)} || {M, F, A} <- calls(), M =:= Module]),
            Exported = [{F, A} || {F, A} <- (sister(Module)):module_info(exports), not lists:member(F, Others)],
            %% Each function; of its forms at least one.
            ?assertEqual([], lists:usort([F || {F, _} <- Exported]) -- lists:usort([F || {F, _} <- Compared]))
        end
     || Module <- [pando, pando_adv]
    ].

%% Specification 13.3, index of functions with their arities.
arities_test_() ->
    Forms = fun(Functions, Arities) -> [{F, A} || F <- Functions, A <- Arities] end,
    Tx =
        Forms([is_empty], [0, 1]) ++
            Forms([get, get_many, exists, has_data, is_sproc, count, delete, delete_many, clear_payload,
                clear_many_payloads], [1, 2]) ++
            Forms([get_or, get_many_or, put, put_many, create, update, foreach, map, filter], [2, 3]) ++
            Forms([fold, compare_and_swap], [3, 4]) ++
            [{abort, 1}, {is_transaction, 0}, {does_api_comply_with, 1}, {after_commit, 1}],
    TxAdv =
        Forms([get, get_many, delete, delete_many, clear_payload, clear_many_payloads], [1, 2]) ++
            Forms([put, put_many, create, update], [2, 3]) ++ Forms([compare_and_swap], [3, 4]),
    [
        {title(Module),
            ?_assertEqual(lists:sort(Listed), lists:sort(Module:module_info(exports) -- [{module_info, 0}, {module_info, 1}]))}
     || {Module, Listed} <- [{pando_tx, Tx}, {pando_tx_adv, TxAdv}]
    ].

%% Options of all groups are taken by all, and those about the call mean nothing (specification 5); others are refused.
options_test_() ->
    Taken = [
        #{timeout => 0}, #{timeout => infinity}, #{favor => consistency}, #{favor => low_latency},
        #{condition => {applied, {1 bsl 60, 1}}}, #{async => true}, #{async => 1}, #{async => {make_ref(), low}},
        #{reply_from => local}, #{reply_from => nobody}, #{protect_against_dups => true}, #{request_id => <<"r">>},
        #{keep_while => #{}}, #{expect_specific_node => true}, #{expect_specific_node => false},
        #{include_root_props => false}, #{return_indirect_deletes => true}, #{props_to_return => []}
    ],
    Refused = [
        #{unknown => 1}, #{timeout => -1}, #{favor => speed}, #{condition => now}, #{async => fast},
        #{protect_against_dups => 1}, #{request_id => <<>>}, #{keep_while => []}, #{expect_specific_node => 1},
        #{include_root_props => 1}, #{return_indirect_deletes => 1}, #{props_to_return => all}
    ],
    Fold = fun(_, _, Acc) -> Acc end,
    Visit = fun(_, _) -> true end,
    Calls = [
        {pando_tx, is_empty, []}, {pando_tx, get, [[k]]}, {pando_tx, get_or, [[k], d]}, {pando_tx, get_many, [[k]]},
        {pando_tx, get_many_or, [[k], d]}, {pando_tx, exists, [[k]]}, {pando_tx, has_data, [[k]]},
        {pando_tx, is_sproc, [[k]]}, {pando_tx, count, [[k]]}, {pando_tx, fold, [[k], Fold, 0]},
        {pando_tx, foreach, [[k], Visit]}, {pando_tx, map, [[k], Visit]}, {pando_tx, filter, [[k], Visit]}
    ] ++
        [{pando_tx_adv, F, [[k]]} || F <- [get, get_many]] ++
        [
            {M, F, [[k] | More]}
         || M <- [pando_tx, pando_tx_adv],
            {F, More} <- [{put, [1]}, {put_many, [1]}, {update, [1]}, {compare_and_swap, [1, 1]}, {delete, []},
                {delete_many, []}, {clear_payload, []}, {clear_many_payloads, []}]
        ],
    pando_test_store:cases([
        {title({Module, Function}), fun(S) ->
            ok = pando:put(S, [k], 1),
            [
                ?assertMatch(
                    {Options, {ok, {returned, Answer}}} when
                        Answer =:= ok; is_boolean(Answer); element(1, Answer) =:= ok,
                    {Options, pando:transaction(S, fun() ->
                        ok = pando_tx:put([k], 1),
                        {returned, apply(Module, Function, Arguments ++ [Options])}
                    end)}
                )
             || Options <- Taken
            ],
            ok = pando:put(S, [k], 1),
            [
                ?assertError(
                    function_clause,
                    pando:transaction(S, fun() -> apply(Module, Function, Arguments ++ [Options]) end)
                )
             || Options <- [[], foo | Refused]
            ],
            ?assertEqual({{ok, 1}, {messages, []}}, {pando:get(S, [k]), process_info(self(), messages)})
        end}
     || {Module, Function, Arguments} <- Calls
    ]).

%% A payload of any kind, as it was given: a function is stored as it is.
payloads_test_() ->
    pando_test_store:cases([
        {title(Value), fun(S) ->
            {ok, {ok, Read}} = pando:transaction(S, fun() ->
                ok = pando_tx:put([k], Value),
                pando_tx:get([k])
            end),
            ?assertEqual(pando:get(S, [k]), {ok, Read})
        end}
     || Value <- [undefined, {p_data, {p_data, 1}}, fun lists:sum/1, fun() -> self() end, self(), [1 | 2], 1.0, <<1:3>>,
            pando_payload:none()]
    ]).
