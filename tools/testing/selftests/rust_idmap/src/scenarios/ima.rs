// SPDX-License-Identifier: GPL-2.0

//! IMA: a rule about the owner of a file is about the owner that is seen.

use std::fs;

use super::{scenario, Scenario};
use crate::caller::{Place, Places, Who, DISK, SEEN};
use crate::disk::Kind;
use crate::ktap::{skip, Doing, Failure, Outcome};
use crate::op::same;
use crate::stage::Stage;

pub(super) const ALL: &[Scenario] = &[scenario("ima.rule_about_owner", &[Kind::Ext4], owner)];

const POLICY: &str = "/sys/kernel/security/ima/policy";
const MEASURED: &str = "/sys/kernel/security/ima/ascii_runtime_measurements";

fn owner(stage: &Stage, _: &Places) -> Outcome {
    // What is read is measured if it is seen as this user's. Rules stay until the next boot, so it
    // is one whom no other test knows: what is measured is in memory.
    let (disk, seen) = (DISK + 6, SEEN + 6);
    let rule = format!("measure func=FILE_CHECK mask=MAY_READ fowner={seen}\n");
    fs::write(POLICY, rule).map_err(|error| skip(format_args!("no policy for IMA: {error}")))?;
    let scene = stage.scene(Who::Owner, Place::Initial)?;
    let measured = |path: std::path::PathBuf| -> Result<bool, Failure> {
        fs::read(&path).doing("reading")?;
        let name = path.to_string_lossy().into_owned();
        Ok(fs::read_to_string(MEASURED)
            .doing(MEASURED)?
            .lines()
            .any(|line| line.ends_with(&name)))
    };
    for (name, id) in [
        ("owners", disk),
        ("others", disk),
        ("number", seen),
        ("unmapped", seen),
    ] {
        scene.file(name, id, 0o644)?;
        // Each has contents of its own: the same are measured once.
        fs::write(scene.on_disk(name), name).doing("writing")?;
    }
    same(
        "the owner's, through the map",
        measured(scene.seen.join("owners"))?,
        true,
    )?;
    same(
        "the owner's, without it",
        measured(scene.on_disk("others"))?,
        false,
    )?;
    same(
        "of the number, without the map",
        measured(scene.on_disk("number"))?,
        true,
    )?;
    same(
        "of the number, through it",
        measured(scene.seen.join("unmapped"))?,
        false,
    )
}
