defmodule Pando.Path do
  @moduledoc ~S"""
  Paths of nodes, and the sigils `~p` and `~P` to write them.

      import Pando.Path

      Pando.put(~p"/:stock/wood", 12)
      Pando.get(~p"/users/#{name}/mail")

  Both sigils give the native form, the list of components that every function takes, by the grammar of
  `:pando_path.from_string/1`: `:name` is an atom, other text is a binary, `.` and `..` are this node and
  its parent, `*` and `**` any child and any descendant. Their modifiers are ignored.

    * `~p` interpolates. What is interpolated never becomes syntax: it is a part of one component, exactly as
      it is, whatever `/`, `:`, `*`, `.` or `%` it contains, and even if it is empty. Escapes as in `~s`.
    * `~P` does not interpolate, and takes the text as it stands.

  Without interpolation the text is parsed when the module is compiled: the path costs nothing at run time,
  can stand in a pattern, and an atom in it that cannot exist is an error of the compiler.

      iex> import Pando.Path
      iex> ~p"/:stock/wood"
      [:stock, "wood"]
      iex> name = "../*"
      iex> ~p"/users/#{name}/mail"
      ["users", "../*", "mail"]
      iex> ~p"/users/#{name}-*"
      ["users", {:if_name_matches, ~c"^\\.\\./\\*-.*$", :undefined}]
      iex> ~P"/users/#{name}"
      ["users", "\#{name}"]

  A literal `:` makes an atom of what follows, interpolation included: `~p"/:#{name}"`. Atoms are never freed;
  do not do that with names that strangers choose.

  A binary is read byte by byte, as `:pando_path` does it: `~p"/é"` is the name `"é"`, but an atom which is
  not ASCII is better given as an interpolation, `~p"/:#{:é}"`, or as a list, `[:é]`.

  There is no `to_string/1` here, because an import of it would be ambiguous with the one of `Kernel`;
  `to_binary/1` gives the string of a path.
  """

  @typedoc "The name of a node among its siblings."
  @type node_name :: :pando_path.node_name()

  @typedoc "The path of one node, as a list of components; `[]` is the root."
  @type native :: :pando_path.native_path()

  @typedoc "A path with conditions in it."
  @type pattern :: :pando_path.pattern()

  @typedoc "All that is taken as a path: a native path or pattern, a string, a charlist."
  @type t :: :pando_path.path()

  @doc ~S"""
  Handles the sigil `~p`: a path, in which interpolated values never become syntax.

      iex> import Pando.Path
      iex> id = 7
      iex> ~p"/:orders/#{id}"
      [:orders, "7"]
      iex> match?(~p"/:orders/7", [:orders, "7"])
      true

  A value is anything that `String.Chars` takes. Raises the `ErlangError` of `:pando_path.from_parts/1` if an
  atom would be longer than 255 characters.
  """
  defmacro sigil_p({:<<>>, _meta, [text]}, _modifiers) when is_binary(text) do
    text |> Macro.unescape_string() |> constant()
  end

  defmacro sigil_p({:<<>>, _meta, pieces}, _modifiers) do
    parts =
      Enum.map(pieces, fn
        text when is_binary(text) -> {:literal, Macro.unescape_string(text)}
        {:"::", _meta, [value, _binary]} -> {:value, value}
      end)

    quote do: :pando_path.from_parts(unquote(parts))
  end

  @doc """
  Handles the sigil `~P`: a path, without interpolation and escapes.

      iex> import Pando.Path
      iex> ~P"/:stock/**"
      [:stock, {:if_path_matches, :any, :undefined}]
  """
  defmacro sigil_P({:<<>>, _meta, [text]}, _modifiers) when is_binary(text) do
    constant(text)
  end

  defp constant(text), do: text |> :pando_path.from_string() |> Macro.escape()

  @doc """
  Returns the native form of a path given in any form.

  Text of strangers can make atoms and conditions here; interpolate such text in `~p` instead.

      iex> Pando.Path.from_string("/:stock/wood")
      [:stock, "wood"]
      iex> Pando.Path.from_string([:stock, "wood"])
      [:stock, "wood"]

  Raises an `ErlangError` with `{:pando_ex, :invalid_path, %{path: path}}` for what is no path.
  """
  @spec from_string(t) :: pattern
  defdelegate from_string(path), to: :pando_path

  @doc """
  Returns the string of a native path, from which `from_string/1` makes the same path again, unless a name
  contains `*`.

      iex> Pando.Path.to_binary([:stock, "a b"])
      "/:stock/a%20b"

  Raises `FunctionClauseError` for what cannot be written, such as a condition.
  """
  @spec to_binary(native) :: binary
  defdelegate to_binary(path), to: :pando_path

  @doc """
  Tells whether a term is a native path or pattern.

      iex> Pando.Path.valid?([:stock, {:if_has_data, true}])
      true
      iex> Pando.Path.valid?([:stock, {:if_has_data, :perhaps}])
      false
  """
  @spec valid?(term) :: boolean
  def valid?(path), do: :pando_path.is_valid(path) == true

  @doc """
  Returns the absolute path of a native path that begins with `?.` or `?^`, seen from `base`; any other as it
  is.

      iex> import Pando.Path
      iex> abspath(~p"../elm", ~p"/:stock/oak")
      [:stock, "elm"]
  """
  @spec abspath(pattern, pattern) :: pattern
  defdelegate abspath(path, base), to: :pando_path

  @doc """
  Returns a native path without its special components.

      iex> import Pando.Path
      iex> realpath(~p"/:stock/oak/../elm")
      [:stock, "elm"]
  """
  @spec realpath(pattern) :: pattern
  defdelegate realpath(path), to: :pando_path

  @doc """
  Returns the pattern whose last component must meet more conditions as well.

      iex> Pando.Path.combine_with_conditions([:stock, :oak], [{:if_has_data, true}])
      [:stock, {:if_all, [:oak, {:if_has_data, true}]}]
  """
  @spec combine_with_conditions(pattern, [:pando_path.pattern_component()]) :: pattern
  defdelegate combine_with_conditions(pattern, conditions), to: :pando_path

  @doc """
  Tells whether a native pattern can name one node only, and returns the path of that node.

      iex> Pando.Path.targets_specific_node([:stock, {:if_all, [:oak, {:if_has_data, true}]}])
      {true, [:stock, :oak]}
      iex> Pando.Path.targets_specific_node([:stock, {:if_has_data, true}])
      false
  """
  @spec targets_specific_node(pattern) :: {true, native} | false
  defdelegate targets_specific_node(pattern), to: :pando_path
end
