// SPDX-License-Identifier: GPL-2.0 OR MIT

//! User namespaces and mounts.

use std::{
    ffi::{c_char, c_int, c_uint},
    os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd},
};

use idmap::{Attributes, Detached, IdmappedMount, UserNs};
use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};

use crate::{
    error::{Failure, answer, path},
    maps::{idmap_maps, maps_of},
};

/// What is mounted below the source comes along, with the same map.
pub const IDMAP_RECURSIVE: c_uint = 1;
/// The map that the source has gives way to the new one (Linux 6.15).
pub const IDMAP_REPLACE: c_uint = 2;
/// Nothing can be written through the mount.
pub const IDMAP_READ_ONLY: c_uint = 4;
/// Set-user-id, set-group-id and file capabilities have no effect.
pub const IDMAP_NO_SUID: c_uint = 8;
/// Device files cannot be opened.
pub const IDMAP_NO_DEV: c_uint = 16;
/// Programs cannot be run.
pub const IDMAP_NO_EXEC: c_uint = 32;
/// Symbolic links are not followed (Linux 5.14).
pub const IDMAP_NO_SYMFOLLOW: c_uint = 64;
/// For idmap_unmount(): at once, with what is mounted below; files in use stay usable.
pub const IDMAP_LAZY: c_uint = 128;

/// The flags that are attributes of a mount.
const ATTRIBUTES: [(c_uint, Attributes); 5] = [
    (IDMAP_READ_ONLY, Attributes::READ_ONLY),
    (IDMAP_NO_SUID, Attributes::NO_SUID),
    (IDMAP_NO_DEV, Attributes::NO_DEV),
    (IDMAP_NO_EXEC, Attributes::NO_EXEC),
    (IDMAP_NO_SYMFOLLOW, Attributes::NO_SYMFOLLOW),
];

fn unknown(flags: c_uint, known: c_uint) -> Result<(), Failure> {
    match flags & !known {
        0 => Ok(()),
        bits => {
            let text = format!("{bits:#x} is no flag of this function");
            Err(Failure::new(Errno::INVAL, text))
        }
    }
}

/// Sets what the flags stand for.
fn with_flags<'a>(
    mut mount: IdmappedMount<'a>,
    flags: c_uint,
) -> Result<IdmappedMount<'a>, Failure> {
    let attributes = ATTRIBUTES.iter().fold(0, |bits, (bit, _)| bits | bit);
    unknown(flags, attributes | IDMAP_RECURSIVE | IDMAP_REPLACE)?;
    mount = mount
        .recursive(flags & IDMAP_RECURSIVE != 0)
        .replace(flags & IDMAP_REPLACE != 0);
    for (bit, attribute) in ATTRIBUTES {
        if flags & bit != 0 {
            mount = mount.set(attribute);
        }
    }
    Ok(mount)
}

/// A descriptor of the caller.
///
/// # Safety
///
/// `fd` must be negative, or open while `'a` lasts.
unsafe fn borrowed<'a>(name: &str, fd: c_int) -> Result<BorrowedFd<'a>, Failure> {
    if fd == CWD.as_raw_fd() {
        return Ok(CWD);
    }
    if fd < 0 {
        let text = format!("{name}: {fd} is no descriptor");
        return Err(Failure::new(Errno::BADF, text));
    }
    // SAFETY: `fd` is not negative, so that it stays open by the requirement on it.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

fn copy(fd: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    fd.try_clone_to_owned().map_err(|error| {
        let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
        Failure::new(errno, format!("copying a descriptor: {error}"))
    })
}

/// Opens an object by a directory and a path; an empty path is the directory itself.
///
/// # Safety
///
/// As for [`borrowed()`] and [`path()`].
unsafe fn object(dirfd: c_int, name: *const c_char) -> Result<OwnedFd, Failure> {
    // SAFETY: Both are as the requirements of this function have them.
    let (at, name) = unsafe { (borrowed("the directory", dirfd)?, path("the path", name)?) };
    if name.as_os_str().is_empty() && dirfd >= 0 {
        return copy(at);
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat(at, name, flags, Mode::empty()).map_err(|errno| {
        let text = format!(
            "opening {}: {}",
            name.display(),
            std::io::Error::from(errno)
        );
        Failure::new(errno, text)
    })
}

/// Makes a user namespace with these maps.
///
/// A process that the user namespace begins with is started, and has ended when this returns.
///
/// @param maps  maps of this library.
/// @return a descriptor of the user namespace with O_CLOEXEC, which close(2) closes, or a negative
///         error number: -EPERM if the caller may not write such maps.
///
/// # Safety
///
/// `maps` must be NULL or maps of this library that are not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_userns_new(maps: *const idmap_maps) -> c_int {
    // SAFETY: The caller gives a pointer that is NULL or maps that are not freed during this call.
    let maps = unsafe { maps_of(maps) };
    let make = || Ok(OwnedFd::from(UserNs::new(maps?)?).into_raw_fd());
    answer(make())
}

/// Opens the user namespace of a process.
///
/// @param pid  the process.
/// @return a descriptor of the user namespace with O_CLOEXEC, which close(2) closes, or a negative
///         error number: -ENOENT if there is no such process.
#[unsafe(no_mangle)]
pub extern "C" fn idmap_userns_of_process(pid: u32) -> c_int {
    let open = || Ok(OwnedFd::from(UserNs::of_process(pid)?).into_raw_fd());
    answer(open())
}

/// Makes an idmapped mount that is attached nowhere.
///
/// Files below it are opened by openat(2) with its descriptor; idmap_attach() attaches it.
///
/// @param dirfd   an open directory that a relative path counts from, or AT_FDCWD.
/// @param source  a file or a directory: a string that ends with a NUL byte. If it is empty, the
///                object is that of `dirfd`.
/// @param userns  an open descriptor of the user namespace whose maps the mount takes, or -1 for a
///                mount without maps.
/// @param flags   IDMAP_RECURSIVE, IDMAP_REPLACE, IDMAP_READ_ONLY, IDMAP_NO_SUID, IDMAP_NO_DEV,
///                IDMAP_NO_EXEC and IDMAP_NO_SYMFOLLOW, or 0.
/// @return a descriptor of the mount's root with O_CLOEXEC, with which the mount vanishes unless it
///         was attached, or a negative error number: -EINVAL if the filesystem does not support
///         idmapped mounts, -EPERM if the caller lacks CAP_SYS_ADMIN or the source has maps.
///
/// # Safety
///
/// `dirfd` and `userns` must be negative or open; `source` must be NULL or point to a string that
/// ends with a NUL byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_open_tree(
    dirfd: c_int,
    source: *const c_char,
    userns: c_int,
    flags: c_uint,
) -> c_int {
    let make = || {
        // SAFETY: The caller gives a descriptor and a string that are as required.
        let source = unsafe { object(dirfd, source) }?;
        let userns = match userns {
            -1 => None,
            // SAFETY: The caller gives a descriptor that is negative or open.
            fd => Some(UserNs::from_fd(copy(unsafe {
                borrowed("the user namespace", fd)
            }?)?)?),
        };
        let source = std::os::fd::AsFd::as_fd(&source);
        let mut mount = with_flags(IdmappedMount::of_file(source), flags)?;
        if let Some(userns) = &userns {
            mount = mount.map(userns);
        }
        Ok(OwnedFd::from(mount.detached()?).into_raw_fd())
    };
    answer(make())
}

/// Attaches a mount that is attached nowhere.
///
/// @param mount   the open descriptor of the mount, of idmap_open_tree(), open_tree(2) or
///                fsmount(2). It stays open.
/// @param dirfd   an open directory that a relative path counts from, or AT_FDCWD.
/// @param target  a file or a directory: a string that ends with a NUL byte. If it is empty, the
///                object is that of `dirfd`. Symbolic links are followed.
/// @return 0, or a negative error number.
///
/// # Safety
///
/// `mount` and `dirfd` must be negative or open; `target` must be NULL or point to a string that
/// ends with a NUL byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_attach(mount: c_int, dirfd: c_int, target: *const c_char) -> c_int {
    let attach = || {
        // SAFETY: The caller gives a descriptor that is negative or open.
        let mount = copy(unsafe { borrowed("the mount", mount) }?)?;
        // SAFETY: The caller gives a descriptor and a string that are as required.
        let target = unsafe { object(dirfd, target) }?;
        Detached::from(mount).attach_to(target)?;
        Ok(0)
    };
    answer(attach())
}

/// Mounts a tree with other owners than on disk: a user namespace, a mount, and its place at once.
///
/// @param source  a file or a directory: a string that ends with a NUL byte.
/// @param target  where it is mounted, of the same sort: a string that ends with a NUL byte.
/// @param maps    maps of this library.
/// @param flags   as for idmap_open_tree().
/// @return 0, or a negative error number; nothing is left of a mount that failed.
///
/// # Safety
///
/// `source` and `target` must be NULL or point to strings that end with a NUL byte; `maps` must be
/// NULL or maps of this library that are not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_mount(
    source: *const c_char,
    target: *const c_char,
    maps: *const idmap_maps,
    flags: c_uint,
) -> c_int {
    // SAFETY: The caller gives pointers that are NULL or as required during this call.
    let (source, target, maps) = unsafe {
        (
            path("the source", source),
            path("the target", target),
            maps_of(maps),
        )
    };
    let make = || {
        let mount = with_flags(IdmappedMount::of(source?), flags)?;
        let target = target?;
        mount.map(&UserNs::new(maps?)?).attach(target)?;
        Ok(0)
    };
    answer(make())
}

/// Removes a mount.
///
/// @param target  where it is mounted: a string that ends with a NUL byte. A symbolic link as the
///                last component is not followed.
/// @param flags   IDMAP_LAZY, or 0.
/// @return 0, or a negative error number: -EBUSY if files of it are in use or something is mounted
///         below it.
///
/// # Safety
///
/// `target` must be NULL or point to a string that ends with a NUL byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn idmap_unmount(target: *const c_char, flags: c_uint) -> c_int {
    let remove = || {
        unknown(flags, IDMAP_LAZY)?;
        // SAFETY: The caller gives a string that is as required.
        let target = unsafe { path("the target", target) }?;
        idmap::unmount(target, flags & IDMAP_LAZY != 0)?;
        Ok(0)
    };
    answer(remove())
}
