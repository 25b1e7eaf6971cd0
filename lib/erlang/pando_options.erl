%% @private Options of calls (specification section 5): checks them and gives them their defaults.
%%
%% An unknown key, or a value that its key does not take, raises `function_clause', as the specification says.
-module(pando_options).

-export([query/1, command/1, timeout/1, default_timeout/0]).

-export_type([query/0, command/0]).

-type query() :: #{
    timeout := timeout(),
    props := pando_backend:props_bits(),
    expect_specific_node := boolean(),
    include_root := boolean()
}.
-type command() :: #{
    timeout := timeout(),
    props := pando_backend:props_bits(),
    indirect_deletes := boolean()
}.

%% @doc Options of reads: `timeout', `favor', `props_to_return', `expect_specific_node', `include_root_props'.
-spec query(map()) -> query().
query(Options) when is_map(Options) ->
    Defaults = #{
        timeout => default,
        props => pando_props:default_bits(),
        expect_specific_node => false,
        include_root => false
    },
    with_timeout(maps:fold(fun query_option/3, Defaults, Options)).

query_option(timeout, Timeout, Read) -> Read#{timeout := timeout(Timeout)};
%% One member always answers from the newest state: both are the same here.
query_option(favor, low_latency, Read) -> Read;
query_option(favor, consistency, Read) -> Read;
query_option(props_to_return, Props, Read) -> Read#{props := pando_props:bits(Props)};
query_option(expect_specific_node, Expect, Read) when is_boolean(Expect) -> Read#{expect_specific_node := Expect};
query_option(include_root_props, Include, Read) when is_boolean(Include) -> Read#{include_root := Include};
query_option(return_indirect_deletes, Return, Read) when is_boolean(Return) -> Read.

%% @doc Options of writes: `timeout', `props_to_return', `return_indirect_deletes', `expect_specific_node',
%% `include_root_props'.
-spec command(map()) -> command().
command(Options) when is_map(Options) ->
    Defaults = #{timeout => default, props => pando_props:default_bits(), indirect_deletes => true},
    with_timeout(maps:fold(fun command_option/3, Defaults, Options)).

command_option(timeout, Timeout, Read) -> Read#{timeout := timeout(Timeout)};
command_option(props_to_return, Props, Read) -> Read#{props := pando_props:bits(Props)};
command_option(return_indirect_deletes, Return, Read) when is_boolean(Return) -> Read#{indirect_deletes := Return};
command_option(expect_specific_node, Expect, Read) when is_boolean(Expect) -> Read;
command_option(include_root_props, Include, Read) when is_boolean(Include) -> Read.

with_timeout(#{timeout := default} = Read) ->
    Read#{timeout := default_timeout()};
with_timeout(Read) ->
    Read.

%% @doc The timeout of calls that have none of their own: application environment `default_timeout', else `infinity'.
-spec default_timeout() -> timeout().
default_timeout() ->
    case application:get_env(pando, default_timeout) of
        undefined ->
            infinity;
        {ok, infinity} ->
            infinity;
        {ok, Timeout} when is_integer(Timeout), Timeout >= 0 ->
            Timeout;
        {ok, Invalid} ->
            erlang:error({pando_ex, invalid_default_timeout_value, #{default_timeout => Invalid}})
    end.

%% @doc A timeout of a call in milliseconds, or `infinity'.
-spec timeout(term()) -> timeout().
timeout(infinity) -> infinity;
timeout(Timeout) when is_integer(Timeout), Timeout >= 0 -> Timeout.
