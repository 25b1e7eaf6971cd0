defmodule Pando.DoctestTest do
  @moduledoc "The examples of the documentation, each on an empty default store."
  # Not async: there is one default store.
  use ExUnit.Case, async: false

  setup_all do
    dir = Path.join(System.tmp_dir!(), "pando_doctest_#{System.pid()}")
    Application.put_env(:pando, :default_ra_system, dir)

    on_exit(fn ->
      :ok = Pando.stop()
      Application.delete_env(:pando, :default_ra_system)
      File.rm_rf!(dir)
    end)
  end

  setup do
    # Runs already, unless an example has stopped it.
    {:ok, :pando} = Pando.start()
    :ok = Pando.delete("/")
  end

  doctest Pando
  doctest Pando.Adv
  doctest Pando.Error
end
