defmodule Pando.VerifyTest do
  @moduledoc """
  `Pando.verify/1` and `mix pando.verify`. What is said of damage of each kind: `test/erlang/pando_verify_tests.erl`.
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

  # What it prints, and what it ends with.
  defp task(args) do
    parent = self()

    output =
      capture_io(fn ->
        status =
          try do
            Mix.Task.rerun("pando.verify", args)
            0
          catch
            :exit, {:shutdown, status} -> status
          end

        send(parent, {:status, status})
      end)

    assert_received {:status, status}
    {status, output}
  end

  defp damage(directory) do
    file = Path.join(directory, "IDENTITY")
    <<head::binary-size(20), byte, rest::binary>> = File.read!(file)
    File.write!(file, [head, Bitwise.bxor(byte, 4), rest])
  end

  test "the report tells the verdict, what was found, and all of it in words", %{tmp_dir: dir} do
    {_name, directory} = stopped_store(dir)
    assert {:ok, report} = Pando.verify(dir)

    assert %{verdict: :sound, stores: [%{verdict: :sound, directory: ^directory, findings: findings}]} =
             report

    assert Enum.all?(findings, &match?(%{severity: :fact, path: _, text: _}, &1))
    assert report.text =~ "#{directory}: sound\n"
    assert report.directory == Path.expand(dir)
  end

  test "a store that is open is in use, and goes on", %{tmp_dir: dir} do
    name = new_name()
    {:ok, ^name} = Pando.start(dir, name)
    assert {:ok, %{verdict: :in_use}} = Pando.verify(dir)
    assert Pando.put(name, "/stock/wood/oak", 1) == :ok
    :ok = Pando.stop(name)
    assert {:ok, %{verdict: :sound}} = Pando.verify(dir)
  end

  test "a directory that is no text raises" do
    assert_raise ErlangError, ~r/invalid_data_dir/, fn -> Pando.verify(<<255>>) end
  end

  test "mix pando.verify prints the report, and ends with 0 for stores that are whole", %{tmp_dir: dir} do
    {_name, directory} = stopped_store(dir)
    {:ok, report} = Pando.verify(directory)
    assert task([directory]) == {0, report.text}
    assert task([dir]) == {0, report.text}
  end

  test "mix pando.verify ends with 1 for stores that are damaged, and says what opening says", %{tmp_dir: dir} do
    {_whole, _} = stopped_store(dir)
    {name, directory} = stopped_store(dir)
    damage(directory)
    assert {1, output} = task([dir])
    assert output =~ "#{directory}: refused\n"
    assert {:error, {:pando, :open_failed, %{reason: reason}}} = Pando.start(dir, name)
    assert output =~ reason
  end

  test "mix pando.verify ends with 2 where nothing was looked at", %{tmp_dir: dir} do
    assert {2, output} = task([Path.join(dir, "not_there")])
    assert output =~ "not_there: absent\n"
    name = new_name()
    {:ok, ^name} = Pando.start(dir, name)
    assert {2, output} = task([dir])
    assert output =~ ": in_use\n"
    :ok = Pando.stop(name)
  end

  test "mix pando.verify wants one directory" do
    for args <- [[], ["a", "b"]] do
      assert_raise Mix.Error, ~r/one argument/, fn -> Mix.Task.rerun("pando.verify", args) end
    end
  end
end
