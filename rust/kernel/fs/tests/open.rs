// SPDX-License-Identifier: GPL-2.0

//! Calls of the VFS with open files, in tests.

use super::calls::find;
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::mode::Mode,
    page::PAGE_SIZE,
    prelude::*, //
};

/// An open file.
pub(super) struct Open(*mut bindings::file);

/// An entry of a directory.
pub(super) struct Listed {
    name: [u8; 8],
    length: usize,
    pub(super) ino: u64,
    pub(super) kind: u32,
}

impl Listed {
    /// Returns the name, or an empty slice if the name does not fit.
    pub(super) fn name(&self) -> &[u8] {
        self.name.get(..self.length).unwrap_or(&[])
    }
}

/// The buffer of `getdents()`.
#[repr(C)]
struct List {
    context: bindings::dir_context,
    most: usize,
    entries: KVec<Listed>,
}

impl Open {
    /// Opens a file for reading and writing, or a directory for reading.
    ///
    /// # Safety
    ///
    /// `mount` must be a mount of the filesystem that stays mounted until the result is dropped.
    pub(super) unsafe fn new(mount: *mut bindings::vfsmount, name: &CStr) -> Result<Self> {
        // SAFETY: `mount` is a mount that stays mounted, by the requirements of this function.
        unsafe { Self::with_flags(mount, name, bindings::O_RDWR) }
    }

    /// Opens a file with flags, or a directory for reading.
    ///
    /// # Safety
    ///
    /// As for [`Self::new`].
    pub(super) unsafe fn with_flags(
        mount: *mut bindings::vfsmount,
        name: &CStr,
        flags: u32,
    ) -> Result<Self> {
        // SAFETY: `mount` is a mount of the filesystem, and `find()` returned a reference. The
        // credentials are those of the current task.
        unsafe {
            let found = find((*mount).mnt_root, name);
            if found.is_null() {
                return Err(ENOENT);
            }
            let flags = match Mode::new((*(*found).d_inode).i_mode).is_dir() {
                true => bindings::O_RDONLY,
                false => flags,
            };
            let path = bindings::path {
                mnt: mount,
                dentry: found,
            };
            let cred = (*bindings::get_current()).cred;
            let file = from_err_ptr(bindings::dentry_open(&path, flags as c_int, cred));
            bindings::dput(found);
            if file.is_err() {
                // A kernel thread closes files later.
                bindings::flush_delayed_fput();
            }
            file.map(Self)
        }
    }

    /// Reads from a position. Returns the number of bytes, and the position afterwards.
    pub(super) fn read(&self, from: i64, bytes: &mut [u8]) -> Result<(usize, i64)> {
        let mut position = from;
        let room = bytes.as_mut_ptr().cast();
        // SAFETY: The file is open, and there is that much room.
        let read = unsafe { bindings::kernel_read(self.0, room, bytes.len(), &raw mut position) };
        to_result(read.min(0) as c_int).map(|()| (read as usize, position))
    }

    /// Writes to a position. Returns the number of bytes, and the position afterwards.
    pub(super) fn write(&self, to: i64, bytes: &[u8]) -> Result<(usize, i64)> {
        let mut position = to;
        let from = bytes.as_ptr().cast();
        // SAFETY: The file is open, and there is as much to write.
        let written =
            unsafe { bindings::kernel_write(self.0, from, bytes.len(), &raw mut position) };
        to_result(written.min(0) as c_int).map(|()| (written as usize, position))
    }

    /// Changes the size.
    pub(super) fn truncate(&self, length: i64) -> Result {
        // SAFETY: The file is open.
        to_result(unsafe {
            let path = &(*self.0).__bindgen_anon_1.f_path;
            bindings::vfs_truncate(path, length) as c_int
        })
    }

    /// Returns the size.
    pub(super) fn size(&self) -> i64 {
        // SAFETY: The file is open.
        unsafe { bindings::i_size_read((*self.0).f_inode) }
    }

    /// Calls a function while the filesystem is read-only.
    pub(super) fn read_only<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: The file is open, and no other task uses the filesystem.
        unsafe {
            let sb = (*(*self.0).f_inode).i_sb;
            (*sb).s_flags |= bindings::SB_RDONLY;
            let result = f();
            (*sb).s_flags &= !bindings::SB_RDONLY;
            result
        }
    }

    /// Calls a function with the C table of the file.
    pub(super) fn table<R>(&self, f: impl FnOnce(&bindings::file_operations) -> R) -> R {
        // SAFETY: The table of an open file is there and does not change.
        f(unsafe { &*(*self.0).f_op })
    }

    /// Calls `->unlocked_ioctl()`.
    pub(super) fn ioctl(&self, command: u32, argument: usize) -> isize {
        match self.table(|table| table.unlocked_ioctl) {
            // SAFETY: The file is open.
            Some(ioctl) => unsafe { ioctl(self.0, command, argument) },
            None => EOPNOTSUPP.to_errno() as isize,
        }
    }

    /// Calls `->mmap_prepare()` for two pages from the third one on.
    pub(super) fn mmap(&self, flags: bindings::vm_flags_t) -> Result {
        let mut area: bindings::vm_area_desc = pin_init::zeroed();
        (area.file, area.vm_file) = (self.0, self.0);
        (area.start, area.end, area.pgoff) = (PAGE_SIZE, 3 * PAGE_SIZE, 2);
        if let Some(word) = area.vma_flags.__vma_flags.first_mut() {
            *word = flags;
        }
        match self.table(|table| table.mmap_prepare) {
            // SAFETY: The file is open, and the area is not used by others.
            Some(mmap_prepare) => to_result(unsafe { mmap_prepare(&mut area) }),
            None => Err(ENODEV),
        }
    }

    /// Returns at most `most` entries, from the position of the file.
    pub(super) fn names(&self, most: usize) -> Result<KVec<Listed>> {
        let mut list = List {
            context: pin_init::zeroed(),
            most,
            entries: KVec::new(),
        };
        list.context.actor = Some(take);
        // SAFETY: The file is open. `take()` accepts a context that is the first field of a
        // `List`.
        to_result(unsafe { bindings::iterate_dir(self.0, (&raw mut list).cast()) })?;
        Ok(list.entries)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: This holds the only reference to the file.
        unsafe { bindings::__fput_sync(self.0) };
    }
}

/// Stores an entry if it fits.
///
/// # Safety
///
/// `context` must be that of a [`List`], and `name` of `length` bytes.
unsafe extern "C" fn take(
    context: *mut bindings::dir_context,
    name: *const c_char,
    length: c_int,
    _position: bindings::loff_t,
    ino: u64,
    kind: c_uint,
) -> bool {
    // SAFETY: `context` is the first field of a `List`, and `name` has `length` bytes, by the
    // requirements of this function.
    let (list, bytes) = unsafe {
        let bytes = core::slice::from_raw_parts(name.cast::<u8>(), length as usize);
        (&mut *context.cast::<List>(), bytes)
    };
    let mut entry = Listed {
        name: [0; 8],
        length: bytes.len(),
        ino,
        kind,
    };
    let fits = entry
        .name
        .get_mut(..bytes.len())
        .map(|name| name.copy_from_slice(bytes));
    list.entries.len() < list.most && fits.is_some() && list.entries.push(entry, GFP_KERNEL).is_ok()
}
