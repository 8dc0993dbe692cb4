// SPDX-License-Identifier: GPL-2.0

//! A guest boots systemd, which makes idmapped mounts of fstab and of a unit.

use anyhow::Result;

use super::guest::Program;
use super::report::Case;
use crate::guest::image;
use crate::lab::{Engine, Lab};

/// Writes fstab and the unit.
const PREPARE: &str = include_str!("systemd/prepare.sh");
/// Looks at what was mounted, and prints KTAP.
const LOOK: &str = include_str!("systemd/look.sh");

/// Boots it.
pub(crate) fn run(lab: &Lab, engine: Engine) -> Result<Vec<Case>> {
    let program = Program {
        prepare: Some(PREPARE),
        ..Program::new("systemd", LOOK)
    };
    program.run_in(lab, engine.into(), &image::SYSTEMD)
}
