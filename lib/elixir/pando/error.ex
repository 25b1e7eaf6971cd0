defmodule Pando.Error do
  @moduledoc """
  What the functions with `!` of `Pando` raise, and what a caller may conclude from it.

  The fields:

    * `kind` - an atom to match on, from the tables below;
    * `outcome` - for a write or a transaction, what has become of it: `:not_applied` when it certainly did nothing,
      `:applied` when it was applied, `:unknown` when it may have been, or may be later; `nil` for a read, which changes
      nothing;
    * `reason` - the reason of the `{:error, reason}` that the function without `!` returns, with all details.

  | `kind` | what has happened | `outcome` of a write | what to do |
  |---|---|---|---|
  | `:node_not_found` | a node on the path is missing; `reason` has `node_path` | `:not_applied` | an answer, not a fault |
  | `:mismatching_node` | the node is not as the call demands, such as one that `Pando.create/4` finds there already; `reason` has `node_props` | `:not_applied` | an answer, not a fault |
  | `:keep_while_conditions_not_met` | a condition of the option `:keep_while` does not hold now; `reason` has `keep_while_reason` | `:not_applied` | an answer, not a fault |
  | `:noproc` | the store does not run on this node | `:not_applied` | start it, check its name; it is so too while a supervisor opens it again |
  | `:timeout` | no answer within the `:timeout` of the call | `:unknown` | read before repeating what must not happen twice |
  | `:overload` | too many commands wait | `:not_applied` | try again later, with fewer at once |
  | `:limit_exceeded` | a path, a name, a payload or a transaction is too large; `reason` has `limit` and `max` | `:not_applied` | do not repeat it |
  | `:store_closed` | the store was stopped while the command was under way | `:unknown` | as for `:timeout`, once it runs again |
  | `:store_halted` | a fault, such as a failing disk, has halted the store while the command was under way; the log says more | `:unknown` | as for `:timeout`, once its supervisor has opened it again |
  | `:not_leader` | this member may not write | `:not_applied` | try again later |
  | `:no_quorum` | no majority of the members can be reached | `:not_applied` or `:unknown`, as `outcome` says | try again later; if `:unknown`, as for `:timeout` |
  | `:leader_changed` | another member leads since the command was under way, and it was left out | `:not_applied` | try again |
  | `:command_failed` | a fault of Pando; `reason` says which | `:not_applied` | report it |
  | `:answer_not_kept` | a request with this `:request_id` was applied before, and its answer was too large to be kept | `:applied` | read what it has done |
  | `:token_not_available` | the store was stopped or opened again while a write with `return: :token` was under way: it was done, and its token cannot be told | `:applied` | read with `favor: :consistency` instead |
  | `:other_cluster` | the token of `:at_least` is of another cluster than the store | `:not_applied` | an answer, not a fault |
  | `:unknown_option` | the option `:reply_from` has a value that it does not take | `:not_applied` | do not repeat it |

  Of `Pando.transaction!/5` alone, beside these:

  | `kind` | what has happened | `outcome` | what to do |
  |---|---|---|---|
  | `:aborted` | the function has called `Pando.Tx.abort/1`; `reason` is what it gave | `:not_applied` | an answer, not a fault |
  | `:transaction_condition_not_met` | one of the conditions does not hold; `reason` has its `index`, from 1, and the `node_path` | `:not_applied` | an answer, not a fault |
  | `:transaction_command_refused` | one of the commands was refused; `reason` has its `index`, from 1, and its own `reason` | `:not_applied` | an answer, not a fault |
  | `:too_many_conflicts` | others have changed what the function had read, each time that it ran; `reason` has how often, `attempts`, and where at last, `path` | `:not_applied` | try again later |
  | `:no_sproc_at_given_path` | the node has no stored procedure | `:not_applied` | do not repeat it |
  | `:possibly_matching_many_nodes_denied` | the path of the stored procedure may match many nodes | `:not_applied` | do not repeat it |
  | `:sproc_invalid_as_tx_fun` | the stored procedure writes, and the mode is `:ro` | `nil` | use another mode |
  | `:sproc_code_not_available` | this node does not have the code that the stored procedure needs; `reason` has the `module`, and which version of it is `needed` and `loaded` | `:not_applied` | load that version, or store the procedure anew |

  Later versions may add kinds. Trust `outcome` for those: it is `:not_applied` only where that is certain.

      iex> try do
      ...>   Pando.update!("/stock/wood/elm", 12)
      ...> rescue
      ...>   error in Pando.Error -> {error.kind, error.outcome}
      ...> end
      {:node_not_found, :not_applied}

  For an `{:error, reason}`, also one from `Pando.handle_async_ret/2`, there is the same as a value:

      iex> {:error, reason} = Pando.put(:pando, "/stock/wood/elm", 12, timeout: 0)
      iex> Pando.Error.exception(reason: reason, call: :write).outcome
      :unknown

  A wrong use of the library is no `Pando.Error`: what is no path raises an `ErlangError` of
  `{:pando_ex, name, props}`, wrong types and unknown options a `FunctionClauseError` or an `ArgumentError`, in the
  functions with and without `!` alike.
  """

  @enforce_keys [:reason, :kind]
  defexception [:reason, :kind, :outcome]

  @typedoc "What may be concluded about a write; `nil` for a read."
  @type outcome :: :not_applied | :applied | :unknown | nil

  @typedoc "See the tables above."
  @type kind ::
          :node_not_found
          | :mismatching_node
          | :keep_while_conditions_not_met
          | :noproc
          | :timeout
          | :overload
          | :limit_exceeded
          | :store_closed
          | :store_halted
          | :not_leader
          | :no_quorum
          | :leader_changed
          | :command_failed
          | :answer_not_kept
          | :token_not_available
          | :other_cluster
          | :unknown_option
          | :aborted
          | :transaction_condition_not_met
          | :transaction_command_refused
          | :too_many_conflicts
          | :no_sproc_at_given_path
          | :possibly_matching_many_nodes_denied
          | :sproc_invalid_as_tx_fun
          | :sproc_code_not_available
          | atom

  @type t :: %__MODULE__{reason: term, kind: kind, outcome: outcome}

  @doc """
  Makes the exception of a reason.

    * `:reason` - of an `{:error, reason}`;
    * `:call` - `:read` or `:write`, by which `outcome` is decided; a transaction is a `:write`. `:abort` if the reason is
      what `Pando.Tx.abort/1` was given, which may be any term.

  An example:

      iex> error = Pando.Error.exception(reason: :overload, call: :write)
      iex> {error.kind, error.outcome}
      {:overload, :not_applied}
      iex> Exception.message(error)
      "too many commands are waiting: nothing was done, try again later"

  Raises `KeyError` if one of the two is missing.
  """
  @impl true
  @spec exception(reason: term, call: :read | :write | :abort) :: t
  def exception(options) do
    reason = Keyword.fetch!(options, :reason)

    {kind, outcome} =
      case Keyword.fetch!(options, :call) do
        :read -> {kind(reason), nil}
        :write -> {kind(reason), outcome(reason)}
        :abort -> {:aborted, :not_applied}
      end

    %__MODULE__{reason: reason, kind: kind, outcome: outcome}
  end

  @doc """
  The error in words, as `:pando_errors.format/1` gives them for the reasons of a store.

      iex> Exception.message(Pando.Error.exception(reason: :noproc, call: :read))
      "the store is not running on this node: start it, or check its name"
  """
  @impl true
  @spec message(t) :: String.t()
  def message(%__MODULE__{kind: :aborted, reason: reason}),
    do: "the transaction was aborted: #{inspect(reason)}: nothing was done"

  def message(%__MODULE__{reason: reason}), do: reason |> :pando_errors.format() |> List.to_string()

  defp kind(reason) when is_atom(reason), do: reason
  defp kind({:pando, name, _props}) when is_atom(name), do: name
  defp kind({:pando_ex, name, _props}) when is_atom(name), do: name
  defp kind({:not_leader, _leader}), do: :not_leader
  defp kind({:unknown_option, _key, _value}), do: :unknown_option
  defp kind(_other), do: :other

  # Only what is certain is `:not_applied`.
  defp outcome({:pando, _name, %{outcome: outcome}}), do: outcome
  defp outcome({:pando, :node_not_found, _props}), do: :not_applied
  defp outcome({:pando, :mismatching_node, _props}), do: :not_applied
  defp outcome({:pando, :keep_while_conditions_not_met, _props}), do: :not_applied
  defp outcome({:pando, :no_sproc_at_given_path, _props}), do: :not_applied
  defp outcome({:pando, :sproc_invalid_as_tx_fun, _props}), do: :not_applied
  defp outcome({:pando, :sproc_code_not_available, _props}), do: :not_applied
  defp outcome({:pando_ex, :possibly_matching_many_nodes_denied, _props}), do: :not_applied
  defp outcome({:not_leader, _leader}), do: :not_applied
  defp outcome({:unknown_option, _key, _value}), do: :not_applied
  defp outcome(:noproc), do: :not_applied
  defp outcome(:overload), do: :not_applied
  defp outcome(_other), do: :unknown
end
