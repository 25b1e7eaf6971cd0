defmodule Pando.Tx.Adv do
  @moduledoc """
  The calls of `Pando.Tx` with their full answers, as `Pando.Adv` gives them. `:pando_tx_adv` is the same in Erlang.

      iex> Pando.transaction(fn -> {Pando.Tx.Adv.put("/oak", 150), Pando.Tx.Adv.put("/oak", 149)} end)
      {:ok,
       {{:ok, %{["oak"] => %{payload_version: 1}}}, {:ok, %{["oak"] => %{data: 150, payload_version: 2}}}}}

  Options, and what is raised outside of a transaction, are those of `Pando.Tx`.

  What a write returns is something read: if it would return something else when the transaction is committed, the function
  runs again. `Pando.Tx.put/2`, which returns `:ok` whatever was there before, is in nobody's way.
  """

  alias Pando.Options

  @doc """
  As `get/2`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.get("/oak") end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 1}}}}
  """
  @spec get(Pando.path()) :: Pando.Adv.result()
  def get(path), do: :pando_tx_adv.get(path)

  @doc """
  Reads a node, as `Pando.Adv.get/3`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.get("/stock", props_to_return: [:child_names]) end)
      {:ok, {:ok, %{["stock"] => %{child_names: ["oak"]}}}}
  """
  @spec get(Pando.path(), Pando.options()) :: Pando.Adv.result()
  def get(path, options), do: :pando_tx_adv.get(path, Options.to_map(options))

  @doc """
  As `get_many/2`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.get_many("/*") end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 1}}}}
  """
  @spec get_many(Pando.pattern()) :: Pando.Adv.result()
  def get_many(pattern), do: :pando_tx_adv.get_many(pattern)

  @doc """
  Reads all nodes that a pattern matches, as `Pando.Adv.get_many/3`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.get_many("/*", props_to_return: []) end)
      {:ok, {:ok, %{["oak"] => %{}}}}
  """
  @spec get_many(Pando.pattern(), Pando.options()) :: Pando.Adv.result()
  def get_many(pattern, options), do: :pando_tx_adv.get_many(pattern, Options.to_map(options))

  @doc """
  As `put/3`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.Adv.put("/oak", 150) end)
      {:ok, {:ok, %{["oak"] => %{payload_version: 1}}}}
  """
  @spec put(Pando.path(), Pando.value()) :: Pando.Adv.result()
  def put(path, value), do: :pando_tx_adv.put(path, value)

  @doc """
  Creates a node, or replaces its value, as `Pando.Adv.put/4`.

      iex> Pando.transaction(fn -> Pando.Tx.Adv.put("/oak", 150, props_to_return: [:child_list_length]) end)
      {:ok, {:ok, %{["oak"] => %{child_list_length: 0}}}}
  """
  @spec put(Pando.path(), Pando.value(), Pando.options()) :: Pando.Adv.result()
  def put(path, value, options), do: :pando_tx_adv.put(path, value, Options.to_map(options))

  @doc """
  As `put_many/3`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.put_many("/*", 0) end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 2}}}}
  """
  @spec put_many(Pando.pattern(), Pando.value()) :: Pando.Adv.result()
  def put_many(pattern, value), do: :pando_tx_adv.put_many(pattern, value)

  @doc """
  Replaces the values of all nodes that a pattern matches, as `Pando.Adv.put_many/4`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.put_many("/*", 0, props_to_return: [:payload]) end)
      {:ok, {:ok, %{["oak"] => %{data: 150}}}}
  """
  @spec put_many(Pando.pattern(), Pando.value(), Pando.options()) :: Pando.Adv.result()
  def put_many(pattern, value, options), do: :pando_tx_adv.put_many(pattern, value, Options.to_map(options))

  @doc """
  As `create/3`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.Adv.create("/oak", 150) end)
      {:ok, {:ok, %{["oak"] => %{payload_version: 1}}}}
  """
  @spec create(Pando.path(), Pando.value()) :: Pando.Adv.result()
  def create(path, value), do: :pando_tx_adv.create(path, value)

  @doc """
  Creates a node that must not exist yet, as `Pando.Adv.create/4`.

      iex> Pando.transaction(fn -> Pando.Tx.Adv.create("/oak", 150, props_to_return: []) end)
      {:ok, {:ok, %{["oak"] => %{}}}}
  """
  @spec create(Pando.path(), Pando.value(), Pando.options()) :: Pando.Adv.result()
  def create(path, value, options), do: :pando_tx_adv.create(path, value, Options.to_map(options))

  @doc """
  As `update/3`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.update("/oak", 149) end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 2}}}}
  """
  @spec update(Pando.path(), Pando.value()) :: Pando.Adv.result()
  def update(path, value), do: :pando_tx_adv.update(path, value)

  @doc """
  Replaces the value of a node that must exist, as `Pando.Adv.update/4`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.update("/oak", 149, props_to_return: [:payload]) end)
      {:ok, {:ok, %{["oak"] => %{data: 150}}}}
  """
  @spec update(Pando.path(), Pando.value(), Pando.options()) :: Pando.Adv.result()
  def update(path, value, options), do: :pando_tx_adv.update(path, value, Options.to_map(options))

  @doc """
  As `compare_and_swap/4`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.compare_and_swap("/oak", 150, 149) end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 2}}}}
  """
  @spec compare_and_swap(Pando.path(), data_pattern :: term, Pando.value()) :: Pando.Adv.result()
  def compare_and_swap(path, data_pattern, value),
    do: :pando_tx_adv.compare_and_swap(path, data_pattern, value)

  @doc """
  Replaces the value of a node if it has data that matches `data_pattern`, as `Pando.Adv.compare_and_swap/5`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.compare_and_swap("/oak", :_, 149, props_to_return: [:payload]) end)
      {:ok, {:ok, %{["oak"] => %{data: 150}}}}
  """
  @spec compare_and_swap(Pando.path(), data_pattern :: term, Pando.value(), Pando.options()) ::
          Pando.Adv.result()
  def compare_and_swap(path, data_pattern, value, options),
    do: :pando_tx_adv.compare_and_swap(path, data_pattern, value, Options.to_map(options))

  @doc """
  As `delete/2`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> {Pando.Tx.Adv.delete("/oak"), Pando.Tx.Adv.delete("/oak")} end)
      {:ok, {{:ok, %{["oak"] => %{data: 150, payload_version: 1, delete_reason: :explicit}}}, {:ok, %{}}}}
  """
  @spec delete(Pando.path()) :: Pando.Adv.result()
  def delete(path), do: :pando_tx_adv.delete(path)

  @doc """
  Removes a node and everything below it, as `Pando.Adv.delete/3`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.Adv.delete("/stock/oak", return_indirect_deletes: false, props_to_return: [:delete_reason])
      ...> end)
      {:ok, {:ok, %{["stock", "oak"] => %{delete_reason: :explicit}}}}
  """
  @spec delete(Pando.path(), Pando.options()) :: Pando.Adv.result()
  def delete(path, options), do: :pando_tx_adv.delete(path, Options.to_map(options))

  @doc """
  As `delete_many/2`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.delete_many("/*") end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 1, delete_reason: :explicit}}}}
  """
  @spec delete_many(Pando.pattern()) :: Pando.Adv.result()
  def delete_many(pattern), do: :pando_tx_adv.delete_many(pattern)

  @doc """
  Removes all nodes that a pattern matches, and everything below them, as `Pando.Adv.delete_many/3`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.delete_many("/*", props_to_return: [:delete_reason]) end)
      {:ok, {:ok, %{["oak"] => %{delete_reason: :explicit}}}}
  """
  @spec delete_many(Pando.pattern(), Pando.options()) :: Pando.Adv.result()
  def delete_many(pattern, options), do: :pando_tx_adv.delete_many(pattern, Options.to_map(options))

  @doc """
  As `clear_payload/2`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.clear_payload("/oak") end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 2}}}}
  """
  @spec clear_payload(Pando.path()) :: Pando.Adv.result()
  def clear_payload(path), do: :pando_tx_adv.clear_payload(path)

  @doc """
  Takes the value off a node, as `Pando.Adv.clear_payload/3`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.clear_payload("/oak", props_to_return: [:payload]) end)
      {:ok, {:ok, %{["oak"] => %{data: 150}}}}
  """
  @spec clear_payload(Pando.path(), Pando.options()) :: Pando.Adv.result()
  def clear_payload(path, options), do: :pando_tx_adv.clear_payload(path, Options.to_map(options))

  @doc """
  As `clear_many_payloads/2`, without options.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.clear_many_payloads("/*") end)
      {:ok, {:ok, %{["oak"] => %{data: 150, payload_version: 2}}}}
  """
  @spec clear_many_payloads(Pando.pattern()) :: Pando.Adv.result()
  def clear_many_payloads(pattern), do: :pando_tx_adv.clear_many_payloads(pattern)

  @doc """
  Takes the values off all nodes that a pattern matches, as `Pando.Adv.clear_many_payloads/3`.

      iex> Pando.put("/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.Adv.clear_many_payloads("/*", props_to_return: [:payload]) end)
      {:ok, {:ok, %{["oak"] => %{data: 150}}}}
  """
  @spec clear_many_payloads(Pando.pattern(), Pando.options()) :: Pando.Adv.result()
  def clear_many_payloads(pattern, options),
    do: :pando_tx_adv.clear_many_payloads(pattern, Options.to_map(options))
end
