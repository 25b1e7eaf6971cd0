defmodule Mix.Tasks.Pando.Verify do
  @shortdoc "Reports whether the files of a store are whole"

  @moduledoc """
  Looks at the files of a store that is not open, and prints whether they are whole and what opening it would answer.

      mix pando.verify DIR

  `DIR` is the directory of a store, or a data directory: then all stores in it are looked at. All of it is read, nothing is
  changed, and nothing is started. What is printed, `Pando.verify/1` returns.

  Ends with status

    * 0 - all stores would open, and no file is damaged;
    * 1 - a store is damaged or would not open;
    * 2 - at least one was not looked at, because it is open or there is none, and no other one is damaged.

  Reading much takes long: on a terminal a line on standard error tells how far it has come.
  """

  # The module is part of releases, where there is no Mix: nothing in it runs or is needed there.
  use Mix.Task

  @requirements ["loadpaths"]

  # Erases to the end of the line.
  @erase "\r\e[K"

  @impl true
  def run([dir]) do
    terminal? = match?({:ok, _}, :io.columns(:standard_error))
    result = :pando_verify.run(dir, progress(terminal?))
    if terminal?, do: IO.write(:stderr, @erase)

    case result do
      {:ok, report} ->
        Mix.shell().info(String.trim_trailing(report.text, "\n"))
        finish(:pando_verify.exit_status(report.verdict))

      {:error, reason} ->
        Mix.raise(List.to_string(:pando_errors.format(reason)))
    end
  end

  def run(_args) do
    Mix.raise(
      "one argument is needed: the directory of a store, or a data directory. See `mix help pando.verify`"
    )
  end

  defp finish(0), do: :ok
  defp finish(status), do: exit({:shutdown, status})

  defp progress(false), do: fn _path, _read, _size -> :ok end

  defp progress(true) do
    fn path, read, size ->
      IO.write(:stderr, [@erase, shortened(path), "  ", megabytes(read), " of ", megabytes(size), " MB"])
    end
  end

  # So that the line is not wrapped: then it could not be erased.
  defp shortened(path), do: path |> String.reverse() |> String.slice(0, 50) |> String.reverse()

  defp megabytes(bytes), do: :erlang.float_to_binary(bytes / 1.0e6, decimals: 1)
end
