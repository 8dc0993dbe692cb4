// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Ioctls of btrfs on subvolumes, from `linux/btrfs.h`.

use std::{
    ffi::{CStr, c_int, c_long},
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::{
    io::Errno,
    ioctl::{Opcode, opcode},
};

use super::check;

/// `BTRFS_IOCTL_MAGIC`.
const MAGIC: u8 = 0x94;
/// `BTRFS_FIRST_FREE_OBJECTID`, the inode number of the root directory of each subvolume.
pub(crate) const FIRST_FREE_OBJECTID: u64 = 256;

/// `BTRFS_IOC_SNAP_CREATE`.
const SNAP_CREATE: Opcode = opcode::write::<VolArgs>(MAGIC, 1);
/// `BTRFS_IOC_SUBVOL_CREATE`.
const SUBVOL_CREATE: Opcode = opcode::write::<VolArgs>(MAGIC, 14);
/// `BTRFS_IOC_SNAP_DESTROY`.
const SNAP_DESTROY: Opcode = opcode::write::<VolArgs>(MAGIC, 15);
/// `BTRFS_IOC_TREE_SEARCH`.
const TREE_SEARCH: Opcode = opcode::read_write::<Search>(MAGIC, 17);
/// `BTRFS_IOC_SUBVOL_SETFLAGS`.
const SUBVOL_SETFLAGS: Opcode = opcode::write::<u64>(MAGIC, 26);
/// `BTRFS_IOC_GET_SUBVOL_INFO`, since Linux 4.18.
const GET_SUBVOL_INFO: Opcode = opcode::read::<Info>(MAGIC, 60);
/// `BTRFS_IOC_GET_SUBVOL_ROOTREF`, likewise.
const GET_SUBVOL_ROOTREF: Opcode = opcode::read_write::<References>(MAGIC, 61);

/// `struct btrfs_ioctl_vol_args`.
#[repr(C)]
pub(crate) struct VolArgs {
    pub(crate) fd: i64,
    pub(crate) name: [u8; 4088],
}

/// `struct btrfs_ioctl_get_subvol_info_args`, as far as its flags.
#[repr(C)]
struct Info {
    tree: u64,
    name: [u8; 256],
    /// The parent, its directory, and the generation.
    parent: [u64; 3],
    flags: u64,
    /// Identifiers, numbers and times of other subvolumes.
    rest: [u64; 26],
}

/// `struct btrfs_ioctl_get_subvol_rootref_args`.
#[repr(C)]
struct References {
    least: u64,
    found: [[u64; 2]; 255],
    count: u8,
    align: [u8; 7],
}

/// `struct btrfs_ioctl_search_args`.
#[repr(C)]
struct Search {
    /// A tree, the least and the greatest object id, offset and transaction.
    tree: u64,
    objects: [u64; 2],
    offsets: [u64; 2],
    transactions: [u64; 2],
    /// The least and the greatest type, and the number of items.
    types: [u32; 2],
    count: u32,
    unused: u32,
    spare: [u64; 4],
    found: [u8; 3992],
}

/// What an operation does with a name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subvol {
    Create,
    Delete,
    Snapshot,
}

impl Subvol {
    pub(crate) const fn opcode(self) -> Opcode {
        match self {
            Self::Create => SUBVOL_CREATE,
            Self::Delete => SNAP_DESTROY,
            Self::Snapshot => SNAP_CREATE,
        }
    }
}

impl VolArgs {
    /// The arguments of an operation, without memory of its own.
    pub(crate) fn new(fd: c_int, name: &CStr) -> Option<Self> {
        let mut args = Self {
            fd: fd.into(),
            name: [0; 4088],
        };
        let bytes = name.to_bytes_with_nul();
        args.name.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(args)
    }
}

/// Makes an ioctl whose argument is read and written by the kernel.
fn ioctl<T>(file: BorrowedFd<'_>, opcode: Opcode, argument: &mut T) -> Result<(), Errno> {
    let place = std::ptr::from_mut(argument);
    // SAFETY: The opcodes of this file name the size of the argument, which lives until the call
    // returns.
    check(unsafe { libc::syscall(libc::SYS_ioctl, file.as_raw_fd(), opcode, place) } as c_long)
        .map(drop)
}

/// The tree that a file is in, and whether its subvolume is read-only.
pub(crate) fn subvolume_of(file: BorrowedFd<'_>) -> Result<(u64, bool), Errno> {
    /// `BTRFS_ROOT_SUBVOL_RDONLY`, as `BTRFS_IOC_GET_SUBVOL_INFO` returns the flags of the tree.
    const READ_ONLY: u64 = 1 << 0;
    let mut info = Info {
        tree: 0,
        name: [0; 256],
        parent: [0; 3],
        flags: 0,
        rest: [0; 26],
    };
    ioctl(file, GET_SUBVOL_INFO, &mut info)?;
    Ok((info.tree, info.flags & READ_ONLY != 0))
}

/// Whether there are subvolumes in the one whose root directory this is.
pub(crate) fn has_subvolumes(file: BorrowedFd<'_>) -> Result<bool, Errno> {
    let mut references = References {
        least: 0,
        found: [[0; 2]; 255],
        count: 0,
        align: [0; 7],
    };
    match ioctl(file, GET_SUBVOL_ROOTREF, &mut references) {
        // There are more than the buffer holds.
        Err(Errno::OVERFLOW) => Ok(true),
        answer => answer.map(|()| references.count != 0),
    }
}

/// The tree of the subvolume that is mounted by default; this takes `CAP_SYS_ADMIN`.
pub(crate) fn default_subvolume(file: BorrowedFd<'_>) -> Result<Option<u64>, Errno> {
    /// `BTRFS_ROOT_TREE_OBJECTID`, `BTRFS_ROOT_TREE_DIR_OBJECTID` and `BTRFS_DIR_ITEM_KEY`.
    const ROOT_TREE: u64 = 1;
    const ROOT_TREE_DIR: u64 = 6;
    const DIR_ITEM: u32 = 84;
    /// The length of `struct btrfs_ioctl_search_header`, after which the item has the object id
    /// of its place at its begin and its name after `struct btrfs_dir_item`.
    const HEADER: usize = 32;
    const NAME: usize = HEADER + 30;
    let mut search = Search {
        tree: ROOT_TREE,
        objects: [ROOT_TREE_DIR; 2],
        offsets: [0, u64::MAX],
        transactions: [0, u64::MAX],
        types: [DIR_ITEM; 2],
        count: 1,
        unused: 0,
        spare: [0; 4],
        found: [0; 3992],
    };
    ioctl(file, TREE_SEARCH, &mut search)?;
    let name = search.found.get(NAME..NAME + 7);
    let tree = search.found.get(HEADER..).and_then(<[u8]>::first_chunk);
    let is_default = search.count == 1 && name == Some(b"default");
    Ok(tree
        .filter(|_| is_default)
        .map(|tree| u64::from_le_bytes(*tree)))
}

/// Makes a subvolume in a directory that is open for reading.
pub(crate) fn make_subvolume(directory: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    let mut args = VolArgs::new(0, name).ok_or(Errno::NAMETOOLONG)?;
    ioctl(directory, SUBVOL_CREATE, &mut args)
}

/// Makes a subvolume read-only.
pub(crate) fn lock_subvolume(file: BorrowedFd<'_>) -> Result<(), Errno> {
    /// `BTRFS_SUBVOL_RDONLY`.
    const READ_ONLY: u64 = 1 << 1;
    ioctl(file, SUBVOL_SETFLAGS, &mut { READ_ONLY })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_the_sizes_of_the_header() {
        assert_eq!(size_of::<VolArgs>(), 4096);
        assert_eq!(size_of::<Info>(), 504);
        assert_eq!(size_of::<References>(), 4096);
        assert_eq!(size_of::<Search>(), 4096);
    }
}
