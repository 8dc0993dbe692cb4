// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Mode bits, permission masks and flags of inodes, with the values of C.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h),
//! [`include/uapi/linux/stat.h`](srctree/include/uapi/linux/stat.h)

#[cfg(CONFIG_RUST)]
mod check;

/// Declares a type of flags that has the representation and the values of C.
///
/// [`impl_flags!`](crate::impl_flags) has no `const` operators; permission checks and tables for C
/// need them.
macro_rules! flags {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident($int:ident) {
            $($(#[$bit_meta:meta])* $bit:ident = $value:expr;)*
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(transparent)]
        $vis struct $name($int);

        impl $name {
            $($(#[$bit_meta])* pub const $bit: Self = Self($value);)*

            /// Creates the flags from their C representation.
            #[inline(always)]
            pub const fn new(bits: $int) -> Self {
                Self(bits)
            }

            /// Returns the C representation.
            #[inline(always)]
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Checks whether all of `bits` are set.
            #[inline(always)]
            pub const fn has(self, bits: Self) -> bool {
                self.0 & bits.0 == bits.0
            }

            /// Checks whether at least one of `bits` is set.
            #[inline(always)]
            pub const fn has_any(self, bits: Self) -> bool {
                self.0 & bits.0 != 0
            }

            /// Checks whether no flag outside of `bits` is set.
            #[inline(always)]
            pub const fn is_subset_of(self, bits: Self) -> bool {
                self.0 & !bits.0 == 0
            }

            /// Returns the flags with `bits` set.
            #[inline(always)]
            #[must_use]
            pub const fn with(self, bits: Self) -> Self {
                Self(self.0 | bits.0)
            }

            /// Returns the flags with `bits` cleared.
            #[inline(always)]
            #[must_use]
            pub const fn without(self, bits: Self) -> Self {
                Self(self.0 & !bits.0)
            }

            /// Returns the flags that are set in both.
            #[inline(always)]
            #[must_use]
            pub const fn intersection(self, bits: Self) -> Self {
                Self(self.0 & bits.0)
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({:#o})"), self.0)
            }
        }
    )* };
}

#[allow(unused_imports)] // Only the abstractions of filesystems use the macro.
pub(crate) use flags;

flags! {
    /// The type and the permission bits of an inode: `umode_t`.
    pub struct Mode(u16) {
        /// No bits.
        EMPTY = 0;
        /// The mask of the file type.
        S_IFMT = 0o170000;
        /// Socket.
        S_IFSOCK = 0o140000;
        /// Symbolic link.
        S_IFLNK = 0o120000;
        /// Regular file.
        S_IFREG = 0o100000;
        /// Block device.
        S_IFBLK = 0o060000;
        /// Directory.
        S_IFDIR = 0o040000;
        /// Character device.
        S_IFCHR = 0o020000;
        /// Named pipe.
        S_IFIFO = 0o010000;
        /// Set-user-id bit.
        S_ISUID = 0o4000;
        /// Set-group-id bit.
        S_ISGID = 0o2000;
        /// Sticky bit.
        S_ISVTX = 0o1000;
        /// Read, write and execute permission of the group.
        S_IRWXG = 0o070;
        /// Write permission of the group.
        S_IWGRP = 0o020;
        /// Execute permission of the group.
        S_IXGRP = 0o010;
        /// Write permission of others.
        S_IWOTH = 0o002;
        /// Execute permission of the owner, the group and others.
        S_IXUGO = 0o111;
    }

    /// The permissions that a check is made for: `MAY_*`.
    pub struct Mask(u32) {
        /// Execute a file, or search a directory.
        MAY_EXEC = 1;
        /// Write.
        MAY_WRITE = 2;
        /// Read.
        MAY_READ = 4;
        /// Append. Implies [`Mask::MAY_WRITE`].
        MAY_APPEND = 8;
        /// The check is made by `access()`.
        MAY_ACCESS = 0x10;
        /// The check is made by `open()`.
        MAY_OPEN = 0x20;
        /// The check is made by `chdir()`.
        MAY_CHDIR = 0x40;
        /// The check is made in RCU walk. It must not sleep; it fails with
        /// [`ECHILD`](super::permission::CheckError::ECHILD) instead.
        MAY_NOT_BLOCK = 0x80;
        /// The permissions that mode bits and ACLs grant.
        RWX = 7;
    }

    /// Inode flags: `S_*` in `inode->i_flags`.
    pub struct InodeFlags(u32) {
        /// No flags.
        EMPTY = 0;
        /// The file is append-only.
        S_APPEND = 1 << 2;
        /// The inode is immutable.
        S_IMMUTABLE = 1 << 3;
        /// The directory was removed.
        S_DEAD = 1 << 4;
        /// The file is in use as swap.
        S_SWAPFILE = 1 << 8;
        /// The contents of the file are protected by fs-verity.
        S_VERITY = 1 << 16;
    }

    /// The attributes that a `struct iattr` changes: `ATTR_*` in `ia_valid`.
    pub struct Valid(u32) {
        /// No attribute.
        EMPTY = 0;
        /// Change the mode.
        ATTR_MODE = 1 << 0;
        /// Change the owner.
        ATTR_UID = 1 << 1;
        /// Change the group.
        ATTR_GID = 1 << 2;
        /// Change the size.
        ATTR_SIZE = 1 << 3;
        /// Change the access time, to now unless [`Valid::ATTR_ATIME_SET`] is set.
        ATTR_ATIME = 1 << 4;
        /// Change the modification time, to now unless [`Valid::ATTR_MTIME_SET`] is set.
        ATTR_MTIME = 1 << 5;
        /// Change the change time to now.
        ATTR_CTIME = 1 << 6;
        /// The access time is given.
        ATTR_ATIME_SET = 1 << 7;
        /// The modification time is given.
        ATTR_MTIME_SET = 1 << 8;
        /// Change the attributes without permission checks.
        ATTR_FORCE = 1 << 9;
        /// Clear the set-user-id bit.
        ATTR_KILL_SUID = 1 << 11;
        /// Clear the set-group-id bit.
        ATTR_KILL_SGID = 1 << 12;
        /// Remove the file capabilities.
        ATTR_KILL_PRIV = 1 << 14;
        /// Both times are given.
        ATTR_TIMES_SET = 1 << 16;
        /// Change both times to now.
        ATTR_TOUCH = 1 << 17;
    }
}

impl Mode {
    /// Returns the file type.
    #[inline(always)]
    pub const fn kind(self) -> Self {
        self.intersection(Self::S_IFMT)
    }

    /// Checks for a directory.
    #[inline(always)]
    pub const fn is_dir(self) -> bool {
        self.kind().0 == Self::S_IFDIR.0
    }

    /// Checks for a regular file.
    #[inline(always)]
    pub const fn is_reg(self) -> bool {
        self.kind().0 == Self::S_IFREG.0
    }

    /// Checks for a symbolic link.
    #[inline(always)]
    pub const fn is_lnk(self) -> bool {
        self.kind().0 == Self::S_IFLNK.0
    }

    /// Checks for a named pipe.
    #[inline(always)]
    pub const fn is_fifo(self) -> bool {
        self.kind().0 == Self::S_IFIFO.0
    }
}
