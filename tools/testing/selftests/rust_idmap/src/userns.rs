// SPDX-License-Identifier: GPL-2.0

//! User namespaces.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::mount::{
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, FsMountFlags, FsOpenFlags,
    MountAttrFlags,
};
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::thread::{
    move_into_link_name_space, set_keep_capabilities, CapabilitySet, LinkNameSpaceType,
    UnshareFlags,
};

use crate::credentials::{set_capabilities, set_ids};
use crate::errno::{from_io, SyscallResult};
use crate::process::{fd_from_child, fork, set_dumpable, unshare, wait};

/// A reference to a user namespace.
#[derive(Debug)]
pub struct UserNs(OwnedFd);

impl UserNs {
    /// Creates a user namespace with the same extents for users and for groups, in the format of
    /// `/proc/PID/uid_map`.
    pub fn with(map: &str) -> SyscallResult<Self> {
        Self::new(map, map)
    }

    /// Creates a user namespace with these extents of users and of groups. An empty map is not
    /// written.
    pub fn new(users: &str, groups: &str) -> SyscallResult<Self> {
        Self::create(&[("uid_map", users), ("gid_map", groups)])
    }

    /// Likewise, with `setgroups()` denied in the user namespace.
    pub fn without_setgroups(map: &str) -> SyscallResult<Self> {
        Self::create(&[("setgroups", "deny"), ("uid_map", map), ("gid_map", map)])
    }

    /// Creates a user namespace and writes files in `/proc/PID`, if the contents are not empty.
    fn create(files: &[(&str, &str)]) -> SyscallResult<Self> {
        let (ready, ready_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let (end, end_writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let pid = fork(|| {
            let mut ready = File::from(ready_writer);
            let created = unshare(UnshareFlags::NEWUSER)
                .and_then(|()| ready.write_all(&[0]).map_err(from_io))
                // The namespace lives until the parent has opened it.
                .and_then(|()| File::from(end).read(&mut [0]).map_err(from_io));
            i32::from(created.is_err())
        })?;
        let create = || {
            File::from(ready).read_exact(&mut [0])?;
            for (file, contents) in files.iter().filter(|(_, contents)| !contents.is_empty()) {
                fs::write(format!("/proc/{}/{file}", pid.as_raw_nonzero()), contents)?;
            }
            File::open(format!("/proc/{}/ns/user", pid.as_raw_nonzero()))
        };
        let created = create().map_err(from_io);
        // Fails if the child process has exited already.
        let _ = File::from(end_writer).write_all(&[0]);
        wait(pid)?;
        created.map(|file| Self(file.into()))
    }

    /// Creates a user namespace whose parent is this one. The creator has these ids there.
    pub fn child(
        &self,
        (user, group): (u32, u32),
        users: &str,
        groups: &str,
    ) -> SyscallResult<Self> {
        let create = || {
            self.enter(user, group)?;
            Ok(Self::new(users, groups)?.0)
        };
        fd_from_child(create).map(Self)
    }

    /// Moves this thread into the user namespace, with all capabilities there and these ids. The
    /// program must have one thread only.
    pub fn enter(&self, user: u32, group: u32) -> SyscallResult {
        move_into_link_name_space(self.as_fd(), Some(LinkNameSpaceType::User))?;
        set_keep_capabilities(true)?;
        set_ids([user; 3], [group; 3], &[])?;
        set_capabilities(CapabilitySet::all())?;
        set_dumpable()
    }

    /// Mounts a tmpfs that belongs to the user namespace, with these ids and this mode of its root.
    /// The mount is not attached.
    pub fn mount_tmpfs(&self, (user, group): (u32, u32), mode: &str) -> SyscallResult<OwnedFd> {
        fd_from_child(|| {
            self.enter(user, group)?;
            // A mount namespace of the user namespace is needed to mount in it.
            unshare(UnshareFlags::NEWNS)?;
            let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_string(context.as_fd(), "mode", mode)?;
            fsconfig_create(context.as_fd())?;
            let flags = FsMountFlags::FSMOUNT_CLOEXEC;
            fsmount(context.as_fd(), flags, MountAttrFlags::empty())
        })
    }
}

impl From<OwnedFd> for UserNs {
    /// Takes a file descriptor of a user namespace, such as of `/proc/PID/ns/user`.
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<UserNs> for OwnedFd {
    fn from(userns: UserNs) -> Self {
        userns.0
    }
}

impl AsFd for UserNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
