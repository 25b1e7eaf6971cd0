%% Writes the objects of a message broker as `{put, Path, {p_data, Term}, #{}}.' lines: vhosts, users,
%% permissions, policies, exchanges, queues and bindings. The same number of objects is always the same file.
-module(pando_demo_topology).

-export([write/3]).

%% Objects of one vhost with all that is in it.
-define(GROUP_SIZE, 1000).

%% `Progress(Written)' is called now and then.
-spec write(file:filename_all(), pos_integer(), fun((non_neg_integer()) -> term())) -> ok.
write(FileName, ObjectCount, Progress) ->
    {ok, File} = file:open(FileName, [write, raw, binary, {delayed_write, 16#100000, 1000}]),
    try
        write_groups(File, 1, ObjectCount, ObjectCount, Progress)
    after
        ok = file:close(File)
    end.

write_groups(_File, _Group, 0, _ObjectCount, _Progress) ->
    ok;
write_groups(File, Group, Left, ObjectCount, Progress) ->
    %% A seed of its own for each group: a smaller file is the beginning of a larger one.
    _ = rand:seed(exsss, {Group, 2, 3}),
    Objects = lists:sublist(group(Group, min(?GROUP_SIZE, ObjectCount)), Left),
    ok = file:write(File, [line(Path, Value) || {Path, Value} <- Objects]),
    Left1 = Left - length(Objects),
    Progress(ObjectCount - Left1),
    write_groups(File, Group + 1, Left1, ObjectCount, Progress).

%% One vhost: some of each kind, bindings for the rest.
group(Group, Size) ->
    VHost = vhost(Group),
    Base = [rabbitmq, vhosts, VHost],
    Users = [user(Group, N) || N <- lists:seq(1, max(1, Size div 100))],
    Exchanges = [exchange(N) || N <- lists:seq(1, max(1, Size div 10))],
    Queues = [queue(N) || N <- lists:seq(1, max(1, Size * 36 div 100))],
    First =
        [{Base, vhost_value(VHost)}] ++
            [{[rabbitmq, users, User], user_value(User)} || User <- Users] ++
            [{Base ++ [user_permissions, User], permission_value(User, VHost)} || User <- Users] ++
            [policy(Base, VHost, N) || N <- lists:seq(1, Size div 100)] ++
            [{Base ++ [exchanges, Exchange], exchange_value(Exchange, VHost)} || Exchange <- Exchanges] ++
            [{Base ++ [queues, Queue], queue_value(Queue, VHost)} || Queue <- Queues],
    First ++ bindings(Base, VHost, list_to_tuple(Exchanges), list_to_tuple(Queues), Size - length(First)).

bindings(Base, VHost, Exchanges, Queues, Count) ->
    [binding(Base, VHost, one_of(Exchanges), one_of(Queues), N) || N <- lists:seq(1, max(0, Count))].

policy(Base, VHost, N) ->
    {Base ++ [runtime_params, policies, policy_name(N)], policy_value(N, VHost)}.

binding(Base, VHost, Exchange, Queue, N) ->
    Subject = one_of({"order", "invoice", "parcel", "login", "größe", "价格"}),
    Key = text("~ts.~ts.~b", [Subject, one_of(verbs()), N]),
    Path = Base ++ [exchanges, Exchange, bindings, queue, Queue, Key],
    {Path, [
        {source, Exchange},
        {vhost, VHost},
        {destination, Queue},
        {destination_type, <<"queue">>},
        {routing_key, Key},
        {arguments, {map, []}}
    ]}.

vhost_value(VHost) ->
    [
        {name, VHost},
        {metadata, {map, [{description, text("all of ~ts", [VHost])}, {tags, []}]}},
        {limits, []}
    ].

user_value(User) ->
    [
        {name, User},
        {password_hash, base64:encode(rand:bytes(36))},
        {hashing_algorithm, <<"rabbit_password_hashing_sha256">>},
        {tags, [one_of({<<"management">>, <<"monitoring">>, <<"administrator">>})]}
    ].

permission_value(User, VHost) ->
    [
        {user, User},
        {vhost, VHost},
        {configure, <<"^$">>},
        {write, one_of({<<".*">>, <<"^events\\.">>})},
        {read, <<".*">>}
    ].

policy_value(N, VHost) ->
    [
        {name, policy_name(N)},
        {vhost, VHost},
        {pattern, text("^~ts\\.", [one_of(areas())])},
        {'apply-to', <<"queues">>},
        {priority, N},
        {definition, {map, [{'max-length', 1000 * N}, {'dead-letter-exchange', <<"dead-letters">>}]}}
    ].

exchange_value(Exchange, VHost) ->
    [
        {name, Exchange},
        {vhost, VHost},
        {type, one_of({<<"topic">>, <<"direct">>, <<"fanout">>, <<"headers">>})},
        {durable, true},
        {auto_delete, false},
        {internal, rand:uniform(20) =:= 1},
        {arguments, {map, []}}
    ].

queue_value(Queue, VHost) ->
    [
        {name, Queue},
        {vhost, VHost},
        {type, one_of({<<"quorum">>, <<"classic">>, <<"stream">>})},
        {durable, true},
        {auto_delete, false},
        {arguments, {map, queue_arguments(rand:uniform(3))}}
    ].

queue_arguments(1) -> [];
queue_arguments(2) -> [{'x-message-ttl', 60000 * rand:uniform(60)}];
queue_arguments(3) -> [{'x-max-priority', 10}].

vhost(1) ->
    <<"/">>;
vhost(N) ->
    Names = {"shop", "billing", "zürich", "telemetry", "warehouse", "東京"},
    text("~ts-~b", [element(N rem tuple_size(Names) + 1, Names), N]).

user(Group, N) ->
    text("~ts_~b", [one_of({"app", "batch", "ops", "jürgen", "zoë", "gateway"}), Group * 100 + N]).

exchange(N) -> text("~ts.~ts.~b", [one_of(areas()), one_of({"events", "commands", "topic"}), N]).

queue(N) -> text("~ts.~ts.worker-~b", [one_of(areas()), one_of(verbs()), N]).

policy_name(N) -> text("limit-~b", [N]).

areas() -> {"orders", "payments", "stock", "mail", "audit", "search", "reports", "sensors"}.

verbs() -> {"created", "changed", "removed", "failed", "delivered"}.

one_of(Choices) -> element(rand:uniform(tuple_size(Choices)), Choices).

text(Format, Arguments) -> unicode:characters_to_binary(io_lib:format(Format, Arguments)).

%%% Terms as text. By hand: `io_lib:format' takes ten times as long.

line(Path, Value) ->
    [<<"{put,">>, term(Path), <<",{p_data,">>, term({map, Value}), <<"},#{}}.\n">>].

term({map, Pairs}) -> [<<"#{">>, separated([pair(Key, Value) || {Key, Value} <- Pairs]), $}];
term(List) when is_list(List) -> [$[, separated([term(Element) || Element <- List]), $]];
term(Atom) when is_atom(Atom) -> atom_to_binary(Atom);
term(Integer) when is_integer(Integer) -> integer_to_binary(Integer);
term(Binary) when is_binary(Binary) -> binary(Binary).

pair(Key, Value) -> [binary(Key), <<"=>">>, term(Value)].

separated(Parts) -> lists:join($,, Parts).

%% A key of a map is a name in the program, and a binary in the file.
binary(Atom) when is_atom(Atom) -> binary(atom_to_binary(Atom));
binary(Binary) -> [<<"<<\"">>, binary:replace(Binary, <<"\\">>, <<"\\\\">>, [global]), <<"\"/utf8>>">>].
