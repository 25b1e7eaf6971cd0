defmodule Pando.LostTestsTest do
  @moduledoc "That a run of ExUnit fails when it has lost tests; each in a VM of its own."
  use ExUnit.Case, async: true

  setup do
    dir =
      Path.join(System.tmp_dir!(), "pando-lost-tests-#{System.unique_integer([:positive])}-#{System.pid()}")

    on_exit(fn -> File.rm_rf!(dir) end)
    File.mkdir_p!(dir)
    %{dir: dir}
  end

  test "tests that a module loses when a directory for one cannot be made fail the run, and are named", %{
    dir: dir
  } do
    # ExUnit makes the directories of tests below it.
    File.write!(Path.join(dir, "tmp"), "a file")

    assert {output, 1} =
             run(dir, """
             test "before", do: :ok
             @tag :tmp_dir
             test "with a directory", do: :ok
             test "behind", do: :ok
             """)

    assert output =~ "2 tests did not run, because the process of their module ended:\n"
    assert output =~ "\n  Subject: test with a directory\n"
    assert output =~ "\n  Subject: test behind\n"
    refute output =~ "Subject: test before\n"
  end

  test "tests that all have run, or are excluded or skipped, do not", %{dir: dir} do
    assert {"", 0} =
             run(dir, """
             test "before", do: :ok
             @tag :left_out
             test "excluded", do: flunk()
             @tag :skip
             test "skipped", do: flunk()
             @tag :tmp_dir
             test "with a directory", do: :ok
             """)
  end

  test "tests that fail are none that are lost", %{dir: dir} do
    assert {"", 0} = run(dir, ~s(setup_all do: raise "provoked"\ntest "invalid", do: :ok))
    assert {"", 0} = run(dir, ~s(test "fails", do: flunk(\)\ntest "ends", do: exit(:provoked\)))
  end

  # With no other formatter, whose status ExUnit.run leaves to its caller.
  defp run(dir, tests) do
    script = """
    Code.require_file(#{inspect(Path.expand("lost_tests.exs", __DIR__))})
    ExUnit.start(autorun: false, seed: 0, exclude: [:left_out], formatters: [Pando.LostTests])
    defmodule Subject do
      use ExUnit.Case
      #{tests}
    end
    ExUnit.run()
    """

    System.cmd("elixir", ["-e", script], cd: dir, stderr_to_stdout: true)
  end
end
