defmodule Pando.Scan do
  @moduledoc false

  # Streams of the nodes that a pattern matches, for `Pando` and `Pando.Adv`, on top of the cursors of `:pando_read`.
  #
  # 1. Nothing is read before the first element is asked for, and then a chunk at a time.
  # 2. An enumeration has one cursor, that is, one immutable view. Nobody else refers to it: it is freed with the last
  #    state of the enumeration, however that ends.

  alias Pando.{Error, Options}

  @type content :: :values | :props

  @spec stream(Pando.pattern(), Pando.options(), content) :: Enumerable.t()
  def stream(pattern, options, content),
    do: stream(:pando_cluster.get_default_store_id(), pattern, options, content)

  @spec stream(Pando.store(), Pando.pattern(), Pando.options(), content) :: Enumerable.t()
  def stream(store, pattern, options, content) do
    # What is wrong with the arguments is said here, not where the stream is run.
    options = Options.to_map(options)
    _ = :pando_options.many(options)
    pattern = Pando.Path.from_string(pattern)
    :ok = :pando_path.ensure_is_valid(pattern)
    {options, element} = wanted(content, options)

    Stream.resource(
      fn -> open(store, pattern, options) end,
      fn
        :done -> {:halt, :done}
        cursor -> next(cursor, element)
      end,
      &close/1
    )
  end

  # Nothing but payloads makes values, whatever the caller says.
  defp wanted(:values, options), do: {Map.put(options, :props_to_return, [:payload]), &value/1}
  defp wanted(:props, options), do: {options, & &1}

  defp open(store, pattern, options) do
    # As the other reads of a store: not from inside of a transaction on it, of which it would not be a part.
    :ok = :pando_transaction.ordinary(store, {Pando, :stream, 3})

    case :pando_read.open(store, pattern, options) do
      {:ok, cursor} -> cursor
      {:error, reason} -> raise Error, reason: reason, call: :read
    end
  end

  defp next(cursor, element) do
    case :pando_read.next(cursor) do
      {:error, reason} -> raise Error, reason: reason, call: :read
      {nodes, cursor} -> {Enum.map(nodes, element), cursor}
    end
  end

  # Also when the stream is halted early: the tree of its moment is let go at once.
  defp close(:done), do: :ok
  defp close(cursor), do: :pando_read.close(cursor)

  defp value({path, props}), do: {path, :pando_read.value(props, :undefined)}
end
