// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Lists the idmapped mounts with their maps.

use std::error::Error;

use idmap::{MountMap, mounts};

fn main() -> Result<(), Box<dyn Error>> {
    for mount in mounts()? {
        match &mount.map {
            MountMap::None => {}
            MountMap::Maps(maps) => println!("{} {maps}", mount.target.display()),
            _ => println!("{} (not shown)", mount.target.display()),
        }
    }
    Ok(())
}
