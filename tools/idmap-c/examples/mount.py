#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0 OR MIT
"""Prints the way back of a map, and mounts a tree with it: mount.py MAP [SOURCE TARGET]"""

import ctypes
import os
import sys

idmap = ctypes.CDLL("libidmap.so.0")
idmap.idmap_error_message.restype = ctypes.c_char_p
idmap.idmap_maps_free.restype = None
pointer = ctypes.c_void_p
idmap.idmap_maps_parse.argtypes = [ctypes.c_char_p, ctypes.POINTER(pointer)]
idmap.idmap_maps_invert.argtypes = [pointer, ctypes.POINTER(pointer)]
idmap.idmap_maps_format.argtypes = [pointer, ctypes.c_char_p, ctypes.c_size_t]
idmap.idmap_maps_free.argtypes = [pointer]
idmap.idmap_mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, pointer, ctypes.c_uint]


def check(result):
    """Raises the error of a function that has failed."""
    if result < 0:
        raise OSError(-result, idmap.idmap_error_message().decode())
    return result


class Maps:
    """Maps of users and groups."""

    def __init__(self, text=None):
        self.maps = pointer()
        if text is not None:
            check(idmap.idmap_maps_parse(text.encode(), ctypes.byref(self.maps)))

    def __del__(self):
        idmap.idmap_maps_free(self.maps)

    def __str__(self):
        buffer = ctypes.create_string_buffer(65536)
        check(idmap.idmap_maps_format(self.maps, buffer, len(buffer)))
        return buffer.value.decode()

    def inverse(self):
        """The maps that lead back."""
        maps = Maps()
        check(idmap.idmap_maps_invert(self.maps, ctypes.byref(maps.maps)))
        return maps

    def mount(self, source, target):
        """Mounts a tree with other owners than on disk."""
        source, target = os.fsencode(source), os.fsencode(target)
        check(idmap.idmap_mount(source, target, self.maps, 0))


if len(sys.argv) not in (2, 4):
    sys.exit(__doc__)
try:
    MAPS = Maps(sys.argv[1])
    print(MAPS.inverse())
    if len(sys.argv) == 4:
        MAPS.mount(sys.argv[2], sys.argv[3])
except OSError as error:
    sys.exit(f"{error.strerror} ({error.errno})")
