defmodule Pando do
  @moduledoc """
  A tree of terms on disk, inside your application.

  A store is a tree. Each node has a name, an atom or a binary, and may have a value, any term. A path names a node:
  `"/stock/wood/oak"`, or as a list, `["stock", "wood", "oak"]`; `":stock"` in a string is the atom `:stock`. With
  `import Pando.Path`, `~p"/stock/wood/\#{kind}"` takes any value for `kind` as one name. `*` is any child, `**` any
  descendant, and the functions of `Pando.Condition` are conditions on nodes, in the place of a name or with one.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get("/stock/wood/oak")
      {:ok, 150}
      iex> Pando.get_many("/stock/*/*")
      {:ok, %{["stock", "wood", "oak"] => 150}}

  A write that returns `:ok` is on disk (`fdatasync`), and every later read sees it. Reads run in the calling process,
  on the newest state, and wait for nobody.

  ## Stores

  A store belongs under the supervisor of the application, before whatever uses it:

      children = [
        {Pando, name: :my_store, data_dir: "/var/lib/my_app"},
        MyApp.Worker
      ]

  Calls then name it, `Pando.get(:my_store, path)`. Without a name they mean the default store, which is called `:pando`
  unless the environment of the application `:pando` has another `default_store_id`. In iex `Pando.start()` is enough.

  ## Arguments

  Each function can be called without a store and, where it reads or removes, with options in the place of the store:

      Pando.get("/stock/wood/oak")
      Pando.get("/stock/wood/oak", timeout: 1_000)
      Pando.get(:my_store, "/stock/wood/oak")
      Pando.get(:my_store, "/stock/wood/oak", timeout: 1_000)

  The place decides what an argument is, never its look: an atom in the first place is a store, anything else there is a
  path, and what follows a path (and a value) is options. So `Pando.get(:my_store, [])` reads the root, and
  `Pando.get([], [])` the root of the default store, without options.

  Options are a keyword list or a map:

    * `:timeout` - for the whole call, in milliseconds, or `:infinity`. By default what the environment of the
      application `:pando` has as `default_timeout`, else `:infinity`;
    * `:props_to_return` - which properties of a node `fold/5` and the functions of `Pando.Adv` show, a list of
      `:payload`, `:payload_version`, `:delete_reason` (these three by default), `:child_list_version`,
      `:child_list_length`, `:child_names`, `:has_payload`, `:raw_payload`;
    * `:include_root_props` - `true`: a pattern that begins with `*` or `**` matches the root, too;
    * `:expect_specific_node` - `true`: a function of many nodes takes the path of one, and misses it if it is not there.

  Of reads:

    * `:limit` - at most so many nodes, the first ones in term order of their paths;
    * `:from` - a path: only nodes after it in this order, for which it need not exist. With `:limit`, many nodes come page by
      page (see `get_many/3`); `stream/3` does without pages;
    * `:favor` - `:consistency` to read what is the newest anywhere (`fence/2`), `:low_latency`, the default, what is the
      newest on this node;
    * `:at_least` - a token that a write has returned, on whatever node: waits until this node has what it stands for (see the
      section below);
    * `:condition` - `{:applied, {index, term}}`: waits until this node has come to that place of the log.

  Of writes:

    * `:keep_while` - how long a node that is put stays: a map of paths, relative to the node or absolute, and conditions on
      them (see the section below). Without this option the conditions that the node has stay, `%{}` takes them off;
    * `:return_indirect_deletes` - `false`: `Pando.Adv` shows only nodes that were meant, not those that went by themselves;
    * `:async` - the write returns `:ok` at once. `true`: its result is of no interest; an integer or a reference: the caller
      gets a message with the result (see the section below); `:low`, `:normal` or `{correlation, :low}`: with a priority;
    * `:return` - `:token` adds a token to an answer: `{:ok, token}` instead of `:ok`, `{:ok, result, token}` instead of
      `{:ok, result}`. Not with `:async`: that raises;
    * `:reply_from` - which member of a cluster answers when it has done the write: `:local`, `:leader` or
      `{:member, {store, node}}`;
    * `:request_id` - a binary of 1 to 256 bytes that the caller makes up: what is sent again with the same one, after a
      time-out for example, is done once (see the section below);
    * `:protect_against_dups` - a boolean. Within one member nothing is sent twice anyway; for a caller that does not know
      what has become of a write there is `:request_id`.

  ## Nodes that go by themselves

  A parent that was created on the way to another node goes with its last child, unless it has got a value. With
  `:keep_while`, a node goes when a condition on another one does not hold any more:

      iex> Pando.put("/sessions/7", "ann")
      :ok
      iex> here = Pando.Condition.if_node_exists()
      iex> Pando.put(:pando, "/locks/oak", "ann", keep_while: %{"/sessions/7" => here})
      :ok
      iex> Pando.delete("/sessions/7")
      :ok
      iex> Pando.exists?("/locks/oak")
      false

  ## Writes that do not wait

  With `:async` a caller has many writes under way at once. Each result comes with the integer or reference that was given:

      iex> for n <- 1..3, do: :ok = Pando.put(:pando, "/queue/\#{n}", n, async: n)
      iex> results = fn results, found ->
      ...>   if map_size(found) == 3 do
      ...>     found
      ...>   else
      ...>     event = receive(do: ({:ra_event, _, _} = event -> event))
      ...>     results.(results, Enum.into(Pando.handle_async_ret(event), found))
      ...>   end
      ...> end
      iex> results.(results, %{}) |> Map.keys()
      [1, 2, 3]

  Writes of one process are done in their order. Once `fence/2` returns, this process sees them.

  ## Reading on one node what was written on another

  A read shows what is the newest on its node, which may not have come as far as the node of a write. A token says how far
  that is. It is a term to be sent along, in a message, a session or a cookie, and to be shown where is read:

      iex> {:ok, token} = Pando.put(:pando, "/visits/ann", 1, return: :token)
      iex> Pando.get(:pando, "/visits/ann", at_least: token, timeout: 5_000)
      {:ok, 1}

  Without one, `favor: :consistency` asks the leader how far it is. That costs a round trip and needs a majority; a token
  needs neither.

  ## Writes that are sent again

  After `{:error, :timeout}` nobody knows whether a write was applied. With a `:request_id` it can be sent again: it is applied
  once, and answered as the first time.

      iex> id = "order-7-shipped"
      iex> Pando.put("/orders/7", :packed)
      :ok
      iex> Pando.compare_and_swap(:pando, "/orders/7", :packed, :shipped, request_id: id)
      :ok
      iex> Pando.compare_and_swap(:pando, "/orders/7", :packed, :shipped, request_id: id)
      :ok

  Two requests with one id are one, whatever they say, so take one that nobody else does. The store keeps the last 65,536
  ids, and at most 64 MiB of them and their answers, the oldest go first; a request whose id has gone is a new one. An
  answer of more than 64 KiB is not kept: `{:error, {:pando, :answer_not_kept, %{outcome: :applied}}}`. What was refused,
  and so did nothing, is not kept either.

  ## Transactions

  A function can read and write as if nothing else happened meanwhile, with the calls of `Pando.Tx`: all that it has done
  happens, or nothing. See `transaction/5`.

      iex> Pando.put("/accounts/ann", 100)
      :ok
      iex> Pando.transaction(fn ->
      ...>   left = Pando.Tx.get!("/accounts/ann") - 30
      ...>   if left < 0, do: Pando.Tx.abort(:too_little)
      ...>   Pando.Tx.put!("/accounts/ann", left)
      ...>   Pando.Tx.put!("/accounts/bob", Pando.Tx.get_or!("/accounts/bob", 0) + 30)
      ...>   left
      ...> end)
      {:ok, 70}
      iex> Pando.get_many("/accounts/*")
      {:ok, %{["accounts", "ann"] => 70, ["accounts", "bob"] => 30}}

  ## Errors

  `{:error, reason}` is an answer of the store. The functions with `!` return the bare value and raise `Pando.Error`, whose
  documentation lists the kinds of errors and what may be concluded from each. The predicates (`exists?/3`, `has_data?/3`,
  `empty?/2`) return a boolean and raise, too. Wrong arguments raise in all functions: an `ErlangError` of
  `{:pando_ex, name, props}` for a path or pattern, an `ArgumentError` or `FunctionClauseError` for types and options.

  ## And in Erlang

  All functions of the Erlang module `:pando` are here, with the same names and answers. `nil` is an ordinary value: a node
  without a value reads as `:undefined`.
  """

  alias Pando.{Error, Options, Scan, Transaction, Tree}

  @typedoc "The name of a store; on its node the registered name of a process, too."
  @type store :: atom

  @typedoc "The path of one node, in any form that `Pando.Path` describes."
  @type path :: Pando.Path.t()

  @typedoc "A path, maybe with `*`, `**` or conditions in it."
  @type pattern :: Pando.Path.t()

  @typedoc "A value, and what `:pando_payload.wrap/1` makes of it: a function is a stored procedure."
  @type value :: term

  @typedoc "See the section on arguments above."
  @type options :: keyword | map

  @typedoc "Properties of a node by name: those of the option `:props_to_return` that it has."
  @type props :: %{optional(atom) => term}

  @typedoc "See `Pando.Error`."
  @type reason :: :pando_errors.reason()

  @typedoc "What a read returns."
  @type result(value) :: {:ok, value} | {:error, reason}

  @typedoc "How far a store had come when a write was done, for the option `:at_least`."
  @type token :: :pando.token()

  @typedoc "What a write returns; a token with `return: :token`."
  @type written :: :ok | {:ok, token} | {:error, reason}

  @typedoc "What `foreach/4` and `fence/2` return."
  @type done :: :ok | {:error, reason}

  @typedoc "What the option `:async` gives to a write, to know its result by."
  @type correlation :: integer | reference

  @typedoc "What `fold/5` calls for each node."
  @type fold_fun(acc) :: (Pando.Path.native(), props, acc -> acc)

  @typedoc "What `transaction/5` runs: a function, the path of a stored procedure, or conditions and commands."
  @type transaction_body :: function | path | transaction_data

  @typedoc "Conditions and commands, as a map or a keyword list."
  @type transaction_data ::
          %{optional(:conditions) => conditions, optional(:commands) => [command]}
          | [{:conditions, conditions} | {:commands, [command]}]

  @typedoc "Paths or patterns, and what each node there must meet. Of a map the order is that of its keys as terms."
  @type conditions ::
          [{pattern, Pando.Condition.operand()}] | %{optional(pattern) => Pando.Condition.operand()}

  @typedoc "A call of the function of this name as a tuple; options about nodes may be its last element."
  @type command ::
          {:put | :create | :update, path, value}
          | {:put | :create | :update, path, value, options}
          | {:put_many, pattern, value}
          | {:put_many, pattern, value, options}
          | {:compare_and_swap, path, data_pattern :: term, value}
          | {:compare_and_swap, path, data_pattern :: term, value, options}
          | {:delete | :clear_payload, path}
          | {:delete | :clear_payload, path, options}
          | {:delete_many | :clear_many_payloads, pattern}
          | {:delete_many | :clear_many_payloads, pattern, options}

  @typedoc "See `transaction/5`."
  @type mode :: :auto | :ro | :rw

  @typedoc """
  What a transaction returns: `:ok` with the option `:async`, a token too with `return: :token`. A reason may be what
  `Pando.Tx.abort/1` was given, any term.
  """
  @type transaction_result :: {:ok, term} | {:ok, term, token} | :ok | {:error, reason | term}

  @typedoc "An option of `child_spec/1`."
  @type start_option ::
          {:name, store}
          | {:data_dir, Path.t()}
          | {:cluster, [node, ...] | (() -> [node])}
          | {:expect, pos_integer}
          | {:priority, integer}
          | {:backend, :nif | :port}

  # Stores

  @doc """
  The child specification of a store, so that a supervisor can have `{Pando, name: :my_store, data_dir: "/var/lib/my_app"}`
  as a child.

    * `:name` - the store's name, an atom. With `:pando`, the default store, calls need not name it;
    * `:data_dir` - where the files are: each store has its own directory in it. A relative one begins at the directory
      that is current at the start;
    * `:cluster` - the nodes whose stores of this name form one cluster, this one among them, or a function that returns them. All
      of them are started in the same way, in any order. A store without data joins the cluster, if it is there already;
      else the first node of the list in term order founds it. Without this option a store is a cluster of one until
      `Pando.Cluster.join/3`, or until other members are connected that know this node as a member which has lost its disk;
    * `:expect` - how many nodes have to be there, without data and with the same list, for the cluster to be founded: by default
      all in the list. Give it with a function that may return some of the nodes only. With fewer than all, a founder that has lost
      its disk and reaches no member would found a second cluster;
    * `:priority` - an integer, 0 by default: of the members that could lead one of the highest priority does;
    * `:backend` - where the native side of the store runs: `:nif`, a library in this virtual machine, or `:port`, a program of its
      own, whose end is no end of the virtual machine. By default what the environment of the application `:pando` has as
      `:backend`, else `:nif`. The files are the same: a store that was stopped may be started under the other one.

      {Pando, name: :my_store, data_dir: "/var/lib/my_app", cluster: [:"app@host1", :"app@host2", :"app@host3"]}
      {Pando, name: :my_store, data_dir: "/var/lib/my_app", cluster: fn -> [node() | Node.list()] end, expect: 3}

  The supervisor goes on when the store is open; with `:cluster`, one without data opens later, when it is a member: until then
  calls return `{:error, :noproc}`, and `Pando.Cluster.wait_for_leader/2` waits. If it cannot be opened, the supervisor fails with the reason, such as
  `{:pando, :open_failed, %{kind: :locked, reason: "...", directory: "..."}}`.

  The store is `:transient`: the supervisor opens it again after a fault and gives up as its `:max_restarts` say;
  `stop/1` ends it for good.

      iex> Pando.child_spec(name: :my_store, data_dir: "/var/lib/my_app")
      %{
        id: {Pando, :my_store},
        start: {Pando, :start_link, [[name: :my_store, data_dir: "/var/lib/my_app"]]},
        type: :worker,
        restart: :transient,
        shutdown: 20_000
      }

  Raises `ArgumentError` for options that are missing, wrong or unknown.
  """
  @spec child_spec([start_option] | map) :: Supervisor.child_spec()
  def child_spec(options) do
    %{store_id: name} = start_config(options)

    %{
      id: {Pando, name},
      start: {Pando, :start_link, [options]},
      type: :worker,
      restart: :transient,
      # What was accepted is still written, with some time to spare.
      shutdown: 20_000
    }
  end

  @doc """
  Starts a store that is linked to the caller. Takes the options of `child_spec/1`; returns when the store is open.

      Pando.start_link(name: :my_store, data_dir: "/var/lib/my_app")
      #=> {:ok, #PID<0.190.0>}

  Errors: as `start/3`, and `{:error, {:already_started, pid}}` if it runs. As always with a link, a caller that does
  not trap exits may end with the store when it cannot be opened.

  Raises `ArgumentError` for options that are missing, wrong or unknown.
  """
  @spec start_link([start_option] | map) :: {:ok, pid} | {:error, term}
  def start_link(options), do: options |> start_config() |> :pando_cluster.start_link()

  defp start_config(options) do
    options = Options.to_map(options)

    case Map.keys(options) -- [:name, :data_dir, :cluster, :expect, :priority, :backend] do
      [] -> :ok
      unknown -> invalid_start("does not know #{Enum.map_join(unknown, ", ", &inspect/1)}", options)
    end

    given =
      for key <- [:cluster, :expect, :priority, :backend],
          Map.has_key?(options, key),
          do: {key, checked(key, options)}

    :ok = check_expected(options)
    Map.merge(%{store_id: checked(:name, options), data_dir: checked(:data_dir, options)}, Map.new(given))
  end

  defp check_expected(%{expect: expect, cluster: nodes} = options) when is_list(nodes) do
    if expect > length(Enum.uniq(nodes)),
      do: invalid_start("cannot expect more nodes than its list has", options)

    :ok
  end

  defp check_expected(%{expect: _, cluster: _}), do: :ok
  defp check_expected(%{expect: _} = options), do: invalid_start("needs :cluster with :expect", options)
  defp check_expected(_options), do: :ok

  defp checked(key, options) do
    case Map.fetch(options, key) do
      :error -> invalid_start("needs #{inspect(key)}", options)
      {:ok, value} -> if valid_start?(key, value), do: value, else: invalid_start(wrong(key, value), options)
    end
  end

  defp valid_start?(:name, name), do: is_atom(name) and name not in [nil, true, false, :undefined]
  defp valid_start?(:data_dir, dir) when is_binary(dir), do: dir != ""
  defp valid_start?(:data_dir, dir), do: dir != [] and :io_lib.char_list(dir)

  defp valid_start?(:cluster, nodes) when is_function(nodes, 0), do: true
  defp valid_start?(:cluster, nodes), do: is_list(nodes) and nodes != [] and Enum.all?(nodes, &is_atom/1)
  defp valid_start?(:expect, count), do: is_integer(count) and count > 0
  defp valid_start?(:priority, priority), do: is_integer(priority)
  defp valid_start?(:backend, backend), do: backend in [:nif, :port]

  defp wrong(:cluster, value), do: "needs a list of nodes as :cluster, or a function, not #{inspect(value)}"
  defp wrong(:expect, value), do: "needs a number of nodes as :expect, not #{inspect(value)}"
  defp wrong(:priority, value), do: "needs an integer as :priority, not #{inspect(value)}"
  defp wrong(:backend, value), do: "needs :nif or :port as :backend, not #{inspect(value)}"
  defp wrong(:name, value), do: "needs an atom as :name, not #{inspect(value)}"
  defp wrong(:data_dir, value), do: "needs a directory as :data_dir, not #{inspect(value)}"

  defp invalid_start(problem, options) do
    raise ArgumentError,
          "a store #{problem}: use {Pando, name: :my_store, data_dir: \"/var/lib/my_app\"}, " <>
            "the name of the store and the directory where its files are to be (got #{inspect(Map.to_list(options))})"
  end

  @doc """
  Starts the default store in the default data directory, for iex and experiments: as `start/3`.

  The directory is what the environment of the application `:pando` has as `default_ra_system`, else `pando#` and the name
  of the node, below the current directory.

      iex> Pando.start()
      {:ok, :pando}
  """
  @spec start() :: {:ok, store} | {:error, term}
  def start, do: :pando.start()

  @doc """
  Starts the default store, with its files in `data_dir`: as `start/3`.

      Pando.start("/var/lib/my_app")
      #=> {:ok, :pando}
  """
  @spec start(Path.t()) :: {:ok, store} | {:error, term}
  def start(data_dir), do: :pando.start(data_dir)

  @doc """
  Starts a store by name: as `start/3`.

      Pando.start("/var/lib/my_app", :my_store)
      #=> {:ok, :my_store}
  """
  @spec start(Path.t(), store | options) :: {:ok, store} | {:error, term}
  def start(data_dir, store_or_config), do: start(data_dir, store_or_config, :infinity)

  @doc """
  Starts a store under the supervisor of Pando itself, with its files in `data_dir`, and returns when it is open; gives up
  after `timeout` milliseconds. In applications, prefer a child specification (`child_spec/1`).

      Pando.start("/var/lib/my_app", :my_store, 5_000)
      #=> {:ok, :my_store}

  In the place of the store there can be options: `cluster_name: :my_store`, and `:cluster`, `:expect`, `:priority` and `:backend` as for
  `child_spec/1`.

  To start a store that runs is no error. Errors:

    * `{:pando, :open_failed, %{kind: kind, reason: text, directory: directory}}`, with the `kind` `:busy`, `:locked`,
      `:not_a_directory`, `:missing`, `:unreadable`, `:newer_format`, `:damaged`, `:other_store`, `:disk_full`,
      `:removed_member` (the cluster has removed this member, and the reason says what to do), `:panic` or `:other`;
    * `{:pando, :store_runs_elsewhere, %{store_id: store, data_dir: data_dir}}`;
    * `{:pando, :name_is_taken, %{store_id: store, by: pid}}`: another process is registered by the name of the store;
    * `:timeout`.
  """
  @spec start(Path.t(), store | options, timeout) :: {:ok, store} | {:error, term}
  def start(data_dir, store, timeout) when is_atom(store), do: :pando.start(data_dir, store, timeout)
  def start(data_dir, config, timeout), do: :pando.start(data_dir, Options.to_map(config), timeout)

  @doc """
  Stops the default store: as `stop/1`.

      iex> Pando.stop()
      :ok
      iex> Pando.get("/stock/wood/oak")
      {:error, :noproc}
  """
  @spec stop() :: :ok | {:error, term}
  def stop, do: :pando.stop()

  @doc """
  Stops a store, and returns when its files are free; its data stays. `:ok` also when it does not run. A supervisor does
  not start it again.

      iex> Pando.stop(:pando)
      :ok

  Calls under way are answered first, `{:error, {:pando, :store_closed, _}}` if they take too long; later ones get
  `{:error, :noproc}`.
  """
  @spec stop(store) :: :ok | {:error, term}
  def stop(store), do: :pando.stop(store)

  @doc """
  Has the default store leave its cluster, stops it and deletes its data: as `reset/2`, with the default timeout.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.reset()
      :ok
      iex> Pando.start()
      {:ok, :pando}
      iex> Pando.is_empty()
      true
  """
  @spec reset() :: :ok | {:error, term}
  def reset, do: :pando.reset()

  @doc """
  As `reset/2`: `reset(store)`, or `reset(timeout)` of the default store.

      iex> Pando.reset(:no_such_store)
      {:error, {:pando, :not_a_pando_store, %{store_id: :no_such_store}}}
  """
  @spec reset(store | timeout) :: :ok | {:error, term}
  def reset(store_or_timeout), do: :pando.reset(store_or_timeout)

  @doc """
  Has a store, which has to run, leave its cluster if there are other members, stops it and deletes its data. A supervisor does not
  start it again.

      iex> Pando.reset(:pando, 5_000)
      :ok
      iex> :pando in Pando.store_ids()
      false

  Errors:

    * `{:pando, :not_a_pando_store, %{store_id: store}}`: it does not run;
    * `{:pando, :reset_failed, %{reason: text, directory: directory}}`: its files could not be removed. It is stopped, with
      its data;
    * `{:pando, :no_quorum, %{outcome: outcome, reason: text}}`: to leave, it needs a majority of the members. It runs on;
    * `{:pando, :last_voter, _}`: only observers would be left. It runs on;
    * `:timeout`: of a store without other members, it is stopped, and its data deleted, all the same, but later. Else it runs
      on, unless it leaves the cluster after all: then it stops.
  """
  @spec reset(store, timeout) :: :ok | {:error, term}
  def reset(store, timeout) when is_atom(store), do: :pando.reset(store, timeout)

  @doc """
  The stores that run on this node, sorted.

      iex> :pando in Pando.store_ids()
      true
  """
  @spec store_ids() :: [store]
  def store_ids, do: :pando.get_store_ids()

  @doc """
  As `store_ids/0`: the name in Erlang.

      iex> Pando.get_store_ids() == Pando.store_ids()
      true
  """
  @spec get_store_ids() :: [store]
  def get_store_ids, do: store_ids()

  @doc """
  Looks at the files of a store that is not open, or of all stores in a data directory, and reports whether they are whole
  and what opening would answer.

  All of it is read, nothing is changed. Neither the store nor the application `:pando` need run. On the command line it is
  `mix pando.verify DIR`.

      {:ok, report} = Pando.verify("/var/lib/my_app")
      IO.puts(report.text)

  The report is a map: `:verdict`, the worst of those of the `:stores`, `:directory`, and `:text`, all of it in words. Each of
  `:stores` has its `:directory`, its `:verdict` and `:findings`: maps of a `:path`, a `:severity` (`:fact`, `:remark`,
  `:fault`) and a `:text`. Verdicts:

    * `:sound` - it would open with all that was acknowledged, nothing is amiss;
    * `:remarks` - the same, and something is worth knowing, as what a crash has left;
    * `:damaged` - the same, but files are not what was written: a reserve is lost;
    * `:refused` - it would not open, and a fault has the reason that `start/2` would return;
    * `:absent` - there is no store;
    * `:in_use` - it is open, here or elsewhere, and nothing of it was read.

  While a store is looked at it cannot be opened (`:locked`). When the calling process dies, the looking ends. A directory that
  is no text raises `:invalid_data_dir`. `{:error, {:pando, :open_failed, _}}`: the native library is not there.
  """
  @spec verify(Path.t()) :: {:ok, :pando_verify.report()} | {:error, {:pando, :open_failed, map()}}
  def verify(dir), do: :pando.verify(dir)

  # Reads

  @doc """
  As `get/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get("/stock/wood/oak")
      {:ok, 150}
      iex> Pando.get("/stock/wood")
      {:ok, :undefined}
      iex> Pando.get("/stock/wood/elm")
      {:error,
       {:pando, :node_not_found,
        %{node_is_target: true, node_name: "elm", node_path: ["stock", "wood", "elm"]}}}
  """
  @spec get(path) :: result(term)
  def get(path), do: :pando.get(path)

  @doc """
  As `get/3`, without options: `get(store, path)`; or without a store: `get(path, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get(:pando, "/stock/wood/oak")
      {:ok, 150}
      iex> Pando.get("/stock/wood/oak", timeout: 1_000)
      {:ok, 150}
  """
  @spec get(store, path) :: result(term)
  @spec get(path, options) :: result(term)
  def get(store, path) when is_atom(store), do: :pando.get(store, path)
  def get(path, options), do: :pando.get(path, Options.to_map(options))

  @doc """
  Reads the value of a node: `{:ok, value}`, `{:ok, :undefined}` if it has none (`Pando.Adv.get/3` tells that from a stored
  `:undefined`), or an error, `{:pando, :node_not_found, _}` if there is no such node.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get(:pando, ["stock", "wood", "oak"], timeout: 1_000)
      {:ok, 150}
  """
  @spec get(store, path, options) :: result(term)
  def get(store, path, options) when is_atom(store), do: :pando.get(store, path, Options.to_map(options))

  @doc """
  As `get/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get!("/stock/wood/oak")
      150
      iex> Pando.get!("/stock/wood/elm")
      ** (Pando.Error) there is no node at [<<"stock">>,<<"wood">>,<<"elm">>]
  """
  @spec get!(path) :: term
  def get!(path), do: read!(get(path))

  @doc "As `get/2`, but returns the bare value and raises `Pando.Error`."
  @spec get!(store, path) :: term
  @spec get!(path, options) :: term
  def get!(store_or_path, path_or_options), do: read!(get(store_or_path, path_or_options))

  @doc "As `get/3`, but returns the bare value and raises `Pando.Error`."
  @spec get!(store, path, options) :: term
  def get!(store, path, options), do: read!(get(store, path, options))

  @doc """
  As `get_or/4`, of the default store.

      iex> Pando.get_or("/stock/wood/elm", 0)
      {:ok, 0}
  """
  @spec get_or(path, default :: term) :: result(term)
  def get_or(path, default), do: :pando.get_or(path, default)

  @doc """
  As `get_or/4`, without options: `get_or(store, path, default)`; or without a store: `get_or(path, default, options)`.

      iex> Pando.get_or(:pando, "/stock/wood/elm", 0)
      {:ok, 0}
      iex> Pando.get_or("/stock/wood/elm", 0, timeout: 1_000)
      {:ok, 0}
  """
  @spec get_or(store, path, default :: term) :: result(term)
  @spec get_or(path, default :: term, options) :: result(term)
  def get_or(store, path, default) when is_atom(store), do: :pando.get_or(store, path, default)
  def get_or(path, default, options), do: :pando.get_or(path, default, Options.to_map(options))

  @doc """
  Reads the value of a node; `{:ok, default}` if it has none, or if there is no such node.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_or(:pando, "/stock/wood/oak", 0, timeout: 1_000)
      {:ok, 150}
      iex> Pando.get_or(:pando, "/stock/wood/elm", 0, timeout: 1_000)
      {:ok, 0}
  """
  @spec get_or(store, path, default :: term, options) :: result(term)
  def get_or(store, path, default, options) when is_atom(store),
    do: :pando.get_or(store, path, default, Options.to_map(options))

  @doc """
  As `get_or/2`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.get_or!("/stock/wood/elm", 0)
      0
  """
  @spec get_or!(path, default :: term) :: term
  def get_or!(path, default), do: read!(get_or(path, default))

  @doc "As `get_or/3`, but returns the bare value and raises `Pando.Error`."
  @spec get_or!(store, path, default :: term) :: term
  @spec get_or!(path, default :: term, options) :: term
  def get_or!(store_or_path, path_or_default, default_or_options),
    do: read!(get_or(store_or_path, path_or_default, default_or_options))

  @doc "As `get_or/4`, but returns the bare value and raises `Pando.Error`."
  @spec get_or!(store, path, default :: term, options) :: term
  def get_or!(store, path, default, options), do: read!(get_or(store, path, default, options))

  @doc """
  As `get_many/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.put("/stock/wood/elm", 80)
      :ok
      iex> Pando.get_many("/stock/wood/*")
      {:ok, %{["stock", "wood", "elm"] => 80, ["stock", "wood", "oak"] => 150}}
  """
  @spec get_many(pattern) :: result(%{Pando.Path.native() => term})
  def get_many(pattern), do: :pando.get_many(pattern)

  @doc """
  As `get_many/3`, without options: `get_many(store, pattern)`; or without a store: `get_many(pattern, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many(:pando, "/stock/*")
      {:ok, %{["stock", "wood"] => :undefined}}
      iex> Pando.get_many("/stock/elm", timeout: 1_000)
      {:ok, %{}}
  """
  @spec get_many(store, pattern) :: result(%{Pando.Path.native() => term})
  @spec get_many(pattern, options) :: result(%{Pando.Path.native() => term})
  def get_many(store, pattern) when is_atom(store), do: :pando.get_many(store, pattern)
  def get_many(pattern, options), do: :pando.get_many(pattern, Options.to_map(options))

  @doc """
  Reads the values of all nodes that a pattern matches, all as of one moment: `{:ok, %{path => value}}`, with `:undefined`
  for nodes without a value.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many(:pando, "/stock/**", timeout: 1_000)
      {:ok, %{["stock", "wood"] => :undefined, ["stock", "wood", "oak"] => 150}}

  With `:limit` and `:from`, page by page, each as of its own moment:

      iex> for n <- 1..5, do: :ok = Pando.put("/queue/\#{n}", n)
      iex> {:ok, page} = Pando.get_many(:pando, "/queue/*", limit: 2)
      {:ok, %{["queue", "1"] => 1, ["queue", "2"] => 2}}
      iex> last = page |> Map.keys() |> Enum.max()
      iex> Pando.get_many(:pando, "/queue/*", limit: 2, from: last)
      {:ok, %{["queue", "3"] => 3, ["queue", "4"] => 4}}
  """
  @spec get_many(store, pattern, options) :: result(%{Pando.Path.native() => term})
  def get_many(store, pattern, options) when is_atom(store),
    do: :pando.get_many(store, pattern, Options.to_map(options))

  @doc """
  As `get_many/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.put("/stock/wood/elm", 80)
      :ok
      iex> Pando.get_many!("/stock/wood/*")
      %{["stock", "wood", "elm"] => 80, ["stock", "wood", "oak"] => 150}
  """
  @spec get_many!(pattern) :: %{Pando.Path.native() => term}
  def get_many!(pattern), do: read!(get_many(pattern))

  @doc "As `get_many/2`, but returns the bare value and raises `Pando.Error`."
  @spec get_many!(store, pattern) :: %{Pando.Path.native() => term}
  @spec get_many!(pattern, options) :: %{Pando.Path.native() => term}
  def get_many!(store_or_pattern, pattern_or_options),
    do: read!(get_many(store_or_pattern, pattern_or_options))

  @doc "As `get_many/3`, but returns the bare value and raises `Pando.Error`."
  @spec get_many!(store, pattern, options) :: %{Pando.Path.native() => term}
  def get_many!(store, pattern, options), do: read!(get_many(store, pattern, options))

  @doc """
  As `get_many_or/4`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many_or("/stock/**", 0)
      {:ok, %{["stock", "wood"] => 0, ["stock", "wood", "oak"] => 150}}
  """
  @spec get_many_or(pattern, default :: term) :: result(%{Pando.Path.native() => term})
  def get_many_or(pattern, default), do: :pando.get_many_or(pattern, default)

  @doc """
  As `get_many_or/4`, without options: `get_many_or(store, pattern, default)`; or without a store:
  `get_many_or(pattern, default, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many_or(:pando, "/stock/*", 0)
      {:ok, %{["stock", "wood"] => 0}}
      iex> Pando.get_many_or("/stock/*", 0, timeout: 1_000)
      {:ok, %{["stock", "wood"] => 0}}
  """
  @spec get_many_or(store, pattern, default :: term) :: result(%{Pando.Path.native() => term})
  @spec get_many_or(pattern, default :: term, options) :: result(%{Pando.Path.native() => term})
  def get_many_or(store, pattern, default) when is_atom(store),
    do: :pando.get_many_or(store, pattern, default)

  def get_many_or(pattern, default, options),
    do: :pando.get_many_or(pattern, default, Options.to_map(options))

  @doc """
  As `get_many/3`, with `default` for nodes without a value.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many_or(:pando, "/stock/**", nil, timeout: 1_000)
      {:ok, %{["stock", "wood"] => nil, ["stock", "wood", "oak"] => 150}}
  """
  @spec get_many_or(store, pattern, default :: term, options) :: result(%{Pando.Path.native() => term})
  def get_many_or(store, pattern, default, options) when is_atom(store),
    do: :pando.get_many_or(store, pattern, default, Options.to_map(options))

  @doc """
  As `get_many_or/2`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many_or!("/stock/*", 0)
      %{["stock", "wood"] => 0}
  """
  @spec get_many_or!(pattern, default :: term) :: %{Pando.Path.native() => term}
  def get_many_or!(pattern, default), do: read!(get_many_or(pattern, default))

  @doc "As `get_many_or/3`, but returns the bare value and raises `Pando.Error`."
  @spec get_many_or!(store, pattern, default :: term) :: %{Pando.Path.native() => term}
  @spec get_many_or!(pattern, default :: term, options) :: %{Pando.Path.native() => term}
  def get_many_or!(store_or_pattern, pattern_or_default, default_or_options),
    do: read!(get_many_or(store_or_pattern, pattern_or_default, default_or_options))

  @doc "As `get_many_or/4`, but returns the bare value and raises `Pando.Error`."
  @spec get_many_or!(store, pattern, default :: term, options) :: %{Pando.Path.native() => term}
  def get_many_or!(store, pattern, default, options), do: read!(get_many_or(store, pattern, default, options))

  @doc """
  As `count/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.count("/stock/wood/*")
      {:ok, 1}
  """
  @spec count(pattern) :: result(non_neg_integer)
  def count(pattern), do: :pando.count(pattern)

  @doc """
  As `count/3`, without options: `count(store, pattern)`; or without a store: `count(pattern, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.count(:pando, "/**")
      {:ok, 3}
      iex> Pando.count("/**", timeout: 1_000)
      {:ok, 3}
  """
  @spec count(store, pattern) :: result(non_neg_integer)
  @spec count(pattern, options) :: result(non_neg_integer)
  def count(store, pattern) when is_atom(store), do: :pando.count(store, pattern)
  def count(pattern, options), do: :pando.count(pattern, Options.to_map(options))

  @doc """
  Counts the nodes that a pattern matches. `"/**"` does not count the root.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.count(:pando, "/**", include_root_props: true)
      {:ok, 4}
  """
  @spec count(store, pattern, options) :: result(non_neg_integer)
  def count(store, pattern, options) when is_atom(store),
    do: :pando.count(store, pattern, Options.to_map(options))

  @doc """
  As `count/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.count!("/stock/**")
      0
  """
  @spec count!(pattern) :: non_neg_integer
  def count!(pattern), do: read!(count(pattern))

  @doc "As `count/2`, but returns the bare value and raises `Pando.Error`."
  @spec count!(store, pattern) :: non_neg_integer
  @spec count!(pattern, options) :: non_neg_integer
  def count!(store_or_pattern, pattern_or_options), do: read!(count(store_or_pattern, pattern_or_options))

  @doc "As `count/3`, but returns the bare value and raises `Pando.Error`."
  @spec count!(store, pattern, options) :: non_neg_integer
  def count!(store, pattern, options), do: read!(count(store, pattern, options))

  @doc """
  As `exists/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.exists("/stock/wood")
      true
      iex> Pando.exists("/stock/iron")
      false
  """
  @spec exists(path) :: boolean | {:error, reason}
  def exists(path), do: :pando.exists(path)

  @doc """
  As `exists/3`, without options: `exists(store, path)`; or without a store: `exists(path, options)`.

      iex> Pando.exists(:pando, "/stock/wood")
      false
      iex> Pando.exists("/stock/wood", timeout: 0)
      {:error, :timeout}
  """
  @spec exists(store, path) :: boolean | {:error, reason}
  @spec exists(path, options) :: boolean | {:error, reason}
  def exists(store, path) when is_atom(store), do: :pando.exists(store, path)
  def exists(path, options), do: :pando.exists(path, Options.to_map(options))

  @doc """
  Whether there is a node: `true`, `false`, or an error. In conditions `exists?/3` is safer: an error is truthy.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.exists(:pando, "/stock/wood", timeout: 1_000)
      true
  """
  @spec exists(store, path, options) :: boolean | {:error, reason}
  def exists(store, path, options) when is_atom(store),
    do: :pando.exists(store, path, Options.to_map(options))

  @doc """
  Whether there is a node of the default store. Raises `Pando.Error` for an error.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.exists?("/stock/wood")
      true
  """
  @spec exists?(path) :: boolean
  def exists?(path), do: read!(exists(path))

  @doc """
  As `exists?/3`, without options: `exists?(store, path)`; or without a store: `exists?(path, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> if Pando.exists?(:pando, "/stock/wood"), do: :there
      :there
  """
  @spec exists?(store, path) :: boolean
  @spec exists?(path, options) :: boolean
  def exists?(store_or_path, path_or_options), do: read!(exists(store_or_path, path_or_options))

  @doc """
  Whether there is a node: `true` or `false`. Raises `Pando.Error` for an error.

      iex> Pando.exists?(:pando, "/stock/wood", timeout: 1_000)
      false
      iex> Pando.exists?(:no_such_store, "/stock/wood", timeout: 1_000)
      ** (Pando.Error) the store is not running on this node: start it, or check its name
  """
  @spec exists?(store, path, options) :: boolean
  def exists?(store, path, options), do: read!(exists(store, path, options))

  @doc "As `exists?/1`: the name in Erlang."
  @spec exists!(path) :: boolean
  def exists!(path), do: exists?(path)

  @doc "As `exists?/2`: the name in Erlang."
  @spec exists!(store, path) :: boolean
  @spec exists!(path, options) :: boolean
  def exists!(store_or_path, path_or_options), do: exists?(store_or_path, path_or_options)

  @doc "As `exists?/3`: the name in Erlang."
  @spec exists!(store, path, options) :: boolean
  def exists!(store, path, options), do: exists?(store, path, options)

  @doc """
  As `has_data/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.has_data("/stock/wood/oak")
      true
      iex> Pando.has_data("/stock/wood")
      false
  """
  @spec has_data(path) :: boolean | {:error, reason}
  def has_data(path), do: :pando.has_data(path)

  @doc """
  As `has_data/3`, without options: `has_data(store, path)`; or without a store: `has_data(path, options)`.

      iex> Pando.has_data(:pando, "/stock/wood/oak")
      false
      iex> Pando.has_data("/stock/wood/oak", timeout: 0)
      {:error, :timeout}
  """
  @spec has_data(store, path) :: boolean | {:error, reason}
  @spec has_data(path, options) :: boolean | {:error, reason}
  def has_data(store, path) when is_atom(store), do: :pando.has_data(store, path)
  def has_data(path, options), do: :pando.has_data(path, Options.to_map(options))

  @doc """
  Whether a node has data: `true`, `false`, or an error. In conditions `has_data?/3` is safer: an error is truthy.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.has_data(:pando, "/stock/wood/oak", timeout: 1_000)
      true
  """
  @spec has_data(store, path, options) :: boolean | {:error, reason}
  def has_data(store, path, options) when is_atom(store),
    do: :pando.has_data(store, path, Options.to_map(options))

  @doc """
  Whether a node has data of the default store. Raises `Pando.Error` for an error.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.has_data?("/stock/wood/oak")
      true
  """
  @spec has_data?(path) :: boolean
  def has_data?(path), do: read!(has_data(path))

  @doc """
  As `has_data?/3`, without options: `has_data?(store, path)`; or without a store: `has_data?(path, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> if Pando.has_data?(:pando, "/stock/wood/oak"), do: :there
      :there
  """
  @spec has_data?(store, path) :: boolean
  @spec has_data?(path, options) :: boolean
  def has_data?(store_or_path, path_or_options), do: read!(has_data(store_or_path, path_or_options))

  @doc """
  Whether a node has data: `true` or `false`. Raises `Pando.Error` for an error.

      iex> Pando.has_data?(:pando, "/stock/wood/oak", timeout: 1_000)
      false
      iex> Pando.has_data?(:no_such_store, "/stock/wood/oak", timeout: 1_000)
      ** (Pando.Error) the store is not running on this node: start it, or check its name
  """
  @spec has_data?(store, path, options) :: boolean
  def has_data?(store, path, options), do: read!(has_data(store, path, options))

  @doc "As `has_data?/1`: the name in Erlang."
  @spec has_data!(path) :: boolean
  def has_data!(path), do: has_data?(path)

  @doc "As `has_data?/2`: the name in Erlang."
  @spec has_data!(store, path) :: boolean
  @spec has_data!(path, options) :: boolean
  def has_data!(store_or_path, path_or_options), do: has_data?(store_or_path, path_or_options)

  @doc "As `has_data?/3`: the name in Erlang."
  @spec has_data!(store, path, options) :: boolean
  def has_data!(store, path, options), do: has_data?(store, path, options)

  @doc """
  As `is_sproc/3`, of the default store.

      iex> Pando.put("/double", &Kernel.*(&1, 2))
      :ok
      iex> Pando.is_sproc("/double")
      true
      iex> Pando.put("/double", "a value, not a function")
      :ok
      iex> Pando.is_sproc("/double")
      false
  """
  @spec is_sproc(path) :: boolean | {:error, reason}
  def is_sproc(path), do: :pando.is_sproc(path)

  @doc """
  As `is_sproc/3`, without options: `is_sproc(store, path)`; or without a store: `is_sproc(path, options)`.

      iex> Pando.is_sproc(:pando, "/double")
      false
      iex> Pando.is_sproc("/double", timeout: 0)
      {:error, :timeout}
  """
  @spec is_sproc(store, path) :: boolean | {:error, reason}
  @spec is_sproc(path, options) :: boolean | {:error, reason}
  def is_sproc(store, path) when is_atom(store), do: :pando.is_sproc(store, path)
  def is_sproc(path, options), do: :pando.is_sproc(path, Options.to_map(options))

  @doc """
  Whether the value of a node is a stored procedure: `true`, `false`, or an error. In conditions `sproc?/3` is safer: an
  error is truthy.

      iex> Pando.put("/double", &Kernel.*(&1, 2))
      :ok
      iex> Pando.is_sproc(:pando, "/double", timeout: 1_000)
      true
  """
  @spec is_sproc(store, path, options) :: boolean | {:error, reason}
  def is_sproc(store, path, options) when is_atom(store),
    do: :pando.is_sproc(store, path, Options.to_map(options))

  @doc """
  Whether the value of a node of the default store is a stored procedure. Raises `Pando.Error` for an error.

      iex> Pando.put("/double", &Kernel.*(&1, 2))
      :ok
      iex> Pando.sproc?("/double")
      true
  """
  @spec sproc?(path) :: boolean
  def sproc?(path), do: read!(is_sproc(path))

  @doc """
  As `sproc?/3`, without options: `sproc?(store, path)`; or without a store: `sproc?(path, options)`.

      iex> Pando.sproc?(:pando, "/double")
      false
  """
  @spec sproc?(store, path) :: boolean
  @spec sproc?(path, options) :: boolean
  def sproc?(store_or_path, path_or_options), do: read!(is_sproc(store_or_path, path_or_options))

  @doc """
  Whether the value of a node is a stored procedure: `true` or `false`. Raises `Pando.Error` for an error.

      iex> Pando.sproc?(:pando, "/double", timeout: 1_000)
      false
      iex> Pando.sproc?(:no_such_store, "/double", timeout: 1_000)
      ** (Pando.Error) the store is not running on this node: start it, or check its name
  """
  @spec sproc?(store, path, options) :: boolean
  def sproc?(store, path, options), do: read!(is_sproc(store, path, options))

  @doc "As `sproc?/1`: the name in Erlang."
  @spec is_sproc!(path) :: boolean
  def is_sproc!(path), do: sproc?(path)

  @doc "As `sproc?/2`: the name in Erlang."
  @spec is_sproc!(store, path) :: boolean
  @spec is_sproc!(path, options) :: boolean
  def is_sproc!(store_or_path, path_or_options), do: sproc?(store_or_path, path_or_options)

  @doc "As `sproc?/3`: the name in Erlang."
  @spec is_sproc!(store, path, options) :: boolean
  def is_sproc!(store, path, options), do: sproc?(store, path, options)

  @doc """
  As `is_empty/2`, of the default store.

      iex> Pando.is_empty()
      true
  """
  @spec is_empty() :: boolean | {:error, reason}
  def is_empty, do: :pando.is_empty()

  @doc """
  As `is_empty/2`: `is_empty(store)` or, of the default store, `is_empty(options)`.

      iex> Pando.is_empty(:pando)
      true
      iex> Pando.is_empty(timeout: 0)
      {:error, :timeout}
  """
  @spec is_empty(store | options) :: boolean | {:error, reason}
  def is_empty(store) when is_atom(store), do: :pando.is_empty(store)
  def is_empty(options), do: :pando.is_empty(Options.to_map(options))

  @doc """
  Whether a store has no node below the root; a value of the root does not count: `true`, `false`, or an error. In conditions
  `empty?/2` is safer: an error is truthy.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.is_empty(:pando, timeout: 1_000)
      false
  """
  @spec is_empty(store, options) :: boolean | {:error, reason}
  def is_empty(store, options) when is_atom(store), do: :pando.is_empty(store, Options.to_map(options))

  @doc """
  As `empty?/2`, of the default store.

      iex> Pando.empty?()
      true
  """
  @spec empty?() :: boolean
  def empty?, do: read!(is_empty())

  @doc """
  As `empty?/2`: `empty?(store)` or, of the default store, `empty?(options)`.

      iex> Pando.empty?(:pando)
      true
  """
  @spec empty?(store | options) :: boolean
  def empty?(store_or_options), do: read!(is_empty(store_or_options))

  @doc """
  Whether a store has no node below the root; a value of the root does not count. Raises `Pando.Error` for an error.

      iex> Pando.empty?(:pando, timeout: 1_000)
      true
      iex> Pando.empty?(:no_such_store)
      ** (Pando.Error) the store is not running on this node: start it, or check its name
  """
  @spec empty?(store, options) :: boolean
  def empty?(store, options), do: read!(is_empty(store, options))

  @doc """
  As `fold/5`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.put("/stock/wood/elm", 80)
      :ok
      iex> Pando.fold("/stock/wood/*", fn _path, %{data: pieces}, sum -> sum + pieces end, 0)
      {:ok, 230}
  """
  @spec fold(pattern, fold_fun(acc), acc) :: result(acc) when acc: term
  def fold(pattern, fun, acc), do: :pando.fold(pattern, fun, acc)

  @doc """
  As `fold/5`, without options: `fold(store, pattern, fun, acc)`; or without a store: `fold(pattern, fun, acc, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.put("/stock/wood/elm", 80)
      :ok
      iex> Pando.fold(:pando, "/stock/wood/*", fn path, _props, names -> [List.last(path) | names] end, [])
      {:ok, ["oak", "elm"]}
  """
  @spec fold(store, pattern, fold_fun(acc), acc) :: result(acc) when acc: term
  @spec fold(pattern, fold_fun(acc), acc, options) :: result(acc) when acc: term
  def fold(store, pattern, fun, acc) when is_atom(store), do: :pando.fold(store, pattern, fun, acc)
  def fold(pattern, fun, acc, options), do: :pando.fold(pattern, fun, acc, Options.to_map(options))

  @doc """
  Calls `fun.(path, props, acc)` for every node that a pattern matches, all as of one moment: a node before those below it,
  siblings in term order. Returns `{:ok, acc}`.

  `props` has what the option `:props_to_return` says. The function runs in the calling process and may do what it likes,
  writes included.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> children = fn path, props, acc -> [{path, props.child_list_length} | acc] end
      iex> Pando.fold(:pando, "/**", children, [], props_to_return: [:child_list_length])
      {:ok, [{["stock", "wood", "oak"], 0}, {["stock", "wood"], 1}, {["stock"], 1}]}
  """
  @spec fold(store, pattern, fold_fun(acc), acc, options) :: result(acc) when acc: term
  def fold(store, pattern, fun, acc, options) when is_atom(store),
    do: :pando.fold(store, pattern, fun, acc, Options.to_map(options))

  @doc """
  As `foreach/4`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.foreach("/stock/wood/*", fn path, props -> send(self(), {List.last(path), props.data}) end)
      :ok
      iex> receive do: (message -> message)
      {"oak", 150}
  """
  @spec foreach(pattern, (Pando.Path.native(), props -> term)) :: done
  def foreach(pattern, fun), do: :pando.foreach(pattern, fun)

  @doc """
  As `foreach/4`, without options: `foreach(store, pattern, fun)`; or without a store: `foreach(pattern, fun, options)`.

      iex> Pando.foreach(:pando, "/stock/*", fn _path, _props -> raise "there is none" end)
      :ok
      iex> Pando.foreach("/stock/*", fn _path, _props -> raise "there is none" end, timeout: 1_000)
      :ok
  """
  @spec foreach(store, pattern, (Pando.Path.native(), props -> term)) :: done
  @spec foreach(pattern, (Pando.Path.native(), props -> term), options) :: done
  def foreach(store, pattern, fun) when is_atom(store), do: :pando.foreach(store, pattern, fun)
  def foreach(pattern, fun, options), do: :pando.foreach(pattern, fun, Options.to_map(options))

  @doc """
  Calls `fun.(path, props)` for every node that a pattern matches, as `fold/5` does, for what it does alone. Returns `:ok`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.foreach(:pando, "/**", fn path, _props -> Pando.put(["seen" | path], true) end, props_to_return: [])
      :ok
      iex> Pando.count("/seen/**")
      {:ok, 3}
  """
  @spec foreach(store, pattern, (Pando.Path.native(), props -> term), options) :: done
  def foreach(store, pattern, fun, options) when is_atom(store),
    do: :pando.foreach(store, pattern, fun, Options.to_map(options))

  @doc """
  As `map/4`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.map("/stock/wood/*", fn _path, props -> props.data * 2 end)
      {:ok, %{["stock", "wood", "oak"] => 300}}
  """
  @spec map(pattern, (Pando.Path.native(), props -> value)) :: result(%{Pando.Path.native() => value})
        when value: term
  def map(pattern, fun), do: :pando.map(pattern, fun)

  @doc """
  As `map/4`, without options: `map(store, pattern, fun)`; or without a store: `map(pattern, fun, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.map(:pando, "/stock/*", fn path, _props -> length(path) end)
      {:ok, %{["stock", "wood"] => 2}}
      iex> Pando.map("/*", fn _path, props -> props.child_names end, props_to_return: [:child_names])
      {:ok, %{["stock"] => ["wood"]}}
  """
  @spec map(store, pattern, (Pando.Path.native(), props -> value)) :: result(%{Pando.Path.native() => value})
        when value: term
  @spec map(pattern, (Pando.Path.native(), props -> value), options) ::
          result(%{Pando.Path.native() => value})
        when value: term
  def map(store, pattern, fun) when is_atom(store), do: :pando.map(store, pattern, fun)
  def map(pattern, fun, options), do: :pando.map(pattern, fun, Options.to_map(options))

  @doc """
  Calls `fun.(path, props)` for every node that a pattern matches, as `fold/5` does, and returns
  `{:ok, %{path => what it has returned}}`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.map(:pando, "/stock/wood/*", fn _path, props -> props end, props_to_return: [:has_payload])
      {:ok, %{["stock", "wood", "oak"] => %{has_data: true}}}
  """
  @spec map(store, pattern, (Pando.Path.native(), props -> value), options) ::
          result(%{Pando.Path.native() => value})
        when value: term
  def map(store, pattern, fun, options) when is_atom(store),
    do: :pando.map(store, pattern, fun, Options.to_map(options))

  @doc """
  As `filter/4`, of the default store.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> Pando.filter("/stock/*", fn _path, props -> props.data > 100 end)
      {:ok, %{["stock", "oak"] => 150}}
  """
  @spec filter(pattern, (Pando.Path.native(), props -> boolean)) :: result(%{Pando.Path.native() => term})
  def filter(pattern, predicate), do: :pando.filter(pattern, predicate)

  @doc """
  As `filter/4`, without options: `filter(store, pattern, predicate)`; or without a store:
  `filter(pattern, predicate, options)`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.filter(:pando, "/**", fn path, _props -> length(path) == 1 end)
      {:ok, %{["stock"] => :undefined}}
      iex> leaf? = fn _path, props -> props.child_list_length == 0 end
      iex> Pando.filter("/**", leaf?, props_to_return: [:payload, :child_list_length])
      {:ok, %{["stock", "oak"] => 150}}
  """
  @spec filter(store, pattern, (Pando.Path.native(), props -> boolean)) ::
          result(%{Pando.Path.native() => term})
  @spec filter(pattern, (Pando.Path.native(), props -> boolean), options) ::
          result(%{Pando.Path.native() => term})
  def filter(store, pattern, predicate) when is_atom(store), do: :pando.filter(store, pattern, predicate)
  def filter(pattern, predicate, options), do: :pando.filter(pattern, predicate, Options.to_map(options))

  @doc """
  Reads the values of the nodes that a pattern matches and for which `predicate.(path, props)` is `true`: as `get_many/3`,
  with a condition of your own. It runs as the function of `fold/5` does, and must return a boolean. If `:props_to_return`
  is given without `:payload`, each value is `:undefined`.

  A condition in the pattern (`Pando.Condition`) is faster: nothing of the other nodes is read.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.filter(:pando, "/**", fn path, _props -> "oak" in path end, timeout: 1_000)
      {:ok, %{["stock", "oak"] => 150}}
  """
  @spec filter(store, pattern, (Pando.Path.native(), props -> boolean), options) ::
          result(%{Pando.Path.native() => term})
  def filter(store, pattern, predicate, options) when is_atom(store),
    do: :pando.filter(store, pattern, predicate, Options.to_map(options))

  @doc """
  As `stream/3`, of the default store.

      iex> for n <- 1..9, do: :ok = Pando.put("/queue/\#{n}", n)
      iex> "/queue/*" |> Pando.stream() |> Stream.map(fn {_path, n} -> n * n end) |> Enum.take(3)
      [1, 4, 9]
  """
  @spec stream(pattern) :: Enumerable.t()
  def stream(pattern), do: stream(pattern, [])

  @doc """
  As `stream/3`, without options: `stream(store, pattern)`; or without a store: `stream(pattern, options)`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> :pando |> Pando.stream("/stock/*") |> Enum.to_list()
      [{["stock", "wood"], :undefined}]
      iex> "/**" |> Pando.stream(from: "/stock") |> Enum.map(fn {path, _value} -> path end)
      [["stock", "wood"], ["stock", "wood", "oak"]]
  """
  @spec stream(store, pattern) :: Enumerable.t()
  @spec stream(pattern, options) :: Enumerable.t()
  def stream(store, pattern) when is_atom(store), do: stream(store, pattern, [])
  def stream(pattern, options), do: Scan.stream(pattern, options, :values)

  @doc """
  The values of all nodes that a pattern matches, as a stream of `{path, value}`, with `:undefined` for nodes without a
  value: what `get_many/3` returns, read bit by bit. `Pando.Adv.stream/3` is the same with properties.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> :pando |> Pando.stream("/stock/*", limit: 10) |> Enum.to_list()
      [{["stock", "elm"], 80}, {["stock", "oak"], 150}]

  The nodes come in term order of their paths, a node before those below it. They are as of the moment at which the stream
  is first asked for one; each enumeration has its own moment. Who stops early has read only a little more than what it
  took. As long as an enumeration goes on, what the store removes or replaces is kept in memory for it.

  Wrong arguments raise at once, errors raise `Pando.Error` when the stream is run. The option `:timeout` is for its beginning
  alone: how long it takes is up to the reader.
  """
  @spec stream(store, pattern, options) :: Enumerable.t()
  def stream(store, pattern, options) when is_atom(store),
    do: Scan.stream(store, pattern, options, :values)

  # Writes

  @doc """
  As `put/4`, of the default store, without options.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
  """
  @spec put(path, value) :: written
  def put(path, value), do: :pando.put(path, value)

  @doc """
  As `put/4`, without options.

      iex> Pando.put(:pando, "/stock/wood/oak", %{pieces: 150})
      :ok

  To give options, name the store as well.
  """
  @spec put(store, path, value) :: written
  def put(store, path, value) when is_atom(store), do: :pando.put(store, path, value)
  def put(path, _value, _options), do: no_store!(:put, path)

  @doc """
  Creates a node, or replaces its value. Missing parents are created; they go again with their last child.

  Returns `:ok` when it is on disk.

      iex> Pando.put(:pando, "/stock/wood/oak", 150, timeout: 5_000)
      :ok
  """
  @spec put(store, path, value, options) :: written
  def put(store, path, value, options) when is_atom(store),
    do: :pando.put(store, path, value, Options.to_map(options))

  @doc """
  As `put/2`, but raises `Pando.Error`.

      iex> Pando.put!("/stock/wood/oak", 150)
      :ok
  """
  @spec put!(path, value) :: :ok | token
  def put!(path, value), do: write!(put(path, value))

  @doc "As `put/3`, but raises `Pando.Error`."
  @spec put!(store, path, value) :: :ok | token
  def put!(store, path, value), do: write!(put(store, path, value))

  @doc "As `put/4`, but raises `Pando.Error`."
  @spec put!(store, path, value, options) :: :ok | token
  def put!(store, path, value, options), do: write!(put(store, path, value, options))

  @doc """
  As `put_many/4`, of the default store, without options.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> Pando.put_many("/stock/*", 0)
      :ok
      iex> Pando.get_many("/stock/*")
      {:ok, %{["stock", "elm"] => 0, ["stock", "oak"] => 0}}
  """
  @spec put_many(pattern, value) :: written
  def put_many(pattern, value), do: :pando.put_many(pattern, value)

  @doc """
  As `put_many/4`, without options.

      iex> Pando.put_many(:pando, "/stock/*", 0)
      :ok
      iex> Pando.is_empty()
      true

  To give options, name the store as well.
  """
  @spec put_many(store, pattern, value) :: written
  def put_many(store, pattern, value) when is_atom(store), do: :pando.put_many(store, pattern, value)
  def put_many(pattern, _value, _options), do: no_store!(:put_many, pattern)

  @doc """
  Replaces the values of all nodes that a pattern matches, in one step; `:ok` also if there is none.

  A name after a match is created there if need be: `"/users/*/inbox"` gives each user an inbox.

      iex> Pando.put("/users/ann", 1)
      :ok
      iex> Pando.put_many(:pando, "/users/*/inbox", [], timeout: 5_000)
      :ok
      iex> Pando.get("/users/ann/inbox")
      {:ok, []}
  """
  @spec put_many(store, pattern, value, options) :: written
  def put_many(store, pattern, value, options) when is_atom(store),
    do: :pando.put_many(store, pattern, value, Options.to_map(options))

  @doc """
  As `put_many/2`, but raises `Pando.Error`.

      iex> Pando.put_many!("/stock/*", 0)
      :ok
  """
  @spec put_many!(pattern, value) :: :ok | token
  def put_many!(pattern, value), do: write!(put_many(pattern, value))

  @doc "As `put_many/3`, but raises `Pando.Error`."
  @spec put_many!(store, pattern, value) :: :ok | token
  def put_many!(store, pattern, value), do: write!(put_many(store, pattern, value))

  @doc "As `put_many/4`, but raises `Pando.Error`."
  @spec put_many!(store, pattern, value, options) :: :ok | token
  def put_many!(store, pattern, value, options), do: write!(put_many(store, pattern, value, options))

  @doc """
  As `create/4`, of the default store, without options.

      iex> Pando.create("/stock/wood/oak", 150)
      :ok
  """
  @spec create(path, value) :: written
  def create(path, value), do: :pando.create(path, value)

  @doc """
  As `create/4`, without options.

      iex> Pando.create(:pando, "/stock/wood/oak", 150)
      :ok
      iex> {:error, {:pando, :mismatching_node, props}} = Pando.create(:pando, "/stock/wood/oak", 80)
      iex> props.node_props
      %{data: 150, payload_version: 1}

  To give options, name the store as well.
  """
  @spec create(store, path, value) :: written
  def create(store, path, value) when is_atom(store), do: :pando.create(store, path, value)
  def create(path, _value, _options), do: no_store!(:create, path)

  @doc """
  Creates a node that must not exist yet; otherwise `{:error, {:pando, :mismatching_node, _}}`.

      iex> Pando.create(:pando, "/stock/wood/oak", 150, timeout: 5_000)
      :ok
  """
  @spec create(store, path, value, options) :: written
  def create(store, path, value, options) when is_atom(store),
    do: :pando.create(store, path, value, Options.to_map(options))

  @doc """
  As `create/2`, but raises `Pando.Error`.

      iex> Pando.create!("/stock", 1)
      :ok
      iex> Pando.create!("/stock", 1)
      ** (Pando.Error) the node at [<<"stock">>] does not meet {if_node_exists,false}: nothing was done
  """
  @spec create!(path, value) :: :ok | token
  def create!(path, value), do: write!(create(path, value))

  @doc "As `create/3`, but raises `Pando.Error`."
  @spec create!(store, path, value) :: :ok | token
  def create!(store, path, value), do: write!(create(store, path, value))

  @doc "As `create/4`, but raises `Pando.Error`."
  @spec create!(store, path, value, options) :: :ok | token
  def create!(store, path, value, options), do: write!(create(store, path, value, options))

  @doc """
  As `update/4`, of the default store, without options.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.update("/stock/wood/oak", 149)
      :ok
  """
  @spec update(path, value) :: written
  def update(path, value), do: :pando.update(path, value)

  @doc """
  As `update/4`, without options.

      iex> {:error, {:pando, :node_not_found, props}} = Pando.update(:pando, "/stock/wood/oak", 149)
      iex> props.node_name
      "oak"

  To give options, name the store as well.
  """
  @spec update(store, path, value) :: written
  def update(store, path, value) when is_atom(store), do: :pando.update(store, path, value)
  def update(path, _value, _options), do: no_store!(:update, path)

  @doc """
  Replaces the value of a node that must exist; otherwise `{:error, {:pando, :node_not_found, _}}`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.update(:pando, "/stock/wood/oak", 149, timeout: 5_000)
      :ok
  """
  @spec update(store, path, value, options) :: written
  def update(store, path, value, options) when is_atom(store),
    do: :pando.update(store, path, value, Options.to_map(options))

  @doc """
  As `update/2`, but raises `Pando.Error`.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.update!("/stock/wood/oak", 149)
      :ok
  """
  @spec update!(path, value) :: :ok | token
  def update!(path, value), do: write!(update(path, value))

  @doc "As `update/3`, but raises `Pando.Error`."
  @spec update!(store, path, value) :: :ok | token
  def update!(store, path, value), do: write!(update(store, path, value))

  @doc "As `update/4`, but raises `Pando.Error`."
  @spec update!(store, path, value, options) :: :ok | token
  def update!(store, path, value, options), do: write!(update(store, path, value, options))

  @doc """
  As `compare_and_swap/5`, of the default store, without options.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.compare_and_swap("/stock/wood/oak", 150, 149)
      :ok
      iex> {:error, {:pando, :mismatching_node, props}} = Pando.compare_and_swap("/stock/wood/oak", 150, 149)
      iex> props.node_props
      %{data: 149, payload_version: 2}
  """
  @spec compare_and_swap(path, data_pattern :: term, value) :: written
  def compare_and_swap(path, data_pattern, value), do: :pando.compare_and_swap(path, data_pattern, value)

  @doc """
  As `compare_and_swap/5`, without options.

      iex> {:error, {:pando, :node_not_found, props}} = Pando.compare_and_swap(:pando, "/stock/wood/oak", 150, 149)
      iex> props.node_name
      "oak"

  To give options, name the store as well.
  """
  @spec compare_and_swap(store, path, data_pattern :: term, value) :: written
  def compare_and_swap(store, path, data_pattern, value) when is_atom(store),
    do: :pando.compare_and_swap(store, path, data_pattern, value)

  def compare_and_swap(path, _data_pattern, _value, _options), do: no_store!(:compare_and_swap, path)

  @doc """
  Replaces the value of a node if it has data that matches `data_pattern`, a pattern as `Pando.Condition.if_data_matches/2`
  takes it: `:_` is any data. Otherwise `{:error, {:pando, :mismatching_node, _}}`, or `{:pando, :node_not_found, _}`.

      iex> Pando.put("/stock/wood/oak", %{pieces: 150, place: "A"})
      :ok
      iex> Pando.compare_and_swap(:pando, "/stock/wood/oak", %{place: "A"}, %{pieces: 150, place: "B"}, timeout: 5_000)
      :ok
  """
  @spec compare_and_swap(store, path, data_pattern :: term, value, options) :: written
  def compare_and_swap(store, path, data_pattern, value, options) when is_atom(store),
    do: :pando.compare_and_swap(store, path, data_pattern, value, Options.to_map(options))

  @doc """
  As `compare_and_swap/3`, but raises `Pando.Error`.

      iex> Pando.put("/stock", 150)
      :ok
      iex> Pando.compare_and_swap!("/stock", 150, 149)
      :ok
  """
  @spec compare_and_swap!(path, data_pattern :: term, value) :: :ok | token
  def compare_and_swap!(path, data_pattern, value), do: write!(compare_and_swap(path, data_pattern, value))

  @doc "As `compare_and_swap/4`, but raises `Pando.Error`."
  @spec compare_and_swap!(store, path, data_pattern :: term, value) :: :ok | token
  def compare_and_swap!(store, path, data_pattern, value),
    do: write!(compare_and_swap(store, path, data_pattern, value))

  @doc "As `compare_and_swap/5`, but raises `Pando.Error`."
  @spec compare_and_swap!(store, path, data_pattern :: term, value, options) :: :ok | token
  def compare_and_swap!(store, path, data_pattern, value, options),
    do: write!(compare_and_swap(store, path, data_pattern, value, options))

  @doc """
  As `delete/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.delete("/stock/wood")
      :ok
      iex> Pando.exists("/stock/wood/oak")
      false
  """
  @spec delete(path) :: written
  def delete(path), do: :pando.delete(path)

  @doc """
  As `delete/3`, without options: `delete(store, path)`; or without a store: `delete(path, options)`.

      iex> Pando.delete(:pando, "/stock/wood")
      :ok
      iex> Pando.delete("/stock/wood", timeout: 5_000)
      :ok
  """
  @spec delete(store, path) :: written
  @spec delete(path, options) :: written
  def delete(store, path) when is_atom(store), do: :pando.delete(store, path)
  def delete(path, options), do: :pando.delete(path, Options.to_map(options))

  @doc """
  Removes a node and everything below it; `:ok` also if there is nothing. How much goes makes no difference to the time.

  Of the root, which stays, the value goes and all below it.

      iex> Pando.delete(:pando, "/stock/wood", timeout: 5_000)
      :ok
  """
  @spec delete(store, path, options) :: written
  def delete(store, path, options) when is_atom(store),
    do: :pando.delete(store, path, Options.to_map(options))

  @doc """
  As `delete/1`, but raises `Pando.Error`.

      iex> Pando.delete!("/stock/wood")
      :ok
  """
  @spec delete!(path) :: :ok | token
  def delete!(path), do: write!(delete(path))

  @doc "As `delete/2`, but raises `Pando.Error`."
  @spec delete!(store, path) :: :ok | token
  @spec delete!(path, options) :: :ok | token
  def delete!(store_or_path, path_or_options), do: write!(delete(store_or_path, path_or_options))

  @doc "As `delete/3`, but raises `Pando.Error`."
  @spec delete!(store, path, options) :: :ok | token
  def delete!(store, path, options), do: write!(delete(store, path, options))

  @doc """
  As `delete_many/3`, of the default store.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> Pando.delete_many("/stock/o*")
      :ok
      iex> Pando.get_many("/stock/*")
      {:ok, %{["stock", "elm"] => 80}}
  """
  @spec delete_many(pattern) :: written
  def delete_many(pattern), do: :pando.delete_many(pattern)

  @doc """
  As `delete_many/3`, without options: `delete_many(store, pattern)`; or without a store: `delete_many(pattern, options)`.

      iex> Pando.delete_many(:pando, "/stock/*")
      :ok
      iex> Pando.delete_many("/stock/*", timeout: 5_000)
      :ok
  """
  @spec delete_many(store, pattern) :: written
  @spec delete_many(pattern, options) :: written
  def delete_many(store, pattern) when is_atom(store), do: :pando.delete_many(store, pattern)
  def delete_many(pattern, options), do: :pando.delete_many(pattern, Options.to_map(options))

  @doc """
  Removes all nodes that a pattern matches, and everything below them, in one step; `:ok` also if there is none.

      iex> for n <- 1..4, do: :ok = Pando.put("/jobs/\#{n}", %{done: rem(n, 2) == 0})
      iex> Pando.delete_many(:pando, ["jobs", Pando.Condition.if_data_matches(%{done: true})], timeout: 5_000)
      :ok
      iex> Pando.count("/jobs/*")
      {:ok, 2}
  """
  @spec delete_many(store, pattern, options) :: written
  def delete_many(store, pattern, options) when is_atom(store),
    do: :pando.delete_many(store, pattern, Options.to_map(options))

  @doc """
  As `delete_many/1`, but raises `Pando.Error`.

      iex> Pando.delete_many!("/stock/*")
      :ok
  """
  @spec delete_many!(pattern) :: :ok | token
  def delete_many!(pattern), do: write!(delete_many(pattern))

  @doc "As `delete_many/2`, but raises `Pando.Error`."
  @spec delete_many!(store, pattern) :: :ok | token
  @spec delete_many!(pattern, options) :: :ok | token
  def delete_many!(store_or_pattern, pattern_or_options),
    do: write!(delete_many(store_or_pattern, pattern_or_options))

  @doc "As `delete_many/3`, but raises `Pando.Error`."
  @spec delete_many!(store, pattern, options) :: :ok | token
  def delete_many!(store, pattern, options), do: write!(delete_many(store, pattern, options))

  @doc """
  As `clear_payload/3`, of the default store.

      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.clear_payload("/stock/wood/oak")
      :ok
      iex> Pando.get("/stock/wood/oak")
      {:ok, :undefined}
  """
  @spec clear_payload(path) :: written
  def clear_payload(path), do: :pando.clear_payload(path)

  @doc """
  As `clear_payload/3`, without options. To give options, name the store as well.

      iex> Pando.clear_payload(:pando, "/stock/wood/oak")
      :ok
  """
  @spec clear_payload(store, path) :: written
  def clear_payload(store, path) when is_atom(store), do: :pando.clear_payload(store, path)

  @doc """
  Takes the value off a node, which stays; `:ok` also if there is no such node.

  A parent that was created on the way to another node goes when it has neither children nor a value.

      iex> Pando.clear_payload(:pando, "/stock/wood/oak", timeout: 5_000)
      :ok
  """
  @spec clear_payload(store, path, options) :: written
  def clear_payload(store, path, options) when is_atom(store),
    do: :pando.clear_payload(store, path, Options.to_map(options))

  @doc """
  As `clear_payload/1`, but raises `Pando.Error`.

      iex> Pando.clear_payload!("/stock/wood/oak")
      :ok
  """
  @spec clear_payload!(path) :: :ok | token
  def clear_payload!(path), do: write!(clear_payload(path))

  @doc "As `clear_payload/2`, but raises `Pando.Error`."
  @spec clear_payload!(store, path) :: :ok | token
  def clear_payload!(store, path), do: write!(clear_payload(store, path))

  @doc "As `clear_payload/3`, but raises `Pando.Error`."
  @spec clear_payload!(store, path, options) :: :ok | token
  def clear_payload!(store, path, options), do: write!(clear_payload(store, path, options))

  @doc """
  As `clear_many_payloads/3`, of the default store.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.clear_many_payloads("/stock/*")
      :ok
      iex> Pando.get_many("/stock/*")
      {:ok, %{["stock", "oak"] => :undefined}}
  """
  @spec clear_many_payloads(pattern) :: written
  def clear_many_payloads(pattern), do: :pando.clear_many_payloads(pattern)

  @doc """
  As `clear_many_payloads/3`, without options. To give options, name the store as well.

      iex> Pando.clear_many_payloads(:pando, "/stock/*")
      :ok
  """
  @spec clear_many_payloads(store, pattern) :: written
  def clear_many_payloads(store, pattern) when is_atom(store), do: :pando.clear_many_payloads(store, pattern)

  @doc """
  Takes the values off all nodes that a pattern matches, in one step; `:ok` also if there is none. The nodes stay, as
  `clear_payload/3` says.

      iex> Pando.clear_many_payloads(:pando, "/stock/*", timeout: 5_000)
      :ok
  """
  @spec clear_many_payloads(store, pattern, options) :: written
  def clear_many_payloads(store, pattern, options) when is_atom(store),
    do: :pando.clear_many_payloads(store, pattern, Options.to_map(options))

  @doc """
  As `clear_many_payloads/1`, but raises `Pando.Error`.

      iex> Pando.clear_many_payloads!("/stock/*")
      :ok
  """
  @spec clear_many_payloads!(pattern) :: :ok | token
  def clear_many_payloads!(pattern), do: write!(clear_many_payloads(pattern))

  @doc "As `clear_many_payloads/2`, but raises `Pando.Error`."
  @spec clear_many_payloads!(store, pattern) :: :ok | token
  def clear_many_payloads!(store, pattern), do: write!(clear_many_payloads(store, pattern))

  @doc "As `clear_many_payloads/3`, but raises `Pando.Error`."
  @spec clear_many_payloads!(store, pattern, options) :: :ok | token
  def clear_many_payloads!(store, pattern, options), do: write!(clear_many_payloads(store, pattern, options))

  # Transactions and stored procedures

  @doc """
  As `transaction/5`, of the default store.

      iex> Pando.transaction(fn -> Pando.Tx.put("/stock/oak", 150) end)
      {:ok, :ok}
      iex> Pando.transaction(commands: [{:put, "/stock/elm", 80}, {:delete, "/stock/oak"}])
      {:ok, [:ok, :ok]}
      iex> Pando.get_many("/stock/*")
      {:ok, %{["stock", "elm"] => 80}}
  """
  @spec transaction(transaction_body) :: transaction_result
  def transaction(body), do: Transaction.run(body, [])

  @doc """
  As `transaction/5`: `transaction(store, body)`; or without a store: `transaction(body, arguments)`,
  `transaction(body, mode)` or `transaction(body, options)`.

      iex> Pando.transaction(:pando, fn -> Pando.Tx.put("/stock/oak", 150) end)
      {:ok, :ok}
      iex> Pando.transaction(fn wood -> Pando.Tx.get!(["stock", wood]) end, ["oak"])
      {:ok, 150}
      iex> Pando.transaction(fn -> Pando.Tx.get!("/stock/oak") end, :ro)
      {:ok, 150}
      iex> Pando.transaction(fn -> Pando.Tx.get!("/stock/oak") end, timeout: 5_000)
      {:ok, 150}
  """
  @spec transaction(store, transaction_body) :: transaction_result
  @spec transaction(transaction_body, (arguments :: [term]) | mode | options) :: transaction_result
  def transaction(store, body) when is_atom(store), do: Transaction.run(store, body, [])
  def transaction(body, argument), do: Transaction.run(body, [argument])

  @doc """
  As `transaction/5`: `transaction(store, body, arguments)`, or a mode or options in the place of the arguments; or without a
  store: `transaction(body, arguments, mode)`, `transaction(body, arguments, options)` or `transaction(body, mode, options)`.

      iex> Pando.transaction(:pando, fn wood -> Pando.Tx.put(["stock", wood], 150) end, ["oak"])
      {:ok, :ok}
      iex> Pando.transaction(fn wood -> Pando.Tx.get!(["stock", wood]) end, ["oak"], :ro)
      {:ok, 150}
      iex> Pando.transaction(fn -> Pando.Tx.get!("/stock/oak") end, :ro, timeout: 5_000)
      {:ok, 150}
  """
  @spec transaction(store, transaction_body, (arguments :: [term]) | mode | options) :: transaction_result
  @spec transaction(transaction_body, (arguments :: [term]) | mode, mode | options) :: transaction_result
  def transaction(store, body, argument) when is_atom(store), do: Transaction.run(store, body, [argument])
  def transaction(body, argument, last), do: Transaction.run(body, [argument, last])

  @doc """
  As `transaction/5`: `transaction(store, body, arguments, mode)`, `transaction(store, body, arguments, options)` or
  `transaction(store, body, mode, options)`; or without a store: `transaction(body, arguments, mode, options)`.

      iex> Pando.transaction(:pando, fn wood -> Pando.Tx.put(["stock", wood], 150) end, ["oak"], timeout: 5_000)
      {:ok, :ok}
      iex> Pando.transaction(fn wood -> Pando.Tx.get!(["stock", wood]) end, ["oak"], :ro, timeout: 5_000)
      {:ok, 150}
  """
  @spec transaction(store, transaction_body, (arguments :: [term]) | mode, mode | options) ::
          transaction_result
  @spec transaction(transaction_body, arguments :: [term], mode, options) :: transaction_result
  def transaction(store, body, argument, last) when is_atom(store),
    do: Transaction.run(store, body, [argument, last])

  def transaction(body, arguments, mode, options), do: Transaction.run(body, [arguments, mode, options])

  @doc """
  Runs a function whose reads and writes happen as one, or not at all: as if nothing else had happened meanwhile.

  The function calls `Pando.Tx` and `Pando.Tx.Adv`. Returns `{:ok, value}` with whatever it has returned, an error tuple
  included. `Pando.Tx.abort/1` makes that `{:error, reason}`, and an exception in the function is raised here, with its
  stacktrace; in both cases nothing has changed.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> sell = fn wood, pieces ->
      ...>   left = Pando.Tx.get!(["stock", wood]) - pieces
      ...>   if left < 0, do: Pando.Tx.abort(:sold_out)
      ...>   Pando.Tx.put!(["stock", wood], left)
      ...>   left
      ...> end
      iex> Pando.transaction(:pando, sell, ["oak", 100], :rw, timeout: 5_000)
      {:ok, 50}
      iex> Pando.transaction(:pando, sell, ["oak", 100], :rw, timeout: 5_000)
      {:error, :sold_out}

  ## The function may run more than once

  It runs in the calling process, on a private copy of the tree, and may call what it likes. If others change what it has read
  before it is committed, it **runs again**: so what it does beside reading and writing may happen more than once, as
  `Pando.Tx` shows. What is to happen once goes to `Pando.Tx.after_commit/1`, which runs a function once, afterwards.

  Calls of `Pando` and `Pando.Adv` on the same store would not be part of the transaction: they raise an `ErlangError` of
  `{:pando_ex, :failed_to_prepare_tx_fun, _}`, and so do transactions in transactions. Those on other stores, and any in
  mode `:ro`, are ordinary calls outside of it.

  Transactions on the same nodes take turns, so that none waits for ever.

  ## Modes

    * `:auto`, the default, and `:rw` - reads and writes. One that has written nothing leaves nothing in the log;
    * `:ro` - reads one moment, and nothing else: a write raises an `ErlangError` of
      `{:pando_ex, :denied_update_in_readonly_tx, %{}}`. It never runs again. The options `:favor` and `:condition` are for
      this mode, and for `:auto`; `:at_least` is for all.

  ## Arguments

  A list right after the function is its arguments, if it takes any, and options if it takes none:
  `Pando.transaction(fn -> … end, timeout: 5_000)`. After a path a list is always the arguments, so that options follow
  these, or a mode: `Pando.transaction("/sell", [], timeout: 5_000)`.

  ## Options

  Those of reads and writes, as a keyword list or a map. `:timeout` is for the whole call, but ends no function. With a
  `:request_id`, a transaction that was committed is not run again: its retry returns what the function had returned.
  With `:async` the function runs in the calling process as ever, and `:ok` is returned when all is done; what it has
  returned comes as a message (`handle_async_ret/2`).

      iex> count = fn -> Pando.Tx.put!("/visits", Pando.Tx.get_or!("/visits", 0) + 1) end
      iex> for _ <- 1..3, do: {:ok, :ok} = Pando.transaction(count, request_id: "visit-1")
      iex> Pando.get("/visits")
      {:ok, 1}

  ## Stored procedures

  A path instead of a function runs the stored procedure there (`run_sproc/4` says what is stored).

      iex> Pando.put("/sell", fn wood -> Pando.Tx.delete(["stock", wood]) end)
      :ok
      iex> Pando.transaction("/sell", ["oak"])
      {:ok, :ok}
      iex> Pando.transaction("/sell", ["oak"], :ro)
      {:error, {:pando, :sproc_invalid_as_tx_fun, %{path: ["sell"]}}}

  ## Conditions and commands

  A map or a keyword list instead of a function is a transaction without code, done in one round trip: if all `:conditions`
  hold, all `:commands` are done, in their order, or else none. A condition is a path and what each node there must meet,
  as in the option `:keep_while`; only `Pando.Condition.if_node_exists(false)` is met by a missing node. Commands are the
  writing functions of `Pando` as tuples, maybe with options about nodes (`:keep_while`, `:props_to_return` and others) at
  the end. Returns `{:ok, results}`, with `:ok` for each command, or `{:ok, %{path => props}}` if it has `:props_to_return`.

      iex> import Pando.Condition
      iex> Pando.transaction(
      ...>   conditions: [{"/stock/elm", if_node_exists(false)}],
      ...>   commands: [{:put, "/stock/elm", 3}, {:delete, "/stock/fir", props_to_return: [:payload]}]
      ...> )
      {:ok, [:ok, {:ok, %{}}]}
      iex> {:error, {:pando, :transaction_condition_not_met, props}} =
      ...>   Pando.transaction(%{conditions: %{"/stock/elm" => if_data_matches(5)}, commands: [{:put, "/stock/elm", 4}]})
      iex> {props.index, props.node_path, props.outcome}
      {1, ["stock", "elm"], :not_applied}
      iex> {:error, {:pando, :transaction_command_refused, props}} =
      ...>   Pando.transaction(commands: [{:put, "/stock/fir", 1}, {:update, "/stock/ash", 1}])
      iex> {props.index, elem(props.reason, 1)}
      {2, :node_not_found}

  ## Errors

  `{:error, reason}`, with what was given to `Pando.Tx.abort/1`, or a reason of the store, which `Pando.Error` lists. To tell
  the one from the other where it may matter, give to `Pando.Tx.abort/1` what no store does, or call `transaction!/5`.

  Raises an `ErlangError` of `{:pando_ex, :denied_tx_fun_with_invalid_args, _}` for another number of arguments than the
  function takes, and for another mode.
  """
  @spec transaction(store, transaction_body, arguments :: [term], mode, options) :: transaction_result
  def transaction(store, body, arguments, mode, options) when is_atom(store),
    do: Transaction.run(store, body, [arguments, mode, options])

  @doc """
  As `transaction/1`, but returns the bare value and raises `Pando.Error`.

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.transaction!(fn -> Pando.Tx.get!("/stock/oak") end)
      150
      iex> Pando.transaction!(fn -> Pando.Tx.abort(:changed_my_mind) end)
      ** (Pando.Error) the transaction was aborted: :changed_my_mind: nothing was done
  """
  @spec transaction!(transaction_body) :: term
  def transaction!(body), do: Transaction.run!(body, [])

  @doc "As `transaction/2`, but returns the bare value and raises `Pando.Error`."
  @spec transaction!(store, transaction_body) :: term
  @spec transaction!(transaction_body, (arguments :: [term]) | mode | options) :: term
  def transaction!(store, body) when is_atom(store), do: Transaction.run!(store, body, [])
  def transaction!(body, argument), do: Transaction.run!(body, [argument])

  @doc "As `transaction/3`, but returns the bare value and raises `Pando.Error`."
  @spec transaction!(store, transaction_body, (arguments :: [term]) | mode | options) :: term
  @spec transaction!(transaction_body, (arguments :: [term]) | mode, mode | options) :: term
  def transaction!(store, body, argument) when is_atom(store), do: Transaction.run!(store, body, [argument])
  def transaction!(body, argument, last), do: Transaction.run!(body, [argument, last])

  @doc "As `transaction/4`, but returns the bare value and raises `Pando.Error`."
  @spec transaction!(store, transaction_body, (arguments :: [term]) | mode, mode | options) :: term
  @spec transaction!(transaction_body, arguments :: [term], mode, options) :: term
  def transaction!(store, body, argument, last) when is_atom(store),
    do: Transaction.run!(store, body, [argument, last])

  def transaction!(body, arguments, mode, options), do: Transaction.run!(body, [arguments, mode, options])

  @doc """
  As `transaction/5`, but returns the bare value and raises `Pando.Error`: of the kind `:aborted` for what was given to
  `Pando.Tx.abort/1`.

      iex> try do
      ...>   Pando.transaction!(:pando, fn -> Pando.Tx.abort(:timeout) end, [], :rw, [])
      ...> rescue
      ...>   error in Pando.Error -> {error.kind, error.reason, error.outcome}
      ...> end
      {:aborted, :timeout, :not_applied}

  An exception in the function is raised as it is.
  """
  @spec transaction!(store, transaction_body, arguments :: [term], mode, options) :: term
  def transaction!(store, body, arguments, mode, options) when is_atom(store),
    do: Transaction.run!(store, body, [arguments, mode, options])

  @doc """
  As `run_sproc/4`, of the default store.

      iex> Pando.put("/sum", &Enum.sum/1)
      :ok
      iex> Pando.run_sproc("/sum", [[1, 2, 3]])
      6
  """
  @spec run_sproc(path, arguments :: [term]) :: term
  def run_sproc(path, arguments), do: :pando.run_sproc(path, arguments)

  @doc """
  As `run_sproc/4`, without options: `run_sproc(store, path, arguments)`; or without a store:
  `run_sproc(path, arguments, options)`.

      iex> Pando.put("/sum", &Enum.sum/1)
      :ok
      iex> Pando.run_sproc(:pando, "/sum", [[1, 2, 3]])
      6
      iex> Pando.run_sproc("/sum", [[1, 2, 3]], timeout: 1_000)
      6
  """
  @spec run_sproc(store, path, arguments :: [term]) :: term
  @spec run_sproc(path, arguments :: [term], options) :: term
  def run_sproc(store, path, arguments) when is_atom(store), do: :pando.run_sproc(store, path, arguments)
  def run_sproc(path, arguments, options), do: :pando.run_sproc(path, arguments, Options.to_map(options))

  @doc """
  Reads a stored procedure and runs it in the calling process, and returns what it returns. Options are those of reads. It is
  no transaction: that is `transaction/5` with a path.

      iex> Pando.put("/multiply", fn a, b -> a * b end)
      :ok
      iex> Pando.run_sproc(:pando, "/multiply", [6, 7], timeout: 1_000)
      42

  A function is stored as the runtime has it, without its code: `&Module.name/arity` needs a module that exports it, any
  other the very version of its module in which it was made. So a procedure that is to outlive the next release is a
  `&Module.name/arity`.

  What it raises is raised here, and `BadArityError` for a wrong number of arguments. Thrown, as in Erlang, are:

    * `{:pando, :failed_to_get_sproc, %{path: path, args: arguments, error: reason}}` - the node could not be read;
    * `{:pando_ex, :denied_execution_of_non_sproc_node, %{path: path, args: arguments, node_props: props}}` - it holds no
      procedure;
    * `{:pando_ex, :sproc_code_not_available, %{path: path, args: arguments, module: module, needed: needed, loaded: loaded}}` -
      this node does not have its code. `needed` is the MD5 of the module, or `{name, arity}`; `loaded` is the MD5 of the
      module that is here (`module.module_info(:md5)`, in hexadecimal digits), or `:none`. Nothing was run.

  An example:

      iex> try do
      ...>   Pando.run_sproc(:pando, "/divide", [6, 7], [])
      ...> catch
      ...>   {:pando, :failed_to_get_sproc, %{error: {:pando, name, _props}}} -> name
      ...> end
      :node_not_found
  """
  @spec run_sproc(store, path, arguments :: [term], options) :: term
  def run_sproc(store, path, arguments, options) when is_atom(store),
    do: :pando.run_sproc(store, path, arguments, Options.to_map(options))

  # Writes that do not wait

  @doc """
  As `handle_async_ret/2`, of the default store.

      iex> Pando.put(:pando, "/stock/oak", 150, async: 1)
      :ok
      iex> Pando.update(:pando, "/stock/elm", 80, async: 2)
      :ok
      iex> next = fn -> receive(do: ({:ra_event, _, _} = event -> Pando.handle_async_ret(event))) end
      iex> [one, two] = next |> Stream.repeatedly() |> Stream.concat() |> Enum.take(2)
      iex> one
      {1, {:ok, %{["stock", "oak"] => %{}}}}
      iex> {2, {:error, {:pando, :node_not_found, props}}} = two
      iex> props.node_name
      "elm"
  """
  @spec handle_async_ret(event :: tuple) :: [
          {correlation, {:ok, %{Pando.Path.native() => props}} | {:error, reason} | term}
        ]
  def handle_async_ret(event), do: :pando.handle_async_ret(event)

  @doc """
  What has become of writes with the option `async: correlation`, from a message `{:ra_event, _, _}` that their caller has
  got: a list of `{correlation, result}`, with the results that the functions of `Pando.Adv` have. One message may tell of
  many writes.

      iex> Pando.Adv.put(:pando, "/stock/oak", 150, async: :low)
      :ok
      iex> Pando.Adv.put(:pando, "/stock/oak", 149, async: {7, :low})
      :ok
      iex> event = receive(do: ({:ra_event, _, _} = event -> event))
      iex> Pando.handle_async_ret(:pando, event)
      [{7, {:ok, %{["stock", "oak"] => %{data: 150, payload_version: 2}}}}]

  After `{:error, {:not_leader, leader}}` the write has not been done; it is up to the caller to repeat it.

  The result of a transaction is what its function has returned, whatever that is, `{:error, reason}` if it was aborted, and
  raised if it was raised.

  Other messages raise `FunctionClauseError`.
  """
  @spec handle_async_ret(store, event :: tuple) :: [
          {correlation, {:ok, %{Pando.Path.native() => props}} | {:error, reason} | term}
        ]
  def handle_async_ret(store, event) when is_atom(store), do: :pando.handle_async_ret(store, event)

  @doc """
  As `fence/2`, of the default store, with the default timeout.

      iex> Pando.put(:pando, "/stock/oak", 150, async: true)
      :ok
      iex> Pando.fence()
      :ok
      iex> Pando.get("/stock/oak")
      {:ok, 150}
  """
  @spec fence() :: done
  def fence, do: :pando.fence()

  @doc """
  As `fence/2`: `fence(store)`, or `fence(timeout)` of the default store.

      iex> Pando.fence(:pando)
      :ok
      iex> Pando.fence(5_000)
      :ok
  """
  @spec fence(store | timeout) :: done
  def fence(store_or_timeout), do: :pando.fence(store_or_timeout)

  @doc """
  Waits until reads on this node see every write that was done before, anywhere: those of this caller that did not wait
  for their answers (`:async`), and those that other members of the store have acknowledged.

      iex> Pando.fence(:pando, 5_000)
      :ok
      iex> Pando.fence(:pando, 0)
      {:error, :timeout}
  """
  @spec fence(store, timeout) :: done
  def fence(store, timeout) when is_atom(store), do: :pando.fence(store, timeout)

  # What happens, and how it stands

  @doc """
  Sends the events of a store to the calling process, as `{:pando_event, store, event}`, until it ends or `unsubscribe/1`.

      iex> Pando.subscribe(:pando)
      :ok
      iex> Pando.unsubscribe(:pando)
      :ok

  The store need not run; the subscription stays when it stops or is opened again. An event is

    * `:store_started`, `:store_stopped`, `{:store_halted, %{reason: text}}`;
    * `{:leader_changed, %{leader: {member_id, node} | :undefined, term: term}}`;
    * `:quorum_lost`, `:quorum_regained`: this member cannot, or can again, reach a majority;
    * `{:member_joined, %{member_id: id, node: node}}`, `{:member_left, _}`, `{:role_changed, _}` (with `:is_voter`);
    * `{:member_lagging, %{member_id: id, node: node, entries: count}}`, `{:member_caught_up, _}`;
    * `{:snapshot_installed, %{index: index}}`: this member has replaced its state by one of the leader's;
    * `:removed`: this member is none any more.

  Events come late or not at all if the node is cut off or overloaded: look at `status/1` for what is so now. A process that is
  to run only with a quorum does that at each of them (`docs/operations.md` has one).
  """
  @spec subscribe(store) :: done
  def subscribe(store), do: :pando_events.subscribe(store)

  @doc "As `subscribe/1`, for another process of this node."
  @spec subscribe(store, pid) :: done
  def subscribe(store, pid), do: :pando_events.subscribe(store, pid)

  @doc "No more events of a store for the calling process. What was sent before may be in its mailbox."
  @spec unsubscribe(store) :: :ok
  def unsubscribe(store), do: :pando_events.unsubscribe(store)

  @doc "As `unsubscribe/1`, for another process."
  @spec unsubscribe(store, pid) :: :ok
  def unsubscribe(store, pid), do: :pando_events.unsubscribe(store, pid)

  @doc """
  Figures of a store: this member's role, term, leader, whether it has a quorum, all members with what they lack and when they
  were heard of, sizes of log and snapshot. `info/1` prints them.

      iex> {:ok, status} = Pando.status(:pando)
      iex> {status.role, status.has_quorum, status.leader_node == node()}
      {:leader, true, true}
  """
  @spec status(store) :: {:ok, map} | {:error, :noproc}
  def status(store), do: :pando_status.status(store)

  @doc """
  Figures of all stores that are open on this node, in the text format of Prometheus.

      iex> Pando.metrics() =~ ~s(pando_has_quorum{store="pando"} 1)
      true
  """
  @spec metrics() :: binary
  def metrics, do: :pando_metrics.text()

  # For people

  @doc """
  As `tree/3`, of all of the default store.

      Pando.tree()
  """
  @spec tree() :: :ok | {:error, reason}
  def tree, do: tree([])

  @doc """
  As `tree/3`: `tree(store)`, all of a store, or `tree(path)`, a part of the default store.

      Pando.tree(:my_store)
      Pando.tree("/stock/wood")
  """
  @spec tree(store | path) :: :ok | {:error, reason}
  def tree(store) when is_atom(store), do: tree(store, [], [])
  def tree(path), do: tree(path, [])

  @doc """
  As `tree/3`, without options: `tree(store, path)`; or without a store: `tree(path, options)`.

      Pando.tree(:my_store, "/stock/wood")
      Pando.tree("/stock/wood", limit: 5)
  """
  @spec tree(store, path) :: :ok | {:error, reason}
  @spec tree(path, options) :: :ok | {:error, reason}
  def tree(store, path) when is_atom(store), do: tree(store, path, [])
  def tree(path, options), do: Tree.print(:pando_cluster.get_default_store_id(), path, options)

  @doc """
  Prints a node and what is below it, for people in iex:

      > Pando.tree(:my_store, "/stock")
      /stock
      ├── "iron" => %{pieces: 12, place: "A"}
      └── "wood"
          ├── "elm" => 80
          ├── "oak" => 150
          └── … 248 more
      :ok

  Names and values are as `inspect/2` shows them, values only as far as the line goes. Little is read of a large tree:

    * `:limit` - how many children of each node are shown, the first ones in term order; 20 by default;
    * `:depth` - how many levels; 8 by default.

  In all, no more than 1,000 nodes are shown. `… 248 more` is how many children there are beside, each maybe with others
  below it. Nodes that are written meanwhile may be missing. There are colours where `IO.ANSI.enabled?/0` is true.

  Raises `ArgumentError` for other options.
  """
  @spec tree(store, path, options) :: :ok | {:error, reason}
  def tree(store, path, options) when is_atom(store), do: Tree.print(store, path, options)

  @doc """
  Prints which stores run on this node.

      Pando.info()
  """
  @spec info() :: :ok
  def info, do: :pando.info()

  @doc """
  As `info/2`, without options.

      Pando.info(:my_store)
  """
  @spec info(store) :: :ok
  def info(store) when is_atom(store), do: :pando.info(store)

  @doc """
  Prints a store as Erlang shows it: its members, which nodes stay only as long as a condition on others holds
  (`:keep_while`), and the beginning of its tree. `tree/3` prints a tree as Elixir shows it.

      Pando.info(:my_store, timeout: 5_000)
  """
  @spec info(store, options) :: :ok
  def info(store, options) when is_atom(store), do: :pando.info(store, Options.to_map(options))

  defp read!({:ok, value}), do: value
  defp read!(boolean) when is_boolean(boolean), do: boolean
  defp read!({:error, reason}), do: raise(Error, reason: reason, call: :read)

  defp write!(:ok), do: :ok
  defp write!({:ok, token}), do: token
  defp write!({:error, reason}), do: raise(Error, reason: reason, call: :write)

  # `put("/a", 1, timeout: 5)`: not taken for a path, a value and options, because then a store named by a string,
  # `put("stock", "/a", [])`, would silently write something else.
  @spec no_store!(atom, term) :: no_return
  defp no_store!(name, given) do
    {arity, takes, call} =
      case name do
        :compare_and_swap -> {4, "a store, a path, a pattern and a value", "path, pattern, value, options"}
        _put -> {3, "a store, a path and a value", "path, value, options"}
      end

    raise ArgumentError,
          "Pando.#{name}/#{arity} takes #{takes}, but the store is #{inspect(given)}, which is no atom. " <>
            "To give options, name the store as well: Pando.#{name}(:pando, #{call})"
  end
end
