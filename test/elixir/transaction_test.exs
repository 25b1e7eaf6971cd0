defmodule Pando.TransactionTest do
  @moduledoc "`Pando.transaction`, stored procedures, and what is sent again: arguments, answers, errors."
  use Pando.StoreCase, async: true

  import Pando.Condition
  import Pando.Path

  alias Pando.{Error, Tx}

  # Runs a function in another process, as somebody else.
  defp elsewhere(function), do: function |> Task.async() |> Task.await()

  defp misuse(name, function) do
    error = assert_raise ErlangError, function
    assert {:pando_ex, ^name, props} = error.original
    props
  end

  describe "the arguments" do
    setup %{store: store} do
      :ok = Pando.put(store, "/k", 7)
      :ok = Pando.put(store, "/none", fn -> Tx.get!("/k") end)
      :ok = Pando.put(store, "/one", fn x -> {x, Tx.get!("/k")} end)
    end

    test "may be left out, in all forms, of transaction and transaction!", %{store: store} do
      none = fn -> Tx.get!("/k") end
      one = fn x -> {x, Tx.get!("/k")} end

      for {arguments, value} <- [
            {[none], 7},
            {[none, []], 7},
            {[none, :ro], 7},
            {[none, :rw], 7},
            {[none, :auto], 7},
            {[none, %{}], 7},
            {[none, %{timeout: 5_000}], 7},
            {[none, [timeout: 5_000]], 7},
            {[none, [], :ro], 7},
            {[none, [], [timeout: 5_000]], 7},
            {[none, :ro, [timeout: 5_000]], 7},
            {[none, :rw, []], 7},
            {[none, [], :auto, %{}], 7},
            {[one, [:a]], {:a, 7}},
            {[one, [:a], :ro], {:a, 7}},
            {[one, [:a], []], {:a, 7}},
            {[one, [:a], [timeout: :infinity]], {:a, 7}},
            {[one, [:a], %{}], {:a, 7}},
            {[one, [:a], :rw, [timeout: 5_000]], {:a, 7}},
            {[one, [:a], :rw, %{}], {:a, 7}},
            {["/none"], 7},
            {[["none"]], 7},
            {[~p"/none", []], 7},
            {['/none', :rw], 7},
            {["/none", [], [timeout: 5_000]], 7},
            {["/one", [:a]], {:a, 7}},
            {[["one"], [:a], :ro], {:a, 7}},
            {["/one", [:a], :auto, [timeout: 5_000]], {:a, 7}},
            {[%{}], []},
            {[%{commands: []}, [timeout: 5_000]], []},
            {[[commands: [{:delete, "/x"}]], %{timeout: 5_000}], [:ok]},
            {[[conditions: []], []], []},
            {[[commands: []], [], :auto, [timeout: 5_000]], []}
          ] do
        assert {arguments, apply(Pando, :transaction, [store | arguments])} == {arguments, {:ok, value}}
        assert {arguments, apply(Pando, :transaction!, [store | arguments])} == {arguments, value}
      end
    end

    test "are what a list is after a function that takes some, and after a path", %{store: store} do
      # As options it would be refused.
      assert Pando.transaction(store, fn pair -> pair end, timeout: -1) == {:ok, {:timeout, -1}}
      assert Pando.transaction(store, "/one", timeout: -1) == {:ok, {{:timeout, -1}, 7}}
      assert Pando.transaction(store, fn a, b -> {a, b} end, a: 1, b: 2) == {:ok, {{:a, 1}, {:b, 2}}}
    end

    test "are not what a keyword list is after a function that takes none, nor after data", %{store: store} do
      assert Pando.transaction(store, fn -> :ok end, timeout: 0) == {:error, :timeout}
      assert Pando.transaction(store, %{commands: []}, timeout: 0) == {:error, :timeout}
      assert Pando.transaction(store, [commands: []], timeout: 0) == {:error, :timeout}
    end

    test "of another number, and another mode, are a misuse", %{store: store} do
      none = fn -> :ok end
      one = fn x -> x end

      for {arguments, arity, given} <- [
            {[none, [1]], 0, [1]},
            {[none, [1], :ro], 0, [1]},
            {[none, [timeout: 1], :ro], 0, [timeout: 1]},
            {[one], 1, []},
            {[one, [1, 2]], 1, [1, 2]},
            {[none, :read_only], 0, []},
            {[none, nil], 0, []},
            {["/one", [1], :read_only], 1, [1]}
          ],
          name <- [:transaction, :transaction!] do
        props = misuse(:denied_tx_fun_with_invalid_args, fn -> apply(Pando, name, [store | arguments]) end)
        assert {arguments, props.arity, props.args} == {arguments, arity, given}
      end

      assert_raise BadArityError, fn -> Pando.transaction(store, "/one", []) end
    end

    test "that are none are refused", %{store: store} do
      none = fn -> :ok end

      for body <- [
            42,
            {:a},
            [{:comands, []}],
            %{comands: []},
            [commands: {:put, "/a", 1}],
            [commands: [:put]]
          ],
          name <- [:transaction, :transaction!] do
        error = assert_raise_any(fn -> apply(Pando, name, [store, body]) end)
        assert {body, error.__struct__ in [FunctionClauseError, ErlangError]} == {body, true}
      end

      for no_options <- [42, "options", {:timeout, 1}] do
        assert_raise ArgumentError, ~r/expected options/, fn -> Pando.transaction(store, none, no_options) end

        assert_raise ArgumentError, ~r/expected options/, fn ->
          Pando.transaction(store, none, :ro, no_options)
        end
      end

      for options <- [
            [timeot: 1],
            [timeout: -1],
            [keep_while: %{}],
            [request_id: ""],
            [request_id: :a],
            [mode: :ro]
          ] do
        assert_raise FunctionClauseError, fn -> Pando.transaction(store, none, options) end
        assert_raise FunctionClauseError, fn -> Pando.transaction!(store, none, :rw, options) end
      end

      assert_raise FunctionClauseError, fn -> Pando.transaction("store", none, [], :ro, []) end
      assert_raise FunctionClauseError, fn -> Pando.transaction!("store", none, [], :ro, []) end
    end
  end

  defp assert_raise_any(function) do
    function.()
  rescue
    error -> error
  else
    value -> flunk("returned #{inspect(value)}")
  end

  describe "the result" do
    test "is whatever the function returns", %{store: store} do
      for value <- [nil, :ok, {:error, :no}, {:ok, 1}, %{a: 1}, "text", [], self()],
          mode <- [:auto, :ro, :rw] do
        assert Pando.transaction(store, fn -> value end, mode) == {:ok, value}
        assert Pando.transaction!(store, fn -> value end, mode) == value
      end
    end

    test "of an exception is the exception, with its stacktrace, and nothing was done", %{store: store} do
      for {class, reason, name} <- [
            {:error, %RuntimeError{message: "no"}, :transaction},
            {:throw, :no, :transaction},
            {:exit, :no, :transaction!},
            {:error, %ArgumentError{message: "no"}, :transaction!}
          ] do
        try do
          apply(Pando, name, [store, fn -> write_and_fail(class, reason) end])
          flunk("returned")
        catch
          ^class, ^reason -> assert [{__MODULE__, :write_and_fail, 2, _} | _] = __STACKTRACE__
        end

        refute Tx.transaction?()
        assert Process.info(self(), :messages) == {:messages, []}
      end

      assert Pando.empty?(store)
    end

    test "of an abort is an error, which transaction! raises as one", %{store: store} do
      for reason <- [
            :no,
            nil,
            :timeout,
            :overload,
            {:pando, :answer_not_kept, %{outcome: :applied}},
            "żółć",
            [1 | 2]
          ] do
        abort = fn ->
          Tx.put!("/a", 1)
          Tx.abort(reason)
        end

        assert Pando.transaction(store, abort) == {:error, reason}
        error = assert_raise Error, fn -> Pando.transaction!(store, abort) end
        assert {error.kind, error.reason, error.outcome} == {:aborted, reason, :not_applied}
        assert Exception.message(error) == "the transaction was aborted: #{inspect(reason)}: nothing was done"
      end

      assert Pando.empty?(store)
    end

    @tag store: false
    test "says what is wrong with the store" do
      store = new_name()
      none = fn -> Tx.put("/a", 1) end

      for body <- [none, "/none", %{commands: []}] do
        assert Pando.transaction(store, body) == {:error, :noproc}
        error = assert_raise Error, fn -> Pando.transaction!(store, body) end
        assert {error.kind, error.reason, error.outcome} == {:noproc, :noproc, :not_applied}
      end

      # What only reads has no outcome.
      assert %Error{kind: :noproc, outcome: nil} =
               assert_raise(Error, fn -> Pando.transaction!(store, fn -> Tx.get("/a") end, :ro) end)
    end

    test "leaves it open after a time-out whether it was committed", %{store: store} do
      error = assert_raise Error, fn -> Pando.transaction!(store, fn -> Tx.put!("/a", 1) end, timeout: 0) end
      assert {error.kind, error.outcome} == {:timeout, :unknown}
    end

    test "says which value an option does not take", %{store: store} do
      put = fn -> Tx.put!("/a", 1) end

      assert Pando.transaction(store, put, reply_from: :moon) ==
               {:error, {:unknown_option, :reply_from, :moon}}

      error = assert_raise Error, fn -> Pando.transaction!(store, put, reply_from: :moon) end
      assert {error.kind, error.outcome} == {:unknown_option, :not_applied}
      assert Exception.message(error) == "the option reply_from does not take moon: nothing was done"
      assert Pando.empty?(store)
    end
  end

  # Not private, and not in the last place: it is to be seen in stacktraces.
  def write_and_fail(class, reason) do
    Tx.put!("/a", 1)
    :ok = :erlang.raise(class, reason, [{__MODULE__, :write_and_fail, 2, []}])
  end

  describe "what others do meanwhile" do
    test "makes the function run again if it has read it", %{store: store} do
      for {read, change} <- [
            {fn -> Tx.get_or!("/a", 0) end, fn -> Pando.put!(store, "/a", :other) end},
            # Phantoms: what was not there when it was looked for.
            {fn -> Tx.exists?("/new") end, fn -> Pando.put!(store, "/new", 1) end},
            {fn -> Tx.count!("/b/*") end, fn -> Pando.put!(store, "/b/new", 1) end},
            {fn -> Tx.get_many!(["c", if_data_matches(%{done: true})]) end,
             fn -> Pando.put!(store, "/c/1", %{done: true}) end},
            {fn -> Tx.empty?() end, fn -> Pando.put!(store, "/d", 1) end}
          ] do
        :ok = Pando.delete(store, "/")
        runs = :counters.new(1, [])

        {:ok, seen} =
          Pando.transaction(store, fn ->
            :ok = :counters.add(runs, 1, 1)
            seen = read.()
            if :counters.get(runs, 1) == 1, do: elsewhere(change)
            Tx.put!("/written", :counters.get(runs, 1))
            seen
          end)

        assert {:counters.get(runs, 1), Pando.get(store, "/written")} == {2, {:ok, 2}}
        assert {:ok, ^seen} = Pando.transaction(store, fn -> Tx.delete!("/written") && read.() end)
      end
    end

    test "does not if it has not", %{store: store} do
      runs = :counters.new(1, [])

      Pando.transaction!(store, fn ->
        :ok = :counters.add(runs, 1, 1)
        Tx.get_or!("/a", 0)
        elsewhere(fn -> Pando.put!(store, "/b", 1) end)
        Tx.put!("/a", 1)
      end)

      assert :counters.get(runs, 1) == 1
    end

    test "is of no interest in mode :ro", %{store: store} do
      :ok = Pando.put(store, "/a", 1)

      assert Pando.transaction(
               store,
               fn ->
                 before = Tx.get!("/a")
                 elsewhere(fn -> Pando.put!(store, "/a", 2) end)
                 {before, Tx.get!("/a")}
               end,
               :ro
             ) == {:ok, {1, 1}}
    end

    test "loses no update, however many do the same", %{store: store} do
      increment = fn -> Tx.put!("/counter", Tx.get_or!("/counter", 0) + 1) end

      1..16
      |> Enum.map(fn _ ->
        Task.async(fn -> for _ <- 1..25, do: :ok = Pando.transaction!(store, increment) end)
      end)
      |> Task.await_many(60_000)

      assert Pando.get!(store, "/counter") == 16 * 25
    end

    test "ends it in the end, if it never stops", %{store: store} do
      runs = :counters.new(1, [])

      spoiled = fn ->
        :ok = :counters.add(runs, 1, 1)
        seen = Tx.get_or!("/a", 0)
        elsewhere(fn -> Pando.put!(store, "/a", :counters.get(runs, 1)) end)
        Tx.put!("/b", seen)
      end

      error = assert_raise Error, fn -> Pando.transaction!(store, spoiled) end
      attempts = :counters.get(runs, 1)
      assert {error.kind, error.outcome} == {:too_many_conflicts, :not_applied}
      assert {:pando, :too_many_conflicts, %{attempts: ^attempts, path: ["a"]}} = error.reason
      assert Exception.message(error) =~ "#{attempts} times"
      refute Pando.exists?(store, "/b")
    end
  end

  describe "inside of a transaction" do
    test "calls on the same store are refused, also of streams and transactions", %{store: store} do
      :ok = Pando.put(store, "/a", 1)
      stream = Pando.stream(store, "/*")

      for {name, call} <- [
            get: fn -> Pando.get(store, "/a") end,
            get: fn -> Pando.get!(store, "/a") end,
            exists: fn -> Pando.exists?(store, "/a") end,
            put: fn -> Pando.put(store, "/a", 2) end,
            delete: fn -> Pando.Adv.delete(store, "/a") end,
            stream: fn -> Enum.to_list(stream) end,
            stream: fn -> store |> Pando.Adv.stream("/*") |> Enum.take(1) end,
            transaction: fn -> Pando.transaction(store, fn -> :ok end) end,
            transaction: fn -> Pando.transaction!(store, fn -> :ok end) end,
            transaction: fn -> Pando.transaction(store, commands: []) end,
            run_sproc: fn -> Pando.run_sproc(store, "/a", []) end,
            fence: fn -> Pando.fence(store) end
          ],
          mode <- [:rw, :auto] do
        props = misuse(:failed_to_prepare_tx_fun, fn -> Pando.transaction(store, call, mode) end)
        assert {:horus, :extraction_denied, %{error: {:call_denied, {_module, ^name, _arity}}}} = props.error
      end

      assert Pando.get_many(store, "/*") == {:ok, %{["a"] => 1}}
      # Afterwards they are as ever.
      assert Enum.to_list(stream) == [{["a"], 1}]
    end

    test "those on other stores are calls of their own", %{store: store, tmp_dir: dir} do
      other = new_name()
      start_supervised!({Pando, name: other, data_dir: dir})
      :ok = Pando.put(other, "/a", 1)

      assert Pando.transaction(store, fn ->
               Tx.put!("/a", Pando.get!(other, "/a") + Enum.count(Pando.stream(other, "/*")))
               Pando.put!(other, "/b", 2)
               # In the other store, and not in this one.
               :ok = Pando.transaction!(other, fn -> Tx.put!("/c", 3) end)
               Tx.exists?("/c")
             end) == {:ok, false}

      assert Pando.get_many(store, "/*") == {:ok, %{["a"] => 2}}
      assert Pando.get_many(other, "/*") == {:ok, %{["a"] => 1, ["b"] => 2, ["c"] => 3}}
    end

    test "in mode :ro all are", %{store: store} do
      assert Pando.transaction(
               store,
               fn ->
                 Pando.put!(store, "/a", 1)
                 {Pando.get!(store, "/a"), store |> Pando.stream("/*") |> Enum.to_list(), Tx.exists?("/a")}
               end,
               :ro
             ) == {:ok, {1, [{["a"], 1}], false}}
    end
  end

  describe "conditions and commands" do
    test "are done in one go, each command as the function of its name does it", %{store: store} do
      :ok = Pando.put(store, "/stock/oak", 150)
      :ok = Pando.put(store, "/stock/elm", 80)
      here = if_node_exists()

      assert Pando.transaction(store,
               conditions: [{"/stock/oak", if_data_matches(150)}, {~p"/stock/ash", if_node_exists(false)}],
               commands: [
                 {:put, "/a", 1},
                 {:put, "/b", 1, keep_while: %{"/a" => here}},
                 {:create, "/c", 1, %{keep_while: %{"/a" => here}}},
                 {:update, "/stock/oak", 149, props_to_return: [:payload]},
                 {:compare_and_swap, "/stock/oak", 149, 148},
                 {:compare_and_swap, "/stock/oak", 148, 147, props_to_return: []},
                 {:put_many, "/stock/*", 0},
                 {:put_many, "/stock/*", 1, props_to_return: [:payload]},
                 {:delete, "/a"},
                 {:delete, "/a", props_to_return: []},
                 {:clear_payload, "/stock/oak"},
                 {:clear_payload, "/stock/elm", props_to_return: [:payload]},
                 {:clear_many_payloads, "/stock/*"},
                 {:clear_many_payloads, "/no/*", props_to_return: []},
                 {:delete_many, "/stock/o*"},
                 {:delete_many, "/no/*", props_to_return: []}
               ]
             ) ==
               {:ok,
                [
                  :ok,
                  :ok,
                  :ok,
                  {:ok, %{["stock", "oak"] => %{data: 150}}},
                  :ok,
                  {:ok, %{["stock", "oak"] => %{}}},
                  :ok,
                  {:ok, %{["stock", "oak"] => %{data: 0}, ["stock", "elm"] => %{data: 0}}},
                  :ok,
                  {:ok, %{}},
                  :ok,
                  {:ok, %{["stock", "elm"] => %{data: 1}}},
                  :ok,
                  {:ok, %{}},
                  :ok,
                  {:ok, %{}}
                ]}

      # What was to be kept while /a is there has gone with it.
      assert Pando.get_many(store, "/**") ==
               {:ok, %{["stock"] => :undefined, ["stock", "elm"] => :undefined}}
    end

    test "are refused as a whole, with the place of what is in the way", %{store: store} do
      :ok = Pando.put(store, "/a", 1)
      before = Pando.Adv.get_many(store, "/**")

      unmet = %{conditions: %{"/a" => if_data_matches(2)}, commands: [{:put, "/b", 1}]}
      assert {:error, reason} = Pando.transaction(store, unmet)
      assert {:pando, :transaction_condition_not_met, %{index: 1, node_path: ["a"]}} = reason
      error = assert_raise Error, fn -> Pando.transaction!(store, unmet) end

      assert {error.kind, error.reason, error.outcome} ==
               {:transaction_condition_not_met, reason, :not_applied}

      assert Exception.message(error) =~ "condition 1 of the transaction is not met"

      refused = [commands: [{:put, "/b", 1}, {:create, "/a", 1}]]
      assert {:error, reason} = Pando.transaction(store, refused)
      assert {:pando, :transaction_command_refused, %{index: 2, reason: {_, :mismatching_node, _}}} = reason
      error = assert_raise Error, fn -> Pando.transaction!(store, refused) end
      assert {error.kind, error.reason, error.outcome} == {:transaction_command_refused, reason, :not_applied}
      assert Exception.message(error) =~ "command 2 of the transaction was refused"

      assert Pando.Adv.get_many(store, "/**") == before
    end

    test "that are none are refused before anything is done", %{store: store} do
      for command <- [
            {:put, "/a"},
            {:put, "/a", 1, timeout: 1},
            {:put, "/a", 1, [], []},
            {:get, "/a"},
            {"put", "/a", 1},
            {},
            :put,
            {:delete, "/a", %{async: true}}
          ] do
        assert_raise FunctionClauseError, fn ->
          Pando.transaction(store, commands: [{:put, "/b", 1}, command])
        end
      end

      for command <- [{:put, "/a", 1, :now}, {:delete, "/a", "now"}, {:compare_and_swap, "/a", 1, 2, 3}] do
        assert_raise ArgumentError, ~r/expected options/, fn ->
          Pando.transaction(store, commands: [{:put, "/b", 1}, command])
        end
      end

      misuse(:invalid_path, fn -> Pando.transaction(store, commands: [{:put, {:a}, 1}]) end)

      misuse(:invalid_condition, fn -> Pando.transaction(store, conditions: [{"/a", {:no, :condition}}]) end)
      assert Pando.empty?(store)
    end
  end

  describe "stored procedures" do
    test "run where they are called, as themselves or as transactions", %{store: store} do
      :ok = Pando.put(store, "/multiply", fn a, b -> {a * b, self(), Tx.transaction?()} end)
      assert Pando.run_sproc(store, "/multiply", [6, 7]) == {42, self(), false}
      assert Pando.run_sproc(store, ~p"/multiply", [6, 7], timeout: 5_000) == {42, self(), false}
      assert Pando.run_sproc(store, '/multiply', [6, 7], %{}) == {42, self(), false}
      assert Pando.transaction(store, "/multiply", [6, 7]) == {:ok, {42, self(), true}}

      :ok = Pando.put(store, "/sum", &Enum.sum/1)
      assert Pando.run_sproc(store, "/sum", [[1, 2]]) == 3
      assert Pando.transaction!(store, "/sum", [[1, 2]]) == 3
    end

    @tag :staged_fault
    test "keep what they have captured, and are still there after a restart", %{store: store} do
      factor = 6
      :ok = Pando.put(store, "/multiply", &(&1 * factor))
      {:ok, supervisor} = ExUnit.fetch_test_supervisor()
      pid = child_pid(supervisor, {Pando, store})
      Process.exit(pid, :kill)
      await_child_change(supervisor, {Pando, store}, pid)
      assert Pando.run_sproc(store, "/multiply", [7]) == 42
    end

    test "raise what they raise", %{store: store} do
      :ok = Pando.put(store, "/fail", fn -> raise "no" end)
      assert_raise RuntimeError, "no", fn -> Pando.run_sproc(store, "/fail", []) end
      assert_raise RuntimeError, "no", fn -> Pando.transaction(store, "/fail") end
      assert_raise BadArityError, fn -> Pando.run_sproc(store, "/fail", [1]) end
      assert_raise FunctionClauseError, fn -> Pando.run_sproc(store, "/fail", :none) end
    end

    test "that are not there: run_sproc throws, and a transaction returns an error", %{store: store} do
      :ok = Pando.put(store, "/data", 1)

      assert {:pando, :failed_to_get_sproc, %{path: "/no", args: [1], error: reason}} =
               catch_throw(Pando.run_sproc(store, "/no", [1]))

      assert {:pando, :node_not_found, %{node_path: ["no"]}} = reason
      assert Pando.transaction(store, "/no", [1]) == {:error, reason}

      assert {:pando_ex, :denied_execution_of_non_sproc_node, %{path: "/data", node_props: %{data: 1}}} =
               catch_throw(Pando.run_sproc(store, "/data", []))

      assert Pando.transaction(store, "/data") ==
               {:error, {:pando, :no_sproc_at_given_path, %{path: ["data"]}}}

      error = assert_raise Error, fn -> Pando.transaction!(store, "/data") end
      assert {error.kind, error.outcome} == {:no_sproc_at_given_path, :not_applied}
      assert Exception.message(error) =~ "there is no stored procedure"

      error = assert_raise Error, fn -> Pando.transaction!(store, "/*") end
      assert {error.kind, error.outcome} == {:possibly_matching_many_nodes_denied, :not_applied}
      misuse(:possibly_matching_many_nodes_denied, fn -> Pando.run_sproc(store, "/*", []) end)

      assert {:pando, :failed_to_get_sproc, %{error: :noproc}} =
               catch_throw(Pando.run_sproc(:no_such_store, "/data", []))
    end

    test "that write are refused in mode :ro", %{store: store} do
      :ok = Pando.put(store, "/write", fn -> Tx.put!("/a", 1) end)

      assert Pando.transaction(store, "/write", :ro) ==
               {:error, {:pando, :sproc_invalid_as_tx_fun, %{path: ["write"]}}}

      error = assert_raise Error, fn -> Pando.transaction!(store, "/write", :ro) end
      assert {error.kind, error.outcome} == {:sproc_invalid_as_tx_fun, nil}
      assert Exception.message(error) =~ "writes"
    end

    test "whose code is not here are not run, and it is said what is missing", %{store: store} do
      module = :"Elixir.Pando.TransactionTest.Gone#{System.unique_integer([:positive])}"

      load = fn value ->
        Code.compile_quoted(
          quote(do: defmodule(unquote(module), do: def(make, do: fn -> unquote(value) end)))
        )
      end

      load.(1)
      :ok = Pando.put(store, "/closure", module.make())
      :ok = Pando.put(store, "/name", Function.capture(module, :make, 0))
      needed = module.module_info(:md5) |> Base.encode16(case: :lower)

      unload = fn ->
        :code.purge(module)
        true = :code.delete(module)
        :code.purge(module)
      end

      unload.()

      for {path, expected} <- [{"/closure", needed}, {"/name", {:make, 0}}] do
        assert {:pando_ex, :sproc_code_not_available, props} = catch_throw(Pando.run_sproc(store, path, []))
        assert props == %{path: path, args: [], module: module, needed: expected, loaded: :none}

        assert {:error, {:pando, :sproc_code_not_available, %{needed: ^expected, loaded: :none}}} =
                 Pando.transaction(store, path)

        error = assert_raise Error, fn -> Pando.transaction!(store, path) end
        assert {error.kind, error.outcome} == {:sproc_code_not_available, :not_applied}
        assert Exception.message(error) =~ inspect(module)
      end

      # Another version: the name runs, the closure does not.
      load.(2)
      loaded = module.module_info(:md5) |> Base.encode16(case: :lower)
      assert loaded != needed
      assert Pando.run_sproc(store, "/name", []).() == 2

      assert {:pando_ex, :sproc_code_not_available, %{needed: ^needed, loaded: ^loaded}} =
               catch_throw(Pando.run_sproc(store, "/closure", []))

      unload.()
    end
  end

  describe "request_id" do
    test "makes of a write that is sent again one, answered as the first time", %{store: store} do
      for {name, arguments, between} <- [
            {:put, ["/a", 2], fn -> Pando.put!(store, "/a", 9) end},
            {:put_many, ["/*", 2], fn -> Pando.put!(store, "/a", 9) end},
            {:create, ["/n", 1], fn -> :ok end},
            {:update, ["/a", 2], fn -> Pando.delete!(store, "/a") end},
            {:compare_and_swap, ["/a", 1, 2], fn -> :ok end},
            {:delete, ["/a"], fn -> Pando.put!(store, "/a", 9) end},
            {:delete_many, ["/*"], fn -> Pando.put!(store, "/a", 9) end},
            {:clear_payload, ["/a"], fn -> Pando.put!(store, "/a", 9) end},
            {:clear_many_payloads, ["/*"], fn -> Pando.put!(store, "/a", 9) end}
          ],
          {module, name} <- [{Pando, name}, {Pando, :"#{name}!"}, {Pando.Adv, name}] do
        :ok = Pando.delete(store, "/")
        :ok = Pando.put(store, "/a", 1)
        id = "#{module} #{name}"
        first = apply(module, name, [store | arguments] ++ [[request_id: id]])
        assert first == :ok or match?({:ok, %{}}, first)
        between.()
        tree = Pando.Adv.get_many(store, "/**")
        assert {name, apply(module, name, [store | arguments] ++ [%{request_id: id}])} == {name, first}
        assert {name, Pando.Adv.get_many(store, "/**")} == {name, tree}
      end
    end

    test "makes of a transaction that is sent again one, and its function does not run", %{store: store} do
      runs = :counters.new(1, [])
      test = self()

      count = fn ->
        :ok = :counters.add(runs, 1, 1)
        :ok = Tx.after_commit(fn -> send(test, :committed) end)
        Tx.put!("/a", Tx.get_or!("/a", 0) + 1)
        {:counted, Tx.get!("/a")}
      end

      for _ <- 1..3 do
        assert Pando.transaction(store, count, request_id: "one") == {:ok, {:counted, 1}}
        assert Pando.transaction!(store, count, :rw, %{request_id: "one"}) == {:counted, 1}
      end

      assert Pando.transaction!(store, count, request_id: "two") == {:counted, 2}
      assert :counters.get(runs, 1) == 2
      assert Process.info(self(), :messages) == {:messages, [:committed, :committed]}

      data = [conditions: [{"/b", if_node_exists(false)}], commands: [{:put, "/b", 1}]]
      for _ <- 1..2, do: assert(Pando.transaction(store, data, request_id: "three") == {:ok, [:ok]})
    end

    test "whose answer was too large: it is said that it was applied", %{store: store} do
      large = fn ->
        Tx.put!("/a", 1)
        :binary.copy("x", :pando_backend.limits()["request_answer_size_bytes_max"] + 1)
      end

      assert {:ok, _} = Pando.transaction(store, large, request_id: "one")

      assert Pando.transaction(store, large, request_id: "one") ==
               {:error, {:pando, :answer_not_kept, %{outcome: :applied}}}

      error = assert_raise Error, fn -> Pando.transaction!(store, large, request_id: "one") end
      assert {error.kind, error.outcome} == {:answer_not_kept, :applied}
      assert Exception.message(error) =~ "was applied before"
    end
  end

  describe "async" do
    test "tells what the function has returned by a message", %{store: store} do
      for {{body, result}, n} <-
            Enum.with_index([
              {fn -> Tx.put!("/a", 1) end, :ok},
              {fn -> {:any, :term} end, {:any, :term}},
              {fn -> Tx.abort(:no) end, {:error, :no}},
              {[commands: [{:put, "/a", 2}]], {:ok, [:ok]}}
            ]),
          name <- [:transaction, :transaction!] do
        assert apply(Pando, name, [store, body, [async: n]]) == :ok
        assert_receive {:ra_event, _, _} = event, 10_000
        assert Pando.handle_async_ret(store, event) == [{n, result}]
      end

      assert Pando.transaction!(store, fn -> raise "no" end, async: 7) == :ok
      assert_receive {:ra_event, _, _} = event, 10_000
      assert_raise RuntimeError, "no", fn -> Pando.handle_async_ret(store, event) end
    end
  end
end
