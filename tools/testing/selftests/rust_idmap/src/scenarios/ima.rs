// SPDX-License-Identifier: GPL-2.0

//! IMA: a rule with `fowner` compares the owner that the mount shows. The measurement list has the
//! owner on disk.

use std::fs;

use super::{scenario, On, Scenario};
use crate::caller::{CallerNamespaces, CallerNs, Who, DISK, SEEN};
use crate::fixture::Fixture;
use kselftest::filesystem::EXT4;
use kselftest::ktap::{check_eq, skipped, Context, Failure, Outcome};

pub(super) const ALL: &[Scenario] = &[
    scenario("ima.rule_about_owner", On::Types(&[EXT4]), owner),
    scenario("ima.owner_in_the_list", On::Types(&[EXT4]), list),
];

const POLICY: &str = "/sys/kernel/security/ima/policy";
const MEASURED: &str = "/sys/kernel/security/ima/ascii_runtime_measurements";

/// Has files measured that are read.
fn add_rule(which: &str) -> Outcome {
    let rule = format!("measure func=FILE_CHECK mask=MAY_READ {which}\n");
    fs::write(POLICY, rule).map_err(|error| skipped(format_args!("no policy for IMA: {error}")))
}

fn owner(fixture: &Fixture, _: &CallerNamespaces) -> Outcome {
    // Files are measured if the mount shows this owner. Rules stay until the next boot and
    // measurements until the inode is evicted, so no other test uses this owner.
    let (disk, seen) = (DISK + 6, SEEN + 6);
    add_rule(&format!("fowner={seen}"))?;
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    let measured = |path: std::path::PathBuf| -> Result<bool, Failure> {
        fs::read(&path).context("reading")?;
        let name = path.to_string_lossy().into_owned();
        Ok(fs::read_to_string(MEASURED)
            .context(MEASURED)?
            .lines()
            .any(|line| line.ends_with(&name)))
    };
    for (name, id) in [
        ("owners", disk),
        ("others", disk),
        ("number", seen),
        ("unmapped", seen),
    ] {
        case.file(name, id, 0o644)?;
        // Each has contents of its own: the same are measured once.
        fs::write(case.on_disk(name), name).context("writing")?;
    }
    check_eq(
        "the owner's, through the map",
        measured(case.seen.join("owners"))?,
        true,
    )?;
    check_eq(
        "the owner's, without it",
        measured(case.on_disk("others"))?,
        false,
    )?;
    check_eq(
        "of the number, without the map",
        measured(case.on_disk("number"))?,
        true,
    )?;
    check_eq(
        "of the number, through it",
        measured(case.seen.join("unmapped"))?,
        false,
    )
}

/// A signature of a file's metadata covers the owner and the group on disk and the mode. So the
/// measurement list has these ids, through each mount.
fn list(fixture: &Fixture, _: &CallerNamespaces) -> Outcome {
    // No other test uses this owner.
    let (disk, seen) = (DISK + 7, SEEN + 7);
    add_rule(&format!("fowner={seen} template=evm-sig"))?;
    let case = fixture.case(Who::Owner, CallerNs::Initial)?;
    case.file("listed", disk, 0o644)?;
    fs::write(case.on_disk("listed"), "listed").context("writing")?;
    case.give_to("listed", disk, DISK + 4, 0o644)?;
    let path = case.seen.join("listed");
    fs::read(&path).context("reading")?;
    let name = format!(" {} ", path.display());
    let all = fs::read_to_string(MEASURED).context(MEASURED)?;
    let line = all.lines().rfind(|line| line.contains(&name));
    let words = line.unwrap_or_default().split(' ').rev();
    let last: Vec<&str> = words.filter(|word| !word.is_empty()).take(3).collect();
    // The numbers come in the order owner, group, mode; the last one is that of the type as well.
    let mode = (libc::S_IFREG | 0o644).to_string();
    check_eq(
        "mode, group and owner",
        last,
        vec![&*mode, &*(DISK + 4).to_string(), &*disk.to_string()],
    )
}
