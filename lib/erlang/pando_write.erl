%% @private Writes, as `pando' and `pando_adv' ask for them.
-module(pando_write).

-export([put/5, delete/3, clear/3, without_answer/1]).

-include("pando.hrl").

-type options() :: pando_options:command() | silent().
%% The caller wants to know only whether it worked: nothing is collected then.
-type silent() :: #{timeout := timeout(), props := none}.
%% Without properties wanted, the map is empty.
-type result() :: {ok, pando_adv:node_props_map()} | {error, pando_errors:reason()}.

-export_type([silent/0]).

%% The options of a write whose caller wants no properties.
-spec without_answer(map()) -> silent().
without_answer(Options) ->
    #{timeout := Timeout} = pando_options:command(Options),
    #{timeout => Timeout, props => none}.

-spec put(term(), term(), term(), anything | absent | present, options()) -> result().
put(Store, Path, Data, Expectation, Options) when is_atom(Store) ->
    Native = pando_path:from_string(Path),
    {Kind, Value} = payload(Data),
    Request = {put, Native, Kind, Value, Expectation, wanted(Options)},
    call(Store, Request, Native, conditions(Expectation), Options);
put(_Store, Path, Data, _Expectation, _Options) ->
    %% Arguments mixed up, such as `put(Path, Data, Options)'.
    pando_errors:raise_misuse(invalid_payload, #{path => Path, payload => pando_payload:wrap(Data)}).

-spec delete(pando_cluster:store_id(), term(), options()) -> result().
delete(Store, Path, Options) when is_atom(Store) ->
    Native = pando_path:from_string(Path),
    call(Store, {delete, Native, wanted(Options)}, Native, [], Options).

-spec clear(pando_cluster:store_id(), term(), options()) -> result().
clear(Store, Path, Options) when is_atom(Store) ->
    Native = pando_path:from_string(Path),
    call(Store, {clear, Native, wanted(Options)}, Native, conditions(present), Options).

payload(Data) ->
    case pando_payload:prepare(pando_payload:wrap(Data)) of
        #p_data{data = Value} -> {data, Value};
        #p_sproc{sproc = Procedure} -> {sproc, Procedure};
        ?NO_PAYLOAD -> {none, undefined}
    end.

%% What create and update add to the last component of their path, as errors show it.
conditions(anything) -> [];
conditions(absent) -> [#if_node_exists{exists = false}];
conditions(present) -> [#if_node_exists{exists = true}].

wanted(#{props := none}) -> none;
wanted(#{props := Props, indirect_deletes := IndirectDeletes}) -> {Props, IndirectDeletes}.

call(Store, Request, Path, Conditions, #{timeout := Timeout}) ->
    case pando_client:call(Store, Request, Timeout) of
        ok -> {ok, #{}};
        {ok, _} = Answer -> Answer;
        {error, Native} -> {error, pando_errors:reason(Native, {Path, Conditions})}
    end.
