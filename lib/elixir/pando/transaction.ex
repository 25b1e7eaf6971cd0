defmodule Pando.Transaction do
  @moduledoc false

  # The calls `Pando.transaction` and `Pando.transaction!`, as Elixir writes them, for the Erlang functions.
  #
  # 1. What an argument is, its place decides, and what stands before it; never its look. A list right after a path, or after
  #    a function that takes arguments, is the arguments. After a function without arguments, and after conditions and
  #    commands, which take none either, it is options.
  # 2. Keys and values are checked by Erlang.

  alias Pando.{Error, Options}

  # The place of the options in a command, which is that of its last element, if it has so many.
  @options_at %{
    put: 3,
    create: 3,
    update: 3,
    put_many: 3,
    compare_and_swap: 4,
    delete: 2,
    delete_many: 2,
    clear_payload: 2,
    clear_many_payloads: 2
  }

  @spec run(Pando.transaction_body(), [term]) :: Pando.transaction_result()
  def run(body, rest), do: run(:pando_cluster.get_default_store_id(), body, rest)

  @spec run(Pando.store(), Pando.transaction_body(), [term]) :: Pando.transaction_result()
  def run(store, body, rest) do
    {body, arguments, mode, options} = call(body, rest)
    :pando.transaction(store, body, arguments, mode, options)
  end

  @spec run!(Pando.transaction_body(), [term]) :: term
  def run!(body, rest), do: run!(:pando_cluster.get_default_store_id(), body, rest)

  @spec run!(Pando.store(), Pando.transaction_body(), [term]) :: term
  def run!(store, body, rest) do
    {body, arguments, mode, options} = call(body, rest)
    :ok = :pando_transaction.ordinary(store, {:pando, :transaction, 5})

    case :pando_transaction.outcome(store, body, arguments, mode, options) do
      {:ok, value} -> value
      {:ok, value, token} -> {value, token}
      :ok -> :ok
      {:aborted, reason} -> raise Error, reason: reason, call: :abort
      {:error, reason} -> raise Error, reason: reason, call: if(mode == :ro, do: :read, else: :write)
    end
  end

  # What follows the body: arguments, a mode, options, each of which may be missing.
  defp call(body, rest) do
    {arguments, mode, options} = rest(body, rest)
    {body(body), arguments, mode, Options.to_map(options)}
  end

  defp rest(_body, []), do: {[], :auto, []}
  defp rest(_body, [mode]) when is_atom(mode), do: {[], mode, []}

  defp rest(body, [list]) when is_list(list),
    do: if(takes_arguments?(body, list), do: {list, :auto, []}, else: {[], :auto, list})

  defp rest(_body, [options]), do: {[], :auto, options}
  defp rest(_body, [mode, options]) when is_atom(mode), do: {[], mode, options}
  defp rest(_body, [arguments, mode]) when is_atom(mode), do: {arguments, mode, []}
  defp rest(_body, [arguments, options]), do: {arguments, :auto, options}
  defp rest(_body, [arguments, mode, options]), do: {arguments, mode, options}

  # What cannot be options is refused as what it seems to be: arguments of a function that takes none.
  defp takes_arguments?(function, list) when is_function(function, 0), do: not Keyword.keyword?(list)
  defp takes_arguments?(body, _list), do: not data?(body)

  # No component of a path is a pair that begins with one of these names.
  defp data?([{key, _value} | _]) when key in [:conditions, :commands], do: true
  defp data?(body), do: is_map(body)

  # Erlang takes a binary for no path here, Elixir does.
  defp body(path) when is_binary(path), do: Pando.Path.from_string(path)

  defp body(body) do
    if data?(body) do
      case Options.to_map(body) do
        %{commands: commands} = data when is_list(commands) ->
          %{data | commands: Enum.map(commands, &command/1)}

        data ->
          data
      end
    else
      body
    end
  end

  defp command(command) when is_tuple(command) and tuple_size(command) > 0 do
    place = Map.get(@options_at, elem(command, 0))

    if place == tuple_size(command) - 1,
      do: put_elem(command, place, Options.to_map(elem(command, place))),
      else: command
  end

  defp command(command), do: command
end
