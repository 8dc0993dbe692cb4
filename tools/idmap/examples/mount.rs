// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Mounts a tree with other owners: `mount MAP SOURCE TARGET`, such as
//! `mount b:1000:1001:1 /home/ubuntu /mnt`.

use std::error::Error;

use idmap::{Attributes, IdMaps, IdmappedMount, UserNs};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [map, source, target] = &arguments[..] else {
        return Err("usage: mount MAP SOURCE TARGET".into());
    };
    let maps: IdMaps = map.parse()?;
    IdmappedMount::of(source)
        .map(&UserNs::new(&maps)?)
        .set(Attributes::NO_SUID | Attributes::NO_DEV)
        .attach(target)?;
    Ok(())
}
