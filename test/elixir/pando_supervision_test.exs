defmodule Pando.SupervisionTest do
  @moduledoc "Stores under supervisors, and those that `Pando.start` starts."
  use Pando.StoreCase, async: true

  @moduletag store: false

  defmodule LogRelay do
    @moduledoc "A handler of the Erlang logger: sends every event to a test."
    def log(event, %{config: test}), do: send(test, {:logged, event})
  end

  # Tells the test whenever what stands before it in the supervisor is up (`:rest_for_one`).
  defp reporter(test, message) do
    %{id: :reporter, start: {Agent, :start_link, [fn -> send(test, message) end]}}
  end

  describe "a store under a supervisor" do
    test "answers when the supervisor has started, and is closed with it", %{tmp_dir: dir} do
      name = new_name()
      {:ok, supervisor} = Supervisor.start_link([{Pando, name: name, data_dir: dir}], strategy: :one_for_one)
      assert Pando.put(name, "/stock/wood/oak", 150) == :ok
      assert name in Pando.store_ids()

      :ok = Supervisor.stop(supervisor)
      assert Pando.get(name, "/stock/wood/oak") == {:error, :noproc}
      refute name in Pando.store_ids()

      {:ok, supervisor} = Supervisor.start_link([{Pando, name: name, data_dir: dir}], strategy: :one_for_one)
      assert Pando.get(name, "/stock/wood/oak") == {:ok, 150}
      :ok = Supervisor.stop(supervisor)
    end

    test "founds its cluster when all of its list are there, and opens with its data again", %{tmp_dir: dir} do
      name = new_name()

      for nodes <- [[node()], fn -> raise "no longer asked" end] do
        child = {Pando, name: name, data_dir: dir, cluster: nodes, priority: 2}
        {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one)
        assert Pando.Cluster.wait_for_leader(name, 30_000) == :ok
        assert Pando.Cluster.nodes(name) == {:ok, [node()]}
        assert Pando.put(name, "/stock/wood/oak", 150) == :ok
        :ok = Supervisor.stop(supervisor)
      end
    end

    test "that waits for other nodes stops with its supervisor", %{tmp_dir: dir} do
      name = new_name()
      child = {Pando, name: name, data_dir: dir, cluster: [node(), :"nobody@127.0.0.1"]}
      {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one)
      assert Pando.get(name, "/stock/wood/oak") == {:error, :noproc}
      assert Pando.Cluster.wait_for_leader(name, 10) == {:error, :noproc}
      refute name in Pando.store_ids()
      :ok = Supervisor.stop(supervisor)
      refute Process.whereis(name)
    end

    @tag :staged_fault
    test "is opened again with its data after its process was killed", %{tmp_dir: dir} do
      name = new_name()
      children = [{Pando, name: name, data_dir: dir}, reporter(self(), :up)]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :rest_for_one)
      assert_receive :up
      :ok = Pando.put(name, "/stock/wood/oak", 150)

      Process.exit(Process.whereis(name), :kill)
      assert_receive :up, 10_000
      assert Pando.get(name, "/stock/wood/oak") == {:ok, 150}
      assert Pando.put(name, "/stock/wood/elm", 80) == :ok
      :ok = Supervisor.stop(supervisor)
    end

    @tag :staged_fault
    test "is opened again with its data after it has halted", %{tmp_dir: dir} do
      name = new_name()
      children = [{Pando, name: name, data_dir: dir}, reporter(self(), :up)]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :rest_for_one)
      assert_receive :up
      :ok = Pando.put(name, "/stock/wood/oak", 150)

      :ok = :pando_backend.provoke_panic(name, :ingest)
      # The thread takes the panic with the next command, which may still be in time.
      _ = Pando.put(name, "/stock/wood/elm", 80)
      assert_receive :up, 10_000
      assert Pando.get(name, "/stock/wood/oak") == {:ok, 150}
      assert Pando.put(name, "/stock/wood/ash", 10) == :ok
      :ok = Supervisor.stop(supervisor)
    end

    @tag :staged_fault
    test "that keeps failing is not given up in silence: the supervisor ends by its own limit", %{
      tmp_dir: dir
    } do
      Process.flag(:trap_exit, true)
      name = new_name()
      children = [{Pando, name: name, data_dir: dir}]
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one, max_restarts: 0)
      Process.exit(Process.whereis(name), :kill)
      assert_receive {:EXIT, ^supervisor, :shutdown}, 10_000
    end

    test "is not started again after Pando.stop, until it is asked for", %{tmp_dir: dir} do
      name = new_name()
      {:ok, supervisor} = Supervisor.start_link([{Pando, name: name, data_dir: dir}], strategy: :one_for_one)
      :ok = Pando.put(name, "/stock/wood/oak", 150)
      pid = child_pid(supervisor, {Pando, name})

      assert Pando.stop(name) == :ok
      assert await_child_change(supervisor, {Pando, name}, pid) == :undefined
      assert Pando.get(name, "/stock/wood/oak") == {:error, :noproc}
      assert Pando.stop(name) == :ok

      {:ok, _pid} = Supervisor.restart_child(supervisor, {Pando, name})
      assert Pando.get(name, "/stock/wood/oak") == {:ok, 150}
      :ok = Supervisor.stop(supervisor)
    end

    test "shares a supervisor and a data directory with another one", %{tmp_dir: dir} do
      [oak, elm] = [new_name(), new_name()]
      children = for name <- [oak, elm], do: {Pando, name: name, data_dir: dir}
      {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)

      :ok = Pando.put(oak, "/a", :of_oak)
      assert Pando.get_or(elm, "/a", :none) == {:ok, :none}
      :ok = Pando.put(elm, "/a", :of_elm)
      assert Pando.get(oak, "/a") == {:ok, :of_oak}

      :ok = Pando.stop(oak)
      assert Pando.get(elm, "/a") == {:ok, :of_elm}
      :ok = Supervisor.stop(supervisor)
    end

    @tag :staged_fault
    test "that cannot be opened fails the supervisor with the reason", %{tmp_dir: dir} do
      Process.flag(:trap_exit, true)
      name = new_name()
      File.write!(Path.join(dir, Atom.to_string(name)), "")

      assert {:error, {:shutdown, {:failed_to_start_child, {Pando, ^name}, reason}}} =
               Supervisor.start_link([{Pando, name: name, data_dir: dir}], strategy: :one_for_one)

      assert {:pando, :open_failed, %{kind: :not_a_directory}} = reason
    end

    test "keeps the data of a start to the next", %{tmp_dir: dir} do
      name = new_name()
      start_supervised!({Pando, name: name, data_dir: dir})
      for i <- 1..100, do: :ok = Pando.put(name, ["items", Integer.to_string(i)], i)
      :ok = Pando.delete(name, "/items/50")
      :ok = stop_supervised!({Pando, name})

      start_supervised!({Pando, name: name, data_dir: dir})
      assert Pando.count(name, "/items/*") == {:ok, 99}
      assert Pando.get(name, "/items/100") == {:ok, 100}
      assert Pando.exists(name, "/items/50") == false
    end
  end

  describe "start_link/1" do
    test "takes a map, and a charlist as directory", %{tmp_dir: dir} do
      name = new_name()
      {:ok, pid} = Pando.start_link(%{name: name, data_dir: String.to_charlist(dir)})
      assert Process.whereis(name) == pid
      assert Pando.put(name, "/a", 1) == :ok
      assert Pando.start_link(name: name, data_dir: dir) == {:error, {:already_started, pid}}
      :ok = Pando.stop(name)
    end

    test "leaves no message behind when the store cannot be opened", %{tmp_dir: dir} do
      Process.flag(:trap_exit, true)
      name = new_name()
      File.write!(Path.join(dir, Atom.to_string(name)), "")

      assert {:error, {:pando, :open_failed, %{kind: :not_a_directory}}} =
               Pando.start_link(name: name, data_dir: dir)

      refute_received _
    end
  end

  describe "the options of a store" do
    test "that are missing are named, with what to write" do
      example = ~s({Pando, name: :my_store, data_dir: "/var/lib/my_app"})

      for {options, problem} <- [
            {[], "needs :name"},
            {[name: :stock], "needs :data_dir"},
            {[data_dir: "/tmp"], "needs :name"},
            {[name: "stock", data_dir: "/tmp"], ~s(needs an atom as :name, not "stock")},
            {[name: nil, data_dir: "/tmp"], "needs an atom as :name, not nil"},
            {[name: :undefined, data_dir: "/tmp"], "needs an atom as :name, not :undefined"},
            {[name: :stock, data_dir: nil], "needs a directory as :data_dir, not nil"},
            {[name: :stock, data_dir: ""], ~s(needs a directory as :data_dir, not "")},
            {[name: :stock, data_dir: [a: 1]], "needs a directory as :data_dir, not [a: 1]"},
            {[name: :stock, data_dir: "/tmp", timeout: 5], "does not know :timeout"},
            {%{name: :stock, dir: "/tmp", data_dir: "/tmp"}, "does not know :dir"},
            {[name: :stock, data_dir: "/tmp", cluster: []],
             "needs a list of nodes as :cluster, or a function, not []"},
            {[name: :stock, data_dir: "/tmp", cluster: :a@b], "needs a list of nodes as :cluster"},
            {[name: :stock, data_dir: "/tmp", cluster: ["a@b"]], "needs a list of nodes as :cluster"},
            {[name: :stock, data_dir: "/tmp", cluster: [:a@b], expect: 0],
             "needs a number of nodes as :expect, not 0"},
            {[name: :stock, data_dir: "/tmp", cluster: [:a@b], expect: 2],
             "cannot expect more nodes than its list has"},
            {[name: :stock, data_dir: "/tmp", expect: 2], "needs :cluster with :expect"},
            {[name: :stock, data_dir: "/tmp", priority: :high], "needs an integer as :priority, not :high"},
            {[name: :stock, data_dir: "/tmp", backend: :wasm], "needs :nif or :port as :backend, not :wasm"}
          ],
          start <- [&Pando.child_spec/1, &Pando.start_link/1] do
        error = assert_raise ArgumentError, fn -> start.(options) end
        assert Exception.message(error) =~ problem
        assert Exception.message(error) =~ example
      end
    end

    test "that are no options are refused" do
      assert_raise ArgumentError, ~r/expected options.*got: :stock/, fn -> Pando.child_spec(:stock) end
      assert_raise ArgumentError, ~r/expected options/, fn -> Pando.child_spec([:stock, "/tmp"]) end
    end
  end

  describe "Pando.start" do
    test "starts stores by name, in a directory each, until Pando.stop", %{tmp_dir: dir} do
      [oak, elm] = [new_name(), new_name()]
      assert Pando.start(dir, oak) == {:ok, oak}
      assert Pando.start(dir, [cluster_name: elm], 60_000) == {:ok, elm}
      assert oak in Pando.store_ids() and elm in Pando.store_ids()
      assert Pando.put(oak, "/a", 1) == :ok
      assert Pando.exists(elm, "/a") == false
      assert Pando.stop(oak) == :ok
      assert Pando.stop(oak) == :ok
      assert Pando.get(oak, "/a") == {:error, :noproc}
      assert Pando.start(dir, %{cluster_name: oak}) == {:ok, oak}
      assert Pando.get(oak, "/a") == {:ok, 1}
      assert Pando.stop(oak) == :ok
      assert Pando.stop(elm) == :ok
    end

    test "of a store that runs is no error and no entry in the log", %{tmp_dir: dir} do
      name = new_name()
      {:ok, ^name} = Pando.start(dir, name)
      handler = new_name()
      :ok = :logger.add_handler(handler, LogRelay, %{config: self(), level: :all})
      assert Pando.start(dir, name) == {:ok, name}
      :ok = :logger.remove_handler(handler)
      :ok = Pando.stop(name)

      refute name in for({:logged, event} <- messages(), part <- parts(event), do: part)
    end

    test "says where a store of this name runs already, and who else has the name", %{tmp_dir: dir} do
      name = new_name()
      {:ok, ^name} = Pando.start(dir, name)

      assert Pando.start(Path.join(dir, "other"), name) ==
               {:error, {:pando, :store_runs_elsewhere, %{store_id: name, data_dir: dir}}}

      :ok = Pando.stop(name)

      taken = new_name()
      Process.register(self(), taken)
      assert Pando.start(dir, taken) == {:error, {:pando, :name_is_taken, %{store_id: taken, by: self()}}}
    end

    test "refuses what is no name or directory", %{tmp_dir: dir} do
      assert_raise ArgumentError, fn -> Pando.start(dir, "stock") end
      assert_raise FunctionClauseError, fn -> Pando.start(12, :stock) end
      assert_raise FunctionClauseError, fn -> Pando.start(dir, new_name(), :soon) end
    end
  end

  defp messages do
    receive do
      message -> [message | messages()]
    after
      0 -> []
    end
  end

  # All terms inside a term.
  defp parts(term) when is_map(term), do: term |> Map.to_list() |> parts()
  defp parts(term) when is_tuple(term), do: term |> Tuple.to_list() |> parts()
  defp parts([head | tail]), do: parts(head) ++ parts(tail)
  defp parts(term), do: [term]
end
