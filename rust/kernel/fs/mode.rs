// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Modes, masks and flags, with the values that they have in C.

use core::fmt;

macro_rules! bits {
    ($(
        $(#[$meta:meta])*
        $name:ident: $int:ident {
            $($(#[$bit_meta:meta])* $bit:ident = $value:expr;)*
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        #[repr(transparent)]
        pub struct $name($int);

        impl $name {
            $($(#[$bit_meta])* pub const $bit: Self = Self($value);)*

            /// Takes C's number.
            #[inline(always)]
            pub const fn new(bits: $int) -> Self {
                Self(bits)
            }

            /// Gives C's number.
            #[inline(always)]
            pub const fn bits(self) -> $int {
                self.0
            }

            /// Whether all of `bits` are set.
            #[inline(always)]
            pub const fn has(self, bits: Self) -> bool {
                self.0 & bits.0 == bits.0
            }

            /// Whether one of `bits` is set.
            #[inline(always)]
            pub const fn has_any(self, bits: Self) -> bool {
                self.0 & bits.0 != 0
            }

            /// With `bits` set.
            #[inline(always)]
            pub const fn with(self, bits: Self) -> Self {
                Self(self.0 | bits.0)
            }

            /// With `bits` cleared.
            #[inline(always)]
            pub const fn without(self, bits: Self) -> Self {
                Self(self.0 & !bits.0)
            }

            /// What is set in both.
            #[inline(always)]
            pub const fn intersection(self, bits: Self) -> Self {
                Self(self.0 & bits.0)
            }
        }
    )* };
}

bits! {
    /// The kind and the permissions of an object, C's `umode_t`.
    Mode: u16 {
        /// Nothing.
        EMPTY = 0;
        /// The bits that say what kind of object it is.
        S_IFMT = 0o170000;
        /// A symbolic link.
        S_IFLNK = 0o120000;
        /// A regular file.
        S_IFREG = 0o100000;
        /// A directory.
        S_IFDIR = 0o040000;
        /// A named pipe.
        S_IFIFO = 0o010000;
        /// Who executes it gets its owner's id.
        S_ISUID = 0o4000;
        /// Who executes it gets its group's id; what is made in it gets its group.
        S_ISGID = 0o2000;
        /// In it, only owners remove names.
        S_ISVTX = 0o1000;
        /// All permissions of the group.
        S_IRWXG = 0o070;
        /// The group may write.
        S_IWGRP = 0o020;
        /// The group may execute.
        S_IXGRP = 0o010;
        /// Others may write.
        S_IWOTH = 0o002;
        /// Anybody may execute.
        S_IXUGO = 0o111;
    }

    /// What a caller wants to do, C's `MAY_...`.
    Mask: u32 {
        /// Execute, or search a directory.
        MAY_EXEC = 1;
        /// Write.
        MAY_WRITE = 2;
        /// Read.
        MAY_READ = 4;
        /// Append; comes with [`Mask::MAY_WRITE`].
        MAY_APPEND = 8;
        /// Asked by `access()`.
        MAY_ACCESS = 0x10;
        /// Asked by `open()`.
        MAY_OPEN = 0x20;
        /// Asked by `chdir()`.
        MAY_CHDIR = 0x40;
        /// Asked in RCU walk: where an answer takes waiting it is
        /// [`ECHILD`](super::permission::CheckError::ECHILD).
        MAY_NOT_BLOCK = 0x80;
        /// What the permission bits of a mode speak of.
        RWX = 7;
    }

    /// What else an inode says of itself, C's `inode->i_flags`.
    InodeFlags: u32 {
        /// Nothing.
        EMPTY = 0;
        /// It grows, but nothing of it is changed.
        S_APPEND = 1 << 2;
        /// Nothing of it is changed.
        S_IMMUTABLE = 1 << 3;
        /// It is a directory that was removed.
        S_DEAD = 1 << 4;
        /// It is in use as swap.
        S_SWAPFILE = 1 << 8;
        /// Its contents are sealed.
        S_VERITY = 1 << 16;
    }

    /// What of an inode is to be changed, and how: C's `ATTR_...`.
    Valid: u32 {
        /// Nothing.
        EMPTY = 0;
        /// The mode.
        ATTR_MODE = 1 << 0;
        /// The owner.
        ATTR_UID = 1 << 1;
        /// The group.
        ATTR_GID = 1 << 2;
        /// The size.
        ATTR_SIZE = 1 << 3;
        /// The time of the last access, to now.
        ATTR_ATIME = 1 << 4;
        /// The time of the last change of the contents, to now.
        ATTR_MTIME = 1 << 5;
        /// The time of the last change of anything, to now.
        ATTR_CTIME = 1 << 6;
        /// The time of the last access, to one that was given.
        ATTR_ATIME_SET = 1 << 7;
        /// The time of the last change of the contents, to one that was given.
        ATTR_MTIME_SET = 1 << 8;
        /// Whoever wants it.
        ATTR_FORCE = 1 << 9;
        /// The set-user-id bit is to be taken away.
        ATTR_KILL_SUID = 1 << 11;
        /// The set-group-id bit is to be taken away.
        ATTR_KILL_SGID = 1 << 12;
        /// File capabilities are to be taken away.
        ATTR_KILL_PRIV = 1 << 14;
        /// Both times, to ones that were given.
        ATTR_TIMES_SET = 1 << 16;
        /// Both times, to now.
        ATTR_TOUCH = 1 << 17;
    }
}

impl Mode {
    /// What kind of object it is.
    #[inline(always)]
    pub const fn kind(self) -> Self {
        self.intersection(Self::S_IFMT)
    }

    /// Whether it is a directory.
    #[inline(always)]
    pub const fn is_dir(self) -> bool {
        self.kind().0 == Self::S_IFDIR.0
    }

    /// Whether it is a regular file.
    #[inline(always)]
    pub const fn is_reg(self) -> bool {
        self.kind().0 == Self::S_IFREG.0
    }

    /// Whether it is a symbolic link.
    #[inline(always)]
    pub const fn is_lnk(self) -> bool {
        self.kind().0 == Self::S_IFLNK.0
    }

    /// Whether it is a named pipe.
    #[inline(always)]
    pub const fn is_fifo(self) -> bool {
        self.kind().0 == Self::S_IFIFO.0
    }
}

impl fmt::Debug for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#o}", self.0)
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for InodeFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}
