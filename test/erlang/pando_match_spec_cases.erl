%% Random match specifications and terms, and what the runtime itself says of them.
%%
%% Seed with rand:seed/2 and each call gives the same case on every run. Patterns are terms made more general, so that
%% many match; guards hold the value that the runtime calculates for an expression, so that a wrong value is seen.
%% Below OTP 27 no term contains -0.0: there =:= takes it for 0.0, and Pando does not.
-module(pando_match_spec_cases).

-export([term/0, near/1, specification/1, reference/3, runtime_value/3, order/2]).

%% =====================================================================
%% Terms

%% @doc A term.
-spec term() -> term().
term() ->
    term(rand:uniform(4)).

term(Depth) when Depth =< 0 ->
    leaf();
term(Depth) ->
    case rand:uniform(12) of
        N when N =< 4 -> leaf();
        N when N =< 7 -> list_to_tuple(terms(Depth, tuple_size()));
        8 -> terms(Depth, few());
        9 -> improper(terms(Depth, 1 + few()), term(Depth - 2));
        10 -> [rand:uniform(256) - 1 || _ <- lists:seq(1, few())];
        _ -> map(Depth, map_size_of_chance())
    end.

terms(Depth, Count) ->
    [term(Depth - 1) || _ <- lists:seq(1, Count)].

few() ->
    rand:uniform(4) - 1.

tuple_size() ->
    case rand:uniform(200) of
        1 -> 255 + rand:uniform(3);
        _ -> few()
    end.

%% From 33 keys on the runtime keeps maps in another form.
map_size_of_chance() ->
    case rand:uniform(30) of
        1 -> 31 + rand:uniform(10);
        _ -> few()
    end.

map(Depth, Count) ->
    maps:from_list([{key(Depth), term(Depth - 1)} || _ <- lists:seq(1, Count)]).

key(Depth) ->
    case rand:uniform(4) of
        1 -> one_of([a, b, c, d]);
        2 -> term(Depth - 2);
        3 -> rand:uniform(50);
        4 -> leaf()
    end.

improper([Element], Tail) -> [Element | Tail];
improper([Element | Elements], Tail) -> [Element | improper(Elements, Tail)].

leaf() ->
    case rand:uniform(12) of
        N when N =< 4 -> integer();
        N when N =< 6 -> a_float();
        N when N =< 9 -> an_atom();
        N when N =< 11 -> bits();
        12 -> opaque()
    end.

integer() ->
    case rand:uniform(4) of
        1 -> rand:uniform(7) - 4;
        2 -> rand:uniform(600) - 300;
        3 -> sign() * ((1 bsl one_of([7, 8, 27, 31, 32, 53, 54, 55, 56, 59, 60, 62, 63, 64, 65, 72, 128, 1023, 1024]))
                       + rand:uniform(5) - 3);
        4 -> sign() * rand:uniform(1 bsl rand:uniform(200))
    end.

sign() ->
    one_of([1, -1]).

a_float() ->
    case rand:uniform(4) of
        1 -> one_of(edge_floats());
        2 -> float(rand:uniform(7) - 4);
        3 -> whole_float(sign() * (1 bsl one_of([1, 31, 52, 53, 54, 59, 60, 63, 64, 65, 72, 128, 1023])));
        4 -> (rand:uniform() - 0.5) * math:pow(10.0, rand:uniform(60) - 30)
    end.

%% Of this one float OTP 25 makes, with round/1 and trunc/1, an integer that is not =:= to itself.
whole_float(Integer) when Integer =:= -(1 bsl 59) -> -1.0;
whole_float(Integer) -> float(Integer).

edge_floats() ->
    [0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 5.0e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
     9007199254740991.0, 9007199254740992.0, 9007199254740994.0, -9007199254740992.0, 4503599627370497.5,
     9223372036854775808.0, 18446744073709551616.0, 18446744073709549568.0, 1.0e100] ++ negative_zero().

negative_zero() ->
    case list_to_integer(erlang:system_info(otp_release)) >= 27 of
        true -> [-0.0];
        false -> []
    end.

an_atom() ->
    one_of([a, b, c, d, true, false, ok, undefined, '', '_', '$1', '$_', '$$', '$01', aa, ab, list_to_atom("\x{e9}"),
            list_to_atom("\x{65e5}\x{672c}"), list_to_atom("a\x{10000}"), list_to_atom(lists:duplicate(255, $x))]).

bits() ->
    case rand:uniform(3) of
        1 -> one_of([<<>>, <<0>>, <<"a">>, <<"ab">>, <<"abc">>]);
        2 -> << <<(rand:uniform(256) - 1)>> || _ <- lists:seq(1, few() * 3) >>;
        3 -> Size = rand:uniform(20), <<(rand:uniform(1 bsl Size) - 1):Size>>
    end.

%% Pids and the like, of this node and of others.
opaque() ->
    case rand:uniform(6) of
        1 -> list_to_pid("<0.5.0>");
        2 -> fun lists:sort/1;
        3 -> fun erlang:'+'/2;
        4 -> binary_to_term(<<131, 88, (node_name())/binary, (few()):32, (few()):32, (few()):32>>);
        5 -> binary_to_term(<<131, 90, 3:16, (node_name())/binary, (few()):32, (few()):32, (few()):32, (few()):32>>);
        6 -> binary_to_term(<<131, 120, (node_name())/binary, (few()):64, (few()):32>>)
    end.

node_name() ->
    Name = one_of([<<"a@h">>, <<"b@h">>]),
    <<119, (byte_size(Name)), Name/binary>>.

one_of(List) ->
    lists:nth(rand:uniform(length(List)), List).

%% @doc A term that differs little from this one, or not at all.
-spec near(term()) -> term().
near(Term) ->
    case rand:uniform(6) of
        1 -> changed(Term);
        2 -> Term;
        _ -> near_within(Term)
    end.

near_within(Tuple) when is_tuple(Tuple), tuple_size(Tuple) > 0 ->
    At = rand:uniform(tuple_size(Tuple)),
    setelement(At, Tuple, near(element(At, Tuple)));
near_within([Head | Tail]) ->
    case rand:uniform(2) of
        1 -> [near(Head) | Tail];
        2 -> [Head | near(Tail)]
    end;
near_within(Map) when is_map(Map), map_size(Map) > 0 ->
    {Key, Value} = one_of(maps:to_list(Map)),
    case rand:uniform(3) of
        1 -> maps:put(near(Key), Value, maps:remove(Key, Map));
        _ -> Map#{Key := near(Value)}
    end;
near_within(Term) ->
    changed(Term).

changed(Integer) when is_integer(Integer) ->
    case rand:uniform(4) of
        1 -> Integer + rand:uniform(3) - 2;
        2 -> Integer;
        3 -> -Integer;
        4 -> float_or(Integer)
    end;
changed(Float) when is_float(Float) ->
    case rand:uniform(3) of
        1 -> trunc(Float);
        2 -> Float * (1 - one_of([0, 1]) / (1 bsl 53));
        3 -> trunc(Float) + one_of([-1, 1])
    end;
changed(Bits) when is_bitstring(Bits), bit_size(Bits) > 0 ->
    Size = rand:uniform(bit_size(Bits)),
    <<Part:Size/bits, _/bits>> = Bits,
    one_of([Part, <<Part/bits, 0:1>>, <<Part/bits, 1:1>>]);
changed(Tuple) when is_tuple(Tuple) ->
    erlang:append_element(Tuple, leaf());
changed(Map) when is_map(Map) ->
    Map#{key(1) => leaf()};
changed(_) ->
    term(1).

float_or(Integer) ->
    try whole_float(Integer) of
        Float when Float == 0.0 -> Integer;
        Float -> Float
    catch
        error:badarg -> Integer
    end.

%% =====================================================================
%% Specifications

%% @doc A pattern and guards for a term. Some are ill-formed.
-spec specification(term()) -> {term(), term()}.
specification(Term) ->
    {Pattern, Bound} = pattern(Term, #{}),
    Specification = {ill_formed_pattern(Pattern), guards(Term, Pattern, maps:values(Bound))},
    case is_garbled(Specification) of
        true -> specification(Term);
        false -> Specification
    end.

%% If there is a variable of 25 or more, the runtime renames all variables, and with them the atoms within constants
%% and within the keys of maps that look like variables.
is_garbled({Pattern, Guards}) ->
    contains_atom(['$25', '$100', '$99999999'], {Pattern, Guards})
        andalso lists:any(fun(Constant) -> contains_atom(['$1'], Constant) end, constants([Pattern, Guards])).

contains_atom(Atoms, Term) ->
    case Term of
        Atom when is_atom(Atom) -> lists:member(Atom, Atoms);
        Tuple when is_tuple(Tuple) -> contains_atom(Atoms, tuple_to_list(Tuple));
        [Head | Tail] -> contains_atom(Atoms, Head) orelse contains_atom(Atoms, Tail);
        Map when is_map(Map) -> contains_atom(Atoms, maps:to_list(Map));
        _ -> false
    end.

constants({const, Constant}) -> [Constant];
constants(Tuple) when is_tuple(Tuple) -> constants(tuple_to_list(Tuple));
constants([Head | Tail]) -> constants(Head) ++ constants(Tail);
constants(Map) when is_map(Map) -> maps:keys(Map) ++ constants(maps:values(Map));
constants(_) -> [].

ill_formed_pattern(Pattern) ->
    case rand:uniform(100) of
        1 -> {Pattern, #{one_of(['_', '$1', '$_', '$01']) => 1}};
        _ -> Pattern
    end.

%% Bound: which variable stands for which term.
pattern(Term, Bound) ->
    case rand:uniform(24) of
        N when N =< 3 -> {'_', Bound};
        N when N =< 8 -> variable(Term, Bound);
        9 -> {one_of([Term, near(Term)]), Bound};
        _ -> pattern_within(Term, Bound)
    end.

variable(Term, Bound) ->
    case Bound of
        #{Term := Variable} ->
            {Variable, Bound};
        #{} ->
            All = ['$0', '$1', '$2', '$3', '$4', '$9', '$12', '$24', '$25', '$100', '$99999999'],
            %% Now and then a variable that already stands for something else.
            Variable = case {rand:uniform(8), All -- maps:values(Bound)} of
                           {N, [_ | _] = Free} when N > 1 -> one_of(Free);
                           _ -> one_of(All)
                       end,
            {Variable, Bound#{Term => Variable}}
    end.

pattern_within(Tuple, Bound) when is_tuple(Tuple) ->
    {Elements, Bound1} = lists:mapfoldl(fun pattern/2, Bound, tuple_to_list(Tuple)),
    {list_to_tuple(Elements), Bound1};
pattern_within([Head | Tail], Bound) ->
    {HeadPattern, Bound1} = pattern(Head, Bound),
    {TailPattern, Bound2} = case rand:uniform(3) of
                                1 -> pattern(Tail, Bound1);
                                _ -> pattern_within(Tail, Bound1)
                            end,
    {[HeadPattern | TailPattern], Bound2};
pattern_within(Map, Bound) when is_map(Map) ->
    Kept = [Pair || {Key, _} = Pair <- maps:to_list(Map), Key =/= '_', Key =/= '$1', rand:uniform(3) > 1],
    {Pairs, Bound1} = lists:mapfoldl(fun({Key, Value}, Acc) ->
                                             {ValuePattern, Acc1} = pattern(Value, Acc),
                                             {{Key, ValuePattern}, Acc1}
                                     end, Bound, Kept),
    {maps:from_list(Pairs), Bound1};
pattern_within(Leaf, Bound) ->
    {Leaf, Bound}.

guards(Term, Pattern, Variables) ->
    case rand:uniform(60) of
        1 -> one_of([true, [true | true], {}, #{}, <<>>, [[] | a]]);
        2 -> [ill_formed_guard(Variables)];
        3 -> [true, {'and', guard(Term, Pattern, Variables), ill_formed_guard(Variables)}];
        4 -> [one_of([{self}, {node}, {'==', {node}, a}, {is_pid, {self}}])];
        N when N =< 20 -> [guard(Term, Pattern, Variables) || _ <- lists:seq(1, few())];
        _ -> [true_guard(Term, Pattern, Variables, 20) || _ <- lists:seq(1, few())]
    end.

%% A guard that holds, or if none comes up, any.
true_guard(Term, Pattern, Variables, Tries) ->
    Guard = guard(Term, Pattern, Variables),
    case Tries =:= 0 orelse reference(Term, Pattern, [Guard]) =:= true of
        true -> Guard;
        false -> true_guard(Term, Pattern, Variables, Tries - 1)
    end.

ill_formed_guard(Variables) ->
    one_of(['$77', {}, {1, 2}, {'$1', 2}, {is_atom}, {is_atom, a, b}, {nonsense, 1}, {const}, {const, a, b},
            {'and'}, {'or'}, {'andalso'}, {'orelse'}, {{'$77'}}, [a | '$77'],
            #{a => '$77'}, #{'$77' => a}, {get_tcw}, {message, a}, {display, a}, {ceil, 1.0}, {is_function, a, 1},
            {tuple_size, {{}}}, {self, a}, {node, a, b}, {'$_'}, {'$$'}, {'_'}, {{a}, b}, {<<>>}, {is_record, a, b},
            {"a"}, {set_tcw, 1}, {silent, true}, {'+'}, {'+', 1, 2, 3}, {return_trace}, {element, 1}, {caller},
            {is_boolean, true}, {size}, {const, 1, Variables}]).

%% A guard that is often true: about the value of an expression, or a test.
guard(Term, Pattern, Variables) ->
    Expression = expression(Variables, 3),
    case rand:uniform(10) of
        N when N =< 5 ->
            case runtime_value(Term, Pattern, Expression) of
                {value, Value} ->
                    Comparison = one_of(['=:=', '=:=', '=:=', '==', '=<', '>=', '=/=', '<', '>', '/=']),
                    Constant = one_of([Value, Value, near(Value)]),
                    {Comparison, Expression, {const, Constant}};
                _ ->
                    Expression
            end;
        N when N =< 8 ->
            condition(Variables, 3);
        9 ->
            Expression;
        10 ->
            Operator = one_of(['and', 'or', 'andalso', 'orelse', 'andthen', 'xor']),
            {Operator, condition(Variables, 2), condition(Variables, 2)}
    end.

condition(Variables, Depth) when Depth =< 0 ->
    one_of([true, true, false | Variables]);
condition(Variables, Depth) ->
    Value = fun() -> expression(Variables, Depth - 1) end,
    Condition = fun() -> condition(Variables, Depth - 1) end,
    case rand:uniform(9) of
        N when N =< 2 ->
            {one_of([is_atom, is_float, is_integer, is_list, is_number, is_pid, is_port, is_reference, is_tuple, is_map,
                     is_binary, is_function]), Value()};
        3 -> {is_record, Value(), one_of([a, b, Value()]), one_of([1, 2, 3, integer()])};
        4 -> {is_map_key, one_of([a, b, Value()]), Value()};
        N when N =< 6 -> {one_of(['==', '/=', '=:=', '=/=', '<', '=<', '>', '>=']), Value(), Value()};
        7 -> {'not', Condition()};
        8 -> {'xor', Condition(), Condition()};
        9 ->
            Operands = [Condition() || _ <- lists:seq(1, rand:uniform(3))],
            list_to_tuple([one_of(['and', 'or', 'andalso', 'orelse', 'andthen']) | Operands])
    end.

expression(Variables, Depth) when Depth =< 0 ->
    case rand:uniform(8) of
        1 -> '$_';
        2 -> '$$';
        3 -> constant();
        4 -> small();
        _ -> one_of([{const, 1}, small() | Variables ++ Variables])
    end;
expression(Variables, Depth) ->
    Value = fun() -> expression(Variables, Depth - 1) end,
    case rand:uniform(16) of
        1 -> {one_of([abs, round, trunc, float, '+', '-', 'bnot']), Value()};
        2 -> {one_of([abs, round, trunc, float, '+', '-', 'bnot']), number()};
        N when N =< 4 -> {one_of(['+', '-', '*', '/', 'div', 'rem', 'band', 'bor', 'bxor']), number(), Value()};
        5 -> {one_of(['+', '-', '*', '/', 'div', 'rem', 'band', 'bor', 'bxor']), Value(), number()};
        6 -> {one_of(['bsl', 'bsr']), Value(), one_of([rand:uniform(300) - 150, -(1 bsl 70)])};
        7 -> {one_of([hd, tl, length, size, map_size, byte_size, bit_size, node]), Value()};
        8 -> {element, small(), Value()};
        9 -> {map_get, one_of([a, b, c, Value()]), Value()};
        10 -> {binary_part, Value(), small(), small()};
        11 -> {binary_part, Value(), {{small(), small()}}};
        12 -> {list_to_tuple([Value() || _ <- lists:seq(1, few())])};
        13 -> one_of([[Value() | Value()], [Value(), Value()], [Value()]]);
        14 -> map_expression(Value);
        15 -> condition(Variables, Depth - 1);
        16 -> constant()
    end.

%% Of three keys or more, two of which have the same value, the runtime makes a broken map (with a key twice, and
%% without another). So there are two at most where keys are calculated.
map_expression(Value) ->
    case rand:uniform(2) of
        1 -> maps:from_list([{one_of([a, b, 1, 1.0]), Value()} || _ <- lists:seq(1, few())]);
        2 -> maps:from_list([{Value(), Value()} || _ <- lists:seq(1, rand:uniform(2))])
    end.

constant() ->
    case rand:uniform(3) of
        1 -> {const, term(2)};
        2 -> leaf_but_special_atoms();
        3 -> one_of([[], <<"abc">>, "abc", #{}, {{}}, #{a => {{1, 2}}}, {{[{{a}}], {const, {b}}}}, [1 | 2]])
    end.

leaf_but_special_atoms() ->
    case leaf() of
        Atom when Atom =:= '$1'; Atom =:= '$_'; Atom =:= '$$' -> a;
        Leaf -> Leaf
    end.

small() ->
    rand:uniform(6) - 2.

number() ->
    one_of([integer(), a_float(), small()]).

%% =====================================================================
%% The reference

%% @doc What the runtime says: whether the term matches, or that the specification is ill-formed.
-spec reference(term(), term(), term()) -> boolean() | badarg.
reference(Term, Pattern, Guards) ->
    try ets:match_spec_compile([{Pattern, Guards, [true]}]) of
        Compiled -> ets:match_spec_run([Term], Compiled) =:= [true]
    catch
        error:badarg -> badarg
    end.

%% @doc The value that the runtime calculates for an expression, if the term matches and nothing fails.
-spec runtime_value(term(), term(), term()) -> {value, term()} | none.
runtime_value(Term, Pattern, Expression) ->
    try ets:match_spec_run([Term], ets:match_spec_compile([{Pattern, [], [Expression]}])) of
        [Value] when Value =/= 'EXIT' -> {value, Value};
        _ -> none
    catch
        error:badarg -> none
    end.

%% @doc The runtime's order of two terms.
-spec order(term(), term()) -> less | equal | greater.
order(A, B) when A < B -> less;
order(A, B) when A == B -> equal;
order(_, _) -> greater.
