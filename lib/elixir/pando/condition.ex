defmodule Pando.Condition do
  @moduledoc """
  Conditions on nodes: for patterns, for writes that depend on what is there, and for the option `:keep_while`.

      import Pando.Condition
      import Pando.Path

      # In the place of a name: the children that meet it.
      Pando.get_many(~p"/users" ++ [if_has_data()])
      Pando.delete_many(["sessions", if_data_matches(%{user: "bob"})])

      # With a name: this node, if it meets the condition.
      Pando.put(["stock", if_all(["oak", if_payload_version(7)])], 149)

      # As long as the session is there, so is the lock.
      Pando.put(:my_store, ~p"/locks/oak", self(), keep_while: %{~p"/sessions/7" => if_node_exists()})

  The functions only make the tuples that stand for conditions in Erlang, too, and check their arguments: `ArgumentError`
  says what is expected. Tuples written by hand are as good:

      iex> import Pando.Condition
      iex> if_all(["oak", if_payload_version(ge: 2)])
      {:if_all, ["oak", {:if_payload_version, {:ge, 2}}]}

  A node that does not exist meets no condition. Only `if_node_exists(false)` lets a write create it, as a plain name
  does, or `if_all/1` and `if_any/1` of the two.
  """

  @typedoc "A condition, as a term."
  @type t :: :pando_path.condition()

  @typedoc "What `if_not/1`, `if_all/1` and `if_any/1` take: a condition, or a name, which the node of that name meets."
  @type operand :: :pando_path.pattern_component()

  @typedoc "A regular expression as text, or `:any`."
  @type regex :: :any | iodata | Regex.t()

  @typedoc "What a counter is compared with: a number that it must equal, or one operator and a number, such as `[ge: 2]`."
  @type comparison :: integer | [{operator, integer}] | {operator, integer}

  @typedoc "Equal, not equal, less than, at most, greater than, at least."
  @type operator :: :eq | :ne | :lt | :le | :gt | :ge

  @operators [:eq, :ne, :lt, :le, :gt, :ge]

  @doc """
  Any child, as `*` does in a string: `if_name_matches/1` of `:any`.

      iex> Pando.Condition.any_child()
      {:if_name_matches, :any, :undefined}
      iex> import Pando.Path
      iex> ["stock", Pando.Condition.any_child()] == ~p"/stock/*"
      true
  """
  @spec any_child() :: t
  def any_child, do: if_name_matches(:any)

  @doc """
  Any descendant, as `**` does in a string: `if_path_matches/1` of `:any`.

      iex> Pando.Condition.any_descendant()
      {:if_path_matches, :any, :undefined}
      iex> import Pando.Path
      iex> ["stock", Pando.Condition.any_descendant()] == ~p"/stock/**"
      true
  """
  @spec any_descendant() :: t
  def any_descendant, do: if_path_matches(:any)

  @doc """
  The node exists: what `Pando.update/4` demands. With `false` it must not, as for `Pando.create/4`.

      iex> Pando.Condition.if_node_exists()
      {:if_node_exists, true}
      iex> Pando.put(["stock", Pando.Condition.if_all(["oak", Pando.Condition.if_node_exists(false)])], 150)
      :ok
  """
  @spec if_node_exists() :: t
  @spec if_node_exists(boolean) :: t
  def if_node_exists(exists \\ true), do: {:if_node_exists, boolean!(:if_node_exists, exists)}

  @doc """
  The regular expression is found in the name of the node, anywhere in it unless `^` and `$` say more. An atom is looked at
  as its text. `:any` is found in every name.

      iex> Pando.Condition.if_name_matches("^o")
      {:if_name_matches, "^o", :undefined}
      iex> Pando.Condition.if_name_matches(~r/^o/i)
      {:if_name_matches, "(?i)^o", :undefined}
      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> Pando.get_many(["stock", Pando.Condition.if_name_matches(~r/^O/i)])
      {:ok, %{["stock", "oak"] => 150}}

  Of a `Regex`, the modifiers `i` and `s` become a part of the text, and `U` makes no difference. Others are refused:
  names are compared byte by byte, which is not what `u` means, and the store knows no `m`, `x` and `f`.

  The time that it takes is linear in the length of the name. What would need more, such as look-around and references to
  groups, raises an `ErlangError` of `{:pando_ex, :condition_not_supported, _}` when the condition is used, which says what
  it is.
  """
  @spec if_name_matches() :: t
  @spec if_name_matches(regex) :: t
  def if_name_matches(regex \\ :any), do: {:if_name_matches, regex!(:if_name_matches, regex), :undefined}

  @doc """
  As `if_name_matches/1`, and for all that is below as well: each node, at any depth, in whose name the regular expression is
  found.

      iex> Pando.Condition.if_path_matches("^o")
      {:if_path_matches, "^o", :undefined}
      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many([Pando.Condition.if_path_matches("oa")])
      {:ok, %{["stock", "wood", "oak"] => 150}}
  """
  @spec if_path_matches() :: t
  @spec if_path_matches(regex) :: t
  def if_path_matches(regex \\ :any), do: {:if_path_matches, regex!(:if_path_matches, regex), :undefined}

  @doc """
  The node has a value of any kind; with `false`, none.

      iex> Pando.Condition.if_has_payload()
      {:if_has_payload, true}
      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many([Pando.Condition.any_child(), Pando.Condition.if_has_payload(false)])
      {:ok, %{["stock", "wood"] => :undefined}}
  """
  @spec if_has_payload() :: t
  @spec if_has_payload(boolean) :: t
  def if_has_payload(has_payload \\ true), do: {:if_has_payload, boolean!(:if_has_payload, has_payload)}

  @doc """
  The node has data; with `false`, it has a stored procedure or no value.

      iex> Pando.Condition.if_has_data()
      {:if_has_data, true}
      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.count(["stock", "wood", Pando.Condition.if_has_data()])
      {:ok, 1}
  """
  @spec if_has_data() :: t
  @spec if_has_data(boolean) :: t
  def if_has_data(has_data \\ true), do: {:if_has_data, boolean!(:if_has_data, has_data)}

  @doc """
  The node has a stored procedure; with `false`, it has data or no value.

      iex> Pando.Condition.if_has_sproc()
      {:if_has_sproc, true}
      iex> Pando.put("/double", &Kernel.*(&1, 2))
      :ok
      iex> Pando.count([Pando.Condition.if_has_sproc()])
      {:ok, 1}
  """
  @spec if_has_sproc() :: t
  @spec if_has_sproc(boolean) :: t
  def if_has_sproc(has_sproc \\ true), do: {:if_has_sproc, boolean!(:if_has_sproc, has_sproc)}

  @doc """
  The node has data, which matches `pattern`, and all `guards` hold. Both are as in a match specification of ETS: `:_` is
  any term, `:"$1"`, `:"$2"` and so on are variables, a map matches those that have at least its keys.

      iex> Pando.Condition.if_data_matches({:user, :_})
      {:if_data_matches, {:user, :_}, [], :undefined}
      iex> Pando.put("/users/ann", %{age: 30, name: "Ann"})
      :ok
      iex> Pando.put("/users/bob", %{age: 17, name: "Bob"})
      :ok
      iex> grown_up = Pando.Condition.if_data_matches(%{age: :"$1"}, [{:>=, :"$1", 18}])
      {:if_data_matches, %{age: :"$1"}, [{:>=, :"$1", 18}], :undefined}
      iex> Pando.get_many(["users", grown_up])
      {:ok, %{["users", "ann"] => %{age: 30, name: "Ann"}}}

  Operators have their names in Erlang: `:"=<"`, `:"=:="`, `:"/="`, `:andalso`. A term in a guard that is not to be read as
  an expression is `{:const, term}`.

  Without variables, the pattern `1` is not met by `1.0`.
  """
  @spec if_data_matches() :: t
  @spec if_data_matches(pattern :: term) :: t
  @spec if_data_matches(pattern :: term, guards :: [term]) :: t
  def if_data_matches(pattern \\ :_, guards \\ []) do
    case is_list(guards) and :erlang.match_spec_test({}, [{pattern, guards, [true]}], :table) do
      {:ok, _result, _flags, _warnings} ->
        {:if_data_matches, pattern, guards, :undefined}

      {:error, problems} ->
        text = for {:error, problem} <- problems, do: to_string(problem)
        invalid(:if_data_matches, "a pattern and guards of a match specification", {pattern, guards}, text)

      false ->
        invalid(:if_data_matches, "a list of guards, such as [{:>=, :\"$1\", 18}],", guards)
    end
  end

  @doc """
  The value of the node has been changed so many times: `2` (or `[eq: 2]`), `[ne: 2]`, `[lt: 2]`, `[le: 2]`, `[gt: 2]`
  or `[ge: 2]`.

      iex> Pando.Condition.if_payload_version(2)
      {:if_payload_version, 2}
      iex> Pando.Condition.if_payload_version(ge: 2)
      {:if_payload_version, {:ge, 2}}

  For a write that must not overwrite what somebody else has written:

      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> {:ok, %{["stock", "oak"] => %{data: pieces, payload_version: seen}}} = Pando.Adv.get("/stock/oak")
      iex> path = ["stock", Pando.Condition.if_all(["oak", Pando.Condition.if_payload_version(seen)])]
      iex> Pando.put(path, pieces - 1)
      :ok
      iex> {:error, {:pando, :mismatching_node, _}} = Pando.put(path, pieces - 2)
      iex> Pando.get("/stock/oak")
      {:ok, 149}
  """
  @spec if_payload_version(comparison) :: t
  def if_payload_version(version), do: {:if_payload_version, comparison!(:if_payload_version, version)}

  @doc """
  Children of the node have been created and removed so many times. Takes what `if_payload_version/1` takes.

      iex> Pando.Condition.if_child_list_version(gt: 1)
      {:if_child_list_version, {:gt, 1}}
      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> Pando.count([Pando.Condition.if_child_list_version(2)])
      {:ok, 1}
  """
  @spec if_child_list_version(comparison) :: t
  def if_child_list_version(version),
    do: {:if_child_list_version, comparison!(:if_child_list_version, version)}

  @doc """
  The node has so many children. Takes what `if_payload_version/1` takes.

      iex> Pando.Condition.if_child_list_length(0)
      {:if_child_list_length, 0}
      iex> Pando.put("/stock/wood/oak", 150)
      :ok
      iex> Pando.get_many([Pando.Condition.if_all([Pando.Condition.any_descendant(), Pando.Condition.if_child_list_length(0)])])
      {:ok, %{["stock", "wood", "oak"] => 150}}
  """
  @spec if_child_list_length(comparison) :: t
  def if_child_list_length(count), do: {:if_child_list_length, comparison!(:if_child_list_length, count)}

  @doc """
  The node does not meet the condition, or does not have the name.

      iex> Pando.Condition.if_not("oak")
      {:if_not, "oak"}
      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.put("/stock/elm", 80)
      :ok
      iex> Pando.get_many(["stock", Pando.Condition.if_not("oak")])
      {:ok, %{["stock", "elm"] => 80}}
  """
  @spec if_not(operand) :: t
  def if_not(condition), do: {:if_not, operand!(:if_not, condition)}

  @doc """
  The node meets all of the conditions, as every node does if there are none. With a name among them it is the node of that
  name, if it meets the others.

      iex> Pando.Condition.if_all(["oak", Pando.Condition.if_has_data()])
      {:if_all, ["oak", {:if_has_data, true}]}
      iex> Pando.put("/stock/oak", 150)
      :ok
      iex> Pando.get(["stock", Pando.Condition.if_all(["oak", Pando.Condition.if_has_data()])])
      {:ok, 150}
  """
  @spec if_all([operand]) :: t
  def if_all(conditions), do: {:if_all, operands!(:if_all, conditions)}

  @doc """
  The node meets one of the conditions or more; if there are none, no node does.

      iex> Pando.Condition.if_any(["oak", "elm"])
      {:if_any, ["oak", "elm"]}
      iex> for {kind, pieces} <- [oak: 150, elm: 80, ash: 12], do: Pando.put(["stock", "\#{kind}"], pieces)
      [:ok, :ok, :ok]
      iex> Pando.get_many(["stock", Pando.Condition.if_any(["oak", "elm"])])
      {:ok, %{["stock", "elm"] => 80, ["stock", "oak"] => 150}}
  """
  @spec if_any([operand]) :: t
  def if_any(conditions), do: {:if_any, operands!(:if_any, conditions)}

  defp boolean!(_name, boolean) when is_boolean(boolean), do: boolean
  defp boolean!(name, other), do: invalid(name, "true or false", other)

  defp comparison!(name, comparison) do
    case comparison do
      number when is_integer(number) ->
        number

      {operator, number} when operator in @operators and is_integer(number) ->
        comparison

      [{operator, number}] when operator in @operators and is_integer(number) ->
        {operator, number}

      _other ->
        invalid(
          name,
          "an integer, or one of eq, ne, lt, le, gt, ge with an integer, such as [ge: 2],",
          comparison
        )
    end
  end

  defp operand!(name, condition), do: hd(operands!(name, [condition]))

  defp operands!(name, conditions) when is_list(conditions) do
    case :pando_path.is_valid(conditions) do
      true -> conditions
      {false, bad} -> invalid(name, "conditions and names", bad)
    end
  end

  defp operands!(name, other), do: invalid(name, "a list of conditions and names", other)

  defp regex!(_name, :any), do: :any

  defp regex!(name, %Regex{} = regex) do
    case regex |> Regex.opts() |> modifiers() do
      {flags, []} ->
        checked_regex(name, inline(Enum.join(flags)) <> Regex.source(regex), regex)

      {_flags, refused} ->
        invalid(name, "a regular expression with no other modifiers than i, s, U", regex, [
          "no use here for #{Enum.join(refused, ", ")}"
        ])
    end
  end

  defp regex!(name, text) when is_binary(text) or is_list(text), do: checked_regex(name, text, text)
  defp regex!(name, other), do: invalid(name, "a regular expression, as a string or a Regex, or :any", other)

  # One that cannot be compiled would be a condition that no node meets.
  defp checked_regex(name, text, given) do
    case compile(text) do
      {:ok, _compiled} -> text
      {:error, problem} -> invalid(name, "a regular expression", given, [problem])
    end
  end

  defp compile(text) do
    with {:error, {problem, position}} <- :re.compile(text), do: {:error, "#{problem} at #{position}"}
  rescue
    # Not even text; a charlist with characters beyond bytes, for one.
    ArgumentError -> {:error, "no iodata; give text beyond ASCII as a string"}
  end

  defp inline(""), do: ""
  defp inline(flags), do: "(?#{flags})"

  # A string until Elixir 1.14, a list of options of :re later.
  defp modifiers(opts) when is_binary(opts), do: opts |> String.graphemes() |> modifiers()

  defp modifiers(opts) do
    {known, refused} = Enum.split_with(opts, &(inline_flag(&1) != nil))
    {Enum.map(known, &inline_flag/1), Enum.map(refused, &refused_name/1)}
  end

  defp inline_flag(caseless) when caseless in ["i", :caseless], do: "i"
  defp inline_flag(dotall) when dotall in ["s", :dotall], do: "s"

  # How much a regular expression takes of a name makes no difference to whether it is found there; what `s` says of line
  # ends, too, makes none once the dot takes all.
  defp inline_flag(no_difference) when no_difference in ["U", :ungreedy, {:newline, :anycrlf}, :export],
    do: ""

  defp inline_flag(_other), do: nil

  defp refused_name(option) when is_binary(option), do: option
  defp refused_name(option), do: inspect(option)

  @spec invalid(atom, String.t(), term, [String.t()]) :: no_return
  defp invalid(name, expected, given, problems \\ []) do
    raise ArgumentError,
          Enum.join(["#{name} takes #{expected} but was given #{inspect(given)}" | problems], ": ")
  end
end
