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
    let text = hashed(dir, name);
    // SAFETY: `dir` is a directory of the filesystem, and `text` has the hash of the name.
    unsafe { bindings::d_lookup(dir, &text) }
}

/// Returns a name with its hash in a directory.
fn hashed(dir: *mut bindings::dentry, name: &CStr) -> bindings::qstr {
    let length = name.count_bytes() as u32;
    let mut text: bindings::qstr = pin_init::zeroed();
    text.name = name.as_char_ptr().cast();
    text.__bindgen_anon_1.__bindgen_anon_1.len = length;
    // SAFETY: The name has this length. The function does not dereference `dir`.
    let hash = unsafe { bindings::full_name_hash(dir.cast(), name.as_char_ptr(), length) };
    text.__bindgen_anon_1.__bindgen_anon_1.hash = hash;
    text
}

/// Looks a name up in the root directory of a mount, in the dentry cache and then by `->lookup()`.
/// Returns a reference to the dentry, which can be negative.
///
/// # Safety
///
/// `mount` must be a mount of the filesystem.
pub(super) unsafe fn look_up(
    mount: *mut bindings::vfsmount,
    name: &CStr,
) -> Result<*mut bindings::dentry> {
    let look_up = |root: *mut bindings::dentry| {
        // SAFETY: `root` is the root directory of a mount of the filesystem and is locked.
        unsafe {
            let found = find(root, name);
            if !found.is_null() {
                return Ok(found);
            }
            let dentry = bindings::d_alloc(root, &hashed(root, name));
            if dentry.is_null() {
                return Err(ENOMEM);
            }
            let dir = (*root).d_inode;
            let looked_up = match (*(*dir).i_op).lookup {
                Some(lookup) => from_err_ptr(lookup(dir, dentry, 0)),
                None => Err(EOPNOTSUPP),
            };
            if looked_up.is_err() {
                bindings::dput(dentry);
            }
            looked_up.map(|_null| dentry)
        }
    };
    // SAFETY: `mount` is a mount of the filesystem, by the requirements of this function.
    unsafe { in_root(mount, look_up) }
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
