defmodule Pando.ConditionTest do
  @moduledoc "The constructors of `Pando.Condition`: the tuples of the specification, and what they refuse."
  use Pando.StoreCase, async: true

  import Pando.{Condition, Path}

  describe "the tuples" do
    @describetag store: false

    test "are those of the specification, with their defaults" do
      for {made, tuple} <- [
            {if_node_exists(), {:if_node_exists, true}},
            {if_node_exists(true), {:if_node_exists, true}},
            {if_node_exists(false), {:if_node_exists, false}},
            {if_name_matches(), {:if_name_matches, :any, :undefined}},
            {if_name_matches(:any), {:if_name_matches, :any, :undefined}},
            {if_name_matches("^a"), {:if_name_matches, "^a", :undefined}},
            {if_name_matches('^a'), {:if_name_matches, '^a', :undefined}},
            {if_name_matches(["^", 'a' | "b"]), {:if_name_matches, ["^", 'a' | "b"], :undefined}},
            {if_path_matches(), {:if_path_matches, :any, :undefined}},
            {if_path_matches("^a"), {:if_path_matches, "^a", :undefined}},
            {if_has_payload(), {:if_has_payload, true}},
            {if_has_payload(false), {:if_has_payload, false}},
            {if_has_data(), {:if_has_data, true}},
            {if_has_data(false), {:if_has_data, false}},
            {if_has_sproc(), {:if_has_sproc, true}},
            {if_has_sproc(false), {:if_has_sproc, false}},
            {if_data_matches(), {:if_data_matches, :_, [], :undefined}},
            {if_data_matches({:user, :_}), {:if_data_matches, {:user, :_}, [], :undefined}},
            {if_data_matches(:"$1", [{:>=, :"$1", 18}]),
             {:if_data_matches, :"$1", [{:>=, :"$1", 18}], :undefined}},
            {if_payload_version(0), {:if_payload_version, 0}},
            {if_payload_version(ge: 2), {:if_payload_version, {:ge, 2}}},
            {if_payload_version({:ge, 2}), {:if_payload_version, {:ge, 2}}},
            {if_child_list_version(3), {:if_child_list_version, 3}},
            {if_child_list_version(lt: 3), {:if_child_list_version, {:lt, 3}}},
            {if_child_list_length(0), {:if_child_list_length, 0}},
            {if_child_list_length(gt: 0), {:if_child_list_length, {:gt, 0}}},
            {if_not(if_has_data()), {:if_not, {:if_has_data, true}}},
            {if_not("oak"), {:if_not, "oak"}},
            {if_all([]), {:if_all, []}},
            {if_all([:oak, if_has_data()]), {:if_all, [:oak, {:if_has_data, true}]}},
            {if_any([]), {:if_any, []}},
            {if_any(["oak", :elm, ?., ?/]), {:if_any, ["oak", :elm, ?., ?/]}}
          ] do
        assert made === tuple
        assert Pando.Path.valid?([made])
      end
    end

    test "have every operator of a comparison" do
      for operator <- [:eq, :ne, :lt, :le, :gt, :ge],
          {make, tag} <- [
            {&if_payload_version/1, :if_payload_version},
            {&if_child_list_version/1, :if_child_list_version},
            {&if_child_list_length/1, :if_child_list_length}
          ] do
        assert make.([{operator, 7}]) == {tag, {operator, 7}}
        assert make.({operator, 7}) == {tag, {operator, 7}}
      end
    end

    test "of wildcards are those that a path string has" do
      assert [any_child()] == ~p"/*"
      assert [any_descendant()] == ~p"/**"
      assert ~p"/stock" ++ [any_child(), "oak"] == ~p"/stock/*/oak"
    end
  end

  describe "a Regex" do
    @describetag store: false

    test "becomes its source, with modifiers in it" do
      for {regex, text} <- [
            {~r/^o/, "^o"},
            {~r/^o/i, "(?i)^o"},
            {~r/^o/is, "(?is)^o"},
            {~r/o.*/U, "o.*"},
            {~r/o.*/Ui, "(?i)o.*"},
            {Regex.compile!("o", [:caseless, :ungreedy]), "(?i)o"},
            {Regex.compile!("o.", [:dotall, {:newline, :anycrlf}]), "(?s)o."}
          ] do
        assert if_name_matches(regex) == {:if_name_matches, text, :undefined}
        assert if_path_matches(regex) == {:if_path_matches, text, :undefined}
      end
    end

    test "with modifiers that have no meaning here is refused, with their names" do
      for {regex, problem} <- [
            {~r/é/u, "no use here for u"},
            {~r/o/f, "no use here for f"},
            {~r/o/mx, "no use here for m, x"},
            {~r/o/fui, "no use here for f, u"},
            {Regex.compile!("o", [:firstline, :caseless]), "no use here for :firstline"}
          ] do
        error = assert_raise ArgumentError, fn -> if_name_matches(regex) end

        assert Exception.message(error) =~
                 "if_name_matches takes a regular expression with no other modifiers"

        assert String.ends_with?(Exception.message(error), problem)
      end
    end

    test "finds the same names as in Elixir", %{tmp_dir: dir} do
      names = ["oak", "OAK", "white oak", "elm", "e\nlm", "oak\n", "o.k", "ε", ""]
      store = new_name()
      start_supervised!({Pando, name: store, data_dir: dir})
      for name <- names, do: :ok = Pando.put(store, ["stock", name], name)

      for regex <- [
            ~r/oak/,
            ~r/^oak/i,
            ~r/oak$/,
            ~r/e.lm/s,
            ~r/e.lm/,
            ~r/o\.k/,
            ~r/\bo|^e/,
            ~r/^[[:alpha:]]{3}$/,
            ~r/^$/,
            ~r/ε/,
            ~r/o.*?k$/U
          ] do
        {:ok, found} = Pando.get_many(store, ["stock", if_name_matches(regex)])

        assert {regex, Enum.sort(Map.values(found))} ==
                 {regex, names |> Enum.filter(&(&1 =~ regex)) |> Enum.sort()}
      end
    end
  end

  describe "wrong arguments" do
    @describetag store: false

    test "raise what is expected, and what was given" do
      for {make, given, expected} <- [
            {&if_node_exists/1, :maybe, "if_node_exists takes true or false but was given :maybe"},
            {&if_has_payload/1, nil, "if_has_payload takes true or false but was given nil"},
            {&if_has_data/1, 1, "if_has_data takes true or false but was given 1"},
            {&if_has_sproc/1, "yes", ~s(if_has_sproc takes true or false but was given "yes")},
            {&if_name_matches/1, :oak,
             "if_name_matches takes a regular expression, as a string or a Regex, or :any but was given :oak"},
            {&if_name_matches/1, "(",
             ~s[if_name_matches takes a regular expression but was given "(": missing ) at 1]},
            {&if_path_matches/1, [8364],
             "if_path_matches takes a regular expression but was given [8364]: " <>
               "no iodata; give text beyond ASCII as a string"},
            {&if_path_matches/1, %{},
             "if_path_matches takes a regular expression, as a string or a Regex, or :any"},
            {&if_payload_version/1, 1.0,
             "if_payload_version takes an integer, or one of eq, ne, lt, le, gt, ge"},
            {&if_payload_version/1, [ge: 2, lt: 5], "if_payload_version takes an integer, or one of"},
            {&if_payload_version/1, [], "if_payload_version takes an integer, or one of"},
            {&if_child_list_version/1, [at_least: 2], "such as [ge: 2], but was given [at_least: 2]"},
            {&if_child_list_length/1, {:ge, "2"}, ~s(but was given {:ge, "2"})},
            {&if_child_list_length/1, %{ge: 2}, "if_child_list_length takes an integer"},
            {&if_not/1, {:if_has_data, 1},
             "if_not takes conditions and names but was given {:if_has_data, 1}"},
            {&if_not/1, [if_has_data()],
             "if_not takes conditions and names but was given [if_has_data: true]"},
            {&if_all/1, if_has_data(),
             "if_all takes a list of conditions and names but was given {:if_has_data, true}"},
            {&if_all/1, ["oak", {:oak}], "if_all takes conditions and names but was given {:oak}"},
            {&if_any/1, ["oak" | "elm"], ~s(if_any takes conditions and names but was given "elm")},
            {&if_any/1, [{:if_all, [1.5]}], "if_any takes conditions and names but was given 1.5"}
          ] do
        error = assert_raise ArgumentError, fn -> make.(given) end
        assert Exception.message(error) =~ expected
      end
    end

    test "of if_data_matches raise what is wrong with the match specification" do
      for {pattern, guards, expected} <- [
            {:_, :guards, "takes a list of guards"},
            {:_, {:>=, :"$1", 18}, "takes a list of guards"},
            {%{age: :"$1"}, [{:<=, :"$1", 18}], "Function '<='/2 does_not_exist"},
            {%{age: :"$1"}, [{:>=, :"$2", 18}], "Variable $2 is unbound"},
            {:"$1", [{}], "{} is neither a function call"},
            {:"$1", [{:>=, :"$1", 18} | :more], "not a proper list"}
          ] do
        error = assert_raise ArgumentError, fn -> if_data_matches(pattern, guards) end
        assert Exception.message(error) =~ "if_data_matches takes"
        assert Exception.message(error) =~ expected
      end
    end

    test "are refused by what ETS refuses, and by nothing else" do
      for pattern <- [:_, :"$1", 1, "text", {:a, :"$1"}, %{a: :"$1"}, [:"$1" | :_], %{{:"$1"} => 1}, self()],
          guards <- [
            [],
            [true],
            [:foo],
            [{:is_integer, :"$1"}],
            [{:and, true, {:==, :"$1", {:const, {}}}}],
            [{:>, :"$_", 1}],
            [{:self}],
            [{:no_such, 1}]
          ] do
        ets =
          try do
            :ets.match_spec_compile([{pattern, guards, [true]}])
            :taken
          rescue
            ArgumentError -> :refused
          end

        ours =
          try do
            {:if_data_matches, ^pattern, ^guards, :undefined} = if_data_matches(pattern, guards)
            :taken
          rescue
            ArgumentError -> :refused
          end

        assert {pattern, guards, ours} == {pattern, guards, ets}
      end
    end
  end

  describe "conditions in patterns" do
    setup %{store: store} do
      :ok = Pando.put(store, "/users", :list)
      :ok = Pando.put(store, "/users/ann", %{age: 30})
      :ok = Pando.put(store, "/users/bob", %{age: 17})
      :ok = Pando.put(store, "/users/bob", %{age: 18})
      :ok = Pando.put(store, "/users/cid/inbox", [])
      :ok = Pando.put(store, ["users", :code], fn -> :ok end)
    end

    test "choose the nodes that meet them", %{store: store} do
      for {condition, names} <- [
            {any_child(), [:code, "ann", "bob", "cid"]},
            {any_descendant(), [:code, "ann", "bob", "cid", "inbox"]},
            {if_node_exists(), [:code, "ann", "bob", "cid"]},
            {if_node_exists(false), []},
            {if_name_matches("^.o"), [:code, "bob"]},
            {if_path_matches("n"), ["ann", "inbox"]},
            {if_has_payload(), [:code, "ann", "bob"]},
            {if_has_payload(false), ["cid"]},
            {if_has_data(), ["ann", "bob"]},
            {if_has_data(false), [:code, "cid"]},
            {if_has_sproc(), [:code]},
            {if_has_sproc(false), ["ann", "bob", "cid"]},
            {if_data_matches(%{age: 30}), ["ann"]},
            {if_data_matches(%{age: :"$1"}, [{:>, :"$1", 17}]), ["ann", "bob"]},
            {if_payload_version(2), ["bob"]},
            {if_payload_version(lt: 2), [:code, "ann", "cid"]},
            {if_child_list_version(ge: 1), [:code, "ann", "bob", "cid"]},
            {if_child_list_length(gt: 0), ["cid"]},
            {if_not(if_has_data()), [:code, "cid"]},
            {if_all([if_has_data(), if_payload_version(1)]), ["ann"]},
            {if_any(["ann", if_has_sproc()]), [:code, "ann"]}
          ] do
        {:ok, found} = Pando.get_many(store, ["users", condition])
        assert {condition, found |> Map.keys() |> Enum.map(&List.last/1) |> Enum.sort()} == {condition, names}
        assert {condition, Pando.count!(store, ["users", condition])} == {condition, length(names)}
      end
    end

    test "make a write depend on what is there", %{store: store} do
      path = ~p"/users" ++ [if_all(["ann", if_payload_version(1)])]
      assert Pando.put(store, path, %{age: 31}) == :ok
      assert {:error, {:pando, :mismatching_node, props}} = Pando.put(store, path, %{age: 32})
      assert props.condition == if_payload_version(1)
      assert props.node_props == %{data: %{age: 31}, payload_version: 2}
      assert Pando.get!(store, "/users/ann") == %{age: 31}
    end

    test "that hold text which is no regular expression for the native library raise when they are used", %{
      store: store
    } do
      look_ahead = if_name_matches("a(?=n)")
      error = assert_raise ErlangError, fn -> Pando.get_many(store, ["users", look_ahead]) end
      assert {:pando_ex, :condition_not_supported, %{condition: ^look_ahead, reason: _}} = error.original
    end
  end
end
