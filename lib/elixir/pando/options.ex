defmodule Pando.Options do
  @moduledoc false

  # Options as Elixir writes them, for the Erlang functions, which take maps. Keys and values are checked there.
  #
  # Whether an argument is options is decided by its position alone, never by its look: a pattern may be a keyword list,
  # too, as `[if_has_data: true]` is.

  @spec to_map(term) :: map
  def to_map(options) when is_map(options), do: options
  def to_map([]), do: %{}

  def to_map(options) do
    if Keyword.keyword?(options) do
      # Of a key given twice the first value counts, as everywhere in Elixir.
      options |> Enum.reverse() |> Map.new()
    else
      raise ArgumentError,
            "expected options, as a keyword list or a map, got: #{inspect(options)}" <> hint(options)
    end
  end

  # The path of a call whose store is not an atom arrives where options are due.
  defp hint(path) when is_binary(path) or is_list(path),
    do: " (with a path in this place, the argument before it is the name of a store, an atom)"

  defp hint(_other), do: ""
end
