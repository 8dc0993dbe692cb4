// SPDX-License-Identifier: GPL-2.0

//! Looks at files through mounts that come and go, and makes some.

use std::{fs, path::Path, sync::atomic::Ordering};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, fstat, openat, stat, unlinkat},
    io::Errno,
    process::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use crate::mounts::{Place, Storm};

/// How often the tables of mounts are read, in rounds.
const TABLES: u64 = 200;

/// Reads until the storm is over, as the user whom the mounts of one place show.
pub(crate) fn read(storm: &Storm, number: usize) {
    let own = &storm.places[number];
    if let Err(errno) = become_user(own.seen) {
        return storm.note(format!(
            "reader {number}: becoming user {}: {errno}",
            own.seen
        ));
    }
    let mut round = 0;
    while !storm.is_over() {
        for place in &storm.places {
            look(storm, place);
        }
        make(storm, &own.first, own.seen, number);
        if round % TABLES == 0 {
            tables(storm);
        }
        round += 1;
    }
}

fn become_user(user: u32) -> rustix::io::Result<()> {
    set_thread_groups(&[])?;
    let group = Gid::from_raw(user);
    set_thread_res_gid(group, group, group)?;
    let user = Uid::from_raw(user);
    set_thread_res_uid(user, user, user)
}

/// Only one owner can be seen at the first place, and one of two at the second.
fn look(storm: &Storm, place: &Place) {
    for (folder, may_be) in [
        (&place.first, &[place.seen][..]),
        (&place.second, &[place.seen, place.seen_again()]),
    ] {
        match stat(folder.join("file")) {
            Ok(status) => {
                let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
                storm.look("reader", owner, may_be);
            }
            // Nothing is mounted there just now.
            Err(Errno::NOENT) => {}
            Err(errno) => storm.note(format!("reader: {}: {errno}", folder.display())),
        }
    }
}

/// Makes a file, which is the user's.
fn make(storm: &Storm, folder: &Path, user: u32, number: usize) {
    let path = folder.join(format!("of{number}"));
    let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    match openat(CWD, &path, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) => {
            storm.made.fetch_add(1, Ordering::Relaxed);
            if let Ok(status) = fstat(&file) {
                let owner = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
                storm.look("file made", owner, &[user]);
            }
        }
        // Nothing is mounted there, and the folder below is root's.
        Err(Errno::ACCESS) => return,
        Err(errno) => return storm.note(format!("making {}: {errno}", path.display())),
    }
    match unlinkat(CWD, &path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::ACCESS) => {}
        Err(errno) => storm.note(format!("removing {}: {errno}", path.display())),
    }
}

/// Mounts are listed with their maps while they come and go.
fn tables(storm: &Storm) {
    if let Err(error) = fs::read_to_string("/proc/self/mountinfo") {
        storm.note(format!("/proc/self/mountinfo: {error}"));
    }
    if let Err(error) = mount_idmapped::mounts() {
        storm.note(format!("listmount() and statmount(): {error}"));
    }
}
