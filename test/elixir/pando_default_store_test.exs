defmodule Pando.DefaultStoreTest do
  @moduledoc "The examples of the documentation, and the forms of calls without a store, on an empty default store."
  # Not async: there is one default store.
  use ExUnit.Case, async: false

  import Pando.Path

  setup_all do
    dir = Path.join(System.tmp_dir!(), "pando_default_store_#{System.pid()}")
    Application.put_env(:pando, :default_ra_system, dir)

    on_exit(fn ->
      :ok = Pando.stop()
      Application.delete_env(:pando, :default_ra_system)
      File.rm_rf!(dir)
    end)
  end

  setup do
    # Runs already, unless a test has stopped it.
    {:ok, :pando} = Pando.start()
    :ok = Pando.delete("/")
  end

  doctest Pando
  doctest Pando.Adv
  doctest Pando.Cluster
  doctest Pando.Condition
  doctest Pando.Error
  doctest Pando.Tx
  doctest Pando.Tx.Adv

  describe "without a store" do
    test "reads mean the default store, with options or without" do
      :ok = Pando.put(:pando, ~p"/stock/oak", 150)
      path = ~p"/stock/oak"

      for {read, expected} <- [
            {&Pando.get/2, {:ok, 150}},
            {&Pando.get!/2, 150},
            {&Pando.get_many/2, {:ok, %{path => 150}}},
            {&Pando.get_many!/2, %{path => 150}},
            {&Pando.get_many_or(&1, 0, &2), {:ok, %{path => 150}}},
            {&Pando.get_many_or!(&1, 0, &2), %{path => 150}},
            {&Pando.count/2, {:ok, 1}},
            {&Pando.count!/2, 1},
            {&Pando.exists/2, true},
            {&Pando.exists?/2, true},
            {&Pando.exists!/2, true},
            {&Pando.has_data/2, true},
            {&Pando.has_data?/2, true},
            {&Pando.has_data!/2, true},
            {&Pando.is_sproc/2, false},
            {&Pando.is_sproc!/2, false},
            {&Pando.sproc?/2, false},
            {&Pando.get_or(&1, 0, &2), {:ok, 150}},
            {&Pando.get_or!(&1, 0, &2), 150},
            {&Pando.fold(&1, fn _, props, acc -> [props.data | acc] end, [], &2), {:ok, [150]}},
            {&Pando.foreach(&1, fn ^path, %{data: 150} -> :ignored end, &2), :ok},
            {&Pando.map(&1, fn _, props -> props.data end, &2), {:ok, %{path => 150}}},
            {&Pando.filter(&1, fn _, props -> props.data > 1 end, &2), {:ok, %{path => 150}}},
            {&Enum.to_list(Pando.stream(&1, &2)), [{path, 150}]},
            {&Enum.to_list(Pando.Adv.stream(&1, &2)), [{path, %{data: 150, payload_version: 1}}]},
            {&Pando.Adv.get/2, {:ok, %{path => %{data: 150, payload_version: 1}}}},
            {&Pando.Adv.get_many/2, {:ok, %{path => %{data: 150, payload_version: 1}}}}
          ] do
        assert read.(path, timeout: 5_000) == expected
        assert read.(path, %{timeout: 5_000}) == expected
        assert read.(path, []) == expected
        assert read.(path, %{}) == expected
        # The same, when the first argument is the store.
        unless :erlang.fun_info(read, :type) == {:type, :local}, do: assert(read.(:pando, path) == expected)
      end
    end

    test "writes mean the default store" do
      path = "/stock/oak"
      assert Pando.create(path, 1) == :ok
      assert Pando.update(path, 2) == :ok
      assert Pando.put(path, 3) == :ok
      assert Pando.get(:pando, path) == {:ok, 3}
      assert Pando.compare_and_swap(path, 3, 4) == :ok
      assert Pando.put_many("/stock/*", 5) == :ok
      assert Pando.get(:pando, path) == {:ok, 5}
      assert Pando.clear_many_payloads("/stock/*") == :ok
      assert Pando.clear_payload(path) == :ok
      assert Pando.get(:pando, path) == {:ok, :undefined}
      assert Pando.delete_many("/stock/*") == :ok
      assert Pando.delete(path, timeout: 5_000) == :ok
      assert Pando.create!(path, 1) == :ok
      assert Pando.update!(path, 2) == :ok
      assert Pando.put!(path, 3) == :ok
      assert Pando.compare_and_swap!(path, 3, 4) == :ok
      assert Pando.put_many!("/stock/*", 5) == :ok
      assert Pando.get!(path) == 5
      assert Pando.clear_many_payloads!("/stock/*") == :ok
      assert Pando.clear_payload!(path) == :ok
      assert Pando.delete_many!("/no/*", timeout: 5_000) == :ok
      assert Pando.delete!(path, %{timeout: 5_000}) == :ok
      assert Pando.is_empty(:pando) == true
    end

    test "transactions and stored procedures mean the default store" do
      :ok = Pando.put(:pando, "/k", 7)
      :ok = Pando.put(:pando, "/get", fn -> Pando.Tx.get!("/k") end)
      :ok = Pando.put(:pando, "/length", &length/1)
      none = fn -> Pando.Tx.get!("/k") end
      one = fn x -> {x, Pando.Tx.get!("/k")} end

      for {arguments, value} <- [
            {[none], 7},
            {[none, :ro], 7},
            {[none, [timeout: 5_000]], 7},
            {[none, :rw, [timeout: 5_000]], 7},
            {[one, [:a]], {:a, 7}},
            {[one, [:a], :ro], {:a, 7}},
            {[one, [:a], [timeout: 5_000]], {:a, 7}},
            {[one, [:a], :ro, %{timeout: 5_000}], {:a, 7}},
            {["/get"], 7},
            {[~p"/get", [], :ro], 7},
            {[[commands: [{:delete, "/none"}]]], [:ok]},
            {[%{commands: []}, [timeout: 5_000]], []}
          ] do
        assert {arguments, apply(Pando, :transaction, arguments)} == {arguments, {:ok, value}}
        assert {arguments, apply(Pando, :transaction!, arguments)} == {arguments, value}
      end

      assert Pando.run_sproc("/length", [[1, 2]]) == 2
      assert Pando.run_sproc("/length", [[1, 2]], timeout: 5_000) == 2
    end

    test "an empty list is the root in the place of a path, and no options in the place of options" do
      :ok = Pando.put([], :of_the_root)
      assert Pando.get([], []) == {:ok, :of_the_root}
      assert Pando.get([]) == {:ok, :of_the_root}
      assert Pando.get(:pando, []) == {:ok, :of_the_root}
      assert Pando.get(:pando, [], []) == {:ok, :of_the_root}
      assert Pando.is_empty([]) == true
    end
  end

  test "another default store can be named in the environment of the application" do
    Application.put_env(:pando, :default_store_id, :elsewhere)
    on_exit(fn -> Application.delete_env(:pando, :default_store_id) end)

    assert Pando.put("/a", 1) == {:error, :noproc}
    assert Pando.start() == {:ok, :elsewhere}
    assert Pando.put("/a", 1) == :ok
    assert Pando.get(:elsewhere, "/a") == {:ok, 1}
    assert Pando.exists(:pando, "/a") == false
    assert Pando.stop() == :ok
    assert Pando.store_ids() |> Enum.member?(:elsewhere) == false
  end

  test "timeout of the environment is the timeout of calls that have none" do
    Application.put_env(:pando, :default_timeout, 0)
    on_exit(fn -> Application.delete_env(:pando, :default_timeout) end)

    assert Pando.put(:pando, "/a", 1) == {:error, :timeout}
    assert Pando.put(:pando, "/a", 1, timeout: :infinity) == :ok
  end
end
