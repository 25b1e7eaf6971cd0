defmodule Pando.TxTest do
  @moduledoc "What the function of a transaction can call: the same as outside, with the same answers."
  use Pando.StoreCase, async: true

  alias Pando.{Error, Tx}

  @if_exists {:if_node_exists, true}

  # What is called on a tree of `plant/1`, by name and arguments without options.
  defp reads do
    [
      is_empty: [],
      empty?: [],
      get: ["/stock/oak"],
      get: ["/stock"],
      get: ["/no/where"],
      get: [["stock", "elm"]],
      get!: ["/stock/oak"],
      get!: ["/no/where"],
      get_or: ["/stock/oak", 7],
      get_or: ["/no/where", 7],
      get_or!: ["/stock", 7],
      get_many: ["/**"],
      get_many!: ["/stock/*"],
      get_many_or: ["/**", 7],
      get_many_or!: ["/**", 7],
      exists: ["/stock"],
      exists: ["/no"],
      exists?: ["/stock"],
      exists?: ["/no"],
      has_data: ["/stock"],
      has_data: ["/stock/oak"],
      has_data?: ["/stock/oak"],
      is_sproc: ["/sum"],
      is_sproc: ["/stock"],
      sproc?: ["/sum"],
      count: ["/**"],
      count!: ["/stock/*"],
      fold: ["/**", &[{&1, &2} | &3], []],
      foreach: ["/**", fn path, _props -> send(self(), path) end],
      map: ["/**", fn path, props -> {length(path), props} end],
      filter: ["/**", fn path, _props -> "oak" in path end]
    ]
  end

  defp writes do
    one_of_many =
      for {name, arguments} <- [
            put: ["/stock/oak", 1],
            put: ["/new/one", 1],
            put: ["/stock/oak", &Enum.sum/1],
            put_many: ["/stock/*", 1],
            put_many: ["/stock/*/place", 1],
            create: ["/new/one", 1],
            create: ["/stock/oak", 1],
            update: ["/stock/oak", 1],
            update: ["/no/where", 1],
            compare_and_swap: ["/stock/oak", 150, 1],
            compare_and_swap: ["/stock/oak", 151, 1],
            delete: ["/stock"],
            delete: ["/no/where"],
            delete_many: ["/stock/*"],
            clear_payload: ["/stock/oak"],
            clear_payload: ["/no/where"],
            clear_many_payloads: ["/stock/*"]
          ],
          do: [{name, arguments}, {:"#{name}!", arguments}]

    List.flatten(one_of_many)
  end

  # The functions of `Pando.Tx` that are about the transaction itself.
  @own [abort: 1, after_commit: 1, transaction?: 0, is_transaction: 0, does_api_comply_with: 1]

  # The tree, whatever was there before.
  defp plant(store) do
    {:ok, _} =
      Pando.transaction(store,
        commands: [
          {:delete, "/"},
          {:put, "/stock/oak", 150},
          {:put, "/stock/elm", %{pieces: 80}},
          {:put, "/sum", &Enum.sum/1},
          {:put, "/lock", 1, keep_while: %{"/stock/elm" => @if_exists}}
        ]
      )

    :ok
  end

  defp tree(store), do: Pando.Adv.get_many(store, "/**", include_root_props: true, props_to_return: all())

  defp all, do: [:payload, :payload_version, :child_list_version, :child_list_length]

  # What a call returns, or the exception that it raises.
  defp answer(call) do
    {:returned, call.()}
  rescue
    exception -> {:raised, exception}
  end

  # Two stores, of which the one is used from outside, and the other in transactions.
  defp start_two(dir) do
    for _ <- 1..2 do
      store = new_name()
      start_supervised!({Pando, name: store, data_dir: dir})
      store
    end
  end

  # The answers, and the trees afterwards, are the same. Counters of the root go on from call to call, in both stores alike.
  defp compare([one, other] = stores, outside, inside, {name, arguments}) do
    for store <- stores, do: :ok = plant(store)
    expected = answer(fn -> apply(outside, name, [one | arguments]) end)
    {:ok, found} = Pando.transaction(other, fn -> answer(fn -> apply(inside, name, arguments) end) end)
    assert {inside, name, arguments, found} == {inside, name, arguments, expected}
    assert {inside, name, arguments, tree(other)} == {inside, name, arguments, tree(one)}
  end

  describe "the functions" do
    @describetag store: false

    test "of Pando.Tx answer as those of Pando, with options and without", %{tmp_dir: dir} do
      calls = reads() ++ writes()

      compared =
        for {name, arguments} <- calls, more <- 0..1, uniq: true, do: {name, length(arguments) + more}

      assert Tx.__info__(:functions) -- (compared ++ @own) == []

      stores = start_two(dir)

      for {name, arguments} <- calls,
          options <- [[], [[timeout: 5_000]]],
          do: compare(stores, Pando, Tx, {name, arguments ++ options})
    end

    test "of Pando.Tx.Adv answer as those of Pando.Adv, with options and without", %{tmp_dir: dir} do
      names = Keyword.keys(Tx.Adv.__info__(:functions))
      calls = for {name, arguments} <- reads() ++ writes(), name in names, do: {name, arguments}

      compared =
        for {name, arguments} <- calls, more <- 0..1, uniq: true, do: {name, length(arguments) + more}

      assert Tx.Adv.__info__(:functions) -- compared == []

      stores = start_two(dir)

      for {name, arguments} <- calls,
          options <- [[], [%{props_to_return: all()}]],
          do: compare(stores, Pando.Adv, Tx.Adv, {name, arguments ++ options})
    end

    test "take options about nodes, as keyword lists and maps, and refuse others", %{tmp_dir: dir} do
      [store, _] = stores = start_two(dir)

      for call <- [
            get_many: ["/**", [limit: 2]],
            get_many: ["/**", %{from: "/stock"}],
            count: ["/*", [include_root_props: true]],
            fold: ["/**", &[{&1, &2} | &3], [], [props_to_return: [:child_names]]],
            map: ["/**", fn _path, props -> props end, [props_to_return: []]],
            put: ["/new", 1, [keep_while: %{"/stock/elm" => @if_exists}]],
            put: ["/new", 1, [keep_while: %{"/no" => @if_exists}]],
            put!: ["/new", 1, [keep_while: %{"/no" => @if_exists}]],
            put: ["/lock", 1, %{keep_while: %{}}],
            put_many: ["/stock/oak", 1, [expect_specific_node: true]]
          ],
          do: compare(stores, Pando, Tx, call)

      before = tree(store)

      for options <- [[timeot: 5], %{"timeout" => 5}, [timeout: -1], [favor: :speed], [async: :fast]],
          {name, arguments} <- [get: ["/stock/oak"], put: ["/stock/oak", 1]],
          module <- [Tx, Tx.Adv] do
        assert_raise FunctionClauseError, fn ->
          Pando.transaction(store, fn -> apply(module, name, arguments ++ [options]) end)
        end
      end

      for no_options <- [:timeout, "timeout", [:timeout], 5, nil] do
        assert_raise ArgumentError, ~r/expected options/, fn ->
          Pando.transaction(store, fn -> Tx.get("/stock/oak", no_options) end)
        end

        assert_raise ArgumentError, ~r/expected options/, fn ->
          Pando.transaction(store, fn -> Tx.put("/stock/oak", 1, no_options) end)
        end
      end

      assert tree(store) == before
    end
  end

  describe "where" do
    test "no transaction runs, all but transaction? are refused", %{store: store} do
      plant(store)
      before = tree(store)
      calls = for {name, arguments} <- reads() ++ writes(), do: {Tx, name, arguments}
      names = Keyword.keys(Tx.Adv.__info__(:functions))
      adv = for {Tx, name, arguments} <- calls, name in names, do: {Tx.Adv, name, arguments}
      own = [{Tx, :abort, [:no]}, {Tx, :after_commit, [fn -> :ok end]}, {Tx, :does_api_comply_with, [:x]}]

      for {module, name, arguments} <- calls ++ adv ++ own do
        error = assert_raise ErlangError, fn -> apply(module, name, arguments) end

        assert {name, error.original} ==
                 {name, {:pando_ex, :invalid_use_of_pando_tx_outside_transaction, %{}}}
      end

      refute Tx.transaction?()
      refute Tx.is_transaction()
      # Nor in another process.
      assert Pando.transaction(store, fn ->
               answer(fn ->
                 Task.await(Task.async(fn -> {Tx.transaction?(), answer(fn -> Tx.get("/a") end)} end))
               end)
             end) ==
               {:ok,
                {:returned,
                 {false,
                  {:raised,
                   %ErlangError{
                     original: {:pando_ex, :invalid_use_of_pando_tx_outside_transaction, %{}}
                   }}}}}

      assert tree(store) == before
    end

    test "the mode is :ro, all that write are refused, and reads are not", %{store: store} do
      plant(store)
      before = tree(store)
      names = Keyword.keys(Tx.Adv.__info__(:functions))
      calls = for {name, arguments} <- writes(), module <- [Tx, Tx.Adv], do: {module, name, arguments}

      for {module, name, arguments} <- calls, module == Tx or name in names do
        error =
          assert_raise ErlangError, fn ->
            Pando.transaction(store, fn -> apply(module, name, arguments) end, :ro)
          end

        assert {name, error.original} == {name, {:pando_ex, :denied_update_in_readonly_tx, %{}}}
      end

      for {name, arguments} <- reads() do
        expected = answer(fn -> apply(Pando, name, [store | arguments]) end)

        assert Pando.transaction(store, fn -> answer(fn -> apply(Tx, name, arguments) end) end, :ro) ==
                 {:ok, expected}
      end

      assert tree(store) == before
    end
  end

  describe "errors" do
    test "are values, and the transaction goes on", %{store: store} do
      assert {:ok, {:error, {:pando, :node_not_found, %{node_path: ["no"]}}}} =
               Pando.transaction(store, fn ->
                 :ok = Tx.put("/a", 1)
                 Tx.update("/no", 1)
               end)

      assert Pando.get(store, "/a") == {:ok, 1}
    end

    test "that are raised end it, and nothing was done", %{store: store} do
      error =
        assert_raise Error, fn ->
          Pando.transaction(store, fn ->
            Tx.put!("/a", 1)
            Tx.update!("/no", 1)
          end)
        end

      assert {error.kind, error.outcome} == {:node_not_found, :not_applied}
      assert Pando.empty?(store)
    end

    test "that are rescued do not", %{store: store} do
      assert Pando.transaction(store, fn ->
               Tx.put!("/a", 1)

               try do
                 Tx.get!("/no")
               rescue
                 error in Error -> {error.kind, error.outcome}
               end
             end) == {:ok, {:node_not_found, nil}}

      assert Pando.get(store, "/a") == {:ok, 1}
    end

    test "of the predicates are raised, not truthy", %{store: store} do
      too_long = List.duplicate("x", :pando_backend.limits()["path_components_max"] + 1)

      for name <- [:exists?, :has_data?, :sproc?, :get!, :count!] do
        error = assert_raise Error, fn -> Pando.transaction(store, fn -> apply(Tx, name, [too_long]) end) end
        assert {name, error.kind, error.outcome} == {name, :limit_exceeded, nil}
      end
    end

    test "of the limit of commands are those of the transaction, too", %{store: store} do
      max = :pando_backend.limits()["transaction_commands_max"]
      limit = {:pando, :limit_exceeded, %{limit: :transaction_commands_max, max: max, outcome: :not_applied}}
      test = self()

      assert Pando.transaction(store, fn ->
               for _ <- 1..max, do: :ok = Tx.delete("/a")
               send(test, Tx.delete("/a"))
             end) == {:error, limit}

      assert_received {:error, ^limit}
    end
  end

  describe "abort" do
    test "makes any term the reason, and nothing was done", %{store: store} do
      for reason <- [:no, nil, {:error, :no}, "no", %{a: 1}, [], :timeout, {:pando, :node_not_found, %{}}] do
        assert Pando.transaction(store, fn ->
                 Tx.put!("/a", 1)
                 Tx.abort(reason)
               end) == {:error, reason}
      end

      assert Pando.empty?(store)
    end

    test "goes past a rescue, and not past a catch of everything", %{store: store} do
      assert Pando.transaction(store, fn ->
               try do
                 Tx.put!("/a", 1)
                 Tx.abort(:no)
               rescue
                 _ -> :rescued
               end
             end) == {:error, :no}

      assert Pando.empty?(store)

      assert Pando.transaction(store, fn ->
               try do
                 Tx.put!("/a", 1)
                 Tx.abort(:no)
               catch
                 _ -> :caught
               end
             end) == {:ok, :caught}

      assert Pando.get(store, "/a") == {:ok, 1}
    end
  end

  describe "after_commit" do
    test "runs functions once, in their order, in the caller, outside of the transaction", %{store: store} do
      test = self()

      assert Pando.transaction(store, fn ->
               for n <- 1..3 do
                 Tx.after_commit(fn ->
                   send(test, {n, self(), Tx.transaction?(), Pando.get(store, "/a")})
                   :dropped
                 end)
               end

               Tx.put!("/a", 1)
               # Not yet.
               refute_received {1, _, _, _}
               :done
             end) == {:ok, :done}

      {:messages, messages} = Process.info(self(), :messages)
      assert messages == for(n <- 1..3, do: {n, test, false, {:ok, 1}})
    end

    test "does not run what belongs to an attempt that was lost", %{store: store} do
      test = self()
      runs = :counters.new(1, [])

      assert Pando.transaction(store, fn ->
               :ok = :counters.add(runs, 1, 1)
               run = :counters.get(runs, 1)
               :ok = Tx.after_commit(fn -> send(test, {:committed, run}) end)
               seen = Tx.get_or!("/a", 0)
               if run == 1, do: Task.await(Task.async(fn -> Pando.put!(store, "/a", 10) end))
               Tx.put!("/a", seen + 1)
             end) == {:ok, :ok}

      assert Pando.get(store, "/a") == {:ok, 11}
      assert :counters.get(runs, 1) == 2
      assert Process.info(self(), :messages) == {:messages, [{:committed, 2}]}
    end

    test "runs nothing if nothing was committed", %{store: store} do
      test = self()
      promise = fn -> Tx.after_commit(fn -> send(test, :committed) end) end

      {:error, :no} =
        Pando.transaction(store, fn ->
          promise.()
          Tx.put!("/a", 1)
          Tx.abort(:no)
        end)

      assert_raise RuntimeError, fn ->
        Pando.transaction(store, fn ->
          promise.()
          Tx.put!("/a", 1)
          raise "no"
        end)
      end

      refute_received :committed
    end

    @tag :staged_fault
    test "runs the others and answers all the same if one fails", %{store: store} do
      test = self()

      assert Pando.transaction(store, fn ->
               Tx.after_commit(fn -> raise "no" end)
               Tx.after_commit(fn -> throw(:no) end)
               Tx.after_commit(fn -> exit(:no) end)
               Tx.after_commit(fn -> send(test, :committed) end)
               Tx.put!("/a", 1)
             end) == {:ok, :ok}

      assert_received :committed
    end

    test "takes functions without arguments alone", %{store: store} do
      for term <- [:a, fn _ -> :ok end, nil] do
        assert_raise FunctionClauseError, fn -> Pando.transaction(store, fn -> Tx.after_commit(term) end) end
      end
    end
  end

  describe "does_api_comply_with" do
    test "knows behaviours by name", %{store: store} do
      assert Pando.transaction(store, fn ->
               {Tx.does_api_comply_with(:uniform_write_ret), Tx.does_api_comply_with(:of_the_future)}
             end) == {:ok, {true, false}}
    end
  end
end
