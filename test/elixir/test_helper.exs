defmodule Pando.StoreCase do
  @moduledoc """
  Tests with stores in a directory of their own, which is gone after the test.

    * `store` in the context is the name of a store that runs, unless the test has `@tag store: false`;
    * `new_name/0` gives a name that no other test has;
    * `await_child_change/3` waits until a supervisor has dealt with the end of a child;
    * `@tag :staged_fault` keeps off the screen what is logged while the test runs.
  """
  use ExUnit.CaseTemplate

  using do
    quote do
      import Pando.StoreCase
      @moduletag :tmp_dir
    end
  end

  setup %{tmp_dir: dir} = context do
    on_exit(fn -> File.rm_rf!(dir) end)
    if context[:staged_fault], do: silence()

    case Map.get(context, :store, true) do
      false ->
        :ok

      true ->
        name = new_name()
        start_supervised!({Pando, name: name, data_dir: dir})
        {:ok, store: name}
    end
  end

  @doc """
  Removes the directories above those of tests, which ExUnit has made as well, if they are empty.

  Only when all tests have ended: ExUnit makes those of one test step by step, and a step that was taken away from under
  it costs all tests of the module that have not run yet.
  """
  def remove_parents do
    for dir <- Path.wildcard("tmp/*") ++ ["tmp"], do: File.rmdir(dir)
    :ok
  end

  defp silence do
    filter = new_name()
    :ok = :logger.add_handler_filter(:default, filter, {fn _event, _ -> :stop end, :none})
    on_exit(fn -> :logger.remove_handler_filter(:default, filter) end)
  end

  @doc "A name for a store."
  def new_name, do: :"store_#{System.unique_integer([:positive])}"

  @doc "The process of a child, or what the supervisor has in its place."
  def child_pid(supervisor, id) do
    {^id, pid, _type, _modules} = supervisor |> Supervisor.which_children() |> List.keyfind(id, 0)
    pid
  end

  @doc """
  Waits until a child is another process than `old_pid`, or ended for good; returns `child_pid/2`.

  A supervisor answers the question after it has done what it was told before, restarts included: no sleep is needed.
  """
  def await_child_change(supervisor, id, old_pid) do
    case child_pid(supervisor, id) do
      same when same in [old_pid, :restarting] -> await_child_change(supervisor, id, old_pid)
      pid -> pid
    end
  end
end

# Under another backend: `PANDO_TEST_BACKEND=port mix test`.
case System.get_env("PANDO_TEST_BACKEND", "nif") do
  backend when backend in ["nif", "port"] ->
    :ok = Application.put_env(:pando, :backend, String.to_existing_atom(backend), persistent: true)
end

Code.require_file("lost_tests.exs", __DIR__)
ExUnit.start(formatters: [ExUnit.CLIFormatter, Pando.LostTests])
ExUnit.after_suite(fn _result -> Pando.StoreCase.remove_parents() end)
