// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Gives a directory to a container that runs, whose root then owns what root owns on disk:
//! `container PID SOURCE TARGET`, where TARGET is a path in the container.

use std::{error::Error, fs::File, os::fd::AsFd};

use idmap::{IdmappedMount, UserNs};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [pid, source, target] = &arguments[..] else {
        return Err("usage: container PID SOURCE TARGET".into());
    };
    let pid: u32 = pid.parse()?;
    let userns = UserNs::of_process(pid)?;
    // Made in this mount namespace, attached in the container's.
    let mount = IdmappedMount::of(source).map(&userns).detached()?;
    let mounts = File::open(format!("/proc/{pid}/ns/mnt"))?;
    move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
    mount.attach(target)?;
    Ok(())
}
