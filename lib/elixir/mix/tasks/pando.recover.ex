defmodule Mix.Tasks.Pando.Recover do
  @shortdoc "Makes a new cluster of what a survivor of a lost majority has"

  @moduledoc """
  The last resort for a store of several members whose majority is gone for good: shows what is left, and makes a new
  cluster of one member of it.

      mix pando.recover DIR DIR ...
      mix pando.recover DIR

  With several directories, copies of those of other machines among them, it shows what each has, says which has the most
  and what may be lost by going on with it, and changes nothing. With one it shows the same, asks, and recovers.

  `DIR` is the directory of a store that is not open. The new cluster has a new id, and all that the snapshot and the log of
  the old one hold. It is made beside `DIR`, takes its place when it is whole, and the old files are kept beside. A call
  that was interrupted is made again. See "The majority is gone for good" in the page on operations.

  Run it as the operating-system user that runs the store, so that the files are its own.

  ## Options

    * `--inspect` - with one directory, too: show only
    * `--yes` - do not ask
    * `--node NAME` - the Erlang node of the new cluster's member; by default that of the survivor in the old cluster
    * `--force` - also a cluster of one, and a store with damaged files that has all its entries

  Ends with status 0 if all of that was done, 1 if it could not be, 2 if the answer was no.
  """

  # The module is part of releases, where there is no Mix: nothing in it runs or is needed there.
  use Mix.Task

  @requirements ["loadpaths"]

  @switches [inspect: :boolean, yes: :boolean, node: :string, force: :boolean]

  # Erases to the end of the line.
  @erase "\r\e[K"

  @impl true
  def run(args) do
    case OptionParser.parse(args, strict: @switches) do
      {_options, [], []} ->
        Mix.raise("a directory is needed: that of a store. See `mix help pando.recover`")

      {options, [dir], []} ->
        %{clusters: clusters} = inspect_all([dir])
        unless options[:inspect], do: recover(dir, clusters, options)

      {options, dirs, []} ->
        if options[:yes],
          do: Mix.raise("one directory can be recovered: that of the store which has the most")

        inspect_all(dirs)

      {_options, _dirs, [{name, _value} | _]} ->
        Mix.raise("there is no option #{name}, or it takes another value. See `mix help pando.recover`")
    end
  end

  defp inspect_all(dirs) do
    with_progress(fn progress -> :pando_recover.inspect(dirs, progress) end)
  end

  defp recover(dir, clusters, options) do
    # Where there is nothing to recover there is nothing to ask: it is refused, or was recovered before.
    nothing? = !options[:force] && Enum.all?(clusters, & &1.has_majority)

    if nothing? || options[:yes] || Mix.shell().yes?("Make a new cluster of what #{dir} has?", default: :no) do
      given = options |> Keyword.take([:node, :force]) |> Map.new()
      with_progress(fn progress -> :pando_recover.recover(dir, Map.put(given, :progress, progress)) end)
    else
      Mix.shell().info("Nothing was changed.")
      exit({:shutdown, 2})
    end
  end

  defp with_progress(function) do
    terminal? = match?({:ok, _}, :io.columns(:standard_error))
    result = function.(progress(terminal?))
    if terminal?, do: IO.write(:stderr, @erase)

    case result do
      {:ok, found} ->
        Mix.shell().info(found.text)
        found

      {:error, reason} ->
        Mix.raise(List.to_string(:pando_errors.format(reason)))
    end
  end

  defp progress(false), do: fn _path, _done, _whole -> :ok end

  defp progress(true) do
    fn path, done, whole -> IO.write(:stderr, [@erase, shortened(path), "  ", percent(done, whole), "%"]) end
  end

  # So that the line is not wrapped: then it could not be erased.
  defp shortened(path), do: path |> String.reverse() |> String.slice(0, 50) |> String.reverse()

  defp percent(done, whole), do: Integer.to_string(div(100 * min(done, whole), max(whole, 1)))
end
