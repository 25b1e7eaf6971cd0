defmodule Mix.Tasks.Compile.PandoNative do
  @moduledoc """
  Builds the native library with `native/build.sh` and installs it into `priv/`.

  It stands in `mix.exs` because a compiler has to exist before the first module of the project is compiled, also
  where Pando is a dependency.
  """

  use Mix.Task.Compiler

  @script "native/build.sh"
  @priv "priv"

  @impl true
  def run(_args) do
    File.mkdir_p!(@priv)

    # After `priv` has been made: only then does `_build/ENV/lib/pando/priv` become a link to it in the very first build.
    Mix.Project.build_structure()

    # The answer is :ok also when nothing was to do: cargo decides that, and Elixir modules do not depend on it.
    case Mix.shell().cmd("sh #{@script} #{@priv}") do
      0 -> {:ok, []}
      status -> {:error, [diagnostic(status)]}
    end
  end

  @impl true
  def clean do
    File.rm_rf!(@priv)
  end

  defp diagnostic(status) do
    %Mix.Task.Compiler.Diagnostic{
      compiler_name: "pando_native",
      file: Path.expand(@script),
      message: "#{@script} ended with status #{status}",
      position: 0,
      severity: :error
    }
  end
end

defmodule Pando.MixProject do
  use Mix.Project

  @version "0.1.0"
  @description "A tree-shaped, replicated, durable database inside an Erlang or Elixir application"

  def project do
    [
      app: :pando,
      version: @version,
      description: @description,
      elixir: "~> 1.14",
      erlc_paths: ["lib/erlang"],
      erlc_include_path: "include",
      erlc_options: [:debug_info],
      elixirc_paths: ["lib/elixir"],
      # Not "_build" itself: `rebar3 eunit` and `mix test` would both write to _build/test/lib/pando.
      build_path: "_build/mix",
      test_paths: ["test/elixir", "test/build"],
      compilers: [:pando_native] ++ Mix.compilers(),
      start_permanent: Mix.env() == :prod,
      # No dependency at all: neither building nor testing Pando needs hex.
      deps: [],
      name: "Pando",
      docs: [main: "readme", extras: ["README.md", "CHANGELOG.md"]],
      package: package()
    ]
  end

  # Equal to `lib/pando.app.src`, which rebar3 reads: `test/build/app_file_test.exs` compares the two.
  def application do
    [
      mod: {:pando_app, []},
      registered: [
        :pando_events,
        :pando_port_registry,
        :pando_port_sup,
        :pando_root_sup,
        :pando_sup,
        :pando_telemetry
      ],
      env: [backend: :nif],
      extra_applications: []
    ]
  end

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{},
      files:
        ~w(lib include native .cargo Cargo.toml Cargo.lock clippy.toml rustfmt.toml) ++
          ~w(mix.exs rebar.config .formatter.exs README.md CHANGELOG.md LICENSE)
    ]
  end
end
