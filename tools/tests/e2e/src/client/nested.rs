// SPDX-License-Identifier: GPL-2.0

//! Programs that make idmapped mounts for callers that do not control the filesystem.
//!
//! None of them has heard of nested idmaps. Each makes the system calls that it makes as root of the
//! host, if it does not check the caller itself.

pub(super) mod crun;
pub(super) mod nspawn;
pub(super) mod podman;

use crate::{fixture::Fixture, report::Failure, scene::Sysctl};

/// Runs a scene without nested idmaps, and with them if the kernel has them.
fn with_and_without(
    fixture: &mut Fixture,
    run: impl Fn(&mut Fixture, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if !Sysctl::exists() {
        fixture.say("This kernel has no nested idmaps:");
        return run(fixture, false);
    }
    for (value, is_offered) in [("0", false), ("1", true)] {
        fixture.say(&format!("With fs.mount_idmap_nested={value}:"));
        let _sysctl = Sysctl::set(value)?;
        run(fixture, is_offered)?;
    }
    Ok(())
}
