defmodule Pando.KeepWhileTest do
  @moduledoc "The option `:keep_while`: its forms in Elixir, and what becomes of the nodes."
  use Pando.StoreCase, async: true

  import Pando.{Condition, Path}

  test "takes paths as sigils, strings and lists, in a keyword list and a map", %{store: store} do
    name = "7/ä *"

    for {watched, n} <-
          Enum.with_index([~p"/sessions/#{name}", "/sessions/9", ["sessions", :own], '/sessions/8']),
        options <- [
          [keep_while: %{watched => if_node_exists()}],
          %{keep_while: %{watched => if_node_exists()}}
        ] do
      lock = ~p"/locks/#{n}"
      assert {:error, {:pando, :keep_while_conditions_not_met, _}} = Pando.put(store, lock, :held, options)
      :ok = Pando.put(store, watched, :on)
      assert Pando.put(store, lock, :held, options) == :ok
      assert Pando.exists?(store, lock)
      :ok = Pando.delete(store, watched)
      refute Pando.exists?(store, lock)
    end
  end

  test "is an option of every function that puts", %{store: store} do
    :ok = Pando.put(store, "/session", :on)
    kept = [keep_while: %{~p"/session" => if_has_data()}]
    :ok = Pando.put(store, "/locks/updated", 1)
    :ok = Pando.put(store, "/locks/swapped", 1)
    :ok = Pando.put(store, "/locks/many/1", 1)
    :ok = Pando.put(store, "/locks/many/2", 1)
    :ok = Pando.put(store, "/locks/others/1", 1)

    assert Pando.put(store, "/locks/put", 1, kept) == :ok
    assert Pando.create(store, "/locks/created", 1, kept) == :ok
    assert Pando.update(store, "/locks/updated", 2, kept) == :ok
    assert Pando.compare_and_swap(store, "/locks/swapped", 1, 2, kept) == :ok
    assert Pando.put_many(store, "/locks/many/*", 2, kept) == :ok
    assert {:ok, %{}} = Pando.Adv.put(store, "/locks/adv/put", 1, kept)
    assert {:ok, %{}} = Pando.Adv.create(store, "/locks/adv/created", 1, Map.new(kept))

    assert Pando.count!(store, "/locks/**") == 12
    assert {:ok, gone} = Pando.Adv.clear_payload(store, "/session")
    assert gone |> Enum.count(fn {_path, props} -> props[:delete_reason] == :keep_while end) == 10

    assert Pando.get_many!(store, "/locks/**") |> Map.keys() |> Enum.sort() == [
             ~p"/locks/others",
             ~p"/locks/others/1"
           ]
  end

  test "takes relative paths and combined conditions", %{store: store} do
    # A group that goes with its last member, and a child that goes with the value of its parent.
    group = [keep_while: %{~p"." => if_child_list_length(gt: 0)}]
    assert Pando.put(store, "/group", :members, group) == :ok
    assert Pando.put(store, "/group/ann", 1) == :ok

    child = [keep_while: %{~p".." => if_all([if_has_data(), if_not(if_data_matches(:closed))])}]
    assert Pando.put(store, "/group/bob", 1, child) == :ok
    assert Pando.put(store, "/group", :still_members) == :ok
    assert Pando.exists?(store, "/group/bob")

    assert {:ok, %{["group", "bob"] => %{delete_reason: :keep_while}}} =
             Pando.Adv.put(store, "/group", :closed)

    assert Pando.delete(store, "/group/ann") == :ok
    assert Pando.is_empty(store) == true
  end

  test "given as an empty map takes the conditions off; not given, it leaves them", %{store: store} do
    :ok = Pando.put(store, "/session", :on)
    kept = [keep_while: %{"/session" => if_node_exists()}]
    for name <- ["left", "freed"], do: :ok = Pando.put(store, ["locks", name], 1, kept)
    :ok = Pando.put(store, "/locks/left", 2)
    :ok = Pando.put(store, "/locks/freed", 2, keep_while: %{})
    :ok = Pando.delete(store, "/session")
    assert Pando.get_many!(store, "/locks/*") == %{["locks", "freed"] => 2}
  end

  test "shows what went with it, unless that is not wanted", %{store: store} do
    for {options, shown} <- [
          {[], [["locks"], ["locks", "oak"], ["session"]]},
          {[return_indirect_deletes: false], [["session"]]},
          {%{return_indirect_deletes: true, props_to_return: []}, [["locks"], ["locks", "oak"], ["session"]]}
        ] do
      :ok = Pando.put(store, "/session", :on)
      :ok = Pando.put(store, "/locks/oak", 1, keep_while: %{"/session" => if_node_exists()})
      assert {:ok, gone} = Pando.Adv.delete(store, "/session", options)
      assert gone |> Map.keys() |> Enum.sort() == shown
      assert Pando.is_empty(store) == true
    end
  end

  test "that is wrong raises, and nothing is done", %{store: store} do
    for {keep_while, reason} <- [
          {%{{:no, :path} => if_node_exists()}, {:pando_ex, :invalid_path, %{path: {:no, :path}}}},
          {%{["a", {:b}] => if_node_exists()},
           {:pando_ex, :invalid_path, %{path: ["a", {:b}], component: {:b}}}}
        ] do
      error = assert_raise ErlangError, fn -> Pando.put(store, "/a", 1, keep_while: keep_while) end
      assert error.original == reason
    end

    for no_map <- [[{"/session", if_node_exists()}], if_node_exists(), nil] do
      assert_raise FunctionClauseError, fn -> Pando.put(store, "/a", 1, keep_while: no_map) end
    end

    assert Pando.is_empty(store) == true
  end
end
