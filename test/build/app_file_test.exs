defmodule Pando.Build.AppFileTest do
  @moduledoc "mix reads `mix.exs` and rebar3 reads `pando.app.src`: both must describe the same application."
  use ExUnit.Case, async: true

  setup_all do
    {:ok, [{:application, :pando, source}]} = :file.consult("lib/pando.app.src")
    %{source: source, application: Pando.MixProject.application(), project: Mix.Project.config()}
  end

  test "the version and the description are the same", %{source: source, project: project} do
    assert to_string(source[:vsn]) == project[:version]
    assert to_string(source[:description]) == project[:description]
  end

  test "the licences are the same", %{source: source, project: project} do
    assert Enum.map(source[:licenses], &to_string/1) == project[:package][:licenses]
  end

  test "the callback module and the environment are the same", %{source: source, application: application} do
    assert source[:mod] == application[:mod]
    assert Keyword.get(source, :env, []) == Keyword.get(application, :env, [])
  end

  test "the registered names are the same", %{source: source, application: application} do
    assert Enum.sort(source[:registered]) == Enum.sort(application[:registered])
  end

  test "the applications are the same, apart from elixir", %{source: source, application: application} do
    # mix adds kernel and stdlib by itself.
    assert Enum.sort(source[:applications]) ==
             Enum.sort([:kernel, :stdlib | application[:extra_applications]])
  end

  test "the workspace has the same version", %{project: project} do
    assert File.read!("Cargo.toml") =~ ~r/^version = "#{Regex.escape(project[:version])}"$/m
  end
end
