defmodule Pando.PathTest do
  use ExUnit.Case, async: true

  import Pando.Path

  doctest Pando.Path

  @star {:if_name_matches, :any, :undefined}

  # Text that would be syntax if it were part of the string.
  @hostile [
    "a/b",
    "/",
    "//",
    "..",
    ".",
    "^",
    "*",
    "**",
    "a*b",
    ":admin",
    "%2F",
    "%",
    "",
    "\#{x}",
    "é€",
    <<255, 0>>,
    "$",
    "\\",
    "\n"
  ]

  describe "~p" do
    test "gives the native path" do
      assert ~p"/:stock/wood" == [:stock, "wood"]
      assert ~p"/" == []
      assert ~p"" == []
      assert ~p"../:oak" == [?^, :oak]
      assert ~p"/stock/*" == ["stock", @star]
    end

    test "ignores its modifiers" do
      assert ~p"/:stock/wood"abc == [:stock, "wood"]
      assert ~p"/:stock/#{"wood"}"abc == [:stock, "wood"]
    end

    test "can stand in a pattern" do
      result =
        case [:stock, "wood"] do
          ~p"/:stock/iron" -> :iron
          ~p"/:stock/wood" -> :wood
        end

      assert result == :wood
    end

    test "takes escapes" do
      assert ~p"/a\tb" == ["a\tb"]
      assert ~p"/a\tb/#{1}\t" == ["a\tb", "1\t"]
      assert ~p"/a\#{b}" == ["a\#{b}"]
    end

    test "takes any delimiter, heredocs too" do
      assert ~p(/:a/b) == [:a, "b"]
      assert ~p[/:a/#{"b"}] == [:a, "b"]
    end

    test "interpolates what String.Chars takes" do
      assert ~p"/#{7}/#{:oak}/#{1.5}/#{~c"abc"}" == ["7", "oak", "1.5", "abc"]
    end

    test "interpolated text is a component, never syntax" do
      for text <- @hostile do
        assert {text, ~p"/users/#{text}"} == {text, ["users", text]}
        assert {text, ~p"/users/#{text}/mail"} == {text, ["users", text, "mail"]}
        assert {text, ~p"#{text}"} == {text, [?., text]}
        assert {text, ~p"/a-#{text}-b/"} == {text, ["a-" <> text <> "-b"]}
        assert {text, ~p"/#{text}#{text}"} == {text, [text <> text]}
      end
    end

    test "interpolated text in a glob stands for itself" do
      for text <- @hostile do
        [{:if_name_matches, regex, :undefined}] = ~p"/*-#{text}"
        {:ok, compiled} = :re.compile(regex, [:dollar_endonly, :dotall])
        assert :re.run("x-" <> text, compiled, capture: :none) == :match
        assert :re.run("x-" <> text <> "?", compiled, capture: :none) == :nomatch
      end
    end

    test "interpolated text after a colon is the text of an atom" do
      assert ~p"/:#{:oak}" == [:oak]
      assert ~p"/:#{"é€"}" == [:"é€"]
      assert ~p"/:a/:#{"b/c"}-*" == [:a, :"b/c-*"]
    end

    test "interpolated values are evaluated once" do
      counter = :counters.new(1, [])
      assert ~p"/#{:counters.add(counter, 1, 1)}" == ["ok"]
      assert :counters.get(counter, 1) == 1
    end

    test "an atom that cannot exist is an error" do
      long = String.duplicate("a", 256)

      assert catch_error(~p"/:#{long}") ==
               {:pando_ex, :invalid_path, %{path: "/:" <> long, component: ":" <> long}}
    end
  end

  describe "~P" do
    test "neither interpolates nor unescapes" do
      assert ~P"/:stock/wood" == [:stock, "wood"]
      assert ~P"/#{name}\t"abc == ["\#{name}\\t"]
    end
  end

  describe "functions" do
    test "an import leaves to_string/1 to Kernel" do
      assert to_string(:oak) == "oak"
    end

    test "strings are printed and parsed to the same path" do
      for text <- @hostile, not String.contains?(text, "*"), first <- [:a, "a", ?^] do
        path = [first, text, String.to_atom(if String.valid?(text), do: text, else: "b")]
        assert from_string(to_binary(path)) == path
      end
    end

    test "what is no path is refused" do
      assert catch_error(from_string(:foo)) == {:pando_ex, :invalid_path, %{path: :foo}}
      assert_raise FunctionClauseError, fn -> to_binary([@star]) end
    end

    test "valid?/1 looks inside conditions" do
      assert valid?([:a, {:if_any, [:b, {:if_has_data, true}]}])
      refute valid?([:a, {:if_any, [:b, {:if_has_data, 1}]}])
      refute valid?("/a")
    end
  end
end
