defmodule Pando.Scan do
  @moduledoc false

  # Streams of the nodes that a pattern matches, for `Pando` and `Pando.Adv`, on top of the cursors of `:pando_read`.
  #
  # 1. Nothing is read before the first element is asked for, and then a chunk at a time.
  # 2. An enumeration has one cursor, that is, one immutable view. Nobody else refers to it: it is freed with the last
  #    state of the enumeration, however that ends.

  alias Pando.{Error, Options}

  @type element :: {Pando.Path.native(), term}

  @spec stream(Pando.pattern(), Pando.options(), (element -> element)) :: Enumerable.t()
  def stream(pattern, options, element),
    do: stream(:pando_cluster.get_default_store_id(), pattern, options, element)

  @spec stream(Pando.store(), Pando.pattern(), Pando.options(), (element -> element)) :: Enumerable.t()
  def stream(store, pattern, options, element) do
    # What is wrong with the arguments is said here, not where the stream is run.
    options = Options.to_map(options)
    pattern = Pando.Path.from_string(pattern)
    Stream.resource(fn -> open(store, pattern, options) end, &next(&1, element), fn _cursor -> :ok end)
  end

  defp open(store, pattern, options) do
    case :pando_read.open(store, pattern, options) do
      {:ok, cursor} -> cursor
      {:error, reason} -> raise Error, reason: reason, call: :read
    end
  end

  defp next(:done, _element), do: {:halt, :done}

  defp next(cursor, element) do
    {nodes, cursor} = :pando_read.next(cursor)
    {Enum.map(nodes, element), cursor}
  end

  @spec props(element) :: element
  def props(node), do: node

  @spec values({Pando.Path.native(), Pando.props()}) :: element
  def values({path, %{data: data}}), do: {path, data}
  def values({path, %{sproc: procedure}}), do: {path, procedure}
  def values({path, %{}}), do: {path, :undefined}
end
