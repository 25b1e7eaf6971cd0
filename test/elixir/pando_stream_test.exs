defmodule Pando.StreamTest do
  @moduledoc "Streams: lazy, in order, over one view, and gone when nobody reads them."
  use Pando.StoreCase, async: true

  import Pando.{Condition, Path}

  @nodes 10_000

  defp queue(%{store: store}) do
    for n <- 1..@nodes, do: :ok = Pando.put(store, ["queue", "#{n}"], n, async: true)
    :ok = Pando.fence(store)
    {:ok, names: 1..@nodes |> Enum.map(&"#{&1}") |> Enum.sort()}
  end

  # Runs a function in a process whose calls of the cursor are watched; returns what it returns, how often a cursor was
  # opened and the lengths of the chunks that were read.
  defp watched(fun) do
    :erlang.trace_pattern({:pando_read, :open, 3}, true, [])
    :erlang.trace_pattern({:pando_read, :next, 1}, [{:_, [], [{:return_trace}]}], [])

    task =
      Task.async(fn ->
        receive do: (:go -> :ok)
        fun.()
      end)

    1 = :erlang.trace(task.pid, true, [:call])
    send(task.pid, :go)
    result = Task.await(task, 30_000)
    delivered = :erlang.trace_delivered(task.pid)
    # Comes for certain, and on a busy machine late.
    assert_receive {:trace_delivered, _pid, ^delivered}, 30_000
    {opened, chunks} = collect(task.pid, 0, [])
    {result, opened, chunks}
  end

  defp collect(pid, opened, chunks) do
    receive do
      {:trace, ^pid, :call, {:pando_read, :open, _}} -> collect(pid, opened + 1, chunks)
      {:trace, ^pid, :call, {:pando_read, :next, _}} -> collect(pid, opened, chunks)
      {:trace, ^pid, :return_from, _next, {nodes, _cursor}} -> collect(pid, opened, [length(nodes) | chunks])
    after
      0 -> {opened, Enum.reverse(chunks)}
    end
  end

  describe "a stream of 10,000 nodes" do
    setup :queue

    test "reads nothing until it is run", %{store: store} do
      assert {:made, 0, []} =
               watched(fn ->
                 store |> Pando.stream("/queue/*") |> Stream.map(fn _ -> raise "too early" end)
                 :made
               end)
    end

    test "of which 3 are taken reads one chunk, and not everything", %{store: store, names: names} do
      {taken, 1, [chunk]} = watched(fn -> store |> Pando.stream("/queue/*") |> Enum.take(3) end)

      assert Enum.map(taken, fn {["queue", name], n} -> {name, "#{n}"} end) ==
               names |> Enum.take(3) |> Enum.map(&{&1, &1})

      assert chunk >= 3 and chunk <= div(@nodes, 2)
    end

    test "reads as many chunks as it needs", %{store: store} do
      half = div(@nodes, 2)
      {taken, 1, chunks} = watched(fn -> store |> Pando.stream("/queue/*") |> Enum.take(half) end)
      assert length(taken) == half
      {but_last, [_last]} = Enum.split(chunks, -1)
      assert Enum.sum(but_last) < half
      assert Enum.sum(chunks) < @nodes
    end

    test "has them all once, in term order", %{store: store, names: names} do
      {all, 1, chunks} = watched(fn -> store |> Pando.stream("/queue/*") |> Enum.to_list() end)
      assert Enum.map(all, fn {["queue", name], n} when is_integer(n) -> name end) == names
      assert Enum.sum(chunks) == @nodes
      assert Map.new(all) == Pando.get_many!(store, "/queue/*")
    end

    test "honours limit and from", %{store: store, names: names} do
      options = [limit: 25, from: ["queue", "5"]]
      {read, 1, chunks} = watched(fn -> store |> Pando.stream("/queue/*", options) |> Enum.to_list() end)
      expected = names |> Enum.drop_while(&(&1 <= "5")) |> Enum.take(25)
      assert Enum.map(read, fn {["queue", name], _} -> name end) == expected
      assert Enum.sum(chunks) == 25
    end

    test "shows one moment, whatever is written while it is read", %{store: store, names: names} do
      seen =
        store
        |> Pando.stream("/queue/*")
        |> Enum.map(fn {path, n} ->
          if n == 1, do: :ok = Pando.delete(store, "/queue")
          :ok = Pando.put(store, path, :new, async: true)
          n
        end)

      assert seen |> Enum.map(&"#{&1}") == names
      :ok = Pando.fence(store)
      # The next one shows the moment at which it begins.
      assert store |> Pando.stream("/queue/*") |> Stream.map(&elem(&1, 1)) |> Enum.uniq() == [:new]
    end

    test "can be read step by step beside another one", %{store: store} do
      stream = store |> Pando.stream("/queue/*") |> Stream.map(&elem(&1, 1))
      pairs = stream |> Stream.zip(stream) |> Enum.take(2_000)
      assert Enum.all?(pairs, fn {left, right} -> left == right end)
    end

    test "leaves nothing with a reader that stops early, throws or dies", %{store: store} do
      stream = Pando.stream(store, "/queue/*")
      assert Enum.any?(stream, fn {_, n} -> n == 1 end)
      assert catch_throw(Enum.each(stream, fn {_, n} -> throw(n) end)) == 1
      assert_raise RuntimeError, fn -> Enum.each(stream, fn _ -> raise "inside" end) end
      {pid, monitor} = spawn_monitor(fn -> Enum.each(stream, fn _ -> exit(:inside) end) end)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :inside}
      {:suspended, _, _continue} = Enumerable.reduce(stream, {:cont, []}, fn node, _ -> {:suspend, node} end)
      # The store closes although cursors were left, and although one is still held.
      assert Pando.stop(store) == :ok
      assert_raise Pando.Error, fn -> Enum.take(stream, 1) end
    end
  end

  describe "a stream" do
    setup %{store: store} do
      :ok = Pando.put(store, "/stock/wood/oak", 150)
      :ok = Pando.put(store, "/stock/wood/elm", 80)
      :ok = Pando.put(store, ["stock", :count], &length/1)
    end

    test "has values, a function where one is stored, and :undefined where there is none", %{store: store} do
      assert [
               {["stock"], :undefined},
               {["stock", :count], function},
               {["stock", "wood"], :undefined},
               {["stock", "wood", "elm"], 80},
               {["stock", "wood", "oak"], 150}
             ] = store |> Pando.stream("/**") |> Enum.to_list()

      assert {:ok, %{["stock", :count] => ^function}} = Pando.get_many(store, ["stock", :count])
    end

    test "of Adv has properties, those that are wanted", %{store: store} do
      assert store |> Pando.Adv.stream("/stock/wood/*") |> Enum.to_list() == [
               {["stock", "wood", "elm"], %{data: 80, payload_version: 1}},
               {["stock", "wood", "oak"], %{data: 150, payload_version: 1}}
             ]

      for options <- [[props_to_return: [:child_list_length]], %{props_to_return: [:child_list_length]}] do
        assert store |> Pando.Adv.stream("/*/*", options) |> Map.new() == %{
                 ["stock", :count] => %{child_list_length: 0},
                 ["stock", "wood"] => %{child_list_length: 2}
               }
      end
    end

    test "takes patterns in any form", %{store: store} do
      for pattern <- ["/stock/wood/*", '/stock/wood/*', ~p"/stock/wood/*", ~p"/stock/wood" ++ [if_has_data()]] do
        assert store |> Pando.stream(pattern) |> Enum.map(&elem(&1, 1)) == [80, 150]
      end

      assert store |> Pando.stream([if_data_matches(150)]) |> Enum.to_list() == []
      assert store |> Pando.stream("/none") |> Enum.to_list() == []

      assert store |> Pando.stream("/*", include_root_props: true) |> Enum.map(&elem(&1, 0)) == [
               [],
               ["stock"]
             ]
    end

    test "can be run again, and then shows what is new", %{store: store} do
      stream = store |> Pando.stream("/stock/wood/*") |> Stream.map(&elem(&1, 1))
      assert Enum.to_list(stream) == [80, 150]
      :ok = Pando.put(store, "/stock/wood/ash", 12)
      assert Enum.to_list(stream) == [12, 80, 150]
    end

    test "raises Pando.Error when it is run, and of wrong arguments at once", %{store: store} do
      stream = Pando.stream(new_name(), "/*")
      error = assert_raise Pando.Error, fn -> Enum.to_list(stream) end
      assert {error.kind, error.outcome, error.reason} == {:noproc, nil, :noproc}

      error = assert_raise Pando.Error, fn -> store |> Pando.stream("/*", timeout: 0) |> Enum.to_list() end
      assert error.kind == :timeout

      one = Pando.stream(store, "/none", expect_specific_node: true)
      error = assert_raise Pando.Error, fn -> Enum.to_list(one) end
      assert error.kind == :node_not_found

      assert_raise ArgumentError, ~r/expected options/, fn -> Pando.stream(store, "/*", :all) end

      for options <- [[limit: 0], %{props_to_return: :all}, [form: "/a"]],
          stream <- [&Pando.stream/3, &Pando.Adv.stream/3] do
        assert_raise FunctionClauseError, fn -> stream.(store, "/*", options) end
      end

      error = assert_raise ErlangError, fn -> Pando.stream(store, {:no, :path}) end
      assert {:pando_ex, :invalid_path, %{path: {:no, :path}}} = error.original
    end
  end
end
