import Config

# Absolute, because a release may be started from any directory.
config :mix_app, data_dir: Path.expand(System.get_env("DATA_DIR", "data"))
