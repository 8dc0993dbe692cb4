// SPDX-License-Identifier: GPL-2.0

//! A tmpfs that was mounted in a user namespace. It stores ids of that namespace.

use std::{os::fd::AsFd, path::Path};

use idmap::{
    IdMaps, UserNs,
    explain::{Told, UserNsView},
};
use kselftest::rng::Rng;
use rustix::{
    fs::CWD,
    mount::{MoveMountFlags, move_mount},
};

use super::IDS;
use crate::report::{Context, Failure};

/// Mounts one on `target`, and returns its user namespace.
pub(super) fn mount(rng: &mut Rng, target: &Path) -> Result<Told, Failure> {
    // The namespace has a name for each id that there is, another one for most.
    let names = rng.shuffled(&IDS);
    let ranges = names.iter().zip(IDS);
    let text: Vec<String> = ranges
        .map(|(name, id)| format!("b:{name}:{id}:1"))
        .collect();
    let text = text.join(" ");
    let maps: IdMaps = text.parse().context(&text)?;
    let userns = UserNs::new(&maps).context(&text)?;
    let own = userns.as_fd().try_clone_to_owned().context(&text)?;
    let made = kselftest::userns::UserNs::from(own)
        .mount_tmpfs((0, 0), "755")
        .context("mounting a tmpfs in the user namespace")?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&made, "", CWD, target, flags).context("mounting it")?;
    let view = UserNsView::new(userns, maps).context(text)?;
    Told::default()
        .mounted_in(made.as_fd(), view)
        .context("telling that")
}
