defmodule Pando.ManyTest do
  @moduledoc "Functions of many nodes: reads, pages, and writes in one step."
  use Pando.StoreCase, async: true

  import Pando.{Condition, Path}

  defp stock(%{store: store}) do
    for {kind, pieces} <- [ash: 12, elm: 80, oak: 150], do: :ok = Pando.put(store, ~p"/stock/#{kind}", pieces)
    :ok = Pando.put(store, ~p"/stock/exotic/teak", 3)
  end

  # A call with options in every form that they have.
  defp with_options(call, options \\ []) do
    [timeout: 5_000]
    |> Keyword.merge(options)
    |> then(&[&1, Map.new(&1)])
    |> Enum.map(call)
    |> Enum.uniq()
  end

  describe "reads" do
    setup :stock

    test "take options as a keyword list and a map", %{store: store} do
      assert with_options(&Pando.get_many(store, "/stock/*", &1)) ==
               [
                 {:ok,
                  %{
                    ["stock", "ash"] => 12,
                    ["stock", "elm"] => 80,
                    ["stock", "oak"] => 150,
                    ["stock", "exotic"] => :undefined
                  }}
               ]

      assert with_options(&Pando.get_many_or(store, "/stock/e*", 0, &1)) ==
               [{:ok, %{["stock", "elm"] => 80, ["stock", "exotic"] => 0}}]

      assert with_options(&Pando.get_many_or!(store, "/stock/ex*", nil, &1)) == [
               %{["stock", "exotic"] => nil}
             ]

      assert with_options(&Pando.is_sproc(store, "/stock/oak", &1)) == [false]

      assert with_options(&Pando.map(store, "/stock/e*", fn path, _ -> List.last(path) end, &1)) ==
               [{:ok, %{["stock", "elm"] => "elm", ["stock", "exotic"] => "exotic"}}]

      big = fn _path, props -> Map.get(props, :data, 0) > 50 end

      assert with_options(&Pando.filter(store, "/**", big, &1)) == [
               {:ok, %{~p"/stock/elm" => 80, ~p"/stock/oak" => 150}}
             ]

      assert with_options(&Pando.count(store, "/**", &1), include_root_props: true) == [{:ok, 7}]

      assert with_options(&Pando.Adv.get_many(store, "/stock/*/*", &1), props_to_return: [:payload]) ==
               [{:ok, %{~p"/stock/exotic/teak" => %{data: 3}}}]
    end

    test "call functions in the caller, in term order", %{store: store} do
      test = self()
      tell = fn path, props -> send(test, {self(), List.last(path), props}) end

      assert with_options(&Pando.foreach(store, "/stock/*", tell, &1), props_to_return: [:child_names]) == [
               :ok
             ]

      for _twice <- 1..2, {name, children} <- [{"ash", []}, {"elm", []}, {"exotic", ["teak"]}, {"oak", []}] do
        assert_received {^test, ^name, %{child_names: ^children}} = message
        assert map_size(elem(message, 2)) == 1
      end

      assert Process.info(self(), :message_queue_len) == {:message_queue_len, 0}
    end

    test "let through what functions raise and throw", %{store: store} do
      for read <- [&Pando.foreach/3, &Pando.map/3, &Pando.filter/3] do
        assert_raise RuntimeError, "from inside", fn ->
          read.(store, "/stock/*", fn _, _ -> raise "from inside" end)
        end

        assert catch_throw(read.(store, "/stock/*", fn path, _ -> throw(path) end)) == ~p"/stock/ash"
        assert catch_exit(read.(store, "/stock/*", fn path, _ -> exit(path) end)) == ~p"/stock/ash"
        assert_raise FunctionClauseError, fn -> read.(store, "/stock/*", fn -> true end) end
      end

      # The answer of a predicate is a boolean, not anything that is truthy.
      assert_raise CaseClauseError, fn -> Pando.filter(store, "/stock/*", fn _, _ -> nil end) end
    end

    test "show functions that are stored", %{store: store} do
      :ok = Pando.put(store, ["double"], &Kernel.*(&1, 2))
      assert Pando.is_sproc(store, "/double") == true
      assert Pando.sproc?(store, "/double")
      refute Pando.sproc?(store, "/stock/oak")
      refute Pando.sproc?(store, "/stock")
      refute Pando.sproc?(store, "/none")
      refute Pando.has_data?(store, "/double")
      assert {:ok, %{["double"] => function}} = Pando.get_many(store, "/double")
      assert Pando.put(store, "/the_same", function) == :ok
      assert Pando.sproc?(store, "/the_same")
    end

    test "wait for a place in the log, and for the newest anywhere", %{store: store} do
      assert with_options(&Pando.get_many(store, "/stock/oak", &1), favor: :consistency) ==
               [{:ok, %{~p"/stock/oak" => 150}}]

      assert with_options(&Pando.get(store, "/stock/oak", &1), favor: :low_latency) == [{:ok, 150}]
      # No log has come so far.
      far = {:applied, {1_000_000_000_000, 1}}
      assert Pando.get(store, "/stock/oak", condition: far, timeout: 50) == {:error, :timeout}
      assert Pando.get(store, "/stock/oak", condition: {:applied, {1, 1}}) == {:ok, 150}
    end
  end

  describe "pages" do
    @nodes 250

    setup %{store: store} do
      for n <- 1..@nodes do
        name = String.pad_leading("#{n}", 4, "0")
        :ok = Pando.put(store, ~p"/queue/#{name}", n, async: true)
        if rem(n, 10) == 0, do: :ok = Pando.put(store, ~p"/queue/#{name}/below", n, async: true)
      end

      :ok = Pando.fence(store)
    end

    # All pages of a read, with the path that `last` finds in each as the start of the next one.
    defp pages(read, last, from \\ []) do
      case read.(from) do
        [] ->
          []

        page ->
          # Or it would not end.
          assert last.(page) > Keyword.get(from, :from, [])
          [page | pages(read, last, from: last.(page))]
      end
    end

    for limit <- [1, 7, 250, 1_000] do
      test "of #{limit} by limit and from visit everything once", %{store: store} do
        limit = unquote(limit)

        for pattern <- ["/queue/*", "/**", "/queue/*/*", "/queue/000*"] do
          everything = Pando.get_many!(store, pattern)
          read = fn from -> store |> Pando.get_many!(pattern, [limit: limit] ++ from) |> Map.to_list() end
          pages = pages(read, fn page -> page |> Enum.map(&elem(&1, 0)) |> Enum.max() end)
          {full, [_last]} = Enum.split(pages, -1)
          assert Enum.all?(full, &(length(&1) == limit))
          visited = Enum.concat(pages)
          assert length(visited) == map_size(everything)
          assert Map.new(visited) == everything
        end
      end
    end

    test "are made by fold, foreach, map and Adv, too, with options as maps", %{store: store} do
      page = %{limit: 2, from: "/queue/0010"}
      collect = fn path, %{data: n}, acc -> [{List.last(path), n} | acc] end
      assert Pando.fold(store, "/queue/**", collect, [], page) == {:ok, [{"0011", 11}, {"below", 10}]}
      assert Pando.foreach(store, "/queue/**", fn path, _ -> send(self(), path) end, page) == :ok
      assert_received ["queue", "0010", "below"]
      assert_received ["queue", "0011"]
      refute_received _

      assert Pando.map(store, "/queue/*", fn _, props -> -props.data end, page) ==
               {:ok, %{["queue", "0011"] => -11, ["queue", "0012"] => -12}}

      assert Pando.get_many_or(store, "/queue/*", 0, page) ==
               {:ok, %{["queue", "0011"] => 11, ["queue", "0012"] => 12}}

      assert {:ok, found} = Pando.Adv.get_many(store, "/queue/*", page)
      assert Map.keys(found) == [["queue", "0011"], ["queue", "0012"]]
    end

    test "begin after a path that does not exist, too", %{store: store} do
      :ok = Pando.delete(store, "/queue/0002")

      for from <- ["/queue/0002", ["queue", "0002"], ~p"/queue/0001/zzz", "/queue/0001~"] do
        assert Pando.get_many(store, "/queue/*", limit: 1, from: from) == {:ok, %{["queue", "0003"] => 3}}
      end

      assert Pando.get_many(store, "/queue/*", from: "/zebra") == {:ok, %{}}
      assert Pando.get_many(store, "/queue/*", limit: 1, from: "/alpha") == {:ok, %{["queue", "0001"] => 1}}
    end

    test "of no or a wrong size are refused", %{store: store} do
      for options <- [[limit: 0], [limit: -1], [limit: 1.0], [limit: "2"], [limit: nil]] do
        assert_raise FunctionClauseError, fn -> Pando.get_many(store, "/queue/*", options) end
      end
    end
  end

  describe "writes" do
    setup :stock

    test "take options as a keyword list and a map, the simple ones", %{store: store} do
      assert with_options(&Pando.put_many(store, "/stock/e*", 1, &1)) == [:ok]
      assert Pando.get_many!(store, "/stock/*") |> Map.values() |> Enum.sort() == [1, 1, 12, 150]
      assert with_options(&Pando.put_many!(store, "/stock/*/note", "n", &1)) == [:ok]
      assert Pando.count!(store, "/stock/*/note") == 4
      assert with_options(&Pando.clear_many_payloads(store, "/stock/*", &1)) == [:ok]
      assert with_options(&Pando.clear_many_payloads!(store, "/stock/*", &1)) == [:ok]
      assert Pando.get_many!(store, "/stock/*") |> Map.values() |> Enum.uniq() == [:undefined]
      assert with_options(&Pando.delete_many(store, "/stock/*/note", &1)) == [:ok]
      assert with_options(&Pando.delete_many!(store, "/stock/o*", &1)) == [:ok]
      assert Pando.count!(store, "/stock/*") == 3
    end

    test "of Adv show every node that they concern", %{store: store} do
      assert Pando.Adv.put_many(store, "/stock/e*", 1, props_to_return: [:payload, :payload_version]) ==
               {:ok,
                %{
                  ~p"/stock/elm" => %{data: 80, payload_version: 2},
                  ~p"/stock/exotic" => %{payload_version: 2}
                }}

      assert Pando.Adv.clear_many_payloads(store, ["stock", if_data_matches(1)], %{timeout: 5_000}) ==
               {:ok,
                %{
                  ~p"/stock/elm" => %{data: 1, payload_version: 3},
                  ~p"/stock/exotic" => %{data: 1, payload_version: 3}
                }}

      assert Pando.Adv.delete_many(store, "/stock/exotic/*", %{}) ==
               {:ok,
                %{
                  ~p"/stock/exotic/teak" => %{data: 3, payload_version: 1, delete_reason: :explicit},
                  ~p"/stock/exotic" => %{payload_version: 3, delete_reason: :keep_while}
                }}

      assert Pando.Adv.delete_many(store, ["stock", if_has_data()], return_indirect_deletes: false) ==
               {:ok,
                %{
                  ~p"/stock/ash" => %{data: 12, payload_version: 1, delete_reason: :explicit},
                  ~p"/stock/oak" => %{data: 150, payload_version: 1, delete_reason: :explicit}
                }}
    end

    test "of a pattern that matches nothing do nothing", %{store: store} do
      for {call, answer} <- [
            {&Pando.put_many(&1, &2, 1), :ok},
            {&Pando.delete_many/2, :ok},
            {&Pando.clear_many_payloads/2, :ok},
            {&Pando.Adv.put_many(&1, &2, 1), {:ok, %{}}},
            {&Pando.Adv.delete_many/2, {:ok, %{}}},
            {&Pando.Adv.clear_many_payloads/2, {:ok, %{}}}
          ] do
        before = Pando.get_many!(store, "/**")
        assert call.(store, "/none/*") == answer
        assert Pando.get_many!(store, "/**") == before
      end
    end
  end

  describe "compare_and_swap" do
    setup :stock

    test "takes options as a keyword list and a map", %{store: store} do
      path = ~p"/stock/oak"
      assert with_options(&Pando.compare_and_swap(store, path, :_, 149, &1)) == [:ok]
      assert with_options(&Pando.compare_and_swap!(store, path, 149, 149, &1)) == [:ok]

      assert with_options(&Pando.Adv.compare_and_swap(store, path, :"$1", 149, &1)) ==
               [{:ok, %{path => %{data: 149, payload_version: 2}}}]
    end

    test "leaves what does not match, and says what is there", %{store: store} do
      path = ~p"/stock/oak"
      assert {:error, {:pando, :mismatching_node, props}} = Pando.compare_and_swap(store, path, 12, 11)
      assert props.node_props == %{data: 150, payload_version: 1}
      assert {:if_data_matches, 12, [], _compiled} = props.condition

      error = assert_raise Pando.Error, fn -> Pando.compare_and_swap!(store, path, 150.0, 11) end
      assert {error.kind, error.outcome} == {:mismatching_node, :not_applied}
      error = assert_raise Pando.Error, fn -> Pando.compare_and_swap!(store, "/none", :_, 11) end
      assert {error.kind, error.outcome} == {:node_not_found, :not_applied}
      assert Pando.get!(store, path) == 150
    end

    test "lets one of many through", %{store: store} do
      path = ~p"/stock/oak"

      takers =
        for n <- 1..20, do: Task.async(fn -> {n, Pando.compare_and_swap(store, path, 150, {:taken, n})} end)

      assert [{winner, :ok}] = takers |> Task.await_many() |> Enum.filter(&match?({_, :ok}, &1))
      assert Pando.get!(store, path) == {:taken, winner}
    end
  end
end
