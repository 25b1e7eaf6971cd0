defmodule Pando.ErrorTest do
  @moduledoc "What the functions with `!` and the predicates raise, and whether it is true."
  use Pando.StoreCase, async: true

  alias Pando.Error

  @reads [
    get!: ["/a/b"],
    get_or!: ["/a/b", 0],
    get_many!: ["/a/*"],
    get_many_or!: ["/a/*", 0],
    count!: ["/a/*"],
    exists!: ["/a/b"],
    exists?: ["/a/b"],
    has_data!: ["/a/b"],
    has_data?: ["/a/b"],
    is_sproc!: ["/a/b"],
    sproc?: ["/a/b"],
    empty?: []
  ]
  @writes [
    put!: ["/a/b", 1],
    put_many!: ["/a/*", 1],
    create!: ["/a/b", 1],
    update!: ["/a/b", 1],
    compare_and_swap!: ["/a/b", 1, 2],
    delete!: ["/a/b"],
    delete_many!: ["/a/*"],
    clear_payload!: ["/a/b"],
    clear_many_payloads!: ["/a/*"]
  ]

  defp raised(fun, store, arguments, options \\ []) do
    assert_raise Error, fn -> apply(Pando, fun, [store | arguments] ++ options) end
  end

  describe "noproc" do
    @tag store: false
    test "is raised by every function if the store does not run" do
      store = new_name()

      for {fun, arguments} <- @reads ++ @writes, options <- [[], [[]], [[timeout: 5_000]], [%{}]] do
        error = raised(fun, store, arguments, options)
        assert {fun, error.kind, error.reason} == {fun, :noproc, :noproc}
        assert {fun, error.outcome} == {fun, if(@writes[fun], do: :not_applied)}

        assert Exception.message(error) ==
                 "the store is not running on this node: start it, or check its name"
      end
    end

    test "is raised after Pando.stop", %{store: store} do
      :ok = Pando.put(store, "/a/b", 1)
      :ok = Pando.stop(store)
      assert raised(:put!, store, ["/a/c", 1]).kind == :noproc
      assert raised(:get!, store, ["/a/b"]).kind == :noproc
      assert Pando.get(store, "/a/b") == {:error, :noproc}
    end
  end

  describe "timeout" do
    test "leaves it open whether a write was applied", %{store: store} do
      for {fun, arguments} <- @reads ++ @writes do
        error = raised(fun, store, arguments, [[timeout: 0]])
        assert {fun, error.kind, error.reason} == {fun, :timeout, :timeout}
        assert {fun, error.outcome} == {fun, if(@writes[fun], do: :unknown)}
      end
    end
  end

  describe "node_not_found" do
    test "comes from get! and update!, with the place in the reason", %{store: store} do
      :ok = Pando.put(store, "/a/b", 1)

      error = raised(:get!, store, ["/a/c/d"])
      assert {error.kind, error.outcome} == {:node_not_found, nil}
      assert {:pando, :node_not_found, props} = error.reason
      assert props == %{node_name: "c", node_path: ["a", "c"], node_is_target: false}
      assert Exception.message(error) == ~s(there is no node at [<<"a">>,<<"c">>])

      error = raised(:update!, store, ["/a/c", 1])
      assert {error.kind, error.outcome} == {:node_not_found, :not_applied}
      refute Pando.exists?(store, "/a/c")
    end
  end

  describe "mismatching_node" do
    test "comes from create!, with what is there in the reason", %{store: store} do
      :ok = Pando.create!(store, "/a/b", 1)
      error = raised(:create!, store, ["/a/b", 2])
      assert {error.kind, error.outcome} == {:mismatching_node, :not_applied}
      assert {:pando, :mismatching_node, %{node_props: %{data: 1, payload_version: 1}}} = error.reason
      assert Pando.get!(store, "/a/b") == 1
    end
  end

  describe "keep_while_conditions_not_met" do
    test "comes from put!, with the condition that does not hold", %{store: store} do
      keep_while = %{"/session" => Pando.Condition.if_node_exists()}
      error = raised(:put!, store, ["/a/b", 1], [[keep_while: keep_while]])
      assert {error.kind, error.outcome} == {:keep_while_conditions_not_met, :not_applied}
      assert {:pando, :keep_while_conditions_not_met, props} = error.reason

      assert props == %{
               node_name: "b",
               node_path: ["a", "b"],
               keep_while_reason: {:pattern_matches_no_nodes, ["session"]}
             }

      assert Exception.message(error) =~ ~s([<<"session">>])
      assert Pando.is_empty(store) == true
    end
  end

  describe "limit_exceeded" do
    test "names the limit and how much it is", %{store: store} do
      max = :pando_backend.limits()["path_components_max"]
      at_the_limit = List.duplicate("x", max)
      assert Pando.put!(store, at_the_limit, 1) == :ok

      error = raised(:put!, store, [["x" | at_the_limit], 1])
      assert {error.kind, error.outcome} == {:limit_exceeded, :not_applied}
      assert {:pando, :limit_exceeded, %{limit: :path_components_max, max: ^max}} = error.reason
      assert Exception.message(error) =~ "path_components_max"

      # A read changes nothing, whatever went wrong.
      assert %Error{kind: :limit_exceeded, outcome: nil} = raised(:get!, store, [["x" | at_the_limit]])
    end
  end

  describe "a flood" do
    test "leaves exactly what was acknowledged, and not what was refused with overload", %{store: store} do
      # More callers at once than commands may wait. How many are refused is up to the machine: none, if it is busy.
      callers = 2 * :pando_backend.limits()["queued_commands_max"]
      value = String.duplicate("x", 2_000)

      tasks =
        for n <- 1..callers do
          Task.async(fn ->
            receive do: (:go -> :ok)

            try do
              Pando.put!(store, ["flood", "#{n}"], value)
            rescue
              error in Error -> {error.kind, error.reason, error.outcome}
            end
          end)
        end

      for task <- tasks, do: send(task.pid, :go)
      results = tasks |> Task.await_many(:infinity) |> Enum.frequencies()
      refused = {:overload, :overload, :not_applied}
      assert Map.keys(results) -- [:ok, refused] == []
      assert Map.get(results, :ok, 0) + Map.get(results, refused, 0) == callers
      assert Pando.count!(store, "/flood/*") == Map.get(results, :ok, 0)
    end
  end

  describe "the outcome of writes during a fault" do
    @describetag :staged_fault

    for thread <- [:ingest, :log, :apply, :reply] do
      test "is true when the #{thread} thread dies", %{store: store} do
        writers = for n <- 1..32, do: writer(store, n)
        for _ <- writers, do: assert_receive(:has_written, 10_000)
        {:ok, supervisor} = ExUnit.fetch_test_supervisor()
        pid = child_pid(supervisor, {Pando, store})
        :ok = :pando_backend.provoke_panic(store, unquote(thread))
        written = Task.await_many(writers, 60_000)
        await_child_change(supervisor, {Pando, store}, pid)

        for {n, acknowledged, error} <- written do
          assert error.kind in [:store_halted, :store_closed, :noproc]
          assert error.outcome == if(error.kind == :noproc, do: :not_applied, else: :unknown)
          # All that was acknowledged; and what was not only where that may be.
          found = Pando.count!(store, ["writer-#{n}", {:if_name_matches, :any, :undefined}])

          assert found in if(error.outcome == :unknown,
                   do: [acknowledged, acknowledged + 1],
                   else: [acknowledged]
                 )
        end
      end
    end
  end

  # Writes until it gets an error.
  defp writer(store, n) do
    test = self()

    Task.async(fn ->
      :ok = Pando.put!(store, ["writer-#{n}", "1"], 1)
      send(test, :has_written)
      write(store, n, 2)
    end)
  end

  defp write(store, n, i) do
    Pando.put!(store, ["writer-#{n}", "#{i}"], i)
  rescue
    error in Error -> {n, i - 1, error}
  else
    :ok -> write(store, n, i + 1)
  end

  describe "Pando.Error" do
    @describetag store: false

    test "has the outcome of a write that its reason tells" do
      for {reason, kind, outcome} <- [
            {{:pando, :store_closed, %{reason: "closed", outcome: :unknown}}, :store_closed, :unknown},
            {{:pando, :store_halted, %{reason: "halted", outcome: :unknown}}, :store_halted, :unknown},
            {{:pando, :not_leader, %{reason: "none", outcome: :not_applied}}, :not_leader, :not_applied},
            {{:pando, :no_quorum, %{reason: "alone", outcome: :not_applied}}, :no_quorum, :not_applied},
            {{:pando, :no_quorum, %{reason: "alone", outcome: :unknown}}, :no_quorum, :unknown},
            {{:pando, :leader_changed, %{reason: "left out", outcome: :not_applied}}, :leader_changed,
             :not_applied},
            {{:pando, :command_failed, %{reason: "x", outcome: :not_applied}}, :command_failed, :not_applied},
            {{:not_leader, {:store, :node}}, :not_leader, :not_applied},
            {{:not_leader, :undefined}, :not_leader, :not_applied},
            {:overload, :overload, :not_applied},
            {:noproc, :noproc, :not_applied},
            {:timeout, :timeout, :unknown},
            # What nobody knows yet: nothing may be concluded.
            {{:pando, :of_the_future, %{}}, :of_the_future, :unknown},
            {:nodedown, :nodedown, :unknown},
            {{:strange, 1}, :other, :unknown}
          ] do
        error = Error.exception(reason: reason, call: :write)
        assert {error.kind, error.outcome, error.reason} == {kind, outcome, reason}
        assert Error.exception(reason: reason, call: :read).outcome == nil
        assert is_binary(Exception.message(error))
      end
    end

    test "has a readable message of any term and of text beyond ASCII" do
      reason = {:pando, :store_halted, %{reason: "żółć 日本", outcome: :unknown}}
      message = Exception.message(Error.exception(reason: reason, call: :write))
      assert message == "store_halted: żółć 日本 (outcome: unknown)"
    end

    test "is not in the way of Elixir when it shows a misuse with its stacktrace" do
      {reason, stacktrace} =
        try do
          :pando.get_many(:pando, [:a, {:foo}])
        rescue
          error in ErlangError -> {error.original, __STACKTRACE__}
        end

      assert {:pando_ex, :invalid_path, _} = reason
      message = Exception.message(Exception.normalize(:error, reason, stacktrace))
      assert message =~ "is not a path"
    end

    test "needs a reason and what kind of call it was" do
      assert_raise KeyError, fn -> raise Error, reason: :noproc end
      assert_raise KeyError, fn -> raise Error, call: :read end
      assert_raise CaseClauseError, fn -> raise Error, reason: :noproc, call: :start end
    end
  end
end
