// SPDX-License-Identifier: GPL-2.0

//! Which system calls a program makes for its mount, by strace(1).

use std::fs;

use crate::{
    fixture::Fixture,
    report::{Context, Failure},
};

/// Part of the strace line of the system call that makes a mount idmapped.
pub(super) const SET_MAP: &str =
    "\"\", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_IDMAP, attr_clr=0, propagation=0";

/// Runs a command line as root and checks that it makes these system calls in this order, among
/// others. A call is recognized by its arguments: where two processes make calls at once, strace
/// prints the result on another line.
pub(super) fn made(fixture: &mut Fixture, line: &str, calls: &[&str]) -> Result<(), Failure> {
    let file = fixture.path("calls");
    fixture.prepare(&format!(
        "strace -f -qq -e signal=none -e trace=clone,unshare,open_tree,mount_setattr,move_mount \
         -o {} {line}",
        file.display()
    ))?;
    let trace = fs::read_to_string(file).context("reading what strace wrote")?;
    for line in trace.lines() {
        fixture.say(line);
    }
    let mut lines = trace.lines().filter(|line| !line.contains(" = -1 "));
    for call in calls {
        let made = lines.any(|line| line.contains(call));
        fixture.check(&format!("it calls {call}"), Ok(made), Ok(true));
    }
    Ok(())
}
