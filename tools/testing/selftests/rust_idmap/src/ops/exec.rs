// SPDX-License-Identifier: GPL-2.0

//! Execution: set-user-id bits and file capabilities, and access to the resulting process.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use kselftest::errno::from_io;
use kselftest::filesystem::{Feature, Filesystem};
use kselftest::fscaps::{self, NET_RAW};
use kselftest::ktap::{check_eq, Context, Outcome};
use kselftest::syscalls::set_xattr;
use kselftest::{filesystem, process};
use rustix::io::Errno;

use crate::caller::{CallerNs, SyscallResult, Who, DISK, FOREIGN, NESTED_ROOT, SEEN};
use crate::fixture::TestCase;
use crate::op::{op, Op, EACCES, OK};

use super::NOBODY;

/// Executes a copy of this program, which prints one of its credentials.
fn run(question: &str) -> SyscallResult {
    let output = Command::new("./program")
        .arg(question)
        .output()
        .map_err(from_io)?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| Errno::NOEXEC)
}

fn program(s: &TestCase, owner: u32, mode: u32) -> Outcome {
    s.program("program", owner, owner, mode)
}

/// CAP_NET_RAW, effective, for the namespaces of a root or for all.
fn capability(s: &TestCase, root: Option<u32>) -> Outcome {
    set_xattr(
        s.on_disk("program"),
        fscaps::NAME,
        &fscaps::encode(NET_RAW, root),
    )
    .context("setting capabilities")
}

/// Lets a child process dump core. Returns whether the kernel reports a core file.
fn dump(_: &TestCase) -> SyscallResult {
    let pid = process::fork(|| {
        let most = rustix::process::Rlimit {
            current: None,
            maximum: None,
        };
        // No limit of the size. A caller without CAP_SYS_RESOURCE keeps the old limit.
        let _ = rustix::process::setrlimit(rustix::process::Resource::Core, most);
        std::process::abort()
    })?;
    let status = std::process::ExitStatus::from_raw(process::wait(pid)?.as_raw());
    Ok(u64::from(status.core_dumped()))
}

pub(crate) fn ops() -> Vec<Op> {
    let run_ids = |name| op(name, |_| run("--user"));
    let run_caps = |name| op(name, |_| run("--net-raw")).needs(Feature::Xattr);
    vec![
        op("exec.of_owner", |_| run("--user").map(|_| 0))
            .with(|s| program(s, DISK, 0o710))
            .each([OK, OK, EACCES, EACCES, OK]),
        op("exec.of_nobody", |_| run("--user").map(|_| 0))
            .with(|s| program(s, DISK, 0o600))
            .each(NOBODY),
        run_ids("exec.setuid")
            .with(|s| program(s, DISK, 0o4755))
            .by(|s| Ok(u64::from(s.ns.shown(SEEN)))),
        run_ids("exec.setuid_of_unmapped_owner")
            .with(|s| program(s, FOREIGN, 0o4755))
            .by(|s| Ok(u64::from(s.ns.shown(s.who.id())))),
        run_ids("exec.setuid_of_unmapped_group")
            .with(|s| s.program("program", DISK, FOREIGN, 0o4755))
            .by(|s| Ok(u64::from(s.ns.shown(s.who.id())))),
        op("exec.setgid", |_| run("--group"))
            .with(|s| program(s, DISK, 0o2755))
            .by(|s| Ok(u64::from(s.ns.shown(SEEN)))),
        run_ids("exec.setuid_of_the_number_of_the_seen")
            .with(|s| program(s, SEEN, 0o4755))
            .by(|s| Ok(u64::from(s.ns.shown(s.who.id())))),
        run_caps("commoncap.exec_for_own_root")
            .with(|s| program(s, DISK, 0o755))
            .with(|s| capability(s, Some(NESTED_ROOT - SEEN + DISK)))
            .by(|s| Ok(u64::from(s.ns == CallerNs::Nested))),
        run_caps("commoncap.exec_for_another_root")
            .with(|s| program(s, DISK, 0o755))
            .with(|s| capability(s, Some(DISK + 4)))
            .by(|_| Ok(0)),
        run_caps("commoncap.exec_for_an_unmapped_root")
            .with(|s| program(s, DISK, 0o755))
            .with(|s| capability(s, Some(SEEN)))
            .by(|_| Ok(0)),
        run_caps("commoncap.exec_for_all")
            // The root user of the initial user namespace, which the idmap does not have.
            .with(|s| program(s, DISK, 0o755))
            .with(|s| capability(s, None))
            .by(|_| Ok(0)),
        op("would_dump.who_may_read", |_| run("--dumpable"))
            .with(|s| program(s, DISK, 0o755))
            .by(|_| Ok(1)),
        op("would_dump.who_may_not_read", |_| run("--dumpable"))
            .with(|s| program(s, DISK, 0o711))
            .each([Ok(1), Ok(0), Ok(0), Ok(0), Ok(1)]),
        op("coredump.made", dump)
            .with(|s| s.give(".", DISK, 0o777))
            .by(|s| Ok(u64::from(s.who.on_disk().is_some())))
            .then(|s| match s.who.on_disk() {
                Some(id) => check_eq("owner", s.owner("core")?, (id, id)),
                None => check_eq("a core file", s.on_disk("core").exists(), false),
            }),
        op("coredump.not_into_others", dump)
            .with(|s| s.file("core", DISK, 0o666))
            // A core file that cannot be removed is not overwritten.
            .with(|s| s.give(".", DISK + 7, 0o1777))
            .by(|s| Ok(u64::from(matches!(s.who, Who::Owner | Who::Admin))))
            .then(|s| {
                let length = s.on_disk("core").metadata().context("looking")?.len();
                check_eq(
                    "kept",
                    length == 5,
                    !matches!(s.who, Who::Owner | Who::Admin),
                )
            }),
    ]
}

/// That the program is on the filesystem.
pub(crate) fn prepare(disk: &std::path::Path, kind: Filesystem) -> Outcome {
    if !kind.has(filesystem::Feature::Owners) {
        return Ok(());
    }
    let own = std::env::current_exe().context("finding this program")?;
    std::fs::copy(own, disk.join("program"))
        .map(drop)
        .context("copying this program")
}
