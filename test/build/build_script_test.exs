defmodule Pando.Build.BuildScriptTest do
  @moduledoc "`native/build.sh` as mix and rebar3 call it, with a cargo that only says what it was asked for."
  use ExUnit.Case, async: true

  @artefact "pando_nif.so"
  @program "pando_port"
  @no_settings for name <- ~w(CARGO CARGO_TARGET_DIR CARGO_BUILD_TARGET PANDO_PREBUILT), do: {name, nil}

  setup do
    dir =
      Path.join(System.tmp_dir!(), "pando-build-script-#{System.unique_integer([:positive])}-#{System.pid()}")

    on_exit(fn -> File.rm_rf!(dir) end)
    checkout = Path.join(dir, "deps/pando")
    File.mkdir_p!(Path.join(checkout, "native"))
    File.cp!("native/build.sh", Path.join(checkout, "native/build.sh"))
    %{dir: dir, checkout: checkout, priv: Path.join(checkout, "priv")}
  end

  test "a finished artefact is installed without cargo", context do
    prebuilt = prebuilt(context, "the library")
    assert {"", 0} = build(context, PANDO_PREBUILT: prebuilt, CARGO: "/nonexistent/cargo")
    assert File.read!(Path.join(context.priv, @artefact)) == "the library"
    assert Enum.sort(File.ls!(context.priv)) == [@artefact, @program]
    assert File.stat!(Path.join(context.priv, @program)).mode |> Bitwise.band(0o111) == 0o111
  end

  test "an artefact that is missing from PANDO_PREBUILT is named", context do
    assert {message, 1} = build(context, PANDO_PREBUILT: Path.join(context.dir, "empty"))
    assert message == "pando: #{context.dir}/empty/#{@artefact} is missing\n"
  end

  test "a program that is missing from PANDO_PREBUILT is named", context do
    prebuilt = prebuilt(context, "the library")
    File.rm!(Path.join(prebuilt, @program))
    assert {message, 1} = build(context, PANDO_PREBUILT: prebuilt)
    assert message == "pando: #{prebuilt}/#{@program} is missing\n"
  end

  test "an unchanged artefact is not touched", context do
    prebuilt = prebuilt(context, "the library")
    assert {"", 0} = build(context, PANDO_PREBUILT: prebuilt)
    # Comparing the two reads it.
    stat = fn -> %{File.stat!(Path.join(context.priv, @artefact)) | atime: nil} end
    before = stat.()
    assert {"", 0} = build(context, PANDO_PREBUILT: prebuilt)
    assert stat.() == before
  end

  test "a changed artefact is a new file, and who has the old one open still sees the old one", context do
    assert {"", 0} = build(context, PANDO_PREBUILT: prebuilt(context, "the old library"))
    installed = Path.join(context.priv, @artefact)
    old_inode = File.stat!(installed).inode
    {:ok, opened} = :file.open(installed, [:read, :raw, :binary])

    assert {"", 0} = build(context, PANDO_PREBUILT: prebuilt(context, "the new library"))

    assert File.read!(installed) == "the new library"
    assert File.stat!(installed).inode != old_inode
    assert {:ok, "the old library"} = :file.read(opened, 100)
    :ok = :file.close(opened)
  end

  test "without cargo one line says what to install", context do
    assert {message, 1} = build(context, CARGO: "no-such-cargo")
    assert [line] = String.split(message, "\n", trim: true)
    assert line =~ "no-such-cargo not found: install Rust"
    assert line =~ ~r/PANDO_PREBUILT to a directory with #{@artefact} #{@program}$/
  end

  test "cargo works in target/ of the checkout, with the lock file as it is", context do
    assert {output, 0} = build(context, CARGO: fake_cargo(context))
    target = Path.join(context.checkout, "target")

    assert output =~
             "in #{context.checkout}: build --release --locked --target-dir #{target} -p pando_nif -p pando_port\n"

    for name <- [@artefact, @program],
        do: assert(File.read!(Path.join(context.priv, name)) == "made by cargo")
  end

  test "cargo works in CARGO_TARGET_DIR, relative to the directory of the caller", context do
    assert {output, 0} = build(context, CARGO: fake_cargo(context), CARGO_TARGET_DIR: "elsewhere")
    assert output =~ "--target-dir #{context.checkout}/elsewhere "
  end

  test "cargo shows its progress in the first build and is quiet after it", context do
    cargo = fake_cargo(context)
    assert {first, 0} = build(context, CARGO: cargo)
    assert first =~ "building the native library"
    refute first =~ "--quiet"
    assert {second, 0} = build(context, CARGO: cargo)
    assert second =~ "build --quiet"
    refute second =~ "building the native library"
  end

  test "a failure of cargo is a failure of the build and leaves what was installed", context do
    assert {"", 0} = build(context, PANDO_PREBUILT: prebuilt(context, "the library"))
    assert {output, 1} = build(context, CARGO: "false")
    assert output == "pando: cargo build failed (see above)\n"
    assert File.read!(Path.join(context.priv, @artefact)) == "the library"
  end

  defp build(context, settings) do
    settings = for {name, value} <- settings, do: {Atom.to_string(name), value}

    System.cmd("sh", ["native/build.sh", "priv"],
      cd: context.checkout,
      env: @no_settings ++ settings,
      stderr_to_stdout: true
    )
  end

  defp prebuilt(context, content) do
    directory = Path.join(context.dir, "prebuilt")
    File.mkdir_p!(directory)
    for name <- [@artefact, @program], do: File.write!(Path.join(directory, name), content)
    directory
  end

  # Writes library and program where cargo would, in the directory that follows --target-dir.
  defp fake_cargo(context) do
    path = Path.join(context.dir, "cargo")

    File.write!(path, """
    #!/bin/sh
    echo "in $PWD: $*"
    while [ "$1" != --target-dir ]; do shift; done
    mkdir -p "$2/release"
    for name in libpando_nif.so libpando_nif.dylib pando_port; do printf 'made by cargo' >"$2/release/$name"; done
    """)

    File.chmod!(path, 0o755)
    path
  end
end
