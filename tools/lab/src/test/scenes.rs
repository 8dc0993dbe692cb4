// SPDX-License-Identifier: GPL-2.0

//! The acceptance scenes, which the program `scenes` plays in the guest.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::ktap;
use super::report::Case;
use crate::boot::{self, Job, Options};
use crate::lab::{Engine, Lab};
use crate::{disks, exec};

const DISKS: &str = "ext4 xfs btrfs vfat msdos";
const LIMIT: Duration = Duration::from_secs(900);

/// Plays all scenes on one engine.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let machine = exec::machine(lab, engine)?;
    let job = Job::Exec("exec scenes all --ktap".into());
    let mut options = Options::new(job, &format!("scenes-{engine}"));
    options.limit = Some(LIMIT);
    options.disks = disks::parse(DISKS)?;
    let outcome = boot::boot(&lab.cache, &machine, &options)?;
    let mut output = String::from_utf8_lossy(&outcome.output).into_owned();
    output.push_str(&String::from_utf8_lossy(&outcome.errors));
    fs::write(lab.cache.log(&format!("scenes-{engine}-output"))?, &output)?;
    let mut cases = ktap::parse(&output);
    cases.extend(super::around(&outcome));
    Ok(cases)
}
