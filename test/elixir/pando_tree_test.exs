defmodule Pando.TreeTest do
  @moduledoc "What `Pando.tree` prints."
  # Not async: whether there are colours is a setting of the VM.
  use Pando.StoreCase, async: false

  import ExUnit.CaptureIO
  import Pando.Path

  setup do
    enabled = IO.ANSI.enabled?()
    Application.put_env(:elixir, :ansi_enabled, false)
    on_exit(fn -> Application.put_env(:elixir, :ansi_enabled, enabled) end)
  end

  # What is printed, as lines.
  defp lines(call), do: call |> capture() |> String.split("\n", trim: true)

  defp capture(call, options \\ []) do
    capture_io(options, fn -> assert call.() == :ok end)
  end

  test "draws names and values below a path", %{store: store} do
    :ok = Pando.put(store, "/:stock/wood/elm", %{pieces: 80})
    :ok = Pando.put(store, "/:stock/wood/oak", "one\nhundred")
    :ok = Pando.put(store, "/:stock", :a_list)
    :ok = Pando.put(store, "/users/ann", nil)
    :ok = Pando.put(store, ["users", "a b", :count], &length/1)

    assert lines(fn -> Pando.tree(store) end) == [
             ~S(/),
             ~S(├── :stock => :a_list),
             ~S(│   └── "wood"),
             ~S(│       ├── "elm" => %{pieces: 80}),
             ~S(│       └── "oak" => "one\nhundred"),
             ~S(└── "users"),
             ~S(    ├── "a b"),
             ~S(    │   └── :count => &:erlang.length/1),
             ~S(    └── "ann" => nil)
           ]

    for path <- ["/:stock/wood", [:stock, "wood"], ~p"/:stock/wood"] do
      assert lines(fn -> Pando.tree(store, path) end) == [
               ~S(/:stock/wood),
               ~S(├── "elm" => %{pieces: 80}),
               ~S(└── "oak" => "one\nhundred")
             ]
    end

    assert lines(fn -> Pando.tree(store, ~p"/users/ann", []) end) == ["/users/ann => nil"]
    assert lines(fn -> Pando.tree(store, ["users", "a b"], depth: 3) end) |> hd() == "/users/a%20b"
  end

  test "shows the value of the root, and an empty store", %{store: store} do
    assert lines(fn -> Pando.tree(store) end) == ["/"]
    :ok = Pando.put(store, "/", [1, 2])
    assert lines(fn -> Pando.tree(store, []) end) == ["/ => [1, 2]"]
  end

  describe "of a large tree" do
    setup %{store: store} do
      for n <- 1..3_000 do
        name = String.pad_leading("#{n}", 4, "0")
        :ok = Pando.put(store, ~p"/queue/#{name}/sub/#{n}", n, async: true)
      end

      :ok = Pando.put(store, "/queue/0001/sub/a/b/c/d/e/f/g/h", 1)
    end

    test "shows the first children, and how many more there are", %{store: store} do
      printed = lines(fn -> Pando.tree(store, "/queue") end)
      assert Enum.count(printed, &(&1 =~ ~r/^[├└]── "/u)) == 20
      assert List.last(printed) == "└── … 2980 more"
      # Eight levels below the path: f is the last one.
      deepest = Enum.find_index(printed, &String.ends_with?(&1, ~S(└── "f")))
      assert Enum.at(printed, deepest) == "│" <> String.duplicate(" ", 27) <> ~S(└── "f")
      assert Enum.at(printed, deepest + 1) == "│" <> String.duplicate(" ", 31) <> "└── … 1 more"
      refute Enum.any?(printed, &(&1 =~ ~S("g")))
    end

    test "shows as many children and levels as the options say", %{store: store} do
      for options <- [[limit: 2, depth: 1], %{limit: 2, depth: 1}] do
        assert lines(fn -> Pando.tree(store, "/queue", options) end) == [
                 "/queue",
                 ~S(├── "0001"),
                 "│   └── … 1 more",
                 ~S(├── "0002"),
                 "│   └── … 1 more",
                 "└── … 2998 more"
               ]
      end
    end

    test "shows no more than a thousand nodes, whatever the options say", %{store: store} do
      printed = lines(fn -> Pando.tree(store, "/", limit: 100_000, depth: 100) end)
      {nodes, hidden} = printed |> tl() |> Enum.split_with(&(&1 =~ ~r/── ["]/u))
      assert length(nodes) == 1_000
      # Whatever is hidden is counted: all nodes below the root are either shown or below a node that says so.
      assert "    └── … 2001 more" in hidden
      assert Enum.all?(hidden, &(&1 =~ ~r/└── … \d+ more$/u))
    end
  end

  test "shortens values and names to the width of the line, control characters escaped", %{store: store} do
    :ok = Pando.put(store, ["short", "list"], Enum.to_list(1..1_000_000))
    :ok = Pando.put(store, ["short", "text"], String.duplicate("ż\e[31m", 100_000))
    :ok = Pando.put(store, [String.duplicate("n", 500)], :value)
    [root, long, short, list, text] = printed = lines(fn -> Pando.tree(store) end)
    assert {root, short} == {"/", ~S(└── "short")}
    assert String.starts_with?(list, ~S(    ├── "list" => [1, 2, 3, ))
    assert String.starts_with?(text, ~S(    └── "text" => "ż\e[31mż))
    assert [String.length(list), String.length(text)] == [80, 80]
    assert String.ends_with?(list, "…") and String.ends_with?(text, "…")
    assert String.starts_with?(long, ~S(├── "nnnn)) and String.ends_with?(long, "… => :value")
    refute Enum.any?(printed, &String.contains?(&1, "\e"))
  end

  test "has colours only where they are enabled", %{store: store} do
    :ok = Pando.put(store, "/a/b", 1)
    plain = capture(fn -> Pando.tree(store) end)
    refute plain =~ "\e["
    Application.put_env(:elixir, :ansi_enabled, true)
    coloured = capture(fn -> Pando.tree(store) end)
    assert coloured =~ IO.ANSI.cyan() <> "1"
    assert String.replace(coloured, ~r/\e\[\d+m/, "") == plain
  end

  test "draws with ASCII where the device has nothing else", %{store: store} do
    :ok = Pando.put(store, "/a/b", Enum.to_list(1..1_000))
    :ok = Pando.put(store, "/c", 1)
    printed = capture(fn -> Pando.tree(store) end, encoding: :latin1)
    assert printed =~ ~s(/\n|-- "a"\n|   `-- "b" => [1, 2, )
    assert printed =~ ~s(...\n`-- "c" => 1\n)
  end

  test "answers errors, and raises for wrong arguments, without printing", %{store: store} do
    assert capture_io(fn ->
             assert Pando.tree(new_name()) == {:error, :noproc}
             assert {:error, {:pando, :node_not_found, _}} = Pando.tree(store, "/none")

             for options <- [[limit: 0], [depth: -1], [limit: :all], [levels: 3], %{"limit" => 1}] do
               assert_raise ArgumentError, ~r/takes positive integers as :limit and :depth, not/, fn ->
                 Pando.tree(store, "/", options)
               end
             end

             error = assert_raise ErlangError, fn -> Pando.tree(store, "/*") end
             assert {:pando_ex, :possibly_matching_many_nodes_denied, _} = error.original
             assert_raise FunctionClauseError, fn -> Pando.tree("store", "/", []) end
           end) == ""
  end

  test "info prints stores", %{store: store} do
    :ok = Pando.put(store, "/stock/oak", 150)
    :ok = Pando.put(store, "/locks/oak", 1, keep_while: %{"/stock/oak" => Pando.Condition.if_has_data()})
    assert capture(fn -> Pando.info() end) =~ "  #{store}\n"

    for call <- [
          fn -> Pando.info(store) end,
          fn -> Pando.info(store, timeout: 5_000) end,
          fn -> Pando.info(store, %{}) end
        ] do
      printed = capture(call)
      for text <- [~s(<<"oak">>), "if_has_data", "150"], do: assert(printed =~ text)
    end
  end
end
