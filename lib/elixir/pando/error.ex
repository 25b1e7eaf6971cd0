defmodule Pando.Error do
  @moduledoc """
  What the functions with `!` of `Pando` raise, and what a caller may conclude from it.

  The fields:

    * `kind` - an atom to match on, from the table below;
    * `outcome` - for a write, what has become of it: `:not_applied` when it certainly did nothing, `:unknown` when it
      may have been applied, or may be later; `nil` for a read, which changes nothing;
    * `reason` - the reason of the `{:error, reason}` that the function without `!` returns, with all details.

  | `kind` | what has happened | `outcome` of a write | what to do |
  |---|---|---|---|
  | `:node_not_found` | a node on the path is missing; `reason` has `node_path` | `:not_applied` | an answer, not a fault |
  | `:mismatching_node` | the node is not as the call demands, such as one that `Pando.create/4` finds there already; `reason` has `node_props` | `:not_applied` | an answer, not a fault |
  | `:keep_while_conditions_not_met` | a condition of the option `:keep_while` does not hold now; `reason` has `keep_while_reason` | `:not_applied` | an answer, not a fault |
  | `:noproc` | the store does not run on this node | `:not_applied` | start it, check its name; it is so too while a supervisor opens it again |
  | `:timeout` | no answer within the `:timeout` of the call | `:unknown` | read before repeating what must not happen twice |
  | `:overload` | too many commands wait | `:not_applied` | try again later, with fewer at once |
  | `:limit_exceeded` | a path, a name or a payload is too large; `reason` has `limit` and `max` | `:not_applied` | do not repeat it |
  | `:store_closed` | the store was stopped while the command was under way | `:unknown` | as for `:timeout`, once it runs again |
  | `:store_halted` | a fault, such as a failing disk, has halted the store while the command was under way; the log says more | `:unknown` | as for `:timeout`, once its supervisor has opened it again |
  | `:not_leader` | this member may not write | `:not_applied` | try again later |
  | `:command_failed` | a fault of Pando; `reason` says which | `:not_applied` | report it |

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
  @type outcome :: :not_applied | :unknown | nil

  @typedoc "See the table above."
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
          | :command_failed
          | atom

  @type t :: %__MODULE__{reason: term, kind: kind, outcome: outcome}

  @doc """
  Makes the exception of a reason.

    * `:reason` - of an `{:error, reason}`;
    * `:call` - `:read` or `:write`, by which `outcome` is decided.

  An example:

      iex> error = Pando.Error.exception(reason: :overload, call: :write)
      iex> {error.kind, error.outcome}
      {:overload, :not_applied}
      iex> Exception.message(error)
      "too many commands are waiting: nothing was done, try again later"

  Raises `KeyError` if one of the two is missing.
  """
  @impl true
  @spec exception(reason: term, call: :read | :write) :: t
  def exception(options) do
    reason = Keyword.fetch!(options, :reason)

    outcome =
      case Keyword.fetch!(options, :call) do
        :read -> nil
        :write -> outcome(reason)
      end

    %__MODULE__{reason: reason, kind: kind(reason), outcome: outcome}
  end

  @doc """
  The error in words, as `:pando_errors.format/1` gives them.

      iex> Exception.message(Pando.Error.exception(reason: :noproc, call: :read))
      "the store is not running on this node: start it, or check its name"
  """
  @impl true
  @spec message(t) :: String.t()
  def message(%__MODULE__{reason: reason}), do: reason |> :pando_errors.format() |> List.to_string()

  defp kind(reason) when is_atom(reason), do: reason
  defp kind({:pando, name, _props}) when is_atom(name), do: name
  defp kind({:not_leader, _leader}), do: :not_leader
  defp kind(_other), do: :other

  # Only what is certain is `:not_applied`.
  defp outcome({:pando, _name, %{outcome: outcome}}), do: outcome
  defp outcome({:pando, :node_not_found, _props}), do: :not_applied
  defp outcome({:pando, :mismatching_node, _props}), do: :not_applied
  defp outcome({:pando, :keep_while_conditions_not_met, _props}), do: :not_applied
  defp outcome({:not_leader, _leader}), do: :not_applied
  defp outcome(:noproc), do: :not_applied
  defp outcome(:overload), do: :not_applied
  defp outcome(_other), do: :unknown
end
