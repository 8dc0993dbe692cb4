// SPDX-License-Identifier: GPL-2.0

//! What audit records of calls through a mount with a map.

use std::path::Path;

use rustix::fs::{lsetxattr, XattrFlags};

use super::{scenario, Scenario};
use crate::act;
use crate::caller::{Place, Places, Who, DISK, NESTED_ROOT, SEEN};
use crate::disk::Kind;
use crate::ktap::{skip, wrong, Doing, Failure, Outcome};
use crate::netlink::{Recorded, PATH};
use crate::op::{same, OK};
use crate::stage::Stage;

pub(super) const ALL: &[Scenario] = &[
    scenario("audit.path", &[Kind::Tmpfs], path),
    Scenario {
        known: Some("the file's capabilities are recorded without the map of its mount"),
        ..scenario(
            "audit.capabilities_of_program",
            &[Kind::Tmpfs],
            capabilities,
        )
    },
];

// `linux/audit.h`
const BPRM_FCAPS: u16 = 1321;

fn recorded(call: i64, file: &Path) -> Result<Recorded, Failure> {
    let call = usize::try_from(call).doing("the number of the call")?;
    Recorded::new(call, SEEN, file).map_err(|error| skip(format_args!("audit: {error}")))
}

/// A number in a record.
fn field(record: &str, name: &str) -> Result<String, Failure> {
    let mut words = record.split([' ', '\0']);
    let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found
        .map(str::to_owned)
        .ok_or_else(|| wrong(format_args!("no {name} in: {record}")))
}

fn path(stage: &Stage, places: &Places) -> Outcome {
    let scene = stage.scene(Who::Owner, Place::Initial)?;
    let file = scene.seen.join("file");
    let recorded = recorded(libc::SYS_openat, &file)?;
    let answer = places.act(Who::Owner, Place::Initial, || {
        act::read(&file.to_string_lossy())
    });
    same("reading", answer, OK)?;
    let record = recorded.of_file(&file, PATH).doing("the record")?;
    // The owner as the disk has it: a record is about the file, not about a mount.
    same("owner", field(&record, "ouid")?, DISK.to_string())?;
    same("group", field(&record, "ogid")?, DISK.to_string())
}

fn capabilities(stage: &Stage, places: &Places) -> Outcome {
    let scene = stage.scene(Who::Owner, Place::Initial)?;
    scene.program("program", DISK, DISK, 0o755)?;
    // CAP_NET_RAW, for the root of the nested namespace.
    let numbers = [0x0300_0001u32, 1 << 13, 0, 0, 0, NESTED_ROOT - SEEN + DISK];
    let value: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    lsetxattr(
        scene.on_disk("program"),
        "security.capability",
        &value,
        XattrFlags::empty(),
    )
    .doing("setting capabilities")?;
    let program = scene.seen.join("program");
    let recorded = recorded(libc::SYS_execve, &program)?;
    let answer = places.act(Who::Owner, Place::Nested, || {
        let status = std::process::Command::new(&program)
            .arg("--net-raw")
            .output();
        let said = status.map_err(crate::userns::number)?.stdout;
        Ok(u64::from(said == b"1\n"))
    });
    same("having the capability", answer, Ok(1))?;
    let record = recorded.of_file(&program, BPRM_FCAPS).doing("the record")?;
    same(
        "capabilities of the file",
        field(&record, "fp")?,
        "0000000000002000".to_owned(),
    )?;
    same(
        "root that they are for",
        field(&record, "frootid")?,
        NESTED_ROOT.to_string(),
    )
}
