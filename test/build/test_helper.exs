# mix asks for this file; it loads test/elixir/test_helper.exs as well, which starts ExUnit.
