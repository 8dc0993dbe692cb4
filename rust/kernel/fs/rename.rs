// SPDX-License-Identifier: GPL-2.0

//! Renaming.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::{
    dentry::{
        Brand,
        Name,
        Positive, //
    },
    filesystem::FileSystem,
    inode::{
        Inode,
        Locked, //
    },
    memfs::dir::{
        self,
        Move, //
    },
    new_inode::New, //
};
use crate::{
    bindings,
    prelude::*, //
};
use core::{
    cell::Cell,
    marker::PhantomData, //
};

/// What a rename is asked to do besides.
#[derive(Clone, Copy)]
pub struct RenameFlags(u32);

impl RenameFlags {
    /// The new name must be free. The VFS has made sure of that.
    pub const NOREPLACE: Self = Self(bindings::RENAME_NOREPLACE);
    /// Both names change places.
    pub const EXCHANGE: Self = Self(bindings::RENAME_EXCHANGE);
    /// A whiteout is left at the old name.
    pub const WHITEOUT: Self = Self(bindings::RENAME_WHITEOUT);

    /// Whether one of `flags` is asked for.
    pub const fn has(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Whether nothing is asked for but what is in `flags`.
    pub const fn is_subset_of(self, flags: &[Self]) -> bool {
        let mut rest = self.0;
        let mut i = 0;
        while i < flags.len() {
            rest &= !flags[i].0;
            i += 1;
        }
        rest == 0
    }
}

/// Something that is to get another name.
///
/// That it did is told by the [`Renamed`] that this turns into.
///
/// # Invariants
///
/// Both dentries are valid and in their directories, which the current task has locked; `old` is
/// positive.
pub struct Rename<'d, T: FileSystem> {
    old_dir: Locked<'d, T>,
    old: &'d Positive<T>,
    new_dir: Locked<'d, T>,
    new: *mut bindings::dentry,
    flags: RenameFlags,
    done: &'d Cell<bool>,
    brand: Brand<'d>,
}

/// The proof that something was renamed.
pub struct Renamed<'d>(Brand<'d>);

impl<'d, T: FileSystem> Rename<'d, T> {
    /// Takes what C wants to be renamed.
    ///
    /// # Safety
    ///
    /// The type invariants must hold for `'d`, which must be of nothing else, and all must be of a
    /// superblock of `T`. Where `done` is set afterwards, C must be told that it was renamed.
    #[inline(always)]
    pub(super) unsafe fn from_raw(to: Move, flags: u32, done: &'d Cell<bool>) -> Self {
        // INVARIANT: By the requirements above.
        //
        // SAFETY: By the requirements above.
        unsafe {
            Self {
                old_dir: Locked::from_raw(to.old_dir),
                old: Positive::from_raw(to.old),
                new_dir: Locked::from_raw(to.new_dir),
                new: to.new,
                flags: RenameFlags(flags),
                done,
                brand: PhantomData,
            }
        }
    }

    /// What is asked for besides.
    pub fn flags(&self) -> RenameFlags {
        self.flags
    }

    /// The directory that it is in.
    pub fn old_dir(&self) -> &Locked<'d, T> {
        &self.old_dir
    }

    /// What is renamed.
    pub fn inode(&self) -> &'d Inode<T> {
        self.old.inode()
    }

    /// The name that it has.
    pub fn name(&self) -> &Name {
        // SAFETY: By the type invariants.
        unsafe { self.old.name() }
    }

    /// The directory that it gets to.
    pub fn new_dir(&self) -> &Locked<'d, T> {
        &self.new_dir
    }

    /// What has the new name, if something does.
    pub fn target(&self) -> Option<&'d Inode<T>> {
        // SAFETY: The dentry is valid, and the lock of its directory keeps it as it is.
        let inode = unsafe { (*self.new).d_inode };
        // SAFETY: The dentry holds its inode.
        (!inode.is_null()).then(|| unsafe { Inode::from_raw(inode) })
    }

    fn as_move(&self) -> Move {
        Move {
            old_dir: self.old_dir.as_ptr(),
            old: self.old.as_ptr(),
            new_dir: self.new_dir.as_ptr(),
            new: self.new,
        }
    }

    /// Gives it the new name, which is removed from what had it.
    ///
    /// There is no way back from that: an error of the operation does not count any more.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it is not this that is asked for: the VFS goes on by the flags, so that names
    /// would be lost. A whiteout, and nothing else, is given where [`RenameFlags::WHITEOUT`] asks for
    /// one, and only there.
    ///
    /// [`ENOTEMPTY`] if that is a directory with names in it, [`ENOSPC`], [`ENOMEM`]. In any case
    /// all is as it was then, and the whiteout is gone.
    pub fn replace(self, whiteout: Option<New<T>>) -> Result<Renamed<'d>> {
        let flags = self.flags;
        let fits = match &whiteout {
            Some(new) => flags.has(RenameFlags::WHITEOUT) && new.is_whiteout(),
            None => !flags.has(RenameFlags::WHITEOUT),
        };
        if flags.has(RenameFlags::EXCHANGE) || !fits {
            return Err(EINVAL);
        }
        // SAFETY: By the type invariants; each directory of `T` has offsets. The whiteout's
        // reference is given away, and given back if it was not taken.
        unsafe {
            let whiteout = whiteout.map_or(core::ptr::null_mut(), New::publish);
            if let Err(error) = dir::replace(self.as_move(), whiteout) {
                if !whiteout.is_null() {
                    bindings::iput(whiteout);
                }
                return Err(error);
            }
        }
        self.done.set(true);
        Ok(Renamed(self.brand))
    }

    /// Has both names change places. As with [`Rename::replace`], there is no way back.
    ///
    /// # Errors
    ///
    /// [`EINVAL`] if it is not this that is asked for. [`ENOENT`] if nothing has the new name; the
    /// VFS has made sure of that. [`ENOMEM`].
    pub fn exchange(self) -> Result<Renamed<'d>> {
        if !self.flags.has(RenameFlags::EXCHANGE) {
            return Err(EINVAL);
        }
        if self.target().is_none() {
            return Err(ENOENT);
        }
        // SAFETY: By the type invariants; each directory of `T` has offsets, and `new` is positive.
        unsafe { dir::exchange(self.as_move())? };
        self.done.set(true);
        Ok(Renamed(self.brand))
    }
}
