// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Lists a directory as it is seen through a map, without a mount that others see:
//! `open_detached MAP DIRECTORY`.

use std::{error::Error, os::fd::AsFd};

use idmap::{IdmappedMount, UserNs};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, statat};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [map, directory] = &arguments[..] else {
        return Err("usage: open_detached MAP DIRECTORY".into());
    };
    let userns = UserNs::new(&map.parse()?)?;
    // The mount vanishes with this value.
    let mount = IdmappedMount::of(directory).map(&userns).detached()?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(mount.as_fd(), ".", flags, Mode::empty())?;
    for entry in Dir::read_from(&root)? {
        let entry = entry?;
        let status = statat(&root, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
        let name = entry.file_name().to_string_lossy();
        println!("{:>10} {:>10} {name}", status.st_uid, status.st_gid);
    }
    Ok(())
}
