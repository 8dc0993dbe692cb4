// SPDX-License-Identifier: GPL-2.0

//! Audit records of system calls through an idmapped mount.

use std::path::Path;

use kselftest::filesystem::TMPFS;
use kselftest::fscaps;
use kselftest::ktap::{check_eq, failed, skipped, Context, Failure, Outcome};
use kselftest::syscalls::set_xattr;

use super::{nothing, scenario, On, Scenario};
use crate::caller::{CallerNamespaces, CallerNs, SyscallResult, Who, DISK, NESTED_ROOT, SEEN};
use crate::calls;
use crate::fixture::{Fixture, TestCase};
use crate::netlink::{Recorded, PATH};
use crate::op::OK;

pub(super) const ALL: &[Scenario] = &[
    scenario("audit.path", On::Types(&[TMPFS]), path),
    without_map("audit.capabilities_of_program", capabilities),
    without_map("audit.capabilities_of_path", of_path),
    without_map("audit.capabilities_of_removed_path", of_removed),
    without_map("audit.capabilities_of_renamed_path", of_renamed),
];

/// One that fails on kernels of today.
const fn without_map(
    name: &'static str,
    run: fn(&Fixture, &CallerNamespaces) -> Outcome,
) -> Scenario {
    Scenario {
        known: Some("the file's capabilities are recorded without the map of its mount"),
        ..scenario(name, On::Types(&[TMPFS]), run)
    }
}

// `linux/audit.h`
const BPRM_FCAPS: u16 = 1321;

/// Root of the nested namespace, as the disk has it.
const ROOT_ON_DISK: u32 = NESTED_ROOT - SEEN + DISK;
/// CAP_NET_RAW, as records have it.
const NET_RAW: &str = "0000000000002000";

/// Gives a file the capability, for a root of a namespace.
fn set(case: &TestCase, name: &str, root: u32) -> Outcome {
    let file = case.on_disk(name);
    set_xattr(
        file,
        fscaps::NAME,
        &fscaps::encode(fscaps::NET_RAW, Some(root)),
    )
    .context("setting capabilities")
}

fn recorded(call: i64, file: &Path) -> Result<Recorded, Failure> {
    let call = usize::try_from(call).context("the number of the call")?;
    Recorded::new(call, SEEN, file).map_err(|error| skipped(format_args!("audit: {error}")))
}

/// A number in a record.
fn field(record: &str, name: &str) -> Result<String, Failure> {
    let mut words = record.split([' ', '\0']);
    let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found
        .map(str::to_owned)
        .ok_or_else(|| failed(format_args!("no {name} in: {record}")))
}

fn path(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    let file = case.seen.join("file");
    let recorded = recorded(libc::SYS_openat, &file)?;
    let answer = namespaces.run_as(Who::Owner, CallerNs::Initial, || {
        calls::read(&file.to_string_lossy())
    });
    check_eq("reading", answer, OK)?;
    let record = recorded.of_file(&file, PATH).context("the record")?;
    // The owner as the disk has it: a record is about the file, not about a mount.
    check_eq("owner", field(&record, "ouid")?, DISK.to_string())?;
    check_eq("group", field(&record, "ogid")?, DISK.to_string())
}

fn capabilities(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    case.program("program", DISK, DISK, 0o755)?;
    set(&case, "program", ROOT_ON_DISK)?;
    let program = case.seen.join("program");
    let recorded = recorded(libc::SYS_execve, &program)?;
    let answer = namespaces.run_as(Who::Owner, CallerNs::Nested, || {
        let status = std::process::Command::new(&program)
            .arg("--net-raw")
            .output();
        let said = status.map_err(kselftest::errno::from_io)?.stdout;
        Ok(u64::from(said == b"1\n"))
    });
    check_eq("having the capability", answer, Ok(1))?;
    let record = recorded
        .of_file(&program, BPRM_FCAPS)
        .context("the record")?;
    check_eq(
        "capabilities of the file",
        field(&record, "fp")?,
        NET_RAW.to_owned(),
    )?;
    check_eq(
        "root that they are for",
        field(&record, "frootid")?,
        NESTED_ROOT.to_string(),
    )
}

/// The owner makes a system call through the idmapped mount, from the nested user namespace. One
/// file has capabilities for the root user of that namespace, another has capabilities for the user
/// with that number on disk, which the idmap does not have. The record of a path must contain the
/// capabilities that are in effect.
fn of(
    fixture: &Fixture,
    namespaces: &CallerNamespaces,
    (syscall, call): (i64, fn(&str) -> SyscallResult),
    named: &str,
) -> Outcome {
    let mut wrong = String::new();
    for (root, expected) in [
        (ROOT_ON_DISK, format!("{NET_RAW} for {NESTED_ROOT}")),
        (NESTED_ROOT, "0 for 0".to_owned()),
    ] {
        let case = fixture.case(Who::Owner, CallerNs::Nested)?;
        set(&case, "file", root)?;
        let file = case.seen.join("file");
        let recorded = recorded(syscall, &file)?;
        let name = file.to_string_lossy();
        let answer = namespaces.run_as(Who::Owner, CallerNs::Nested, || call(&name));
        check_eq("doing it", answer, OK)?;
        let path = case.seen.join(named);
        let record = recorded.of_file(&path, PATH).context("the record")?;
        let (set, root_recorded) = (field(&record, "cap_fp")?, field(&record, "cap_frootid")?);
        let found = format!("{set} for {root_recorded}");
        if found != expected {
            wrong += &format!("of those for {root} on disk: {found}, not {expected}\n");
        }
    }
    nothing(wrong)
}

fn of_path(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    of(fixture, namespaces, (libc::SYS_openat, calls::read), "file")
}

fn of_removed(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    of(
        fixture,
        namespaces,
        (libc::SYS_unlinkat, calls::unlink),
        "file",
    )
}

fn of_renamed(fixture: &Fixture, namespaces: &CallerNamespaces) -> Outcome {
    let rename = |name: &str| calls::rename(name, &format!("{name}.new"));
    of(
        fixture,
        namespaces,
        (libc::SYS_renameat2, rename),
        "file.new",
    )
}
