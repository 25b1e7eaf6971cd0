%% @private Stored procedures: reading one, and whether this node has the code that it needs.
%%
%% What is stored is the function as the runtime has it: a name (`fun M:F/A'), or a closure, that is its captured variables
%% and where in which version of a module its code is. The code itself is never stored. So before a function is called,
%% it is made sure that its module is here, and for a closure that it is the very same.
-module(pando_sproc).

-export([run/4, find/2, check/1]).

-export_type([missing_code/0]).

%% What the function needs: of a closure the MD5 of its module, of a name the function; and the MD5 of the module that is
%% loaded. MD5s are those of `Module:module_info(md5)', in hexadecimal digits.
-type missing_code() :: #{
    module := module(),
    needed := binary() | {atom(), arity()},
    loaded := binary() | none
}.

%% Runs a stored procedure in the caller. Failures are thrown, as the specification says (6.2); what the procedure raises is
%% raised.
-spec run(pando_cluster:store_id(), pando_path:path(), [term()], pando_options:query()) -> term().
run(Store, Path, Arguments, #{props := Props} = Query) ->
    case pando_read:node(Store, Path, Query#{props := pando_props:with_payload(Props)}) of
        {ok, _, #{sproc := Procedure}} ->
            case check(Procedure) of
                ok ->
                    apply(Procedure, Arguments);
                {error, Missing} ->
                    throw({pando_ex, sproc_code_not_available, Missing#{path => Path, args => Arguments}})
            end;
        {ok, _, NodeProps} ->
            throw(
                {pando_ex, denied_execution_of_non_sproc_node, #{
                    path => Path,
                    args => Arguments,
                    node_props => pando_props:without_extra_payload(NodeProps, Props)
                }}
            );
        {error, Reason} ->
            throw({pando, failed_to_get_sproc, #{path => Path, args => Arguments, error => Reason}})
    end.

%% The stored procedure at a path as the body of a transaction. All that is wrong with it is an error, also a path that may
%% match many nodes (specification 13.2).
-spec find(pando_backend:transaction(), pando_path:pattern()) ->
    {ok, fun()} | {error, pando_errors:reason() | {pando_ex, atom(), map()}}.
find(Transaction, Path) ->
    Query = (pando_options:query_inside(#{}))#{props := pando_props:payload_bits()},
    try pando_read:node(Transaction, Path, Query) of
        {ok, _, #{sproc := Procedure}} ->
            case check(Procedure) of
                ok -> {ok, Procedure};
                {error, Missing} -> {error, {pando, sproc_code_not_available, Missing#{path => Path}}}
            end;
        {ok, _, _} ->
            {error, {pando, no_sproc_at_given_path, #{path => Path}}};
        {error, _} = Error ->
            Error
    catch
        error:{pando_ex, possibly_matching_many_nodes_denied, _} = Reason -> {error, Reason}
    end.

%% Whether a function can be called here. Loads its module, if that is possible.
-spec check(fun()) -> ok | {error, missing_code()}.
check(Function) ->
    {module, Module} = erlang:fun_info(Function, module),
    Loaded = loaded(Module),
    case erlang:fun_info(Function, type) of
        {type, external} -> check_name(Function, Module, Loaded);
        {type, local} -> check_version(Function, Module, Loaded)
    end.

check_name(Function, Module, Loaded) ->
    {name, Name} = erlang:fun_info(Function, name),
    {arity, Arity} = erlang:fun_info(Function, arity),
    case erlang:function_exported(Module, Name, Arity) of
        true -> ok;
        false -> {error, #{module => Module, needed => {Name, Arity}, loaded => hexadecimal(Loaded)}}
    end.

check_version(Function, Module, Loaded) ->
    case erlang:fun_info(Function, new_uniq) of
        {new_uniq, Loaded} -> ok;
        {new_uniq, Needed} -> {error, #{module => Module, needed => hexadecimal(Needed), loaded => hexadecimal(Loaded)}}
    end.

loaded(Module) ->
    case code:ensure_loaded(Module) of
        {module, Module} -> Module:module_info(md5);
        {error, _} -> none
    end.

hexadecimal(none) -> none;
hexadecimal(Bytes) -> string:lowercase(binary:encode_hex(Bytes)).
