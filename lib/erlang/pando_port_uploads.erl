%% @private Which large calls are being handed to a program of the port backend part by part, and which wait for that.
%%
%% Invariant: the bodies of calls of which the program has parts, but not all, are `?SIZE_BYTES_MAX' together at most: the program
%% takes no more. Who comes first begins first.
-module(pando_port_uploads).

-export([new/0, add/4, remove/2, begin_next/1]).

-export_type([uploads/0]).

-define(SIZE_BYTES_MAX, 268435456).

-record(uploads, {
    begun = #{} :: #{pando_port_frame:id() => SizeBytes :: pos_integer()},
    begun_size_bytes = 0 :: non_neg_integer(),
    waiting = queue:new() :: queue:queue({pando_port_frame:id(), SizeBytes :: pos_integer(), reference()})
}).

-opaque uploads() :: #uploads{}.

-spec new() -> uploads().
new() ->
    #uploads{}.

%% `Alias': who is told that it may begin.
-spec add(pando_port_frame:id(), pos_integer(), reference(), uploads()) -> uploads().
add(Id, SizeBytes, Alias, #uploads{waiting = Waiting} = Uploads) ->
    Uploads#uploads{waiting = queue:in({Id, SizeBytes, Alias}, Waiting)}.

%% One that is complete, or was given up.
-spec remove(pando_port_frame:id(), uploads()) -> uploads().
remove(Id, #uploads{begun = Begun, begun_size_bytes = BegunSizeBytes, waiting = Waiting} = Uploads) ->
    case maps:take(Id, Begun) of
        {SizeBytes, Others} -> Uploads#uploads{begun = Others, begun_size_bytes = BegunSizeBytes - SizeBytes};
        error -> Uploads#uploads{waiting = queue:filter(fun({Other, _, _}) -> Other =/= Id end, Waiting)}
    end.

%% The next one that may begin, if there is one.
-spec begin_next(uploads()) -> {reference(), uploads()} | none.
begin_next(#uploads{begun = Begun, begun_size_bytes = BegunSizeBytes, waiting = Waiting} = Uploads) ->
    case queue:peek(Waiting) of
        {value, {Id, SizeBytes, Alias}} when BegunSizeBytes + SizeBytes =< ?SIZE_BYTES_MAX ->
            Left = Uploads#uploads{
                begun = Begun#{Id => SizeBytes},
                begun_size_bytes = BegunSizeBytes + SizeBytes,
                waiting = queue:drop(Waiting)
            },
            {Alias, Left};
        _ ->
            none
    end.
