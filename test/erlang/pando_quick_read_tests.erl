%% Reads take a quick way on a normal scheduler or a slow way on a dirty one, by size: both answer alike. And
%% large binaries are shared, not copied.
-module(pando_quick_read_tests).

-include_lib("eunit/include/eunit.hrl").

-import(pando_test_store, [cases/1, with_dir/1, new_name/0, title/1]).

%% As in native/pando_nif/src/lib.rs; what is tested is that nobody can tell where they are.
-define(QUICK_COMPONENTS_MAX, 16).
-define(QUICK_NAME_SIZE_BYTES_MAX, 512).
-define(QUICK_PAYLOAD_SIZE_BYTES_MAX, 4096).

-define(ALL_PROPS, #{
    props_to_return => [
        payload, payload_version, child_list_version, child_list_length, child_names, has_payload, raw_payload
    ]
}).

paths() ->
    Name = fun(Size) -> binary:copy(<<"n">>, Size) end,
    [lists:duplicate(Depth, a) || Depth <- around(?QUICK_COMPONENTS_MAX)] ++
        [lists:duplicate(Depth, <<"b">>) || Depth <- around(?QUICK_COMPONENTS_MAX)] ++
        [[Name(Size)] || Size <- [0 | around(?QUICK_NAME_SIZE_BYTES_MAX)] ++ [10000]] ++
        [[c, Name(Size), d] || Size <- around(?QUICK_NAME_SIZE_BYTES_MAX)] ++
        [[list_to_atom(binary_to_list(Name(255)))]].

values() ->
    %% External format: a binary takes 6 bytes more than its own, a list of small integers 3 more as a string.
    Headers = [0, 1, 3, 4, 5, 6, 7, 10],
    Bytes = lists:append([around(?QUICK_PAYLOAD_SIZE_BYTES_MAX - Header) || Header <- Headers]),
    [binary:copy(<<"v">>, Size) || Size <- lists:usort(Bytes)] ++
        [lists:duplicate(Size, 7) || Size <- lists:usort(Bytes)] ++
        [
            {tagged, binary:copy(<<"v">>, 100000)},
            maps:from_list([{N, N} || N <- lists:seq(1, 5000)]),
            <<0:((8 * 5000) + 3)>>,
            lists:seq(1, 70000)
        ].

around(Limit) ->
    [Limit - 1, Limit, Limit + 1].

paths_test_() ->
    cases([
        {"every read answers alike below and above the limits of a path", fun(S) ->
            [
                begin
                    %% Nothing there.
                    all_reads_miss(S, Path),
                    ok = pando:put(S, Path, length(Path)),
                    all_reads_find(S, Path, length(Path)),
                    %% Below it there is nothing.
                    all_reads_miss(S, Path ++ [nothing]),
                    ok = pando:delete(S, [hd(Path)])
                end
             || Path <- paths()
            ]
        end}
    ]).

payloads_test_() ->
    cases([
        {"every read answers alike below and above the limits of a payload", fun(S) ->
            [
                begin
                    ok = pando:put(S, [v], Value),
                    all_reads_find(S, [v], Value)
                end
             || Value <- values()
            ]
        end}
    ]).

all_reads_find(S, Path, Value) ->
    %% The second time as a pattern, which has one way only.
    {ok, #{Path := Props}} = pando_adv:get_many(S, Path, ?ALL_PROPS),
    ?assertMatch(
        #{data := Value, has_data := true, raw_payload := {p_data, Value}, child_names := []}, Props
    ),
    ?assertEqual({ok, #{Path => Props}}, pando_adv:get(S, Path, ?ALL_PROPS)),
    ?assertEqual({ok, Value}, pando:get(S, Path)),
    ?assertEqual({ok, Value}, pando:get(S, Path, #{favor => consistency})),
    ?assertEqual({ok, Value}, pando:get_or(S, Path, other)),
    ?assertEqual(true, pando:exists(S, Path)),
    ?assertEqual(true, pando:has_data(S, Path)),
    ?assertEqual({ok, #{Path => Value}}, pando:get_many(S, Path)),
    %% With a step that no quick read takes.
    ?assertEqual({ok, Value}, pando:get(S, [$. | Path])),
    ?assertEqual(true, pando:exists(S, [$. | Path])),
    ?assertEqual(true, pando:has_data(S, [$. | Path])).

all_reads_miss(S, Path) ->
    {error, {pando, node_not_found, #{}}} = Error = pando_adv:get(S, Path, ?ALL_PROPS),
    ?assertEqual(Error, pando:get(S, Path)),
    ?assertEqual(Error, pando_adv:get(S, Path)),
    ?assertEqual({ok, other}, pando:get_or(S, Path, other)),
    ?assertEqual(false, pando:exists(S, Path)),
    ?assertEqual(false, pando:has_data(S, Path)),
    ?assertEqual({ok, #{}}, pando:get_many(S, Path)).

binaries_test_() ->
    Size = 1024 * 1024,
    Shared = pando_test_store:under(nif, "what a program sends is a copy for each who asks", cases([
        {"a binary of 1 MiB is shared by all who got it", fun(S) ->
            Value = rand_bytes(Size),
            ok = pando:put(S, [big], Value),
            ok = pando:put(S, [big, <<"below">>], 1),
            in_a_process(fun() ->
                {Before, ResidentBefore} = {erlang:memory(binary), pando_test_threads:resident_size_bytes()},
                Got = [element(2, pando:get(S, [big])) || _ <- lists:seq(1, 100)],
                %% A hundred copies would be ten times that, in the VM's memory or in the library's.
                ?assert(erlang:memory(binary) - Before < 10 * Size),
                ?assert(pando_test_threads:resident_size_bytes() - ResidentBefore < 50 * Size),
                ?assertEqual([Value], lists:usort(Got))
            end),
            in_a_process(fun() ->
                Before = erlang:memory(binary),
                Got = [maps:get([big], element(2, pando_adv:get_many(S, [big]))) || _ <- lists:seq(1, 100)],
                ?assert(erlang:memory(binary) - Before < 10 * Size),
                ?assertEqual([Value], lists:usort([B || #{data := B} <- Got]))
            end)
        end}
    ])),
    Others = cases([
        {"a shared binary outlives its node, and its store", fun(_) ->
            with_dir(fun(Dir) ->
                S = new_name(),
                {ok, S} = pando:start(Dir, S),
                Value = rand_bytes(Size),
                ok = pando:put(S, [big], Value),
                {ok, Got} = pando:get(S, [big]),
                <<_:100/binary, Part:1000/binary, _/binary>> = Got,
                ok = pando:put(S, [big], small),
                ok = pando:delete(S, [big]),
                ?assertEqual(Value, Got),
                ok = pando:stop(S),
                ?assertEqual(Value, Got),
                ?assertEqual(binary:part(Value, 100, 1000), Part),
                erlang:garbage_collect(),
                ?assertEqual(Value, Got)
            end)
        end},
        {"a name of many bytes comes back whole", fun(S) ->
            Name = rand_bytes(60000),
            ok = pando:put(S, [Name], 1),
            ?assertEqual({ok, #{[Name] => 1}}, pando:get_many(S, "*")),
            Options = #{props_to_return => [child_names]},
            {ok, #{[] := #{child_names := Names}}} = pando_adv:get(S, [], Options),
            ?assertEqual([Name], Names)
        end}
    ]),
    [Shared, Others].

rand_bytes(Size) ->
    {Bytes, _} = rand:bytes_s(Size, rand:seed_s(exsss, {1, 2, Size})),
    Bytes.

in_a_process(Test) ->
    {Pid, Monitor} = spawn_monitor(Test),
    receive
        {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason)
    end.

reads_while_it_is_written_test_() ->
    cases([
        {title('a reader sees whole values only, and never an older one after a newer one'), fun(S) ->
            Value = fun(N) -> {N, lists:duplicate(N rem 3000, N)} end,
            ok = pando:put(S, [v], Value(0)),
            Me = self(),
            Readers = [spawn_monitor(fun() -> read_until_told(Me, S, Value, 0) end) || _ <- lists:seq(1, 2)],
            [ok = pando:put(S, [v], Value(N)) || N <- lists:seq(1, 200)],
            [Pid ! stop || {Pid, _} <- Readers],
            [
                receive
                    {'DOWN', Monitor, process, Pid, Reason} -> ?assertEqual(normal, Reason)
                end
             || {Pid, Monitor} <- Readers
            ]
        end}
    ]).

read_until_told(Main, S, Value, Last) ->
    {ok, {N, _} = Read} = pando:get(S, [v]),
    Read = Value(N),
    true = N >= Last,
    receive
        stop -> ok
    after 0 -> read_until_told(Main, S, Value, N)
    end.
