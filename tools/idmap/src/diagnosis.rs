// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The likely cause of an error number, from the rules of the kernel and a look at the system.
//!
//! Each function is for one step. Nothing here changes anything that lasts, and where the cause cannot be
//! told there is [`None`].

use std::{
    fs,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType},
    io::Errno,
    mount::{OpenTreeFlags, open_tree},
    param::page_size,
};

use crate::{
    mountinfo, mounts, nesting,
    sys::{self, MountAttr},
    userns::UserNs,
};

const NOT_ADMIN: &str = "this needs CAP_SYS_ADMIN in the user namespace of the mount namespace: \
                         run it as root";

/// `clone(CLONE_NEWUSER)`.
pub(crate) fn new_namespace(errno: Errno) -> Option<String> {
    Some(match errno {
        Errno::INVAL => "this kernel has no user namespaces (CONFIG_USER_NS)".to_owned(),
        Errno::NOSPC | Errno::USERS => {
            "there are too many user namespaces already: see /proc/sys/user/max_user_namespaces, \
             or they are nested more than 32 deep"
                .to_owned()
        }
        Errno::PERM => "user namespaces are forbidden here, by a security module, \
                        kernel.unprivileged_userns_clone or because this process is in a chroot"
            .to_owned(),
        _ => return None,
    })
}

/// A write to `uid_map` or `gid_map`.
pub(crate) fn write_map(errno: Errno, text: &str, ours: &str) -> Option<String> {
    Some(match errno {
        // The kernel maps a range to one of the parent's, and not to two.
        Errno::PERM if spans(text, ours).is_some() => spans(text, ours)?,
        Errno::INVAL if text.len() >= page_size() => format!(
            "the map is {} bytes long as text, and the kernel takes less than {}: \
             join ranges, or use fewer",
            text.len(),
            page_size()
        ),
        Errno::INVAL => "the kernel takes no such map: an id that it maps to may have no \
                         meaning in this user namespace"
            .to_owned(),
        Errno::PERM => "a map of ids that are not one's own needs CAP_SETUID and CAP_SETGID, \
                        one of id 0 also CAP_SETFCAP, and each id seen through the mount \
                        must exist in this user namespace"
            .to_owned(),
        Errno::NOENT => "is /proc mounted, and for this PID namespace?".to_owned(),
        _ => return None,
    })
}

/// Names a range whose ids are in two ranges of this user namespace, of which `ours` is the map.
fn spans(text: &str, ours: &str) -> Option<String> {
    let numbers = |line: &str| {
        let mut words = line.split_ascii_whitespace().map(str::parse::<u64>);
        Some((
            words.next()?.ok()?,
            words.next()?.ok()?,
            words.next()?.ok()?,
        ))
    };
    let ours: Vec<_> = ours.lines().filter_map(numbers).collect();
    let room = |id: u64| {
        let range = ours
            .iter()
            .find(|(first, _, count)| (*first..first + count).contains(&id))?;
        Some(range.0 + range.2 - id)
    };
    for (first, lower, count) in text.lines().filter_map(numbers) {
        let mut parts = Vec::new();
        let mut done = 0;
        while done < count {
            let part = room(lower + done)?.min(count - done);
            parts.push(format!("{}:{}:{part}", first + done, lower + done));
            done += part;
        }
        if parts.len() > 1 {
            return Some(format!(
                "the ids {lower} to {} are in {} ranges of this user namespace, and the kernel \
                 takes a range only within one; give these: {}",
                lower + count - 1,
                parts.len(),
                parts.join(" ")
            ));
        }
    }
    None
}

/// `open()` of a namespace file, or a look at its type.
pub(crate) fn open_namespace(errno: Errno, path: &Path) -> Option<String> {
    Some(match errno {
        Errno::INVAL => "this is no user namespace; right would be a path such as \
                         /proc/PID/ns/user"
            .to_owned(),
        Errno::NOENT if path.starts_with("/proc") => {
            "there is no such process, or /proc is not mounted".to_owned()
        }
        Errno::ACCESS | Errno::PERM => {
            "the process belongs to someone else, or its namespaces may not be seen".to_owned()
        }
        _ => return None,
    })
}

/// `open_tree(OPEN_TREE_CLONE)`.
pub(crate) fn copy_mount(errno: Errno, source: &Path, recursive: bool) -> Option<String> {
    Some(match errno {
        Errno::PERM => NOT_ADMIN.to_owned(),
        Errno::NOSYS => "open_tree() came with Linux 5.2, idmapped mounts with 5.12".to_owned(),
        Errno::NOENT => "there is no such source".to_owned(),
        Errno::INVAL if mountinfo::of(source).is_none() => {
            "the mount is of another mount namespace, whose mounts are copied only there: run this \
             by nsenter --mount --target=PID"
                .to_owned()
        }
        Errno::INVAL if !recursive => format!(
            "the mount is unbindable, or hides files under mounts that may only be copied along \
             (--recursive); see the mounts below {} in /proc/self/mountinfo",
            source.display()
        ),
        Errno::INVAL => "the mount is unbindable".to_owned(),
        _ => return None,
    })
}

/// `mount_setattr()` of the copy.
pub(crate) fn set_attributes(
    errno: Errno,
    source: &Path,
    recursive: bool,
    userns: Option<BorrowedFd<'_>>,
) -> Option<String> {
    let userns = userns?;
    if recursive {
        if let Some(below) = first_that_fails(source, userns) {
            let cause = set_attributes(errno, &below, false, Some(userns))?;
            return Some(match below == source {
                true => cause,
                false => format!("of the mount below at {}: {cause}", below.display()),
            });
        }
    }
    let mount = mountinfo::of(source);
    let filesystem = mount
        .as_ref()
        .map_or("the filesystem", |mount| &mount.filesystem);
    Some(match errno {
        Errno::NOSYS => "mount_setattr() came with Linux 5.12".to_owned(),
        Errno::PERM if mount.as_ref().is_some_and(mountinfo::Line::is_idmapped) => {
            "it is an idmapped mount already: 'mount --replace' makes one with another map (Linux \
             6.15), or use the mount that it was made of, with both maps in one"
                .to_owned()
        }
        Errno::PERM if is_initial(userns) => {
            "the initial user namespace is no map for a mount; b:0:0:4294967295 is the same map"
                .to_owned()
        }
        Errno::PERM => not_controlled(filesystem, userns),
        Errno::OVERFLOW => "the map, that of the mount and that of this user namespace together \
                            have more than 340 ranges: use fewer ranges"
            .to_owned(),
        Errno::INVAL if is_ours(userns) => {
            "the map's user namespace is that of the filesystem itself, which changes nothing"
                .to_owned()
        }
        // Its filesystem supports idmapped mounts.
        Errno::INVAL if mount.as_ref().is_some_and(mountinfo::Line::is_idmapped) => {
            "no user or no group that the mount shows is both in this user namespace and in FROM \
             of the map, or the map's user namespace has no maps yet"
                .to_owned()
        }
        Errno::INVAL if !takes_a_map(source)? => match is_block_device(source) {
            true => format!(
                "{} is a block device: mount its filesystem, and give the directory that it is \
                 mounted on",
                source.display()
            ),
            false if filesystem.starts_with("fuse") => format!(
                "the server of this {filesystem} does not allow idmapped mounts: it must ask for \
                 FUSE_ALLOW_IDMAP (Linux 6.12) and be mounted with default_permissions; or give \
                 the server a map of its own, as bindfs --map has"
            ),
            false => format!("{filesystem} does not support idmapped mounts"),
        },
        Errno::INVAL => {
            "the map's user namespace has no map of users or none of groups yet".to_owned()
        }
        Errno::BUSY => "a file is open for writing through the copy".to_owned(),
        _ => return None,
    })
}

/// The caller does not control the filesystem of the mount, and gets no nested idmap.
fn not_controlled(filesystem: &str, userns: BorrowedFd<'_>) -> String {
    let text = format!(
        "this needs CAP_SYS_ADMIN in the user namespace that {filesystem} was mounted from and in \
         that of the map"
    );
    match nesting::refusal(userns) {
        Some(reason) => format!("{text}, or a nested idmap, which is refused: {reason}"),
        None => text,
    }
}

fn is_block_device(path: &Path) -> bool {
    let status = rustix::fs::stat(path);
    status.is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::BlockDevice)
}

/// The first mount at or below a path that does not take the map.
fn first_that_fails(source: &Path, userns: BorrowedFd<'_>) -> Option<PathBuf> {
    let source = source.canonicalize().ok()?;
    let below = mounts::mounts().ok()?.into_iter().map(|mount| mount.target);
    let mut all: Vec<PathBuf> = below.filter(|target| target.starts_with(&source)).collect();
    all.insert(0, source);
    all.into_iter().find(|target| !takes(target, userns))
}

/// Whether a mount would take a map that is surely good; the mount vanishes at once.
fn takes_a_map(source: &Path) -> Option<bool> {
    let userns = UserNs::new(&"b:0:0:1".parse().ok()?).ok()?;
    Some(takes(source, userns.as_fd()))
}

fn takes(source: &Path, userns: BorrowedFd<'_>) -> bool {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let Ok(copy) = open_tree(CWD, source, flags) else {
        return false;
    };
    let attr = MountAttr {
        set: sys::ATTR_IDMAP,
        userns_fd: userns.as_raw_fd() as u64,
        ..MountAttr::default()
    };
    sys::mount_setattr(copy.as_fd(), false, &attr).is_ok()
}

/// `open_tree_attr(OPEN_TREE_CLONE)`.
pub(crate) fn copy_with_attributes(
    errno: Errno,
    source: &Path,
    recursive: bool,
    userns: Option<BorrowedFd<'_>>,
) -> Option<String> {
    match errno {
        Errno::NOSYS => Some("another map in place of one came with Linux 6.15".to_owned()),
        Errno::NOENT => Some("there is no such source".to_owned()),
        Errno::PERM
            if userns.is_none()
                && mountinfo::of(source).is_some_and(|mount| mount.is_idmapped()) =>
        {
            Some(format!(
                "to leave a map out takes CAP_SYS_ADMIN in the user namespace that the filesystem \
                 was mounted from; apart from that, {NOT_ADMIN}"
            ))
        }
        Errno::PERM => {
            let Some(userns) = userns.filter(|userns| !is_initial(*userns)) else {
                return match userns {
                    Some(_) => set_attributes(errno, source, false, userns),
                    None => Some(NOT_ADMIN.to_owned()),
                };
            };
            let filesystem = mountinfo::of(source).map(|mount| mount.filesystem);
            let filesystem = filesystem.as_deref().unwrap_or("the filesystem");
            Some(not_controlled(filesystem, userns))
        }
        _ => set_attributes(errno, source, recursive, userns),
    }
}

/// `move_mount()` of the copy, of which `copy` is the root.
pub(crate) fn attach(errno: Errno, copy: BorrowedFd<'_>, target: &Path) -> Option<String> {
    let is_directory = |mode| FileType::from_raw_mode(mode) == FileType::Directory;
    let source = rustix::fs::fstat(copy)
        .map(|status| is_directory(status.st_mode))
        .ok();
    let target = rustix::fs::stat(target)
        .map(|status| is_directory(status.st_mode))
        .ok();
    Some(match (errno, source, target) {
        (Errno::NOENT, Some(true), _) => "there is no such target; make a directory".to_owned(),
        (Errno::NOENT, ..) => "there is no such target; make a file".to_owned(),
        (Errno::INVAL | Errno::NOTDIR, Some(true), Some(false)) => {
            "the source is a directory and the target is a file; they must be the same".to_owned()
        }
        (Errno::INVAL | Errno::NOTDIR, Some(false), Some(true)) => {
            "the source is a file and the target is a directory; they must be the same".to_owned()
        }
        (Errno::PERM, ..) => NOT_ADMIN.to_owned(),
        (Errno::INVAL, ..) => {
            "the target is on a mount of another mount namespace, or the source has unbindable \
             mounts and the target is on a shared one"
                .to_owned()
        }
        (Errno::LOOP, ..) => "the target is below the source itself".to_owned(),
        _ => return None,
    })
}

/// `move_mount(MOVE_MOUNT_BENEATH)` of the copy.
pub(crate) fn attach_beneath(errno: Errno) -> Option<String> {
    Some(match errno {
        Errno::INVAL => {
            "nothing is mounted there, or the mount is one that nothing can be put beneath: a \
             root, or one whose parent is shared with it; unmount it first (Linux 6.5 puts mounts \
             beneath others)"
                .to_owned()
        }
        Errno::PERM => NOT_ADMIN.to_owned(),
        _ => return None,
    })
}

/// `umount2()`.
pub(crate) fn unmount(errno: Errno) -> Option<String> {
    Some(match errno {
        Errno::INVAL => "nothing is mounted there, or it may not be uncovered".to_owned(),
        Errno::BUSY => {
            "files of it are in use, or something is mounted below it (--lazy)".to_owned()
        }
        Errno::PERM => NOT_ADMIN.to_owned(),
        _ => return None,
    })
}

/// `listmount()` and `statmount()`.
pub(crate) fn look(errno: Errno) -> Option<String> {
    match errno {
        Errno::NOENT => Some("there is no such file, or it is on no mount of ours".to_owned()),
        Errno::NOSYS => Some("this came with Linux 6.8".to_owned()),
        _ => None,
    }
}

/// `NS_GET_PARENT` and `NS_GET_OWNER_UID` of a user namespace.
#[cfg(feature = "explain")]
pub(crate) fn relatives(errno: Errno) -> Option<String> {
    match errno {
        Errno::PERM => Some("it is not below the user namespace of this program".to_owned()),
        Errno::SRCH => Some(
            "it is below another one than that of this program, whose map is not known: no \
             process is in that"
                .to_owned(),
        ),
        _ => None,
    }
}

/// The number by which `/proc/PID/ns/user` shows the initial user namespace, `PROC_USER_INIT_INO`.
const INITIAL: u64 = 0xEFFF_FFFD;

fn inode(userns: BorrowedFd<'_>) -> Option<u64> {
    rustix::fs::fstat(userns).ok().map(|status| status.st_ino)
}

pub(crate) fn is_initial(userns: BorrowedFd<'_>) -> bool {
    inode(userns) == Some(INITIAL)
}

fn is_ours(userns: BorrowedFd<'_>) -> bool {
    let ours = fs::metadata("/proc/self/ns/user").ok();
    ours.is_some_and(|ours| Some(ours.ino()) == inode(userns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_over_two_of_the_parent_is_named_with_its_parts() {
        let ours = "0 1000 1\n1 100000 65536\n";
        let text = spans("0 0 100\n", ours).unwrap();
        assert!(text.contains("the ids 0 to 99 are in 2 ranges"), "{text}");
        assert!(text.contains("give these: 0:0:1 1:1:99"), "{text}");
        assert_eq!(spans("0 0 1\n1 1 99\n", ours), None);
        // These have no names here, which is another matter.
        assert_eq!(spans("0 70000 1\n", ours), None);
    }
}
