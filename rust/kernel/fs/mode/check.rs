// SPDX-License-Identifier: GPL-2.0

//! Compile-time comparison of the values in [`mode`](super) with those of the C headers.

use super::{
    InodeFlags,
    Mask,
    Mode,
    Valid, //
};
use crate::bindings;

/// Asserts that constants have the values of the C constants of the same name.
macro_rules! same {
    ($($name:ident::$bit:ident),* $(,)?) => {
        $(const _: () = assert!($name::$bit.bits() as u64 == bindings::$bit as u64);)*
    };
}

same! {
    Mode::S_IFMT,
    Mode::S_IFSOCK,
    Mode::S_IFLNK,
    Mode::S_IFREG,
    Mode::S_IFBLK,
    Mode::S_IFDIR,
    Mode::S_IFCHR,
    Mode::S_IFIFO,
    Mode::S_ISUID,
    Mode::S_ISGID,
    Mode::S_ISVTX,
    Mode::S_IRWXG,
    Mode::S_IWGRP,
    Mode::S_IXGRP,
    Mode::S_IWOTH,
    Mask::MAY_EXEC,
    Mask::MAY_WRITE,
    Mask::MAY_READ,
    Mask::MAY_APPEND,
    Mask::MAY_ACCESS,
    Mask::MAY_OPEN,
    Mask::MAY_CHDIR,
    Mask::MAY_NOT_BLOCK,
    InodeFlags::S_APPEND,
    InodeFlags::S_IMMUTABLE,
    InodeFlags::S_DEAD,
    InodeFlags::S_SWAPFILE,
    InodeFlags::S_VERITY,
    Valid::ATTR_MODE,
    Valid::ATTR_UID,
    Valid::ATTR_GID,
    Valid::ATTR_SIZE,
    Valid::ATTR_ATIME,
    Valid::ATTR_MTIME,
    Valid::ATTR_CTIME,
    Valid::ATTR_ATIME_SET,
    Valid::ATTR_MTIME_SET,
    Valid::ATTR_FORCE,
    Valid::ATTR_KILL_SUID,
    Valid::ATTR_KILL_SGID,
    Valid::ATTR_KILL_PRIV,
    Valid::ATTR_TIMES_SET,
    Valid::ATTR_TOUCH,
}

const _: () = assert!(
    Mode::S_IXUGO.bits() as u32 == bindings::S_IXUSR | bindings::S_IXGRP | bindings::S_IXOTH
);
