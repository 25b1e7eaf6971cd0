defmodule Pando.AsyncTest do
  @moduledoc "Writes that do not wait for their results, and how they come."
  use Pando.StoreCase, async: true

  import Pando.Path

  # The results of so many correlated writes, in the order in which they have come.
  defp results(store, count) when count > 0 do
    assert_receive {:ra_event, _from, _what} = event, 10_000
    results = Pando.handle_async_ret(store, event)
    results ++ results(store, count - length(results))
  end

  defp results(_store, 0), do: []

  test "a result comes with the correlation that was given, as the functions of Adv have it", %{store: store} do
    one = make_ref()
    assert Pando.put(store, ~p"/a", 1, async: one) == :ok
    assert results(store, 1) == [{one, {:ok, %{["a"] => %{}}}}]

    assert Pando.Adv.put(store, ~p"/a", 2, async: 7) == :ok
    assert results(store, 1) == [{7, {:ok, %{["a"] => %{data: 1, payload_version: 2}}}}]

    assert Pando.create(store, ~p"/a", 3, %{async: {8, :low}}) == :ok
    assert [{8, {:error, {:pando, :mismatching_node, %{node_path: ["a"]}} = reason}}] = results(store, 1)
    error = Pando.Error.exception(reason: reason, call: :write)
    assert {error.kind, error.outcome} == {:mismatching_node, :not_applied}
    assert Pando.get!(store, "/a") == 2
  end

  test "every function that writes takes the option, with and without !", %{store: store} do
    calls = [
      put: ["/a/b", 1],
      create: ["/a/c", 1],
      update: ["/a/b", 2],
      compare_and_swap: ["/a/b", 2, 3],
      put_many: ["/a/*", 4],
      clear_payload: ["/a/b"],
      clear_many_payloads: ["/a/*"],
      delete: ["/a/b"],
      delete_many: ["/a/*"]
    ]

    variants = for {fun, arguments} <- calls, module <- [Pando, Pando.Adv], do: {module, fun, arguments}
    bangs = for {fun, arguments} <- calls, do: {Pando, :"#{fun}!", arguments}

    for {{module, fun, arguments}, n} <- Enum.with_index(variants ++ bangs) do
      :ok = Pando.delete(store, "/")
      if fun not in [:create, :create!], do: :ok = Pando.put(store, "/a/b", 2)
      assert {fun, apply(module, fun, [store | arguments] ++ [[async: n]])} == {fun, :ok}
      assert [{^n, {:ok, answer}}] = results(store, 1)
      assert {fun, is_map(answer)} == {fun, true}
      if module == Pando, do: assert(Enum.all?(Map.values(answer), &(&1 == %{})))
    end
  end

  test "many are under way at once, and are done in their order", %{store: store} do
    for n <- 1..500, do: assert(Pando.put(store, "/counter", n, async: n) == :ok)
    results = results(store, 500)
    assert Enum.map(results, &elem(&1, 0)) == Enum.to_list(1..500)
    assert Enum.all?(results, &match?({_n, {:ok, %{["counter"] => %{}}}}, &1))
    assert Pando.Adv.get(store, "/counter") == {:ok, %{["counter"] => %{data: 500, payload_version: 500}}}
  end

  test "without a correlation no result comes, and a fence waits for it", %{store: store} do
    for async <- [true, :low, :normal] do
      assert Pando.put(store, "/a", async, async: async) == :ok
      assert Pando.fence(store) == :ok
      assert Pando.get!(store, "/a") == async
    end

    assert Pando.put(store, "/a", 0, async: false) == :ok
    refute_received _any
  end

  test "a fence has the forms of other calls, and errors", %{store: store} do
    assert Pando.fence(store, 5_000) == :ok
    assert Pando.fence(store, :infinity) == :ok
    assert Pando.fence(store, 0) == {:error, :timeout}
    assert Pando.fence(new_name()) == {:error, :noproc}
    assert Pando.fence(new_name(), 5_000) == {:error, :noproc}
  end

  test "a read with favor: :consistency sees what was written before without waiting", %{store: store} do
    for n <- 1..200 do
      :ok = Pando.put(store, "/a", n, async: true)
      assert Pando.get!(store, "/a", favor: :consistency) == n
    end
  end

  test "reply_from and protect_against_dups go with any write", %{store: store} do
    for reply_from <- [:local, :leader, {:member, {store, node()}}],
        options <- [[], [protect_against_dups: true]] do
      options = [reply_from: reply_from] ++ options
      assert Pando.put(store, "/a", 1, options) == :ok
      assert Pando.update!(store, "/a", 1, Map.new(options)) == :ok
      assert {:ok, %{}} = Pando.Adv.delete(store, "/a", options)
    end

    assert Pando.put(store, "/a", 1, reply_from: :nobody) == {:error, {:unknown_option, :reply_from, :nobody}}
    assert Pando.put(store, "/a", 1, protect_against_dups: false) == :ok
  end

  @tag store: false
  test "of a store that does not run, the uncorrelated ones are :ok, as nobody asks", %{} do
    assert Pando.put(new_name(), "/a", 1, async: true) == :ok
  end

  test "options that are wrong are refused", %{store: store} do
    for options <- [[async: :high], [async: "1"], [async: {1, :high}], [async: nil]] do
      assert_raise FunctionClauseError, fn -> Pando.put(store, "/a", 1, options) end
    end

    assert_raise FunctionClauseError, fn -> Pando.handle_async_ret(store, {:DOWN, make_ref()}) end
    assert_raise FunctionClauseError, fn -> Pando.handle_async_ret({:DOWN, make_ref()}) end
    assert Pando.is_empty(store) == true
  end
end
