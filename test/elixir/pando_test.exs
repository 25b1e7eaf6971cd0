defmodule Pando.Test do
  @moduledoc "The calls of `Pando` on a store of their own: arguments, options, answers."
  use Pando.StoreCase, async: true

  import Pando.Path

  describe "the modules" do
    @tag store: false
    test "have every function of the Erlang modules, under its name" do
      for {erlang, elixir} <- [
            {:pando, Pando},
            {:pando_adv, Pando.Adv},
            {:pando_tx, Pando.Tx},
            {:pando_tx_adv, Pando.Tx.Adv}
          ] do
        Code.ensure_loaded!(elixir)
        exported = erlang.module_info(:exports) -- [module_info: 0, module_info: 1]

        assert for({name, arity} <- exported, not function_exported?(elixir, name, arity), do: {name, arity}) ==
                 []
      end
    end

    @tag store: false
    test "document and specify every public function" do
      for module <- [Pando, Pando.Adv, Pando.Condition, Pando.Error, Pando.Path, Pando.Tx, Pando.Tx.Adv] do
        {:docs_v1, _, :elixir, _, %{"en" => _}, _, docs} = Code.fetch_docs(module)
        public = module.__info__(:functions) -- [__struct__: 0, __struct__: 1]

        documented =
          for {{:function, name, arity}, _, _, %{}, metadata} <- docs,
              arity <- (arity - Map.get(metadata, :defaults, 0))..arity,
              do: {name, arity}

        assert public -- documented == []

        {:ok, specs} = Code.Typespec.fetch_specs(module)
        assert public -- Enum.map(specs, &elem(&1, 0)) == []
      end
    end
  end

  describe "the place of an argument" do
    test "decides that a list is a path, although it could be a keyword list", %{store: store} do
      # As options it would be refused.
      pattern = [if_has_data: true]
      assert Keyword.keyword?(pattern) and Pando.Path.valid?(pattern)
      :ok = Pando.put(store, "/a", 1)
      :ok = Pando.put(store, "/b/c", 1)
      assert Pando.count(store, pattern, timeout: 5_000) == {:ok, 1}
      assert Pando.get_many(store, pattern) == {:ok, %{["a"] => 1}}
      assert_raise FunctionClauseError, fn -> Pando.get_many("/a", pattern) end
    end

    test "makes what follows a path options: anything else there is refused with a hint" do
      message =
        ~s(expected options, as a keyword list or a map, got: "/stock/oak" \(with a path in this place, ) <>
          "the argument before it is the name of a store, an atom)"

      for call <- [
            &Pando.get/2,
            &Pando.get!/2,
            &Pando.count/2,
            &Pando.exists?/2,
            &Pando.is_sproc/2,
            &Pando.sproc?/2,
            &Pando.delete/2,
            &Pando.delete_many/2,
            &Pando.stream/2,
            &Pando.Adv.get/2,
            &Pando.Adv.stream/2
          ] do
        assert_raise ArgumentError, message, fn -> call.("stock", "/stock/oak") end
      end

      assert_raise ArgumentError, ~r/got: \["stock", "oak"\] \(with a path/, fn ->
        Pando.get("a", ["stock", "oak"])
      end

      assert_raise ArgumentError, ~r/got: 5000$/, fn -> Pando.get("/a", 5_000) end
    end

    test "makes put(path, value, options) a mistake, which is explained", %{store: store} do
      for {name, put} <- [
            put: &Pando.put/3,
            put_many: &Pando.put_many/3,
            create: &Pando.create/3,
            update: &Pando.update/3
          ] do
        error = assert_raise ArgumentError, fn -> put.("stock", "/stock/oak", []) end
        assert Exception.message(error) =~ "Pando.#{name}/3 takes a store, a path and a value"
        assert Exception.message(error) =~ "Pando.#{name}(:pando, path, value, options)"
      end

      assert_raise ArgumentError, fn -> Pando.put!("/stock/oak", 1, timeout: 5_000) end

      error = assert_raise ArgumentError, fn -> Pando.compare_and_swap("/stock/oak", 1, 2, timeout: 5_000) end

      assert Exception.message(error) =~
               "Pando.compare_and_swap/4 takes a store, a path, a pattern and a value"

      assert Exception.message(error) =~ "Pando.compare_and_swap(:pando, path, pattern, value, options)"
      assert Pando.is_empty(store) == true
    end
  end

  describe "options" do
    test "are a keyword list or a map, in reads and writes", %{store: store} do
      for options <- [[timeout: 5_000], %{timeout: 5_000}, [], %{}, [timeout: :infinity]] do
        assert Pando.put(store, "/a", 1, options) == :ok
        assert Pando.update(store, "/a", 1, options) == :ok
        assert Pando.get(store, "/a", options) == {:ok, 1}
        assert Pando.get_or(store, "/b", 2, options) == {:ok, 2}
        assert Pando.get_many(store, "/*", options) == {:ok, %{["a"] => 1}}
        assert Pando.count(store, "/*", options) == {:ok, 1}
        assert Pando.exists?(store, "/a", options)
        assert Pando.has_data?(store, "/a", options)
        refute Pando.empty?(store, options)
        assert Pando.clear_payload(store, "/a", options) == :ok
        assert Pando.delete(store, "/a", options) == :ok
        assert Pando.create(store, "/a", 1, options) == :ok
      end
    end

    test "given twice count once, the first time", %{store: store} do
      assert Pando.put(store, "/a", 1, timeout: 0, timeout: 5_000) == {:error, :timeout}
      assert Pando.put(store, "/a", 1, timeout: 5_000, timeout: 0) == :ok
    end

    test "that are unknown or wrong are refused, and nothing is done", %{store: store} do
      for options <- [
            [timeot: 5],
            %{"timeout" => 5},
            [timeout: -1],
            [timeout: 1.5],
            [timeout: nil],
            [favor: :speed]
          ] do
        assert_raise FunctionClauseError, fn -> Pando.get(store, "/a", options) end
        assert_raise FunctionClauseError, fn -> Pando.put(store, "/a", 1, options) end
        assert_raise FunctionClauseError, fn -> Pando.put!(store, "/a", 1, options) end
      end

      for no_options <- [:timeout, "timeout", [:timeout], [{"timeout", 5}], 5, nil] do
        assert_raise ArgumentError, ~r/expected options/, fn -> Pando.get(store, "/a", no_options) end
        assert_raise ArgumentError, ~r/expected options/, fn -> Pando.put(store, "/a", 1, no_options) end
        assert_raise ArgumentError, ~r/expected options/, fn -> Pando.Adv.put(store, "/a", 1, no_options) end
      end

      assert Pando.is_empty(store) == true
    end

    test "choose the properties that fold and Adv show", %{store: store} do
      :ok = Pando.put(store, ~p"/stock/wood/oak", 150)
      collect = fn path, props, acc -> Map.put(acc, path, props) end

      assert Pando.fold(store, ~p"/stock/*", collect, %{}, props_to_return: [:child_names, :has_payload]) ==
               {:ok, %{["stock", "wood"] => %{child_names: ["oak"]}}}

      assert Pando.Adv.get(store, ~p"/stock/wood/oak", props_to_return: [:raw_payload, :has_payload, :no_such]) ==
               {:ok, %{["stock", "wood", "oak"] => %{raw_payload: {:p_data, 150}, has_data: true}}}
    end
  end

  describe "paths" do
    test "are strings, lists, charlists and sigils", %{store: store} do
      kind = "white oak/2*"
      assert Pando.put(store, ~p"/:stock/#{kind}", 150) == :ok

      for path <- [
            ~p"/:stock/#{kind}",
            [:stock, kind],
            Pando.Path.to_binary([:stock, "x"]) <> "/../" <> "%77hite%20oak%2F2"
          ] do
        assert Pando.exists?(store, path) == (path != "/:stock/x/../%77hite%20oak%2F2")
      end

      assert Pando.get_many(store, ~p"/:stock/*") == {:ok, %{[:stock, kind] => 150}}
      assert Pando.get(store, '/:stock') == {:ok, :undefined}
      assert Pando.get(store, ~P"/:stock") == {:ok, :undefined}
    end

    test "that are none raise what they raise in Erlang, with and without !", %{store: store} do
      for path <- [12, {:a}, %{}, ["a", {:b}]],
          call <- [&Pando.get/2, &Pando.get!/2, &Pando.delete/2, &Pando.exists?/2] do
        error = assert_raise ErlangError, fn -> call.(store, path) end
        assert {:pando_ex, :invalid_path, %{path: ^path}} = error.original
      end

      error = assert_raise ErlangError, fn -> Pando.put!(store, "/*", 1) end
      assert {:pando_ex, :possibly_matching_many_nodes_denied, %{path: _}} = error.original
    end
  end

  describe "fold" do
    test "runs in the caller, which may write, and sees one moment", %{store: store} do
      for n <- 1..5, do: :ok = Pando.put(store, ~p"/from/#{n}", n)
      test = self()

      copy = fn path, %{data: n}, sum ->
        assert self() == test
        :ok = Pando.put(store, ["to" | tl(path)], n)
        :ok = Pando.put(store, ~p"/from/new#{n}", n)
        sum + n
      end

      assert Pando.fold(store, "/from/*", copy, 0) == {:ok, 15}
      assert Pando.count(store, "/to/*") == {:ok, 5}
      assert Pando.count(store, "/from/*") == {:ok, 10}
    end

    test "lets through what its function raises and throws", %{store: store} do
      :ok = Pando.put(store, "/a", 1)

      assert_raise RuntimeError, "from inside", fn ->
        Pando.fold(store, "/*", fn _, _, _ -> raise "from inside" end, 0)
      end

      assert catch_throw(Pando.fold(store, "/*", fn path, _, _ -> throw(path) end, 0)) == ["a"]
      assert_raise FunctionClauseError, fn -> Pando.fold(store, "/*", fn -> 0 end, 0) end
    end
  end

  describe "nodes" do
    test "go with their last child only if nobody has asked for them", %{store: store} do
      :ok = Pando.put(store, "/implicit/child", 1)
      :ok = Pando.put(store, "/explicit", :undefined)
      :ok = Pando.put(store, "/explicit/child", 1)
      :ok = Pando.delete(store, "/implicit/child")
      :ok = Pando.delete(store, "/explicit/child")
      refute Pando.exists?(store, "/implicit")
      assert Pando.exists?(store, "/explicit")
    end

    test "without a value read as :undefined, and get_or tells them from a stored :undefined", %{store: store} do
      :ok = Pando.put(store, "/a/b", :undefined)
      assert Pando.get(store, "/a") == {:ok, :undefined}
      assert Pando.get(store, "/a/b") == {:ok, :undefined}
      assert Pando.get_or(store, "/a", 0) == {:ok, 0}
      assert Pando.get_or(store, "/a/b", 0) == {:ok, :undefined}
      refute Pando.has_data?(store, "/a")
      assert Pando.has_data?(store, "/a/b")
    end
  end
end
