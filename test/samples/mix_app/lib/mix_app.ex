defmodule MixApp do
  @moduledoc "A wood merchant's stock, kept in Pando."

  @doc "Sets how many pieces of a kind of wood are there."
  def put_stock(kind, pieces) do
    Pando.put(:my_store, "/stock/wood/" <> kind, pieces)
  end

  @doc "How many pieces of a kind of wood are there."
  def stock(kind) do
    Pando.get!(:my_store, "/stock/wood/" <> kind)
  end
end
