defmodule Pando.Tree do
  @moduledoc false

  # The tree of a store drawn for people, as `Pando.tree/3` prints it. (`pando:info/2` prints whole stores, in the terms of
  # Erlang.)
  #
  # 1. However large a store is, little of it is read and printed: the limits below. What is hidden is counted.
  # 2. A line is not longer than the terminal is wide, unless so little would be left that nobody could read it.
  # 3. Names and values are printed as Elixir terms: nothing of the data reaches the terminal unescaped.

  alias Pando.{Adv, Condition, Error, Options}

  # Of a node so many children, and so many levels, unless the options say otherwise; in all so many nodes.
  @children_max 20
  @levels_max 8
  @nodes_max 1_000
  # The width of what is no terminal, and the least that a name or a value is shortened to.
  @columns_default 80
  @text_columns_min 20

  @read [props_to_return: [:payload, :child_list_length]]

  @spec print(Pando.store(), Pando.path(), Pando.options()) :: :ok | {:error, Pando.reason()}
  def print(store, path, options) do
    limits = options |> Options.to_map() |> limits()

    with {:ok, found} <- Adv.get(store, path, @read) do
      style = style()

      root =
        for {path, props} <- found,
            do: [
              line([], Pando.Path.to_binary(path), props, style) | below(store, path, props, limits, style)
            ]

      IO.write(root)
    end
  rescue
    # The store was stopped meanwhile, or the like.
    error in Error -> {:error, error.reason}
  end

  defp limits(options) do
    limits = Map.merge(%{limit: @children_max, depth: @levels_max}, options)

    case Enum.find(limits, fn {key, value} -> key not in [:limit, :depth] or not positive?(value) end) do
      nil ->
        limits

      wrong ->
        raise ArgumentError,
              "Pando.tree takes positive integers as :limit and :depth, not #{inspect([wrong])}"
    end
  end

  defp positive?(number), do: is_integer(number) and number > 0

  defp below(store, path, props, limits, style) do
    {lines, _nodes_left} = children(path, props, {store, limits, style}, 1, [], @nodes_max)
    lines
  end

  # The lines of all that is below a node, and how many nodes may still be drawn after them.
  defp children(_path, %{child_list_length: 0}, _drawing, _level, _indent, nodes_left), do: {[], nodes_left}

  defp children(
         path,
         %{child_list_length: count},
         {store, limits, style} = drawing,
         level,
         indent,
         nodes_left
       ) do
    room = if level > limits.depth, do: 0, else: min(limits.limit, nodes_left)
    shown = first_children(store, path, room)
    hidden = max(count - length(shown), 0)
    last = if hidden == 0, do: List.last(shown)

    {lines, nodes_left} =
      Enum.map_reduce(shown, nodes_left - length(shown), fn {child_path, props} = child, nodes_left ->
        {branch, beside} = if child == last, do: style.last, else: style.middle
        own = line([indent | branch], inspect(List.last(child_path)), props, style)
        {lines, nodes_left} = children(child_path, props, drawing, level + 1, [indent | beside], nodes_left)
        {[own | lines], nodes_left}
      end)

    {[lines | more(hidden, indent, style)], nodes_left}
  end

  defp first_children(_store, _path, 0), do: []

  defp first_children(store, path, room),
    do: store |> Adv.stream(path ++ [Condition.any_child()], [limit: room] ++ @read) |> Enum.to_list()

  defp line(before, name, props, style) do
    left = style.columns - columns(before)
    name = shortened(name, left, style)
    [faint(before, style), name, value(props, left - columns(name), style), ?\n]
  end

  defp value(props, left, style) do
    case props do
      %{data: data} -> value_text(data, left, style)
      %{sproc: procedure} -> value_text(procedure, left, style)
      %{} -> []
    end
  end

  defp value_text(value, left, style) do
    arrow = " => "
    left = max(left - columns(arrow), @text_columns_min)
    # More than a line of it is never seen.
    text = value |> inspect(limit: left, printable_limit: left) |> shortened(left, style)
    [faint(arrow, style), IO.ANSI.format([:cyan, text], style.colours)]
  end

  defp more(0, _indent, _style), do: []

  defp more(hidden, indent, style) do
    {branch, _beside} = style.last
    [faint([indent, branch, style.ellipsis, " #{hidden} more"], style), ?\n]
  end

  defp shortened(text, left, style) do
    left = max(left, @text_columns_min)

    if String.length(text) <= left,
      do: text,
      else: [String.slice(text, 0, left - String.length(style.ellipsis)), style.ellipsis]
  end

  defp columns(text), do: text |> IO.chardata_to_string() |> String.length()

  defp faint([], _style), do: []
  defp faint(text, style), do: IO.ANSI.format([:light_black, text], style.colours)

  # Lines are drawn with what the terminal can show.
  defp style do
    shapes =
      if :proplists.get_value(:encoding, options_of_device()) == :unicode,
        do: %{middle: {"├── ", "│   "}, last: {"└── ", "    "}, ellipsis: "…"},
        else: %{middle: {"|-- ", "|   "}, last: {"`-- ", "    "}, ellipsis: "..."}

    Map.merge(shapes, %{columns: columns_of_device(), colours: IO.ANSI.enabled?()})
  end

  defp options_of_device do
    case :io.getopts() do
      options when is_list(options) -> options
      {:error, _reason} -> []
    end
  end

  defp columns_of_device do
    case :io.columns() do
      {:ok, columns} -> columns
      {:error, _reason} -> @columns_default
    end
  end
end
