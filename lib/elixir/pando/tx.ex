defmodule Pando.Tx do
  @moduledoc """
  What the function of a transaction calls: the calls of `Pando` without a store. See `Pando.transaction/5`. `:pando_tx` is
  the same in Erlang, `Pando.Tx.Adv` has the full answers.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> sell = fn wood, pieces ->
      ...>   case Pando.Tx.get(["stock", wood]) do
      ...>     {:ok, left} when left >= pieces ->
      ...>       :ok = Pando.Tx.put(["stock", wood], left - pieces)
      ...>       left - pieces
      ...>
      ...>     _too_few ->
      ...>       Pando.Tx.abort(:sold_out)
      ...>   end
      ...> end
      iex> Pando.transaction(sell, ["oak", 100])
      {:ok, 50}
      iex> Pando.transaction(sell, ["oak", 100])
      {:error, :sold_out}

  They read and write the transaction: its own writes are seen, and nobody else sees them before it is committed.

  ## The function may run more than once

  If others change what it has read before it is committed, what it has written is dropped, and it runs again from the start.
  It may call what it likes, but what it does beside reading and writing here happens each time. What is to happen once
  goes to `after_commit/1`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> runs = :counters.new(1, [])
      iex> Pando.transaction(fn ->
      ...>   :ok = :counters.add(runs, 1, 1)
      ...>   pieces = Pando.Tx.get!("/stock/oak")
      ...>   # Somebody else, while this transaction runs for the first time:
      ...>   if :counters.get(runs, 1) == 1, do: Task.await(Task.async(fn -> Pando.put("/stock/oak", 80) end))
      ...>   Pando.Tx.put!("/stock/oak", pieces - 1)
      ...>   pieces - 1
      ...> end)
      {:ok, 79}
      iex> :counters.get(runs, 1)
      2

  ## Options

  Those of the same call of `Pando`, of reads and of writes alike. Those about nodes mean what they mean there. Those about the
  call as such (`:timeout`, `:favor`, `:condition`, `:at_least`, `:async`, `:return`, `:reply_from`,
  `:protect_against_dups`, `:request_id`) are checked and mean nothing: a result is there at once. As there is no store to
  name, every function takes options last.

  ## Errors

  `{:error, reason}` is an ordinary value: the function decides what follows. The functions with `!` and the predicates raise
  `Pando.Error`, which, unless it is rescued in the function, is raised by `Pando.transaction/5`; then nothing was done.

  Wrong use raises an `ErlangError`, as everywhere, and in all functions but `transaction?/0`:

    * `{:pando_ex, :invalid_use_of_pando_tx_outside_transaction, %{}}` where no transaction runs: a process that the
      function starts, such as a task, has none;
    * `{:pando_ex, :denied_update_in_readonly_tx, %{}}` in those that write, in a transaction of mode `:ro`.

  A write beyond the limits of a transaction is `{:error, {:pando, :limit_exceeded, _}}`, and so will be the transaction.
  """

  alias Pando.{Error, Options}

  # Reads

  @doc """
  As `is_empty/1`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.is_empty() end)
      {:ok, true}
  """
  @spec is_empty() :: boolean | {:error, Pando.reason()}
  def is_empty, do: :pando_tx.is_empty()

  @doc """
  Whether the store has no node below the root, as `Pando.is_empty/2`. In conditions `empty?/1` is safer: an error is truthy.

      iex> Pando.transaction(fn -> Pando.Tx.is_empty(timeout: 1_000) end)
      {:ok, true}
  """
  @spec is_empty(Pando.options()) :: boolean | {:error, Pando.reason()}
  def is_empty(options), do: :pando_tx.is_empty(Options.to_map(options))

  @doc """
  As `empty?/1`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.empty?() end)
      {:ok, true}
  """
  @spec empty?() :: boolean
  def empty?, do: read!(is_empty())

  @doc """
  Whether the store has no node below the root. Raises `Pando.Error` for an error.

      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.put!("/stock/oak", 150)
      ...>   Pando.Tx.empty?([])
      ...> end)
      {:ok, false}
  """
  @spec empty?(Pando.options()) :: boolean
  def empty?(options), do: read!(is_empty(options))

  @doc """
  As `get/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.get("/stock/oak") end)
      {:ok, {:ok, 150}}
  """
  @spec get(Pando.path()) :: Pando.result(term)
  def get(path), do: :pando_tx.get(path)

  @doc """
  Reads the value of a node, as `Pando.get/3`.

      iex> {:ok, {:error, {:pando, :node_not_found, props}}} =
      ...>   Pando.transaction(fn -> Pando.Tx.get("/stock/elm", expect_specific_node: true) end)
      iex> props.node_name
      "stock"
  """
  @spec get(Pando.path(), Pando.options()) :: Pando.result(term)
  def get(path, options), do: :pando_tx.get(path, Options.to_map(options))

  @doc """
  As `get/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.get!("/stock/oak") end)
      {:ok, 150}
      iex> Pando.transaction(fn -> Pando.Tx.get!("/stock/elm") end)
      ** (Pando.Error) there is no node at [<<"stock">>,<<"elm">>]
  """
  @spec get!(Pando.path()) :: term
  def get!(path), do: read!(get(path))

  @doc "As `get/2`, but returns the bare value and raises `Pando.Error`."
  @spec get!(Pando.path(), Pando.options()) :: term
  def get!(path, options), do: read!(get(path, options))

  @doc """
  As `get_or/3`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.get_or("/stock/elm", 0) end)
      {:ok, {:ok, 0}}
  """
  @spec get_or(Pando.path(), default :: term) :: Pando.result(term)
  def get_or(path, default), do: :pando_tx.get_or(path, default)

  @doc """
  Reads the value of a node, or takes a default, as `Pando.get_or/4`.

      iex> Pando.transaction(fn -> Pando.Tx.get_or("/stock/elm", 0, []) end)
      {:ok, {:ok, 0}}
  """
  @spec get_or(Pando.path(), default :: term, Pando.options()) :: Pando.result(term)
  def get_or(path, default, options), do: :pando_tx.get_or(path, default, Options.to_map(options))

  @doc """
  As `get_or/2`, but returns the bare value and raises `Pando.Error`.

      iex> count = fn -> Pando.Tx.put!("/visits", Pando.Tx.get_or!("/visits", 0) + 1) end
      iex> for _ <- 1..3, do: {:ok, :ok} = Pando.transaction(count)
      iex> Pando.get("/visits")
      {:ok, 3}
  """
  @spec get_or!(Pando.path(), default :: term) :: term
  def get_or!(path, default), do: read!(get_or(path, default))

  @doc "As `get_or/3`, but returns the bare value and raises `Pando.Error`."
  @spec get_or!(Pando.path(), default :: term, Pando.options()) :: term
  def get_or!(path, default, options), do: read!(get_or(path, default, options))

  @doc """
  As `get_many/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.get_many("/stock/*") end)
      {:ok, {:ok, %{["stock", "oak"] => 150}}}
  """
  @spec get_many(Pando.pattern()) :: Pando.result(%{Pando.Path.native() => term})
  def get_many(pattern), do: :pando_tx.get_many(pattern)

  @doc """
  Reads the values of all nodes that a pattern matches, as `Pando.get_many/3`. A node that is new among them when the
  transaction is committed, or gone, is a change of what was read.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.get_many("/**", limit: 1) end)
      {:ok, {:ok, %{["stock"] => :undefined}}}
  """
  @spec get_many(Pando.pattern(), Pando.options()) :: Pando.result(%{Pando.Path.native() => term})
  def get_many(pattern, options), do: :pando_tx.get_many(pattern, Options.to_map(options))

  @doc """
  As `get_many/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.transaction(fn ->
      ...>   for wood <- ["elm", "oak"], do: Pando.Tx.put!(["stock", wood], 75)
      ...>   "/stock/*" |> Pando.Tx.get_many!() |> Map.values() |> Enum.sum()
      ...> end)
      {:ok, 150}
  """
  @spec get_many!(Pando.pattern()) :: %{Pando.Path.native() => term}
  def get_many!(pattern), do: read!(get_many(pattern))

  @doc "As `get_many/2`, but returns the bare value and raises `Pando.Error`."
  @spec get_many!(Pando.pattern(), Pando.options()) :: %{Pando.Path.native() => term}
  def get_many!(pattern, options), do: read!(get_many(pattern, options))

  @doc """
  As `get_many_or/3`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.get_many_or("/*", 0) end)
      {:ok, {:ok, %{["stock"] => 0}}}
  """
  @spec get_many_or(Pando.pattern(), default :: term) :: Pando.result(%{Pando.Path.native() => term})
  def get_many_or(pattern, default), do: :pando_tx.get_many_or(pattern, default)

  @doc """
  As `get_many/2`, with `default` for nodes without a value.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.get_many_or("/**", nil, limit: 1) end)
      {:ok, {:ok, %{["stock"] => nil}}}
  """
  @spec get_many_or(Pando.pattern(), default :: term, Pando.options()) ::
          Pando.result(%{Pando.Path.native() => term})
  def get_many_or(pattern, default, options),
    do: :pando_tx.get_many_or(pattern, default, Options.to_map(options))

  @doc """
  As `get_many_or/2`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.get_many_or!("/*", 0) end)
      {:ok, %{}}
  """
  @spec get_many_or!(Pando.pattern(), default :: term) :: %{Pando.Path.native() => term}
  def get_many_or!(pattern, default), do: read!(get_many_or(pattern, default))

  @doc "As `get_many_or/3`, but returns the bare value and raises `Pando.Error`."
  @spec get_many_or!(Pando.pattern(), default :: term, Pando.options()) :: %{Pando.Path.native() => term}
  def get_many_or!(pattern, default, options), do: read!(get_many_or(pattern, default, options))

  @doc """
  As `exists/2`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.exists("/stock/elm") end)
      {:ok, false}
  """
  @spec exists(Pando.path()) :: boolean | {:error, Pando.reason()}
  def exists(path), do: :pando_tx.exists(path)

  @doc """
  Whether there is a node, as `Pando.exists/3`. That it is not there is something read, too. In conditions `exists?/2` is
  safer: an error is truthy.

      iex> Pando.transaction(fn -> Pando.Tx.exists("/stock/elm", []) end)
      {:ok, false}
  """
  @spec exists(Pando.path(), Pando.options()) :: boolean | {:error, Pando.reason()}
  def exists(path, options), do: :pando_tx.exists(path, Options.to_map(options))

  @doc """
  As `exists?/2`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.exists?("/stock/elm") || Pando.Tx.abort(:no_elm) end)
      {:error, :no_elm}
  """
  @spec exists?(Pando.path()) :: boolean
  def exists?(path), do: read!(exists(path))

  @doc """
  Whether there is a node. Raises `Pando.Error` for an error.

      iex> Pando.transaction(fn -> Pando.Tx.exists?("/stock/elm", []) end)
      {:ok, false}
  """
  @spec exists?(Pando.path(), Pando.options()) :: boolean
  def exists?(path, options), do: read!(exists(path, options))

  @doc """
  As `has_data/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> {Pando.Tx.has_data("/stock/oak"), Pando.Tx.has_data("/stock")} end)
      {:ok, {true, false}}
  """
  @spec has_data(Pando.path()) :: boolean | {:error, Pando.reason()}
  def has_data(path), do: :pando_tx.has_data(path)

  @doc """
  Whether a node has data, as `Pando.has_data/3`. In conditions `has_data?/2` is safer: an error is truthy.

      iex> Pando.transaction(fn -> Pando.Tx.has_data("/stock/oak", []) end)
      {:ok, false}
  """
  @spec has_data(Pando.path(), Pando.options()) :: boolean | {:error, Pando.reason()}
  def has_data(path, options), do: :pando_tx.has_data(path, Options.to_map(options))

  @doc """
  As `has_data?/2`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.has_data?("/stock/oak") end)
      {:ok, false}
  """
  @spec has_data?(Pando.path()) :: boolean
  def has_data?(path), do: read!(has_data(path))

  @doc """
  Whether a node has data. Raises `Pando.Error` for an error.

      iex> Pando.transaction(fn -> Pando.Tx.has_data?("/stock/oak", []) end)
      {:ok, false}
  """
  @spec has_data?(Pando.path(), Pando.options()) :: boolean
  def has_data?(path, options), do: read!(has_data(path, options))

  @doc """
  As `is_sproc/2`, without options.

      iex> Pando.put("/sum", &Enum.sum/1)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.is_sproc("/sum") end)
      {:ok, true}
  """
  @spec is_sproc(Pando.path()) :: boolean | {:error, Pando.reason()}
  def is_sproc(path), do: :pando_tx.is_sproc(path)

  @doc """
  Whether the value of a node is a stored procedure, as `Pando.is_sproc/3`. In conditions `sproc?/2` is safer: an error is
  truthy.

      iex> Pando.transaction(fn -> Pando.Tx.is_sproc("/sum", []) end)
      {:ok, false}
  """
  @spec is_sproc(Pando.path(), Pando.options()) :: boolean | {:error, Pando.reason()}
  def is_sproc(path, options), do: :pando_tx.is_sproc(path, Options.to_map(options))

  @doc """
  As `sproc?/2`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.sproc?("/sum") end)
      {:ok, false}
  """
  @spec sproc?(Pando.path()) :: boolean
  def sproc?(path), do: read!(is_sproc(path))

  @doc """
  Whether the value of a node is a stored procedure. Raises `Pando.Error` for an error.

      iex> Pando.transaction(fn -> Pando.Tx.sproc?("/sum", []) end)
      {:ok, false}
  """
  @spec sproc?(Pando.path(), Pando.options()) :: boolean
  def sproc?(path, options), do: read!(is_sproc(path, options))

  @doc """
  As `count/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.count("/stock/*") end)
      {:ok, {:ok, 1}}
  """
  @spec count(Pando.pattern()) :: Pando.result(non_neg_integer)
  def count(pattern), do: :pando_tx.count(pattern)

  @doc """
  Counts the nodes that a pattern matches, as `Pando.count/3`.

      iex> Pando.transaction(fn -> Pando.Tx.count("/**", include_root_props: true) end)
      {:ok, {:ok, 1}}
  """
  @spec count(Pando.pattern(), Pando.options()) :: Pando.result(non_neg_integer)
  def count(pattern, options), do: :pando_tx.count(pattern, Options.to_map(options))

  @doc """
  As `count/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.transaction(fn ->
      ...>   if Pando.Tx.count!("/guests/*") >= 100, do: Pando.Tx.abort(:full)
      ...>   Pando.Tx.create!("/guests/ann", [])
      ...> end)
      {:ok, :ok}
  """
  @spec count!(Pando.pattern()) :: non_neg_integer
  def count!(pattern), do: read!(count(pattern))

  @doc "As `count/2`, but returns the bare value and raises `Pando.Error`."
  @spec count!(Pando.pattern(), Pando.options()) :: non_neg_integer
  def count!(pattern, options), do: read!(count(pattern, options))

  @doc """
  As `fold/4`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.fold("/stock/*", fn _path, %{data: n}, sum -> sum + n end, 0) end)
      {:ok, {:ok, 150}}
  """
  @spec fold(Pando.pattern(), Pando.fold_fun(acc), acc) :: Pando.result(acc) when acc: term
  def fold(pattern, fun, acc), do: :pando_tx.fold(pattern, fun, acc)

  @doc """
  Calls `fun.(path, props, acc)` for every node that a pattern matches, as `Pando.fold/5`. It may write: the fold goes on
  through the nodes as they were when it began.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> move = fn ["stock", wood], %{data: pieces}, moved ->
      ...>   :ok = Pando.Tx.put(["sold", wood], pieces)
      ...>   :ok = Pando.Tx.delete(["stock", wood])
      ...>   moved + 1
      ...> end
      iex> Pando.transaction(fn -> Pando.Tx.fold("/stock/*", move, 0, props_to_return: [:payload]) end)
      {:ok, {:ok, 1}}
      iex> Pando.get_many("/*/*")
      {:ok, %{["sold", "oak"] => 150}}
  """
  @spec fold(Pando.pattern(), Pando.fold_fun(acc), acc, Pando.options()) :: Pando.result(acc) when acc: term
  def fold(pattern, fun, acc, options), do: :pando_tx.fold(pattern, fun, acc, Options.to_map(options))

  @doc """
  As `foreach/3`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.foreach("/stock/*", fn path, %{data: pieces} -> Pando.Tx.put!(path, 2 * pieces) end)
      ...> end)
      {:ok, :ok}
      iex> Pando.get("/stock/oak")
      {:ok, 300}
  """
  @spec foreach(Pando.pattern(), (Pando.Path.native(), Pando.props() -> term)) :: Pando.done()
  def foreach(pattern, fun), do: :pando_tx.foreach(pattern, fun)

  @doc """
  Calls `fun.(path, props)` for every node that a pattern matches, as `Pando.foreach/4`. It may write, as that of `fold/4`.

      iex> Pando.transaction(fn -> Pando.Tx.foreach("/stock/*", fn _path, _props -> raise "there is none" end, []) end)
      {:ok, :ok}
  """
  @spec foreach(Pando.pattern(), (Pando.Path.native(), Pando.props() -> term), Pando.options()) ::
          Pando.done()
  def foreach(pattern, fun, options), do: :pando_tx.foreach(pattern, fun, Options.to_map(options))

  @doc """
  As `map/3`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.map("/stock/*", fn _path, props -> props.data * 2 end) end)
      {:ok, {:ok, %{["stock", "oak"] => 300}}}
  """
  @spec map(Pando.pattern(), (Pando.Path.native(), Pando.props() -> value)) ::
          Pando.result(%{Pando.Path.native() => value})
        when value: term
  def map(pattern, fun), do: :pando_tx.map(pattern, fun)

  @doc """
  Calls `fun.(path, props)` for every node that a pattern matches, as `Pando.map/4`, and returns
  `{:ok, %{path => what it has returned}}`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.map("/*", fn _path, props -> props.child_names end, props_to_return: [:child_names])
      ...> end)
      {:ok, {:ok, %{["stock"] => ["oak"]}}}
  """
  @spec map(Pando.pattern(), (Pando.Path.native(), Pando.props() -> value), Pando.options()) ::
          Pando.result(%{Pando.Path.native() => value})
        when value: term
  def map(pattern, fun, options), do: :pando_tx.map(pattern, fun, Options.to_map(options))

  @doc """
  As `filter/3`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.filter("/stock/*", fn _path, props -> props.data > 500 end) end)
      {:ok, {:ok, %{}}}
  """
  @spec filter(Pando.pattern(), (Pando.Path.native(), Pando.props() -> boolean)) ::
          Pando.result(%{Pando.Path.native() => term})
  def filter(pattern, predicate), do: :pando_tx.filter(pattern, predicate)

  @doc """
  Reads the values of the nodes that a pattern matches and for which `predicate.(path, props)` is `true`, as
  `Pando.filter/4`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> leaf? = fn _path, props -> props.child_list_length == 0 end
      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.filter("/**", leaf?, props_to_return: [:payload, :child_list_length])
      ...> end)
      {:ok, {:ok, %{["stock", "oak"] => 150}}}
  """
  @spec filter(Pando.pattern(), (Pando.Path.native(), Pando.props() -> boolean), Pando.options()) ::
          Pando.result(%{Pando.Path.native() => term})
  def filter(pattern, predicate, options), do: :pando_tx.filter(pattern, predicate, Options.to_map(options))

  # Writes

  @doc """
  As `put/3`, without options.

      iex> Pando.transaction(fn -> for wood <- ["ash", "elm"], do: Pando.Tx.put(["stock", wood], 0) end)
      {:ok, [:ok, :ok]}
  """
  @spec put(Pando.path(), Pando.value()) :: Pando.done()
  def put(path, value), do: :pando_tx.put(path, value)

  @doc """
  Creates a node, or replaces its value, as `Pando.put/4`. What is kept while something holds that this write has changed
  (`:keep_while`) goes at once.

      iex> here = Pando.Condition.if_node_exists()
      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.put!("/sessions/7", "ann")
      ...>   Pando.Tx.put!("/locks/oak", "ann", keep_while: %{"/sessions/7" => here})
      ...>   Pando.Tx.delete!("/sessions/7")
      ...>   Pando.Tx.exists?("/locks/oak")
      ...> end)
      {:ok, false}
  """
  @spec put(Pando.path(), Pando.value(), Pando.options()) :: Pando.done()
  def put(path, value, options), do: :pando_tx.put(path, value, Options.to_map(options))

  @doc """
  As `put/2`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.put!("/stock/oak", 150) end)
      {:ok, :ok}
  """
  @spec put!(Pando.path(), Pando.value()) :: :ok
  def put!(path, value), do: write!(put(path, value))

  @doc "As `put/3`, but raises `Pando.Error`."
  @spec put!(Pando.path(), Pando.value(), Pando.options()) :: :ok
  def put!(path, value, options), do: write!(put(path, value, options))

  @doc """
  As `put_many/3`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.put_many("/stock/*", 0) end)
      {:ok, :ok}
      iex> Pando.get("/stock/oak")
      {:ok, 0}
  """
  @spec put_many(Pando.pattern(), Pando.value()) :: Pando.done()
  def put_many(pattern, value), do: :pando_tx.put_many(pattern, value)

  @doc """
  Replaces the values of all nodes that a pattern matches, as `Pando.put_many/4`.

      iex> Pando.transaction(fn -> Pando.Tx.put_many("/*", 0, include_root_props: true) end)
      {:ok, :ok}
      iex> Pando.get("/")
      {:ok, 0}
  """
  @spec put_many(Pando.pattern(), Pando.value(), Pando.options()) :: Pando.done()
  def put_many(pattern, value, options), do: :pando_tx.put_many(pattern, value, Options.to_map(options))

  @doc """
  As `put_many/2`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.put_many!("/stock/*", 0) end)
      {:ok, :ok}
  """
  @spec put_many!(Pando.pattern(), Pando.value()) :: :ok
  def put_many!(pattern, value), do: write!(put_many(pattern, value))

  @doc "As `put_many/3`, but raises `Pando.Error`."
  @spec put_many!(Pando.pattern(), Pando.value(), Pando.options()) :: :ok
  def put_many!(pattern, value, options), do: write!(put_many(pattern, value, options))

  @doc """
  As `create/3`, without options.

      iex> Pando.transaction(fn -> Pando.Tx.create("/stock/oak", 150) end)
      {:ok, :ok}
  """
  @spec create(Pando.path(), Pando.value()) :: Pando.done()
  def create(path, value), do: :pando_tx.create(path, value)

  @doc """
  Creates a node that must not exist yet, as `Pando.create/4`.

      iex> Pando.transaction(fn ->
      ...>   :ok = Pando.Tx.create("/stock/oak", 150, [])
      ...>   {:error, {:pando, :mismatching_node, props}} = Pando.Tx.create("/stock/oak", 80, [])
      ...>   props.node_props.data
      ...> end)
      {:ok, 150}
  """
  @spec create(Pando.path(), Pando.value(), Pando.options()) :: Pando.done()
  def create(path, value, options), do: :pando_tx.create(path, value, Options.to_map(options))

  @doc """
  As `create/2`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> for _ <- 1..2, do: Pando.Tx.create!("/stock", 1) end)
      ** (Pando.Error) the node at [<<"stock">>] does not meet {if_node_exists,false}: nothing was done
  """
  @spec create!(Pando.path(), Pando.value()) :: :ok
  def create!(path, value), do: write!(create(path, value))

  @doc "As `create/3`, but raises `Pando.Error`."
  @spec create!(Pando.path(), Pando.value(), Pando.options()) :: :ok
  def create!(path, value, options), do: write!(create(path, value, options))

  @doc """
  As `update/3`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.update("/stock/oak", 149) end)
      {:ok, :ok}
  """
  @spec update(Pando.path(), Pando.value()) :: Pando.done()
  def update(path, value), do: :pando_tx.update(path, value)

  @doc """
  Replaces the value of a node that must exist, as `Pando.update/4`.

      iex> {:ok, {:error, {:pando, name, _props}}} =
      ...>   Pando.transaction(fn -> Pando.Tx.update("/stock/oak", 149, keep_while: %{}) end)
      iex> name
      :node_not_found
  """
  @spec update(Pando.path(), Pando.value(), Pando.options()) :: Pando.done()
  def update(path, value, options), do: :pando_tx.update(path, value, Options.to_map(options))

  @doc """
  As `update/2`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.update!("/stock", 149) end)
      ** (Pando.Error) there is no node at [<<"stock">>]
  """
  @spec update!(Pando.path(), Pando.value()) :: :ok
  def update!(path, value), do: write!(update(path, value))

  @doc "As `update/3`, but raises `Pando.Error`."
  @spec update!(Pando.path(), Pando.value(), Pando.options()) :: :ok
  def update!(path, value, options), do: write!(update(path, value, options))

  @doc """
  As `compare_and_swap/4`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.compare_and_swap("/stock/oak", 150, 149) end)
      {:ok, :ok}
  """
  @spec compare_and_swap(Pando.path(), data_pattern :: term, Pando.value()) :: Pando.done()
  def compare_and_swap(path, data_pattern, value), do: :pando_tx.compare_and_swap(path, data_pattern, value)

  @doc """
  Replaces the value of a node if it has data that matches `data_pattern`, as `Pando.compare_and_swap/5`.

      iex> Pando.put("/stock/oak", %{pieces: 150, place: "A"})
      :ok
      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.compare_and_swap("/stock/oak", %{place: "A"}, %{pieces: 150, place: "B"}, keep_while: %{})
      ...> end)
      {:ok, :ok}
  """
  @spec compare_and_swap(Pando.path(), data_pattern :: term, Pando.value(), Pando.options()) ::
          Pando.done()
  def compare_and_swap(path, data_pattern, value, options),
    do: :pando_tx.compare_and_swap(path, data_pattern, value, Options.to_map(options))

  @doc """
  As `compare_and_swap/3`, but raises `Pando.Error`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.compare_and_swap!("/stock/oak", 150, 149) end)
      {:ok, :ok}
  """
  @spec compare_and_swap!(Pando.path(), data_pattern :: term, Pando.value()) :: :ok
  def compare_and_swap!(path, data_pattern, value), do: write!(compare_and_swap(path, data_pattern, value))

  @doc "As `compare_and_swap/4`, but raises `Pando.Error`."
  @spec compare_and_swap!(Pando.path(), data_pattern :: term, Pando.value(), Pando.options()) :: :ok
  def compare_and_swap!(path, data_pattern, value, options),
    do: write!(compare_and_swap(path, data_pattern, value, options))

  @doc """
  As `delete/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> {Pando.Tx.delete("/stock/oak"), Pando.Tx.exists("/stock/oak")} end)
      {:ok, {:ok, false}}
  """
  @spec delete(Pando.path()) :: Pando.done()
  def delete(path), do: :pando_tx.delete(path)

  @doc """
  Removes a node and everything below it, as `Pando.delete/3`.

      iex> Pando.transaction(fn -> Pando.Tx.delete("/stock/oak", []) end)
      {:ok, :ok}
  """
  @spec delete(Pando.path(), Pando.options()) :: Pando.done()
  def delete(path, options), do: :pando_tx.delete(path, Options.to_map(options))

  @doc """
  As `delete/1`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.delete!("/stock/oak") end)
      {:ok, :ok}
  """
  @spec delete!(Pando.path()) :: :ok
  def delete!(path), do: write!(delete(path))

  @doc "As `delete/2`, but raises `Pando.Error`."
  @spec delete!(Pando.path(), Pando.options()) :: :ok
  def delete!(path, options), do: write!(delete(path, options))

  @doc """
  As `delete_many/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> Pando.Tx.delete_many("/stock/*") end)
      {:ok, :ok}
      iex> Pando.empty?()
      true
  """
  @spec delete_many(Pando.pattern()) :: Pando.done()
  def delete_many(pattern), do: :pando_tx.delete_many(pattern)

  @doc """
  Removes all nodes that a pattern matches, and everything below them, as `Pando.delete_many/3`.

      iex> Pando.transaction(fn ->
      ...>   for n <- 1..4, do: Pando.Tx.put!("/jobs/\#{n}", %{done: rem(n, 2) == 0})
      ...>   Pando.Tx.delete_many!(["jobs", Pando.Condition.if_data_matches(%{done: true})], [])
      ...>   Pando.Tx.count!("/jobs/*")
      ...> end)
      {:ok, 2}
  """
  @spec delete_many(Pando.pattern(), Pando.options()) :: Pando.done()
  def delete_many(pattern, options), do: :pando_tx.delete_many(pattern, Options.to_map(options))

  @doc """
  As `delete_many/1`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.delete_many!("/stock/*") end)
      {:ok, :ok}
  """
  @spec delete_many!(Pando.pattern()) :: :ok
  def delete_many!(pattern), do: write!(delete_many(pattern))

  @doc "As `delete_many/2`, but raises `Pando.Error`."
  @spec delete_many!(Pando.pattern(), Pando.options()) :: :ok
  def delete_many!(pattern, options), do: write!(delete_many(pattern, options))

  @doc """
  As `clear_payload/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> {Pando.Tx.clear_payload("/stock/oak"), Pando.Tx.get("/stock/oak")} end)
      {:ok, {:ok, {:ok, :undefined}}}
  """
  @spec clear_payload(Pando.path()) :: Pando.done()
  def clear_payload(path), do: :pando_tx.clear_payload(path)

  @doc """
  Takes the value off a node, as `Pando.clear_payload/3`.

      iex> Pando.transaction(fn -> Pando.Tx.clear_payload("/stock/oak", keep_while: %{}) end)
      {:ok, :ok}
  """
  @spec clear_payload(Pando.path(), Pando.options()) :: Pando.done()
  def clear_payload(path, options), do: :pando_tx.clear_payload(path, Options.to_map(options))

  @doc """
  As `clear_payload/1`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.clear_payload!("/stock/oak") end)
      {:ok, :ok}
  """
  @spec clear_payload!(Pando.path()) :: :ok
  def clear_payload!(path), do: write!(clear_payload(path))

  @doc "As `clear_payload/2`, but raises `Pando.Error`."
  @spec clear_payload!(Pando.path(), Pando.options()) :: :ok
  def clear_payload!(path, options), do: write!(clear_payload(path, options))

  @doc """
  As `clear_many_payloads/2`, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction(fn -> {Pando.Tx.clear_many_payloads("/stock/*"), Pando.Tx.get("/stock/oak")} end)
      {:ok, {:ok, {:ok, :undefined}}}
  """
  @spec clear_many_payloads(Pando.pattern()) :: Pando.done()
  def clear_many_payloads(pattern), do: :pando_tx.clear_many_payloads(pattern)

  @doc """
  Takes the values off all nodes that a pattern matches, as `Pando.clear_many_payloads/3`.

      iex> Pando.transaction(fn -> Pando.Tx.clear_many_payloads("/stock/*", []) end)
      {:ok, :ok}
  """
  @spec clear_many_payloads(Pando.pattern(), Pando.options()) :: Pando.done()
  def clear_many_payloads(pattern, options),
    do: :pando_tx.clear_many_payloads(pattern, Options.to_map(options))

  @doc """
  As `clear_many_payloads/1`, but raises `Pando.Error`.

      iex> Pando.transaction(fn -> Pando.Tx.clear_many_payloads!("/stock/*") end)
      {:ok, :ok}
  """
  @spec clear_many_payloads!(Pando.pattern()) :: :ok
  def clear_many_payloads!(pattern), do: write!(clear_many_payloads(pattern))

  @doc "As `clear_many_payloads/2`, but raises `Pando.Error`."
  @spec clear_many_payloads!(Pando.pattern(), Pando.options()) :: :ok
  def clear_many_payloads!(pattern, options), do: write!(clear_many_payloads(pattern, options))

  # The transaction itself

  @doc """
  Ends the function: `Pando.transaction/5` returns `{:error, reason}`, and nothing of the transaction has happened.

      iex> Pando.transaction(fn ->
      ...>   Pando.Tx.put!("/stock/oak", 1)
      ...>   Pando.Tx.abort(:changed_my_mind)
      ...> end)
      {:error, :changed_my_mind}
      iex> Pando.exists?("/stock/oak")
      false

  It throws. A `catch` around it that takes everything lets the function go on, and what it has written will be committed;
  `rescue` does not take it.
  """
  @spec abort(term) :: no_return
  def abort(reason), do: :pando_tx.abort(reason)

  @doc """
  Has a function run once, when the transaction has been committed, and before `Pando.transaction/5` returns: for what must
  not be done again when the function of the transaction runs again, such as sending a message.

      iex> Pando.transaction(fn ->
      ...>   parent = self()
      ...>   :ok = Pando.Tx.after_commit(fn -> send(parent, {:stock, Pando.get!("/stock/oak")}) end)
      ...>   Pando.Tx.put!("/stock/oak", 150)
      ...> end)
      {:ok, :ok}
      iex> receive do: (message -> message)
      {:stock, 150}

  Functions run in the order in which they were given, in the process that called the transaction, and outside of it: they
  may call `Pando`. If the transaction is not committed, or was a repeated one (`:request_id`), they do not run. What they
  return is dropped, and what they raise is logged: the transaction has happened by then. If the caller dies meanwhile,
  they are lost.

  Raises `FunctionClauseError` for what is no function without arguments.
  """
  @spec after_commit((() -> term)) :: :ok
  def after_commit(function), do: :pando_tx.after_commit(function)

  @doc """
  Whether the caller is the function of a transaction.

      iex> Pando.Tx.transaction?()
      false
      iex> Pando.transaction(fn -> Pando.Tx.transaction?() end)
      {:ok, true}
      iex> Pando.transaction(fn -> Task.await(Task.async(&Pando.Tx.transaction?/0)) end)
      {:ok, false}
  """
  @spec transaction?() :: boolean
  def transaction?, do: :pando_tx.is_transaction()

  @doc "As `transaction?/0`: the name in Erlang."
  @spec is_transaction() :: boolean
  def is_transaction, do: transaction?()

  @doc """
  Whether all members of the store behave in this way, by its name; `false` for a name that is not known. As there is one
  version of Pando, it is so of all that are.

      iex> Pando.transaction(fn -> Pando.Tx.does_api_comply_with(:uniform_write_ret) end)
      {:ok, true}
  """
  @spec does_api_comply_with(atom) :: boolean
  def does_api_comply_with(behaviour), do: :pando_tx.does_api_comply_with(behaviour)

  defp read!({:ok, value}), do: value
  defp read!(boolean) when is_boolean(boolean), do: boolean
  defp read!({:error, reason}), do: raise(Error, reason: reason, call: :read)

  defp write!(:ok), do: :ok
  defp write!({:error, reason}), do: raise(Error, reason: reason, call: :write)
end
