// SPDX-License-Identifier: GPL-2.0

//! Looks at files through mounts that come and go, and makes some.

use std::{fs, path::Path, sync::atomic::Ordering};

use kselftest::{credentials::become_user, process::set_dumpable};
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, fstat, openat, stat, unlinkat},
    io::Errno,
    process::{Gid, Uid},
};

use crate::mounts::{MountPoints, Shared};

/// How often the tables of mounts are read, in rounds.
const TABLES: u64 = 200;

/// Reads until the test is over, as the user that the mounts at one pair of mount points show.
pub(crate) fn read(shared: &Shared, number: usize) {
    let own = &shared.mount_points[number];
    // The change of the ids gives the files in /proc of this program to root of the host.
    let became = become_user(own.seen).and_then(|()| set_dumpable());
    shared.ready.wait();
    if let Err(errno) = became {
        return shared.note(format!(
            "reader {number}: becoming user {}: {errno}",
            own.seen
        ));
    }
    let mut round = 0;
    while !shared.is_over() {
        for place in &shared.mount_points {
            look(shared, place);
        }
        make(shared, &own.first, own.seen, number);
        if round % TABLES == 0 {
            tables(shared);
        }
        round += 1;
    }
}

/// Only one owner can be seen at the first place, and one of two at the second.
fn look(shared: &Shared, place: &MountPoints) {
    for (directory, may_be) in [
        (&place.first, &[place.seen][..]),
        (&place.second, &[place.seen, place.seen_again()]),
    ] {
        match stat(directory.join("file")) {
            Ok(status) => {
                let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
                shared.look("reader", owner, may_be);
            }
            // Nothing is mounted there just now.
            Err(Errno::NOENT) => {}
            Err(errno) => shared.note(format!("reader: {}: {errno}", directory.display())),
        }
    }
}

/// Makes a file, which is the user's.
fn make(shared: &Shared, directory: &Path, user: u32, number: usize) {
    let path = directory.join(format!("of{number}"));
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    match openat(CWD, &path, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => {
            shared.made.fetch_add(1, Ordering::Relaxed);
            if let Ok(status) = fstat(&file) {
                let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
                shared.look("file made", owner, &[user]);
            }
        }
        // Nothing is mounted there, and the directory below is root's.
        Err(Errno::ACCESS) => return,
        Err(errno) => return shared.note(format!("making {}: {errno}", path.display())),
    }
    match unlinkat(CWD, &path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::ACCESS) => {}
        Err(errno) => shared.note(format!("removing {}: {errno}", path.display())),
    }
}

/// Mounts are listed with their maps while they come and go.
fn tables(shared: &Shared) {
    if let Err(error) = fs::read_to_string("/proc/self/mountinfo") {
        shared.note(format!("/proc/self/mountinfo: {error}"));
    }
    if let Err(error) = idmap::mounts() {
        shared.note(format!("listmount() and statmount(): {error}"));
    }
}
