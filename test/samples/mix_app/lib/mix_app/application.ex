defmodule MixApp.Application do
  @moduledoc "Starts the store before whatever uses it."
  use Application

  @impl true
  def start(_type, _args) do
    data_dir = Application.fetch_env!(:mix_app, :data_dir)
    children = [{Pando, name: :my_store, data_dir: data_dir}]
    Supervisor.start_link(children, strategy: :one_for_one, name: MixApp.Supervisor)
  end
end
