defmodule Pando.LostTests do
  @moduledoc """
  Fails a run in which tests did not run and nobody was told: a formatter, beside the one that prints.

  ExUnit (1.14) runs the tests of a module in one process and does not ask how it ended. What that process raises itself,
  for example while it makes the directory of `@tag :tmp_dir`, takes the tests that were still to come out of the run, and
  out of its counts.

    * Compared are the tests of all test modules that are loaded with those whose end was told; excluded, skipped and
      invalid ones have one.
    * A run that is to leave tests out (`--failed`, `--max-failures`) is not judged.
  """
  use GenServer

  @impl true
  def init(options), do: {:ok, %{finished: MapSet.new(), judged?: is_nil(options[:only_test_ids])}}

  @impl true
  def handle_cast({:test_finished, test}, state), do: {:noreply, finish(state, [test])}
  # What follows from a `setup_all` that failed is told of the module only.
  def handle_cast({:module_finished, %{state: {:failed, _}} = module}, state),
    do: {:noreply, finish(state, module.tests)}

  def handle_cast(:max_failures_reached, state), do: {:noreply, %{state | judged?: false}}

  def handle_cast({:suite_finished, _times}, %{judged?: true} = state) do
    case Enum.reject(loaded(), &MapSet.member?(state.finished, &1)) do
      [] -> :ok
      lost -> fail(lost)
    end

    {:noreply, state}
  end

  def handle_cast(_event, state), do: {:noreply, state}

  defp finish(state, tests),
    do: %{state | finished: Enum.into(tests, state.finished, &{&1.module, &1.name})}

  defp loaded do
    for {module, _file} <- :code.all_loaded(),
        function_exported?(module, :__ex_unit__, 0),
        test <- module.__ex_unit__().tests,
        do: {test.module, test.name}
  end

  # The result of the suite is beyond the reach of a formatter.
  defp fail(lost) do
    names = for {module, name} <- Enum.sort(lost), do: "  #{inspect(module)}: #{name}\n"
    IO.write("\n#{length(lost)} tests did not run, because the process of their module ended:\n#{names}")
    System.at_exit(fn _status -> exit({:shutdown, 1}) end)
  end
end
