// SPDX-License-Identifier: GPL-2.0

//! A tmpfs that was mounted in a user namespace: what it stores it calls by that namespace's names.

use std::{
    io::{BufRead, BufReader, Read, stdin},
    os::fd::{AsFd, AsRawFd},
    path::Path,
    process::Stdio,
};

use mount_idmapped::{
    IdMaps, UserNs,
    explain::{Told, UserNsView},
};
use rustix::{
    fs::CWD,
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create,
        fsconfig_set_string, fsmount, fsopen, move_mount,
    },
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

use super::{super::random::Random, IDS};
use crate::{
    fixture::new_mount_namespace,
    report::{Doing, Failure},
};

/// Mounts one on `target`, and tells the user namespace that it is of.
pub(super) fn mount(random: &mut Random, target: &Path) -> Result<Told, Failure> {
    // The namespace has a name for each id that there is, another one for most.
    let mut names = IDS;
    for index in (1..names.len()).rev() {
        let other = random.below(u32::try_from(index + 1).unwrap_or(1)) as usize;
        names.swap(index, other);
    }
    let ranges = names.iter().zip(IDS);
    let text: Vec<String> = ranges
        .map(|(name, id)| format!("b:{name}:{id}:1"))
        .collect();
    let text = text.join(" ");
    let maps: IdMaps = text.parse().doing(&text)?;
    let userns = UserNs::new(&maps).doing(&text)?;
    let program = std::env::current_exe().doing("finding this program")?;
    let mut command = userns.command(program).doing("entering the namespace")?;
    let mut child = command
        .arg("give-tmpfs")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .doing("starting this program in the namespace")?;
    let mut line = String::new();
    let said = child.stdout.take().map(BufReader::new);
    if let Some(mut said) = said {
        said.read_line(&mut line).doing("listening to it")?;
    }
    let number = line.trim().parse().doing("reading what it says")?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure("a process has no number".to_owned()))?;
    let process = pidfd_open(pid, PidfdFlags::empty()).doing("opening the process")?;
    let made = pidfd_getfd(process, number, PidfdGetfdFlags::empty()).doing("taking the mount")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&made, "", CWD, target, flags).doing("mounting it")?;
    // It ends when it hears no more.
    drop(child.stdin.take());
    child.wait().doing("waiting for its end")?;
    let view = UserNsView::new(userns, maps).doing(text)?;
    Told::default()
        .mounted_in(made.as_fd(), view)
        .doing("telling that")
}

/// Makes a tmpfs, says by which file descriptor, and waits until it was taken.
pub(crate) fn give_tmpfs() -> Result<(), Failure> {
    // Only who has a mount namespace of its own may make one.
    new_mount_namespace().doing("making a mount namespace")?;
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).doing("opening tmpfs")?;
    fsconfig_set_string(context.as_fd(), "mode", "755").doing("choosing its mode")?;
    fsconfig_create(context.as_fd()).doing("making it")?;
    let flags = FsMountFlags::FSMOUNT_CLOEXEC;
    let made = fsmount(context.as_fd(), flags, MountAttrFlags::empty()).doing("mounting it")?;
    println!("{}", made.as_raw_fd());
    let mut nothing = Vec::new();
    stdin().read_to_end(&mut nothing).doing("waiting").map(drop)
}
