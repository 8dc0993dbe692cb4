// SPDX-License-Identifier: GPL-2.0

//! Makes user namespaces within each other.

use std::{
    fs, io,
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
        fsopen,
    },
    process::{
        DumpableBehavior, PidfdFlags, PidfdGetfdFlags, Signal, WaitOptions, kill_process,
        pidfd_getfd, pidfd_open, set_dumpable_behavior, waitpid,
    },
    thread::{
        LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_keep_capabilities,
        unshare_unsafe,
    },
};

use crate::{
    caller::{Caps, set_capabilities, set_ids},
    shape::Namespace,
    sys,
};

/// Makes a user namespace whose parent is `parent`, or else the initial one.
///
/// The maps of a namespace are written from its parent. So a first process enters the parent, and
/// a second one, the child of the first, makes the namespace and lives until it is opened.
pub(crate) fn make(
    parent: Option<(&OwnedFd, &Namespace)>,
    namespace: &Namespace,
) -> io::Result<OwnedFd> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let first = sys::fork(|| {
        if let Err(error) = in_parent(parent, namespace, &theirs) {
            // In the place of the second process's id.
            let text = format!("    {error}");
            let _ = (&theirs).write_all(text.as_bytes());
        }
        0
    })?;
    drop(theirs);
    let mut id = [0; 4];
    ours.read_exact(&mut id)?;
    let opened = if id == *b"    " {
        let mut text = String::new();
        ours.read_to_string(&mut text)?;
        Err(io::Error::other(format!("no user namespace: {text}")))
    } else {
        let path = format!("/proc/{}/ns/user", i32::from_ne_bytes(id));
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = openat(CWD, path, flags, Mode::empty());
        // The processes have waited for this.
        ours.write_all(&[0])?;
        Ok(opened?)
    };
    waitpid(Some(first), WaitOptions::empty())?;
    opened
}

/// Moves this process into a user namespace, where it may do everything.
fn enter(fd: &OwnedFd, namespace: &Namespace) -> io::Result<()> {
    move_into_link_name_space(fd.as_fd(), Some(LinkNameSpaceType::User))?;
    // Whoever makes a namespace, or a file, must be somebody. The capabilities that come with
    // entering are kept.
    set_keep_capabilities(true)?;
    let (user, group) = (namespace.users.ids()[0], namespace.groups.ids()[0]);
    set_ids([user; 3], [group; 3], &[])?;
    set_capabilities(Caps::ALL)?;
    // Otherwise the process's files in /proc would be root's.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    Ok(())
}

/// Makes a tmpfs that belongs to a user namespace; it is mounted nowhere yet.
pub(crate) fn tmpfs(fd: &OwnedFd, namespace: &Namespace) -> io::Result<OwnedFd> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let pid = sys::fork(|| {
        let made = new_tmpfs(fd, namespace);
        // What is no descriptor is said in words instead.
        let told = match &made {
            Ok(mount) => mount.as_raw_fd().to_ne_bytes().to_vec(),
            Err(error) => format!("    {error}").into_bytes(),
        };
        let _ = (&theirs).write_all(&told);
        if made.is_ok() {
            // Until the descriptor has been taken over.
            let _ = (&theirs).read(&mut [0]);
        }
        0
    })?;
    drop(theirs);
    let mut number = [0; 4];
    ours.read_exact(&mut number)?;
    let taken = if number == *b"    " {
        let mut text = String::new();
        ours.read_to_string(&mut text)?;
        Err(io::Error::other(format!(
            "no tmpfs in a user namespace: {text}"
        )))
    } else {
        let process = pidfd_open(pid, PidfdFlags::empty())?;
        let number = i32::from_ne_bytes(number);
        let taken = pidfd_getfd(process, number, PidfdGetfdFlags::empty());
        ours.write_all(&[0])?;
        Ok(taken?)
    };
    waitpid(Some(pid), WaitOptions::empty())?;
    taken
}

fn new_tmpfs(fd: &OwnedFd, namespace: &Namespace) -> io::Result<OwnedFd> {
    enter(fd, namespace)?;
    // SAFETY: Leaves neither the descriptors nor the directories that are shared with others.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(context.as_fd(), "mode", "0777")?;
    fsconfig_create(context.as_fd())?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    Ok(fsmount(context.as_fd(), flags, MountAttrFlags::empty())?)
}

/// What the first process does.
fn in_parent(
    parent: Option<(&OwnedFd, &Namespace)>,
    namespace: &Namespace,
    mut told: &UnixStream,
) -> io::Result<()> {
    if let Some((fd, parent)) = parent {
        enter(fd, parent)?;
    }
    let (mut ours, theirs) = UnixStream::pair()?;
    let second = sys::fork(|| {
        // SAFETY: Leaves neither the descriptors nor the directories that are shared with others.
        let left = unsafe { unshare_unsafe(UnshareFlags::NEWUSER) };
        let mut signal = &theirs;
        let _ = signal.write_all(&[u8::from(left.is_ok())]);
        // Until the first process is through.
        let _ = signal.read(&mut [0]);
        0
    })?;
    let result = (|| {
        let mut left = [0];
        ours.read_exact(&mut left)?;
        if left == [0] {
            return Err(io::Error::other("unshare() failed"));
        }
        let directory = format!("/proc/{second}");
        fs::write(format!("{directory}/uid_map"), namespace.users.text())?;
        fs::write(format!("{directory}/gid_map"), namespace.groups.text())?;
        told.write_all(&second.as_raw_nonzero().get().to_ne_bytes())?;
        told.read_exact(&mut [0])
    })();
    let _ = kill_process(second, Signal::KILL);
    let _ = waitpid(Some(second), WaitOptions::empty());
    result
}
