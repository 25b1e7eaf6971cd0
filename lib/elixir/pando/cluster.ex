defmodule Pando.Cluster do
  @moduledoc """
  The members of a store: who they are, how they come and go, who leads.

  Most applications need none of this: a store that is told its nodes forms its cluster by itself, and a member that has lost
  its disk comes back by itself.

      children = [
        {Pando, name: :my_store, data_dir: "/var/lib/my_app", cluster: [:"app@host1", :"app@host2", :"app@host3"]}
      ]

  On every member, all of these can be called, whichever member leads. What changes members needs a majority of them, and is
  done when it returns `:ok`.

  ## Errors

    * `{:pando, :no_quorum, %{outcome: outcome, reason: text}}` - no majority of the members can be reached;
    * `{:pando, :no_such_member, _}` - the node has no member of this store;
    * `{:pando, :last_voter, _}` - nobody would be left who votes;
    * `{:pando, :membership_busy, _}` - other changes took too long, or nobody was there to take over leadership;
    * `{:pando, :not_a_pando_store, %{store_id: store}}` - the store does not run here; with a `node`, not there;
    * `{:pando, :failed_to_join_remote_pando_node, %{store_id: store, node: node}}` - the node does not answer;
    * `:noproc`, `:timeout`.
  """

  alias Pando.Options

  @typedoc "A store on one node."
  @type member :: {Pando.store(), node}

  @typedoc "What a change of members returns."
  @type changed :: :ok | {:error, term}

  @doc "Has the default store join the cluster of the store of that name on a node: as `join/3`."
  @spec join(node | member) :: changed
  def join(node_or_member), do: :pando_cluster.join(node_or_member)

  @doc """
  As `join/3`: `join(store, node)`, or `join(node_or_member, timeout_or_options)`.

      iex> Pando.Cluster.join(:no_such_store, :"app@nowhere")
      {:error, {:pando, :not_a_pando_store, %{store_id: :no_such_store}}}
  """
  @spec join(Pando.store(), node) :: changed
  @spec join(node | member, timeout | Pando.options()) :: changed
  def join(store_or_node, node_or_options) when is_list(node_or_options),
    do: :pando_cluster.join(store_or_node, Options.to_map(node_or_options))

  def join(store_or_node, node_or_options), do: :pando_cluster.join(store_or_node, node_or_options)

  @doc """
  Makes this node's member of a store one of the cluster that the store of the same name on `node` belongs to.

    * `:timeout` - in milliseconds, for the whole call;
    * `:role` - `:voter`, or `:observer` for a member that has everything and never votes.

  All data of this node's store go, and it leaves the cluster that it was in. `:ok` when it has what the others have, and votes.

      Pando.Cluster.join(:my_store, :"app@host1", role: :observer)
      #=> :ok

  After an error the store is what it was, or, if its data were gone already, an empty cluster of one; but while it is not
  certain that the cluster does not count on it, it goes on joining in the background. A node that stops meanwhile goes on when
  the store is started again.

      iex> Pando.Cluster.join(:pando, node(), 5_000)
      :ok
  """
  @spec join(Pando.store(), node, timeout | Pando.options()) :: changed
  def join(store, node, options) when is_list(options),
    do: :pando_cluster.join(store, node, Options.to_map(options))

  def join(store, node, timeout_or_options), do: :pando_cluster.join(store, node, timeout_or_options)

  @doc "The members of the default store: as `members/2`."
  @spec members() :: {:ok, [member]} | {:error, Pando.reason()}
  def members, do: :pando_cluster.members()

  @doc """
  As `members/2`: `members(store)`, or `members(options)` of the default store.

      iex> Pando.Cluster.members(:pando)
      {:ok, [{:pando, node()}]}
  """
  @spec members(Pando.store() | Pando.options()) :: {:ok, [member]} | {:error, Pando.reason()}
  def members(store) when is_atom(store), do: :pando_cluster.members(store)
  def members(options), do: :pando_cluster.members(Options.to_map(options))

  @doc """
  The members of a store, sorted; observers, too.

  It asks the leader, which needs a majority. With `favor: :low_latency` it is what this node knows.

      iex> Pando.Cluster.members(:pando, favor: :low_latency)
      {:ok, [{:pando, node()}]}
  """
  @spec members(Pando.store(), Pando.options()) :: {:ok, [member]} | {:error, Pando.reason()}
  def members(store, options), do: :pando_cluster.members(store, Options.to_map(options))

  @doc "The nodes of the default store's members: as `nodes/2`."
  @spec nodes() :: {:ok, [node]} | {:error, Pando.reason()}
  def nodes, do: :pando_cluster.nodes()

  @doc """
  As `nodes/2`: `nodes(store)`, or `nodes(options)` of the default store.

      iex> Pando.Cluster.nodes(timeout: 5_000)
      {:ok, [node()]}
  """
  @spec nodes(Pando.store() | Pando.options()) :: {:ok, [node]} | {:error, Pando.reason()}
  def nodes(store) when is_atom(store), do: :pando_cluster.nodes(store)
  def nodes(options), do: :pando_cluster.nodes(Options.to_map(options))

  @doc """
  The nodes of a store's members, sorted: as `members/2`.

      iex> Pando.Cluster.nodes(:pando, favor: :consistency)
      {:ok, [node()]}
  """
  @spec nodes(Pando.store(), Pando.options()) :: {:ok, [node]} | {:error, Pando.reason()}
  def nodes(store, options), do: :pando_cluster.nodes(store, Options.to_map(options))

  @doc "Waits until the default store has a leader: as `wait_for_leader/2`."
  @spec wait_for_leader() :: :ok | {:error, :timeout | :noproc}
  def wait_for_leader, do: :pando_cluster.wait_for_leader()

  @doc """
  As `wait_for_leader/2`, as long as the default timeout says.

      iex> Pando.Cluster.wait_for_leader(:pando)
      :ok
  """
  @spec wait_for_leader(Pando.store() | member) :: :ok | {:error, :timeout | :noproc}
  def wait_for_leader(store_or_member), do: :pando_cluster.wait_for_leader(store_or_member)

  @doc """
  Waits until a store, or a member of it on another node, runs and has a leader; one that is on the way into a cluster counts when it
  is there.

      iex> Pando.Cluster.wait_for_leader(:no_such_store, 10)
      {:error, :noproc}
  """
  @spec wait_for_leader(Pando.store() | member, timeout) :: :ok | {:error, :timeout | :noproc}
  def wait_for_leader(store_or_member, timeout), do: :pando_cluster.wait_for_leader(store_or_member, timeout)

  @doc "Takes a node's member out of a store's cluster: as `remove_member/3`."
  @spec remove_member(Pando.store(), node) :: changed
  def remove_member(store, node), do: :pando_cluster.remove_member(store, node)

  @doc """
  Takes a node's member out of a store's cluster: one that does not come back. For a node that runs, `Pando.reset/2` there is better;
  and one that comes back with an empty directory needs nothing.

      iex> {:error, {:pando, kind, _}} = Pando.Cluster.remove_member(:pando, :"app@nowhere", 5_000)
      iex> kind
      :no_such_member
  """
  @spec remove_member(Pando.store(), node, timeout) :: changed
  def remove_member(store, node, timeout), do: :pando_cluster.remove_member(store, node, timeout)

  @doc """
  Makes a voter of this node's observer: as `promote/3`.

      iex> Pando.Cluster.promote(:pando)
      :ok
  """
  @spec promote(Pando.store()) :: changed
  def promote(store), do: :pando_cluster.promote(store)

  @doc "Makes a voter of an observer: as `promote/3`."
  @spec promote(Pando.store(), node) :: changed
  def promote(store, node), do: :pando_cluster.promote(store, node)

  @doc """
  Makes a voter of the observer on a node; `:ok` when it votes. A voter stays one.

      iex> Pando.Cluster.promote(:pando, node(), 5_000)
      :ok
  """
  @spec promote(Pando.store(), node, timeout) :: changed
  def promote(store, node, timeout), do: :pando_cluster.promote(store, node, timeout)

  @doc "Has the member of a node lead: as `transfer_leadership/3`."
  @spec transfer_leadership(Pando.store(), node) :: changed
  def transfer_leadership(store, node), do: :pando_cluster.transfer_leadership(store, node)

  @doc """
  Has the member of a node lead; `:ok` when it does. With different priorities (`Pando.child_spec/1`) leadership goes back to a
  member of the highest one.

      iex> Pando.Cluster.transfer_leadership(:pando, node(), 5_000)
      :ok
  """
  @spec transfer_leadership(Pando.store(), node, timeout) :: changed
  def transfer_leadership(store, node, timeout), do: :pando_cluster.transfer_leadership(store, node, timeout)
end
