// SPDX-License-Identifier: GPL-2.0

//! Compile-time checks of the numbers that these files share with C.
//!
//! The files are also compiled on the host, where `bindings` does not exist. So they define the
//! numbers themselves.

use super::{
    fscaps,
    Capability,
    CapsRoot,
    CheckError, //
};
use crate::{
    bindings,
    fs::mode::{
        InodeFlags,
        Mask,
        Mode,
        Valid, //
    },
};
use core::mem::size_of;

/// Fails to compile unless each constant equals the one of the same name in C.
macro_rules! assert_bits {
    ($type:ident: $($name:ident)*) => {
        $(const _: () = assert!($type::$name.bits() as u64 == bindings::$name as u64);)*
    };
}

assert_bits! {
    Mode:
    S_IFMT S_IFLNK S_IFREG S_IFDIR S_IFIFO S_ISUID S_ISGID S_ISVTX S_IRWXG S_IWGRP S_IXGRP
    S_IWOTH S_IXUGO
}
assert_bits! {
    Mask:
    MAY_EXEC MAY_WRITE MAY_READ MAY_APPEND MAY_ACCESS MAY_OPEN MAY_CHDIR MAY_NOT_BLOCK
}
assert_bits! {
    InodeFlags:
    S_APPEND S_IMMUTABLE S_DEAD S_SWAPFILE S_VERITY
}
assert_bits! {
    Valid:
    ATTR_MODE ATTR_UID ATTR_GID ATTR_SIZE ATTR_ATIME ATTR_MTIME ATTR_CTIME ATTR_ATIME_SET
    ATTR_MTIME_SET ATTR_FORCE ATTR_KILL_SUID ATTR_KILL_SGID ATTR_KILL_PRIV ATTR_TIMES_SET
    ATTR_TOUCH
}

const _: () = {
    let rwx = bindings::MAY_READ | bindings::MAY_WRITE | bindings::MAY_EXEC;
    assert!(Mask::RWX.bits() == rwx);
};

/// Fails to compile unless each error number equals the one of the same name in C.
macro_rules! assert_errors {
    ($($name:ident)*) => {
        $(const _: () = assert!(CheckError::$name.to_errno() == -(bindings::$name as i32));)*
    };
}

assert_errors! {
    EPERM ENOENT EIO EBADF ECHILD EAGAIN EACCES EEXIST EINVAL EROFS ENODATA EOVERFLOW EOPNOTSUPP
}

/// Fails to compile unless each capability has its number in C.
macro_rules! assert_capabilities {
    ($($name:ident: $c:ident,)*) => {
        $(const _: () = assert!(Capability::$name as u32 == bindings::$c);)*
    };
}

assert_capabilities! {
    Chown: CAP_CHOWN,
    DacOverride: CAP_DAC_OVERRIDE,
    DacReadSearch: CAP_DAC_READ_SEARCH,
    Fowner: CAP_FOWNER,
    Fsetid: CAP_FSETID,
    SysAdmin: CAP_SYS_ADMIN,
    Setfcap: CAP_SETFCAP,
}

const _: () = {
    assert!(fscaps::REVISION_MASK == bindings::VFS_CAP_REVISION_MASK);
    assert!(fscaps::EFFECTIVE == bindings::VFS_CAP_FLAGS_EFFECTIVE);
    assert!(fscaps::REVISION_1 == bindings::VFS_CAP_REVISION_1);
    assert!(fscaps::REVISION_2 == bindings::VFS_CAP_REVISION_2);
    assert!(fscaps::REVISION_3 == bindings::VFS_CAP_REVISION_3);
    assert!(CapsRoot::V2.size() == size_of::<bindings::vfs_cap_data>());
    assert!(CapsRoot::MAX_SIZE == size_of::<bindings::vfs_ns_cap_data>());
};
