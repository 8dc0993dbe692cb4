// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Ioctls on subvolumes of btrfs, without an allocation.

use std::ffi::{CStr, c_char, c_int};

use super::{
    super::btrfs::{Subvol, VolArgs},
    error,
    number::Number,
};

/// Opens a directory for reading and makes an ioctl with a name in it; an error number, or zero.
/// `own` is `/proc/self/fd`, and `number` a name in it, of the subvolume of a snapshot.
pub(super) fn act(
    kind: Subvol,
    own: c_int,
    number: *const c_char,
    directory: c_int,
    name: &CStr,
) -> i32 {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK;
    let directory = Number::of(directory);
    // SAFETY: The names end with a NUL, and the arguments have the size that the opcode names; all
    // live until the calls return.
    unsafe {
        let source = match kind {
            Subvol::Snapshot => libc::syscall(libc::SYS_openat, own, number, flags, 0),
            Subvol::Create | Subvol::Delete => 0,
        };
        if source < 0 {
            return error(source);
        }
        let flags = flags | libc::O_DIRECTORY;
        let directory = libc::syscall(libc::SYS_openat, own, directory.as_ptr(), flags, 0);
        if directory < 0 {
            return error(directory);
        }
        let Some(args) = VolArgs::new(source as c_int, name) else {
            return libc::ENAMETOOLONG;
        };
        let args = std::ptr::from_ref(&args);
        error(libc::syscall(
            libc::SYS_ioctl,
            directory,
            kind.opcode(),
            args,
        ))
    }
}
