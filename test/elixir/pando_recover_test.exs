defmodule Pando.RecoverTest do
  @moduledoc """
  `mix pando.recover`. What is said of survivors, and what is refused: `test/erlang/pando_recover_tests.erl`.
  """
  # Not async: tasks are run in this VM, and what they print goes to the one shell of Mix.
  use Pando.StoreCase

  import ExUnit.CaptureIO

  @moduletag store: false

  setup do
    shell = Mix.shell()
    Mix.shell(Mix.Shell.IO)
    on_exit(fn -> Mix.shell(shell) end)
  end

  defp stopped_store(dir) do
    name = new_name()
    {:ok, ^name} = Pando.start(dir, name)
    :ok = Pando.put(name, "/stock/wood/oak", 150)
    :ok = Pando.stop(name)
    {name, Path.join(dir, Atom.to_string(name))}
  end

  # It forces a store of one member, as nothing is lost by it.
  defp cluster_id(directory) do
    {:ok, %{survivors: [%{cluster_id: id}]}} = :pando_recover.inspect(directory)
    id
  end

  # What it prints when `input` is typed, and what it ends with.
  defp task(args, input \\ "") do
    parent = self()

    output =
      capture_io([input: input, capture_prompt: true], fn ->
        status =
          try do
            Mix.Task.rerun("pando.recover", args)
            0
          catch
            :exit, {:shutdown, status} -> status
          end

        send(parent, {:status, status})
      end)

    assert_received {:status, status}
    {status, output}
  end

  test "shows what is there, and asks before it changes anything", %{tmp_dir: dir} do
    {_name, directory} = stopped_store(dir)
    id = cluster_id(directory)
    {:ok, %{text: text}} = :pando_recover.inspect(directory)
    assert {2, output} = task([directory, "--force"], "n\n")
    assert output =~ text
    assert output =~ "Make a new cluster of what #{directory} has? [yN]"
    assert output =~ "Nothing was changed."
    # An answer that does not come is none.
    assert {2, _output} = task([directory, "--force"])
    assert {0, output} = task([directory, "--inspect"])
    refute output =~ "Make a new cluster"
    assert cluster_id(directory) == id
  end

  test "recovers when told so, and what is recovered opens", %{tmp_dir: dir} do
    {name, directory} = stopped_store(dir)
    id = cluster_id(directory)
    assert {0, output} = task([directory, "--force", "--node", "x@y"], "y\n")
    assert output =~ "was recovered"
    recovered_id = cluster_id(directory)
    assert recovered_id != id
    assert {0, output} = task([directory, "--yes"])
    assert output =~ "was recovered before, and nothing was done"
    assert cluster_id(directory) == recovered_id
    {:ok, ^name} = Pando.start(dir, name)
    assert Pando.get(name, "/stock/wood/oak") == {:ok, 150}
    :ok = Pando.stop(name)
  end

  test "shows several, and recovers none of them", %{tmp_dir: dir} do
    {_name, one} = stopped_store(dir)
    {_name, other} = stopped_store(dir)
    assert {0, output} = task([one, other])
    assert output =~ one and output =~ other
    refute output =~ "Make a new cluster"

    assert_raise Mix.Error, ~r/one directory can be recovered/, fn -> task([one, other, "--yes"]) end
  end

  test "says why it cannot", %{tmp_dir: dir} do
    {_name, directory} = stopped_store(dir)
    assert_raise Mix.Error, ~r/it is the only voter/, fn -> task([directory, "--yes"]) end

    assert_raise Mix.Error, ~r/there is no store in/, fn ->
      task([Path.join(dir, "not_there"), "--yes"])
    end

    assert_raise Mix.Error, ~r/a directory is needed/, fn -> task([]) end
    assert_raise Mix.Error, ~r/there is no option --all/, fn -> task([directory, "--all"]) end
  end
end
