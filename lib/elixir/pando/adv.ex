defmodule Pando.Adv do
  @moduledoc """
  Calls of `Pando` with their full answers: which nodes were concerned, and their properties. `:pando_adv` is the same in
  Erlang.

  Reads and writes return `{:ok, %{path => props}}` or the errors of `Pando`. A write shows, for a node that was there, its
  former value with its new counters, and for a node that it has removed, its last properties and `:delete_reason`. The
  option `:props_to_return` says which properties there are in `props`, by default

    * `:data` or `:sproc` - the value, or the function that is stored as a procedure; neither if there is none;
    * `:payload_version` - counts the changes of the value, from 1;
    * `:delete_reason` - `:explicit` for a node that was to be removed, `:keep_while` for one that went by itself: a parent
      with its last child, a node whose condition (`:keep_while`) does not hold any more.

  Arguments and options are those of `Pando`.

      iex> Pando.Adv.put("/stock/wood/oak", 150)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
      iex> Pando.Adv.put("/stock/wood/oak", 149)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """

  alias Pando.{Options, Scan}

  @typedoc "What every function returns."
  @type result :: {:ok, %{Pando.Path.native() => Pando.props()}} | {:error, Pando.reason()}

  @typedoc """
  What a write with options returns: `:ok` with the option `:async`, which does not wait for the result, and a token, too,
  with `return: :token`.
  """
  @type written :: result | {:ok, %{Pando.Path.native() => Pando.props()}, Pando.token()} | :ok

  @doc """
  As `get/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.get("/stock/wood/oak")
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 1}}}
  """
  @spec get(Pando.path()) :: result
  def get(path), do: :pando_adv.get(path)

  @doc """
  As `get/3`, without options: `get(store, path)`; or without a store: `get(path, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.get(:pando, "/stock/wood/oak")
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 1}}}
      iex> Pando.Adv.get("/stock/wood", props_to_return: [:child_names])
      {:ok, %{["stock", "wood"] => %{child_names: ["oak"]}}}
  """
  @spec get(Pando.store(), Pando.path()) :: result
  @spec get(Pando.path(), Pando.options()) :: result
  def get(store, path) when is_atom(store), do: :pando_adv.get(store, path)
  def get(path, options), do: :pando_adv.get(path, Options.to_map(options))

  @doc """
  Reads a node.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.get(:pando, "/stock", props_to_return: [:child_list_length, :child_list_version])
      {:ok, %{["stock"] => %{child_list_length: 1, child_list_version: 1}}}
  """
  @spec get(Pando.store(), Pando.path(), Pando.options()) :: result
  def get(store, path, options) when is_atom(store), do: :pando_adv.get(store, path, Options.to_map(options))

  @doc """
  As `get_many/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.get_many("/stock/wood/*")
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 1}}}
  """
  @spec get_many(Pando.pattern()) :: result
  def get_many(pattern), do: :pando_adv.get_many(pattern)

  @doc """
  As `get_many/3`, without options: `get_many(store, pattern)`; or without a store: `get_many(pattern, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.get_many(:pando, "/*")
      {:ok, %{["stock"] => %{payload_version: 1}}}
      iex> Pando.Adv.get_many("/*", props_to_return: [])
      {:ok, %{["stock"] => %{}}}
  """
  @spec get_many(Pando.store(), Pando.pattern()) :: result
  @spec get_many(Pando.pattern(), Pando.options()) :: result
  def get_many(store, pattern) when is_atom(store), do: :pando_adv.get_many(store, pattern)
  def get_many(pattern, options), do: :pando_adv.get_many(pattern, Options.to_map(options))

  @doc """
  Reads all nodes that a pattern matches, all as of one moment.

      iex> Pando.Adv.get_many(:pando, "/*", timeout: 1_000)
      {:ok, %{}}
  """
  @spec get_many(Pando.store(), Pando.pattern(), Pando.options()) :: result
  def get_many(store, pattern, options) when is_atom(store),
    do: :pando_adv.get_many(store, pattern, Options.to_map(options))

  @doc """
  As `stream/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> "/stock/wood/*" |> Pando.Adv.stream() |> Enum.to_list()
      [{["stock", "wood", "oak"], %{data: 150, payload_version: 1}}]
  """
  @spec stream(Pando.pattern()) :: Enumerable.t()
  def stream(pattern), do: stream(pattern, [])

  @doc """
  As `stream/3`, without options: `stream(store, pattern)`; or without a store: `stream(pattern, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> :pando |> Pando.Adv.stream("/*") |> Enum.to_list()
      [{["stock"], %{payload_version: 1}}]
      iex> "/**" |> Pando.Adv.stream(props_to_return: [:child_names], limit: 1) |> Enum.to_list()
      [{["stock"], %{child_names: ["wood"]}}]
  """
  @spec stream(Pando.store(), Pando.pattern()) :: Enumerable.t()
  @spec stream(Pando.pattern(), Pando.options()) :: Enumerable.t()
  def stream(store, pattern) when is_atom(store), do: stream(store, pattern, [])
  def stream(pattern, options), do: Scan.stream(pattern, options, :props)

  @doc """
  All nodes that a pattern matches, as a stream of `{path, props}`: as `Pando.stream/3`, with properties.

      iex> for n <- 1..9, do: :ok = Pando.put("/queue/\#{n}", n)
      iex> :pando |> Pando.Adv.stream("/queue/*", from: "/queue/7") |> Enum.map(fn {_path, props} -> props.data end)
      [8, 9]
  """
  @spec stream(Pando.store(), Pando.pattern(), Pando.options()) :: Enumerable.t()
  def stream(store, pattern, options) when is_atom(store),
    do: Scan.stream(store, pattern, options, :props)

  @doc """
  As `put/4`, of the default store, without options.

      iex> Pando.Adv.put("/stock/wood/oak", 150)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
  """
  @spec put(Pando.path(), Pando.value()) :: result
  def put(path, value), do: :pando_adv.put(path, value)

  @doc """
  As `put/4`, without options. To give options, name the store as well.

      iex> Pando.Adv.put(:pando, "/stock/wood/oak", 150)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
  """
  @spec put(Pando.store(), Pando.path(), Pando.value()) :: result
  def put(store, path, value) when is_atom(store), do: :pando_adv.put(store, path, value)

  @doc """
  Creates a node, or replaces its value. Missing parents are created.

      iex> Pando.Adv.put(:pando, "/stock/wood/oak", 150, props_to_return: [:child_list_length])
      {:ok, %{["stock", "wood", "oak"] => %{child_list_length: 0}}}
  """
  @spec put(Pando.store(), Pando.path(), Pando.value(), Pando.options()) :: written
  def put(store, path, value, options) when is_atom(store),
    do: :pando_adv.put(store, path, value, Options.to_map(options))

  @doc """
  As `put_many/4`, of the default store, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.Adv.put_many("/stock/*", 0)
      {:ok, %{["stock", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec put_many(Pando.pattern(), Pando.value()) :: result
  def put_many(pattern, value), do: :pando_adv.put_many(pattern, value)

  @doc """
  As `put_many/4`, without options. To give options, name the store as well.

      iex> Pando.Adv.put_many(:pando, "/stock/*", 0)
      {:ok, %{}}
  """
  @spec put_many(Pando.store(), Pando.pattern(), Pando.value()) :: result
  def put_many(store, pattern, value) when is_atom(store), do: :pando_adv.put_many(store, pattern, value)

  @doc """
  Replaces the values of all nodes that a pattern matches, in one step. None: `{:ok, %{}}`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.Adv.put_many(:pando, "/stock/*", 0, props_to_return: [:payload])
      {:ok, %{["stock", "oak"] => %{data: 150}}}
  """
  @spec put_many(Pando.store(), Pando.pattern(), Pando.value(), Pando.options()) :: written
  def put_many(store, pattern, value, options) when is_atom(store),
    do: :pando_adv.put_many(store, pattern, value, Options.to_map(options))

  @doc """
  As `create/4`, of the default store, without options.

      iex> Pando.Adv.create("/stock/wood/oak", 150)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
  """
  @spec create(Pando.path(), Pando.value()) :: result
  def create(path, value), do: :pando_adv.create(path, value)

  @doc """
  As `create/4`, without options. To give options, name the store as well.

      iex> Pando.Adv.create(:pando, "/stock/wood/oak", 150)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
  """
  @spec create(Pando.store(), Pando.path(), Pando.value()) :: result
  def create(store, path, value) when is_atom(store), do: :pando_adv.create(store, path, value)

  @doc """
  Creates a node that must not exist yet; otherwise `{:error, {:pando, :mismatching_node, _}}`.

      iex> Pando.Adv.create(:pando, "/stock/wood/oak", 150, timeout: 5_000)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
  """
  @spec create(Pando.store(), Pando.path(), Pando.value(), Pando.options()) :: written
  def create(store, path, value, options) when is_atom(store),
    do: :pando_adv.create(store, path, value, Options.to_map(options))

  @doc """
  As `update/4`, of the default store, without options.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.update("/stock/wood/oak", 149)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec update(Pando.path(), Pando.value()) :: result
  def update(path, value), do: :pando_adv.update(path, value)

  @doc """
  As `update/4`, without options. To give options, name the store as well.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.update(:pando, "/stock/wood/oak", 149)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec update(Pando.store(), Pando.path(), Pando.value()) :: result
  def update(store, path, value) when is_atom(store), do: :pando_adv.update(store, path, value)

  @doc """
  Replaces the value of a node that must exist; otherwise `{:error, {:pando, :node_not_found, _}}`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.update(:pando, "/stock/wood/oak", 149, timeout: 5_000)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec update(Pando.store(), Pando.path(), Pando.value(), Pando.options()) :: written
  def update(store, path, value, options) when is_atom(store),
    do: :pando_adv.update(store, path, value, Options.to_map(options))

  @doc """
  As `compare_and_swap/5`, of the default store, without options.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.compare_and_swap("/stock/wood/oak", 150, 149)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec compare_and_swap(Pando.path(), data_pattern :: term, Pando.value()) :: result
  def compare_and_swap(path, data_pattern, value),
    do: :pando_adv.compare_and_swap(path, data_pattern, value)

  @doc """
  As `compare_and_swap/5`, without options. To give options, name the store as well.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.compare_and_swap(:pando, "/stock/wood/oak", 150, 149)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec compare_and_swap(Pando.store(), Pando.path(), data_pattern :: term, Pando.value()) :: result
  def compare_and_swap(store, path, data_pattern, value) when is_atom(store),
    do: :pando_adv.compare_and_swap(store, path, data_pattern, value)

  @doc """
  Replaces the value of a node if it has data that matches `data_pattern`, as `Pando.compare_and_swap/5` says.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.compare_and_swap(:pando, "/stock/wood/oak", :_, 149, timeout: 5_000)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec compare_and_swap(Pando.store(), Pando.path(), data_pattern :: term, Pando.value(), Pando.options()) ::
          written
  def compare_and_swap(store, path, data_pattern, value, options) when is_atom(store),
    do: :pando_adv.compare_and_swap(store, path, data_pattern, value, Options.to_map(options))

  @doc """
  As `delete/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.delete("/stock/wood/oak")
      {:ok,
       %{
         ["stock"] => %{payload_version: 1, delete_reason: :keep_while},
         ["stock", "wood"] => %{payload_version: 1, delete_reason: :keep_while},
         ["stock", "wood", "oak"] => %{data: 150, payload_version: 1, delete_reason: :explicit}
       }}
  """
  @spec delete(Pando.path()) :: result
  def delete(path), do: :pando_adv.delete(path)

  @doc """
  As `delete/3`, without options: `delete(store, path)`; or without a store: `delete(path, options)`.

      iex> Pando.Adv.delete(:pando, "/stock/wood/oak")
      {:ok, %{}}
      iex> Pando.Adv.delete("/stock/wood/oak", timeout: 5_000)
      {:ok, %{}}
  """
  @spec delete(Pando.store(), Pando.path()) :: result
  @spec delete(Pando.path(), Pando.options()) :: written
  def delete(store, path) when is_atom(store), do: :pando_adv.delete(store, path)
  def delete(path, options), do: :pando_adv.delete(path, Options.to_map(options))

  @doc """
  Removes a node and everything below it, and returns all that went, parents which went with their last child included.
  Nothing there: `{:ok, %{}}`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.delete(:pando, "/stock/wood/oak", return_indirect_deletes: false)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 1, delete_reason: :explicit}}}
  """
  @spec delete(Pando.store(), Pando.path(), Pando.options()) :: written
  def delete(store, path, options) when is_atom(store),
    do: :pando_adv.delete(store, path, Options.to_map(options))

  @doc """
  As `delete_many/3`, of the default store.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.Adv.delete_many("/*")
      {:ok, %{["oak"] => %{data: 150, payload_version: 1, delete_reason: :explicit}}}
  """
  @spec delete_many(Pando.pattern()) :: result
  def delete_many(pattern), do: :pando_adv.delete_many(pattern)

  @doc """
  As `delete_many/3`, without options: `delete_many(store, pattern)`; or without a store: `delete_many(pattern, options)`.

      iex> Pando.Adv.delete_many(:pando, "/stock/*")
      {:ok, %{}}
      iex> Pando.Adv.delete_many("/stock/*", timeout: 5_000)
      {:ok, %{}}
  """
  @spec delete_many(Pando.store(), Pando.pattern()) :: result
  @spec delete_many(Pando.pattern(), Pando.options()) :: written
  def delete_many(store, pattern) when is_atom(store), do: :pando_adv.delete_many(store, pattern)
  def delete_many(pattern, options), do: :pando_adv.delete_many(pattern, Options.to_map(options))

  @doc """
  Removes all nodes that a pattern matches, and everything below them, in one step, and returns all that went. None:
  `{:ok, %{}}`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.Adv.delete_many(:pando, "/stock/*", props_to_return: [:delete_reason])
      {:ok, %{["stock"] => %{delete_reason: :keep_while}, ["stock", "oak"] => %{delete_reason: :explicit}}}
  """
  @spec delete_many(Pando.store(), Pando.pattern(), Pando.options()) :: written
  def delete_many(store, pattern, options) when is_atom(store),
    do: :pando_adv.delete_many(store, pattern, Options.to_map(options))

  @doc """
  As `clear_payload/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.clear_payload("/stock/wood/oak")
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec clear_payload(Pando.path()) :: result
  def clear_payload(path), do: :pando_adv.clear_payload(path)

  @doc """
  As `clear_payload/3`, without options. To give options, name the store as well.

      iex> Pando.Adv.clear_payload(:pando, "/stock/wood/oak")
      {:ok, %{}}
  """
  @spec clear_payload(Pando.store(), Pando.path()) :: result
  def clear_payload(store, path) when is_atom(store), do: :pando_adv.clear_payload(store, path)

  @doc """
  Takes the value off a node, which stays. Nothing there: `{:ok, %{}}`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.Adv.clear_payload(:pando, "/stock/wood/oak", props_to_return: [:payload])
      {:ok, %{["stock", "wood", "oak"] => %{data: 150}}}
  """
  @spec clear_payload(Pando.store(), Pando.path(), Pando.options()) :: written
  def clear_payload(store, path, options) when is_atom(store),
    do: :pando_adv.clear_payload(store, path, Options.to_map(options))

  @doc """
  As `clear_many_payloads/3`, of the default store.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.Adv.clear_many_payloads("/stock/*")
      {:ok, %{["stock", "oak"] => %{data: 150, payload_version: 2}}}
  """
  @spec clear_many_payloads(Pando.pattern()) :: result
  def clear_many_payloads(pattern), do: :pando_adv.clear_many_payloads(pattern)

  @doc """
  As `clear_many_payloads/3`, without options. To give options, name the store as well.

      iex> Pando.Adv.clear_many_payloads(:pando, "/stock/*")
      {:ok, %{}}
  """
  @spec clear_many_payloads(Pando.store(), Pando.pattern()) :: result
  def clear_many_payloads(store, pattern) when is_atom(store),
    do: :pando_adv.clear_many_payloads(store, pattern)

  @doc """
  Takes the values off all nodes that a pattern matches, in one step. The nodes stay. None: `{:ok, %{}}`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.Adv.clear_many_payloads(:pando, "/stock/*", props_to_return: [:payload])
      {:ok, %{["stock", "oak"] => %{data: 150}}}
  """
  @spec clear_many_payloads(Pando.store(), Pando.pattern(), Pando.options()) :: written
  def clear_many_payloads(store, pattern, options) when is_atom(store),
    do: :pando_adv.clear_many_payloads(store, pattern, Options.to_map(options))
end
