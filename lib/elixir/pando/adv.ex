defmodule Pando.Adv do
  @moduledoc """
  Calls of `Pando` with their full answers: which nodes were concerned, and their properties. `:pando_adv` is the same in
  Erlang.

  Reads and writes return `{:ok, %{path => props}}` or the errors of `Pando`. A write shows, for a node that was there, its
  former value with its new counters, and for a node that it has removed, its last properties and `:delete_reason`. The
  option `:props_to_return` says which properties there are in `props`, by default

    * `:data` or `:sproc` - the value, or the function that is stored as a procedure; neither if there is none;
    * `:payload_version` - counts the changes of the value, from 1;
    * `:delete_reason` - `:explicit` for a node that was to be removed, `:keep_while` for a parent that went with its last
      child.

  Arguments and options are those of `Pando`.

      iex> Pando.Adv.put("/stock/wood/oak", 150)
      {:ok, %{["stock", "wood", "oak"] => %{payload_version: 1}}}
      iex> Pando.Adv.put("/stock/wood/oak", 149)
      {:ok, %{["stock", "wood", "oak"] => %{data: 150, payload_version: 2}}}
  """

  alias Pando.Options

  @typedoc "What every function returns."
  @type result :: {:ok, %{Pando.Path.native() => Pando.props()}} | {:error, Pando.reason()}

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
  @spec put(Pando.store(), Pando.path(), Pando.value(), Pando.options()) :: result
  def put(store, path, value, options) when is_atom(store),
    do: :pando_adv.put(store, path, value, Options.to_map(options))

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
  @spec create(Pando.store(), Pando.path(), Pando.value(), Pando.options()) :: result
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
  @spec update(Pando.store(), Pando.path(), Pando.value(), Pando.options()) :: result
  def update(store, path, value, options) when is_atom(store),
    do: :pando_adv.update(store, path, value, Options.to_map(options))

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
  @spec delete(Pando.path(), Pando.options()) :: result
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
  @spec delete(Pando.store(), Pando.path(), Pando.options()) :: result
  def delete(store, path, options) when is_atom(store),
    do: :pando_adv.delete(store, path, Options.to_map(options))

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
  @spec clear_payload(Pando.store(), Pando.path(), Pando.options()) :: result
  def clear_payload(store, path, options) when is_atom(store),
    do: :pando_adv.clear_payload(store, path, Options.to_map(options))
end
