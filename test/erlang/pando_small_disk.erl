%% Real file systems of a few MiB, to be filled up. Mounting takes the rights of root, on Linux.
-module(pando_small_disk).

-export([may_mount/0, has_tools/1, mount/2, unmount/1, fill/1, make_room/1]).

%% `bind': a directory mounted at another place.
-type kind() :: tmpfs | ext4 | bind.

-define(DISK_MIB, 12).
-define(BALLAST_SIZE_BYTES, 64 * 1024).
%% A full file system may still have this much in pieces that one file cannot use.
-define(BALLAST_SIZE_BYTES_MIN, 512).

%% Or why not.
-spec may_mount() -> true | {false, string()}.
may_mount() ->
    pando_test_store:with_dir(fun(Dir) ->
        ok = filelib:ensure_path(Dir),
        case mount(tmpfs, Dir) of
            "" ->
                ok = unmount(Dir),
                true;
            Why ->
                {false, Why}
        end
    end).

-spec has_tools(kind()) -> boolean().
has_tools(ext4) -> os:find_executable("mkfs.ext4") =/= false andalso os:find_executable("chattr") =/= false;
has_tools(_) -> true.

%% Answers what went wrong.
-spec mount(kind(), file:filename()) -> string().
mount(tmpfs, Dir) ->
    os:cmd(io_lib:format("mount -t tmpfs -o size=~bm,mode=755 pando-test ~ts 2>&1", [?DISK_MIB, Dir]));
mount(ext4, Dir) ->
    Image = image(Dir),
    Make = io_lib:format("truncate -s ~bM ~ts && mkfs.ext4 -q -m 0 ~ts 2>&1", [?DISK_MIB, Image, Image]),
    "" = os:cmd(Make),
    os:cmd(io_lib:format("mount -o loop ~ts ~ts 2>&1", [Image, Dir]));
mount(bind, Dir) ->
    ok = filelib:ensure_path(bound(Dir)),
    os:cmd(io_lib:format("mount --bind ~ts ~ts 2>&1", [bound(Dir), Dir])).

%% At once, also if a store that a failed test has left is still in it.
-spec unmount(file:filename()) -> ok.
unmount(Dir) ->
    _ = os:cmd("umount -l " ++ Dir ++ " 2>&1"),
    _ = file:delete(image(Dir)),
    _ = file:del_dir_r(bound(Dir)),
    ok.

%% Takes all that is left of a disk.
-spec fill(file:filename()) -> ok.
fill(Dir) ->
    {ok, Ballast} = file:open(ballast(Dir), [raw, append]),
    ok = fill(Ballast, ?BALLAST_SIZE_BYTES),
    ok = file:close(Ballast).

fill(_Ballast, Size) when Size < ?BALLAST_SIZE_BYTES_MIN -> ok;
fill(Ballast, Size) ->
    case file:write(Ballast, binary:copy(<<1>>, Size)) of
        ok -> fill(Ballast, Size);
        {error, enospc} -> fill(Ballast, Size div 2)
    end.

-spec make_room(file:filename()) -> ok.
make_room(Dir) -> file:delete(ballast(Dir)).

ballast(Dir) -> filename:join(Dir, "ballast").

image(Dir) -> Dir ++ ".image".

bound(Dir) -> Dir ++ ".bound".
