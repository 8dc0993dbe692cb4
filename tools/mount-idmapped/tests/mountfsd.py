#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""In the place of systemd-nsresourced and systemd-mountfsd: mountfsd.py DIRECTORY RANGE [OLD]

Both have their sockets in DIRECTORY. A user namespace gets the 65536 ids from RANGE on, and the
mount of a directory the map of its owner to the first of them. An OLD service of mounts has no
method for directories."""

import array
import ctypes
import json
import os
import socket
import subprocess
import sys
import time

AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, OPEN_TREE_CLONE = 0x1000, 0x100, 1
MOUNT_ATTR_RDONLY, MOUNT_ATTR_IDMAP = 1, 0x100000
OPEN_TREE, MOUNT_SETATTR = 428, 442
libc = ctypes.CDLL(None, use_errno=True)
directory, first = sys.argv[1], int(sys.argv[2])


def write_maps(pid, line):
    for name in "uid_map", "gid_map":
        with open(f"/proc/{pid}/{name}", "w") as file:
            file.write(line)


def in_namespace(words):
    """Starts a process in a user namespace, and waits until it is there."""
    process = subprocess.Popen(words + ["sleep", "60"])
    own = os.readlink("/proc/self/ns/user")
    while os.readlink(f"/proc/{process.pid}/ns/user") == own:
        time.sleep(0.01)
    return process


def allocate(parameters, files):
    assert parameters["size"] == 65536 and 0 < len(parameters["name"]) <= 16
    path = f"/proc/{os.getpid()}/fd/{files[parameters['userNamespaceFileDescriptor']]}"
    process = in_namespace(["nsenter", f"--user={path}", "--preserve-credentials"])
    write_maps(process.pid, f"0 {first} 65536")
    process.kill()
    return {}, []


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mount(parameters, files):
    source = files[parameters["directoryFileDescriptor"]]
    assert files[parameters["userNamespaceFileDescriptor"]] != source
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC | AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW
    tree = check(libc.syscall(OPEN_TREE, source, b"", flags))
    process = in_namespace(["unshare", "--user"])
    write_maps(process.pid, f"{os.fstat(source).st_uid} {first} 1")
    with open(f"/proc/{process.pid}/ns/user") as userns:
        attributes = MOUNT_ATTR_IDMAP | (MOUNT_ATTR_RDONLY if parameters["readOnly"] else 0)
        words = array.array("Q", [attributes, 0, 0, userns.fileno()]).tobytes()
        check(libc.syscall(MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, words, len(words)))
    process.kill()
    return {"mountFileDescriptor": 0}, [tree]


def serve(listener, methods):
    while True:
        connection, _ = listener.accept()
        text, files = b"", []
        while not text.endswith(b"\0"):
            part, more, _, _ = socket.recv_fds(connection, 4096, 4)
            text += part
            files += more
        call = json.loads(text[:-1])
        method = methods.get(call["method"])
        if method is None:
            reply, out = {"error": "org.varlink.service.MethodNotFound", "parameters": {}}, []
        else:
            parameters, out = method(call["parameters"], files)
            reply = {"parameters": parameters}
        socket.send_fds(connection, [json.dumps(reply).encode() + b"\0"], out)
        connection.close()
        for file in files + out:
            os.close(file)


def listen(interface):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{directory}/{interface}")
    os.chmod(f"{directory}/{interface}", 0o666)
    listener.listen()
    return listener


RESOURCES, MOUNTS = "io.systemd.NamespaceResource", "io.systemd.MountFileSystem"
resources, mounts = listen(RESOURCES), listen(MOUNTS)
is_old = len(sys.argv) > 3
if os.fork() == 0:
    serve(resources, {f"{RESOURCES}.AllocateUserRange": allocate})
serve(mounts, {} if is_old else {f"{MOUNTS}.MountDirectory": mount})
