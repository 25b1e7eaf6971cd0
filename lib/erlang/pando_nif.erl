%% @private The native library, inside the VM. Nothing but stubs: `pando_backend' says what each function does.
%%
%% A second version of this module cannot be loaded beside the first: a new native library needs a restart of the VM.
-module(pando_nif).
-behaviour(pando_backend).

-export([
    open/7,
    close/1,
    stores/0,
    get_data/2,
    exists/2,
    has_data/2,
    read_quick/3,
    read/3,
    scan/4,
    scan_next/1,
    count_next/1,
    submit/4,
    answer/1,
    cancel/1,
    status/1,
    limits/0
]).
%% For drills and for the floors of the benchmark.
-export([provoke_panic/2, noop/0, noop_dirty/0]).

-on_load(load/0).

-nifs([
    open/7,
    close/1,
    stores/0,
    get_data/2,
    exists/2,
    has_data/2,
    read_quick/3,
    read/3,
    scan/4,
    scan_next/1,
    count_next/1,
    submit/4,
    answer/1,
    cancel/1,
    status/1,
    limits/0,
    provoke_panic/2,
    noop/0,
    noop_dirty/0
]).

load() ->
    erlang:load_nif(filename:join(priv_dir(), "pando_nif"), 0).

%% Beside the beam files when the application is not installed as one (plain `erl -pa').
priv_dir() ->
    case code:priv_dir(pando) of
        {error, bad_name} ->
            Beam = code:which(?MODULE),
            filename:join(filename:dirname(filename:dirname(Beam)), "priv");
        Dir ->
            Dir
    end.

open(_Store, _Name, _Directory, _NodeName, _Holder, _NewStoreId, _Incarnation) -> not_loaded().
close(_Store) -> not_loaded().
stores() -> not_loaded().
get_data(_Store, _Path) -> not_loaded().
exists(_Store, _Path) -> not_loaded().
has_data(_Store, _Path) -> not_loaded().
read_quick(_Store, _Path, _PropsBits) -> not_loaded().
read(_Store, _Path, _PropsBits) -> not_loaded().
scan(_Store, _Pattern, _PropsBits, _IncludeRoot) -> not_loaded().
scan_next(_Cursor) -> not_loaded().
count_next(_Cursor) -> not_loaded().
submit(_Store, _Reference, _Request, _Cancellable) -> not_loaded().
answer(_Answer) -> not_loaded().
cancel(_Token) -> not_loaded().
status(_Store) -> not_loaded().
limits() -> not_loaded().

%% @doc Makes a thread of a store panic, as a drill: the store halts, says why, and its supervisor opens it again.
-spec provoke_panic(pando_backend:store_id(), ingest | apply | log | reply) -> ok | noproc.
provoke_panic(_Store, _Thread) -> not_loaded().

%% @doc Does nothing, on a normal scheduler.
-spec noop() -> ok.
noop() -> not_loaded().

%% @doc Does nothing, on a dirty scheduler.
-spec noop_dirty() -> ok.
noop_dirty() -> not_loaded().

-spec not_loaded() -> no_return().
not_loaded() ->
    erlang:nif_error({not_loaded, ?MODULE}).
