[
  inputs: [
    "{mix,.formatter}.exs",
    "lib/elixir/**/*.ex",
    "test/{build,elixir}/**/*.{ex,exs}",
    "test/samples/*/{mix,.formatter}.exs",
    "test/samples/*/{config,lib,test}/**/*.{ex,exs}"
  ],
  line_length: 110
]
