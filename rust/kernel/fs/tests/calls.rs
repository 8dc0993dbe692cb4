// SPDX-License-Identifier: GPL-2.0

//! Calls of the VFS in tests.

use super::TestFs;
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        filesystem::FileSystem,
        mode::Mode,
        registration::Registration, //
    },
    prelude::*, //
};
use core::mem::MaybeUninit;

/// The memory of the registration. Lockdep requires static memory for its keys.
static mut REGISTRATION: MaybeUninit<Registration<TestFs>> = MaybeUninit::uninit();

/// Calls a function while the filesystem is registered.
pub(super) fn registered<R>(
    f: impl FnOnce(*mut bindings::file_system_type) -> Result<R>,
) -> Result<R> {
    let registration: *mut Registration<TestFs> = (&raw mut REGISTRATION).cast();
    // SAFETY: Tests run one after the other, and this leaves nothing mounted, so the registration
    // is initialized and dropped in turns. It is in static memory.
    unsafe {
        pin_init::raw_try_init(registration, Registration::<TestFs>::new())?;
        // CAST: The type is the first member.
        let result = f(registration.cast());
        core::ptr::drop_in_place(registration);
        result
    }
}

/// Calls a function while the filesystem is registered and mounted by the kernel.
pub(super) fn mounted<R>(
    options: Option<&'static CStr>,
    f: impl FnOnce(*mut bindings::vfsmount) -> R,
) -> Result<R> {
    let mut text = [0u8; 32];
    let data = match options {
        Some(options) => {
            let options = options.to_bytes_with_nul();
            text.get_mut(..options.len())
                .ok_or(EINVAL)?
                .copy_from_slice(options);
            text.as_mut_ptr().cast()
        }
        None => core::ptr::null_mut(),
    };
    // SAFETY: The type is registered. `data` is null or a string that may be written.
    registered(|fs_type| unsafe {
        // `MS_POSIXACL` of mount(2), which must not have an effect.
        let flags = (bindings::SB_KERNMOUNT | bindings::SB_POSIXACL) as c_int;
        let mount = from_err_ptr(bindings::vfs_kern_mount(
            fs_type,
            flags,
            TestFs::NAME.as_char_ptr(),
            data,
        ))?;
        let result = f(mount);
        bindings::kern_unmount(mount);
        Ok(result)
    })
}

/// Creates a directory in the root directory of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn make_directory(mount: *mut bindings::vfsmount, name: &CStr) -> Result {
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe {
        let root = (*mount).mnt_root;
        let name = from_err_ptr(bindings::simple_start_creating(root, name.as_char_ptr()))?;
        let idmap = &raw mut bindings::nop_mnt_idmap;
        let made = bindings::vfs_mkdir(idmap, (*root).d_inode, name, 0o755, core::ptr::null_mut());
        // `vfs_mkdir()` may have failed. The operation must end nevertheless.
        bindings::end_dirop(made);
        from_err_ptr(made).map(|_| ())
    }
}

/// Calls a function with a negative dentry in the root directory of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
unsafe fn make(
    mount: *mut bindings::vfsmount,
    name: &CStr,
    call: impl FnOnce(*mut bindings::dentry) -> c_int,
) -> Result {
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe {
        let root = (*mount).mnt_root;
        let name = from_err_ptr(bindings::simple_start_creating(root, name.as_char_ptr()))?;
        let made = call(name);
        bindings::end_dirop(name);
        to_result(made)
    }
}

/// Creates a device or a named pipe in the root directory of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn make_special(
    mount: *mut bindings::vfsmount,
    name: &CStr,
    kind: u32,
    device: u32,
) -> Result {
    let mode = (kind | 0o600) as bindings::umode_t;
    // SAFETY: `mount` is a mount of the filesystem, and the dentry is in its root directory.
    let call = |dentry| unsafe {
        let (idmap, dir) = (
            &raw mut bindings::nop_mnt_idmap,
            (*(*mount).mnt_root).d_inode,
        );
        bindings::vfs_mknod(idmap, dir, dentry, mode, device, core::ptr::null_mut())
    };
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe { make(mount, name, call) }
}

/// Creates a regular file in the root directory of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn make_file(mount: *mut bindings::vfsmount, name: &CStr) -> Result {
    // SAFETY: The dentry is in a directory that is locked.
    let call = |dentry| unsafe {
        let idmap = &raw mut bindings::nop_mnt_idmap;
        bindings::vfs_create(idmap, dentry, 0o600, core::ptr::null_mut())
    };
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe { make(mount, name, call) }
}

/// Calls `->mkdir()` with an idmap that does not map the ids of the caller. `vfs_mkdir()` would
/// fail before it calls the operation.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn make_unmapped(mount: *mut bindings::vfsmount, name: &CStr) -> Result {
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe {
        let root = (*mount).mnt_root;
        let dir = (*root).d_inode;
        let name = from_err_ptr(bindings::simple_start_creating(root, name.as_char_ptr()))?;
        let made = match (*(*dir).i_op).mkdir {
            Some(mkdir) => mkdir(&raw mut bindings::invalid_mnt_idmap, dir, name, 0o755),
            None => EINVAL.to_ptr(),
        };
        bindings::end_dirop(name);
        from_err_ptr(made).map(|_| ())
    }
}

/// Looks a name up in a directory, and returns a reference to the dentry, or null.
///
/// # Safety
///
/// `dir` must be a directory of the filesystem.
pub(super) unsafe fn find(dir: *mut bindings::dentry, name: &CStr) -> *mut bindings::dentry {
    let mut text: bindings::qstr = pin_init::zeroed();
    text.name = name.as_char_ptr().cast();
    text.__bindgen_anon_1.__bindgen_anon_1.len = name.count_bytes() as u32;
    // SAFETY: `dir` is a directory of the filesystem, and `text` has the hash of the name.
    unsafe {
        let hash = bindings::full_name_hash(
            dir.cast(),
            name.as_char_ptr(),
            text.__bindgen_anon_1.__bindgen_anon_1.len,
        );
        text.__bindgen_anon_1.__bindgen_anon_1.hash = hash;
        bindings::d_lookup(dir, &text)
    }
}

/// Calls a function with the root directory of a mount, which is locked for writing.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
unsafe fn in_root<R>(
    mount: *mut bindings::vfsmount,
    f: impl FnOnce(*mut bindings::dentry) -> R,
) -> R {
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe {
        let root = (*mount).mnt_root;
        // The VFS locks inodes in the directory afterwards.
        let parent = bindings::inode_i_mutex_lock_class_I_MUTEX_PARENT;
        bindings::inode_lock_nested((*root).d_inode, parent);
        let result = f(root);
        bindings::inode_unlock((*root).d_inode);
        result
    }
}

/// Renames in the root directory of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn rename(
    mount: *mut bindings::vfsmount,
    old: &CStr,
    new: &CStr,
    flags: u32,
) -> Result {
    let rename = |root| {
        // SAFETY: `root` is the root directory of a mount of the filesystem and is locked, so that
        // the dentries stay positive.
        unsafe {
            let (old, new) = (find(root, old), find(root, new));
            let result = if old.is_null() || new.is_null() {
                Err(ENOENT)
            } else {
                let mut data = bindings::renamedata {
                    mnt_idmap: &raw mut bindings::nop_mnt_idmap,
                    old_parent: root,
                    old_dentry: old,
                    new_parent: root,
                    new_dentry: new,
                    delegated_inode: core::ptr::null_mut(),
                    flags,
                };
                to_result(bindings::vfs_rename(&mut data))
            };
            bindings::dput(old);
            bindings::dput(new);
            result
        }
    };
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe { in_root(mount, rename) }
}

/// Removes a name in the root directory of a mount.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn remove(mount: *mut bindings::vfsmount, name: &CStr) -> Result {
    let remove = |root: *mut bindings::dentry| {
        // SAFETY: `root` is the root directory of a mount of the filesystem and is locked, so that
        // the dentries stay positive.
        unsafe {
            let found = find(root, name);
            if found.is_null() {
                return Err(ENOENT);
            }
            let (idmap, dir) = (&raw mut bindings::nop_mnt_idmap, (*root).d_inode);
            let none = core::ptr::null_mut();
            let removed = if Mode::new((*(*found).d_inode).i_mode).is_dir() {
                bindings::vfs_rmdir(idmap, dir, found, none)
            } else {
                bindings::vfs_unlink(idmap, dir, found, none)
            };
            bindings::dput(found);
            to_result(removed)
        }
    };
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe { in_root(mount, remove) }
}

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
        // SAFETY: `mount` is a mount of the filesystem, and `find()` returned a reference. The
        // credentials are those of the current task.
        unsafe {
            let found = find((*mount).mnt_root, name);
            if found.is_null() {
                return Err(ENOENT);
            }
            let flags = match Mode::new((*(*found).d_inode).i_mode).is_dir() {
                true => bindings::O_RDONLY,
                false => bindings::O_RDWR,
            };
            let path = bindings::path {
                mnt: mount,
                dentry: found,
            };
            let cred = (*bindings::get_current()).cred;
            let file = from_err_ptr(bindings::dentry_open(&path, flags as c_int, cred));
            bindings::dput(found);
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
