// SPDX-License-Identifier: GPL-2.0

//! Many idmapped mounts of many user namespaces: made, listed, used and removed.

use crate::{
    clock, making,
    tree::{self, Tree, map_text},
};
use idmap::unmount;
use kselftest::userns::UserNs;
use rustix::{
    fs::CWD,
    mount::{MountFlags, MoveMountFlags, mount, move_mount},
};
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// The mount point of the directories on which the mounts are.
const MOUNTS: &str = "/run/many";
/// The number of extents of each map.
const EXTENTS: u32 = 5;

/// Makes `mounts` mounts of `namespaces` user namespaces, and prints for each decade of their number:
///
/// ```text
/// many MOUNTS TASK INSTRUCTIONS-PER-MOUNT
/// ```
///
/// and the bytes of the slab allocator per mount.
pub(crate) fn run(mounts: usize, namespaces: usize) -> Result<(), Box<dyn Error>> {
    // A mount namespace has 100,000 mounts at most, otherwise.
    fs::write("/proc/sys/fs/mount-max", (2 * mounts + 1000).to_string())?;
    let limit = rustix::process::Rlimit {
        current: Some(2 * namespaces as u64 + 100),
        maximum: Some(2 * namespaces as u64 + 100),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?;
    fs::create_dir_all(MOUNTS)?;
    mount("tmpfs", MOUNTS, "tmpfs", MountFlags::empty(), None)?;
    let plain = tree::Map {
        extents: 0,
        position: tree::Position::First,
    };
    let tree = Tree::new(tree::Filesystem::Tmpfs, plain)?;
    let text = map_text(EXTENTS);
    let userns: Vec<_> = (0..namespaces)
        .map(|_| UserNs::with(&text))
        .collect::<Result<_, _>>()?;
    for number in 0..mounts {
        fs::create_dir_all(path(number))?;
    }
    settle();
    let before = slab_bytes()?;
    let mut made = 0;
    let mut decade = 100.min(mounts);
    loop {
        let new = decade - made;
        let each = |task: &str, count: usize, start: u64| {
            println!(
                "many {decade} {task} {}",
                (clock::now() - start) / count as u64
            );
        };
        let start = clock::now();
        for number in made..decade {
            let mount = making::clone(tree::SEEN)?;
            making::idmap(&mount, &userns[number % namespaces])?;
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            move_mount(&mount, "", CWD, path(number), flags)?;
        }
        each("make", new, start);
        let start = clock::now();
        let listed = fs::read_to_string("/proc/self/mountinfo")?;
        each("list", decade, start);
        let idmapped = listed
            .lines()
            .filter(|line| line.contains(",idmapped"))
            .count();
        if idmapped != decade {
            return Err(format!("{idmapped} of {decade} mounts are listed as idmapped").into());
        }
        let start = clock::now();
        for number in 0..decade {
            fs::metadata(path(number).join("public/dir/file"))?;
        }
        each("use", decade, start);
        settle();
        let bytes = slab_bytes()?.saturating_sub(before) / decade as u64;
        println!("many {decade} bytes {bytes}");
        made = decade;
        if decade == mounts {
            break;
        }
        decade = (decade * 10).min(mounts);
    }
    let start = clock::now();
    for number in (0..made).rev() {
        unmount(path(number), false)?;
    }
    println!(
        "many {made} remove {}",
        (clock::now() - start) / made as u64
    );
    drop(userns);
    drop(tree);
    unmount(MOUNTS, false)?;
    // Waits for what RCU callbacks free.
    for _ in 0..50 {
        settle();
        if slab_bytes()? <= before {
            break;
        }
    }
    println!("many 0 bytes {}", slab_bytes()?.saturating_sub(before));
    Ok(())
}

fn path(number: usize) -> PathBuf {
    let directory = (number / 100).to_string();
    Path::new(MOUNTS)
        .join(directory)
        .join((number % 100).to_string())
}

fn settle() {
    thread::sleep(Duration::from_millis(200));
}

/// Bytes in use in the caches that mounts and idmaps are in.
fn slab_bytes() -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string("/proc/slabinfo")?;
    let of_mounts = |name: &str| name.starts_with("kmalloc") || name == "mnt_cache";
    let bytes = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        words.next().filter(|name| of_mounts(name))?;
        let objects: u64 = words.next()?.parse().ok()?;
        let size: u64 = words.nth(1)?.parse().ok()?;
        Some(objects * size)
    });
    Ok(bytes.sum())
}
