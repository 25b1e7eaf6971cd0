defmodule Pando.ValuesTest do
  @moduledoc "Any term is a value, and any atom or binary a name; both come back as they were, also after a restart."
  use Pando.StoreCase, async: true

  @moduletag store: false

  defp values do
    [
      nil,
      :undefined,
      true,
      :"",
      :żółć,
      :日本,
      String.to_atom(String.duplicate("日", 255)),
      "",
      "żółć",
      "a\0b",
      <<255, 254>>,
      <<5::size(3)>>,
      :binary.copy(<<1, 2, 3, 4>>, 262_144),
      0,
      -1,
      255,
      256,
      -2_147_483_649,
      Integer.pow(2, 64),
      -Integer.pow(3, 5_000),
      0.0,
      -0.0,
      1.5e308,
      5.0e-324,
      [],
      [1, 2, 3],
      'abc',
      [1 | 2],
      Enum.to_list(1..1_000),
      {},
      {:ok, {:error, []}},
      List.to_tuple(Enum.to_list(1..300)),
      %{},
      Map.new(1..100, &{&1, %{"n" => &1}}),
      %{{1, [2]} => %{nil => 1.0}},
      MapSet.new([1, :a, "b"]),
      ~D[2024-02-29],
      1..10,
      {:error, :noproc},
      {:pando, :node_not_found, %{}},
      self(),
      spawn(fn -> :ok end),
      make_ref(),
      hd(Port.list()),
      {:a_function_inside, &Enum.sum/1}
    ]
  end

  test "come back as they were, also after a restart", %{tmp_dir: dir} do
    store = new_name()
    start_supervised!({Pando, name: store, data_dir: dir})
    values = Enum.with_index(values())

    for {value, n} <- values do
      assert Pando.put(store, ["values", <<n>>], value) == :ok
      assert_same(Pando.get(store, ["values", <<n>>]), value)
    end

    :ok = stop_supervised!({Pando, store})
    start_supervised!({Pando, name: store, data_dir: dir})

    for {value, n} <- values do
      assert_same(Pando.get(store, ["values", <<n>>]), value)
      assert_same(Pando.get_or(store, ["values", <<n>>], :none), value)
    end

    {:ok, many} = Pando.get_many(store, "/values/*")
    assert map_size(many) == length(values)
    for {value, n} <- values, do: assert_same({:ok, many[["values", <<n>>]]}, value)
  end

  # Also tells 0.0 from -0.0, and 1 from 1.0.
  defp assert_same({:ok, got}, expected) do
    assert got === expected
    assert :erlang.term_to_binary(got, [:deterministic]) == :erlang.term_to_binary(expected, [:deterministic])
  end

  test "that are functions are stored procedures, which come back as functions that work", %{tmp_dir: dir} do
    store = new_name()
    start_supervised!({Pando, name: store, data_dir: dir})
    offset = 5
    :ok = Pando.put(store, "/closure", fn n -> n + offset end)
    :ok = Pando.put(store, "/external", &Enum.sum/1)
    :ok = stop_supervised!({Pando, store})
    start_supervised!({Pando, name: store, data_dir: dir})

    assert Pando.get!(store, "/closure").(1) == 6
    assert Pando.get!(store, "/external").([1, 2]) == 3
    refute Pando.has_data?(store, "/closure")
    assert {:ok, %{["external"] => %{sproc: function}}} = Pando.Adv.get(store, "/external")
    assert is_function(function, 1)
  end

  test "that are payloads already are taken as such", %{tmp_dir: dir} do
    store = new_name()
    start_supervised!({Pando, name: store, data_dir: dir})
    :ok = Pando.put(store, "/a", {:p_data, 5})
    assert Pando.get(store, "/a") == {:ok, 5}
    :ok = Pando.put(store, "/a", :pando_payload.data({:p_data, 5}))
    assert Pando.get(store, "/a") == {:ok, {:p_data, 5}}
    :ok = Pando.put(store, "/a", :pando_payload.none())
    refute Pando.has_data?(store, "/a")
  end

  test "may have any atom and any binary as name", %{tmp_dir: dir} do
    store = new_name()
    start_supervised!({Pando, name: store, data_dir: dir})

    names = [
      nil,
      true,
      :"",
      :a,
      "a",
      :żółć,
      "żółć",
      :日本,
      "日本",
      String.to_atom(String.duplicate("日", 255)),
      "",
      "*",
      "**",
      "..",
      "/",
      <<0>>,
      <<255, 254>>
    ]

    for name <- names do
      assert Pando.put(store, [:names, name], name) == :ok
      assert Pando.put(store, [:names, name, :child], name) == :ok
    end

    :ok = stop_supervised!({Pando, store})
    start_supervised!({Pando, name: store, data_dir: dir})
    for name <- names, do: assert(Pando.get(store, [:names, name, :child]) == {:ok, name})
    assert Pando.get_many!(store, "/:names/*") == Map.new(names, &{[:names, &1], &1})

    assert Pando.Adv.get(store, "/:names", props_to_return: [:child_names])
           |> then(fn {:ok, %{[:names] => props}} -> Enum.sort(props.child_names) end) == Enum.sort(names)
  end

  test "of stores may have any atom as name, too", %{tmp_dir: dir} do
    for name <- [:żółć, :日本, :"a/b", :.., :"with space", String.to_atom(String.duplicate("x", 255))] do
      store = :"#{String.slice(Atom.to_string(name), 0, 230)}#{System.unique_integer([:positive])}"
      start_supervised!({Pando, name: store, data_dir: dir})
      assert Pando.put(store, "/a", name) == :ok
      :ok = stop_supervised!({Pando, store})
      start_supervised!({Pando, name: store, data_dir: dir})
      assert Pando.get(store, "/a") == {:ok, name}
    end
  end
end
