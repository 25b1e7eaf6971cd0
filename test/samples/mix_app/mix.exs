defmodule MixApp.MixProject do
  use Mix.Project

  def project do
    [
      app: :mix_app,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      # In your own application: {:pando, "~> 0.1"}, {:pando, git: "…"} or the path of a checkout, as here.
      deps: [{:pando, path: "../../.."}],
      releases: [mix_app: [include_executables_for: [:unix]]]
    ]
  end

  def application do
    [mod: {MixApp.Application, []}]
  end
end
